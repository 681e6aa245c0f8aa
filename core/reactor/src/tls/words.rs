//! What a failed handshake means, in words that say what to do.

use rustls::{AlertDescription as Alert, CertificateError as Bad, Error, InvalidMessage};

/// Whether certificates are what it failed for: someone who should be one of ours, and worth a line in the log. Everything else is what ports get to hear from strangers.
pub(crate) fn is_about_certificates(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(_) => true,
        Error::AlertReceived(alert) => is_about_ours(*alert),
        _ => false,
    }
}

/// As a sentence's second half.
pub(crate) fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => {
            "its certificate was signed by another CA than ours: check [network] ca on both sides".to_string()
        }
        Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "its certificate has run out: renew it with `chatctl pki issue NAME --renew`".to_string()
        }
        Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            "its certificate is not valid yet: check the clocks on both sides".to_string()
        }
        Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "its certificate is for another address than the one that was dialled: `chatctl pki issue --address` adds one".to_string()
        }
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => "it does not speak TLS: does it have a certificate?".to_string(),
        Error::AlertReceived(Alert::UnknownCA | Alert::DecryptError) => {
            "it does not know the CA of our certificate: check [network] ca on both sides".to_string()
        }
        Error::AlertReceived(alert) if is_about_ours(*alert) => format!("it does not accept our certificate ({alert:?})"),
        other => other.to_string(),
    }
}

fn is_about_ours(alert: Alert) -> bool {
    matches!(
        alert,
        Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::CertificateRequired
    )
}
