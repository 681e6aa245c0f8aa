//! `chatctl send`: says a text, or every line of standard input, and succeeds only if the group has acknowledged all of it.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use chatring_admin::{Failure, text::clean};
use chatring_machines::machine::{Note, Wish};
use clap::Args;

use super::lines::Lines;
use super::talk::{self, Talk, TalkArgs, Voice};
use super::{Global, net, tail};

/// What to say, where, and as whom.
#[derive(Clone, Debug, Args)]
pub struct SendArgs {
    #[command(flatten)]
    talk: TalkArgs,
    /// What to say; without it, every line of standard input
    text: Vec<String>,
}

/// Lines on their way at a time. Fewer than the client lets wait.
const WINDOW: usize = 128;

/// How often it is looked whether the client still runs.
const LOOK_EVERY: Duration = Duration::from_secs(1);

enum Happening {
    Note(Note),
    Line(u64, String),
    End(Option<(u64, String)>),
}

/// Runs it.
pub fn run(args: SendArgs, global: &Global) -> Result<(), Failure> {
    let (tell, happenings) = talk::channel();
    // What others say is not waited for by anyone here.
    let pick = |note: Note| (!matches!(note, Note::Heard(_) | Note::Answer(_))).then_some(Happening::Note(note));
    let mut talk = Talk::start(&args.talk, global, tell.clone(), pick)?;
    let voice = talk.voice();
    let (permits, returned) = mpsc::sync_channel(WINDOW);
    let mut typed = None;
    if args.text.is_empty() {
        typed = read_lines(tell, permits)?;
    } else {
        say(&tell, 1, args.text.join(" "));
        // The receiver is in this function, and there is room for two.
        let _ = tell.send(Happening::End(None));
        drop(tell);
    }
    let unsent = follow(&happenings, &returned, &voice, &mut talk);
    // What is typed from now on is for the prompt behind this.
    drop((returned, happenings));
    drop(typed);
    talk.end(global)?;
    unsent.outcome()
}

/// On a thread of its own, since reading blocks. Goes no further ahead of the group than the window. At a terminal it ends with what it gives.
fn read_lines(tell: mpsc::SyncSender<Happening>, permits: mpsc::SyncSender<()>) -> Result<Option<Lines>, Failure> {
    let mut number = 0;
    // False when nobody listens any more.
    let mut hear = move |line: Option<std::io::Result<String>>| match line {
        None => tell.send(Happening::End(None)).is_ok(),
        Some(Err(error)) => {
            let _ = tell.send(Happening::End(Some((number + 1, error.to_string()))));
            false
        }
        Some(Ok(line)) => {
            number += 1;
            // An empty line says nothing.
            line.is_empty() || permits.send(()).is_ok() && say(&tell, number, line)
        }
    };
    let broken = |error| Failure::refused(format!("no thread can be started: {error}"));
    if std::io::stdin().is_terminal() {
        let lines = Lines::of_stdin(move |line| {
            hear(line.map(Ok));
        });
        return lines.map(Some).map_err(broken);
    }
    let read = move || {
        loop {
            let line = net::stdin_line();
            let ended = line.is_none();
            if !hear(line) || ended {
                return;
            }
        }
    };
    std::thread::Builder::new().name("input".into()).spawn(read).map(|_| None).map_err(broken)
}

fn say(tell: &mpsc::SyncSender<Happening>, number: u64, text: String) -> bool {
    tell.send(Happening::Line(number, text)).is_ok()
}

/// What was not acknowledged.
#[derive(Default)]
struct Unsent {
    count: usize,
    first: Option<String>,
}

impl Unsent {
    fn add(&mut self, number: u64, why: &str) {
        self.count += 1;
        self.first.get_or_insert_with(|| format!("line {number} was not acknowledged: {}", clean(why)));
    }

    fn outcome(self) -> Result<(), Failure> {
        match (self.count, self.first) {
            (_, None) => Ok(()),
            (1, Some(first)) => Err(Failure::refused(first)),
            (count, Some(first)) => Err(Failure::refused(format!("{first}\n  {} more lines were not acknowledged either", count - 1))),
        }
    }
}

/// Until everything is answered, or nothing will be any more; then until the client has gone.
fn follow(happenings: &mpsc::Receiver<Happening>, returned: &mpsc::Receiver<()>, voice: &Voice, talk: &mut Talk) -> Unsent {
    let mut open = BTreeSet::new();
    let mut unsent = Unsent::default();
    let (mut ended, mut stopped) = (false, false);
    loop {
        let happening = match happenings.recv_timeout(LOOK_EVERY) {
            Ok(happening) => happening,
            // The reading thread holds the other end as well, so that the client has gone must be noticed here.
            Err(RecvTimeoutError::Timeout) if !talk.is_over() => continue,
            Err(_) => break,
        };
        match happening {
            Happening::Line(number, text) => {
                if voice.wish(Wish::Say { number, text: text.into() }) {
                    open.insert(number);
                } else {
                    unsent.add(number, "too much is waiting");
                }
            }
            Happening::End(trouble) => {
                ended = true;
                if let Some((number, trouble)) = trouble {
                    unsent.add(number, &trouble);
                }
            }
            Happening::Note(note) => {
                talk.note(&note);
                if let Some(number) = answered(&note, &mut unsent)
                    && open.remove(&number)
                {
                    // Makes room for the next line. That there is something to take is certain only for lines that were read.
                    let _ = returned.try_recv();
                }
                if let Note::GaveUp { .. } = note {
                    ended = true;
                    open.clear();
                }
            }
        }
        if ended && open.is_empty() && !stopped {
            stopped = true;
            voice.stop();
        }
    }
    unsent
}

/// Which line a note is about.
fn answered(note: &Note, unsent: &mut Unsent) -> Option<u64> {
    tail::explain_absence(note);
    match note {
        Note::Sent { number, .. } => Some(*number),
        Note::Unsent { number, why } => {
            unsent.add(*number, why);
            Some(*number)
        }
        _ => None,
    }
}
