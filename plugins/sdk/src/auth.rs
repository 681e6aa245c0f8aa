//! What an authenticator implements.

use crate::service::Service;
use chatring_abi::{ChatAuthHost, ChatBytes, ChatStatus, DECLINE, DENY, INTERNAL, OK, PENDING, id};

/// Who wants in, and what they show for it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Names the question, for an answer that comes later.
    pub ticket: u64,
    /// `password`, or `none` for someone who showed nothing.
    pub mechanism: &'a str,
    /// The account claimed; empty if none.
    pub name: &'a str,
    /// The password.
    pub secret: &'a [u8],
    /// What the directory keeps of that account.
    pub kept: Kept<'a>,
    /// The peer's address, e.g. `192.0.2.7`.
    pub peer: &'a str,
    /// The listener they came in by.
    pub listener: &'a str,
}

/// What the directory keeps of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept<'a> {
    /// There is no such account in it.
    Nothing,
    /// What its password is checked with, as whoever set it wrote it: of `chatctl account`, an argon2 hash in PHC form.
    Secret(&'a str),
    /// It can't be asked at the moment.
    Unknown,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let in, as this account; `None` is a guest.
    Accept(Option<String>),
    /// Kept out. The reason is shown to the person.
    Deny(String),
    /// No opinion: ask the next authenticator. Nobody deciding means no.
    Decline,
    /// It is answered later, through [`Late`].
    Pending,
}

impl Verdict {
    /// As the C edge has it: a status, and what goes with it.
    pub(crate) fn lower(self) -> (ChatStatus, String) {
        match self {
            Verdict::Accept(account) => (OK, account.unwrap_or_default()),
            Verdict::Deny(reason) => (DENY, reason),
            Verdict::Decline => (DECLINE, String::new()),
            Verdict::Pending => (PENDING, String::new()),
        }
    }
}

/// Answers questions that `check` left [`Verdict::Pending`]. Take it with [`Late::here`] in `start`.
#[derive(Clone, Copy, Debug)]
pub struct Late(Service<ChatAuthHost>);

impl Late {
    /// That of the plugin that is being started on this thread. Anywhere else (a unit test) nobody hears the answers.
    pub fn here() -> Late {
        // SAFETY: the type of this name.
        Late(unsafe { Service::here(id::AUTH_HOST) })
    }

    /// Answers, once; later answers are ignored, and so is one that nobody waits for any more. Declining is a refusal here.
    pub fn answer(&self, ticket: u64, verdict: Verdict) {
        let Some((table, host)) = self.0.get() else { return };
        // Still pending is no answer: the plugin's own mistake.
        let (status, said) = if verdict == Verdict::Pending { (INTERNAL, String::new()) } else { verdict.lower() };
        // SAFETY: the function came with this host; bytes valid for the call.
        unsafe { (table.complete)(host, ticket, status, ChatBytes::new(said.as_bytes())) };
    }
}

/// An authenticator. `check` runs on a worker thread, several at a time, and may block.
pub trait Auth: Sized + Send + Sync + 'static {
    /// The plugin's name in configs, e.g. `password`.
    const NAME: &'static std::ffi::CStr;
    /// The plugin's version, for people. [`version!()`](crate::version) is that of the crate.
    const VERSION: &'static std::ffi::CStr = c"unversioned";
    /// `config` is the plugin's own table as TOML text (may be empty). An error is shown to the operator.
    fn start(config: &str) -> Result<Self, String>;
    /// Decides.
    fn check(&self, ask: &Ask<'_>) -> Verdict;
    /// Nobody waits for this question's answer any more: a hint.
    fn cancel(&self, _ticket: u64) {}
    /// A timer that was set ([`Timers`](crate::Timers)) has come.
    fn fire(&self, _timer: u64) {}
}
