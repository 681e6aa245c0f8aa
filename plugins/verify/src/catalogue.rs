//! All checks, in the order in which they are made.

use crate::checks::{auth, file, filter, life, transport};
use crate::plugin::Finding;
use crate::word::Case;

/// One check.
pub struct Check {
    /// Its name, which stays the same.
    pub name: &'static str,
    /// What it looks for.
    pub about: &'static str,
    /// It is only made if these have passed.
    pub needs: &'static [&'static str],
    /// The interface it is about, if it is about one.
    pub of: Option<&'static str>,
    /// What it means when the plugin crashes in it, where that is not plain.
    pub crash: Option<&'static str>,
    pub(crate) run: fn(&Case) -> Finding,
}

const KEPT: &str = "it uses memory that was lent for an earlier call, or beyond its end, or writes to it";

macro_rules! checks {
    ($($name:literal $about:literal [$($needs:literal),*] $($of:ident)? $(crash $crash:ident)? = $run:path;)*) => {
        /// All of them. What a check needs stands before it.
        pub const CHECKS: &[Check] = &[$(Check {
            name: $name,
            about: $about,
            needs: &[$($needs),*],
            of: of!($($of)?),
            crash: crash!($($crash)?),
            run: $run,
        }),*];
    };
}
macro_rules! of {
    () => {
        None
    };
    (transport) => {
        Some("chat.transport/1")
    };
    (auth) => {
        Some("chat.auth/1")
    };
    (filter) => {
        Some("chat.filter/1")
    };
}
macro_rules! crash {
    () => {
        None
    };
    ($crash:ident) => {
        Some($crash)
    };
}

checks! {
    "file.readable" "the file is there, and may be read" [] = file::readable;
    "file.architecture" "it is a shared library for this machine" ["file.readable"] = file::architecture;
    "file.loads" "the system's loader takes it" ["file.architecture"] = file::loads;
    "file.symbol" "it exports chat_entry_v1" ["file.loads"] = file::symbol;
    "entry.major" "it is built for this version of the interface" ["file.symbol"] = file::major;
    "entry.size" "its chat_entry is whole" ["entry.major"] = file::size;
    "entry.functions" "none of the entry's functions is null" ["entry.size"] = file::functions;
    "entry.name" "it has a name that configurations can use" ["entry.functions"] = file::name;
    "start.empty" "started without settings, it starts or says why not" ["entry.name"] = life::empty;
    "start.nonsense" "started with what is no TOML, it starts or says why not" ["entry.name"] = life::nonsense;
    "start.unknown" "started with a setting that it has not, it starts or says why not" ["entry.name"] = life::unknown;
    "start.old-host" "started by a chatd that offers nothing, it starts or says why not" ["entry.name"] = life::old_host;
    "start.given" "started with the given settings, it starts" ["entry.name"] = life::given;
    "stop" "it stops" ["start.given"] = life::stops;
    "interfaces.known" "it offers something that chatd asks for" ["start.given"] = life::interfaces;
    "interfaces.sizes" "its interfaces are whole" ["interfaces.known"] = life::sizes;
    "interfaces.functions" "none of their functions is null" ["interfaces.sizes"] = life::functions;
    "timers" "it sets timers only if it can be called, and they may go off" ["interfaces.functions"] = life::timers;

    "transport.opens" "it opens connections" ["interfaces.functions"] transport = transport::opens;
    "transport.decodes" "decoding does not fail inside" ["transport.opens"] transport = transport::decodes;
    "transport.used" "it never uses more than it was given" ["transport.decodes"] transport = transport::used;
    "transport.records" "what it gives are records and bytes" ["transport.decodes"] transport = transport::records;
    "transport.nothing" "it gives no record for no bytes" ["transport.decodes"] transport = transport::nothing;
    "transport.stops" "it stops when it is told to, and loses nothing by it" ["transport.decodes"] transport = transport::stops;
    "transport.keeps" "it keeps nothing of what was lent for a call" ["transport.decodes"] transport crash KEPT = transport::keeps;
    "transport.cuts" "bytes give the same records wherever they are cut" ["transport.decodes"] transport = transport::cuts;
    "transport.noise" "noise and damaged conversations do no harm" ["transport.decodes"] transport = transport::noise;
    "transport.limits" "what never ends is refused" ["transport.decodes"] transport = transport::limits;
    "transport.encodes" "it encodes every event, and such as it does not know" ["transport.opens"] transport = transport::encodes;
    "transport.pure" "a class and an event give the same bytes" ["transport.encodes", "transport.decodes"] transport = transport::pure;
    "transport.threads" "threads don't get in each other's way" ["transport.encodes", "transport.decodes"] transport = transport::threads;
    "transport.memory" "connections leave nothing behind" ["transport.encodes", "transport.decodes"] transport = transport::memory;
    "transport.time" "no call keeps the loop waiting" ["transport.encodes", "transport.decodes"] transport = transport::time;

    "auth.answers" "it answers whoever asks" ["interfaces.functions"] auth = auth::answers;
    "auth.texts" "accounts and reasons are text" ["auth.answers"] auth = auth::texts;
    "auth.once" "a ticket is answered once" ["auth.answers"] auth = auth::once;
    "auth.cancels" "tickets may be cancelled" ["auth.answers"] auth = auth::cancels;
    "auth.keeps" "it keeps nothing of what was lent for a call" ["auth.answers"] auth crash KEPT = auth::keeps;
    "auth.threads" "several threads may ask at a time" ["auth.answers"] auth = auth::threads;
    "auth.memory" "questions leave nothing behind" ["auth.answers"] auth = auth::memory;

    "filter.answers" "it judges everything that people do" ["interfaces.functions"] filter = filter::answers;
    "filter.texts" "texts and reasons are text" ["filter.answers"] filter = filter::texts;
    "filter.noise" "odd texts do no harm" ["filter.answers"] filter = filter::noise;
    "filter.keeps" "it keeps nothing of what was lent for a call" ["filter.answers"] filter crash KEPT = filter::keeps;
    "filter.memory" "what is judged leaves nothing behind" ["filter.answers"] filter = filter::memory;
    "filter.time" "it judges within the budget" ["filter.answers"] filter = filter::time;
}

/// The check of this name.
pub(crate) fn named(name: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_check_needs_stands_before_it() {
        for (ix, check) in CHECKS.iter().enumerate() {
            let before: Vec<&str> = CHECKS[..ix].iter().map(|check| check.name).collect();
            assert!(!before.contains(&check.name), "{} is there twice", check.name);
            assert!(check.needs.iter().all(|need| before.contains(need)), "{} needs {:?}", check.name, check.needs);
            assert!(!check.about.ends_with('.'), "{}", check.about);
        }
    }
}
