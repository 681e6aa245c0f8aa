//! Where the words of a line lead, as clap's definitions say: what each of them is, and what would come next.
//!
//! Forgiving, since the line is still being typed: whoever runs it has clap read it. All that is shown of a line before that, candidates, hints and colours,
//! goes by this.

use clap::builder::ValueRange;
use clap::{Arg, Command, ValueHint};

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Names a command.
    Command,
    /// Should name one, and there is none of that name.
    Unknown,
    /// An option, known or not.
    Option,
    /// What an option or a command is given.
    Argument,
}

/// Where some words lead.
#[derive(Debug)]
pub struct Place<'a> {
    /// The commands on the way, the outermost first.
    pub path: Vec<&'a Command>,
    /// What each word is.
    pub roles: Vec<Role>,
    /// An option that still waits for its value.
    pub waiting: Option<&'a Arg>,
    /// Options that are there, with their values.
    pub options: Vec<(&'a Arg, Option<String>)>,
    /// Arguments by position that are there already.
    pub given: Vec<String>,
    /// Behind `--` nothing is an option.
    only_arguments: bool,
}

impl<'a> Place<'a> {
    /// Follows the words into sub-commands.
    pub fn of<T: AsRef<str>>(command: &'a Command, words: &[T]) -> Place<'a> {
        let mut place =
            Place { path: vec![command], roles: Vec::new(), waiting: None, options: Vec::new(), given: Vec::new(), only_arguments: false };
        for word in words {
            let role = place.step(word.as_ref());
            place.roles.push(role);
        }
        place
    }

    /// The innermost command.
    pub fn command(&self) -> &'a Command {
        self.path.last().expect("it begins with one")
    }

    /// The names of the commands on the way, without the program's own.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.path.iter().skip(1).map(|command| command.get_name())
    }

    /// A word that begins with `-` would be an option here.
    pub fn takes_options(&self) -> bool {
        self.waiting.is_none() && !self.only_arguments
    }

    /// What the next word would be the value of.
    pub fn wanted(&self) -> Option<&'a Arg> {
        self.waiting.or_else(|| self.wanted_by_position().next())
    }

    /// Arguments by position that are still to come.
    pub fn wanted_by_position(&self) -> impl Iterator<Item = &'a Arg> {
        let all: Vec<&'a Arg> = self.command().get_positionals().filter(|arg| !arg.is_hide_set()).collect();
        let last = all.len().saturating_sub(1);
        let next = match all.last() {
            // The last one takes as many as there are.
            Some(arg) if takes_many(arg) => self.given.len().min(last),
            _ => self.given.len(),
        };
        all.into_iter().skip(next)
    }

    /// Options of the command that are not there yet, or may be there again.
    pub fn wanted_options(&self) -> impl Iterator<Item = &'a Arg> {
        let there: Vec<&'a Arg> = self.options.iter().map(|(arg, _)| *arg).collect();
        let again =
            move |arg: &Arg| !there.iter().any(|one| one.get_id() == arg.get_id()) || matches!(arg.get_action(), clap::ArgAction::Append);
        self.command().get_arguments().filter(move |arg| arg.get_long().is_some() && !arg.is_hide_set() && again(arg))
    }

    fn step(&mut self, word: &str) -> Role {
        if let Some(arg) = self.waiting.take() {
            self.options.push((arg, Some(word.to_string())));
            return Role::Argument;
        }
        match word.strip_prefix("--") {
            Some("") if self.takes_options() => {
                self.only_arguments = true;
                return Role::Option;
            }
            Some(long) if self.takes_options() => {
                self.option(long);
                return Role::Option;
            }
            _ if self.takes_options() && word.len() > 1 && word.starts_with('-') => return Role::Option,
            _ => {}
        }
        if let Some(next) = self.command().find_subcommand(word) {
            self.path.push(next);
            return Role::Command;
        }
        self.given.push(word.to_string());
        if self.command().has_subcommands() && self.command().get_positionals().next().is_none() { Role::Unknown } else { Role::Argument }
    }

    fn option(&mut self, long: &str) {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value.to_string())));
        let all = self.path.iter().rev().flat_map(|command| command.get_arguments());
        let Some(arg) = { all }.find(|arg| arg.get_long() == Some(name)) else { return };
        match value {
            None if arg.get_action().takes_values() => self.waiting = Some(arg),
            value => self.options.push((arg, value)),
        }
    }
}

/// Whether an argument by position may be several words.
pub fn takes_many(arg: &Arg) -> bool {
    let many = |range: ValueRange| range.max_values() > 1;
    matches!(arg.get_action(), clap::ArgAction::Append) || arg.get_num_args().is_some_and(many)
}

/// What an argument is the name of. Its definition says so by the name of its value (`value_name`), which is also what people read in its help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `GROUP`: a group that there is.
    Group,
    /// `NODE`: a super node, by its key or its name.
    Node,
    /// `NICK`: someone who is there.
    Nick,
    /// `ACCOUNT`: an account that there is.
    Account,
    /// `PLUGIN`: a plugin of a super node.
    Plugin,
    /// `HOST:PORT`: a directory server.
    Server,
    /// A file or folder: whatever is a `PathBuf`.
    Path,
    /// `KEY`, `PASSWORD`, `SECRET` or `TOKEN`: what nobody should read over one's shoulder, nor in a history.
    Secret,
}

impl Kind {
    /// What it is, where that is known.
    pub fn of(arg: &Arg) -> Option<Kind> {
        if matches!(arg.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath) {
            return Some(Kind::Path);
        }
        match value_name(arg).as_str() {
            "GROUP" => Some(Kind::Group),
            "NODE" => Some(Kind::Node),
            "NICK" => Some(Kind::Nick),
            "ACCOUNT" => Some(Kind::Account),
            "PLUGIN" => Some(Kind::Plugin),
            "HOST:PORT" => Some(Kind::Server),
            "KEY" | "PASSWORD" | "SECRET" | "TOKEN" => Some(Kind::Secret),
            _ => None,
        }
    }
}

/// What people call an argument's value.
pub fn value_name(arg: &Arg) -> String {
    match arg.get_value_names() {
        Some([name, ..]) => name.to_string(),
        _ => arg.get_id().as_str().to_ascii_uppercase(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use clap::builder::PossibleValuesParser;

    /// A little of what chatctl has.
    pub(crate) fn command() -> Command {
        let output = Arg::new("output").long("output").global(true).value_parser(PossibleValuesParser::new(["table", "json"]));
        let metric = Arg::new("metric").long("metric").value_parser(PossibleValuesParser::new(["linear", "circular"]));
        let owner = Command::new("owner").arg(Arg::new("group").required(true)).arg(metric);
        let ring = Command::new("ring").subcommand(owner).subcommand(Command::new("show"));
        let chat = Command::new("chat").arg(Arg::new("group").required(true)).arg(Arg::new("key").long("key"));
        let send = Command::new("send").arg(Arg::new("group").required(true)).arg(Arg::new("text").num_args(0..));
        let file = Arg::new("file").value_parser(clap::value_parser!(std::path::PathBuf));
        let show = Command::new("show").arg(Arg::new("name").value_name("PLUGIN")).arg(Arg::new("node").long("node"));
        let plugin = Command::new("plugin").subcommand(show).subcommand(Command::new("load").arg(file));
        let mut command = Command::new("chatctl").arg(output).subcommands([ring, chat, send, plugin, Command::new("serve").hide(true)]);
        command.build();
        command
    }

    #[track_caller]
    fn check(line: &str, names: &str, roles: &str, wanted: Option<&str>) {
        let command = command();
        let words: Vec<&str> = line.split_whitespace().collect();
        let place = Place::of(&command, &words);
        let letter = |role: &Role| match role {
            Role::Command => 'c',
            Role::Unknown => '?',
            Role::Option => 'o',
            Role::Argument => 'a',
        };
        let found: String = place.roles.iter().map(letter).collect();
        assert_eq!((place.names().collect::<Vec<_>>().join(" ").as_str(), found.as_str()), (names, roles), "{line:?}");
        assert_eq!(place.wanted().map(|arg| arg.get_id().as_str()), wanted, "{line:?}");
    }

    #[test]
    fn words_lead_somewhere() {
        check("", "", "", None);
        check("ring owner", "ring owner", "cc", Some("group"));
        check("ring owner #a", "ring owner", "cca", None);
        check("ring frob x", "ring", "c??", None);
        check("rign", "", "?", None);
        check("--output json ring", "ring", "oac", None);
        check("--output", "", "o", Some("output"));
        check("ring owner --metric", "ring owner", "cco", Some("metric"));
        check("ring owner --metric=linear", "ring owner", "cco", Some("group"));
        check("ring owner --frob -x", "ring owner", "ccoo", Some("group"));
        check("send #a hello ring --output", "send", "caaao", Some("output"));
        check("send #a -- --output", "send", "caoa", Some("text"));
    }

    #[test]
    fn what_arguments_are() {
        let command = command();
        let kind = |line: &str| Place::of(&command, &line.split(' ').collect::<Vec<_>>()).wanted().and_then(Kind::of);
        assert_eq!(kind("ring owner"), Some(Kind::Group));
        assert_eq!(kind("ring owner --metric"), None);
        assert_eq!(kind("chat #a --key"), Some(Kind::Secret));
        assert_eq!(kind("plugin show"), Some(Kind::Plugin));
        assert_eq!(kind("plugin show x --node"), Some(Kind::Node));
        assert_eq!(kind("plugin load"), Some(Kind::Path));
    }
}
