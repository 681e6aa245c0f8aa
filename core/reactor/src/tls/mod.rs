//! TLS beneath the codecs: what a port shows to those who connect, and the byte layer of one connection.
//!
//! A codec never knows of it: it is fed, and writes, the bytes that the socket of a plain connection would carry. Without TLS a connection has no [`Layer`] and goes the same way as ever.
//!
//! Nothing is remembered between connections: no tickets, no sessions. Connections live long, and then a certificate that is replaced is replaced for everyone who comes.

mod identity;
mod layer;

pub use identity::{Identity, IdentityError};
pub(crate) use layer::{Layer, flush};
