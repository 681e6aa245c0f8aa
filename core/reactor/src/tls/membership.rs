//! The certificates of a network: whom we trust because its CA has signed for them, and what it has signed for us.
//!
//! The same files serve both ends. On a port they are offered: whoever begins with TLS is shown our certificate and asked for one, and may have none, since people's programs and operators come in there, too. Whoever is dialled
//! has to show one that is good, for the address that was dialled. What a certificate says of its holder's place in the network goes to the machine.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use chatring_machines::certificate::{Certificate, Title, network_of_authority};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::identity::{IdentityError, certified_key, chain, first_end, remember_nobody};

/// What a node, or a client, has of a network's certificates. May be shared by ports and dials, and renewed while they are used.
#[derive(Debug)]
pub struct Membership {
    ca: PathBuf,
    /// Our own; a guest has none.
    own: Option<Own>,
    current: RwLock<Arc<Current>>,
}

/// Our own certificate and its key, and what it has to say.
#[derive(Debug)]
struct Own {
    certificate: PathBuf,
    key: PathBuf,
    titles: Vec<Title>,
}

/// What was read last.
#[derive(Debug)]
struct Current {
    server: Option<Arc<ServerConfig>>,
    client: Arc<ClientConfig>,
    /// When the CA, and our own certificate, end.
    authority_ends: Option<u64>,
    own_ends: Option<u64>,
}

impl Membership {
    /// Of a node that has these titles: reads all three files.
    pub fn read(ca: &Path, certificate: &Path, key: &Path, titles: Vec<Title>) -> Result<Membership, IdentityError> {
        Membership::of(ca, Some(Own { certificate: certificate.into(), key: key.into(), titles }))
    }

    /// Of someone who only wants to be sure whom they have dialled.
    pub fn of_guest(ca: &Path) -> Result<Membership, IdentityError> {
        Membership::of(ca, None)
    }

    fn of(ca: &Path, own: Option<Own>) -> Result<Membership, IdentityError> {
        let current = RwLock::new(Arc::new(read(ca, own.as_ref())?));
        Ok(Membership { ca: ca.into(), own, current })
    }

    /// Reads the files again. Whoever connects, or is dialled, from here on is dealt with by what is there now; if it is no good, by what there was.
    pub fn read_again(&self) -> Result<(), IdentityError> {
        let renewed = read(&self.ca, self.own.as_ref())?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(renewed);
        Ok(())
    }

    /// The file of our own certificate, or else that of the CA.
    pub fn file(&self) -> &Path {
        self.own.as_ref().map_or(&self.ca, |own| &own.certificate)
    }

    /// Each file of certificates, and until when what was read there is good, in seconds since 1970.
    pub fn ends(&self) -> Vec<(&Path, u64)> {
        let current = self.current();
        let authority = current.authority_ends.map(|ends| (&*self.ca, ends));
        let own = self.own.as_ref().zip(current.own_ends).map(|(own, ends)| (&*own.certificate, ends));
        authority.into_iter().chain(own).collect()
    }

    /// For those who dial us.
    pub(crate) fn server(&self) -> Option<Arc<ServerConfig>> {
        self.current().server.clone()
    }

    /// For those whom we dial.
    pub(super) fn client(&self) -> Arc<ClientConfig> {
        self.current().client.clone()
    }

    fn current(&self) -> Arc<Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Which network the CA in this file is of.
pub fn network_of(ca: &Path) -> Result<String, IdentityError> {
    let bad = |why: String| IdentityError::Authority { file: ca.into(), why };
    let chain = chain(ca).map_err(bad)?;
    let certificate = chain.first().ok_or_else(|| bad("found no certificate".to_string()))?;
    let certificate = webpki::EndEntityCert::try_from(certificate).map_err(|error| bad(error.to_string()))?;
    let network = certificate.valid_uri_names().find_map(network_of_authority);
    network.map(str::to_string).ok_or_else(|| bad("it names no network".to_string()))
}

/// What a certificate says of its holder, whoever has signed it.
pub(super) fn titles(certificate: &CertificateDer<'_>) -> Certificate {
    match webpki::EndEntityCert::try_from(certificate) {
        Ok(certificate) => Certificate::new(certificate.valid_uri_names()),
        Err(_) => Certificate::default(),
    }
}

fn read(ca: &Path, own: Option<&Own>) -> Result<Current, IdentityError> {
    let provider = Arc::new(default_provider());
    let (roots, authority_ends) = authorities(ca)?;
    let roots = Arc::new(roots);
    let shown = own.map(|own| own_key(&provider, &roots, ca, own)).transpose()?;
    let bad = |error: &dyn std::fmt::Display| IdentityError::Authority { file: ca.into(), why: error.to_string() };
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| bad(&error))?.with_root_certificates(roots.clone());
    let shown = shown.map(Arc::new);
    let own_ends = shown.as_ref().and_then(|shown| first_end(&shown.cert));
    let mut client = match &shown {
        None => builder.with_no_client_auth(),
        Some(shown) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown.clone()))),
    };
    client.resumption = Resumption::disabled();
    let server = shown.map(|shown| server(&provider, roots, shown).map_err(|error| bad(&error))).transpose()?;
    Ok(Current { server, client: Arc::new(client), authority_ends, own_ends })
}

/// Our own certificate, if it is one that others believe.
fn own_key(provider: &CryptoProvider, roots: &RootCertStore, ca: &Path, own: &Own) -> Result<CertifiedKey, IdentityError> {
    let shown = certified_key(provider, &own.certificate, &own.key)?;
    check_signature(provider, roots, &shown).map_err(|why| IdentityError::Foreign {
        certificate: own.certificate.clone(),
        ca: ca.into(),
        why,
    })?;
    let says = shown.cert.first().map(titles).unwrap_or_default();
    match own.titles.iter().find(|title| !says.says(title)) {
        Some(title) => Err(IdentityError::Untitled { certificate: own.certificate.clone(), says, title: title.clone() }),
        None => Ok(shown),
    }
}

/// Asks for a certificate, and makes do without.
fn server(provider: &Arc<CryptoProvider>, roots: Arc<RootCertStore>, shown: Arc<CertifiedKey>) -> Result<Arc<ServerConfig>, String> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).allow_unauthenticated().build();
    let verifier = verifier.map_err(|error| error.to_string())?;
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?.with_client_cert_verifier(verifier);
    Ok(Arc::new(remember_nobody(builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(shown))))))
}

/// All certificates of the file, and when the first of them ends.
fn authorities(file: &Path) -> Result<(RootCertStore, Option<u64>), IdentityError> {
    let bad = |why: String| IdentityError::Authority { file: file.into(), why };
    let mut roots = RootCertStore::empty();
    let chain = chain(file).map_err(bad)?;
    let ends = first_end(&chain);
    for certificate in chain {
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    Ok((roots, ends))
}

/// Whether our own certificate is one that we would believe: then those with the same CA will.
fn check_signature(provider: &CryptoProvider, roots: &RootCertStore, shown: &CertifiedKey) -> Result<(), String> {
    let (own, between) = shown.cert.split_first().ok_or("found no certificate")?;
    let own = webpki::EndEntityCert::try_from(own).map_err(|error| error.to_string())?;
    let algorithms = provider.signature_verification_algorithms.all;
    for usage in [webpki::KeyUsage::server_auth(), webpki::KeyUsage::client_auth()] {
        let verified = own.verify_for_usage(algorithms, &roots.roots, between, UnixTime::now(), usage, None, None);
        verified.map_err(|error| match error {
            webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey => "it was signed by another CA".to_string(),
            other => other.to_string(),
        })?;
    }
    Ok(())
}
