//! How a daemon is told to stop: by a signal, or by the end of its standard input where that was asked for. And how it is told to read its configuration and its certificates again: by SIGHUP.

use super::lifecycle::News;
use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::Read;
use std::sync::mpsc::Sender;
use std::thread;

/// Listens from here on. `renew` is called at each SIGHUP, on the thread that hears signals.
pub fn listen(tell: &Sender<News>, stdin: bool, renew: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("listening for signals")?;
    let to = tell.clone();
    let heard = move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                renew();
                continue;
            }
            let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
            if to.send(News::Signal(name)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(heard).context("starting the signal thread")?;
    if stdin {
        let to = tell.clone();
        let wait = move || {
            wait_for_end(std::io::stdin().lock());
            let _ = to.send(News::Orphaned);
        };
        thread::Builder::new().name("stdin".into()).spawn(wait).context("starting the stdin thread")?;
    }
    Ok(())
}

/// What comes in is of no interest.
fn wait_for_end(mut input: impl Read) {
    let mut ignored = [0; 256];
    while input.read(&mut ignored).is_ok_and(|count| count > 0) {}
}
