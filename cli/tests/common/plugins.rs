//! Plugins as shared libraries, and what `chatctl plugin verify` says of them.

use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A bundled plugin as a shared library. Built beside the workspace's own target directory: there, the same file without its entry point
/// lies where this one would.
pub fn bundled(package: &str) -> PathBuf {
    cargo(&["--features", "export", "-p", package]);
    target().join("debug").join(library(package))
}

/// A library that is an example of a package.
pub fn example(package: &str, name: &str) -> PathBuf {
    cargo(&["-p", package, "--example", name]);
    target().join("debug/examples").join(library(name))
}

fn cargo(args: &[&str]) {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    let mut build = Command::new(cargo);
    build.args(["build", "-q", "--target-dir"]).arg(target()).args(args);
    let output = build.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Where plugins are built.
pub fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("plugins")
}

/// The file name of a library.
pub fn library(name: &str) -> String {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    format!("{prefix}{}{suffix}", name.replace('-', "_"))
}

/// A shared library from a text in C, which has plugins/abi/chat_plugin.h to include.
pub fn from_c(dir: &Path, name: &str, source: &str) -> PathBuf {
    let from = dir.join(name).with_extension("c");
    std::fs::write(&from, source).unwrap();
    c_library(dir, &from, dir)
}

/// A shared library from a file in C, beside which further headers lie.
pub fn c_library(dir: &Path, source: &Path, headers: &Path) -> PathBuf {
    let to = dir.join(source.file_name().unwrap()).with_extension("so");
    let mut cc = Command::new("cc");
    cc.args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-I"]).arg(headers);
    cc.arg("-I").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/abi")).arg(source).arg("-o").arg(&to);
    let output = cc.output().expect("a C compiler named cc is needed to build chatring");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    to
}

/// `chatctl`, with nothing of the user who runs the tests.
pub fn chatctl(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatctl"));
    command.args(args);
    for name in ["CHATCTL_DIRECTORY", "CHATCTL_CA", "CHATCTL_CONTEXT", "CHATCTL_OPERATOR_FILE"] {
        command.env_remove(name);
    }
    command
}

/// What `chatctl plugin verify` says of a library, and with which code it ends.
#[track_caller]
pub fn verify(library: &Path, options: &[&str]) -> (i32, Json) {
    let output = chatctl(&["plugin", "verify", "--output", "json"]).args(options).arg(library).output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    super::schema::check(&["plugin", "verify"], &report);
    (output.status.code().unwrap_or(-1), report)
}
