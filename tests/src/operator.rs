//! An operator at the machines of directory servers: what `chatctl directory` and `chatctl ring show --linearizable` send, over a connection for each time.
//!
//! Either something is asked once, of one server, and whatever comes of it is the end of that; or the operator sees to it that the servers are those that are wanted. For that they look at how things are at whoever leads,
//! ask for the first thing that is not as it should be, and look again: what was asked may have been lost, done late, or done twice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chatring_machines::command::{ClientCommand, Command, DirectoryAsk};
use chatring_machines::event::{Event, Reply};
use chatring_machines::ids::{Conn, ServerId, Ticket};
use chatring_machines::machine::{Effect, Input, Machine};
use chatring_machines::time::Time;
use chatring_machines::wire::Text;

/// How long an answer may take.
const ANSWER_MS: u64 = 5_000;
/// Pause before it is looked again how the servers are.
const LOOK_MS: u64 = 400;

#[derive(Debug, PartialEq)]
enum Phase {
    Idle,
    Dialing { ticket: Ticket },
    Asking { conn: Conn, until: Time },
}

/// An operator.
#[derive(Debug)]
pub struct Operator {
    phase: Phase,
    tickets: u64,
    /// What is asked once, and of whom.
    errand: Option<(Text, ClientCommand)>,
    /// What was answered last.
    answer: Option<Reply>,
    care: Option<Care>,
}

/// Who the directory servers should be.
#[derive(Debug)]
struct Care {
    wanted: BTreeSet<Text>,
    /// Servers whose file is lost for good, and whether they are let go before another one is taken in at their address.
    lost: BTreeMap<ServerId, bool>,
    /// Who is to be wanted, too, one after the other, each when what was wanted before is so.
    later: VecDeque<Text>,
    /// All is as it should be.
    is_so: bool,
    /// Where it is looked next, and when.
    at: Text,
    due: Time,
}

/// One row of how the servers are.
struct Row<'a> {
    address: &'a Text,
    server: Option<ServerId>,
    votes: bool,
}

impl Operator {
    /// Who has nothing to do yet.
    pub fn new() -> Operator {
        Operator { phase: Phase::Idle, tickets: 0, errand: None, answer: None, care: None }
    }

    /// Whether something is asked, and not answered yet.
    pub fn is_busy(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// What came of what was asked last; nothing, where nobody answered.
    pub fn answer(&self) -> Option<&Reply> {
        self.answer.as_ref()
    }

    /// Asks a server once.
    pub fn ask(&mut self, server: Text, command: ClientCommand, effects: &mut Vec<Effect>) {
        self.answer = None;
        self.errand = Some((server.clone(), command));
        self.dial(server, effects);
    }

    /// From here on these should be the servers.
    pub fn look_after(&mut self, now: Time, servers: &[Text]) {
        let at = servers.first().cloned().unwrap_or_else(|| "".into());
        let (wanted, lost, later) = (servers.iter().cloned().collect(), BTreeMap::new(), VecDeque::new());
        self.care = Some(Care { wanted, lost, later, is_so: false, at, due: now });
    }

    /// Whether the servers were those that are wanted when it was looked last.
    pub fn is_content(&self) -> bool {
        self.care.as_ref().is_none_or(|care| care.is_so)
    }

    /// A server's file is lost for good: it is let go, and whoever is at its address is taken in.
    pub fn lost(&mut self, now: Time, server: ServerId, let_go_first: bool) {
        self.change(now, |care| _ = care.lost.insert(server, let_go_first));
    }

    /// A server is to be elsewhere.
    pub fn moved(&mut self, now: Time, from: &Text, to: Text) {
        self.change(now, |care| {
            care.wanted.remove(from);
            care.later.retain(|address| address != from);
            care.later.push_back(to);
        });
    }

    /// A server is let go, and taken in again.
    pub fn rests(&mut self, now: Time, address: &Text) {
        self.change(now, |care| {
            care.wanted.remove(address);
            care.later.push_back(address.clone());
        });
    }

    /// It is looked once more whether all is as it should be.
    pub fn look_again(&mut self, now: Time) {
        self.change(now, |_| {});
    }

    fn change(&mut self, now: Time, change: impl FnOnce(&mut Care)) {
        let Some(care) = &mut self.care else { return };
        change(care);
        (care.is_so, care.due) = (false, now);
    }

    fn dial(&mut self, address: Text, effects: &mut Vec<Effect>) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.phase = Phase::Dialing { ticket };
        effects.push(Effect::Dial { ticket, address });
    }

    fn greet(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) {
        self.phase = Phase::Asking { conn, until: now + ANSWER_MS };
        let status = ClientCommand::Directory { what: DirectoryAsk::Status, address: None };
        let command = self.errand.take().map_or(status, |(_, command)| command);
        send(conn, command, effects);
    }

    fn told(&mut self, now: Time, conn: Conn, event: &Event, effects: &mut Vec<Effect>) {
        match (event, &mut self.care) {
            (Event::Reply(status @ Reply::DirectoryStatus { .. }), Some(care)) => {
                if let Some(command) = care.look_at(status) {
                    return send(conn, command, effects);
                }
                self.hang_up(now, conn, effects);
            }
            (Event::Reply(reply), _) => {
                self.answer = Some(reply.clone());
                self.hang_up(now, conn, effects);
            }
            _ => {}
        }
    }

    fn hang_up(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) {
        effects.push(Effect::Close { conn });
        self.over(now, false);
    }

    /// That was it, for this time. Where nobody answered, it is asked elsewhere.
    fn over(&mut self, now: Time, in_vain: bool) {
        (self.phase, self.errand) = (Phase::Idle, None);
        if let Some(care) = &mut self.care {
            care.due = now + LOOK_MS;
            if in_vain {
                care.look_elsewhere();
            }
        }
    }
}

impl Care {
    fn look_elsewhere(&mut self) {
        let next = self.wanted.range::<Text, _>((std::ops::Bound::Excluded(&self.at), std::ops::Bound::Unbounded)).next();
        self.at = next.or(self.wanted.first()).cloned().unwrap_or_else(|| "".into());
    }

    /// What is to be asked for, by what a server says. `None`: nothing for now.
    fn look_at(&mut self, status: &Reply) -> Option<ClientCommand> {
        let Reply::DirectoryStatus { role, leader, last, agreed, cells, .. } = status else { return None };
        if &**role != "leads" || last != agreed {
            // Only who leads knows, and only what is agreed on stays.
            match leader.is_empty() {
                true => self.look_elsewhere(),
                false => self.at = leader.clone(),
            }
            return None;
        }
        let rows: Vec<Row<'_>> = cells.0.as_chunks().0.iter().map(row).collect();
        if let Some((what, address)) = self.amiss(&rows) {
            return Some(ClientCommand::Directory { what, address: Some(address) });
        }
        match self.later.pop_front() {
            Some(address) => _ = self.wanted.insert(address),
            None => self.is_so = true,
        }
        None
    }

    /// The first thing that is not as it should be.
    fn amiss(&self, rows: &[Row<'_>]) -> Option<(DirectoryAsk, Text)> {
        let lost = |row: &Row<'_>| row.server.and_then(|server| self.lost.get(&server)).copied();
        let is_in = |address: &Text| rows.iter().any(|row| row.address == address && row.votes && lost(row).is_none());
        let is_surplus =
            |row: &&Row<'_>| !self.wanted.contains(row.address) || lost(row).is_some_and(|let_go_first| let_go_first || is_in(row.address));
        let surplus = rows.iter().find(is_surplus);
        let missing = || self.wanted.iter().find(|address| !is_in(address));
        surplus
            .map(|row| (DirectoryAsk::Remove, row.address.clone()))
            .or_else(|| missing().map(|address| (DirectoryAsk::Add, address.clone())))
    }
}

/// Address, server, vote, link, what it lacks.
fn row(cells: &[Text; 5]) -> Row<'_> {
    Row { address: &cells[0], server: cells[1].parse().ok(), votes: &*cells[2] == "votes" }
}

fn send(conn: Conn, command: ClientCommand, effects: &mut Vec<Effect>) {
    effects.push(Effect::Tell { conn, event: Event::Command(Command::Client(command)) });
}

impl Default for Operator {
    fn default() -> Operator {
        Operator::new()
    }
}

impl Machine for Operator {
    fn handle(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Dialed { ticket, result } if self.phase == (Phase::Dialing { ticket }) => match result {
                Ok(conn) => self.greet(now, conn, effects),
                Err(_) => self.over(now, true),
            },
            Input::Told { conn, event: Ok(event) } => self.told(now, conn, &event, effects),
            Input::Told { event: Err(bad), .. } => panic!("an operator was told what nobody understands: {bad}"),
            Input::Lost { conn } if matches!(self.phase, Phase::Asking { conn: ours, .. } if ours == conn) => self.over(now, true),
            Input::Deadline => match (&self.phase, &self.care) {
                (Phase::Asking { conn, until }, _) if *until <= now => {
                    effects.push(Effect::Close { conn: *conn });
                    self.over(now, true);
                }
                (Phase::Idle, Some(care)) if !care.is_so && care.due <= now => self.dial(care.at.clone(), effects),
                _ => {}
            },
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Time> {
        match (&self.phase, &self.care) {
            (Phase::Asking { until, .. }, _) => Some(*until),
            (Phase::Idle, Some(care)) if !care.is_so => Some(care.due),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an operator who wants 1 and 2, and knows that the files of servers `a` and `b` are lost, asks for when the seats are these: `address server vote`.
    #[track_caller]
    fn check(seats: &[(&str, u64, &str)], expect: &str) {
        let mut operator = Operator::new();
        operator.look_after(Time(0), &["1".into(), "2".into()]);
        operator.lost(Time(0), ServerId(10), false);
        operator.lost(Time(0), ServerId(11), true);
        let row = |(address, server, vote): &(&str, u64, &str)| {
            [address.to_string(), ServerId(*server).to_string(), vote.to_string(), "up".into(), "0".into()].map(Text::from)
        };
        let cells: Vec<Text> = seats.iter().flat_map(row).collect();
        let rows: Vec<Row<'_>> = cells.as_chunks().0.iter().map(super::row).collect();
        let care = operator.care.expect("it was told what to look after");
        let amiss = care.amiss(&rows).map(|(what, address)| format!("{what:?} {address}"));
        assert_eq!(amiss.unwrap_or_default(), expect);
    }

    #[test]
    fn an_operator_asks_for_what_is_not_as_it_should_be() {
        check(&[("1", 1, "votes"), ("2", 2, "votes")], "");
        check(&[("1", 1, "votes")], "Add 2");
        check(&[("1", 1, "votes"), ("2", 2, "comes")], "Add 2");
        check(&[("1", 1, "votes"), ("2", 10, "votes")], "Add 2");
        check(&[("1", 1, "votes"), ("2", 11, "votes")], "Remove 2");
        check(&[("1", 1, "votes"), ("2", 2, "votes"), ("2", 10, "votes")], "Remove 2");
        check(&[("1", 1, "votes"), ("2", 2, "votes"), ("3", 3, "goes")], "Remove 3");
    }
}
