//! The filter `exec-filter`: a program of the operator's sees what people want to do before it is done. It runs as a process of its own: it may crash, hang and say nonsense, and chat goes on.
//!
//! ```toml
//! command = ["/usr/local/bin/look"]  # the program and its arguments
//! timeout = "100ms"                  # how long an answer may take (5ms to 5s): less than the super node's timing.filter_budget, which is 250ms unless given
//! parallel = 1                       # how many questions may be with it at a time (1 to 64): those that nobody waits for any more count, too
//! ```
//!
//! A question and its answer are a line of JSON each ([`chatring_exec_child`]); `what` is `message`, `notice`, `join` or `topic`:
//!
//! ```json
//! {"id":2,"ask":"filter","what":"message","group":"#erlang","text":"hello","nick":"joe","user":"joe","host":"192.0.2.7","account":"","listener":"irc"}
//! {"id":2,"answer":"pass"}
//! ```
//!
//! - Beside `pass` there are `rewrite` with a `text` and `refuse` with a `reason`.
//! - What is not answered in time is done as it is, and nothing else waits for a program that has stopped to answer, or that does not run.

use chatring_exec_child::{Answer, Child, Settings, reason};
use chatring_sdk::{ChatEntry, Deed, Filter, Judgment, What};
use serde::{Deserialize, Serialize};
use std::ffi::CStr;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// The filter.
pub struct Exec {
    child: Child<Said>,
    timeout: Duration,
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
}

fn timeout_default() -> String {
    "100ms".to_string()
}

fn parallel_default() -> usize {
    1
}

const TIMEOUT_MS_MAX: u64 = 5_000;

/// As long as a message may be.
const TEXT_MAX: usize = 16 << 10;

#[derive(Serialize)]
struct Question<'a> {
    ask: &'static str,
    what: &'static str,
    group: &'a str,
    text: &'a str,
    nick: &'a str,
    user: &'a str,
    host: &'a str,
    account: &'a str,
    listener: &'a str,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
enum Said {
    Pass,
    Rewrite { text: String },
    Refuse { reason: Option<String> },
}

impl Answer for Said {
    fn flaw(&self) -> Option<&'static str> {
        match self {
            Said::Rewrite { text } if text.is_empty() => Some("a text that is empty"),
            Said::Rewrite { text } if text.len() > TEXT_MAX => Some("a text that is too long"),
            Said::Rewrite { text } if text.contains(['\r', '\n', '\0']) => Some("a text of several lines"),
            Said::Pass | Said::Rewrite { .. } | Said::Refuse { .. } => None,
        }
    }
}

fn judgment(said: Said, what: What) -> Judgment {
    match said {
        Said::Pass => Judgment::Pass,
        // There is nothing to put it in the place of.
        Said::Rewrite { .. } if what == What::Join => Judgment::Pass,
        Said::Rewrite { text } => Judgment::Rewrite(text),
        Said::Refuse { reason: why } => Judgment::Refuse(why.map(|why| reason(&why)).unwrap_or_default()),
    }
}

impl Filter for Exec {
    const NAME: &'static CStr = c"exec-filter";
    const VERSION: &'static CStr = chatring_sdk::version!();

    fn start(config: &str) -> Result<Self, String> {
        let config: Config = toml::from_str(config).map_err(|error| error.to_string().trim_end().to_string())?;
        let settings = Settings::new(config.command, &config.timeout, TIMEOUT_MS_MAX, config.parallel)?;
        let timeout = Duration::from_millis(settings.timeout_ms);
        Ok(Exec { child: Child::start(settings)?, timeout })
    }

    fn judge(&self, deed: &Deed<'_>) -> Judgment {
        let (tell, told) = sync_channel(1);
        let &Deed { what, group, text, by, listener } = deed;
        let question = Question {
            ask: "filter",
            what: what.word(),
            group,
            text,
            nick: by.nick,
            user: by.user,
            host: by.host,
            account: by.account,
            listener,
        };
        // Nobody listens any more where it took too long.
        self.child.ask(0, &question, Box::new(move |outcome| drop(tell.try_send(outcome))));
        match told.recv_timeout(self.timeout) {
            Ok(Ok(said)) => judgment(said, what),
            Ok(Err(_)) | Err(_) => Judgment::Pass,
        }
    }
}

/// For programs that link it in.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::filter::<Exec>()
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
        check("command = ['/nowhere/at/all']", "command: /nowhere/at/all: No such file");
        check("command = ['cat']\nguests = true", "unknown field `guests`");
        check("command = ['cat']\ntimeout = '6s'", "timeout = \"6s\": must be a time with its unit (ms or s), 5ms to 5s");
        check("command = ['cat']\nparallel = 0", "parallel = 0: must be 1 to 64");
    }

    #[test]
    fn what_answers_mean() {
        for (said, what, expect) in [
            (Said::Pass, What::Message, Judgment::Pass),
            (Said::Rewrite { text: "x".into() }, What::Topic, Judgment::Rewrite("x".into())),
            (Said::Rewrite { text: "x".into() }, What::Join, Judgment::Pass),
            (Said::Refuse { reason: Some("no\nshouting".into()) }, What::Message, Judgment::Refuse("no shouting".into())),
            (Said::Refuse { reason: None }, What::Message, Judgment::Refuse(String::new())),
        ] {
            assert_eq!(judgment(said, what), expect);
        }
        for text in ["", "a\nb", "a\0", &"x".repeat(TEXT_MAX + 1)] {
            assert!(Said::Rewrite { text: text.into() }.flaw().is_some());
        }
    }
}
