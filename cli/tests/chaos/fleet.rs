//! The network that is harmed: a directory and hosts, each a process with one super node or several; and how one knows that it has recovered.

use super::common::network::{Network, Place, secret_of};
use super::common::process::Process;
use super::common::redis::{Redis, Value};
use super::common::soon;
use super::crowd::Crowd;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the network is asked whether it has recovered.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// A node checks at most once in a second.
const CHECK_EVERY: Duration = Duration::from_millis(1_050);

pub struct Fleet {
    pub net: Network,
    pub directory: Option<Process>,
    pub hosts: Vec<Host>,
    _alone: MutexGuard<'static, ()>,
}

/// Held by the test that runs. Two at a time would slow each other down, and what is measured with them.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // A test that failed has let go of it as well.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process and what is in it.
pub struct Host {
    number: u8,
    pub places: Vec<Place>,
    /// `None` while it is down.
    pub process: Option<Process>,
}

impl Fleet {
    /// A network of hosts with so many super nodes each, the ring complete.
    pub fn start(nodes: &[u16]) -> Fleet {
        Fleet::planned(nodes).started()
    }

    /// All of it runs, and the ring is complete.
    pub fn started(mut self) -> Fleet {
        let fleet = &mut self;
        let nodes: Vec<usize> = fleet.hosts.iter().map(|host| host.places.len()).collect();
        (0..nodes.len()).for_each(|ix| fleet.start_host(ix));
        let count: usize = nodes.iter().sum();
        for host in &mut fleet.hosts {
            host.process.as_mut().expect("just started").err.wait(&format!("with {count} super nodes"));
        }
        self
    }

    /// The same with nobody there yet but the directory.
    pub fn planned(nodes: &[u16]) -> Fleet {
        Fleet::on(alone(), Network::new(), nodes)
    }

    /// The same, where every host is a network namespace of its own.
    pub fn in_namespaces(nodes: &[u16]) -> Fleet {
        Fleet::on(alone(), Network::in_namespaces(), nodes)
    }

    fn on(alone: MutexGuard<'static, ()>, net: Network, nodes: &[u16]) -> Fleet {
        let host = |(ix, nodes): (usize, &u16)| {
            let number = ix as u8 + 1;
            Host { number, places: (0..*nodes).map(|ix| net.place(number, ix)).collect(), process: None }
        };
        let hosts = nodes.iter().enumerate().map(host).collect();
        let directory = Some(net.directory());
        Fleet { net, directory, hosts, _alone: alone }
    }

    pub fn start_host(&mut self, ix: usize) {
        let host = &mut self.hosts[ix];
        host.process = Some(self.net.host(host.number, host.places.len() as u16));
    }

    pub fn kill_host(&mut self, ix: usize) {
        self.hosts[ix].process.take().expect("it runs").kill();
    }

    pub fn kill_directory(&mut self) {
        self.directory.take().expect("it runs").kill();
    }

    /// On what the last one left. Does not wait until it listens.
    pub fn start_directory(&mut self) {
        self.directory = Some(self.net.start_directory());
    }

    /// Every super node there ever is.
    pub fn map(&self) -> Vec<Place> {
        self.hosts.iter().flat_map(|host| host.places.iter().cloned()).collect()
    }

    fn inspection(&self, check: bool) -> Inspection {
        let up = self.hosts.iter().filter(|host| host.process.is_some());
        let nodes: Vec<Place> = up.flat_map(|host| host.places.iter().cloned()).collect();
        let (directory, since) = (self.net.directory_address(), Instant::now());
        Inspection { since, check, found: std::thread::spawn(move || inspect(directory, &nodes, check)) }
    }

    /// Lets time pass until the network says that it is whole, and everyone hears again. `None` when it takes longer than that.
    pub fn recovers(&self, crowd: &mut Crowd, until: Instant) -> Option<Duration> {
        let began = Instant::now();
        let (mut asked, mut ask_at, mut whole_since) = (None::<Inspection>, began, None);
        let done = crowd.run(until, |crowd| {
            if let Some(inspection) = asked.take_if(|inspection| inspection.found.is_finished()) {
                let is_well = inspection.found.join().is_ok_and(|complaint| complaint.is_none());
                match (is_well, inspection.check) {
                    (true, true) => return true,
                    (true, false) => whole_since = Some(inspection.since),
                    (false, _) => {}
                }
            }
            let heard = whole_since.is_some_and(|since| crowd.log.all_hear_since(since));
            let now = Instant::now();
            if asked.is_none() && now >= ask_at {
                ask_at = now + if heard { CHECK_EVERY } else { ASK_EVERY };
                asked = Some(self.inspection(heard));
            }
            false
        });
        done.then(|| began.elapsed())
    }

    /// What is not as it should be, for the report of a failure.
    pub fn complaint(&self) -> String {
        self.inspection(true).found.join().ok().flatten().unwrap_or_else(|| "the network has no complaint".into())
    }
}

/// A question to the network that is under way. It must not keep the crowd waiting.
struct Inspection {
    since: Instant,
    check: bool,
    found: JoinHandle<Option<String>>,
}

/// Whether the ring is exactly these nodes, as they run now; and, where asked for, whether no node has a group that is blocked. This is the place to ask for more of a network that is called whole.
fn inspect(directory: SocketAddr, nodes: &[Place], check: bool) -> Option<String> {
    let complaint = match ask(directory, &[&["RING"]]) {
        Some(ring) => ring_complaint(&ring.words(), nodes),
        None => Some("the directory does not answer".to_string()),
    };
    if complaint.is_some() || !check {
        return complaint;
    }
    // Where nodes have operators, this is one; elsewhere the refusal of the login changes nothing.
    let login = ["OPERATOR", "tester", &secret_of("tester")];
    nodes.iter().find_map(|node| match ask(node.native, &[&["HELLO", "3"], &login, &["CHECK"]]) {
        Some(Value::Array(cells)) => blocked(&Value::Array(cells).words()).map(|row| format!("{}: {row}", node.key)),
        other => Some(format!("{} does not say what it checked: {other:?}", node.key)),
    })
}

fn ring_complaint(ring: &[&str], nodes: &[Place]) -> Option<String> {
    let count: usize = ring.get(5)?.parse().ok()?;
    if count != nodes.len() {
        return Some(format!("{count} nodes in the ring instead of {}", nodes.len()));
    }
    nodes.iter().find_map(|node| {
        let Some(Value::Text(info)) = ask(node.native, &[&["HELLO", "3"], &["INFO"]]) else {
            return Some(format!("{} does not answer", node.key));
        };
        // Or else it is an earlier start of it that is in the ring.
        let incarnation = info.lines().find_map(|line| line.strip_prefix("incarnation:"));
        let is_in = ring.contains(&node.key.as_str()) && incarnation.is_some_and(|incarnation| ring.contains(&incarnation));
        (!is_in).then(|| format!("{} is not in the ring", node.key))
    })
}

/// The first row of a check's answer about a group that is not as it should be.
fn blocked(words: &[&str]) -> Option<String> {
    words[1..].chunks(5).find(|row| row.get(1) == Some(&"blocked")).map(|row| row.join(" "))
}

/// The answer to the last question.
fn ask(address: SocketAddr, questions: &[&[&str]]) -> Option<Value> {
    let mut redis = Redis::try_connect(address).ok()?;
    let until = soon().min(Instant::now() + Duration::from_secs(5));
    let mut answer = None;
    for words in questions {
        redis.try_send(words).ok()?;
        answer = redis.next(until).ok()?;
    }
    answer
}
