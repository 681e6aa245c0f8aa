//! A test that needs a network or mounts of its own runs in namespaces that it makes for itself: nothing of it is left or seen outside.

use super::fleet;
use super::scene::skipped;
use std::process::{Command, Stdio};

/// Set for the test program that runs inside.
const INSIDE: &str = "CHAOS_INSIDE";

/// Runs a test in namespaces of these kinds. Where the machine does not let us do what is tried there first, the test says loudly that it did nothing.
#[track_caller]
pub fn inside(name: &str, kinds: &[&str], try_it: &str, test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let quiet = |command: &mut Command| command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let may = quiet(Command::new("unshare").args(kinds).args(["sh", "-c", try_it]));
    if !may.is_ok_and(|status| status.success()) {
        return skipped(&format!("{name}: this machine does not allow {try_it:?} in namespaces of our own; nothing was tested"));
    }
    let program = std::env::current_exe().expect("this program has a path");
    let _alone = fleet::alone();
    let mut command = Command::new("unshare");
    command.args(kinds).args(["--fork", "--kill-child"]).arg(program);
    command.args(["--exact", name, "--nocapture"]).env(INSIDE, "1").stdin(Stdio::null());
    let output = command.output().expect("it just worked");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
