//! Who leads: when to ask for an election, when to give a vote, and until when a leader is certainly the only one.
//!
//! A server that misses its leader canvasses first: only when a majority misses it, too, does it stand, with a new term. So a server that was cut off, and comes back with nothing but impatience, deposes nobody. For the
//! same reason nobody votes who has heard the leader within an election time, unless that leader has handed over.
//!
//! That makes a leader's term of office certain: whoever answered something it sent at `t` votes for nobody before `t + election_ms` by their own clock. With answers from a majority it is the only leader until the
//! earliest of those; it counts on nine tenths of that, for clocks that run differently fast.

use noraft::{Message, NodeId};

use super::{Letter, Place, Replica};
use crate::ids::ServerId;
use crate::time::Time;
use std::collections::BTreeSet;

/// How long a leader waits for the one it hands over to, in election times.
const HANDING_TIMES: u64 = 2;

/// After so many election times what was passed on to a leader comes too late.
const LATE_TIMES: u64 = 3;

/// Servers whose leader is gone stand one after the other, this part of an election time apart: long enough for a vote to be written down and heard.
const TURNS: u64 = 4;

/// Who would vote for us.
#[derive(Debug)]
pub(super) struct Canvass {
    term: u64,
    granted: BTreeSet<ServerId>,
}

impl Replica {
    /// Whether this server leads, and may decide: all that was agreed on before is applied, and a majority was in touch lately.
    pub(in crate::directory) fn leads(&self, now: Time) -> bool {
        let begun = self.node.log().entries().get_term(noraft::LogIndex::new(self.applied)) == Some(self.node.current_term());
        self.node.role().is_leader() && begun && self.handing.is_none() && self.is_in_touch(now, 2 * self.pace.election_ms)
    }

    /// Whether this server leads, and nothing that it had proposed before it lost touch may still come true.
    pub(in crate::directory) fn may_begin(&self, now: Time) -> bool {
        self.leads(now) && self.node.log().last_position().index.get() == self.applied
    }

    /// Whether it is certain that nobody else leads.
    pub(in crate::directory) fn is_certain(&self, now: Time) -> bool {
        self.leads(now) && self.is_in_touch(now, self.pace.election_ms * 9 / 10)
    }

    /// Whether nobody else led at that time or before it, and we do now. All that was agreed on by then is applied. Asked for by a `beat`; no clock is trusted here.
    pub(in crate::directory) fn has_confirmed(&self, now: Time, since: Time) -> bool {
        self.leads(now) && self.is_majority(|server| server == self.me || self.answered.get(&server).is_some_and(|sent| *sent >= since))
    }

    fn is_in_touch(&self, now: Time, within_ms: u64) -> bool {
        self.is_majority(|server| server == self.me || self.answered.get(&server).is_some_and(|sent| now.since_ms(*sent) < within_ms))
    }

    /// Whether a majority of those who vote is such, and where the roster is being changed one of those who will.
    pub(super) fn is_majority(&self, has: impl Fn(ServerId) -> bool) -> bool {
        let enough = |voters: &BTreeSet<NodeId>| {
            let those = voters.iter().filter(|node| has(ServerId(node.get()))).count();
            voters.is_empty() || those > voters.len() / 2
        };
        let config = self.node.config();
        !config.voters.is_empty() && enough(&config.voters) && enough(&config.new_voters)
    }

    /// Who leads, as far as is known here.
    pub(in crate::directory) fn leader(&self, now: Time) -> Option<ServerId> {
        if self.node.role().is_leader() {
            return self.leads(now).then_some(self.me);
        }
        self.contact.filter(|contact| now.since_ms(contact.heard) < 2 * self.pace.election_ms).map(|contact| contact.leader)
    }

    /// When the leader sent what we heard of it last, by its clock.
    pub(in crate::directory) fn leader_time(&self) -> Time {
        self.contact.map_or(Time(0), |contact| contact.sent)
    }

    /// Whether what another server said when it had heard us as of then comes so late that it may be about what is long over.
    pub(in crate::directory) fn is_late(&self, now: Time, as_of: Time) -> bool {
        now.since_ms(as_of) > LATE_TIMES * self.pace.election_ms
    }

    /// Whether someone leads whom it would be wrong to depose.
    pub(super) fn is_led(&self, now: Time) -> bool {
        match self.node.role().is_leader() {
            true => self.is_in_touch(now, self.pace.election_ms),
            false if self.bound_until.is_some_and(|until| now < until) => true,
            false => self.contact.is_some_and(|contact| now.since_ms(contact.heard) < self.pace.election_ms),
        }
    }

    pub(super) fn is_voter(&self) -> bool {
        let me = NodeId::new(self.me.0);
        let config = self.node.config();
        config.voters.contains(&me) || config.new_voters.contains(&me)
    }

    pub(super) fn set_timer(&mut self, now: Time) {
        let pause = match self.node.role().is_leader() {
            // Nobody waits to hear that it is there.
            true if self.node.peers().next().is_none() => self.pace.election_ms,
            true => self.pace.heartbeat_ms(),
            false => self.pace.election_ms + self.jitter.below(self.pace.election_ms + 1),
        };
        self.timer = Some(now + pause);
    }

    /// Begins. Whoever is alone leads at once. A server that was started anew does not know whom it heard just before.
    pub(in crate::directory) fn start(&mut self, now: Time) {
        if (self.is_founded() || self.term() > 0) && self.timer.is_none() {
            self.bound_until = Some(now + self.pace.election_ms);
        }
        if self.is_voter() && self.node.config().unique_nodes().count() == 1 {
            self.node.handle_election_timeout();
        } else {
            self.set_timer(now);
        }
    }

    /// Something may be due.
    pub(in crate::directory) fn tick(&mut self, now: Time) {
        if self.handing.is_some_and(|until| until <= now && self.node.role().is_leader()) {
            self.give_up_handing(now);
        }
        if self.timer.is_none_or(|due| due > now) {
            return;
        }
        if self.node.role().is_leader() {
            self.beat(now);
        } else {
            self.set_timer(now);
            self.call_election(now);
        }
    }

    /// A leader shows that it is there. While something is being written that goes past the library, and speaks of what is on disk only.
    pub(in crate::directory) fn beat(&mut self, now: Time) {
        self.set_timer(now);
        if self.writing.is_none() {
            self.node.heartbeat();
            return;
        }
        let (after, term) = (self.durable.last, self.durable.term);
        if term != self.term() {
            return; // that it leads is not on disk yet
        }
        let commit = self.node.commit_index().get().min(after.index);
        let peers: Vec<NodeId> = self.node.peers().collect();
        for peer in peers {
            self.letters.push((ServerId(peer.get()), Letter::Entries { term, commit, after, records: Vec::new(), sent: now }));
        }
    }

    /// The leader is gone for certain, or for an election time: asks who would vote for us.
    pub(in crate::directory) fn call_election(&mut self, now: Time) {
        if !self.is_voter() || self.node.role().is_leader() {
            return;
        }
        let term = self.term() + 1;
        let last = self.node.log().last_position().into();
        // A question costs nothing, and who refuses now may miss the leader in a moment: it is asked again soon.
        let pause = self.pace.election_ms / 4;
        self.timer = Some(now + pause + self.jitter.below(pause + 1));
        self.canvass = Some(Canvass { term, granted: BTreeSet::from([self.me]) });
        let peers: Vec<NodeId> = self.node.peers().collect();
        self.letters.extend(peers.into_iter().map(|peer| (ServerId(peer.get()), Letter::Canvass { term, last })));
        self.stand_if_wanted(now);
    }

    /// The leader's process is gone: it is missed at once.
    pub(in crate::directory) fn leader_is_gone(&mut self, now: Time, leader: ServerId) {
        // Its process has ended: nobody counts on anything it heard.
        if self.contact.is_some_and(|contact| contact.leader == leader) && !self.node.role().is_leader() {
            self.contact = None;
            // All notice at the same moment. Two that stand at once have a vote each, and wait for another election: so they stand one after the other.
            let roster = self.roster();
            let before = roster.voters().filter(|seat| seat.server != leader && seat.server < self.me).count() as u64;
            self.timer = Some(now + before * self.pace.election_ms / TURNS);
        }
    }

    /// Someone asks whether we would vote for them.
    pub(super) fn canvassed(&mut self, now: Time, from: ServerId, term: u64, last: Place) {
        let ours: Place = self.node.log().last_position().into();
        let is_recent = (last.term, last.index) >= (ours.term, ours.index);
        let granted = term > self.term() && is_recent && !self.is_led(now);
        self.letters.push((from, Letter::Canvassed { term, known: self.term(), granted }));
    }

    pub(super) fn answered_canvass(&mut self, now: Time, from: ServerId, term: u64, known: u64, granted: bool) {
        if known > self.term() && !self.is_led(now) && known < super::PLACE_MAX {
            // We have missed elections: whoever stands has to know the newest term.
            self.hear_of_term(from, known);
            self.canvass = None;
        }
        if let Some(canvass) = self.canvass.as_mut().filter(|canvass| canvass.term == term && granted) {
            canvass.granted.insert(from);
            self.stand_if_wanted(now);
        }
    }

    fn stand_if_wanted(&mut self, now: Time) {
        let Some(canvass) = &self.canvass else { return };
        if canvass.term != self.term() + 1 || self.is_led(now) {
            self.canvass = None;
        } else if self.is_majority(|server| canvass.granted.contains(&server)) {
            self.canvass = None;
            self.node.handle_election_timeout();
        }
    }

    /// Hands the office to another server, which has to have all of the log. False where that is not so, or we don't lead.
    pub(in crate::directory) fn hand_over(&mut self, now: Time, to: ServerId) -> bool {
        let node = NodeId::new(to.0);
        let last = self.node.log().last_position().index;
        let ready = self.node.follower_match_index(node) == Some(last) && self.node.config().voters.contains(&node);
        if !ready || self.handing.is_some() || to == self.me {
            return false;
        }
        self.handing = Some(now + HANDING_TIMES * self.pace.election_ms);
        self.answered.clear();
        self.letters.push((to, Letter::Hand { term: self.term() }));
        true
    }

    /// Nobody took it. What we asked for may still be on its way, and whoever takes it up may be voted for by those who just heard us: so this term of ours is over.
    fn give_up_handing(&mut self, now: Time) {
        self.handing = None;
        self.hear_of_term(self.me, self.term() + 1);
        self.call_election(now);
    }

    /// Hears of a newer term, and nothing else.
    pub(super) fn hear_of_term(&mut self, from: ServerId, term: u64) {
        // The library does not listen to itself.
        let from = NodeId::new(if from == self.me { !from.0 } else { from.0 });
        let reply = Message::RequestVoteReply { from, term: noraft::Term::new(term), vote_granted: false };
        let _ = self.node.handle_message(&reply); // can't fail: it has no entries
    }

    pub(super) fn take_office(&mut self, from: ServerId, term: u64) {
        let from_leader = self.contact.is_some_and(|contact| contact.leader == from) && term == self.term();
        if from_leader && self.is_voter() && self.node.role().is_follower() {
            self.contact = None;
            self.handed = Some(term + 1);
            self.node.handle_election_timeout();
        }
    }
}
