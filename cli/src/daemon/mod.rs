//! The daemon: from a configuration to running nodes, and back to an orderly end.
//!
//! Everything that can be refused is refused before the first thread starts: the file, the plugins it refers to, the ports. Then each role
//! has a thread with a reactor of its own, and this one waits: for a signal, or for one of them to fail, which ends them all.

mod audit;
mod bots;
mod center;
mod identities;
mod lifecycle;
mod plugins;
mod ports;
mod reload;
mod roles;
mod watch;
mod words;

use crate::logging;
use anyhow::Context;
use audit::Audit;
use bots::Bots;
use center::Center;
use chatring_config::{Config, LoadError, LogFormat};
use chatring_host::{Hooks, Plugins};
use chatring_reactor::JudgePool;
use identities::Identities;
use reload::Reload;
use roles::Roles;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use watch::systemd::Systemd;
use watch::{Token, Watch};

/// What a daemon can be told.
#[derive(Clone, Debug, clap::Args)]
pub struct DaemonArgs {
    /// Run what this file describes
    #[arg(long, value_name = "FILE", required_unless_present = "check_config")]
    pub config: Option<PathBuf>,
    /// Only say what is wrong with this file: exits 0 if nothing is, else 2
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub check_config: Option<PathBuf>,
    /// How log lines look, whatever the file says
    #[arg(long, value_name = "human|json", value_parser = log_format)]
    pub log: Option<LogFormat>,
    /// End when standard input does
    #[arg(long, hide = true)]
    pub exit_with_stdin: bool,
}

/// The exit code for a configuration that is wrong.
const WRONG_CONFIG: u8 = 2;
/// Threads that ask authenticators. (What is costly about it, the plugin bounds by itself.)
const JUDGES: usize = 4;
/// Log-ins that wait for an answer; past it one hears that nobody has time.
const JUDGE_QUEUE_MAX: usize = 1024;

/// How long plugins may take to stop.
const PLUGINS_END_MAX: std::time::Duration = std::time::Duration::from_secs(2);

/// Open files beside the clients: other nodes, dials, the database, libraries.
const OTHER_FILES: u64 = 1_024;

/// Runs a daemon until it is told to stop, or checks its configuration.
pub fn run(args: DaemonArgs) -> ExitCode {
    let (Some(file), only_check) = (args.config.as_ref().or(args.check_config.as_ref()), args.check_config.is_some()) else {
        return wrong("found no --config FILE");
    };
    let judges = match JudgePool::start(JUDGES, JUDGE_QUEUE_MAX) {
        Ok(judges) => Arc::new(judges),
        Err(error) => {
            eprintln!("chatd: threads can't be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let bots = Bots::default();
    let absolute = match std::path::absolute(file) {
        Ok(absolute) => absolute,
        Err(error) => return wrong(LoadError::Read { file: file.clone(), error }),
    };
    match load(file, args.log, Hooks { late: judges.on_late(), say: bots.hook() }) {
        Err(error) => wrong(error),
        Ok(_) if only_check => {
            println!("{}: nothing wrong", file.display());
            ExitCode::SUCCESS
        }
        Ok((config, plugins, identities, audit)) => {
            let reload = Reload::new(absolute, &config);
            match serve(&config, plugins, (&identities, audit), &judges, (&bots, &reload), args.exit_with_stdin) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(&error),
            }
        }
    }
}

/// Reads a configuration and what it refers to, and starts its plugins: only they know whether what they are told is right.
fn load(file: &Path, log: Option<LogFormat>, hooks: Hooks) -> Result<(Config, Plugins, Identities, Audit), LoadError> {
    let config = chatring_config::load(file)?;
    logging::start(log.unwrap_or(config.log_format), config.log_level);
    let (plugins, identities) = start_plugins(file, &config, hooks)?;
    let audit = Audit::new(&config)?;
    Ok((config, plugins, identities, audit))
}

/// Says what is wrong with a configuration, for whoever is no daemon: this process stays in its folder.
pub fn check(file: &Path) -> Result<(), LoadError> {
    let config = chatring_config::load(file)?;
    let here = std::env::current_dir().map_err(|error| LoadError::Read { file: file.into(), error })?;
    let hooks = Hooks::of(Arc::new(|_, _| {}));
    let checked = start_plugins(file, &config, hooks).map(drop);
    let back = |error: io::Error| LoadError::Read { file: here.clone(), error };
    std::env::set_current_dir(&here).map_err(back)?;
    checked
}

fn start_plugins(file: &Path, config: &Config, hooks: Hooks) -> Result<(Plugins, Identities), LoadError> {
    // Plugins know nothing of our file: their relative paths are meant from its folder, too.
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::env::set_current_dir(folder).map_err(|error| LoadError::Read { file: folder.into(), error })?;
    }
    let plugins = plugins::start(config, hooks)?;
    let identities = Identities::read(config)?;
    Ok((plugins, identities))
}

fn serve(
    config: &Config,
    plugins: Plugins,
    (identities, audit): (&Identities, Audit),
    judges: &Arc<JudgePool>,
    (bots, reload): (&Bots, &Reload),
    exit_with_stdin: bool,
) -> anyhow::Result<()> {
    let (tell, news) = std::sync::mpsc::channel();
    let systemd = Arc::new(Systemd::from_env());
    let token = token(config)?;
    words::listen(&tell, exit_with_stdin, read_again(reload.clone(), identities.clone(), token.clone(), systemd.clone()))?;
    allow_connections(config);
    let ports = ports::Ports::bind(config)?;
    let center = Center::new();
    let watch = Arc::new(Watch::new(identities, center.watch()));
    let roles = Roles { config, plugins: &plugins, identities, audit, judges, bots, reload, center: &center, watch: &watch };
    let roles = roles.all(ports.directory, ports.nodes)?;
    for plugin in plugins.list() {
        tracing::debug!("plugin {} {} ({})", plugin.name, plugin.version, plugin.origin);
    }
    let stopped = center.start(plugins, config)?;
    if let (Some(admin), Some(listener)) = (&config.admin, ports.admin) {
        tracing::info!("listening at {} for HTTP: /metrics, /healthz, /readyz", admin.listen);
        watch::serve(listener, token, watch.clone()).context("starting the thread that answers HTTP")?;
    }
    systemd.start(watch.clone()).context("starting the thread that tells systemd")?;
    let at_stop = || {
        watch.stop();
        systemd.stopping();
    };
    lifecycle::run(roles, &tell, &news, &at_stop)?;
    watch.let_plugins_go();
    // One that hangs is not waited for.
    if let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(PLUGINS_END_MAX) {
        tracing::warn!("a plugin does not stop; it is left alone");
    }
    tracing::info!("ended in good order");
    Ok(())
}

/// What whoever watches has to show, if anything.
fn token(config: &Config) -> anyhow::Result<Option<Arc<Token>>> {
    let Some(file) = config.admin.as_ref().and_then(|admin| admin.token_file.as_ref()) else { return Ok(None) };
    let token = Token::read(file).map_err(|why| config.error(file.place(), format!("admin.token_file: {why}")))?;
    Ok(Some(Arc::new(token)))
}

/// What SIGHUP is for.
fn read_again(reload: Reload, identities: Identities, token: Option<Arc<Token>>, systemd: Arc<Systemd>) -> impl Fn() + Send + 'static {
    move || {
        systemd.reloading();
        identities.read_again();
        token.iter().for_each(|token| token.read_again());
        reload.again();
        systemd.reloaded();
    }
}

/// Raises the system's limit of open files, a connection being one, as far as it lets us.
fn allow_connections(config: &Config) {
    let directory = config.directory.iter().map(|directory| directory.limits);
    let nodes = config.super_nodes.iter().flat_map(|node| {
        let listeners = node.listeners.iter().map(|listener| listener.limits);
        listeners.chain([node.native_limits])
    });
    let connections: usize = directory.chain(nodes).map(|limits| limits.clients_max).sum();
    match rlimit::increase_nofile_limit(connections as u64 + OTHER_FILES) {
        Ok(allowed) => {
            if let Some(room) = too_little_room(allowed, connections as u64) {
                tracing::info!("the system allows {allowed} open files: room for {room} clients, fewer than the configured {connections}");
            }
        }
        Err(error) => tracing::warn!("the limit of open files can't be read or raised: {error}"),
    }
}

/// For how many clients there is room, where that is fewer than are configured.
fn too_little_room(allowed: u64, connections: u64) -> Option<u64> {
    Some(allowed.saturating_sub(OTHER_FILES)).filter(|room| *room < connections)
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        _ => Err("expected human or json".to_string()),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    tracing::error!("{error:#}");
    ExitCode::FAILURE
}

fn wrong(what: impl std::fmt::Display) -> ExitCode {
    eprintln!("chatd: {what}");
    ExitCode::from(WRONG_CONFIG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_missed_only_where_it_lacks() {
        for (allowed, connections, room) in
            [(21_024, 20_000, None), (1_000_000, 20_000, None), (20_000, 20_000, Some(18_976)), (256, 20_000, Some(0))]
        {
            assert_eq!(too_little_room(allowed, connections), room, "{allowed} {connections}");
        }
    }
}
