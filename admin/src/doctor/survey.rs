//! What all servers of a network have answered. An `Err` says why something could not be asked.

use std::collections::BTreeMap;

use chatring_machines::ids::Epoch;
use chatring_machines::machine::GroupPlace;
use chatring_machines::time::Time;
use chatring_machines::view::SharedView;
use chatring_machines::wire::Text;

use crate::claims;
use crate::servers::Server;

/// All of it.
#[derive(Clone, Debug)]
pub struct Survey {
    /// When it was made, by the clock of who asks.
    pub now: Time,
    /// The directory servers that were named, or named by others.
    pub named: Vec<Text>,
    /// Those that answer.
    pub servers: Vec<Server>,
    /// The ring.
    pub view: Result<SharedView, String>,
    /// For each super node of the ring, in its order, what it says.
    pub nodes: Vec<NodeSays>,
    /// The groups that the directory servers know.
    pub groups: Result<Vec<GroupRow>, String>,
    /// What is wrong with groups of which all nodes were asked (`ring why`), by their names.
    pub verdicts: BTreeMap<String, Vec<claims::Finding>>,
    /// Who wants into the ring.
    pub pending: Result<Vec<Pending>, String>,
    /// The planned change.
    pub planned: Result<Option<Planned>, String>,
    /// The clocks of servers: how far each is ahead of ours, in milliseconds, as far as could be told, and how sure that is.
    pub clocks: Vec<Dialled<(i64, u64)>>,
    /// Until when certificates that servers show are good. None where nobody talks TLS.
    pub certificates: Option<Vec<Dialled<Time>>>,
}

/// What was found at an address.
#[derive(Clone, Debug)]
pub struct Dialled<T> {
    /// Where.
    pub address: String,
    /// What.
    pub found: Result<T, String>,
}

/// A super node of the ring.
#[derive(Clone, Debug)]
pub struct NodeSays {
    /// What it is called.
    pub name: String,
    /// The ring that it goes by.
    pub epoch: Result<Epoch, String>,
    /// Its answer to CHECK.
    pub check: Result<Vec<Row>, String>,
    /// How many read slowly there.
    pub slow: Result<usize, String>,
    /// Plugins that are disabled.
    pub disabled: Result<Vec<String>, String>,
}

/// A group in the answer to CHECK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub group: String,
    /// kept, moved or blocked.
    pub result: String,
    /// Why, or where else it is.
    pub why: String,
    /// Whom it goes to, where it leaves.
    pub to: String,
}

impl Row {
    /// Reads the cells of an answer.
    pub fn all(cells: &[Text]) -> Vec<Row> {
        let row = |[group, result, to, _, why]: &[Text; 5]| Row {
            group: group.to_string(),
            result: result.to_string(),
            why: why.to_string(),
            to: to.to_string(),
        };
        cells.as_chunks().0.iter().map(row).collect()
    }
}

/// A group as the directory servers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// Which.
    pub group: String,
    /// How many are in it.
    pub members: u64,
    /// Who reported it last.
    pub master: String,
}

impl GroupRow {
    /// Of a row of where groups are.
    pub fn of(place: &GroupPlace) -> GroupRow {
        GroupRow { group: place.group.as_str().to_string(), members: place.members, master: place.master.to_string() }
    }
}

/// Who wants into the ring.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Which node.
    pub node: String,
    /// waits, dialled, watched, turned away, admitted or refused.
    pub state: String,
    /// Why it is not in it.
    pub why: String,
}

impl Pending {
    /// Reads the cells of an answer.
    pub fn all(cells: &[Text]) -> Vec<Pending> {
        let row = |[node, _, state, _, why]: &[Text; 5]| Pending { node: node.to_string(), state: state.to_string(), why: why.to_string() };
        cells.as_chunks().0.iter().map(row).collect()
    }
}

/// The planned change of the ring.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What, and of whom.
    pub what: String,
    /// Since when it is announced.
    pub age_ms: u64,
    /// How many wait behind it.
    pub queued: u64,
}
