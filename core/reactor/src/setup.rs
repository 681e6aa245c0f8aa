//! What a reactor is given.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use chatring_host::{Authenticator, Filterer, Transport};
use chatring_machines::machine::{Note, PluginWish, Store, StoreError};
use chatring_machines::wire::Text;

use crate::fanout::Retention;
use crate::judges::JudgePool;
use crate::keeper::Keep;
use crate::tls::{Beneath, Membership};

/// Where connections come in. Its index in [`Setup::listeners`] is the machine's `ListenerId`.
pub struct Listening {
    /// Its name, as authenticators see it.
    pub name: Arc<str>,
    /// From [`listen`].
    pub socket: TcpListener,
    /// What is spoken there.
    pub transport: Arc<Transport>,
    /// What lies beneath that.
    pub beneath: Beneath,
    /// Who decides about whom to let in, asked in this order.
    pub auth: Vec<Arc<Authenticator>>,
    /// Its bounds.
    pub limits: Limits,
}

/// Bounds of one connection, and of how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; one more is closed at once.
    pub clients_max: usize,
    /// Bytes of an unfinished command that are kept; more breaks the connection. (A transport has a tighter bound of its own.)
    pub input_max: usize,
    /// Bytes that wait for one connection alone, at which nothing more is read from it until half of it is gone.
    pub output_soft: usize,
    /// Bytes that wait for one connection alone, at which it is cut.
    pub output_hard: usize,
}

impl Limits {
    /// For people's programs.
    pub const CLIENTS: Limits = Limits { clients_max: 20_000, input_max: 1 << 20, output_soft: 64 << 10, output_hard: 1 << 20 };
    /// For nodes, which hand over whole groups to each other.
    pub const PEERS: Limits = Limits { clients_max: 20_000, input_max: 64 << 20, output_soft: 8 << 20, output_hard: 64 << 20 };
}

/// How much is done in one turn, and for how long things are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Connections accepted per listener and turn.
    pub accepts_max: usize,
    /// Bytes read per connection and turn.
    pub read_max: usize,
    /// Commands taken per connection and turn.
    pub commands_max: usize,
    /// How long a connection that is closed may take to hear its last words.
    pub linger_ms: u64,
    /// How long a dial may take, name look-up included.
    pub dial_ms: u64,
    /// Dials under way; one more fails.
    pub dials_max: usize,
    /// TLS handshakes under way per listener; one more takes the place of the oldest if that had its time, and is closed at once otherwise.
    pub handshakes_max: usize,
    /// The time that every handshake has, however many others wait.
    pub handshake_ms_min: u64,
    /// How long a TLS handshake may take.
    pub handshake_ms: u64,
    /// How long the machine waits for filters.
    pub filter_ms: u64,
    /// How much group traffic is kept for the slow.
    pub retention: Retention,
    /// Bounds of connections we dialled, and of those that proved to be a peer's.
    pub peers: Limits,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            accepts_max: 64,
            read_max: 64 << 10,
            commands_max: 512,
            linger_ms: 2_000,
            dial_ms: 3_000,
            dials_max: 1024,
            handshakes_max: 256,
            handshake_ms_min: 1_000,
            handshake_ms: 10_000,
            filter_ms: 250,
            retention: Retention::default(),
            peers: Limits::PEERS,
        }
    }
}

/// What is called once with what became of a wish.
pub type PluginAnswer = Box<dyn FnOnce(Result<Vec<Text>, Text>) + Send>;

/// Hears what operators want of the plugins, on the loop's thread: it must not block, and calls the answer from wherever it likes.
pub type OnPlugin = Arc<dyn Fn(PluginWish, PluginAnswer) + Send + Sync>;

/// All of it.
pub struct Setup {
    /// Where connections come in.
    pub listeners: Vec<Listening>,
    /// What is spoken on connections we dial.
    pub dial_transport: Arc<Transport>,
    /// Connections that we dial have TLS beneath, by this.
    pub dial_tls: Option<Arc<Membership>>,
    /// What `Commit` and `Query` go to.
    pub store: Option<Box<dyn Store>>,
    /// What `Keep` goes to.
    pub keep: Option<Keep>,
    /// Who asks the authenticators.
    pub judges: Arc<JudgePool>,
    /// Whom `Sift` asks, in order.
    pub filters: Vec<Arc<Filterer>>,
    /// Whom `Plugin` asks.
    pub plugins: Option<OnPlugin>,
    /// Hears the machine's notes, on the loop's thread: it must not block.
    pub notes: Box<dyn FnMut(Note) + Send>,
    /// The rest.
    pub tuning: Tuning,
}

/// Why a reactor could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ReactorError {
    /// The operating system refused what no loop can do without.
    #[error("cannot {doing}: {error}")]
    Os {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// The store is broken: going on would mean to forget.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    /// The machine wants something stored, and there is no store.
    #[error("there is no store, and the machine needs one")]
    NoStore,
    /// A group's traffic would have to be encoded by more transports than there are numbers for.
    #[error("more than {} listeners", u16::MAX)]
    TooManyListeners,
}

impl ReactorError {
    pub(crate) fn os(doing: &'static str) -> impl Fn(io::Error) -> ReactorError {
        move |error| ReactorError::Os { doing, error }
    }
}

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Opens a port. A restart may take it over from connections that still linger.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
