//! The authenticator `token`: who shows a token that was signed for them is in, as the account it names. Tokens are given as the password.
//!
//! ```toml
//! file = "/etc/chatring/keys"   # whom to believe: lines of `kid algorithm key`, see below; `#` begins a comment line
//! leeway = "60s"                # how far clocks may be apart (0s to 10m)
//! issuer = "https://id.example" # the `iss` they must have. Without it, any
//! audience = "chat.example"     # the `aud` they must be for. Without it, tokens for someone in particular are not accepted
//! ```
//!
//! Tokens are JWTs (RFC 7519), signed as JWS (RFC 7515) with EdDSA on Ed25519 or with HS256, and in no other way: which one it is says the key, and a
//! token that says otherwise is not accepted. The header's `kid` names the key, where there are several. A key is base64url: the public key of
//! Ed25519, behind which the private one may stand where tokens are made, or the 32 to 1024 bytes that both ends share. `chatctl token key` makes such lines, `chatctl token make` tokens.
//!
//! - `sub` is the account; who says another name with it is not let in. `exp` has to be there; `nbf` and `iat` are looked at if they are.
//! - A token is good as often as it is shown until it expires: whoever wants to take one back takes the key out of the file.
//! - The file is looked at before each answer and read again when it changed. A file with a mistake stops the start; later it
//!   is logged, and the keys read before stay in force.
//! - What does not look like a token is for the next authenticator: `auth = ["token", "password", "open"]`. What looks like one is decided here.
//! - People hear that a token has expired, that it is not valid yet, or that it is not accepted. The log says why: of signed ones at level info, of others, which
//!   anybody can make, at level debug.

mod jwt;
mod keys;
mod make;
mod span;
#[cfg(test)]
mod tests;

use chatring_sdk::{Ask, Auth, ChatEntry, Clock, Counter, Log, Metrics, Verdict};
use keys::Stamp;
use serde::Deserialize;
use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

pub use jwt::{Refusal, Rules, TOKEN_MAX, is_one, open};
pub use keys::{Alg, BadFile, KID_MAX, Key, Keys};
pub use make::{MakeError, Order, key_line, token};
pub use span::seconds;

/// The authenticator.
pub struct Token {
    file: PathBuf,
    rules: Rules,
    known: Mutex<Known>,
    clock: Clock,
    log: Log,
    accepted: Counter,
    refused: Counter,
}

/// What was read, and what the file looked like then.
struct Known {
    keys: Arc<Keys>,
    stamp: Option<Stamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    file: Option<PathBuf>,
    #[serde(default = "leeway_default")]
    leeway: String,
    issuer: Option<String>,
    audience: Option<String>,
}

fn leeway_default() -> String {
    "60s".to_string()
}

/// Clocks that are further apart have to be mended.
const LEEWAY_MAX_S: u64 = 600;

impl Config {
    fn rules(self) -> Result<Rules, String> {
        let leeway_s = seconds(&self.leeway).filter(|leeway_s| *leeway_s <= LEEWAY_MAX_S);
        let leeway_s = leeway_s.ok_or_else(|| format!("leeway = {:?}: must be a time with its unit (s or m), 0s to 10m", self.leeway))?;
        for (name, value) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if value.as_deref() == Some("") {
                return Err(format!("{name} = \"\": must not be empty"));
            }
        }
        Ok(Rules { issuer: self.issuer, audience: self.audience, leeway_s })
    }
}

impl Auth for Token {
    const NAME: &'static CStr = c"token";
    const VERSION: &'static CStr = chatring_sdk::version!();

    fn start(config: &str) -> Result<Self, String> {
        let config: Config = toml::from_str(config).map_err(|error| error.to_string().trim_end().to_string())?;
        let file = config.file.clone().ok_or("file is missing: it names the file with the keys, see `chatctl token key`")?;
        let rules = config.rules()?;
        let stamp = Stamp::of(&file);
        let keys = Keys::read(&file).map_err(|bad| format!("file: {bad}"))?;
        let log = Log::here();
        if keys.is_empty() {
            log.warn(&format!("{}: no keys in it, so no token is accepted", file.display()));
        }
        let metrics = Metrics::here();
        Ok(Token {
            file,
            rules,
            known: Mutex::new(Known { keys: Arc::new(keys), stamp }),
            clock: Clock::here(),
            log,
            accepted: metrics.counter("accepted", "tokens that let someone in"),
            refused: metrics.counter("refused", "tokens that were not accepted"),
        })
    }

    fn check(&self, ask: &Ask<'_>) -> Verdict {
        if ask.mechanism != "password" || !is_one(ask.secret) {
            return Verdict::Decline;
        }
        match open(ask.secret, ask.name, &self.keys(), &self.rules, self.clock.wall_ms()) {
            Ok(account) => {
                self.accepted.add(1);
                Verdict::Accept(Some(account))
            }
            Err(refusal) => {
                self.refused.add(1);
                let line = format!("a token from {} is not accepted: {refusal}", ask.peer);
                match refusal.is_of_a_signed_one() {
                    true => self.log.info(&line),
                    false => self.log.debug(&line),
                }
                Verdict::Deny(refusal.told().to_string())
            }
        }
    }
}

impl Token {
    /// The keys as the file has them now.
    fn keys(&self) -> Arc<Keys> {
        // What is behind the lock is whole at every step, so a panic under it spoils nothing.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken before reading: a change while it is read shows at the next look.
        let stamp = Stamp::of(&self.file);
        if stamp != known.stamp {
            known.stamp = stamp;
            match Keys::read(&self.file) {
                Ok(keys) => {
                    self.log.info(&format!("{}: read again, {} keys", self.file.display(), keys.len()));
                    known.keys = Arc::new(keys);
                }
                Err(bad) => self.log.error(&format!("{bad}; going on with the {} keys read before", known.keys.len())),
            }
        }
        known.keys.clone()
    }
}

/// For programs that link it in.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::auth::<Token>()
}

#[cfg(feature = "export")]
chatring_sdk::export!(entry);
