//! Groups whose master is gone, and that nobody asks for.

use std::collections::BTreeMap;

use super::*;
use crate::entry::{MemberRow, Rank, Settings};
use crate::ids::Birth;
use crate::peer::GroupRecord;

/// What a directory remembers, and what it was asked and told.
#[derive(Default)]
struct Memory {
    groups: BTreeMap<GroupName, Box<GroupRecord>>,
    /// Names in one answer.
    page: usize,
    opened: Vec<GroupName>,
    most_at_once: usize,
}

impl Memory {
    fn hear(&mut self, command: PeerCommand) -> Option<LinkEvent> {
        match command {
            PeerCommand::Orphans { ticket, master, after } => {
                let later = self.groups.iter().filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after));
                let orphans = later.filter(|(_, record)| record.master == master || record.master == key(OTHER));
                let groups = orphans.map(|(name, _)| name.clone()).take(self.page).collect();
                Some(LinkEvent::Orphans { ticket, groups })
            }
            PeerCommand::Record { ticket, group } => {
                let record = self.groups.get(&group).cloned();
                self.opened.push(group);
                Some(LinkEvent::Record { ticket, record })
            }
            PeerCommand::Report { ticket, reports } => {
                for report in reports {
                    match self.groups.get_mut(&report.group) {
                        Some(_) if report.closed => drop(self.groups.remove(&report.group)),
                        Some(record) => (record.master, record.members) = (key(ME), report.joined),
                        None => {}
                    }
                }
                Some(LinkEvent::Stored { ticket })
            }
            _ => None,
        }
    }

    /// Answers the node for so long. Every answer comes a little later.
    fn serve(&mut self, bench: &mut Bench, ms: u64) {
        for _ in 0..ms / 20 {
            bench.wait(20);
            let before = self.opened.len();
            let answers: Vec<LinkEvent> = bench.asked(bench.home).into_iter().filter_map(|command| self.hear(command)).collect();
            self.most_at_once = self.most_at_once.max(self.opened.len() - before);
            answers.into_iter().for_each(|answer| bench.tell(bench.home, answer));
        }
    }
}

/// Of the node that is gone: with a member there, or with nothing but the rank of an account.
fn record(with_member: bool) -> Box<GroupRecord> {
    let (birth, term, mut settings) = (Birth(7), Epoch::default(), Settings::new(Time(1)));
    let mut members = vec![];
    match with_member {
        true => members.push(MemberRow { session: SessionId(9), person: person("joe"), node: key(OTHER), since: Time(1) }),
        false => settings.ranks.push((Nick::new("joe").unwrap(), Rank { founder: true, operator: true, voice: false })),
    }
    Box::new(GroupRecord { master: key(OTHER), birth, term, seq: 3, settings, members, copies: Vec::new() })
}

/// A node whose neighbour went and left so many groups: each is opened once, and gone in the end unless there is a rank to keep.
#[track_caller]
fn check(count: usize, with_member: bool, page: usize) {
    let mut bench = Bench::new(&[ME, OTHER]);
    let mut memory = Memory { page, ..Memory::default() };
    memory.serve(&mut bench, 11_000);
    memory.groups = (0..count).map(|n| (group(&format!("#g{n}")), record(with_member))).collect();
    bench.ring(&[ME]);
    memory.serve(&mut bench, 120_000);
    memory.opened.sort();
    memory.opened.dedup();
    assert_eq!(memory.opened.len(), count, "not all were opened");
    assert!(memory.most_at_once <= 256, "{} were opened at once", memory.most_at_once);
    let (left, held) = (memory.groups.len(), bench.node.groups_held());
    assert_eq!((left, held), if with_member { (0, 0) } else { (count, count) });
    assert!(memory.groups.values().all(|record| record.members.is_empty() && record.master == key(ME)));
    // When it asks again, after its link to the directory broke, nothing is opened again.
    memory.opened.clear();
    bench.give(Input::Lost { conn: bench.home });
    bench.wait(100);
    bench.home = bench.accept("10.0.0.9:7410", "10.0.0.9:7410");
    let Some(PeerCommand::Register { ticket, .. }) = bench.asked(bench.home).pop() else { panic!() };
    bench.tell(bench.home, LinkEvent::Registered { ticket, epoch: bench.epoch() });
    memory.serve(&mut bench, 20_000);
    assert_eq!(memory.opened, []);
}

#[test]
fn whoever_was_lost_with_their_master_is_forgotten() {
    check(1, true, 10_000);
    check(140, true, 50);
    check(700, true, 10_000);
}

#[test]
fn what_is_remembered_of_an_empty_group_is_kept() {
    check(1, false, 10_000);
    check(700, false, 300);
}

#[test]
fn a_directory_that_does_not_answer_takes_no_harm() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let mut memory = Memory { page: 10, ..Memory::default() };
    memory.serve(&mut bench, 11_000);
    bench.ring(&[ME]);
    bench.wait(3_100);
    let Some(PeerCommand::Orphans { ticket, .. }) = bench.asked(bench.home).pop() else { panic!() };
    bench.tell(bench.home, LinkEvent::Orphans { ticket, groups: vec![group("#a")] });
    assert_eq!(bench.node.groups_held(), 1);
    bench.wait(NodeTiming::default().takeover_ms + 11_000);
    // Nobody waits, and to open it as an empty one would have the directory forget it.
    assert_eq!(bench.node.groups_held(), 0);
    let asked = bench.asked(bench.home);
    assert!(!asked.iter().any(|command| matches!(command, PeerCommand::Report { .. })), "{asked:?}");
    // It is looked for again.
    memory.groups.insert(group("#a"), record(true));
    memory.serve(&mut bench, 80_000);
    assert_eq!(memory.groups.len(), 0);
}
