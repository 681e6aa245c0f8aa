//! The byte layer of one connection: sealed bytes on the socket's side, plain ones on the codec's.
//!
//! Holds nothing plain across turns: what a read brings is opened into the turn's buffer at once, except for a record that is not complete yet; what a flush offers is sealed as far as
//! the socket takes it, so that positions in shared blocks move with what left, give or take [`SEALED_MAX`]. It serves both ends: [`Layer::accept`] is one, [`Layer::connect`] the other.
//!
//! Never fails by panic: whatever the peer sends that is not TLS is an error of [`Layer::open`].

use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use chatring_machines::certificate::Certificate;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection, ServerConfig, ServerConnection};
use smallvec::SmallVec;

use super::Membership;
use super::membership::titles;
use crate::fanout::{Fanout, Flushed};

/// Bytes that are sealed ahead of the socket.
pub(crate) const SEALED_MAX: usize = 64 << 10;

/// TLS on one connection.
pub(crate) struct Layer {
    tls: Connection,
    /// Who is at the other end, for log lines and for the machine.
    pub peer: SocketAddr,
}

impl Layer {
    /// The side of whoever was dialled.
    pub fn accept(config: Arc<ServerConfig>, peer: SocketAddr) -> Result<Box<Layer>, rustls::Error> {
        Ok(Layer::new(ServerConnection::new(config)?.into(), peer))
    }

    /// The side of whoever dialled: the other has to be good for this name.
    pub fn connect(membership: &Membership, name: ServerName<'static>, peer: SocketAddr) -> Result<Box<Layer>, rustls::Error> {
        Ok(Layer::new(ClientConnection::new(membership.client(), name)?.into(), peer))
    }

    fn new(mut tls: Connection, peer: SocketAddr) -> Box<Layer> {
        tls.set_buffer_limit(Some(SEALED_MAX));
        Box::new(Layer { tls, peer })
    }

    /// What the other end's certificate says, if it has shown one: after the handshake it is a good one.
    pub fn certificate(&self) -> Option<Certificate> {
        self.tls.peer_certificates()?.first().map(titles)
    }

    /// Whether the peer has yet to agree with us on a key: until then nothing plain comes or goes.
    pub fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Opens what came from the socket and puts it behind what the buffer is filled with. Says whether the peer has said that this was all.
    pub fn open(&mut self, mut sealed: &[u8], buffer: &mut Vec<u8>, filled: &mut usize) -> Result<bool, rustls::Error> {
        loop {
            // It takes as much as it has room for, and has room again when that is worked off.
            let taken = self.tls.read_tls(&mut sealed).map_err(|error| rustls::Error::General(error.to_string()))?;
            let state = self.tls.process_new_packets()?;
            let end = *filled + state.plaintext_bytes_to_read();
            buffer.resize(buffer.len().max(end), 0);
            while *filled < end {
                match io::Read::read(&mut self.tls.reader(), &mut buffer[*filled..end]) {
                    Ok(count) if count > 0 => *filled += count,
                    _ => return Err(rustls::Error::General("found less than was announced".into())),
                }
            }
            if state.peer_has_closed() || taken == 0 || sealed.is_empty() {
                return Ok(state.peer_has_closed());
            }
        }
    }

    /// Whether something sealed waits for the socket.
    pub fn is_owing(&self) -> bool {
        self.tls.wants_write()
    }

    /// Says to the peer that nothing more will come.
    pub fn close(&mut self) {
        self.tls.send_close_notify();
    }

    /// Seals and sends. Takes less than it is offered only where the socket would not have all that is sealed.
    fn write(&mut self, socket: &mut impl Write, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut rest: SmallVec<[IoSlice<'_>; 64]> = SmallVec::from_slice(slices);
        let mut rest = &mut rest[..];
        let mut taken = 0;
        while self.send(socket)? && !rest.is_empty() {
            let count = self.tls.writer().write_vectored(rest)?;
            if count == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            taken += count;
            IoSlice::advance_slices(&mut rest, count);
        }
        if taken == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    /// Sends what is sealed. Says whether that was all of it: if not, the socket reports when it takes more.
    fn send(&mut self, socket: &mut impl Write) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// [`Fanout::flush`] through a layer: done only when the socket has all of it, and, where the connection is closing, the word that this was all.
pub(crate) fn flush(layer: &mut Layer, socket: &mut impl Write, fanout: &mut Fanout, slot: u32, is_closing: bool) -> (Flushed, usize) {
    let (flushed, taken) = fanout.flush(slot, |slices| layer.write(socket, slices));
    match flushed {
        Flushed::Broken(_) => return (flushed, taken),
        Flushed::Done if is_closing => layer.close(),
        _ => {}
    }
    match layer.send(socket) {
        Ok(true) => (flushed, taken),
        Ok(false) => {
            fanout.block(slot);
            (Flushed::Blocked, taken)
        }
        Err(error) => (Flushed::Broken(error.kind()), taken),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use rustls::{ClientConfig, RootCertStore};

    use super::*;
    use crate::Identity;
    use crate::fanout::{Class, Retention};

    /// A socket that takes so much.
    #[derive(Default)]
    struct Narrow {
        room: usize,
        sent: Vec<u8>,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.room -= count;
            self.sent.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The peer hears what was sent so far.
    fn hears(client: &mut Connection, socket: &mut Narrow, heard: &mut Vec<u8>) {
        let mut sent = &std::mem::take(&mut socket.sent)[..];
        while !sent.is_empty() {
            client.read_tls(&mut sent).unwrap();
            let state = client.process_new_packets().unwrap();
            let before = heard.len();
            heard.resize(before + state.plaintext_bytes_to_read(), 0);
            io::Read::read_exact(&mut client.reader(), &mut heard[before..]).unwrap();
        }
    }

    fn pair() -> (Box<Layer>, Connection) {
        let file = |name| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/certificates").join(name);
        let identity = Identity::read(&file("first.pem"), &file("first.key")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file("first.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
        let mut client = Connection::from(ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap());
        let mut layer = Layer::accept(identity.current(), "127.0.0.1:1".parse().unwrap()).unwrap();
        while layer.is_handshaking() || client.is_handshaking() {
            let (mut sealed, mut socket) = (Vec::new(), Narrow { room: usize::MAX, ..Narrow::default() });
            while client.wants_write() {
                client.write_tls(&mut sealed).unwrap();
            }
            assert!(!layer.open(&sealed, &mut Vec::new(), &mut 0).unwrap());
            assert!(layer.send(&mut socket).unwrap());
            hears(&mut client, &mut socket, &mut Vec::new());
        }
        (layer, client)
    }

    /// Tells these many bytes through a socket that takes so much at a time; gives how each flush ended.
    #[track_caller]
    fn check(bytes: usize, room: usize, is_closing: bool, expect: &[(Flushed, usize)]) {
        let (mut layer, mut client) = pair();
        let (mut socket, mut fanout, mut heard) = (Narrow::default(), Fanout::new(Retention::default()), Vec::new());
        let text: Vec<u8> = (0..bytes).map(|ix| ix as u8).collect();
        fanout.open(0, Class::default());
        fanout.tell(0, &text);
        let (mut dirty, mut ends) = (Vec::new(), Vec::new());
        loop {
            fanout.take_dirty(&mut dirty);
            assert_eq!(dirty, [0], "flushed once more");
            socket.room = room;
            ends.push(flush(&mut layer, &mut socket, &mut fanout, 0, is_closing));
            hears(&mut client, &mut socket, &mut heard);
            match ends[ends.len() - 1].0 {
                Flushed::Blocked => assert!(!fanout.has_room(0) && !fanout.is_dirty()),
                Flushed::Done => break,
                other => panic!("{other:?}"),
            }
            fanout.unblock(0);
        }
        assert_eq!(ends, expect);
        assert!(heard == text && fanout.has_room(0) && !layer.is_owing());
        assert_eq!(client.process_new_packets().unwrap().peer_has_closed(), is_closing);
    }

    #[test]
    fn what_is_sealed_and_not_sent_holds_up_the_rest() {
        use Flushed::{Blocked, Done};
        check(10_000, 100_000, false, &[(Done, 10_000)]);
        // All of it is taken, and then it goes out in two further flushes with nothing new in them.
        check(10_000, 4_000, false, &[(Blocked, 10_000), (Blocked, 0), (Done, 0)]);
        // More than is sealed ahead. (A flush that can send begins by sealing anew.)
        check(150_000, 100_000, false, &[(Blocked, 131_072), (Done, 18_928)]);
    }

    #[test]
    fn the_word_that_this_was_all_comes_last_and_is_waited_for() {
        use Flushed::{Blocked, Done};
        check(10_000, 100_000, true, &[(Done, 10_000)]);
        check(10_000, 10_022, true, &[(Blocked, 10_000), (Done, 0)]);
    }
}
