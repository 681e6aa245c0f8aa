//! From the configuration to machines, each with its reactor: one for the directory, one for each super node.

use super::audit::Audit;
use super::bots::Bots;
use super::center::Center;
use super::identities::Identities;
use super::lifecycle::Role;
use super::plugins;
use super::ports::NodePorts;
use super::reload::Reload;
use super::watch::{Kind, Name, Watch};
use anyhow::Context;
use chatring_config::{Config, Directory, ListenerLimits, SuperNode};
use chatring_host::Plugins;
use chatring_machines::directory::{self, DirectoryConfig, DirectoryLimits};
use chatring_machines::ids::Incarnation;
use chatring_machines::keeping::{Durability, KeptGroup};
use chatring_machines::list::ListSigner;
use chatring_machines::machine::{Level, Note};
use chatring_machines::names::NodeKey;
use chatring_machines::super_node::{self, NodeConfig};
use chatring_machines::wire::Text;
use chatring_machines::{Input, Machine};
use chatring_reactor::{Beneath, Handle, JudgePool, Keep, Limits, Listening, Reactor, Setup, Tuning};
use chatring_storage::{GroupLogs, LogOptions, SqliteStore};
use std::sync::Arc;
use tracing::Span;

/// What all roles are made of.
pub struct Roles<'a> {
    pub config: &'a Config,
    pub plugins: &'a Plugins,
    pub identities: &'a Identities,
    pub audit: Audit,
    pub judges: &'a Arc<JudgePool>,
    pub bots: &'a Bots,
    pub reload: &'a Reload,
    pub center: &'a Center,
    pub watch: &'a Watch,
}

impl Roles<'_> {
    /// Everything this process is, at these ports.
    pub fn all(&self, directory_port: Option<std::net::TcpListener>, node_ports: Vec<NodePorts>) -> anyhow::Result<Vec<Role>> {
        let mut all = Vec::new();
        if let (Some(directory), Some(port)) = (&self.config.directory, directory_port) {
            all.push(self.directory(directory, port)?);
        }
        for (node, ports) in self.config.super_nodes.iter().zip(node_ports) {
            all.push(self.super_node(node, ports)?);
        }
        Ok(all)
    }

    fn directory(&self, directory: &Directory, port: std::net::TcpListener) -> anyhow::Result<Role> {
        let span = tracing::info_span!("directory");
        let network = &self.config.network;
        let (store, kept) = SqliteStore::open(&*directory.database)
            .map_err(|error| self.config.error(directory.database.place(), format!("directory.database: {error}")))?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).context("drawing a random number")?;
        let seed = store.list_seed(seed)?;
        let machine = directory::Directory::new(
            DirectoryConfig {
                address: directory.advertise.to_string().into(),
                key: NodeKey::of_directory(directory.advertise),
                network: network.name.as_str().into(),
                secret: network.secret.clone(),
                certified: self.identities.membership().is_some(),
                params: network.params,
                directories: texts(&network.directories),
                election_ms: directory.election_ms,
                lease_ms: directory.lease_ms,
                prepare_ms: directory.prepare_ms,
                hold_ms: directory.hold_ms,
                admission: directory.admission.clone(),
                signer: ListSigner::new(seed),
                list_valid_ms: directory.list_valid_ms,
                seed: draw()?,
                incarnation: Incarnation(draw()?),
                operators: self.config.operators.clone(),
                limits: DirectoryLimits::default(),
            },
            kept,
        )
        .map_err(|error| self.config.error(network.name.place(), format!("network.name: {error}")))?;
        let listening = Listening {
            name: "directory".into(),
            socket: port,
            transport: plugins::transport(self.plugins, plugins::NATIVE)?,
            beneath: self.own_port(),
            auth: plugins::chain(self.plugins, &directory.auth)?,
            limits: clients(directory.limits),
        };
        let mut setup = self.setup("directory", vec![listening])?;
        setup.store = Some(Box::new(store));
        let name = Name { kind: Kind::Directory, node: directory.advertise.to_string() };
        let (role, handle) = self.role(("directory".to_string(), name), true, span, machine, setup)?;
        self.reload.reach(None, handle);
        Ok(role)
    }

    fn super_node(&self, node: &SuperNode, ports: NodePorts) -> anyhow::Result<Role> {
        let span = tracing::info_span!("node", name = %node.name);
        let network = &self.config.network;
        let mut machine = super_node::SuperNode::new(NodeConfig {
            key: node.key.clone(),
            name: node.name.as_str().into(),
            network: network.name.as_str().into(),
            secret: network.secret.clone(),
            token: node.token.clone(),
            certified: self.identities.membership().is_some(),
            incarnation: Incarnation(draw()?),
            seed: draw()?,
            directories: texts(&network.directories),
            in_ring: node.in_ring,
            is_filtered: !node.filters.is_empty(),
            process_id: std::process::id(),
            motd: texts(&node.motd),
            operators: self.config.operators.clone(),
            durability: node.durability,
            timing: node.timing,
            limits: node.limits,
        });
        // The machine takes the first for the node's own port.
        let mut listening = vec![Listening {
            name: "native".into(),
            socket: ports.native,
            transport: plugins::transport(self.plugins, plugins::NATIVE)?,
            beneath: self.own_port(),
            auth: plugins::chain(self.plugins, &node.auth)?,
            limits: clients(node.native_limits),
        }];
        for (listener, socket) in node.listeners.iter().zip(ports.listeners) {
            listening.push(Listening {
                name: listener.name.as_str().into(),
                socket,
                transport: plugins::transport(self.plugins, &listener.transport)?,
                beneath: listener.tls.as_ref().and_then(|tls| self.identities.of(tls)).map_or(Beneath::Nothing, Beneath::Tls),
                auth: plugins::chain(self.plugins, &listener.auth)?,
                limits: clients(listener.limits),
            });
        }
        let mut setup = self.setup(&node.name, listening)?;
        setup.filters = plugins::filters(self.plugins, &node.filters)?;
        setup.tuning.filter_ms = node.timing.filter_ms;
        if let Some((keep, kept)) = span.in_scope(|| self.keep(node))? {
            machine.restore(kept);
            setup.keep = Some(keep);
        }
        let kind = if node.in_ring { Kind::SuperNode } else { Kind::Gateway };
        let name = Name { kind, node: node.name.to_string() };
        let (role, handle) = self.role((format!("node {}", node.name), name), false, span, machine, setup)?;
        self.reload.reach(Some(&node.name), handle.clone());
        self.bots.speak_through(handle);
        Ok(role)
    }

    /// Where a super node keeps its groups.
    fn keep(&self, node: &SuperNode) -> anyhow::Result<Option<(Keep, Vec<KeptGroup>)>> {
        let file = &node.database;
        if node.durability == Durability::Memory && !file.exists() {
            return Ok(None);
        }
        let options = LogOptions {
            network: self.config.network.name.as_str().into(),
            key: node.key.clone(),
            durability: node.durability,
            age_ms_max: node.log_age_ms,
        };
        let (logs, kept) =
            GroupLogs::open(&**file, options).map_err(|error| self.config.error(file.place(), format!("super_node.database: {error}")))?;
        if node.durability == Durability::Memory {
            // One from before: having been opened, it does not pass for up to date when it is used again.
            tracing::info!("{} is left alone: durability is memory", file.display());
            return Ok(None);
        }
        tracing::info!("{}: copies of {} groups", file.display(), kept.len());
        let gather_ms = if node.durability == Durability::Disk { 0 } else { GATHER_MS };
        Ok(Some((Keep { keeper: Box::new(logs), gather_ms, waiting_max: Keep::WAITING_MAX }, kept)))
    }

    /// What lies beneath the port where peers come in.
    fn own_port(&self) -> Beneath {
        self.identities.membership().map_or(Beneath::Nothing, Beneath::TlsOffered)
    }

    fn setup(&self, name: &str, listeners: Vec<Listening>) -> anyhow::Result<Setup> {
        let (audit, at) = (self.audit.clone(), name.to_string());
        Ok(Setup {
            listeners,
            dial_transport: plugins::transport(self.plugins, plugins::NATIVE)?,
            dial_tls: self.identities.membership(),
            store: None,
            keep: None,
            judges: self.judges.clone(),
            filters: Vec::new(),
            plugins: Some(self.center.hook()),
            notes: Box::new(move |note| match note {
                Note::Audit(line) => audit.write(&at, &line),
                note => write_down(note),
            }),
            tuning: Tuning::default(),
        })
    }

    fn role<M>(&self, (name, seen_as): (String, Name), last: bool, span: Span, machine: M, setup: Setup) -> anyhow::Result<(Role, Handle)>
    where
        M: Machine + Send + 'static,
    {
        for listening in &setup.listeners {
            let address = listening.socket.local_addr().context("reading an address back")?;
            let beneath = match listening.beneath {
                Beneath::Nothing => "",
                Beneath::Tls(_) => " over TLS",
                Beneath::TlsOffered(_) => " with and without TLS",
            };
            span.in_scope(|| tracing::info!("listening at {address} for {}{beneath}", listening.transport.name()));
        }
        let reactor = Reactor::new(machine, setup).with_context(|| format!("setting up {name}"))?;
        let handle = reactor.handle();
        let speaks = handle.clone();
        self.center.reach(handle.clone());
        self.watch.role(seen_as, handle.clone());
        let run = move || span.in_scope(|| reactor.run()).map(drop).map_err(anyhow::Error::from);
        let stop = move || {
            // Its mailbox is full only if it doesn't run any more, or not in time: then the wait for it ends otherwise.
            let _ = handle.input(Input::Stop);
        };
        Ok((Role { name, last, run: Box::new(run), stop: Box::new(stop) }, speaks))
    }
}

/// How long entries that nobody waits for are gathered before they are written together.
const GATHER_MS: u64 = 20;

/// A server's notes are log lines.
fn write_down(note: Note) {
    match note {
        Note::Log { level: Level::Debug, text } => tracing::debug!("{text}"),
        Note::Log { level: Level::Info, text } => tracing::info!("{text}"),
        Note::Log { level: Level::Warn, text } => tracing::warn!("{text}"),
        Note::Log { level: Level::Error, text } => tracing::error!("{text}"),
        Note::View(view) => tracing::debug!("the ring is now {view}"),
        other => tracing::debug!("{other:?}"),
    }
}

/// Whoever connects is a client until it has proved to be a peer.
fn clients(limits: ListenerLimits) -> Limits {
    Limits { clients_max: limits.clients_max, ..Limits::CLIENTS }
}

fn texts(lines: &[String]) -> Vec<Text> {
    lines.iter().map(|line| line.as_str().into()).collect()
}

/// From the system's random source.
fn draw() -> anyhow::Result<u64> {
    getrandom::u64().context("drawing a random number")
}
