//! Plugins as shared libraries.

use std::path::PathBuf;
use std::process::Command;

/// A bundled plugin as a shared library. Built beside the workspace's own target directory: there, the same file without its entry point
/// lies where this one would.
pub fn library(package: &str) -> PathBuf {
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("plugins");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    let mut build = Command::new(cargo);
    build.args(["build", "-q", "--features", "export", "-p", package, "--target-dir"]).arg(&target);
    let output = build.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    target.join("debug").join(format!("{prefix}{}{suffix}", package.replace('-', "_")))
}
