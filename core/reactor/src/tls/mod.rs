//! TLS beneath the codecs: what a port shows to those who connect, and the byte layer of one connection.
//!
//! A codec never knows of it: it is fed, and writes, the bytes that the socket of a plain connection would carry. Without TLS a connection has no [`Layer`] and goes the same way as ever.
//!
//! Nothing is remembered between connections: no tickets, no sessions. Connections live long, and then a certificate that is replaced is replaced for everyone who comes.

mod identity;
mod layer;
mod look;
mod membership;
mod validity;
mod words;

use std::sync::Arc;

pub use identity::{Identity, IdentityError};
pub(crate) use layer::{Layer, flush};
pub use membership::{Membership, network_of};
pub(crate) use words::{explain, is_about_certificates};

/// What a port has beneath its codec.
#[derive(Clone, Debug, Default)]
pub enum Beneath {
    /// Nothing.
    #[default]
    Nothing,
    /// TLS, for everyone who connects.
    Tls(Arc<Identity>),
    /// TLS for those who begin with it, and nothing for those who don't: a node's own port, where peers come in, and people's programs with and without TLS.
    TlsOffered(Arc<Membership>),
}

/// What TLS begins with, and no command: the type of a handshake's record.
pub(crate) const FIRST_BYTE: u8 = 0x16;
