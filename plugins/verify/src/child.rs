//! The process in which the plugin's code runs: one check, and then it ends.

use crate::calls::{last_words, say, take_stdout, watch};
use crate::catalogue::named;
use crate::word::{Errand, Word};
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// More address space than this nobody gets here: a plugin that takes without end must fail, and not the machine.
const MEMORY_MAX: u64 = 4 << 30;

/// Does the errand on standard input, and ends the process without the plugin's own handlers.
pub fn child() -> ! {
    take_stdout();
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    let errand: Result<Errand, String> = match read {
        Ok(_) => serde_json::from_str(&text).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    say(&match errand {
        Ok(errand) => run(&errand),
        Err(error) => Word::Failed(format!("no errand: {error}")),
    });
    // SAFETY: ends the process at once. Handlers that the plugin may have left behind are not what is verified.
    unsafe { libc::_exit(0) }
}

fn run(errand: &Errand) -> Word {
    let Some(check) = named(&errand.check) else {
        return Word::Failed(format!("there is no check {}", errand.check));
    };
    bound_resources();
    last_words();
    watch(Duration::from_millis(errand.case.patience_ms));
    // A mistake of ours, or a comparison that fails: said by the outcome.
    std::panic::set_hook(Box::new(|_| {}));
    match catch_unwind(AssertUnwindSafe(|| (check.run)(&errand.case))) {
        Ok(Ok(said)) => Word::Passed(said),
        Ok(Err(said)) => Word::Failed(said),
        Err(payload) => {
            let said = payload.downcast_ref::<String>().cloned();
            Word::Failed(said.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_default())
        }
    }
}

fn bound_resources() {
    for (resource, bound) in [(libc::RLIMIT_AS, MEMORY_MAX), (libc::RLIMIT_CORE, 0)] {
        let limit = libc::rlimit { rlim_cur: bound, rlim_max: bound };
        // SAFETY: a valid limit. Where it is refused, there was a lower one.
        unsafe { libc::setrlimit(resource, &limit) };
    }
    // SAFETY: a number; the process ends when whoever started it does.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
}
