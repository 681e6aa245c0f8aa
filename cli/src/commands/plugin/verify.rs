//! `chatctl plugin verify`: every check in a process of its own, so that a plugin can take none but that one along.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use chatring_admin::text::clean;
use chatring_admin::{Failure, Form, Output, Sheet, interrupt, may_colour};
use chatring_verify::{Case, Outcome, Report, Result as End, Watch};
use serde_json::json;

/// What is verified, and how.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The shared library
    file: PathBuf,
    /// The plugin's own table as TOML text, or @FILE
    #[arg(long, value_name = "TEXT|@FILE", default_value = "")]
    config: String,
    /// Repeat what another run did: noise, and questions, come from this number
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// A conversation that a transport understands; repeat it for each
    #[arg(long = "sample", value_name = "FILE")]
    samples: Vec<PathBuf>,
    /// How many seconds a call may take before it counts as hanging
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    patience: u64,
    /// Make only checks whose names begin so, and those that they need; repeat it for more
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// Verifies a plugin.
pub fn run(args: VerifyArgs, output: &Form) -> Result<(), Failure> {
    let samples = args.samples.iter().map(|file| std::fs::read(file).map_err(|error| unreadable(file, &error)));
    let case = Case {
        file: args.file.clone(),
        config: config(&args.config)?,
        seed: args.seed.unwrap_or_else(|| u64::from(getrandom::u32().unwrap_or_default())),
        samples: samples.collect::<Result<_, _>>()?,
        patience_ms: args.patience * 1000,
    };
    let program = this_program()?;
    let command = || trying(&program);
    let seed = case.seed;
    let watch = Watch { case, command: &command };
    let mut shown = Shown { human: *output == Form::of(Output::Table), colour: may_colour(&std::io::stdout()), headed: false };
    shown.line(&format!("{}, seed {seed}", clean(&args.file.display().to_string())));
    // The child that was at work hears of a Ctrl-C, too, and what became of it says nothing.
    let report = watch.run(&args.only, |report, outcome| {
        let go_on = interrupt::check().is_ok();
        if go_on {
            shown.outcome(report, outcome);
        }
        go_on
    });
    interrupt::check()?;
    let report = report.map_err(|error| Failure::refused(format!("this program can't start itself: {error}")))?;
    if report.checks.is_empty() {
        return Err(Failure::usage("no check has a name that begins so").advise("Without --only all are made, and their names are shown."));
    }
    match shown.human {
        true => shown.line(&summary(&report)),
        false => output.show(&sheet(&args.file, seed, &report))?,
    }
    if report.is_good() {
        return Ok(());
    }
    let bad: Vec<&str> = report.checks.iter().filter(|outcome| outcome.is_bad()).map(|outcome| outcome.check).collect();
    let again = format!("That one again: the same command with --seed {seed} --only {}", bad[0]);
    Err(Failure::refused(format!("{} did not pass", bad.join(", "))).advise(again))
}

/// Verifies a plugin that is about to be used, and only says what is wrong with it. `config` is its table, as for [`VerifyArgs`].
pub fn before_use(file: &Path, config: &str) -> Result<(), Failure> {
    let program = this_program()?;
    let command = || trying(&program);
    let seed = u64::from(getrandom::u32().unwrap_or_default());
    let case = Case { file: file.to_path_buf(), config: self::config(config)?, seed, samples: Vec::new(), patience_ms: 10_000 };
    let watch = Watch { case, command: &command };
    let mut wrong = Vec::new();
    let heard = |_: &Report, outcome: &Outcome| {
        if outcome.is_bad() {
            wrong.push(format!("{}: {}", outcome.check, clean(&outcome.said)));
        }
        interrupt::check().is_ok()
    };
    let report = watch.run(&[], heard).map_err(|error| Failure::refused(format!("this program can't start itself: {error}")))?;
    interrupt::check()?;
    if report.is_good() {
        return Ok(());
    }
    let file = file.display();
    Err(Failure::refused(format!("{file} does not keep the contract, and nothing is changed: {}", wrong.join("; "))).advise(format!(
        "`chatctl plugin verify {file} --seed {seed}` shows all of it; --config gives it its table, --unverified takes it as it is."
    )))
}

fn this_program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| Failure::refused(format!("this program can't start itself: {error}")))
}

fn trying(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["plugin", "try"]);
    command
}

fn config(text: &str) -> Result<String, Failure> {
    match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| unreadable(Path::new(file), &error)),
        None => Ok(text.to_string()),
    }
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{}: can't be read: {error}", file.display()))
}

fn sheet(file: &Path, seed: u64, report: &Report) -> Sheet {
    let rows =
        report.checks.iter().map(|outcome| vec![outcome.check.to_string(), word(outcome.result).0.to_string(), clean(&outcome.said)]);
    let records = report.checks.iter().map(|outcome| json!(outcome)).collect();
    let columns = [("check", "check"), ("result", "result"), ("said", "said")];
    Sheet::table(&columns, rows.collect(), records).also(&["during", "signal", "wrote", "ms"]).with_value(value(file, seed, report))
}

fn value(file: &Path, seed: u64, report: &Report) -> serde_json::Value {
    let passed = report.is_good();
    json!({ "file": file.display().to_string(), "seed": seed, "passed": passed, "plugin": report.plugin, "checks": report.checks })
}

fn summary(report: &Report) -> String {
    let counts =
        [(End::Passed, "passed"), (End::Failed, "failed"), (End::Crashed, "crashed"), (End::Hung, "hung"), (End::Skipped, "not made")];
    let counts = counts.map(|(end, word)| (report.count(end), word));
    let some = counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    format!("{} checks: {}", report.checks.len(), some.collect::<Vec<_>>().join(", "))
}

/// What is shown to people, as it happens.
struct Shown {
    human: bool,
    colour: bool,
    headed: bool,
}

/// How a check came out, in one word and a colour.
fn word(result: End) -> (&'static str, u8) {
    match result {
        End::Passed => ("ok", 32),
        End::Failed => ("FAILED", 31),
        End::Crashed => ("CRASHED", 31),
        End::Hung => ("HUNG", 31),
        End::Skipped => ("-", 2),
    }
}

/// As wide as the longest name of a check.
const NAME_WIDTH: usize = 20;

impl Shown {
    fn outcome(&mut self, report: &Report, outcome: &Outcome) {
        if let (Some(plugin), false) = (&report.plugin, self.headed) {
            self.headed = true;
            let interfaces = plugin.interfaces.join(", ");
            self.line(&clean(&format!("{} {}: {interfaces}", plugin.name, plugin.version)));
        }
        let (word, colour) = word(outcome.result);
        let word = format!("{word:<7}");
        let word = if self.colour { format!("\x1b[{colour}m{word}\x1b[0m") } else { word };
        self.line(&format!("{word}  {:<NAME_WIDTH$}  {}", outcome.check, clean(&outcome.said)));
        let during = outcome.during.iter().map(|during| format!("while {during}"));
        let wrote = outcome.wrote.iter().map(|line| format!("it wrote: {line}"));
        for line in during.chain(wrote) {
            self.line(&format!("{:9}{:NAME_WIDTH$}  {}", "", "", clean(&line)));
        }
    }

    fn line(&mut self, line: &str) {
        if self.human {
            // A reader that went away (`| head`) is not an error.
            let _ = writeln!(std::io::stdout(), "{}", line.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit() {
        let longest = chatring_verify::CHECKS.iter().map(|check| check.name.len()).max();
        assert_eq!(longest, Some(NAME_WIDTH));
    }

    #[test]
    fn a_table_is_text_or_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("table.toml");
        std::fs::write(&file, "a = 1\n").unwrap();
        assert_eq!(config("b = 2").unwrap(), "b = 2");
        assert_eq!(config(&format!("@{}", file.display())).unwrap(), "a = 1\n");
        assert_eq!(config("@/nowhere/at/all").unwrap_err().kind, chatring_admin::FailureKind::Usage);
    }
}
