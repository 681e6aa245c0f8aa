//! What a filter implements.

use crate::service::Service;
use chatring_abi::{ChatBytes, ChatFilterHost, OK, id};

/// What someone wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed<'a> {
    /// What kind of thing.
    pub what: What,
    /// In which group, or for whom: a nick.
    pub group: &'a str,
    /// The message, or the new topic (empty: none). Of a join nothing.
    pub text: &'a str,
    /// Who wants it.
    pub by: Person<'a>,
    /// The listener they came in by.
    pub listener: &'a str,
}

/// The kinds of things that filters see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Something is said.
    Message,
    /// Something is said by a program, which no program may answer.
    Notice,
    /// Someone wants into a group.
    Join,
    /// Someone sets a topic.
    Topic,
}

impl What {
    /// All there are.
    pub const ALL: [What; 4] = [What::Message, What::Notice, What::Join, What::Topic];

    /// Its word at the C edge.
    pub fn word(self) -> &'static str {
        match self {
            What::Message => "message",
            What::Notice => "notice",
            What::Join => "join",
            What::Topic => "topic",
        }
    }
}

/// Who someone is, as others see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person<'a> {
    /// What they are called.
    pub nick: &'a str,
    /// The user name their program sent.
    pub user: &'a str,
    /// Where they come from.
    pub host: &'a str,
    /// The account they have logged in to; empty for a guest.
    pub account: &'a str,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgment {
    /// It is done as it is.
    Pass,
    /// It is done with this text instead: of a message or a topic. Never empty.
    Rewrite(String),
    /// It is not done, and this is why.
    Refuse(String),
}

/// A filter. `judge` is called once for each thing that anyone wants to do, in order, on a thread of its own, and has to answer within the
/// budget that chatd's configuration says: whoever takes longer is not waited for, and disabled if that happens too often.
pub trait Filter: Sized + Send + Sync + 'static {
    /// The plugin's name in configs, e.g. `flood`.
    const NAME: &'static std::ffi::CStr;
    /// The plugin's version, for people. [`version!()`](crate::version) is that of the crate.
    const VERSION: &'static std::ffi::CStr = c"unversioned";
    /// `config` is the plugin's own table as TOML text (may be empty). An error is shown to the operator.
    fn start(config: &str) -> Result<Self, String>;
    /// Decides.
    fn judge(&self, deed: &Deed<'_>) -> Judgment;
    /// A timer that was set ([`Timers`](crate::Timers)) has come. Never while `judge` runs.
    fn fire(&self, _timer: u64) {}
}

/// Says things in groups, as bots with names. Take it with [`Bots::here`] in `start`.
#[derive(Clone, Copy, Debug)]
pub struct Bots(Service<ChatFilterHost>);

impl Bots {
    /// Those of the plugin that is being started on this thread. Anywhere else (a unit test) what is said goes to stderr.
    pub fn here() -> Bots {
        // SAFETY: the type of this name.
        Bots(unsafe { Service::here(id::FILTER_HOST) })
    }

    /// Says a notice in a group as a bot of this nick. No filter sees it. False where that can't be: the nick or the group is none, the
    /// text is empty or too long, or too much is waiting.
    pub fn say(&self, bot: &str, group: &str, text: &str) -> bool {
        let Some((table, host)) = self.0.get() else {
            eprintln!("{bot} in {group}: {text}");
            return true;
        };
        let bytes = |text: &str| ChatBytes::new(text.as_bytes());
        // SAFETY: the function came with this host; bytes valid for the call.
        unsafe { (table.say)(host, bytes(bot), bytes(group), bytes(text)) == OK }
    }
}
