//! A raw session, as an IRC program or a Redis client would hold it: typed commands, sent to whichever super node is at hand.
//!
//! It knows nothing of the ring. When its node is lost it goes to the next one it knows, registers again, and goes back into the groups it wants to be in; when it is refused
//! for the moment it asks again a little later, and it pings a server that is silent. That is all a good IRC program does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chatring_machines::command::{ClientCommand, Command};
use chatring_machines::entry::{Content, Entry};
use chatring_machines::event::{Code, Event, Push, Reply};
use chatring_machines::ids::{Conn, SessionId, Ticket};
use chatring_machines::machine::{Effect, Input, Machine};
use chatring_machines::names::{GroupName, Nick};
use chatring_machines::ring::point;
use chatring_machines::time::{Jitter, Time, earlier};
use chatring_machines::wire::{Given, Rest, Text};

use crate::ear::{Ear, Sound};

/// Pause before something that was refused is asked again.
const AGAIN_MS: u64 = 400;
/// How long an answer may take before the same is asked again.
const ANSWER_MS: u64 = 12_000;

/// After how long a silence the server is pinged.
const PING_MS: u64 = 3_000;
/// After how long a silence it is taken for dead: more than it may take to answer what comes first.
const SILENCE_MS: u64 = 12_000;

/// Which program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// LOGIN, ENTER, SAY.
    Irc,
    /// No name; SUBSCRIBE and PUBLISH.
    Redis,
}

#[derive(Debug, PartialEq)]
enum Phase {
    Away { until: Time },
    Dialing { ticket: Ticket },
    Registering { conn: Conn, since: Time },
    Here { conn: Conn },
    Gone,
}

/// A person with a program.
#[derive(Debug)]
pub struct Person {
    /// What they want to be called.
    pub nick: Nick,
    style: Style,
    servers: Vec<Text>,
    next: usize,
    phase: Phase,
    /// What they are called, when that is not a guest's name.
    called: Option<Nick>,
    /// All that they were called over this connection: what happens to them may still name them as they were.
    names: BTreeSet<String>,
    /// Who they are in entries, once they have heard themselves come.
    session: Option<SessionId>,
    /// Who came under which name, while they do not know who they are.
    came: BTreeMap<String, SessionId>,
    wanted: BTreeSet<GroupName>,
    inside: BTreeSet<GroupName>,
    asked: BTreeMap<GroupName, Time>,
    repair_at: Option<Time>,
    /// When the server was last heard, and whether it was pinged since.
    heard: Time,
    pinged: bool,
    /// What was published over this connection and not answered; no more is known once something was refused.
    published: Option<VecDeque<String>>,
    /// What was acknowledged by an answer, and when.
    acked: BTreeMap<String, Time>,
    tickets: u64,
    jitter: Jitter,
    ear: Ear,
}

impl Person {
    /// Who will connect to the first of these servers, and to the next ones when it is lost.
    pub fn new(nick: &str, style: Style, servers: Vec<Text>, seed: u64) -> Person {
        Person {
            nick: Nick::new(nick).expect("scenarios use proper nicks"),
            style,
            servers,
            next: 0,
            phase: Phase::Away { until: Time(0) },
            called: None,
            names: BTreeSet::new(),
            session: None,
            came: BTreeMap::new(),
            wanted: BTreeSet::new(),
            inside: BTreeSet::new(),
            asked: BTreeMap::new(),
            repair_at: None,
            heard: Time(0),
            pinged: false,
            published: None,
            acked: BTreeMap::new(),
            tickets: 0,
            jitter: Jitter::new(seed),
            ear: Ear::new(nick),
        }
    }

    /// Which program they have.
    pub fn style(&self) -> Style {
        self.style
    }

    /// What they heard.
    pub fn ear(&self) -> &Ear {
        &self.ear
    }

    /// The groups they were told to be in, over the present connection.
    pub fn inside(&self) -> &BTreeSet<GroupName> {
        &self.inside
    }

    /// The groups they want to be in.
    pub fn wanted(&self) -> &BTreeSet<GroupName> {
        &self.wanted
    }

    /// What they are called, if they are registered under a name of their own.
    pub fn called(&self) -> Option<&Nick> {
        self.called.as_ref()
    }

    /// Whether they are connected and registered.
    pub fn is_here(&self) -> bool {
        matches!(self.phase, Phase::Here { .. })
    }

    /// Goes into a group and stays in it.
    pub fn enter(&mut self, now: Time, group: &GroupName, effects: &mut Vec<Effect>) {
        self.wanted.insert(group.clone());
        self.reconcile(now, effects);
    }

    /// Leaves a group for good.
    pub fn part(&mut self, now: Time, group: &GroupName, effects: &mut Vec<Effect>) {
        self.wanted.remove(group);
        self.reconcile(now, effects);
    }

    /// Says something in a group or to someone.
    pub fn say(&mut self, target: &str, text: &str, effects: &mut Vec<Effect>) {
        let words: &[&str] = match self.style {
            Style::Irc => &["SAY", "msg", target, "0", text],
            Style::Redis => &["PUBLISH", target, text],
        };
        if self.style == Style::Redis
            && self.is_here()
            && let Some(published) = &mut self.published
        {
            published.push_back(text.to_string());
        }
        self.send(parse(words), effects);
    }

    /// What was acknowledged to them by an answer, and when. Echoes are in what they heard.
    pub fn acked(&self) -> &BTreeMap<String, Time> {
        &self.acked
    }

    /// Sends any command; what is said while not connected is lost.
    pub fn send(&mut self, command: ClientCommand, effects: &mut Vec<Effect>) {
        if let Phase::Registering { conn, .. } | Phase::Here { conn } = &self.phase {
            effects.push(Effect::Tell { conn: *conn, event: Event::Command(Command::Client(command)) });
        }
    }

    fn dial(&mut self, effects: &mut Vec<Effect>) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let address = self.servers[self.next % self.servers.len()].clone();
        self.phase = Phase::Dialing { ticket };
        effects.push(Effect::Dial { ticket, address });
    }

    fn dropped(&mut self, now: Time) {
        self.next += 1;
        self.called = None;
        self.names.clear();
        self.session = None;
        self.came.clear();
        self.asked.clear();
        self.inside.clear();
        self.published = None;
        self.phase = Phase::Away { until: now + 100 + self.jitter.below(400) };
    }

    /// Every other one has an account.
    fn log_in(&mut self, effects: &mut Vec<Effect>) {
        let nick = self.nick.as_str().to_string();
        let account: &[&str] = if point(&nick).is_multiple_of(2) { &[&nick, "secret"] } else { &[] };
        let words = [&["LOGIN", &nick, &nick, "someone"], account].concat();
        self.send(parse(&words), effects);
    }

    fn greet(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) {
        self.ear.add(now, Sound::Fresh);
        (self.heard, self.pinged, self.published) = (now, false, Some(VecDeque::new()));
        match self.style {
            Style::Irc => {
                self.phase = Phase::Registering { conn, since: now };
                self.log_in(effects);
            }
            Style::Redis => {
                self.phase = Phase::Here { conn };
                self.reconcile(now, effects);
            }
        }
    }

    /// Asks for what is wanted and not so.
    fn reconcile(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Phase::Here { .. } = self.phase else { return };
        let differing: Vec<GroupName> = self.wanted.symmetric_difference(&self.inside).cloned().collect();
        for group in differing {
            if self.asked.get(&group).is_some_and(|since| now.since_ms(*since) < ANSWER_MS) {
                continue;
            }
            self.asked.insert(group.clone(), now);
            let wanted = self.wanted.contains(&group);
            self.send(
                match (self.style, wanted) {
                    (Style::Irc, true) => ClientCommand::Enter { group, key: None },
                    (Style::Irc, false) => ClientCommand::Part { group, reason: None },
                    (Style::Redis, true) => ClientCommand::Subscribe { groups: Rest(vec![group]) },
                    (Style::Redis, false) => ClientCommand::Unsubscribe { groups: Rest(vec![group]) },
                },
                effects,
            );
        }
        if self.wanted != self.inside {
            self.repair_at.get_or_insert(now + AGAIN_MS);
        }
    }

    fn is_us(&self, entry: &Entry) -> bool {
        self.session.map_or(self.names.contains(entry.sender.nick.as_str()), |us| us == entry.id.session)
    }

    fn are_called(&mut self, nick: Nick) {
        self.names.insert(nick.to_string());
        self.called = Some(nick);
    }

    fn came_in(&mut self, now: Time, group: &GroupName, effects: &mut Vec<Effect>) {
        self.asked.remove(group);
        if self.inside.insert(group.clone()) {
            self.ear.add(now, Sound::In(group.clone()));
        }
        self.reconcile(now, effects);
    }

    fn went_out(&mut self, now: Time, group: &GroupName, effects: &mut Vec<Effect>) {
        if self.inside.remove(group) {
            self.asked.remove(group);
            self.ear.add(now, Sound::Out(group.clone()));
        }
        self.reconcile(now, effects);
    }

    fn told(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        self.ear.hear(now, &event);
        (self.heard, self.pinged) = (now, false);
        match event {
            Event::Entry(group, entry) => match &entry.content {
                Content::Join { .. } => {
                    let nick = entry.sender.nick.as_str();
                    // A program hears nothing of a group before it is in it.
                    let comes = if self.style == Style::Irc { !self.inside.contains(&group) } else { self.asked.contains_key(&group) };
                    if self.session.is_none() && comes && self.names.contains(nick) {
                        self.session = Some(entry.id.session);
                    } else if self.session.is_none() {
                        self.came.insert(nick.to_string(), entry.id.session);
                    }
                    // IRC has no line for `entered`: its programs are in by their own join. An answer may be older than a parting that they have heard.
                    if self.style == Style::Irc && self.session == Some(entry.id.session) {
                        self.came_in(now, &group, effects);
                    }
                }
                Content::Part { .. } if self.is_us(&entry) => self.went_out(now, &group, effects),
                Content::Kick { nick, .. } if self.names.contains(nick.as_str()) => {
                    self.wanted.remove(&group);
                    self.went_out(now, &group, effects);
                }
                _ => {}
            },
            Event::Push(Push::Subscribed { group, .. }) => self.came_in(now, &group, effects),
            Event::Push(Push::Unsubscribed { group: Some(group), .. }) => self.went_out(now, &group, effects),
            Event::Push(Push::NickIs { old, new, .. }) => {
                // Whoever was not named yet does not know what they were called at first.
                self.session = self.session.or(self.came.get(&*old).copied());
                self.names.insert(old.to_string());
                self.are_called(new);
            }
            Event::Push(Push::Ping { text }) => self.send(ClientCommand::Pong { text: Some(text) }, effects),
            Event::Reply(Reply::Welcome { nick, .. }) => {
                if let Phase::Registering { conn, .. } = self.phase {
                    self.phase = Phase::Here { conn };
                }
                self.are_called(nick);
                self.reconcile(now, effects);
            }
            Event::Reply(Reply::Integer { value }) => {
                // Published to nobody: there is no such group.
                if let Some(text) = self.published.as_mut().and_then(VecDeque::pop_front).filter(|_| value > 0) {
                    self.acked.insert(text, now);
                }
            }
            Event::Reply(Reply::Error { code, subject, .. }) => self.refused(now, code, &subject.0),
            _ => {}
        }
    }

    fn refused(&mut self, now: Time, code: Code, subject: &[Text]) {
        self.published = None;
        if let Phase::Registering { since, .. } = &mut self.phase {
            // The claim of the connection we lost lingers, or no master is in reach: again in a moment.
            *since = now;
            self.repair_at = Some(now + AGAIN_MS);
            return;
        }
        let Some(group) = subject.iter().find_map(|word| GroupName::new(word).ok()) else { return };
        match code {
            Code::TryAgain | Code::Busy => {
                self.asked.remove(&group);
                self.repair_at.get_or_insert(now + AGAIN_MS);
            }
            // NOTMEMBER says nothing of a leaving: UNSUBSCRIBE is answered by `unsubscribe`, and IRC's 442 names no command. Who left hears their own part, or that it is over.
            Code::Banned | Code::InviteOnly | Code::BadKey | Code::Full if !self.inside.contains(&group) => {
                self.wanted.remove(&group);
                self.asked.remove(&group);
            }
            _ => {}
        }
    }

    /// A server that is silent is pinged, and left when that does not help.
    fn listen(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let (Phase::Registering { conn, .. } | Phase::Here { conn }) = self.phase else { return };
        if now.since_ms(self.heard) >= SILENCE_MS {
            effects.push(Effect::Close { conn });
            self.dropped(now);
        } else if now.since_ms(self.heard) >= PING_MS && !std::mem::replace(&mut self.pinged, true) {
            self.send(ClientCommand::Ping { text: Given(None) }, effects);
        }
    }

    fn tick(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.listen(now, effects);
        match self.phase {
            Phase::Away { until } if until <= now => self.dial(effects),
            Phase::Registering { .. } if self.repair_at.is_some_and(|at| at <= now) => {
                self.repair_at = None;
                self.log_in(effects);
            }
            Phase::Here { .. } if self.repair_at.is_some_and(|at| at <= now) => {
                self.repair_at = None;
                self.reconcile(now, effects);
            }
            _ => {}
        }
    }
}

impl Machine for Person {
    fn handle(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Start => self.dial(effects),
            Input::Dialed { ticket, result } if self.phase == (Phase::Dialing { ticket }) => match result {
                Ok(conn) => self.greet(now, conn, effects),
                Err(_) => self.dropped(now),
            },
            Input::Told { event: Ok(event), .. } => self.told(now, event, effects),
            Input::Told { event: Err(bad), .. } => panic!("{} was told what nobody understands: {bad}", self.nick),
            Input::Lost { .. } if self.phase != Phase::Gone => self.dropped(now),
            Input::Stop => {
                self.send(ClientCommand::Quit { reason: None }, effects);
                self.inside.clear();
                self.wanted.clear();
                self.phase = Phase::Gone;
            }
            Input::Deadline => self.tick(now, effects),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Time> {
        match self.phase {
            Phase::Away { until } => Some(until),
            Phase::Registering { .. } | Phase::Here { .. } => {
                let silent_at = self.heard + if self.pinged { SILENCE_MS } else { PING_MS };
                earlier(Some(silent_at), self.repair_at)
            }
            Phase::Dialing { .. } | Phase::Gone => None,
        }
    }
}

/// A command as typed.
pub fn parse(words: &[&str]) -> ClientCommand {
    let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    match Command::parse(&args) {
        Ok(Command::Client(command)) => command,
        other => panic!("{words:?} is no command of a client: {other:?}"),
    }
}
