//! A [`Transport`] as `chat.transport/1`.

use super::{caught, guarded, is_named, start_with, stop};
use crate::{Broken, Decoded, Flow, Record, Role, Transport, raw};
use chatring_abi::{
    BROKEN, ChatBytes, ChatBytesSink, ChatDecodeSink, ChatEntry, ChatHost, ChatRecord, ChatStatus, ChatTransport, INTERNAL, OK,
    ROLE_CLIENT, ROLE_SERVER, id,
};
use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::marker::PhantomData;

/// The C functions of T. Behind every `plugin` pointer stands a T, behind every `conn` pointer a boxed `T::Conn`.
pub(super) struct Edge<T>(PhantomData<T>);

impl<T: Transport> Edge<T> {
    // SAFETY: the functions below keep the contract, and `interface` answers with a ChatTransport for its name only.
    pub(super) const ENTRY: &'static ChatEntry = &unsafe { ChatEntry::new(T::NAME, T::VERSION, Self::start, stop::<T>, Self::interface) };

    const TABLE: &'static ChatTransport = &ChatTransport {
        size: size_of::<ChatTransport>() as u32,
        open: Self::open,
        close: Self::close,
        decode: Self::decode,
        class_of: Self::class_of,
        encode: Self::encode,
        encode_private: Self::encode_private,
    };

    unsafe extern "C" fn start(host: *const ChatHost, config: ChatBytes, plugin: *mut *mut c_void, why: ChatBytesSink) -> ChatStatus {
        // SAFETY: passed on as they came.
        unsafe { start_with(T::start, host, config, plugin, why) }
    }

    unsafe extern "C" fn interface(_plugin: *mut c_void, asked: *const c_char) -> *const c_void {
        // SAFETY: a C string from the host.
        if unsafe { is_named(asked, id::TRANSPORT) } {
            return std::ptr::from_ref(Self::TABLE).cast();
        }
        std::ptr::null()
    }

    unsafe extern "C" fn open(plugin: *mut c_void, role: u32, conn: *mut *mut c_void) -> ChatStatus {
        let role = match role {
            ROLE_SERVER => Role::Server,
            ROLE_CLIENT => Role::Client,
            _ => return INTERNAL,
        };
        guarded(|| {
            // SAFETY: a T, shared.
            let fresh = unsafe { &*plugin.cast::<T>() }.open(role);
            // SAFETY: the host's own variable.
            unsafe { conn.write(Box::into_raw(Box::new(fresh)).cast()) };
            OK
        })
    }

    unsafe extern "C" fn close(_plugin: *mut c_void, conn: *mut c_void) {
        caught(|| {
            // SAFETY: a Box from `open`, not used again.
            drop(unsafe { Box::from_raw(conn.cast::<T::Conn>()) });
        });
    }

    unsafe extern "C" fn decode(
        plugin: *mut c_void,
        conn: *mut c_void,
        input: ChatBytes,
        used: *mut usize,
        out: ChatDecodeSink,
    ) -> ChatStatus {
        guarded(|| {
            // SAFETY: a T, shared; a Conn, which one thread at a time has; bytes valid for the call.
            let (this, conn, input) = unsafe { (&*plugin.cast::<T>(), &mut *conn.cast::<T::Conn>(), input.as_slice()) };
            match this.decode(conn, input, &mut Found(out)) {
                Ok(count) => {
                    // SAFETY: the host's own variable.
                    unsafe { used.write(count) };
                    OK
                }
                Err(Broken) => BROKEN,
            }
        })
    }

    unsafe extern "C" fn class_of(plugin: *mut c_void, conn: *const c_void) -> u32 {
        // SAFETY: a T, shared; a Conn, which nobody changes during the call.
        let (this, conn) = unsafe { (&*plugin.cast::<T>(), &*conn.cast::<T::Conn>()) };
        // There is no way to say that it failed, so class 0 it is: every codec has to encode for any class.
        caught(|| this.class_of(conn)).unwrap_or(0)
    }

    unsafe extern "C" fn encode(plugin: *mut c_void, class: u32, record: *const ChatRecord, out: ChatBytesSink) -> ChatStatus {
        // SAFETY: a T, shared; a record and a sink valid for the call.
        unsafe {
            let this = &*plugin.cast::<T>();
            write_out(record, out, |record, bytes| this.encode(class, record, bytes))
        }
    }

    unsafe extern "C" fn encode_private(
        plugin: *mut c_void,
        conn: *mut c_void,
        record: *const ChatRecord,
        out: ChatBytesSink,
    ) -> ChatStatus {
        // SAFETY: a T, shared; a Conn, which one thread at a time has; a record and a sink valid for the call.
        unsafe {
            let (this, conn) = (&*plugin.cast::<T>(), &mut *conn.cast::<T::Conn>());
            write_out(record, out, |record, bytes| this.encode_private(conn, record, bytes))
        }
    }
}

/// The host's decode sink, as the trait sees it.
struct Found(ChatDecodeSink);

impl Decoded for Found {
    fn record(&mut self, record: &Record<'_>) -> Flow {
        let Some(raw) = raw::lower(record.kind as u32, record.argv) else {
            // Unreachable from a codec that bounds its input; the guard around it makes this an internal error.
            panic!("a record of {} arguments", record.argv.len());
        };
        // SAFETY: the host's sink; raw borrows from the record.
        flow(unsafe { (self.0.record)(self.0.ctx, &raw) })
    }

    fn wire(&mut self, bytes: &[u8]) -> Flow {
        // SAFETY: the host's sink.
        flow(unsafe { (self.0.wire)(self.0.ctx, ChatBytes::new(bytes)) })
    }
}

fn flow(status: ChatStatus) -> Flow {
    if status == OK { Flow::Continue } else { Flow::Stop }
}

thread_local! {
    /// Encoding goes here first, so that the host's sink is called once per record however many pieces it is made of.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A larger scratch buffer is given back after use: one long list must not cost memory for ever.
const SCRATCH_KEPT_MAX: usize = 64 * 1024;

/// Has `encode` write the record's bytes and passes them on in one call.
///
/// # Safety
/// `record` and `out` come from the host and are valid for the call.
unsafe fn write_out(record: *const ChatRecord, out: ChatBytesSink, encode: impl FnOnce(&Record<'_>, &mut Vec<u8>)) -> ChatStatus {
    guarded(|| {
        // SAFETY: valid for the call.
        let record = match unsafe { raw::lift(record) } {
            Ok(record) => record,
            // A later host's: what a codec doesn't know it encodes to nothing.
            Err(raw::BadRecord::UnknownKind(_)) => return OK,
            Err(_) => return INTERNAL,
        };
        let mut bytes = SCRATCH.take();
        bytes.clear();
        encode(&record, &mut bytes);
        let status = if bytes.is_empty() {
            OK
        } else {
            // SAFETY: the host's sink.
            unsafe { (out.bytes)(out.ctx, ChatBytes::new(&bytes)) }
        };
        if bytes.capacity() <= SCRATCH_KEPT_MAX {
            SCRATCH.set(bytes);
        }
        status
    })
}
