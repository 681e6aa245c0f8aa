//! The plugins of a daemon: those in libraries first, then those linked in whose names are still free.

use chatring_config::{Config, ConfigError, Placed};
use chatring_host::{Authenticator, ChatEntry, Filterer, Hooks, PluginInfo, Plugins, Transport};
use std::sync::Arc;

/// A plugin that is part of this program.
struct Bundled {
    name: &'static str,
    kind: Kind,
    entry: fn() -> &'static ChatEntry,
}

/// What a plugin is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Transport,
    Auth,
    Filter,
}

impl Kind {
    fn is_of(self, info: &PluginInfo) -> bool {
        match self {
            Kind::Transport => info.transport,
            Kind::Auth => info.auth,
            Kind::Filter => info.filter,
        }
    }
}

const BUNDLED: [Bundled; 11] = [
    Bundled { name: NATIVE, kind: Kind::Transport, entry: chatring_resp::entry },
    Bundled { name: "irc", kind: Kind::Transport, entry: chatring_irc::entry },
    Bundled { name: "json", kind: Kind::Transport, entry: chatring_json::entry },
    Bundled { name: "open", kind: Kind::Auth, entry: chatring_auth_open::entry },
    Bundled { name: "password", kind: Kind::Auth, entry: chatring_auth_password::entry },
    Bundled { name: "token", kind: Kind::Auth, entry: chatring_auth_token::entry },
    Bundled { name: "exec", kind: Kind::Auth, entry: chatring_auth_exec::entry },
    Bundled { name: "exec-filter", kind: Kind::Filter, entry: chatring_filter_exec::entry },
    Bundled { name: "flood", kind: Kind::Filter, entry: chatring_filter_flood::entry },
    Bundled { name: "words", kind: Kind::Filter, entry: chatring_filter_words::entry },
    Bundled { name: "log", kind: Kind::Filter, entry: chatring_filter_log::entry },
];

/// What a plugin is, in the words of operators.
pub fn kinds(info: &PluginInfo) -> Vec<&'static str> {
    let all = [(Kind::Transport, "transport"), (Kind::Auth, "authenticator"), (Kind::Filter, "filter")];
    all.into_iter().filter(|(kind, _)| kind.is_of(info)).map(|(_, word)| word).collect()
}

/// The transport of native ports, and of what nodes say to each other.
pub const NATIVE: &str = "resp";

/// Starts the plugins that this configuration loads or refers to, and makes sure that it refers to no others.
pub fn start(config: &Config, hooks: Hooks) -> Result<Plugins, ConfigError> {
    let mut plugins = Plugins::new(hooks);
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

/// Filters that [`start`] has found to be there.
pub fn filters(plugins: &Plugins, names: &[Placed<String>]) -> anyhow::Result<Vec<Arc<Filterer>>> {
    let one = |name: &Placed<String>| plugins.filter(name.as_str()).ok_or_else(|| anyhow::anyhow!("there is no filter {name:?}"));
    names.iter().map(one).collect()
}

fn names_used(config: &Config) -> impl Iterator<Item = &Placed<String>> {
    let filters = config.super_nodes.iter().flat_map(|node| &node.filters);
    transports_used(config).chain(auths_used(config).map(|(_, name)| name)).chain(filters)
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
    let refuse = |key: &str, name: &Placed<String>, kind: Kind| {
        let bundled = BUNDLED.iter().filter(|bundled| bundled.kind == kind).map(|bundled| bundled.name.to_string());
        let loaded = plugins.list().into_iter().filter(|info| kind.is_of(info)).map(|info| info.name);
        let mut names: Vec<String> = bundled.chain(loaded).map(|name| format!("{name:?}")).collect();
        names.sort();
        names.dedup();
        Err(config.error(name.place(), format!("{key}: found {:?}, expected {}", name.as_str(), names.join(" or "))))
    };
    for name in transports_used(config) {
        if plugins.transport(name.as_str()).is_none() {
            return refuse("listener.transport", name, Kind::Transport);
        }
    }
    for (key, name) in auths_used(config) {
        if plugins.auth(name.as_str()).is_none() {
            return refuse(key, name, Kind::Auth);
        }
    }
    for name in config.super_nodes.iter().flat_map(|node| &node.filters) {
        if plugins.filter(name.as_str()).is_none() {
            return refuse("super_node.filters", name, Kind::Filter);
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
        let started = start(&config, Hooks::of(Arc::new(|_, _| {})));
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
        check("[plugin.json]", Ok(&["json", "open", "resp"]));
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
    fn tokens_need_a_file() {
        let missing = "file is missing: it names the file with the keys, see `chatctl token key`";
        check("auth = ['token']", Err(&format!("c:7:9: [plugin.token]: plugin token did not start: {missing}")));
    }

    #[test]
    fn programs_are_named() {
        let missing = "command: must name a program, and then its arguments, like [\"/usr/local/bin/check\", \"-v\"]";
        check("auth = ['exec']", Err(&format!("c:7:9: [plugin.exec]: plugin exec did not start: {missing}")));
        check("filters = ['exec-filter']", Err(&format!("c:7:12: [plugin.exec-filter]: plugin exec-filter did not start: {missing}")));
        check("filters = ['exec-filter']\n[plugin.exec-filter]\ncommand = ['cat']", Ok(&["exec-filter", "open", "resp"]));
    }

    #[test]
    fn filters_are_told_what_stands_in_their_tables() {
        check("filters = ['flood', 'words']", Ok(&["flood", "open", "resp", "words"]));
        check(
            "filters = ['flood']\n[plugin.flood]\nburst = 0",
            Err("c:8:1: [plugin.flood]: plugin flood did not start: burst = 0: expected a number from 1 to 100000"),
        );
        check("filters = ['log']", Err("c:7:12: [plugin.log]: plugin log did not start: directory: expected the directory for its files"));
    }

    #[test]
    fn what_nobody_has_is_refused() {
        check(
            "[[listener]]\naddress = '127.0.0.1:1'\ntransport = 'irk'",
            Err(r#"c:9:13: listener.transport: found "irk", expected "irc" or "json" or "resp""#),
        );
        check(
            "auth = ['open', 'opem']",
            Err(r#"c:7:17: super_node.auth: found "opem", expected "exec" or "open" or "password" or "token""#),
        );
        check("auth = ['irc']", Err(r#"c:7:9: super_node.auth: found "irc", expected "exec" or "open" or "password" or "token""#));
        check(
            "filters = ['floods']",
            Err(r#"c:7:12: super_node.filters: found "floods", expected "exec-filter" or "flood" or "log" or "words""#),
        );
        check(
            "filters = ['open']",
            Err(r#"c:7:12: super_node.filters: found "open", expected "exec-filter" or "flood" or "log" or "words""#),
        );
        check(
            "[[listener]]\ntransport = 'irc'\nauth = ['x']",
            Err(r#"c:9:9: listener.auth: found "x", expected "exec" or "open" or "password" or "token""#),
        );
        check(
            "[plugin.resp]\nfrob = 1",
            Err(
                "c:7:1: [plugin.resp]: plugin resp did not start: resp: unknown setting `frob`; there are frame_max, bulk_max, args_max, inline_max",
            ),
        );
    }
}
