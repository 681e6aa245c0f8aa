//! Dialling, and who judges.

use std::ffi::CStr;
use std::net::TcpListener;
use std::sync::Mutex;

use chatring_sdk::{Ask, Auth, Verdict};

use crate::support::Server;
use chatring_reactor::Tuning;

#[test]
fn a_dial_reaches_another_reactor_and_talks_to_it() {
    let (here, there) = (Server::start(), Server::start());
    let mut client = here.client();
    client.say(&format!("TOPIC #g {}\r\n", there.address));
    here.sees("dialed Ok");
    assert!(here.sees("told").contains("over there"));
    client.say(&format!("TOPIC #g localhost:{}\r\n", there.address.port()));
    here.sees("dialed Ok");
    assert!(here.sees("told").contains("over there"));
    there.stop().unwrap();
    here.sees("lost");
    here.stop().unwrap();
}

/// Dials an address and says what became of it.
#[track_caller]
fn check(address: &str, expected: &str) {
    let server = Server::start_with(chatring_reactor::Limits::CLIENTS, Tuning { dial_ms: 300, ..Tuning::default() });
    let mut client = server.client();
    client.say(&format!("TOPIC #g {address}\r\n"));
    server.sees(expected);
    server.stop().unwrap();
}

#[test]
fn a_dial_that_fails_says_why() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check(&closed.to_string(), "Err(Refused)");
    check(&format!("localhost:{}", closed.port()), "Err(Refused)");
    check("nonsense", "Err(Unreachable)");
    check("no-such-host.invalid:1", "Err(Unreachable)");
}

#[test]
fn a_port_that_never_accepts_is_given_up() {
    // A listener whose backlog is full swallows further attempts.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _first = std::net::TcpStream::connect(address).unwrap();
    check(&address.to_string(), "Err(Unreachable)");
}

#[test]
fn nobody_to_judge_means_no() {
    let server = Server::start();
    let mut client = server.client();
    client.say("AUTH joe secret\r\n");
    assert!(server.sees("judged").contains("Deny"));
    server.stop().unwrap();
}

/// Answers once the test lets it.
struct Patient;

static GATE: Mutex<()> = Mutex::new(());

impl Auth for Patient {
    const NAME: &'static CStr = c"patient";

    fn start(_: &str) -> Result<Patient, String> {
        Ok(Patient)
    }

    fn check(&self, ask: &Ask<'_>) -> Verdict {
        drop(GATE.lock());
        Verdict::Accept(Some(format!("{}@{}", ask.name, ask.listener)))
    }
}

#[test]
fn slow_judges_hold_up_nobody_and_one_question_too_many_is_refused() {
    let auth = chatring_sdk::entry::auth::<Patient>();
    let server = Server::start_with_auth(chatring_reactor::Limits::CLIENTS, Tuning::default(), Some(auth));
    let mut client = server.client();
    let gate = GATE.lock().unwrap();
    client.say("AUTH joe a\r\nAUTH ann b\r\nAUTH bob c\r\nPING on\r\n");
    client.hears(&["on"]);
    server.sees("judged Busy");
    drop(gate);
    server.sees("judged Accept(Some(\"joe@test\"))");
    server.sees("judged Accept(Some(\"ann@test\"))");
    server.stop().unwrap();
}
