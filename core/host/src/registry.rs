//! The plugins of one process, by name.

use crate::auth::Authenticator;
use crate::error::PluginError;
use crate::filter::{FilterCounts, Filterer};
use crate::instance::Instance;
use crate::metrics::Metric;
use crate::services::Hooks;
use crate::transport::Transport;
use crate::vet;
use chatring_abi::ChatEntry;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The plugins that are started, by name.
pub struct Plugins {
    by_name: BTreeMap<String, Plugin>,
    hooks: Hooks,
}

struct Plugin {
    instance: Arc<Instance>,
    transport: Option<Arc<Transport>>,
    auth: Option<Arc<Authenticator>>,
    filter: Option<Arc<Filterer>>,
}

/// What there is to say about a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginInfo {
    /// Its name in configs.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// Its file, or "linked in".
    pub origin: String,
    /// It is a transport.
    pub transport: bool,
    /// It is an authenticator.
    pub auth: bool,
    /// It is a filter.
    pub filter: bool,
    /// Nothing new goes to it.
    pub disabled: bool,
    /// What became of what it was asked, as a filter.
    pub judged: Option<FilterCounts>,
    /// What it counts.
    pub metrics: Vec<Metric>,
}

const LINKED_IN: &str = "linked in";

impl Plugins {
    /// None yet. The hooks hear what plugins say by themselves.
    pub fn new(hooks: Hooks) -> Plugins {
        Plugins { by_name: BTreeMap::new(), hooks }
    }

    /// Starts a plugin that is part of this program. `config` is its own table as TOML text.
    pub fn link(&mut self, entry: &'static ChatEntry, config: &str) -> Result<(), PluginError> {
        self.take(entry, LINKED_IN, |_| config).map(drop)
    }

    /// Loads a shared library and starts the plugin in it. Its code runs from here on with all rights of this process. It stays
    /// mapped until the process ends, even if the plugin is refused: its threads and thread-locals may outlive anything else.
    pub fn load(&mut self, path: &Path, config: &str) -> Result<(), PluginError> {
        self.load_with(path, |_| config)
    }

    /// As [`Plugins::load`], where the name, which only the library tells, decides which table is the plugin's own.
    pub fn load_with<'c>(&mut self, path: &Path, config_of: impl FnOnce(&str) -> &'c str) -> Result<(), PluginError> {
        let origin = path.display().to_string();
        // SAFETY: what a plugin's library promises with the symbol's name: null or an entry that stays.
        self.take(unsafe { vet::open(path)?() }, &origin, config_of).map(drop)
    }

    /// As [`Plugins::load_with`], while everything goes on: the library is copied first, so that its file may be replaced, or written to, meanwhile. Gives its name.
    pub fn load_live<'c>(&mut self, path: &Path, config_of: impl FnOnce(&str) -> &'c str) -> Result<String, PluginError> {
        let origin = path.display().to_string();
        // SAFETY: what a plugin's library promises with the symbol's name: null or an entry that stays.
        self.take(unsafe { vet::open_copy(path)?() }, &origin, config_of)
    }

    /// Starts the plugin in a file beside the one of the same name. Once it has started, and is all that the other one is, it takes its place; else the other one stays as it is. What uses the other one has to be told, and goes on with it until then.
    pub fn swap(&mut self, name: &str, path: &Path, config: &str) -> Result<Swapped, PluginError> {
        let before = self.find(name)?;
        let origin = path.display().to_string();
        // SAFETY: as above.
        let entry = unsafe { vet::entry(vet::open_copy(path)?(), &origin)? };
        // SAFETY: null or a C string, by the word of its symbol.
        let found = unsafe { vet::name(entry.name, &origin)? };
        if found != name {
            return Err(PluginError::OtherName { origin, name: found, expected: name.to_string() });
        }
        let after = Plugin::start(entry, found, &origin, config, self.hooks.clone())?;
        let lacks = |what| Err(PluginError::Lacks { origin: origin.clone(), name: name.to_string(), what });
        let swapped = Swapped {
            transport: before.transport.clone().zip(after.transport.clone()),
            auth: before.auth.clone().zip(after.auth.clone()),
            filter: before.filter.clone().zip(after.filter.clone()),
        };
        match () {
            () if before.transport.is_some() != swapped.transport.is_some() => return lacks("chat.transport/1"),
            () if before.auth.is_some() != swapped.auth.is_some() => return lacks("chat.auth/1"),
            () if before.filter.is_some() != swapped.filter.is_some() => return lacks("chat.filter/1"),
            () => {}
        }
        self.by_name.insert(name.to_string(), after);
        Ok(swapped)
    }

    /// Has nothing new go to a plugin, or takes that back.
    pub fn disable(&self, name: &str, disabled: bool) -> Result<(), PluginError> {
        let Plugin { transport, auth, filter, .. } = self.find(name)?;
        transport.iter().for_each(|transport| transport.disable(disabled));
        auth.iter().for_each(|auth| auth.disable(disabled));
        filter.iter().for_each(|filter| filter.disable(disabled));
        Ok(())
    }

    fn find(&self, name: &str) -> Result<&Plugin, PluginError> {
        self.by_name.get(name).ok_or_else(|| {
            let known = self.by_name.keys().cloned().collect::<Vec<_>>().join(", ");
            PluginError::Unknown { name: name.to_string(), known }
        })
    }

    /// Whether there is a plugin of this name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// A transport by its plugin's name.
    pub fn transport(&self, name: &str) -> Option<Arc<Transport>> {
        self.by_name.get(name)?.transport.clone()
    }

    /// An authenticator by its plugin's name.
    pub fn auth(&self, name: &str) -> Option<Arc<Authenticator>> {
        self.by_name.get(name)?.auth.clone()
    }

    /// A filter by its plugin's name.
    pub fn filter(&self, name: &str) -> Option<Arc<Filterer>> {
        self.by_name.get(name)?.filter.clone()
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<PluginInfo> {
        let info = |(name, plugin): (&String, &Plugin)| PluginInfo {
            name: name.clone(),
            version: plugin.instance.version.clone(),
            origin: plugin.instance.origin.clone(),
            transport: plugin.transport.is_some(),
            auth: plugin.auth.is_some(),
            filter: plugin.filter.is_some(),
            disabled: plugin.is_disabled(),
            judged: plugin.filter.as_ref().map(|filter| filter.counts()),
            metrics: plugin.instance.services.metrics.now(),
        };
        self.by_name.iter().map(info).collect()
    }

    fn take<'c>(&mut self, raw: *const ChatEntry, origin: &str, config_of: impl FnOnce(&str) -> &'c str) -> Result<String, PluginError> {
        // SAFETY: a linked entry is vouched for by whoever made it (`ChatEntry::new`), a library's by its symbol.
        let entry = unsafe { vet::entry(raw, origin)? };
        // SAFETY: null or a C string, by the same word.
        let name = unsafe { vet::name(entry.name, origin)? };
        if let Some(first) = self.by_name.get(&name) {
            let first = first.instance.origin.clone();
            return Err(PluginError::NameTaken { origin: origin.to_string(), name, first });
        }
        let config = config_of(&name);
        let plugin = Plugin::start(entry, name.clone(), origin, config, self.hooks.clone())?;
        self.by_name.insert(name.clone(), plugin);
        Ok(name)
    }
}

/// What takes the place of what.
#[derive(Debug)]
pub struct Swapped {
    /// The transport that was, and the one that is.
    pub transport: Option<(Arc<Transport>, Arc<Transport>)>,
    /// The authenticator that was, and the one that is.
    pub auth: Option<(Arc<Authenticator>, Arc<Authenticator>)>,
    /// The filter that was, and the one that is.
    pub filter: Option<(Arc<Filterer>, Arc<Filterer>)>,
}

impl Plugin {
    /// Starts a plugin whose entry and name were vetted.
    fn start(entry: &'static ChatEntry, name: String, origin: &str, config: &str, hooks: Hooks) -> Result<Plugin, PluginError> {
        let instance = Instance::start(entry, name.clone(), origin, config, hooks)?;
        let transport = Transport::of(&instance)?.map(Arc::new);
        let auth = Authenticator::of(&instance)?.map(Arc::new);
        let filter = Filterer::of(&instance)?.map(Arc::new);
        if transport.is_none() && auth.is_none() && filter.is_none() {
            return Err(PluginError::NoInterface { name });
        }
        Ok(Plugin { instance, transport, auth, filter })
    }

    fn is_disabled(&self) -> bool {
        let Plugin { transport, auth, filter, .. } = self;
        transport.as_ref().is_some_and(|transport| transport.is_disabled())
            || auth.as_ref().is_some_and(|auth| auth.is_disabled())
            || filter.as_ref().is_some_and(|filter| filter.is_disabled())
    }
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}
