//! `chat_plugin.h` says the same as `lib.rs`: the compiler is asked, about every size, offset and number.
//!
//! The Rust side's numbers are written into a C file of assertions, which must compile as C99 and as C++17 with the header and
//! without a single warning. A C compiler is needed to build chatring anyway; a C++ compiler may be absent.

use chatring_abi as abi;
use std::fmt::Write as _;
use std::mem::offset_of;
use std::process::{Command, Stdio};

#[test]
fn the_header_stands_alone_and_agrees_as_c99() {
    let said = compile("cc", &["-std=c99", "-x", "c"], &assertions());
    said.expect("a C compiler named cc is needed to build chatring");
}

#[test]
fn the_header_stands_alone_and_agrees_as_cpp17() {
    if compile("c++", &["-std=c++17", "-x", "c++"], &assertions()).is_none() {
        println!("no C++ compiler here: nothing checked");
    }
}

/// Layout mistakes must not pass because the assertions don't bite.
#[test]
#[should_panic = "size of array"]
fn a_wrong_layout_does_not_compile() {
    let wrong = "#include \"chat_plugin.h\"\ntypedef char wrong[sizeof(chat_bytes) == 1 ? 1 : -1];\n";
    compile("cc", &["-std=c99", "-x", "c"], wrong);
}

/// Compiles `source` beside the header, panicking with the compiler's words if it complains. `None` if there is no such compiler.
#[track_caller]
fn compile(compiler: &str, options: &[&str], source: &str) -> Option<()> {
    let mut child = Command::new(compiler)
        .args(["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"])
        .args(["-I", env!("CARGO_MANIFEST_DIR")])
        .args(options)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .env("LC_ALL", "C")
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut stdin, source.as_bytes()).expect("the compiler reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("the compiler ends");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler}: {words}");
    Some(())
}

fn assertions() -> String {
    // An array of negative size is the one assertion that C99 and C++17 share.
    let mut c = String::from("#include \"chat_plugin.h\"\n#define SAME(name, truth) typedef char same_##name[(truth) ? 1 : -1]\n");
    macro_rules! layout {
        ($($rust:ident $c:ident { $($field:ident),* })*) => {$(
            let size = size_of::<abi::$rust>();
            writeln!(c, "SAME(sizeof_{0}, sizeof({0}) == {size});", stringify!($c)).unwrap();
            $(
                let offset = offset_of!(abi::$rust, $field);
                writeln!(c, "SAME({0}_{1}, offsetof({0}, {1}) == {offset});", stringify!($c), stringify!($field)).unwrap();
            )*
        )*};
    }
    layout! {
        ChatBytes chat_bytes { data, len }
        ChatRecord chat_record { kind, argc, argv }
        ChatBytesSink chat_bytes_sink { ctx, bytes }
        ChatDecodeSink chat_decode_sink { ctx, record, wire }
        ChatHost chat_host { size, ctx, interface }
        ChatLog chat_log { size, log }
        ChatAuthHost chat_auth_host { size, complete }
        ChatFilterHost chat_filter_host { size, say }
        ChatMetrics chat_metrics { size, metric, add, set }
        ChatClock chat_clock { size, wall_ms, steady_ms }
        ChatTimers chat_timers { size, set, cancel }
        ChatEntry chat_entry { size, major, minor, name, version, start, stop, interface }
        ChatTransport chat_transport { size, open, close, decode, class_of, encode, encode_private }
        ChatAuth chat_auth { size, check, cancel }
        ChatFilter chat_filter { size, judge }
        ChatTimed chat_timed { size, fire }
        ChatStatus chat_status {}
    }
    let numbers: &[(&str, i64)] = &[
        ("CHAT_MAJOR", abi::MAJOR.into()),
        ("CHAT_MINOR", abi::MINOR.into()),
        ("CHAT_OK", abi::OK.into()),
        ("CHAT_STOP", abi::STOP.into()),
        ("CHAT_BROKEN", abi::BROKEN.into()),
        ("CHAT_DENY", abi::DENY.into()),
        ("CHAT_DECLINE", abi::DECLINE.into()),
        ("CHAT_PENDING", abi::PENDING.into()),
        ("CHAT_INTERNAL", abi::INTERNAL.into()),
        ("CHAT_METRIC_COUNTER", abi::METRIC_COUNTER.into()),
        ("CHAT_METRIC_GAUGE", abi::METRIC_GAUGE.into()),
        ("CHAT_ROLE_SERVER", abi::ROLE_SERVER.into()),
        ("CHAT_ROLE_CLIENT", abi::ROLE_CLIENT.into()),
        ("CHAT_KIND_COMMAND", abi::kind::COMMAND.into()),
        ("CHAT_KIND_STATUS", abi::kind::STATUS.into()),
        ("CHAT_KIND_ERROR", abi::kind::ERROR.into()),
        ("CHAT_KIND_INTEGER", abi::kind::INTEGER.into()),
        ("CHAT_KIND_TEXT", abi::kind::TEXT.into()),
        ("CHAT_KIND_ARRAY", abi::kind::ARRAY.into()),
        ("CHAT_KIND_MAP", abi::kind::MAP.into()),
        ("CHAT_KIND_NAMED", abi::kind::NAMED.into()),
        ("CHAT_KIND_PUSH", abi::kind::PUSH.into()),
        ("CHAT_KIND_NULL", abi::kind::NULL.into()),
        ("CHAT_KIND_ROWS", abi::kind::ROWS.into()),
    ];
    for (name, number) in numbers {
        writeln!(c, "SAME({name}_value, {name} == {number});").unwrap();
    }
    c
}

#[test]
fn names_of_interfaces_and_of_the_symbol() {
    let header = include_str!("../chat_plugin.h");
    let ids = [
        ("CHAT_ID_TRANSPORT", abi::id::TRANSPORT),
        ("CHAT_ID_AUTH", abi::id::AUTH),
        ("CHAT_ID_FILTER", abi::id::FILTER),
        ("CHAT_ID_TIMED", abi::id::TIMED),
        ("CHAT_ID_FILTER_HOST", abi::id::FILTER_HOST),
        ("CHAT_ID_METRICS", abi::id::METRICS),
        ("CHAT_ID_CLOCK", abi::id::CLOCK),
        ("CHAT_ID_TIMERS", abi::id::TIMERS),
        ("CHAT_ID_LOG", abi::id::LOG),
        ("CHAT_ID_AUTH_HOST", abi::id::AUTH_HOST),
    ];
    for (name, id) in ids {
        let line = format!("#define {name} \"{}\"\n", id.to_str().unwrap());
        assert!(header.contains(&line), "{line}");
    }
    assert!(header.contains(&format!("const chat_entry *{}(void);", abi::ENTRY_SYMBOL)));
}
