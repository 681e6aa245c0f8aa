//! `chatctl token`: keys and tokens for the authenticator `token`. Nobody is asked, and nothing is written: what is made is printed.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use chatring_admin::{Failure, Sheet};
use chatring_auth_token::{Alg, BadFile, MakeError, Order};
use chatring_machines::names::Nick;
use clap::{Args, Subcommand};

use super::{Global, account, net};

/// What to make.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token: who shows it as the password is in, as this account, until it expires
    Make(MakeArgs),
    /// Make a line for the file of keys
    Key(KeyArgs),
}

/// Which token.
#[derive(Clone, Debug, Args)]
pub struct MakeArgs {
    /// Whose it is: an account's name, which is its nick, too
    #[arg(value_name = "ACCOUNT", value_parser = account::nick)]
    name: Nick,
    /// The file with the key that signs it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Which of the file's keys; needed where there are several
    #[arg(long, value_name = "KID")]
    kid: Option<String>,
    /// How long it is good, with its unit: s, m, h or d
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = span)]
    span: u64,
    /// Who issues it, where the super nodes want that said
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
    /// For whom it is, where the super nodes want that said
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
}

/// Which key.
#[derive(Clone, Debug, Args)]
pub struct KeyArgs {
    /// EdDSA: the last word of the line is only for who makes tokens, super nodes need the first three. HS256: one key for both
    #[arg(long, value_name = "EdDSA|HS256", default_value = "EdDSA", value_parser = alg)]
    alg: Alg,
    /// Its name, by which tokens refer to it; one is drawn unless given
    #[arg(long, value_name = "KID")]
    kid: Option<String>,
}

/// Nobody should have to trust one for longer: ten years.
const SPAN_MAX_S: u64 = 3_650 * 86_400;

fn span(text: &str) -> Result<u64, String> {
    let seconds = chatring_auth_token::seconds(text).filter(|seconds| (1..=SPAN_MAX_S).contains(seconds));
    seconds.ok_or_else(|| "write it as a time with its unit, like 90s, 30m, 12h or 30d; at most 3650d".into())
}

fn alg(text: &str) -> Result<Alg, String> {
    let found = Alg::ALL.into_iter().find(|alg| alg.name().eq_ignore_ascii_case(text));
    found.ok_or_else(|| "tokens are signed with EdDSA or HS256".into())
}

/// Runs it.
pub fn run(command: TokenCommand, global: &Global) -> Result<(), Failure> {
    match command {
        TokenCommand::Make(args) => make(&args, global),
        TokenCommand::Key(args) => key(args, global),
    }
}

fn make(args: &MakeArgs, global: &Global) -> Result<(), Failure> {
    let from_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let order = Order {
        name: args.name.as_str(),
        kid: args.kid.as_deref(),
        issuer: args.issuer.as_deref(),
        audience: args.audience.as_deref(),
        from_s,
        for_s: args.span,
    };
    global.output.show(&Sheet::text_only("token", &chatring_auth_token::token(&args.key, &order).map_err(failure)?))
}

fn key(args: KeyArgs, global: &Global) -> Result<(), Failure> {
    let kid = args.kid.map_or_else(|| net::random_hex(4), Ok)?;
    global.output.show(&Sheet::text_only("line", &chatring_auth_token::key_line(&kid, args.alg).map_err(failure)?))
}

fn failure(error: MakeError) -> Failure {
    let text = error.to_string();
    match error {
        MakeError::File(BadFile::Unreadable { .. }) => Failure::usage(text).advise("`chatctl token key` makes a line for such a file."),
        MakeError::Random(_) => Failure::refused(text),
        MakeError::Kid | MakeError::Name | MakeError::File(_) | MakeError::NoKey(_) | MakeError::Public(_) | MakeError::TooLong(_) => {
            Failure::usage(text)
        }
    }
}
