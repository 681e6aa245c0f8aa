//! Where a line's records and answers go, remembering whether the node has had enough for this turn.

use chatring_sdk::{Arg, Decoded, Flow, Kind, Record};

/// The node's side of a decode.
pub(crate) struct Sink<'a> {
    out: &'a mut dyn Decoded,
    flow: Flow,
    given: bool,
}

impl<'a> Sink<'a> {
    pub fn new(out: &'a mut dyn Decoded) -> Sink<'a> {
        Sink { out, flow: Flow::Continue, given: false }
    }

    /// Whether the node said stop.
    pub fn stopped(&self) -> bool {
        self.flow == Flow::Stop
    }

    /// Whether it did, and got a record: only then does it come back for the rest of a list.
    pub fn stopped_midway(&self) -> bool {
        self.stopped() && self.given
    }

    /// A command for the node.
    pub fn record(&mut self, words: &[&str]) {
        let argv: Vec<Arg<'_>> = words.iter().map(|&word| Arg::from(word)).collect();
        let flow = self.out.record(&Record::new(Kind::Command, &argv));
        self.given = true;
        self.heard(flow);
    }

    /// Bytes for the peer.
    pub fn wire(&mut self, bytes: &[u8]) {
        let flow = self.out.wire(bytes);
        self.heard(flow);
    }

    /// Lines for the peer.
    pub fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        write(&mut bytes);
        self.wire(&bytes);
    }

    fn heard(&mut self, flow: Flow) {
        if flow == Flow::Stop {
            self.flow = Flow::Stop;
        }
    }
}
