//! What an authenticator implements.

/// Who wants in, and what they show for it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
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
}
