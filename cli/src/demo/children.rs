//! The processes of a demo.

use super::files::Files;
use super::plan::Plan;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};

/// A process of the demo.
pub(super) struct Child {
    pub name: String,
    process: std::process::Child,
    /// It ends when this does.
    lifeline: Option<ChildStdin>,
    told: bool,
}

/// Starts the directory servers, then the super nodes.
pub(super) fn start_all(plan: &Plan, files: &Files) -> anyhow::Result<Vec<Child>> {
    let directories = plan.directories.iter().map(|server| server.name.as_str());
    let names = directories.chain(plan.nodes.iter().map(|node| node.name.as_str()));
    names.map(|name| Child::start(name, files)).collect()
}

/// How to start what this configuration describes with the program that is running.
pub(super) fn serve_command(config: &Path) -> anyhow::Result<(PathBuf, Vec<String>)> {
    let program = std::env::current_exe().context("finding this program's own file")?;
    let daemon = program.file_stem().is_some_and(|name| name == "chatd");
    let mut args = if daemon { vec![] } else { vec!["serve".to_string()] };
    args.extend(["--config".to_string(), config.display().to_string()]);
    Ok((program, args))
}

impl Child {
    fn start(name: &str, files: &Files) -> anyhow::Result<Child> {
        let (program, args) = serve_command(&files.config(name))?;
        let mut command = Command::new(&program);
        command.args(args).arg("--exit-with-stdin");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(files.create_log(name)?);
        // A Ctrl-C is meant for the demo, which then ends its children in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn().with_context(|| format!("starting {} for {name}", program.display()))?;
        let lifeline = process.stdin.take();
        Ok(Child { name: name.to_string(), process, lifeline, told: false })
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<String> {
        match self.process.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(shown(status)),
            Err(error) => Some(error.to_string()),
        }
    }

    /// As [`Child::ended`], once.
    pub fn newly_ended(&mut self) -> Option<String> {
        if self.told {
            return None;
        }
        let how = self.ended()?;
        self.told = true;
        Some(how)
    }

    /// Asks it to say good-bye and end.
    pub fn dismiss(&mut self) {
        self.lifeline = None;
    }

    pub fn kill(&mut self) {
        // It may just have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn shown(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("signal {signal}");
    }
    status.to_string()
}
