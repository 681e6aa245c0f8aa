//! Ten thousand super nodes that are none: what a directory server has to do for them, and how long it takes until all of them have heard of a change.
//!
//! ```text
//! herd fill FILE NODES                 makes a directory server's file, network 'herd', with a ring of so many nodes
//! herd run ADDRESS NODES SECONDS PID   is those nodes: registers them, keeps them alive, is ready for every planned change at once; and says what the server at
//!                                      ADDRESS, process PID, needs meanwhile
//! ```
//!
//! Run by `tests/benches/many_nodes.sh`. The nodes are one machine on one reactor, which shares the computer with the server that it measures.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chatring::commands;
use chatring_machines::approach::{Approach, Step};
use chatring_machines::command::Command;
use chatring_machines::event::Event;
use chatring_machines::handshake::{Identity, Peer, Whom};
use chatring_machines::ids::{Conn, Epoch, Incarnation, Ticket};
use chatring_machines::machine::{Effect, Input, Level, Machine, Note};
use chatring_machines::names::NodeKey;
use chatring_machines::peer::{LinkEvent, PeerCommand};
use chatring_machines::secret::NetworkSecret;
use chatring_machines::time::{Jitter, Time};
use chatring_machines::view::{Plan, SharedView, ViewChange};
use chatring_machines::wire::{Argv, Field, Text};
use chatring_storage::SqliteStore;

const SECRET: &str = "only the herd knows";
/// How often a node says that it lives, as a third of the usual lease.
const BEAT_MS: u64 = 1_000;
/// Pause before a node that was refused asks again.
const AGAIN_MS: u64 = 300;
/// Dials under way at a time.
const DIALS_MAX: usize = 200;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["fill", file, nodes] => fill(file, nodes.parse()?),
        ["run", address, nodes, seconds, pid] => run(address, nodes.parse()?, seconds.parse()?, pid.parse()?),
        _ => bail!("herd fill FILE NODES, or herd run ADDRESS NODES SECONDS PID"),
    }
}

/// No two in one /24 more than there are addresses.
fn key(number: u32) -> NodeKey {
    NodeKey::new(&format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255)).expect("an address")
}

fn incarnation(number: u32) -> Incarnation {
    Incarnation(u64::from(number) + 1)
}

/// The schema by our own store; the ring by hand, since to join one by one is another question.
fn fill(file: &str, nodes: u32) -> anyhow::Result<()> {
    drop(SqliteStore::open(file)?);
    let mut sql = String::from("BEGIN; INSERT INTO network VALUES (1, 'herd', 1, 9, 'circular', 1);\n");
    for number in 0..nodes {
        sql.push_str(&format!(
            "INSERT INTO super_nodes VALUES ('{}', 'n{number}', '{}', 5000, '1.9');\n",
            key(number),
            incarnation(number)
        ));
    }
    sql.push_str("COMMIT;");
    rusqlite::Connection::open(file)?.execute_batch(&sql).context("filling the file")
}

/// One of them.
struct Node {
    key: NodeKey,
    incarnation: Incarnation,
    stage: Stage,
    conn: Option<Conn>,
    beat_at: Time,
}

enum Stage {
    Approaching(Approach),
    Registering,
    Refused,
    In,
}

/// All of them.
struct Herd {
    address: Text,
    jitter: Jitter,
    waiting: Vec<u32>,
    nodes: BTreeMap<u32, Node>,
    dials: BTreeMap<Ticket, u32>,
    conns: BTreeMap<Conn, u32>,
    beats: BTreeMap<(Time, u32), ()>,
    /// As the first of them has heard it: they hear the same.
    view: Option<SharedView>,
    /// How many have heard of this epoch, and when the first did.
    heard: BTreeMap<Epoch, (usize, Time)>,
    registered: usize,
    /// On their way in: so few at a time that no backlog overflows.
    approaching: usize,
    all: usize,
}

impl Herd {
    fn new(address: &str, nodes: u32) -> Herd {
        Herd {
            address: address.into(),
            jitter: Jitter::new(7),
            waiting: (0..nodes).rev().collect(),
            nodes: BTreeMap::new(),
            dials: BTreeMap::new(),
            conns: BTreeMap::new(),
            beats: BTreeMap::new(),
            view: None,
            heard: BTreeMap::new(),
            registered: 0,
            approaching: 0,
            all: nodes as usize,
        }
    }

    fn identity(&self, number: u32) -> Identity {
        Identity {
            network: "herd".into(),
            secret: NetworkSecret::new(SECRET),
            key: key(number),
            incarnation: incarnation(number),
            certified: false,
        }
    }

    fn dial(&mut self, effects: &mut Vec<Effect>) {
        // The first one alone is shown all of the ring: the others have it from that one.
        let most = if self.view.is_some() { DIALS_MAX } else { 1 };
        while self.dials.len() + self.approaching < most
            && let Some(number) = self.waiting.pop()
        {
            let ticket = Ticket(u64::from(number));
            self.dials.insert(ticket, number);
            effects.push(Effect::Dial { ticket, address: self.address.clone() });
        }
    }

    fn say(&self, conn: Conn, command: PeerCommand, effects: &mut Vec<Effect>) {
        effects.push(Effect::Tell { conn, event: Event::Command(Command::Peer(command)) });
    }

    fn register(&self, conn: Conn, number: u32, effects: &mut Vec<Effect>) {
        let name = format!("n{number}").into();
        self.say(
            conn,
            PeerCommand::Register { ticket: Ticket(1), name, token: None, known: self.view.as_ref().map(|view| view.epoch) },
            effects,
        );
    }

    fn told(&mut self, now: Time, conn: Conn, event: Event, effects: &mut Vec<Effect>) {
        let Some(&number) = self.conns.get(&conn) else { return };
        let identity = self.identity(number);
        let Some(node) = self.nodes.get_mut(&number) else { return };
        if let Stage::Approaching(approach) = &mut node.stage {
            match approach.told(&identity, &event, effects) {
                Step::Wait => {}
                Step::Through(conn, Peer { .. }) => {
                    node.stage = Stage::Registering;
                    self.approaching -= 1;
                    self.register(conn, number, effects);
                }
                Step::Failed(why) => note(effects, format!("{number} {why}")),
            }
            return;
        }
        match event {
            Event::Link(LinkEvent::Registered { .. }) => {
                node.stage = Stage::In;
                node.beat_at = now + self.jitter.below(BEAT_MS);
                self.beats.insert((node.beat_at, number), ());
                self.registered += 1;
                if self.registered == self.all {
                    note(effects, format!("all {} are in", self.all));
                }
                self.dial(effects);
            }
            Event::Link(LinkEvent::View { view }) if self.view.is_none() => {
                note(effects, format!("whole view: {} bytes", bytes_of(&LinkEvent::View { view: view.clone() })));
                self.view = Some(view);
            }
            Event::Link(LinkEvent::ViewChanged { before, change }) => self.heard_of(now, before, &change, effects),
            Event::Link(LinkEvent::Pending { number: plan, plan: Some(_) }) => {
                let Some(epoch) = self.view.as_ref().map(|view| view.epoch) else { return };
                self.say(conn, PeerCommand::Prepared { number: plan, epoch, left: 0, why: "".into() }, effects);
            }
            // The server has only just started, say.
            Event::Link(LinkEvent::Refused { .. }) => {
                node.stage = Stage::Refused;
                self.beats.insert((now + AGAIN_MS, number), ());
            }
            _ => {}
        }
    }

    /// The first has another view by it, the others only count.
    fn heard_of(&mut self, now: Time, before: Epoch, change: &ViewChange, effects: &mut Vec<Effect>) {
        let epoch = before.next();
        if let Some(view) = self.view.as_ref().filter(|view| view.epoch == before)
            && let Some(next) = view.changed(change)
        {
            self.view = Some(next.into());
        }
        let (count, first) = self.heard.entry(epoch).or_insert((0, now));
        *count += 1;
        if *count == self.all {
            let what = match change {
                ViewChange::Plan { plan: Plan::Join { node } } => format!("{} came", node.key),
                ViewChange::Plan { plan: Plan::Drain { key, .. } } => format!("{key} went"),
                _ => "something else".into(),
            };
            let size = bytes_of(&LinkEvent::ViewChanged { before, change: change.clone() });
            note(
                effects,
                format!("epoch {epoch} ({what}): heard by all {} within {} ms, {size} bytes each", self.all, now.since_ms(*first)),
            );
        }
    }
}

fn bytes_of(event: &LinkEvent) -> usize {
    let mut argv = Argv::default();
    event.put(&mut argv);
    // A length and two line ends for each word.
    argv.iter().map(|word| word.len() + 7).sum()
}

fn note(effects: &mut Vec<Effect>, text: String) {
    effects.push(Effect::Note(Note::Log { level: Level::Info, text }));
}

impl Machine for Herd {
    fn handle(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Start => self.dial(effects),
            Input::Dialed { ticket, result } => {
                let Some(number) = self.dials.remove(&ticket) else { return };
                let mut approach = Approach::new(Whom::Directory);
                match (approach.dialed(&self.identity(number), result, &mut self.jitter, effects), result) {
                    (Step::Failed(why), _) => note(effects, format!("{number} {why}")),
                    (_, Ok(conn)) => {
                        self.conns.insert(conn, number);
                        let node = Node {
                            key: key(number),
                            incarnation: incarnation(number),
                            stage: Stage::Approaching(approach),
                            conn: Some(conn),
                            beat_at: now,
                        };
                        self.nodes.insert(number, node);
                        self.approaching += 1;
                    }
                    _ => {}
                }
                self.dial(effects);
            }
            Input::Told { conn, event: Ok(event) } => self.told(now, conn, event, effects),
            Input::Told { event: Err(bad), .. } => note(effects, format!("not understood: {bad}")),
            Input::Lost { conn } => {
                if let Some(node) = self.conns.remove(&conn).and_then(|number| self.nodes.get_mut(&number)) {
                    node.conn = None;
                    note(effects, format!("{} start {} lost its connection", node.key, node.incarnation));
                }
            }
            Input::Stop => effects.push(Effect::Stopped),
            _ => {}
        }
        while let Some((&(at, number), ())) = self.beats.first_key_value()
            && at <= now
        {
            self.beats.remove(&(at, number));
            let Some(node) = self.nodes.get_mut(&number) else { continue };
            let Some(conn) = node.conn else { continue };
            if matches!(node.stage, Stage::Refused) {
                node.stage = Stage::Registering;
                self.register(conn, number, effects);
            } else {
                self.say(conn, PeerCommand::Heartbeat { sent: now }, effects);
                self.beats.insert((at + BEAT_MS, number), ());
            }
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.beats.keys().next().map(|(at, _)| *at)
    }
}

fn run(address: &str, nodes: u32, seconds: u64, pid: u32) -> anyhow::Result<()> {
    rlimit::increase_nofile_limit(u64::from(nodes) + 1_000)?;
    let (tell, told) = mpsc::channel();
    let reactor = commands::reactor(Herd::new(address, nodes), None, move |note| {
        if let Note::Log { text, .. } = note {
            let _ = tell.send(text);
        }
    });
    let reactor = reactor.map_err(|failure| anyhow::anyhow!("{}", failure.what))?;
    let handle = reactor.handle();
    let running = std::thread::spawn(move || reactor.run().map(drop));
    let began = Instant::now();
    while let Ok(text) = told.recv_timeout(Duration::from_secs(120)) {
        println!("{:6.2} s  {text}", began.elapsed().as_secs_f64());
        if text.starts_with("all ") {
            break;
        }
    }
    // The rush of coming in is over after a moment; what follows is what it costs to be there.
    report(&told, began, Instant::now() + Duration::from_secs(3));
    let (before, since) = (cpu_ms(pid)?, Instant::now());
    report(&told, began, since + Duration::from_secs(seconds / 2));
    let (used, took) = (cpu_ms(pid)? - before, since.elapsed());
    println!(
        "{:6.2} s  {nodes} nodes, {} heartbeats a second: the server used {:.1} % of a core, {:.1} us of CPU each",
        began.elapsed().as_secs_f64(),
        u64::from(nodes) * 1_000 / BEAT_MS,
        used as f64 * 100.0 / took.as_millis() as f64,
        used as f64 * 1_000.0 / (f64::from(nodes) * took.as_secs_f64() * 1_000.0 / BEAT_MS as f64)
    );
    println!("now is the time for changes");
    report(&told, began, since + Duration::from_secs(seconds));
    println!("{:6.2} s  the server weighs {} MiB", began.elapsed().as_secs_f64(), rss_kib(pid)? / 1024);
    let _ = handle.input(Input::Stop);
    running.join().expect("the herd ends")?;
    Ok(())
}

fn report(told: &mpsc::Receiver<String>, began: Instant, until: Instant) {
    while let Ok(text) = told.recv_timeout(until.saturating_duration_since(Instant::now())) {
        println!("{:6.2} s  {text}", began.elapsed().as_secs_f64());
    }
}

/// What a process has used of CPUs so far.
fn cpu_ms(pid: u32) -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |ix: usize| fields.get(ix).and_then(|field| field.parse::<u64>().ok()).context("/proc is not as expected");
    Ok((ticks(11)? + ticks(12)?) * 10)
}

fn rss_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("/proc is not as expected")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}
