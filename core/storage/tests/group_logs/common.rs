//! Copies of groups, made small.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chatring_machines::entry::{Content, Entry, MemberRow, Person, Rank, SayKind, Settings};
use chatring_machines::ids::{Birth, EntryId, SessionId, Term};
use chatring_machines::keeping::{Durability, Image, Keep, Keeping, KeptGroup, Standing};
use chatring_machines::names::{GroupName, Nick, NodeKey};
use chatring_machines::peer::{CopyHead, Counted};
use chatring_machines::time::Time;
use chatring_machines::wire::Text;
use chatring_storage::{GroupLogs, LogOptions, StorageError};

pub fn options(durability: Durability) -> LogOptions {
    LogOptions { network: "net".into(), key: NodeKey::new("192.0.2.1").unwrap(), durability, age_ms_max: u64::MAX }
}

#[track_caller]
pub fn open(path: &Path, durability: Durability) -> (GroupLogs, Vec<KeptGroup>) {
    try_open(path, options(durability)).unwrap()
}

/// A process that another test is just starting holds a copy of our lock until it is another program: that moment is waited for.
pub fn try_open(path: &Path, options: LogOptions) -> Result<(GroupLogs, Vec<KeptGroup>), StorageError> {
    let began = Instant::now();
    loop {
        match GroupLogs::open(path, options.clone()) {
            Err(StorageError::InUse { .. }) if began.elapsed() < Duration::from_secs(20) => std::thread::yield_now(),
            result => return result,
        }
    }
}

pub fn term(number: u64) -> Term {
    Term { generation: 1, number }
}

pub fn keeping(group: &str, what: Keep) -> Keeping {
    Keeping { ticket: None, group: GroupName::new(group).unwrap(), what }
}

fn person(text: &Text) -> Arc<Person> {
    let text = text.clone();
    Arc::new(Person { nick: Nick::new("joe").unwrap(), user: text.clone(), host: text.clone(), account: "".into(), real: text })
}

/// An image with so many members and counters.
pub fn image(birth: u64, seq: u64, log_from: u64, rows: u64) -> Keep {
    let (settings, away) = (Settings::new(Time(1)), "".into());
    let head = CopyHead {
        seq,
        time: Time(1),
        pruned: Time(1),
        settings,
        invited: vec![Nick::new("bob").unwrap()],
        away,
        log_from,
        former: None,
        in_doubt: false,
        begun: Term::default(),
    };
    let member = |n| {
        let node = NodeKey::new("192.0.2.1").unwrap();
        let row = MemberRow { session: SessionId(n), person: person(&"nul\0inside".into()), node, since: Time(n) };
        (row, Rank { operator: n == 0, ..Rank::default() })
    };
    let counter = |n| (SessionId(n), Counted { counter: u64::MAX >> n, seq: n, at: Time(n), heard: u64::MAX });
    let (members, counters) = ((0..rows).map(member).collect(), (0..rows).map(counter).collect());
    Keep::Image(Box::new(Image { birth: Birth(birth), term: term(1), head, members, counters }))
}

/// Entries of a term, each an hour's tick after the other.
pub fn entries(term_number: u64, seqs: RangeInclusive<u64>, text: &str) -> Keep {
    let text = Text::from(text);
    let sender = person(&text);
    let entry = |seq| {
        let content = Content::Message { kind: SayKind::Message, text: text.clone() };
        let id = EntryId { session: SessionId(7), counter: seq };
        Arc::new(Entry { seq, term: term(term_number), id, time: Time(seq * 1_000), sender: sender.clone(), content })
    };
    Keep::Entries(seqs.map(entry).collect())
}

pub fn standing(marked: u64, whole: bool) -> Keep {
    let members = vec![NodeKey::new("192.0.2.1").unwrap(), NodeKey::new("2001:db8::1").unwrap()];
    Keep::Standing(Standing { marked: term(marked), members, promised: term(marked + 1), given: Vec::new(), whole })
}

/// For each group its name, the image's place, the places of its log and whether it is whole.
pub fn shown(kept: &[KeptGroup]) -> String {
    let group = |kept: &KeptGroup| {
        let places = kept.entries.first().zip(kept.entries.last());
        let log = places.map(|(first, last)| format!(" {}..{}", first.seq, last.seq)).unwrap_or_default();
        format!("{} {}{log}{}", kept.group, kept.image.head.seq, if kept.standing.whole { " whole" } else { "" })
    };
    kept.iter().map(group).collect::<Vec<_>>().join("; ")
}
