//! What became known of the ring, in which order, and to whom: what those who watch the directory servers go by.
//!
//! What machines say is looked at when it leaves them, and answers when they arrive.

use std::collections::BTreeMap;
use std::sync::Arc;

use chatring_machines::command::{ClientCommand, Command, RingAsk};
use chatring_machines::event::{Event, Reply};
use chatring_machines::ids::{Epoch, Incarnation};
use chatring_machines::names::NodeKey;
use chatring_machines::peer::LinkEvent;
use chatring_machines::time::Time;
use chatring_machines::view::{NodeInfo, SharedView};
use chatring_machines::wire::Given;

use super::{Lost, Pid, Role, World};

/// How long what went wrong may still be the reason that a node is let go: a lease, another three in which nobody is judged, and some.
const REASON_MS: u64 = 20_000;

/// Something that became known, or was asked, in the order it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It is agreed on, or a super node was told: nobody before knew of one that new.
    Known(Epoch),
    /// This one asks for what is certainly the newest.
    Asks(Pid),
    /// They are answered.
    Hears(Pid, Epoch),
}

/// A super node was told that it has its place.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Who.
    pub key: NodeKey,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// As of this epoch.
    pub epoch: Epoch,
}

/// A super node is not in the ring any more.
#[derive(Clone, Debug)]
pub struct Gone {
    /// When that became known.
    pub at: Time,
    /// Who.
    pub key: NodeKey,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// What may have been the reason.
    pub why: Option<&'static str>,
}

/// All that is known.
#[derive(Default)]
pub struct Registry {
    views: BTreeMap<Epoch, SharedView>,
    moments: Vec<Moment>,
    newest: Epoch,
    registered: Vec<Registered>,
    gone: Vec<Gone>,
    /// Two directory servers had two views under one epoch.
    disagreed: Option<String>,
    /// Someone went by an older view than before.
    went_back: Option<String>,
    /// The newest epoch that a process went by, or told anyone, in the present life of it; and in all.
    at: BTreeMap<Pid, (u32, Epoch, Epoch)>,
    /// Where something was wrong with a process last.
    amiss: BTreeMap<Pid, Time>,
}

impl Registry {
    /// The views that were agreed on.
    pub fn views(&self) -> &BTreeMap<Epoch, SharedView> {
        &self.views
    }

    /// What became known, and who asked.
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// Who was told that they have their place.
    pub fn registered(&self) -> &[Registered] {
        &self.registered
    }

    /// Who lost it.
    pub fn gone(&self) -> &[Gone] {
        &self.gone
    }

    /// Where directory servers contradicted each other, if they did.
    pub fn disagreed(&self) -> Option<&str> {
        self.disagreed.as_deref()
    }

    /// Where someone went back to an older view, if anyone did.
    pub fn went_back(&self) -> Option<&str> {
        self.went_back.as_deref()
    }

    fn known(&mut self, epoch: Epoch) {
        if epoch > self.newest {
            self.newest = epoch;
            self.moments.push(Moment::Known(epoch));
        }
    }

    /// Something is wrong with a process.
    pub(super) fn is_amiss(&mut self, now: Time, pid: Pid) {
        self.amiss.insert(pid, now);
    }

    /// Another one begins in a process's place.
    pub(super) fn forget(&mut self, pid: Pid) {
        self.at.remove(&pid);
    }

    fn was_amiss(&self, now: Time, pid: Pid) -> bool {
        self.amiss.get(&pid).is_some_and(|at| now.since_ms(*at) < REASON_MS)
    }
}

impl World {
    /// A directory server goes by this view, or says it: it is agreed on.
    pub(super) fn saw_view(&mut self, of: Pid, view: &SharedView) {
        if view.epoch == Epoch::default() {
            return;
        }
        let known = self.registry.views.get(&view.epoch);
        if known.is_some_and(|known| !std::sync::Arc::ptr_eq(known, view) && **known != **view) {
            let name = &self.processes[of.0].name;
            self.registry.disagreed = Some(format!("{name} has another view of epoch {}", view.epoch));
        }
        if known.is_none() {
            self.count("change of the ring");
            self.registry.known(view.epoch);
            self.note_gone(view);
            self.registry.views.insert(view.epoch, view.clone());
            self.lost(Lost::View(view.clone()));
        }
    }

    /// Who was in the ring in the view before, and is not in this one.
    fn note_gone(&mut self, view: &SharedView) {
        let Some((_, before)) = self.registry.views.range(..view.epoch).next_back() else { return };
        let is_same = |node: &NodeInfo| view.node(&node.key).is_some_and(|there| there.incarnation == node.incarnation);
        let gone: Vec<NodeInfo> = before.nodes.iter().filter(|node| !is_same(node)).cloned().collect();
        for NodeInfo { key, incarnation, .. } in gone {
            let why = self.reason(&key, incarnation);
            self.registry.gone.push(Gone { at: self.now, key, incarnation, why });
        }
    }

    /// Why a super node may have been let go.
    fn reason(&self, key: &NodeKey, incarnation: Incarnation) -> Option<&'static str> {
        let is_it = |pid: &Pid| matches!(&self.processes[pid.0].role, Role::Node { config, .. } if config.key == *key);
        let node = self.pids().find(is_it)?;
        let process = &self.processes[node.0];
        let is_that_start = matches!(&process.role, Role::Node { config, .. } if config.incarnation == incarnation);
        let ails = |pid: Pid| self.registry.was_amiss(self.now, pid) || self.ails(pid);
        let is_directory = |pid: &Pid| matches!(self.processes[pid.0].role, Role::Directory { .. });
        match () {
            () if !process.alive || !is_that_start => Some("its process ended"),
            () if process.leaves => Some("it was told to stop"),
            () if ails(node) => Some("something was wrong with it"),
            () if self.pids().filter(is_directory).any(ails) => Some("something was wrong with a directory server"),
            () => None,
        }
    }

    /// Whether something is wrong with a process, or its connections, at the moment.
    pub(super) fn ails(&self, pid: Pid) -> bool {
        let process = &self.processes[pid.0];
        let is_of = |(from, to): &(Pid, Pid)| *from == pid || *to == pid;
        let is_slow_disk = matches!(&process.role, Role::Directory { disk, .. } if disk.slow_ms > 0);
        !process.alive
            || process.is_slow()
            || is_slow_disk
            || self.cuts.iter().any(is_of)
            || self.slow.keys().any(is_of)
            || self.refusing.get(&pid).is_some_and(|until| *until > self.now)
            || self.store_at.get(&pid).is_some_and(|at| at.since_ms(self.now) > 1_000)
    }

    /// Looks at what a directory server tells, and at what operators ask.
    pub(super) fn watch_told(&mut self, of: Pid, event: &Event) {
        match (&self.processes[of.0].role, event) {
            (Role::Directory { .. }, Event::Link(LinkEvent::View { view })) => {
                self.goes_by(of, view.epoch);
                self.saw_view(of, view);
            }
            (Role::Directory { .. }, Event::Reply(Reply::Ring { view })) => {
                self.passes_on(of, view.epoch);
                self.saw_view(of, view);
            }
            (Role::Operator(_), Event::Command(Command::Client(ClientCommand::Ring { how: Given(Some(RingAsk::Linearizable)) }))) => {
                self.registry.moments.push(Moment::Asks(of));
            }
            (Role::Node { .. }, Event::Entry(group, entry)) => {
                let told = self.told.entry(group.clone()).or_default();
                if told.last().is_none_or(|(_, last)| !Arc::ptr_eq(last, entry)) {
                    told.push((self.now, entry.clone()));
                }
            }
            _ => {}
        }
    }

    /// Looks at what reaches a super node, or an operator.
    pub(super) fn watch_heard(&mut self, by: Pid, event: &Event) {
        match (&self.processes[by.0].role, event) {
            (Role::Operator(_), Event::Reply(Reply::Ring { view })) => {
                self.registry.moments.push(Moment::Hears(by, view.epoch));
                self.registry.known(view.epoch);
                self.count("exact read answered");
            }
            (Role::Node { config, .. }, Event::Link(LinkEvent::Registered { epoch, .. })) => {
                let (key, incarnation, epoch) = (config.key.clone(), config.incarnation, *epoch);
                self.registry.registered.push(Registered { key, incarnation, epoch });
                self.registry.known(epoch);
            }
            _ => {}
        }
    }

    /// A directory server answers with a view that may be another's answer, as of a moment ago: it says nothing older of its own after that.
    fn passes_on(&mut self, pid: Pid, epoch: Epoch) {
        let life = self.processes[pid.0].life;
        match self.registry.at.get(&pid) {
            Some((of, newest, _)) if *of == life && epoch < *newest => {}
            _ => self.goes_by(pid, epoch),
        }
    }

    /// A process goes by a view of this epoch, or tells it as its own.
    pub(super) fn goes_by(&mut self, pid: Pid, epoch: Epoch) {
        let (life, ever) = (self.processes[pid.0].life, self.registry.at.get(&pid).map_or(epoch, |(.., ever)| *ever));
        let (of, newest, _) = self.registry.at.get(&pid).copied().unwrap_or((life, epoch, ever));
        let newest = if of == life { newest } else { Epoch::default() };
        if epoch < newest {
            let name = &self.processes[pid.0].name;
            self.registry.went_back = Some(format!("{name} goes by epoch {epoch} at {}, and was at {newest} before", self.now.0));
        } else if epoch < ever && newest == Epoch::default() {
            self.count("older view after a restart");
        }
        self.registry.at.insert(pid, (life, epoch.max(newest), epoch.max(ever)));
    }
}
