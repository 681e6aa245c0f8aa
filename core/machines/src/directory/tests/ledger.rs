//! Charters and accounts on their way into the log, and what is told of them.

use super::*;
use crate::charter::Charter;
use crate::entry::{Rank, Settings};
use crate::ids::{Birth, Term};
use crate::names::{GroupName, Nick};
use crate::time::Time;

/// A ring of 192.0.2.1, which has connection 1.
fn rig() -> Rig {
    let mut rig = Rig::new(DirectoryLimits::default());
    for line in ["start", "durable", "node 1 192.0.2.1 1", "1 REGISTER 7 a", "durable", "node 2 192.0.2.2 1"] {
        rig.step(line);
    }
    rig
}

fn charter(group: &str, seq: u64, owner: Option<&str>) -> Charter {
    let mut settings = Settings::new(Time(1));
    let rank = Rank { founder: true, operator: true, voice: false };
    settings.ranks = owner.iter().map(|nick| (Nick::new(nick).unwrap(), rank)).collect();
    let term = Term { generation: 1, number: 3 };
    Charter { group: GroupName::new(group).unwrap(), birth: Birth(5), term, seq, settings }
}

/// What comes of a charter that a connection tells of: at once, and once it is durable.
#[track_caller]
fn check(rig: &mut Rig, slot: &str, charters: &[Charter], expect: &str) {
    let command = PeerCommand::Charter { ticket: Ticket(9), charters: charters.to_vec() };
    let mut effects = rig.handle(Input::Heard { conn: conn(slot), command: Ok(command.into()) });
    effects.extend(rig.durable());
    assert_eq!(effects.iter().filter_map(show).collect::<Vec<_>>().join(" | "), expect);
}

#[test]
fn a_master_is_answered_when_its_charters_are_agreed_on() {
    let mut rig = rig();
    check(&mut rig, "1", &[charter("#a", 5, Some("joe")), charter("#b", 5, None)], "commit charters | 1: chartered 9");
    assert_eq!(rig.directory.state().ledger().charters().len(), 1);
    // Nothing new, and older.
    check(&mut rig, "1", &[charter("#a", 7, Some("joe")), charter("#a", 4, Some("bob"))], "1: chartered 9");
    // Not the group's master, which may have been one.
    check(&mut rig, "2", &[charter("#a", 9, Some("bob"))], "2: chartered 9");
    // Nor are people groups of that kind.
    check(&mut rig, "1", &[charter("@a", 9, Some("bob"))], "1: chartered 9");
    let kept = rig.store.kept().state.clone();
    assert_eq!(kept, *rig.directory.state());
    rig.restart();
    assert_eq!(kept, *rig.directory.state());
    let ring = rig.directory.state().view().epoch;
    rig.step("node 1 192.0.2.1 1");
    rig.step("1 REGISTER 7 a");
    check(&mut rig, "1", &[charter("#a", 9, None)], "commit charters | 1: chartered 9");
    assert_eq!((rig.directory.state().ledger().charters().len(), rig.directory.state().view().epoch), (0, ring));
}

#[test]
fn a_charter_is_what_is_remembered_of_a_group_that_nobody_reported() {
    let mut rig = rig();
    check(&mut rig, "1", &[charter("#a", 5, Some("joe"))], "commit charters | 1: chartered 9");
    let ask = |rig: &mut Rig, group: &str| {
        rig.heard("1", &["RECORD", "8", group]);
        rig.durable().iter().filter_map(show).collect::<Vec<_>>().join(" | ")
    };
    let known = ask(&mut rig, "#a");
    assert!(known.starts_with("1: record 8 192.0.2.1 0000000000000005 1.3 5 1 ") && known.contains(" joe qo "), "{known}");
    assert_eq!(ask(&mut rig, "#b"), "1: record 8 ");
}

#[test]
fn accounts_are_set_by_operators_and_told_to_nodes() {
    let mut rig = rig();
    let far = rig.open("8", 0, [198, 51, 100, 7]);
    assert!(far.is_empty());
    rig.step("open 9");
    let steps = [
        ("9 ACCOUNT LIST", "9: accounts"),
        ("9 ACCOUNT SET", "9: error SYNTAX argument 'name' is missing"),
        ("9 ACCOUNT SET joe", "9: error SYNTAX argument 'secret' is missing"),
        ("9 ACCOUNT SET joe $argon2id$x", "9 paused | commit account"),
        ("durable", "9: ok OK | 9 resumed"),
        ("until 2000", ""),
        ("9 ACCOUNT SET JOE $argon2id$y", "9 paused | commit account"),
        ("durable", "9: ok OK | 9 resumed"),
        ("9 ACCOUNT LIST", "9: accounts joe 1000 2000"),
        ("9 ACCOUNT LIST k", "9: accounts"),
        ("1 ACCOUNTOF 4 Joe", "1: account 4 joe $argon2id$y 1000 2000"),
        ("1 ACCOUNTOF 4 eve", "1: account 4 "),
        ("node 3 edge:desk 1", "3: proven"),
        ("3 ACCOUNTOF 4 joe", "3: account 4 joe  1000 2000"),
        ("9 ACCOUNT REMOVE eve", "9: error ERR there is no account eve; ACCOUNT LIST shows which there are"),
        (
            "8 ACCOUNT LIST",
            "8: error NOPERM ACCOUNT LIST is for operators, and none is configured here: run it on the machine of this server, over loopback (127.0.0.1 or ::1), or configure an [[operator]]",
        ),
        (
            "8 ACCOUNTOF 4 joe",
            "8: error NOPERM ACCOUNTOF is for nodes of this network that have proved it, on the node's own port | 8 closed",
        ),
        ("9 ACCOUNT REMOVE joe", "9 paused | commit account"),
        ("durable", "9: ok OK | 9 resumed"),
        ("9 ACCOUNT LIST", "9: accounts"),
    ];
    for (line, expect) in steps {
        let effects: Vec<String> = rig.step(line).iter().filter_map(show).collect();
        assert_eq!(effects.join(" | "), expect, "after '{line}'");
    }
}
