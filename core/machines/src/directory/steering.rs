//! What operators ask about the directory servers themselves: how they are, and changes of who they are.

use noraft::Role;

use super::Directory;
use super::changes::tell;
use super::handoff::Refusal;
use super::replica::{Seat, SeatError};
use crate::command::DirectoryAsk;
use crate::event::{Code, Event, Reply};
use crate::ids::{Conn, ServerId};
use crate::machine::Effect;
use crate::time::Time;
use crate::wire::{Rest, Text};

impl Directory {
    pub(super) fn steer(&mut self, now: Time, conn: Conn, what: DirectoryAsk, address: Option<Text>, effects: &mut Vec<Effect>) {
        let done = match (what, address) {
            (DirectoryAsk::Status, _) => return effects.push(tell(conn, self.directory_status(now))),
            (DirectoryAsk::Transfer, address) => self.transfer(now, address),
            (DirectoryAsk::Add, Some(address)) => {
                self.want_server(now, address, effects);
                Ok(())
            }
            (DirectoryAsk::Remove, Some(address)) => self.let_server_go(&address),
            (DirectoryAsk::Add | DirectoryAsk::Remove, None) => Err((Code::Syntax, "argument 'address' is missing".to_string())),
        };
        let reply = done.map_or_else(|(code, text)| Event::error(code, text), |()| Event::ok());
        effects.push(tell(conn, reply));
    }

    fn want_server(&mut self, now: Time, address: Text, effects: &mut Vec<Effect>) {
        self.wanted.insert(address);
        self.want_colleagues(now, effects);
        self.take_in_newcomers(effects);
    }

    fn let_server_go(&mut self, address: &Text) -> Result<(), Refusal> {
        self.wanted.remove(address);
        let roster = self.replica.roster();
        let present = self.colleagues.introduced(address).map(|there| there.server);
        // Of two under one address the one that is not there any more.
        let of_it = |seat: &&Seat| seat.address == *address;
        let seat = roster.seats.iter().filter(of_it).find(|seat| Some(seat.server) != present).or(roster.seats.iter().find(of_it));
        let seat = seat.ok_or_else(|| (Code::Err, format!("no directory server is at {address}; DIRECTORY STATUS lists them")))?;
        self.replica.unseat(seat.server).map_err(|error| refusal(error, address))
    }

    fn transfer(&mut self, now: Time, address: Option<Text>) -> Result<(), Refusal> {
        let roster = self.replica.roster();
        let me = self.replica.me();
        let voters: Vec<&Seat> = roster.voters().filter(|seat| seat.server != me).collect();
        let heir: ServerId = match &address {
            Some(address) if *address == self.config.address => return Ok(()),
            Some(address) => {
                let seat = voters.iter().find(|seat| seat.address == *address);
                seat.ok_or_else(|| (Code::Err, format!("no directory server with a vote is at {address}; DIRECTORY STATUS lists them")))?
                    .server
            }
            None => {
                let nearest = voters.iter().max_by_key(|seat| self.replica.has(seat.server));
                nearest.ok_or_else(|| (Code::Err, "there is no other directory server with a vote".to_string()))?.server
            }
        };
        match self.replica.hand_over(now, heir) {
            true => Ok(()),
            false => Err((Code::TryAgain, format!("100 {} has not all of the log yet", self.replica.address_of(heir)))),
        }
    }

    /// The view, once a majority has said that there can be none newer. Past the bound of questions who asks hears BUSY.
    pub(super) fn read_for_certain(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) {
        if self.exact_reads.len() >= self.config.limits.queries {
            return effects.push(tell(conn, Event::error(Code::Busy, "too many questions are waiting; ask again in a moment")));
        }
        self.owe(now, conn, 1, true, effects);
        self.exact_reads.push((now, conn));
        self.replica.beat(now);
    }

    /// Whoever's time has come is answered; all of them, where this server does not lead any more.
    pub(super) fn answer_exact_reads(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.exact_reads.is_empty() {
            return;
        }
        let (ready, wait): (Vec<_>, Vec<_>) = std::mem::take(&mut self.exact_reads)
            .into_iter()
            .partition(|(since, _)| !self.leads || self.replica.has_confirmed(now, *since));
        self.exact_reads = wait;
        for (_, conn) in ready {
            let Some(link) = self.links.of_mut(conn) else { continue };
            link.waits = false;
            let answer = match self.leads {
                true => Reply::Ring { view: self.state.view().clone() }.into(),
                false => Event::error(Code::TryAgain, "200 another directory server leads from here on"),
            };
            effects.push(tell(conn, answer));
            self.settle(now, conn, 1, effects);
        }
    }

    fn directory_status(&self, now: Time) -> Event {
        let (last, agreed) = self.replica.reach();
        let me = self.replica.me();
        let role = match self.replica.role() {
            Role::Leader if self.leads => "leads",
            Role::Leader => "leads nobody",
            Role::Candidate => "asks for votes",
            Role::Follower => "follows",
        };
        let leader = self.replica.leader(now).map_or("".into(), |leader| self.replica.address_of(leader));
        let row = |seat: &Seat| -> [Text; 5] {
            let vote = match (seat.votes, seat.will) {
                (true, true) => "votes",
                (true, false) => "goes",
                (false, true) => "comes",
                (false, false) => "follows",
            };
            let link = match () {
                () if seat.server == me => "here",
                () if self.colleagues.link_of(&seat.address).is_some() => "up",
                () => "down",
            };
            let lacks = if seat.server == me { Some(0) } else { self.replica.has(seat.server).map(|has| last.saturating_sub(has)) };
            let lacks = lacks.map_or("".into(), |lacks| lacks.to_string().into());
            [seat.address.clone(), seat.server.to_string().into(), vote.into(), link.into(), lacks]
        };
        Reply::DirectoryStatus {
            address: self.config.address.clone(),
            server: me,
            role: role.into(),
            leader,
            term: self.replica.term(),
            last,
            agreed,
            epoch: self.state.view().epoch,
            cells: Rest(self.replica.roster().seats.iter().flat_map(row).collect()),
        }
        .into()
    }
}

fn refusal(error: SeatError, address: &Text) -> Refusal {
    match error {
        SeatError::Changing => (Code::TryAgain, format!("500 {error}")),
        error => (Code::Err, format!("{address} stays: {error}")),
    }
}
