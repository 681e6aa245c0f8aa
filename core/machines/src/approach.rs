//! From a dial to a link on which both ends have proved who they are.
//!
//! ```text
//! Dial → dialed → PEER → challenge → PROVE → proven: through
//! ```
//!
//! A small pure state for whoever dials (super nodes their directory and each other, directory servers each other and whoever wants into the ring): it sends what comes next, and says when the link is there or why it will not be. Its holder keeps the time, and closes the connection of one that failed.

use crate::certificate::Certificate;
use crate::command::Command;
use crate::event::{Event, Reply};
use crate::handshake::{Dialling, Identity, Peer, Whom};
use crate::ids::Conn;
use crate::machine::{DialError, Effect};
use crate::peer::{LinkEvent, PeerCommand};
use crate::time::Jitter;

/// A link on its way.
#[derive(Debug)]
pub struct Approach {
    whom: Whom,
    state: State,
}

#[derive(Debug)]
enum State {
    Dialing,
    Shaking { conn: Conn, dialling: Dialling },
    Proving { conn: Conn, peer: Peer },
}

/// What became of it.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// More is to come.
    Wait,
    /// The link is there, and this is who is at its other end.
    Through(Conn, Peer),
    /// It will not be: the end of a sentence that begins with who was dialled.
    Failed(String),
}

impl Approach {
    /// Begins where a dial does.
    pub fn new(whom: Whom) -> Approach {
        Approach { whom, state: State::Dialing }
    }

    /// Its connection, if there is one.
    pub fn conn(&self) -> Option<Conn> {
        match &self.state {
            State::Dialing => None,
            State::Shaking { conn, .. } | State::Proving { conn, .. } => Some(*conn),
        }
    }

    /// What became of the dial. The nonce of the proof is drawn here.
    pub fn dialed(&mut self, identity: &Identity, result: Result<Conn, DialError>, jitter: &mut Jitter, effects: &mut Vec<Effect>) -> Step {
        match result {
            Ok(conn) => {
                let (dialling, hello) = Dialling::start(identity, self.whom.clone(), jitter.draw());
                effects.push(tell(conn, hello));
                self.state = State::Shaking { conn, dialling };
                Step::Wait
            }
            Err(DialError::Refused) => Step::Failed("refuses connections".into()),
            Err(DialError::Unreachable) => Step::Failed("can't be reached".into()),
        }
    }

    /// The other end has shown a certificate.
    pub fn certified(&mut self, certificate: Certificate) {
        if let State::Shaking { dialling, .. } = &mut self.state {
            dialling.certified(certificate);
        }
    }

    /// What the other end says.
    pub fn told(&mut self, identity: &Identity, event: &Event, effects: &mut Vec<Effect>) -> Step {
        if let Event::Link(LinkEvent::Refused { text, .. }) | Event::Reply(Reply::Error { text, .. }) = event {
            return Step::Failed(format!("refuses us: {text}"));
        }
        match (&self.state, event) {
            (State::Shaking { conn, dialling }, Event::Link(event)) => match dialling.challenged(identity, event) {
                Ok((peer, prove)) => {
                    let conn = *conn;
                    effects.push(tell(conn, prove));
                    self.state = State::Proving { conn, peer };
                    Step::Wait
                }
                Err(error) => Step::Failed(format!("can't be used: {error}")),
            },
            (State::Proving { conn, peer }, Event::Link(LinkEvent::Proven {})) => Step::Through(*conn, peer.clone()),
            _ => Step::Failed("breaks the order of the handshake".into()),
        }
    }
}

fn tell(conn: Conn, command: PeerCommand) -> Effect {
    Effect::Tell { conn, event: Event::Command(Command::Peer(command)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Code;
    use crate::handshake::Accepting;
    use crate::ids::Incarnation;
    use crate::names::NodeKey;
    use crate::secret::NetworkSecret;

    const CONN: Conn = Conn { slot: 1, generation: 0 };

    fn identity(key: &str, secret: &str) -> Identity {
        let key = NodeKey::new(key).unwrap();
        Identity { network: "n".into(), secret: NetworkSecret::new(secret), key, incarnation: Incarnation(7), certified: false }
    }

    /// Dials `expected` and reaches `there`, who answers the proof with this.
    fn run(expected: &str, there: &Identity, last: impl Into<Event>) -> Step {
        let us = identity("192.0.2.1", "s");
        let (mut approach, mut effects) = (Approach::new(Whom::Node(NodeKey::new(expected).unwrap())), Vec::new());
        assert_eq!((approach.conn(), approach.dialed(&us, Ok(CONN), &mut Jitter::new(1), &mut effects)), (None, Step::Wait));
        let Some(Effect::Tell { event: Event::Command(Command::Peer(hello)), .. }) = effects.pop() else { panic!() };
        let (_, challenge) = Accepting::start(there, &hello, None, 2).unwrap();
        match approach.told(&us, &challenge.into(), &mut effects) {
            Step::Wait => approach.told(&us, &last.into(), &mut effects),
            failed => failed,
        }
    }

    #[track_caller]
    fn fails(step: Step, why: &str) {
        assert_eq!(step, Step::Failed(why.into()));
    }

    #[test]
    fn steps() {
        let there = identity("192.0.2.2", "s");
        let peer = Peer { key: there.key.clone(), incarnation: there.incarnation };
        assert_eq!(run("192.0.2.2", &there, LinkEvent::Proven {}), Step::Through(CONN, peer));
        let refused = LinkEvent::Refused { code: Code::TooMany, text: "full".into() };
        fails(run("192.0.2.2", &there, refused), "refuses us: full");
        fails(run("192.0.2.2", &there, Event::ok()), "breaks the order of the handshake");
        let other = identity("192.0.2.3", "s");
        let why = "can't be used: dialled 192.0.2.2 and reached 192.0.2.3: check the address it advertises";
        fails(run("192.0.2.2", &other, LinkEvent::Proven {}), why);
        let why = "can't be used: the network secret does not match: check [network] secret on both nodes";
        fails(run("192.0.2.2", &identity("192.0.2.2", "t"), LinkEvent::Proven {}), why);
    }

    #[test]
    fn dials_fail() {
        let mut effects = Vec::new();
        for (error, why) in [(DialError::Refused, "refuses connections"), (DialError::Unreachable, "can't be reached")] {
            let mut approach = Approach::new(Whom::Directory);
            fails(approach.dialed(&identity("192.0.2.1", "s"), Err(error), &mut Jitter::new(1), &mut effects), why);
        }
        assert!(effects.is_empty());
    }
}
