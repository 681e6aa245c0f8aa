//! A machine that does what its clients say, a reactor around it on loopback, and clients with patience.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use chatring_host::{Hooks, Plugins};
use chatring_machines::Time;
use chatring_machines::command::{ClientCommand, Command};
use chatring_machines::event::{Event, Reply};
use chatring_machines::ids::{Conn, ListId, ListenerId, Ticket};
use chatring_machines::machine::{Ask, Effect, Input, Kept, Lag, Machine, Note};
use chatring_machines::wire::Given;
use chatring_reactor::{
    Beneath, Counters, Handle, Identity, JudgePool, Limits, Listening, Membership, Reactor, ReactorError, Setup, Tuning, listen,
};

pub const ALL: ListId = ListId(3);

/// Does what it hears:
///
/// - `PING text` is answered; `PUBLISH #g text` tells the list to all, the sender left out; `JOIN`, `PART` are for the list.
/// - `AWAY ms` pauses the client for so long; `AWAY now` has the store asked; `QUIT` closes.
/// - `TOPIC #g host:port` dials; `AUTH` asks the judges.
///
/// Whatever else happens it remembers.
#[derive(Default)]
pub struct Puppet {
    seen: Option<std::sync::mpsc::Sender<String>>,
    paused: Vec<(Time, Conn)>,
    who: Vec<Conn>,
    next: u64,
}

impl Puppet {
    fn see(&self, what: String) {
        if let Some(seen) = &self.seen {
            let _ = seen.send(what);
        }
    }

    fn text(text: &str) -> Event {
        Event::Reply(Reply::Text { text: text.into() })
    }

    fn command(&mut self, now: Time, conn: Conn, command: ClientCommand, effects: &mut Vec<Effect>) {
        match command {
            ClientCommand::Ping { text: Given(Some(text)) } => effects.push(Effect::Tell { conn, event: Self::text(&text) }),
            ClientCommand::Publish { text, .. } => effects.push(Effect::TellAll { list: ALL, event: Self::text(&text), skip: Some(conn) }),
            ClientCommand::Join { .. } => {
                effects.push(Effect::Enlist { list: ALL, conn });
                effects.push(Effect::Tell { conn, event: Self::text("in") });
            }
            ClientCommand::Part { .. } => {
                effects.push(Effect::Delist { list: ALL, conn, missed: None });
                effects.push(Effect::Tell { conn, event: Self::text("out") });
            }
            ClientCommand::Away { text } => {
                let ms: u64 = text.as_deref().unwrap_or("0").parse().unwrap_or(0);
                effects.push(Effect::Pause { conn });
                self.paused.push((now + ms, conn));
            }
            ClientCommand::Topic { text, .. } => {
                self.next += 1;
                self.who.push(conn);
                effects.push(Effect::Dial { ticket: Ticket(self.next), address: text.0.unwrap_or("".into()) });
            }
            ClientCommand::Auth { credentials } => {
                self.next += 1;
                let ask = Ask { account: Some(credentials.0), kept: Kept::Nothing, peer: [127, 0, 0, 1].into() };
                effects.push(Effect::Judge { ticket: Ticket(self.next), listener: ListenerId(0), ask });
            }
            ClientCommand::Whois { nick } if nick.as_str() == "room" => effects.push(Effect::Await { conn }),
            ClientCommand::Whois { .. } => effects.push(Effect::Survey { ticket: Ticket(0) }),
            ClientCommand::Quit { .. } => {
                effects.push(Effect::Tell { conn, event: Self::text("bye") });
                effects.push(Effect::Close { conn });
            }
            ClientCommand::Motd {} => panic!("asked to"),
            other => self.see(format!("{other:?}")),
        }
    }
}

impl Machine for Puppet {
    fn handle(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Start => effects.push(Effect::Note(Note::Away { why: "started".into() })),
            Input::Heard { conn, command: Ok(Command::Client(command)) } => self.command(now, conn, command, effects),
            Input::Heard { conn, command } => effects.push(Effect::Tell { conn, event: Self::text(&format!("{command:?}")) }),
            Input::Deadline => {
                let due: Vec<_> = self.paused.iter().filter(|(at, _)| *at <= now).map(|(_, conn)| *conn).collect();
                self.paused.retain(|(at, _)| *at > now);
                effects.extend(due.into_iter().map(|conn| Effect::Resume { conn }));
            }
            Input::Dialed { result, .. } => {
                self.see(format!("dialed {:?}", result.map(|_| ())));
                if let Ok(conn) = result {
                    let ping = ClientCommand::Ping { text: Given(Some("over there".into())) };
                    effects.push(Effect::Tell { conn, event: Event::Command(ping.into()) });
                }
            }
            Input::Told { event, .. } => self.see(format!("told {event:?}")),
            Input::Lost { .. } => self.see("lost".into()),
            Input::Fell { .. } => self.see("fell".into()),
            Input::Drained { .. } => self.see("drained".into()),
            Input::Surveyed { lags, .. } => self.see(match lags[..] {
                [] => "nobody behind".into(),
                [Lag { bytes, entries, stuck, .. }, ..] => format!("behind {} stuck {}", bytes > 0 && entries > 0, stuck.is_some()),
            }),
            Input::Judged { verdict, .. } => self.see(format!("judged {verdict:?}")),
            Input::Stop => effects.push(Effect::Stopped),
            Input::Opened { .. } => self.see("opened".into()),
            other => self.see(format!("{other:?}")),
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.paused.iter().map(|(at, _)| *at).min()
    }
}

/// A reactor at work.
pub struct Server {
    pub address: SocketAddr,
    pub handle: Handle,
    seen: Receiver<String>,
    thread: Option<JoinHandle<Result<Puppet, ReactorError>>>,
}

impl Server {
    pub fn start() -> Server {
        Server::start_with(Limits::CLIENTS, Tuning::default())
    }

    pub fn start_with(limits: Limits, tuning: Tuning) -> Server {
        Server::start_as(limits, tuning, None, Beneath::Nothing, None)
    }

    /// With TLS on its port.
    pub fn start_with_tls(tuning: Tuning, identity: Arc<Identity>) -> Server {
        Server::start_as(Limits::CLIENTS, tuning, None, Beneath::Tls(identity), None)
    }

    /// With the certificates of a network: offered on its port, and used for its dials.
    pub fn start_with_membership(tuning: Tuning, membership: Arc<Membership>) -> Server {
        Server::start_as(Limits::CLIENTS, tuning, None, Beneath::TlsOffered(membership.clone()), Some(membership))
    }

    pub fn start_with_auth(limits: Limits, tuning: Tuning, auth: Option<&'static chatring_host::ChatEntry>) -> Server {
        Server::start_as(limits, tuning, auth, Beneath::Nothing, None)
    }

    fn start_as(
        limits: Limits,
        tuning: Tuning,
        auth: Option<&'static chatring_host::ChatEntry>,
        beneath: Beneath,
        dial_tls: Option<Arc<Membership>>,
    ) -> Server {
        let judges = JudgePool::start(1, 2).unwrap();
        let mut plugins = Plugins::new(Hooks::of(judges.on_late()));
        plugins.link(chatring_resp::entry(), "").unwrap();
        let transport = plugins.transport("resp").unwrap();
        let auth = auth.map(|auth| {
            plugins.link(auth, "").unwrap();
            plugins.list().into_iter().filter_map(|plugin| plugins.auth(&plugin.name)).collect()
        });
        let socket = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let listening =
            Listening { name: "test".into(), socket, transport: transport.clone(), beneath, auth: auth.unwrap_or_default(), limits };
        let (sender, seen) = channel();
        let notes = Mutex::new(sender.clone());
        let setup = Setup {
            listeners: vec![listening],
            dial_transport: transport,
            dial_tls,
            store: None,
            keep: None,
            judges: Arc::new(judges),
            filters: Vec::new(),
            plugins: None,
            notes: Box::new(move |note| drop(notes.lock().unwrap().send(format!("{note:?}")))),
            tuning,
        };
        let reactor = Reactor::new(Puppet { seen: Some(sender), ..Puppet::default() }, setup).unwrap();
        let (address, handle) = (reactor.local_address(ListenerId(0)).unwrap(), reactor.handle());
        let thread = std::thread::spawn(move || reactor.run());
        let server = Server { address, handle, seen, thread: Some(thread) };
        server.sees("started");
        server
    }

    pub fn client(&self) -> Client {
        let client = Client::to(self.address);
        self.sees("opened");
        client
    }

    /// The next thing that the machine has seen.
    #[track_caller]
    pub fn sees_next(&self) -> String {
        self.sees("")
    }

    /// Waits until the machine has seen something that contains this; whatever came before is forgotten.
    #[track_caller]
    pub fn sees(&self, what: &str) -> String {
        loop {
            match self.seen.recv_timeout(PATIENCE) {
                Ok(seen) if seen.contains(what) => return seen,
                Ok(_) => {}
                Err(error) => panic!("not seen: {what} ({error})"),
            }
        }
    }

    /// Makes the loop turn until its counters satisfy.
    #[track_caller]
    pub fn counts(&self, what: impl Fn(&Counters) -> bool) {
        let until = std::time::Instant::now() + PATIENCE;
        while !what(&self.handle.counters()) {
            assert!(std::time::Instant::now() < until, "{:#?}", self.handle.counters());
            let _ = self.handle.input(Input::Deadline);
            std::thread::yield_now();
        }
    }

    pub fn stop(mut self) -> Result<Puppet, ReactorError> {
        self.handle.input(Input::Stop).unwrap();
        self.thread.take().unwrap().join().unwrap()
    }

    /// The thread's end, however it came.
    pub fn join(mut self) -> std::thread::Result<Result<Puppet, ReactorError>> {
        self.thread.take().unwrap().join()
    }
}

pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client<S = TcpStream> {
    pub socket: S,
}

impl Client {
    pub fn to(address: SocketAddr) -> Client {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Client { socket }
    }
}

impl<S: Read + Write> Client<S> {
    pub fn say(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).unwrap();
    }

    /// Reads exactly these texts, one after the other.
    #[track_caller]
    pub fn hears(&mut self, texts: &[&str]) {
        let expected: String = texts.iter().map(|text| format!("${}\r\n{text}\r\n", text.len())).collect();
        let mut heard = vec![0; expected.len()];
        let mut got = 0;
        while got < heard.len() {
            match self.socket.read(&mut heard[got..]) {
                Ok(0) => panic!("closed after {:?} of {expected:?}", String::from_utf8_lossy(&heard[..got])),
                Ok(count) => got += count,
                Err(error) => panic!("{error} after {:?} of {expected:?}", String::from_utf8_lossy(&heard[..got])),
            }
        }
        assert_eq!(String::from_utf8_lossy(&heard), expected);
    }

    /// All until the server closes.
    pub fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.socket.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// Of two who are in the group one reads at once and one does not: both get all, and what was kept for the slow one is let go.
#[track_caller]
pub fn check_slow_reader<S: Read + Write + Send + 'static>(
    server: Server,
    mut speaker: Client<S>,
    mut slow: Client<S>,
    mut quick: Client<S>,
) {
    const MESSAGES: usize = 5_000;
    for client in [&mut slow, &mut quick] {
        client.say("JOIN #g\r\n");
        client.hears(&["in"]);
    }
    let frame = format!("$3000\r\n{}\r\n", "t".repeat(3_000));
    let publish = format!("*3\r\n$7\r\nPUBLISH\r\n$2\r\n#g\r\n{frame}").repeat(MESSAGES);
    let speaking = std::thread::spawn(move || {
        speaker.say(&publish);
        speaker
    });
    let mut heard = vec![0; frame.len() * MESSAGES];
    quick.socket.read_exact(&mut heard).unwrap();
    assert!(heard == frame.repeat(MESSAGES).as_bytes());
    server.counts(|counters| counters.block_bytes > 1 << 20);
    slow.socket.read_exact(&mut heard).unwrap();
    assert!(heard == frame.repeat(MESSAGES).as_bytes());
    server.counts(|counters| counters.block_bytes == 0);
    drop(speaking.join().unwrap());
    server.stop().unwrap();
}
