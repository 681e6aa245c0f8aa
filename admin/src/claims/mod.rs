//! What all nodes say of a group, put together: is there one who serves it, the right one, and does everyone know?
//!
//! [`judge`] is a function of what was said. Nodes are asked side by side and a ring changes at once nowhere, so what it finds may be gone a moment later: whoever complains asks twice.

mod shown;

use std::collections::BTreeSet;
use std::fmt;

use chatring_machines::claim::{GroupClaim, Stand};
use chatring_machines::ids::Epoch;
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::ring::Ring;
use chatring_machines::view::View;

use crate::text::{clean, count};
use crate::{Failure, FailureKind};

pub use shown::sheet;

/// A node, and what it said.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which node.
    pub node: NodeKey,
    /// Its claim, or why there is none.
    pub answer: Result<GroupClaim, String>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Several nodes serve it.
    TwoMasters {
        /// Which.
        nodes: Vec<NodeKey>,
    },
    /// Someone is in it, and nobody serves it, or is about to.
    Orphan {
        /// Who has a copy.
        copies: Vec<NodeKey>,
        /// Who has people in it.
        edges: Vec<NodeKey>,
        /// How many people that are, or how many there were when it was reported last.
        people: u64,
    },
    /// These go by an older ring than others.
    Stale {
        /// Who, and by which.
        nodes: Vec<(NodeKey, Epoch)>,
        /// The newest that anyone has.
        newest: Epoch,
    },
    /// These are in the ring, and do not answer.
    Silent {
        /// Who, and what came of asking.
        nodes: Vec<(NodeKey, String)>,
    },
    /// It is not where it belongs.
    Elsewhere {
        /// Who serves it.
        at: NodeKey,
        /// Who should.
        master: NodeKey,
    },
    /// People of these nodes hear it from someone who does not serve it, or from nobody.
    Astray {
        /// Which nodes, and from whom.
        edges: Vec<(NodeKey, Option<NodeKey>)>,
    },
    /// A node waits for something.
    Waits {
        /// Which.
        node: NodeKey,
        /// What it is to the group.
        stand: Stand,
        /// What for.
        why: String,
    },
}

/// What is wrong, the worst first; nothing if all is well. `reported`: how many members the directory knows of.
pub fn judge(view: &View, group: &GroupName, asked: &[Asked], reported: u64) -> Vec<Finding> {
    let claims: Vec<&GroupClaim> = asked.iter().filter_map(|asked| asked.answer.as_ref().ok()).collect();
    let held: Vec<&NodeKey> = claims.iter().filter(|claim| claim.stand == Stand::Held).map(|claim| &claim.node).collect();
    let mut findings = Vec::new();
    if held.len() > 1 {
        findings.push(Finding::TwoMasters { nodes: held.iter().copied().cloned().collect() });
    }
    findings.extend(orphan(&claims, reported));
    findings.extend(stale(view, &claims));
    let silent = asked.iter().filter(|asked| view.node(&asked.node).is_some());
    let silent = silent.filter_map(|asked| Some((asked.node.clone(), asked.answer.as_ref().err()?.clone())));
    let silent: Vec<(NodeKey, String)> = silent.collect();
    if !silent.is_empty() {
        findings.push(Finding::Silent { nodes: silent });
    }
    if let ([at], Some(master)) = (&held[..], Ring::new(view).master(group.as_str()))
        && *at != master
    {
        findings.push(Finding::Elsewhere { at: (*at).clone(), master: master.clone() });
    }
    if !held.is_empty() {
        let astray = claims.iter().filter(|claim| claim.seats > 0 && claim.hears.as_ref().is_none_or(|hears| !held.contains(&hears)));
        let edges: Vec<_> = astray.map(|claim| (claim.node.clone(), claim.hears.clone())).collect();
        if !edges.is_empty() {
            findings.push(Finding::Astray { edges });
        }
    }
    let waits = claims.iter().filter(|claim| !claim.why.is_empty());
    findings.extend(waits.map(|claim| Finding::Waits { node: claim.node.clone(), stand: claim.stand, why: claim.why.to_string() }));
    findings
}

fn orphan(claims: &[&GroupClaim], reported: u64) -> Option<Finding> {
    if claims.iter().any(|claim| matches!(claim.stand, Stand::Held | Stand::Opening)) {
        return None;
    }
    let nodes = |wanted: &dyn Fn(&GroupClaim) -> bool| -> Vec<NodeKey> {
        claims.iter().filter(|claim| wanted(claim)).map(|claim| claim.node.clone()).collect()
    };
    let copies = nodes(&|claim| claim.stand == Stand::Copy && claim.birth.is_some());
    let edges = nodes(&|claim| claim.seats > 0);
    let connected: u64 = claims.iter().map(|claim| claim.seats).sum();
    let remembered = claims.iter().map(|claim| claim.members).chain([reported]).max().unwrap_or(0);
    let people = if connected > 0 { connected } else { remembered };
    (people > 0).then_some(Finding::Orphan { copies, edges, people })
}

fn stale(view: &View, claims: &[&GroupClaim]) -> Option<Finding> {
    let newest = claims.iter().map(|claim| claim.epoch).chain([view.epoch]).max()?;
    // Who has just been started, and is not let in yet, knows of no ring and serves nothing.
    let is_behind = |claim: &&&GroupClaim| claim.epoch < newest && (claim.epoch > Epoch::default() || claim.in_ring);
    let nodes: Vec<_> = claims.iter().filter(is_behind).map(|claim| (claim.node.clone(), claim.epoch)).collect();
    (!nodes.is_empty()).then_some(Finding::Stale { nodes, newest })
}

/// Nodes that were named by those who answered and were not asked themselves: they may have something, in the ring or out of it.
pub fn named(asked: &[Asked]) -> BTreeSet<NodeKey> {
    let claims = asked.iter().filter_map(|asked| asked.answer.as_ref().ok());
    let named = claims.flat_map(|claim| claim.hears.iter().chain(&claim.master).chain(&claim.copies).chain(&claim.gone));
    named.filter(|node| asked.iter().all(|asked| asked.node != **node)).cloned().collect()
}

impl Finding {
    /// What exit code says so.
    pub fn kind(&self) -> FailureKind {
        match self {
            Finding::TwoMasters { .. } => FailureKind::TwoMasters,
            Finding::Orphan { .. } => FailureKind::Orphan,
            Finding::Stale { .. } => FailureKind::Stale,
            Finding::Silent { .. } => FailureKind::Unreachable,
            Finding::Elsewhere { .. } | Finding::Astray { .. } | Finding::Waits { .. } => FailureKind::Refused,
        }
    }

    /// Its word in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Finding::TwoMasters { .. } => "two-masters",
            Finding::Orphan { .. } => "orphan",
            Finding::Stale { .. } => "stale",
            Finding::Silent { .. } => "silent",
            Finding::Elsewhere { .. } => "elsewhere",
            Finding::Astray { .. } => "astray",
            Finding::Waits { .. } => "waits",
        }
    }

    /// The nodes that it is about.
    pub fn nodes(&self) -> Vec<&NodeKey> {
        match self {
            Finding::TwoMasters { nodes } => nodes.iter().collect(),
            Finding::Orphan { copies, edges, .. } => copies.iter().chain(edges).collect(),
            Finding::Stale { nodes, .. } => nodes.iter().map(|(node, _)| node).collect(),
            Finding::Silent { nodes } => nodes.iter().map(|(node, _)| node).collect(),
            Finding::Elsewhere { at, .. } => vec![at],
            Finding::Astray { edges } => edges.iter().map(|(edge, _)| edge).collect(),
            Finding::Waits { node, .. } => vec![node],
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Finding::TwoMasters { .. } => {
                "Only the one with the newest epoch may be right; stop the other, or find out what keeps it from the directory servers."
            }
            Finding::Orphan { .. } => {
                "Whoever asks for the group has its master open it; the nodes that do not answer may have more of it: start them first."
            }
            Finding::Stale { .. } => {
                "They hear nothing from the directory servers: look at the network between them, and at `chatctl node list`."
            }
            Finding::Silent { .. } => "What they have of the group is not known.",
            Finding::Elsewhere { .. } | Finding::Astray { .. } | Finding::Waits { .. } => {
                "It is safe where it is; run the command again in a few seconds, and `chatctl check`."
            }
        }
    }
}

/// What the command ends with, where something was found.
pub fn failure(findings: &[Finding]) -> Option<Failure> {
    let worst = findings.first()?;
    let what = findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("\n");
    Some(Failure { kind: worst.kind(), what, advice: Some(worst.advice().to_string()) })
}

/// Nodes as in a sentence.
fn list<'a>(nodes: impl IntoIterator<Item = &'a NodeKey>) -> String {
    nodes.into_iter().map(NodeKey::as_str).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::TwoMasters { nodes } => write!(f, "two masters: {} serve it, and only one may", list(nodes)),
            Finding::Orphan { copies, edges, people } => {
                write!(f, "orphaned: nobody who answers serves it, and {} in it", count(*people, "person is", "people are"))?;
                if !edges.is_empty() {
                    write!(f, ", at {}", list(edges))?;
                }
                match copies.is_empty() {
                    true => f.write_str("; no node that answers has a copy"),
                    false => write!(
                        f,
                        "; {} a copy",
                        if copies.len() == 1 { format!("{} has", copies[0]) } else { format!("{} have", list(copies)) }
                    ),
                }
            }
            Finding::Stale { nodes, newest } => {
                let of = |(node, epoch): &(NodeKey, Epoch)| format!("{node} goes by epoch {epoch}");
                write!(f, "stale view: {}, and the ring is at {newest}", nodes.iter().map(of).collect::<Vec<_>>().join(", "))
            }
            Finding::Silent { nodes } => {
                let of = |(node, why): &(NodeKey, String)| format!("{node} does not answer ({})", clean(why));
                f.write_str(&nodes.iter().map(of).collect::<Vec<_>>().join("; "))
            }
            Finding::Elsewhere { at, master } => write!(f, "not at home: {at} serves it, and {master} should"),
            Finding::Astray { edges } => {
                let of = |(edge, hears): &(NodeKey, Option<NodeKey>)| match hears {
                    Some(hears) => format!("people at {edge} hear it from {hears}, which does not serve it"),
                    None => format!("people at {edge} hear it from nobody"),
                };
                f.write_str(&edges.iter().map(of).collect::<Vec<_>>().join("; "))
            }
            Finding::Waits { node, why, .. } => write!(f, "{node} waits: {}", clean(why)),
        }
    }
}

#[cfg(test)]
mod tests;
