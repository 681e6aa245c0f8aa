//! What a transport plugin implements.

use crate::Record;

/// Which end of the connection the codec is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Accepted: the peer sends commands.
    Server,
    /// Dialled: the peer sends replies and pushes.
    Client,
}

/// What a sink wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Enough for this turn: return what was used so far; the next turn goes on from there. In the middle of a line which means
    /// several records, either finish them first or remember where you are.
    Stop,
}

/// Where a decoder puts what it finds.
pub trait Decoded {
    /// A whole record.
    fn record(&mut self, record: &Record<'_>) -> Flow;
    /// Bytes for the peer, sent in order with the replies.
    fn wire(&mut self, bytes: &[u8]) -> Flow;
}

/// The peer's bytes can't be trusted from here on: what was put on the wire is sent, then the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// A codec.
pub trait Transport: Sized + Send + Sync + 'static {
    /// The plugin's name in configs, e.g. `irc`.
    const NAME: &'static std::ffi::CStr;
    /// The plugin's version, for people. [`version!()`](crate::version) is that of the crate.
    const VERSION: &'static std::ffi::CStr = c"unversioned";
    /// State of one connection. Keep it small: there are many.
    type Conn: Send;

    /// `config` is the plugin's own table as TOML text (may be empty). An error is shown to the operator.
    fn start(config: &str) -> Result<Self, String>;
    /// A new connection.
    fn open(&self, role: Role) -> Self::Conn;
    /// Takes whole records off the front of `input` and says how many bytes it used. What is left is offered again with more
    /// behind it, so a decoder has to refuse (with [`Broken`]) what grows past its limit.
    fn decode(&self, conn: &mut Self::Conn, input: &[u8], out: &mut dyn Decoded) -> Result<usize, Broken>;
    /// Connections of one class get the same bytes for the same push. Asked again after every decode and encode_private.
    fn class_of(&self, conn: &Self::Conn) -> u32;
    /// Appends the bytes of a push for a class. Pure: nothing but class and record may matter. Appending nothing is fine.
    fn encode(&self, class: u32, record: &Record<'_>, out: &mut Vec<u8>);
    /// Appends the bytes of an event (reply or push) meant for this connection alone. May change its state.
    fn encode_private(&self, conn: &mut Self::Conn, record: &Record<'_>, out: &mut Vec<u8>) {
        let class = self.class_of(conn);
        self.encode(class, record, out);
    }
}
