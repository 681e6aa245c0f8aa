//! Looking at what a plugin hands over before anything of it is called.
//!
//! A plugin may have been built for another version, or by someone in a hurry: sizes are checked before fields are read, and
//! functions for null before they become Rust function pointers, which can't be null.
//!
//! For whoever has to call a plugin's functions by hand. chatd does it through [`Plugins`](crate::Plugins).

use crate::error::PluginError;
use chatring_abi::{ChatAuth, ChatEntry, ChatEntryFn, ChatFilter, ChatTimed, ChatTransport, ENTRY_SYMBOL, MAJOR};
use std::ffi::{CStr, c_char, c_void};
use std::fs::File;
use std::mem::{MaybeUninit, offset_of};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A struct of the C edge, as far as it has to be checked.
pub trait Table {
    /// What it is called.
    const WHAT: &'static str;
    /// Names and places of the functions that must be there: those of version 1.0, the last of which ended the struct then. What a later minor adds behind them is an `Option` or a number, and nothing for a plugin that was
    /// built before.
    const FUNCTIONS: &'static [(&'static str, usize)];
}

macro_rules! functions {
    ($table:ty { $($name:ident),* }) => { &[$((stringify!($name), offset_of!($table, $name))),*] };
}

impl Table for ChatEntry {
    const WHAT: &'static str = "chat_entry";
    const FUNCTIONS: &'static [(&'static str, usize)] = functions!(ChatEntry { start, stop, interface });
}

impl Table for ChatTransport {
    const WHAT: &'static str = "chat.transport/1";
    const FUNCTIONS: &'static [(&'static str, usize)] = functions!(ChatTransport { open, close, decode, class_of, encode, encode_private });
}

impl Table for ChatAuth {
    const WHAT: &'static str = "chat.auth/1";
    const FUNCTIONS: &'static [(&'static str, usize)] = functions!(ChatAuth { check, cancel });
}

impl Table for ChatFilter {
    const WHAT: &'static str = "chat.filter/1";
    const FUNCTIONS: &'static [(&'static str, usize)] = functions!(ChatFilter { judge });
}

impl Table for ChatTimed {
    const WHAT: &'static str = "chat.timed/1";
    const FUNCTIONS: &'static [(&'static str, usize)] = functions!(ChatTimed { fire });
}

/// The table behind a pointer from a plugin, once it is large enough and whole.
///
/// # Safety
/// `raw` is not null, stays readable and unchanged for the whole run, and begins with its own size in bytes.
pub unsafe fn table<T: Table>(raw: *const c_void, origin: &str) -> Result<&'static T, PluginError> {
    // SAFETY: it begins with its size, says the caller.
    let size = unsafe { raw.cast::<u32>().read() };
    let first_size = T::FUNCTIONS.iter().map(|(_, offset)| offset + size_of::<*const c_void>()).max().unwrap_or(size_of::<u32>());
    let needed = first_size as u32;
    if size < needed {
        return Err(PluginError::TooSmall { origin: origin.to_string(), what: T::WHAT, size, needed });
    }
    for (function, offset) in T::FUNCTIONS {
        // SAFETY: within the size just checked, and aligned as C lays it out; any pointer may be read as a data pointer.
        let pointer = unsafe { raw.byte_add(*offset).cast::<*const c_void>().read() };
        if pointer.is_null() {
            return Err(PluginError::NullFunction { origin: origin.to_string(), what: T::WHAT, function });
        }
    }
    // As large as we know it, whatever the plugin knows: behind what it has there is nothing.
    let mut whole = Box::new(MaybeUninit::<T>::zeroed());
    let known = (size as usize).min(size_of::<T>());
    // SAFETY: readable for its size, and writable for ours; a Box never overlaps with what a plugin has.
    unsafe { std::ptr::copy_nonoverlapping(raw.cast::<u8>(), whole.as_mut_ptr().cast::<u8>(), known) };
    // SAFETY: no function of 1.0 is null, and what is zero behind them may be.
    Ok(Box::leak(unsafe { whole.assume_init() }))
}

/// The entry behind the pointer that a library gave.
///
/// # Safety
/// `raw` is null, or stays readable and unchanged for the whole run and begins with its own size in bytes.
pub unsafe fn entry(raw: *const ChatEntry, origin: &str) -> Result<&'static ChatEntry, PluginError> {
    if raw.is_null() {
        return Err(PluginError::NullEntry { origin: origin.to_string() });
    }
    // SAFETY: not null; the size comes first.
    let size = unsafe { raw.cast::<u32>().read() };
    let major_end = offset_of!(ChatEntry, major) + size_of::<u16>();
    // Another major may have another size, so its number is looked at first, if it is there.
    if size as usize >= major_end {
        // SAFETY: within the size.
        let found = unsafe { raw.byte_add(offset_of!(ChatEntry, major)).cast::<u16>().read() };
        if found != MAJOR {
            return Err(PluginError::WrongMajor { origin: origin.to_string(), found, expected: MAJOR });
        }
    }
    // SAFETY: as the caller says, and not null.
    unsafe { table(raw.cast(), origin) }
}

/// The plugin's name. It is written into configs and logs, so it must be a word.
///
/// # Safety
/// `raw` is null or a C string.
pub unsafe fn name(raw: *const c_char, origin: &str) -> Result<String, PluginError> {
    // SAFETY: as the caller says.
    let name = unsafe { text(raw) }.filter(|name| !name.is_empty() && name.len() <= NAME_MAX);
    let is_word = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    name.filter(is_word).ok_or_else(|| PluginError::BadName { origin: origin.to_string() })
}

/// A longer name is none.
const NAME_MAX: usize = 64;

/// A text of a plugin, if it is one.
///
/// # Safety
/// `raw` is null or a C string.
pub unsafe fn text(raw: *const c_char) -> Option<String> {
    if raw.is_null() {
        return None;
    }
    // SAFETY: not null, so a C string.
    unsafe { CStr::from_ptr(raw) }.to_str().ok().map(str::to_string)
}

/// Maps a library, for good, and finds its entry function. Its initialisers run.
pub fn open(path: &Path) -> Result<ChatEntryFn, PluginError> {
    let unreadable = |source| PluginError::Unreadable { path: path.to_path_buf(), source };
    // The loader's own words for a missing file are poor, and a name without a slash it would look up elsewhere.
    let absolute = path.canonicalize().map_err(unreadable)?;
    File::open(&absolute).map_err(unreadable)?;
    let library = map(&absolute).map_err(|why| not_a_library(path, &why))?;
    // SAFETY: whoever exports this name promises this type.
    let symbol = unsafe { library.get::<ChatEntryFn>(ENTRY_SYMBOL.as_bytes()) };
    let entry = symbol.map(|entry| *entry).map_err(|_| PluginError::NoEntry { path: path.to_path_buf() });
    std::mem::forget(library);
    entry
}

/// The same of a copy of it, which has no name afterwards: the file may be replaced, or written to, while the plugin runs.
pub fn open_copy(path: &Path) -> Result<ChatEntryFn, PluginError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let unreadable = |source| PluginError::Unreadable { path: path.to_path_buf(), source };
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let copy = std::env::temp_dir().join(format!("chatring-plugin-{}-{number}", std::process::id()));
    let copied = File::open(path).and_then(|mut from| {
        // Nobody else's, whatever lies there.
        let mut to = File::options().write(true).create_new(true).open(&copy)?;
        std::io::copy(&mut from, &mut to)
    });
    let result = copied.map_err(unreadable).and_then(|_| open(&copy));
    let _ = std::fs::remove_file(&copy);
    // What is wrong is wrong with the file that was named.
    result.map_err(|error| match error {
        PluginError::Unreadable { source, .. } => unreadable(source),
        PluginError::NotALibrary { why, .. } => {
            PluginError::NotALibrary { path: path.to_path_buf(), why: why.replace(&*copy.to_string_lossy(), &path.to_string_lossy()) }
        }
        PluginError::NoEntry { .. } => PluginError::NoEntry { path: path.to_path_buf() },
        error => error,
    })
}

fn not_a_library(path: &Path, why: &libloading::Error) -> PluginError {
    // libloading's own text hides the loader's behind a source.
    let why = std::error::Error::source(why).map_or_else(|| why.to_string(), |source| source.to_string());
    PluginError::NotALibrary { path: PathBuf::from(path), why }
}

/// Every symbol is resolved at once: what a library lacks is told now, not by a crash in its first call.
#[cfg(unix)]
fn map(path: &Path) -> Result<libloading::Library, libloading::Error> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: the library's initialisers run; the operator named this file to be run.
    unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map(Into::into)
}

#[cfg(not(unix))]
fn map(path: &Path) -> Result<libloading::Library, libloading::Error> {
    // SAFETY: the library's initialisers run; the operator named this file to be run.
    unsafe { libloading::Library::new(path) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatring_abi::ChatBytesSink;

    /// A struct of ours as the next minor might have it.
    #[repr(C)]
    struct Grown {
        first: ChatTimed,
        later: Option<unsafe extern "C" fn(sink: ChatBytesSink)>,
        number: u64,
    }

    impl Table for Grown {
        const WHAT: &'static str = "chat.timed/1";
        const FUNCTIONS: &'static [(&'static str, usize)] = ChatTimed::FUNCTIONS;
    }

    unsafe extern "C" fn fire(_plugin: *mut c_void, _timer: u64) {}

    #[test]
    fn who_was_built_for_an_earlier_minor_lacks_what_came_later() {
        let size = size_of::<ChatTimed>() as u32;
        let old = ChatTimed { size, fire };
        // SAFETY: as large as it says, for as long as this test.
        let grown = unsafe { table::<Grown>(std::ptr::from_ref(&old).cast(), "here") }.unwrap();
        assert_eq!((grown.first.size, grown.later.is_none(), grown.number), (size, true, 0));
        let short = ChatTimed { size: size - 1, fire };
        // SAFETY: as above.
        let refused = unsafe { table::<Grown>(std::ptr::from_ref(&short).cast(), "here") }.err().unwrap().to_string();
        assert_eq!(refused, format!("here: its chat.timed/1 says it has {} bytes, at least {size} are needed", size - 1));
    }

    #[test]
    fn who_was_built_for_a_later_minor_has_what_there_is() {
        #[repr(C)]
        struct Later(ChatTimed, [u8; 64]);
        let later = Later(ChatTimed { size: size_of::<Later>() as u32, fire }, [0xff; 64]);
        // SAFETY: as large as it says, for as long as this test.
        let known = unsafe { table::<ChatTimed>(std::ptr::from_ref(&later).cast(), "here") }.unwrap();
        assert_eq!(known.size, size_of::<Later>() as u32);
    }
}
