//! What is kept of a group, and what of that is found again; and the queue in front of the disk.

use std::sync::Arc;

use chatring_machines::entry::{Content, Entry, Person, SayKind, Settings};
use chatring_machines::ids::{Birth, EntryId, Term, Ticket};
use chatring_machines::keeping::{Durability, Health, Image, Keep, Keeping, KeptGroup, MemoryKeeper, Standing, Waiting, image_is_due};
use chatring_machines::machine::StoreError;
use chatring_machines::names::{GroupName, Nick};
use chatring_machines::peer::CopyHead;
use chatring_machines::time::Time;

fn name(text: &str) -> GroupName {
    GroupName::new(text).unwrap()
}

fn term(number: u64) -> Term {
    Term { generation: 1, number }
}

fn image(birth: u64, seq: u64, log_from: u64) -> Keep {
    let (settings, away) = (Settings::new(Time(1)), "".into());
    let head = CopyHead {
        seq,
        time: Time(1),
        pruned: Time(1),
        settings,
        invited: Vec::new(),
        away,
        log_from,
        former: None,
        in_doubt: false,
        begun: Term::default(),
    };
    Keep::Image(Box::new(Image { birth: Birth(birth), term: term(1), head, members: Vec::new(), counters: Vec::new() }))
}

fn entries(term_number: u64, seqs: std::ops::RangeInclusive<u64>) -> Keep {
    let text = || "".into();
    let sender = Arc::new(Person { nick: Nick::new("joe").unwrap(), user: text(), host: text(), account: text(), real: text() });
    let entry = |seq| {
        let content = Content::Message { kind: SayKind::Message, text: "x".into() };
        Arc::new(Entry { seq, term: term(term_number), id: EntryId::default(), time: Time(seq), sender: sender.clone(), content })
    };
    Keep::Entries(seqs.map(entry).collect())
}

fn whole() -> Keep {
    Keep::Standing(Standing { marked: term(1), members: Vec::new(), promised: term(1), whole: true, ..Standing::default() })
}

fn keeping(group: &str, ticket: u64, what: Keep) -> Keeping {
    Keeping { ticket: (ticket > 0).then_some(Ticket(ticket)), group: name(group), what }
}

/// What is found of one group: the image's seq, then `seq/term` of the log, then `whole`.
#[track_caller]
fn check(keeps: Vec<Keep>, expect: &str) {
    let mut keeper = MemoryKeeper::new(Durability::Disk);
    keeps.into_iter().for_each(|what| keeper.keep(keeping("#a", 0, what)));
    keeper.sync();
    assert_eq!(shown(&keeper), expect);
}

fn shown(keeper: &MemoryKeeper) -> String {
    let group = |kept: &KeptGroup| {
        let log: String = kept.entries.iter().map(|entry| format!(" {}/{}", entry.seq, entry.term.number)).collect();
        format!("{} {}{log}{}", kept.group, kept.image.head.seq, if kept.standing.whole { " whole" } else { "" })
    };
    keeper.load().iter().map(group).collect::<Vec<_>>().join("; ")
}

#[test]
fn what_is_kept_is_an_image_and_the_log_around_it() {
    check(vec![], "");
    check(vec![whole()], "");
    check(vec![image(1, 0, 1)], "#a 0");
    check(vec![image(1, 0, 1), entries(1, 1..=2), entries(1, 3..=3), whole()], "#a 0 1/1 2/1 3/1 whole");
    check(vec![image(1, 0, 1), entries(1, 1..=4), image(1, 4, 3)], "#a 4 3/1 4/1");
    // A log that is replaced from some place on: that of a lower term gives way.
    check(vec![image(1, 0, 1), entries(1, 1..=4), entries(2, 3..=3)], "#a 0 1/1 2/1 3/2");
    // A copy that begins: first its image, then its log.
    check(vec![image(1, 9, 8), entries(1, 8..=9), entries(1, 10..=10)], "#a 9 8/1 9/1 10/1");
    // One that was cut off on its way, and one that comes again.
    check(vec![image(1, 9, 7), entries(1, 7..=8)], "#a 9");
    check(vec![image(1, 9, 7), entries(1, 7..=8), entries(1, 6..=9)], "#a 9 6/1 7/1 8/1 9/1");
    // An image that lies before what was kept cuts it; one of another life knows nothing of it.
    check(vec![image(1, 0, 1), entries(1, 1..=4), image(1, 2, 1)], "#a 2 1/1 2/1");
    check(vec![image(1, 0, 1), entries(1, 1..=4), image(2, 4, 1)], "#a 4");
    check(vec![image(1, 0, 1), entries(1, 1..=4), Keep::Drop], "");
    check(vec![image(1, 0, 1), whole(), Keep::Drop, image(2, 0, 1)], "#a 0");
}

#[test]
#[should_panic = "has no holes: 6 after 2, Some(4)"]
fn a_hole_behind_the_image_is_a_mistake() {
    check(vec![image(1, 2, 1), entries(1, 1..=4), entries(1, 6..=6)], "");
}

#[track_caller]
fn check_crash(durability: Durability, survive: usize, expect: &str) {
    let mut keeper = MemoryKeeper::new(durability);
    keeper.keep(keeping("#a", 1, image(1, 0, 1)));
    keeper.keep(keeping("#a", 0, whole()));
    keeper.keep(keeping("#a", 2, entries(1, 1..=1)));
    assert_eq!(keeper.sync(), [Ticket(1), Ticket(2)]);
    keeper.keep(keeping("#a", 3, entries(1, 2..=2)));
    keeper.keep(keeping("#b", 4, image(1, 0, 1)));
    keeper.crash(survive);
    assert_eq!((shown(&keeper).as_str(), keeper.pending()), (expect, 0));
}

#[test]
fn a_crash_keeps_what_was_synced() {
    check_crash(Durability::Disk, 0, "#a 0 1/1 whole");
    check_crash(Durability::Disk, 1, "#a 0 1/1 2/1 whole");
    check_crash(Durability::Disk, 9, "#a 0 1/1 2/1 whole; #b 0");
    check_crash(Durability::Replicated, 1, "#a 0 1/1 2/1");
    check_crash(Durability::Memory, 9, "");
}

/// A queue that holds sixteen single entries.
fn waiting() -> Waiting {
    Waiting::new(16 * entries(1, 1..=1).weight())
}

#[test]
fn at_the_bound_a_group_is_torn_until_its_image() {
    let (mut waiting, mut batch) = (waiting(), Vec::new());
    let push = |waiting: &mut Waiting, group: &str, what: Keep| waiting.push(keeping(group, 0, what));
    for seq in 1..=16 {
        assert_eq!(push(&mut waiting, "#a", entries(1, seq..=seq)), Health::Same);
    }
    let trouble = Health::Trouble("what is to be kept comes faster than the disk takes it".into());
    assert_eq!(push(&mut waiting, "#b", entries(1, 1..=1)), trouble);
    assert_eq!(push(&mut waiting, "#a", entries(1, 17..=17)), Health::Same);
    assert!(!waiting.is_whole());
    waiting.take(&mut batch, 3 * entries(1, 1..=1).weight() + 1);
    assert_eq!((batch.len(), waiting.written(&batch, true)), (4, Health::Same));
    // There is room again, but not for those that have a hole.
    assert_eq!(push(&mut waiting, "#b", whole()), Health::Same);
    assert_eq!(push(&mut waiting, "#b", image(1, 1, 1)), Health::Same);
    assert_eq!(push(&mut waiting, "#b", entries(1, 2..=2)), Health::Same);
    batch.clear();
    waiting.take(&mut batch, usize::MAX);
    let of_b: Vec<_> = batch.iter().filter(|keeping| keeping.group == name("#b")).map(|keeping| &keeping.what).collect();
    assert_eq!((batch.len(), of_b), (14, vec![&image(1, 1, 1), &entries(1, 2..=2)]));
    assert_eq!(waiting.written(&batch, true), Health::Well(vec![name("#a"), name("#b")]));
    assert!(!waiting.is_whole(), "of #a something is missing until its image comes");
    assert_eq!(push(&mut waiting, "#a", image(1, 9, 1)), Health::Same);
    assert!(waiting.is_whole());
}

#[test]
fn trouble_is_told_once_and_well_follows() {
    let (mut waiting, mut batch) = (waiting(), Vec::new());
    waiting.push(keeping("#a", 1, image(1, 0, 1)));
    waiting.take(&mut batch, 1);
    let full = StoreError("disk full".into());
    assert_eq!(waiting.failed(&full), Health::Trouble("disk full".into()));
    assert_eq!(waiting.failed(&full), Health::Same);
    assert_eq!(waiting.written(&batch, false), Health::Same);
    assert_eq!(waiting.written(&[], true), Health::Well(Vec::new()));
    assert_eq!(waiting.failed(&full), Health::Trouble("disk full".into()));
}

#[test]
fn an_image_is_due_by_entries_and_by_rows() {
    for (entries, rows, expect) in [(255, 0, false), (256, 0, true), (256, 64, true), (3_999, 1_000, false), (4_000, 1_000, true)] {
        assert_eq!(image_is_due(entries, rows), expect, "{entries} entries, {rows} rows");
    }
}
