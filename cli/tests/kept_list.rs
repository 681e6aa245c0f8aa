//! The list of super nodes that `chatctl` keeps: it is enough when no directory server is there, and not used when it is not right.
#![cfg(target_os = "linux")]

mod common;

use common::network::Network;
use common::process::Process;
use std::path::{Path, PathBuf};

/// The one file of this kind that was kept.
fn kept(state: &Path, kind: &str) -> PathBuf {
    let files = std::fs::read_dir(state.join("chatring")).unwrap().map(|file| file.unwrap().path());
    let found: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ext| ext == kind)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

/// Says something, and gives what `chatctl` has to say to that.
fn send(net: &Network) -> String {
    let output = net.chatctl(&["send", "#a", "hello"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// Tries to, where that can't succeed, until `chatctl` says why not.
fn refused(net: &Network, why: &str) {
    let mut process = Process::start("send", &mut net.chatctl(&["send", "#a", "hello"]));
    process.err.wait(&format!("is not used: {why}"));
    process.kill();
}

#[test]
fn a_kept_list_is_used_or_refused_for_a_reason() {
    let net = Network::new();
    let mut directory = net.directory();
    let _nodes = net.nodes([1, 2]);
    assert_eq!(send(&net), "");
    let (list, known) = (kept(net.dir.path(), "list"), kept(net.dir.path(), "known"));
    let (old_list, seen) = (std::fs::read_to_string(&list).unwrap(), std::fs::read_to_string(&known).unwrap());

    // Nobody answers: the list is enough.
    directory.kill();
    assert_eq!(send(&net), "");

    // Changed: another address for a node.
    let claimed = net.key(9).to_string();
    std::fs::write(&list, old_list.replace(&net.key(1).to_string(), &claimed)).unwrap();
    refused(&net, "it was changed since directory key");

    // Older than what was seen.
    std::fs::write(&list, &old_list).unwrap();
    let epoch = seen.split('"').nth(3).unwrap();
    let (generation, number) = epoch.split_once('.').unwrap();
    let newer = format!("{generation}.{}", number.parse::<u64>().unwrap() + 1);
    std::fs::write(&known, seen.replace(epoch, &newer)).unwrap();
    let why = format!("it is of epoch {epoch}, and one of epoch {newer} was seen already");
    refused(&net, &why);

    // On one machine a network that began anew is believed.
    let _directory = net.directory();
    assert!(send(&net).contains(&why));
    assert_eq!(send(&net), "");
}
