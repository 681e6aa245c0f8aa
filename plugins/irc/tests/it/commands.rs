//! What a welcome client's commands become.

use crate::client::Client;

#[track_caller]
fn check(line: &str, expected: &[&str]) {
    assert_eq!(Client::welcome("").says(line), expected, "{line:?}");
}

#[test]
fn groups() {
    check("JOIN #a", &["> ENTER #a"]);
    check("join #a,#b,#c k1,,k3", &["> ENTER #a k1", "> ENTER #b", "> ENTER #c k3"]);
    check("JOIN #a,b,,#c", &["> ENTER #a", "< :n-1 403 joe b :No such channel", "> ENTER #c"]);
    check("JOIN @bob", &["< :n-1 403 joe @bob :No such channel"]);
    check("JOIN 0", &["< :n-1 NOTICE joe :JOIN 0 is not known here: PART the groups you want to leave"]);
    check("JOIN :", &["< :n-1 461 joe JOIN :Not enough parameters"]);
    check("PART #a,#b :so long", &["> PART #a so~long", "> PART #b so~long"]);
    check("PART #a", &["> PART #a"]);
    check("TOPIC #a", &["> TOPIC #a"]);
    check("TOPIC #a :", &["> TOPIC #a _"]);
    check("TOPIC #a :all new", &["> TOPIC #a all~new"]);
    check("NAMES #a,#b", &["> NAMES #a", "> NAMES #b"]);
    check("NAMES", &["< :n-1 366 joe * :End of /NAMES list"]);
    check("LIST", &["> LIST"]);
    check("LIST #er*", &["> LIST #er*"]);
    check("INVITE bob #a", &["> INVITE bob #a"]);
    check("INVITE bob", &["< :n-1 461 joe INVITE :Not enough parameters"]);
    check("KICK #a bob", &["> KICK #a bob"]);
    check("KICK #a bob,eve :too loud", &["> KICK #a bob too~loud", "> KICK #a eve too~loud"]);
    check("KICK #a,#b bob,eve", &["> KICK #a bob", "> KICK #b eve"]);
    check("KICK #a", &["< :n-1 461 joe KICK :Not enough parameters"]);
}

#[test]
fn talk() {
    check("PRIVMSG #a :hello  world", &["> SAY msg #a 0 hello~~world"]);
    check("@+x=y;label=1 PRIVMSG #a hello", &["> SAY msg #a 0 hello"]);
    check(":joe!j@h PRIVMSG bob ::)", &["> SAY msg bob 0 :)"]);
    check("NOTICE #a,bob :x", &["> SAY notice #a 0 x", "> SAY notice bob 0 x"]);
    check("PRIVMSG #a :\x01ACTION waves\x01", &["> SAY msg #a 0 \x01ACTION~waves\x01"]);
    check("PRIVMSG a,b,c,d,e :x", &["< :n-1 407 joe a,b,c,d,e :Too many targets; nothing was sent"]);
    check("PRIVMSG", &["< :n-1 411 joe :No recipient given"]);
    check("PRIVMSG #a", &["< :n-1 412 joe :No text to send"]);
    check("PRIVMSG #a :", &["< :n-1 412 joe :No text to send"]);
    check("TAGMSG #a", &[]);
    assert_eq!(Client::welcome("echo-message").says("PRIVMSG #a x"), ["> SAY msg #a 1 x"]);
}

#[test]
fn modes() {
    check("MODE #a", &["> MODE #a"]);
    check("MODE #a +ov joe bob", &["> MODE #a +ov joe bob"]);
    check("MODE #a b", &["> MODE #a +b"]);
    check("MODE #a +b", &["> MODE #a +b"]);
    check("MODE #a +b :", &["> MODE #a +b"]);
    check("MODE #a +b *!*@spam", &["> MODE #a +b *!*@spam"]);
    check("MODE JOE +i", &["< :n-1 221 joe +"]);
    check("MODE bob", &["< :n-1 502 joe :You can't see or change the modes of others"]);
    check("MODE", &["< :n-1 461 joe MODE :Not enough parameters"]);
}

#[test]
fn people() {
    check("WHO #a", &["> WHO #a"]);
    check("WHO #a %tcuhn,1", &["> WHO #a"]);
    check("WHO", &["< :n-1 315 joe * :End of /WHO list"]);
    check("WHO b*", &["< :n-1 315 joe b* :End of /WHO list"]);
    check("WHOIS bob", &["> WHOIS bob"]);
    check("WHOIS bob bob", &["> WHOIS bob"]);
    check("WHOWAS bob", &["< :n-1 406 joe bob :There was no such nickname", "< :n-1 369 joe bob :End of WHOWAS"]);
    check("ISON bob eve", &["> ISON bob eve"]);
    check("ISON :bob  eve ", &["> ISON bob eve"]);
    check("USERHOST bob", &["> USERHOST bob"]);
    check("AWAY :lunch time", &["> AWAY lunch~time"]);
    check("AWAY", &["> AWAY"]);
    check("AWAY :", &["> AWAY"]);
    check("NICK jane", &["> NICK jane"]);
    check("NICK", &["< :n-1 431 joe :No nickname given"]);
}

#[test]
fn the_rest() {
    check("MOTD", &["> MOTD"]);
    check("LUSERS", &["> LUSERS"]);
    check("PING a b", &["< :n-1 PONG n-1 :a"]);
    check("PING :a b", &["< :n-1 PONG n-1 :a b"]);
    check("PING", &["< :n-1 409 joe :No origin specified"]);
    check("PONG n-1", &["> PONG"]);
    check("QUIT :so long", &["> QUIT so~long"]);
    check("QUIT", &["> QUIT"]);
    check("PASS x", &["< :n-1 462 joe :You may not reregister"]);
    check("USER a b c d", &["< :n-1 462 joe :You may not reregister"]);
    check("GET / HTTP/1.1", &["< :n-1 421 joe GET :Unknown command"]);
    check("FROBNICATEALLTHETHINGS", &["< :n-1 421 joe FROBNICATEALLTHETHINGS :Unknown command"]);
    check("", &[]);
    check("VERSION", &[concat!("< :n-1 351 joe chatring-", env!("CARGO_PKG_VERSION"), " n-1 :")]);
    let time = Client::welcome("").says("TIME");
    assert!(time[0].starts_with("< :n-1 391 joe n-1 :20"), "{time:?}");
}

#[test]
fn capabilities_after_registration() {
    let mut client = Client::welcome("");
    assert_eq!(client.says("CAP REQ :echo-message server-time"), ["< :n-1 CAP joe ACK :echo-message server-time"]);
    assert_eq!(client.says("CAP REQ :-server-time"), ["< :n-1 CAP joe ACK :-server-time"]);
    assert_eq!(client.says("CAP REQ :batch"), ["< :n-1 CAP joe NAK :batch"]);
    assert_eq!(client.says("CAP LIST"), ["< :n-1 CAP joe LIST :echo-message"]);
    assert_eq!(client.says("CAP CLEAR"), ["< :n-1 410 joe CLEAR :Unknown CAP subcommand"]);
    assert_eq!(client.says("JOIN #a"), ["> ENTER #a"]);
}
