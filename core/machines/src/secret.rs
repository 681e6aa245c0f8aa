//! How nodes prove to each other that they know the network's secret, without showing it.
//!
//! Each side sends a nonce; each proves itself by an HMAC over both nonces, both names and its part in the exchange. A proof can't be replayed (the other side's nonce is
//! fresh) nor reflected (the part is in it). It authenticates the connection's start, not its bytes: across networks one does not trust, TLS belongs beneath.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ids::SessionId;
use crate::names::NodeKey;

/// Which side of the exchange proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The one who dialled.
    Dialler,
    /// The one who accepted.
    Acceptor,
}

/// The network's secret. Not shown by Debug.
#[derive(Clone)]
pub struct NetworkSecret(Box<[u8]>);

impl std::fmt::Debug for NetworkSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NetworkSecret(..)")
    }
}

/// What both sides of an exchange know.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The network's name.
    pub network: &'a str,
    /// Who dialled.
    pub dialler: &'a NodeKey,
    /// Its nonce.
    pub dialler_nonce: &'a str,
    /// Who accepted.
    pub acceptor: &'a NodeKey,
    /// Its nonce.
    pub acceptor_nonce: &'a str,
}

/// Whether two secrets are the same. How long it takes says nothing of where they differ.
pub fn is_same(a: &str, b: &str) -> bool {
    use sha2::Digest;
    Sha256::digest(a) == Sha256::digest(b)
}

impl NetworkSecret {
    /// Takes what the operator configured.
    pub fn new(text: &str) -> NetworkSecret {
        NetworkSecret(text.as_bytes().into())
    }

    fn mac(&self, part: Part, exchange: &Exchange<'_>) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        let part = match part {
            Part::Dialler => "dialler",
            Part::Acceptor => "acceptor",
        };
        let fields = [
            part,
            exchange.network,
            exchange.dialler.as_str(),
            exchange.dialler_nonce,
            exchange.acceptor.as_str(),
            exchange.acceptor_nonce,
        ];
        for field in fields {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field.as_bytes());
        }
        mac
    }

    /// The proof, in hexadecimal.
    pub fn prove(&self, part: Part, exchange: &Exchange<'_>) -> String {
        hex(&self.mac(part, exchange).finalize().into_bytes())
    }

    /// Whether a proof is right. Takes the same time whatever is wrong with it.
    pub fn verify(&self, part: Part, exchange: &Exchange<'_>, proof: &str) -> bool {
        let Some(bytes) = unhex(proof) else {
            return false;
        };
        self.mac(part, exchange).verify_slice(&bytes).is_ok()
    }
}

/// The public id of the session whose secret token this is.
pub fn session_of_token(token: &str) -> SessionId {
    use sha2::Digest;
    let digest = Sha256::digest(token.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    SessionId(u64::from_be_bytes(first))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let pairs = bytes.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    (bytes.len() == 64).then(|| pairs.collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_its_part_secret_and_nonces_only() {
        let (a, b) = (NodeKey::new("192.0.2.1").unwrap(), NodeKey::new("192.0.2.2").unwrap());
        let exchange = Exchange { network: "n", dialler: &a, dialler_nonce: "1", acceptor: &b, acceptor_nonce: "2" };
        let secret = NetworkSecret::new("s");
        let proof = secret.prove(Part::Dialler, &exchange);
        assert!(secret.verify(Part::Dialler, &exchange, &proof));
        assert!(!secret.verify(Part::Acceptor, &exchange, &proof));
        assert!(!secret.verify(Part::Dialler, &Exchange { acceptor_nonce: "3", ..exchange }, &proof));
        assert!(!NetworkSecret::new("t").verify(Part::Dialler, &exchange, &proof));
        assert!(!secret.verify(Part::Dialler, &exchange, "é"));
    }
}
