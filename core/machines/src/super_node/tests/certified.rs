//! Where peers have certificates: who is linked to, and what each may say.

use super::*;
use crate::certificate::Certificate;

fn bench() -> Bench {
    let mut bench = Bench::new(&[ME]);
    bench.node.identity.certified = true;
    bench
}

/// Someone who shows this certificate calls itself this.
fn greet(bench: &mut Bench, shown: Option<&str>, of: &str) -> Conn {
    let conn = bench.open();
    if let Some(uri) = shown {
        bench.give(Input::Certified { conn, certificate: Certificate::new([uri]) });
    }
    let identity = identity(of, 1);
    let (dialling, hello) = Dialling::start(&identity, Whom::Node(key(ME)), 5);
    bench.hear(conn, hello);
    if let [Event::Link(challenge)] = &bench.told(conn)[..] {
        let (_, prove) = dialling.challenged(&identity, challenge).unwrap();
        bench.hear(conn, prove);
        assert_eq!(bench.told(conn), [Event::Link(LinkEvent::Proven {})]);
    }
    conn
}

#[test]
fn nobody_is_let_in_without_the_right_certificate() {
    let mut bench = bench();
    for (shown, goes) in [
        (Some("chatring://n/node/10.0.0.2"), true),
        (None, false),
        (Some("chatring://n/node/10.0.0.9"), false),
        (Some("chatring://n/gateway/x"), false),
    ] {
        let conn = greet(&mut bench, shown, OTHER);
        assert_eq!(!bench.is_closed(conn), goes, "{shown:?}");
        assert_eq!(bench.node.edge.certificate(conn), None, "it is not kept any longer");
    }
}

#[test]
fn a_gateway_has_no_groups_to_speak_of() {
    let mut bench = bench();
    let conn = greet(&mut bench, Some("chatring://n/gateway/desk"), "edge:desk");
    bench.hear(conn, PeerCommand::Settled { epoch: epoch(1) });
    assert!(!bench.is_closed(conn));
    bench.hear(conn, PeerCommand::Offer { epoch: epoch(1), offers: Vec::new() });
    assert!(bench.is_closed(conn));
}

#[test]
fn whoever_was_dialled_has_to_be_it() {
    for (shown, goes) in [("chatring://n/node/10.0.0.2", true), ("chatring://n/directory/10.0.0.2", false)] {
        let mut bench = bench();
        bench.ring(&[ME, OTHER]);
        let dial = |effect: &Effect| if let Effect::Dial { ticket, .. } = effect { Some(*ticket) } else { None };
        let Some(ticket) = bench.effects.iter().find_map(dial) else { panic!("{:?}", bench.effects) };
        let conn = bench.conn();
        bench.give(Input::Dialed { ticket, result: Ok(conn) });
        bench.give(Input::Certified { conn, certificate: Certificate::new([shown]) });
        let hello = bench.asked(conn).pop().expect("a greeting");
        let (_, challenge) = Accepting::start(&identity(OTHER, 1), &hello, None, 7).unwrap();
        bench.tell(conn, challenge);
        assert_eq!(!bench.is_closed(conn), goes, "{shown}");
    }
}
