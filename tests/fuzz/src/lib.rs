//! What must hold for any codec and any bytes.
//!
//! No panic; what the sdk's [`Feed`] asserts of every call; the same bytes give the same records and answers however they are
//! cut and however often the host says stop; and whatever came in can be encoded, twice the same. Where the cuts are is taken
//! from the data itself.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chatring_auth_token::Keys;
use chatring_sdk::testing::{Feed, Heard, OwnedRecord, decode_all, encode, encode_private};
use chatring_sdk::{Role, Transport};

/// Runs all checks.
pub fn check<T: Transport>(role: Role, data: &[u8]) {
    let codec = T::start("").expect("the defaults are valid");
    let whole = decode_all(&codec, role, data);
    let size = data.first().map_or(1, |byte| usize::from(byte % 7) + 1);
    same(&whole, Feed::new(&codec, role), data, size);
    same(&whole, Feed::new(&codec, role).stop_after_each(), data, data.len().max(1));
    whole.records.iter().for_each(|record| check_encoding(&codec, role, record));
}

fn same<T: Transport>(whole: &Heard, mut feed: Feed<'_, T>, data: &[u8], size: usize) {
    data.chunks(size).for_each(|piece| feed.bytes(piece));
    let other = feed.heard;
    assert_eq!((&whole.records, &whole.wire, whole.broken), (&other.records, &other.wire, other.broken));
    // What was used of a stream that can't be trusted means nothing.
    assert!(whole.broken || whole.used == other.used, "used {} and {}", whole.used, other.used);
}

fn check_encoding<T: Transport>(codec: &T, role: Role, record: &OwnedRecord) {
    for class in 0..8 {
        assert_eq!(encode(codec, class, record), encode(codec, class, record), "encode is not pure");
    }
    encode_private(codec, &mut codec.open(role), record);
}

/// A token with these claims, whatever they are.
pub fn signed_by(keys: &Keys, kid: &str, header: &str, claims: &[u8]) -> String {
    let (_, key) = keys.find(kid).expect("a key of this name");
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = key.sign(text.as_bytes()).expect("a key that signs");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
