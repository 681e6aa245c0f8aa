//! What every codec has to hold, whatever it speaks.
//!
//! - The same bytes give the same records and wire bytes, however they are cut and however often the host says stop.
//! - It never claims to have used more than it was offered, and gives no record for no bytes unless it was stopped midway.
//! - Encoding is pure: the same class and record give the same bytes, whatever was encoded in between.
//! - No input makes it panic, and none makes the host keep more than [`UNREAD_MAX`] for it.

use super::{Feed, Heard, OwnedRecord, decode_all, encode, encode_private, events};
use crate::{Kind, Role, Transport};

/// A codec must have used or refused input before this much of it is unread.
pub const UNREAD_MAX: usize = 4 << 20;

/// What comes out may be larger than what went in, but not by more than this: `OUT_FACTOR * input + OUT_EXTRA`.
const OUT_FACTOR: usize = 64;
const OUT_EXTRA: usize = 64 * 1024;

/// Panics, saying what and where, unless `transport` conforms. `corpus` holds conversations it should understand, and some it
/// should not.
#[track_caller]
pub fn check_codec<T: Transport>(transport: &T, role: Role, corpus: &[&[u8]]) {
    for input in corpus {
        check_cuts(transport, role, input);
    }
    check_encoding(transport, role, corpus);
    check_noise(transport, role, corpus, 0);
    check_unread(transport, role, corpus);
}

/// The part of [`check_codec`] about cuts: this conversation gives the same at once, byte by byte, cut anywhere, and with a stop after each record.
#[track_caller]
pub fn check_cuts<T: Transport>(transport: &T, role: Role, input: &[u8]) {
    let whole = decode_all(transport, role, input);
    same(&whole, &decode_all(transport, role, input), input, "decoded again");

    let mut stopping = Feed::new(transport, role).stop_after_each();
    stopping.bytes(input);
    same(&whole, &stopping.heard, input, "stopped after each record");

    let mut drops = Feed::new(transport, role);
    input.iter().for_each(|byte| drops.bytes(std::slice::from_ref(byte)));
    same(&whole, &drops.heard, input, "byte by byte");

    // Every position of a short conversation; a long one is cut a thousand times, which costs a megabyte a piece at most.
    for cut in (1..input.len()).step_by(input.len().div_ceil(1000).max(1)) {
        let mut halves = Feed::new(transport, role);
        halves.bytes(&input[..cut]);
        halves.bytes(&input[cut..]);
        same(&whole, &halves.heard, input, &format!("cut at {cut}"));
    }
}

#[track_caller]
fn same(whole: &Heard, other: &Heard, input: &[u8], how: &str) {
    let text = input[..input.len().min(400)].escape_ascii();
    assert_eq!(whole.records, other.records, "records of \"{text}\" {how}");
    assert_eq!(whole.wire.escape_ascii().to_string(), other.wire.escape_ascii().to_string(), "wire of \"{text}\" {how}");
    assert_eq!(whole.broken, other.broken, "broken: \"{text}\" {how}");
    // What was used of a stream that can't be trusted means nothing.
    assert!(whole.broken || whole.used == other.used, "used of \"{text}\" {how}: {} {}", whole.used, other.used);
}

/// The part of [`check_codec`] about encoding: pure, and without a panic for events of any shape.
#[track_caller]
pub fn check_encoding<T: Transport>(transport: &T, role: Role, corpus: &[&[u8]]) {
    let mut classes = vec![transport.class_of(&transport.open(role))];
    for input in corpus {
        let mut feed = Feed::new(transport, role);
        feed.bytes(input);
        classes.push(transport.class_of(&feed.conn));
    }
    classes.sort_unstable();
    classes.dedup();

    let mut records = events();
    records.extend(hostile_records());
    let first: Vec<Vec<u8>> = classes.iter().flat_map(|class| records.iter().map(|record| encode(transport, *class, record))).collect();
    let mut again = first.iter();
    for class in &classes {
        for record in &records {
            let (before, now) = (again.next(), encode(transport, *class, record));
            assert_eq!(before, Some(&now), "class {class} of {record:?} is not the same twice");
        }
    }
    // Whatever it was that was encoded before.
    let mut backwards = first.iter().rev();
    for class in classes.iter().rev() {
        for record in records.iter().rev() {
            let (before, now) = (backwards.next(), encode(transport, *class, record));
            assert_eq!(before, Some(&now), "class {class} of {record:?} is not the same twice, in another order");
        }
    }
    for record in &records {
        encode_private(transport, &mut transport.open(role), record);
        // A class nobody has: the host never asks for one, but class_of can only answer with a number when it fails.
        encode(transport, u32::MAX, record);
    }
}

/// Events no node sends today: too short, not text, unknown.
pub fn hostile_records() -> Vec<OwnedRecord> {
    let mut records = Vec::new();
    for number in 0..=10 {
        let Ok(kind) = Kind::try_from(number) else { continue };
        records.push(OwnedRecord::new::<&[u8]>(kind, &[]));
        records.push(OwnedRecord::new(kind, &["from-a-later-version", "1", "2"]));
        records.push(OwnedRecord::new(kind, &[&b"\xff\0\r\n"[..], b"\r\n", b"\xff"]));
        for known in events() {
            // Cut short, so that whatever is taken for granted is missing once; and with line ends where text is expected.
            for length in 1..known.argv.len() {
                records.push(OwnedRecord::new(kind, &known.argv[..length]));
            }
            let mut argv = known.argv.clone();
            argv.iter_mut().skip(1).for_each(|arg| *arg = b" :\r\nQUIT :\xff\0".to_vec());
            records.push(OwnedRecord { kind, argv });
        }
    }
    records
}

/// The part of [`check_codec`] about noise: random bytes, and damaged conversations, give the same in pieces, and in proportion. Another seed is
/// other noise.
#[track_caller]
pub fn check_noise<T: Transport>(transport: &T, role: Role, corpus: &[&[u8]], seed: u64) {
    let mut noise = Noise(seed ^ 0x9e37_79b9_7f4a_7c15);
    for _ in 0..500 {
        // Never nothing: no bytes make no piece, and the codec would be asked in one of the two cases only.
        let length = 1 + noise.below(2048);
        let bytes: Vec<u8> = (0..length).map(|_| noise.below(256) as u8).collect();
        check_hostile(transport, role, &bytes);
    }
    for input in corpus.iter().filter(|input| !input.is_empty()) {
        for _ in 0..200 {
            let mut bytes = input.to_vec();
            for _ in 0..=noise.below(4) {
                let at = noise.below(bytes.len());
                match noise.below(4) {
                    0 => bytes[at] = noise.below(256) as u8,
                    1 => bytes.insert(at, b"\r\n\0 :$*-9"[noise.below(9)]),
                    2 => bytes.truncate(at + 1),
                    _ => bytes.extend_from_within(at..),
                }
                bytes.truncate(64 * 1024);
            }
            check_hostile(transport, role, &bytes);
        }
    }
}

/// Not understood maybe, but the same at once and in pieces, and in proportion.
#[track_caller]
fn check_hostile<T: Transport>(transport: &T, role: Role, bytes: &[u8]) {
    let whole = decode_all(transport, role, bytes);
    let mut pieces = Feed::new(transport, role);
    bytes.chunks(7).for_each(|piece| pieces.bytes(piece));
    same(&whole, &pieces.heard, bytes, "in pieces of 7");
    let out = whole.wire.len() + whole.records.iter().flat_map(|record| &record.argv).map(|arg| arg.len() + 1).sum::<usize>();
    assert!(out <= OUT_FACTOR * bytes.len() + OUT_EXTRA, "{out} bytes out of {}", bytes.len());
}

/// The part of [`check_codec`] about limits: feeds what might never end, in large pieces as a socket would. At most [`UNREAD_MAX`] bytes stay unread.
#[track_caller]
pub fn check_unread<T: Transport>(transport: &T, role: Role, corpus: &[&[u8]]) {
    let starts = corpus.iter().flat_map(|input| [&input[..input.len() / 2], &input[..input.len().saturating_sub(1)]]);
    for start in starts.chain([&b""[..], b"*", b"$", b"*1000000000\r\n", b"$1000000000\r\n", b"@", b":"]) {
        for endless in [b'a', b'1', b' ', b'*', b'@', 0, 0xff] {
            let mut feed = Feed::new(transport, role);
            feed.bytes(start);
            let piece = vec![endless; 256 * 1024];
            let mut fed = start.len();
            while !feed.heard.broken && fed <= UNREAD_MAX + piece.len() {
                feed.bytes(&piece);
                fed += piece.len();
                // What it used has been heard; only what is unread counts.
                feed.heard.records.clear();
                feed.heard.wire.clear();
                let unread = fed - feed.heard.used;
                assert!(
                    feed.heard.broken || unread <= UNREAD_MAX,
                    "{unread} bytes unread after \"{}\" and byte {endless:#x} for ever",
                    start.escape_ascii()
                );
            }
        }
    }
}

/// Splitmix64: the same noise for the same seed.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}
