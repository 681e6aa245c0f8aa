//! How the network is, in a few words: for the prompt, and for lines about what has changed.

use std::collections::BTreeMap;

use chatring_machines::ids::Epoch;
use chatring_machines::view::View;

use crate::servers::Seat;
use crate::text::clean;

/// What one directory server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The network's name.
    pub network: String,
    /// The ring's number.
    pub epoch: Epoch,
    /// The super nodes of the ring, by their keys, and what they are called.
    pub nodes: BTreeMap<String, String>,
    /// Directory servers that have a vote.
    pub servers: usize,
    /// Those of them that are in reach.
    pub up: usize,
    /// One of them leads.
    pub led: bool,
}

impl Health {
    /// Of a view, and what the same server says of the others.
    pub fn of(view: &View, led: bool, seats: &[Seat]) -> Health {
        let voters: Vec<&Seat> = seats.iter().filter(|seat| matches!(&*seat.vote, "votes" | "goes")).collect();
        let nodes = view.nodes.iter().map(|node| (node.key.to_string(), clean(&node.name)));
        Health {
            network: short(&clean(&view.network)),
            epoch: view.epoch,
            nodes: nodes.collect(),
            servers: voters.len(),
            up: voters.iter().filter(|seat| &*seat.link != "down").count(),
            led,
        }
    }

    /// What is not well; `ok` where all is.
    fn word(&self) -> String {
        match self {
            Health { led: false, .. } => "no leader".into(),
            Health { servers, up, .. } if up < servers => format!("{up}/{servers} directories"),
            Health { nodes, .. } if nodes.is_empty() => "no super nodes".into(),
            _ => "ok".into(),
        }
    }
}

/// A name that leaves room for the line.
fn short(name: &str) -> String {
    const NAME_CHARS_MAX: usize = 24;
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name.into(),
    }
}

/// What is known of a network's health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    /// Nobody was asked yet.
    #[default]
    Nothing,
    /// Nobody answers.
    Silence,
    /// This is how it is.
    Health(Health),
}

impl Seen {
    /// The prompt, and whether all is well.
    pub fn prompt(&self) -> (String, bool) {
        match self {
            Seen::Nothing => ("chatring> ".into(), true),
            Seen::Silence => ("(no directory) > ".into(), false),
            Seen::Health(health) => {
                let word = health.word();
                (format!("{} {} {word}> ", health.network, health.epoch), word == "ok")
            }
        }
    }

    /// The prompt in place of one that stands there already and can't change its width: cut, or filled up with blanks.
    pub fn prompt_in_place_of(&self, shown: &str) -> (String, bool) {
        let (prompt, well) = self.prompt();
        let width = shown.chars().count();
        let (text, sign) = (prompt.trim_end_matches("> ").trim_end(), "> ");
        let room = width.saturating_sub(sign.len());
        match text.chars().count() {
            chars if chars <= room => (format!("{text}{}{sign}", " ".repeat(room - chars)), well),
            _ => (format!("{}…{sign}", text.chars().take(room.saturating_sub(1)).collect::<String>()), well),
        }
    }
}

/// Super nodes that are named in one line.
const NAMED_MAX: usize = 4;

/// What is to be told of a change. `last` is the health that was seen last.
pub fn news(before: &Seen, last: Option<&Health>, now: &Seen) -> Vec<String> {
    let mut news = Vec::new();
    match (before, now) {
        (Seen::Silence, Seen::Silence) | (_, Seen::Nothing) => {}
        (_, Seen::Silence) => news.push("--- no directory server answers".into()),
        (Seen::Silence, Seen::Health(_)) if last.is_some() => news.push("--- a directory server answers again".into()),
        _ => {}
    }
    if let (Some(last), Seen::Health(now)) = (last, now) {
        news.extend(changes(last, now));
    }
    news
}

fn changes(last: &Health, now: &Health) -> Vec<String> {
    let mut news = Vec::new();
    if last.epoch != now.epoch {
        let come = now.nodes.keys().filter(|key| !last.nodes.contains_key(*key));
        let gone = last.nodes.keys().filter(|key| !now.nodes.contains_key(*key));
        let come = named(come, &now.nodes).map(|names| format!("{names} came"));
        let gone = named(gone, &last.nodes).map(|names| format!("{names} went"));
        let what: Vec<String> = come.into_iter().chain(gone).collect();
        let what = if what.is_empty() { String::new() } else { format!(": {}", what.join(", ")) };
        news.push(format!("--- epoch {}{what}", now.epoch));
    }
    if last.word() != now.word() {
        news.push(format!("--- {}", if now.word() == "ok" { "all is well again".into() } else { now.word() }));
    }
    news
}

fn named<'a>(keys: impl Iterator<Item = &'a String>, nodes: &BTreeMap<String, String>) -> Option<String> {
    let mut keys: Vec<&str> = keys.map(|key| nodes.get(key).filter(|name| !name.is_empty()).unwrap_or(key).as_str()).collect();
    let more = keys.len().saturating_sub(NAMED_MAX);
    keys.truncate(NAMED_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!keys.is_empty()).then(|| keys.join(", ") + &more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(number: u64, nodes: &[&str], up: usize) -> Health {
        let nodes = nodes.iter().map(|name| (format!("192.0.2.{name}"), name.to_string())).collect();
        Health { network: "example".into(), epoch: Epoch { generation: 1, number }, nodes, servers: 3, up, led: up > 1 }
    }

    #[test]
    fn prompts() {
        let cases = [
            (Seen::Nothing, "chatring> ", true),
            (Seen::Silence, "(no directory) > ", false),
            (Seen::Health(health(5, &["1"], 3)), "example 1.5 ok> ", true),
            (Seen::Health(health(5, &["1"], 2)), "example 1.5 2/3 directories> ", false),
            (Seen::Health(health(5, &["1"], 1)), "example 1.5 no leader> ", false),
            (Seen::Health(health(5, &[], 3)), "example 1.5 no super nodes> ", false),
        ];
        for (seen, prompt, well) in cases {
            assert_eq!(seen.prompt(), (prompt.into(), well));
        }
        assert_eq!(short("a-network-with-a-very-long-name"), "a-network-with-a-very-lo…");
    }

    #[test]
    fn a_prompt_in_the_place_of_another_is_as_wide() {
        let ok = |number| Seen::Health(health(number, &["1"], 3));
        let poor = Seen::Health(health(5, &["1"], 2));
        for (seen, shown, expect) in [
            (ok(6), "example 1.5 ok> ", "example 1.6 ok> "),
            (ok(10), "example 1.9 ok> ", "example 1.10 …> "),
            (poor.clone(), "example 1.5 ok> ", "example 1.5 2…> "),
            (Seen::Silence, "example 1.5 ok> ", "(no directory)> "),
            (ok(5), "example 1.5 2/3 directories> ", "example 1.5 ok             > "),
        ] {
            let (found, _) = seen.prompt_in_place_of(shown);
            assert_eq!(found, expect);
        }
    }

    #[track_caller]
    fn check(before: &Seen, last: Option<&Health>, now: &Seen, expect: &[&str]) {
        assert_eq!(news(before, last, now), expect);
    }

    #[test]
    fn what_is_told() {
        let one = health(5, &["1"], 3);
        let seen = |health: &Health| Seen::Health(health.clone());
        check(&Seen::Nothing, None, &seen(&one), &[]);
        check(&Seen::Nothing, None, &Seen::Silence, &["--- no directory server answers"]);
        check(&Seen::Silence, None, &Seen::Silence, &[]);
        check(&Seen::Silence, None, &seen(&one), &[]);
        check(&seen(&one), Some(&one), &Seen::Silence, &["--- no directory server answers"]);
        check(&Seen::Silence, Some(&one), &seen(&one), &["--- a directory server answers again"]);
        check(&seen(&one), Some(&one), &seen(&one), &[]);
        check(&seen(&one), Some(&one), &seen(&health(6, &["1"], 3)), &["--- epoch 1.6"]);
        check(&seen(&one), Some(&one), &seen(&health(7, &["1", "2"], 2)), &["--- epoch 1.7: 2 came", "--- 2/3 directories"]);
        let poor = health(7, &["1", "2"], 2);
        check(&seen(&poor), Some(&poor), &seen(&health(8, &["3"], 3)), &["--- epoch 1.8: 3 came, 1, 2 went", "--- all is well again"]);
        let many = health(9, &["1", "2", "3", "4", "5", "6"], 3);
        check(&seen(&one), Some(&one), &seen(&many), &["--- epoch 1.9: 2, 3, 4, 5 and 1 more came"]);
        check(
            &Seen::Silence,
            Some(&one),
            &seen(&health(6, &["1"], 2)),
            &["--- a directory server answers again", "--- epoch 1.6", "--- 2/3 directories"],
        );
    }
}
