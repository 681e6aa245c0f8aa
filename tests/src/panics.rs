//! What a panic said, kept instead of printed, so that one storm's failure does not drown a campaign.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    /// What was said so far, while this thread is to be quiet.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Runs something; gives what its panics said along with it. Panics of other threads, and at other times, are printed as always.
pub fn quietly<T>(run: impl FnOnce() -> T) -> (T, String) {
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let quiet = SAID.with_borrow_mut(|said| {
                let said = said.as_mut()?;
                let place = info.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
                let what = info.payload_as_str().unwrap_or("without a word");
                *said = format!("{place}: {what}").trim_start().to_string();
                Some(())
            });
            if quiet.is_none() {
                loud(info);
            }
        }));
    });
    SAID.set(Some(String::new()));
    let done = run();
    (done, SAID.take().unwrap_or_default())
}
