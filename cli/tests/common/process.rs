//! A child process: its lines as they come, and its end.

use super::soon;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

/// A tool that some machines have.
pub fn tool(name: &str) -> Option<Command> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.exists()).map(Command::new)
}

/// A process that ends with this.
pub struct Process {
    name: String,
    child: Child,
    /// Its standard input, until it is dropped.
    pub input: Option<ChildStdin>,
    /// Its standard output.
    pub out: Lines,
    /// Its standard error.
    pub err: Lines,
}

/// Lines as they are written. They are always read, so that nobody waits for us to write.
pub struct Lines {
    heard: Receiver<String>,
    /// For the report of a failure.
    seen: Vec<String>,
}

impl Process {
    pub fn start(name: &str, command: &mut Command) -> Process {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = Lines::of(child.stdout.take().unwrap());
        let err = Lines::of(child.stderr.take().unwrap());
        Process { name: name.to_string(), input: child.stdin.take(), child, out, err }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{signal} {}", self.pid())).status().unwrap();
        assert!(sent.success(), "{} is gone", self.name);
    }

    /// Stops it, and waits until none of its threads runs; goes on with the signal `CONT`.
    #[cfg(target_os = "linux")]
    pub fn freeze(&self) {
        self.signal("STOP");
        let stopped = |thread: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with('T')
        };
        super::within(soon(), "all threads are stopped", || {
            std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap().all(stopped).then_some(())
        });
    }

    /// As `kill -9` does it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How it ended, and what was left of its log.
    pub fn ended(&mut self) -> (ExitStatus, String) {
        let rest = self.err.rest();
        (self.child.wait().unwrap(), rest)
    }

    /// Its resident memory.
    #[cfg(target_os = "linux")]
    pub fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let rest = self.err.rest();
            let all = self.err.seen.iter().map(String::as_str).chain(rest.lines());
            let all: Vec<&str> = all.collect();
            eprintln!("--- {}:\n{}", self.name, all[all.len().saturating_sub(30)..].join("\n"));
        }
    }
}

impl Lines {
    fn of(from: impl Read + Send + 'static) -> Lines {
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Lines { heard, seen: Vec::new() }
    }

    /// The next line. `None` when there is none by then, or none any more.
    pub fn next(&mut self, until: Instant) -> Option<String> {
        let line = match self.heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        };
        self.seen.push(line.clone());
        Some(line)
    }

    /// Skips to a line with these words.
    #[track_caller]
    pub fn wait(&mut self, words: &str) -> String {
        let until = soon();
        while let Some(line) = self.next(until) {
            if line.contains(words) {
                return line;
            }
        }
        panic!("no {words:?} in:\n{}", self.seen.join("\n"));
    }

    /// All that is still to come.
    fn rest(&mut self) -> String {
        let rest: Vec<String> = self.heard.iter().collect();
        rest.join("\n")
    }
}
