//! What lines become, and how answers find their way back to them.

use crate::client::{Client, json};
use chatring_sdk::Kind;

#[track_caller]
fn check(line: &str, records: &[&str]) {
    assert_eq!(Client::new(&json()).says(line), records, "{line}");
}

#[test]
fn commands() {
    check(r#"{"do":"login","nick":"joe"}"#, &["LOGIN joe joe joe"]);
    check(r#"{"do":"login","nick":"joe","password":"p w"}"#, &["LOGIN joe joe joe joe p~w"]);
    check(r#"{"do":"login","nick":"joe","user":"u","real":"Joe A","account":"j","password":"p","id":"x"}"#, &["LOGIN joe u Joe~A j p"]);
    check(r##"{"do":"join","group":"#erlang"}"##, &["ENTER #erlang"]);
    check(r##" { "group" : "#erlang", "key": "k", "do":"join" } "##, &["ENTER #erlang k"]);
    check(r##"{"do":"part","group":"#g"}"##, &["PART #g"]);
    check(r##"{"do":"part","group":"#g","reason":"lunch time"}"##, &["PART #g lunch~time"]);
    check(r##"{"do":"say","to":"#g","text":"hi \u00fc\nthere"}"##, &["MSG #g hi~ü\nthere"]);
    check(r##"{"do":"say","to":"bob","text":""}"##, &["MSG bob _"]);
    check(r##"{"do":"notice","to":"#g","text":"hi"}"##, &["SAY notice #g 1 hi", "PING"]);
    check(r##"{"do":"topic","group":"#g"}"##, &["TOPIC #g"]);
    check(r##"{"do":"topic","group":"#g","text":""}"##, &["TOPIC #g _"]);
    check(r##"{"do":"names","group":"#g"}"##, &["NAMES #g"]);
    check(r##"{"do":"who","of":"#g"}"##, &["WHO #g"]);
    check(r##"{"do":"whois","nick":"joe"}"##, &["WHOIS joe"]);
    check(r##"{"do":"online","nicks":["joe","bob"]}"##, &["ISON joe bob"]);
    check(r##"{"do":"online","nicks":[]}"##, &["ISON"]);
    check(r##"{"do":"groups"}"##, &["LIST"]);
    check(r##"{"do":"groups","pattern":"#e*"}"##, &["LIST #e*"]);
    check(r##"{"do":"counts"}"##, &["LUSERS"]);
    check(r##"{"do":"bans","group":"#g"}"##, &["MODE #g +b"]);
    check(r##"{"do":"kick","group":"#g","nick":"bob"}"##, &["KICK #g bob"]);
    check(r##"{"do":"kick","group":"#g","nick":"bob","reason":"enough"}"##, &["KICK #g bob enough"]);
    check(r##"{"do":"invite","group":"#g","nick":"bob"}"##, &["INVITE bob #g"]);
    check(r##"{"do":"nick","nick":"joseph"}"##, &["NICK joseph"]);
    check(r##"{"do":"away"}"##, &["AWAY"]);
    check(r##"{"do":"away","text":"lunch"}"##, &["AWAY lunch"]);
    check(r##"{"do":"motd"}"##, &["MOTD"]);
    check(r##"{"do":"ping"}"##, &["PING"]);
    check(r##"{"do":"ping","text":""}"##, &["PING _"]);
    check(r##"{"do":"pong"}"##, &["PONG"]);
    check(r##"{"do":"quit","reason":"bye"}"##, &["QUIT bye"]);
    check("", &[]);
    check(" \t\r", &[]);
}

#[test]
fn modes_by_name() {
    check(r##"{"do":"modes","group":"#g"}"##, &["MODE #g"]);
    let changes = r##"[{"mode":"operator","value":"joe"},{"mode":"moderated","set":false},{"mode":"limit","value":10},{"mode":"ban","set":false,"value":"*!*@x"}]"##;
    check(&format!(r##"{{"do":"modes","group":"#g","changes":{changes}}}"##), &["MODE #g +o-m+l-b joe 10 *!*@x"]);
    let changes = r##"[{"mode":"limit","set":false},{"mode":"key","set":false},{"mode":"voice","set":true,"value":"v"}]"##;
    check(&format!(r##"{{"do":"modes","group":"#g","changes":{changes}}}"##), &["MODE #g -l-k+v * v"]);
}

/// What a line that is not understood is answered by: with the node's answer to the `PING` that stands for it, so in its turn.
#[track_caller]
fn check_fault(line: &str, expected: &str) {
    let json = json();
    let mut client = Client::new(&json);
    assert_eq!(client.says(line), ["PING"], "{line}");
    assert_eq!(client.hears(Kind::Status, "pong PONG"), format!("{expected}\n"), "{line}");
    assert_eq!(client.says(r#"{"do":"motd"}"#), ["MOTD"], "it goes on");
}

#[test]
fn faults_say_what_was_expected() {
    let error = |code: &str, text: &str, rest: &str| {
        let text = text.replace('"', "\\\"");
        format!(r#"{{"type":"error","code":"{code}","text":"{text}"{rest}}}"#)
    };
    let words = "login, join, part, say, notice, topic, names, who, whois, online, groups, counts, modes, bans, kick, invite, nick, away, motd, \
                 ping, pong, quit";
    let expected = r##"expected one JSON object a line, like {"do":"join","group":"#erlang"}"##;
    check_fault("hello", &error("SYNTAX", &format!("expected value at line 1 column 1; {expected}"), ""));
    check_fault("[1]", &error("SYNTAX", expected, ""));
    check_fault(r#"{"do":"say""#, &error("SYNTAX", &format!("EOF while parsing an object at line 1 column 11; {expected}"), ""));
    check_fault("{}", &error("SYNTAX", &format!("\"do\" is missing; expected one of {words}"), ""));
    check_fault(r#"{"do":7,"id":7}"#, &error("SYNTAX", &format!("\"do\" has to be a text; expected one of {words}"), ",\"id\":7"));
    check_fault(
        r#"{"do":"frob","id":7}"#,
        &error("UNKNOWN", &format!("there is no \"do\":\"frob\"; expected one of {words}"), ",\"id\":7"),
    );
    check_fault(
        r##"{"do":"say","to":"#g","txt":"hi","id":"a\"b"}"##,
        &error("SYNTAX", "say: there is no field \"txt\"; expected to, text, id", r#","do":"say","id":"a\"b""#),
    );
    let of = |word: &str| format!(",\"do\":\"{word}\"");
    check_fault(r##"{"do":"say","to":"#g"}"##, &error("SYNTAX", "say: \"text\" is missing; expected to, text, id", &of("say")));
    check_fault(r##"{"do":"say","to":"#g","text":1}"##, &error("SYNTAX", "say: \"text\" has to be a text", &of("say")));
    check_fault(r##"{"do":"join","group":null}"##, &error("SYNTAX", "join: \"group\" has to be a text", &of("join")));
    check_fault(r##"{"do":"online","nicks":"joe"}"##, &error("SYNTAX", "online: \"nicks\" has to be a list of texts", &of("online")));
    check_fault(r##"{"do":"login","nick":"a","account":"b"}"##, &error("SYNTAX", "login: \"account\" needs a \"password\"", &of("login")));
    for id in ["1.5", "true", "null", "[]", &format!("\"{}\"", "é".repeat(65))] {
        let line = format!(r#"{{"do":"motd","id":{id}}}"#);
        check_fault(&line, &error("SYNTAX", "\"id\" has to be a whole number, or a text of at most 64 characters", ""));
    }
    let names = "operator, voice, ban, key, limit, invite-only, moderated, members-only, topic-locked";
    for (changes, text) in [
        ("1", "\"changes\" has to be a list of 1 to 12 objects"),
        ("[]", "\"changes\" has to be a list of 1 to 12 objects"),
        ("[1]", "a change has to be an object with \"mode\", \"set\", \"value\""),
        ("[{}]", "\"mode\" of a change has to be a text"),
        (r#"[{"mode":"x"}]"#, &format!("there is no mode \"x\"; expected one of {names}")),
        (r#"[{"mode":"voice","nick":"joe"}]"#, "a change has no field \"nick\"; expected mode, set, value"),
        (r#"[{"mode":"voice"}]"#, "voice needs a \"value\""),
        (r#"[{"mode":"moderated","value":"x"}]"#, "moderated takes no \"value\" then"),
        (r#"[{"mode":"moderated","set":1}]"#, "\"set\" of a change has to be true or false"),
        (r#"[{"mode":"voice","value":""}]"#, "\"value\" of a change has to be a text that is not empty, or a whole number"),
    ] {
        let line = format!(r##"{{"do":"modes","group":"#g","changes":{changes}}}"##);
        check_fault(&line, &error("SYNTAX", &format!("modes: {text}"), &of("modes")));
    }
}

#[test]
fn answers_carry_the_ids_of_their_commands() {
    let json = json();
    let mut client = Client::new(&json);
    for line in [
        r#"{"do":"login","nick":"joe","id":1}"#,
        r##"{"do":"join","group":"#g","id":"two"}"##,
        r##"{"do":"say","to":"#g","text":"hi"}"##,
        r##"{"do":"notice","to":"#g","text":"hi","id":4}"##,
        "what?",
        r##"{"do":"notice","to":"#h","text":"hi","id":6}"##,
        r#"{"do":"pong","id":"nobody hears of it"}"#,
        r##"{"do":"names","group":"#g","id":7}"##,
        r##"{"do":"kick","group":"#g","nick":"bob","id":8}"##,
        r##"{"do":"join","group":"#h","id":-9}"##,
    ] {
        assert!(!client.says(line).is_empty());
    }
    let mut check = |kind, words, expected: &str| {
        let line = client.hears(kind, words);
        assert_eq!(line.trim_end(), expected, "{words}");
    };
    check(
        Kind::Named,
        "welcome joe joe host 127.0.0.1 ring 0.1.0 17",
        r#"{"type":"welcome","nick":"joe","user":"joe","host":"host","node":"127.0.0.1","network":"ring","version":"0.1.0","created":17,"id":1}"#,
    );
    check(Kind::Push, "away-is bob lunch", r#"{"type":"away","nick":"bob","text":"lunch"}"#);
    check(Kind::Named, "lusers 3 1 3 2 1", "");
    check(Kind::Named, "motd Be~kind.", "");
    check(Kind::Named, "entered #g b1 12 2 _ _ 0", r##"{"type":"joined","group":"#g","birth":"b1","seq":12,"members":2,"id":"two"}"##);
    check(
        Kind::Named,
        "names #g 0 qo joe",
        r##"{"type":"names","group":"#g","done":false,"members":[{"nick":"joe","ranks":["founder","operator"]}],"id":"two"}"##,
    );
    check(Kind::Named, "names #g 1 _ eve", r##"{"type":"names","group":"#g","done":true,"members":[{"nick":"eve"}],"id":"two"}"##);
    check(Kind::Named, "sent #g 13", r##"{"type":"sent","group":"#g","seq":13}"##);
    check(Kind::Status, "pong PONG", r#"{"type":"ok","do":"notice","id":4}"#);
    let line = r##"{"type":"error","code":"SYNTAX","text":"expected value at line 1 column 1; expected one JSON object a line, like {\"do\":\"join\",\"group\":\"#erlang\"}"}"##;
    check(Kind::Status, "pong PONG", line);
    let line = r##"{"type":"error","code":"CANNOTSEND","text":"no","about":"#h","do":"notice","id":6}"##;
    check(Kind::Error, "error CANNOTSEND no #h", line);
    check(Kind::Status, "pong PONG", "");
    check(Kind::Named, "names #g 1", r##"{"type":"names","group":"#g","done":true,"members":[],"id":7}"##);
    let line = r##"{"type":"error","code":"NOTINGROUP","text":"not there","about":"bob","group":"#g","do":"kick","id":8}"##;
    check(Kind::Error, "error NOTINGROUP not~there bob #g", line);
    check(Kind::Error, "error BANNED out #h", r##"{"type":"error","code":"BANNED","text":"out","about":"#h","do":"join","id":-9}"##);
    check(Kind::Status, "ok OK", r#"{"type":"ok"}"#);
}
