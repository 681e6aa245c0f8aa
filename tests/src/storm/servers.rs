//! What directory servers go through in a storm, and their operators: they are cut off from each other, their disks stall, their files are lost, others take their place.
//!
//! Faults may not destroy more than what the promises cover: what is agreed on is on the disks of a majority, so that no more servers are taken out at a time than a majority can do without.

use chatring_machines::wire::Text;

use super::Storm;
use crate::action::Action;
use crate::world::Pid;

/// The greatest number of directory servers that come elsewhere.
const MOVED_MAX: usize = 4;
/// How many operators ask at a time, at most.
const ASKERS: u64 = 3;
/// How long it may take until all directory servers are those that are wanted, when nothing goes wrong any more: some elections, and a few changes one after the other.
const WANTED_MS: u64 = 40_000;

impl Storm<'_> {
    pub(super) fn add_operators(&mut self) {
        self.steward = self.world.add_operator("steward");
        self.askers = (1..=ASKERS).map(|ix| self.world.add_operator(&format!("operator-{ix}"))).collect();
        // Nobody looks where nothing is to be changed.
        if self.directories.len() > 1 && self.plan.actions.iter().any(|(_, action)| matches!(action, Action::ReplaceDirectory { .. })) {
            let servers: Vec<Text> = self.directories.iter().map(|directory| self.world.address(*directory)).collect();
            self.world.look_after(self.steward, |steward, now| steward.look_after(now, &servers));
        }
    }

    /// What directory servers go through; false where it does not apply as things are. `None`: it is something else.
    pub(super) fn try_directories(&mut self, action: &Action) -> Option<bool> {
        let done = match *action {
            Action::Read { which } => self.ask(self.directory(which), &["RING", "LINEARIZABLE"]),
            Action::TransferDirectory { which } => {
                let heir = self.world.address(self.directory(which));
                self.directories.len() > 1 && self.ask(self.directory(which + 1), &["DIRECTORY", "TRANSFER", &heir])
            }
            Action::ReplaceDirectory { which, how, ms } => self.replace(which, how, ms),
            Action::TearCommit { which, writes, ms } => {
                let directory = self.directory(which);
                self.world.tear_disk(directory, writes + 1);
                self.world.run_for(ms);
                self.start(directory)
            }
            Action::StallDisk { which, ms } => {
                self.world.stall_disk(self.directory(which), ms);
                true
            }
            Action::IsolateLeader { nodes, breaks } => {
                let Some(leader) = self.world.leader() else { return Some(false) };
                let nodes = if nodes == 1 { self.nodes.clone() } else { Vec::new() };
                let others: Vec<Pid> = self.others(leader).into_iter().chain(nodes).collect();
                others.iter().for_each(|other| self.world.cut(leader, *other, breaks == 1));
                !others.is_empty()
            }
            Action::DeafenDirectory { which, way, breaks } => {
                let directory = self.directory(which);
                let others = self.others(directory);
                for other in &others {
                    let (from, to) = if way == 0 { (directory, *other) } else { (*other, directory) };
                    self.world.cut_way(from, to, breaks == 1);
                }
                !others.is_empty()
            }
            Action::CutServersWay { which, other, breaks } => {
                let (from, to) = (self.directory(which), self.directory(other));
                from != to && {
                    self.world.cut_way(from, to, breaks == 1);
                    true
                }
            }
            _ => return None,
        };
        Some(done)
    }

    pub(super) fn others(&self, directory: Pid) -> Vec<Pid> {
        self.directories.iter().copied().filter(|other| *other != directory).collect()
    }

    /// Whoever has nothing to do asks a directory server.
    fn ask(&mut self, directory: Pid, words: &[&str]) -> bool {
        self.askers.clone().into_iter().any(|asker| self.world.ask(asker, directory, words))
    }

    /// A directory server is taken out, and another one in. No more at a time than may be missing of so many: what is agreed on is on the disks of those that are left.
    fn replace(&mut self, which: u64, how: u64, ms: u64) -> bool {
        match self.world.is_content(self.steward) {
            true => self.taken_out = 0,
            // It is not known yet whether they are there at all.
            false if self.taken_out == 0 => return false,
            false => {}
        }
        let may_be_missing = (self.directories.len() - 1) / 2;
        let directory = self.directory(which);
        let Some(server) = self.world.server(directory).filter(|_| self.taken_out < may_be_missing) else { return false };
        self.taken_out += 1;
        let (address, steward) = (self.world.address(directory), self.steward);
        match how {
            0 | 1 => {
                self.world.lose_file(directory);
                self.world.look_after(steward, |steward, now| steward.lost(now, server, how == 1));
                self.world.run_for(ms);
                self.start(directory)
            }
            2 if self.moved < MOVED_MAX => self.relocate(which, ms),
            _ => {
                self.world.look_after(steward, |steward, now| steward.rests(now, &address));
                true
            }
        }
    }

    /// Another directory server takes the place of one that is gone with its machine.
    fn relocate(&mut self, which: u64, ms: u64) -> bool {
        let ix = which as usize % self.directories.len();
        let old = self.directories[ix];
        self.world.lose_file(old);
        let new = self.world.add_newcomer(self.plan.params(), self.plan.timing().lease_ms);
        (self.directories[ix], self.moved) = (new, self.moved + 1);
        let (from, to) = (self.world.address(old), self.world.address(new));
        self.world.look_after(self.steward, |steward, now| steward.moved(now, &from, to));
        self.world.run_for(ms);
        self.start(new)
    }

    /// Nobody takes directory servers out any more: in the end they are those that are wanted.
    pub(super) fn servers_are_those_wanted(&mut self) -> Result<(), String> {
        let steward = self.steward;
        self.world.look_after(steward, |steward, now| steward.look_again(now));
        match self.world.run_until(WANTED_MS, |world| world.is_content(steward)) {
            true => Ok(()),
            false => Err("everyone home: the directory servers are not those that are wanted".to_string()),
        }
    }
}
