//! Filters as chatd asks them.

use crate::error::{Misdeed, PluginError};
use crate::instance::{Gather, Instance};
use chatring_abi::{ChatFilter, DENY, INTERNAL, OK, id, kind};
use chatring_sdk::{Arg, Deed, raw};
use std::sync::Arc;

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
}

impl Filterer {
    pub(crate) fn of(instance: &Arc<Instance>) -> Result<Option<Filterer>, PluginError> {
        let table = instance.interface::<ChatFilter>(id::FILTER)?;
        Ok(table.map(|table| Filterer { table, instance: instance.clone() }))
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        &self.instance.name
    }

    /// Asks. May take long, so not on a loop's thread.
    pub fn judge(&self, deed: &Deed<'_>) -> Judgment {
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
