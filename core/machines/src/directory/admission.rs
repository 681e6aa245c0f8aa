//! Who comes into the ring: a node that asks for a place is looked at before its coming is planned.
//!
//! ```text
//! REGISTER → ruling, policy → cap → word, READY → visits from two servers → there for a while → planned (`planned`)
//! ```
//!
//! The server that was asked and one other dial the address that the node advertises. The node is given a word over the connection on which it asks, and has to say it on theirs: so whoever can't be reached, is at another address than it says, or
//! speaks for somebody else never is in a view. What an operator ruled comes before any policy. Whoever is turned away waits longer each time, and dials to one address are counted, so that nobody can have a directory dial a third party at will.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::agenda::Wish;
use super::applicants::{APPLICANTS_MAX, Applicant, Stage};
use super::changes::{Asker, Wants, tell};
use super::handoff::Refusal;
use super::state::RULINGS_MAX;
use super::visits::{Host, Outcome};
use super::{Directory, agenda, note};
use crate::command::{If, NodeAsk};
use crate::event::{Code, Event, Reply};
use crate::handshake::Peer;
use crate::ids::{Conn, Epoch, Ticket};
use crate::machine::{Effect, Level};
use crate::names::NodeKey;
use crate::peer::{Change, Found, LinkEvent, PeerCommand, Ruling};
use crate::secret::is_same;
use crate::time::Time;
use crate::view::{NodeInfo, Plan};
use crate::wire::{Rest, Text};

/// How long a node may take to say that it has its word, and visits to come back.
const LOOK_MS: u64 = 6_000;
/// Who is not where it says may ask again after so long at the latest.
const UNREACHED_MS: u64 = 8_000;

/// Who may come into the ring.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// Whom the directory looks at without being told to.
    pub policy: Policy,
    /// For [`Policy::Token`]: one of these.
    pub tokens: Vec<Text>,
    /// Nodes in one /24 (IPv6: /48) at most; 0: as many as there are.
    pub per_subnet: usize,
    /// How long a node has to be there before it carries groups.
    pub watch_ms: u64,
}

/// Whom the directory looks at without being told to. What an operator ruled of a node comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Everyone who proves to know the network's secret.
    #[default]
    Open,
    /// Of these, who shows a token.
    Token,
    /// Nobody but those whom an operator has admitted.
    List,
}

impl Directory {
    /// A node that has no place wants one.
    pub(super) fn apply(&mut self, now: Time, conn: Conn, peer: Peer, wants: (Ticket, Text, Option<Text>), effects: &mut Vec<Effect>) {
        let (ticket, name, token) = wants;
        if self.applicants.all.len() >= APPLICANTS_MAX {
            return self.refuse(conn, Code::TryAgain, "1000 too many nodes want into the ring at this time", effects);
        }
        // It has to know the ring, and what is planned, before it is part of it.
        self.watch(conn, effects);
        let may_come = self.may_come(&peer.key, token.as_ref());
        self.applicants.all.insert(conn, Applicant { peer, name, ticket, since: now, stage: Stage::Ruling });
        match may_come {
            Ok(true) => self.give_word(now, conn, effects),
            Ok(false) => self.await_ruling(conn, effects),
            Err((code, text)) => self.turn_down(now, conn, code, text, effects),
        }
    }

    /// Whether it is looked at now; `false`: when an operator has said so.
    fn may_come(&self, key: &NodeKey, token: Option<&Text>) -> Result<bool, Refusal> {
        let rules = &self.config.admission;
        match (self.state.ruling(key), rules.policy) {
            (Some(Ruling::Refused), _) => {
                let text =
                    format!("an operator keeps {key} out of the ring; `chatctl node admit {key}`, and it may come when it is started anew");
                Err((Code::NotMember, text))
            }
            (Some(Ruling::Admitted), _) | (None, Policy::Open) => Ok(true),
            (None, Policy::List) => Ok(false),
            (None, Policy::Token) => match token {
                Some(token) if rules.tokens.iter().any(|known| is_same(known, token)) => Ok(true),
                Some(_) => Err((Code::NoPerm, format!("the token of {key} is none that this directory takes: check [[super_node]] token"))),
                None => Err((Code::NoPerm, format!("{key} shows no token: set [[super_node]] token to one that the directory takes"))),
            },
        }
    }

    fn await_ruling(&mut self, conn: Conn, effects: &mut Vec<Effect>) {
        let Some(applicant) = self.applicants.all.get(&conn) else { return };
        let key = &applicant.peer.key;
        let why = format!("an operator has to admit it: `chatctl node admit {key}`");
        note(effects, Level::Warn, format!("super node {key} ({}) wants into the ring; {why}", applicant.name));
        effects.push(tell(conn, LinkEvent::Waiting { why: why.into() }));
    }

    /// It is given a word, which it has to have before it is asked for it.
    fn give_word(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) {
        if let Some(text) = self.crowd(conn) {
            return self.turn_down(now, conn, Code::TryAgain, text, effects);
        }
        let word: Text = format!("{:016x}", self.jitter.draw()).into();
        let Some(applicant) = self.applicants.all.get_mut(&conn) else { return };
        applicant.stage = Stage::Word { word: word.clone(), until: now + LOOK_MS };
        effects.push(tell(conn, LinkEvent::Word { word }));
    }

    /// Why it can't be one more where it is.
    fn crowd(&self, conn: Conn) -> Option<String> {
        let key = &self.applicants.all.get(&conn)?.peer.key;
        let most = self.config.admission.per_subnet;
        let here = subnet_of(key)?;
        let in_ring = self.state.view().nodes.iter().map(|node| &node.key);
        let coming = self.agenda.plans().filter_map(agenda::node_of);
        let there: BTreeSet<&NodeKey> = in_ring.chain(coming).filter(|there| *there != key && subnet_of(there) == Some(here)).collect();
        let crowded = most > 0 && there.len() >= most;
        crowded.then(|| {
            format!("{} super nodes are in the network of {key} already, as many as [directory] nodes_per_subnet allows", there.len())
        })
    }

    /// It has its word: is it where it says?
    pub(super) fn has_word(&mut self, now: Time, conn: Conn, said: &Text, effects: &mut Vec<Effect>) {
        let Some(applicant) = self.applicants.all.get_mut(&conn) else { return };
        let Stage::Word { word, .. } = &applicant.stage else { return };
        let Some(address) = applicant.peer.key.address().filter(|_| word == said) else { return };
        let (peer, word) = (applicant.peer.clone(), word.clone());
        let other = self.other_visitor(conn);
        let wait_ms = self.applicants.pay(now, address.ip(), 1 + u64::from(other.is_some()));
        if wait_ms > 0 {
            let text = format!("{wait_ms} nodes at {} asked too often", address.ip());
            return self.turn_down(now, conn, Code::TryAgain, text, effects);
        }
        let ours = self.ticket();
        let mut missing = BTreeMap::from([(ours, self.config.address.clone())]);
        if let Some(other) = other {
            let ticket = self.ticket();
            let visit = PeerCommand::Visit { ticket, key: peer.key.clone(), incarnation: peer.incarnation };
            self.colleagues.send(&other, visit, effects);
            missing.insert(ticket, other);
        }
        if let Some(applicant) = self.applicants.all.get_mut(&conn) {
            applicant.stage = Stage::Visits { word, missing, until: now + LOOK_MS };
        }
        let outcome = self.visits.begin(now, ours, peer, Host { conn: None, ticket: ours }, effects);
        self.visit_over(now, outcome, effects);
    }

    /// The server that was asked, where that is another one; else any other that is there. One that was let go, and is there all the same, has no say.
    fn other_visitor(&self, conn: Conn) -> Option<Text> {
        let asked = self.vias.server_of(conn).and_then(|server| self.colleagues.at(server));
        let roster = self.replica.roster();
        let there = |address: &&Text| {
            let is_seated = roster.seats.iter().any(|seat| seat.address == **address);
            is_seated && self.colleagues.link_of(address).is_some() && self.colleagues.introduced(address).is_some()
        };
        asked.filter(there).or_else(|| self.colleagues.addresses().find(there)).cloned()
    }

    /// The server that leads wants to know who is at an address.
    pub(super) fn asked_to_visit(&mut self, now: Time, conn: Conn, ticket: Ticket, peer: Peer, effects: &mut Vec<Effect>) {
        if self.colleagues.at(conn).is_none() {
            return self.refuse(conn, Code::NoPerm, "VISIT is for directory servers that have introduced themselves", effects);
        }
        let host = Host { conn: Some(conn), ticket };
        let wait_ms = peer.key.address().map_or(0, |address| self.applicants.pay(now, address.ip(), 1));
        let outcome = match wait_ms {
            0 => {
                let ticket = self.ticket();
                self.visits.begin(now, ticket, peer, host, effects)
            }
            _ => Some((host, Found::Not { why: "could not be dialled: its address was too often".into() })),
        };
        self.visit_over(now, outcome, effects);
    }

    /// Whoever wants to know hears what came of a visit.
    pub(super) fn visit_over(&mut self, now: Time, outcome: Option<Outcome>, effects: &mut Vec<Effect>) {
        match outcome {
            None => {}
            Some((Host { conn: None, ticket }, found)) => self.visited(now, ticket, found, effects),
            Some((Host { conn: Some(conn), ticket }, found)) => effects.push(tell(conn, LinkEvent::Visited { ticket, found })),
        }
    }

    /// What a visit found: the word, if all is well.
    pub(super) fn visited(&mut self, now: Time, ticket: Ticket, found: Found, effects: &mut Vec<Effect>) {
        let Some(conn) = self.applicants.of_visit(ticket) else { return };
        let Some(applicant) = self.applicants.all.get_mut(&conn) else { return };
        let Stage::Visits { word, missing, .. } = &mut applicant.stage else { return };
        let by = missing.remove(&ticket).unwrap_or_else(|| "".into());
        let why = match found {
            Found::Word { word: said } if said == *word => None,
            Found::Word { .. } => Some("is not the one that asks: it has not the word that one was given".into()),
            Found::Not { why } => Some(why),
        };
        let all_back = missing.is_empty();
        match why {
            Some(why) => {
                let key = &applicant.peer.key;
                let text = format!("{key} {why}, seen from directory server {by}: it has to be reached at the address it advertises");
                self.turn_down(now, conn, Code::TryAgain, text, effects);
            }
            None if all_back => self.found(now, conn, effects),
            None => {}
        }
    }

    /// It is who it says, where it says.
    fn found(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) {
        let watch_ms = self.config.admission.watch_ms;
        let Some(applicant) = self.applicants.all.get_mut(&conn).filter(|_| watch_ms > 0) else {
            return self.enter(now, conn, effects);
        };
        applicant.stage = Stage::Watched { until: now + watch_ms };
        let why = format!("it carries groups when it has been there for {} s", watch_ms.div_ceil(1_000));
        effects.push(tell(conn, LinkEvent::Waiting { why: why.into() }));
    }

    /// Its coming is planned. Another start of it is dead, then, and its other connections are given up.
    fn enter(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) {
        if let Some(text) = self.crowd(conn) {
            return self.turn_down(now, conn, Code::TryAgain, text, effects);
        }
        let Some(Applicant { peer, name, ticket, .. }) = self.applicants.all.remove(&conn) else { return };
        let Peer { key, incarnation } = &peer;
        self.applicants.turned_away.remove(key);
        self.supersede(now, conn, &peer, effects);
        if self.pulses.of(key).is_some_and(|pulse| pulse.incarnation != *incarnation) {
            self.declare_dead(now, key, "was started anew".to_string(), effects);
        }
        if let Some(text) = self.held_down(now, key) {
            return self.refuse(conn, Code::TryAgain, text, effects);
        }
        let node = NodeInfo { key: key.clone(), name, incarnation: *incarnation, since: now, admitted: Epoch::default() };
        let asker = Asker { conn, wants: Wants::Registered(ticket) };
        self.want(now, Wish { plan: Plan::Join { node }, asker, only: If::default() }, effects);
    }

    /// It does not come in, this time.
    fn turn_down(&mut self, now: Time, conn: Conn, code: Code, text: String, effects: &mut Vec<Effect>) {
        let Some(Applicant { peer, name, .. }) = self.applicants.all.remove(&conn) else { return };
        // Who could not be reached may be soon; who guesses waits longer each time; for whom an operator keeps out, the ruling is enough.
        let wait_ms = match code {
            Code::TryAgain => self.holds.failed_within(now, &peer.key, UNREACHED_MS),
            Code::NotMember => 0,
            _ => self.holds.failed(now, &peer.key),
        };
        note(effects, Level::Warn, format!("super node {} ({name}) does not come into the ring: {text}", peer.key));
        self.applicants.turn_away(now, &peer.key, name, text.as_str().into());
        let text = if code == Code::TryAgain { format!("{wait_ms} {text}") } else { text };
        self.refuse(conn, code, text, effects);
    }

    /// Looks after those whose time has come.
    pub(super) fn attend_applicants(&mut self, now: Time, effects: &mut Vec<Effect>) {
        for outcome in self.visits.tick(now, effects) {
            self.visit_over(now, Some(outcome), effects);
        }
        for conn in self.applicants.due(now) {
            let Some(applicant) = self.applicants.all.get(&conn) else { continue };
            let text = match &applicant.stage {
                Stage::Watched { .. } => {
                    self.enter(now, conn, effects);
                    continue;
                }
                Stage::Visits { missing, .. } => {
                    let by: Vec<&str> = missing.values().map(|by| &**by).collect();
                    format!("directory server {} did not say in time whether {} can be reached", by.join(", "), applicant.peer.key)
                }
                Stage::Word { .. } | Stage::Ruling => format!("{} does not answer", applicant.peer.key),
            };
            self.turn_down(now, conn, Code::TryAgain, text, effects);
        }
    }

    /// Another server decides from here on: whoever waits asks that one.
    pub(super) fn dismiss_applicants(&mut self, effects: &mut Vec<Effect>) {
        for conn in std::mem::take(&mut self.applicants).all.into_keys() {
            self.refuse(conn, Code::TryAgain, "200 another directory server leads from here on", effects);
        }
    }

    /// An operator has ruled on a node: those who waited for that go on, and those who are kept out go.
    pub(super) fn ruled(&mut self, now: Time, key: &NodeKey, effects: &mut Vec<Effect>) {
        let ruling = self.state.ruling(key);
        let of_it = self.applicants.all.iter().filter(|(_, applicant)| applicant.peer.key == *key);
        let of_it: Vec<(Conn, bool)> = of_it.map(|(conn, applicant)| (*conn, matches!(applicant.stage, Stage::Ruling))).collect();
        for (conn, waits) in of_it {
            match ruling {
                Some(Ruling::Admitted) if waits => self.give_word(now, conn, effects),
                Some(Ruling::Refused) => {
                    let text = format!("an operator keeps {key} out of the ring");
                    self.turn_down(now, conn, Code::NotMember, text, effects);
                }
                _ => {}
            }
        }
        if ruling == Some(Ruling::Refused) {
            self.call_join_off(now, key, effects);
        }
    }

    /// What an operator asks of those who want in.
    pub(super) fn rule(&mut self, now: Time, conn: Conn, what: NodeAsk, (node, only): (Option<NodeKey>, If), effects: &mut Vec<Effect>) {
        let done = match (what, node) {
            (NodeAsk::Pending, _) => return effects.push(tell(conn, self.pending_nodes(now))),
            (_, None) => Err((Code::Syntax, "argument 'node' is missing".to_string())),
            (what, Some(key)) => {
                let ruling = match what {
                    NodeAsk::Admit => Some(Ruling::Admitted),
                    NodeAsk::Refuse | NodeAsk::Remove => Some(Ruling::Refused),
                    NodeAsk::Pending | NodeAsk::Forget => None,
                };
                self.may_begin_now(only)
                    .and_then(|()| self.may_rule(&key))
                    .map(|()| self.commit_ruling(now, conn, what, key, ruling, effects))
            }
        };
        if let Err((code, text)) = done {
            effects.push(tell(conn, Event::error(code, text)));
        }
    }

    /// A ruling has no turn to wait for: what is on its way may make the ring another one than an operator means.
    fn may_begin_now(&self, only: If) -> Result<(), Refusal> {
        if only.0.is_some() && (self.agenda.current.is_some() || self.ring_is_changing()) {
            return Err((Code::TryAgain, "500 a change of the ring is under way".to_string()));
        }
        self.is_as_meant(only)
    }

    fn may_rule(&self, key: &NodeKey) -> Result<(), Refusal> {
        if key.address().is_none() {
            return Err((Code::Err, format!("{key} can't be in the ring: only nodes that can be dialled are")));
        }
        if self.state.rulings().len() >= RULINGS_MAX && self.state.ruling(key).is_none() {
            return Err((Code::TooMany, format!("there are {RULINGS_MAX} rulings already: `chatctl node forget` some")));
        }
        Ok(())
    }

    fn commit_ruling(&mut self, now: Time, conn: Conn, what: NodeAsk, key: NodeKey, ruling: Option<Ruling>, effects: &mut Vec<Effect>) {
        let asker = Asker { conn, wants: Wants::Done };
        self.owe(now, conn, 1, true, effects);
        let there = self.pulses.of(&key).map(|pulse| pulse.incarnation).filter(|_| what == NodeAsk::Remove);
        let Some(incarnation) = there else {
            return self.commit(Change::Rule { key, ruling }, Some(asker), effects);
        };
        self.commit(Change::Rule { key: key.clone(), ruling }, None, effects);
        self.pulses.end(&key);
        self.commit(Change::Remove { key, incarnation, why: "was removed by an operator".into() }, Some(asker), effects);
    }

    /// key, name, state, since when, why: of those who want in, of those who were turned away and have not come back, and of rulings on nodes that are not there.
    fn pending_nodes(&self, now: Time) -> Event {
        let mut rows: BTreeMap<&NodeKey, [Text; 4]> = BTreeMap::new();
        for (key, ruling) in self.state.rulings() {
            rows.insert(key, ["".into(), ruling.as_str().to_ascii_lowercase().into(), "0".into(), "by an operator".into()]);
        }
        for (key, turned) in &self.applicants.turned_away {
            let why: Text = match self.holds.left_ms(now, key) {
                0 => turned.why.clone(),
                left_ms => format!("{}; it may ask again in {} s", turned.why, left_ms.div_ceil(1_000)).into(),
            };
            rows.insert(key, [turned.name.clone(), "turned away".into(), turned.at.0.to_string().into(), why]);
        }
        for applicant in self.applicants.all.values() {
            let (state, why): (&str, Text) = match &applicant.stage {
                Stage::Ruling => ("waits", "for an operator".into()),
                Stage::Word { .. } | Stage::Visits { .. } => ("dialled", "is it where it says?".into()),
                Stage::Watched { until } => ("watched", format!("for {} s more", until.since_ms(now).div_ceil(1_000)).into()),
            };
            rows.insert(&applicant.peer.key, [applicant.name.clone(), state.into(), applicant.since.0.to_string().into(), why]);
        }
        let view = self.state.view();
        let there = |key: &NodeKey| view.node(key).is_some();
        let shown = rows.into_iter().filter(|(key, _)| !there(key)).take(self.config.limits.rows as usize);
        Reply::PendingNodes { cells: Rest(shown.flat_map(|(key, row)| std::iter::once(key.as_str().into()).chain(row)).collect()) }.into()
    }
}

/// The network that an address counts for: a /24, or a /48 of IPv6.
pub(super) fn subnet_of(key: &NodeKey) -> Option<IpAddr> {
    Some(match key.address()?.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            IpAddr::from([a, b, c, 0, 0, 0, 0, 0])
        }
    })
}
