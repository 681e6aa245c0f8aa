//! Checks of servers: the directory servers, the super nodes, and what each says of itself.

use std::collections::BTreeSet;

use chatring_machines::ids::Epoch;
use chatring_machines::time::Time;

use super::survey::{Dialled, NodeSays, Survey};
use super::{Finding, Grade, named};
use crate::servers;
use crate::text::span;

/// How far clocks may be apart.
const CLOCKS_APART_MS: u64 = 2_000;
/// And from when on times of messages are of no use.
const CLOCKS_USELESS_MS: u64 = 60_000;
/// How long before its end a certificate is told of, and when it is urgent.
const CERTIFICATE_SOON_MS: u64 = 21 * 86_400_000;
const CERTIFICATE_URGENT_MS: u64 = 3 * 86_400_000;
/// A planned change takes half a minute at most, unless many wait.
const PLAN_HANGS_MS: u64 = 60_000;
/// So many at one node don't read slowly by chance.
const SLOW_MANY: usize = 20;

/// Whether the directory can change the ring.
pub(super) fn majority(survey: &Survey) -> Finding {
    const NAME: &str = "directory majority";
    if survey.servers.is_empty() {
        let found = format!("none of {} answers", named(&survey.named));
        return Finding::of(
            NAME,
            Grade::Critical,
            found,
            "Are they running, and in reach from here? Chat goes on; the ring does not change.",
        );
    }
    match survey.servers.iter().find(|server| server.leads()) {
        Some(leader) => Finding::ok(NAME, format!("{} leads, in term {}", leader.address, leader.term)),
        None => {
            let failure = servers::without_a_leader(&survey.servers);
            Finding::of(NAME, Grade::Critical, failure.what, failure.advice.unwrap_or_default())
        }
    }
}

/// Whether all of them are there, and have all that was agreed on.
pub(super) fn directory_servers(survey: &Survey) -> Finding {
    const NAME: &str = "directory servers";
    let Some(best) = best(survey) else { return Finding::of(NAME, Grade::Unknown, "none answers", "") };
    let silent: Vec<&str> = best.seats.iter().map(|seat| &*seat.address).filter(|address| !answers(survey, address)).collect();
    if !silent.is_empty() {
        let found = format!("{} of {} does not answer: {}", silent.len(), best.seats.len(), named(&silent));
        return Finding::of(
            NAME,
            Grade::Warning,
            found,
            "Start it again; one that has lost its file is taken in anew with `directory add`.",
        );
    }
    let half: Vec<&str> = best.seats.iter().filter(|seat| &*seat.vote != "votes").map(|seat| &*seat.address).collect();
    if !half.is_empty() {
        let found = format!("has no vote yet, or is to go: {}", named(&half));
        return Finding::of(NAME, Grade::Warning, found, "`directory status` shows what it lacks; `directory add` takes one in.");
    }
    match best.seats.len() {
        1 => Finding::of(NAME, Grade::Warning, "there is one only", "Run three: without this one the ring does not change."),
        many => Finding::ok(NAME, format!("all {many} answer and vote")),
    }
}

/// Whether they go by the same.
pub(super) fn agreement(survey: &Survey) -> Finding {
    const NAME: &str = "directory agreement";
    let Some(best) = best(survey) else { return Finding::of(NAME, Grade::Unknown, "none answers", "") };
    let leaders: Vec<&str> = survey.servers.iter().filter(|server| server.leads()).map(|server| &*server.address).collect();
    let strange: Vec<&str> =
        survey.servers.iter().filter(|server| server.epoch.generation != best.epoch.generation).map(|server| &*server.address).collect();
    if leaders.len() > 1 {
        return Finding::of(
            NAME,
            Grade::Critical,
            format!("several lead: {}", named(&leaders)),
            "Look again in a few seconds. If it stays so, these are two networks of one name: stop one of them.",
        );
    }
    if !strange.is_empty() {
        let found = format!("of another generation than {}: {}", best.address, named(&strange));
        return Finding::of(NAME, Grade::Critical, found, "One of them went on with a backup. Start the others with new files.");
    }
    let behind: Vec<&str> = survey.servers.iter().filter(|server| server.epoch != best.epoch).map(|server| &*server.address).collect();
    match behind.is_empty() {
        true => Finding::ok(NAME, format!("all are at epoch {}", best.epoch)),
        false => Finding::of(
            NAME,
            Grade::Warning,
            format!("not at epoch {}: {}", best.epoch, named(&behind)),
            "Look again in a few seconds: is it cut off from the one that leads?",
        ),
    }
}

/// Whether all super nodes of the ring answer.
pub(super) fn super_nodes(survey: &Survey) -> Finding {
    const NAME: &str = "super nodes";
    if let Err(why) = &survey.view {
        return Finding::of(NAME, Grade::Unknown, why, "");
    }
    let silent: Vec<String> =
        survey.nodes.iter().filter_map(|node| node.epoch.as_ref().err().map(|why| format!("{} ({why})", node.name))).collect();
    match (survey.nodes.len(), silent.len()) {
        (0, _) => Finding::of(NAME, Grade::Critical, "none is in the ring", "Start one; `node pending` says who waits, and for what."),
        (1, 0) => Finding::of(
            NAME,
            Grade::Warning,
            "there is one only",
            "Run two or more, on machines of their own: groups are in one place only.",
        ),
        (many, 0) => Finding::ok(NAME, format!("all {many} of the ring answer")),
        (many, _) => {
            let found = format!("{} of {many} does not answer: {}", silent.len(), named(&silent));
            Finding::of(
                NAME,
                Grade::Critical,
                found,
                "Is it there, and in reach from here? If the directory servers can't reach it, either, it is out of the ring in a moment.",
            )
        }
    }
}

/// Whether everyone goes by the newest ring.
pub(super) fn epochs(survey: &Survey) -> Finding {
    const NAME: &str = "ring agreement";
    let newest: Option<Epoch> =
        survey.view.as_ref().ok().map(|view| view.epoch).into_iter().chain(survey.servers.iter().map(|server| server.epoch)).max();
    let Some(newest) = newest else { return Finding::of(NAME, Grade::Unknown, "nobody says which ring there is", "") };
    let other: Vec<String> = survey
        .nodes
        .iter()
        .filter_map(|node| node.epoch.as_ref().ok().filter(|epoch| **epoch < newest).map(|epoch| format!("{} ({epoch})", node.name)))
        .collect();
    let is_all = survey.nodes.iter().all(|node| node.epoch.is_ok());
    match (other.is_empty(), is_all) {
        (true, true) => Finding::ok(NAME, format!("all super nodes go by epoch {newest}")),
        (true, false) => Finding::of(NAME, Grade::Unknown, format!("those that answer go by epoch {newest}"), ""),
        _ => Finding::of(
            NAME,
            Grade::Warning,
            format!("by an older ring than {newest} go {}", named(&other)),
            "Look again in a few seconds: is it cut off from the directory servers?",
        ),
    }
}

/// Whether clocks are right, by the one of who asks.
pub(super) fn clocks(survey: &Survey) -> Finding {
    const NAME: &str = "clocks";
    let known: Vec<(&str, u64)> = survey.clocks.iter().filter_map(apart).collect();
    let far: Vec<String> = known
        .iter()
        .filter(|(_, apart)| *apart > CLOCKS_APART_MS)
        .map(|(address, apart)| format!("{address} ({})", span(*apart)))
        .collect();
    let most = known.iter().map(|(_, apart)| *apart).max().unwrap_or(0);
    match far.is_empty() {
        _ if known.is_empty() => Finding::of(NAME, Grade::Unknown, "nobody says what time it is", ""),
        true => Finding::ok(NAME, format!("none is more than {} s off from here", CLOCKS_APART_MS / 1_000)),
        false => {
            let grade = if most > CLOCKS_USELESS_MS { Grade::Critical } else { Grade::Warning };
            let advice = "Run NTP, here, too. A super node looks at its clock when it starts: drain it, and start it anew.";
            Finding::of(NAME, grade, format!("off from the one here: {}", named(&far)), advice)
        }
    }
}

/// How far a clock is off at least.
fn apart(clock: &Dialled<(i64, u64)>) -> Option<(&str, u64)> {
    let (ahead, unsure) = clock.found.as_ref().ok()?;
    Some((&clock.address, ahead.unsigned_abs().saturating_sub(*unsure)))
}

/// Whether certificates that servers show are good for a while.
pub(super) fn certificates(survey: &Survey) -> Finding {
    const NAME: &str = "certificates";
    let Some(all) = &survey.certificates else { return Finding::ok(NAME, "not asked for: no CA was named") };
    let left = |ends: &Time| ends.0.saturating_sub(survey.now.0);
    let soon: Vec<String> = all
        .iter()
        .filter_map(|one| {
            one.found
                .as_ref()
                .ok()
                .filter(|ends| left(ends) < CERTIFICATE_SOON_MS)
                .map(|ends| format!("{} ({})", one.address, span(left(ends))))
        })
        .collect();
    let is_urgent = all.iter().any(|one| one.found.as_ref().is_ok_and(|ends| left(ends) < CERTIFICATE_URGENT_MS));
    let bad: Vec<String> = all.iter().filter_map(|one| one.found.as_ref().err().map(|why| format!("{} ({why})", one.address))).collect();
    let advice = "Renew it (`pki issue … --renew`), put it in its place, and send SIGHUP.";
    match (soon.is_empty(), bad.is_empty()) {
        (true, true) => Finding::ok(NAME, format!("all {} are good for {} days and more", all.len(), CERTIFICATE_SOON_MS / 86_400_000)),
        (true, false) => Finding::of(
            NAME,
            Grade::Unknown,
            format!("not seen: {}", named(&bad)),
            "Is the server there? If it is, its certificate is not believed here.",
        ),
        (false, _) => {
            Finding::of(NAME, if is_urgent { Grade::Critical } else { Grade::Warning }, format!("ends soon: {}", named(&soon)), advice)
        }
    }
}

/// Whether somebody waits for a place in the ring.
pub(super) fn pending(survey: &Survey) -> Finding {
    const NAME: &str = "pending nodes";
    let pending = match &survey.pending {
        Ok(pending) => pending,
        Err(why) => return Finding::of(NAME, Grade::Unknown, why, ""),
    };
    // Those that were admitted or refused while they are not there wait for nothing.
    let waiting: Vec<String> = pending
        .iter()
        .filter(|one| !matches!(&*one.state, "admitted" | "refused"))
        .map(|one| format!("{} {}: {}", one.node, one.state, one.why))
        .collect();
    match waiting.is_empty() {
        true => Finding::ok(NAME, "none waits for a place in the ring"),
        false => Finding::of(
            NAME,
            Grade::Warning,
            named(&waiting),
            "`node pending` has all of it; `node admit NODE` or `node refuse NODE`, where it waits for that.",
        ),
    }
}

/// Whether a planned change of the ring comes to its end.
pub(super) fn plan(survey: &Survey) -> Finding {
    const NAME: &str = "planned change";
    match &survey.planned {
        Err(why) => Finding::of(NAME, Grade::Unknown, why, ""),
        Ok(None) => Finding::ok(NAME, "none"),
        Ok(Some(plan)) if plan.age_ms < PLAN_HANGS_MS => Finding::ok(NAME, format!("{}, on its way", plan.what)),
        Ok(Some(plan)) => {
            let found = format!("{} for {}, {} more behind it", plan.what, span(plan.age_ms), plan.queued);
            Finding::of(NAME, Grade::Warning, found, "`handoff why` says what it waits for; `handoff abort` gives it up.")
        }
    }
}

/// Whether many read slowly.
pub(super) fn slow_readers(survey: &Survey) -> Finding {
    const NAME: &str = "slow readers";
    let many: Vec<String> = survey
        .nodes
        .iter()
        .filter_map(|node| node.slow.as_ref().ok().filter(|slow| **slow > SLOW_MANY).map(|slow| format!("{slow} at {}", node.name)))
        .collect();
    match many.is_empty() {
        true => asked(NAME, survey, |node| node.slow.as_ref().err(), "nowhere many"),
        false => Finding::of(
            NAME,
            Grade::Warning,
            named(&many),
            "`client list --slow` says who. Where it is everyone, the way out of that machine is full.",
        ),
    }
}

/// Whether plugins are disabled.
pub(super) fn plugins(survey: &Survey) -> Finding {
    const NAME: &str = "plugins";
    let disabled: BTreeSet<String> =
        survey.nodes.iter().flat_map(|node| node.disabled.iter().flatten().map(|plugin| format!("{plugin} at {}", node.name))).collect();
    let disabled: Vec<String> = disabled.into_iter().collect();
    match disabled.is_empty() {
        true => asked(NAME, survey, |node| node.disabled.as_ref().err(), "none is disabled"),
        false => Finding::of(
            NAME,
            Grade::Warning,
            format!("disabled: {}", named(&disabled)),
            "The node's log says why; `plugin enable NAME --node NODE` takes it in again.",
        ),
    }
}

/// Well, if all super nodes could be asked.
pub(super) fn asked<'a>(name: &'static str, survey: &'a Survey, why: impl Fn(&'a NodeSays) -> Option<&'a String>, well: &str) -> Finding {
    if let Err(why) = &survey.view {
        return Finding::of(name, Grade::Unknown, why, "");
    }
    let silent: Vec<String> = survey.nodes.iter().filter_map(|node| why(node).map(|why| format!("{}: {why}", node.name))).collect();
    match silent.is_empty() {
        true => Finding::ok(name, well),
        false => Finding::of(name, Grade::Unknown, named(&silent), ""),
    }
}

fn best(survey: &Survey) -> Option<&servers::Server> {
    let leader = survey.servers.iter().find(|server| server.leads());
    leader.or_else(|| survey.servers.iter().max_by_key(|server| (server.term, server.last)))
}

fn answers(survey: &Survey, address: &str) -> bool {
    survey.servers.iter().any(|server| &*server.address == address)
}
