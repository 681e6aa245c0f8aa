//! Who comes into the ring, among real processes: whom an operator admits, and who is found where it says. Nobody else ever is in a view.
#![cfg(target_os = "linux")]

mod common;

use common::network::{Network, Node};
use common::{soon, within};
use serde_json::Value as Json;

/// A network of three directory servers, whose nodes an operator has to admit.
fn network() -> (Network, Vec<common::process::Process>) {
    let mut net = Network::new();
    net.directories = 3;
    net.directory_settings = "admit = 'list'\n".into();
    let mut servers = net.start_directories();
    servers.iter_mut().for_each(|server| {
        server.err.wait("the directory servers are");
    });
    (net, servers)
}

impl Network {
    /// Starts a node that says it is at the address with another number.
    fn node_that_claims(&mut self, number: u8, claimed: u8) -> Node {
        self.node_settings = format!("advertise = '{}'\n", self.place(claimed, 0).native);
        let node = self.node(number);
        self.node_settings.clear();
        node
    }

    /// The keys of the ring, and which start of a node is there.
    fn shown(&self) -> Vec<(String, String)> {
        let ring = self.json(&["ring", "show"]);
        let text = |node: &Json, name: &str| node[name].as_str().unwrap().to_string();
        ring["nodes"].as_array().unwrap().iter().map(|node| (text(node, "key"), text(node, "incarnation"))).collect()
    }

    /// What is said of a node that is not there.
    fn pending(&self, key: &str) -> Option<Json> {
        self.json(&["node", "pending"]).as_array().unwrap().iter().find(|row| row["key"] == key).cloned()
    }
}

#[test]
fn nodes_come_in_when_an_operator_admits_them_and_they_are_where_they_say() {
    let (mut net, _servers) = network();
    let (key, unreachable) = (net.key(1).to_string(), net.key(9).to_string());

    // Asked for, admitted, in.
    let mut good = net.node(1);
    good.process.err.wait(&format!("has to wait: an operator has to admit it: `chatctl node admit {key}`"));
    let row = net.pending(&key).unwrap();
    assert_eq!((row["name"].as_str(), row["state"].as_str(), row["why"].as_str()), (Some("node1"), Some("waits"), Some("for an operator")));
    assert!(net.shown().is_empty());
    assert!(net.chatctl(&["node", "admit", &key]).status().unwrap().success());
    good.process.err.wait("the directory knows us");
    let ring = net.shown();
    assert_eq!((ring.len(), &ring[0].0, net.pending(&key)), (1, &key, None));

    // One that nobody can reach.
    assert!(net.chatctl(&["node", "admit", &unreachable]).status().unwrap().success());
    assert_eq!(net.pending(&unreachable).unwrap()["state"], "admitted");
    let mut lost = net.node_that_claims(2, 9);
    lost.process.err.wait("refuses connections, seen from directory server");
    let row = within(soon(), "nobody says that the node was turned away", || {
        net.pending(&unreachable).filter(|row| row["state"] == "turned away")
    });
    assert!(row["why"].as_str().unwrap().contains("it has to be reached at the address it advertises"), "{row}");

    // One that says it is the good one: who is there is another start, and stays.
    let mut liar = net.node_that_claims(3, 1);
    liar.process.err.wait(&format!("{key} is another start of that node, seen from directory server"));
    assert_eq!(net.shown(), ring);

    // One that says it is where a directory server is.
    net.node_settings = format!("advertise = '{}'\n", net.directory_at(1));
    let posing = net.directory_at(1).to_string();
    assert!(net.chatctl(&["node", "admit", &posing]).status().unwrap().success());
    let mut poser = net.node(4);
    poser.process.err.wait(&format!("dialled {posing} and reached"));
    assert_eq!(net.shown(), ring);

    // Out at once, and it does not come back by itself.
    assert!(net.chatctl(&["node", "remove", "node1", "--yes"]).status().unwrap().success());
    good.process.err.wait("an operator keeps");
    assert!(net.shown().is_empty());
    assert_eq!(net.pending(&key).unwrap()["state"], "turned away");
}
