//! What the directory hears of groups that accounts have a rank in.

use super::*;
use crate::charter::Charter;

/// Someone who has logged in to an account of their nick, in these groups.
fn owner(bench: &mut Bench, nick: &str, groups: &[&str]) -> Conn {
    let conn = bench.open();
    bench.says(conn, &format!("LOGIN {nick} u r {nick} secret"));
    bench.no_records();
    for group in groups {
        bench.says(conn, &format!("JOIN {group}"));
        bench.no_records();
    }
    conn
}

fn guest(bench: &mut Bench, nick: &str, groups: &[&str]) -> Conn {
    let conn = bench.open();
    bench.says(conn, &format!("LOGIN {nick} u r"));
    bench.no_records();
    for group in groups {
        bench.says(conn, &format!("JOIN {group}"));
        bench.no_records();
    }
    conn
}

/// What was told of groups since one looked last, and not answered.
fn sent(bench: &mut Bench) -> Vec<(Ticket, Vec<Charter>)> {
    let of = |command| if let PeerCommand::Charter { ticket, charters } = command { Some((ticket, charters)) } else { None };
    let asked = bench.asked(bench.home);
    for command in &asked {
        if let PeerCommand::Report { ticket, .. } = command {
            bench.tell(bench.home, LinkEvent::Stored { ticket: *ticket });
        }
    }
    asked.into_iter().filter_map(of).collect()
}

/// What the directory hears within two seconds, in short; it agrees at once.
fn told(bench: &mut Bench) -> Vec<String> {
    let mut all = vec![];
    for _ in 0..8 {
        bench.wait(250);
        for (ticket, charters) in sent(bench) {
            all.extend(charters.iter().map(show));
            bench.tell(bench.home, LinkEvent::Chartered { ticket });
        }
    }
    all
}

fn show(charter: &Charter) -> String {
    let ranks = charter.settings.ranks.iter().map(|(nick, rank)| format!(" {nick}:{}", rank.letters()));
    let topic = charter.settings.topic.as_ref().map_or(String::new(), |topic| format!(" '{}'", topic.text));
    format!("{}{topic}{}", charter.group, ranks.collect::<String>())
}

#[test]
fn what_an_account_founds_is_told_and_what_changes_in_it() {
    let mut bench = Bench::new(&[ME]);
    let joe = owner(&mut bench, "joe", &["#a"]);
    assert_eq!(told(&mut bench), ["#a joe:qo"]);
    bench.says(joe, "TOPIC #a weather");
    bench.says(joe, "MSG #a hello");
    assert_eq!(told(&mut bench), ["#a 'weather' joe:qo"]);
    // What is said, and who comes, is not of it; nor is a guest's rank.
    let bob = guest(&mut bench, "bob", &["#a"]);
    bench.says(joe, "MSG #a hello");
    bench.says(joe, "MODE #a +v bob");
    bench.says(bob, "PART #a");
    assert_eq!(told(&mut bench), [] as [&str; 0]);
    // It is kept for joe when everyone has gone.
    bench.says(joe, "PART #a");
    bench.wait(120_000);
    assert_eq!(told(&mut bench), [] as [&str; 0]);
}

#[test]
fn what_a_guest_founds_is_void_from_the_beginning() {
    let mut bench = Bench::new(&[ME]);
    let bob = guest(&mut bench, "bob", &["#a"]);
    assert_eq!(told(&mut bench), ["#a"]);
    bench.says(bob, "TOPIC #a weather");
    bench.says(bob, "PART #a");
    bench.wait(120_000);
    assert_eq!(told(&mut bench), [] as [&str; 0]);
}

#[test]
fn that_a_group_is_kept_for_nobody_any_more_is_told_even_when_it_is_gone() {
    let mut bench = Bench::new(&[ME]);
    let bob = guest(&mut bench, "bob", &["#a"]);
    let eve = owner(&mut bench, "eve", &["#a"]);
    bench.says(bob, "MODE #a +v eve");
    assert_eq!(told(&mut bench), ["#a eve:v"]);
    bench.says(bob, "MODE #a -v eve");
    bench.says(bob, "PART #a");
    bench.says(eve, "PART #a");
    // The directory is slow until the group is gone.
    bench.wait(120_000);
    assert!(bench.node.copies().all(|(name, ..)| name.as_str() != "#a"));
    let void = |sent: &[(Ticket, Vec<Charter>)]| sent.iter().flat_map(|(_, charters)| charters).any(Charter::is_void);
    let last = sent(&mut bench);
    assert!(void(&last[last.len() - 1..]), "{last:?}");
}

#[test]
fn what_was_not_agreed_on_is_told_again_and_in_batches() {
    let mut bench = Bench::new(&[ME]);
    let names: Vec<String> = (0..20).map(|n| format!("#g{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let _joe = owner(&mut bench, "joe", &names);
    bench.wait(1_000);
    let first = sent(&mut bench);
    assert!(first.len() == 1 && first[0].1.len() <= 8, "one batch at a time: {first:?}");
    bench.wait(2_000);
    assert!(sent(&mut bench).is_empty());
    bench.wait(2_000);
    let again = sent(&mut bench);
    assert_eq!(again.len(), 1);
    // What answers the first one comes too late.
    bench.tell(bench.home, LinkEvent::Chartered { ticket: first[0].0 });
    assert!(sent(&mut bench).is_empty());
    bench.tell(bench.home, LinkEvent::Chartered { ticket: again[0].0 });
    let mut all: Vec<String> = again.iter().flat_map(|(_, charters)| charters).map(show).collect();
    for (ticket, charters) in sent(&mut bench) {
        all.extend(charters.iter().map(show));
        bench.tell(bench.home, LinkEvent::Chartered { ticket });
    }
    all.extend(told(&mut bench));
    all.sort();
    let mut expect: Vec<String> = names.iter().map(|name| format!("{name} joe:qo")).collect();
    expect.sort();
    assert_eq!(all, expect);
}

#[test]
fn a_directory_that_comes_back_hears_of_all() {
    let mut bench = Bench::new(&[ME]);
    let _joe = owner(&mut bench, "joe", &["#a"]);
    assert_eq!(told(&mut bench), ["#a joe:qo"]);
    bench.give(Input::Lost { conn: bench.home });
    bench.wait(100);
    let home = bench.accept("10.0.0.9:7410", "10.0.0.9:7410");
    bench.home = home;
    let Some(PeerCommand::Register { ticket, .. }) = bench.asked(home).pop() else { panic!() };
    bench.tell(home, LinkEvent::Registered { ticket, epoch: bench.epoch() });
    assert_eq!(told(&mut bench), ["#a joe:qo"]);
}
