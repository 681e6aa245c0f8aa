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
//!
//! Where a network has certificates, TLS lies beneath, and each side has seen the other's: then what a peer calls itself here has to be what its certificate says it is.

use crate::certificate::{Certificate, Role, Title};
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
    /// Whether peers have to show a certificate.
    pub certified: bool,
}

impl Identity {
    /// Whether the other end may call itself this.
    fn check(&self, key: &NodeKey, shown: Option<&Certificate>) -> Result<(), HandshakeError> {
        if !self.certified {
            return Ok(());
        }
        let title = Title::of(&self.network, key);
        match shown {
            None => Err(HandshakeError::Uncertified { title }),
            Some(certificate) if !certificate.says(&title) => Err(HandshakeError::NotEntitled { title, certificate: certificate.clone() }),
            Some(_) => Ok(()),
        }
    }
}

/// Who should be at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// This node.
    Node(NodeKey),
    /// A directory server. What it is called is not known before it says so.
    Directory,
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
    /// No certificate where there has to be one.
    #[error("{} {} shows no certificate, and here nobody is let in without: give it [network] ca, certificate and key (`chatctl pki issue {} --role {}`)", title.role(), title.name(), title.name(), title.role())]
    Uncertified {
        /// What its certificate should say.
        title: Title,
    },
    /// A certificate for someone else.
    #[error("{} {} of network '{}' shows a certificate that is for {certificate}: make one for it with `chatctl pki issue {} --role {}`", title.role(), title.name(), title.network(), title.name(), title.role())]
    NotEntitled {
        /// What its certificate should say.
        title: Title,
        /// What it says.
        certificate: Certificate,
    },
    /// Someone answers where a directory server should be.
    #[error("dialled a directory server and reached {reached}: check [network] directories")]
    NoDirectory {
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
    whom: Whom,
    shown: Option<Certificate>,
}

impl Dialling {
    /// Begins.
    pub fn start(identity: &Identity, whom: Whom, nonce: u64) -> (Dialling, PeerCommand) {
        let nonce: Text = format!("{nonce:016x}").into();
        let command = PeerCommand::Peer {
            version: PEER_VERSION,
            network: identity.network.clone(),
            key: identity.key.clone(),
            incarnation: identity.incarnation,
            nonce: nonce.clone(),
        };
        (Dialling { nonce, whom, shown: None }, command)
    }

    /// The other end has shown a certificate.
    pub fn certified(&mut self, certificate: Certificate) {
        self.shown = Some(certificate);
    }

    /// Hears the challenge: checks who is there and gives our proof.
    pub fn challenged(&self, identity: &Identity, event: &LinkEvent) -> Result<(Peer, PeerCommand), HandshakeError> {
        let LinkEvent::Challenge { key, incarnation, nonce, proof } = event else {
            return Err(HandshakeError::Order { expected: "challenge" });
        };
        match &self.whom {
            Whom::Node(expected) if expected != key => {
                return Err(HandshakeError::Stranger { expected: expected.clone(), reached: key.clone() });
            }
            Whom::Directory if identity.certified && Role::of(key) != Role::Directory => {
                return Err(HandshakeError::NoDirectory { reached: key.clone() });
            }
            _ => identity.check(key, self.shown.as_ref())?,
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
    /// Hears `PEER` from someone who has shown this certificate: gives the challenge to send.
    pub fn start(
        identity: &Identity,
        command: &PeerCommand,
        shown: Option<&Certificate>,
        nonce: u64,
    ) -> Result<(Accepting, LinkEvent), HandshakeError> {
        let PeerCommand::Peer { version, network, key, incarnation, nonce: their_nonce } = command else {
            return Err(HandshakeError::Order { expected: "PEER" });
        };
        if *version != PEER_VERSION {
            return Err(HandshakeError::Version { theirs: *version });
        }
        if *network != identity.network {
            return Err(HandshakeError::Network { ours: identity.network.clone(), theirs: network.clone() });
        }
        identity.check(key, shown)?;
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
            certified: false,
        }
    }

    /// Runs an exchange to its end and says who failed how.
    fn run(dialler: &Identity, acceptor: &Identity, expected: &str) -> Result<NodeKey, String> {
        let (dialling, hello) = Dialling::start(dialler, Whom::Node(NodeKey::new(expected).unwrap()), 1);
        let (accepting, challenge) = Accepting::start(acceptor, &hello, None, 2).map_err(|e| format!("acceptor: {e}"))?;
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
        let (_, hello) = Dialling::start(&liar, Whom::Directory, 1);
        let (accepting, challenge) = Accepting::start(&acceptor, &hello, None, 2).unwrap();
        let LinkEvent::Challenge { proof, .. } = challenge else { panic!() };
        // Reflecting the acceptor's own proof does not help either.
        assert_eq!(accepting.proved(&acceptor, &PeerCommand::Prove { proof }), Err(HandshakeError::Secret));
    }
    /// An exchange between two that demand certificates, and show these; who failed how.
    #[track_caller]
    fn check(dialler: (&str, Option<&str>), whom: Whom, acceptor: (&str, Option<&str>), expect: Result<(), &str>) {
        let certificate = |uris: &str| Certificate::new(uris.split(' ').collect::<Vec<_>>());
        let certified = |key: &str| Identity { certified: true, ..identity(key, "s", "n") };
        let (from, to) = (certified(dialler.0), certified(acceptor.0));
        let run = || {
            let (mut dialling, hello) = Dialling::start(&from, whom, 1);
            acceptor.1.into_iter().for_each(|uris| dialling.certified(certificate(uris)));
            let shown = dialler.1.map(certificate);
            let (accepting, challenge) = Accepting::start(&to, &hello, shown.as_ref(), 2).map_err(|e| format!("acceptor: {e}"))?;
            let (_, prove) = dialling.challenged(&from, &challenge).map_err(|e| format!("dialler: {e}"))?;
            accepting.proved(&to, &prove).map(drop).map_err(|e| format!("acceptor: {e}"))
        };
        assert_eq!(run(), expect.map_err(str::to_string));
    }

    #[test]
    fn whoever_is_certified_is_who_its_certificate_says() {
        let node = ("192.0.2.1", Some("chatring://n/node/192.0.2.1"));
        let other = ("192.0.2.2", Some("chatring://n/directory/192.0.2.2 chatring://n/node/192.0.2.2"));
        let directory = ("edge:directory@192.0.2.2:7400", other.1);
        let desk = ("edge:desk", Some("chatring://n/gateway/desk"));
        let to_other = || Whom::Node(NodeKey::new("192.0.2.2").unwrap());
        check(node, to_other(), other, Ok(()));
        check(desk, to_other(), other, Ok(()));
        check(node, Whom::Directory, directory, Ok(()));
        check(("192.0.2.1:7412", node.1), Whom::Directory, directory, Ok(()));

        let none = "acceptor: node 192.0.2.1 shows no certificate, and here nobody is let in without: give it [network] ca, certificate and key (`chatctl pki issue 192.0.2.1 --role node`)";
        check(("192.0.2.1", None), to_other(), other, Err(none));
        let theirs = "acceptor: node 192.0.2.3 of network 'n' shows a certificate that is for node 192.0.2.1 of network 'n': make one for it with `chatctl pki issue 192.0.2.3 --role node`";
        check(("192.0.2.3", node.1), to_other(), other, Err(theirs));
        let foreign = "acceptor: node 192.0.2.1 of network 'n' shows a certificate that is for node 192.0.2.1 of network 'm': make one for it with `chatctl pki issue 192.0.2.1 --role node`";
        check(("192.0.2.1", Some("chatring://m/node/192.0.2.1")), to_other(), other, Err(foreign));
        let ambitious = "acceptor: node 192.0.2.1 of network 'n' shows a certificate that is for gateway desk of network 'n': make one for it with `chatctl pki issue 192.0.2.1 --role node`";
        check(("192.0.2.1", desk.1), to_other(), other, Err(ambitious));
        let posing = "acceptor: directory 192.0.2.1 of network 'n' shows a certificate that is for node 192.0.2.1 of network 'n': make one for it with `chatctl pki issue 192.0.2.1 --role directory`";
        check(("edge:directory@192.0.2.1:7400", node.1), Whom::Directory, directory, Err(posing));
        let blank = "acceptor: node 192.0.2.1 of network 'n' shows a certificate that is for nobody in a network: make one for it with `chatctl pki issue 192.0.2.1 --role node`";
        check(("192.0.2.1", Some("https://n")), to_other(), other, Err(blank));

        let no_directory = "dialler: dialled a directory server and reached 192.0.2.2: check [network] directories";
        check(node, Whom::Directory, other, Err(no_directory));
        let unproven = "dialler: directory 192.0.2.2 of network 'n' shows a certificate that is for node 192.0.2.2 of network 'n': make one for it with `chatctl pki issue 192.0.2.2 --role directory`";
        check(node, Whom::Directory, (directory.0, Some("chatring://n/node/192.0.2.2")), Err(unproven));
    }
}
