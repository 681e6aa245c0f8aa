//! Who comes in, and who does not.

use chat_{{ident}}::Plugin;
use chatring_sdk::{Ask, Auth, Kept, Verdict};

fn ask<'a>(mechanism: &'a str, name: &'a str, secret: &'a str) -> Ask<'a> {
    Ask { ticket: 1, mechanism, name, secret: secret.as_bytes(), kept: Kept::Nothing, peer: "192.0.2.7", listener: "irc" }
}

#[test]
fn the_secret_opens() {
    let plugin = Plugin::start("secret = 'sesame'").unwrap();
    assert_eq!(plugin.check(&ask("password", "joe", "sesame")), Verdict::Accept(Some("joe".into())));
    let no = Verdict::Deny("wrong name or secret".into());
    assert_eq!(plugin.check(&ask("password", "joe", "donkey")), no);
    assert_eq!(plugin.check(&ask("password", "", "sesame")), no);
    assert_eq!(plugin.check(&ask("none", "", "")), Verdict::Decline);
}

#[test]
fn without_a_secret_it_has_no_opinion() {
    assert_eq!(Plugin::start("").unwrap().check(&ask("password", "joe", "")), Verdict::Decline);
}

#[test]
fn settings_are_looked_at() {
    assert!(Plugin::start("sekret = 'sesame'").is_err());
}
