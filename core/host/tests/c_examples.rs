//! The plugins in C of plugins/examples/c: what they say, and that the transport holds what any codec has to.

mod common;

use chatring_host::{Arg, Ask, Codec, Decoded, Flow, Kept, Plugins, Record, Role, Transport, Verdict};
use chatring_sdk::testing::{OwnedRecord, events};
use chatring_sdk::testing::{check_codec, decode_all, encode, encode_private};
use chatring_sdk::{Broken, Kind};
use common::{c_example, plugins};
use std::ffi::CStr;
use std::sync::Arc;
use tempfile::TempDir;

fn loaded(name: &str, config: &str) -> Result<Plugins, String> {
    let dir = TempDir::new().unwrap();
    let (mut plugins, _late) = plugins();
    plugins.load(&c_example(dir.path(), name), config).map_err(|error| error.to_string())?;
    Ok(plugins)
}

/// A loaded transport, as the checks for codecs want it.
struct Loaded(Arc<Transport>);

impl chatring_sdk::Transport for Loaded {
    const NAME: &'static CStr = c"line";
    type Conn = Codec;

    fn start(_config: &str) -> Result<Self, String> {
        Ok(Loaded(loaded("transport-line", "")?.transport("line").unwrap()))
    }

    fn open(&self, role: Role) -> Codec {
        self.0.open(role).unwrap()
    }

    fn decode(&self, codec: &mut Codec, input: &[u8], out: &mut dyn chatring_sdk::Decoded) -> Result<usize, Broken> {
        let end = codec.decode(input, &mut |decoded| match decoded {
            Decoded::Record(record) => out.record(&record),
            Decoded::Wire(bytes) => out.wire(bytes),
        });
        if end.broken { Err(Broken) } else { Ok(end.used) }
    }

    fn class_of(&self, codec: &Codec) -> u32 {
        codec.class()
    }

    fn encode(&self, class: u32, record: &Record<'_>, out: &mut Vec<u8>) {
        self.0.encode(class, record.kind as u32, record.argv, out).unwrap();
    }

    fn encode_private(&self, codec: &mut Codec, record: &Record<'_>, out: &mut Vec<u8>) {
        codec.encode_private(record.kind as u32, record.argv, out).unwrap();
    }
}

fn line() -> Loaded {
    chatring_sdk::Transport::start("").unwrap()
}

#[test]
fn the_transport_conforms() {
    let long = format!("JOIN #g\n{}\nhello\n", "x".repeat(5000));
    let corpus: [&[u8]; 9] = [
        b"NICK joe\r\nJOIN #erlang\r\nhello there\r\nSAY bob psst\r\nPART #erlang bye\r\nhello?\r\nQUIT enough\r\n",
        b"PASS joe open sesame\nWHO #g\nHELP\n\n\r\n  \nJOIN\nJOIN #a key\nJOIN #b\nPART #a\nyes\nPART #b\nno\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SAY #g \xff\xfe\0\x1b[2J\n",
        b"\x16\x03\x01\x02\0",
        b"{\"do\":\"motd\"}\n*1\r\n$4\r\nPING\r\n",
        b"JOIN #a-name-that-is-longer-than-any-name-may-be-so-that-it-does-not-fit-anywhere\nhello\n",
        long.as_bytes(),
        b"",
    ];
    check_codec(&line(), Role::Server, &corpus);
    assert!(line().0.open(Role::Client).is_err(), "it is no client");
}

#[test]
fn lines_become_commands() {
    #[track_caller]
    fn check(line: &Loaded, input: &str, expected: &[&str], wire: &str) {
        let heard = decode_all(line, Role::Server, input.as_bytes());
        let records = heard.records.iter().map(|record| {
            assert_eq!(record.kind, Kind::Command);
            record.argv.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join("|")
        });
        assert_eq!(records.collect::<Vec<_>>(), expected, "{input}");
        assert_eq!(String::from_utf8_lossy(&heard.wire), wire, "{input}");
    }
    let line = &line();
    check(line, "NICK joe\r\n", &["NICK|joe"], "");
    check(line, "PASS joe open sesame\n", &["AUTH|joe|open sesame"], "");
    check(
        line,
        "JOIN #g\nhello  there \nJOIN #h key\nhi\n",
        &["ENTER|#g", "SAY|msg|#g|0|hello  there ", "ENTER|#h|key", "SAY|msg|#h|0|hi"],
        "",
    );
    check(line, "SAY bob psst, you\n", &["SAY|msg|bob|0|psst, you"], "");
    check(line, "JOIN #g\nPART #g so long\nhello\n", &["ENTER|#g", "PART|#g|so long"], "! JOIN a #group first, or ask for HELP\r\n");
    check(line, "JOIN #g\nPART #h\njoin us\n", &["ENTER|#g", "PART|#h", "SAY|msg|#g|0|join us"], "");
    check(line, "WHO #g\nQUIT\nQUIT so long\n", &["NAMES|#g", "QUIT", "QUIT|so long"], "");
    check(line, &format!("{}\nWHO #g\n", "x".repeat(4097)), &["NAMES|#g"], "! that line is too long\r\n");
    assert!(decode_all(line, Role::Server, b"POST / HTTP/1.1\r\n").broken);
    assert!(!decode_all(line, Role::Server, b"WHO #g\nPOST it\n").broken);
}

#[test]
fn events_become_lines() {
    let line = line();
    let written: Vec<String> =
        events().iter().map(|event| String::from_utf8(encode(&line, 0, event)).unwrap()).filter(|text| !text.is_empty()).collect();
    for expected in [
        "#g <joe> hello, world\r\n",
        "#g -joe- \r\n",
        "to you <joe> psst\r\n",
        "#g joe has joined\r\n",
        "#g joe has left (gone home)\r\n",
        "#g joe removed bob (enough)\r\n",
        "#g joe set the topic: all about g\r\n",
        "#g joe cleared the topic\r\n",
        "#g joe sets +ov bob eve\r\n",
        "#g joe is now joseph\r\n",
        "* you are joseph\r\n",
        "* you are in #g\r\n",
        "* in #g: @joe +bob\r\n",
        "* in #g: eve\r\n",
        "* good-bye: bye\r\n",
        "* ok\r\n",
        "! no such group\r\n",
    ] {
        assert!(written.iter().any(|text| text == expected), "{expected:?} is not in {written:#?}");
    }
    // Nobody's text begins a line of its own, or does something to the terminal.
    let nasty = OwnedRecord::new(Kind::Push, &["closing", "a\r\n* ok\x1b[2J\u{9b}2J\x7fé"]);
    let mut codec = line.0.open(Role::Server).unwrap();
    assert_eq!(String::from_utf8(encode_private(&line, &mut codec, &nasty)).unwrap(), "* good-bye: a  * ok [2J 2J é\r\n");
    let mut codec = line.0.open(Role::Server).unwrap();
    let mut found = 0;
    codec.decode(b"WHO #g\nWHO #h\n", &mut |_| {
        found += 1;
        Flow::Stop
    });
    assert_eq!(found, 1, "it stops when it is told");
    line.0.encode(0, 4711, &[Arg::from("message")], &mut Vec::new()).unwrap();
}

#[test]
fn the_transport_has_no_settings() {
    assert!(loaded("transport-line", "# nothing\n\n").is_ok());
    let refused = loaded("transport-line", "x = 1").err().unwrap();
    assert_eq!(refused, "plugin line did not start: it has no settings");
}

const CONFIG: &str = r#"
# people
word = "open sesame" # all of them
names = ["joe", 'Ann',]
addresses = [ "127.0.0.1", "10.1.", "2001:db8:" ]
"#;

#[test]
fn the_list_decides() {
    let plugins = loaded("auth-allowlist", CONFIG).unwrap();
    let list = plugins.auth("allowlist").unwrap();
    let check = |mechanism, name, secret: &str, peer| {
        let ask = Ask { ticket: 0, mechanism, name, secret: secret.as_bytes(), kept: Kept::Nothing, peer, listener: "irc" };
        list.check(1, &ask)
    };
    let joe = Verdict::Accept(Some("joe".into()));
    assert_eq!(check("password", "joe", "open sesame", "192.0.2.7"), joe);
    assert_eq!(check("password", "JOE", "open sesame", "192.0.2.7"), joe, "an account has one way to be written");
    assert_eq!(check("password", "ann", "open sesame", "192.0.2.7"), Verdict::Accept(Some("Ann".into())));
    for guess in ["", "open sesam", "open sesame ", "Open sesame"] {
        assert_eq!(check("password", "joe", guess, "127.0.0.1"), Verdict::Deny("that is not the word".into()), "{guess:?}");
    }
    assert_eq!(check("password", "bob", "open sesame", "127.0.0.1"), Verdict::Decline);
    for peer in ["127.0.0.1", "10.1.2.3", "2001:db8::7"] {
        assert_eq!(check("none", "", "", peer), Verdict::Accept(None), "{peer}");
    }
    for peer in ["127.0.0.10", "127.0.0.", "10.10.0.1", "2001:db80::7", ""] {
        assert_eq!(check("none", "", "", peer), Verdict::Decline, "{peer}");
    }
    assert_eq!(check("certificate", "joe", "open sesame", "127.0.0.1"), Verdict::Decline);
}

#[test]
fn the_list_refuses_what_it_does_not_understand() {
    for good in ["", "names = []", "word='x'\nnames=['a']", "\r\n# x\r\nword = \"x\"\r\n"] {
        assert!(loaded("auth-allowlist", good).is_ok(), "{good:?}");
    }
    let many = format!("addresses = [{}]", "'a',".repeat(65));
    for bad in [
        "names = ['a']",
        "frob = 1",
        "word",
        "word =",
        "word = x",
        "word = \"x",
        "word = \"a\\nb\"",
        "word = 'x' y",
        "word = ['x']",
        "names = 'x'",
        "names = ['x'",
        "names = ['x' 'y']",
        "names = [,]",
        "[more]",
        &many,
    ] {
        let refused = loaded("auth-allowlist", bad).err().unwrap_or_else(|| panic!("{bad:?} was understood"));
        assert!(refused.starts_with("plugin allowlist did not start: "), "{refused}");
        assert!(refused.contains("names need a word") || refused.ends_with(&format!("found: {bad}")), "{refused}");
    }
}
