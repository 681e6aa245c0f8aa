//! A plan as a file: JSON, for whoever wants to look at it, and for `ring commit`.

use chatring_machines::names::{GroupName, NodeKey};
use serde::{Deserialize, Serialize};

use super::{Change, Move, RingPlan, Step, Work};
use crate::Failure;

/// Which form this is; another one is refused.
const FORMAT: u32 = 1;
/// Larger files are no plans: a million groups that move have less.
pub const FILE_BYTES_MAX: u64 = 512 << 20;

#[derive(Serialize, Deserialize)]
struct PlanFile {
    chatring_plan: u32,
    network: String,
    epoch: String,
    steps: Vec<StepFile>,
}

#[derive(Serialize, Deserialize)]
struct StepFile {
    #[serde(flatten)]
    change: ChangeFile,
    copies: u64,
    bytes: u64,
    seconds: f64,
    moves: Vec<MoveFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ChangeFile {
    Add(String),
    Points(u32),
    Remove(String),
}

#[derive(Serialize, Deserialize)]
struct MoveFile {
    group: String,
    from: String,
    to: String,
    members: u64,
    at_master: u64,
}

impl RingPlan {
    /// For the file.
    pub fn to_json(&self) -> serde_json::Value {
        let file = PlanFile {
            chatring_plan: FORMAT,
            network: self.network.clone(),
            epoch: self.epoch.to_string(),
            steps: self.steps.iter().map(StepFile::of).collect(),
        };
        serde_json::to_value(file).expect("texts and numbers are JSON")
    }

    /// What a file holds. `name` is said in complaints.
    pub fn from_json(text: &str, name: &str) -> Result<RingPlan, Failure> {
        let bad = |why: String| Failure::usage(format!("{name} is no plan: {why}")).advise("`chatctl ring plan --out FILE` makes one.");
        let file: PlanFile = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        if file.chatring_plan != FORMAT {
            return Err(bad(format!("it has the form {}, and this chatctl reads {FORMAT}", file.chatring_plan)));
        }
        let epoch = file.epoch.parse().map_err(|_| bad(format!("'{}' is no epoch", file.epoch)))?;
        let steps: Result<Vec<Step>, String> = file.steps.into_iter().map(StepFile::step).collect();
        Ok(RingPlan { network: file.network, epoch, steps: steps.map_err(bad)? })
    }
}

impl StepFile {
    fn of(step: &Step) -> StepFile {
        let row = |moved: &Move| MoveFile {
            group: moved.group.as_str().into(),
            from: moved.from.as_str().into(),
            to: moved.to.as_str().into(),
            members: moved.members,
            at_master: moved.near,
        };
        let change = match &step.change {
            Change::Add(key) => ChangeFile::Add(key.as_str().into()),
            Change::Points(points) => ChangeFile::Points(*points),
            Change::Remove(key) => ChangeFile::Remove(key.as_str().into()),
        };
        let Work { copies, bytes, .. } = step.work;
        StepFile { change, copies, bytes, seconds: step.work.seconds(), moves: step.moves.iter().map(row).collect() }
    }

    fn step(self) -> Result<Step, String> {
        let change = match self.change {
            ChangeFile::Add(text) => Change::Add(key(&text)?),
            ChangeFile::Points(points) => Change::Points(points),
            ChangeFile::Remove(text) => Change::Remove(key(&text)?),
        };
        let row = |row: MoveFile| {
            let group = GroupName::new(&row.group).map_err(|bad| format!("'{}': {bad}", row.group))?;
            Ok(Move { group, from: key(&row.from)?, to: key(&row.to)?, members: row.members, near: row.at_master })
        };
        let moves: Result<Vec<Move>, String> = self.moves.into_iter().map(row).collect();
        let work = Work { copies: self.copies, bytes: self.bytes, ms: (self.seconds * 1_000.0).round() as u64 };
        Ok(Step { change, moves: moves?, work })
    }
}

fn key(text: &str) -> Result<NodeKey, String> {
    NodeKey::new(text).map_err(|bad| format!("'{text}': {bad}"))
}
