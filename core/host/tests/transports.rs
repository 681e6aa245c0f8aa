//! A transport linked in and the same one loaded give the same; and one that breaks the contract costs a connection.

mod common;

#[path = "../examples/lines.rs"]
mod lines;

use chatring_host::{Arg, Codec, DecodeEnd, Decoded, Flow, Kind, Plugins, Role, Transport};
use common::{c_library, example, plugins};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tempfile::TempDir;

fn linked() -> Arc<Transport> {
    let (mut plugins, _late) = plugins();
    plugins.link(lines::entry(), "> ").unwrap();
    plugins.transport("lines").unwrap()
}

fn loaded() -> Arc<Transport> {
    let (mut plugins, _late) = plugins();
    plugins.load(&example("lines"), "> ").unwrap();
    plugins.transport("lines").unwrap()
}

/// What a codec finds, one line each, and how it ended.
fn decode(codec: &mut Codec, input: &[u8], flow: Flow) -> (Vec<String>, DecodeEnd) {
    let mut found = Vec::new();
    let end = codec.decode(input, &mut |decoded| {
        found.push(match decoded {
            Decoded::Record(record) => format!("{record:?}"),
            Decoded::Wire(bytes) => format!("wire {}", bytes.escape_ascii()),
        });
        flow
    });
    (found, end)
}

#[track_caller]
fn check(input: &[u8], flow: Flow, expected: &[&str], used: usize, broken: bool) {
    for transport in [linked(), loaded()] {
        let mut codec = transport.open(Role::Server).unwrap();
        let (found, end) = decode(&mut codec, input, flow);
        assert_eq!(found, expected);
        assert_eq!(end, DecodeEnd { used, broken });
    }
}

#[test]
fn decoding_is_the_same_linked_and_loaded() {
    let join = "Command[\"JOIN\"]";
    check(b"", Flow::Continue, &[], 0, false);
    check(b"JOIN\n?\nPA", Flow::Continue, &[join, "wire !\\n"], 7, false);
    check(b"JOIN\nPART\n", Flow::Stop, &[join], 5, false);
    check(&[b'x'; 600], Flow::Continue, &[], 0, true);
}

#[test]
fn a_panic_inside_costs_the_connection_only() {
    check(b"JOIN\npanic\nPART\n", Flow::Continue, &["Command[\"JOIN\"]"], 16, true);
    for transport in [linked(), loaded()] {
        let mut out = b"before".to_vec();
        let fault = transport.encode(0, Kind::Push as u32, &[Arg::from("panic")], &mut out).expect_err("a fault");
        assert_eq!(fault.to_string(), "plugin lines: encode: failed inside");
        transport.encode(1, Kind::Push as u32, &[Arg::from("ping")], &mut out).unwrap();
        assert_eq!(out, b"before> 1 ping\n");
    }
}

#[test]
fn encoding_is_the_same_linked_and_loaded() {
    let argv = [Arg::from("message"), Arg::from("#g"), Arg::new(b"\xff\0")];
    for transport in [linked(), loaded()] {
        let mut out = Vec::new();
        transport.encode(7, Kind::Push as u32, &argv, &mut out).unwrap();
        let mut codec = transport.open(Role::Server).unwrap();
        decode(&mut codec, b"1\n2\n3\n", Flow::Continue);
        assert_eq!(codec.class(), 1);
        codec.encode_private(Kind::Status as u32, &argv, &mut out).unwrap();
        transport.encode(0, 4711, &argv, &mut out).unwrap();
        assert_eq!(out, b"> 7 message #g \xff\0\n> 1 message #g \xff\0\n", "an unknown kind encodes to nothing");
    }
}

#[test]
fn our_own_panic_passes_around_the_plugin() {
    for transport in [linked(), loaded()] {
        let mut codec = transport.open(Role::Server).unwrap();
        let panicking = &mut |_: Decoded<'_>| -> Flow { panic!("ours") };
        let payload = catch_unwind(AssertUnwindSafe(|| codec.decode(b"JOIN\nPART\n", panicking))).expect_err("it arrives");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"ours"));
    }
}

#[test]
fn a_codec_keeps_its_plugin_alive_and_may_change_threads() {
    let mut codec = {
        let plugins: Plugins = {
            let (mut plugins, _late) = plugins();
            plugins.load(&example("lines"), "> ").unwrap();
            plugins
        };
        plugins.transport("lines").unwrap().open(Role::Client).unwrap()
    };
    let end = std::thread::spawn(move || decode(&mut codec, b"JOIN\n", Flow::Continue).1).join().unwrap();
    assert_eq!(end, DecodeEnd { used: 5, broken: false });
}

/// A codec in C whose every misdeed is chosen by the first byte it reads.
const ROGUE: &str = r##"
static chat_status start(const chat_host *h, chat_bytes c, void **p, chat_bytes_sink why) {
    (void)h; (void)c; (void)p; (void)why; return CHAT_OK;
}
static void stop(void *p) { (void)p; }
static int state;
static chat_status open(void *p, uint32_t role, void **conn) {
    (void)p; if (role == CHAT_ROLE_SERVER) *conn = &state; return CHAT_OK;
}
static void close(void *p, void *conn) { (void)p; (void)conn; }
static chat_status decode(void *p, void *conn, chat_bytes in, size_t *used, chat_decode_sink out) {
    const chat_bytes good = { (const uint8_t *)"X", 1 }, hole = { 0, 9 };
    chat_record record = { CHAT_KIND_COMMAND, 1, &good };
    (void)p; (void)conn;
    *used = in.len;
    switch (in.data[0]) {
    case 'u': *used = in.len + 1; break;
    case 'm': *used = (size_t)-1; break;
    case 's': return 99;
    case 'i': return CHAT_INTERNAL;
    case 'b': out.record(out.ctx, &record); return CHAT_BROKEN;
    case 'n': out.record(out.ctx, 0); break;
    case 'a': record.argv = 0; out.record(out.ctx, &record); break;
    case 'h': record.argv = &hole; out.record(out.ctx, &record); break;
    case 'k': record.kind = 77; out.record(out.ctx, &record); break;
    case 'c': record.argc = 0xffffffff; out.record(out.ctx, &record); break;
    case 'w': out.wire(out.ctx, hole); break;
    case 'z': out.record(out.ctx, &record); *used = 0; break;
    case 'l': for (int i = 0; i < 1000000; i++) out.record(out.ctx, &record); break;
    default: out.record(out.ctx, &record);
    }
    return CHAT_OK;
}
static uint32_t class_of(void *p, const void *conn) { (void)p; (void)conn; return 3; }
static chat_status encode(void *p, uint32_t class_number, const chat_record *r, chat_bytes_sink out) {
    const chat_bytes good = { (const uint8_t *)"X", 1 }, hole = { 0, 9 }, huge = { (const uint8_t *)"X", (size_t)1 << 40 };
    (void)p; (void)r;
    out.bytes(out.ctx, good);
    if (class_number == 1) out.bytes(out.ctx, hole);
    if (class_number == 2) out.bytes(out.ctx, huge);
    return class_number == 3 ? -1 : CHAT_OK;
}
static chat_status encode_private(void *p, void *conn, const chat_record *r, chat_bytes_sink out) {
    (void)conn; return encode(p, 0, r, out);
}
static chat_transport transport = { sizeof transport, open, close, decode, class_of, encode, encode_private };
static const void *interface(void *p, const char *id) {
    (void)p; return strcmp(id, CHAT_ID_TRANSPORT) == 0 ? &transport : 0;
}
static chat_entry entry = { sizeof entry, CHAT_MAJOR, CHAT_MINOR, "rogue", "1", start, stop, interface };
const chat_entry *chat_entry_v1(void) { return &entry; }
"##;

#[test]
fn every_misdeed_ends_the_stream() {
    let dir = TempDir::new().unwrap();
    let (mut plugins, _late) = plugins();
    plugins.load(&c_library(dir.path(), "rogue", ROGUE), "").unwrap();
    let rogue = plugins.transport("rogue").unwrap();
    let try_out = |input: &[u8], flow| {
        let mut codec = rogue.open(Role::Server).unwrap();
        let (found, end) = decode(&mut codec, input, flow);
        (found.len(), end.used, end.broken)
    };
    assert_eq!(try_out(b"+", Flow::Continue), (1, 1, false), "good for comparison");
    assert_eq!(try_out(b"b", Flow::Continue), (1, 1, true));
    for misdeed in b"umsinahkcw" {
        assert_eq!(try_out(&[*misdeed, b'!'], Flow::Continue), (0, 2, true), "{}", *misdeed as char);
    }
    assert_eq!(try_out(b"z!", Flow::Continue), (1, 2, true), "a record for no bytes");
    assert_eq!(try_out(b"z!", Flow::Stop), (1, 0, false), "stopped in the middle");
    let (given, used, broken) = try_out(b"l!", Flow::Stop);
    assert!(given < 10_000 && used == 2 && broken, "does not stop: {given}");

    let error = rogue.open(Role::Client).expect_err("null");
    assert_eq!(error.to_string(), "plugin rogue: open: opened a null connection");

    let encode = |class| {
        let mut out = b"before".to_vec();
        let result = rogue.encode(class, Kind::Push as u32, &[Arg::from("ping")], &mut out);
        (result.map_err(|fault| fault.to_string()), String::from_utf8(out).unwrap())
    };
    let fault = |what: &str| (Err(format!("plugin rogue: encode: {what}")), "before".to_string());
    assert_eq!(encode(0), (Ok(()), "beforeX".to_string()));
    assert_eq!(encode(1), fault("gave null bytes"));
    assert_eq!(encode(2), fault("gave more than 67108864 bytes"));
    assert_eq!(encode(3), fault("gave the unknown answer -1"));
}
