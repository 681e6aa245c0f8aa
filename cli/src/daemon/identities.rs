//! The certificates and keys of a daemon: read before anything starts, and again whenever someone asks for it. Nobody who is connected notices.

use chatring_config::{Certificates, Config, ConfigError, Placed, Tls};
use chatring_machines::certificate::Title;
use chatring_machines::names::NodeKey;
use chatring_reactor::{Identity, IdentityError, Membership};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Each pair of files once, whoever shows it; and what proves to other nodes who we are.
#[derive(Clone, Default)]
pub struct Identities {
    list: Vec<Arc<Identity>>,
    membership: Option<Arc<Membership>>,
}

impl Identities {
    /// Reads what the listeners and the links to other nodes need.
    pub fn read(config: &Config) -> Result<Identities, ConfigError> {
        let mut identities = Identities::default();
        for tls in config.super_nodes.iter().flat_map(|node| &node.listeners).filter_map(|listener| listener.tls.as_ref()) {
            if identities.of(tls).is_none() {
                let identity = Identity::read(&tls.certificate, &tls.key).map_err(|error| wrong(config, tls, &error))?;
                warn_if_readable(&tls.key);
                identities.list.push(Arc::new(identity));
            }
        }
        if let Some(files) = &config.network.certificates {
            let membership = Membership::read(&files.ca, &files.certificate, &files.key, titles(config));
            identities.membership = Some(Arc::new(membership.map_err(|error| wrong_member(config, files, &error))?));
            warn_if_readable(&files.key);
        }
        Ok(identities)
    }

    /// What [`Identities::read`] has read from these files.
    pub fn of(&self, tls: &Tls) -> Option<Arc<Identity>> {
        let files: (&Path, &Path) = (&tls.certificate, &tls.key);
        self.list.iter().find(|identity| identity.files() == files).cloned()
    }

    /// What proves to other nodes who we are, where the network has certificates.
    pub fn membership(&self) -> Option<Arc<Membership>> {
        self.membership.clone()
    }

    /// Each file of certificates that is in use, once, and until when what was read there is good, in seconds since 1970.
    pub fn ends(&self) -> BTreeMap<String, u64> {
        let of_listeners = self.list.iter().filter_map(|identity| Some((identity.files().0, identity.ends()?)));
        let of_membership = self.membership.iter().flat_map(|membership| membership.ends());
        let mut all = BTreeMap::new();
        for (file, ends) in of_listeners.chain(of_membership) {
            let first = all.entry(file.display().to_string()).or_insert(ends);
            *first = ends.min(*first);
        }
        all
    }

    /// Reads them all again. Where the files are no good, what they held before stays in use.
    pub fn read_again(&self) {
        if self.list.is_empty() && self.membership.is_none() {
            tracing::info!("nothing to read again: no listener has TLS, and [network] no certificates");
        }
        for identity in &self.list {
            say(identity.files().0, identity.read_again());
        }
        if let Some(membership) = &self.membership {
            say(membership.file(), membership.read_again());
        }
    }
}

fn say(file: &Path, read: Result<(), IdentityError>) {
    match read {
        Ok(()) => tracing::info!("read again: {}", file.display()),
        Err(error) => tracing::error!("the certificate and key that were read before stay in use: {error}"),
    }
}

/// All that this process is in its network: its certificate has to say so.
fn titles(config: &Config) -> Vec<Title> {
    let directory = config.directory.iter().map(|directory| NodeKey::of_directory(directory.advertise));
    let nodes = config.super_nodes.iter().map(|node| node.key.clone());
    let network = config.network.name.as_str().into();
    directory.chain(nodes).map(|key| Title::of(&network, &key)).collect()
}

/// A key that others on the machine can read is not only ours.
fn warn_if_readable(key: &Path) {
    const OTHERS_READ: u32 = 0o004;
    if std::fs::metadata(key).is_ok_and(|file| file.permissions().mode() & OTHERS_READ != 0) {
        tracing::warn!("{}: everyone on this machine can read this key: chmod 600 it", key.display());
    }
}

fn wrong(config: &Config, tls: &Tls, error: &IdentityError) -> ConfigError {
    complaint(config, "tls", [&tls.certificate, &tls.certificate, &tls.key], error)
}

fn wrong_member(config: &Config, files: &Certificates, error: &IdentityError) -> ConfigError {
    complaint(config, "network", [&files.ca, &files.certificate, &files.key], error)
}

/// At the file that is to blame.
fn complaint(config: &Config, table: &str, [ca, certificate, key]: [&Placed<PathBuf>; 3], error: &IdentityError) -> ConfigError {
    let (name, file) = match error {
        IdentityError::Authority { .. } => ("ca", ca),
        IdentityError::Certificate { .. } | IdentityError::Foreign { .. } | IdentityError::Untitled { .. } => ("certificate", certificate),
        IdentityError::Key { .. } | IdentityError::Mismatch { .. } => ("key", key),
    };
    config.error(file.place(), format!("{table}.{name}: {error}"))
}
