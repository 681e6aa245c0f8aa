//! `chatctl doctor` and `chatctl status`: all servers are asked how they are, and what they say is held against each other.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chatring_admin::doctor::{self, Dialled, Finding, Grade, GroupRow, NodeSays, Pending, Planned, Row, Survey};
use chatring_admin::{Failure, FailureKind, interrupt, status, text};
use chatring_machines::command::{ClientCommand, Command, HandoffAsk, NodeAsk, PluginAsk};
use chatring_machines::event::Reply;
use chatring_machines::ids::Epoch;
use chatring_machines::names::GroupName;
use chatring_machines::time::Time;
use chatring_machines::view::SharedView;
use chatring_machines::wire::{Given, Rest, Text};
use chatring_reactor::Membership;

use super::{Global, directory, net, ring};

/// How long one server may take to say that it is there, unless it was said how long to wait.
const THERE_MS: u64 = 1_500;
/// Groups that are looked at; those behind them, by name, are not.
const GROUPS_MAX: usize = 100_000;
/// Groups of which all nodes are asked what they have.
const VERDICTS_MAX: usize = 20;
/// How long all of them may take to answer where none leads.
const LEADERLESS_MS: u64 = 500;
/// What seems to be wrong may be a change on its way: it is looked at again after so long, once.
const AGAIN: Duration = Duration::from_millis(1_500);

/// Runs `doctor`. Its exit codes are those of programs that watch.
pub fn run(global: &Global) -> Result<(), Failure> {
    let (_, findings) = findings(global)?;
    global.output.show(&doctor::sheet(&findings))?;
    match doctor::worst(&findings) {
        Grade::Ok => Ok(()),
        grade => {
            let worst: Vec<&str> = findings.iter().filter(|finding| finding.grade == grade).map(|finding| finding.check).collect();
            Err(Failure { kind: kind(grade), what: format!("{}: {}", grade.word(), worst.join(", ")), advice: None })
        }
    }
}

/// Runs `status`. What is wrong is shown, and fails nothing.
pub fn status(global: &Global) -> Result<(), Failure> {
    let (survey, findings) = findings(global)?;
    if survey.servers.is_empty() {
        return Err(Failure::unreachable(format!("no directory server answers at {}", survey.named.join(", ")))
            .advise("Name the network's directory servers with --directory HOST:PORT, CHATCTL_DIRECTORY or a context."));
    }
    global.output.show(&status::sheet(&survey, people(&survey, global)?, &findings))
}

/// The kind of failure that has this grade's exit code.
fn kind(grade: Grade) -> FailureKind {
    match grade {
        Grade::Ok | Grade::Warning => FailureKind::Refused,
        Grade::Critical => FailureKind::Usage,
        Grade::Unknown => FailureKind::Unreachable,
    }
}

/// What all servers say, and what is to be said of that.
pub fn findings(global: &Global) -> Result<(Survey, Vec<Finding>), Failure> {
    let first = survey(global)?;
    let findings = doctor::examine(&first);
    if !findings.iter().any(is_to_be_seen_twice) {
        return Ok((first, findings));
    }
    interrupt::pause(AGAIN)?;
    let mut second = survey(global)?;
    for group in doctor::suspects(&second).into_iter().take(VERDICTS_MAX) {
        interrupt::check()?;
        if let Ok(name) = GroupName::new(&group)
            && let Ok(verdict) = hear(ring::verdict(&name, global))?
        {
            second.verdicts.insert(group, verdict);
        }
    }
    let findings = doctor::examine(&second);
    Ok((second, findings))
}

fn is_to_be_seen_twice(finding: &Finding) -> bool {
    const PASSING: [&str; 7] =
        ["directory agreement", "super nodes", "ring agreement", "one master", "orphans", "blocked groups", "copies"];
    finding.grade > Grade::Ok && PASSING.contains(&finding.check)
}

/// Asks everyone. Whoever does not answer is part of the answer.
fn survey(global: &Global) -> Result<Survey, Failure> {
    let (named, servers) = directory::all(global.timeout_ms().unwrap_or(THERE_MS), global)?;
    let mut clocks = Vec::new();
    for server in &servers {
        clocks.extend(hear(clock(&server.address, global))?.ok());
    }
    // Where nobody leads, what only the one that leads knows is not waited for: that nobody leads is what there is to say.
    let is_led = servers.iter().any(|server| server.leads());
    let patience_ms = if is_led { global.patience_ms() } else { LEADERLESS_MS };
    let of_directory = |asked: Command| match servers.is_empty() {
        true => Ok(Err("no directory server answers".to_string())),
        false => hear(net::ask_within(patience_ms, global.servers(), vec![asked]).map(|mut replies| replies.pop())),
    };
    let ring = ClientCommand::Ring { how: Given(None) };
    let view: Result<SharedView, String> = match of_directory(ring.into())? {
        Ok(Some(Reply::Ring { view })) => Ok(view),
        answer => Err(no_answer(answer, "the ring")),
    };
    let groups = match servers.is_empty() {
        true => Err("no directory server answers".to_string()),
        false => hear(ring::places(&global.patient(patience_ms), GROUPS_MAX))?.map(|places| places.iter().map(GroupRow::of).collect()),
    };
    let pending = match of_directory(ClientCommand::Node { what: NodeAsk::Pending, node: None, only: Default::default() }.into())? {
        Ok(Some(Reply::PendingNodes { cells })) => Ok(Pending::all(&cells.0)),
        answer => Err(no_answer(answer, "who waits")),
    };
    let planned = match of_directory(ClientCommand::Handoff { what: HandoffAsk::List }.into())? {
        Ok(Some(Reply::Handoff { plan, .. })) if plan.is_empty() => Ok(None),
        Ok(Some(Reply::Handoff { plan, subject, age_ms, queued, .. })) => {
            Ok(Some(Planned { what: format!("{plan} {subject}"), age_ms, queued }))
        }
        answer => Err(no_answer(answer, "what is planned")),
    };
    let mut nodes = Vec::new();
    for node in view.iter().flat_map(|view| &view.nodes) {
        let name = format!("{} ({})", node.name, node.key);
        match node.key.address() {
            Some(address) => nodes.push(ask_node(name, address.to_string().into(), &mut clocks, global)?),
            None => nodes.push(silent(name, "it can't be dialled")),
        }
    }
    // Whoever says what time it is is there.
    let there: Vec<&str> = clocks.iter().map(|clock| &*clock.address).collect();
    let certificates = global.ca.as_deref().map(|ca| certificates(ca, &there)).transpose()?;
    Ok(Survey { now: text::now(), named, servers, view, nodes, groups, verdicts: BTreeMap::new(), pending, planned, clocks, certificates })
}

/// What a super node says of itself.
fn ask_node(name: String, address: Text, clocks: &mut Vec<Dialled<(i64, u64)>>, global: &Global) -> Result<NodeSays, Failure> {
    match hear(clock(&address, global))? {
        Ok(clock) => clocks.push(clock),
        Err(why) => return Ok(silent(name, &why)),
    }
    let ask = |command: ClientCommand| hear(net::ask_one(global.at(address.clone()), command.into()));
    let epoch: Result<Epoch, String> = match ask(ClientCommand::Ring { how: Given(None) })? {
        Ok(Some(Reply::Ring { view })) => Ok(view.epoch),
        answer => Err(no_answer(answer, "its ring")),
    };
    let slow = match ask(ClientCommand::Client { words: Rest(vec!["LIST".into(), "SLOW".into()]) })? {
        Ok(Some(Reply::Slow { cells })) => Ok(cells.0.len() / SLOW_WIDTH),
        answer => Err(no_answer(answer, "who is slow")),
    };
    let disabled = match ask(ClientCommand::Plugin { what: PluginAsk::List, name: None, file: None })? {
        Ok(Some(Reply::Plugins { cells })) => Ok(disabled(&cells.0)),
        answer => Err(no_answer(answer, "its plugins")),
    };
    let check = match ask(ClientCommand::Check { group: None })? {
        Ok(Some(Reply::Checked { cells })) => Ok(Row::all(&cells.0)),
        answer => Err(no_answer(answer, "its groups")),
    };
    Ok(NodeSays { name, epoch, check, slow, disabled })
}

/// Cells of each who is slow.
const SLOW_WIDTH: usize = 6;

/// Plugins that are out of use, of the answer to PLUGIN LIST.
fn disabled(cells: &[Text]) -> Vec<String> {
    let rows = cells.as_chunks::<6>().0.iter();
    rows.filter(|[_, _, _, _, state, _]| &**state == "disabled").map(|[name, ..]| name.to_string()).collect()
}

fn silent(name: String, why: &str) -> NodeSays {
    let (why, again) = (why.to_string(), || "it does not answer".to_string());
    NodeSays { name, epoch: Err(why), check: Err(again()), slow: Err(again()), disabled: Err(again()) }
}

/// How far a server's clock is ahead of ours. In the middle of the time it took is when it was read, as far as one can tell.
fn clock(address: &Text, global: &Global) -> Result<Dialled<(i64, u64)>, Failure> {
    let patience_ms = global.timeout_ms().unwrap_or(THERE_MS);
    let before = text::now().0;
    let info =
        match net::ask_within(patience_ms, global.at(address.clone()), vec![ClientCommand::Info { section: Rest(Vec::new()) }.into()])?
            .pop()
        {
            Some(Reply::Text { text }) => text,
            _ => return Err(Failure::refused(format!("{address} does not answer INFO"))),
        };
    let after = text::now().0;
    let found = ahead(&info, before, after).ok_or_else(|| "it does not say what time it is".to_string());
    Ok(Dialled { address: address.to_string(), found })
}

fn ahead(info: &str, before: u64, after: u64) -> Option<(i64, u64)> {
    let there: i64 = info.lines().find_map(|line| line.strip_prefix("time_ms:")?.trim().parse().ok())?;
    let middle = i64::try_from(before.midpoint(after)).ok()?;
    Some((there.saturating_sub(middle), after.saturating_sub(before) / 2 + 1))
}

/// Until when what servers show is good.
fn certificates(ca: &Path, addresses: &[&str]) -> Result<Vec<Dialled<Time>>, Failure> {
    let membership = Membership::of_guest(ca).map_err(|error| Failure::usage(error.to_string()))?;
    let mut all = Vec::new();
    for address in addresses {
        interrupt::check()?;
        let found = membership.look_at(address, Duration::from_millis(THERE_MS));
        let found = found.map(|ends| Time(ends.saturating_mul(1_000))).map_err(|error| error.to_string());
        all.push(Dialled { address: (*address).to_string(), found });
    }
    Ok(all)
}

/// How many people are connected, as the first super node that answers knows.
pub fn people(survey: &Survey, global: &Global) -> Result<Option<u64>, Failure> {
    for address in survey.view.iter().flat_map(|view| &view.nodes).filter_map(|node| node.key.address()) {
        if let Ok(Some(Reply::Lusers { people, .. })) = hear(net::ask_one(global.at(address.to_string()), ClientCommand::Lusers {}.into()))?
        {
            return Ok(Some(people));
        }
    }
    Ok(None)
}

/// An answer, or why there is none. Someone who had enough of it is no answer; nor is a line that makes no sense, which is no finding about the network.
fn hear<T>(answer: Result<T, Failure>) -> Result<Result<T, String>, Failure> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(failure) if failure.kind == FailureKind::Interrupted => Err(failure),
        Err(failure) if failure.kind == FailureKind::Usage => Err(Failure { kind: kind(Grade::Unknown), ..failure }),
        Err(failure) => Ok(Err(failure.what)),
    }
}

fn no_answer(answer: Result<Option<Reply>, String>, what: &str) -> String {
    answer.err().unwrap_or_else(|| format!("what was answered is not {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        assert_eq!(ahead("# Server\r\ntime_ms:5000\r\n", 1_000, 2_000), Some((3_500, 501)));
        assert_eq!(ahead("time_ms:1000\r\n", 4_000, 4_000), Some((-3_000, 1)));
        assert_eq!(ahead("time:1000\r\n", 4_000, 4_000), None);
    }

    #[test]
    fn exit_codes_are_those_of_programs_that_watch() {
        for grade in [Grade::Warning, Grade::Critical, Grade::Unknown] {
            assert_eq!(kind(grade) as u8, grade.code(), "{grade:?}");
        }
    }

    #[test]
    fn plugins_out_of_use() {
        let cells = ["irc", "1", "transport", "", "in use", "", "words", "1", "filter", "", "disabled", ""].map(Text::from);
        assert_eq!(disabled(&cells), ["words"]);
    }
}
