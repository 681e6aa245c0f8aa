//! What a directory server keeps, kept in memory: the simulator's store, and the model that the one on disk is compared with.
//!
//! What is remembered of a group is what its masters reported, versioned by (term, seq). It decides nothing: people query it, and
//! a master that finds no copy of a group falls back on it. [`weigh`] is the rule that both stores go by.

use std::collections::{BTreeMap, BTreeSet};

use super::replica::{KeptLog, LogWrite};
use super::state::DirectoryState;
use crate::entry::{MemberRow, Settings};
use crate::ids::{Birth, SessionId, Term};
use crate::machine::{Answer, GroupPlace, NodeLoad, Query, Store, StoreError, Write};
use crate::names::{GroupName, NodeKey, glob};
use crate::peer::{GroupLine, GroupRecord, GroupReport};

/// Which report of a group was the last one taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The group's life.
    pub birth: Birth,
    /// In which term it was made.
    pub term: Term,
    /// As of which place in the log.
    pub seq: u64,
}

/// What a report means for what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Nothing: a later one was taken, or there is nothing to forget, or the group is a person.
    Ignore,
    /// The group is to be forgotten.
    Forget,
    /// What it says is so now; `afresh` says that the members known so far are not.
    Take {
        /// Members known so far go first.
        afresh: bool,
    },
}

/// Weighs a report against the last one taken of the same group. Of equal age it is taken: a retry changes nothing.
pub fn weigh(known: Option<&Version>, report: &GroupReport) -> Weight {
    let late = known.is_some_and(|known| (report.term, report.seq) < (known.term, known.seq));
    if late || report.group.is_person() || (report.closed && known.is_none()) {
        return Weight::Ignore;
    }
    if report.closed {
        return Weight::Forget;
    }
    // The members of another life of the group are not members of this one.
    Weight::Take { afresh: report.full || known.is_some_and(|known| known.birth != report.birth) }
}

/// What a directory server goes on from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// What all servers agreed on, as far as this one was told.
    pub state: DirectoryState,
    /// Its part of the log that makes it.
    pub log: KeptLog,
}

/// A [`Store`] that forgets all when it is dropped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryStore {
    kept: Kept,
    groups: BTreeMap<GroupName, Remembered>,
}

#[derive(Clone, Debug, PartialEq)]
struct Remembered {
    master: NodeKey,
    version: Version,
    settings: Settings,
    members: BTreeMap<SessionId, MemberRow>,
    copies: Vec<NodeKey>,
}

impl MemoryStore {
    /// One that goes on from this, with no groups.
    pub fn of(kept: Kept) -> MemoryStore {
        MemoryStore { kept, groups: BTreeMap::new() }
    }

    /// As of the last commit: what a directory server that starts again is given.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    fn log(&mut self, write: &LogWrite) {
        let (installed, changes) = self.kept.log.write(write);
        self.kept.state = installed.unwrap_or_else(|| std::mem::take(&mut self.kept.state));
        changes.iter().for_each(|change| {
            self.kept.state.apply(change);
        });
    }

    fn report(&mut self, master: &NodeKey, report: &GroupReport) {
        match weigh(self.groups.get(&report.group).map(|group| &group.version), report) {
            Weight::Ignore => {}
            Weight::Forget => {
                self.groups.remove(&report.group);
            }
            Weight::Take { afresh } => self.take(master, report, afresh),
        }
    }

    fn take(&mut self, master: &NodeKey, report: &GroupReport, afresh: bool) {
        let version = Version { birth: report.birth, term: report.term, seq: report.seq };
        let (master, settings) = (master.clone(), report.settings.clone());
        let before = self.groups.remove(&report.group).filter(|_| !afresh);
        let mut members = before.map(|group| group.members).unwrap_or_default();
        report.left.iter().for_each(|session| {
            members.remove(session);
        });
        members.extend(report.joined.iter().map(|row| (row.session, row.clone())));
        self.groups.insert(report.group.clone(), Remembered { master, version, settings, members, copies: report.copies.clone() });
    }
}

impl Store for MemoryStore {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        writes.iter().for_each(|write| match write {
            Write::Log(write) => self.log(write),
            Write::Report { master, report } => self.report(master, report),
        });
        Ok(())
    }

    fn query(&mut self, query: &Query) -> Result<Answer, StoreError> {
        Ok(match query {
            Query::Record(group) => Answer::Record(self.groups.get(group).map(|group| Box::new(group.record()))),
            Query::Groups { pattern, limit } => {
                let matching = self.groups.iter().filter(|(name, _)| glob(pattern, name.as_str()));
                Answer::Groups(matching.take(*limit as usize).map(|(name, group)| group.line(name)).collect())
            }
            Query::Counts => {
                let people: BTreeSet<&SessionId> = self.groups.values().flat_map(|group| group.members.keys()).collect();
                Answer::Counts { people: people.len() as u64, groups: self.groups.len() as u64 }
            }
            Query::Loads => {
                let mut loads: BTreeMap<&NodeKey, (u64, u64)> = BTreeMap::new();
                for group in self.groups.values() {
                    let (groups, members) = loads.entry(&group.master).or_default();
                    (*groups, *members) = (*groups + 1, *members + group.members.len() as u64);
                }
                let load = |(node, (groups, members)): (&NodeKey, (u64, u64))| NodeLoad { node: node.clone(), groups, members };
                Answer::Loads(loads.into_iter().map(load).collect())
            }
            Query::Places { after, limit } => {
                let later = self.groups.iter().filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after));
                Answer::Places(later.take(*limit as usize).map(|(name, group)| group.place(name)).collect())
            }
            Query::Whereabouts { nick, limit } => {
                let all = self.groups.iter().flat_map(|(name, group)| group.members.values().map(move |row| (name, row)));
                let theirs = all.filter(|(_, row)| row.person.nick.as_str().eq_ignore_ascii_case(nick.as_str()));
                Answer::Whereabouts(theirs.take(*limit as usize).map(|(name, row)| (name.clone(), row.clone())).collect())
            }
            Query::Orphans { master, after, limit } => {
                let is_gone = |of: &NodeKey| of == master || self.kept.state.view().node(of).is_none();
                let later = self.groups.iter().filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after));
                let orphans = later.filter(|(_, group)| is_gone(&group.master)).map(|(name, _)| name.clone());
                Answer::Names(orphans.take(*limit as usize).collect())
            }
        })
    }
}

impl Remembered {
    fn record(&self) -> GroupRecord {
        GroupRecord {
            master: self.master.clone(),
            birth: self.version.birth,
            term: self.version.term,
            seq: self.version.seq,
            settings: self.settings.clone(),
            members: self.members.values().cloned().collect(),
            copies: self.copies.clone(),
        }
    }

    fn place(&self, name: &GroupName) -> GroupPlace {
        let near = self.members.values().filter(|row| row.node == self.master).count() as u64;
        let (master, members) = (self.master.clone(), self.members.len() as u64);
        GroupPlace { group: name.clone(), master, members, near, seq: self.version.seq }
    }

    fn line(&self, name: &GroupName) -> GroupLine {
        let topic = self.settings.topic.as_ref().map(|topic| topic.text.clone()).unwrap_or_else(|| "".into());
        GroupLine { group: name.clone(), members: self.members.len() as u64, master: self.master.clone(), topic }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::entry::Person;
    use crate::names::Nick;
    use crate::time::Time;

    /// `term.seq birth [full] [closed] [+session…] [-session…]`
    fn report(group: &str, text: &str) -> Write {
        let master = NodeKey::new("192.0.2.1").unwrap();
        let mut words = text.split(' ');
        let (term, seq) = words.next().unwrap().split_once('.').unwrap();
        let birth = Birth(words.next().unwrap().parse().unwrap());
        let mut report = GroupReport {
            group: GroupName::new(group).unwrap(),
            birth,
            term: Term { generation: 1, number: term.parse().unwrap() },
            seq: seq.parse().unwrap(),
            closed: false,
            full: false,
            settings: Settings::new(Time(1)),
            joined: Vec::new(),
            left: Vec::new(),
            copies: Vec::new(),
        };
        for word in words {
            match word.split_at(1) {
                ("+", session) => report.joined.push(member(session.parse().unwrap())),
                ("-", session) => report.left.push(SessionId(session.parse().unwrap())),
                _ if word == "full" => report.full = true,
                _ => report.closed = true,
            }
        }
        Write::Report { master, report: Box::new(report) }
    }

    fn member(session: u64) -> MemberRow {
        let nick = Nick::new(&format!("n{session}")).unwrap();
        let person = Person { nick, user: "u".into(), host: "h".into(), account: "".into(), real: "".into() };
        MemberRow { session: SessionId(session), person: Arc::new(person), node: NodeKey::new("192.0.2.1").unwrap(), since: Time(1) }
    }

    /// Commits reports of `#a` one after the other and compares who is remembered after each.
    #[track_caller]
    fn check(story: &[(&str, Option<&[u64]>)]) {
        let mut store = MemoryStore::default();
        for (line, expect) in story {
            store.commit(&[report("#a", line)]).unwrap();
            let Ok(Answer::Record(record)) = store.query(&Query::Record(GroupName::new("#a").unwrap())) else { panic!() };
            let members = record.map(|record| record.members.iter().map(|row| row.session.0).collect::<Vec<_>>());
            assert_eq!(members.as_deref(), *expect, "after {line}");
        }
    }

    #[test]
    fn a_later_report_wins() {
        check(&[
            ("1.5 7 +1 +2", Some(&[1, 2])),
            ("1.6 7 -1 +3", Some(&[2, 3])),
            ("1.4 7 +9", Some(&[2, 3])),
            ("1.6 7 -1 +3", Some(&[2, 3])),
            ("2.6 7 full +4", Some(&[4])),
            ("1.99 7 +9", Some(&[4])),
            ("2.7 8 +5", Some(&[5])),
            ("2.6 8 closed", Some(&[5])),
            ("2.7 8 closed", None),
            ("2.8 8 closed", None),
        ]);
    }

    #[test]
    fn people_are_not_remembered_as_groups() {
        let mut store = MemoryStore::default();
        store.commit(&[report("@joe", "1.1 1 +1"), report("#a", "1.1 1 +1 +2"), report("#b", "1.1 1 +1")]).unwrap();
        assert_eq!(store.query(&Query::Counts), Ok(Answer::Counts { people: 2, groups: 2 }));
        let Ok(Answer::Groups(lines)) = store.query(&Query::Groups { pattern: "*B".into(), limit: 9 }) else { panic!() };
        assert_eq!(lines.iter().map(|line| line.group.as_str()).collect::<Vec<_>>(), ["#b"]);
    }
}
