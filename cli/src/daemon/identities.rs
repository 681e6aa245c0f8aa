//! The certificates and keys of a daemon: read before anything starts, and again whenever someone asks for it. Nobody who is connected notices.

use chatring_config::{Config, ConfigError, Tls};
use chatring_reactor::{Identity, IdentityError};
use std::path::Path;
use std::sync::Arc;

/// Each pair of files once, whoever shows it.
#[derive(Clone, Default)]
pub struct Identities {
    list: Vec<Arc<Identity>>,
}

impl Identities {
    /// Reads what the listeners need.
    pub fn read(config: &Config) -> Result<Identities, ConfigError> {
        let mut identities = Identities::default();
        for tls in config.super_nodes.iter().flat_map(|node| &node.listeners).filter_map(|listener| listener.tls.as_ref()) {
            if identities.of(tls).is_none() {
                let identity = Identity::read(&tls.certificate, &tls.key).map_err(|error| wrong(config, tls, &error))?;
                identities.list.push(Arc::new(identity));
            }
        }
        Ok(identities)
    }

    /// What [`Identities::read`] has read from these files.
    pub fn of(&self, tls: &Tls) -> Option<Arc<Identity>> {
        let files: (&Path, &Path) = (&tls.certificate, &tls.key);
        self.list.iter().find(|identity| identity.files() == files).cloned()
    }

    /// Reads them all again. Where the files are no good, what they held before stays in use.
    pub fn read_again(&self) {
        if self.list.is_empty() {
            tracing::info!("nothing to read again: no listener has TLS");
        }
        for identity in &self.list {
            match identity.read_again() {
                Ok(()) => tracing::info!("read again: {}", identity.files().0.display()),
                Err(error) => tracing::error!("the certificate and key that were read before stay in use: {error}"),
            }
        }
    }
}

fn wrong(config: &Config, tls: &Tls, error: &IdentityError) -> ConfigError {
    let (key, file) = match error {
        IdentityError::Certificate { .. } => ("certificate", &tls.certificate),
        IdentityError::Key { .. } | IdentityError::Mismatch { .. } => ("key", &tls.key),
    };
    config.error(file.place(), format!("tls.{key}: {error}"))
}
