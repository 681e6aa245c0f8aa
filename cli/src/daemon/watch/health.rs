//! Whether this process lives, and whether it serves: the two questions that machines ask before they send anyone here, or start it anew.
//!
//! It lives if its loops turn, however little there is to do; that it does not serve, since it waits for others, is no reason to start it anew.

use super::{FRESH, Kind, Name, Seen, Watch};
use chatring_machines::gauges::{DirectoryGauges, Gauges, NodeGauges};
use serde_json::{Value as Json, json};

/// An answer.
#[derive(Debug, PartialEq)]
pub struct Verdict {
    pub is_good: bool,
    /// For whoever wants to know why not.
    pub body: Json,
}

/// Whether all loops turn.
pub fn lives(watch: &Watch) -> Verdict {
    let roles = watch.look(FRESH).roles;
    let is_good = roles.iter().all(|role| role.answers);
    let row = |role: &Seen| json!({ "role": role.name.kind.as_str(), "node": role.name.node, "turns": role.answers });
    Verdict { is_good, body: json!({ "alive": is_good, "loops": roles.iter().map(row).collect::<Vec<_>>() }) }
}

/// Whether all roles do what they are there for.
pub fn serves(watch: &Watch) -> Verdict {
    verdict(&watch.look(FRESH).roles, watch.is_stopping())
}

fn verdict(roles: &[Seen], is_stopping: bool) -> Verdict {
    let all: Vec<(&Name, Vec<&str>)> = roles.iter().map(|role| (&role.name, missing(role, is_stopping))).collect();
    let is_good = all.iter().all(|(_, missing)| missing.is_empty());
    let row = |(name, missing): &(&Name, Vec<&str>)| json!({ "role": name.kind.as_str(), "node": name.node, "ready": missing.is_empty(), "missing": missing });
    Verdict { is_good, body: json!({ "ready": is_good, "roles": all.iter().map(row).collect::<Vec<_>>() }) }
}

/// What a role lacks to do what it is there for.
pub fn missing(role: &Seen, is_stopping: bool) -> Vec<&'static str> {
    let last = role.last.as_ref().filter(|_| role.answers);
    let mut missing = match last.map(|observation| &observation.gauges) {
        None => vec!["its loop does not turn"],
        Some(Gauges::Node(node)) => missing_of_node(role.name.kind, node),
        Some(Gauges::Directory(directory)) => missing_of_directory(directory),
        Some(Gauges::Nothing) => Vec::new(),
    };
    if is_stopping {
        missing.push("it is told to stop");
    }
    missing
}

fn missing_of_node(kind: Kind, node: &NodeGauges) -> Vec<&'static str> {
    let is_for_ring = kind == Kind::SuperNode;
    let all = [
        (node.epoch.is_some(), "no directory server has told it who is in the ring"),
        (node.is_in_ring || !is_for_ring, "it is not in the ring: see `chatctl node pending`"),
        (node.lease_left_ms > 0 || !is_for_ring, "its lease is over: no directory server has confirmed lately that it is in the ring"),
        (!node.is_stopping, "it hands over its groups"),
    ];
    all.into_iter().filter(|(is_so, _)| !is_so).map(|(_, what)| what).collect()
}

fn missing_of_directory(directory: &DirectoryGauges) -> Vec<&'static str> {
    let all = [
        (directory.knows_leader, "it is not in touch with a majority of the directory servers, nor with one that leads"),
        (directory.epoch.is_some(), "there is no network yet"),
        (!directory.is_stopping, "it is told to stop"),
    ];
    all.into_iter().filter(|(is_so, _)| !is_so).map(|(_, what)| what).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatring_machines::ids::Epoch;
    use chatring_reactor::Observation;

    /// What is said of a role that says this, by a word of each thing that it lacks.
    #[track_caller]
    fn check(kind: Kind, gauges: Option<Gauges>, expect: &[&str]) {
        let last = gauges.map(|gauges| Observation { gauges, ..Observation::default() });
        let seen = Seen { name: Name { kind, node: "a".into() }, answers: last.is_some(), last };
        let verdict = verdict(&[seen], false);
        let missing = verdict.body["roles"][0]["missing"].as_array().unwrap().clone();
        let fits = missing.len() == expect.len() && missing.iter().zip(expect).all(|(said, word)| said.as_str().unwrap().contains(word));
        assert!(fits, "{missing:?} instead of {expect:?}");
        assert_eq!((verdict.is_good, &verdict.body["ready"]), (expect.is_empty(), &Json::from(expect.is_empty())));
    }

    #[test]
    fn what_each_role_needs() {
        let epoch = Some(Epoch { generation: 1, number: 1 });
        let node = |gauges: NodeGauges| Some(Gauges::Node(Box::new(gauges)));
        let directory = |gauges: DirectoryGauges| Some(Gauges::Directory(Box::new(gauges)));
        check(Kind::SuperNode, None, &["does not turn"]);
        check(Kind::SuperNode, node(NodeGauges::default()), &["who is in the ring", "not in the ring", "lease"]);
        let good = NodeGauges { epoch, is_for_ring: true, is_in_ring: true, lease_left_ms: 1, ..NodeGauges::default() };
        check(Kind::SuperNode, node(good.clone()), &[]);
        check(Kind::SuperNode, node(NodeGauges { lease_left_ms: 0, ..good.clone() }), &["lease"]);
        check(Kind::SuperNode, node(NodeGauges { is_stopping: true, ..good }), &["hands over"]);
        check(Kind::Gateway, node(NodeGauges::default()), &["who is in the ring"]);
        check(Kind::Gateway, node(NodeGauges { epoch, ..NodeGauges::default() }), &[]);
        check(Kind::Directory, directory(DirectoryGauges::default()), &["majority", "no network"]);
        check(Kind::Directory, directory(DirectoryGauges { epoch, knows_leader: true, ..DirectoryGauges::default() }), &[]);
    }

    #[test]
    fn who_is_told_to_stop_is_not_ready() {
        let gauges = Gauges::Directory(Box::new(DirectoryGauges {
            epoch: Some(Epoch { generation: 1, number: 1 }),
            knows_leader: true,
            ..DirectoryGauges::default()
        }));
        let last = Some(Observation { gauges, ..Observation::default() });
        let seen = [Seen { name: Name { kind: Kind::Directory, node: "a".into() }, answers: true, last }];
        assert!(verdict(&seen, false).is_good && !verdict(&seen, true).is_good);
    }
}
