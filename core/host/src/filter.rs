//! Filters as chatd asks them.

use crate::error::{Misdeed, PluginError};
use crate::instance::{Gather, Instance};
use chatring_abi::{ChatFilter, DENY, INTERNAL, OK, id, kind};
use chatring_sdk::{Arg, Deed, raw};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a filter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgment {
    /// It is done as it is.
    Pass,
    /// It is done with this text instead.
    Rewrite(String),
    /// It is not done, and this is why.
    Refuse(String),
    /// The plugin failed. For the log; the thing is done as it is.
    Fault(String),
}

/// Longest text or reason.
const TEXT_MAX: usize = 64 << 10;

/// A filter, linked in or loaded. It is asked by one thread at a time.
pub struct Filterer {
    table: &'static ChatFilter,
    instance: Arc<Instance>,
    counts: Counts,
    disabled: AtomicBool,
}

#[derive(Default)]
struct Counts {
    judged: AtomicU64,
    refused: AtomicU64,
    rewritten: AtomicU64,
    faults: AtomicU64,
    overruns: AtomicU64,
}

/// What became of what a filter was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilterCounts {
    /// How much it was asked.
    pub judged: u64,
    /// How much of that it refused.
    pub refused: u64,
    /// How much of it it changed.
    pub rewritten: u64,
    /// How often it broke the contract.
    pub faults: u64,
    /// How often it was not waited for any longer.
    pub overruns: u64,
}

impl Filterer {
    pub(crate) fn of(instance: &Arc<Instance>) -> Result<Option<Filterer>, PluginError> {
        let table = instance.interface::<ChatFilter>(id::FILTER)?;
        let made = |table| Filterer { table, instance: instance.clone(), counts: Counts::default(), disabled: AtomicBool::new(false) };
        Ok(table.map(made))
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        &self.instance.name
    }

    /// It is asked no more, for as long as it is so: it took too long too often, or an operator wants it so.
    pub fn disable(&self, disabled: bool) {
        self.disabled.store(disabled, Ordering::Relaxed);
    }

    /// Whether it is not to be asked.
    pub fn is_disabled(&self) -> bool {
        self.disabled.load(Ordering::Relaxed)
    }

    /// It was not waited for any longer.
    pub fn note_overrun(&self) {
        self.counts.overruns.fetch_add(1, Ordering::Relaxed);
    }

    /// What became of what it was asked.
    pub fn counts(&self) -> FilterCounts {
        let Counts { judged, refused, rewritten, faults, overruns } = &self.counts;
        let [judged, refused, rewritten, faults, overruns] =
            [judged, refused, rewritten, faults, overruns].map(|count| count.load(Ordering::Relaxed));
        FilterCounts { judged, refused, rewritten, faults, overruns }
    }

    /// Asks. May take long, so not on a loop's thread.
    pub fn judge(&self, deed: &Deed<'_>) -> Judgment {
        let judgment = self.ask(deed);
        let count = match &judgment {
            Judgment::Pass => None,
            Judgment::Rewrite(_) => Some(&self.counts.rewritten),
            Judgment::Refuse(_) => Some(&self.counts.refused),
            Judgment::Fault(_) => Some(&self.counts.faults),
        };
        for count in [Some(&self.counts.judged), count].into_iter().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
        }
        judgment
    }

    fn ask(&self, deed: &Deed<'_>) -> Judgment {
        let by = &deed.by;
        let argv = [deed.what.word(), deed.group, deed.text, by.nick, by.user, by.host, by.account, deed.listener].map(Arg::from);
        let Some(record) = raw::lower(kind::COMMAND, &argv) else {
            return self.fault(Misdeed::Internal);
        };
        let mut out = Gather::new(TEXT_MAX);
        let status = {
            let _turn = self.instance.turn();
            // SAFETY: a vetted table and its plugin, one call at a time; record and sink are valid for the call.
            unsafe { (self.table.judge)(self.instance.plugin, &record, out.sink()) }
        };
        if let Some(what) = out.misdeed {
            return self.fault(what);
        }
        let Ok(text) = std::str::from_utf8(out.bytes()).map(str::to_string) else {
            return self.fault(Misdeed::NotText);
        };
        match status {
            OK if text.is_empty() => Judgment::Pass,
            OK => Judgment::Rewrite(text),
            DENY => Judgment::Refuse(text),
            INTERNAL => self.fault(Misdeed::Internal),
            unknown => self.fault(Misdeed::Status(unknown)),
        }
    }

    fn fault(&self, what: Misdeed) -> Judgment {
        let fault = self.instance.fault("judge", what);
        tracing::error!(plugin = &*fault.plugin, "{fault}");
        Judgment::Fault(fault.to_string())
    }
}

impl std::fmt::Debug for Filterer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filterer({})", self.name())
    }
}
