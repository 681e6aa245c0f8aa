//! The first exchange on a connection between nodes: who are you, and do you know our secret?
//!
//! ```text
//! dialler                                   acceptor
//!   PEER version network key incarnation nonce  →
//!   ←  challenge key incarnation nonce proof
//!   PROVE proof                                 →
//!   ←  proven
//! ```
//!
//! Two small pure states, one for each side; whoever holds them sends what they return and closes the connection on an error.

use crate::event::Code;
use crate::ids::Incarnation;
use crate::names::NodeKey;
use crate::peer::{LinkEvent, PEER_VERSION, PeerCommand};
use crate::secret::{Exchange, NetworkSecret, Part};
use crate::wire::Text;

/// Who we are in a network.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The network.
    pub network: Text,
    /// Its secret.
    pub secret: NetworkSecret,
    /// Our key.
    pub key: NodeKey,
    /// Which start of us this is.
    pub incarnation: Incarnation,
}

/// A node that has proved itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its key.
    pub key: NodeKey,
    /// Which start of it.
    pub incarnation: Incarnation,
}

/// Why two nodes don't get on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Another version of the peer language.
    #[error("peer language {theirs} is not spoken here, only {PEER_VERSION}: run the same version of chatring on all nodes")]
    Version {
        /// What they speak.
        theirs: u64,
    },
    /// Another network.
    #[error("this is network '{ours}', not '{theirs}': check [network] name")]
    Network {
        /// Our network.
        ours: Text,
        /// Theirs.
        theirs: Text,
    },
    /// A wrong proof.
    #[error("the network secret does not match: check [network] secret on both nodes")]
    Secret,
    /// Not the node we dialled.
    #[error("dialled {expected} and reached {reached}: check the address it advertises")]
    Stranger {
        /// Whom we dialled.
        expected: NodeKey,
        /// Who answered.
        reached: NodeKey,
    },
    /// Something else than the exchange.
    #[error("expected {expected} first")]
    Order {
        /// What should have come.
        expected: &'static str,
    },
}

impl HandshakeError {
    /// As the refused node hears it.
    pub fn event(&self) -> LinkEvent {
        LinkEvent::Refused { code: Code::NoPerm, text: self.to_string().into() }
    }
}

/// We dialled, have sent `PEER`, and wait for the challenge.
#[derive(Clone, Debug)]
pub struct Dialling {
    nonce: Text,
    expected: Option<NodeKey>,
}

impl Dialling {
    /// Begins. `expected` is who should be there, where we know.
    pub fn start(identity: &Identity, expected: Option<NodeKey>, nonce: u64) -> (Dialling, PeerCommand) {
        let nonce: Text = format!("{nonce:016x}").into();
        let command = PeerCommand::Peer {
            version: PEER_VERSION,
            network: identity.network.clone(),
            key: identity.key.clone(),
            incarnation: identity.incarnation,
            nonce: nonce.clone(),
        };
        (Dialling { nonce, expected }, command)
    }

    /// Hears the challenge: checks who is there and gives our proof.
    pub fn challenged(&self, identity: &Identity, event: &LinkEvent) -> Result<(Peer, PeerCommand), HandshakeError> {
        let LinkEvent::Challenge { key, incarnation, nonce, proof } = event else {
            return Err(HandshakeError::Order { expected: "challenge" });
        };
        if let Some(expected) = self.expected.as_ref().filter(|expected| *expected != key) {
            return Err(HandshakeError::Stranger { expected: expected.clone(), reached: key.clone() });
        }
        let exchange = Exchange {
            network: &identity.network,
            dialler: &identity.key,
            dialler_nonce: &self.nonce,
            acceptor: key,
            acceptor_nonce: nonce,
        };
        if !identity.secret.verify(Part::Acceptor, &exchange, proof) {
            return Err(HandshakeError::Secret);
        }
        let proof = identity.secret.prove(Part::Dialler, &exchange).into();
        Ok((Peer { key: key.clone(), incarnation: *incarnation }, PeerCommand::Prove { proof }))
    }
}

/// We accepted, have heard `PEER`, and wait for the proof.
#[derive(Clone, Debug)]
pub struct Accepting {
    peer: Peer,
    their_nonce: Text,
    our_nonce: Text,
}

impl Accepting {
    /// Hears `PEER`: gives the challenge to send.
    pub fn start(identity: &Identity, command: &PeerCommand, nonce: u64) -> Result<(Accepting, LinkEvent), HandshakeError> {
        let PeerCommand::Peer { version, network, key, incarnation, nonce: their_nonce } = command else {
            return Err(HandshakeError::Order { expected: "PEER" });
        };
        if *version != PEER_VERSION {
            return Err(HandshakeError::Version { theirs: *version });
        }
        if *network != identity.network {
            return Err(HandshakeError::Network { ours: identity.network.clone(), theirs: network.clone() });
        }
        let accepting = Accepting {
            peer: Peer { key: key.clone(), incarnation: *incarnation },
            their_nonce: their_nonce.clone(),
            our_nonce: format!("{nonce:016x}").into(),
        };
        let proof = identity.secret.prove(Part::Acceptor, &accepting.exchange(identity)).into();
        let nonce = accepting.our_nonce.clone();
        let event = LinkEvent::Challenge { key: identity.key.clone(), incarnation: identity.incarnation, nonce, proof };
        Ok((accepting, event))
    }

    /// Hears `PROVE`: gives who it is.
    pub fn proved(self, identity: &Identity, command: &PeerCommand) -> Result<Peer, HandshakeError> {
        let PeerCommand::Prove { proof } = command else {
            return Err(HandshakeError::Order { expected: "PROVE" });
        };
        let right = identity.secret.verify(Part::Dialler, &self.exchange(identity), proof);
        if right { Ok(self.peer) } else { Err(HandshakeError::Secret) }
    }

    fn exchange<'a>(&'a self, identity: &'a Identity) -> Exchange<'a> {
        Exchange {
            network: &identity.network,
            dialler: &self.peer.key,
            dialler_nonce: &self.their_nonce,
            acceptor: &identity.key,
            acceptor_nonce: &self.our_nonce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(key: &str, secret: &str, network: &str) -> Identity {
        Identity {
            network: network.into(),
            secret: NetworkSecret::new(secret),
            key: NodeKey::new(key).unwrap(),
            incarnation: Incarnation(1),
        }
    }

    /// Runs an exchange to its end and says who failed how.
    fn run(dialler: &Identity, acceptor: &Identity, expected: &str) -> Result<NodeKey, String> {
        let (dialling, hello) = Dialling::start(dialler, Some(NodeKey::new(expected).unwrap()), 1);
        let (accepting, challenge) = Accepting::start(acceptor, &hello, 2).map_err(|e| format!("acceptor: {e}"))?;
        let (_, prove) = dialling.challenged(dialler, &challenge).map_err(|e| format!("dialler: {e}"))?;
        accepting.proved(acceptor, &prove).map(|peer| peer.key).map_err(|e| format!("acceptor: {e}"))
    }

    #[test]
    fn exchanges() {
        let a = identity("192.0.2.1", "s", "n");
        assert_eq!(run(&a, &identity("192.0.2.2", "s", "n"), "192.0.2.2"), Ok(a.key.clone()));
        for (acceptor, expect) in [
            (identity("192.0.2.2", "t", "n"), "dialler: the network secret does not match: check [network] secret on both nodes"),
            (identity("192.0.2.2", "s", "m"), "acceptor: this is network 'm', not 'n': check [network] name"),
            (identity("192.0.2.3", "s", "n"), "dialler: dialled 192.0.2.2 and reached 192.0.2.3: check the address it advertises"),
        ] {
            assert_eq!(run(&a, &acceptor, "192.0.2.2"), Err(expect.to_string()));
        }
    }

    #[test]
    fn a_dialler_that_does_not_know_the_secret_is_refused() {
        let acceptor = identity("192.0.2.2", "s", "n");
        let liar = identity("192.0.2.1", "guess", "n");
        let (_, hello) = Dialling::start(&liar, None, 1);
        let (accepting, challenge) = Accepting::start(&acceptor, &hello, 2).unwrap();
        let LinkEvent::Challenge { proof, .. } = challenge else { panic!() };
        // Reflecting the acceptor's own proof does not help either.
        assert_eq!(accepting.proved(&acceptor, &PeerCommand::Prove { proof }), Err(HandshakeError::Secret));
    }
}
