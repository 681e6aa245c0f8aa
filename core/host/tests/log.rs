//! What a plugin logs arrives in chatd's log, at its level and under the plugin's name.

mod common;

use chatring_sdk::{Ask, Auth, Kept, Log, Verdict};
use common::plugins;
use std::ffi::CStr;
use std::io;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

/// Logs when it starts, and, with the log it kept, when it is asked.
struct Chatty(Log);

impl Auth for Chatty {
    const NAME: &'static CStr = c"chatty";

    fn start(_config: &str) -> Result<Self, String> {
        let log = Log::here();
        log.info("hello");
        log.debug("by the way");
        Ok(Chatty(log))
    }

    fn check(&self, ask: &Ask<'_>) -> Verdict {
        self.0.warn(&format!("who is {}?", ask.name));
        self.0.error(&"x".repeat(10_000));
        Verdict::Decline
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Written;

    fn make_writer(&'a self) -> Written {
        self.clone()
    }
}

#[test]
fn a_plugins_lines_arrive() {
    let written = Written::default();
    let subscriber = tracing_subscriber::fmt().with_writer(written.clone()).with_ansi(false).without_time();
    tracing::subscriber::with_default(subscriber.with_max_level(tracing::Level::DEBUG).finish(), || {
        let (mut plugins, _late) = plugins();
        plugins.link(chatring_sdk::entry::auth::<Chatty>(), "").unwrap();
        let ask =
            Ask { ticket: 0, mechanism: "password", name: "joe", secret: b"", kept: Kept::Nothing, peer: "192.0.2.7", listener: "irc" };
        plugins.auth("chatty").unwrap().check(1, &ask);
    });
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(lines[0], r#"INFO plugin: hello plugin="chatty""#);
    assert_eq!(lines[1], r#"DEBUG plugin: by the way plugin="chatty""#);
    assert_eq!(lines[2], r#"WARN plugin: who is joe? plugin="chatty""#);
    assert!(lines[3].starts_with("ERROR plugin: xxx") && lines[3].len() < 5_000, "cut: {}", lines[3].len());
}
