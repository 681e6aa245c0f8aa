//! Colours for a line that is being typed: command words, options, quotes, and a command that there is not.

use clap::Command;

use crate::place::{Place, Role};
use crate::words::{Word, scan};

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const GREY: &str = "\x1b[90m";
const PLAIN: &str = "\x1b[0m";

/// A hint, told from what was typed.
pub fn grey(text: &str) -> String {
    format!("{GREY}{text}{PLAIN}")
}

/// Something that is not well.
pub fn red(text: &str) -> String {
    format!("{RED}{text}{PLAIN}")
}

/// A line with its colours. Nothing but colours is added: it is as wide as before.
pub fn line(command: &Command, line: &str, pos: usize) -> String {
    let words = scan(line).words;
    let mut painted = String::with_capacity(line.len() * 2);
    let mut at = 0;
    for words in words.chunk_by(|a, b| a.line == b.line) {
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let place = Place::of(command, &texts);
        for (ix, (word, role)) in words.iter().zip(&place.roles).enumerate() {
            painted.push_str(&line[at..word.place.start]);
            at = word.place.end;
            let begun = Place::of(command, &texts[..ix]);
            match colour(word, *role, begun.command(), pos) {
                Some(colour) => painted.extend([colour, &line[word.place.clone()], PLAIN]),
                None => painted.push_str(&line[word.place.clone()]),
            }
        }
    }
    painted.push_str(&line[at..]);
    painted
}

fn colour(word: &Word, role: Role, command: &Command, pos: usize) -> Option<&'static str> {
    match role {
        Role::Command => Some(BOLD),
        // One that can still become something is not wrong yet.
        Role::Unknown if word.place.end == pos && command.get_subcommands().any(|sub| sub.get_name().starts_with(&word.text)) => None,
        Role::Unknown => Some(RED),
        Role::Option => Some(CYAN),
        Role::Argument if word.quoted => Some(GREEN),
        Role::Argument => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::tests::command;

    /// Colours as letters in brackets.
    #[track_caller]
    fn check(text: &str, expect: &str) {
        let painted = line(&command(), text, text.len());
        let colours = [(BOLD, "<b"), (RED, "<r"), (GREEN, "<g"), (CYAN, "<c"), (PLAIN, ">")];
        let shown = colours.iter().fold(painted.clone(), |text, (code, sign)| text.replace(code, sign));
        assert_eq!(shown, expect);
        let bare = colours.iter().fold(painted, |text, (code, _)| text.replace(code, ""));
        assert_eq!(bare, text, "only colours are added");
    }

    #[test]
    fn colours() {
        check("", "");
        check("ring owner #a", "<bring> <bowner> #a");
        check("ri", "ri");
        check("rx", "<rrx>");
        check("ri ", "<rri> ");
        check("ring frob", "<bring> <rfrob>");
        check(" send  #a 'x y' \"z", " <bsend>  #a <g'x y'> <g\"z>");
        check("ring owner --metric linear", "<bring> <bowner> <c--metric> linear");
        check("ring show\n frob \n", "<bring> <bshow>\n <rfrob> \n");
    }
}
