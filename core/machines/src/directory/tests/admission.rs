//! Who is looked at before they come into the ring, and what is found.
//!
//! ```text
//! 1 has its word        the node says so               at KEY N WORD      who is dialled next is this start of this node, and says this word (`its`: the one that was given last)
//! ```

use super::*;
use crate::peer::Found;

fn rig(admission: Admission) -> Rig {
    let mut rig = Rig::new(DirectoryLimits::default());
    let config = DirectoryConfig { admission, ..config(DirectoryLimits::default(), 1) };
    rig.directory = Directory::new(config, Kept::default()).unwrap();
    rig.hospitable = false;
    rig
}

/// A story of newcomers; words are shown as `*`.
#[track_caller]
fn check(admission: Admission, story: &[(&str, &str)]) {
    let (mut rig, mut word) = (rig(admission), Text::from(""));
    let founding = [("start", ""), ("durable", "commit found | commit directories | all: view 1.1 | all: view 1.2")];
    for (line, expect) in founding.iter().chain(story) {
        let words: Vec<&str> = line.split(' ').collect();
        let effects = match words[..] {
            [slot, "has", "its", "word"] => rig.heard(slot, &["READY", &word]),
            ["at", key, incarnation, said] => {
                let said = if said == "its" { word.clone() } else { said.into() };
                host(&mut rig, identity(key, Incarnation(incarnation.parse().unwrap()), "s"), said)
            }
            _ => rig.step(line),
        };
        let mut shown = Vec::new();
        for effect in &effects {
            match effect {
                Effect::Tell { conn, event: Event::Link(LinkEvent::Word { word: given }) } => {
                    word = given.clone();
                    shown.push(format!("{}: word *", conn.slot));
                }
                effect => shown.extend(show(effect)),
            }
        }
        assert_eq!(shown.join(" | "), *expect, "after '{line}' at {}", rig.now.0);
    }
}

/// Whoever was dialled first is reached, and is this node.
fn host(rig: &mut Rig, there: Identity, word: Text) -> Vec<Effect> {
    let mut effects = rig.dialed(Ok(GUEST));
    loop {
        let asks = |effect: &Effect| match effect {
            Effect::Tell { conn: GUEST, event: Event::Command(Command::Peer(command)) } => Some(command.clone()),
            _ => None,
        };
        let said = match effects.iter().find_map(asks) {
            None => break,
            Some(hello @ PeerCommand::Peer { .. }) => Accepting::start(&there, &hello, None, 5).unwrap().1,
            Some(PeerCommand::Prove { .. }) => LinkEvent::Proven {},
            Some(PeerCommand::Show {}) => LinkEvent::Shown { word: word.clone() },
            Some(other) => panic!("{other:?}"),
        };
        effects = rig.handle(Input::Told { conn: GUEST, event: Ok(said.into()) });
    }
    effects.retain(|effect| *effect != Effect::Close { conn: GUEST });
    effects
}

const ASKED: &str = "1 watches | 1: view 1.2 | 1: pending 0 - | 1: word *";

#[test]
fn who_is_found_where_it_says_comes_in() {
    check(
        Admission::default(),
        &[
            ("node 1 192.0.2.1 7", "1: proven"),
            ("1 REGISTER 7 alpha", ASKED),
            ("1 READY nonsense", ""),
            ("1 REGISTER 8 alpha", "1: refused ERR 192.0.2.1 has asked already"),
            ("1 HEARTBEAT 1500", "1: beat 1500 1.2"),
            ("1 has its word", "dial 192.0.2.1:7411"),
            ("at 192.0.2.1 7 its", "commit admit"),
            ("durable", "all: view 1.3 192.0.2.1/7 | 1: registered 7 1.3"),
            // Known: not dialled again.
            ("node 2 192.0.2.1 7", "2: proven"),
            (
                "2 REGISTER 1 alpha",
                "1: refused ERR 192.0.2.1 has registered on another connection | 1 closed | 2: registered 1 1.3 | 2 watches | 2: view 1.3 192.0.2.1/7 | 2: pending 0 -",
            ),
            // Started anew: the first start stays until the other one is found.
            ("node 3 192.0.2.1 8", "3: proven"),
            ("3 REGISTER 1 alpha", "3 watches | 3: view 1.3 192.0.2.1/7 | 3: pending 0 - | 3: word *"),
            ("3 has its word", "dial 192.0.2.1:7411"),
            (
                "at 192.0.2.1 8 its",
                "2: refused ERR 192.0.2.1 has registered on another connection | 2 closed | remove 192.0.2.1: was started anew",
            ),
        ],
    );
}

const SEEN: &str = "seen from directory server 192.0.2.9:7410: it has to be reached at the address it advertises";

/// A node asks for a place at 192.0.2.1 as start 7 and is looked at: it never is in a view.
#[track_caller]
fn check_refused(what: &str, why: &str) {
    let refused = format!("1: refused TRYAGAIN 1000 192.0.2.1 {why}, {SEEN}");
    check(
        Admission::default(),
        &[
            ("node 1 192.0.2.1 7", "1: proven"),
            ("1 REGISTER 7 alpha", ASKED),
            ("1 has its word", "dial 192.0.2.1:7411"),
            (what, &refused),
            ("durable", ""),
            ("1 REGISTER 8 alpha", "1: refused TRYAGAIN 1000 192.0.2.1 came and went too often; it has to wait"),
            ("until 1999", ""),
            ("1 REGISTER 8 alpha", "1: refused TRYAGAIN 1 192.0.2.1 came and went too often; it has to wait"),
            ("until 2000", ""),
            ("1 REGISTER 8 alpha", "1: word *"),
            ("lost 1", ""),
            ("open 2", ""),
            ("2 RING", "2: ring: view 1.2"),
        ],
    );
}

#[test]
fn who_is_not_where_it_says_stays_out() {
    check_refused("refused", "refuses connections");
    check_refused("unreachable", "can't be reached");
    check_refused("at 192.0.2.7 7 its", "can't be used: dialled 192.0.2.1 and reached 192.0.2.7: check the address it advertises");
    // Somebody else's address, and they are there; with their own word, with one for somebody else, with none.
    check_refused("at 192.0.2.1 8 its", "is another start of that node");
    check_refused("at 192.0.2.1 7 0123456789abcdef", "is not the one that asks: it has not the word that one was given");
    check_refused("at 192.0.2.1 7 ", "is not the one that asks: it has not the word that one was given");
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    check(
        Admission::default(),
        &[
            ("node 1 192.0.2.1 7", "1: proven"),
            ("1 REGISTER 7 alpha", ASKED),
            ("until 7000", "1: refused TRYAGAIN 1000 192.0.2.1 does not answer"),
            ("until 8000", ""),
            ("1 REGISTER 8 alpha", "1: word *"),
            ("1 has its word", "dial 192.0.2.1:7411"),
        ],
    );
    let text = format!("1: refused TRYAGAIN 1000 192.0.2.1 does not answer, {SEEN}");
    check(
        Admission::default(),
        &[
            ("node 1 192.0.2.1 7", "1: proven"),
            ("1 REGISTER 7 alpha", ASKED),
            ("1 has its word", "dial 192.0.2.1:7411"),
            ("until 4000", &text),
            // It is there after all: nobody wants to know.
            ("reached", "99 closed"),
        ],
    );
}

#[test]
fn an_operator_rules() {
    let list = Admission { policy: Policy::List, ..Admission::default() };
    let waits = "1 watches | 1: view 1.2 | 1: pending 0 - | 1: waiting an operator has to admit it: `chatctl node admit 192.0.2.1`";
    let kept_out = "an operator keeps 192.0.2.1 out of the ring; `chatctl node admit 192.0.2.1`, and it may come when it is started anew";
    let (asked_in_vain, turned_down) =
        (format!("3: refused NOTMEMBER {kept_out}"), "3: refused NOTMEMBER an operator keeps 192.0.2.1 out of the ring");
    check(
        list,
        &[
            ("node 1 192.0.2.1 7", "1: proven"),
            ("1 REGISTER 7 alpha", waits),
            ("open 2", ""),
            ("2 NODE PENDING", "2: pending-nodes 192.0.2.1 alpha waits 1000 for an operator"),
            ("2 NODE ADMIT", "2: error SYNTAX argument 'node' is missing"),
            ("2 NODE ADMIT edge:x", "2: error ERR edge:x can't be in the ring: only nodes that can be dialled are"),
            ("far 9", ""),
            (
                "9 NODE ADMIT 192.0.2.1",
                "9: error NOPERM NODE ADMIT is for operators, and none is configured here: run it on the machine of this server, over loopback (127.0.0.1 or ::1), or configure an [[operator]]",
            ),
            ("2 NODE ADMIT 192.0.2.1", "2 paused | commit rule"),
            ("durable", "1: word * | 2: ok OK | 2 resumed"),
            ("1 has its word", "dial 192.0.2.1:7411"),
            ("2 NODE PENDING", "2: pending-nodes 192.0.2.1 alpha dialled 1000 is it where it says?"),
            ("at 192.0.2.1 7 its", "commit admit"),
            ("durable", "all: view 1.3 192.0.2.1/7 | 1: registered 7 1.3"),
            ("2 NODE PENDING", "2: pending-nodes"),
            ("2 NODE REMOVE 192.0.2.1", "2 paused | commit rule | remove 192.0.2.1: was removed by an operator"),
            ("durable", "all: view 1.4 | 2: ok OK | 2 resumed"),
            ("2 NODE PENDING", "2: pending-nodes 192.0.2.1  refused 0 by an operator"),
            ("1 HEARTBEAT 1500", "1: refused NOTMEMBER 192.0.2.1 is not in the ring (any more): register again"),
            ("node 3 192.0.2.1 8", "3: proven"),
            ("3 REGISTER 1 alpha", &format!("3 watches | 3: view 1.4 | 3: pending 0 - | {asked_in_vain}")),
            // What an operator takes back is as the policy has it.
            ("2 NODE FORGET 192.0.2.1", "2 paused | commit rule"),
            ("durable", "2: ok OK | 2 resumed"),
            ("3 REGISTER 1 alpha", "3: waiting an operator has to admit it: `chatctl node admit 192.0.2.1`"),
            ("2 NODE REFUSE 192.0.2.1", "2 paused | commit rule"),
            ("durable", &format!("{turned_down} | 2: ok OK | 2 resumed")),
        ],
    );
}

#[test]
fn a_ruling_in_the_middle_of_a_join_calls_it_off() {
    check(
        Admission::default(),
        &[
            ("node 1 192.0.2.1 7", "1: proven"),
            ("1 REGISTER 7 alpha", ASKED),
            ("1 has its word", "dial 192.0.2.1:7411"),
            ("at 192.0.2.1 7 its", "commit admit"),
            ("durable", "all: view 1.3 192.0.2.1/7 | 1: registered 7 1.3"),
            ("node 2 192.0.2.2 1", "2: proven"),
            ("2 REGISTER 7 beta", "2 watches | 2: view 1.3 192.0.2.1/7 | 2: pending 0 - | 2: word *"),
            ("2 has its word", "dial 192.0.2.2:7411"),
            ("at 192.0.2.2 1 its", "prepare 1 join 192.0.2.2/1"),
            ("durable", "all: pending 1 join 192.0.2.2/1"),
            ("open 3", ""),
            ("3 NODE REFUSE 192.0.2.2", "3 paused | commit rule"),
            (
                "durable",
                "3: ok OK | 3 resumed | cancel 1: an operator keeps 192.0.2.2 out of the ring | all: pending 1 - | 2: refused TRYAGAIN 1000 the ring did not get ready for that: an operator keeps 192.0.2.2 out of the ring",
            ),
        ],
    );
}

#[test]
fn a_token_is_shown_or_not() {
    let token = || Admission { policy: Policy::Token, tokens: vec!["a".into(), "b".into()], ..Admission::default() };
    let watches = "1 watches | 1: view 1.2 | 1: pending 0 - | ";
    let none = format!("{watches}1: refused NOPERM 192.0.2.1 shows no token: set [[super_node]] token to one that the directory takes");
    check(token(), &[("node 1 192.0.2.1 7", "1: proven"), ("1 REGISTER 7 alpha", &none)]);
    let wrong = format!("{watches}1: refused NOPERM the token of 192.0.2.1 is none that this directory takes: check [[super_node]] token");
    check(token(), &[("node 1 192.0.2.1 7", "1: proven"), ("1 REGISTER 7 alpha c", &wrong)]);
    check(token(), &[("node 1 192.0.2.1 7", "1: proven"), ("1 REGISTER 7 alpha b", ASKED)]);
    // Whom an operator has admitted needs none.
    check(
        token(),
        &[
            ("open 2", ""),
            ("2 NODE ADMIT 192.0.2.1", "2 paused | commit rule"),
            ("durable", "2: ok OK | 2 resumed"),
            ("node 1 192.0.2.1 7", "1: proven"),
            ("1 REGISTER 7 alpha", ASKED),
        ],
    );
}

#[test]
fn a_node_may_have_to_be_there_for_a_while() {
    let watched = Admission { watch_ms: 10_000, ..Admission::default() };
    check(
        watched,
        &[
            ("node 1 192.0.2.1 7", "1: proven"),
            ("1 REGISTER 7 alpha", ASKED),
            ("1 has its word", "dial 192.0.2.1:7411"),
            ("at 192.0.2.1 7 its", "1: waiting it carries groups when it has been there for 10 s"),
            ("until 10999", ""),
            ("open 2", ""),
            ("2 NODE PENDING", "2: pending-nodes 192.0.2.1 alpha watched 1000 for 1 s more"),
            ("until 11000", "commit admit"),
        ],
    );
}

#[test]
fn a_network_has_so_many_nodes() {
    let few = Admission { per_subnet: 1, ..Admission::default() };
    let crowd = "1 super nodes are in the network of 192.0.2.200 already, as many as [directory] nodes_per_subnet allows";
    check(
        few,
        &[
            ("node 1 192.0.2.1 7", "1: proven"),
            ("1 REGISTER 7 alpha", ASKED),
            ("1 has its word", "dial 192.0.2.1:7411"),
            ("at 192.0.2.1 7 its", "commit admit"),
            ("durable", "all: view 1.3 192.0.2.1/7 | 1: registered 7 1.3"),
            ("node 2 192.0.2.200 1", "2: proven"),
            ("2 REGISTER 7 beta", &format!("2 watches | 2: view 1.3 192.0.2.1/7 | 2: pending 0 - | 2: refused TRYAGAIN 1000 {crowd}")),
            ("node 3 192.0.3.1 1", "3: proven"),
            ("3 REGISTER 7 gamma", "3 watches | 3: view 1.3 192.0.2.1/7 | 3: pending 0 - | 3: word *"),
        ],
    );
}

#[test]
fn subnets() {
    let check = |key: &str, subnet: &str| {
        let subnet = subnet.parse().ok();
        assert_eq!(super::super::admission::subnet_of(&NodeKey::new(key).unwrap()), subnet, "{key}");
    };
    check("192.0.2.200:7412", "192.0.2.0");
    check("2001:db8:1:2:3::4", "2001:db8:1::");
    check("edge:x", "none");
}

#[test]
fn only_a_server_that_has_introduced_itself_may_ask_for_a_visit() {
    let mut rig = rig(Admission::default());
    ["start", "durable", "node 1 192.0.2.1 7"].iter().for_each(|line| {
        rig.step(line);
    });
    let effects: Vec<String> = rig.step("1 VISIT 3 192.0.2.77 0000000000000001").iter().filter_map(show).collect();
    assert_eq!(effects, ["1: refused NOPERM VISIT is for directory servers that have introduced themselves"]);
    // And what nobody asked for changes nothing.
    rig.directory.visited(rig.now, Ticket(99), Found::Word { word: "".into() }, &mut Vec::new());
}

/// A server that was let go and goes on running dials us, and is dialled back. It may be anywhere by now: who wants in is not lost because that one does not find them.
#[test]
fn a_server_without_a_seat_is_not_asked_to_look() {
    let mut rig = rig(Admission::default());
    let introduce = format!("1 SERVER 00000000000000aa 192.0.2.8:7410 1 {}", "11".repeat(32));
    ["start", "durable", "node 1 edge:x 1", &introduce, "until 1500"].iter().for_each(|line| {
        rig.step(line);
    });
    let hello = rig.step("reached").into_iter().find_map(|effect| match effect {
        Effect::Tell { event: Event::Command(Command::Peer(hello)), .. } => Some(hello),
        _ => None,
    });
    let (_, challenge) = Accepting::start(&identity("edge:x", Incarnation(1), "s"), &hello.unwrap(), None, 5).unwrap();
    for event in [challenge, LinkEvent::Proven {}] {
        rig.handle(Input::Told { conn: conn("99"), event: Ok(event.into()) });
    }
    assert!(rig.directory.colleagues.link_of(&"192.0.2.8:7410".into()).is_some());
    rig.hospitable = true;
    rig.step("node 2 192.0.2.1 1");
    let registered = ["2 REGISTER 7 alpha", "durable"].map(|line| rig.step(line).iter().filter_map(show).collect::<Vec<_>>().join(" | "));
    assert_eq!(registered, ["2 watches | 2: view 1.2 | 2: pending 0 - | commit admit", "all: view 1.3 192.0.2.1/1 | 2: registered 7 1.3"]);
}
