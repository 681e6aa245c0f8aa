//! Transports as chatd uses them: a [`Transport`] encodes for many, a [`Codec`] decodes and encodes for one connection.

use crate::error::{AFTER_STOP_MAX, Misdeed, PluginError, PluginFault};
use crate::instance::{Gather, Instance};
use chatring_abi::{
    BROKEN, ChatBytes, ChatBytesSink, ChatDecodeSink, ChatRecord, ChatStatus, ChatTransport, INTERNAL, OK, ROLE_CLIENT, ROLE_SERVER, STOP,
    id,
};
use chatring_sdk::{Arg, Flow, Record, Role, raw};
use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// No event has more bytes; a plugin that gives more is at fault.
pub const ENCODED_MAX: usize = 64 << 20;

/// A transport, linked in or loaded. Its encoding may be used from any thread.
pub struct Transport {
    table: &'static ChatTransport,
    instance: Arc<Instance>,
    disabled: AtomicBool,
}

impl Transport {
    pub(crate) fn of(instance: &Arc<Instance>) -> Result<Option<Transport>, PluginError> {
        let table = instance.interface::<ChatTransport>(id::TRANSPORT)?;
        Ok(table.map(|table| Transport { table, instance: instance.clone(), disabled: AtomicBool::new(false) }))
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        &self.instance.name
    }

    /// No new connection speaks by it, for as long as it is so.
    pub fn disable(&self, disabled: bool) {
        self.disabled.store(disabled, Ordering::Relaxed);
    }

    /// Whether new connections are turned away.
    pub fn is_disabled(&self) -> bool {
        self.disabled.load(Ordering::Relaxed)
    }

    /// A codec for a new connection.
    pub fn open(self: &Arc<Self>, role: Role) -> Result<Codec, PluginError> {
        let role = match role {
            Role::Server => ROLE_SERVER,
            Role::Client => ROLE_CLIENT,
        };
        let mut conn = std::ptr::null_mut();
        // SAFETY: a vetted table and its plugin; conn is ours.
        let status = unsafe { (self.table.open)(self.instance.plugin, role, &mut conn) };
        let what = match (status, NonNull::new(conn)) {
            (OK, Some(conn)) => return Ok(Codec { conn, transport: self.clone() }),
            (OK, None) => Misdeed::NullConnection,
            (status, _) => misdeed_of(status),
        };
        Err(self.instance.fault("open", what).into())
    }

    /// Appends the bytes of a push for everyone of a class, maybe none. On a fault `out` is as it was.
    pub fn encode(&self, class: u32, kind: u32, argv: &[Arg<'_>], out: &mut Vec<u8>) -> Result<(), PluginFault> {
        self.append("encode", kind, argv, out, |record, sink| {
            // SAFETY: a vetted table and its plugin; may be called from any thread; record and sink are valid for the call.
            unsafe { (self.table.encode)(self.instance.plugin, class, record, sink) }
        })
    }

    fn append(
        &self,
        call: &'static str,
        kind: u32,
        argv: &[Arg<'_>],
        out: &mut Vec<u8>,
        encode: impl FnOnce(*const ChatRecord, ChatBytesSink) -> ChatStatus,
    ) -> Result<(), PluginFault> {
        let before = out.len();
        let result = match raw::lower(kind, argv) {
            None => Err(Misdeed::BadRecord(raw::BadRecord::TooMany(u32::MAX))),
            Some(record) => {
                let mut gather = Gather::onto(out, ENCODED_MAX);
                let status = encode(&record, gather.sink());
                match (gather.misdeed, status) {
                    (Some(what), _) => Err(what),
                    (None, OK) => Ok(()),
                    (None, status) => Err(misdeed_of(status)),
                }
            }
        };
        result.map_err(|what| {
            // Half an event would tear the stream.
            out.truncate(before);
            self.instance.fault(call, what)
        })
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transport({})", self.name())
    }
}

fn misdeed_of(status: ChatStatus) -> Misdeed {
    match status {
        INTERNAL => Misdeed::Internal,
        unknown => Misdeed::Status(unknown),
    }
}

/// What a decoder finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A whole record.
    Record(Record<'a>),
    /// Bytes for the peer, in order with the replies.
    Wire(&'a [u8]),
}

/// How a decode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeEnd {
    /// How many bytes may be forgotten. The rest is to be offered again, with more behind it or, after a stop, as it is.
    pub used: usize,
    /// Send what was put on the wire, then close: the peer's bytes, or the plugin, can't be trusted any more.
    pub broken: bool,
}

/// One connection of a transport: two words, because there are many. May move between threads, but has one user at a time.
pub struct Codec {
    conn: NonNull<c_void>,
    transport: Arc<Transport>,
}

// SAFETY: the contract lets each connection be used from one thread at a time, any thread; Codec is not Sync.
unsafe impl Send for Codec {}

impl Codec {
    /// Hands `input` to the codec, and to `out` what it finds there. A fault of the plugin is logged and ends the stream.
    pub fn decode(&mut self, input: &[u8], out: &mut dyn FnMut(Decoded<'_>) -> Flow) -> DecodeEnd {
        let Transport { table, instance, .. } = &*self.transport;
        let mut turn = Turn { out, records: 0, stopped: false, after_stop: 0, misdeed: None, panic: None };
        let sink = ChatDecodeSink { ctx: std::ptr::from_mut(&mut turn).cast(), record: take_record, wire: take_wire };
        let mut used = 0;
        // SAFETY: a vetted table, its plugin and its connection, which &mut self has alone; the rest is valid for the call.
        let status = unsafe { (table.decode)(instance.plugin, self.conn.as_ptr(), ChatBytes::new(input), &mut used, sink) };
        if let Some(panic) = turn.panic.take() {
            resume_unwind(panic);
        }
        match turn.judge(status, used, input.len()) {
            Ok(end) => end,
            Err(what) => {
                let fault = instance.fault("decode", what);
                tracing::error!(plugin = &*fault.plugin, "{fault}");
                DecodeEnd { used: input.len(), broken: true }
            }
        }
    }

    /// Connections of one class get the same bytes for the same push. May change with every decode and encode_private.
    pub fn class(&self) -> u32 {
        let Transport { table, instance, .. } = &*self.transport;
        // SAFETY: a vetted table, its plugin and its connection, which nobody changes meanwhile: Codec is not Sync.
        unsafe { (table.class_of)(instance.plugin, self.conn.as_ptr()) }
    }

    /// Appends the bytes of an event for this one connection, maybe none. On a fault `out` is as it was.
    pub fn encode_private(&mut self, kind: u32, argv: &[Arg<'_>], out: &mut Vec<u8>) -> Result<(), PluginFault> {
        let (transport, conn) = (&*self.transport, self.conn.as_ptr());
        transport.append("encode_private", kind, argv, out, |record, sink| {
            // SAFETY: a vetted table, its plugin and its connection, which &mut self has alone; the rest is valid for the call.
            unsafe { (transport.table.encode_private)(transport.instance.plugin, conn, record, sink) }
        })
    }

    /// The transport it belongs to.
    pub fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }
}

impl Drop for Codec {
    fn drop(&mut self) {
        let Transport { table, instance, .. } = &*self.transport;
        // SAFETY: opened by this plugin, closed once, and not used after.
        unsafe { (table.close)(instance.plugin, self.conn.as_ptr()) };
    }
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Codec({}, class {})", self.transport.name(), self.class())
    }
}

/// One call of decode, seen from the sink.
struct Turn<'o> {
    out: &'o mut dyn FnMut(Decoded<'_>) -> Flow,
    records: usize,
    stopped: bool,
    after_stop: u32,
    misdeed: Option<Misdeed>,
    panic: Option<Box<dyn Any + Send>>,
}

impl Turn<'_> {
    fn take(&mut self, found: Result<Decoded<'_>, Misdeed>) -> ChatStatus {
        if self.misdeed.is_some() || self.panic.is_some() {
            return STOP;
        }
        if self.stopped {
            self.after_stop += 1;
            if self.after_stop > AFTER_STOP_MAX {
                self.misdeed = Some(Misdeed::WontStop);
                return STOP;
            }
        }
        let found = match found {
            Ok(found) => found,
            Err(what) => {
                self.misdeed = Some(what);
                return STOP;
            }
        };
        self.records += usize::from(matches!(found, Decoded::Record(_)));
        // A panic of ours must not run through the plugin: it is carried around it. What `out` leaves behind is seen by nobody
        // before it goes on from `decode`.
        match catch_unwind(AssertUnwindSafe(|| (self.out)(found))) {
            Ok(Flow::Continue) if !self.stopped => return OK,
            Ok(_) => {}
            Err(panic) => self.panic = Some(panic),
        }
        self.stopped = true;
        STOP
    }

    fn judge(&self, status: ChatStatus, used: usize, len: usize) -> Result<DecodeEnd, Misdeed> {
        if let Some(what) = self.misdeed {
            return Err(what);
        }
        if used > len {
            return Err(Misdeed::UsedTooMuch { used, len });
        }
        match status {
            OK | STOP if used == 0 && self.records > 0 && !self.stopped => Err(Misdeed::RecordForNothing),
            OK | STOP => Ok(DecodeEnd { used, broken: false }),
            BROKEN => Ok(DecodeEnd { used, broken: true }),
            status => Err(misdeed_of(status)),
        }
    }
}

/// # Safety
/// `ctx` is the Turn of the decode under way; `record` is null or a record valid for the call.
unsafe extern "C" fn take_record(ctx: *mut c_void, record: *const ChatRecord) -> ChatStatus {
    // SAFETY: as the caller says; the Turn is not borrowed while the plugin runs.
    let (turn, record) = unsafe { (&mut *ctx.cast::<Turn<'_>>(), raw::lift(record)) };
    turn.take(record.map(Decoded::Record).map_err(Misdeed::BadRecord))
}

/// # Safety
/// `ctx` is the Turn of the decode under way; `bytes` are valid for the call.
unsafe extern "C" fn take_wire(ctx: *mut c_void, bytes: ChatBytes) -> ChatStatus {
    // SAFETY: as the caller says; the Turn is not borrowed while the plugin runs.
    let turn = unsafe { &mut *ctx.cast::<Turn<'_>>() };
    if bytes.data.is_null() && bytes.len > 0 {
        return turn.take(Err(Misdeed::NullBytes));
    }
    // SAFETY: valid for the call.
    turn.take(Ok(Decoded::Wire(unsafe { bytes.as_slice() })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_is_two_words() {
        assert_eq!(size_of::<Codec>(), 2 * size_of::<usize>());
        assert_eq!(size_of::<Option<Codec>>(), size_of::<Codec>());
    }
}
