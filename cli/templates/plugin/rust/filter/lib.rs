//! The filter `{{name}}`: a word that nobody shall say becomes stars, and a topic with it is refused.
//!
//! Settings: `word = "text"`. Without it, everything passes.

mod settings;

use chatring_sdk::{ChatEntry, Counter, Deed, Filter, Judgment, Metrics, What};
use std::ffi::CStr;

/// The filter. It is asked one thing at a time, and has to answer within chatd's budget.
pub struct Plugin {
    word: String,
    found: Counter,
}

impl Filter for Plugin {
    const NAME: &'static CStr = c"{{name}}";
    const VERSION: &'static CStr = chatring_sdk::version!();

    fn start(config: &str) -> Result<Self, String> {
        let found = Metrics::here().counter("found", "how often the word was said");
        Ok(Plugin { word: settings::read(config, "word")?, found })
    }

    fn judge(&self, deed: &Deed<'_>) -> Judgment {
        if self.word.is_empty() || !deed.text.contains(&self.word) {
            return Judgment::Pass;
        }
        self.found.add(1);
        match deed.what {
            What::Topic => Judgment::Refuse("not in a topic".into()),
            _ => Judgment::Rewrite(deed.text.replace(&self.word, &"*".repeat(self.word.chars().count()))),
        }
    }
}

/// What chatd finds in this library.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::filter::<Plugin>()
}

chatring_sdk::export!(entry);
