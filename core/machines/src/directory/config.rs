//! What a directory server is told when it starts.

use super::admission::Admission;
use crate::handshake::Identity;
use crate::ids::Incarnation;
use crate::list::ListSigner;
use crate::names::NodeKey;
use crate::operators::Operators;
use crate::secret::NetworkSecret;
use crate::view::RingParams;
use crate::wire::Text;

/// Who it is and how it judges.
#[derive(Clone, Debug)]
pub struct DirectoryConfig {
    /// Where it is reached, as `host:port`.
    pub address: Text,
    /// Its name in the handshake: [`NodeKey::of_directory`].
    pub key: NodeKey,
    /// The network it keeps.
    pub network: Text,
    /// What the network's nodes have in common.
    pub secret: NetworkSecret,
    /// Whether peers have to show a certificate: the driver then has TLS on the server's port, and dials with it.
    pub certified: bool,
    /// How placement works in a network that is founded now. One that exists keeps its own.
    pub params: RingParams,
    /// The directory servers that begin the network together, and those that may come later, as `host:port`, this one among them. Empty: this one alone.
    pub directories: Vec<Text>,
    /// How long the directory servers miss their leader before they elect another, or up to twice as long.
    pub election_ms: u64,
    /// How long a super node may be silent before it is declared dead.
    pub lease_ms: u64,
    /// How long the super nodes may take to prepare a planned change before it is given up.
    pub prepare_ms: u64,
    /// How long a super node that comes and goes has to wait before it may come again, at most.
    pub hold_ms: u64,
    /// Who may come into the ring.
    pub admission: Admission,
    /// What it signs lists with.
    pub signer: ListSigner,
    /// How long a list is good, in milliseconds.
    pub list_valid_ms: u64,
    /// For nonces: drawn by the driver from the system's random source.
    pub seed: u64,
    /// Which start of it this is: drawn by the driver.
    pub incarnation: Incarnation,
    /// Who may steer it.
    pub operators: Operators,
    /// Bounds.
    pub limits: DirectoryLimits,
}

impl DirectoryConfig {
    pub(super) fn identity(&self) -> Identity {
        Identity {
            network: self.network.clone(),
            secret: self.secret.clone(),
            key: self.key.clone(),
            incarnation: self.incarnation,
            certified: self.certified,
        }
    }

    /// The list that goes into the ring's view.
    pub(super) fn published(&self) -> Vec<Text> {
        if self.directories.is_empty() { vec![self.address.clone()] } else { self.directories.clone() }
    }
}

/// Bounds, each with what happens at it.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryLimits {
    /// Connections that have not proved to be a peer. Past it the one that was silent longest is closed, so that newcomers always get in.
    pub strangers: usize,
    /// Connections of peers. Past it a proof is answered with `refused` and the connection closed.
    pub peers: usize,
    /// Super nodes in the ring; past it REGISTER is refused.
    pub nodes: usize,
    /// Planned changes that wait for their turn; past it whoever asks hears TRYAGAIN.
    pub plans: usize,
    /// What one peer may have asked and not been answered yet; at it nothing more is read from the peer, and its lease stands still.
    pub pending_per_peer: usize,
    /// Queries of clients that are not answered yet, all together; past it they hear BUSY.
    pub queries: usize,
    /// Reports in one command; past it the command is refused.
    pub reports_per_batch: usize,
    /// Rows of one answer: GROUPS shows no more, MEMBERS of a larger group is refused.
    pub rows: u32,
}

impl Default for DirectoryLimits {
    fn default() -> DirectoryLimits {
        DirectoryLimits {
            strangers: 1_024,
            peers: 20_480,
            nodes: 16_384,
            plans: 256,
            pending_per_peer: 256,
            queries: 256,
            reports_per_batch: crate::peer::ROWS_MAX,
            rows: 10_000,
        }
    }
}
