//! The commands of `chatctl`: parse, connect, print.
//!
//! One set of definitions serves the shell, the prompt and its completion. Each command returns a [`Failure`] or nothing; only [`main`] knows of exit codes.

mod account;
mod backup;
mod bench;
mod chat;
mod check;
mod client;
mod console;
mod directory;
mod group;
mod handoff;
mod lines;
mod net;
mod node;
mod passwd;
mod pki;
mod plugin;
mod ring;
mod send;
mod tail;
mod talk;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use chatring_admin::{EXIT_CODES, Failure, Output};
use chatring_machines::wire::Text;
use clap::{Args, Parser, Subcommand};

use crate::{daemon, demo};

use net::Servers;
pub use net::reactor;

/// Talks to a chat network, and shows what goes on in it
#[derive(Parser)]
#[command(name = "chatctl", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    /// What to do; without it, a prompt for the same commands
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// Where directory servers are looked for where none are named: those of a demo, or one on this machine.
pub(crate) const DIRECTORIES: &str = "127.0.0.1:7400,127.0.0.2:7400,127.0.0.3:7400";

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// A directory server of the network; repeat it for each
    #[arg(
        long = "directory",
        global = true,
        env = "CHATCTL_DIRECTORY",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = DIRECTORIES,
        value_parser = address
    )]
    directories: Vec<String>,
    /// In which form results are wanted
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Output,
    /// Talk TLS to directory servers and super nodes, and only to those whose certificate was signed by the CA in this file
    #[arg(long, global = true, env = "CHATCTL_CA", value_name = "CA.PEM")]
    ca: Option<PathBuf>,
}

impl Global {
    fn directories(&self) -> Vec<Text> {
        self.directories.iter().map(|address| Text::from(address.as_str())).collect()
    }

    /// The directory servers, to ask one of them.
    fn servers(&self) -> Servers {
        Servers { addresses: self.directories(), ca: self.ca.clone() }
    }

    /// One server.
    fn at(&self, address: impl Into<Text>) -> Servers {
        Servers { addresses: vec![address.into()], ca: self.ca.clone() }
    }
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
    /// Make a line for the file of the authenticator `password`
    Passwd(passwd::PasswdArgs),
    /// Keys and tokens for the authenticator `token`
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// The network's certificates: its CA, and what that signs for nodes
    #[command(subcommand)]
    Pki(pki::PkiCommand),
    /// Plugins: those of super nodes, and for whoever writes one, or is about to trust one
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Measure a server
    #[command(subcommand)]
    Bench(bench::BenchCommand),
}

/// Runs `chatctl` with this process's command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.verb {
        // A daemon has exit codes of its own.
        Some(Verb::Serve(args)) => return daemon::run(args),
        // This one ends the process.
        Some(Verb::Plugin(plugin::PluginCommand::Try)) => chatring_verify::child(),
        Some(verb) => run(verb, &cli.global),
        None => console::run(&cli.global),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("chatctl: {failure}");
            failure.exit_code()
        }
    }
}

fn run(verb: Verb, global: &Global) -> Result<(), Failure> {
    match verb {
        Verb::Demo(args) => demo::run(args).map_err(|error| Failure::refused(format!("{error:#}"))),
        Verb::Serve(_) => Err(Failure::usage("a daemon is started from a shell")),
        Verb::Chat(args) => chat::run(args, global),
        Verb::Send(args) => send::run(args, global),
        Verb::Tail(args) => tail::run(args, global),
        Verb::Ring(command) => ring::run(command, global),
        Verb::Node(command) => node::run(command, global),
        Verb::Handoff(command) => handoff::run(command, global),
        Verb::Directory(command) => directory::run(command, global),
        Verb::Client(command) => client::run(command, global),
        Verb::Group(command) => group::run(command, global),
        Verb::Account(command) => account::run(command, global),
        Verb::Who(args) => group::who(args, global),
        Verb::Check(args) => check::run(args, global),
        Verb::Passwd(args) => passwd::run(args),
        Verb::Token(command) => token::run(command),
        Verb::Pki(command) => pki::run(command, global),
        Verb::Plugin(command) => plugin::run(command, global),
        Verb::Bench(command) => bench::run(command, global.output, |groups| ring::bench_target(groups, global)),
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
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    #[test]
    fn definitions_are_sound() {
        Cli::command().debug_assert();
    }

    const KNOWN: &[&str] = &["127.0.0.1:7400", "127.0.0.2:7400", "127.0.0.3:7400"];

    #[track_caller]
    fn check(line: &str, expect: Result<&[&str], ErrorKind>) {
        let parsed = Cli::try_parse_from(["chatctl"].into_iter().chain(line.split_whitespace()));
        let found = parsed.map(|cli| cli.global.directories).map_err(|error| error.kind());
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
        check("directory backup f", Err(ErrorKind::MissingRequiredArgument));
        check("directory backup f --database d --config c", Err(ErrorKind::ArgumentConflict));
        check("directory backup f --config c", Ok(KNOWN));
        check("directory restore --database d", Err(ErrorKind::MissingRequiredArgument));
        check("directory recover --from f --database d", Ok(KNOWN));
        check("handoff frob", Err(ErrorKind::InvalidSubcommand));
        check("bench fanout --subs 0", Err(ErrorKind::ValueValidation));
        check("tail #erlang --json --count 3 --output json", Ok(KNOWN));
        check("client list --slow --output json", Ok(KNOWN));
        check("client list", Err(ErrorKind::MissingRequiredArgument));
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
        check("frob", Err(ErrorKind::InvalidSubcommand));
    }
}
