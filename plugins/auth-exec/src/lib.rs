//! The authenticator `exec`: a program of the operator's decides who may come in. It runs as a process of its own: it may crash, hang and say nonsense, and chatd goes on.
//!
//! ```toml
//! command = ["/usr/local/bin/check-login"]  # the program and its arguments
//! timeout = "2s"                            # how long an answer may take (5ms to 10s)
//! parallel = 8                              # how many questions may be with it at a time (1 to 64); others wait
//! guests = false                            # whether it is asked about those who show no password, too
//! ```
//!
//! A question and its answer are a line of JSON each ([`chatring_exec_child`]):
//!
//! ```json
//! {"id":1,"ask":"auth","name":"joe","secret":"sesame","peer":"192.0.2.7","listener":"irc","mechanism":"password"}
//! {"id":1,"answer":"accept","account":"joe"}
//! ```
//!
//! - `accept` without an account is a guest; `deny` may have a `reason`, which the person hears; `decline` is a denial, since the answer comes too late for the next authenticator:
//!   so this one belongs at the end of a chain. Only who shows no password is left to the next one, unless `guests` is set.
//! - Nobody waits on a thread for it. Where no program runs, people are refused and told to try again.

use chatring_exec_child::{Answer, Child, Settings, Trouble, reason};
use chatring_sdk::{Ask, Auth, ChatEntry, Late, Verdict};
use serde::{Deserialize, Serialize};
use std::ffi::CStr;

/// The authenticator.
pub struct Exec {
    child: Child<Said>,
    late: Late,
    guests: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    command: Vec<String>,
    #[serde(default = "timeout_default")]
    timeout: String,
    #[serde(default = "parallel_default")]
    parallel: usize,
    #[serde(default)]
    guests: bool,
}

fn timeout_default() -> String {
    "2s".to_string()
}

fn parallel_default() -> usize {
    8
}

/// Less than chatd itself waits for authenticators.
const TIMEOUT_MS_MAX: u64 = 10_000;

/// A longer password is wrong without being asked about; so are names that no account has, and what programs in C and in shell would take for shorter than it is.
const SECRET_MAX: usize = 8 << 10;
const NAME_MAX: usize = 64;

/// What a program says that gives no reason, and what is said where there is nothing to ask about.
const WRONG: &str = "wrong name or password";
/// No program runs.
const DOWN: &str = "logins can't be checked at the moment: try again in a minute";
/// It takes too long, or too many are waiting.
const SLOW: &str = "checking logins takes too long at the moment: try again in a minute";

#[derive(Serialize)]
struct Question<'a> {
    ask: &'static str,
    name: &'a str,
    secret: &'a str,
    peer: &'a str,
    listener: &'a str,
    mechanism: &'a str,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
enum Said {
    Accept { account: Option<String> },
    Deny { reason: Option<String> },
    Decline,
}

impl Answer for Said {
    fn flaw(&self) -> Option<&'static str> {
        match self {
            Said::Accept { account: Some(account) } if !is_name(account) => Some("no account is called so"),
            Said::Accept { .. } | Said::Deny { .. } | Said::Decline => None,
        }
    }
}

/// Whether an account may be called so.
fn is_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || c == ':';
    !name.is_empty() && name.len() <= NAME_MAX && !name.starts_with('#') && !name.contains(forbidden)
}

fn verdict(outcome: Result<Said, Trouble>) -> Verdict {
    let deny = |why: &str| Verdict::Deny(why.to_string());
    match outcome {
        Ok(Said::Accept { account }) => Verdict::Accept(account),
        Ok(Said::Deny { reason: why }) => {
            let why = why.map(|why| reason(&why)).filter(|why| !why.is_empty());
            Verdict::Deny(why.unwrap_or_else(|| WRONG.to_string()))
        }
        Ok(Said::Decline) => Verdict::Decline,
        Err(Trouble::Down) => deny(DOWN),
        Err(Trouble::Late | Trouble::Stalled | Trouble::Full) => deny(SLOW),
        Err(Trouble::TooLong) => deny(WRONG),
    }
}

impl Auth for Exec {
    const NAME: &'static CStr = c"exec";
    const VERSION: &'static CStr = chatring_sdk::version!();

    fn start(config: &str) -> Result<Self, String> {
        let config: Config = toml::from_str(config).map_err(|error| error.to_string().trim_end().to_string())?;
        let settings = Settings::new(config.command, &config.timeout, TIMEOUT_MS_MAX, config.parallel)?;
        Ok(Exec { child: Child::start(settings)?, late: Late::here(), guests: config.guests })
    }

    fn check(&self, ask: &Ask<'_>) -> Verdict {
        let is_mine = ask.mechanism == "password" || (self.guests && ask.mechanism == "none");
        if !is_mine {
            return Verdict::Decline;
        }
        let is_sound = |secret: &&str| secret.len() <= SECRET_MAX && !secret.contains('\0') && (ask.name.is_empty() || is_name(ask.name));
        let Some(secret) = std::str::from_utf8(ask.secret).ok().filter(is_sound) else {
            return Verdict::Deny(WRONG.to_string());
        };
        let &Ask { ticket, mechanism, name, peer, listener, .. } = ask;
        let late = self.late;
        let question = Question { ask: "auth", name, secret, peer, listener, mechanism };
        self.child.ask(ticket, &question, Box::new(move |outcome| late.answer(ticket, verdict(outcome))));
        Verdict::Pending
    }

    fn cancel(&self, ticket: u64) {
        self.child.forget(ticket);
    }
}

/// For programs that link it in.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::auth::<Exec>()
}

#[cfg(feature = "export")]
chatring_sdk::export!(entry);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(config: &str, complaint: &str) {
        let said = Exec::start(config).err().expect("a bad config is refused");
        assert!(said.contains(complaint), "said: {said}");
    }

    #[test]
    fn a_bad_config_is_refused() {
        check("", "command: must name a program, and then its arguments");
        check("command = []", "command: must name a program");
        check("command = ['']", "command: must name a program");
        check("command = 'cat'", "invalid type");
        check("command = ['/nowhere/at/all']", "command: /nowhere/at/all: No such file");
        check("command = ['/tmp']", "command: /tmp: Permission denied");
        check("command = ['cat', \"a\\u0000b\"]", "command: cat: nul byte");
        check("command = ['cat']\nfrob = 1", "unknown field `frob`");
        check("command = ['cat']\ntimeout = '2'", "timeout = \"2\": must be a time with its unit (ms or s), 5ms to 10s");
        check("command = ['cat']\ntimeout = '11s'", "5ms to 10s");
        check("command = ['cat']\ntimeout = '1ms'", "5ms to 10s");
        check("command = ['cat']\nparallel = 0", "parallel = 0: must be 1 to 64");
        check("command = ['cat']\nparallel = 65", "parallel = 65: must be 1 to 64");
    }

    #[test]
    fn what_answers_mean() {
        let deny = |why: &str| Verdict::Deny(why.to_string());
        for (outcome, expect) in [
            (Ok(Said::Accept { account: Some("joe".into()) }), Verdict::Accept(Some("joe".into()))),
            (Ok(Said::Accept { account: None }), Verdict::Accept(None)),
            (Ok(Said::Deny { reason: Some("not on\r\nSundays".into()) }), deny("not on  Sundays")),
            (Ok(Said::Deny { reason: Some(" ".into()) }), deny(WRONG)),
            (Ok(Said::Deny { reason: None }), deny(WRONG)),
            (Ok(Said::Decline), Verdict::Decline),
            (Err(Trouble::Down), deny(DOWN)),
            (Err(Trouble::Late), deny(SLOW)),
            (Err(Trouble::Full), deny(SLOW)),
        ] {
            assert_eq!(verdict(outcome), expect);
        }
        for account in ["", "a b", "#a", "a:b", "a\n", &"a".repeat(65)] {
            assert!(Said::Accept { account: Some(account.into()) }.flaw().is_some(), "{account:?}");
        }
        assert_eq!(Said::Accept { account: Some("zoë".into()) }.flaw(), None);
    }
}
