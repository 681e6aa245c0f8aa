//! A look at the certificate that a server shows, for whoever wants to know in time that it will end.

use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::Membership;
use super::validity::ends;

impl Membership {
    /// Dials a server (`HOST:PORT`), and says until when the certificate that it shows is good, in seconds since 1970. One that is not believed is an error. Blocks, at most for so long.
    pub fn look_at(&self, address: &str, patience: Duration) -> io::Result<u64> {
        let until = Instant::now() + patience;
        let nobody = || io::Error::new(ErrorKind::InvalidInput, format!("{address} is no HOST:PORT"));
        let host = address.rsplit_once(':').ok_or_else(nobody)?.0.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host).map_err(|_| nobody())?.to_owned();
        let socket = address.to_socket_addrs()?.next().ok_or_else(nobody)?;
        let mut socket = TcpStream::connect_timeout(&socket, left(until)?)?;
        let mut tls = ClientConnection::new(self.client(), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            let left = Some(left(until)?);
            socket.set_read_timeout(left)?;
            socket.set_write_timeout(left)?;
            if tls.wants_write() {
                tls.write_tls(&mut socket)?;
            } else if tls.read_tls(&mut socket)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            } else {
                tls.process_new_packets().map_err(io::Error::other)?;
            }
        }
        let shown = tls.peer_certificates().and_then(|chain| ends(chain.first()?));
        shown.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "it does not show until when its certificate is good"))
    }
}

/// What is left of the time; none at all is an error.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}
