//! A network where all is well, and what each check says when one thing in it is not.

use chatring_machines::ids::{Epoch, Incarnation, ServerId};
use chatring_machines::names::NodeKey;
use chatring_machines::time::Time;
use chatring_machines::view::{Metric, NodeInfo, RingParams, SharedView, View};
use chatring_machines::wire::Text;

use super::*;
use crate::claims::Finding as Verdict;
use crate::servers::{Seat, Server};

const EPOCH: Epoch = Epoch { generation: 1, number: 5 };
const OLD: Epoch = Epoch { generation: 1, number: 4 };
const DAY_MS: u64 = 86_400_000;

fn view() -> SharedView {
    let node = |(ip, name): (&str, &str)| NodeInfo {
        key: NodeKey::new(ip).unwrap(),
        name: name.into(),
        incarnation: Incarnation(1),
        since: Time(1),
        admitted: EPOCH,
    };
    let nodes = [("192.0.2.1", "a"), ("192.0.2.2", "b")].map(node).to_vec();
    let params = RingParams { metric: Metric::Circular, points: 1 };
    View { epoch: EPOCH, network: "n".into(), params, nodes, directories: Vec::new() }.into()
}

fn server(address: &str, role: &str) -> Server {
    let seat =
        |address: &str| Seat { address: address.into(), id: address.into(), vote: "votes".into(), link: "up".into(), lacks: "0".into() };
    Server {
        address: address.into(),
        id: ServerId(1),
        role: role.into(),
        leader: "d1:1".into(),
        term: 2,
        last: 9,
        agreed: 9,
        epoch: EPOCH,
        seats: ["d1:1", "d2:1", "d3:1"].map(seat).to_vec(),
    }
}

fn row(group: &str, result: &str, why: &str) -> Row {
    Row { group: group.into(), result: result.into(), why: why.into(), to: String::new() }
}

fn node(name: &str, rows: &[Row]) -> NodeSays {
    NodeSays { name: name.into(), epoch: Ok(EPOCH), check: Ok(rows.to_vec()), slow: Ok(0), disabled: Ok(Vec::new()) }
}

fn well() -> Survey {
    let dialled = |address: &str| Dialled { address: address.into(), found: Ok((900, 10)) };
    Survey {
        now: Time(100 * DAY_MS),
        named: vec!["d1:1".into(), "d2:1".into()],
        servers: vec![server("d1:1", "leads"), server("d2:1", "follows"), server("d3:1", "follows")],
        view: Ok(view()),
        nodes: vec![node("a", &[row("#x", "kept", "also at 192.0.2.2")]), node("b", &[row("#y", "kept", "also at 192.0.2.1")])],
        groups: Ok(["#x", "#y"].map(|group| GroupRow { group: group.into(), members: 1, master: "192.0.2.1".into() }).to_vec()),
        verdicts: std::collections::BTreeMap::new(),
        pending: Ok(Vec::new()),
        planned: Ok(None),
        clocks: vec![dialled("d1:1"), dialled("192.0.2.1:7411")],
        certificates: Some(vec![Dialled { address: "d1:1".into(), found: Ok(Time(400 * DAY_MS)) }]),
    }
}

/// What is not well after this change: checks and grades, and what is found by the first of them.
#[track_caller]
fn check(change: impl FnOnce(&mut Survey), expect: &[(&str, Grade)], found: &str) {
    let mut survey = well();
    change(&mut survey);
    let findings = examine(&survey);
    let wrong: Vec<&Finding> = findings.iter().filter(|finding| finding.grade != Grade::Ok).collect();
    assert_eq!(wrong.iter().map(|finding| (finding.check, finding.grade)).collect::<Vec<_>>(), expect, "{findings:?}");
    assert!(wrong.first().is_none_or(|first| first.found.contains(found)), "{wrong:?}");
    let is_advised = |finding: &&Finding| finding.grade == Grade::Unknown || !finding.advice.is_empty();
    assert!(wrong.iter().all(is_advised), "{wrong:?}");
    let all = sheet(&findings);
    let worst = expect.iter().map(|(_, grade)| *grade).max().unwrap_or(Grade::Ok);
    assert_eq!((all.value()["result"].as_str(), all.value()["code"].as_u64()), (Some(worst.word()), Some(worst.code().into())));
}

#[test]
fn all_is_well() {
    check(|_| {}, &[], "");
    assert_eq!(summary(&examine(&well())), "all 15 checks are ok");
}

#[test]
fn directory_servers() {
    use Grade::{Critical, Unknown, Warning};
    check(|survey| drop(survey.servers.pop()), &[("directory servers", Warning)], "1 of 3 does not answer: d3:1");
    check(
        |survey| survey.servers = vec![server("d3:1", "asks for votes")],
        &[("directory majority", Critical), ("directory servers", Warning)],
        "2 are needed, 1 of 3 there",
    );
    check(
        |survey| {
            let why = || "no directory server answers".to_string();
            (survey.servers, survey.nodes, survey.clocks) = (Vec::new(), Vec::new(), Vec::new());
            (survey.view, survey.groups, survey.pending, survey.planned) = (Err(why()), Err(why()), Err(why()), Err(why()));
            survey.certificates = None;
        },
        &[
            ("directory majority", Critical),
            ("directory servers", Unknown),
            ("directory agreement", Unknown),
            ("super nodes", Unknown),
            ("ring agreement", Unknown),
            ("one master", Unknown),
            ("orphans", Unknown),
            ("blocked groups", Unknown),
            ("copies", Unknown),
            ("clocks", Unknown),
            ("pending nodes", Unknown),
            ("planned change", Unknown),
            ("slow readers", Unknown),
            ("plugins", Unknown),
        ],
        "none of d1:1, d2:1 answers",
    );
    check(|survey| survey.servers[1].role = "leads".into(), &[("directory agreement", Critical)], "several lead: d1:1, d2:1");
    check(
        |survey| survey.servers[1].epoch.generation = 2,
        &[("directory agreement", Critical), ("ring agreement", Warning)],
        "another generation",
    );
    check(|survey| survey.servers[1].epoch = OLD, &[("directory agreement", Warning)], "not at epoch 1.5: d2:1");
    check(|survey| survey.servers[0].seats[2].vote = "comes".into(), &[("directory servers", Warning)], "no vote yet, or is to go: d3:1");
}

#[test]
fn super_nodes() {
    use Grade::{Critical, Unknown, Warning};
    check(
        |survey| {
            let why = || "refused".to_string();
            survey.nodes[1] = NodeSays { name: "b".into(), epoch: Err(why()), check: Err(why()), slow: Err(why()), disabled: Err(why()) };
        },
        &[
            ("super nodes", Critical),
            ("ring agreement", Unknown),
            ("one master", Unknown),
            ("orphans", Unknown),
            ("blocked groups", Unknown),
            ("copies", Unknown),
            ("slow readers", Unknown),
            ("plugins", Unknown),
        ],
        "1 of 2 does not answer: b (refused)",
    );
    check(|survey| survey.nodes[1].epoch = Ok(OLD), &[("ring agreement", Warning)], "by an older ring than 1.5 go b (1.4)");
    check(|survey| survey.nodes[1].slow = Ok(21), &[("slow readers", Warning)], "21 at b");
    check(|survey| survey.nodes[1].slow = Ok(20), &[], "");
    check(|survey| survey.nodes[1].disabled = Ok(vec!["words".into()]), &[("plugins", Warning)], "words at b");
}

#[test]
fn groups() {
    use Grade::{Critical, Unknown, Warning};
    let rows = |survey: &mut Survey, node: usize, rows: &[Row]| survey.nodes[node].check = Ok(rows.to_vec());
    check(
        |survey| rows(survey, 1, &[row("#x", "kept", "also at 192.0.2.1"), row("#y", "kept", "also at 192.0.2.1")]),
        &[("one master", Critical)],
        "#x by a and b",
    );
    let two = || Verdict::TwoMasters { nodes: Vec::new() };
    let orphan = || Verdict::Orphan { copies: Vec::new(), edges: Vec::new(), people: 1 };
    let judged = |survey: &mut Survey, group: &str, found: Vec<Verdict>| drop(survey.verdicts.insert(group.into(), found));
    // What all nodes say at once counts more than what each said when it was its turn.
    for (found, expect) in [(vec![two()], &[("one master", Critical)][..]), (vec![orphan()], &[])] {
        check(
            |survey| {
                rows(survey, 1, &[row("#x", "kept", "also at 192.0.2.1"), row("#y", "kept", "also at 192.0.2.1")]);
                assert_eq!(suspects(survey), ["#x"]);
                judged(survey, "#x", found);
            },
            expect,
            "#x by a and b",
        );
    }
    check(|survey| rows(survey, 1, &[row("#y", "moved", "took 3 ms")]), &[("orphans", Unknown)], "not known: #y");
    for (found, expect) in [(vec![orphan()], &[("orphans", Critical)][..]), (Vec::new(), &[])] {
        check(
            |survey| {
                rows(survey, 1, &[]);
                assert_eq!(suspects(survey), ["#y"]);
                judged(survey, "#y", found);
            },
            expect,
            "1 group nobody serves: #y",
        );
    }
    // Nobody is in a group that has been left.
    check(
        |survey| {
            rows(survey, 1, &[]);
            survey.groups.as_mut().unwrap()[1].members = 0;
        },
        &[],
        "",
    );
    check(
        |survey| rows(survey, 1, &[row("#y", "blocked", "waits for a")]),
        &[("blocked groups", Critical)],
        "1 group waits: #y at b: waits for a",
    );
    check(
        |survey| rows(survey, 1, &[row("#y", "kept", "this is the only copy")]),
        &[("copies", Warning)],
        "1 group is in one place only: #y",
    );
}

#[test]
fn what_goes_on_beside() {
    use Grade::{Critical, Unknown, Warning};
    let clock = |ahead: i64, unsure: u64| Dialled { address: "a:1".to_string(), found: Ok((ahead, unsure)) };
    check(|survey| survey.clocks.push(clock(-5_000, 100)), &[("clocks", Warning)], "a:1 (4 s)");
    check(|survey| survey.clocks.push(clock(90_000, 100)), &[("clocks", Critical)], "a:1");
    check(|survey| survey.clocks.push(clock(5_000, 3_500)), &[], "");
    let ends = |days: u64| Some(vec![Dialled { address: "a:1".to_string(), found: Ok(Time((100 + days) * DAY_MS)) }]);
    check(|survey| survey.certificates = ends(22), &[], "");
    check(|survey| survey.certificates = ends(20), &[("certificates", Warning)], "a:1 (20 d");
    check(|survey| survey.certificates = ends(2), &[("certificates", Critical)], "a:1 (2 d");
    check(
        |survey| survey.certificates = Some(vec![Dialled { address: "a:1".into(), found: Err("no TLS".into()) }]),
        &[("certificates", Unknown)],
        "a:1 (no TLS)",
    );
    let pending = |state: &str| vec![Pending { node: "192.0.2.9".into(), state: state.into(), why: "for an operator".into() }];
    check(|survey| survey.pending = Ok(pending("waits")), &[("pending nodes", Warning)], "192.0.2.9 waits: for an operator");
    check(|survey| survey.pending = Ok(pending("refused")), &[], "");
    let plan = |age_ms: u64| Ok(Some(Planned { what: "join 192.0.2.9".into(), age_ms, queued: 0 }));
    check(|survey| survey.planned = plan(59_999), &[], "");
    check(|survey| survey.planned = plan(61_000), &[("planned change", Warning)], "join 192.0.2.9 for 1 min");
}

#[test]
fn answers_are_read() {
    let texts = |words: &[&str]| words.iter().map(|word| Text::from(*word)).collect::<Vec<_>>();
    assert_eq!(Row::all(&texts(&["#x", "blocked", "", "3", "waits"])), [row("#x", "blocked", "waits")]);
    let pending = Pending::all(&texts(&["192.0.2.9", "c", "waits", "1", "for an operator"]));
    assert_eq!((&*pending[0].node, &*pending[0].why), ("192.0.2.9", "for an operator"));
    assert_eq!(named(&[1, 2, 3, 4, 5, 6, 7]), "1, 2, 3, 4, 5 and 2 more");
}

#[test]
fn one_screen() {
    let mut survey = well();
    let text = crate::status::sheet(&survey, Some(7), &examine(&survey)).text(false);
    for line in [
        "network            n",
        "epoch              1.5",
        "directory servers  3 of 3 answer, d1:1 leads",
        "super nodes        2 of 2 answer: a, b",
        "people             7",
        "result             ok",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    survey.nodes[1].slow = Ok(30);
    let text = crate::status::sheet(&survey, None, &examine(&survey)).text(false);
    assert!(text.contains("slow readers  warning  30 at b") && text.contains("people             not known"), "{text}");
}
