//! The authenticator `{{name}}`: whoever knows the secret comes in, under the name they say.
//!
//! Settings: `secret = "text"`. Without it, it has no opinion of anybody.

mod settings;

use chatring_sdk::{Ask, Auth, ChatEntry, Verdict};
use std::ffi::CStr;

/// The authenticator. It is asked from several threads at a time, and may take its time.
pub struct Plugin {
    secret: String,
}

impl Auth for Plugin {
    const NAME: &'static CStr = c"{{name}}";
    const VERSION: &'static CStr = chatring_sdk::version!();

    fn start(config: &str) -> Result<Self, String> {
        Ok(Plugin { secret: settings::read(config, "secret")? })
    }

    fn check(&self, ask: &Ask<'_>) -> Verdict {
        // Who shows nothing may still be let in by the next authenticator, as a guest.
        if ask.mechanism != "password" || self.secret.is_empty() {
            return Verdict::Decline;
        }
        if ask.name.is_empty() || !same(ask.secret, self.secret.as_bytes()) {
            return Verdict::Deny("wrong name or secret".into());
        }
        Verdict::Accept(Some(ask.name.to_string()))
    }
}

/// Takes as long for a wrong one that is nearly right as for any other of its length.
fn same(shown: &[u8], secret: &[u8]) -> bool {
    shown.len() == secret.len() && shown.iter().zip(secret).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// What chatd finds in this library.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::auth::<Plugin>()
}

chatring_sdk::export!(entry);
