//! Placement: which super nodes a group belongs to, in order.

use crate::names::NodeKey;
use crate::view::View;

/// `md5(text) mod 2^32`: the last four bytes of the digest, big-endian.
pub fn point(text: &str) -> u32 {
    use md5::Digest;
    let digest = md5::Md5::digest(text.as_bytes());
    let mut last = [0; 4];
    last.copy_from_slice(&digest[12..]);
    u32::from_be_bytes(last)
}

/// A view made ready for look-ups.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    nodes: Vec<NodeKey>,
}

impl Ring {
    /// Sorts the points of a view's nodes.
    pub fn new(view: &View) -> Ring {
        Ring { nodes: view.nodes.iter().map(|node| node.key.clone()).collect() }
    }
}
