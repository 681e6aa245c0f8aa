//! Starting, stopping, and what a plugin offers in between.

use super::count;
use super::file::too_small;
use crate::calls::say;
use crate::plugin::{Finding, Plugin};
use crate::word::{Case, Identity, Word};
use chatring_abi::{ChatAuth, ChatFilter, ChatTimed, ChatTransport, id};
use chatring_host::PluginError;
use chatring_host::vet::{self, Table};
use std::ffi::CStr;

/// A start that may be refused, as long as it says why.
fn may_refuse(case: &Case, config: &str, old_host: bool, started: &str) -> Finding {
    match Plugin::start_with(case, config, old_host)? {
        Ok(_) => Ok(started.into()),
        Err(refused) => refused.words().map(|why| format!("refuses, and says why: {why}")),
    }
}

pub(crate) fn empty(case: &Case) -> Finding {
    may_refuse(case, "", false, "starts")
}

pub(crate) fn nonsense(case: &Case) -> Finding {
    may_refuse(case, "= [[[ this is no TOML", false, "starts, and does not read its table at all")
}

pub(crate) fn unknown(case: &Case) -> Finding {
    let table = format!("{}\nno_such_setting_by_any_name = 1\n", case.config);
    may_refuse(case, &table, false, "starts: a setting that is misspelt goes unnoticed")
}

pub(crate) fn old_host(case: &Case) -> Finding {
    may_refuse(case, &case.config, true, "starts without log, clock, timers, metrics, bots and late answers")
}

pub(crate) fn given(case: &Case) -> Finding {
    match Plugin::start_with(case, &case.config, false)? {
        Ok(_) if case.config.is_empty() => Ok("starts, with an empty table".into()),
        Ok(_) => Ok("starts".into()),
        Err(refused) => match refused.words() {
            Ok(why) if case.config.is_empty() => Err(format!("refuses an empty table: {why}; give it one with --config")),
            Ok(why) => Err(format!("refuses its table: {why}")),
            Err(mute) => Err(mute),
        },
    }
}

pub(crate) fn stops(case: &Case) -> Finding {
    let plugin = Plugin::start(case)?;
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, |tasks| tasks.count());
    let before = threads();
    plugin.stop();
    // What still runs may call chatd, which stays; it is its author's business what it does.
    match threads() {
        left if left > 2 && left >= before => Ok(format!("stops, and leaves {} behind", count(left - 2, "thread"))),
        _ => Ok("stops".into()),
    }
}

/// The interfaces that chatd asks for.
pub(crate) const KNOWN: [&CStr; 4] = [id::TRANSPORT, id::AUTH, id::FILTER, id::TIMED];

pub(crate) fn interfaces(case: &Case) -> Finding {
    let plugin = Plugin::start(case)?;
    let entry = plugin.entry();
    let has: Vec<String> = KNOWN.iter().filter(|id| plugin.has(id)).map(|id| id.to_string_lossy().into_owned()).collect();
    // SAFETY: null or C strings, by the contract.
    let (name, version) = unsafe { (vet::name(entry.name, ""), vet::text(entry.version)) };
    let name = name.map_err(|error| error.to_string())?;
    let (said, useful) = (has.join(", "), has.iter().any(|id| id.as_str() != "chat.timed/1"));
    say(&Word::Is(Identity { name, version: version.unwrap_or_default(), minor: entry.minor, interfaces: has }));
    if plugin.has(c"chat.no-such-interface/1") {
        return Err("answers with something when asked for an interface that nobody knows: it must be null".into());
    }
    match useful {
        true => Ok(format!("offers {said}")),
        false => Err("offers neither chat.transport/1 nor chat.auth/1 nor chat.filter/1".into()),
    }
}

/// What is wrong with the first interface that anything is wrong with.
fn wrong(case: &Case) -> Result<Option<PluginError>, String> {
    fn one<T: Table + 'static>(plugin: &Plugin, id: &CStr) -> Option<PluginError> {
        plugin.vetted::<T>(id).err()
    }
    let plugin = Plugin::start(case)?;
    Ok(one::<ChatTransport>(plugin, id::TRANSPORT)
        .or_else(|| one::<ChatAuth>(plugin, id::AUTH))
        .or_else(|| one::<ChatFilter>(plugin, id::FILTER))
        .or_else(|| one::<ChatTimed>(plugin, id::TIMED)))
}

pub(crate) fn sizes(case: &Case) -> Finding {
    match wrong(case)? {
        Some(PluginError::TooSmall { what, size, needed, .. }) => Err(too_small(what, size, needed)),
        _ => Ok("its interfaces have all fields of their revisions".into()),
    }
}

pub(crate) fn functions(case: &Case) -> Finding {
    match wrong(case)? {
        Some(PluginError::NullFunction { what, function, .. }) => Err(format!("`{function}` in its {what} is null")),
        _ => Ok("none of their functions is null".into()),
    }
}

pub(crate) fn timers(case: &Case) -> Finding {
    let plugin = Plugin::start(case)?;
    let Some(timed) = plugin.vetted::<ChatTimed>(id::TIMED).map_err(|error| error.to_string())? else {
        return match plugin.host.timers() {
            none if none.is_empty() => Ok("sets none".into()),
            set => Err(format!("sets timer {}, and has no chat.timed/1 that could be called", set[0])),
        };
    };
    // Timers that it set, some that it did not, and once more what is over.
    let set = plugin.host.timers();
    let strange = [0, 1, u64::MAX, case.seed];
    for timer in set.iter().chain(&strange).chain(&set) {
        plugin.fire(timed, *timer);
    }
    plugin.stop();
    Ok(format!("{} set in start; all, and some that were not set, went off", count(set.len(), "timer")))
}
