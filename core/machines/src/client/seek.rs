//! Finding the responsible node and getting a connection to it; and what to do when that fails.

use super::errand::{Errand, Progress, dial_trouble};
use super::talk::{Stage, Talk};
use super::{Client, Phase};
use crate::command::{ClientCommand, RingAsk};
use crate::event::{Code, Event, Reply};
use crate::ids::Epoch;
use crate::list::{SignedList, Trust};
use crate::machine::{Effect, Input, Note};
use crate::names::NodeKey;
use crate::ring::{Ring, point};
use crate::time::Time;
use crate::wire::{Given, Text};

/// After so many MOVEDs in a row the nodes don't agree, and it is better to pause.
const HOPS_MAX: u32 = 4;
/// Super nodes asked for the list when no directory answers.
const NODES_ASKED_MAX: usize = 3;
/// Doublings of the pause at most, whatever the configured longest.
const DOUBLINGS_MAX: u32 = 20;

impl Client {
    /// Fetches the list, then goes to the node.
    pub(super) fn seek(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let mut errand = Errand::new(
            self.list_servers(),
            vec![ClientCommand::Ring { how: Given(Some(RingAsk::Signed)) }.into()],
            self.config.timing.fetch_ms,
        );
        let progress = errand.next(now, &mut self.tickets, effects);
        self.phase = Phase::Finding(errand);
        self.found(now, progress, effects);
    }

    /// The directory servers in random order, then some super nodes: they have the list, too.
    fn list_servers(&mut self) -> Vec<Text> {
        let mut servers = self.config.directories.clone();
        let listed = self.view.iter().flat_map(|view| &view.directories).map(|server| &server.address);
        listed.for_each(|address| {
            if !servers.contains(address) {
                servers.push(address.clone());
            }
        });
        self.shuffle(&mut servers);
        let mut nodes: Vec<Text> = self.ring.nodes().iter().filter_map(address_of).collect();
        self.shuffle(&mut nodes);
        servers.extend(nodes.into_iter().take(NODES_ASKED_MAX));
        servers
    }

    fn shuffle(&mut self, items: &mut [Text]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.jitter.below(last as u64 + 1) as usize);
        }
    }

    /// What became of the question for the list.
    pub(super) fn found(&mut self, now: Time, progress: Progress, effects: &mut Vec<Effect>) {
        match progress {
            Progress::Pending => {}
            Progress::Answer(Event::Reply(Reply::SignedRing { seal, view })) => {
                let list = SignedList { view, seal };
                let nobody = Trust::default();
                match self.config.trust.as_ref().unwrap_or(&nobody).check(&list, now) {
                    Ok(()) => {
                        self.adopt(list, effects);
                        self.approach(now, "no super node is in the ring yet", effects);
                    }
                    Err(error) => {
                        let why = format!("gives a list that can't be believed: {error}");
                        if let Phase::Finding(errand) = &self.phase {
                            effects.push(Effect::Note(Note::Unbelieved { server: errand.asked().clone(), error }));
                        }
                        self.reject(now, &why, effects);
                    }
                }
            }
            Progress::Answer(_) => self.reject(now, "does not give the list", effects),
            Progress::Failed(why) => self.approach(now, &why, effects),
        }
    }

    /// What a server answered is of no use: the next one is asked.
    fn reject(&mut self, now: Time, why: &str, effects: &mut Vec<Effect>) {
        if let Phase::Finding(errand) = &mut self.phase {
            let progress = errand.reject(why, now, &mut self.tickets, effects);
            self.found(now, progress, effects);
        }
    }

    /// Takes a newer view. A directory may lag behind what we know; the cache may be of a network that began anew since.
    fn adopt(&mut self, list: SignedList, effects: &mut Vec<Effect>) {
        if self.fetched && list.view.epoch <= self.epoch() {
            return;
        }
        if let Some(trust) = &mut self.config.trust {
            trust.learn(&list);
        }
        let view = list.view.clone();
        self.fetched = true;
        self.ring = Ring::new(&view);
        self.view = Some(view.clone());
        effects.push(Effect::Note(Note::View(view)));
        // Also where the view is the one that was kept: it is good for longer now.
        effects.push(Effect::Note(Note::Cache(list)));
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.view.as_ref().map_or(Epoch::default(), |view| view.epoch)
    }

    /// Dials the node that a MOVED named, if that is not outdated, or else the group's master. `otherwise`: why there may be none.
    fn approach(&mut self, now: Time, otherwise: &str, effects: &mut Vec<Effect>) {
        let named = self.named.take().filter(|(epoch, _)| *epoch >= self.epoch()).map(|(_, node)| node);
        // Where the group will be when its master is declared dead; until then they know no better.
        let next = || self.ring.order(point(self.config.group.as_str())).find(|node| !self.is_silent(now, node)).cloned();
        let named = named.filter(|node| !self.is_silent(now, node)).or_else(next);
        let node = named.or_else(|| self.ring.master(self.config.group.as_str()).cloned());
        let Some((node, address)) = node.and_then(|node| Some((node.clone(), address_of(&node)?))) else {
            return self.retreat(now, otherwise.to_owned(), effects);
        };
        let ticket = self.tickets.draw();
        effects.push(Effect::Dial { ticket, address });
        self.phase = Phase::Dialing { ticket, node, until: now + self.config.timing.dial_ms };
    }

    /// Nothing comes from a node any more. It is avoided until its lease must be over.
    pub(super) fn fell_silent(&mut self, now: Time, node: &NodeKey) {
        let timing = &self.config.timing;
        self.silent = Some((node.clone(), now + timing.ping_ms + timing.silent_ms));
    }

    pub(super) fn is_silent(&self, now: Time, node: &NodeKey) -> bool {
        self.silent.as_ref().is_some_and(|(silent, until)| silent == node && now < *until)
    }

    /// An input about a connection: of the errand, of the dial, of the talk, or of none any more.
    pub(super) fn connection(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        match (&mut self.phase, input) {
            (Phase::Finding(errand), input) if errand.concerns(&input) => {
                let progress = errand.handle(now, input, &mut self.tickets, effects);
                self.found(now, progress, effects);
            }
            (Phase::Dialing { ticket, node, .. }, Input::Dialed { ticket: theirs, result }) if *ticket == theirs => match result {
                Ok(conn) => {
                    let talk = Talk::new(conn, node.clone(), now);
                    self.greet(now, talk, effects);
                }
                Err(error) => {
                    let why = format!("{node} {}", dial_trouble(error));
                    self.retreat(now, why, effects);
                }
            },
            (Phase::Talking(talk), Input::Told { conn, event }) if talk.conn == conn => self.told(now, event, effects),
            (Phase::Talking(talk), Input::Lost { conn }) if talk.conn == conn => {
                let why = match &talk.closing {
                    Some(reason) => format!("{} closed the connection: {reason}", talk.node),
                    None => format!("{} is lost", talk.node),
                };
                talk.lost = true;
                self.retreat(now, why, effects);
            }
            // A dial that was given up, answered late.
            (_, Input::Dialed { result: Ok(conn), .. }) => effects.push(Effect::Close { conn }),
            _ => {}
        }
    }

    /// This attempt came to nothing: pause, then begin again.
    pub(super) fn retreat(&mut self, now: Time, why: String, effects: &mut Vec<Effect>) {
        self.leave(now, &why, effects);
        let timing = &self.config.timing;
        let pause = timing.backoff_first_ms << self.attempts.min(DOUBLINGS_MAX);
        let pause = pause.min(timing.backoff_max_ms);
        self.attempts = self.attempts.saturating_add(1);
        // Between half of it and all: those who were lost together don't come back together.
        self.phase = Phase::Resting { until: now + pause / 2 + self.jitter.below(pause / 2 + 1) };
        if self.away_why != why {
            effects.push(Effect::Note(Note::Away { why: why.clone() }));
            self.away_why = why;
        }
    }

    /// Another node is responsible for the group.
    pub(super) fn moved(&mut self, now: Time, epoch: Epoch, node: NodeKey, effects: &mut Vec<Effect>) {
        let Phase::Talking(talk) = &self.phase else { return };
        let here = talk.node.clone();
        if epoch < self.epoch() {
            return self.retreat(now, format!("{here} knows an older ring"), effects);
        }
        self.hops += 1;
        if self.hops > HOPS_MAX {
            self.hops = 0;
            return self.retreat(now, format!("{here} says that the group is at {node}, and the others disagree"), effects);
        }
        let why = format!("the group is at {node} now");
        let was_in = talk.is_in();
        self.named = Some((epoch, node));
        if was_in {
            // Many are told so at the same moment.
            self.retreat(now, why, effects);
        } else {
            self.leave(now, &why, effects);
            if epoch > self.epoch() { self.seek(now, effects) } else { self.approach(now, &why, effects) }
        }
    }

    /// Ends whatever is going on. What was asked on a connection is not answered any more; what was said there will be said again.
    pub(super) fn leave(&mut self, now: Time, why: &str, effects: &mut Vec<Effect>) {
        match std::mem::replace(&mut self.phase, Phase::Resting { until: now }) {
            Phase::Finding(mut errand) => errand.abandon(effects),
            Phase::Talking(talk) => {
                if !talk.lost {
                    effects.push(Effect::Close { conn: talk.conn });
                }
                let unanswered = || Effect::Note(Note::Answer(Event::error(Code::Err, format!("not answered: {why}"))));
                effects.extend((0..talk.owes_runs()).map(|_| unanswered()));
                effects.extend(self.outbox.lost().map(|(number, seq)| Effect::Note(Note::Sent { number, seq })));
                if let Stage::In { since, .. } = talk.stage {
                    self.away_since = now;
                    self.away_why.clear();
                    if now.since_ms(since) >= self.config.timing.backoff_max_ms {
                        self.attempts = 0;
                    }
                }
            }
            Phase::New | Phase::Dialing { .. } | Phase::Resting { .. } | Phase::Over => {}
        }
    }
}

/// Where to dial a node, as `host:port`.
fn address_of(node: &NodeKey) -> Option<Text> {
    node.address().map(|address| address.to_string().into())
}
