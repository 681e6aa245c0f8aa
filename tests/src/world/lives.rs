//! Which life of its group an entry belongs to, known by watching who lets it out first: the machine that orders the group, which says what life it serves. What was only sent to copies may never be heard in that life,
//! and another may go on with it.

use std::collections::{BTreeMap, BTreeSet};

use chatring_machines::command::Command;
use chatring_machines::entry::{Content, Entry};
use chatring_machines::event::Event;
use chatring_machines::ids::{Birth, EntryId, Term};
use chatring_machines::machine::Effect;
use chatring_machines::names::GroupName;
use chatring_machines::peer::{LinkEvent, PeerCommand};
use chatring_machines::super_node::SuperNode;
use chatring_machines::time::Time;

/// Tells two entries of a group apart, even of two lives in which the same was said again at the same place.
type Mark = (Term, u64, EntryId, Time);

/// All lives of all groups, as far as they were seen.
#[derive(Default)]
pub struct Lives {
    known: BTreeMap<GroupName, BTreeMap<Mark, Option<Birth>>>,
    again: BTreeSet<(Term, u64, EntryId)>,
}

impl Lives {
    /// Of which life of its group an entry is. `None` where that can't be told.
    pub fn of(&self, group: &GroupName, entry: &Entry) -> Option<Birth> {
        *self.known.get(group)?.get(&mark(entry))?
    }

    /// Whether it was said in another life and came back into this one.
    pub fn is_again(&self, entry: &Entry) -> bool {
        self.again.contains(&(entry.term, entry.seq, entry.id))
    }

    /// Looks at what a super node says.
    pub(super) fn watch(&mut self, node: &SuperNode, effects: &[Effect]) {
        for effect in effects {
            let (Effect::Tell { event, .. } | Effect::TellAll { event, .. }) = effect else { continue };
            match event {
                Event::Entry(group, entry) => self.said(node, group, entry),
                Event::Link(LinkEvent::Attached { group, birth, missed, .. }) => {
                    missed.iter().for_each(|entry| self.is_of(group, entry, *birth));
                    missed.iter().for_each(|entry| self.note_again(entry));
                }
                Event::Command(Command::Peer(PeerCommand::Append { entries, .. })) => {
                    entries.iter().for_each(|entry| self.note_again(entry))
                }
                _ => {}
            }
        }
    }

    fn note_again(&mut self, entry: &Entry) {
        if matches!(entry.content, Content::Again { .. }) {
            self.again.insert((entry.term, entry.seq, entry.id));
        }
    }

    fn said(&mut self, node: &SuperNode, group: &GroupName, entry: &Entry) {
        self.note_again(entry);
        // An edge passes on what a master said before.
        let known = self.known.get(group).is_some_and(|known| known.contains_key(&mark(entry)));
        if entry.seq > 0
            && !known
            && let Some((_, birth, _)) = node.lives().find(|(held, ..)| *held == group)
        {
            self.is_of(group, entry, birth);
        }
    }

    fn is_of(&mut self, group: &GroupName, entry: &Entry, birth: Birth) {
        if !self.known.contains_key(group) {
            self.known.insert(group.clone(), BTreeMap::new());
        }
        let Some(known) = self.known.get_mut(group) else { return };
        let life = known.entry(mark(entry)).or_insert(Some(birth));
        if *life != Some(birth) {
            *life = None;
        }
    }
}

fn mark(entry: &Entry) -> Mark {
    (entry.term, entry.seq, entry.id, entry.time)
}
