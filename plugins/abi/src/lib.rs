//! The C edge between chatd and its plugins, as plain `repr(C)` data. The same text in C is `chat_plugin.h`.
//!
//! Version 1, which only grows: see the header, and docs/plugin-abi.md. Rules that hold for every function:
//! what is passed in is valid for the call only; results go into the caller's sink; nothing is freed by the other side; no
//! panic or exception may leave a function. `[loop]` functions are called from one thread at a time per connection and must not
//! block, `[worker]` functions may block, `[turn]` functions are called one at a time and may block within their budget, `[any]` functions may be called from any thread at any time.
#![no_std]
#![warn(missing_docs)]

use core::ffi::{CStr, c_char, c_void};

/// Borrowed bytes. `data` may be null only when `len` is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ChatBytes {
    /// First byte.
    pub data: *const u8,
    /// How many bytes.
    pub len: usize,
}

impl ChatBytes {
    /// The bytes of a slice, for as long as that lives.
    pub const fn new(bytes: &[u8]) -> ChatBytes {
        ChatBytes { data: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes as a slice. Null with a length, which breaks the contract, reads as nothing.
    ///
    /// # Safety
    /// Unless null, `data` is valid for `len` bytes, which nobody writes to, during `'a`.
    pub const unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.len == 0 || self.data.is_null() {
            return &[];
        }
        // SAFETY: not null, so the caller vouches for it.
        unsafe { core::slice::from_raw_parts(self.data, self.len) }
    }
}

/// A command or an event: a kind and byte strings, as Redis's argv. See docs/records.md.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ChatRecord {
    /// One of the `KIND_` numbers.
    pub kind: u32,
    /// How many strings.
    pub argc: u32,
    /// The strings.
    pub argv: *const ChatBytes,
}

/// What a function says. Zero is success.
pub type ChatStatus = i32;
/// Done; or, from a sink: go on.
pub const OK: ChatStatus = 0;
/// From a sink: enough for this turn. Return with what was used so far; the next turn goes on from there, at once. A codec that
/// is in the middle of a line which means several records either finishes them first, or remembers where it is.
pub const STOP: ChatStatus = 1;
/// The peer's bytes can't be trusted any more: send what was put on the wire, then close.
pub const BROKEN: ChatStatus = 2;
/// An authenticator knows the name and says no.
pub const DENY: ChatStatus = 3;
/// An authenticator has no opinion; the next one is asked.
pub const DECLINE: ChatStatus = 4;
/// The answer comes later, through the host.
pub const PENDING: ChatStatus = 5;
/// The plugin failed (a caught panic, no memory).
pub const INTERNAL: ChatStatus = 6;

/// The connection was accepted: its peer sends commands.
pub const ROLE_SERVER: u32 = 0;
/// The connection was dialled: its peer sends replies and pushes.
pub const ROLE_CLIENT: u32 = 1;

/// Takes bytes. Returns [`OK`].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ChatBytesSink {
    /// Passed back with every call.
    pub ctx: *mut c_void,
    /// Takes some bytes; may be called any number of times.
    pub bytes: unsafe extern "C" fn(ctx: *mut c_void, bytes: ChatBytes) -> ChatStatus,
}

/// Takes what a decoder finds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ChatDecodeSink {
    /// Passed back with every call.
    pub ctx: *mut c_void,
    /// A whole record. [`STOP`] means: no more this turn. Without that, a record is never given for no bytes.
    pub record: unsafe extern "C" fn(ctx: *mut c_void, record: *const ChatRecord) -> ChatStatus,
    /// Bytes to send back to the peer at once, in order with the replies.
    pub wire: unsafe extern "C" fn(ctx: *mut c_void, bytes: ChatBytes) -> ChatStatus,
}

/// What chatd offers a plugin. Stays where it is for the whole run.
#[repr(C)]
pub struct ChatHost {
    /// Size of this struct as the host knows it.
    pub size: u32,
    /// Passed back with every call.
    pub ctx: *mut c_void,
    /// `[any]` An interface of the host by name and revision (`"chat.log/1"`), or null.
    pub interface: unsafe extern "C" fn(host: *const ChatHost, id: *const c_char) -> *const c_void,
}

/// Host interface `"chat.log/1"`.
#[repr(C)]
pub struct ChatLog {
    /// Size of this struct.
    pub size: u32,
    /// `[any]` Writes to chatd's log under the plugin's name. level: 1 error, 2 warn, 3 info, 4 debug.
    pub log: unsafe extern "C" fn(host: *const ChatHost, level: u32, text: ChatBytes),
}

/// Host interface `"chat.auth-host/1"`.
#[repr(C)]
pub struct ChatAuthHost {
    /// Size of this struct.
    pub size: u32,
    /// `[any]` Answers a [`PENDING`] check, once; later answers are ignored. `who` is what `check` would have put into its
    /// sink. [`DECLINE`] is a refusal here, since nobody is asked after a late answer.
    pub complete: unsafe extern "C" fn(host: *const ChatHost, ticket: u64, status: ChatStatus, who: ChatBytes),
}

/// Host interface `"chat.filter-host/1"`.
#[repr(C)]
pub struct ChatFilterHost {
    /// Size of this struct.
    pub size: u32,
    /// `[any]` Says a notice in a group, as a bot of this nick. No filter sees it. [`OK`]: it is on its way; [`DENY`]: the nick or the
    /// group is none, the text is empty or too long, or too much is waiting.
    pub say: unsafe extern "C" fn(host: *const ChatHost, bot: ChatBytes, group: ChatBytes, text: ChatBytes) -> ChatStatus,
}

/// A metric that only grows.
pub const METRIC_COUNTER: u32 = 0;
/// A metric that goes up and down.
pub const METRIC_GAUGE: u32 = 1;

/// Host interface `"chat.metrics/1"`.
#[repr(C)]
pub struct ChatMetrics {
    /// Size of this struct.
    pub size: u32,
    /// `[any]` A metric of the plugin by its name (lower case, digits and _, at most 64 bytes) and what it counts. The same name is the
    /// same metric. 0: none, since the name is no good, has another kind, or there are too many.
    pub metric: unsafe extern "C" fn(host: *const ChatHost, kind: u32, name: ChatBytes, help: ChatBytes) -> u32,
    /// `[any]` Adds to a counter.
    pub add: unsafe extern "C" fn(host: *const ChatHost, metric: u32, count: u64),
    /// `[any]` Sets a gauge.
    pub set: unsafe extern "C" fn(host: *const ChatHost, metric: u32, value: i64),
}

/// Host interface `"chat.clock/1"`.
#[repr(C)]
pub struct ChatClock {
    /// Size of this struct.
    pub size: u32,
    /// `[any]` Milliseconds since the Unix epoch.
    pub wall_ms: unsafe extern "C" fn(host: *const ChatHost) -> u64,
    /// `[any]` Milliseconds since some moment; never runs back.
    pub steady_ms: unsafe extern "C" fn(host: *const ChatHost) -> u64,
}

/// Host interface `"chat.timers/1"`.
#[repr(C)]
pub struct ChatTimers {
    /// Size of this struct.
    pub size: u32,
    /// `[any]` After so many milliseconds `"chat.timed/1"` of the plugin is called, once, with this number; what was set under it before is
    /// not any more. [`DENY`]: the plugin has no `"chat.timed/1"`, or too many timers.
    pub set: unsafe extern "C" fn(host: *const ChatHost, timer: u64, ms: u64) -> ChatStatus,
    /// `[any]` It is not called for this one, if it is not being called already.
    pub cancel: unsafe extern "C" fn(host: *const ChatHost, timer: u64),
}

/// What `chat_entry_v1` returns: the plugin.
///
/// Safe code can't make one up: whoever holds a `&ChatEntry` may rely on what [`ChatEntry::new`] asks for.
#[repr(C)]
#[non_exhaustive]
pub struct ChatEntry {
    /// Size of this struct as the plugin knows it.
    pub size: u32,
    /// Version of this interface the plugin was built for.
    pub major: u16,
    /// Later minors only add at the end.
    pub minor: u16,
    /// The plugin's name, NUL-terminated, for the whole run.
    pub name: *const c_char,
    /// The plugin's version, NUL-terminated, for the whole run.
    pub version: *const c_char,
    /// `[any]` Called once. `config` is the plugin's own table as TOML text. On failure says why; then `stop` is not called.
    pub start: StartFn,
    /// `[any]` Called once, after everything it opened is closed and no call is under way.
    pub stop: StopFn,
    /// `[any]` An interface of the plugin by name and revision, or null. Lives as long as the plugin.
    pub interface: InterfaceFn,
}

/// See [`ChatEntry::start`].
pub type StartFn =
    unsafe extern "C" fn(host: *const ChatHost, config: ChatBytes, plugin: *mut *mut c_void, why: ChatBytesSink) -> ChatStatus;
/// See [`ChatEntry::stop`].
pub type StopFn = unsafe extern "C" fn(plugin: *mut c_void);
/// See [`ChatEntry::interface`].
pub type InterfaceFn = unsafe extern "C" fn(plugin: *mut c_void, id: *const c_char) -> *const c_void;

// SAFETY: an entry is never written to, and its functions say themselves which threads may call them.
unsafe impl Sync for ChatEntry {}

impl ChatEntry {
    /// An entry of this version.
    ///
    /// # Safety
    /// The functions keep the contract of this file, and every interface that `interface` hands out has the type of its name.
    pub const unsafe fn new(
        name: &'static CStr,
        version: &'static CStr,
        start: StartFn,
        stop: StopFn,
        interface: InterfaceFn,
    ) -> ChatEntry {
        ChatEntry {
            size: size_of::<ChatEntry>() as u32,
            major: MAJOR,
            minor: MINOR,
            name: name.as_ptr(),
            version: version.as_ptr(),
            start,
            stop,
            interface,
        }
    }
}

/// The symbol every shared library exports: `const chat_entry *chat_entry_v1(void)`.
pub const ENTRY_SYMBOL: &str = "chat_entry_v1";
/// Its type.
pub type ChatEntryFn = unsafe extern "C" fn() -> *const ChatEntry;
/// The major version of this file.
pub const MAJOR: u16 = 1;
/// The minor version of this file.
pub const MINOR: u16 = 0;

/// Plugin interface `"chat.transport/1"`: a codec. It never sees a socket.
#[repr(C)]
pub struct ChatTransport {
    /// Size of this struct.
    pub size: u32,
    /// `[loop]` State for one connection; not null.
    pub open: unsafe extern "C" fn(plugin: *mut c_void, role: u32, conn: *mut *mut c_void) -> ChatStatus,
    /// `[loop]` Frees it.
    pub close: unsafe extern "C" fn(plugin: *mut c_void, conn: *mut c_void),
    /// `[loop]` Takes whole records off the front of `input`; `used` says how many bytes. What is left is offered again with more behind it.
    pub decode:
        unsafe extern "C" fn(plugin: *mut c_void, conn: *mut c_void, input: ChatBytes, used: *mut usize, out: ChatDecodeSink) -> ChatStatus,
    /// `[loop]` Connections of one class get the same bytes for the same push. Asked again after every decode and encode_private.
    pub class_of: unsafe extern "C" fn(plugin: *mut c_void, conn: *const c_void) -> u32,
    /// `[any]` Bytes of a push for a class. Pure: depends on class and record alone. Nothing is a valid encoding.
    pub encode: unsafe extern "C" fn(plugin: *mut c_void, class: u32, record: *const ChatRecord, out: ChatBytesSink) -> ChatStatus,
    /// `[loop]` Bytes of an event for this one connection; may change its state.
    pub encode_private:
        unsafe extern "C" fn(plugin: *mut c_void, conn: *mut c_void, record: *const ChatRecord, out: ChatBytesSink) -> ChatStatus,
}

/// Plugin interface `"chat.auth/1"`.
#[repr(C)]
pub struct ChatAuth {
    /// Size of this struct.
    pub size: u32,
    /// `[worker]` ask.argv: mechanism (`password` or `none`), name, secret, peer address, listener name, then what the directory
    /// keeps of that account: `secret` and what its password is checked with, `nothing` or `unknown` and nothing. May block.
    /// [`OK`] and one `bytes` of the account's name (empty or none: a guest), [`DENY`] and a reason, [`DECLINE`], [`PENDING`].
    pub check: unsafe extern "C" fn(plugin: *mut c_void, ticket: u64, ask: *const ChatRecord, who: ChatBytesSink) -> ChatStatus,
    /// `[any]` Nobody waits for this ticket any more: a hint.
    pub cancel: unsafe extern "C" fn(plugin: *mut c_void, ticket: u64),
}

/// Plugin interface `"chat.filter/1"`: sees what people want to do, before it is done.
#[repr(C)]
pub struct ChatFilter {
    /// Size of this struct.
    pub size: u32,
    /// `[turn]` what.argv: `message`, `notice`, `join` or `topic`, group (or the nick a message is for), text (empty for a join), nick, user,
    /// host and account (empty for a guest) of whoever wants it, listener name. In the order in which it is wanted.
    /// [`OK`] and no bytes: as it is. [`OK`] and bytes: with this text instead, of a message or topic. [`DENY`] and a reason: not at all.
    pub judge: unsafe extern "C" fn(plugin: *mut c_void, what: *const ChatRecord, out: ChatBytesSink) -> ChatStatus,
}

/// Plugin interface `"chat.timed/1"`: a plugin that sets timers.
#[repr(C)]
pub struct ChatTimed {
    /// Size of this struct.
    pub size: u32,
    /// `[turn]` This timer's time has come.
    pub fire: unsafe extern "C" fn(plugin: *mut c_void, timer: u64),
}

/// Names of the interfaces above.
pub mod id {
    /// A codec.
    pub const TRANSPORT: &core::ffi::CStr = c"chat.transport/1";
    /// An authenticator.
    pub const AUTH: &core::ffi::CStr = c"chat.auth/1";
    /// A filter.
    pub const FILTER: &core::ffi::CStr = c"chat.filter/1";
    /// Timers that go off.
    pub const TIMED: &core::ffi::CStr = c"chat.timed/1";
    /// Bots, from the host.
    pub const FILTER_HOST: &core::ffi::CStr = c"chat.filter-host/1";
    /// Counters and gauges, from the host.
    pub const METRICS: &core::ffi::CStr = c"chat.metrics/1";
    /// The time, from the host.
    pub const CLOCK: &core::ffi::CStr = c"chat.clock/1";
    /// Timers, from the host.
    pub const TIMERS: &core::ffi::CStr = c"chat.timers/1";
    /// Logging, from the host.
    pub const LOG: &core::ffi::CStr = c"chat.log/1";
    /// Late answers of authenticators, from the host.
    pub const AUTH_HOST: &core::ffi::CStr = c"chat.auth-host/1";
}

/// The kinds of records (docs/records.md).
pub mod kind {
    /// A command: `argv[0]` is its name.
    pub const COMMAND: u32 = 0;
    /// A short success.
    pub const STATUS: u32 = 1;
    /// A refusal: code, text.
    pub const ERROR: u32 = 2;
    /// A number.
    pub const INTEGER: u32 = 3;
    /// A text.
    pub const TEXT: u32 = 4;
    /// A list.
    pub const ARRAY: u32 = 5;
    /// Keys and values, alternating.
    pub const MAP: u32 = 6;
    /// A list that starts with its name.
    pub const NAMED: u32 = 7;
    /// What nobody asked for: starts with its name.
    pub const PUSH: u32 = 8;
    /// Nothing there.
    pub const NULL: u32 = 9;
    /// A table: width, then cells.
    pub const ROWS: u32 = 10;
}
