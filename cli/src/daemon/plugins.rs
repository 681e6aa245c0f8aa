//! The plugins of a daemon: those in libraries first, then those linked in whose names are still free.

use chatring_config::{Config, ConfigError, Placed};
use chatring_host::{Authenticator, ChatEntry, OnLate, Plugins, Transport};
use std::sync::Arc;

/// A plugin that is part of this program.
struct Bundled {
    name: &'static str,
    entry: fn() -> &'static ChatEntry,
}

const BUNDLED: [Bundled; 4] = [
    Bundled { name: NATIVE, entry: chatring_resp::entry },
    Bundled { name: "irc", entry: chatring_irc::entry },
    Bundled { name: "open", entry: chatring_auth_open::entry },
    Bundled { name: "password", entry: chatring_auth_password::entry },
];

/// The transport of native ports, and of what nodes say to each other.
pub const NATIVE: &str = "resp";

/// Starts the plugins that this configuration loads or refers to, and makes sure that it refers to no others.
pub fn start(config: &Config, on_late: OnLate) -> Result<Plugins, ConfigError> {
    let mut plugins = Plugins::new(on_late);
    for library in &config.plugins {
        let settings = |name: &str| config.plugin_settings.get(name).map_or("", |settings| settings.as_str());
        plugins.load_with(library, settings).map_err(|error| config.error(library.place(), format!("plugins: {error}")))?;
    }
    for bundled in &BUNDLED {
        let settings = config.plugin_settings.get(bundled.name);
        let user = names_used(config).find(|name| name.as_str() == bundled.name);
        if plugins.has(bundled.name) || (settings.is_none() && user.is_none() && bundled.name != NATIVE) {
            continue;
        }
        let text = settings.map_or("", |settings| settings.as_str());
        let place = settings.map(Placed::place).or(user.map(Placed::place)).unwrap_or_default();
        let linked = plugins.link((bundled.entry)(), text);
        linked.map_err(|error| config.error(place, format!("[plugin.{}]: {error}", bundled.name)))?;
    }
    check_names(config, &plugins)?;
    Ok(plugins)
}

/// A transport that [`start`] has found to be there.
pub fn transport(plugins: &Plugins, name: &str) -> anyhow::Result<Arc<Transport>> {
    plugins.transport(name).ok_or_else(|| anyhow::anyhow!("there is no transport {name:?}"))
}

/// Authenticators that [`start`] has found to be there.
pub fn chain(plugins: &Plugins, names: &[Placed<String>]) -> anyhow::Result<Vec<Arc<Authenticator>>> {
    let one = |name: &Placed<String>| plugins.auth(name.as_str()).ok_or_else(|| anyhow::anyhow!("there is no authenticator {name:?}"));
    names.iter().map(one).collect()
}

fn names_used(config: &Config) -> impl Iterator<Item = &Placed<String>> {
    transports_used(config).chain(auths_used(config).map(|(_, name)| name))
}

fn transports_used(config: &Config) -> impl Iterator<Item = &Placed<String>> {
    config.super_nodes.iter().flat_map(|node| &node.listeners).map(|listener| &listener.transport)
}

/// With the key each stands under.
fn auths_used(config: &Config) -> impl Iterator<Item = (&'static str, &Placed<String>)> {
    let of_directory = config.directory.iter().flat_map(|directory| &directory.auth).map(|name| ("directory.auth", name));
    let of_nodes = config.super_nodes.iter().flat_map(|node| {
        let of_listeners = node.listeners.iter().flat_map(|listener| &listener.auth).map(|name| ("listener.auth", name));
        node.auth.iter().map(|name| ("super_node.auth", name)).chain(of_listeners)
    });
    of_directory.chain(of_nodes)
}

fn check_names(config: &Config, plugins: &Plugins) -> Result<(), ConfigError> {
    let offered = |auth: bool| {
        let bundled = BUNDLED.iter().map(|bundled| bundled.name).filter(|name| matches!(*name, "open" | "password") == auth);
        let loaded = plugins.list().into_iter().filter(|info| if auth { info.auth } else { info.transport }).map(|info| info.name);
        let mut names: Vec<String> = bundled.map(str::to_string).chain(loaded).map(|name| format!("{name:?}")).collect();
        names.sort();
        names.dedup();
        names.join(" or ")
    };
    for name in transports_used(config) {
        if plugins.transport(name.as_str()).is_none() {
            let message = format!("listener.transport: found {:?}, expected {}", name.as_str(), offered(false));
            return Err(config.error(name.place(), message));
        }
    }
    for (key, name) in auths_used(config) {
        if plugins.auth(name.as_str()).is_none() {
            return Err(config.error(name.place(), format!("{key}: found {:?}, expected {}", name.as_str(), offered(true))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// What is said of a network with this super node, or which plugins it needs.
    #[track_caller]
    fn check(node: &str, expect: Result<&[&str], &str>) {
        let text = format!("[network]\nname = 'n'\nsecret = 's'\n[directory]\n[[super_node]]\nname = 'a'\n{node}\n");
        let config = chatring_config::parse(Path::new("c"), text).unwrap();
        let started = start(&config, Arc::new(|_, _| {}));
        let names = started.map(|plugins| plugins.list().into_iter().map(|info| info.name).collect::<Vec<_>>());
        match (names, expect) {
            (Ok(names), Ok(expect)) => assert_eq!(names, expect),
            (Err(error), Err(expect)) => assert_eq!(error.to_string(), expect),
            (got, expect) => panic!("{got:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn only_what_is_referred_to_is_started() {
        check("", Ok(&["open", "resp"]));
        check("[[listener]]\ntransport = 'irc'", Ok(&["irc", "open", "resp"]));
        check("[plugin.irc]", Ok(&["irc", "open", "resp"]));
    }

    #[test]
    fn passwords_need_no_file() {
        check("auth = ['password']", Ok(&["open", "password", "resp"]));
        check(
            "[plugin.password]\nparallel = 0",
            Err("c:7:1: [plugin.password]: plugin password did not start: parallel = 0: must be 1 to 64"),
        );
    }

    #[test]
    fn what_nobody_has_is_refused() {
        check(
            "[[listener]]\naddress = '127.0.0.1:1'\ntransport = 'irk'",
            Err(r#"c:9:13: listener.transport: found "irk", expected "irc" or "resp""#),
        );
        check("auth = ['open', 'opem']", Err(r#"c:7:17: super_node.auth: found "opem", expected "open" or "password""#));
        check("auth = ['irc']", Err(r#"c:7:9: super_node.auth: found "irc", expected "open" or "password""#));
        check("[[listener]]\ntransport = 'irc'\nauth = ['x']", Err(r#"c:9:9: listener.auth: found "x", expected "open" or "password""#));
        check(
            "[plugin.resp]\nfrob = 1",
            Err(
                "c:7:1: [plugin.resp]: plugin resp did not start: resp: unknown setting `frob`; there are frame_max, bulk_max, args_max, inline_max",
            ),
        );
    }
}
