//! `chatctl chat`: talking in a group. On a terminal a prompt that survives what others say; else plain lines in and out.
//!
//! The prompt comes when one is in the group. Before that the terminal is left as it is, so that whoever is not let in, or finds no network, is told why and is
//! back in their shell: a prompt can't be ended but by a key.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use chatring_admin::Failure;
use chatring_admin::chat::{self, Typed};
use chatring_admin::prompt::{ChatPrompt, Line, Nicks, OwnNick, Printer};
use chatring_admin::text::{clean, now};
use chatring_machines::client::ClientTiming;
use chatring_machines::entry::{Content, Entry};
use chatring_machines::event::{Event, Push, Reply};
use chatring_machines::ids::SessionId;
use chatring_machines::machine::{Note, Wish};
use chatring_machines::names::GroupName;
use chatring_machines::wire::Text;

use super::lines::Lines;
use super::talk::{self, Talk, TalkArgs, Voice};
use super::{Global, net, tail};

/// Runs it, until someone has enough.
pub fn run(args: TalkArgs, global: &Global) -> Result<(), Failure> {
    let (tell, notes) = talk::channel();
    let talk = Talk::start(&args, global, tell, Some)?;
    let own = OwnNick::default();
    let typist = Typist { voice: talk.voice(), group: args.group.clone(), own: own.clone(), number: Arc::default() };
    let on_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let view = View {
        group: args.group.clone(),
        session: talk.session,
        voice: talk.voice(),
        nicks: Nicks::default(),
        own,
        joined: false,
        on_terminal,
        explained: false,
    };
    if on_terminal { on_screen(talk, notes, view, typist, global) } else { with_lines(talk, notes, view, typist, global) }
}

/// First the way into the group, then the prompt.
fn on_screen(mut talk: Talk, notes: Receiver<Note>, mut view: View, typist: Typist, global: &Global) -> Result<(), Failure> {
    let lines = read_ahead(typist.clone())?;
    for note in &notes {
        talk.note(&note);
        print_all(&view.show(&note));
        match note {
            Note::Joined { .. } => {
                drop(lines);
                return with_prompt(talk, notes, view, typist, global);
            }
            Note::GaveUp { .. } => view.voice.stop(),
            _ => {}
        }
    }
    talk.end(global)
}

/// What is typed on the way is said on arrival. Ctrl-D waits for nothing.
fn read_ahead(mut typist: Typist) -> Result<Lines, Failure> {
    let each = move |line: Option<String>| match line.map(|line| typist.type_line(&line)) {
        Some(Next::Tell(lines)) => print_all(&lines),
        None | Some(Next::Leave) => {
            typist.voice.stop();
            // Told twice, it is in a hurry.
            typist.voice.stop();
        }
    };
    Lines::of_stdin(each).map_err(|error| Failure::refused(format!("the terminal can't be read: {error}")))
}

/// The prompt stays on this thread; what is heard is printed above it from another.
fn with_prompt(talk: Talk, notes: Receiver<Note>, view: View, mut typist: Typist, global: &Global) -> Result<(), Failure> {
    let (mut prompt, printer) = ChatPrompt::open(view.nicks.clone(), view.own.clone())?;
    let screen = Screen(Arc::new(Mutex::new(printer)));
    screen.say("--- /help lists what you can do, Ctrl-D leaves");
    let listener = {
        let (screen, mut talk, mut view, global) = (screen.clone(), talk, view, global.clone());
        std::thread::spawn(move || {
            for note in notes {
                talk.note(&note);
                view.show(&note).iter().for_each(|line| screen.say(line));
                if let Note::GaveUp { why } = &note {
                    screen.say(&format!("!!! {}\n--- press Enter to leave", clean(why)));
                    view.voice.stop();
                }
            }
            talk.end(&global)
        })
    };
    while !listener.is_finished() {
        let next = match prompt.line()? {
            Line::Typed(line) => typist.type_line(&line),
            Line::Interrupted => Next::Tell(vec!["--- Ctrl-D or /quit leaves".into()]),
            Line::End => Next::Leave,
        };
        match next {
            Next::Tell(lines) => lines.iter().for_each(|line| screen.say(line)),
            Next::Leave => break,
        }
    }
    typist.voice.stop();
    listener.join().unwrap_or_else(|_| Err(Failure::refused("the screen broke; this is a bug")))
}

/// Lines are read on a thread of their own, which ends with standard input, or with the process.
fn with_lines(mut talk: Talk, notes: Receiver<Note>, mut view: View, mut typist: Typist, global: &Global) -> Result<(), Failure> {
    let voice = view.voice.clone();
    // Commands make sense only in the group; a script does not look before it types.
    let (open, opened) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        if opened.recv().is_err() {
            return;
        }
        while let Some(Ok(line)) = net::stdin_line() {
            match typist.type_line(&line) {
                Next::Tell(lines) => {
                    if !lines.iter().all(|line| print(line)) {
                        break;
                    }
                }
                Next::Leave => break,
            }
        }
        typist.voice.stop();
    });
    for note in notes {
        talk.note(&note);
        let unread = view.show(&note).iter().any(|line| !print(line));
        if matches!(note, Note::Joined { .. }) {
            // Only the first time is waited for.
            let _ = open.try_send(());
        }
        if unread || matches!(note, Note::GaveUp { .. }) {
            voice.stop();
        }
    }
    talk.end(global)
}

#[derive(Clone)]
struct Screen(Arc<Mutex<Printer>>);

impl Screen {
    fn say(&self, line: &str) {
        let mut printer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A terminal that is gone ends the prompt by itself.
        let _ = printer.print(format!("{line}\n"));
    }
}

/// False when nobody reads any more.
fn print(line: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// On the way into the group. A terminal that is gone is noticed there.
fn print_all(lines: &[String]) {
    let _ = lines.iter().all(|line| print(line));
}

/// Turns typed lines into wishes.
#[derive(Clone)]
struct Typist {
    voice: Voice,
    group: GroupName,
    own: OwnNick,
    number: Arc<AtomicU64>,
}

enum Next {
    /// Go on, and show this.
    Tell(Vec<String>),
    /// Leave.
    Leave,
}

impl Typist {
    fn type_line(&mut self, line: &str) -> Next {
        let (wish, shown) = match chat::read(line, &self.group) {
            Typed::Nothing => return Next::Tell(Vec::new()),
            Typed::Help => return Next::Tell(chat::help()),
            Typed::HelpAll => return Next::Tell(chat::help_all()),
            Typed::Wrong(why) => return Next::Tell(vec![format!("!!! {why}")]),
            Typed::Quit => return Next::Leave,
            Typed::Run(words) => (Wish::Run(words.clone()), sent_elsewhere(&words)),
            Typed::Say(text) => {
                let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
                (Wish::Say { number, text: text.into() }, None)
            }
        };
        let renames = matches!(&wish, Wish::Run(words) if &*words[0] == "NICK");
        let told = if renames { self.own.changing(|| self.voice.wish(wish)) } else { self.voice.wish(wish) };
        Next::Tell(if told { shown.into_iter().collect() } else { vec!["!!! too much is waiting already; that was not sent".into()] })
    }
}

/// What one sees of a message that is not for this group.
fn sent_elsewhere(words: &[Text]) -> Option<String> {
    match words {
        [word, target, text, ..] if &**word == "MSG" => Some(chat::sent_to(target, text, now())),
        _ => None,
    }
}

/// Turns notes into lines.
struct View {
    group: GroupName,
    session: SessionId,
    voice: Voice,
    nicks: Nicks,
    own: OwnNick,
    joined: bool,
    /// There one sees what one has typed.
    on_terminal: bool,
    /// It was said for how long the group is sought.
    explained: bool,
}

/// The first time nothing came of it: what is tried, and for how long.
fn patience(why: &str, on_terminal: bool) -> String {
    let span = ClientTiming::default().first_join_ms.map_or("until it works".to_string(), |ms| format!("for up to {} s", ms / 1000));
    let leave = if on_terminal { "; Ctrl-D leaves" } else { "" };
    format!("--- {}; trying again {span}{leave}", clean(why))
}

/// Members of a group that is not too large to be listed when one comes in.
const LISTED_MAX: u64 = 100;

impl View {
    fn show(&mut self, note: &Note) -> Vec<String> {
        match note {
            Note::Joined { node, members } if self.joined => vec![format!("--- back at {node}, {members} here")],
            Note::Joined { members, .. } => {
                self.joined = true;
                self.look_round(*members);
                tail::connection(note, &self.group).into_iter().collect()
            }
            Note::Away { why } if !self.joined && !self.explained => {
                self.explained = true;
                vec![patience(why, self.on_terminal)]
            }
            Note::Away { .. } => tail::connection(note, &self.group).into_iter().collect(),
            // One's own name, before it matters.
            Note::Heard(Event::Push(Push::NickIs { new, .. })) if !self.joined => {
                self.own.set(new.as_str());
                Vec::new()
            }
            Note::Heard(event) => {
                self.learn(event);
                if self.is_own(event) { Vec::new() } else { chat::event(event, &self.group).into_iter().collect() }
            }
            Note::Answer(event) => {
                self.learn(event);
                if matches!(event, Event::Reply(Reply::Error { .. })) {
                    self.own.refused();
                }
                chat::event(event, &self.group).into_iter().collect()
            }
            Note::Unsent { why, .. } => vec![format!("!!! that was not sent: {}", clean(why))],
            _ => Vec::new(),
        }
    }

    /// On coming in: what is this about, and who is here?
    fn look_round(&self, members: u64) {
        let run = |word: &str| self.voice.wish(Wish::Run(vec![word.into(), self.group.as_str().into()]));
        run("TOPIC");
        if members <= LISTED_MAX {
            run("NAMES");
        }
    }

    fn is_own(&self, event: &Event) -> bool {
        // What one does (/me) reads otherwise than what one has typed.
        let as_typed = |content: &Content| matches!(content, Content::Message { text, .. } if !text.starts_with('\u{1}'));
        let own = |entry: &Entry| self.on_terminal && entry.id.session == self.session;
        matches!(event, Event::Entry(group, entry) if *group == self.group && own(entry) && as_typed(&entry.content))
    }

    /// Who is there, for completion, and what one is called oneself.
    fn learn(&self, event: &Event) {
        match event {
            Event::Entry(_, entry) if entry.id.session == self.session => {
                let new = if let Content::Nick { new } = &entry.content { new } else { &entry.sender.nick };
                self.own.set(new.as_str());
            }
            Event::Push(Push::NickIs { new, .. }) => self.own.set(new.as_str()),
            _ => {}
        }
        match event {
            Event::Entry(_, entry) => match &entry.content {
                Content::Part { .. } => self.nicks.remove(entry.sender.nick.as_str()),
                Content::Kick { nick, .. } => self.nicks.remove(nick.as_str()),
                Content::Nick { new } => {
                    self.nicks.remove(entry.sender.nick.as_str());
                    self.nicks.add(new.as_str());
                }
                _ => self.nicks.add(entry.sender.nick.as_str()),
            },
            Event::Reply(Reply::Names { members, .. }) => {
                let nicks: BTreeSet<&str> = members.0.chunks(2).filter_map(|pair| pair.get(1)).map(|nick| &**nick).collect();
                nicks.into_iter().for_each(|nick| self.nicks.add(nick));
            }
            _ => {}
        }
    }
}
