//! On the way to the group: lists, pointers, pauses; and the asker.

use super::{IN, check, check_machine, config, output, signer, view};
use crate::client::{Asker, Client, ClientConfig, ClientTiming};
use crate::command::{ClientCommand, Command};
use crate::ids::Ticket;
use crate::list::{ListSigner, Trust};
use crate::machine::{DialError, Effect, Input, Machine};
use crate::time::Time;
use crate::wire::{Given, Text};

#[test]
fn moved_while_joining() {
    let way = IN.rsplit_once("> c2 joined").unwrap().0;
    // As of our own epoch: straight there. (A busy master names an edge.)
    check(&format!("{way}> c2 error MOVED 1.4_127.0.0.3:7411\nclose c2\ndial 3 127.0.0.3:7411"));
    // As of a newer one: the list first, and if that is still the old one, where we were sent.
    check(&format!(
        "{way}> c2 error MOVED 1.5_127.0.0.3:7411
         close c2
         dial 3 d:1
         > dialed 3 c3
         c3 RING SIGNED
         > c3 view 1.4 127.0.0.1 127.0.0.2
         close c3
         dial 4 127.0.0.3:7411"
    ));
    // A list newer than the pointer decides.
    check(&format!(
        "{way}> c2 error MOVED 1.5_127.0.0.3:7411
         close c2
         dial 3 d:1
         > dialed 3 c3
         c3 RING SIGNED
         > c3 view 1.6 127.0.0.2
         close c3
         view 1.6
         cache 1.6
         dial 4 127.0.0.2:7411"
    ));
    // An older pointer is not followed.
    check(&format!("{way}> c2 error MOVED 1.3_127.0.0.3:7411\nclose c2\naway: 127.0.0.1 knows an older ring\n> due\ndial 3 d:1"));
    check(&format!("{way}> c2 error MOVED nowhere\nclose c2\naway: 127.0.0.1 said something that was not its turn"));
}

#[test]
fn nodes_that_disagree() {
    let mut script = IN.rsplit_once("> c2 joined").unwrap().0.to_string();
    for hop in 0..4 {
        let (from, to) = (hop + 2, hop + 3);
        script += &format!(
            "> c{from} error MOVED 1.4_127.0.0.{to}:7411
             close c{from}
             dial {to} 127.0.0.{to}:7411
             > dialed {to} c{to}
             c{to} SESSION secret-token
             c{to} HELLO 3
             c{to} NICK joe
             > c{to} ok OK
             > c{to} hello server chatring
             > c{to} ok OK
             c{to} JOIN #g '' '' '' ''\n"
        );
    }
    script += "> c6 error MOVED 1.4_127.0.0.7:7411
               close c6
               away: 127.0.0.6 says that the group is at 127.0.0.7, and the others disagree";
    check(&script);
}

#[test]
fn no_directory_answers() {
    check(
        "> start
         dial 1 d:1
         > dialed 1 unreachable
         away: d:1 can't be reached
         > due
         dial 2 d:1
         > wait 1000
         away: d:1 does not answer
         > due
         dial 3 d:1
         > dialed 3 c3
         c3 RING SIGNED
         > c3 error ERR what
         close c3
         away: d:1 does not give the list",
    );
    let mut away = Client::new(ClientConfig { timing: ClientTiming { first_join_ms: Some(900), ..ClientTiming::default() }, ..config() });
    let mut effects = Vec::new();
    away.handle(Time(0), Input::Start, &mut effects);
    away.handle(Time(1), Input::Dialed { ticket: Ticket(1), result: Err(DialError::Refused) }, &mut effects);
    away.handle(Time(900), Input::Deadline, &mut effects);
    let last = effects.last().map(output);
    assert_eq!(last.as_deref(), Some("gave up: d:1 refuses connections"));
}

#[test]
fn starting_from_the_cache() {
    let cached = |epoch, nodes: &[&str]| Client::new(ClientConfig { cached: Some(view(epoch, nodes)), trust: None, ..config() });
    check_machine(
        cached("1.4", &["127.0.0.1"]),
        "> start
         dial 1 d:1
         > dialed 1 refused
         dial 2 127.0.0.1:7411
         > dialed 2 c2
         c2 RING SIGNED
         > lost c2
         dial 3 127.0.0.1:7411
         > dialed 3 refused
         away: 127.0.0.1 refuses connections",
    );
    // A network that began anew has lower epochs than the cache remembers; the first answer counts, whatever its epoch. Later ones have to be newer.
    check_machine(
        cached("1.9", &["127.0.0.3"]),
        "> start
         dial 1 d:1
         > dialed 1 c1
         c1 RING SIGNED
         > c1 view 1.2 127.0.0.1
         close c1
         view 1.2
         cache 1.2
         dial 2 127.0.0.1:7411
         > dialed 2 refused
         away: 127.0.0.1 refuses connections
         > due
         dial 3 d:1
         > dialed 3 c3
         c3 RING SIGNED
         > c3 view 1.1 127.0.0.2
         close c3
         dial 4 127.0.0.1:7411",
    );
    check(
        "> start
         dial 1 d:1
         > dialed 1 c1
         c1 RING SIGNED
         > c1 view 1.1
         close c1
         view 1.1
         cache 1.1
         away: no super node is in the ring yet",
    );
}

#[test]
fn a_list_that_is_not_believed_is_not_used() {
    let seen = "1.7".parse().unwrap();
    let knowing = |keys| Client::new(ClientConfig { trust: Some(Trust { keys, seen }), ..config() });
    check_machine(
        knowing(vec![signer().key()]),
        "> start
         dial 1 d:1
         > dialed 1 c1
         c1 RING SIGNED
         > c1 view 1.6 127.0.0.1
         close c1
         d:1 is not believed: it is of epoch 1.6, and one of epoch 1.7 was seen already
         away: d:1 gives a list that can't be believed: it is of epoch 1.6, and one of epoch 1.7 was seen already
         > due
         dial 2 d:1
         > dialed 2 c2
         c2 RING SIGNED
         > c2 view 1.7 127.0.0.1
         close c2
         view 1.7
         cache 1.7
         dial 3 127.0.0.1:7411",
    );
    let key = signer().key();
    let why = format!("it is signed by {key}, which is none of the directory servers known so far");
    let script = format!(
        "> start
         dial 1 d:1
         > dialed 1 c1
         c1 RING SIGNED
         > c1 view 1.7 127.0.0.1
         close c1
         d:1 is not believed: {why}
         away: d:1 gives a list that can't be believed: {why}"
    );
    check_machine(knowing(vec![ListSigner::new([2; 32]).key()]), &script);
}

/// Refused time and again, it comes back less and less often, and never at the same pace as others.
#[test]
fn back_off_grows_and_is_jittered() {
    let mut waits = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let mut client = Client::new(ClientConfig { cached: Some(view("1.4", &["127.0.0.1"])), directories: vec![], seed, ..config() });
        let (mut now, mut pauses) = (Time(0), Vec::new());
        let mut effects = Vec::new();
        client.handle(now, Input::Start, &mut effects);
        while pauses.len() < 9 {
            let dials: Vec<Ticket> =
                effects.drain(..).filter_map(|effect| if let Effect::Dial { ticket, .. } = effect { Some(ticket) } else { None }).collect();
            if dials.is_empty() {
                let next = client.deadline().unwrap();
                pauses.push(next.since_ms(now));
                now = next;
                client.handle(now, Input::Deadline, &mut effects);
            }
            for ticket in dials {
                client.handle(now, Input::Dialed { ticket, result: Err(DialError::Refused) }, &mut effects);
            }
        }
        for (attempt, pause) in pauses.iter().enumerate() {
            let longest = (80u64 << attempt).min(1_000);
            assert!((longest / 2..=longest).contains(pause), "pause {attempt} is {pause} ms");
        }
        waits.insert(pauses[5]);
    }
    assert!(waits.len() > 10, "many clients wait equally long: {waits:?}");
}

/// Every directory is tried, in an order that differs between clients.
#[test]
fn directories_are_tried_in_random_order() {
    let directories: Vec<Text> = ["a:1", "b:1", "c:1"].map(Text::from).into();
    let mut orders = std::collections::BTreeSet::new();
    for seed in 0..30 {
        let mut client = Client::new(ClientConfig { directories: directories.clone(), seed, ..config() });
        let mut effects = Vec::new();
        client.handle(Time(0), Input::Start, &mut effects);
        for ticket in 1..=3 {
            client.handle(Time(0), Input::Dialed { ticket: Ticket(ticket), result: Err(DialError::Refused) }, &mut effects);
        }
        let dialed: Vec<Text> =
            effects.into_iter().filter_map(|effect| if let Effect::Dial { address, .. } = effect { Some(address) } else { None }).collect();
        let mut sorted = dialed.clone();
        sorted.sort();
        assert_eq!(sorted, directories);
        orders.insert(dialed);
    }
    assert_eq!(orders.len(), 6);
}

#[track_caller]
fn check_asker(script: &str) {
    let commands: Vec<Command> = vec![ClientCommand::Ring { how: Given(None) }.into(), ClientCommand::Nodes {}.into()];
    check_machine(Asker::new(vec!["a:1".into(), "b:1".into()], commands, 2_000), script);
}

#[test]
fn asking_and_going() {
    check_asker(
        "> start
         dial 1 a:1
         > dialed 1 refused
         dial 2 b:1
         > dialed 2 c2
         c2 RING
         c2 NODES
         > c2 subscribe #g 1
         > c2 error ERR no
         answer error ERR no
         > c2 nodes k
         close c2
         answer nodes k
         stopped",
    );
    check_asker(
        "> start
         dial 1 a:1
         > wait 1000
         dial 2 b:1
         > dialed 1 c1
         close c1
         > dialed 2 c2
         c2 RING
         c2 NODES
         > wait 1000
         close c2
         gave up: b:1 does not answer
         stopped",
    );
    // Half the answers are there: nobody is asked again.
    check_asker(
        "> start
         dial 1 a:1
         > dialed 1 c1
         c1 RING
         c1 NODES
         > c1 error ERR no
         answer error ERR no
         > lost c1
         gave up: a:1 closed the connection
         stopped",
    );
    check_asker("> start\ndial 1 a:1\n> stop\nstopped\n> dialed 1 c1\nclose c1");
    check_machine(
        Asker::new(vec![], vec![ClientCommand::Ring { how: Given(None) }.into()], 1_000),
        "> start\ngave up: there is no server to ask\nstopped",
    );
}

/// The master falls silent; the others have not noticed yet.
const SILENT: &str = "
    > wait 1000
    c2 ALIVE
    > wait 2000
    close c2
    away: 127.0.0.1 is silent
    > due
    dial 3 d:1
    > dialed 3 c3
    c3 RING SIGNED
    > c3 view 1.4 127.0.0.1 127.0.0.2
    close c3
    dial 4 127.0.0.2:7411
    > dialed 4 c4
    c4 SESSION secret-token
    c4 HELLO 3
    c4 NICK joe
    > c4 ok OK
    > c4 hello server chatring
    > c4 ok OK
    c4 JOIN #g '' 00000000000000aa 10 1.1
    > c4 error MOVED 1.4_127.0.0.1:7411
";

#[test]
fn nobody_s_word_leads_back_to_a_node_that_fell_silent() {
    super::check_in(&format!(
        "{SILENT}> due
         c4 JOIN #g '' 00000000000000aa 10 1.1
         > c4 joined #g 00000000000000aa 10 1.5 3 1.1
         joined 127.0.0.2 3
         > c4 moved #g 1.5 127.0.0.1:7411"
    ));
    // Past its lease it is alive if they say so.
    let lives = "> wait 1000\nc4 ALIVE\n> c4 alive\n".repeat(3);
    super::check_in(&format!(
        "{SILENT}> due
         c4 JOIN #g '' 00000000000000aa 10 1.1
         {lives}> c4 error MOVED 1.4_127.0.0.1:7411
         close c4
         dial 5 127.0.0.1:7411"
    ));
}

#[test]
fn a_node_that_falls_silent_before_it_has_answered_the_join() {
    let way = IN.rsplit_once("> c2 joined").unwrap().0;
    check(&format!(
        "{way}> wait 1000
         c2 ALIVE
         > wait 2000
         close c2
         away: 127.0.0.1 is silent"
    ));
}
