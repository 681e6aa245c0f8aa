//! How clients register, as they really do it, and what becomes of it when something is refused.

use crate::client::Client;

const LS: &str = "cap-notify echo-message invite-notify message-tags multi-prefix sasl=PLAIN server-time";

/// A conversation: `C: ` the client says, `N: ` the node says, `> ` and `< ` what is expected of the line before.
#[track_caller]
fn check(script: &str) {
    let script = script.replace("$LS", LS);
    let mut client = Client::new();
    let mut left: Vec<String> = Vec::new();
    let mut before = "the beginning";
    for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        if let Some(expected) = line.strip_prefix('=') {
            assert!(!left.is_empty(), "{before}: nothing, instead of {expected:?}");
            assert_eq!(left.remove(0), expected.trim_start(), "{before}");
            continue;
        }
        assert!(left.is_empty(), "{before}: also {left:?}");
        left = match line.split_at(3) {
            ("C: ", said) => client.says(said),
            ("N: ", event) => client.hears(event),
            _ => panic!("{line:?}"),
        };
        if line.starts_with("N: welcome") {
            left.retain(|line| line.contains(" 001 "));
        }
        before = line;
    }
    assert!(left.is_empty(), "{before}: also {left:?}");
}

/// Says `JOIN :` to see whether the server knows CAP at all.
#[test]
fn irssi() {
    check(
        "C: CAP LS 302
         = < :irc.test CAP * LS :$LS
         C: JOIN :
         = < :irc.test 451 * :You have not registered
         C: CAP REQ :multi-prefix server-time
         = < :irc.test CAP * ACK :multi-prefix server-time
         C: CAP END
         C: NICK joe
         C: USER joe joe 127.0.0.1 :Joe Bloggs
         = > LOGIN joe joe Joe~Bloggs
         N: welcome joe joe h.example n:1 ring 0.1.0 0
         = :n-1 001 joe :Welcome to ring, joe!joe@h.example
         C: MODE joe +i
         = < :n-1 221 joe +
         C: JOIN #g
         = > ENTER #g
         C: MODE #g
         = > MODE #g
         C: WHO #g
         = > WHO #g
         C: MODE #g b
         = > MODE #g +b",
    );
}

#[test]
fn weechat() {
    check(
        "C: CAP LS 302
         = < :irc.test CAP * LS :$LS
         C: NICK joe
         C: USER joe 0 * :joe
         C: CAP REQ :cap-notify echo-message invite-notify message-tags multi-prefix sasl server-time
         = < :irc.test CAP * ACK :cap-notify echo-message invite-notify message-tags multi-prefix sasl server-time
         C: AUTHENTICATE PLAIN
         = < AUTHENTICATE +
         C: AUTHENTICATE am9lAGpvZQBzZWNyZXQ=
         = > AUTH joe secret
         N: ok OK
         = :irc.test 900 * joe!*@* joe :You are now logged in as joe
         = :irc.test 903 * :SASL authentication successful
         C: CAP END
         = > LOGIN joe joe joe
         N: welcome joe joe h.example n:1 ring 0.1.0 0
         = :n-1 001 joe :Welcome to ring, joe!joe@h.example
         C: AUTHENTICATE PLAIN
         = < :n-1 907 joe :You have already authenticated using SASL",
    );
}

/// Negotiates nothing, and joins without waiting.
#[test]
fn ii() {
    check(
        "C: NICK joe
         C: USER joe localhost 127.0.0.1 :joe
         = > LOGIN joe joe joe
         C: JOIN #g
         = > ENTER #g
         N: welcome joe joe h.example n:1 ring 0.1.0 0
         = :n-1 001 joe :Welcome to ring, joe!joe@h.example",
    );
}

#[test]
fn hexchat() {
    check(
        "C: CAP LS 302
         = < :irc.test CAP * LS :$LS
         C: NICK joe
         C: USER joe 0 * :realname
         C: CAP REQ :cap-notify invite-notify multi-prefix server-time
         = < :irc.test CAP * ACK :cap-notify invite-notify multi-prefix server-time
         C: CAP END
         = > LOGIN joe joe realname
         N: welcome joe joe h.example n:1 ring 0.1.0 0
         = :n-1 001 joe :Welcome to ring, joe!joe@h.example
         C: PING LAG1234
         = < :n-1 PONG n-1 :LAG1234",
    );
}

#[test]
fn a_taken_nick_is_asked_for_again() {
    check(
        "C: PASS secret
         C: NICK joe
         C: USER j 0 * :
         = > LOGIN joe j j joe secret
         N: error NICKINUSE taken joe
         = :irc.test 433 * joe :taken
         C: JOIN #g
         = < :irc.test 451 * :You have not registered
         C: NICK joe_
         = > LOGIN joe_ j j joe secret
         C: PASS late
         = < :irc.test 462 * :You may not reregister
         C: NICK other
         = > NICK other
         N: error WRONGPASS wrong
         = :irc.test 464 * :wrong
         N: error NONICK first~say~who~you~are
         = :irc.test 451 * :first say who you are
         C: PASS joe:right:one
         C: NICK joe
         = > LOGIN joe j j joe right:one",
    );
}

#[test]
fn sasl_that_fails() {
    let chunk = "A".repeat(400);
    check(&format!(
        "C: AUTHENTICATE PLAIN
         = < :irc.test 904 * :SASL authentication failed
         C: CAP REQ sasl
         = < :irc.test CAP * ACK :sasl
         C: AUTHENTICATE EXTERNAL
         = < :irc.test 908 * PLAIN :are available SASL mechanisms
         = < :irc.test 904 * :SASL authentication failed
         C: AUTHENTICATE PLAIN
         = < AUTHENTICATE +
         C: AUTHENTICATE *
         = < :irc.test 906 * :SASL authentication aborted
         C: AUTHENTICATE plain
         = < AUTHENTICATE +
         C: AUTHENTICATE !!!
         = < :irc.test 904 * :SASL authentication failed
         C: AUTHENTICATE PLAIN
         = < AUTHENTICATE +
         C: AUTHENTICATE YQBiAGM=
         = < :irc.test 904 * :SASL authentication failed
         C: AUTHENTICATE PLAIN
         = < AUTHENTICATE +
         C: AUTHENTICATE {chunk}
         C: AUTHENTICATE {chunk}
         C: AUTHENTICATE {chunk}
         C: AUTHENTICATE {chunk}
         C: AUTHENTICATE A
         = < :irc.test 905 * :SASL message too long
         C: PASS secret
         C: NICK joe
         C: USER j 0 * J
         C: AUTHENTICATE PLAIN
         = < AUTHENTICATE +
         C: AUTHENTICATE AGpvZQB4
         = > AUTH joe x
         C: AUTHENTICATE PLAIN
         N: error WRONGPASS wrong
         = :irc.test 904 * :SASL authentication failed
         C: CAP END
         = > LOGIN joe j J joe secret"
    ));
}

#[test]
fn a_long_proof_comes_in_chunks() {
    // 300 bytes, so that the first chunk is full and an empty one ends it.
    let chunk = base64_of(&format!("\0joe\0{}", "s".repeat(295)));
    assert_eq!(chunk.len(), 400);
    check(&format!(
        "C: CAP REQ sasl
         = < :irc.test CAP * ACK :sasl
         C: AUTHENTICATE PLAIN
         = < AUTHENTICATE +
         C: AUTHENTICATE {chunk}
         C: AUTHENTICATE +
         = > AUTH joe {}",
        "s".repeat(295)
    ));
}

fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn what_is_missing() {
    check(
        "C: NICK
         = < :irc.test 431 * :No nickname given
         C: USER joe
         = < :irc.test 461 * USER :Not enough parameters
         C: PASS
         = < :irc.test 461 * PASS :Not enough parameters
         C: PING x
         = < :irc.test PONG irc.test :x
         C: CAP LS
         = < :irc.test CAP * LS :cap-notify echo-message invite-notify message-tags multi-prefix sasl server-time
         C: CAP
         = < :irc.test 410 * * :Unknown CAP subcommand
         C: QUIT :bye
         = > QUIT bye
         N: closing bye
         = ERROR :Closing Link: * (bye)",
    );
}
