//! A certificate and its key: as files, and as what new connections are shown.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use chatring_machines::certificate::{Certificate, Title};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::validity;

/// What a port shows to prove who it is. May be shared by ports, and renewed while they are used.
#[derive(Debug)]
pub struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Shown>,
}

/// What was read last.
#[derive(Debug)]
struct Shown {
    config: Arc<ServerConfig>,
    ends: Option<u64>,
}

/// Why two files are no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No usable certificate.
    #[error("{}: {why}; expected a PEM file with this server's certificate, and behind it those that vouch for it", file.display())]
    Certificate {
        /// Where it was looked for.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No usable key.
    #[error("{}: {why}; expected a PEM file with the certificate's private key, readable for chatd", file.display())]
    Key {
        /// Where it was looked for.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No usable CA.
    #[error("{}: {why}; expected a PEM file with the certificate of the network's CA", file.display())]
    Authority {
        /// Where it was looked for.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A certificate that nobody with this CA will believe.
    #[error("{}: no good by the CA in {}: {why}; expected one that this CA has signed (`chatctl pki issue`)", certificate.display(), ca.display())]
    Foreign {
        /// The certificate's file.
        certificate: PathBuf,
        /// The CA's file.
        ca: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A certificate that does not say what we are.
    #[error("{}: it is for {says}; expected one for {} {} of network '{}' (`chatctl pki issue {} --role {}`)", certificate.display(), title.role(), title.name(), title.network(), title.name(), title.role())]
    Untitled {
        /// The certificate's file.
        certificate: PathBuf,
        /// What it says.
        says: Certificate,
        /// What is missing.
        title: Title,
    },
    /// Each of them is fine.
    #[error("{}: this is not the key of the certificate in {}; expected both from the same renewal, the server's own certificate first", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

impl Identity {
    /// Reads both files.
    pub fn read(certificate: &Path, key: &Path) -> Result<Identity, IdentityError> {
        let current = RwLock::new(read(certificate, key)?);
        Ok(Identity { certificate: certificate.into(), key: key.into(), current })
    }

    /// Reads both files again. Who connects from here on is shown what is there now; if it is no good, what there was.
    pub fn read_again(&self) -> Result<(), IdentityError> {
        let renewed = read(&self.certificate, &self.key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(())
    }

    /// The files of the certificate and of its key.
    pub fn files(&self) -> (&Path, &Path) {
        (&self.certificate, &self.key)
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// Until when what is shown is good, in seconds since 1970: the first of the file's certificates that ends.
    pub fn ends(&self) -> Option<u64> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).ends
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Shown, IdentityError> {
    let provider = Arc::new(default_provider());
    let shown = certified_key(&provider, certificate, key)?;
    let ends = first_end(&shown.cert);
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| IdentityError::Certificate { file: certificate.into(), why: error.to_string() })?;
    let config = builder.with_no_client_auth().with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    Ok(Shown { config: Arc::new(remember_nobody(config)), ends })
}

/// When the first of these ends.
pub(super) fn first_end(chain: &[CertificateDer<'_>]) -> Option<u64> {
    chain.iter().filter_map(|certificate| validity::ends(certificate)).min()
}

/// A certificate, those that vouch for it, and its key.
pub(super) fn certified_key(provider: &CryptoProvider, certificate: &Path, key: &Path) -> Result<CertifiedKey, IdentityError> {
    let bad_certificate = |why: String| IdentityError::Certificate { file: certificate.into(), why };
    let bad_key = |why: String| IdentityError::Key { file: key.into(), why };
    let chain = chain(certificate).map_err(bad_certificate)?;
    let der = PrivateKeyDer::from_pem_file(key).map_err(|error| bad_key(pem_fault(error, "private key")))?;
    let signer = provider.key_provider.load_private_key(der).map_err(|error| bad_key(error.to_string()))?;
    let shown = CertifiedKey::new(chain, signer);
    match shown.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(shown),
        Err(rustls::Error::InconsistentKeys(_)) => Err(IdentityError::Mismatch { certificate: certificate.into(), key: key.into() }),
        Err(error) => Err(bad_certificate(error.to_string())),
    }
}

/// The certificates in a file: one at least.
pub(super) fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match chain {
        Ok(chain) if chain.is_empty() => Err(pem_fault(rustls::pki_types::pem::Error::NoItemsFound, "certificate")),
        other => other.map_err(|error| pem_fault(error, "certificate")),
    }
}

pub(super) fn remember_nobody(mut config: ServerConfig) -> ServerConfig {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

fn pem_fault(error: rustls::pki_types::pem::Error, what: &str) -> String {
    use rustls::pki_types::pem::Error;
    match error {
        Error::Io(error) => format!("can't be read: {error}"),
        Error::NoItemsFound => format!("found no {what}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/certificates").join(name)
    }

    /// What is said of these two files, without their folder.
    #[track_caller]
    fn check(certificate: &str, key: &str, expect: &str) {
        let error = Identity::read(&file(certificate), &file(key)).expect_err("a complaint").to_string();
        let folder = format!("{}/", file("").display().to_string().trim_end_matches('/'));
        assert_eq!(error.replace(&folder, ""), expect);
    }

    #[test]
    fn a_pair_is_an_identity_and_anything_else_is_told_by_its_file() {
        Identity::read(&file("first.pem"), &file("first.key")).unwrap();
        let (certificate, key) = (
            "expected a PEM file with this server's certificate, and behind it those that vouch for it",
            "expected a PEM file with the certificate's private key, readable for chatd",
        );
        check("none", "first.key", &format!("none: can't be read: No such file or directory (os error 2); {certificate}"));
        check("first.key", "first.key", &format!("first.key: found no certificate; {certificate}"));
        check("first.pem", "none", &format!("none: can't be read: No such file or directory (os error 2); {key}"));
        check("first.pem", "first.pem", &format!("first.pem: found no private key; {key}"));
        check(
            "first.pem",
            "second.key",
            "second.key: this is not the key of the certificate in first.pem; expected both from the same renewal, the server's own certificate first",
        );
    }
}
