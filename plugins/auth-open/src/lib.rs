//! The authenticator `open`: anyone may come in, as a guest.
//!
//! It never makes anyone an account, so it can't be used to claim a name: with a password or without, whoever gets this far is a
//! guest. (People send a PASS to open servers, too.) In a chain such as `["password", "open"]` it only hears what those before
//! it had no opinion on; where one of them denied, that is decided.

use chatring_sdk::{Ask, Auth, ChatEntry, Verdict};
use std::ffi::CStr;

/// The authenticator.
pub struct Open;

impl Auth for Open {
    const NAME: &'static CStr = c"open";
    const VERSION: &'static CStr = chatring_sdk::version!();

    /// There is nothing to set, so anything in the table is a mistake worth telling.
    fn start(config: &str) -> Result<Self, String> {
        let is_setting = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        match config.lines().find(|line| is_setting(line)) {
            Some(line) => Err(format!("it has no settings, but was given `{}`", line.trim())),
            None => Ok(Open),
        }
    }

    fn check(&self, _ask: &Ask<'_>) -> Verdict {
        Verdict::Accept(None)
    }
}

/// For programs that link it in.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::auth::<Open>()
}

#[cfg(feature = "export")]
chatring_sdk::export!(entry);

#[cfg(test)]
mod tests {
    use super::*;
    use chatring_sdk::Kept;

    #[track_caller]
    fn check(mechanism: &str, name: &str, secret: &[u8]) {
        let ask = Ask { ticket: 0, mechanism, name, secret, kept: Kept::Nothing, peer: "192.0.2.7", listener: "irc" };
        assert_eq!(Open.check(&ask), Verdict::Accept(None));
    }

    #[test]
    fn everyone_is_a_guest() {
        check("none", "", b"");
        check("none", "joe", b"");
        check("password", "joe", b"secret");
        check("from-the-future", "joe", b"\xff");
    }

    #[test]
    fn settings_are_refused() {
        assert!(Open::start("").is_ok());
        assert!(Open::start("\n# nothing\n").is_ok());
        assert_eq!(Open::start("file = 1").err().as_deref(), Some("it has no settings, but was given `file = 1`"));
    }
}
