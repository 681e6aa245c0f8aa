//! A transport behind the C table as a [`Transport`], so that what is asked of codecs in Rust can be asked of any.
//!
//! What breaks the contract is forgiven as chatd does it: it ends that connection's stream, and is written down with the call that did it. So each
//! check sees its own kind of mistake, and the others' don't get in its way.

use crate::calls::{Call, during};
use crate::lent::Lent;
use crate::plugin::{Gathered, Plugin, gather_lent};
use chatring_abi::{
    BROKEN, ChatBytes, ChatBytesSink, ChatDecodeSink, ChatRecord, ChatStatus, ChatTransport, INTERNAL, OK, ROLE_CLIENT, ROLE_SERVER, STOP,
    id,
};
use chatring_host::{AFTER_STOP_MAX, ENCODED_MAX, Misdeed};
use chatring_sdk::testing::OwnedRecord;
use chatring_sdk::{Broken, Decoded, Flow, Record, Role, Transport, raw};
use std::ffi::{CStr, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A transport of a plugin.
pub(crate) struct Foreign {
    plugin: &'static Plugin,
    table: &'static ChatTransport,
    /// Input and records are in memory that is only lent for the call.
    lends: bool,
    misdeeds: Mutex<Vec<(Call, Misdeed)>>,
}

/// A connection of it.
pub(crate) struct ForeignConn {
    conn: *mut c_void,
    plugin: &'static Plugin,
    table: &'static ChatTransport,
}

// SAFETY: one thread at a time uses it, any thread.
unsafe impl Send for ForeignConn {}

impl Drop for ForeignConn {
    fn drop(&mut self) {
        // SAFETY: opened by this plugin, closed once.
        during(Call::Close, || unsafe { (self.table.close)(self.plugin.me(), self.conn) });
    }
}

impl Foreign {
    pub fn of(plugin: &'static Plugin, lends: bool) -> Result<Foreign, String> {
        Ok(Foreign { plugin, table: plugin.table(id::TRANSPORT)?, lends, misdeeds: Mutex::default() })
    }

    /// A connection, if it opens one.
    pub fn try_open(&self, role: Role) -> Result<ForeignConn, Misdeed> {
        let role = match role {
            Role::Server => ROLE_SERVER,
            Role::Client => ROLE_CLIENT,
        };
        let mut conn = std::ptr::null_mut();
        // SAFETY: a vetted table and its plugin; conn is ours.
        let status = during(Call::Open, || unsafe { (self.table.open)(self.plugin.me(), role, &mut conn) });
        match status {
            OK if conn.is_null() => Err(Misdeed::NullConnection),
            OK => Ok(ForeignConn { conn, plugin: self.plugin, table: self.table }),
            status => Err(misdeed_of(status)),
        }
    }

    /// The roles in which it opens connections.
    pub fn roles(&self) -> Vec<Role> {
        [Role::Server, Role::Client].into_iter().filter(|role| self.try_open(*role).is_ok()).collect()
    }

    /// What it did so far that it must not do.
    pub fn misdeeds(&self) -> Vec<(Call, Misdeed)> {
        self.lock().clone()
    }

    /// The first misdeed of this kind.
    pub fn first(&self, of_kind: impl Fn(&Misdeed) -> bool) -> Option<String> {
        let misdeeds = self.lock();
        let of_it = misdeeds.iter().find(|(_, misdeed)| of_kind(misdeed));
        of_it.map(|(call, misdeed)| format!("{}: {misdeed}", call.word()))
    }

    /// The bytes of an event for a class, or what is wrong with them.
    pub fn try_encode(&self, class: u32, record: &OwnedRecord) -> Result<Vec<u8>, Misdeed> {
        let mut out = Vec::new();
        record.lend(|record| self.give(Call::Encode, record, &mut out, |raw, sink| self.call_encode(class, raw, sink)))?;
        Ok(out)
    }

    fn call_encode(&self, class: u32, record: *const ChatRecord, sink: ChatBytesSink) -> ChatStatus {
        // SAFETY: a vetted table and its plugin; may be called from any thread; record and sink are valid for the call.
        unsafe { (self.table.encode)(self.plugin.me(), class, record, sink) }
    }

    fn give(
        &self,
        call: Call,
        record: &Record<'_>,
        out: &mut Vec<u8>,
        encode: impl FnOnce(*const ChatRecord, ChatBytesSink) -> ChatStatus,
    ) -> Result<(), Misdeed> {
        let mut gathered = Gathered::new(ENCODED_MAX);
        let status = if self.lends {
            let argv: Vec<&[u8]> = record.argv.iter().map(|arg| arg.as_bytes()).collect();
            let lent = Lent::record(record.kind as u32, &argv);
            let context = Lent::word(std::ptr::from_mut(&mut gathered).cast());
            let sink = ChatBytesSink { ctx: context.at().cast_mut().cast(), bytes: gather_lent };
            during(call, || encode(lent.at().cast(), sink))
        } else {
            let lowered = raw::lower(record.kind as u32, record.argv).ok_or(Misdeed::Internal)?;
            let sink = gathered.sink();
            during(call, || encode(&lowered, sink))
        };
        match (gathered.misdeed, status) {
            (Some(what), _) => Err(what),
            (None, OK) => {
                out.extend_from_slice(&gathered.bytes);
                Ok(())
            }
            (None, status) => Err(misdeed_of(status)),
        }
    }

    fn note<T>(&self, call: Call, result: Result<T, Misdeed>) -> Option<T> {
        result.map_err(|misdeed| self.lock().push((call, misdeed))).ok()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Call, Misdeed)>> {
        self.misdeeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn misdeed_of(status: ChatStatus) -> Misdeed {
    if status == INTERNAL { Misdeed::Internal } else { Misdeed::Status(status) }
}

impl Transport for Foreign {
    const NAME: &'static CStr = c"foreign";
    type Conn = ForeignConn;

    fn start(_config: &str) -> Result<Self, String> {
        Err("it was started already".into())
    }

    fn open(&self, role: Role) -> ForeignConn {
        // Whoever opens connections has found out that it does.
        self.try_open(role).unwrap_or_else(|misdeed| panic!("open: {misdeed}"))
    }

    fn decode(&self, conn: &mut ForeignConn, input: &[u8], out: &mut dyn Decoded) -> Result<usize, Broken> {
        let mut turn = Turn { out, records: 0, stopped: false, after_stop: 0, misdeed: None };
        let mut used = 0;
        let call = |input: ChatBytes, used: &mut usize, ctx: *mut c_void| {
            let sink = ChatDecodeSink { ctx, record: take_record, wire: take_wire };
            // SAFETY: a vetted table, its plugin and its connection, which &mut has alone; the rest is valid for the call.
            during(Call::Decode, || unsafe { (self.table.decode)(self.plugin.me(), conn.conn, input, used, sink) })
        };
        let itself: *mut c_void = std::ptr::from_mut(&mut turn).cast();
        let status = if self.lends {
            let (lent, context) = (Lent::bytes(input), Lent::word(itself));
            call(lent.as_chat_bytes(), &mut used, context.at().cast_mut().cast())
        } else {
            let mut context = itself;
            call(ChatBytes::new(input), &mut used, std::ptr::from_mut(&mut context).cast())
        };
        let judged = turn.judge(status, used, input.len());
        self.note(Call::Decode, judged).unwrap_or(Err(Broken))
    }

    fn class_of(&self, conn: &ForeignConn) -> u32 {
        // SAFETY: a vetted table, its plugin and its connection, which nobody changes meanwhile.
        during(Call::ClassOf, || unsafe { (self.table.class_of)(self.plugin.me(), conn.conn) })
    }

    fn encode(&self, class: u32, record: &Record<'_>, out: &mut Vec<u8>) {
        let given = self.give(Call::Encode, record, out, |raw, sink| self.call_encode(class, raw, sink));
        self.note(Call::Encode, given);
    }

    fn encode_private(&self, conn: &mut ForeignConn, record: &Record<'_>, out: &mut Vec<u8>) {
        let given = self.give(Call::EncodePrivate, record, out, |raw, sink| {
            // SAFETY: a vetted table, its plugin and its connection, which &mut has alone; the rest is valid for the call.
            unsafe { (self.table.encode_private)(self.plugin.me(), conn.conn, raw, sink) }
        });
        self.note(Call::EncodePrivate, given);
    }
}

/// One call of decode, seen from the sink.
struct Turn<'o> {
    out: &'o mut dyn Decoded,
    records: usize,
    stopped: bool,
    after_stop: u32,
    misdeed: Option<Misdeed>,
}

impl Turn<'_> {
    fn take(&mut self, give: impl FnOnce(&mut Self) -> Result<Flow, Misdeed>) -> ChatStatus {
        if self.misdeed.is_some() {
            return STOP;
        }
        if self.stopped {
            self.after_stop += 1;
            if self.after_stop > AFTER_STOP_MAX {
                self.misdeed = Some(Misdeed::WontStop);
                return STOP;
            }
        }
        match give(self) {
            Ok(Flow::Continue) if !self.stopped => OK,
            Ok(_) => {
                self.stopped = true;
                STOP
            }
            Err(what) => {
                self.misdeed = Some(what);
                STOP
            }
        }
    }

    /// As chatd judges it: what the call comes to, or what is wrong with it.
    fn judge(&self, status: ChatStatus, used: usize, len: usize) -> Result<Result<usize, Broken>, Misdeed> {
        if let Some(what) = self.misdeed {
            return Err(what);
        }
        if used > len {
            return Err(Misdeed::UsedTooMuch { used, len });
        }
        match status {
            OK | STOP if used == 0 && self.records > 0 && !self.stopped => Err(Misdeed::RecordForNothing),
            OK | STOP => Ok(Ok(used)),
            BROKEN => Ok(Err(Broken)),
            status => Err(misdeed_of(status)),
        }
    }
}

/// # Safety
/// `ctx` holds a pointer to the Turn of the decode under way; `record` is null or a record valid for the call.
unsafe extern "C" fn take_record(ctx: *mut c_void, record: *const ChatRecord) -> ChatStatus {
    // SAFETY: as the caller says; the Turn is not borrowed while the plugin runs.
    let (turn, record) = unsafe { (&mut *ctx.cast::<*mut Turn<'_>>().read(), raw::lift(record)) };
    turn.take(|turn| {
        let record = record.map_err(Misdeed::BadRecord)?;
        turn.records += 1;
        Ok(turn.out.record(&record))
    })
}

/// # Safety
/// `ctx` holds a pointer to the Turn of the decode under way; `bytes` are valid for the call.
unsafe extern "C" fn take_wire(ctx: *mut c_void, bytes: ChatBytes) -> ChatStatus {
    // SAFETY: as the caller says; the Turn is not borrowed while the plugin runs.
    let turn = unsafe { &mut *ctx.cast::<*mut Turn<'_>>().read() };
    turn.take(|turn| {
        if bytes.data.is_null() && bytes.len > 0 {
            return Err(Misdeed::NullBytes);
        }
        // SAFETY: valid for the call.
        Ok(turn.out.wire(unsafe { bytes.as_slice() }))
    })
}
