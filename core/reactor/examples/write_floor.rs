//! What a delivery costs in server CPU, and what it costs at the least.
//!
//! `floor`: a loop that does nothing but write the same bytes to N loopback connections, one write for a batch of messages. `reactor`: the same batches told to a list through the reactor and the RESP
//! codec. Both are read by one thread of this process, and only the CPU time of the writing thread counts. A batch is read by all before the next is told, so that both write as often.
//!
//!     cargo run --release -p chatring-reactor --example write_floor -- [connections 1000] [messages 4096] [batch 32]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};

use chatring_host::{Hooks, Plugins};
use chatring_machines::Time;
use chatring_machines::entry::{Content, Entry, Person, SayKind};
use chatring_machines::event::Event;
use chatring_machines::ids::{EntryId, Epoch, ListId, ListenerId};
use chatring_machines::machine::{Effect, Input, Machine, Wish};
use chatring_machines::names::{GroupName, Nick};
use chatring_reactor::{Beneath, Handle, JudgePool, Limits, Listening, Reactor, Setup, Tuning, listen};
use mio::{Events, Interest, Poll, Token};

#[derive(Clone, Copy)]
struct Shape {
    connections: usize,
    messages: usize,
    batch: usize,
}

fn main() {
    let mut args = std::env::args().skip(1).filter_map(|arg| arg.parse().ok());
    let mut next = |default| args.next().unwrap_or(default);
    let shape = Shape { connections: next(1000), messages: next(4096), batch: next(32) };
    let frame = frame();
    println!("{} connections, {} messages of {} bytes, {} in a batch", shape.connections, shape.messages, frame.len(), shape.batch);
    let floor = per_delivery(shape, run_floor(shape, &frame));
    println!("floor    {floor:.4} µs of CPU per delivery");
    let reactor = per_delivery(shape, run_reactor(shape, &frame));
    println!("reactor  {reactor:.4} µs of CPU per delivery, {:.2} times the floor", reactor / floor);
}

fn per_delivery(shape: Shape, cpu_ns: u64) -> f64 {
    cpu_ns as f64 / 1e3 / (shape.connections * shape.messages) as f64
}

fn text() -> String {
    "x".repeat(64)
}

/// A message as Redis would write it.
fn frame() -> Vec<u8> {
    format!("*3\r\n$7\r\nmessage\r\n$2\r\n#g\r\n$64\r\n{}\r\n", text()).into_bytes()
}

fn run_floor(shape: Shape, frame: &[u8]) -> u64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let accepting = std::thread::spawn(move || -> Vec<TcpStream> {
        listener.incoming().take(shape.connections).map(|socket| socket.expect("a connection")).collect()
    });
    let readers = Readers::start(shape, address, frame.len());
    let mut sockets = accepting.join().expect("all accepted");
    let batch = frame.repeat(shape.batch);
    let before = thread_cpu_ns();
    for _ in 0..shape.messages / shape.batch {
        for socket in &mut sockets {
            socket.write_all(&batch).expect("the reader reads");
        }
        readers.wait();
    }
    let spent = thread_cpu_ns() - before;
    readers.finish();
    spent
}

fn run_reactor(shape: Shape, frame: &[u8]) -> u64 {
    let judges = Arc::new(JudgePool::start(1, 1).expect("a thread"));
    let mut plugins = Plugins::new(Hooks::of(judges.on_late()));
    plugins.link(chatring_resp::entry(), "").expect("a codec");
    let transport = plugins.transport("resp").expect("a transport");
    let socket = listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    let listening = Listening {
        name: "bench".into(),
        socket,
        transport: transport.clone(),
        beneath: Beneath::Nothing,
        auth: Vec::new(),
        limits: Limits::CLIENTS,
    };
    let setup = Setup {
        listeners: vec![listening],
        dial_transport: transport,
        dial_tls: None,
        store: None,
        keep: None,
        judges,
        filters: Vec::new(),
        plugins: None,
        notes: Box::new(|_| ()),
        tuning: Tuning::default(),
    };
    let (group, sender) = (GroupName::new("#g").expect("a name"), Nick::new("joe").expect("a nick"));
    let person = Person { nick: sender, user: "u".into(), host: "h".into(), account: "".into(), real: "".into() };
    let entry = Entry {
        seq: 1,
        term: Epoch::default(),
        id: EntryId::default(),
        time: Time(1),
        sender: Arc::new(person),
        content: Content::Message { kind: SayKind::Message, text: text().into() },
    };
    let reactor = Reactor::new(Teller { event: Event::Entry(group, Arc::new(entry)), batch: shape.batch }, setup).expect("a reactor");
    let (address, handle) = (reactor.local_address(ListenerId(0)).expect("an address"), reactor.handle());
    let spent = Arc::new(AtomicU64::new(0));
    let running = {
        let spent = spent.clone();
        std::thread::spawn(move || {
            reactor.run().expect("it runs");
            spent.store(thread_cpu_ns(), Ordering::Relaxed);
        })
    };
    let readers = Readers::start(shape, address, frame.len());
    until(&handle, |handle| handle.counters().accepted == shape.connections as u64);
    for _ in 0..shape.messages / shape.batch {
        handle.input(Input::Wish(Wish::Run(Vec::new()))).expect("room");
        readers.wait();
    }
    readers.finish();
    let counters = handle.counters();
    handle.input(Input::Stop).expect("room");
    running.join().expect("it ends");
    println!("         ({:.1} messages per write)", counters.deliveries as f64 / counters.writes as f64);
    spent.load(Ordering::Relaxed)
}

fn until(handle: &Handle, done: impl Fn(&Handle) -> bool) {
    while !done(handle) {
        handle.input(Input::Deadline).expect("room");
        std::thread::yield_now();
    }
}

/// Tells a batch to everyone whenever it is asked to.
struct Teller {
    event: Event,
    batch: usize,
}

impl Machine for Teller {
    fn handle(&mut self, _: Time, input: Input, effects: &mut Vec<Effect>) {
        let list = ListId(0);
        match input {
            Input::Opened { conn, .. } => effects.push(Effect::Enlist { list, conn }),
            Input::Wish(_) => effects.extend((0..self.batch).map(|_| Effect::TellAll { list, event: self.event.clone(), skip: None })),
            Input::Stop => effects.push(Effect::Stopped),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Time> {
        None
    }
}

/// All readers, on one thread.
struct Readers {
    /// A word for every batch that all have read.
    batches: Receiver<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Readers {
    fn start(shape: Shape, address: SocketAddr, frame_len: usize) -> Readers {
        let (done, batches) = channel();
        let batch_bytes = (shape.connections * shape.batch * frame_len) as u64;
        let total = batch_bytes * (shape.messages / shape.batch) as u64;
        let mut poll = Poll::new().expect("a poll");
        let mut sockets: Vec<_> = (0..shape.connections)
            .map(|i| {
                let socket = TcpStream::connect(address).expect("a connection");
                socket.set_nonblocking(true).expect("a socket");
                let mut socket = mio::net::TcpStream::from_std(socket);
                poll.registry().register(&mut socket, Token(i), Interest::READABLE).expect("a poll");
                socket
            })
            .collect();
        let thread = std::thread::spawn(move || {
            let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 1 << 18]);
            let (mut got, mut told) = (0, 0);
            while got < total {
                poll.poll(&mut events, None).expect("a poll");
                for event in &events {
                    loop {
                        match sockets[event.token().0].read(&mut buffer) {
                            Ok(0) => panic!("closed early"),
                            Ok(count) => got += count as u64,
                            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                while (told + 1) * batch_bytes <= got {
                    told += 1;
                    let _ = done.send(()); // the last ones may find nobody waiting
                }
            }
        });
        Readers { batches, thread }
    }

    /// Until all have read a batch.
    fn wait(&self) {
        self.batches.recv().expect("the readers read");
    }

    fn finish(self) {
        self.thread.join().expect("all read");
    }
}

/// CPU time of this thread.
fn thread_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number")
}
