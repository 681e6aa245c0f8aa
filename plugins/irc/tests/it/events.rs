//! What events become, for someone welcome as joe at the node `n:1`.

use crate::client::Client;

const TAGS: &str = "@time=2026-01-02T03:04:05.678Z;msgid=s.9 ";

/// An entry of a group, `word group rest`, as everyone of a class hears it. Always by bob.
#[track_caller]
fn check_entry(caps: &str, entry: &str, expected: &[&str]) {
    let (word, rest) = entry.split_once(' ').expect("a word and a group");
    let (group, rest) = rest.split_once(' ').unwrap_or((rest, "_"));
    let event = format!("{word} {group} 7 2 s.9 1767323045678 bob bo b.example _ Bob {rest}");
    assert_eq!(Client::welcome(caps).overhears(&event), expected, "{entry}");
    assert_eq!(Client::welcome(caps).hears(&event), expected, "{entry}, alone");
}

#[test]
fn entries() {
    for (entry, line) in [
        ("message #g msg hello,~world", ":bob!bo@b.example PRIVMSG #g :hello, world"),
        ("message #g notice psst", ":bob!bo@b.example NOTICE #g :psst"),
        ("message @joe msg psst", ":bob!bo@b.example PRIVMSG joe :psst"),
        ("message #g msg _", ":bob!bo@b.example PRIVMSG #g :"),
        ("join #g n:1", ":bob!bo@b.example JOIN #g"),
        ("part #g gone~home", ":bob!bo@b.example PART #g :gone home"),
        ("part #g", ":bob!bo@b.example PART #g"),
        ("kick #g eve too~loud", ":bob!bo@b.example KICK #g eve :too loud"),
        ("topic #g all~new", ":bob!bo@b.example TOPIC #g :all new"),
        ("topic #g _", ":bob!bo@b.example TOPIC #g :"),
        ("mode #g +o-b+ml joe *!*@x 5", ":bob!bo@b.example MODE #g +o-b+ml joe *!*@x 5"),
        ("mode #g -l+k key", ":bob!bo@b.example MODE #g -l+k key"),
        ("nick #g bobby", ":bob!bo@b.example NICK bobby"),
    ] {
        check_entry("", entry, &[line]);
        check_entry("server-time message-tags", entry, &[&format!("{TAGS}{line}")]);
    }
    check_entry("server-time", "topic #g x", &["@time=2026-01-02T03:04:05.678Z :bob!bo@b.example TOPIC #g :x"]);
    check_entry("message-tags", "topic #g x", &["@msgid=s.9 :bob!bo@b.example TOPIC #g :x"]);
    check_entry("invite-notify", "invite #g eve", &[":bob!bo@b.example INVITE eve #g"]);
    for nothing in ["invite #g eve", "return #g n:1", "away #g lunch", "whatever #g x"] {
        check_entry("", nothing, &[]);
    }
}

#[test]
fn long_texts_become_several_lines() {
    check_entry(
        "",
        "message #g msg a\nb\r\n\nc",
        &[":bob!bo@b.example PRIVMSG #g :a", ":bob!bo@b.example PRIVMSG #g :b", ":bob!bo@b.example PRIVMSG #g :c"],
    );
    check_entry(
        "message-tags",
        "message #g msg \x01ACTION~a\nb\x01",
        &["@msgid=s.9 :bob!bo@b.example PRIVMSG #g :\x01ACTION a\x01", "@msgid=s.9 :bob!bo@b.example PRIVMSG #g :\x01ACTION b\x01"],
    );
    let text = "ü".repeat(600);
    let lines = Client::welcome("").overhears(&format!("message #g 7 2 s.9 0 bob bo b.example _ Bob msg {text}"));
    let said: String = lines.iter().map(|line| line.strip_prefix(":bob!bo@b.example PRIVMSG #g :").expect("a message")).collect();
    assert_eq!((said, lines.len()), (text, 3));
}

#[test]
fn many_modes_become_several_lines() {
    let masks: Vec<String> = (0..12).map(|i| format!("*!*@{i}-{}", "x".repeat(90))).collect();
    let event = format!("mode #g 7 2 s.9 0 bob bo b.example _ Bob +bbbbbb-bbbbbb {}", masks.join(" "));
    let lines = Client::welcome("").overhears(&event);
    let heard: Vec<&str> = lines.iter().flat_map(|line| line.split(' ').skip(4)).collect();
    assert_eq!(heard, masks);
    assert!(lines[0].contains(" MODE #g +b") && lines[lines.len() - 1].contains(" MODE #g -b"), "{lines:?}");
}

#[track_caller]
fn check(event: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|line| line.replace("NUM ", ":n-1 ")).collect();
    assert_eq!(Client::welcome("").hears(event), expected, "{event}");
}

#[test]
fn welcome() {
    let mut client = Client::new();
    assert_eq!(client.says("NICK joe\r\nUSER j 0 * :Joe B"), ["> LOGIN joe j Joe~B"]);
    assert_eq!(
        client.hears("welcome joe j host.example 127.0.0.2:7411 ring 0.1.0 1767323045678"),
        [
            ":127.0.0.2-7411 001 joe :Welcome to ring, joe!j@host.example",
            ":127.0.0.2-7411 002 joe :Your host is 127.0.0.2-7411, running chatring 0.1.0",
            ":127.0.0.2-7411 003 joe :This server was created 2026-01-02T03:04:05.678Z",
            ":127.0.0.2-7411 004 joe 127.0.0.2-7411 0.1.0 i bklimnoqtv bkloqv",
            ":127.0.0.2-7411 005 joe CASEMAPPING=ascii CHANTYPES=# PREFIX=(qov)~@+ CHANMODES=b,k,l,imnt NICKLEN=32 CHANNELLEN=64 TOPICLEN=390 MODES=12 STATUSMSG= :are supported by this server",
            ":127.0.0.2-7411 005 joe NETWORK=ring TARGMAX=JOIN:,KICK:,NAMES:,NOTICE:4,PART:,PRIVMSG:4,WHOIS:1 CLIENTTAGDENY=* UTF8ONLY :are supported by this server",
        ]
    );
    check(
        "lusers 10 3 4 2 1",
        &[
            "NUM 251 joe :There are 10 users and 0 invisible on 4 servers",
            "NUM 252 joe 0 :operator(s) online",
            "NUM 253 joe 0 :unknown connection(s)",
            "NUM 254 joe 3 :channels formed",
            "NUM 255 joe :I have 2 clients and 3 servers",
            "NUM 265 joe :Current local users: 2",
            "NUM 266 joe :Current global users: 10",
        ],
    );
    check("motd", &["NUM 422 joe :There is no message of the day"]);
    check(
        "motd Hello, _",
        &["NUM 375 joe :- n-1 Message of the day - ", "NUM 372 joe :- Hello,", "NUM 372 joe :- ", "NUM 376 joe :End of /MOTD command"],
    );
}

#[test]
fn groups() {
    check("entered #g b1 12 2 all~about~g bob 1767323045678", &["NUM 332 joe #g :all about g", "NUM 333 joe #g bob 1767323045"]);
    check("entered #g b1 12 2 _ _ 0", &[]);
    check("names #g 1 qo joe v bob _ eve", &["NUM 353 joe = #g :~joe +bob eve", "NUM 366 joe #g :End of /NAMES list"]);
    check("names #g 0 _ joe", &["NUM 353 joe = #g :joe"]);
    check("names #g 1", &["NUM 366 joe #g :End of /NAMES list"]);
    check("topic-is #g all~new bob 1767323045678", &["NUM 332 joe #g :all new", "NUM 333 joe #g bob 1767323045"]);
    check("topic-is #g _ _ 0", &["NUM 331 joe #g :No topic is set"]);
    check("modes-are #g 1767323045678 +ntk secret", &["NUM 324 joe #g +ntk secret", "NUM 329 joe #g 1767323045"]);
    check("modes-are #g 1767323045678 _", &["NUM 324 joe #g +", "NUM 329 joe #g 1767323045"]);
    check("bans-are #g *!*@x bob 1767323045678", &["NUM 367 joe #g *!*@x bob 1767323045", "NUM 368 joe #g :End of channel ban list"]);
    check(
        "list-is #g 3 all~about~g #h 1 _",
        &["NUM 321 joe Channel :Users  Name", "NUM 322 joe #g 3 :all about g", "NUM 322 joe #h 1 :", "NUM 323 joe :End of /LIST"],
    );
    check("inviting-now #g bob", &["NUM 341 joe bob #g"]);
    check("invited #g 1767323045678 bob bo b.example", &[":bob!bo@b.example INVITE joe #g"]);
    check("gap #g 17 _", &["NUM NOTICE #g :17 lines of what was said here are missing"]);
    check("gap @joe ? log~trimmed", &["NUM NOTICE joe :Some of what was said here may be missing: log trimmed"]);
    assert_eq!(Client::welcome("multi-prefix").hears("names #g 0 qov joe"), [":n-1 353 joe = #g :~@+joe"]);
}

#[test]
fn people() {
    check(
        "who-is #g #g bo b.example n:2 bob Go Bob~B",
        &["NUM 352 joe #g bo b.example n-2 bob G@ :0 Bob B", "NUM 315 joe #g :End of /WHO list"],
    );
    check("who-is bob _ bo ::1 n:2 bob H _", &["NUM 352 joe * bo 0::1 n-2 bob H :0 ", "NUM 315 joe bob :End of /WHO list"]);
    check(
        "whois-is bob bo b.example Bob~B n:2 bobby 61000 1767323045678 lunch",
        &[
            "NUM 311 joe bob bo b.example * :Bob B",
            "NUM 312 joe bob n-2 :chatring",
            "NUM 301 joe bob :lunch",
            "NUM 330 joe bob bobby :is logged in as",
            "NUM 317 joe bob 61 1767323045 :seconds idle, signon time",
            "NUM 318 joe bob :End of /WHOIS list",
        ],
    );
    check(
        "whois-is bob bo b.example Bob~B n:2 _ _ 0 _",
        &["NUM 311 joe bob bo b.example * :Bob B", "NUM 312 joe bob n-2 :chatring", "NUM 318 joe bob :End of /WHOIS list"],
    );
    check("ison-is bob eve", &["NUM 303 joe :bob eve"]);
    check("ison-is", &["NUM 303 joe :"]);
    check("userhost-is bob H bo b.example eve G e ::1", &["NUM 302 joe :bob=+bo@b.example eve=-e@::1"]);
    check("away-now 1", &["NUM 306 joe :You have been marked as being away"]);
    check("away-now 0", &["NUM 305 joe :You are no longer marked as being away"]);
    check("away-is bob lunch", &["NUM 301 joe bob :lunch"]);
    let mut client = Client::welcome("");
    assert_eq!(client.hears("nick-is joe j host.example jane"), [":joe!j@host.example NICK jane"]);
    assert_eq!(client.hears("away-now 0"), [":n-1 305 jane :You are no longer marked as being away"]);
    assert_eq!(client.says("MODE jane"), ["< :n-1 221 jane +"]);
}

#[test]
fn the_rest() {
    check("ping 123", &["PING :123"]);
    check("closing so~long", &["ERROR :Closing Link: joe (so long)"]);
    for nothing in ["ok OK", "sent #g 7", "integer 3", "pong PONG", "moved #g 9 n:2", "subscribe #g 1", "unsubscribe #g 0", "from-later 1"]
    {
        check(nothing, &[]);
    }
}

#[test]
fn errors() {
    for (error, line) in [
        ("NOSUCHNICK nobody bob", "401 joe bob :nobody"),
        ("NOSUCHGROUP none #g", "403 joe #g :none"),
        ("CANNOTSEND no #g", "404 joe #g :no"),
        ("TOOMANY no #g", "405 joe #g :no"),
        ("UNKNOWN what? FROB", "421 joe FROB :what?"),
        ("BADNICK no 9x", "432 joe 9x :no"),
        ("NICKINUSE taken~already bob", "433 joe bob :taken already"),
        ("NOTINGROUP no bob #g", "441 joe bob #g :no"),
        ("NOTINGROUP no bob", "441 joe bob * :no"),
        ("NOTMEMBER no #g", "442 joe #g :no"),
        ("ALREADYIN is~there bob #g", "443 joe bob #g :is there"),
        ("NONICK no", "451 joe :no"),
        ("NOPERM no", "481 joe :no"),
        ("TOOLONG no", "417 joe :no"),
        ("SYNTAX no", "461 joe * :no"),
        ("NOAUTH no", "464 joe :no"),
        ("WRONGPASS no joe", "464 joe :no"),
        ("FULL no #g", "471 joe #g :no"),
        ("UNKNOWNMODE no x", "472 joe x :no"),
        ("INVITEONLY no #g", "473 joe #g :no"),
        ("BANNED no #g", "474 joe #g :no"),
        ("BADKEY no #g", "475 joe #g :no"),
        ("BADGROUP no #g", "476 joe #g :no"),
        ("NEEDOP no #g", "482 joe #g :no"),
        ("TRYAGAIN 200 #g", "263 joe #g :200"),
        ("BUSY full", "263 joe * :full"),
        ("ODD what~now", "400 joe * :ODD: what now"),
    ] {
        check(&format!("error {error}"), &[&format!("NUM {line}")]);
    }
    check("error ALREADYIN you~are~there #g", &[]);
}

#[test]
fn a_whois_ends_also_when_there_is_nobody() {
    let mut client = Client::welcome("");
    client.says("WHOIS Bob");
    let end = [":n-1 401 joe bob :nobody", ":n-1 318 joe bob :End of /WHOIS list"];
    assert_eq!(client.hears("error NOSUCHNICK nobody bob"), end);
    assert_eq!(client.hears("error NOSUCHNICK nobody bob"), end[..1]);
}
