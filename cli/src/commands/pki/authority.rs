//! A network's CA: makes itself, and signs for others.
//!
//! Which network it is of stands in its certificate, so a certificate for another can't be made by mistake.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use chatring_admin::Failure;
use chatring_machines::certificate::{self, Title};
use chatring_reactor::network_of;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

/// How long a CA holds: nobody wants to give all nodes another one.
const CA_DAYS: u32 = 20 * 365;
/// Certificates hold from a while ago, for clocks that are behind.
const BEFORE: Duration = Duration::from_secs(24 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A CA that can sign.
pub struct Authority {
    network: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Who gets a certificate.
pub struct Holder<'a> {
    pub titles: &'a [Title],
    /// IPs, and host names.
    pub addresses: &'a [String],
    pub days: u32,
}

/// What was made, as PEM.
pub struct Made {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// Makes a network's CA.
    pub fn make(network: &str) -> Result<Made, Failure> {
        let key = KeyPair::generate().map_err(broken)?;
        let certificate = params_of(network, CA_DAYS)?.self_signed(&key).map_err(broken)?;
        Ok(made(certificate.der(), &key))
    }

    /// The one in these files.
    pub fn read(certificate: &Path, key: &Path) -> Result<Authority, Failure> {
        let no_ca = |what: String| Failure::refused(what).advise("`chatctl pki init --network NAME` makes a CA; --dir says where it is.");
        let network = network_of(certificate).map_err(|error| no_ca(error.to_string()))?;
        let der = PrivateKeyDer::from_pem_file(key).map_err(|error| no_ca(format!("{}: {error}; expected the CA's key", key.display())))?;
        let key = KeyPair::try_from(&der).map_err(|error| no_ca(format!("{}: {error}; expected the CA's key", key.display())))?;
        // Only the name of it goes into what it signs.
        let issuer = Issuer::new(params_of(&network, CA_DAYS)?, key);
        Ok(Authority { network, issuer })
    }

    /// Whose it is.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// Signs for someone, with a new key.
    pub fn issue(&self, holder: &Holder<'_>) -> Result<Made, Failure> {
        let mut params = CertificateParams::new(holder.addresses).map_err(broken)?;
        for title in holder.titles {
            params.subject_alt_names.push(uri(&title.to_string())?);
        }
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, holder.titles.first().map_or("", Title::name));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Nodes dial, and are dialled.
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        hold(&mut params, holder.days)?;
        let key = KeyPair::generate().map_err(broken)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(broken)?;
        Ok(made(certificate.der(), &key))
    }
}

fn params_of(network: &str, days: u32) -> Result<CertificateParams, Failure> {
    let own = certificate::authority(network).map_err(|bad| Failure::usage(bad.to_string()))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = Default::default();
    params.distinguished_name.push(DnType::CommonName, format!("chatring network {network}"));
    params.subject_alt_names = vec![uri(&own)?];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    hold(&mut params, days)?;
    Ok(params)
}

/// From now on, for so many days.
fn hold(params: &mut CertificateParams, days: u32) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(|_| Failure::refused("this machine's clock is before 1970: nothing that is signed by it would hold"))?;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(BEFORE);
    params.not_after = epoch + now + DAY * days;
    Ok(())
}

fn uri(text: &str) -> Result<SanType, Failure> {
    text.try_into().map(SanType::URI).map_err(broken)
}

fn made(certificate: &[u8], key: &KeyPair) -> Made {
    Made { certificate: pem("CERTIFICATE", certificate), key: pem("PRIVATE KEY", key.serialized_der()) }
}

fn pem(label: &str, der: &[u8]) -> String {
    const LINE: usize = 64;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    // Base 64 is ASCII.
    let lines: Vec<&str> = text.as_bytes().chunks(LINE).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn broken(error: rcgen::Error) -> Failure {
    Failure::refused(format!("no certificate can be made: {error}"))
}
