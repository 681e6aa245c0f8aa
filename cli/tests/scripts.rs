//! `chatctl` as scripts use it: commands from files, pipes and the command line, forms, exit codes, contexts. Nobody is asked but where it says so.

mod common;

use common::network::Network;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

/// `chatctl` for somebody whose home this folder is.
fn chatctl(home: &Path, args: &[&str]) -> Command {
    let mut command = common::plugins::chatctl(args);
    command.current_dir(home).env("HOME", home).env_remove("XDG_CONFIG_HOME").env("XDG_STATE_HOME", home);
    command
}

fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Whoever fails at once reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Exit code, standard output, standard error.
fn told(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const OWNER: &str = "ring owner '#erlang' --nodes 192.0.2.1 --columns master --output plain --no-header";

#[test]
fn a_script_stops_where_something_fails_and_says_where() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("ops.chat");
    std::fs::write(&file, format!("# first\n{OWNER}\n\ncontext use nowhere\n{OWNER}\n")).unwrap();
    let (code, out, err) = told(run(&mut chatctl(home.path(), &["-f", "ops.chat"]), ""));
    assert_eq!((code, out.as_str()), (2, "192.0.2.1\n"));
    assert!(err.starts_with("chatctl: ops.chat:4: context use nowhere: there is no context 'nowhere'\n  There are none yet."), "{err}");

    let (code, out, err) = told(run(&mut chatctl(home.path(), &["-f", "ops.chat", "--keep-going"]), ""));
    assert_eq!((code, out.lines().count(), err.matches("nowhere:").count()), (2, 2, 1), "{err}");

    let (code, out, err) = told(run(&mut chatctl(home.path(), &["-e", OWNER, "-e", "frob", "-e", OWNER]), ""));
    assert_eq!((code, out.as_str()), (2, "192.0.2.1\n"));
    assert!(err.starts_with("chatctl: -e 2: frob: unrecognized subcommand 'frob'"), "{err}");

    // The first failure gives the code, and all are told.
    let ask = "ring show --directory 127.0.0.1:1 --timeout 200ms";
    let script = format!("{ask}\n{OWNER}\nfrob\n");
    let (code, out, err) = told(run(&mut chatctl(home.path(), &["--keep-going"]), &script));
    assert_eq!((code, out.as_str()), (3, "192.0.2.1\n"), "{err}");
    assert!(err.contains("standard input:1: ring show ") && err.contains("standard input:3: frob: "), "{err}");

    for args in [&["-f", "none.chat"][..], &["-e", "help", "ring", "show"], &["-e", "help", "-f", "ops.chat"]] {
        let (code, _, err) = told(run(&mut chatctl(home.path(), args), ""));
        assert!(code == 2 && !err.is_empty(), "{args:?}: {code} {err}");
    }
}

#[test]
fn results_come_in_the_form_that_was_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let check = |args: &[&str], expect: &str| {
        let line = [&["ring", "owner", "#erlang", "--nodes", "192.0.2.1,192.0.2.2"], args].concat();
        let (code, out, err) = told(run(&mut chatctl(home.path(), &line), ""));
        assert_eq!((code, out.as_str(), err.as_str()), (0, expect, ""), "{args:?}");
    };
    check(&["--output", "csv", "--columns", "group,master,standbys"], "group,master,standbys\r\n#erlang,192.0.2.2,192.0.2.1\r\n");
    check(&["--output", "plain", "--columns", "master", "--no-header"], "192.0.2.2\n");
    check(&["--output", "jsonl", "--columns", "master,point"], "{\"master\":\"192.0.2.2\",\"point\":1310262970}\n");
    check(&["--columns", "master,metric"], "master  192.0.2.2\nmetric  circular\n");
}

#[test]
fn errors_are_json_where_results_are() {
    let home = tempfile::tempdir().unwrap();
    let check = |line: &[&str], code: i32, error: &str| {
        let (found, out, err) = told(run(&mut chatctl(home.path(), line), ""));
        let value: Json = serde_json::from_str(&err).unwrap_or_else(|bad| panic!("{bad}: {err}"));
        assert_eq!(common::schema::misfit_of("error", &value), None);
        assert_eq!((found, out.as_str(), &value["code"]), (code, "", &json!(code)), "{value}");
        assert!(value["error"].as_str().unwrap().contains(error), "{value}");
        value
    };
    let value = check(&["ring", "owner", "#a", "--nodes", "192.0.2.1", "--output", "json", "--columns", "size"], 2, "no column 'size'");
    assert_eq!(value["advice"], "There are group, point, metric, master, distance, standbys.");
    check(&["ring", "show", "--output=jsonl", "--directory", "127.0.0.1:1", "--timeout", "200ms"], 3, "no answer from 127.0.0.1:1");
    check(&["ring", "frob", "--output", "json"], 2, "unrecognized subcommand 'frob'");
    check(&["--output", "json", "-e", "ring owner '#a' --nodes 192.0.2.1 --points 0"], 2, "-e 1: ring owner");
    check(&["tail", "#a", "--output", "json", "--columns", "nick"], 2, "has no columns");
}

#[test]
fn servers_are_waited_for_as_long_as_one_likes() {
    let home = tempfile::tempdir().unwrap();
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let began = Instant::now();
    let (code, _, err) = told(run(&mut chatctl(home.path(), &["node", "list", "--timeout", "300ms", "--directory", &address]), ""));
    let took = began.elapsed();
    assert!(code == 3 && (300..5_000).contains(&took.as_millis()), "{took:?} {err}");
}

#[test]
fn what_cannot_be_taken_back_is_not_done_unasked() {
    let home = tempfile::tempdir().unwrap();
    let nobody = ["--directory", "127.0.0.1:1", "--timeout", "200ms"];
    for line in ["node remove alpha", "directory remove 127.0.0.1:7400", "account remove joe"] {
        let mut args: Vec<&str> = line.split(' ').collect();
        args.extend(nobody);
        let (code, _, err) = told(run(&mut chatctl(home.path(), &args), "y\n"));
        assert!(code == 2 && err.contains(&format!("`{line}` ")) && err.contains("Say --yes if it is meant."), "{err}");
        // Meant, it fails at the next thing: nobody answers.
        assert_eq!(told(run(chatctl(home.path(), &args).arg("--yes"), "")).0, 3, "{line}");
        assert_eq!(told(run(chatctl(home.path(), &nobody).args(["--yes", "-e", line]), "")).0, 3, "{line}");
    }
}

#[test]
fn on_a_terminal_it_is_asked_whether_it_is_meant() {
    if !Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: script is not there");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let line = format!("{} node remove alpha --directory 127.0.0.1:1 --timeout 200ms", env!("CARGO_BIN_EXE_chatctl"));
    for (answer, code, says) in [
        ("n\n", 1, "it was not confirmed: nothing was done"),
        ("\n", 1, "it was not confirmed"),
        ("y\n", 3, "no answer from"),
        ("yes\n", 3, "no answer from"),
    ] {
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env("HOME", home.path()).env("SHELL", "/bin/sh").env_remove("XDG_CONFIG_HOME");
        let (found, out, _) = told(run(&mut command, answer));
        assert!(
            found == code && out.contains("`node remove alpha` takes") && out.contains("[y/N]") && out.contains(says),
            "{answer:?}: {found} {out}"
        );
    }
}

#[test]
fn who_wants_no_colours_gets_none() {
    if !Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: script is not there");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("x.so"), "no library").unwrap();
    let line = format!("{} plugin verify x.so --only file", env!("CARGO_BIN_EXE_chatctl"));
    for (name, value, colours) in [("TERM", "xterm", true), ("NO_COLOR", "1", false), ("NO_COLOR", "", true), ("TERM", "dumb", false)] {
        let mut command = Command::new("script");
        command
            .args(["-qec", &line, "/dev/null"])
            .current_dir(home.path())
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .env_remove("NO_COLOR");
        let (_, out, _) = told(run(command.env(name, value), ""));
        assert!(out.contains("FAILED") && out.contains('\x1b') == colours, "{name}={value}: {out:?}");
    }
}

#[test]
fn a_context_is_a_network_by_name() {
    let mut net = Network::new();
    let sha256 = chatring_machines::operators::SecretHash::of("s3cret").hex();
    net.ending = format!("[[operator]]\nname = 'ann'\nrole = 'viewer'\nsha256 = '{sha256}'\n");
    let (_directory, [_node]) = (net.directory(), net.nodes([1]));
    let home = tempfile::tempdir().unwrap();
    let address = net.directory_address().to_string();
    let secret = home.path().join("operator");
    std::fs::write(&secret, "ann s3cret\n").unwrap();
    let ask = |args: &[&str]| told(run(&mut chatctl(home.path(), args), ""));
    let shows = |args: &[&str]| {
        let (code, out, err) = ask(&[args, &["ring", "show", "--output", "json", "--timeout", "5s"]].concat());
        assert!(!format!("{out}{err}").contains("s3cret"));
        (code, serde_json::from_str::<Json>(&out).map_or(err, |value| value["network"].as_str().unwrap().to_string()))
    };

    // A file that others may read is no secret.
    let (code, _, err) = ask(&["context", "add", "home", "--directory", &address, "--operator-file", "operator"]);
    assert!(code == 2 && err.contains("is not its owner's alone"), "{err}");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(ask(&["context", "add", "home", "--directory", &address, "--operator-file", "operator"]).0, 0);
    assert_eq!(ask(&["context", "add", "away", "--directory", "127.0.0.1:1", "--operator-command", "cat /nowhere"]).0, 0);
    let mode = std::fs::metadata(home.path().join(".config/chatring/contexts.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    assert_eq!(shows(&["--context", "home"]), (0, "test".to_string()));
    assert_eq!(ask(&["context", "use", "home"]).0, 0);
    assert_eq!(shows(&[]), (0, "test".to_string()));
    // What is said comes before what was chosen; and a command that gives no secret is told of.
    assert_eq!(shows(&["--directory", "127.0.0.1:1"]).0, 3);
    let (code, err) = shows(&["--context", "away"]);
    assert!(code == 2 && err.contains("`cat /nowhere`, failed"), "{err}");
    let (code, err) = shows(&["--context", "hoem"]);
    assert!(code == 2 && err.contains("there is no context 'hoem'") && err.contains("Known: away, home."), "{err}");
    let by_env = |name: &str, value: &str| told(run(chatctl(home.path(), &["ring", "show", "--timeout", "1s"]).env(name, value), "")).0;
    assert_eq!(
        [by_env("CHATCTL_CONTEXT", "away"), by_env("CHATCTL_DIRECTORY", "127.0.0.1:1"), by_env("CHATCTL_CONTEXT", "home")],
        [2, 3, 0]
    );
    // A line of a script may be about another network.
    let (code, out, _) = ask(&["--output", "json", "-e", "ring show", "-e", "ring show --directory 127.0.0.1:1 --timeout 200ms"]);
    assert_eq!((code, out.lines().count()), (3, 1));

    // What does not ask a server needs no good file.
    std::fs::write(home.path().join(".config/chatring/contexts.toml"), "current = 'x'\n").unwrap();
    let (code, err) = shows(&[]);
    assert!(code == 2 && err.contains("contexts.toml:1: current is 'x', and there is no such context"), "{err}");
    assert_eq!(ask(&["-e", "help"]).0, 2);
    assert_eq!(ask(&["token", "key"]).0, 0);
}
