//! Operators of the network do something in a group: members see it, and who is closed out can come again.

use super::*;
use crate::entry::Content;
use crate::event::{Code, Reply};
use crate::machine::Settings;
use crate::operators::{Operator, Role, SecretHash};

/// Two people in a group of ours, and an operator who is not.
fn watched(bench: &mut Bench) -> [Conn; 3] {
    let conns = [bench.open(), bench.open(), bench.open()];
    for (conn, nick) in conns.iter().zip(["joe", "bob"]) {
        bench.says(*conn, &format!("NICK {nick}"));
        bench.says(*conn, "ENTER #a");
        bench.no_records();
        bench.told(*conn);
    }
    conns
}

fn is_ok(event: &Event) -> bool {
    matches!(event, Event::Reply(Reply::Ok { .. }))
}

/// What someone hears of the group, in the words of its records.
fn hears(bench: &mut Bench, conn: Conn) -> Vec<String> {
    let told = bench.told(conn);
    let entry = |event: &Event| match event {
        Event::Entry(_, entry) => {
            let mut out = crate::wire::Argv::default();
            out.push(entry.sender.mask().as_bytes());
            crate::wire::Field::put(&entry.content, &mut out);
            Some(out.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    };
    told.iter().filter_map(entry).collect()
}

#[test]
fn everyone_hears_who_did_it_and_goes_when_the_group_is_closed() {
    let mut bench = Bench::new(&[ME]);
    let [joe, bob, ann] = watched(&mut bench);
    let all = |bench: &Bench| {
        let entry = |effect: &Effect| match effect {
            Effect::TellAll { event: Event::Entry(_, entry), .. } => Some((entry.sender.mask(), entry.content.clone())),
            _ => None,
        };
        bench.effects.iter().filter_map(entry).next_back()
    };
    bench.says(ann, "STEER #a TOPIC new");
    assert!(is_ok(&bench.told(ann)[0]));
    assert_eq!(all(&bench), Some(("local!operator@me".into(), Content::Topic { text: "new".into() })));
    bench.says(ann, "STEER #a KICK eve");
    assert!(matches!(bench.told(ann)[..], [Event::Reply(Reply::Error { code: Code::NotInGroup, .. })]));
    bench.says(ann, "STEER @joe TOPIC new");
    assert!(matches!(bench.told(ann)[..], [Event::Reply(Reply::Error { code: Code::BadGroup, .. })]));
    bench.says(ann, "STEER #a HISTORY 1");
    let [Event::Reply(Reply::History { cells })] = &bench.told(ann)[..] else { panic!("no history") };
    assert_eq!(cells.0[2..].iter().map(|cell| &**cell).collect::<Vec<_>>(), ["local", "topic", "new"]);

    bench.says(ann, "STEER #a CLOSE enough");
    assert!(is_ok(&bench.told(ann)[0]));
    assert_eq!(hears(&mut bench, joe), ["local!operator@me kick joe the group is closed: enough"]);
    assert_eq!(hears(&mut bench, bob), ["local!operator@me kick bob the group is closed: enough"]);
    bench.says(ann, "STEER #a HISTORY 9");
    assert!(matches!(&bench.told(ann)[..], [Event::Reply(Reply::History { cells })] if cells.0.is_empty()));
    bench.says(bob, "ENTER #a");
    let told = bench.told(bob);
    assert!(
        told.iter().any(|event| matches!(event, Event::Reply(Reply::Entered { topic, members: 1, .. }) if topic.is_empty())),
        "{told:?}"
    );
    bench.says(bob, "TOPIC #a mine");
    assert!(bench.told(bob).iter().any(is_ok), "whoever comes again founds it");
}

#[test]
fn a_closed_group_that_stays_empty_is_forgotten() {
    let mut bench = Bench::new(&[ME]);
    let [.., ann] = watched(&mut bench);
    let held = bench.node.groups_held();
    bench.says(ann, "STEER #a CLOSE");
    bench.wait(61_000);
    assert_eq!(bench.node.groups_held(), held - 1);
}

#[test]
fn connections_are_listed_page_by_page_and_closed_by_nick_or_id() {
    let mut bench = Bench::new(&[ME]);
    let [joe, bob, ann] = watched(&mut bench);
    let crowd: Vec<Conn> = (0..250).map(|_| bench.open()).collect();
    let page = |bench: &mut Bench, after: &str| {
        bench.says(ann, format!("CLIENTS {after}").trim_end());
        match &bench.told(ann)[..] {
            [Event::Reply(Reply::Clients { cells })] => cells.0.clone(),
            other => panic!("{other:?}"),
        }
    };
    let first = page(&mut bench, "");
    let second = page(&mut bench, &first[first.len() - 7]);
    assert_eq!((first.len() / 7, second.len() / 7), (200, 52));
    assert!(page(&mut bench, &second[second.len() - 7]).is_empty());
    assert_eq!((&*first[1], &*first[4], &*first[8]), ("joe", "1", "bob"));

    bench.says(ann, "KILL eve");
    assert!(matches!(bench.told(ann)[..], [Event::Reply(Reply::Error { code: Code::NoSuchNick, .. })]));
    bench.says(ann, "KILL JOE enough");
    assert!(is_ok(&bench.told(ann)[0]) && bench.is_closed(joe));
    let last = bench.told(joe).pop();
    assert!(
        matches!(&last, Some(Event::Push(Push::Closing { reason })) if &**reason == "closed by the operator local: enough"),
        "{last:?}"
    );
    bench.says(ann, &format!("KILL {}", first[7]));
    assert!(is_ok(&bench.told(ann)[0]) && bench.is_closed(bob) && !bench.is_closed(crowd[0]));
    // That number is somebody else's by then.
    bench.says(ann, &format!("KILL {}", first[7]));
    assert!(matches!(bench.told(ann)[..], [Event::Reply(Reply::Error { code: Code::NoSuchNick, .. })]));
}

#[test]
fn other_operators_and_another_motd_hold_at_once() {
    let mut bench = Bench::new(&[ME]);
    let ann = bench.open();
    let operator = |role| Operator { name: "ann".into(), role, hash: SecretHash::of("s") };
    let configured = |role| Input::Configured(Box::new(Settings { operators: [operator(role)].into(), motd: vec!["hi".into()] }));
    let may = |bench: &mut Bench| {
        bench.says(ann, "CLIENTS");
        matches!(bench.told(ann)[..], [Event::Reply(Reply::Clients { .. })])
    };
    assert!(may(&mut bench), "nobody is configured, and ann is on this machine");
    bench.give(configured(Role::Viewer));
    assert!(!may(&mut bench));
    bench.says(ann, "OPERATOR ann s");
    bench.told(ann);
    assert!(may(&mut bench));
    bench.give(configured(Role::Viewer));
    assert!(may(&mut bench), "she is the same");
    bench.give(configured(Role::Admin));
    assert!(!may(&mut bench));
    bench.says(ann, "MOTD");
    assert!(matches!(&bench.told(ann)[..], [Event::Reply(Reply::Motd { lines })] if *lines.0 == ["hi".into()]));
}
