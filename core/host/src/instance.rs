//! A started plugin, shared by all that use it, and stopped when the last of them is gone.

use crate::error::{Misdeed, PluginError, PluginFault};
use crate::services::{Hooks, Services};
use crate::vet;
use chatring_abi::{ChatBytes, ChatBytesSink, ChatEntry, ChatStatus, ChatTimed, OK, STOP, id};
use std::ffi::{CStr, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A started plugin.
pub(crate) struct Instance {
    pub name: Arc<str>,
    pub version: String,
    pub origin: String,
    /// What `start` gave: only the plugin knows what it is, and it may be null.
    pub plugin: *mut c_void,
    pub services: &'static Services,
    /// What of it is called one at a time.
    turn: Mutex<()>,
    timed: Option<&'static ChatTimed>,
    entry: &'static ChatEntry,
}

// SAFETY: the plugin pointer is only handed back to the plugin, by the thread rules of each function; see Transport, Codec
// and Authenticator for who calls what from where.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

/// More words of why a start failed are cut.
const WHY_MAX: usize = 4096;

impl Instance {
    /// Starts a plugin whose entry was vetted.
    pub fn start(entry: &'static ChatEntry, name: String, origin: &str, config: &str, hooks: Hooks) -> Result<Arc<Instance>, PluginError> {
        let name: Arc<str> = name.into();
        let services = Services::forever(name.clone(), hooks);
        let mut why = Gather::new(WHY_MAX);
        let mut plugin = std::ptr::null_mut();
        // SAFETY: `start` of a vetted entry; the host lives for the whole run, the rest for the call.
        let status = unsafe { (entry.start)(services.chat_host(), ChatBytes::new(config.as_bytes()), &mut plugin, why.sink()) };
        if status != OK {
            let why = match String::from_utf8_lossy(why.bytes()).into_owned() {
                silent if silent.is_empty() => format!("it gave no reason (answer {status})"),
                why => why,
            };
            return Err(PluginError::StartFailed { name: name.to_string(), why });
        }
        // SAFETY: null or a C string, by the contract.
        let version = unsafe { vet::text(entry.version) }.unwrap_or_default();
        let (origin, turn) = (origin.to_string(), Mutex::default());
        let mut instance = Instance { name, version, origin, plugin, services, turn, timed: None, entry };
        instance.timed = instance.interface(id::TIMED)?;
        let instance = Arc::new(instance);
        match instance.timed {
            Some(_) => services.timers.belong_to(&instance),
            // Nobody could be called.
            None => services.timers.end(),
        }
        Ok(instance)
    }

    /// Waits for one's turn: what is called one at a time is not under way while one has it.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A timer's time has come.
    pub fn fire(&self, timer: u64) {
        let Some(timed) = self.timed else { return };
        let _turn = self.turn();
        // SAFETY: a vetted table and its plugin, one call at a time.
        unsafe { (timed.fire)(self.plugin, timer) };
    }

    /// An interface of the plugin, if it has it.
    pub fn interface<T: vet::Table>(&self, id: &CStr) -> Result<Option<&'static T>, PluginError> {
        // SAFETY: `interface` of a started plugin.
        let raw = unsafe { (self.entry.interface)(self.plugin, id.as_ptr()) };
        if raw.is_null() {
            return Ok(None);
        }
        // SAFETY: not null; by the contract it is what the id names, as long as the plugin lives. The reference is only kept
        // beside this instance (in Transport and Authenticator), whose library stays mapped anyway.
        unsafe { vet::table(raw, &self.origin) }.map(Some)
    }

    pub fn fault(&self, call: &'static str, what: Misdeed) -> PluginFault {
        PluginFault { plugin: self.name.clone(), call, what }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.services.timers.end();
        // SAFETY: everything that could call the plugin holds this instance, so no call is under way and none will follow.
        unsafe { (self.entry.stop)(self.plugin) };
    }
}

/// A sink that gathers up to a limit, and remembers if there was more or if a pointer was null.
pub(crate) struct Gather<'v> {
    into: Target<'v>,
    room: usize,
    pub misdeed: Option<Misdeed>,
    limit: usize,
}

enum Target<'v> {
    Own(Vec<u8>),
    Other(&'v mut Vec<u8>),
}

impl<'v> Gather<'v> {
    pub fn new(limit: usize) -> Gather<'static> {
        Gather { into: Target::Own(Vec::new()), room: limit, misdeed: None, limit }
    }

    pub fn onto(out: &'v mut Vec<u8>, limit: usize) -> Gather<'v> {
        Gather { into: Target::Other(out), room: limit, misdeed: None, limit }
    }

    /// The sink to pass to a plugin, for one call.
    pub fn sink(&mut self) -> ChatBytesSink {
        ChatBytesSink { ctx: std::ptr::from_mut(self).cast(), bytes: gather }
    }

    pub fn bytes(&self) -> &[u8] {
        match &self.into {
            Target::Own(bytes) => bytes,
            Target::Other(bytes) => bytes,
        }
    }

    fn take(&mut self, bytes: ChatBytes) -> ChatStatus {
        if bytes.data.is_null() && bytes.len > 0 {
            self.misdeed = Some(Misdeed::NullBytes);
        } else if bytes.len > self.room {
            self.misdeed = Some(Misdeed::TooLong(self.limit));
        }
        if self.misdeed.is_some() {
            return STOP;
        }
        self.room -= bytes.len;
        // SAFETY: valid for the call, by the contract.
        let bytes = unsafe { bytes.as_slice() };
        match &mut self.into {
            Target::Own(own) => own.extend_from_slice(bytes),
            Target::Other(other) => other.extend_from_slice(bytes),
        }
        OK
    }
}

/// # Safety
/// `ctx` is the Gather that made the sink, alive and not borrowed elsewhere.
unsafe extern "C" fn gather(ctx: *mut c_void, bytes: ChatBytes) -> ChatStatus {
    // SAFETY: as the caller says.
    unsafe { &mut *ctx.cast::<Gather<'_>>() }.take(bytes)
}
