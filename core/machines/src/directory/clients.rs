//! What people's programs and operators may ask a directory server. Anyone may read the ring; who is in its groups, and all that changes something, is for operators (`standing`).

use super::Directory;
use super::changes::tell;
use super::questions::Shape;
use crate::command::{ClientCommand, Hello, RingAsk};
use crate::event::{Code, Event, Push, Reply};
use crate::ids::Conn;
use crate::machine::{Effect, Query};
use crate::time::Time;
use crate::wire::{At, Given, Rest, Spec, Text};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Longest name a client may give its connection, in bytes.
const CLIENT_NAME_MAX: usize = 64;

impl Directory {
    pub(super) fn client_command(&mut self, now: Time, conn: Conn, command: ClientCommand, effects: &mut Vec<Effect>) {
        let reply = match command {
            ClientCommand::Ping { text } => Reply::Pong { text }.into(),
            ClientCommand::Alive {} => Push::Alive {}.into(),
            ClientCommand::Pong { .. } => return,
            ClientCommand::Hello { options } => self.hello(conn, options),
            // There is nothing here to log in to; clients that log in everywhere should not fail for that.
            ClientCommand::Auth { .. } => Event::ok(),
            ClientCommand::Operator { name, secret } => self.log_in(conn, &name, &secret),
            ClientCommand::Client { words } => self.client(conn, &words.0),
            ClientCommand::Info { section } => Reply::Text { text: self.info(now, &section.0).into() }.into(),
            ClientCommand::Command { words } => commands(&words.0),
            ClientCommand::Ring { how: Given(Some(RingAsk::Linearizable)) } => return self.read_for_certain(now, conn, effects),
            ClientCommand::Ring { how: Given(Some(RingAsk::Signed)) } => self.signed_ring(),
            ClientCommand::Ring { how: Given(None) } if self.state.is_founded() => Reply::Ring { view: self.state.view().clone() }.into(),
            ClientCommand::Ring { how: Given(None) } => Event::error(Code::TryAgain, "100 the network is just being founded"),
            ClientCommand::Nodes {} => return self.ask(now, conn, Query::Loads, Shape::Nodes, effects),
            ClientCommand::Loads {} => return self.ask(now, conn, Query::Loads, Shape::Loads, effects),
            ClientCommand::Places { after } => {
                let query = Query::Places { after, limit: self.config.limits.rows };
                return self.ask(now, conn, query, Shape::Places, effects);
            }
            ClientCommand::Groups { pattern } => {
                let query = Query::Groups { pattern: pattern.unwrap_or_else(|| "*".into()), limit: self.config.limits.rows };
                return self.ask(now, conn, query, Shape::Groups, effects);
            }
            ClientCommand::Group { group } => {
                return self.ask(now, conn, Query::Record(group.clone()), Shape::Card(group), effects);
            }
            ClientCommand::Members { group } => {
                return self.ask(now, conn, Query::Record(group.clone()), Shape::Members(group), effects);
            }
            ClientCommand::Where { nick } => {
                let query = Query::Whereabouts { nick, limit: self.config.limits.rows };
                return self.ask(now, conn, query, Shape::Whereabouts, effects);
            }
            ClientCommand::Handoff { what } => return self.handoff(now, conn, what, effects),
            ClientCommand::Account { what, name, secret } => return self.account(now, conn, what, (name, secret), effects),
            ClientCommand::Node { what, node, only } => return self.rule(now, conn, what, (node, only), effects),
            ClientCommand::Drain { node, only } => return self.drain(now, conn, node, only, effects),
            ClientCommand::Points { points, only } => return self.points(now, conn, points, only, effects),
            ClientCommand::Directory { what, address } => return self.steer(now, conn, what, address, effects),
            ClientCommand::Quit { .. } => {
                effects.push(tell(conn, Event::ok()));
                return self.close(now, conn, effects);
            }
            elsewhere => {
                let text = format!("{} is answered by super nodes; this is a directory server: ask RING for them", elsewhere.word());
                Event::error(Code::Err, text)
            }
        };
        effects.push(tell(conn, reply));
    }

    fn hello(&mut self, conn: Conn, options: Hello) -> Event {
        let version = options.version.unwrap_or(2);
        if !(2..=3).contains(&version) {
            return Event::error(Code::NoProto, "unsupported protocol version: 2 and 3 are spoken here");
        }
        let id = self.links.of(conn).map_or(0, |link| link.id);
        let (version, id) = (version.to_string(), id.to_string());
        let pairs = [
            ("server", "chatring"),
            ("version", VERSION),
            ("proto", &version),
            ("id", &id),
            ("mode", "directory"),
            ("role", "master"),
            ("modules", ""),
        ];
        Reply::Hello { pairs: Rest(pairs.iter().flat_map(|(key, value)| [Text::from(*key), Text::from(*value)]).collect()) }.into()
    }

    fn client(&mut self, conn: Conn, words: &[Text]) -> Event {
        let Some(link) = self.links.of_mut(conn) else { return Event::ok() };
        let (word, rest) = words.split_first().map_or(("", words), |(word, rest)| (&**word, rest));
        match (word.to_ascii_uppercase().as_str(), rest) {
            ("ID", []) => Reply::Integer { value: link.id }.into(),
            ("GETNAME", []) => match &link.name {
                Some(name) => Reply::Text { text: name.clone() }.into(),
                None => Reply::Null {}.into(),
            },
            ("SETNAME", [name]) if name.len() <= CLIENT_NAME_MAX => {
                link.name = Some(name.clone()).filter(|name| !name.is_empty());
                Event::ok()
            }
            ("SETNAME", [_]) => Event::error(Code::TooLong, format!("a name has at most {CLIENT_NAME_MAX} bytes")),
            ("SETINFO", [_, _]) | ("NO-EVICT" | "NO-TOUCH", [_]) => Event::ok(),
            ("INFO" | "LIST", []) => {
                let name = link.name.as_deref().unwrap_or("");
                Reply::Text { text: format!("id={} name={name}\n", link.id).into() }.into()
            }
            _ => Event::error(Code::Syntax, "CLIENT knows ID, GETNAME, SETNAME name, SETINFO key value, INFO, LIST, NO-EVICT, NO-TOUCH"),
        }
    }

    /// `INFO` in Redis's form; all sections, or those named.
    fn info(&self, now: Time, wanted: &[Text]) -> String {
        let view = self.state.view();
        let sections = [
            (
                "Server",
                format!(
                    "server:chatring\r\nversion:{VERSION}\r\nmode:directory\r\naddress:{}\r\ntime_ms:{}\r\n",
                    self.config.address, now.0
                ),
            ),
            (
                "Ring",
                format!(
                    "network:{}\r\nepoch:{}\r\nsuper_nodes:{}\r\nplanned:{}\r\nmetric:{}\r\npoints:{}\r\nlease_ms:{}\r\n",
                    view.network,
                    view.epoch,
                    view.nodes.len(),
                    self.state.pending().map_or("nothing", |(_, plan)| plan.word()),
                    view.params.metric,
                    view.params.points,
                    self.config.lease_ms
                ),
            ),
            (
                "Clients",
                format!(
                    "connected_clients:{}\r\npeers:{}\r\nuncommitted_changes:{}\r\nqueued_plans:{}\r\nopen_questions:{}\r\n",
                    self.links.len(),
                    self.links.peers(),
                    self.commits.len(),
                    self.agenda.queue.len(),
                    self.questions.len()
                ),
            ),
        ];
        let all = wanted.is_empty() || wanted.iter().any(|word| matches!(&*word.to_ascii_lowercase(), "all" | "everything" | "default"));
        let shown = sections.iter().filter(|(name, _)| all || wanted.iter().any(|word| word.eq_ignore_ascii_case(name)));
        shown.map(|(name, lines)| format!("# {name}\r\n{lines}")).collect::<Vec<_>>().join("\r\n")
    }
}

fn commands(words: &[Text]) -> Event {
    let here = || ClientCommand::WORDS.iter().filter(|spec: &&Spec| spec.at != At::SuperNode);
    match words.first().map(|word| word.to_ascii_uppercase()).as_deref() {
        Some("COUNT") => Reply::Integer { value: here().count() as u64 }.into(),
        Some("LIST") => Reply::Array { items: Rest(here().map(|spec| spec.word.to_ascii_lowercase().into()).collect()) }.into(),
        // Redis's nested tables are not spoken; its tools take an empty answer for "no hints".
        None | Some("DOCS" | "INFO") => Reply::Array { items: Rest(Vec::new()) }.into(),
        Some(_) => Event::error(Code::Syntax, "COMMAND knows COUNT, DOCS, INFO, LIST"),
    }
}
