//! Man pages and completions: that they are all there, and that what reads them takes them.

mod common;

use chatring::commands::registry;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn chatctl(args: &[&str]) -> Output {
    let output = common::plugins::chatctl(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Whether a program is there.
fn is_there(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).status().is_ok();
    if !is_there {
        eprintln!("SKIPPED: {program} is not there");
    }
    is_there
}

/// Runs a program that has to have nothing to complain of; gives what it says.
#[track_caller]
fn takes(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && err.is_empty(), "{command:?}: {err}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_command_has_a_man_page() {
    let dir = tempfile::tempdir().unwrap();
    chatctl(&["man", "--dir", dir.path().to_str().unwrap()]);
    let groff = is_there("groff");
    for entry in registry::entries() {
        let page = dir.path().join(format!("chatctl-{}.1", entry.mark.words.replace(' ', "-")));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS", ".SH EXTRA"] {
            assert!(text.contains(section), "{}: no {section}", page.display());
        }
        if groff {
            let shown = takes(Command::new("groff").args(["-man", "-Tutf8", "-ww", "-P-c"]).arg(&page));
            assert!(shown.contains("Examples:") && shown.contains(entry.mark.examples[0].split(' ').next().unwrap()), "{shown}");
        }
    }
    assert!(dir.path().join("chatctl.1").exists() && !dir.path().join("chatctl-serve.1").exists());
}

/// What bash offers for the last word of a line.
fn offers(script: &Path, words: &[&str]) -> Vec<String> {
    let program = "source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _chatctl chatctl \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", program, "bash"]).arg(script).args(words);
    takes(&mut bash).lines().map(|line| line.trim().to_string()).collect()
}

#[test]
fn shells_complete_commands() {
    let dir = tempfile::tempdir().unwrap();
    for (shell, check) in [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"])] {
        let script = dir.path().join(shell);
        let text = chatctl(&["completions", shell]).stdout;
        let words = String::from_utf8_lossy(&text);
        assert!(
            ["recover", "--keep-going", "--columns", "jsonl"].iter().all(|word| words.contains(word.trim_start_matches("--"))),
            "{shell}"
        );
        std::fs::write(&script, &text).unwrap();
        if is_there(shell) {
            takes(Command::new(shell).args(check).arg(&script));
        }
    }
    if is_there("bash") {
        let script = dir.path().join("bash");
        let tops = offers(&script, &["chatctl", "han"]);
        assert_eq!(tops, ["handoff"]);
        assert_eq!(offers(&script, &["chatctl", "ring", "sh"]), ["show"]);
        assert_eq!(offers(&script, &["chatctl", "ring", "show", "--output", "js"]), ["json", "jsonl"]);
    }
}
