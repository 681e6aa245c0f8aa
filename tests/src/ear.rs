//! What someone heard, in the order they heard it: all that the checkers know.

use std::collections::BTreeSet;
use std::sync::Arc;

use chatring_machines::Time;
use chatring_machines::entry::Entry;
use chatring_machines::event::{Event, Push};
use chatring_machines::names::GroupName;

/// Something that reached a person.
#[derive(Clone, Debug)]
pub enum Sound {
    /// A new connection: what was heard before is another session's.
    Fresh,
    /// An entry of a group.
    Entry(GroupName, Arc<Entry>),
    /// Some entries were missed, and they were told so; whether that is because the group began another life.
    Gap(GroupName, bool),
    /// They are in the group as far as they were told.
    In(GroupName),
    /// They are not any more.
    Out(GroupName),
    /// Anything else.
    Other(Event),
}

/// A person's transcript.
#[derive(Debug)]
pub struct Ear {
    /// Whose.
    pub name: String,
    /// What they heard, and when.
    pub sounds: Vec<(Time, Sound)>,
}

impl Ear {
    /// Of someone who has heard nothing.
    pub fn new(name: &str) -> Ear {
        Ear { name: name.to_string(), sounds: Vec::new() }
    }

    /// One more.
    pub fn add(&mut self, now: Time, sound: Sound) {
        self.sounds.push((now, sound));
    }

    /// An event, sorted.
    pub fn hear(&mut self, now: Time, event: &Event) {
        self.add(
            now,
            match event {
                Event::Entry(group, entry) => Sound::Entry(group.clone(), entry.clone()),
                Event::Push(Push::Gap { group, reason, .. }) => {
                    Sound::Gap(group.clone(), reason.contains("history") && !reason.contains("log keeps"))
                }
                event => Sound::Other(event.clone()),
            },
        );
    }

    /// The entries heard, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&GroupName, &Arc<Entry>)> {
        self.sounds.iter().filter_map(|(_, sound)| if let Sound::Entry(group, entry) = sound { Some((group, entry)) } else { None })
    }

    /// What they were called at one time or another.
    pub fn names(&self) -> BTreeSet<String> {
        let renamed =
            self.others().filter_map(|event| if let Event::Push(Push::NickIs { new, .. }) = event { Some(new.to_string()) } else { None });
        renamed.chain([self.name.clone()]).collect()
    }

    /// The events that are no entries, in order.
    pub fn others(&self) -> impl Iterator<Item = &Event> {
        self.sounds.iter().filter_map(|(_, sound)| if let Sound::Other(event) = sound { Some(event) } else { None })
    }
}
