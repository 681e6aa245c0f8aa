//! Placement: which super nodes a group belongs to, in order of preference.
//!
//! A pure function of a view's nodes and parameters: everyone who holds the same view finds the same master, without asking. Nodes and groups are points
//! on a circle of 2^32; who is nearer comes first, ties go to the smaller point and then to the smaller key.
//!
//! Points are sorted once, when a view arrives. A look-up is a binary search that allocates nothing; the order of preference is walked lazily, outwards from the group in
//! both directions. Two points of different nodes can fall on the same spot of the circle, so a spot has a list of owners:
//!
//! ```text
//!     spots    [  17 |  40 |  99 ]          each number once, ascending
//!     firsts   [   0 |   1 |   3 | 4 ]      where a spot's owners begin
//!     owners   [ 2 | 0  1 | 2 ]             indices into keys, ascending: at 40 both 0 and 1
//! ```

use std::net::IpAddr;

use smallvec::SmallVec;

use crate::names::NodeKey;
use crate::view::{Metric, RingParams, View};

/// The most points a node has; more are not computed.
pub const POINTS_MAX: u32 = 1024;

/// `md5(text) mod 2^32`: the last four bytes of the digest, big-endian.
pub fn point(text: &str) -> u32 {
    use md5::Digest;
    let digest = md5::Md5::digest(text.as_bytes());
    let mut last = [0; 4];
    last.copy_from_slice(&digest[12..]);
    u32::from_be_bytes(last)
}

impl Metric {
    /// How far two points are from each other.
    pub fn distance(self, a: u32, b: u32) -> u32 {
        match self {
            Metric::Circular => a.wrapping_sub(b).min(b.wrapping_sub(a)),
            Metric::Linear => a.abs_diff(b),
        }
    }
}

/// A view made ready for look-ups.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    params: RingParams,
    /// Ascending.
    keys: Vec<NodeKey>,
    /// Of the keys, in their order.
    hosts: Vec<Option<IpAddr>>,
    spots: Vec<u32>,
    firsts: Vec<u32>,
    owners: Vec<u32>,
}

impl Ring {
    /// The ring of a view.
    pub fn new(view: &View) -> Ring {
        Ring::of(view.nodes.iter().map(|node| node.key.clone()), view.params)
    }

    /// The ring of these nodes. A key that comes twice counts once; a gateway has no place.
    pub fn of(keys: impl IntoIterator<Item = NodeKey>, params: RingParams) -> Ring {
        let mut keys: Vec<NodeKey> = keys.into_iter().filter(|key| key.host().is_some()).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut points: Vec<(u32, u32)> = Vec::with_capacity(keys.len() * params.points.clamp(1, POINTS_MAX) as usize);
        for (owner, key) in (0..).zip(&keys) {
            points.extend(points_of(key, params).map(|at| (at, owner)));
        }
        points.sort_unstable();
        points.dedup();

        let mut ring = Ring { params, hosts: keys.iter().map(NodeKey::host).collect(), keys, ..Ring::default() };
        for (at, owner) in points {
            if ring.spots.last() != Some(&at) {
                ring.spots.push(at);
                ring.firsts.push(ring.owners.len() as u32);
            }
            ring.owners.push(owner);
        }
        ring.firsts.push(ring.owners.len() as u32);
        ring
    }

    /// How it places.
    pub fn params(&self) -> RingParams {
        self.params
    }

    /// Its nodes, ordered by key.
    pub fn nodes(&self) -> &[NodeKey] {
        &self.keys
    }

    /// How far two points are from each other here.
    pub fn distance(&self, a: u32, b: u32) -> u32 {
        self.params.metric.distance(a, b)
    }

    /// Who is responsible for the group, by its canonical name; `None` in an empty ring.
    pub fn master(&self, group: &str) -> Option<&NodeKey> {
        self.master_of(point(group))
    }

    /// Who is responsible for a group whose point is known.
    pub fn master_of(&self, at: u32) -> Option<&NodeKey> {
        let spot = self.walk(at).next()?;
        Some(&self.keys[self.owners_of(spot)[0] as usize])
    }

    /// Who has the copy of the group; `None` when the master is alone.
    pub fn standby(&self, group: &str) -> Option<&NodeKey> {
        self.standby_of(point(group))
    }

    /// Who has the copy of a group whose point is known: the next in order on another host, or on the same where there is no other.
    pub fn standby_of(&self, at: u32) -> Option<&NodeKey> {
        let mut order = self.owner_order(at);
        let master_host = self.hosts[order.next()?];
        let mut second = None;
        for owner in order {
            if self.hosts[owner] != master_host {
                return Some(&self.keys[owner]);
            }
            second.get_or_insert(owner);
        }
        second.map(|owner| &self.keys[owner])
    }

    /// All nodes, in order of preference for a point, found as far as one asks. Keeps a bit per node, off the heap up to 256 nodes.
    pub fn order(&self, at: u32) -> impl Iterator<Item = &NodeKey> {
        self.owner_order(at).map(|owner| &self.keys[owner])
    }

    /// How far a point is from a node's nearest point; `None` when the node is not in the ring.
    pub fn distance_to(&self, at: u32, key: &NodeKey) -> Option<u32> {
        self.keys.binary_search(key).ok()?;
        points_of(key, self.params).map(|its| self.distance(at, its)).min()
    }

    /// What each node has of the circle, ordered by key. Takes O(points); for people to look at.
    pub fn shares(&self) -> Vec<Share<'_>> {
        let mut shares: Vec<Share<'_>> =
            self.keys.iter().map(|key| Share { key, points: points_of(key, self.params).collect(), covers: 0 }).collect();
        for spot in 0..self.spots.len() {
            shares[self.owners_of(spot)[0] as usize].covers += self.covers(spot);
        }
        shares
    }

    /// The circle from 0 on, cut where another node begins to be the nearest. Takes O(points); for people to look at.
    pub fn arcs(&self) -> Vec<Arc<'_>> {
        let mut arcs: Vec<Arc<'_>> = Vec::new();
        for (spot, &here) in self.spots.iter().enumerate() {
            let (below, above) = self.reach(spot);
            let (first, last) = (here.wrapping_sub(below as u32), here.wrapping_add(above as u32));
            let key = &self.keys[self.owners_of(spot)[0] as usize];
            // One that passes zero, or is all of it, is two: what is behind zero comes first.
            if first > last {
                arcs.insert(0, Arc { key, first: 0, last });
                arcs.push(Arc { key, first, last: u32::MAX });
            } else {
                arcs.push(Arc { key, first, last });
            }
        }
        arcs.sort_by_key(|arc| arc.first);
        arcs.dedup_by(|next, before| {
            let goes_on = next.key == before.key;
            before.last = if goes_on { next.last } else { before.last };
            goes_on
        });
        arcs
    }

    /// How many of the 2^32 points a spot is the nearest to.
    fn covers(&self, spot: usize) -> u64 {
        let (below, above) = self.reach(spot);
        below + 1 + above
    }

    /// How many points below a spot, and above it, it is the nearest to.
    fn reach(&self, spot: usize) -> (u64, u64) {
        let here = self.spots[spot];
        if self.spots.len() == 1 {
            return (u64::from(here), u64::from(u32::MAX - here));
        }
        let last = self.spots.len() - 1;
        // Of the points strictly between two spots each gets half; the one in the middle, if there is one, goes to the smaller spot.
        let half = |gap: u64, smaller: bool| (gap - 1) / 2 + u64::from(smaller && gap.is_multiple_of(2));
        let wraps = self.params.metric == Metric::Circular;
        let round = CIRCLE - u64::from(self.spots[last] - self.spots[0]);
        let below = match spot {
            0 if wraps => half(round, true),
            0 => u64::from(here),
            _ => half(u64::from(here - self.spots[spot - 1]), false),
        };
        let above = match spot {
            _ if spot < last => half(u64::from(self.spots[spot + 1] - here), true),
            _ if wraps => half(round, false),
            _ => u64::from(u32::MAX - here),
        };
        (below, above)
    }

    fn owners_of(&self, spot: usize) -> &[u32] {
        &self.owners[self.firsts[spot] as usize..self.firsts[spot + 1] as usize]
    }

    fn owner_order(&self, at: u32) -> impl Iterator<Item = usize> {
        let mut seen: SmallVec<[u64; 4]> = SmallVec::from_elem(0, self.keys.len().div_ceil(64));
        let owners = self.walk(at).flat_map(|spot| self.owners_of(spot)).map(|&owner| owner as usize);
        owners.filter(move |owner| {
            let (word, bit) = (&mut seen[owner / 64], 1 << (owner % 64));
            let new = *word & bit == 0;
            *word |= bit;
            new
        })
    }

    fn walk(&self, at: u32) -> Walk<'_> {
        let start = self.spots.partition_point(|&spot| spot < at);
        let wraps = self.params.metric == Metric::Circular;
        // On the circle the walk starts one round up, so that going down does not pass zero.
        let start = if wraps { start + self.spots.len() } else { start };
        Walk { ring: self, at, wraps, up: start, down: start, left: self.spots.len() }
    }
}

/// What a node has of the circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share<'a> {
    /// Which node.
    pub key: &'a NodeKey,
    /// Where it stands; as many as the ring's parameters say.
    pub points: Vec<u32>,
    /// To how many of the 2^32 points it is the nearest.
    pub covers: u64,
}

impl Share<'_> {
    /// The same as a fraction of the whole.
    pub fn fraction(&self) -> f64 {
        self.covers as f64 / CIRCLE as f64
    }
}

/// A part of the circle that is nearest to one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arc<'a> {
    /// Whose it is.
    pub key: &'a NodeKey,
    /// Its first point.
    pub first: u32,
    /// Its last one, which is its own, too.
    pub last: u32,
}

/// The spots, nearest first. Of what is left the nearest is always the next one up or the next one down; each number is one spot, so a tie
/// between the two goes to the smaller.
struct Walk<'a> {
    ring: &'a Ring,
    at: u32,
    wraps: bool,
    /// The next spot upwards, modulo their number.
    up: usize,
    /// One above the next spot downwards, modulo their number.
    down: usize,
    left: usize,
}

impl Iterator for Walk<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let count = self.ring.spots.len();
        self.left = self.left.checked_sub(1)?;
        let up = (self.wraps || self.up < count).then(|| self.up % count);
        let down = (self.wraps || self.down > 0).then(|| (self.down - 1) % count);
        let rank = |spot: usize| (self.ring.distance(self.ring.spots[spot], self.at), self.ring.spots[spot]);
        let goes_up = match (up, down) {
            (Some(up), Some(down)) => rank(up) <= rank(down),
            (up, _) => up.is_some(),
        };
        if goes_up {
            self.up += 1;
            up
        } else {
            self.down -= 1;
            down
        }
    }
}

/// `key`, `key#1`, `key#2` …
fn points_of(key: &NodeKey, params: RingParams) -> impl Iterator<Item = u32> {
    let more = (1..params.points.clamp(1, POINTS_MAX)).map(move |number| point(&format!("{key}#{number}")));
    std::iter::once(point(key.as_str())).chain(more)
}

const CIRCLE: u64 = 1 << 32;
