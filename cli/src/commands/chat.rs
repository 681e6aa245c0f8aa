//! `chatctl chat`: talking in a group. On a terminal a prompt that survives what others say; else plain lines in and out.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use chatring_admin::Failure;
use chatring_admin::chat::{self, Typed};
use chatring_admin::prompt::{ChatPrompt, Line, Nicks, Printer};
use chatring_machines::entry::Content;
use chatring_machines::event::{Event, Push, Reply};
use chatring_machines::ids::SessionId;
use chatring_machines::machine::{Note, Wish};
use chatring_machines::names::GroupName;

use super::talk::{self, Talk, TalkArgs, Voice};
use super::{Global, net, tail};

/// Runs it, until someone has enough.
pub fn run(args: TalkArgs, global: &Global) -> Result<(), Failure> {
    let (tell, notes) = talk::channel();
    let talk = Talk::start(&args, global, tell, Some)?;
    let typist = Typist { voice: talk.voice(), group: args.group.clone(), number: 0 };
    let on_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let view = View {
        group: args.group.clone(),
        session: talk.session,
        voice: talk.voice(),
        nicks: Nicks::default(),
        joined: false,
        hide_own: on_terminal,
    };
    if on_terminal { with_prompt(talk, notes, view, typist, global) } else { with_lines(talk, notes, view, typist, global) }
}

/// The prompt stays on this thread; what is heard is printed above it from another.
fn with_prompt(talk: Talk, notes: Receiver<Note>, view: View, mut typist: Typist, global: &Global) -> Result<(), Failure> {
    let (mut prompt, printer) = ChatPrompt::open(view.nicks.clone())?;
    let screen = Screen(Arc::new(Mutex::new(printer)));
    screen.say("--- /help lists what you can do, Ctrl-D leaves");
    let listener = {
        let (screen, mut talk, mut view, global) = (screen.clone(), talk, view, global.clone());
        std::thread::spawn(move || {
            for note in notes {
                talk.note(&note);
                view.show(&note).iter().for_each(|line| screen.say(line));
                if matches!(note, Note::GaveUp { .. }) {
                    screen.say("--- press Enter to leave");
                    view.voice.stop();
                }
            }
            talk.end(&global)
        })
    };
    while !listener.is_finished() {
        let next = match prompt.line("> ")? {
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

/// Turns typed lines into wishes.
struct Typist {
    voice: Voice,
    group: GroupName,
    number: u64,
}

enum Next {
    /// Go on, and show this.
    Tell(Vec<String>),
    /// Leave.
    Leave,
}

impl Typist {
    fn type_line(&mut self, line: &str) -> Next {
        let wish = match chat::read(line, &self.group) {
            Typed::Nothing => return Next::Tell(Vec::new()),
            Typed::Help => return Next::Tell(chat::help()),
            Typed::Wrong(why) => return Next::Tell(vec![format!("!!! {why}")]),
            Typed::Quit(_) => return Next::Leave,
            Typed::Run(words) => Wish::Run(words),
            Typed::Say(text) => {
                self.number += 1;
                Wish::Say { number: self.number, text: text.into() }
            }
        };
        Next::Tell(if self.voice.wish(wish) { Vec::new() } else { vec!["!!! too much is waiting already; that was not sent".into()] })
    }
}

/// Turns notes into lines.
struct View {
    group: GroupName,
    session: SessionId,
    voice: Voice,
    nicks: Nicks,
    joined: bool,
    /// On a terminal one sees what one has typed.
    hide_own: bool,
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
            Note::Away { .. } => tail::connection(note, &self.group).into_iter().collect(),
            // One's own name, before it matters.
            Note::Heard(Event::Push(Push::NickIs { .. })) if !self.joined => Vec::new(),
            Note::Heard(event) => {
                self.learn(event);
                if self.is_own(event) { Vec::new() } else { chat::event(event, &self.group).into_iter().collect() }
            }
            Note::Answer(event) => {
                self.learn(event);
                chat::event(event, &self.group).into_iter().collect()
            }
            Note::Unsent { why, .. } => vec![format!("!!! that was not sent: {}", chatring_admin::text::clean(why))],
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
        let said = |content: &Content| matches!(content, Content::Message { .. });
        matches!(event, Event::Entry(_, entry) if self.hide_own && entry.id.session == self.session && said(&entry.content))
    }

    /// Who is there, for completion.
    fn learn(&self, event: &Event) {
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
