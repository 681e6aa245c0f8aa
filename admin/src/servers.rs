//! The directory servers as each of them sees itself and the others, and what that means for the network.

use std::collections::BTreeMap;

use chatring_machines::ids::{Epoch, ServerId};
use chatring_machines::wire::Text;
use serde_json::{Value, json};

use crate::Failure;
use crate::output::Sheet;
use crate::text::{clean, count};

/// A server's answer to DIRECTORY STATUS.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it is reached.
    pub address: Text,
    /// Which it is.
    pub id: ServerId,
    /// What it does.
    pub role: Text,
    /// Who leads, as far as it knows; empty when nobody does.
    pub leader: Text,
    /// The newest term it knows.
    pub term: u64,
    /// How many records its log has.
    pub last: u64,
    /// How many of them are agreed on.
    pub agreed: u64,
    /// Its view.
    pub epoch: Epoch,
    /// Who has a seat, as far as it knows.
    pub seats: Vec<Seat>,
}

/// A server in another's answer.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Where it is reached.
    pub address: Text,
    /// Which it is.
    pub id: Text,
    /// votes, follows, comes or goes.
    pub vote: Text,
    /// up, down or here.
    pub link: Text,
    /// How many records it lacks, where the answerer knows.
    pub lacks: Text,
}

impl Seat {
    /// Reads the cells of an answer.
    pub fn all(cells: &[Text]) -> Vec<Seat> {
        let seat = |row: &[Text; 5]| {
            let [address, id, vote, link, lacks] = row.clone();
            Seat { address, id, vote, link, lacks }
        };
        cells.as_chunks().0.iter().map(seat).collect()
    }
}

impl Server {
    /// Whether it leads.
    pub fn leads(&self) -> bool {
        &*self.role == "leads"
    }

    /// What vote the server at this address has, as far as this one knows.
    pub fn vote_of(&self, address: &str) -> Option<&str> {
        self.seats.iter().find(|seat| &*seat.address == address).map(|seat| &*seat.vote)
    }
}

/// Whether the server that answers at this address has a vote, as far as `leader` knows: not the one that was there before it, with another file.
pub fn has_vote(all: &[Server], leader: &Server, address: &str) -> bool {
    let there = all.iter().find(|server| &*server.address == address).map(|server| server.id.to_string());
    let is_it = |seat: &Seat| &*seat.address == address && &*seat.vote == "votes" && Some(&*seat.id) == there.as_deref();
    leader.seats.iter().any(is_it)
}

/// All servers that answered, and those they name.
pub fn sheet(all: &[Server]) -> Sheet {
    let leader = all.iter().find(|server| server.leads());
    // Who leads knows best; otherwise whoever has heard of the most.
    let best = leader.or_else(|| all.iter().max_by_key(|server| (server.term, server.last)));
    let mut named: BTreeMap<Text, Option<&Seat>> = all.iter().map(|server| (server.address.clone(), None)).collect();
    if let Some(best) = best {
        named.extend(best.seats.iter().map(|seat| (seat.address.clone(), Some(seat))));
    }
    let row = |(address, seat): (&Text, &Option<&Seat>)| {
        let there = all.iter().find(|server| server.address == *address);
        let vote = seat.map_or("none", |seat| &*seat.vote);
        let lacks = seat.map_or("", |seat| &*seat.lacks);
        let number = |number: Option<u64>| number.map_or(String::new(), |number| number.to_string());
        vec![
            clean(address),
            there.map_or("does not answer".to_string(), |server| clean(&server.role)),
            clean(vote),
            there.map_or(String::new(), |server| server.epoch.to_string()),
            number(there.map(|server| server.term)),
            number(there.map(|server| server.last)),
            number(there.map(|server| server.agreed)),
            clean(lacks),
        ]
    };
    let rows: Vec<Vec<String>> = named.iter().map(row).collect();
    let object = |(address, seat): (&Text, &Option<&Seat>)| {
        let there = all.iter().find(|server| server.address == *address);
        json!({
            "address": &**address, "server": there.map_or_else(|| seat.map(|seat| seat.id.to_string()), |there| Some(there.id.to_string())),
            "answers": there.is_some(), "role": there.map(|server| &*server.role), "vote": seat.map(|seat| &*seat.vote),
            "epoch": there.map(|server| server.epoch.to_string()), "term": there.map(|server| server.term),
            "records": there.map(|server| server.last), "agreed": there.map(|server| server.agreed),
            "lacks": seat.and_then(|seat| seat.lacks.parse::<u64>().ok()),
        })
    };
    let servers: Vec<Value> = named.iter().map(object).collect();
    let value = json!({"leader": leader.map(|server| &*server.address), "servers": servers});
    let title = leader.map_or("nobody leads".to_string(), |server| format!("{} leads, in term {}", clean(&server.address), server.term));
    let columns = [
        ("address", "directory server"),
        ("role", "state"),
        ("vote", "vote"),
        ("epoch", "epoch"),
        ("term", "term"),
        ("records", "records"),
        ("agreed", "agreed"),
        ("lacks", "lacks"),
    ];
    Sheet::table(&columns, rows, servers).also(&["server", "answers"]).with_value(value).titled(title)
}

/// What is missing where nobody leads.
pub fn without_a_leader(all: &[Server]) -> Failure {
    let best = all.iter().max_by_key(|server| (server.term, server.last));
    let voters: Vec<&Seat> = best.map_or(Vec::new(), |best| best.seats.iter().filter(|seat| &*seat.vote != "follows").collect());
    let silent: Vec<&str> =
        voters.iter().map(|seat| &*seat.address).filter(|address| all.iter().all(|server| &*server.address != *address)).collect();
    let (there, needed) = (voters.len() - silent.len(), voters.len() / 2 + 1);
    if voters.is_empty() {
        return Failure::refused("no directory server leads: the network is not founded yet")
            .advise("It is founded when all servers of [network] directories are there.");
    }
    if there < needed {
        let what = format!("no directory server leads: {} needed, {there} of {} there", count(needed as u64, "is", "are"), voters.len());
        return Failure::refused(what).advise(format!("Start {}. Chat goes on meanwhile; changes of the ring wait.", silent.join(" or ")));
    }
    Failure::refused("no directory server leads at the moment").advise("They elect one within a few seconds, if they reach each other.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(address: &str, role: &str, seats: &[(&str, &str)]) -> Server {
        let seat = |(address, vote): &(&str, &str)| Seat {
            address: (*address).into(),
            id: "1".into(),
            vote: (*vote).into(),
            link: "up".into(),
            lacks: "0".into(),
        };
        Server {
            address: address.into(),
            id: ServerId(1),
            role: role.into(),
            leader: "".into(),
            term: 3,
            last: 9,
            agreed: 9,
            epoch: Epoch { generation: 1, number: 4 },
            seats: seats.iter().map(seat).collect(),
        }
    }

    #[test]
    fn a_server_that_does_not_answer_is_shown_as_such() {
        let seats = [("a:1", "votes"), ("b:1", "votes"), ("c:1", "comes")];
        let sheet = sheet(&[server("a:1", "leads", &seats), server("b:1", "follows", &seats)]);
        let text = sheet.text(false);
        assert!(text.contains("a:1 leads, in term 3"), "{text}");
        assert!(text.lines().any(|line| line.contains("c:1") && line.contains("does not answer") && line.contains("comes")), "{text}");
        assert_eq!(sheet.value()["leader"], "a:1");
        assert_eq!(sheet.value()["servers"][2]["answers"], false);
    }

    #[test]
    fn without_a_leader_it_is_said_what_is_missing() {
        let seats = [("a:1", "votes"), ("b:1", "votes"), ("c:1", "votes")];
        let failure = without_a_leader(&[server("a:1", "follows", &seats)]).to_string();
        assert!(failure.contains("2 are needed, 1 of 3 there") && failure.contains("Start b:1 or c:1"), "{failure}");
        let failure = without_a_leader(&[server("a:1", "follows", &[])]).to_string();
        assert!(failure.contains("not founded yet"), "{failure}");
    }
}
