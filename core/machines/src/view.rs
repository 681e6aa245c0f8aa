//! The ring as the directory publishes it, and what it is made of.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::ids::{Epoch, Incarnation};
use crate::list::ListKey;
use crate::names::NodeKey;
use crate::time::Time;
use crate::wire::Text;
use crate::{wire_enum, wire_struct, wire_words};

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
        /// The epoch in which its present stay in the ring began. Who was declared dead and came back has another: whatever it holds may have been served without it.
        admitted: Epoch,
    }
}

wire_enum! {
    /// A change of the ring that is announced before it is made, so that groups are where they belong when it is.
    pub enum Plan {
        /// A super node comes.
        "join" Join { node: NodeInfo },
        /// A super node goes, of its own will or its operator's.
        "drain" Drain { key: NodeKey, incarnation: Incarnation },
        /// Every node has another number of points.
        "points" Points { points: u32 },
    }
}

wire_struct! {
    /// A directory server, as the view names it.
    #[derive(Eq)]
    pub struct DirectoryServer {
        /// Where it is reached, as `host:port`.
        address: Text,
        /// What its lists are checked with. Not known while it has not introduced itself to the one that leads.
        key: Option<ListKey>,
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
        /// The directory servers, ordered by address.
        directories: Vec<DirectoryServer>,
    }
}

impl View {
    /// The node of this key, if it is in the ring.
    pub fn node(&self, key: &NodeKey) -> Option<&NodeInfo> {
        self.nodes.binary_search_by(|node| node.key.cmp(key)).ok().map(|ix| &self.nodes[ix])
    }

    /// The next view. `None`: the change is none.
    pub fn changed(&self, change: &ViewChange) -> Option<View> {
        match change {
            ViewChange::Plan { plan } => self.after(plan),
            ViewChange::Servers { servers } if self.directories == *servers => None,
            ViewChange::Servers { servers } => Some(View { epoch: self.epoch.next(), directories: servers.clone(), ..self.clone() }),
        }
    }

    /// The view that a plan makes of this one, under the next epoch; `None` where it changes nothing (any more).
    pub fn after(&self, plan: &Plan) -> Option<View> {
        let mut view = self.clone();
        view.epoch = view.epoch.next();
        match plan {
            Plan::Join { node } => {
                let node = NodeInfo { admitted: view.epoch, ..node.clone() };
                match view.nodes.binary_search_by(|there| there.key.cmp(&node.key)) {
                    Ok(ix) if view.nodes[ix].incarnation == node.incarnation && view.nodes[ix].name == node.name => return None,
                    Ok(ix) => view.nodes[ix] = node,
                    Err(ix) => view.nodes.insert(ix, node),
                }
            }
            Plan::Drain { key, incarnation } => {
                let ix = view.nodes.iter().position(|node| node.key == *key && node.incarnation == *incarnation)?;
                view.nodes.remove(ix);
            }
            Plan::Points { points } => {
                let points = (*points).clamp(1, crate::ring::POINTS_MAX);
                if view.params.points == points {
                    return None;
                }
                view.params.points = points;
            }
        }
        Some(view)
    }
}

wire_enum! {
    /// What makes the next view of one: all that there is to say to who has that one.
    pub enum ViewChange {
        /// A node has come or gone, or all have another number of points.
        "plan" Plan { plan: Plan },
        /// The directory servers are these.
        "servers" Servers { servers: Vec<DirectoryServer> },
    }
}

/// A view that many hold at once.
pub type SharedView = Arc<View>;

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} epoch {} with {} super nodes", self.network, self.epoch, self.nodes.len())
    }
}
