//! docs/plugins.md does what it says: every command block runs, in order, in one empty folder, and every session goes as it is shown.
//!
//! `sh` blocks are run by a shell; one that only starts chatd goes on running. `toml` blocks are files, called as their first line says. `console`
//! blocks are what somebody types (`»`) and sees through `nc`; the next one goes on with the same connection unless it begins with another.
//! The page's 127.0.0.1 is an address that no other test uses.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::network::Network;
use common::process::Process;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../docs/plugins.md");

/// A fenced block: its language and lines.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language.to_string(), body.join("\n")));
        }
    }
    blocks
}

/// A shell with chatd and chatctl in its path, and nothing of whoever runs the tests.
fn shell(dir: &Path, directory: &str, script: &str) -> Command {
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    command
        .args(["-euc", script])
        .current_dir(dir)
        .env("PATH", path)
        .env("CHATCTL_DIRECTORY", directory)
        .env("XDG_STATE_HOME", dir)
        .env("XDG_CONFIG_HOME", dir);
    command.env_remove("CHATCTL_CA").env_remove("CARGO_TARGET_DIR");
    // As the page says it, only sooner; and nothing that it builds needs anything from elsewhere.
    command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_NET_OFFLINE", "true");
    command
}

/// A session, as far as this block shows it.
#[track_caller]
fn talk(session: &mut Option<Irc>, block: &str) {
    for line in block.lines() {
        if let Some(place) = line.strip_prefix("$ nc ") {
            *session = Some(Irc::connect(place.replace(' ', ":").parse().unwrap()));
            continue;
        }
        let session = session.as_mut().expect("a session begins with nc");
        if let Some(typed) = line.strip_prefix("» ") {
            session.send(typed);
            continue;
        }
        // `…` is anything.
        let parts: Vec<&str> = line.split('…').map(str::trim).collect();
        let longest = parts.iter().max_by_key(|part| part.len()).unwrap();
        let seen = session.wait(longest);
        let mut rest = seen.trim_end();
        for part in &parts {
            let at = rest.find(part).unwrap_or_else(|| panic!("{seen:?} is not {line:?}"));
            rest = &rest[at + part.len()..];
        }
        assert!(line.ends_with('…') || rest.is_empty(), "{seen:?} is not {line:?}");
        assert!(line.starts_with('…') || seen.starts_with(parts[0]), "{seen:?} is not {line:?}");
    }
}

#[test]
fn the_page_does_what_it_says() {
    let net = Network::new();
    let ip = net.place(1, 0).native.ip().to_string();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("bin")).unwrap();
    for (name, program) in [("chatctl", env!("CARGO_BIN_EXE_chatctl")), ("chatd", env!("CARGO_BIN_EXE_chatd"))] {
        symlink(program, dir.path().join("bin").join(name)).unwrap();
    }
    let directory = format!("{ip}:7400");
    let (mut daemon, mut session, mut ran) = (None, None, 0);
    for (language, block) in blocks(&PAGE.replace("127.0.0.1", &ip)) {
        match language.as_str() {
            "sh" if block.starts_with("chatd --config ") => {
                let chatd = shell(dir.path(), &directory, &format!("exec {block} --exit-with-stdin"));
                let mut process = Process::start("chatd", &mut { chatd });
                process.err.wait("with 1 super nodes");
                daemon = Some(process);
                ran += 1;
            }
            "sh" => {
                let output = shell(dir.path(), &directory, &block).output().unwrap();
                let words = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
                assert!(output.status.success(), "{block}\n{words}");
                ran += 1;
            }
            "toml" => {
                let name = block.lines().next().unwrap().strip_prefix("# ").expect("the name of a file");
                std::fs::write(dir.path().join(name), block.clone() + "\n").unwrap();
            }
            "console" => talk(&mut session, &block),
            "rust" => {
                // What is shown of a project is in it.
                let made =
                    ["swear", "door"].map(|name| std::fs::read_to_string(dir.path().join(name).join("src/lib.rs")).unwrap_or_default());
                let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(made.iter().any(|source| plain(source).contains(&plain(&block))), "in no project: {block}");
            }
            other => panic!("a block of {other:?}: nobody tries it"),
        }
    }
    assert!(daemon.is_some() && ran >= 10, "{ran}");
}
