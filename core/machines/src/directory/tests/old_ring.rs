//! A server whose file has a ring and no log: it begins one with that ring, unless others may know of a newer.

use super::*;

/// A server whose file has a ring of one node, at epoch 1.3, and no log; these others are configured.
fn with_only_a_ring(others: &[&str]) -> Rig {
    let mut state = DirectoryState::default();
    state.apply(&Change::Found { network: "net".into(), params: RingParams::default(), generation: 1 });
    let server = crate::view::DirectoryServer { address: "192.0.2.9:7410".into(), key: Some(ListSigner::new([1; 32]).key()) };
    state.apply(&Change::Directories { servers: vec![server] });
    let key = NodeKey::new("192.0.2.1").unwrap();
    let (incarnation, since, admitted) = (Incarnation(1), Time(5), crate::ids::Epoch::default());
    state.apply(&Change::Admit { node: crate::view::NodeInfo { key, name: "alpha".into(), incarnation, since, admitted } });
    let mut rig = Rig::new(DirectoryLimits::default());
    let kept = Kept { state, log: KeptLog::default() };
    let directories = others.iter().map(|&address| address.into()).collect();
    rig.directory = Directory::new(DirectoryConfig { directories, ..config(DirectoryLimits::default(), 1) }, kept.clone()).unwrap();
    rig.store = MemoryStore::of(kept);
    rig
}

#[track_caller]
fn check_only_a_ring(others: &[&str], story: &[(&str, &str)]) -> Rig {
    let mut rig = with_only_a_ring(others);
    for (line, expect) in story {
        let effects: Vec<String> = rig.step(line).iter().filter_map(show).collect();
        assert_eq!(effects.join(" | "), *expect, "after '{line}'");
    }
    rig
}

#[test]
fn an_old_ring_goes_on_in_a_higher_generation() {
    let mut rig = check_only_a_ring(
        &[],
        &[
            ("start", ""),
            ("durable", "all: view 2.1 192.0.2.1/1 | all: pending 0 -"),
            ("until 1000", ""),
            ("durable", ""),
            // The node is where it was, and is heard.
            ("node 1 192.0.2.1 1", "1: proven"),
            ("1 REGISTER 7 alpha", "1: registered 7 2.1 | 1 watches | 1: view 2.1 192.0.2.1/1 | 1: pending 0 -"),
            ("restart", ""),
        ],
    );
    let log = &rig.store.kept().log;
    assert_eq!((log.base.index, log.roster.seats.len()), (1, 1), "its log begins behind the ring, so that whoever comes is sent that");
    assert_eq!(rig.store.kept().state, *rig.directory.state());
    // It is the same life, however often it is started.
    rig.step("restart");
    assert_eq!(rig.directory.state().view().epoch.to_string(), "2.1");
}

#[test]
fn an_old_ring_is_not_mixed_with_what_others_know() {
    let introduce = |founded: &str| format!("1 SERVER 00000000000000aa 192.0.2.8:7410 {founded} {}", "11".repeat(32));
    let both = ["192.0.2.9:7410", "192.0.2.8:7410"];
    // Another that knows of a network: nothing is begun, and nothing taken from it.
    let mut rig = check_only_a_ring(&both, &[("start", ""), ("durable", ""), ("node 1 edge:x 1", "1: proven")]);
    let effects = rig.step(&introduce("1"));
    let is_told = |effect: &Effect| matches!(effect, Effect::Note(Note::Log { level: Level::Error, .. }));
    assert!(effects.iter().any(is_told), "{effects:?}");
    let me = rig.directory.replica.me();
    let letter = replica::Letter::Stand { term: 9, last: Place { index: 7, term: 8 }, handed: true };
    let log = crate::peer::PeerCommand::Log { server: ServerId(0xaa), to: me, letter: Box::new(letter) };
    rig.handle(Input::Heard { conn: conn("1"), command: Ok(log.into()) });
    assert!(rig.directory.replica.term() < 9);
    rig.step("until 60000");
    rig.step("durable");
    assert_eq!(rig.directory.state().view().epoch.to_string(), "1.3");
    // One that is new: it is taken in later.
    let mut rig = check_only_a_ring(&both, &[("start", ""), ("durable", ""), ("node 1 edge:x 1", "1: proven")]);
    rig.step(&introduce("0"));
    rig.step("durable");
    assert_eq!(rig.directory.state().view().epoch.to_string(), "2.1");
}
