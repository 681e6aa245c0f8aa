//! What happens in a storm, as data: it is drawn, printed, read again, and cut down.
//!
//! Every action is a word and some numbers. Numbers name nodes, people, groups and processes in the order they came, round and round; a number called `ms` is a span.

use std::fmt;
use std::str::FromStr;

use chatring_machines::time::Jitter;

/// For numbers that name something: a multiple of all small numbers, so that none is preferred.
const ANY: u64 = 840;

/// When it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What people do: in every storm.
    Work,
    /// What goes wrong: in some storms.
    Fault,
    /// What directory servers go through among themselves, and what their operators do and ask: in most storms with several of them, in few with one.
    Servers,
}

/// Why a text is no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not what happens in a storm")]
pub struct BadAction(String);

macro_rules! actions {
    ($( $(#[doc = $doc:literal])* $kind:ident $word:literal $Action:ident { $($field:ident: $below:expr),* } )*) => {
        /// Something that happens in a storm.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // fields are numbers of what they are called after
        pub enum Action { $( $(#[doc = $doc])* $Action { $($field: u64),* } ),* }

        impl Action {
            /// All there are.
            pub const WORDS: &'static [(&'static str, Kind)] = &[$( ($word, actions!(@kind $kind)) ),*];

            /// Draws the numbers of an action.
            pub fn draw(word: &str, rng: &mut Jitter) -> Option<Action> {
                match word {
                    $( $word => Some(Action::$Action { $($field: rng.below($below)),* }), )*
                    _ => None,
                }
            }

            /// What it is called.
            pub fn word(&self) -> &'static str {
                match self { $( Action::$Action { .. } => $word ),* }
            }

            /// Its numbers, and what each is of.
            pub fn numbers(&self) -> Vec<(&'static str, u64)> {
                match *self { $( Action::$Action { $($field),* } => vec![$( (stringify!($field), $field) ),*] ),* }
            }

            fn of(word: &str, mut numbers: impl Iterator<Item = u64>) -> Option<Action> {
                let action = match word {
                    $( $word => Action::$Action { $($field: numbers.next()?),* }, )*
                    _ => return None,
                };
                numbers.next().is_none().then_some(action)
            }
        }
    };
    (@kind work) => { Kind::Work };
    (@kind fault) => { Kind::Fault };
    (@kind servers) => { Kind::Servers };
}

actions! {
    /// Someone says something in a group.
    work "say" Say { who: ANY, group: ANY }
    /// Someone says something to someone.
    work "whisper" Whisper { who: ANY, to: ANY }
    /// Someone goes into a group.
    work "enter" Enter { who: ANY, group: ANY }
    /// Someone leaves it.
    work "part" Part { who: ANY, group: ANY }
    /// Someone takes another nick; half of the time one of a few that others want, too.
    work "rename" Rename { who: ANY, what: ANY }
    /// Someone sets the topic, modes, or looks who someone is.
    work "steer" Steer { who: ANY, group: ANY, to: ANY, what: 4 }
    /// kill -9 of a super node.
    fault "kill" Kill { node: ANY }
    /// A super node starts again, if it is not running.
    fault "start" Start { node: ANY }
    /// kill -9, and a new start within the lease.
    fault "bounce" Bounce { node: ANY, ms: 2_000 }
    /// The same several times in a row.
    fault "flap" Flap { node: ANY, times: 6, ms: 700 }
    /// SIGTERM.
    fault "stop" Stop { node: ANY }
    /// One more super node comes.
    fault "add" Add {}
    /// kill -9 of a directory server.
    fault "kill-directory" KillDirectory { which: ANY }
    /// It starts again.
    fault "start-directory" StartDirectory { which: ANY }
    /// Its disk takes so much longer.
    fault "slow-disk" SlowDisk { which: ANY, ms: 800 }
    /// Its disk fails at the next write; it stops, and starts again on another one.
    fault "break-disk" BreakDisk { which: ANY, ms: 4_000 }
    /// A directory server and the others do not reach each other.
    fault "isolate-directory" IsolateDirectory { which: ANY, breaks: 2 }
    /// A super node's disk takes so much longer.
    fault "slow-keeping" SlowKeeping { node: ANY, ms: 1_500 }
    /// A super node's disk is full.
    fault "fill-disk" FillDisk { node: ANY }
    /// It has room again.
    fault "free-disk" FreeDisk { node: ANY }
    /// kill -9 of all super nodes at once; they start again one by one.
    fault "blackout" Blackout { ms: 3_000, apart_ms: 1_000 }
    /// SIGSTOP for less than a lease.
    fault "pause" Pause { pid: ANY, ms: 2_500, turn: 2 }
    /// SIGSTOP for longer.
    fault "freeze" Freeze { node: ANY, ms: 9_000, turn: 2 }
    /// Two processes do not reach each other; connections break or wait.
    fault "cut" Cut { pid: ANY, other: ANY, breaks: 2 }
    /// One does not reach the other, but is reached by it.
    fault "cut-way" CutWay { pid: ANY, other: ANY, breaks: 2 }
    /// A super node and a directory server do not reach each other.
    fault "cut-directory" CutDirectory { which: ANY, node: ANY, breaks: 2 }
    /// All processes fall into two camps that do not reach each other.
    fault "split" Split { camp: 1 << 20, breaks: 2 }
    /// Connections of two die, and one of them does not hear of it.
    fault "half-open" HalfOpen { pid: ANY, other: ANY }
    /// From one to the other everything takes longer.
    fault "slow" Slow { pid: ANY, other: ANY, ms: 1_500 }
    /// What a directory server says takes longer to a super node: it goes by old views.
    fault "late-views" LateViews { which: ANY, node: ANY, ms: 2_500 }
    /// Who dials a super node is refused for a while, though it lives, and someone's connection to it breaks.
    fault "suspect" Suspect { node: ANY, other: ANY, ms: 600 }
    /// A process's clock jumps ahead.
    fault "jump" Jump { pid: ANY, ms: 5_000 }
    /// A process reads nothing.
    fault "stall" Stall { pid: ANY }
    /// It reads again.
    fault "unstall" Unstall { pid: ANY }
    /// All people at a super node lose their connections at once.
    fault "crowd" Crowd { node: ANY }
    /// The network is well again.
    fault "heal" Heal {}
    /// An operator asks a directory server for the ring, which is to be certainly the newest.
    servers "read" Read { which: ANY }
    /// An operator has another directory server lead.
    servers "transfer-directory" TransferDirectory { which: ANY }
    /// A directory server's file is lost for good, or it is taken out in good health; an operator lets it go and takes another one in. How: the new one is at the same address, and taken in over the old one; the old one is let go first; the
    /// new one is elsewhere; or it is the same one with the file it had. Only as many at a time as may be missing.
    servers "replace-directory" ReplaceDirectory { which: ANY, how: 4, ms: 4_000 }
    /// kill -9 of a directory server as soon as it has written so many more times: what was written last is on its disk, and it was not told. It starts again.
    servers "tear-commit" TearCommit { which: ANY, writes: 6, ms: 4_000 }
    /// What a directory server writes from here on takes that long: one fsync for longer than it takes to elect another leader.
    servers "stall-disk" StallDisk { which: ANY, ms: 6_000 }
    /// Who leads and the other directory servers do not reach each other; super nodes do, or don't either.
    servers "isolate-leader" IsolateLeader { nodes: 2, breaks: 2 }
    /// A directory server does not reach the others, but is reached by them; or the other way round.
    servers "deafen-directory" DeafenDirectory { which: ANY, way: 2, breaks: 2 }
    /// One directory server does not reach another, but is reached by it.
    servers "cut-servers-way" CutServersWay { which: ANY, other: ANY, breaks: 2 }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        self.numbers().iter().try_for_each(|(_, number)| write!(f, " {number}"))
    }
}

impl FromStr for Action {
    type Err = BadAction;
    fn from_str(text: &str) -> Result<Action, BadAction> {
        let bad = || BadAction(text.to_string());
        let mut words = text.split_whitespace();
        let word = words.next().ok_or_else(bad)?;
        let numbers: Result<Vec<u64>, _> = words.map(str::parse).collect();
        Action::of(word, numbers.map_err(|_| bad())?.into_iter()).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_read_as_it_is_written() {
        let rng = &mut Jitter::new(3);
        for (word, _) in Action::WORDS {
            let action = Action::draw(word, rng).expect("all words are known");
            assert_eq!(action.to_string().parse(), Ok(action));
        }
        for bad in ["", "say", "say 1", "say 1 2 3", "say one two", "dance 1"] {
            assert!(bad.parse::<Action>().is_err(), "{bad}");
        }
    }
}
