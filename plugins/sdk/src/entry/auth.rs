//! An [`Auth`] as `chat.auth/1` and `chat.timed/1`.

use super::{caught, guarded, is_named, start_with, stop};
use crate::{Ask, Auth, Kept, raw};
use chatring_abi::{ChatAuth, ChatBytes, ChatBytesSink, ChatEntry, ChatHost, ChatRecord, ChatStatus, ChatTimed, INTERNAL, id};
use std::ffi::{c_char, c_void};
use std::marker::PhantomData;

/// The C functions of A. Behind every `plugin` pointer stands an A.
pub(super) struct Edge<A>(PhantomData<A>);

impl<A: Auth> Edge<A> {
    // SAFETY: the functions below keep the contract, and `interface` answers with a ChatAuth for its name only.
    pub(super) const ENTRY: &'static ChatEntry = &unsafe { ChatEntry::new(A::NAME, A::VERSION, Self::start, stop::<A>, Self::interface) };

    const TABLE: &'static ChatAuth = &ChatAuth { size: size_of::<ChatAuth>() as u32, check: Self::check, cancel: Self::cancel };

    const TIMED: &'static ChatTimed = &ChatTimed { size: size_of::<ChatTimed>() as u32, fire: Self::fire };

    unsafe extern "C" fn start(host: *const ChatHost, config: ChatBytes, plugin: *mut *mut c_void, why: ChatBytesSink) -> ChatStatus {
        // SAFETY: passed on as they came.
        unsafe { start_with(A::start, host, config, plugin, why) }
    }

    unsafe extern "C" fn interface(_plugin: *mut c_void, asked: *const c_char) -> *const c_void {
        // SAFETY: a C string from the host.
        if unsafe { is_named(asked, id::AUTH) } {
            return std::ptr::from_ref(Self::TABLE).cast();
        }
        // SAFETY: as above.
        if unsafe { is_named(asked, id::TIMED) } {
            return std::ptr::from_ref(Self::TIMED).cast();
        }
        std::ptr::null()
    }

    unsafe extern "C" fn check(plugin: *mut c_void, ticket: u64, ask: *const ChatRecord, who: ChatBytesSink) -> ChatStatus {
        guarded(|| {
            // SAFETY: valid for the call.
            let Ok(record) = (unsafe { raw::lift(ask) }) else {
                return INTERNAL;
            };
            let text = |i: usize| record.argv.get(i).and_then(|arg| arg.as_str());
            let (Some(mechanism), Some(name), Some(peer), Some(listener)) = (text(0), text(1), text(3), text(4)) else {
                return INTERNAL;
            };
            let kept = match (text(5), text(6)) {
                (Some("secret"), Some(secret)) => Kept::Secret(secret),
                (Some("unknown"), _) => Kept::Unknown,
                _ => Kept::Nothing,
            };
            let ask = Ask { ticket, mechanism, name, secret: record.arg(2), kept, peer, listener };
            // SAFETY: an A, shared.
            let (status, said) = unsafe { &*plugin.cast::<A>() }.check(&ask).lower();
            if !said.is_empty() {
                // SAFETY: the host's sink.
                unsafe { (who.bytes)(who.ctx, ChatBytes::new(said.as_bytes())) };
            }
            status
        })
    }

    unsafe extern "C" fn cancel(plugin: *mut c_void, ticket: u64) {
        // SAFETY: an A, shared.
        caught(|| unsafe { &*plugin.cast::<A>() }.cancel(ticket));
    }

    unsafe extern "C" fn fire(plugin: *mut c_void, timer: u64) {
        // SAFETY: an A, shared.
        caught(|| unsafe { &*plugin.cast::<A>() }.fire(timer));
    }
}
