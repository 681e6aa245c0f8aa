//! `chatctl tail`: what happens in a group, line by line, for people or as JSON.

use std::io::Write;

use chatring_admin::{Failure, Form, Output, chat, interrupt, text::clean};
use chatring_machines::event::{Event, Push};
use chatring_machines::machine::Note;
use chatring_machines::names::GroupName;
use clap::Args;
use serde_json::json;

use super::Global;
use super::talk::{self, Talk, TalkArgs};

/// What to show.
#[derive(Clone, Debug, Args)]
pub struct TailArgs {
    #[command(flatten)]
    talk: TalkArgs,
    /// One JSON object on each line; the same as --output jsonl
    #[arg(long)]
    json: bool,
    /// End after so many lines
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// Runs it, until Ctrl-C, or until nobody reads any more.
pub fn run(args: TailArgs, global: &Global) -> Result<(), Failure> {
    // Ctrl-C takes leave of the group; a second one doesn't wait for it.
    interrupt::listen().map_err(|error| Failure::refused(format!("signals can't be listened to: {error}")))?;
    let (tell, notes) = talk::channel();
    let mut talk = Talk::start(&args.talk, global, tell, Some)?;
    let voice = talk.voice();
    let json = args.json || is_json(&global.output)?;
    let mut left = args.count.unwrap_or(u64::MAX);
    for note in notes {
        talk.note(&note);
        match note {
            Note::Heard(event) if left > 0 => {
                let shown = match &event {
                    event if json => as_json(event),
                    Event::Push(Push::NickIs { .. }) => None,
                    event => chat::event(event, &args.talk.group),
                };
                let Some(line) = shown else { continue };
                left = if print(&line) { left - 1 } else { 0 };
                if left == 0 {
                    voice.stop();
                }
            }
            Note::GaveUp { .. } => voice.stop(),
            other => explain_absence(&other),
        }
    }
    talk.end(global)
}

/// What happens is of many kinds, and has no columns.
fn is_json(form: &Form) -> Result<bool, Failure> {
    match form.output {
        Output::Table if form.columns.is_empty() => Ok(false),
        output if output.is_json() && form.columns.is_empty() => Ok(true),
        _ => Err(Failure::usage("what happens in a group has no columns").advise("tail shows it as text, or with --output jsonl.")),
    }
}

fn as_json(event: &Event) -> Option<String> {
    match event {
        Event::Entry(group, entry) => Some(chat::entry_json(group, entry).to_string()),
        Event::Push(Push::Gap { group, lost, reason, .. }) => {
            Some(json!({"what": "gap", "group": group.as_str(), "lost": &**lost, "reason": &**reason}).to_string())
        }
        _ => None,
    }
}

/// Tells whoever watches why nothing happens. Where one is and isn't is no part of what is said, so it goes to standard error.
pub fn explain_absence(note: &Note) {
    if let Note::Away { why } = note {
        eprintln!("--- {}; trying again", clean(why));
    }
}

/// What became of the connection, as a line.
pub fn connection(note: &Note, group: &GroupName) -> Option<String> {
    match note {
        Note::Joined { node, members } => Some(format!("--- in {} at {node}, {members} here", clean(group.as_str()))),
        Note::Away { why } => Some(format!("--- {}; trying again", clean(why))),
        _ => None,
    }
}

/// False when nobody reads any more.
fn print(line: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}
