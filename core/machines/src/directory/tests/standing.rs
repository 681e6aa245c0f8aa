//! Operators at a directory server: who may have what done, and what the audit log is told of it.

use super::rig::*;
use crate::machine::{Effect, Input, Note, Settings};
use crate::operators::{Operator, Operators, Role, SecretHash};

fn operators() -> Operators {
    let operator = |name: &str, role| Operator { name: name.into(), role, hash: SecretHash::of(&format!("{name}'s")) };
    [operator("ann", Role::Admin), operator("joe", Role::Operator), operator("eve", Role::Viewer)].into()
}

/// As `check`, with operators configured; what goes to the audit log is shown, too.
#[track_caller]
fn check(operators: Operators, story: &[(&str, &str)]) {
    let mut rig = Rig::steered_by(operators);
    rig.step("start");
    rig.step("durable");
    for (line, expect) in story {
        let audited = |effect: &Effect| match effect {
            Effect::Note(Note::Audit(line)) => Some(format!("audit {}: {}: {}", line.who, line.what, line.outcome)),
            effect => show(effect),
        };
        let effects: Vec<String> = rig.step(line).iter().filter_map(audited).collect();
        assert_eq!(effects.join(" | "), *expect, "after '{line}'");
    }
}

#[test]
fn where_operators_are_configured_one_has_to_say_which_one_is() {
    let lacks =
        |what: &str, role: &str| format!("error NOPERM {what} is for operators with the role {role}: log in with OPERATOR name secret");
    let (status, drain) = (lacks("HANDOFF LIST", "viewer"), lacks("DRAIN", "operator"));
    check(
        operators(),
        &[
            ("open 1", ""),
            ("1 HANDOFF LIST", &format!("1: {status}")),
            ("1 DRAIN 192.0.2.1", &format!("1: {drain} | audit : DRAIN 192.0.2.1: {}", &drain["error ".len()..])),
            (
                "1 OPERATOR ann joe's",
                "1: error WRONGPASS no operator has this name and this secret here | audit ann: OPERATOR ann ***: WRONGPASS no operator has this name and this secret here",
            ),
            ("1 OPERATOR eve eve's", "1: text viewer | audit eve: OPERATOR eve ***: done"),
            ("1 HANDOFF LIST", "1: handoff 0   0 0 0"),
            (
                "1 POINTS 8",
                "1: error NOPERM POINTS is for the role operator, and eve has the role viewer | audit eve: POINTS 8: NOPERM POINTS is for the role operator, and eve has the role viewer",
            ),
            // From afar as well.
            ("far 2", ""),
            ("2 OPERATOR joe joe's", "2: text operator | audit joe: OPERATOR joe ***: done"),
            (
                "2 DRAIN 192.0.2.1",
                "2: error ERR 192.0.2.1 is not in the ring; NODES lists who is | audit joe: DRAIN 192.0.2.1: ERR 192.0.2.1 is not in the ring; NODES lists who is",
            ),
            ("2 ACCOUNT LIST", "2: accounts"),
            (
                "2 ACCOUNT SET zoe x",
                "2: error NOPERM ACCOUNT SET is for the role admin, and joe has the role operator | audit joe: ACCOUNT SET zoe ***: NOPERM ACCOUNT SET is for the role admin, and joe has the role operator",
            ),
            ("2 RING", "2: ring: view 1.2"),
        ],
    );
}

#[test]
fn what_takes_a_while_is_written_down_when_it_is_done() {
    check(
        Operators::default(),
        &[
            ("open 1", ""),
            ("1 ACCOUNT SET joe $argon2id$x", "1 paused | commit account"),
            ("durable", "1: ok OK | 1 resumed | audit local: ACCOUNT SET joe ***: done"),
            ("1 ACCOUNT REMOVE joe", "1 paused | commit account"),
            ("lost 1", "audit local: ACCOUNT REMOVE joe: unknown: they left before it was answered"),
            ("durable", ""),
        ],
    );
}

#[test]
fn whoever_is_not_configured_any_more_is_nobody_at_once() {
    let mut rig = Rig::steered_by(operators());
    for line in ["start", "durable", "open 1", "1 OPERATOR joe joe's", "open 2", "2 OPERATOR eve eve's"] {
        rig.step(line);
    }
    let looks =
        |rig: &mut Rig, line: &str| rig.step(line).iter().filter_map(show).collect::<Vec<_>>().join(" | ").starts_with("1: handoff");
    assert!(looks(&mut rig, "1 HANDOFF LIST"));
    let without_joe = operators().iter().filter(|operator| &*operator.name != "joe").cloned().collect();
    rig.handle(Input::Configured(Box::new(Settings { operators: without_joe, motd: vec![] })));
    assert!(!looks(&mut rig, "1 HANDOFF LIST"));
    assert!(show(&rig.step("2 HANDOFF LIST")[0]).is_some_and(|said| said.starts_with("2: handoff")));
    // Where there is none, it is whoever comes from the machine itself.
    rig.handle(Input::Configured(Box::default()));
    assert!(looks(&mut rig, "1 HANDOFF LIST"));
}
