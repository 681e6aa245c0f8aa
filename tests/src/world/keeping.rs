//! The disk of a super node: what waits to be written, by the same rules as the reactor's keeper, and what is written.
//!
//! One batch at a time is on its way, and is synced as a whole; whoever waits for something in it is told then. A process that is killed loses what waits, and of the batch some
//! beginning may be there all the same. One that ends in order waits for all of it, unless the disk fails. The disk outlives the process.

use chatring_machines::ids::Ticket;
use chatring_machines::keeping::{Durability, Health, Keeping, KeptGroup, MemoryKeeper, Waiting};
use chatring_machines::machine::StoreError;
use chatring_machines::time::Jitter;

/// Bytes of one transaction, roughly.
const BATCH_MAX: usize = 8 << 20;
/// How long after a failure it is tried again.
pub(super) const RETRY_MS: u64 = 300;

/// What a super node keeps, and how its disk is.
#[derive(Debug)]
pub struct NodeDisk {
    keeper: MemoryKeeper,
    waiting: Waiting,
    waiting_max: usize,
    batch: Vec<Keeping>,
    /// Each write takes so much longer, in milliseconds.
    pub slow_ms: u64,
    /// Nothing can be written.
    pub full: bool,
}

/// What came of a write.
pub struct Written {
    /// Who is to be told.
    pub tickets: Vec<Ticket>,
    /// What is to be said of the disk.
    pub health: Health,
    /// There is more to write; after so long at the earliest.
    pub more_ms: Option<u64>,
}

impl NodeDisk {
    /// An empty one, for whose writes about so many bytes may wait.
    pub fn new(durability: Durability, waiting_max: usize) -> NodeDisk {
        let waiting = Waiting::new(waiting_max);
        NodeDisk { keeper: MemoryKeeper::new(durability), waiting, waiting_max, batch: Vec::new(), slow_ms: 0, full: false }
    }

    /// Takes something to keep. True: nothing was on its way, and a write begins.
    pub fn push(&mut self, keeping: Keeping) -> (Health, bool) {
        let health = self.waiting.push(keeping);
        let idle = self.batch.is_empty();
        self.begin();
        (health, idle && !self.batch.is_empty())
    }

    fn begin(&mut self) {
        if self.batch.is_empty() {
            self.waiting.take(&mut self.batch, BATCH_MAX);
        }
    }

    /// The batch reaches the disk now; or the disk only says so.
    pub fn sync(&mut self, lies: bool) -> Written {
        if self.full {
            let health = self.waiting.failed(&StoreError("no space left".into()));
            return Written { tickets: Vec::new(), health, more_ms: Some(RETRY_MS) };
        }
        let tickets = if lies {
            self.batch.iter().filter_map(|keeping| keeping.ticket).collect()
        } else {
            self.batch.iter().cloned().for_each(|keeping| self.keeper.keep(keeping));
            self.keeper.sync()
        };
        let health = self.waiting.written(&self.batch, true);
        self.batch.clear();
        self.begin();
        Written { tickets, health, more_ms: (!self.batch.is_empty()).then_some(0) }
    }

    /// The process is gone. True: of what was on its way, something was written.
    pub fn crash(&mut self, rng: &mut Jitter) -> bool {
        let batch = std::mem::take(&mut self.batch);
        let some = if batch.is_empty() || self.full { 0 } else { rng.below(batch.len() as u64 + 1) as usize };
        batch.into_iter().for_each(|keeping| self.keeper.keep(keeping));
        self.keeper.crash(some);
        self.waiting = Waiting::new(self.waiting_max);
        some > 0
    }

    /// The process ends in order: what waits is written first, if it can be.
    pub fn close(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        self.waiting.take(&mut batch, usize::MAX);
        let whole = self.waiting.is_whole() && (batch.is_empty() || !self.full);
        let some = if self.full { 0 } else { batch.len() };
        batch.into_iter().for_each(|keeping| self.keeper.keep(keeping));
        if whole {
            self.keeper.close()
        } else {
            self.keeper.crash(some)
        }
        self.waiting = Waiting::new(self.waiting_max);
    }

    /// What a process that starts finds.
    pub fn load(&self) -> Vec<KeptGroup> {
        self.keeper.load()
    }
}
