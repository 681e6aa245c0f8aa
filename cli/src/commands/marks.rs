//! What is to be known of each command beside its definition, in the order of the definitions.

use super::registry::{Asks, Mark, Needs, Role};

const fn mark(words: &'static str, needs: Needs, schema: Option<&'static str>, examples: &'static [&'static str]) -> Mark {
    Mark { words, needs, schema, asks: Asks::Never, examples }
}

/// Only looks.
const fn viewer(words: &'static str, schema: &'static str, examples: &'static [&'static str]) -> Mark {
    mark(words, Needs::Role(Role::Viewer), Some(schema), examples)
}

/// Steers.
const fn operator(words: &'static str, schema: &'static str, examples: &'static [&'static str]) -> Mark {
    mark(words, Needs::Role(Role::Operator), Some(schema), examples)
}

/// Changes what the network stands on.
const fn admin(words: &'static str, schema: &'static str, examples: &'static [&'static str]) -> Mark {
    mark(words, Needs::Role(Role::Admin), Some(schema), examples)
}

/// Asks no server.
const fn local(words: &'static str, schema: Option<&'static str>, examples: &'static [&'static str]) -> Mark {
    mark(words, Needs::Nobody, schema, examples)
}

const fn asking(mark: Mark, asks: Asks) -> Mark {
    Mark { asks, ..mark }
}

/// All of them.
pub const MARKS: &[Mark] = &[
    local("demo", None, &["demo", "demo --super-nodes 5 --dir ./net"]),
    mark("chat", Needs::Person, None, &["chat '#erlang' --nick joe"]),
    mark("send", Needs::Person, None, &["send '#erlang' 'the build is green'", "send '#log' --nick logger < lines"]),
    mark("tail", Needs::Person, Some("tail"), &["tail '#erlang'", "tail '#erlang' --output jsonl --count 10"]),
    viewer("status", "status", &["status", "status --output json"]),
    viewer("doctor", "doctor", &["doctor", "doctor --output csv --columns check,result,found", "doctor --output json --timeout 5s"]),
    operator("bundle", "bundle", &["bundle network.tar.gz"]),
    viewer("ring show", "ring-show", &["ring show", "ring show --linearizable --output csv --columns key,share"]),
    viewer("ring plot", "ring-plot", &["ring plot", "ring plot --svg ring.svg", "ring plot --plan plan.json --svg plan.svg"]),
    viewer("ring owner", "ring-owner", &["ring owner '#erlang'", "ring owner '#erlang' --nodes 192.0.2.1,192.0.2.2 --metric linear"]),
    viewer("ring why", "ring-why", &["ring why '#erlang'", "ring why '#erlang' --also 192.0.2.9"]),
    viewer("ring plan", "ring-plan", &["ring plan --remove alpha --out plan.json", "ring plan --add 192.0.2.9", "ring plan --points 160"]),
    operator("ring commit", "ring-commit", &["ring commit plan.json", "ring commit plan.json --timeout 10m"]),
    operator("ring points", "ring-points", &["ring points 160 --timeout 5m"]),
    viewer("node list", "node-list", &["node list", "node list --output plain --no-header | cut -f 1"]),
    operator("node drain", "node-drain", &["node drain alpha", "node drain 192.0.2.7 --timeout 10m"]),
    viewer("node pending", "node-pending", &["node pending"]),
    operator("node admit", "node-done", &["node admit 192.0.2.8"]),
    operator("node refuse", "node-done", &["node refuse 192.0.2.8"]),
    operator("node forget", "node-done", &["node forget 192.0.2.8"]),
    asking(
        operator("node remove", "node-done", &["node remove 192.0.2.8", "node remove alpha --yes"]),
        Asks::Always("takes a super node out at once, without copying its groups first"),
    ),
    viewer("handoff list", "handoff-list", &["handoff list"]),
    viewer("handoff why", "handoff-why", &["handoff why"]),
    operator("handoff abort", "handoff-abort", &["handoff abort"]),
    viewer("directory status", "directory-status", &["directory status", "directory status --output csv --columns address,role,lacks"]),
    admin("directory add", "directory-done", &["directory add 192.0.2.3:7400"]),
    asking(
        admin("directory remove", "directory-done", &["directory remove 192.0.2.3:7400 --yes"]),
        Asks::Always("lets a directory server go, which comes back only with a new file"),
    ),
    operator("directory transfer", "directory-transfer", &["directory transfer", "directory transfer 192.0.2.2:7400"]),
    local("directory backup", Some("directory-copied"), &["directory backup ring.backup --config chatd.toml"]),
    local("directory restore", Some("directory-copied"), &["directory restore ring.backup --config chatd.toml"]),
    local(
        "directory recover",
        Some("directory-copied"),
        &["directory recover --from directory.sqlite --config chatd.toml --i-know-what-may-be-lost"],
    ),
    viewer("client list", "client-list", &["client list --node alpha", "client list --slow"]),
    asking(
        operator("client kill", "client-kill", &["client kill joe 'Enough of that'", "client kill 4294967303 --node alpha --yes"]),
        Asks::Always("closes somebody's connection"),
    ),
    viewer("group list", "group-list", &["group list", "group list '#er*' --output jsonl"]),
    viewer("group show", "group-show", &["group show '#erlang'"]),
    viewer("group members", "group-members", &["group members '#erlang' --columns nick,rank"]),
    operator("group topic", "group-topic", &["group topic '#erlang'", "group topic '#erlang' 'Release on Friday'"]),
    operator("group mode", "group-done", &["group mode '#erlang' +o joe", "group mode '#erlang' -t"]),
    operator("group kick", "group-done", &["group kick '#erlang' joe 'Enough of that'"]),
    operator("group ban", "group-done", &["group ban '#erlang' '*!*@192.0.2.66'"]),
    operator("group unban", "group-done", &["group unban '#erlang' '*!*@192.0.2.66'"]),
    asking(
        operator("group close", "group-done", &["group close '#spam' 'Not here'", "group close '#spam' --yes"]),
        Asks::Always("removes everyone, and forgets its settings and what was said there"),
    ),
    admin("group history", "group-history", &["group history '#erlang' --last 20"]),
    operator("account list", "account-list", &["account list"]),
    admin("account add", "account-done", &["account add joe", "account add joe < password"]),
    admin("account password", "account-done", &["account password joe"]),
    asking(
        admin("account remove", "account-done", &["account remove joe", "account remove joe --yes"]),
        Asks::Always("ends an account, and anyone may have its nick afterwards"),
    ),
    viewer("who", "who", &["who joe"]),
    operator("check", "check", &["check", "check '#erlang' --output json"]),
    local("config check", Some("config-check"), &["config check chatd.toml"]),
    local("passwd", Some("passwd"), &["passwd joe >> accounts", "passwd joe < password"]),
    local("token make", Some("token-make"), &["token make joe --key signing-key --for 12h"]),
    local("token key", Some("token-key"), &["token key --kid 2026a > signing-key"]),
    local("operator new", Some("operator-new"), &["operator new ann --role admin --out ann.secret"]),
    local("pki init", Some("pki-init"), &["pki init --network example"]),
    local("pki issue", Some("pki-issue"), &["pki issue 192.0.2.1 --role directory,node", "pki issue desk --role gateway --days 30"]),
    viewer("plugin list", "plugin-list", &["plugin list --node alpha"]),
    viewer("plugin show", "plugin-show", &["plugin show irc --node alpha"]),
    admin("plugin load", "plugin-show", &["plugin load ./libfriday.so --node alpha"]),
    admin("plugin swap", "plugin-show", &["plugin swap irc ./libchatring_irc.so --node alpha"]),
    asking(
        admin("plugin disable", "plugin-done", &["plugin disable words --node alpha"]),
        Asks::Where("it is the node's last transport in use, so that nobody new can connect"),
    ),
    admin("plugin enable", "plugin-done", &["plugin enable words --node alpha"]),
    local("plugin new", Some("plugin-new"), &["plugin new swear --kind filter --lang rust"]),
    local(
        "plugin verify",
        Some("plugin-verify"),
        &["plugin verify ./libfriday.so", "plugin verify ./libfriday.so --config @friday.toml --seed 7"],
    ),
    mark(
        "bench fanout",
        Needs::Person,
        Some("bench-fanout"),
        &["bench fanout --subs 100 --msgs 10000", "bench fanout --idle 1000 --output json"],
    ),
    local(
        "context add",
        Some("context-done"),
        &[
            "context add home --directory 192.0.2.1:7400,192.0.2.2:7400 --ca ca.pem",
            "context add work --directory 198.51.100.1:7400 --operator-command 'pass show chat/work'",
        ],
    ),
    local("context use", Some("context-done"), &["context use home", "context use --none"]),
    local("context list", Some("context-list"), &["context list"]),
    local("context remove", Some("context-done"), &["context remove home"]),
    local("commands", Some("commands"), &["commands", "commands --output csv --columns words,role,asks"]),
    local("completions", None, &["completions bash > ~/.local/share/bash-completion/completions/chatctl"]),
    local("man", Some("man"), &["man --dir ~/.local/share/man/man1"]),
];
