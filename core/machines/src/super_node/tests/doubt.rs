//! Nicks are kept as long as nobody else can be their master, and no longer.

use super::*;

/// Whoever has this nick here, in a ring of two that has us as its master, with a standby that counts.
fn named(bench: &mut Bench) -> (Conn, Conn) {
    let ring = Ring::of([ME, OTHER].map(key), RingParams::default());
    let is_ours = |nick: &String| ring.master(&format!("@{nick}")) == Some(&key(ME));
    let nick = (0..).map(|n| format!("joe{n}")).find(is_ours).expect("there are many");
    let inward = bench.peer(OTHER, 1);
    bench.settled(inward);
    let person = bench.open();
    bench.says(person, &format!("NICK {nick}"));
    let other = bench.link(OTHER);
    bench.follow(other);
    bench.turn();
    let told = bench.told(person);
    assert!(told.contains(&Event::ok()), "the nick is theirs: {told:?}");
    bench.effects.clear();
    (person, other)
}

/// The directory is heard or not, and the standby knows of the present ring, or a newer one by so much, or is silent: has the nick been given up in time?
#[track_caller]
fn check(is_well: bool, knows: Option<u64>, expect: bool) {
    let mut bench = Bench::new(&[ME, OTHER]);
    let (person, other) = named(&mut bench);
    (bench.is_well, bench.are_alive) = (is_well, false);
    let epoch = epoch(bench.epoch + knows.unwrap_or(0));
    let (timing, since) = (NodeTiming::default(), bench.now);
    let mut renamed = None;
    while bench.now.since_ms(since) < 12_000 {
        bench.wait(250);
        for (conn, asked) in bench.probes() {
            if conn == other && knows.is_some() {
                bench.tell(conn, LinkEvent::Here { asked, epoch });
            }
        }
        let is_guest = |event: Event| matches!(event, Event::Push(Push::NickIs { new, .. }) if new.as_str().starts_with("guest-"));
        if bench.told(person).into_iter().any(is_guest) {
            renamed.get_or_insert(bench.now.since_ms(since));
        }
    }
    match renamed {
        None => assert!(!expect, "the nick is kept"),
        // From a lease without the directory, and without the others, it is their lapse that counts.
        Some(ms) => assert!(expect && ms <= timing.lease_ms + timing.lapse_ms, "given up after {ms} ms"),
    }
}

#[test]
fn a_nick_is_given_up_where_neither_directory_nor_standby_vouches_for_it() {
    check(true, Some(0), false);
    check(false, Some(0), false);
    check(false, None, true);
    check(false, Some(1), true);
    // The directory is believed, but not against who knows better: that is the directory's own next view.
    check(true, Some(1), false);
}

#[test]
fn a_nick_in_a_ring_of_one_outlives_the_directory() {
    let mut bench = Bench::new(&[ME]);
    let person = bench.open();
    bench.says(person, "NICK joe");
    bench.wait(100);
    assert!(bench.told(person).contains(&Event::ok()));
    (bench.is_well, bench.are_alive) = (false, false);
    bench.wait(60_000);
    assert!(!bench.told(person).iter().any(|event| matches!(event, Event::Push(Push::NickIs { .. }))));
}
