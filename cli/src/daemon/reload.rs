//! The configuration is read again while the daemon runs: what can be other without a start is, all or nothing.

use crate::logging;
use chatring_config::Config;
use chatring_machines::Input;
use chatring_machines::machine::Settings;
use chatring_reactor::Handle;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use toml::Value;

/// What takes effect at once.
const LIVE: [&str; 3] = ["operator", "log.level", "super_node.motd"];

/// A machine that can be told, and the name of its super node.
type Reached = (Option<String>, Handle);

/// Reads the configuration again.
#[derive(Clone)]
pub struct Reload {
    file: PathBuf,
    /// What the process was started with.
    started: Arc<toml::Table>,
    /// Its machines: of a super node with the node's name.
    reached: Arc<Mutex<Vec<Reached>>>,
}

impl Reload {
    /// For a process that was started with this; `file` is absolute.
    pub fn new(file: PathBuf, config: &Config) -> Reload {
        Reload { file, started: Arc::new(table(config)), reached: Arc::default() }
    }

    /// A machine of this process is there.
    pub fn reach(&self, super_node: Option<&str>, handle: Handle) {
        self.lock().push((super_node.map(str::to_string), handle));
    }

    /// Reads it and says in the log what came of it.
    pub fn again(&self) {
        let config = match chatring_config::load(&self.file) {
            Ok(config) => config,
            Err(error) => return tracing::error!("the configuration that was read before stays in use: {error}"),
        };
        for (name, handle) in self.lock().iter() {
            let node = config.super_nodes.iter().find(|node| Some(node.name.as_str()) == name.as_deref());
            let motd = node.map(|node| node.motd.iter().map(|line| line.as_str().into()).collect()).unwrap_or_default();
            let settings = Settings { operators: config.operators.clone(), motd };
            if handle.input(Input::Configured(Box::new(settings))).is_err() {
                tracing::error!(
                    "{} is too busy to hear of its configuration: send SIGHUP again",
                    name.as_deref().unwrap_or("the directory server")
                );
            }
        }
        logging::set_level(config.log_level);
        tracing::info!("read again: {}; operators, log.level and motd are as it says", self.file.display());
        let later: Vec<String> =
            differences(&self.started, &table(&config)).into_iter().filter(|key| !LIVE.iter().any(|live| is_of(key, live))).collect();
        if !later.is_empty() {
            tracing::warn!("changed, and not in use before the next start: {}", later.join(", "));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Reached>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a key is this one, or of the table that is.
fn is_of(key: &str, of: &str) -> bool {
    key.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// It was read before: what it says makes sense.
fn table(config: &Config) -> toml::Table {
    config.text().parse().unwrap_or_default()
}

/// Keys with other values, in order. Of tables that there are several of, all together.
fn differences(before: &toml::Table, now: &toml::Table) -> Vec<String> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    flatten("", before, &mut old);
    flatten("", now, &mut new);
    let keys = old.keys().chain(new.keys()).collect::<std::collections::BTreeSet<_>>();
    keys.into_iter().filter(|key| old.get(*key) != new.get(*key)).cloned().collect()
}

fn flatten(prefix: &str, table: &toml::Table, into: &mut BTreeMap<String, Vec<Value>>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(table) => flatten(&key, table, into),
            Value::Array(items) if items.iter().any(Value::is_table) => {
                items.iter().filter_map(Value::as_table).for_each(|table| flatten(&key, table, into));
            }
            value => into.entry(key).or_default().push(value.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, now: &str, expect: &[&str]) {
        assert_eq!(differences(&before.parse().unwrap(), &now.parse().unwrap()), expect);
    }

    #[test]
    fn what_differs_is_named() {
        let before = "[network]\nname = 'a'\n[[super_node]]\nname = 'x'\nmotd = 'hi'\n[super_node.limits]\nclients = 5\n[[super_node]]\nname = 'y'\n";
        check(before, before, &[]);
        check(before, &before.replace("'hi'", "'ho'"), &["super_node.motd"]);
        check(before, &before.replace("clients = 5", "clients = 6"), &["super_node.limits.clients"]);
        check(before, &before.replace("name = 'y'", "name = 'z'\ndatabase = 'd'"), &["super_node.database", "super_node.name"]);
        check(before, "", &["network.name", "super_node.limits.clients", "super_node.motd", "super_node.name"]);
    }

    #[test]
    fn what_is_live_is_known() {
        for (key, expect) in [
            ("operator.role", true),
            ("log.level", true),
            ("log.level2", false),
            ("log.audit", false),
            ("super_node.motd", true),
            ("operators", false),
        ] {
            assert_eq!(LIVE.iter().any(|live| is_of(key, live)), expect, "{key}");
        }
    }
}
