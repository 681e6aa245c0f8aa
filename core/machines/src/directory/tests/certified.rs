//! Where peers have certificates: who is let in, and what each may say.

use super::*;
use crate::certificate::Certificate;

fn founded() -> Rig {
    let mut rig = Rig::new(DirectoryLimits::default());
    rig.directory = Directory::new(DirectoryConfig { certified: true, ..config(DirectoryLimits::default(), 1) }, Kept::default()).unwrap();
    rig.step("start");
    rig.durable();
    rig
}

/// Someone who shows this certificate calls itself this, and what it hears of that.
fn greet(rig: &mut Rig, slot: &str, shown: Option<&str>, key: &str) -> String {
    rig.step(&format!("open {slot}"));
    if let Some(uri) = shown {
        rig.handle(Input::Certified { conn: conn(slot), certificate: Certificate::new([uri]) });
    }
    let identity = Identity {
        network: "net".into(),
        secret: NetworkSecret::new("s"),
        key: NodeKey::new(key).unwrap(),
        incarnation: Incarnation(1),
        certified: false,
    };
    let (dialling, hello) = Dialling::start(&identity, Whom::Directory, 7);
    let mut effects = rig.handle(Input::Heard { conn: conn(slot), command: Ok(hello.into()) });
    if let [Effect::Tell { event: Event::Link(challenge @ LinkEvent::Challenge { .. }), .. }] = &effects[..] {
        let (_, prove) = dialling.challenged(&identity, challenge).unwrap();
        effects = rig.handle(Input::Heard { conn: conn(slot), command: Ok(prove.into()) });
    }
    effects.iter().filter_map(show).collect::<Vec<_>>().join(" | ")
}

#[test]
fn nobody_is_let_in_without_the_right_certificate() {
    let mut rig = founded();
    let node = "chatring://net/node/192.0.2.1";
    assert_eq!(greet(&mut rig, "1", Some(node), "192.0.2.1:7412"), "1: proven");
    let refused = greet(&mut rig, "2", None, "192.0.2.1");
    assert!(refused.starts_with("2: refused NOPERM node 192.0.2.1 shows no certificate") && refused.ends_with("| 2 closed"), "{refused}");
    let refused = greet(&mut rig, "3", Some(node), "192.0.2.2");
    assert!(
        refused.starts_with("3: refused NOPERM node 192.0.2.2 of network 'net' shows a certificate that is for node 192.0.2.1"),
        "{refused}"
    );
    assert!(refused.ends_with("| 3 closed"), "{refused}");
    // Everyone else comes in as ever.
    rig.step("open 4");
    assert_eq!(show_all(&rig.step("4 PING")), "4: pong PONG");
}

fn show_all(effects: &[Effect]) -> String {
    effects.iter().filter_map(show).collect::<Vec<_>>().join(" | ")
}

#[test]
fn each_says_what_its_role_has_to_say() {
    let mut rig = founded();
    for (slot, role, key, words, goes) in [
        ("1", "node/192.0.2.1", "192.0.2.1", &["WATCH"][..], true),
        ("2", "node/192.0.2.1", "192.0.2.1", &["VIALOST", "1"], false),
        ("3", "directory/192.0.2.2", "edge:directory@192.0.2.2:7400", &["VIALOST", "1"], true),
        ("4", "directory/192.0.2.2", "edge:directory@192.0.2.2:7400", &["REGISTER", "1", "x"], false),
        ("5", "gateway/desk", "edge:desk", &["WATCH"], true),
        ("6", "gateway/desk", "edge:desk", &["REGISTER", "1", "x"], false),
        ("7", "gateway/desk", "edge:desk", &["RELAY", "edge:desk", "0"], false),
        ("8", "node/192.0.2.1", "192.0.2.1", &["REGISTER", "1", "x"], true),
    ] {
        let title = format!("chatring://net/{role}");
        assert_eq!(greet(&mut rig, slot, Some(&title), key), format!("{slot}: proven"));
        let heard = show_all(&rig.heard(slot, words));
        let is_refused = heard
            == format!(
                "{slot}: refused NOPERM {key} sent {}, which is not for a {} to say | {slot} closed",
                words[0],
                role.split('/').next().unwrap()
            );
        assert_eq!(!is_refused, goes, "{heard}");
    }
}
