//! What clients send: commands as arrays of bulk strings, or typed by hand as a line of words.

use crate::config::Config;
use crate::frame::{Dialect, Fault, Progress, item};
use crate::inline;
use chatring_sdk::{Arg, Decoded, Flow, Kind, Record};

/// Takes commands off the front of `input` and says how many bytes it used. On a fault nothing behind it can be understood.
pub fn decode(config: &Config, progress: &mut Progress, input: &[u8], out: &mut dyn Decoded) -> Result<usize, Fault> {
    let mut argv = Vec::new();
    let mut used = 0;
    while let Some(first) = input.get(used) {
        let rest = &input[used..];
        let (len, flow) = if *first == b'*' {
            let Some(len) = progress.frame(rest, Dialect::Commands, &config.commands)? else {
                break;
            };
            words(&rest[..len], &mut argv)?;
            (len, tell(&argv, out))
        } else {
            let Some(len) = progress.text_line(rest, config.inline_max)? else {
                break;
            };
            let line = inline::split(&rest[..len], config.commands.args)?;
            (len, tell(&line.words(), out))
        };
        used += len;
        if flow == Flow::Stop {
            break;
        }
    }
    Ok(used)
}

/// An empty command is no command.
fn tell(argv: &[Arg<'_>], out: &mut dyn Decoded) -> Flow {
    if argv.is_empty() { Flow::Continue } else { out.record(&Record::new(Kind::Command, argv)) }
}

fn words<'a>(frame: &'a [u8], argv: &mut Vec<Arg<'a>>) -> Result<(), Fault> {
    argv.clear();
    let mut at = item(frame, 0)?.next;
    while at < frame.len() {
        let word = item(frame, at)?;
        argv.push(Arg::new(word.text));
        at = word.next;
    }
    Ok(())
}
