//! `chatctl group`: groups and their members as masters reported them to the directory, about a second ago.

use chatring_admin::{Failure, render};
use chatring_machines::command::ClientCommand;
use chatring_machines::entry::{Mode, ModeChange, Modes};
use chatring_machines::event::Reply;
use chatring_machines::names::{GroupName, Nick};
use chatring_machines::order::{HISTORY_MAX, Order};
use chatring_machines::ring::Ring;
use chatring_machines::wire::{Field, Given, Reader};
use clap::{Args, Subcommand};

use super::{Global, group_name, net};

/// Super nodes that are asked, one after the other, for one that answers.
const NODES_ASKED: usize = 3;

/// What to do with groups.
#[derive(Clone, Debug, Subcommand)]
pub enum GroupCommand {
    /// List them: members, master, topic
    List {
        /// Only those whose name matches, with * and ?
        pattern: Option<String>,
    },
    /// Show one as its master last reported it: where it is, topic, modes, ranks, bans
    Show {
        /// The group
        #[arg(value_parser = group_name)]
        group: GroupName,
    },
    /// List the members of one
    Members {
        /// The group
        #[arg(value_parser = group_name)]
        group: GroupName,
    },
    /// Show the topic of one, or set it; an empty text clears it
    Topic {
        /// The group
        #[arg(value_parser = group_name)]
        group: GroupName,
        /// What it is to be about
        text: Option<String>,
    },
    /// Change the modes of one, as in IRC
    Mode {
        /// The group
        #[arg(value_parser = group_name)]
        group: GroupName,
        /// Which: +m, -t, +ov
        #[arg(allow_hyphen_values = true)]
        changes: String,
        /// What they are set to: a nick for each o and v, a mask for b, a key for k, a number for l
        values: Vec<String>,
    },
    /// Remove someone from one
    Kick {
        /// The group
        #[arg(value_parser = group_name)]
        group: GroupName,
        /// Whom
        #[arg(value_parser = nick)]
        nick: Nick,
        /// Why: they are told
        reason: Option<String>,
    },
    /// Keep people out of one who match a mask
    Ban(Masked),
    /// Let people in again who match a mask
    Unban(Masked),
    /// Remove everyone from one, and forget its settings and what was said there
    Close {
        /// The group
        #[arg(value_parser = group_name)]
        group: GroupName,
        /// Why: they are told
        reason: Option<String>,
    },
    /// Show what was said and done in one last
    History {
        /// The group
        #[arg(value_parser = group_name)]
        group: GroupName,
        /// How many entries of its log
        #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=HISTORY_MAX))]
        last: u64,
    },
}

/// Some people in a group.
#[derive(Clone, Debug, Args)]
pub struct Masked {
    /// The group
    #[arg(value_parser = group_name)]
    group: GroupName,
    /// nick!user@host with * and ?; a nick or a *@host is enough
    mask: String,
}

/// Whom to look for.
#[derive(Clone, Debug, Args)]
pub struct WhoArgs {
    /// What they are called
    #[arg(value_parser = nick)]
    nick: Nick,
}

fn nick(text: &str) -> Result<Nick, String> {
    Nick::new(text).map_err(|bad| bad.to_string())
}

/// `chatctl who`: where someone is.
pub fn who(args: WhoArgs, global: &Global) -> Result<(), Failure> {
    match net::ask(global.servers(), vec![ClientCommand::Where { nick: args.nick.clone() }.into()])?.pop() {
        Some(Reply::Where { cells }) if cells.0.is_empty() => Err(Failure::refused(format!("{} is in no group", args.nick))
            .advise("What masters report is known in a second; WHOIS over IRC asks the person's own group.")),
        Some(Reply::Where { cells }) => global.output.show(&render::whereabouts(&cells.0)),
        _ => Err(net::no_directory(global)),
    }
}

/// Runs it.
pub fn run(command: GroupCommand, global: &Global) -> Result<(), Failure> {
    let ask = match command {
        GroupCommand::Topic { group, text: None } => return topic(group, global),
        GroupCommand::Topic { group, text: Some(text) } => {
            steer(&group, Order::Topic { text: text.as_str().into() }, global)?;
            return global.output.show(&render::topic(group.as_str(), &text));
        }
        GroupCommand::Mode { group, changes, values } => {
            let order = Order::Mode { changes: modes(&changes, &values)? };
            return done(&group, order, "has these modes", global);
        }
        GroupCommand::Ban(Masked { group, mask }) => return done(&group, ban(true, mask), "has this ban", global),
        GroupCommand::Unban(Masked { group, mask }) => return done(&group, ban(false, mask), "has this ban no more", global),
        GroupCommand::Kick { group, nick, reason } => {
            let order = Order::Kick { nick, reason: reason.map(Into::into) };
            return done(&group, order, "is without them", global);
        }
        GroupCommand::Close { group, reason } => {
            return done(&group, Order::Close { reason: reason.map(Into::into) }, "closed", global);
        }
        GroupCommand::History { group, last } => return history(&group, last, global),
        GroupCommand::List { pattern } => ClientCommand::Groups { pattern: pattern.map(Into::into) },
        GroupCommand::Show { group } => return show(group, global),
        GroupCommand::Members { group } => ClientCommand::Members { group },
    };
    let sheet = match net::ask(global.servers(), vec![ask.into()])?.pop() {
        Some(Reply::GroupList { cells }) => render::groups(&cells.0),
        Some(Reply::MemberList { cells }) => render::members(&cells.0),
        _ => return Err(net::no_directory(global)),
    };
    global.output.show(&sheet)
}

fn modes(changes: &str, values: &[String]) -> Result<Modes, Failure> {
    let words: Vec<&[u8]> = std::iter::once(changes).chain(values.iter().map(String::as_str)).map(str::as_bytes).collect();
    let mut reader = Reader::new(&words);
    let modes = Modes::take(&mut reader).and_then(|modes| reader.finish().map(|()| modes));
    let advice = "Like `+m`, `-t`, `+o joe` or `+l 50`; bans have commands of their own.";
    modes.map_err(|bad| Failure::usage(format!("{changes} is no change of modes: {bad}")).advise(advice))
}

fn ban(add: bool, mask: String) -> Order {
    Order::Mode { changes: Modes(vec![ModeChange { add, mode: Mode::Ban, argument: mask.into() }]) }
}

/// Has its master do something; any super node passes it on.
fn steer(group: &GroupName, order: Order, global: &Global) -> Result<Option<Reply>, Failure> {
    let view = net::view(global)?;
    let ring = Ring::new(&view);
    let master = ring.master(group.as_str()).into_iter();
    let others = view.nodes.iter().map(|node| &node.key).filter(|key| Some(*key) != ring.master(group.as_str()));
    let addresses = master.chain(others).filter_map(|key| Some(key.address()?.to_string().into())).take(NODES_ASKED).collect();
    let ask = ClientCommand::Steer { group: group.clone(), order };
    net::ask_one(global.among(addresses), ask.into())
}

fn done(group: &GroupName, order: Order, state: &str, global: &Global) -> Result<(), Failure> {
    steer(group, order, global)?;
    global.output.show(&render::done("group", group.as_str(), state))
}

fn history(group: &GroupName, last: u64, global: &Global) -> Result<(), Failure> {
    match steer(group, Order::History { last }, global)? {
        Some(Reply::History { cells }) => global.output.show(&render::history(&cells.0)),
        _ => Err(Failure::refused(format!("the super nodes do not say what was said in {group}"))),
    }
}

fn topic(group: GroupName, global: &Global) -> Result<(), Failure> {
    match net::ask_one(global.servers(), ClientCommand::Group { group }.into())? {
        Some(Reply::GroupCard { card }) => global.output.show(&render::topic(card.group.as_str(), &card.topic)),
        _ => Err(net::no_directory(global)),
    }
}

/// Who is responsible says the ring of the server that gives the card.
fn show(group: GroupName, global: &Global) -> Result<(), Failure> {
    let asks = vec![ClientCommand::Group { group }.into(), ClientCommand::Ring { how: Given(None) }.into()];
    match net::ask(global.servers(), asks)?.as_slice() {
        [Reply::GroupCard { card }, Reply::Ring { view }] => global.output.show(&render::group(card, &Ring::new(view))),
        _ => Err(net::no_directory(global)),
    }
}
