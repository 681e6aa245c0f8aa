//! What the prompt asks of the network, beside the commands: names for completion, and how it is.

use std::collections::BTreeSet;

use chatring_admin::complete::Want;
use chatring_admin::console::Network;
use chatring_admin::health::Health;
use chatring_admin::place::Kind;
use chatring_admin::servers::Seat;
use chatring_machines::command::{AccountAsk, ClientCommand, Command, DirectoryAsk, PluginAsk};
use chatring_machines::event::{Code, Reply};
use chatring_machines::names::{GroupName, Nick};
use chatring_machines::view::{NodeInfo, SharedView};
use chatring_machines::wire::{Given, Text};

use super::net::Servers;
use super::{Global, net};

/// How long all directory servers together may take, and how long one super node.
const PATIENCE_MS: u64 = 1_500;
/// Groups whose members are asked for, and how many those may be: of the largest groups, as far as that goes.
const GROUPS_MAX: usize = 20;
const MEMBERS_MAX: u64 = 5_000;
/// Super nodes whose plugins are asked for, where the line does not say which.
const NODES_MAX: usize = 8;
/// Answers of accounts that are asked for; each may have thousands.
const PAGES_MAX: usize = 3;

/// The network of these directory servers.
pub struct Asked {
    global: Global,
}

impl Asked {
    /// Nobody is asked yet.
    pub fn new(global: &Global) -> Asked {
        Asked { global: global.clone() }
    }

    fn ask(&self, command: impl Into<Command>) -> Option<Reply> {
        self.ask_at(self.global.servers(), vec![command.into()])?.pop()
    }

    fn ask_at(&self, servers: Servers, commands: Vec<Command>) -> Option<Vec<Reply>> {
        net::answers_beside(PATIENCE_MS, servers, commands)
    }

    fn view(&self) -> Option<SharedView> {
        match self.ask(ClientCommand::Ring { how: Given(None) })? {
            Reply::Ring { view } => Some(view),
            _ => None,
        }
    }

    /// Name, members, master, topic.
    fn groups(&self) -> Option<Vec<Text>> {
        match self.ask(ClientCommand::Groups { pattern: None })? {
            Reply::GroupList { cells } => Some(cells.0),
            _ => None,
        }
    }

    /// Those who are in the largest groups.
    fn people(&self) -> Option<Vec<String>> {
        let commands: Vec<Command> = largest(&self.groups()?).into_iter().map(|group| ClientCommand::Members { group }.into()).collect();
        if commands.is_empty() {
            return Some(Vec::new());
        }
        let replies = self.ask_at(self.global.servers(), commands)?;
        let rows = replies.iter().filter_map(|reply| match reply {
            Reply::MemberList { cells } => Some(column(&cells.0, MEMBER_CELLS)),
            _ => None,
        });
        Some(rows.flatten().collect::<BTreeSet<String>>().into_iter().collect())
    }

    fn accounts(&self) -> Option<Vec<String>> {
        let (mut all, mut from) = (BTreeSet::new(), None);
        for _ in 0..PAGES_MAX {
            let Reply::Accounts { cells } = self.ask(ClientCommand::Account { what: AccountAsk::List, name: from, secret: None })? else {
                break;
            };
            let before = all.len();
            all.extend(column(&cells.0, ACCOUNT_CELLS));
            from = all.last().and_then(|last: &String| Nick::new(last).ok());
            if all.len() == before {
                break;
            }
        }
        Some(all.into_iter().collect())
    }

    /// Of one super node, or of those that say so.
    fn plugins(&self, node: Option<&str>) -> Option<Vec<String>> {
        let view = self.view()?;
        let is_wanted = |there: &&NodeInfo| node.is_none_or(|node| there.key.as_str() == node || *there.name == *node);
        let addresses = view.nodes.iter().filter(is_wanted).take(NODES_MAX).filter_map(|node| node.key.address());
        let ask = || ClientCommand::Plugin { what: PluginAsk::List, name: None, file: None }.into();
        let answers = addresses.filter_map(|address| self.ask_at(self.global.at(address.to_string()), vec![ask()])?.pop());
        let names = answers.filter_map(|reply| match reply {
            Reply::Plugins { cells } => Some(column(&cells.0, PLUGIN_CELLS)),
            _ => None,
        });
        Some(names.flatten().collect::<BTreeSet<String>>().into_iter().collect())
    }
}

impl Network for Asked {
    fn names(&self, want: &Want) -> Option<Vec<String>> {
        match want.kind {
            Kind::Group => self.groups().map(|cells| column(&cells, GROUP_CELLS)),
            Kind::Node => self.view().map(|view| view.nodes.iter().flat_map(called).collect()),
            Kind::Server => self.view().map(|view| view.directories.iter().map(|server| server.address.to_string()).collect()),
            Kind::Nick => self.people(),
            Kind::Account => self.accounts(),
            Kind::Plugin => self.plugins(want.node.as_deref()),
            Kind::Path | Kind::Secret => None,
        }
    }

    fn health(&self) -> Option<Health> {
        let ring = ClientCommand::Ring { how: Given(None) };
        let status = ClientCommand::Directory { what: DirectoryAsk::Status, address: None };
        match self.ask_at(self.global.servers(), vec![ring.into(), status.into()])?.as_slice() {
            [Reply::Ring { view }, Reply::DirectoryStatus { leader, cells, .. }] => {
                Some(Health::of(view, !leader.is_empty(), &Seat::all(&cells.0)))
            }
            // Who is no operator sees the ring, and not the servers.
            [Reply::Ring { view }, Reply::Error { code: Code::NoPerm, .. }] => Some(Health::of(view, true, &[])),
            _ => None,
        }
    }
}

/// How many cells a row of an answer has; the first is the name.
const GROUP_CELLS: usize = 4;
const MEMBER_CELLS: usize = 5;
const ACCOUNT_CELLS: usize = 3;
const PLUGIN_CELLS: usize = 6;

fn column(cells: &[Text], width: usize) -> Vec<String> {
    cells.chunks(width).map(|row| row[0].to_string()).collect()
}

/// A super node goes by its key and by its name.
fn called(node: &NodeInfo) -> impl Iterator<Item = String> {
    [node.key.to_string(), node.name.to_string()].into_iter().filter(|name| !name.is_empty())
}

fn largest(groups: &[Text]) -> Vec<GroupName> {
    let members = |row: &[Text]| row.get(1).and_then(|cell| cell.parse::<u64>().ok()).unwrap_or(0);
    let mut rows: Vec<&[Text]> = groups.chunks(GROUP_CELLS).filter(|row| members(row) > 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(members(row)));
    let mut left = MEMBERS_MAX;
    let fits = |row: &&&[Text]| match left.checked_sub(members(row)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    rows.iter().filter(fits).take(GROUPS_MAX).filter_map(|row| GroupName::new(&row[0]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_answers() {
        let rows = ["#a 1", "#b 20", "#c 0", "#d 4990", "#e 3"].map(|row| row.split_once(' ').unwrap());
        let cells: Vec<Text> = rows.iter().flat_map(|(group, members)| [*group, *members, "127.0.0.1", ""]).map(Text::from).collect();
        assert_eq!(column(&cells, GROUP_CELLS), ["#a", "#b", "#c", "#d", "#e"]);
        assert_eq!(largest(&cells).iter().map(GroupName::as_str).collect::<Vec<_>>(), ["#d", "#e", "#a"]);
        assert!(column(&[], GROUP_CELLS).is_empty() && largest(&[]).is_empty());
    }
}
