//! Memory that is lent for one call: behind its last byte nobody may read, and after the call nobody may read any of it.
//!
//! ```text
//!   │ …unused │ the bytes │ ← no access │        during the call, read-only
//!   │         no access                 │        after it, for a long time
//! ```

use chatring_abi::{ChatBytes, ChatRecord};
use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

/// Some memory that is lent.
pub(crate) struct Lent {
    map: Map,
    at: NonNull<u8>,
    len: usize,
}

/// A mapping that is unmapped in the end.
struct Map {
    start: NonNull<c_void>,
    len: usize,
}

// SAFETY: a mapping belongs to no thread.
unsafe impl Send for Map {}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: mapped by `Lent::with`, and unmapped once. Nobody here has a reference into it any more.
        unsafe { libc::munmap(self.start.as_ptr(), self.len) };
    }
}

/// So many addresses stay forbidden before they may be given to someone else: a pointer that was kept must not find other bytes there.
const FORBIDDEN_MAX: usize = 2048;
static FORBIDDEN: Mutex<VecDeque<Map>> = Mutex::new(VecDeque::new());

impl Lent {
    /// A copy of these bytes.
    pub fn bytes(bytes: &[u8]) -> Lent {
        Lent::with(bytes.len(), 1, |to| {
            // SAFETY: `to` has room for as many, and nobody else knows it yet.
            unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        })
    }

    /// One word: what a sink's context points to.
    pub fn word(word: *mut c_void) -> Lent {
        // SAFETY: `to` has room for a pointer, aligned as one, and nobody else knows it yet.
        Lent::with(size_of::<*mut c_void>(), align_of::<*mut c_void>(), |to| unsafe { to.cast::<*mut c_void>().write(word) })
    }

    /// A record with all that it points to.
    pub fn record(kind: u32, argv: &[&[u8]]) -> Lent {
        let head = size_of::<ChatRecord>() + size_of_val(argv) / size_of::<&[u8]>() * size_of::<ChatBytes>();
        let len = head + argv.iter().map(|arg| arg.len()).sum::<usize>();
        Lent::with(len, align_of::<ChatRecord>(), |to| {
            // SAFETY: `to` has room for the record, its arguments and their bytes, one behind the other, is aligned for the first two, and
            // nobody else knows it yet.
            unsafe {
                let list = to.add(size_of::<ChatRecord>()).cast::<ChatBytes>();
                let mut bytes = to.add(head);
                for (ix, arg) in argv.iter().enumerate() {
                    bytes.copy_from_nonoverlapping(arg.as_ptr(), arg.len());
                    list.add(ix).write(ChatBytes { data: bytes, len: arg.len() });
                    bytes = bytes.add(arg.len());
                }
                to.cast::<ChatRecord>().write(ChatRecord { kind, argc: argv.len() as u32, argv: list });
            }
        })
    }

    fn with(len: usize, align: usize, fill: impl FnOnce(*mut u8)) -> Lent {
        // SAFETY: asks a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
        let room = len.div_ceil(page).max(1) * page;
        let (read_write, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, wherever there is room.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), room + page, read_write, private, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED, "no memory to lend");
        let start = NonNull::new(start).expect("no mapping begins at null");
        let map = Map { start, len: room + page };
        // Up to the end, as far as alignment lets it.
        let before = (room - len) / align * align;
        // SAFETY: within the mapping.
        let at = unsafe { start.cast::<u8>().add(before) };
        fill(at.as_ptr());
        // SAFETY: our own mapping: its last page, and those before.
        let guarded = unsafe {
            libc::mprotect(start.as_ptr().byte_add(room), page, libc::PROT_NONE) | libc::mprotect(start.as_ptr(), room, libc::PROT_READ)
        };
        assert_eq!(guarded, 0, "memory can't be protected");
        Lent { map, at, len }
    }

    /// Where it is.
    pub fn at(&self) -> *const u8 {
        self.at.as_ptr()
    }

    /// As bytes for a call.
    pub fn as_chat_bytes(&self) -> ChatBytes {
        ChatBytes { data: self.at(), len: self.len }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let map = Map { start: self.map.start, len: self.map.len };
        // Unmapped by the copy that stays.
        self.map.len = 0;
        // SAFETY: our own mapping, whole.
        unsafe { libc::mprotect(map.start.as_ptr(), map.len, libc::PROT_NONE) };
        let mut forbidden = FORBIDDEN.lock().unwrap_or_else(PoisonError::into_inner);
        if forbidden.len() >= FORBIDDEN_MAX {
            forbidden.pop_front();
        }
        forbidden.push_back(map);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatring_sdk::raw;

    #[test]
    fn what_is_lent_is_there() {
        for len in [0, 1, 7, 4095, 4096, 4097] {
            let bytes: Vec<u8> = (0..len).map(|ix| ix as u8).collect();
            let lent = Lent::bytes(&bytes);
            // SAFETY: lent until the end of this scope.
            assert_eq!(unsafe { lent.as_chat_bytes().as_slice() }, bytes);
            assert_eq!((lent.at() as usize + len) % 4096, 0, "up to the end of its page");
        }
    }

    #[test]
    fn a_record_is_lent_whole() {
        let lent = Lent::record(8, &[b"message", b"", b"#g"]);
        // SAFETY: lent until the end of this scope.
        let record = unsafe { raw::lift(lent.at().cast()) }.unwrap();
        assert_eq!(format!("{record:?}"), r##"Push["message", "", "#g"]"##);
        let bare = Lent::record(1, &[]);
        // SAFETY: as above.
        assert_eq!(format!("{:?}", unsafe { raw::lift(bare.at().cast()) }.unwrap()), "Status[]");
    }
}
