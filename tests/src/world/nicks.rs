//! Who is called what, as the edges believe: a session holds a nick from when its edge tells it so until it is told another, or its edge lets go of it.

use std::collections::BTreeMap;

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
    /// With the native client that it is, if it is one.
    holders: BTreeMap<GroupName, BTreeMap<At, Option<Pid>>>,
    clash: Option<(GroupName, String)>,
}

impl Nicks {
    /// The first time that two sessions held the same nick: whose group that is, and who they were.
    pub fn clash(&self) -> Option<&(GroupName, String)> {
        self.clash.as_ref()
    }

    /// Looks at what an edge does.
    pub(super) fn watch(
        &mut self,
        now: Time,
        edge: Pid,
        effects: &[Effect],
        frozen: impl Fn(Pid) -> bool + Copy,
        native: impl Fn(Conn) -> Option<Pid>,
    ) {
        for effect in effects {
            match effect {
                Effect::Tell { conn, event: Event::Reply(Reply::Welcome { nick, .. }) | Event::Push(Push::NickIs { new: nick, .. }) } => {
                    self.are_called((edge, *conn), nick, native(*conn));
                    self.look(now, &nick.group(), frozen);
                }
                Effect::Close { conn } => self.let_go((edge, *conn)),
                _ => {}
            }
        }
    }

    fn are_called(&mut self, at: At, nick: &Nick, native: Option<Pid>) {
        self.let_go(at);
        let group = nick.group();
        self.held.insert(at, group.clone());
        self.holders.entry(group).or_default().insert(at, native);
    }

    /// A process that stands still believes nothing; what it believes on waking counts.
    fn look(&mut self, now: Time, group: &GroupName, frozen: impl Fn(Pid) -> bool) {
        let awake = self.holders.get(group).into_iter().flatten().filter(|((pid, _), _)| !frozen(*pid));
        let mut awake: Vec<(Option<Pid>, Pid)> = awake.map(|((pid, _), native)| (*native, *pid)).collect();
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

    pub(super) fn let_go(&mut self, at: At) {
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
    }
}
