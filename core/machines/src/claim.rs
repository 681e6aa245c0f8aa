//! What a super node says of a group when it is asked: whether it serves it, has a copy, and what its own people hear of it.
//!
//! It is said from what the node knows by itself, in the ring or out of it. Whether what all nodes say fits together is for those who ask all of them.

use crate::ids::{Birth, Epoch, Incarnation, Term};
use crate::names::{GroupName, NodeKey};
use crate::wire::Text;
use crate::{wire_struct, wire_words};

wire_words! {
    /// What a node is to a group.
    pub enum Stand {
        /// It serves it, as its master.
        "held" Held,
        /// It is to serve it, and finds out what was before.
        "opening" Opening,
        /// It keeps what another node serves, or served.
        "copy" Copy,
        /// Nothing.
        "none" Nothing,
    }
}

wire_struct! {
    /// What a node says of a group.
    #[derive(Eq)]
    pub struct GroupClaim {
        /// Which.
        group: GroupName,
        /// Who says so.
        node: NodeKey,
        /// Which start of it.
        incarnation: Incarnation,
        /// The ring it goes by; 0.0 where it knows none.
        epoch: Epoch,
        /// Whether it has a place in that.
        in_ring: bool,
        /// What it is to the group.
        stand: Stand,
        /// Which life of the group it has.
        birth: Option<Birth>,
        /// Its last place of that.
        seq: Option<u64>,
        /// In which term that was given.
        term: Option<Term>,
        /// Since which term nothing is acknowledged without what is here.
        since: Option<Term>,
        /// Whether it counts: of a master, whether it may acknowledge.
        counts: bool,
        /// How many are in it.
        members: u64,
        /// Who serves it, as far as one who has a copy knows.
        master: Option<NodeKey>,
        /// Whose copies count for one who serves it, its own left out.
        copies: Vec<NodeKey>,
        /// What it waits for; empty: for nothing.
        why: Text,
        /// Nodes that had it and were put out of the ring lately: they may live, and believe that they have it still.
        gone: Vec<NodeKey>,
        /// How many of this node's own people are in it.
        seats: u64,
        /// Who they hear it from; nobody: this node looks for a master.
        hears: Option<NodeKey>,
        /// Whether that one has answered.
        live: bool,
    }
}
