//! Shared libraries to load, made on the spot, and a registry that remembers late answers.

#![allow(dead_code, reason = "each test program uses some of it")]

use chatring_host::{Hooks, Plugins, Verdict};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

/// Plugins, and what they answer late.
pub fn plugins() -> (Plugins, Receiver<(u64, Verdict)>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let on_late = move |ticket, verdict| {
        // Nobody may be listening any more when a test ends.
        let _ = tell.lock().unwrap().send((ticket, verdict));
    };
    (Plugins::new(Hooks::of(Arc::new(on_late))), told)
}

/// A shared library from a line or two of C after `#include "chat_plugin.h"`.
pub fn c_library(dir: &Path, name: &str, source: &str) -> PathBuf {
    let from = dir.join(format!("{name}.c"));
    std::fs::write(&from, format!("#include \"chat_plugin.h\"\n#include <string.h>\n{source}")).unwrap();
    compiled(&from, dir, &[])
}

/// A shared library from one of plugins/examples/c, with the flags of its Makefile.
pub fn c_example(dir: &Path, name: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/examples/c").join(name).with_extension("c");
    compiled(&from, dir, &["-pedantic", "-O2"])
}

fn compiled(from: &Path, dir: &Path, flags: &[&str]) -> PathBuf {
    let to = dir.join(from.file_stem().unwrap()).with_extension("so");
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/abi");
    let output = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"])
        .args(flags)
        .arg("-I")
        .args([&header, from])
        .arg("-o")
        .arg(&to)
        .output()
        .expect("a C compiler named cc is needed to build chatring");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    to
}

/// A bundled plugin as a shared library. Built beside the workspace's own target directory: there, the same file without its
/// entry point lies where this one would.
pub fn bundled(package: &str) -> PathBuf {
    let target = target_dir().join("plugins");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    let output = Command::new(cargo)
        .args(["build", "-q", "--features", "export", "-p", package, "--target-dir"])
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("debug").join(library(package))
}

/// A library made from this package's examples/, which `cargo test` has built.
pub fn example(name: &str) -> PathBuf {
    let dir = std::env::current_exe().unwrap().parent().and_then(Path::parent).unwrap().join("examples");
    let path = dir.join(library(name));
    assert!(path.exists(), "{}: run `cargo build -p chatring-host --example {name}` first", path.display());
    path
}

fn library(name: &str) -> String {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    format!("{prefix}{}{suffix}", name.replace('-', "_"))
}

/// The test program is target/PROFILE/deps/NAME.
fn target_dir() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_path_buf()
}
