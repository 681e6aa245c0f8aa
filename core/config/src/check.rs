//! From what is written to what is meant: every rule that goes beyond a single value.

use crate::address::is_loopback;
use crate::limits::DAY_MS;
use crate::place::{ConfigError, Place, Placed, Source};
use crate::raw::{self, Text};
use crate::{
    Admin, Config, DIRECTORY_PORT, Directory, EXAMPLE_SECRET, IRC_PORT, IRC_TLS_PORT, Listener, Network, SECRET_BYTES_MIN, SuperNode, Tls,
};
use chatring_machines::directory::{Admission, Policy};
use chatring_machines::keeping::Durability;
use chatring_machines::names::{NodeKey, STANDARD_PORT};
use chatring_machines::secret::NetworkSecret;
use chatring_machines::super_node::NodeTiming;
use chatring_machines::view::{Metric, RingParams};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Super nodes in one /24 or /48 at most, where nothing else is said: one for each of its addresses.
const NODES_PER_SUBNET: usize = 256;
/// Longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 256;

/// What every check needs.
pub(crate) struct Check {
    source: Source,
    /// Paths in the file start here.
    pub(crate) folder: PathBuf,
}

pub(crate) fn config(source: Source, folder: &Path) -> Result<Config, ConfigError> {
    let file: raw::File = toml::from_str(&source.text).map_err(|error| source.parse_error(&error))?;
    let check = Check { source, folder: folder.into() };
    let network_place = place_of(&file.network);
    let raw_network = file.network.into_inner();

    let directory = file.directory.map(|raw| check.directory(raw)).transpose()?;
    let lease_ms = directory.as_ref().map_or(NodeTiming::default().lease_ms, |directory| directory.lease_ms);
    let mut super_nodes: Vec<_> = file.super_node.into_iter().map(|raw| check.super_node(raw, lease_ms)).collect::<Result<_, _>>()?;
    if directory.is_none() && super_nodes.is_empty() {
        return Err(check.error(network_place, "found no role to play, expected a [directory] or a [[super_node]]"));
    }
    check.listeners(file.listener, file.tls.as_ref(), &mut super_nodes)?;
    if let Some(tls) = file.tls.filter(|_| super_nodes.iter().flat_map(|node| &node.listeners).all(|listener| listener.tls.is_none())) {
        return Err(check.wrong(&tls, "tls: found, although no listener uses it, expected a [[listener]] with layers = [\"tls\"]"));
    }
    let admin = file.admin.map(|raw| check.admin(raw)).transpose()?;
    check.nothing_twice(directory.as_ref(), &super_nodes, admin.as_ref())?;

    let directories = check.directories(&raw_network, network_place, directory.as_ref())?;
    let reachable = check.beyond_loopback(directory.as_ref(), &super_nodes, &directories);
    let network = check.network(&raw_network, network_place, directories, reachable)?;
    check.plaintext_peers(&raw_network, directory.as_ref(), &super_nodes)?;

    Ok(Config {
        network,
        directory,
        super_nodes,
        admin,
        plugins: file.plugins.into_iter().map(|path| Placed::from(path).map(|path| check.folder.join(path))).collect(),
        plugin_settings: file.plugin.into_iter().map(|(name, table)| (name, settings_text(table))).collect(),
        operators: check.operators(&file.operator)?,
        audit: file.log.audit.map(|path| Placed::from(path).map(|path| check.folder.join(path))),
        log_format: file.log.format.unwrap_or_default(),
        log_level: file.log.level.unwrap_or_default(),
        source: check.source,
    })
}

/// What a plugin gets to read: its table as a file of its own.
fn settings_text(table: Spanned<toml::Table>) -> Placed<String> {
    Placed::from(table).map(|table| table.to_string())
}

pub(crate) fn place_of<T>(spanned: &Spanned<T>) -> Place {
    Place(spanned.span().start)
}

impl Check {
    pub(crate) fn error(&self, place: Place, message: impl Into<String>) -> ConfigError {
        self.source.error(place, message)
    }

    /// A complaint about a value.
    pub(crate) fn wrong<T>(&self, value: &Spanned<T>, message: impl Into<String>) -> ConfigError {
        self.error(place_of(value), message)
    }

    fn network(
        &self,
        raw: &raw::Network,
        place: Place,
        directories: Vec<String>,
        reachable: Option<String>,
    ) -> Result<Network, ConfigError> {
        let metric = match raw.metric {
            raw::Metric::Circular => Metric::Circular,
            raw::Metric::Linear => Metric::Linear,
        };
        let points = self.count(raw.points.as_ref(), "network.points", 1024, RingParams::default().points as usize)? as u32;
        let name = self.name(&raw.name, "network.name")?;
        let secret = self.secret(raw, place)?;
        if let Some(address) = reachable {
            self.check_secret(&secret, &address)?;
        }
        let certificates = self.certificates(raw)?;
        Ok(Network { name, secret: NetworkSecret::new(&secret), params: RingParams { metric, points }, directories, certificates })
    }

    /// The secret and where it was written.
    fn secret(&self, raw: &raw::Network, place: Place) -> Result<Placed<String>, ConfigError> {
        match (&raw.secret, &raw.secret_file) {
            (Some(secret), None) if secret.get_ref().is_empty() => {
                Err(self.wrong(secret, format!("network.secret: found nothing, expected {SECRET_EXPECTED}")))
            }
            (Some(secret), None) => Ok(secret.clone().into()),
            (None, Some(file)) => {
                let path = self.folder.join(file.get_ref());
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| self.wrong(file, format!("network.secret_file: {} can't be read: {error}", path.display())))?;
                match text.trim() {
                    "" => {
                        Err(self
                            .wrong(file, format!("network.secret_file: found nothing in {}, expected {SECRET_EXPECTED}", path.display())))
                    }
                    secret => Ok(Placed::new(secret.to_string(), place_of(file))),
                }
            }
            (None, None) => Err(self.error(place, "network: found no secret, expected secret = \"...\" or secret_file = \"...\"")),
            (Some(_), Some(file)) => Err(self.wrong(file, "network.secret_file: found beside network.secret, expected only one of them")),
        }
    }

    /// Whoever knows the secret is a node of the network, so beyond this machine it has to be one.
    fn check_secret(&self, secret: &Placed<String>, address: &str) -> Result<(), ConfigError> {
        let found = match secret.len() {
            _ if secret.as_str() == EXAMPLE_SECRET => "the secret of the examples".to_string(),
            bytes if bytes < SECRET_BYTES_MIN => format!("a secret of {bytes} bytes"),
            _ => return Ok(()),
        };
        let message = format!("network.secret: found {found} although {address} is not a loopback address, expected {SECRET_EXPECTED}");
        Err(self.error(secret.place(), message))
    }

    /// The first address that others than this machine can reach or be reached at.
    fn beyond_loopback(&self, directory: Option<&Directory>, nodes: &[SuperNode], directories: &[String]) -> Option<String> {
        let of_directory = directory.into_iter().flat_map(|directory| [*directory.address, directory.advertise]);
        let of_nodes = nodes.iter().flat_map(|node| {
            let listeners = node.listeners.iter().map(|listener| *listener.address);
            [*node.address].into_iter().chain(node.key.address()).chain(listeners)
        });
        let mut all = of_directory.chain(of_nodes).map(|address| address.to_string()).chain(directories.iter().cloned());
        all.find(|address| !is_loopback(address))
    }

    fn directories(&self, raw: &raw::Network, place: Place, own: Option<&Directory>) -> Result<Vec<String>, ConfigError> {
        match (&raw.directories, own) {
            (Some(given), _) if given.get_ref().is_empty() => {
                Err(self.wrong(given, "network.directories: found none, expected the addresses of the directory servers"))
            }
            (Some(given), _) => given.get_ref().iter().map(|text| self.dial_address(text, "network.directories", DIRECTORY_PORT)).collect(),
            (None, Some(own)) => Ok(vec![own.advertise.to_string()]),
            (None, None) => {
                Err(self
                    .error(place, "network: found neither directories nor a [directory] here, expected directories = [\"HOST:port\", ...]"))
            }
        }
    }

    fn directory(&self, raw: Spanned<raw::Directory>) -> Result<Directory, ConfigError> {
        let place = place_of(&raw);
        let raw = raw.into_inner();
        let address = self.own_address(raw.address.as_ref(), place, "directory.address", DIRECTORY_PORT)?;
        let advertise = *self.advertised("directory", &address, raw.advertise.as_ref())?;
        let admission = self.admission(&raw)?;
        let database = match raw.database {
            Some(path) => Placed::from(path),
            None => Placed::new("directory.sqlite".into(), place),
        };
        Ok(Directory {
            address,
            advertise,
            database: database.map(|path| self.folder.join(path)),
            lease_ms: self.lease(raw.lease.as_ref(), "directory.lease", NodeTiming::default().lease_ms)?,
            prepare_ms: self.span(raw.prepare.as_ref(), "directory.prepare", 1_000, 30_000)?,
            election_ms: self.span(raw.election.as_ref(), "directory.election", 50, 800)?,
            hold_ms: self.span(raw.hold.as_ref(), "directory.hold", 0, 60_000)?,
            admission,
            list_valid_ms: self.span_within(raw.list_valid.as_ref(), "directory.list_valid", (3_600_000, 365 * DAY_MS), 7 * DAY_MS)?,
            auth: self.auth(raw.auth, "directory.auth", &open(place))?,
            limits: self.clients_max(raw.limits.clients_max.as_ref(), "directory.limits.clients_max")?,
        })
    }

    /// Who may come into the ring.
    fn admission(&self, raw: &raw::Directory) -> Result<Admission, ConfigError> {
        let policy = match raw.admit.as_ref().map(|admit| *admit.get_ref()).unwrap_or_default() {
            raw::Admit::Open => Policy::Open,
            raw::Admit::Token => Policy::Token,
            raw::Admit::List => Policy::List,
        };
        match (policy, &raw.tokens, &raw.admit) {
            (Policy::Token, None, Some(admit)) => {
                return Err(self.wrong(admit, "directory.admit: found \"token\" and no tokens, expected tokens = [\"...\"]"));
            }
            (Policy::Open | Policy::List, Some(tokens), _) => {
                return Err(
                    self.wrong(tokens, "directory.tokens: found although nobody is asked for one, expected admit = \"token\" beside it")
                );
            }
            _ => {}
        }
        let tokens = raw.tokens.iter().flat_map(|tokens| tokens.get_ref());
        Ok(Admission {
            policy,
            tokens: tokens.map(|token| self.token(token, "directory.tokens")).collect::<Result<_, _>>()?,
            per_subnet: self.count(raw.nodes_per_subnet.as_ref(), "directory.nodes_per_subnet", 100_000, NODES_PER_SUBNET)?,
            watch_ms: self.span(raw.watch.as_ref(), "directory.watch", 0, 0)?,
        })
    }

    /// What a node shows for a place in the ring, or is expected to.
    fn token(&self, token: &Text, key: &str) -> Result<chatring_machines::wire::Text, ConfigError> {
        match token.get_ref().len() {
            SECRET_BYTES_MIN..=TOKEN_BYTES_MAX => Ok(token.get_ref().as_str().into()),
            bytes => Err(self.wrong(
                token,
                format!("{key}: found a token of {bytes} bytes, expected {SECRET_BYTES_MIN} to {TOKEN_BYTES_MAX} (openssl rand -hex 32)"),
            )),
        }
    }

    fn super_node(&self, raw: Spanned<raw::SuperNode>, lease_ms: u64) -> Result<SuperNode, ConfigError> {
        let place = place_of(&raw);
        let raw = raw.into_inner();
        let name = self.name(&raw.name, "super_node.name")?;
        let address = self.own_address(raw.address.as_ref(), place, "super_node.address", STANDARD_PORT)?;
        let key = match (raw.edge_only, &raw.advertise) {
            (true, Some(advertise)) => {
                return Err(self.wrong(
                    advertise,
                    "super_node.advertise: found beside edge_only = true, expected only one of them: no one dials a gateway",
                ));
            }
            (true, None) => NodeKey::gateway(name.as_str()),
            (false, advertise) => NodeKey::of(*self.advertised("super_node", &address, advertise.as_ref())?),
        };
        let (durability, database) = self.kept(&raw, name.as_str(), place)?;
        let token = match &raw.token {
            Some(token) if raw.edge_only => {
                return Err(self.wrong(
                    token,
                    "super_node.token: found beside edge_only = true, expected only one of them: an edge is not in the ring",
                ));
            }
            token => token.as_ref().map(|token| self.token(token, "super_node.token")).transpose()?,
        };
        Ok(SuperNode {
            name,
            address,
            key,
            in_ring: !raw.edge_only,
            token,
            durability,
            database,
            log_age_ms: self.log_age(raw.limits.log_age.as_ref())?,
            auth: self.auth(raw.auth, "super_node.auth", &open(place))?,
            filters: raw.filters.into_iter().map(Placed::from).collect(),
            motd: self.motd(raw.motd)?,
            timing: self.timing(&raw.timing, lease_ms)?,
            limits: self.node_limits(&raw.limits)?,
            native_limits: self.clients_max(raw.limits.clients_max.as_ref(), "super_node.limits.clients_max")?,
            listeners: Vec::new(),
        })
    }

    /// How a super node's groups are kept, and where.
    fn kept(&self, raw: &raw::SuperNode, name: &str, place: Place) -> Result<(Durability, Placed<PathBuf>), ConfigError> {
        let beside_edge =
            |key: &str| format!("super_node.{key}: found beside edge_only = true, expected only one of them: an edge has no groups");
        match (raw.edge_only, &raw.durability, &raw.database) {
            (true, Some(given), _) => return Err(self.wrong(given, beside_edge("durability"))),
            (true, _, Some(given)) => return Err(self.wrong(given, beside_edge("database"))),
            _ => {}
        }
        let durability = match &raw.durability {
            None if raw.edge_only => Durability::Memory,
            None => Durability::default(),
            Some(given) => self.durability(given)?,
        };
        let database = match &raw.database {
            Some(path) => Placed::from(path.clone()),
            None => Placed::new(format!("{name}.sqlite").into(), place),
        };
        Ok((durability, database.map(|path| self.folder.join(path))))
    }

    fn durability(&self, given: &Text) -> Result<Durability, ConfigError> {
        let all = Durability::ALL;
        let known = all.into_iter().find(|known| known.as_str() == given.get_ref());
        known.ok_or_else(|| {
            let expected = all.map(|known| format!("{:?}", known.as_str())).join(" or ");
            self.wrong(given, format!("super_node.durability: found {:?}, expected {expected}", given.get_ref()))
        })
    }

    /// Gives each super node its listeners.
    fn listeners(
        &self,
        raw: Vec<Spanned<raw::Listener>>,
        tls: Option<&Spanned<raw::Tls>>,
        nodes: &mut [SuperNode],
    ) -> Result<(), ConfigError> {
        for raw in raw {
            let place = place_of(&raw);
            let raw = raw.into_inner();
            let owner = match &raw.super_node {
                None => nodes.first_mut(),
                Some(name) => nodes.iter_mut().find(|node| node.name.as_str() == name.get_ref()),
            };
            let Some(owner) = owner else {
                return Err(match &raw.super_node {
                    None => self.error(place, "listener: found no [[super_node]] to belong to, expected one"),
                    Some(name) => {
                        let known: Vec<_> = nodes.iter().map(|node| format!("{:?}", node.name.as_str())).collect();
                        let expected = if known.is_empty() { "a [[super_node]] of that name".to_string() } else { known.join(" or ") };
                        self.wrong(name, format!("listener.super_node: found {:?}, expected {expected}", name.get_ref()))
                    }
                });
            };
            let listener = self.listener(raw, place, tls, &owner.auth)?;
            owner.listeners.push(listener);
        }
        Ok(())
    }

    fn listener(
        &self,
        raw: raw::Listener,
        place: Place,
        tls: Option<&Spanned<raw::Tls>>,
        node_auth: &[Placed<String>],
    ) -> Result<Listener, ConfigError> {
        let tls = self.layers(&raw, tls)?;
        let irc_port = if tls.is_some() { IRC_TLS_PORT } else { IRC_PORT };
        let usual_port = (raw.transport.get_ref() == "irc").then_some(irc_port);
        let address = match (&raw.address, usual_port) {
            (Some(given), _) => self.bind_address(given, "listener.address", usual_port)?,
            (None, Some(port)) => Placed::new(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), place),
            (None, None) => return Err(self.error(place, "listener: found no address, expected address = \"IP:port\"")),
        };
        let name = match &raw.name {
            Some(name) => self.name(name, "listener.name")?,
            None => Placed::new(address.to_string(), address.place()),
        };
        Ok(Listener {
            name,
            address,
            transport: raw.transport.into(),
            tls,
            auth: self.auth(raw.auth, "listener.auth", node_auth)?,
            limits: self.clients_max(raw.limits.clients_max.as_ref(), "listener.limits.clients_max")?,
        })
    }

    /// What lies beneath a listener's codec: its own files for TLS, or else everyone's.
    fn layers(&self, raw: &raw::Listener, everyones: Option<&Spanned<raw::Tls>>) -> Result<Option<Tls>, ConfigError> {
        let layers = raw.layers.as_ref().map_or(&[][..], |layers| layers.get_ref());
        match (layers, raw.tls.as_ref().or(everyones)) {
            ([], _) => match &raw.tls {
                None => Ok(None),
                Some(tls) => Err(self.wrong(tls, "listener.tls: found without layers = [\"tls\"], expected both or neither")),
            },
            ([layer], _) if layer.get_ref() != "tls" => Err(self.wrong(layer, format!("listener.layers: found {:?}, expected \"tls\"", layer.get_ref()))),
            ([_], Some(tls)) => {
                let in_folder = |path: &Spanned<PathBuf>| Placed::from(path.clone()).map(|path| self.folder.join(path));
                Ok(Some(Tls { certificate: in_folder(&tls.get_ref().certificate), key: in_folder(&tls.get_ref().key) }))
            }
            ([layer], None) => Err(self.wrong(
                layer,
                "listener.layers: found \"tls\" and no [tls] in the file, expected a table [tls] with certificate = \"FILE\" and key = \"FILE\"",
            )),
            ([_, second, ..], _) => Err(self.wrong(second, format!("listener.layers: found {:?} as a second layer, expected only [\"tls\"]", second.get_ref()))),
        }
    }

    fn own_address(&self, given: Option<&Text>, place: Place, key: &str, port: u16) -> Result<Placed<SocketAddr>, ConfigError> {
        match given {
            Some(given) => self.bind_address(given, key, Some(port)),
            None => Ok(Placed::new(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), place)),
        }
    }

    fn auth(&self, given: Option<Spanned<Vec<Text>>>, key: &str, default: &[Placed<String>]) -> Result<Vec<Placed<String>>, ConfigError> {
        match given {
            None => Ok(default.to_vec()),
            Some(names) if names.get_ref().is_empty() => Err(self
                .wrong(&names, format!("{key}: found none, expected one or more, like [\"open\"]: with nobody to decide, nobody gets in"))),
            Some(names) => Ok(names.into_inner().into_iter().map(Placed::from).collect()),
        }
    }

    pub(crate) fn name(&self, given: &Text, key: &str) -> Result<Placed<String>, ConfigError> {
        let name = given.get_ref();
        let plain = (1..=63).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if plain {
            return Ok(given.clone().into());
        }
        Err(self.wrong(given, format!("{key}: found {name:?}, expected 1 to 63 letters, digits, '-', '_' or '.'")))
    }

    fn motd(&self, given: Option<Text>) -> Result<Vec<String>, ConfigError> {
        const LINES_MAX: usize = 100;
        const LINE_BYTES_MAX: usize = 400;
        let Some(given) = given else { return Ok(Vec::new()) };
        let lines: Vec<String> = given.get_ref().lines().map(str::to_string).collect();
        let long = lines.iter().position(|line| line.len() > LINE_BYTES_MAX);
        match long {
            Some(ix) => Err(self.wrong(&given, format!("super_node.motd: line {} is longer than {LINE_BYTES_MAX} bytes", ix + 1))),
            None if lines.len() > LINES_MAX => {
                Err(self.wrong(&given, format!("super_node.motd: found {} lines, expected at most {LINES_MAX}", lines.len())))
            }
            None => Ok(lines),
        }
    }

    /// One address serves one thing, and one name means one thing.
    fn nothing_twice(&self, directory: Option<&Directory>, nodes: &[SuperNode], admin: Option<&Admin>) -> Result<(), ConfigError> {
        let mut seen = BTreeMap::new();
        let mut once = |what: String, place: Place| match seen.insert(what.clone(), place) {
            Some(first) => {
                let first = self.error(first, "");
                Err(self.error(place, format!("found {what} a second time, expected another than in line {}", first.line)))
            }
            None => Ok(()),
        };
        if let Some(directory) = directory {
            once(format!("address {}", directory.address), directory.address.place())?;
            once(format!("database {}", directory.database.display()), directory.database.place())?;
        }
        for node in nodes {
            once(format!("super_node.name {:?}", node.name.as_str()), node.name.place())?;
            once(format!("address {}", node.address), node.address.place())?;
            once(format!("ring key {}", node.key), node.address.place())?;
            if node.durability != Durability::Memory {
                once(format!("database {}", node.database.display()), node.database.place())?;
            }
            for listener in &node.listeners {
                once(format!("address {}", listener.address), listener.address.place())?;
                once(format!("listener.name {:?}", listener.name.as_str()), listener.name.place())?;
            }
        }
        if let Some(admin) = admin {
            once(format!("address {}", admin.listen), admin.listen.place())?;
        }
        Ok(())
    }
}

/// The one rule for secrets. A test holds it against [`SECRET_BYTES_MIN`].
const SECRET_EXPECTED: &str =
    "16 bytes or more that nobody else knows (openssl rand -hex 32); where all addresses are loopback ones, anything will do";

fn open(place: Place) -> [Placed<String>; 1] {
    [Placed::new("open".into(), place)]
}
