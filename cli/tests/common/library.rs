//! Plugins as shared libraries, made on the spot.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A bundled plugin as a shared library. Built beside the workspace's own target directory: there, the same file without its entry point
/// lies where this one would.
pub fn bundled(package: &str) -> PathBuf {
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("plugins");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    let mut build = Command::new(cargo);
    build.args(["build", "-q", "--features", "export", "-p", package, "--target-dir"]).arg(&target);
    let output = build.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    target.join("debug").join(format!("{prefix}{}{suffix}", package.replace('-', "_")))
}

/// A plugin written in C, which has plugins/abi/chat_plugin.h to include.
pub fn from_c(dir: &Path, name: &str, source: &str) -> PathBuf {
    let (from, to) = (dir.join(format!("{name}.c")), dir.join(format!("{name}.so")));
    std::fs::write(&from, source).unwrap();
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/abi");
    let mut compile = Command::new("cc");
    compile.args(["-std=gnu99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I"]).arg(header);
    let output = compile.arg(&from).arg("-o").arg(&to).output().expect("a C compiler named cc is needed to build chatring");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    to
}
