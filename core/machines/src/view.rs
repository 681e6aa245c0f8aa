//! The ring as the directory publishes it, and what it is made of.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::ids::{Epoch, Incarnation};
use crate::names::NodeKey;
use crate::time::Time;
use crate::wire::Text;
use crate::{wire_struct, wire_words};

wire_words! {
    /// How far a node is from a group.
    pub enum Metric {
        /// The shorter way round the circle: min(|K-J|, 2^32-|K-J|).
        "circular" Circular,
        /// The mail's formula to the letter: |K-J|.
        "linear" Linear,
    }
}

/// Why a text is not a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a metric is 'circular' or 'linear'")]
pub struct BadMetric;

impl FromStr for Metric {
    type Err = BadMetric;
    fn from_str(text: &str) -> Result<Metric, BadMetric> {
        match text {
            "circular" => Ok(Metric::Circular),
            "linear" => Ok(Metric::Linear),
            _ => Err(BadMetric),
        }
    }
}

wire_struct! {
    /// How placement works in a network.
    #[derive(Eq, Copy)]
    pub struct RingParams {
        /// Fixed when the network is created.
        metric: Metric,
        /// Points per node, 1 to 1024.
        points: u32,
    }
}

impl Default for RingParams {
    /// The mail's.
    fn default() -> RingParams {
        RingParams { metric: Metric::Circular, points: 1 }
    }
}

wire_struct! {
    /// A super node in the ring.
    #[derive(Eq)]
    pub struct NodeInfo {
        /// Its ring key, which is also where to dial it.
        key: NodeKey,
        /// What its operator calls it.
        name: Text,
        /// Which start of it this is.
        incarnation: Incarnation,
        /// When this start registered.
        since: Time,
    }
}

wire_struct! {
    /// The ring at an epoch. Placement is a pure function of it.
    #[derive(Eq)]
    pub struct View {
        /// Its number.
        epoch: Epoch,
        /// The network's name.
        network: Text,
        /// How placement works.
        params: RingParams,
        /// The super nodes in the ring, ordered by key.
        nodes: Vec<NodeInfo>,
        /// The directory servers, as `host:port`.
        directories: Vec<Text>,
    }
}

impl View {
    /// The node of this key, if it is in the ring.
    pub fn node(&self, key: &NodeKey) -> Option<&NodeInfo> {
        self.nodes.binary_search_by(|node| node.key.cmp(key)).ok().map(|ix| &self.nodes[ix])
    }
}

/// A view that many hold at once.
pub type SharedView = Arc<View>;

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} epoch {} with {} super nodes", self.network, self.epoch, self.nodes.len())
    }
}
