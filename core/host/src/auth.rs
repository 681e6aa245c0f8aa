//! Authenticators as chatd asks them.

use crate::error::{Misdeed, PluginError};
use crate::instance::{Gather, Instance};
use chatring_abi::{ChatAuth, ChatStatus, DECLINE, DENY, INTERNAL, OK, PENDING, id, kind};
use chatring_sdk::{Arg, Ask, Kept, raw};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What an authenticator says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let in, as this account; `None` is a guest.
    Accept(Option<String>),
    /// Kept out. The reason may be shown to the person.
    Deny(String),
    /// No opinion.
    Decline,
    /// The answer comes through [`OnLate`](crate::OnLate), once, unless the ticket is cancelled before.
    Pending,
    /// The plugin failed: keep them out. For the log, not for the person.
    Fault(String),
}

/// Of a chain in which nobody decided.
pub(crate) const NOBODY_VOUCHES: &str = "nobody here vouches for you";

/// Of an authenticator that is disabled.
const SWITCHED_OFF: &str = "nobody can log in this way at the moment";

/// A longer account name or reason is a fault.
const WHO_MAX: usize = 1024;
/// The same of an account's name alone.
const ACCOUNT_MAX: usize = 64;

/// An authenticator, linked in or loaded. It may be asked from several threads at a time.
pub struct Authenticator {
    table: &'static ChatAuth,
    instance: Arc<Instance>,
    disabled: AtomicBool,
}

impl Authenticator {
    pub(crate) fn of(instance: &Arc<Instance>) -> Result<Option<Authenticator>, PluginError> {
        let table = instance.interface::<ChatAuth>(id::AUTH)?;
        Ok(table.map(|table| Authenticator { table, instance: instance.clone(), disabled: AtomicBool::new(false) }))
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        &self.instance.name
    }

    /// It lets nobody in, for as long as it is so: the next one may well be an open door.
    pub fn disable(&self, disabled: bool) {
        self.disabled.store(disabled, Ordering::Relaxed);
    }

    /// Whether it lets nobody in.
    pub fn is_disabled(&self) -> bool {
        self.disabled.load(Ordering::Relaxed)
    }

    /// Asks. May take long, so not on a loop's thread. `ticket` names the question: it must not be asked again before its answer
    /// is there or it was cancelled.
    pub fn check(&self, ticket: u64, ask: &Ask<'_>) -> Verdict {
        if self.is_disabled() {
            return Verdict::Deny(SWITCHED_OFF.to_string());
        }
        let late = &self.instance.services.late;
        if let Err(what) = late.asked(ticket) {
            return self.fault(what);
        }
        let (kept, kept_secret) = match ask.kept {
            Kept::Nothing => ("nothing", ""),
            Kept::Secret(secret) => ("secret", secret),
            Kept::Unknown => ("unknown", ""),
        };
        let argv = [
            Arg::from(ask.mechanism),
            Arg::from(ask.name),
            Arg::new(ask.secret),
            Arg::from(ask.peer),
            Arg::from(ask.listener),
            Arg::from(kept),
            Arg::from(kept_secret),
        ];
        let Some(record) = raw::lower(kind::COMMAND, &argv) else {
            return self.fault(Misdeed::Internal);
        };
        let mut who = Gather::new(WHO_MAX);
        // SAFETY: a vetted table and its plugin, from a worker thread; record and sink are valid for the call.
        let status = unsafe { (self.table.check)(self.instance.plugin, ticket, &record, who.sink()) };
        if status == PENDING {
            return late.pending(ticket).unwrap_or_else(|| Verdict::Deny("cancelled".to_string()));
        }
        late.decided(ticket);
        let verdict = match who.misdeed {
            Some(what) => Err(what),
            None => verdict(status, who.bytes()),
        };
        verdict.unwrap_or_else(|what| self.fault(what))
    }

    /// Nobody waits for this ticket any more: a late answer will be ignored. Call it on every authenticator of a chain.
    pub fn cancel(&self, ticket: u64) {
        self.instance.services.late.cancel(ticket);
        // SAFETY: a vetted table and its plugin; may be called from any thread.
        unsafe { (self.table.cancel)(self.instance.plugin, ticket) };
    }

    fn fault(&self, what: Misdeed) -> Verdict {
        let fault = self.instance.fault("check", what);
        tracing::error!(plugin = &*fault.plugin, "{fault}");
        Verdict::Fault(fault.to_string())
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authenticator({})", self.name())
    }
}

/// What a status and the bytes beside it mean; PENDING is none of this function's answers.
pub(crate) fn verdict(status: ChatStatus, who: &[u8]) -> Result<Verdict, Misdeed> {
    let text = || match std::str::from_utf8(who) {
        Ok(text) => Ok(text.to_string()),
        Err(_) => Err(Misdeed::NotText),
    };
    match status {
        OK if who.is_empty() => Ok(Verdict::Accept(None)),
        OK => Ok(Verdict::Accept(Some(text().and_then(account)?))),
        DENY => Ok(Verdict::Deny(text()?)),
        DECLINE => Ok(Verdict::Decline),
        INTERNAL => Err(Misdeed::Internal),
        unknown => Err(Misdeed::Status(unknown)),
    }
}

/// Others see it, and ranks are remembered by it: it has to be one word.
fn account(name: String) -> Result<String, Misdeed> {
    let is_word = name.len() <= ACCOUNT_MAX && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_word { Ok(name) } else { Err(Misdeed::NotAName) }
}

/// Asks one after another until someone decides. Nobody deciding means no, and so does a failure: the next one may well be an
/// open door.
///
/// `Pending` ends it, too. Those behind a plugin that answers late are not asked; if it declines late, that is a denial. So such
/// a plugin belongs at the end of a chain.
pub fn judge(chain: &[Arc<Authenticator>], ticket: u64, ask: &Ask<'_>) -> Verdict {
    for authenticator in chain {
        match authenticator.check(ticket, ask) {
            Verdict::Decline => continue,
            decided => return decided,
        }
    }
    Verdict::Deny(NOBODY_VOUCHES.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: ChatStatus, who: &[u8], expect: Result<Verdict, Misdeed>) {
        assert_eq!(verdict(status, who), expect);
    }

    #[test]
    fn what_a_status_and_its_bytes_mean() {
        check(OK, b"", Ok(Verdict::Accept(None)));
        check(OK, "zoë".as_bytes(), Ok(Verdict::Accept(Some("zoë".into()))));
        check(DENY, b"not today", Ok(Verdict::Deny("not today".into())));
        check(DECLINE, b"", Ok(Verdict::Decline));
        check(99, b"", Err(Misdeed::Status(99)));
        check(OK, b"\xff", Err(Misdeed::NotText));
        for name in ["a b", "joe\r\n", "\u{7}", &"a".repeat(65)] {
            check(OK, name.as_bytes(), Err(Misdeed::NotAName));
        }
    }
}
