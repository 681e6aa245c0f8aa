//! The conformance check lets a sound codec pass, and catches each of its broken variants.

use chatring_sdk::testing::{OwnedRecord, check_codec, decode_all, encode};
use chatring_sdk::{Arg, Broken, Decoded, Flow, Kind, Record, Role, Transport};
use std::ffi::CStr;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU32, Ordering};

const LINE_MAX: usize = 64;

/// What is wrong with the codec.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    ClaimsTooMuch,
    UsesNothing,
    DropsTheSecondLineOnStop,
    ForgetsTheLimitOfWholeLines,
    NeverRefuses,
    ChokesOnNoise,
    CountsWhatItEncodes,
    TakesArgumentsForGranted,
    AnswersPerRead,
}

/// A line is a command. `?` is answered on the wire.
struct Lines {
    flaw: Flaw,
    encoded: AtomicU32,
}

impl Lines {
    fn new(flaw: Flaw) -> Lines {
        Lines { flaw, encoded: AtomicU32::new(0) }
    }
}

impl Transport for Lines {
    const NAME: &'static CStr = c"lines";
    type Conn = ();

    fn start(_config: &str) -> Result<Self, String> {
        Ok(Lines::new(Flaw::None))
    }

    fn open(&self, _role: Role) {}

    fn decode(&self, _conn: &mut (), input: &[u8], out: &mut dyn Decoded) -> Result<usize, Broken> {
        let mut used = 0;
        if self.flaw == Flaw::AnswersPerRead {
            out.wire(b"ok");
        }
        while let Some(end) = input[used..].iter().position(|byte| *byte == b'\n') {
            let line = &input[used..used + end];
            if line.len() > LINE_MAX && self.flaw != Flaw::ForgetsTheLimitOfWholeLines {
                return Err(Broken);
            }
            if self.flaw == Flaw::ChokesOnNoise {
                assert!(line.is_ascii(), "who would send that");
            }
            used += end + 1;
            let flow = match line {
                b"?" => out.wire(b"!\n"),
                _ => out.record(&Record::new(Kind::Command, &[Arg::new(line)])),
            };
            if flow == Flow::Stop {
                match self.flaw {
                    Flaw::DropsTheSecondLineOnStop => used = input.len(),
                    _ => break,
                }
            }
        }
        let unread = input.len() - used;
        match self.flaw {
            Flaw::ClaimsTooMuch if used > 0 => Ok(input.len() + 1),
            Flaw::UsesNothing => Ok(0),
            Flaw::NeverRefuses => Ok(used),
            _ if unread > LINE_MAX && !input[used..].contains(&b'\n') => Err(Broken),
            _ => Ok(used),
        }
    }

    fn class_of(&self, _conn: &()) -> u32 {
        0
    }

    fn encode(&self, _class: u32, record: &Record<'_>, out: &mut Vec<u8>) {
        if self.flaw == Flaw::TakesArgumentsForGranted {
            out.extend_from_slice(&record.argv[0]);
        }
        if self.flaw == Flaw::CountsWhatItEncodes {
            out.extend(self.encoded.fetch_add(1, Ordering::Relaxed).to_string().bytes());
        }
        out.extend_from_slice(record.arg(0));
        out.push(b'\n');
    }
}

const CORPUS: &[&[u8]] = &[b"", b"JOIN\n?\nPART\nhalf", b"\n\n"];

#[test]
fn a_sound_codec_passes() {
    check_codec(&Lines::new(Flaw::None), Role::Server, CORPUS);
}

#[test]
fn what_a_codec_makes_of_bytes() {
    let codec = Lines::new(Flaw::None);
    let heard = decode_all(&codec, Role::Server, b"JOIN\n?\nPA");
    assert_eq!(heard.records, [OwnedRecord::new(Kind::Command, &["JOIN"])]);
    assert_eq!((heard.wire.as_slice(), heard.used, heard.broken), (&b"!\n"[..], 7, false));
    assert!(decode_all(&codec, Role::Server, &[b'x'; LINE_MAX + 1]).broken);
    assert_eq!(encode(&codec, 0, &OwnedRecord::new(Kind::Push, &["ping"])), b"ping\n");
}

#[track_caller]
fn check(flaw: Flaw, complaint: &str) {
    let payload = catch_unwind(|| check_codec(&Lines::new(flaw), Role::Server, CORPUS)).expect_err("a flaw went unnoticed");
    let said = payload.downcast_ref::<String>().cloned();
    let said = said.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_default();
    assert!(said.contains(complaint), "said: {said}");
}

#[test]
fn every_flaw_is_caught() {
    check(Flaw::ClaimsTooMuch, "used 17 of 16 bytes");
    check(Flaw::UsesNothing, "for no bytes");
    check(Flaw::DropsTheSecondLineOnStop, "stopped after each record");
    check(Flaw::ForgetsTheLimitOfWholeLines, "in pieces of 7");
    check(Flaw::NeverRefuses, "bytes unread after");
    check(Flaw::ChokesOnNoise, "who would send that");
    check(Flaw::CountsWhatItEncodes, "not the same twice");
    check(Flaw::TakesArgumentsForGranted, "index out of bounds");
    check(Flaw::AnswersPerRead, "wire of");
}
