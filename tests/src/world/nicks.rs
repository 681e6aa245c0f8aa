//! Who is called what, as the edges believe: a session holds a nick from when its edge tells it so until it is told another, or its edge lets go of it.
//!
//! A native client is one session, however many connections it has had. So it is noted who dialled when a connection opens: an edge that stood still meanwhile may name one of which nothing is left.

use std::collections::{BTreeMap, BTreeSet};

use chatring_machines::event::{Event, Push, Reply};
use chatring_machines::ids::Conn;
use chatring_machines::machine::Effect;
use chatring_machines::names::{GroupName, Nick};
use chatring_machines::time::Time;

use super::Pid;

type At = (Pid, Conn);

/// Every nick that is held, and by whom.
#[derive(Default)]
pub struct Nicks {
    held: BTreeMap<At, GroupName>,
    holders: BTreeMap<GroupName, BTreeSet<At>>,
    /// The native clients behind connections.
    natives: BTreeMap<At, Pid>,
    clash: Option<(GroupName, String)>,
}

impl Nicks {
    /// The first time that two sessions held the same nick: whose group that is, and who they were.
    pub fn clash(&self) -> Option<&(GroupName, String)> {
        self.clash.as_ref()
    }

    /// A native client dialled.
    pub(super) fn is_native(&mut self, at: At, client: Pid) {
        self.natives.insert(at, client);
    }

    /// Looks at what an edge does.
    pub(super) fn watch(&mut self, now: Time, edge: Pid, effects: &[Effect], frozen: impl Fn(Pid) -> bool + Copy) {
        for effect in effects {
            match effect {
                Effect::Tell { conn, event: Event::Reply(Reply::Welcome { nick, .. }) | Event::Push(Push::NickIs { new: nick, .. }) } => {
                    self.are_called((edge, *conn), nick);
                    self.look(now, &nick.group(), frozen);
                }
                Effect::Close { conn } => self.is_over((edge, *conn)),
                _ => {}
            }
        }
    }

    fn are_called(&mut self, at: At, nick: &Nick) {
        self.let_go(at);
        let group = nick.group();
        self.held.insert(at, group.clone());
        self.holders.entry(group).or_default().insert(at);
    }

    /// A process that stands still believes nothing; what it believes on waking counts.
    fn look(&mut self, now: Time, group: &GroupName, frozen: impl Fn(Pid) -> bool) {
        let awake = self.holders.get(group).into_iter().flatten().filter(|(pid, _)| !frozen(*pid));
        let mut awake: Vec<(Option<Pid>, Pid)> = awake.map(|at| (self.natives.get(at).copied(), at.0)).collect();
        awake.sort();
        awake.dedup_by(|(one, _), (other, _)| one.is_some() && one == other);
        if let [(_, one), (_, other), ..] = awake.as_slice() {
            let what = format!("at {} {group} is held by a session at process {} and by one at process {}", now.0, one.0, other.0);
            self.clash.get_or_insert_with(|| (group.clone(), what));
        }
    }

    /// All of them, once more.
    pub(super) fn look_again(&mut self, now: Time, frozen: impl Fn(Pid) -> bool + Copy) {
        let groups: Vec<GroupName> = self.holders.keys().cloned().collect();
        groups.iter().for_each(|group| self.look(now, group, frozen));
    }

    /// The connection is gone, as its edge has heard or made it.
    pub(super) fn is_over(&mut self, at: At) {
        self.let_go(at);
        self.natives.remove(&at);
    }

    fn let_go(&mut self, at: At) {
        if let Some(group) = self.held.remove(&at)
            && let Some(holders) = self.holders.get_mut(&group)
        {
            holders.remove(&at);
            if holders.is_empty() {
                self.holders.remove(&group);
            }
        }
    }

    /// The process is gone.
    pub(super) fn forget(&mut self, edge: Pid) {
        let gone: Vec<At> = self.held.keys().filter(|(pid, _)| *pid == edge).copied().collect();
        gone.into_iter().for_each(|at| self.let_go(at));
        self.natives.retain(|(pid, _), _| *pid != edge);
    }
}
