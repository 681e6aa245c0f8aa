//! Who looks after the plugins while the daemon runs: a thread of its own, as loading one may take long.
//!
//! What operators want comes from super nodes, one thing after the other; what takes another's place is told to all roles.

use super::plugins;
use chatring_config::Config;
use chatring_host::{MetricValue, PluginInfo, Plugins, Swapped, Transport};
use chatring_machines::command::PluginAsk;
use chatring_machines::machine::PluginWish;
use chatring_machines::wire::Text;
use chatring_reactor::{Exchange, Handle, OnPlugin, PluginAnswer};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wishes that wait; past it operators are sent away.
const WAITING_MAX: usize = 64;

/// How long a role may take to say who uses what.
const CENSUS: Duration = Duration::from_millis(500);

/// For the roles: they hand wishes in, and are reached when something changes.
pub struct Center {
    wishes: SyncSender<Job>,
    waiting: Receiver<Job>,
    roles: Arc<Mutex<Vec<Handle>>>,
}

/// What the thread does.
enum Job {
    /// An operator wants something.
    Grant(PluginWish, PluginAnswer),
    /// Someone watches.
    Look(Sender<Vec<PluginInfo>>),
}

/// For whoever watches.
pub struct PluginWatch(SyncSender<Job>);

impl PluginWatch {
    /// How the plugins are. `None` where nobody has the time to say so.
    pub fn look(&self, patience: Duration) -> Option<Vec<PluginInfo>> {
        let (tell, told) = std::sync::mpsc::channel();
        self.0.try_send(Job::Look(tell)).ok()?;
        told.recv_timeout(patience).ok()
    }
}

/// What the thread has.
struct Keeper {
    plugins: Plugins,
    settings: BTreeMap<String, String>,
    roles: Arc<Mutex<Vec<Handle>>>,
    /// Transports that another one took the place of, and that connections still speak by.
    draining: Vec<(Arc<Transport>, String)>,
}

impl Center {
    /// Where roles that are being set up can be told of.
    pub fn new() -> Center {
        let (wishes, waiting) = sync_channel(WAITING_MAX);
        Center { wishes, waiting, roles: Arc::default() }
    }

    /// Begins to look after the plugins, once all roles are set up. The channel ends when they have stopped, after all roles have ended.
    pub fn start(self, plugins: Plugins, config: &Config) -> std::io::Result<Receiver<()>> {
        let (alive, ended) = std::sync::mpsc::channel();
        let Center { wishes, waiting, roles } = self;
        // The roles have theirs.
        drop(wishes);
        let settings = config.plugin_settings.iter().map(|(name, settings)| (name.clone(), settings.as_str().to_string())).collect();
        let keeper = Keeper { plugins, settings, roles, draining: Vec::new() };
        let work = move || {
            keeper.work(waiting);
            drop(alive);
        };
        std::thread::Builder::new().name("plugins".into()).spawn(work)?;
        Ok(ended)
    }

    /// For a role's driver.
    pub fn hook(&self) -> OnPlugin {
        let wishes = self.wishes.clone();
        Arc::new(move |wish, answer| {
            if let Err(TrySendError::Full(Job::Grant(_, answer)) | TrySendError::Disconnected(Job::Grant(_, answer))) =
                wishes.try_send(Job::Grant(wish, answer))
            {
                answer(Err("too much is wanted of the plugins: try again in a moment".into()));
            }
        })
    }

    /// For whoever watches. Until it is dropped the plugins don't end.
    pub fn watch(&self) -> PluginWatch {
        PluginWatch(self.wishes.clone())
    }

    /// A role runs.
    pub fn reach(&self, role: Handle) {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner).push(role);
    }
}

impl Keeper {
    fn work(mut self, waiting: Receiver<Job>) {
        while let Ok(job) = waiting.recv() {
            match job {
                Job::Grant(wish, answer) => answer(self.grant(&wish).map_err(Text::from)),
                // Whoever asked may have given up.
                Job::Look(tell) => drop(tell.send(self.plugins.list())),
            }
        }
    }

    fn grant(&mut self, wish: &PluginWish) -> Result<Vec<Text>, String> {
        let name = &*wish.name;
        match wish.what {
            PluginAsk::List => Ok(self.list()),
            PluginAsk::Show => self.show(name),
            PluginAsk::Load => {
                let path = Path::new(&*wish.file);
                let settings = |name: &str| self.settings.get(name).map_or("", String::as_str);
                let name = self.plugins.load_live(path, settings).map_err(|error| error.to_string())?;
                tracing::info!("plugin {name} is loaded from {}", path.display());
                self.show(&name)
            }
            PluginAsk::Swap => {
                let settings = self.settings.get(name).map_or("", String::as_str);
                let before = self.info(name)?;
                let swapped = self.plugins.swap(name, Path::new(&*wish.file), settings).map_err(|error| error.to_string())?;
                self.tell_roles(swapped, &before);
                tracing::info!("plugin {name} {} ({}) has taken the place of {}", self.info(name)?.version, &*wish.file, before.version);
                self.show(name)
            }
            PluginAsk::Disable | PluginAsk::Enable => {
                let disabled = wish.what == PluginAsk::Disable;
                self.plugins.disable(name, disabled).map_err(|error| error.to_string())?;
                tracing::warn!("plugin {name} is {} by an operator", if disabled { "disabled" } else { "enabled" });
                Ok(Vec::new())
            }
        }
    }

    fn tell_roles(&mut self, Swapped { transport, auth, filter }: Swapped, before: &PluginInfo) {
        if let Some((old, _)) = &transport {
            self.draining.push((old.clone(), format!("{} {}", before.version, before.origin)));
        }
        let exchanges = [
            transport.map(|(old, new)| Exchange::Transport { old, new }),
            auth.map(|(old, new)| Exchange::Auth { old, new }),
            filter.map(|(old, new)| Exchange::Filter { old, new }),
        ];
        let roles = self.roles();
        for exchange in exchanges.into_iter().flatten() {
            roles.iter().for_each(|role| role.exchange(exchange.clone()));
        }
    }

    /// name, version, kinds, file, state, what it does at the moment.
    fn list(&mut self) -> Vec<Text> {
        let users = self.users();
        let mut cells = Vec::new();
        for info in self.plugins.list() {
            let state = if info.disabled { "disabled" } else { "in use" };
            let row = [info.name.clone(), info.version.clone(), kinds(&info), info.origin.clone(), state.into(), self.doing(&info, &users)];
            cells.extend(row.map(Text::from));
        }
        for (old, from) in &self.draining {
            let (version, origin) = from.split_once(' ').unwrap_or((from, ""));
            let doing = format!("{} connections", count(&users, old));
            let row = [old.name(), version, "transport", origin, "draining", &doing];
            cells.extend(row.map(Text::from));
        }
        cells
    }

    fn show(&mut self, name: &str) -> Result<Vec<Text>, String> {
        let info = self.info(name)?;
        let users = self.users();
        let mut pairs: Vec<(String, String)> = vec![
            ("name".into(), info.name.clone()),
            ("version".into(), info.version.clone()),
            ("kinds".into(), kinds(&info)),
            ("from".into(), info.origin.clone()),
            ("state".into(), if info.disabled { "disabled".into() } else { "in use".into() }),
        ];
        if let Some(transport) = self.plugins.transport(name) {
            pairs.push(("connections".into(), count(&users, &transport).to_string()));
        }
        for (old, from) in self.draining.iter().filter(|(old, _)| old.name() == name) {
            pairs.push(("draining".into(), format!("{} connections of {from}", count(&users, old))));
        }
        if let Some(judged) = info.judged {
            let counts = [
                ("judged", judged.judged),
                ("refused", judged.refused),
                ("rewritten", judged.rewritten),
                ("faults", judged.faults),
                ("overruns", judged.overruns),
            ];
            pairs.extend(counts.map(|(what, count)| (what.to_string(), count.to_string())));
        }
        let value = |value| match value {
            MetricValue::Counter(count) => count.to_string(),
            MetricValue::Gauge(level) => level.to_string(),
        };
        pairs.extend(info.metrics.into_iter().map(|metric| (format!("metric {}", metric.name), value(metric.value))));
        Ok(pairs.into_iter().flat_map(|(key, value)| [Text::from(key), Text::from(value)]).collect())
    }

    fn doing(&self, info: &PluginInfo, users: &[(Arc<Transport>, usize)]) -> String {
        let transport = self.plugins.transport(&info.name).map(|transport| format!("{} connections", count(users, &transport)));
        let filter = info.judged.map(|judged| format!("{} judged, {} refused", judged.judged, judged.refused));
        transport.into_iter().chain(filter).collect::<Vec<_>>().join(", ")
    }

    fn info(&self, name: &str) -> Result<PluginInfo, String> {
        let all = self.plugins.list();
        let known = all.iter().map(|info| info.name.as_str()).collect::<Vec<_>>().join(", ");
        all.iter().find(|info| info.name == name).cloned().ok_or_else(|| format!("there is no plugin {name}; there are {known}"))
    }

    fn roles(&self) -> Vec<Handle> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections each transport has, in all roles; what has drained is let go.
    fn users(&mut self) -> Vec<(Arc<Transport>, usize)> {
        let (tell, told) = std::sync::mpsc::channel();
        let roles = self.roles();
        roles.iter().for_each(|role| role.census(tell.clone()));
        drop(tell);
        let (until, mut users, mut answers) = (Instant::now() + CENSUS, Vec::<(Arc<Transport>, usize)>::new(), 0);
        while answers < roles.len()
            && let Ok(some) = told.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            answers += 1;
            for (transport, count) in some {
                match users.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &transport)) {
                    Some((_, sum)) => *sum += count,
                    None => users.push((transport, count)),
                }
            }
        }
        if answers == roles.len() {
            self.draining.retain(|(old, _)| count(&users, old) > 0);
        }
        users
    }
}

fn count(users: &[(Arc<Transport>, usize)], of: &Arc<Transport>) -> usize {
    users.iter().find(|(transport, _)| Arc::ptr_eq(transport, of)).map_or(0, |(_, count)| *count)
}

fn kinds(info: &PluginInfo) -> String {
    plugins::kinds(info).join(" ")
}
