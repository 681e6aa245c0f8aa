//! A [`Filter`] as `chat.filter/1` and `chat.timed/1`.

use super::{caught, guarded, is_named, start_with, stop};
use crate::filter::{Deed, Filter, Judgment, Person, What};
use crate::raw;
use chatring_abi::{ChatBytes, ChatBytesSink, ChatEntry, ChatFilter, ChatHost, ChatRecord, ChatStatus, ChatTimed, DENY, INTERNAL, OK, id};
use std::ffi::{c_char, c_void};
use std::marker::PhantomData;

/// The C functions of F. Behind every `plugin` pointer stands an F.
pub(super) struct Edge<F>(PhantomData<F>);

impl<F: Filter> Edge<F> {
    // SAFETY: the functions below keep the contract, and `interface` answers with the table of each name only.
    pub(super) const ENTRY: &'static ChatEntry = &unsafe { ChatEntry::new(F::NAME, F::VERSION, Self::start, stop::<F>, Self::interface) };

    const TABLE: &'static ChatFilter = &ChatFilter { size: size_of::<ChatFilter>() as u32, judge: Self::judge };
    const TIMED: &'static ChatTimed = &ChatTimed { size: size_of::<ChatTimed>() as u32, fire: Self::fire };

    unsafe extern "C" fn start(host: *const ChatHost, config: ChatBytes, plugin: *mut *mut c_void, why: ChatBytesSink) -> ChatStatus {
        // SAFETY: passed on as they came.
        unsafe { start_with(F::start, host, config, plugin, why) }
    }

    unsafe extern "C" fn interface(_plugin: *mut c_void, asked: *const c_char) -> *const c_void {
        // SAFETY: a C string from the host.
        if unsafe { is_named(asked, id::FILTER) } {
            return std::ptr::from_ref(Self::TABLE).cast();
        }
        // SAFETY: as above.
        if unsafe { is_named(asked, id::TIMED) } {
            return std::ptr::from_ref(Self::TIMED).cast();
        }
        std::ptr::null()
    }

    unsafe extern "C" fn judge(plugin: *mut c_void, what: *const ChatRecord, out: ChatBytesSink) -> ChatStatus {
        guarded(|| {
            // SAFETY: valid for the call.
            let Ok(record) = (unsafe { raw::lift(what) }) else {
                return INTERNAL;
            };
            let mut texts = [""; 8];
            for (place, arg) in texts.iter_mut().zip(record.argv) {
                match arg.as_str() {
                    Some(text) => *place = text,
                    None => return INTERNAL,
                }
            }
            let [what, group, text, nick, user, host, account, listener] = texts;
            // What a later chatd asks about, and this one does not know, is none of its business.
            let Some(what) = What::ALL.into_iter().find(|known| known.word() == what) else { return OK };
            let deed = Deed { what, group, text, by: Person { nick, user, host, account }, listener };
            // SAFETY: an F, shared.
            let (status, said) = match unsafe { &*plugin.cast::<F>() }.judge(&deed) {
                Judgment::Pass => (OK, String::new()),
                Judgment::Rewrite(text) => (OK, text),
                Judgment::Refuse(reason) => (DENY, reason),
            };
            if !said.is_empty() {
                // SAFETY: the host's sink.
                unsafe { (out.bytes)(out.ctx, ChatBytes::new(said.as_bytes())) };
            }
            status
        })
    }

    unsafe extern "C" fn fire(plugin: *mut c_void, timer: u64) {
        // SAFETY: an F, shared.
        caught(|| unsafe { &*plugin.cast::<F>() }.fire(timer));
    }
}
