//! What goes past the filters: in its order, within their budget, and changed or refused as they say.

use super::*;
use crate::entry::Content;
use crate::event::{Code, Reply};
use crate::machine::{Deed, DeedKind, Judgment};

/// A node with filters, with someone called joe in `#a`.
fn bench() -> (Bench, Conn) {
    let mut bench = Bench::filtered(&[ME]);
    let conn = bench.open();
    bench.says(conn, "LOGIN joe u r");
    bench.no_records();
    bench.says(conn, "ENTER #a");
    judge(&mut bench, |_| Judgment::Pass);
    bench.no_records();
    bench.effects.retain(|effect| matches!(effect, Effect::Dial { .. }));
    (bench, conn)
}

/// What the filters are asked at the moment; not answered.
fn asked(bench: &mut Bench) -> Vec<(Ticket, Deed)> {
    let of = |effect: &Effect| if let Effect::Sift { ticket, deed } = effect { Some((*ticket, (**deed).clone())) } else { None };
    let asked = bench.effects.iter().filter_map(of).collect();
    bench.effects.retain(|effect| of(effect).is_none());
    asked
}

/// The filters answer all they are asked.
fn judge(bench: &mut Bench, judgment: impl Fn(&Deed) -> Judgment) {
    for (ticket, deed) in asked(bench) {
        bench.give(Input::Sifted { ticket, judgment: judgment(&deed) });
    }
}

/// What was said in `#a` since one looked last, and what joe was answered.
fn heard(bench: &mut Bench, conn: Conn) -> (Vec<String>, Vec<String>) {
    bench.wait(10);
    let said = |effect: &Effect| match effect {
        Effect::TellAll { event: Event::Entry(_, entry), .. } => match &entry.content {
            Content::Message { text, .. } | Content::Topic { text } => Some(text.to_string()),
            _ => None,
        },
        _ => None,
    };
    let entries = bench.effects.iter().filter_map(said).collect();
    bench.effects.retain(|effect| said(effect).is_none());
    let short = |event| match event {
        Event::Reply(Reply::Error { code, text, .. }) => Some(format!("{} {text}", code.as_str())),
        Event::Reply(Reply::Sent { .. }) => Some("sent".to_string()),
        Event::Reply(Reply::Pong { .. }) => Some("pong".to_string()),
        Event::Reply(Reply::Ok { .. }) => Some("ok".to_string()),
        _ => None,
    };
    (entries, bench.told(conn).into_iter().filter_map(short).collect())
}

#[test]
fn filters_see_what_is_said_and_may_change_or_refuse_it() {
    let (mut bench, joe) = bench();
    for line in ["MSG #a good", "MSG #a bad", "MSG #a rude", "TOPIC #a rude"] {
        bench.says(joe, line);
    }
    assert_eq!(heard(&mut bench, joe), (vec![], vec![]));
    let seen: Vec<_> = asked(&mut bench);
    let shown: Vec<_> = seen.iter().map(|(_, deed)| (deed.kind, &*deed.target, &*deed.text, deed.person.nick.as_str())).collect();
    use DeedKind::{Message, Topic};
    assert_eq!(
        shown,
        [(Message, "#a", "good", "joe"), (Message, "#a", "bad", "joe"), (Message, "#a", "rude", "joe"), (Topic, "#a", "rude", "joe")]
    );
    for (ticket, deed) in seen {
        let judgment = match &*deed.text {
            "good" => Judgment::Pass,
            "bad" => Judgment::Refuse("mind your words".into()),
            _ => Judgment::Rewrite("****".into()),
        };
        bench.give(Input::Sifted { ticket, judgment });
    }
    let (entries, answers) = heard(&mut bench, joe);
    assert_eq!(entries, ["good", "****", "****"]);
    assert_eq!(answers, ["sent", "CANNOTSEND mind your words", "sent", "ok"]);
}

#[test]
fn what_comes_behind_waits_and_each_keeps_its_place() {
    let (mut bench, joe) = bench();
    for line in ["MSG #a one", "PING", "MSG #a two", "NAMES #a"] {
        bench.says(joe, line);
    }
    let tickets: Vec<Ticket> = asked(&mut bench).into_iter().map(|(ticket, _)| ticket).collect();
    // The second is judged first.
    bench.give(Input::Sifted { ticket: tickets[1], judgment: Judgment::Pass });
    assert_eq!(heard(&mut bench, joe), (vec![], vec![]));
    bench.give(Input::Sifted { ticket: tickets[0], judgment: Judgment::Pass });
    let (entries, answers) = heard(&mut bench, joe);
    assert_eq!((entries, answers), (vec!["one".into(), "two".into()], vec!["sent".into(), "pong".into(), "sent".into()]));
    // Nothing is with the filters any more: what they do not look at is done at once.
    bench.says(joe, "PING");
    assert_eq!(heard(&mut bench, joe).1, ["pong"]);
}

#[test]
fn everything_is_answered_in_its_turn_also_what_is_no_command() {
    let (mut bench, joe) = bench();
    for line in ["MSG #a one", "FROB", "ENTER no-group", "NODES", "HELLO 9", "MSG #a two", "PING"] {
        bench.says(joe, line);
    }
    assert_eq!(heard(&mut bench, joe), (vec![], vec![]));
    judge(&mut bench, |_| Judgment::Pass);
    let words: Vec<String> = heard(&mut bench, joe).1.into_iter().map(|text| text.split(' ').next().unwrap().to_string()).collect();
    assert_eq!(words, ["sent", "UNKNOWN", "BADGROUP", "ERR", "NOPROTO", "sent", "pong"]);
}

#[test]
fn who_logs_in_behind_something_is_let_in_in_their_turn() {
    let (mut bench, joe) = bench();
    bench.says(joe, "MSG #a one");
    // Another account: what comes behind it is said as that one.
    let words: Vec<&[u8]> = vec![b"AUTH", b"joe", b"secret"];
    bench.give(Input::Heard { conn: joe, command: Command::parse(&words) });
    bench.says(joe, "MSG #a two");
    bench.says(joe, "PING");
    judge(&mut bench, |_| Judgment::Pass);
    assert_eq!(heard(&mut bench, joe), (vec!["one".into()], vec!["sent".into()]));
    let asked = |effect: &Effect| if let Effect::Judge { ticket, .. } = effect { Some(*ticket) } else { None };
    let ticket = bench.effects.iter().find_map(asked).unwrap();
    bench.give(Input::Judged { ticket, verdict: crate::machine::Verdict::Accept(Some("joe".into())) });
    assert_eq!(heard(&mut bench, joe), (vec!["two".into()], vec!["ok".into(), "sent".into(), "pong".into()]));
}

#[test]
fn joins_are_looked_at_each_by_itself() {
    let (mut bench, joe) = bench();
    bench.says(joe, "SUBSCRIBE #b #c");
    let refuse = |deed: &Deed| match &*deed.target {
        "#b" => Judgment::Refuse("".into()),
        _ => Judgment::Rewrite("a join has no text".into()),
    };
    judge(&mut bench, refuse);
    bench.no_records();
    let told = bench.told(joe);
    let refused = |event: &Event| matches!(event, Event::Reply(Reply::Error { code: Code::Banned, text, .. }) if text.contains("filter"));
    assert!(told.iter().any(refused), "{told:?}");
    let groups: Vec<_> = bench.node.copies().filter(|(name, ..)| !name.is_person()).map(|(name, ..)| name.to_string()).collect();
    assert_eq!(groups, ["#a", "#c"]);
}

#[test]
fn filters_that_take_too_long_are_not_waited_for() {
    let (mut bench, joe) = bench();
    bench.says(joe, "MSG #a one");
    bench.says(joe, "MSG #a two");
    let tickets: Vec<Ticket> = asked(&mut bench).into_iter().map(|(ticket, _)| ticket).collect();
    bench.wait(249);
    assert_eq!(heard(&mut bench, joe).0, ["one", "two"]);
    let given_up: Vec<Ticket> =
        bench.effects.iter().filter_map(|effect| if let Effect::Unsift { ticket } = effect { Some(*ticket) } else { None }).collect();
    assert_eq!(given_up, tickets);
    // What they say now means nothing.
    bench.give(Input::Sifted { ticket: tickets[0], judgment: Judgment::Refuse("late".into()) });
    assert_eq!(heard(&mut bench, joe), (vec![], vec![]));
}

#[test]
fn who_does_not_wait_is_not_read_from() {
    let (mut bench, joe) = bench();
    let paused = |bench: &Bench| {
        let last = |effect: &&Effect| matches!(effect, Effect::Pause { conn } | Effect::Resume { conn } if *conn == joe);
        matches!(bench.effects.iter().rfind(last), Some(Effect::Pause { .. }))
    };
    for n in 0..64 {
        assert!(!paused(&bench), "after {n}");
        bench.says(joe, &format!("SAY msg #a 0 {n}"));
    }
    assert!(paused(&bench));
    judge(&mut bench, |_| Judgment::Pass);
    assert!(!paused(&bench));
    assert_eq!(heard(&mut bench, joe).0.len(), 64);
}

#[test]
fn who_is_gone_does_nothing_any_more() {
    let (mut bench, joe) = bench();
    bench.says(joe, "MSG #a one");
    bench.give(Input::Lost { conn: joe });
    judge(&mut bench, |_| Judgment::Pass);
    assert_eq!(heard(&mut bench, joe).0, [""; 0]);
}

#[test]
fn bots_say_notices_and_no_filter_sees_them() {
    let (mut bench, joe) = bench();
    for text in ["one", "two"] {
        let nick = Nick::new("warden").unwrap();
        bench.give(Input::Bot { nick, group: group("#a"), text: text.into() });
    }
    assert_eq!(asked(&mut bench).len(), 0);
    assert_eq!(heard(&mut bench, joe).0, ["one", "two"]);
}
