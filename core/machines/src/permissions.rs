//! Which role of an operator's a command needs, and which commands are written down.
//!
//! A command's row in the table ([`crate::command`]) names the least; where a word behind it decides, that word has a role of its own.

use crate::command::{AccountAsk, ClientCommand, DirectoryAsk, HandoffAsk, NodeAsk, PluginAsk};
use crate::operators::Role;
use crate::order::Order;
use crate::wire::Text;

impl ClientCommand {
    /// Which role it is for. None: it is for people's programs, too.
    pub fn role(&self) -> Option<Role> {
        let asked = match self {
            ClientCommand::Plugin { what, .. } => Some(what.role()),
            ClientCommand::Handoff { what } => Some(what.role()),
            ClientCommand::Node { what, .. } => Some(what.role()),
            ClientCommand::Account { what, .. } => Some(what.role()),
            ClientCommand::Directory { what, .. } => Some(what.role()),
            ClientCommand::Steer { order, .. } => Some(order.role()),
            ClientCommand::Client { words } if is_list_of_the_slow(&words.0) => Some(Role::Viewer),
            _ => None,
        };
        asked.max(self.spec().caller.role())
    }

    /// What it is called where it is refused: with what it asks for, where that decides who may.
    pub fn title(&self) -> String {
        let ask = match self {
            ClientCommand::Plugin { what, .. } => what.as_str(),
            ClientCommand::Handoff { what } => what.as_str(),
            ClientCommand::Node { what, .. } => what.as_str(),
            ClientCommand::Account { what, .. } => what.as_str(),
            ClientCommand::Directory { what, .. } => what.as_str(),
            ClientCommand::Steer { order, .. } => order.word(),
            ClientCommand::Client { .. } => "LIST SLOW",
            _ => return self.word().to_string(),
        };
        format!("{} {ask}", self.word())
    }

    /// Which role each word needs that may follow a command's name; empty where that makes no difference.
    pub fn asks(word: &str) -> Vec<(&'static str, Role)> {
        fn of<T: Copy>(all: &[T], as_str: fn(T) -> &'static str, role: fn(T) -> Role) -> Vec<(&'static str, Role)> {
            all.iter().map(|ask| (as_str(*ask), role(*ask))).collect()
        }
        match word {
            "PLUGIN" => of(PluginAsk::ALL, PluginAsk::as_str, PluginAsk::role),
            "HANDOFF" => of(HandoffAsk::ALL, HandoffAsk::as_str, HandoffAsk::role),
            "NODE" => of(NodeAsk::ALL, NodeAsk::as_str, NodeAsk::role),
            "ACCOUNT" => of(AccountAsk::ALL, AccountAsk::as_str, AccountAsk::role),
            "DIRECTORY" => of(DirectoryAsk::ALL, DirectoryAsk::as_str, DirectoryAsk::role),
            "STEER" => Order::roles(),
            "CLIENT" => vec![("LIST SLOW", Role::Viewer)],
            _ => Vec::new(),
        }
    }

    /// Whether it changes something that belongs into the audit log: what is for operators and is not a look, and who logs in as one.
    pub fn is_audited(&self) -> bool {
        match self {
            ClientCommand::Operator { .. } => true,
            ClientCommand::Account { what: AccountAsk::List, .. } => false,
            _ => self.role() >= Some(Role::Operator),
        }
    }

    /// The same with its secrets left out.
    pub fn without_secrets(&self) -> ClientCommand {
        let hidden = || Text::from("***");
        match self.clone() {
            ClientCommand::Operator { name, .. } => ClientCommand::Operator { name, secret: hidden() },
            ClientCommand::Account { what, name, secret } => ClientCommand::Account { what, name, secret: secret.map(|_| hidden()) },
            other => other,
        }
    }
}

/// Whether these words after CLIENT ask who reads slowly.
pub(crate) fn is_list_of_the_slow(words: &[Text]) -> bool {
    matches!(words, [list, slow] if list.eq_ignore_ascii_case("LIST") && slow.eq_ignore_ascii_case("SLOW"))
}

impl PluginAsk {
    /// Who may. A plugin is code that runs in the server.
    pub fn role(self) -> Role {
        match self {
            PluginAsk::List | PluginAsk::Show => Role::Viewer,
            PluginAsk::Load | PluginAsk::Swap | PluginAsk::Disable | PluginAsk::Enable => Role::Admin,
        }
    }
}

impl HandoffAsk {
    /// Who may.
    pub fn role(self) -> Role {
        match self {
            HandoffAsk::List | HandoffAsk::Why => Role::Viewer,
            HandoffAsk::Abort => Role::Operator,
        }
    }
}

impl NodeAsk {
    /// Who may.
    pub fn role(self) -> Role {
        match self {
            NodeAsk::Pending => Role::Viewer,
            NodeAsk::Admit | NodeAsk::Refuse | NodeAsk::Forget | NodeAsk::Remove => Role::Operator,
        }
    }
}

impl AccountAsk {
    /// Who may.
    pub fn role(self) -> Role {
        match self {
            AccountAsk::List => Role::Operator,
            AccountAsk::Set | AccountAsk::Remove => Role::Admin,
        }
    }
}

impl DirectoryAsk {
    /// Who may.
    pub fn role(self) -> Role {
        match self {
            DirectoryAsk::Status => Role::Viewer,
            DirectoryAsk::Transfer => Role::Operator,
            DirectoryAsk::Add | DirectoryAsk::Remove => Role::Admin,
        }
    }
}
