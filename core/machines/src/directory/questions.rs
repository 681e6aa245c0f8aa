//! What people and nodes ask of the store, and how its answers are shown to them.

use std::collections::BTreeMap;

use super::Directory;
use super::changes::tell;
use crate::card::GroupCard;
use crate::entry::MemberRow;
use crate::event::{Code, Event, Reply};
use crate::ids::{Conn, Ticket};
use crate::machine::{Answer, Effect, GroupPlace, NodeLoad, Query};
use crate::names::{GroupName, NodeKey};
use crate::peer::{GroupLine, GroupRecord, LinkEvent};
use crate::time::Time;
use crate::wire::{Rest, Text};

/// A question under way.
#[derive(Debug)]
pub(super) struct Question {
    conn: Conn,
    shape: Shape,
    /// Whose record it is about, where it is about one.
    group: Option<GroupName>,
}

/// How its answer is shown.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// To a client that asked NODES.
    Nodes,
    /// To a client that asked LOADS.
    Loads,
    /// To a client that asked PLACES.
    Places,
    /// To a client that asked GROUPS.
    Groups,
    /// To a client that asked for the card of this GROUP.
    Card(GroupName),
    /// To a client that asked for the MEMBERS of this group.
    Members(GroupName),
    /// To a client that asked WHERE someone is.
    Whereabouts,
    /// To a peer, with its ticket.
    Peer(Ticket),
}

impl Question {
    fn is_of_loads(&self) -> bool {
        matches!(self.shape, Shape::Nodes | Shape::Loads)
    }

    pub(super) fn is_clients(&self) -> bool {
        !matches!(self.shape, Shape::Peer(_))
    }
}

impl Directory {
    /// Asks the store. A client is not read from until it has its answer; past the bound it hears BUSY.
    pub(super) fn ask(&mut self, now: Time, conn: Conn, query: Query, shape: Shape, effects: &mut Vec<Effect>) {
        let group = if let Query::Record(group) = &query { Some(group.clone()) } else { None };
        let question = Question { conn, shape, group };
        let is_clients = question.is_clients();
        if is_clients && self.client_questions >= self.config.limits.queries {
            effects.push(tell(conn, Event::error(Code::Busy, "too many questions are waiting; ask again in a moment")));
            return;
        }
        self.client_questions += usize::from(is_clients);
        // All memberships are counted for it: once, however many ask meanwhile.
        let is_under_way = query == Query::Loads && self.questions.values().any(Question::is_of_loads);
        let ticket = self.ticket();
        self.questions.insert(ticket, question);
        if !is_under_way {
            effects.push(Effect::Query { ticket, query });
        }
        self.owe(now, conn, 1, is_clients, effects);
    }

    /// The store answered: who asked, and all who asked the same meanwhile and were not asked for.
    pub(super) fn answered(&mut self, now: Time, ticket: Ticket, answer: Answer, effects: &mut Vec<Effect>) {
        if let Answer::Loads(_) = answer {
            let same = self.questions.iter().filter(|(other, question)| **other != ticket && question.is_of_loads());
            let same: Vec<Ticket> = same.map(|(other, _)| *other).collect();
            same.into_iter().for_each(|other| self.answer(now, other, answer.clone(), effects));
        }
        self.answer(now, ticket, answer, effects);
    }

    fn answer(&mut self, now: Time, ticket: Ticket, answer: Answer, effects: &mut Vec<Effect>) {
        let Some(question) = self.questions.remove(&ticket) else { return };
        self.client_questions -= usize::from(question.is_clients());
        let conn = question.conn;
        if let Some(link) = self.links.of_mut(conn) {
            link.waits &= !question.is_clients();
            // What is agreed on may be newer.
            let answer = match (answer, &question.group) {
                (Answer::Record(record), Some(group)) => Answer::Record(self.with_charter(group, record)),
                (answer, _) => answer,
            };
            let event = self.shaped(question.shape, answer);
            effects.push(Effect::Tell { conn, event });
        }
        self.settle(now, conn, 1, effects);
        self.stop_when_idle(effects);
    }

    fn shaped(&self, shape: Shape, answer: Answer) -> Event {
        match (shape, answer) {
            (Shape::Nodes, Answer::Loads(loads)) => Reply::Nodes { cells: Rest(self.node_cells(&loads)) }.into(),
            (Shape::Loads, Answer::Loads(loads)) => Reply::Loads { cells: Rest(load_cells(loads)) }.into(),
            (Shape::Places, Answer::Places(places)) => Reply::Places { cells: Rest(place_cells(places)) }.into(),
            (Shape::Groups, Answer::Groups(groups)) => Reply::GroupList { cells: Rest(group_cells(groups)) }.into(),
            (Shape::Card(group) | Shape::Members(group), Answer::Record(None)) => unknown(&group),
            (Shape::Card(group), Answer::Record(Some(record))) => {
                let charter = self.state.ledger().charter(&group).map(|charter| &**charter);
                Reply::GroupCard { card: Box::new(GroupCard::of(group.clone(), *record, charter)) }.into()
            }
            (Shape::Members(group), Answer::Record(Some(record))) => self.members(&group, &record),
            (Shape::Whereabouts, Answer::Whereabouts(rows)) => whereabouts(rows),
            (Shape::Peer(ticket), Answer::Record(record)) => LinkEvent::Record { ticket, record }.into(),
            (Shape::Peer(ticket), Answer::Groups(groups)) => LinkEvent::Groups { ticket, groups }.into(),
            (Shape::Peer(ticket), Answer::Counts { people, groups }) => LinkEvent::Counts { ticket, people, groups }.into(),
            (Shape::Peer(ticket), Answer::Names(groups)) => LinkEvent::Orphans { ticket, groups }.into(),
            (shape, answer) => panic!("the store answered a question of {shape:?} with {answer:?}"),
        }
    }

    /// key, name, incarnation, since, state, groups.
    fn node_cells(&self, loads: &[NodeLoad]) -> Vec<Text> {
        let counts: BTreeMap<&NodeKey, u64> = loads.iter().map(|load| (&load.node, load.groups)).collect();
        let row = |node: &crate::view::NodeInfo| {
            let state = self.pulses.of(&node.key).map_or("dead", |pulse| pulse.state());
            let count = counts.get(&node.key).copied().unwrap_or(0).to_string();
            let (incarnation, since) = (node.incarnation.to_string(), node.since.0.to_string());
            [node.key.as_str().into(), node.name.clone(), incarnation.into(), since.into(), state.into(), count.into()]
        };
        self.state.view().nodes.iter().flat_map(row).collect()
    }

    /// nick, session, edge, since, rank.
    fn members(&self, group: &GroupName, record: &GroupRecord) -> Event {
        if record.members.len() > self.config.limits.rows as usize {
            let text = format!("{group} has {} members, more than one answer holds", record.members.len());
            return Event::error_about(Code::TooMany, text, [Text::from(group.as_str())]);
        }
        let ranks: BTreeMap<String, Text> =
            record.settings.ranks.iter().map(|(nick, rank)| (nick.as_str().to_ascii_lowercase(), rank.letters().into())).collect();
        let cells = record.members.iter().flat_map(|row| {
            let nick = row.person.nick.as_str();
            let rank = ranks.get(&nick.to_ascii_lowercase()).cloned().unwrap_or_else(|| "".into());
            [nick.into(), row.session.to_string().into(), row.node.as_str().into(), row.since.0.to_string().into(), rank]
        });
        Reply::MemberList { cells: Rest(cells.collect()) }.into()
    }
}

fn unknown(group: &GroupName) -> Event {
    let text = format!("no group {group} is known here; a group that was just opened is known in a second");
    Event::error_about(Code::NoSuchGroup, text, [Text::from(group.as_str())])
}

/// group, session, edge, since, account.
fn whereabouts(rows: Vec<(GroupName, MemberRow)>) -> Event {
    let cells = rows.into_iter().flat_map(|(group, row)| -> [Text; 5] {
        let (session, since) = (row.session.to_string(), row.since.0.to_string());
        [group.as_str().into(), session.into(), row.node.as_str().into(), since.into(), row.person.account.clone()]
    });
    Reply::Where { cells: Rest(cells.collect()) }.into()
}

/// master, groups, members.
fn load_cells(loads: Vec<NodeLoad>) -> Vec<Text> {
    let row =
        |load: NodeLoad| -> [Text; 3] { [load.node.as_str().into(), load.groups.to_string().into(), load.members.to_string().into()] };
    loads.into_iter().flat_map(row).collect()
}

/// group, master, members, those who are at the master, last place.
fn place_cells(places: Vec<GroupPlace>) -> Vec<Text> {
    let row = |place: GroupPlace| -> [Text; 5] {
        let [members, near, seq] = [place.members, place.near, place.seq].map(|number| number.to_string().into());
        [place.group.as_str().into(), place.master.as_str().into(), members, near, seq]
    };
    places.into_iter().flat_map(row).collect()
}

/// name, members, master, topic.
fn group_cells(groups: Vec<GroupLine>) -> Vec<Text> {
    let row = |line: GroupLine| [line.group.as_str().into(), line.members.to_string().into(), line.master.as_str().into(), line.topic];
    groups.into_iter().flat_map(row).collect()
}
