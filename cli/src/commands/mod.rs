//! The commands of `chatctl`: parse, connect, print.
//!
//! One set of definitions serves the shell, scripts, the prompt and its completion; the [registry] has what is to be known of each command besides. Each returns a
//! [`Failure`] or nothing; only [`main`] knows of exit codes.

mod account;
mod backup;
mod bench;
mod bundle;
mod chat;
mod check;
mod client;
mod config;
mod console;
mod context;
mod directory;
mod doctor;
mod global;
mod group;
mod handoff;
mod help;
mod lines;
mod marks;
mod net;
mod network;
mod node;
mod operator;
mod pages;
mod passwd;
mod pki;
mod plugin;
pub mod reference;
pub mod registry;
mod ring;
mod send;
mod tail;
mod talk;
mod token;

use std::ffi::OsString;
use std::process::ExitCode;

use chatring_admin::{EXIT_CODES, Failure, Output};
use clap::{ArgMatches, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::{daemon, demo};

use console::ScriptArgs;
pub(crate) use global::DIRECTORIES;
use global::{Global, Said};
pub use net::reactor;
use registry::{Asks, Needs};

/// Talks to a chat network, and shows what goes on in it
#[derive(Parser)]
#[command(name = "chatctl", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    script: ScriptArgs,
    /// What to do; without it, a prompt for the same commands
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Start a whole network on this machine, to try things on
    Demo(demo::DemoArgs),
    /// Run a daemon: what the demo starts
    #[command(hide = true)]
    Serve(daemon::DaemonArgs),
    /// Talk in a group
    Chat(talk::TalkArgs),
    /// Say something in a group: a text, or each line of standard input
    Send(send::SendArgs),
    /// Show what is said in a group
    Tail(tail::TailArgs),
    /// Show the network on one screen, and what is wrong with it
    Status,
    /// Check everything that can be checked from here, and say what to do. Exit codes as programs that watch know them: 0 ok, 1 warning, 2 critical, 3 unknown
    Doctor,
    /// Write how the network is into one file, for whoever is asked for help: without secrets, and without what people say
    Bundle(bundle::BundleArgs),
    /// The ring of super nodes, and who is responsible for a group
    #[command(subcommand)]
    Ring(ring::RingCommand),
    /// The super nodes
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// The planned change of the ring: who copies groups for it, and what it waits for
    #[command(subcommand)]
    Handoff(handoff::HandoffCommand),
    /// The directory servers: how they are, and who they are
    #[command(subcommand)]
    Directory(directory::DirectoryCommand),
    /// The people's programs that are connected
    #[command(subcommand)]
    Client(client::ClientCommands),
    /// The groups of the network
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// The accounts that the directory servers keep
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Show in which groups someone is, through which super node, and since when
    Who(group::WhoArgs),
    /// Make every super node check now which groups it still owns; fails when one is blocked
    Check(check::CheckArgs),
    /// What daemons are told by their files
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Make a line for the file of the authenticator `password`
    Passwd(passwd::PasswdArgs),
    /// Keys and tokens for the authenticator `token`
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Operators: who may steer the network from afar
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    /// The network's certificates: its CA, and what that signs for nodes
    #[command(subcommand)]
    Pki(pki::PkiCommand),
    /// Plugins: those of super nodes, and for whoever writes one, or is about to trust one
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Measure a server
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Networks by name, and who one is there
    #[command(subcommand)]
    Context(context::ContextCommand),
    /// List all commands: what each does, as whom it asks, and what it prints
    Commands,
    /// Write what completes commands in a shell
    Completions(pages::CompletionsArgs),
    /// Write the man pages, one for each command
    Man(pages::ManArgs),
}

/// Runs `chatctl` with this process's command line.
pub fn main() -> ExitCode {
    let line: Vec<OsString> = std::env::args_os().collect();
    let matches = registry::definitions(false).try_get_matches_from(&line);
    let parsed = matches.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) if error.use_stderr() && wants_json(&line) => return tell(&console::misread(&error), Output::Json),
        Err(error) => error.exit(),
    };
    match cli.verb {
        // A daemon has exit codes of its own.
        Some(Verb::Serve(args)) => return daemon::run(args),
        // This one ends the process.
        Some(Verb::Plugin(plugin::PluginCommand::Try)) => chatring_verify::child(),
        _ => {}
    }
    let output = cli.said.output.unwrap_or_default();
    let done = match cli.verb {
        Some(_) if cli.script.is_given() => {
            Err(Failure::usage("there is a command, and -e, -f or --keep-going as well").advise("A command by itself, or a script."))
        }
        Some(_) => carry_out(&matches, None),
        None => return console::begin(&cli.script, &matches, output),
    };
    done.map_or_else(|failure| tell(&failure, output), |()| ExitCode::SUCCESS)
}

/// Says why something failed, in the form that results are wanted in.
fn tell(failure: &Failure, output: Output) -> ExitCode {
    match output.is_json() {
        true => eprintln!("{}", failure.json()),
        false => eprintln!("chatctl: {failure}"),
    }
    failure.exit_code()
}

/// Whether a line that cannot be parsed asks for JSON all the same.
fn wants_json(line: &[OsString]) -> bool {
    let words: Vec<&str> = line.iter().filter_map(|word| word.to_str()).collect();
    let is_json = |value: &str| Output::from_str(value, false).is_ok_and(Output::is_json);
    let apart = words.windows(2).any(|pair| pair[0] == "--output" && is_json(pair[1]));
    apart || words.iter().filter_map(|word| word.strip_prefix("--output=")).any(is_json)
}

/// Runs the command of a line, however that came here. `outer` is what holds where the line does not say otherwise.
fn carry_out(matches: &ArgMatches, outer: Option<&Global>) -> Result<(), Failure> {
    let misread = |error: clap::Error| console::misread(&error);
    let words = registry::words(matches);
    let mark = registry::mark(&words);
    let verb = Cli::from_arg_matches(matches).map_err(misread)?.verb;
    let verb = verb.ok_or_else(|| Failure::usage("there is no command on this line").advise("help lists the commands."))?;
    let global = Global::settle(Said::layers(matches).map_err(misread)?, outer, mark.map_or(Needs::Nobody, |mark| mark.needs))?;
    if let Some(Asks::Always(what)) = mark.map(|mark| mark.asks) {
        global.confirm(&format!("`{words} {}` {what}", registry::arguments(matches)))?;
    }
    run(verb, &global)
}

fn run(verb: Verb, global: &Global) -> Result<(), Failure> {
    match verb {
        Verb::Demo(args) => demo::run(args).map_err(|error| Failure::refused(format!("{error:#}"))),
        Verb::Serve(_) => Err(Failure::usage("a daemon is started from a shell")),
        Verb::Chat(args) => chat::run(args, global),
        Verb::Send(args) => send::run(args, global),
        Verb::Tail(args) => tail::run(args, global),
        Verb::Status => doctor::status(global),
        Verb::Doctor => doctor::run(global),
        Verb::Bundle(args) => bundle::run(&args, global),
        Verb::Ring(command) => ring::run(command, global),
        Verb::Node(command) => node::run(command, global),
        Verb::Handoff(command) => handoff::run(command, global),
        Verb::Directory(command) => directory::run(command, global),
        Verb::Client(command) => client::run(command, global),
        Verb::Group(command) => group::run(command, global),
        Verb::Account(command) => account::run(command, global),
        Verb::Who(args) => group::who(args, global),
        Verb::Check(args) => check::run(args, global),
        Verb::Config(command) => config::run(command, global),
        Verb::Passwd(args) => passwd::run(args, global),
        Verb::Token(command) => token::run(command, global),
        Verb::Operator(command) => operator::run(command, global),
        Verb::Pki(command) => pki::run(command, global),
        Verb::Plugin(command) => plugin::run(command, global),
        Verb::Bench(command) => bench::run(command, global, |groups| ring::bench_target(groups, global)),
        Verb::Context(command) => context::run(command, global),
        Verb::Commands => pages::commands(global),
        Verb::Completions(args) => pages::completions(args),
        Verb::Man(args) => pages::man(&args, global),
    }
}

/// `HOST:PORT`, as far as one can tell without looking up the name.
fn address(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
    match port {
        Some(1..) => Ok(text.to_string()),
        _ => Err("write it as HOST:PORT, like 127.0.0.1:7400".into()),
    }
}

/// The name of a group, for clap.
fn group_name(text: &str) -> Result<chatring_machines::names::GroupName, String> {
    let advice = if text.starts_with(['#', '@']) { "" } else { "; in a shell, quote the #: '#erlang'" };
    chatring_machines::names::GroupName::new(text).map_err(|bad| format!("{bad}{advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::error::ErrorKind;

    #[test]
    fn definitions_are_sound() {
        registry::definitions(false).debug_assert();
        registry::definitions(true).debug_assert();
    }

    const KNOWN: &[&str] = &[];

    #[track_caller]
    fn check(line: &str, expect: Result<&[&str], ErrorKind>) {
        let parsed = registry::definitions(false).try_get_matches_from(["chatctl"].into_iter().chain(line.split_whitespace()));
        let found = parsed.map_err(|error| error.kind()).map(|matches| Said::layers(&matches).unwrap()[0].directories.clone());
        assert_eq!(found, expect.map(|expect| expect.iter().map(|text| text.to_string()).collect::<Vec<_>>()), "{line}");
    }

    #[test]
    fn directories_are_given_before_or_after_the_command() {
        check("ring show", Ok(KNOWN));
        check("--directory a:1 ring show", Ok(&["a:1"]));
        check("ring show --directory a:1 --directory [::1]:2", Ok(&["a:1", "[::1]:2"]));
        check("ring show --directory a:1,b:2", Ok(&["a:1", "b:2"]));
        check("ring show --directory a", Err(ErrorKind::ValueValidation));
        check("ring show --directory a:0", Err(ErrorKind::ValueValidation));
        check("", Ok(KNOWN));
    }

    #[test]
    fn arguments_are_checked_before_anyone_is_asked() {
        check("chat erlang", Err(ErrorKind::ValueValidation));
        check("chat #erlang --nick 9joe", Err(ErrorKind::ValueValidation));
        check("ring owner #erlang --nodes 192.0.2.1,192.0.2.2 --metric linear --points 8", Ok(KNOWN));
        check("ring owner #erlang --nodes localhost", Err(ErrorKind::ValueValidation));
        check("ring owner #erlang --points 8", Err(ErrorKind::MissingRequiredArgument));
        check("ring owner #erlang --nodes 192.0.2.1 --points 0", Err(ErrorKind::ValueValidation));
        check("node drain 192.0.2.1 --timeout 5", Ok(KNOWN));
        check("node drain", Err(ErrorKind::MissingRequiredArgument));
        check("node drain alpha --timeout 0", Err(ErrorKind::ValueValidation));
        check("ring points 0", Err(ErrorKind::ValueValidation));
        check("ring points 160 --directory a:1", Ok(&["a:1"]));
        check("ring plot --svg f.svg --plan p.json", Ok(KNOWN));
        check("ring why #erlang --also 192.0.2.9 --also 192.0.2.8:7412", Ok(KNOWN));
        check("ring why erlang", Err(ErrorKind::ValueValidation));
        check("ring why #erlang --also nobody", Err(ErrorKind::ValueValidation));
        check("ring plan --add 192.0.2.4 --add 192.0.2.5 --remove alpha --points 8 --out p.json", Ok(KNOWN));
        check("ring plan --points 0", Err(ErrorKind::ValueValidation));
        check("ring commit", Err(ErrorKind::MissingRequiredArgument));
        check("ring commit p.json --timeout 5", Ok(KNOWN));
        check("handoff why", Ok(KNOWN));
        check("group mode #erlang -o joe --directory a:1", Ok(&["a:1"]));
        check("group mode #erlang", Err(ErrorKind::MissingRequiredArgument));
        check("group history #erlang --last 0", Err(ErrorKind::ValueValidation));
        check("group kick #erlang 9joe", Err(ErrorKind::ValueValidation));
        check("directory backup f", Err(ErrorKind::MissingRequiredArgument));
        check("directory backup f --database d --config c", Err(ErrorKind::ArgumentConflict));
        check("directory backup f --config c", Ok(KNOWN));
        check("directory restore --database d", Err(ErrorKind::MissingRequiredArgument));
        check("directory recover --from f --database d", Ok(KNOWN));
        check("handoff frob", Err(ErrorKind::InvalidSubcommand));
        check("bench fanout --subs 0", Err(ErrorKind::ValueValidation));
        check("tail #erlang --json --count 3 --output json", Ok(KNOWN));
        check("client list --slow --output json", Ok(KNOWN));
        check("client list --node alpha", Ok(KNOWN));
        check("client kill", Err(ErrorKind::MissingRequiredArgument));
        check("pki init", Err(ErrorKind::MissingRequiredArgument));
        check("pki init --network a/b", Err(ErrorKind::ValueValidation));
        check("pki issue 192.0.2.1", Err(ErrorKind::MissingRequiredArgument));
        check("pki issue 192.0.2.1 --role king", Err(ErrorKind::ValueValidation));
        check("pki issue 192.0.2.1 --role node --address 192.0.2.2:7411", Err(ErrorKind::ValueValidation));
        check("pki issue 192.0.2.1 --role directory,node --address chat.example.org --days 30 --renew", Ok(KNOWN));
        check("ring show --ca ca.pem", Ok(KNOWN));
        check("account add joe", Ok(KNOWN));
        check("account add 9joe", Err(ErrorKind::ValueValidation));
        check("account password", Err(ErrorKind::MissingRequiredArgument));
        check("token make joe --key keys --kid k --for 12h", Ok(KNOWN));
        check("token make joe", Err(ErrorKind::MissingRequiredArgument));
        check("token make 9joe --key keys", Err(ErrorKind::ValueValidation));
        check("token make joe --key keys --for 12", Err(ErrorKind::ValueValidation));
        check("token make joe --key keys --for 0s", Err(ErrorKind::ValueValidation));
        check("token key --alg hs256 --kid k", Ok(KNOWN));
        check("token key --alg none", Err(ErrorKind::ValueValidation));
        check("plugin list --node alpha", Ok(KNOWN));
        check("plugin swap irc", Err(ErrorKind::MissingRequiredArgument));
        check("plugin new x --kind auth --lang c --dir d", Ok(KNOWN));
        check("plugin new X --kind auth --lang c", Err(ErrorKind::ValueValidation));
        check("plugin new x --kind codec --lang c", Err(ErrorKind::InvalidValue));
        check("plugin new x --kind auth", Err(ErrorKind::MissingRequiredArgument));
        check("plugin verify", Err(ErrorKind::MissingRequiredArgument));
        check("plugin verify x.so --patience 0", Err(ErrorKind::ValueValidation));
        check("plugin verify x.so --config a=1 --seed 7 --sample s --only auth --only stop", Ok(KNOWN));
        check("context add home --operator-command x --operator-file y", Err(ErrorKind::ArgumentConflict));
        check("context use", Err(ErrorKind::MissingRequiredArgument));
        check("context use a --none", Err(ErrorKind::ArgumentConflict));
        check("context add a/b", Err(ErrorKind::ValueValidation));
        check("ring show --output yaml", Err(ErrorKind::InvalidValue));
        check("ring show --timeout 0", Err(ErrorKind::ValueValidation));
        check("-e a -f b", Err(ErrorKind::ArgumentConflict));
        check("completions tcsh", Err(ErrorKind::InvalidValue));
        check("frob", Err(ErrorKind::InvalidSubcommand));
    }
}
