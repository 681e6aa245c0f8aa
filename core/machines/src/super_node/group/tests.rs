//! What was said is said once, a copy is the same, and what does not follow is refused.

use super::*;
use crate::entry::SayKind;
use crate::ids::node_counter;
use crate::time::Jitter;
use crate::wire::Field;

/// Someone says things with these counters; which of them are new, in the order they come?
#[track_caller]
fn check(counters: &[u64], new: &[u64]) {
    let (name, limits) = (GroupName::new("#a").unwrap(), NodeLimits { log_entries: 2, ..NodeLimits::default() });
    let mut group = Group::new(name, Birth(1), Term::default(), Time(1), &limits);
    let text = || Text::from("");
    let person = Arc::new(Person { nick: Nick::new("joe").unwrap(), user: text(), host: text(), account: text(), real: text() });
    let mut said = Vec::new();
    for &counter in counters {
        let id = EntryId { session: SessionId(1), counter };
        if group.said_before(id, None).is_none() {
            group.append(Time(1), id, person.clone(), Content::Message { kind: SayKind::Message, text: text() });
            said.push(counter);
        }
    }
    assert_eq!(said, new);
}

fn somebody(n: u64) -> Arc<Person> {
    let (text, nick) = (|| Text::from(""), Nick::new(&format!("n{n}")).unwrap());
    // Some own their nick.
    let account = if n.is_multiple_of(2) { nick.as_str().into() } else { text() };
    Arc::new(Person { nick, user: text(), host: text(), account, real: text() })
}

/// Something happens, whatever it is: who does what comes from a number.
fn happen(group: &mut Group, dice: &mut Jitter, now: u64) -> Arc<Entry> {
    let (who, other) = (dice.below(6), dice.below(6));
    let (sender, session) = (somebody(who), SessionId(who));
    let node = NodeKey::new(&format!("10.0.0.{}", dice.below(3) + 1)).unwrap();
    let nick = somebody(other).nick.clone();
    let text = || Text::from(format!("text {who}"));
    let add = dice.below(2) == 0;
    let mode = [Mode::Operator, Mode::Voice, Mode::Ban, Mode::Key, Mode::Limit, Mode::InviteOnly, Mode::TopicLock][dice.below(7) as usize];
    let argument = match mode {
        Mode::Operator | Mode::Voice => nick.as_str().into(),
        Mode::Limit => Text::from("7"),
        _ => text(),
    };
    let content = match dice.below(13) {
        0 | 1 => Content::Join { node },
        2 => Content::Return { node },
        3 => Content::Part { reason: text() },
        4 => Content::Kick { nick, reason: text() },
        5 => Content::Topic { text: text() },
        6 => Content::Mode { changes: crate::entry::Modes(vec![ModeChange { add, mode, argument }]) },
        7 => Content::Nick { new: nick },
        8 => Content::Invite { nick },
        9 => Content::Away { text: text() },
        10 => Content::Again { kind: SayKind::Message, text: text(), birth: Birth(5), place: 3, said: Time(1) },
        11 if dice.below(4) == 0 => Content::Close { reason: text() },
        _ => Content::Message { kind: SayKind::Message, text: text() },
    };
    group.append(Time(now), EntryId { session, counter: dice.below(200) }, sender, content)
}

/// A group with a history, a copy of it made on the way, and what happened after that: is it the same in the end?
#[track_caller]
fn check_copy(seed: u64, before: u64, after: u64, windows: (usize, usize)) {
    let mut dice = Jitter::new(seed);
    let limits = |log_entries| NodeLimits { log_entries, ..NodeLimits::default() };
    let (name, term) = (GroupName::new("#a").unwrap(), Term { generation: 1, number: 1 });
    let mut group = Group::new(name.clone(), Birth(1), term, Time(1), &limits(windows.0));
    // Now and then so much time goes by that counters are forgotten.
    let mut now = 1;
    let mut next = |group: &mut Group| {
        now += dice.below(200_000);
        happen(group, &mut dice, now)
    };
    for _ in 0..before {
        next(&mut group);
    }
    let entries = group.log().iter().cloned().collect();
    let body = CopyBody { head: group.head(), members: group.member_rows(), counters: group.counter_rows(), entries };
    let mut copy = Group::from_copy(name, term, group.last(), body, &limits(windows.1)).expect("it fits together");
    assert_eq!((copy.last(), copy.state_hash()), (group.last(), group.state_hash()), "seed {seed}: the copy differs");
    group.term.number = 2;
    for _ in 0..after {
        let entry = next(&mut group);
        assert!(copy.follow(&entry));
        assert!(copy.follow(&entry), "it is known already");
    }
    assert_eq!((copy.last(), copy.state_hash()), (group.last(), group.state_hash()), "seed {seed}: what followed made a difference");
    copy.check_invariants();
}

#[test]
fn a_copy_that_follows_is_the_same() {
    for seed in 0..200 {
        check_copy(seed, seed % 60, seed / 4, (1_000, 1_000));
        check_copy(seed, seed % 60, seed / 4, (5, 1_000));
        check_copy(seed, seed % 60, seed / 4, (1_000, 5));
        check_copy(seed, seed % 60, seed / 4, (3, 1));
    }
}

#[test]
fn a_difference_is_seen() {
    let history = |seed| {
        let (mut dice, name) = (Jitter::new(seed), GroupName::new("#a").unwrap());
        let mut group = Group::new(name, Birth(1), Term::default(), Time(1), &NodeLimits::default());
        (0..20).for_each(|n| drop(happen(&mut group, &mut dice, n)));
        group.state_hash()
    };
    let hashes: std::collections::BTreeSet<u64> = (0..100).map(history).collect();
    assert_eq!(hashes.len(), 100);
    assert_eq!(history(7), history(7));
}

/// A group whose log has its last two entries of ten, of term 2 from entry 9 on: does it go along with this one?
#[track_caller]
fn check_follow(seq: u64, term: u64, fits: bool) {
    let (name, limits) = (GroupName::new("#a").unwrap(), NodeLimits { log_entries: 3, ..NodeLimits::default() });
    let of = |number| Term { generation: 1, number };
    let mut group = Group::new(name, Birth(1), of(1), Time(1), &limits);
    let mut dice = Jitter::new(1);
    for n in 1..=10 {
        group.term = of(if n < 9 { 1 } else { 2 });
        happen(&mut group, &mut dice, n);
    }
    let (last, hash) = (group.last(), group.state_hash());
    let content = Content::Message { kind: SayKind::Message, text: "x".into() };
    let entry = Entry { seq, term: of(term), id: EntryId::default(), time: Time(20), sender: somebody(1), content };
    assert_eq!(group.follow(&Arc::new(entry)), fits);
    let is_next = seq == 11 && fits;
    assert_eq!((group.last() == last, group.state_hash() == hash), (!is_next, !is_next));
}

#[test]
fn what_does_not_follow_is_refused() {
    check_follow(11, 2, true);
    check_follow(11, 3, true);
    // Known.
    check_follow(10, 2, true);
    check_follow(8, 1, true);
    // Another in its place.
    check_follow(10, 1, false);
    check_follow(10, 3, false);
    check_follow(8, 2, false);
    // A hole.
    check_follow(12, 2, false);
    check_follow(u64::MAX, 2, false);
    // Too old to tell.
    check_follow(2, 2, true);
    // A new one that is of an older term than what is here was never given that place after it.
    check_follow(11, 1, false);
}

/// Someone says something and leaves; the next master's clock is so far ahead. Is what they say again then new?
#[track_caller]
fn check_later(term: u64, later_ms: u64, expected: bool) {
    let name = GroupName::new("#a").unwrap();
    let mut group = Group::new(name, Birth(1), Term::default(), Time(1), &NodeLimits::default());
    let text = || Text::from("");
    let person = Arc::new(Person { nick: Nick::new("joe").unwrap(), user: text(), host: text(), account: text(), real: text() });
    let id = EntryId { session: SessionId(1), counter: 1 };
    group.append(Time(1), id, person.clone(), Content::Message { kind: SayKind::Message, text: text() });
    group.term = Term { generation: 0, number: term };
    group.append(Time(1 + later_ms), EntryId { session: SessionId(2), counter: 0 }, person, Content::Topic { text: text() });
    assert_eq!(group.said_before(id, None).is_none(), expected);
}

#[test]
fn counters_are_forgotten_by_one_clock_alone() {
    check_later(0, COUNTER_KEPT_MS - 1, false);
    check_later(0, COUNTER_KEPT_MS, true);
    check_later(1, COUNTER_KEPT_MS, false);
    check_later(1, u64::MAX - 1, false);
}

#[test]
fn what_was_said_is_said_once_though_the_order_changed() {
    check(&[1, 2, 2, 1, 3], &[1, 2, 3]);
    check(&[2, 1, 1, 2], &[2, 1]);
    check(&[5, 9, 6, 5, 9, 6], &[5, 9, 6]);
    check(&[1, 70, 2, 7, 7], &[1, 70, 7]);
    check(&[1, u64::MAX / 2, 1, u64::MAX / 2 - 1], &[1, u64::MAX / 2, u64::MAX / 2 - 1]);
    // What nodes count for a session is apart from what it counts itself, at each node.
    let (here, there) = (node_counter(SessionId(1)), node_counter(SessionId(2)));
    check(&[9, here + 1, 7, there + 1, here + 2, here + 1, there + 1, 7], &[9, here + 1, 7, there + 1, here + 2]);
    check(&[100, 37, 36], &[100, 37]);
}

/// A group of the life 7 up to entry 5, that goes on in life 8 behind it; entries 3 to 5 are of term 2, the later ones of term 3. It keeps so many of them.
fn forked(log_entries: usize) -> Group {
    let (name, limits) = (GroupName::new("#a").unwrap(), NodeLimits { log_entries, ..NodeLimits::default() });
    let mut group = Group::new(name, Birth(7), Term::default(), Time(1), &limits);
    for seq in 1..=7 {
        group.term = Term {
            generation: 0,
            number: if seq < 3 {
                1
            } else if seq < 6 {
                2
            } else {
                3
            },
        };
        if seq == 6 {
            group.begin_another_life(Birth(8));
        }
        group.append(Time(seq), EntryId { session: SessionId(1), counter: seq }, somebody(1), Content::Topic { text: "".into() });
    }
    group
}

#[test]
fn behind_a_fork_is_told_what_follows_the_same_history() {
    let (group, short) = (forked(9), forked(2));
    let look = |group: &Group, mark: Option<(u64, u64)>, term: u64, expect: &[u64], lost: bool| {
        let mark = mark.map(|(birth, seq)| Mark { birth: Birth(birth), seq });
        let missed = group.missed_by(mark, Term { generation: 0, number: term });
        let seqs: Vec<u64> = missed.entries.iter().map(|entry| entry.seq).collect();
        assert_eq!((&seqs[..], missed.lost), (expect, lost), "{mark:?} of term {term}");
    };
    let check = |mark, term, expect: &[u64], lost| look(&group, mark, term, expect, lost);
    check(Some((8, 5)), 0, &[6, 7], false);
    check(Some((7, 4)), 2, &[5, 6, 7], false);
    check(Some((7, 2)), 1, &[3, 4, 5, 6, 7], false);
    // Another history of that life: nothing of a later term was heard in it.
    check(Some((7, 4)), 1, &[3, 4, 5, 6, 7], false);
    // It is not known which.
    check(Some((7, 4)), 0, &[], true);
    // Behind the fork that life went on without us; and another one, of which nothing is known here.
    check(Some((7, 6)), 2, &[6, 7], false);
    check(Some((5, 4)), 2, &[6, 7], false);
    check(Some((5, 4)), 3, &[], false);
    // Where the log begins with what is later there was more of it.
    look(&short, Some((5, 4)), 2, &[6, 7], true);
    look(&short, Some((8, 5)), 2, &[6, 7], false);
    look(&short, Some((8, 4)), 2, &[6, 7], true);
    // Of the place itself nothing is left: what follows it is of the same master.
    look(&forked(3), Some((7, 3)), 2, &[5, 6, 7], true);
    check(None, 0, &[], false);
}

#[test]
fn what_was_said_in_a_life_of_which_nothing_is_known_is_not_said_again() {
    let mut group = forked(9);
    let message = Content::Message { kind: SayKind::Message, text: "x".into() };
    group.append(Time(9), EntryId { session: SessionId(1), counter: 9 }, somebody(1), message);
    let check = |session: u64, birth: Option<u64>, expect: Option<Code>| {
        let said = group.said_before(EntryId { session: SessionId(session), counter: 20 }, birth.map(Birth));
        assert_eq!(said.map(|said| said.unwrap_err().code), expect, "{session} in {birth:?}");
    };
    check(2, None, None);
    check(2, Some(8), None);
    check(2, Some(7), None);
    check(2, Some(6), Some(Code::Expired));
    // Of whom something is known, all is known.
    check(1, Some(6), None);
}

/// A group of a founder and somebody else, moderated and locked: an operator of the network does this, and this comes of it.
#[track_caller]
fn check_order(name: &str, order: &str, expect: Result<&str, Code>) {
    let (name, limits) = (GroupName::new(name).unwrap(), NodeLimits::default());
    let mut group = Group::new(name, Birth(1), Term::default(), Time(1), &limits);
    let node = NodeKey::new("10.0.0.1").unwrap();
    let people: u64 = if group.name.is_person() { 1 } else { 2 };
    for who in 0..people {
        group.append(Time(1), EntryId { session: SessionId(who + 1), counter: 0 }, somebody(who), Content::Join { node: node.clone() });
    }
    let words: Vec<&[u8]> = order.split(' ').map(str::as_bytes).collect();
    let order = crate::order::Order::take(&mut crate::wire::Reader::new(&words)).unwrap();
    let op = crate::peer::Op::Steer { order };
    let ann = crate::order::person_of("ann", "me".into());
    let content = group.decide(crate::order::NOBODYS, &ann, &node, &op, &limits);
    let said = content.map_err(|refusal| refusal.code).map(|content| {
        let mut out = crate::wire::Argv::default();
        content.put(&mut out);
        out.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
    });
    assert_eq!(said, expect.map(str::to_string));
}

#[test]
fn operators_of_the_network_are_above_all_ranks() {
    check_order("#a", "TOPIC hi", Ok("topic hi"));
    check_order("#a", "TOPIC ", Ok("topic "));
    check_order("#a", &format!("TOPIC {}", "x".repeat(SHORT_TEXT_MAX + 1)), Err(Code::TooLong));
    check_order("#a", "KICK n0 enough", Ok("kick n0 enough"));
    check_order("#a", "KICK N1", Ok("kick n1 "));
    check_order("#a", "KICK n2", Err(Code::NotInGroup));
    check_order("#a", "MODE -o+o n0 n1", Ok("mode -o+o n0 n1"));
    check_order("#a", "MODE +t", Ok("mode "));
    check_order("#a", "MODE +b spam", Ok("mode +b spam!*@*"));
    check_order("#a", "CLOSE bye", Ok("close bye"));
    check_order("#a", "CLOSE", Ok("close "));
    for order in ["TOPIC hi", "KICK n0", "MODE +m", "CLOSE", "HISTORY 9"] {
        check_order("@n0", order, Err(Code::BadGroup));
    }
}

#[test]
fn of_a_closed_group_nothing_is_left() {
    let (name, limits) = (GroupName::new("#a").unwrap(), NodeLimits::default());
    let mut group = Group::new(name, Birth(1), Term::default(), Time(1), &limits);
    let node = NodeKey::new("10.0.0.1").unwrap();
    let of = |who: u64| EntryId { session: SessionId(who + 1), counter: 0 };
    let order = |group: &Group, order: &str| {
        let words: Vec<&[u8]> = order.split(' ').map(str::as_bytes).collect();
        let op = crate::peer::Op::Steer { order: crate::order::Order::take(&mut crate::wire::Reader::new(&words)).unwrap() };
        group.decide(crate::order::NOBODYS, &somebody(8), &node, &op, &limits).map_err(|refusal| refusal.code)
    };
    assert_eq!(order(&group, "CLOSE"), Err(Code::NoSuchGroup));
    group.append(Time(1), of(0), somebody(0), Content::Join { node: node.clone() });
    group.append(Time(2), of(0), somebody(0), Content::Message { kind: SayKind::Message, text: "secret".into() });
    group.append(Time(2), of(0), somebody(0), Content::Topic { text: "old".into() });
    assert_eq!(group.history(2, 3).map(|entries| entries.iter().map(|entry| entry.seq).collect::<Vec<_>>()), Ok(vec![2, 3]));
    assert_eq!(group.history(9, 2).map(|entries| entries.len()), Ok(2), "not what is not safe yet");
    let closed = order(&group, "CLOSE").unwrap();
    group.append(Time(3), of(8), somebody(8), closed);
    assert!(group.is_disposable() && group.settings == Settings::new(Time(3)) && group.log().len() == 1);
    assert_eq!((group.seq, group.history(9, 9)), (4, Ok(vec![])));
    assert_eq!(group.went(SessionId(1), &somebody(0).nick), Some(Went::Kicked));
    for again in ["CLOSE", "TOPIC x"] {
        assert_eq!(order(&group, again), Err(Code::NoSuchGroup), "{again}");
    }
    group.append(Time(4), of(1), somebody(1), Content::Join { node });
    assert!(group.members()[&SessionId(2)].rank.founder);
    group.check_invariants();
}
