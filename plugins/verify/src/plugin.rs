//! A plugin that was loaded, and its functions, called by hand.

use crate::calls::{Call, during};
use crate::host::StandIn;
use crate::lent::Lent;
use crate::word::Case;
use chatring_abi::{ChatAuth, ChatBytes, ChatBytesSink, ChatEntry, ChatFilter, ChatRecord, ChatStatus, ChatTimed, OK, STOP, id, kind};
use chatring_host::vet::{self, Table};
use chatring_host::{Misdeed, PluginError};
use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a check ends with: a sentence, good or bad.
pub(crate) type Finding = Result<String, String>;

/// The entry that the library gives, whatever is in it.
pub(crate) fn raw_entry(case: &Case) -> Result<*const ChatEntry, PluginError> {
    let entry = during(Call::Load, || vet::open(&case.file))?;
    // SAFETY: what a plugin's library promises with the symbol's name.
    Ok(during(Call::Entry, || unsafe { entry() }))
}

/// The entry, if it is one.
pub(crate) fn entry(case: &Case) -> Result<&'static ChatEntry, PluginError> {
    let raw = raw_entry(case)?;
    // SAFETY: as the symbol promises: null, or an entry that begins with its size and stays.
    unsafe { vet::entry(raw, &case.file.display().to_string()) }
}

/// A plugin that was started.
pub(crate) struct Plugin {
    entry: &'static ChatEntry,
    me: *mut c_void,
    pub host: &'static StandIn,
    origin: String,
    /// What it is asked is in memory that is only lent for the call.
    lends: AtomicBool,
}

// SAFETY: the pointer is only handed back to the plugin; whoever calls its functions keeps their thread rules.
unsafe impl Send for Plugin {}
// SAFETY: as above.
unsafe impl Sync for Plugin {}

/// Why one did not start.
#[derive(Debug)]
pub(crate) struct Refused {
    pub status: ChatStatus,
    pub why: Vec<u8>,
}

impl Refused {
    /// In its own words, if it has any that can be read.
    pub fn words(&self) -> Result<String, String> {
        match String::from_utf8(self.why.clone()) {
            Ok(why) if !why.trim().is_empty() => Ok(one_line(&why)),
            Ok(_) => Err(format!("refused without saying why (answer {}; a plugin in Rust does so when it panics)", self.status)),
            Err(_) => Err("refused, and said why in a text that is not UTF-8".into()),
        }
    }
}

/// Without what points to a place in a text that is not shown.
fn one_line(why: &str) -> String {
    let numbered = |line: &str| line.split_once('|').is_some_and(|(before, _)| before.trim().bytes().all(|byte| byte.is_ascii_digit()));
    let lines = why.lines().map(str::trim).filter(|line| !line.is_empty() && !numbered(line));
    lines.collect::<Vec<_>>().join(": ")
}

impl Plugin {
    /// Starts it with what it is to be verified with.
    pub fn start(case: &Case) -> Result<&'static Plugin, String> {
        Plugin::start_with(case, &case.config, false)?.map_err(|refused| match refused.words() {
            Ok(why) => format!("did not start: {why}"),
            Err(mute) => mute,
        })
    }

    /// Starts it with this configuration, by a chatd of today or by one that offers nothing.
    pub fn start_with(case: &Case, config: &str, old_host: bool) -> Result<Result<&'static Plugin, Refused>, String> {
        let entry = entry(case).map_err(|error| error.to_string())?;
        let host = StandIn::forever(old_host);
        let (mut why, mut me) = (Gathered::new(WHY_MAX), std::ptr::null_mut());
        let status = {
            let config = Lent::bytes(config.as_bytes());
            // SAFETY: `start` of a vetted entry; the host lives for the whole run, the rest for the call.
            during(Call::Start, || unsafe { (entry.start)(host.chat(), config.as_chat_bytes(), &mut me, why.sink()) })
        };
        if status != OK {
            return Ok(Err(Refused { status, why: why.bytes }));
        }
        let origin = case.file.display().to_string();
        Ok(Ok(Box::leak(Box::new(Plugin { entry, me, host, origin, lends: AtomicBool::new(false) }))))
    }

    /// Its interface of this name, whether or not anything is wrong with it.
    pub fn has(&self, id: &CStr) -> bool {
        !self.raw_interface(id).is_null()
    }

    fn raw_interface(&self, id: &CStr) -> *const c_void {
        // SAFETY: `interface` of a started plugin.
        during(Call::Interface, || unsafe { (self.entry.interface)(self.me, id.as_ptr()) })
    }

    /// An interface, vetted. None if the plugin has it not.
    pub fn vetted<T: Table>(&self, id: &CStr) -> Result<Option<&'static T>, PluginError> {
        let raw = self.raw_interface(id);
        if raw.is_null() {
            return Ok(None);
        }
        // SAFETY: not null; by the contract it is what the id names, as long as the plugin lives.
        unsafe { vet::table(raw, &self.origin) }.map(Some)
    }

    /// An interface that a check has found to be there.
    pub fn table<T: Table>(&self, id: &CStr) -> Result<&'static T, String> {
        self.vetted(id).map_err(|error| error.to_string())?.ok_or_else(|| format!("has no {}", id.to_string_lossy()))
    }

    /// From now on, to read later or beyond its end what it is asked ends the process.
    pub fn lend(&self) {
        self.lends.store(true, Ordering::Relaxed);
    }

    pub fn entry(&self) -> &'static ChatEntry {
        self.entry
    }

    pub fn me(&self) -> *mut c_void {
        self.me
    }

    /// Ends it: nothing of it is called after this.
    pub fn stop(&self) {
        // SAFETY: called once, by checks that call nothing else any more.
        during(Call::Stop, || unsafe { (self.entry.stop)(self.me) });
    }

    /// A timer goes off.
    pub fn fire(&self, table: &ChatTimed, timer: u64) {
        // SAFETY: a vetted table and its plugin, one call at a time.
        during(Call::Fire, || unsafe { (table.fire)(self.me, timer) });
    }

    /// What its timers do, for whoever waits.
    pub fn firing(&'static self) -> impl Fn(u64) {
        let timed = self.vetted::<ChatTimed>(id::TIMED).ok().flatten();
        move |timer| timed.into_iter().for_each(|timed| self.fire(timed, timer))
    }

    /// Asks it, as an authenticator.
    pub fn check(&self, table: &ChatAuth, ticket: u64, ask: &[&[u8]]) -> (ChatStatus, Gathered) {
        self.ask(Call::Check, ask, WHO_MAX, |record, sink| {
            // SAFETY: a vetted table and its plugin; record and sink are valid for the call.
            unsafe { (table.check)(self.me, ticket, record, sink) }
        })
    }

    /// Tells it that nobody waits.
    pub fn cancel(&self, table: &ChatAuth, ticket: u64) {
        // SAFETY: a vetted table and its plugin; may be called from any thread.
        during(Call::Cancel, || unsafe { (table.cancel)(self.me, ticket) });
    }

    /// Asks it, as a filter.
    pub fn judge(&self, table: &ChatFilter, what: &[&[u8]]) -> (ChatStatus, Gathered) {
        self.ask(Call::Judge, what, TEXT_MAX, |record, sink| {
            // SAFETY: a vetted table and its plugin, one call at a time; record and sink are valid for the call.
            unsafe { (table.judge)(self.me, record, sink) }
        })
    }

    fn ask(
        &self,
        call: Call,
        argv: &[&[u8]],
        limit: usize,
        work: impl FnOnce(*const ChatRecord, ChatBytesSink) -> ChatStatus,
    ) -> (ChatStatus, Gathered) {
        let mut gathered = Gathered::new(limit);
        let status = if self.lends.load(Ordering::Relaxed) {
            let record = Lent::record(kind::COMMAND, argv);
            let context = Lent::word(std::ptr::from_mut(&mut gathered).cast());
            let sink = ChatBytesSink { ctx: context.at().cast_mut().cast(), bytes: gather_lent };
            during(call, || work(record.at().cast(), sink))
        } else {
            let argv: Vec<ChatBytes> = argv.iter().map(|arg| ChatBytes::new(arg)).collect();
            let record = ChatRecord { kind: kind::COMMAND, argc: argv.len() as u32, argv: argv.as_ptr() };
            let sink = gathered.sink();
            during(call, || work(&record, sink))
        };
        (status, gathered)
    }
}

/// As chatd has it.
const WHY_MAX: usize = 4096;
const WHO_MAX: usize = 1024;
const TEXT_MAX: usize = 64 << 10;

/// What came into a sink.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub bytes: Vec<u8>,
    pub misdeed: Option<Misdeed>,
    limit: usize,
}

impl Gathered {
    pub fn new(limit: usize) -> Gathered {
        Gathered { bytes: Vec::new(), misdeed: None, limit }
    }

    pub fn sink(&mut self) -> ChatBytesSink {
        ChatBytesSink { ctx: std::ptr::from_mut(self).cast(), bytes: gather }
    }

    fn take(&mut self, bytes: ChatBytes) -> ChatStatus {
        if bytes.data.is_null() && bytes.len > 0 {
            self.misdeed = Some(Misdeed::NullBytes);
        } else if bytes.len > self.limit - self.bytes.len() {
            self.misdeed = Some(Misdeed::TooLong(self.limit));
        }
        if self.misdeed.is_some() {
            return STOP;
        }
        // SAFETY: valid for the call, by the contract.
        self.bytes.extend_from_slice(unsafe { bytes.as_slice() });
        OK
    }
}

/// # Safety
/// `ctx` is the Gathered that made the sink, alive and not borrowed elsewhere.
unsafe extern "C" fn gather(ctx: *mut c_void, bytes: ChatBytes) -> ChatStatus {
    // SAFETY: as the caller says.
    unsafe { &mut *ctx.cast::<Gathered>() }.take(bytes)
}

/// # Safety
/// `ctx` is lent and holds a pointer to a Gathered, alive and not borrowed elsewhere.
pub(crate) unsafe extern "C" fn gather_lent(ctx: *mut c_void, bytes: ChatBytes) -> ChatStatus {
    // SAFETY: as the caller says.
    unsafe { gather(ctx.cast::<*mut c_void>().read(), bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line() {
        let toml = "TOML parse error at line 1, column 3\n  |\n1 | a = [\n  |     ^\nunclosed array\n";
        assert_eq!(one_line(toml), "TOML parse error at line 1, column 3: unclosed array");
        assert_eq!(one_line("no luck"), "no luck");
    }

    #[test]
    fn a_refusal_has_to_say_why() {
        let words = |why: &[u8]| Refused { status: 6, why: why.to_vec() }.words();
        assert_eq!(words(b"no luck\n"), Ok("no luck".into()));
        assert!(words(b" \n").unwrap_err().starts_with("refused without saying why (answer 6"));
        assert!(words(b"\xff").unwrap_err().contains("not UTF-8"));
    }
}
