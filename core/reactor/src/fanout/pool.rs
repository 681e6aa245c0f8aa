//! Memory for blocks: taken, given back, counted.
//!
//! A stream that nobody lags behind holds none, so the same few blocks serve all groups in turn and stay in the processor's cache. What is kept for later is bounded;
//! what is out is counted, so that the node's bound can be kept.

use super::stream::Mark;

/// Bytes of a stream's first block. Small, because a thousand quiet groups may each have one slow reader.
pub(super) const SMALL: usize = 4 * 1024;
/// Bytes of every further block. Large, so that a long backlog goes out in few slices.
pub(super) const LARGE: usize = 64 * 1024;
/// Blocks kept of each size.
const SMALL_KEPT_MAX: usize = 256;
const LARGE_KEPT_MAX: usize = 32;

/// The memory of one block.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    pub bytes: Vec<u8>,
    pub marks: Vec<Mark>,
}

/// Where blocks come from.
#[derive(Debug, Default)]
pub(super) struct Pool {
    small: Vec<Buffer>,
    large: Vec<Buffer>,
    held: usize,
}

impl Pool {
    /// An empty buffer with room for `need` bytes.
    pub fn take(&mut self, need: usize, first: bool) -> Buffer {
        let size = if need > LARGE {
            need
        } else if first && need <= SMALL {
            SMALL
        } else {
            LARGE
        };
        let kept = match size {
            SMALL => self.small.pop(),
            LARGE => self.large.pop(),
            _ => None,
        };
        let buffer = kept.unwrap_or_else(|| Buffer { bytes: Vec::with_capacity(size), marks: Vec::new() });
        self.held += buffer.bytes.capacity();
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&mut self, mut buffer: Buffer) {
        self.held -= buffer.bytes.capacity();
        let (kept, kept_max) = match buffer.bytes.capacity() {
            SMALL => (&mut self.small, SMALL_KEPT_MAX),
            LARGE => (&mut self.large, LARGE_KEPT_MAX),
            _ => return,
        };
        if kept.len() < kept_max {
            buffer.bytes.clear();
            buffer.marks.clear();
            kept.push(buffer);
        }
    }

    /// Bytes in blocks that are out.
    pub fn held(&self) -> usize {
        self.held
    }
}
