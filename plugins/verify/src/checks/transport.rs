//! `chat.transport/1`.

use super::{count, quickest, shown, unless_it_panics};
use crate::calls::{Call, say};
use crate::foreign::Foreign;
use crate::memory::leak;
use crate::noise::Noise;
use crate::plugin::{Finding, Plugin};
use crate::samples;
use crate::word::{Case, Word};
use chatring_host::Misdeed;
use chatring_sdk::testing::{self, Feed, Heard, check_cuts, check_encoding, check_noise, check_unread, decode_all, encode_private};
use chatring_sdk::{Role, Transport};
use std::time::Duration;

fn started(case: &Case) -> Result<Foreign, String> {
    Foreign::of(Plugin::start(case)?, false)
}

fn doing(what: &str, role: Role, input: &[u8]) {
    let side = if role == Role::Server { "what a client sends" } else { "what a server sends" };
    say(&Word::Doing(format!("{what} {}, as {side}", shown(input))));
}

pub(crate) fn opens(case: &Case) -> Finding {
    let codec = started(case)?;
    if let Err(misdeed) = codec.try_open(Role::Server) {
        return Err(format!("{} for a connection that was accepted", words(&misdeed, "open")));
    }
    match codec.try_open(Role::Client) {
        Ok(_) => Ok("opens connections that were accepted, and such that were dialled".into()),
        Err(Misdeed::NullConnection) => Err("open: opened a null connection for one that was dialled".into()),
        Err(_) => Ok("opens connections that were accepted, none that were dialled".into()),
    }
}

fn words(misdeed: &Misdeed, call: &str) -> String {
    format!("{call}: {misdeed}")
}

/// Decodes all samples whole, and in pieces.
fn walk(case: &Case, codec: &Foreign) -> Vec<Heard> {
    let mut all = Vec::new();
    for role in codec.roles() {
        for input in samples::all(case) {
            doing("decoding", role, input);
            all.push(decode_all(codec, role, input));
            let mut pieces = Feed::new(codec, role);
            input.chunks(3).for_each(|piece| pieces.bytes(piece));
        }
    }
    all
}

pub(crate) fn decodes(case: &Case) -> Finding {
    let codec = started(case)?;
    let heard = walk(case, &codec);
    if let Some(said) = codec.first(|misdeed| matches!(misdeed, Misdeed::Internal | Misdeed::Status(_))) {
        return Err(said);
    }
    let records: usize = heard.iter().map(|heard| heard.records.len()).sum();
    match records {
        0 => Ok(format!("none of {} means anything to it: give it some that do with --sample FILE", count(heard.len(), "sample"))),
        some => Ok(format!("{} in {}", count(some, "record"), count(heard.len(), "sample"))),
    }
}

/// Decodes all samples, and noise; a misdeed of this kind is a mistake.
fn never(case: &Case, kind: impl Fn(&Misdeed) -> bool, good: &str) -> Finding {
    let codec = started(case)?;
    walk(case, &codec);
    let mut noise = Noise::new(case.seed);
    for role in codec.roles() {
        for _ in 0..200 {
            let bytes = noise.bytes(300);
            doing("decoding", role, &bytes);
            decode_all(&codec, role, &bytes);
        }
    }
    codec.first(kind).map_or_else(|| Ok(good.into()), Err)
}

pub(crate) fn used(case: &Case) -> Finding {
    never(case, |misdeed| matches!(misdeed, Misdeed::UsedTooMuch { .. }), "never uses more bytes than it was given")
}

pub(crate) fn records(case: &Case) -> Finding {
    let bad = |misdeed: &Misdeed| matches!(misdeed, Misdeed::BadRecord(_) | Misdeed::NullBytes);
    never(case, bad, "all that it gives are records and bytes")
}

pub(crate) fn nothing(case: &Case) -> Finding {
    never(case, |misdeed| *misdeed == Misdeed::RecordForNothing, "gives no record for no bytes")
}

pub(crate) fn stops(case: &Case) -> Finding {
    let codec = started(case)?;
    let mut stopped = 0;
    for role in codec.roles() {
        for input in samples::all(case) {
            // A long turn: what would go on for ever shows.
            let input = input.repeat(20);
            doing("decoding, with a stop after each record,", role, &input);
            let whole = decode_all(&codec, role, &input);
            let mut stopping = Feed::new(&codec, role).stop_after_each();
            unless_it_panics(|| stopping.bytes(&input))?;
            let heard = &stopping.heard;
            if let Some(said) = codec.first(|misdeed| *misdeed == Misdeed::WontStop) {
                return Err(said);
            }
            if heard.records != whole.records || heard.wire != whole.wire {
                let (some, all) = (count(heard.records.len(), "record"), whole.records.len());
                return Err(format!(
                    "loses or repeats something when it is stopped after each record: {some} of {all} in {}",
                    shown(&input)
                ));
            }
            stopped += heard.records.len();
        }
    }
    Ok(format!("goes on where it was after {}", count(stopped, "stop")))
}

pub(crate) fn cuts(case: &Case) -> Finding {
    let codec = started(case)?;
    let mut cuts = 0;
    for role in codec.roles() {
        for input in samples::all(case).into_iter().filter(|input| !input.is_empty()) {
            doing("cutting", role, input);
            unless_it_panics(|| check_cuts(&codec, role, input))?;
            cuts += input.len() - 1;
        }
    }
    Ok(format!("the same records wherever the bytes are cut ({})", count(cuts, "cut")))
}

/// All that it is given is there for the call only; who looks at it later, or behind its end, dies here.
pub(crate) fn keeps(case: &Case) -> Finding {
    let plugin = Plugin::start(case)?;
    let (plain, lending) = (Foreign::of(plugin, false)?, Foreign::of(plugin, true)?);
    for role in plain.roles() {
        for input in samples::all(case) {
            doing("decoding", role, input);
            let whole = decode_all(&plain, role, input);
            let mut pieces = Feed::new(&lending, role);
            input.chunks(5).for_each(|piece| pieces.bytes(piece));
            let mut all = Feed::new(&lending, role);
            all.bytes(input);
            if all.heard.records != whole.records {
                return Err(format!("the same bytes give other records in other memory: {}", shown(input)));
            }
            let class = lending.class_of(&all.conn);
            for event in testing::events() {
                testing::encode(&lending, class, &event);
                encode_private(&lending, &mut all.conn, &event);
            }
        }
    }
    Ok("reads nothing after a call or behind its end, and writes to nothing that is lent".into())
}

pub(crate) fn noise(case: &Case) -> Finding {
    let codec = started(case)?;
    let corpus = samples::all(case);
    for role in codec.roles() {
        say(&Word::Doing("decoding noise".into()));
        unless_it_panics(|| check_noise(&codec, role, &corpus, case.seed))?;
    }
    match codec.first(|misdeed| *misdeed == Misdeed::Internal) {
        Some(said) => Err(format!("{said} (in Rust: it panicked) on noise")),
        None => Ok("noise gives the same in pieces, and no more than it should".into()),
    }
}

pub(crate) fn limits(case: &Case) -> Finding {
    let codec = started(case)?;
    let corpus = samples::few(case);
    for role in codec.roles() {
        say(&Word::Doing("decoding what never ends".into()));
        unless_it_panics(|| check_unread(&codec, role, &corpus))?;
    }
    Ok(format!("refuses what never ends before {} MiB of it are unread", testing::UNREAD_MAX >> 20))
}

pub(crate) fn encodes(case: &Case) -> Finding {
    let codec = started(case)?;
    let mut bytes = 0;
    let mut records = testing::events();
    let known = records.len();
    records.extend(testing::hostile_records());
    for (ix, record) in records.iter().enumerate() {
        say(&Word::Doing(format!("encoding {record:?}")));
        let encoded = codec.try_encode(0, record).map_err(|misdeed| format!("encode: {misdeed}, of {record:?}"))?;
        bytes += if ix < known { encoded.len() } else { 0 };
        for role in codec.roles() {
            encode_private(&codec, &mut codec.open(role), record);
        }
    }
    match codec.misdeeds().first() {
        Some((call, misdeed)) => Err(format!("{}: {misdeed}", call.word())),
        None => Ok(format!("{bytes} bytes for the {known} events there are; events of a later version don't trouble it")),
    }
}

pub(crate) fn pure(case: &Case) -> Finding {
    let codec = started(case)?;
    let corpus = samples::all(case);
    for role in codec.roles() {
        say(&Word::Doing("encoding all events twice".into()));
        unless_it_panics(|| check_encoding(&codec, role, &corpus))?;
    }
    Ok("a class and an event give the same bytes, in any order".into())
}

/// Encoding from several threads, and connections that change theirs.
pub(crate) fn threads(case: &Case) -> Finding {
    const THREADS: usize = 4;
    let codec = started(case)?;
    let (codec, mut events) = (&codec, testing::events());
    // One that takes longer, so that others come in between.
    let mut long = events[0].clone();
    long.argv.push(vec![b'x'; 4000]);
    events.push(long);
    let expected: Vec<Vec<u8>> = events.iter().map(|event| testing::encode(codec, 0, event)).collect();
    let (events, expected) = (&events, &expected);
    say(&Word::Doing(format!("encoding from {THREADS} threads")));
    let wrong = std::thread::scope(|scope| {
        let encode_all = move |thread: usize| {
            // Not all of them the same one at the same time.
            let mut again = (0..50 + thread).flat_map(|_| events.iter().zip(expected)).skip(thread * events.len() / THREADS);
            again.find(|(event, bytes)| testing::encode(codec, 0, event) != **bytes).map(|(event, _)| format!("{event:?}"))
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || encode_all(thread))).collect();
        threads.into_iter().find_map(|thread| thread.join().unwrap_or_else(|_| Some("something".into())))
    });
    if let Some(event) = wrong {
        return Err(format!("{event} has other bytes when several threads encode at a time"));
    }
    say(&Word::Doing("decoding, each piece on another thread".into()));
    for role in codec.roles() {
        for input in samples::few(case) {
            let whole = decode_all(codec, role, input);
            let mut feed = Feed::new(codec, role);
            for piece in input.chunks(input.len().div_ceil(4).max(1)) {
                feed = std::thread::scope(|scope| {
                    let moved = scope.spawn(move || {
                        feed.bytes(piece);
                        feed
                    });
                    moved.join().map_err(|_| "a thread failed")
                })?;
            }
            if feed.heard.records != whole.records {
                return Err(format!("a connection that changes threads gives other records: {}", shown(input)));
            }
        }
    }
    Ok(format!("the same from {THREADS} threads at a time; connections may change theirs"))
}

const CONNECTIONS: usize = 1000;

pub(crate) fn memory(case: &Case) -> Finding {
    let codec = started(case)?;
    let (roles, inputs, event) = (codec.roles(), samples::few(case), testing::events().remove(0));
    say(&Word::Doing("opening and closing connections".into()));
    let bare = leak(CONNECTIONS, || roles.iter().for_each(|role| drop(codec.open(*role))));
    if let Some(leak) = bare {
        return Err(format!("each connection that is opened and closed leaves {leak} behind"));
    }
    say(&Word::Doing("talking over connections, and closing them half-way".into()));
    let talk = leak(CONNECTIONS / 4, || {
        for role in &roles {
            for input in &inputs {
                let mut feed = Feed::new(&codec, *role);
                feed.bytes(input);
                feed.bytes(&input[..input.len() / 2]);
                testing::encode(&codec, codec.class_of(&feed.conn), &event);
                encode_private(&codec, &mut feed.conn, &event);
            }
        }
    });
    match talk {
        Some(leak) => {
            Err(format!("connections over which something was said leave {leak} behind, in {} each", count(inputs.len(), "kind")))
        }
        None => Ok(format!("{} connections leave nothing behind", (CONNECTIONS + CONNECTIONS / 4 * inputs.len()) * 6 * roles.len())),
    }
}

/// A loop serves thousands, and all wait while one call lasts.
const BUDGET: Duration = Duration::from_millis(50);
const TRIES: usize = 5;

pub(crate) fn time(case: &Case) -> Finding {
    let codec = started(case)?;
    let mut slowest = (Duration::ZERO, String::new());
    let mut note = |took: Duration, what: String| {
        if took >= slowest.0 {
            slowest = (took, what);
        }
    };
    for role in codec.roles() {
        say(&Word::Doing("opening and closing, with a clock".into()));
        note(quickest(TRIES, || drop(codec.open(role))), "open and close".into());
        for input in samples::all(case).into_iter().filter(|input| !input.is_empty()) {
            // As much as chatd reads at once, of which the most is whole lines.
            let long = input.repeat((16 * 1024 / input.len()).max(1));
            doing("decoding, with a clock,", role, &long);
            let mut best = Duration::MAX;
            for _ in 0..TRIES {
                let mut feed = Feed::new(&codec, role);
                best = best.min(quickest(1, || feed.bytes(&long)));
            }
            note(best, format!("{} of {} bytes", Call::Decode.word(), long.len()));
        }
        for event in testing::events() {
            say(&Word::Doing(format!("encoding {event:?}, with a clock")));
            note(quickest(TRIES, || drop(testing::encode(&codec, 0, &event))), format!("encode of {event:?}"));
            let mut conn = codec.open(role);
            note(quickest(TRIES, || drop(encode_private(&codec, &mut conn, &event))), format!("encode_private of {event:?}"));
        }
    }
    let (took, what) = slowest;
    let ms = took.as_secs_f64() * 1000.0;
    match took > BUDGET {
        true => Err(format!("{what} takes {ms:.0} ms at best, and everyone else waits meanwhile: at most {} ms", BUDGET.as_millis())),
        false => Ok(format!("the slowest is {what}: {ms:.1} ms")),
    }
}
