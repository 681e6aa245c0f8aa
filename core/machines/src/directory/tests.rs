//! What a directory server does, as stories: each line is an input, beside it the effects it must have. `rig` has their language.

mod admission;
mod certified;
mod gauges;
mod ledger;
mod old_ring;
mod planned;
mod rig;
mod standing;

use super::*;
use crate::handshake::{Accepting, Dialling, Whom};
use crate::list::{ListSigner, SignedList, Trust};
use crate::machine::{Query, Store, Write};
use crate::peer::{Change, PeerCommand};
use crate::secret::NetworkSecret;
use crate::view::RingParams;
use rig::*;

#[test]
fn a_node_registers_once_it_is_durable_and_hears_of_the_next() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3"),
        ("1 HEARTBEAT 1500", "1: beat 1500 1.3"),
        ("node 2 edge:cafe 1", "2: proven"),
        ("2 REGISTER 1 cafe", "2: refused ERR edge:cafe can't be dialled, so it can't be in the ring: WATCH it instead"),
        ("2 WATCH", "2 watches | 2: view 1.3 192.0.2.1/1 | 2: pending 0 -"),
        ("2 WATCH", ""),
        ("2 HEARTBEAT 1600", "2: beat 1600 1.3"),
        ("node 3 192.0.2.2:7412 5", "3: proven"),
        ("3 REGISTER 1 beta", "3 watches | 3: view 1.3 192.0.2.1/1 | 3: pending 0 - | prepare 1 join 192.0.2.2:7412/5"),
        ("durable", "all: pending 1 join 192.0.2.2:7412/5"),
        ("1 ready 1", "make 1"),
        ("durable", "all: view 1.4 192.0.2.1/1 192.0.2.2:7412/5 | all: pending 1 - | 3: registered 1 1.4"),
        ("fell 2", "2: view 1.4 192.0.2.1/1 192.0.2.2:7412/5 | 2: pending 1 - | 2 watches"),
    ]);
}

#[test]
fn who_has_the_view_is_not_shown_it() {
    check(&[
        ("node 1 edge:a 1", "1: proven"),
        ("1 WATCH 1.2", "1 watches | 1: pending 0 -"),
        ("node 2 edge:b 1", "2: proven"),
        ("2 WATCH 1.1", "2 watches | 2: view 1.2 | 2: pending 0 -"),
    ]);
}

#[test]
fn another_start_replaces_the_first() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("1 REGISTER 8 alpha", ""),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3 | 1: registered 8 1.3"),
        ("1 REGISTER 9 alpha", "1: registered 9 1.3"),
        ("node 2 192.0.2.1 2", "2: proven"),
        (
            "2 REGISTER 1 alpha",
            "2 watches | 2: view 1.3 192.0.2.1/1 | 2: pending 0 - | 1: refused ERR 192.0.2.1 has registered on another connection | 1 closed | remove 192.0.2.1: was started anew",
        ),
        ("durable", "all: view 1.4 | commit admit | all: view 1.5 192.0.2.1/2 | 2: registered 1 1.5"),
        // The same start, on a new connection: no change of the ring.
        ("node 3 192.0.2.1 2", "3: proven"),
        (
            "3 REGISTER 1 alpha",
            "2: refused ERR 192.0.2.1 has registered on another connection | 2 closed | 3: registered 1 1.5 | 3 watches | 3: view 1.5 192.0.2.1/2 | 3: pending 0 -",
        ),
    ]);
}

#[test]
fn who_is_silent_for_a_lease_is_declared_dead_once() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        // The clock begins when the place is durable.
        ("until 2000", ""),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3"),
        ("until 3000", ""),
        ("1 HEARTBEAT 2900", "1: beat 2900 1.3"),
        ("until 5999", ""),
        ("until 6000", "remove 192.0.2.1: was silent for 3000 ms"),
        ("until 60000", ""),
        // Not confirmed while its death is under way: it would believe in a lease.
        ("1 HEARTBEAT 60000", "1: refused NOTMEMBER 192.0.2.1 is not in the ring (any more): register again"),
        ("1 REGISTER 8 alpha", ""),
        ("durable", "all: view 1.4 | commit admit | all: view 1.5 192.0.2.1/1 | 1: registered 8 1.5"),
    ]);
}

#[test]
fn a_suspect_is_dialled_and_dead_when_it_refuses() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("node 2 192.0.2.2:7412 1", "2: proven"),
        ("2 REGISTER 7 beta", "2 watches | 2: view 1.2 | 2: pending 0 -"),
        (
            "durable",
            "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3 | prepare 1 join 192.0.2.2:7412/1 | all: pending 1 join 192.0.2.2:7412/1",
        ),
        ("1 ready 1", "make 1"),
        ("durable", "all: view 1.4 192.0.2.1/1 192.0.2.2:7412/1 | all: pending 1 - | 2: registered 7 1.4"),
        ("1 SUSPECT 192.0.2.3", ""),
        ("1 SUSPECT 192.0.2.2:7412", "dial 192.0.2.2:7412"),
        ("1 SUSPECT 192.0.2.2:7412", ""),
        ("reached", "99 closed"),
        // Once in 200 ms; a suspicion in between is not forgotten.
        ("until 1100", ""),
        ("until 1200", "dial 192.0.2.2:7412"),
        ("unreachable", ""),
        ("until 2000", ""),
        ("lost 2", "dial 192.0.2.2:7412"),
        ("1 NODES", "query Loads | 1 paused"),
        (
            "durable",
            "1: nodes 192.0.2.1 alpha 0000000000000001 1000 alive 0 192.0.2.2:7412 beta 0000000000000001 1000 suspected 0 | 1 resumed",
        ),
        ("refused", "remove 192.0.2.2:7412: refuses connections"),
        ("1 SUSPECT 192.0.2.2:7412", ""),
        ("durable", "all: view 1.5 192.0.2.1/1"),
    ]);
}

#[test]
fn a_refusal_that_comes_late_does_not_hit_the_next_start() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3"),
        ("lost 1", "dial 192.0.2.1:7411"),
        ("node 2 192.0.2.1 2", "2: proven"),
        ("2 REGISTER 1 alpha", "2 watches | 2: view 1.3 192.0.2.1/1 | 2: pending 0 - | remove 192.0.2.1: was started anew"),
        ("refused", ""),
        ("durable", "all: view 1.4 | commit admit | all: view 1.5 192.0.2.1/2 | 2: registered 1 1.5"),
    ]);
}

#[test]
fn who_leaves_hears_so_when_it_is_durable() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 LEAVE 1", "1: left 1"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("1 LEAVE 2", ""),
        ("1 LEAVE 3", "1: refused ERR 192.0.2.1 has asked already"),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3 | remove 192.0.2.1: left | all: view 1.4 | 1: left 2"),
        ("1 LEAVE 4", "1: left 4"),
        ("lost 1", ""),
    ]);
}

#[test]
fn a_restart_gives_everyone_a_full_lease() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3"),
        ("until 3500", ""),
        ("restart", ""),
        ("until 6000", ""),
        ("node 2 192.0.2.1 1", "2: proven"),
        ("2 REGISTER 1 alpha", "2: registered 1 1.3 | 2 watches | 2: view 1.3 192.0.2.1/1 | 2: pending 0 -"),
        ("2 RING", "2: ring: view 1.3 192.0.2.1/1"),
        ("until 9000", "remove 192.0.2.1: was silent for 3000 ms"),
        // Killed before the store had it: nobody was told, and it is found out again.
        ("restart", ""),
        ("until 12000", "remove 192.0.2.1: was silent for 3000 ms"),
        ("durable", "all: view 1.4"),
    ]);
}

#[test]
fn nobody_is_judged_for_a_time_in_which_the_directory_slept() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3"),
        ("sleep 60000", ""),
        ("until 62999", ""),
        ("until 63000", "remove 192.0.2.1: was silent for 3000 ms"),
    ]);
}

#[test]
fn strangers_may_read_and_nothing_else() {
    check(&[
        ("open 1", ""),
        ("1 PING", "1: pong PONG"),
        ("1 PING hi", "1: pong hi"),
        ("1 HELLO 3", "1: hello server chatring version 0.1.0 proto 3 id 1 mode directory role master modules "),
        ("1 HELLO 4", "1: error NOPROTO unsupported protocol version: 2 and 3 are spoken here"),
        ("1 AUTH joe secret", "1: ok OK"),
        ("1 CLIENT ID", "1: integer 1"),
        ("1 CLIENT SETNAME joe", "1: ok OK"),
        ("1 CLIENT GETNAME", "1: text joe"),
        ("1 COMMAND DOCS", "1: array"),
        ("1 RING", "1: ring: view 1.2"),
        ("1 JOIN #a", "1: error ERR JOIN is answered by super nodes; this is a directory server: ask RING for them"),
        ("1 FROB", "1: error UNKNOWN unknown command 'FROB'"),
        ("1 GROUP #a", "query Record(#a) | 1 paused"),
        ("durable", "1: error NOSUCHGROUP no group #a is known here; a group that was just opened is known in a second #a | 1 resumed"),
        ("1 MEMBERS", "1: error SYNTAX argument 'group' is missing"),
        ("1 MEMBERS #a", "query Record(#a) | 1 paused"),
        ("durable", "1: error NOSUCHGROUP no group #a is known here; a group that was just opened is known in a second #a | 1 resumed"),
        (
            "1 SUSPECT 192.0.2.1",
            "1: error NOPERM SUSPECT is for nodes of this network that have proved it, on the node's own port | 1 closed",
        ),
        ("1 PING", ""),
        ("open 2 1", ""),
        (
            "2 PEER 1 net 192.0.2.1 0000000000000001 7",
            "2: error NOPERM PEER is for nodes of this network that have proved it, on the node's own port | 2 closed",
        ),
        ("open 3", ""),
        (
            "3 PEER 1 other 192.0.2.1 0000000000000001 7",
            "3: refused NOPERM this is network 'net', not 'other': check [network] name | 3 closed",
        ),
        ("open 4", ""),
        ("liar 4 192.0.2.1", "4: refused NOPERM the network secret does not match: check [network] secret on both nodes | 4 closed"),
        ("open 5", ""),
        ("5 QUIT", "5: ok OK | 5 closed"),
        ("open 6", ""),
        ("6 GROUPS", "query Groups { pattern: \"*\", limit: 10000 } | 6 paused"),
        ("lost 6", ""),
        ("durable", ""),
    ]);
}

#[test]
fn reports_are_stored_batch_by_batch() {
    let report = "#a 0000000000000001 1.3 9 0 1 5 topic joe 5 1 1 0 0   0 1 joe q \
                  1 00000000000000aa joe j host  Joe 192.0.2.1 4 0 \
                  1 192.0.2.1";
    let batch = format!("1 REPORT 7 1 {report}");
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        (&batch, "keep #a"),
        ("1 COUNT 8", "query Counts"),
        ("durable", "1: stored 7 | 1: counts 8 1 1"),
        ("1 REPORT 9 0", "1: stored 9"),
        ("open 2", ""),
        ("2 GROUPS #A*", "query Groups { pattern: \"#A*\", limit: 10000 } | 2 paused"),
        ("durable", "2: grouplist #a 1 192.0.2.1 topic | 2 resumed"),
        ("2 MEMBERS #a", "query Record(#a) | 2 paused"),
        ("durable", "2: memberlist joe 00000000000000aa 192.0.2.1 4 q | 2 resumed"),
        ("2 GROUP #a", "query Record(#a) | 2 paused"),
        ("durable", "2: group-card #a 192.0.2.1 1.3 9 0000000000000001 5 1 topic joe 5 +nt 1 192.0.2.1 1 joe q 0 0 | 2 resumed"),
        ("2 LOADS", "query Loads | 2 paused"),
        // Counted once for all who ask meanwhile.
        ("open 3", ""),
        ("3 NODES", "3 paused"),
        ("lost 3", ""),
        ("open 4", ""),
        ("4 LOADS", "4 paused"),
        ("durable", "4: loads 192.0.2.1 1 1 | 4 resumed | 2: loads 192.0.2.1 1 1 | 2 resumed"),
        ("2 PLACES", "query Places { after: None, limit: 10000 } | 2 paused"),
        ("durable", "2: places #a 192.0.2.1 1 1 9 | 2 resumed"),
        ("2 PLACES #a", "query Places { after: Some(#a), limit: 10000 } | 2 paused"),
        ("durable", "2: places | 2 resumed"),
        ("1 GROUPLIST 3 *", "query Groups { pattern: \"*\", limit: 10000 }"),
        ("durable", "1: groups 3 1 #a 1 192.0.2.1 topic"),
        ("1 SETTLED 1.1", "1: refused ERR SETTLED is answered by super nodes; this is a directory server"),
    ]);
}

#[test]
fn a_card_tells_everything_but_the_key() {
    // No topic; moderated, with a key and a limit; someone is banned, and nobody is in it.
    let report = "#a 0000000000000001 1.3 9 0 1 5  0 0 1 0 secret 12 1 *!*@spam joe 7 2 joe q bob ov 0 0 2 192.0.2.1 192.0.2.2";
    let batch = format!("1 REPORT 7 1 {report}");
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        (&batch, "keep #a"),
        ("durable", "1: stored 7"),
        ("open 2", ""),
        ("2 GROUP #A", "query Record(#a) | 2 paused"),
        (
            "durable",
            "2: group-card #a 192.0.2.1 1.3 9 0000000000000001 5 0   0 +mkl * 12 2 192.0.2.1 192.0.2.2 2 joe q bob ov 1 *!*@spam joe 7 0 | 2 resumed",
        ),
    ]);
}

#[test]
fn a_peer_that_asks_too_much_is_not_read_from_and_not_judged_meanwhile() {
    let limits = DirectoryLimits { pending_per_peer: 2, ..DirectoryLimits::default() };
    check_within(
        limits,
        &[
            ("node 1 192.0.2.1 1", "1: proven"),
            ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
            ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3"),
            ("1 COUNT 1", "query Counts"),
            ("1 COUNT 2", "query Counts | 1 paused"),
            ("until 60000", ""),
            ("durable", "1: counts 1 0 0 | 1 resumed | 1: counts 2 0 0"),
            ("until 62999", ""),
            ("until 63000", "remove 192.0.2.1: was silent for 3000 ms"),
        ],
    );
}

#[test]
fn past_a_bound_newcomers_get_in_and_the_idle_go() {
    let limits = DirectoryLimits { strangers: 2, peers: 1, nodes: 1, queries: 1, ..DirectoryLimits::default() };
    check_within(
        limits,
        &[
            ("open 1", ""),
            ("until 2000", ""),
            ("open 2", ""),
            ("until 3000", ""),
            ("1 PING", "1: pong PONG"),
            ("open 3", "2: closing too many connections are waiting, and this one was silent longest | 2 closed"),
            ("1 GROUPS", "query Groups { pattern: \"*\", limit: 10000 } | 1 paused"),
            ("3 GROUPS", "3: error BUSY too many questions are waiting; ask again in a moment"),
            ("durable", "1: grouplist | 1 resumed"),
            ("lost 1", ""),
            ("lost 3", ""),
            ("node 4 192.0.2.1 1", "4: proven"),
            (
                "node 5 192.0.2.2 1",
                "5: proven | 5: refused TOOMANY this directory server has all the peers it takes; try another one | 5 closed",
            ),
            ("4 REGISTER 7 alpha", "4 watches | 4: view 1.2 | 4: pending 0 - | commit admit"),
            ("lost 4", ""),
            ("durable", "all: view 1.3 192.0.2.1/1"),
            ("node 6 192.0.2.2 1", "6: proven"),
            (
                "6 REGISTER 7 beta",
                "6 watches | 6: view 1.3 192.0.2.1/1 | 6: pending 0 - | 6: refused TOOMANY the ring has all the super nodes it takes",
            ),
        ],
    );
}

#[test]
fn stopping_waits_for_what_is_under_way() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("stop", ""),
        ("1 LEAVE 8", "1: refused TRYAGAIN 1000 this directory server is stopping"),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3 | stopped"),
        ("until 60000", ""),
    ]);
}

/// Anything may happen in any order: the invariants hold after every step, no ticket is answered twice, and once all is durable the machine and
/// its store agree.
#[test]
fn random_stories() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut rig = Rig::new(DirectoryLimits { pending_per_peer: 3, strangers: 3, ..DirectoryLimits::default() });
        let mut jitter = Jitter::new(seed);
        let (mut slots, mut tickets, mut answered) = (0, 0, std::collections::BTreeSet::new());
        rig.step("start");
        for _ in 0..200 {
            let slot = slots - jitter.below(5).min(slots);
            tickets += 1;
            let line = match jitter.below(20) {
                0 | 1 => {
                    slots += 1;
                    format!("node {slots} 192.0.2.{} {}", 1 + jitter.below(3), 1 + jitter.below(2))
                }
                2 | 3 => format!("{slot} REGISTER {tickets} n"),
                4 | 5 => format!("{slot} HEARTBEAT 1"),
                6 => format!("{slot} LEAVE {tickets}"),
                7 => format!("{slot} SUSPECT 192.0.2.{}", 1 + jitter.below(3)),
                8 => format!("lost {slot}"),
                9 if !rig.dials.is_empty() => ["refused", "reached", "unreachable"][jitter.below(3) as usize].to_string(),
                10 => format!("until {}", rig.now.0 + jitter.below(2_000)),
                11 => format!("{slot} COUNT {tickets}"),
                12 | 13 => format!("{slot} ready {}", rig.directory.state().plans().number),
                14 => {
                    slots += 1;
                    format!("open {slots}")
                }
                15 => format!("{slot} POINTS {}", 1 + jitter.below(3)),
                16 => format!("{slot} DRAIN 192.0.2.{}", 1 + jitter.below(3)),
                17 if jitter.below(3) == 0 => format!("{slot} HANDOFF ABORT"),
                _ => "durable".to_string(),
            };
            for effect in rig.step(&line) {
                if let Effect::Commit { write: Write::Log(write), .. } = &effect {
                    let records = write.append.iter().flat_map(|(_, records)| records);
                    seen.extend(
                        records.filter_map(|record| if let Record::Change { change } = record { Some(change.word()) } else { None }),
                    );
                }
                if let Effect::Tell { event: Event::Link(event), .. } = effect
                    && let LinkEvent::Registered { ticket, .. } | LinkEvent::Left { ticket } | LinkEvent::Counts { ticket, .. } = event
                {
                    assert!(answered.insert(ticket), "{ticket:?} is answered twice, seed {seed}");
                }
            }
        }
        // In the end everyone has an answer, though nobody is ready for anything.
        rig.step("durable");
        for _ in 0..300 {
            rig.step(&format!("until {}", rig.now.0 + 10_000));
            rig.step("durable");
        }
        assert!(rig.directory.agenda.current.is_none() && rig.directory.agenda.queue.is_empty(), "seed {seed}");
        let owed = (0..=slots).filter_map(|slot| rig.directory.links.of(conn(&slot.to_string()))).map(|link| link.pending);
        assert_eq!(owed.sum::<usize>(), 0, "seed {seed}");
        assert_eq!(rig.directory.state(), &rig.store.kept().state, "seed {seed}");
        rig.step("restart");
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["admit", "cancel", "commit", "directories", "found", "prepare", "remove"]);
}

#[test]
fn the_state_of_another_network_is_refused() {
    let mut state = DirectoryState::default();
    state.apply(&Change::Found { network: "other".into(), params: RingParams::default(), generation: 1 });
    let kept = Kept { state, log: KeptLog::default() };
    let refused = Directory::new(config(DirectoryLimits::default(), 1), kept).unwrap_err();
    assert_eq!((&*refused.stored, &*refused.configured), ("other", "net"));
}

#[test]
fn what_is_for_the_server_that_was_here_before_is_not_for_this_one() {
    let mut rig = Rig::new(DirectoryLimits::default());
    for line in ["start", "durable", "node 1 edge:x 1"] {
        rig.step(line);
    }
    let letter = replica::Letter::Stand { term: 900, last: Place { index: 700, term: 800 }, handed: true };
    let log = crate::peer::PeerCommand::Log { server: ServerId(0xaa), to: ServerId(0xbb), letter: Box::new(letter) };
    rig.handle(Input::Heard { conn: conn("1"), command: Ok(log.into()) });
    assert!(rig.directory.leads && rig.directory.replica.term() < 900);
    // One that has no log yet hears who leads from it, and nothing else.
    let mut rig = Rig::new(DirectoryLimits::default());
    let directories = ["192.0.2.9:7410", "192.0.2.8:7410"].map(Text::from).into();
    rig.directory = Directory::new(DirectoryConfig { directories, ..config(DirectoryLimits::default(), 1) }, Kept::default()).unwrap();
    for line in ["start", "durable", "node 1 edge:x 1"] {
        rig.step(line);
    }
    let (after, records) = (Place::default(), vec![Record::Term { term: 900 }]);
    let letter = replica::Letter::Entries { term: 900, commit: 1, after, records, sent: Time(1) };
    let log = crate::peer::PeerCommand::Log { server: ServerId(0xaa), to: ServerId(0xbb), letter: Box::new(letter) };
    rig.handle(Input::Heard { conn: conn("1"), command: Ok(log.into()) });
    let replica = &rig.directory.replica;
    assert_eq!((replica.leader(rig.now), replica.term(), replica.reach()), (Some(ServerId(0xaa)), 0, (0, 0)));
}

/// A server that was away when others were taken in knows nothing of these: they dial it, and it has to answer them.
#[test]
fn who_keeps_a_link_to_us_gets_one_back() {
    let introduce = |founded: &str| format!("1 SERVER 00000000000000aa 192.0.2.8:7410 {founded} {}", "11".repeat(32));
    check(&[
        ("node 1 edge:x 1", "1: proven"),
        // One that knows of no network wants to be in one, and is wanted by nobody here.
        (&introduce("0"), ""),
        ("until 1500", ""),
        (&introduce("1"), ""),
        ("until 2000", "dial 192.0.2.8:7410"),
        ("refused", ""),
        ("until 2600", "dial 192.0.2.8:7410"),
        ("refused", ""),
        ("lost 1", ""),
        ("until 60000", ""),
    ]);
}

#[test]
fn the_ring_is_not_shown_before_it_is_founded() {
    let mut rig = Rig::new(DirectoryLimits::default());
    rig.step("start");
    rig.step("open 1");
    let effects: Vec<String> = rig.step("1 RING").iter().filter_map(show).collect();
    assert_eq!(effects, ["1: error TRYAGAIN 100 the network is just being founded"]);
    assert_eq!(rig.store.query(&Query::Counts).unwrap(), crate::machine::Answer::Counts { people: 0, groups: 0 });
}

/// The list that someone asks for at this time.
fn signed(rig: &mut Rig, slot: &str) -> SignedList {
    match rig.step(&format!("{slot} RING SIGNED")).pop() {
        Some(Effect::Tell { event: Event::Reply(crate::event::Reply::SignedRing { seal, view }), .. }) => SignedList { view, seal },
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_list_is_signed_and_as_good_as_new() {
    let mut rig = Rig::new(DirectoryLimits::default());
    ["start", "durable", "node 1 edge:x 1", "1 WATCH", "open 2"].iter().for_each(|line| {
        rig.step(line);
    });
    let (mut trust, first) = (Trust::default(), signed(&mut rig, "2"));
    assert_eq!((trust.check(&first, rig.now), first.seal.expires), (Ok(()), rig.now + 7 * 86_400_000));
    trust.learn(&first);
    // Another view has another seal, which goes to whoever watches.
    rig.step("node 3 192.0.2.1 1");
    rig.step("3 REGISTER 7 alpha");
    let told = rig.step("durable");
    let seal = told.iter().find_map(|effect| match effect {
        Effect::TellAll { event: Event::Link(LinkEvent::Sealed { seal }), .. } => Some(seal.clone()),
        _ => None,
    });
    let second = signed(&mut rig, "2");
    assert_eq!((Some(&second.seal), trust.check(&second, rig.now)), (seal.as_ref(), Ok(())));
    // The same view gets another one when a quarter of its time has passed.
    rig.step(&format!("sleep {}", second.seal.issued.0 + 7 * 86_400_000 / 4));
    let third = signed(&mut rig, "2");
    assert_eq!((third.seal.issued, &third.view), (rig.now, &second.view));
    // And after a start.
    rig.step("restart");
    rig.step("open 4");
    assert_eq!(signed(&mut rig, "4").view, second.view);
}
