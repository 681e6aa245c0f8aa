//! Who an operator is, and the secret that proves it: on one line of a file, or of what a command prints.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use chatring_admin::Failure;

/// More than any name and secret have.
const CREDENTIAL_BYTES_MAX: u64 = 4 << 10;
/// A command may have to ask a person to unlock something.
const COMMAND_MAX: Duration = Duration::from_secs(60);

/// An operator's name and secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    /// Who it is.
    pub(crate) name: String,
    /// What proves it.
    pub(crate) secret: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, ..)", self.name)
    }
}

/// Where a credential comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    Command(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => write!(f, "file {}", path.display()),
            Source::Command(command) => write!(f, "command {command}"),
        }
    }
}

impl Source {
    /// Fetches it.
    pub(crate) fn read(&self) -> Result<Credential, Failure> {
        match self {
            Source::File(path) => parse(&read_file(path)?, &path.display().to_string()),
            Source::Command(command) => parse(&run(command, COMMAND_MAX)?, &format!("what `{command}` prints")),
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let trouble = |error: std::io::Error| Failure::usage(format!("the operator's file {} cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(trouble)?;
    // Of the file that was opened, not of what has its name by now.
    let mode = file.metadata().map_err(trouble)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let what = format!("the operator's file {} is not its owner's alone (its mode is {mode:o}), and holds a secret", path.display());
        return Err(
            Failure::usage(what).advise(format!("chmod 600 {0}; and if somebody else may have read it, another secret.", path.display()))
        );
    }
    let mut bytes = Vec::new();
    file.take(CREDENTIAL_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(trouble)?;
    Ok(bytes)
}

/// What a command prints. It may talk to its user over the terminal; what it complains of is shown.
fn run(command: &str, patience: Duration) -> Result<Vec<u8>, Failure> {
    let wrong = |why: &dyn fmt::Display| {
        Failure::usage(format!("the command for the operator's secret, `{command}`, {why}"))
            .advise("Run it by itself to see what is wrong.")
    };
    let child = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| wrong(&format!("cannot be run: {error}")))?;
    let out = child.stdout.take();
    let (tell, told) = mpsc::sync_channel(1);
    // It may leave someone behind who holds its end open, so that it is not waited for without a limit.
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = out.map_or(Ok(0), |out| out.take(CREDENTIAL_BYTES_MAX + 1).read_to_end(&mut bytes));
        let _ = tell.send(read.map(|_| bytes));
    });
    let Ok(heard) = told.recv_timeout(patience) else {
        end(&mut child);
        return Err(wrong(&format!("has printed nothing whole after {} s", patience.as_secs())));
    };
    let bytes = heard.map_err(|error| wrong(&format!("cannot be heard: {error}")))?;
    if bytes.len() as u64 > CREDENTIAL_BYTES_MAX {
        end(&mut child);
        return Ok(bytes);
    }
    let status = child.wait().map_err(|error| wrong(&format!("cannot be waited for: {error}")))?;
    if status.success() { Ok(bytes) } else { Err(wrong(&format!("failed ({status})"))) }
}

fn end(child: &mut Child) {
    // It fails only if it is gone already.
    let _ = child.kill();
    let _ = child.wait();
}

/// `NAME SECRET` on one line. Nothing of it is shown when it is wrong.
fn parse(bytes: &[u8], from: &str) -> Result<Credential, Failure> {
    let wrong = |line: usize, what: &str| {
        Failure::usage(format!("{from}:{line}: {what}")).advise("It has to be one line: the operator's name, a blank, and the secret.")
    };
    if bytes.len() as u64 > CREDENTIAL_BYTES_MAX {
        return Err(wrong(1, "this is longer than a name and a secret are"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| wrong(1, "this is not UTF-8"))?;
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let (number, line) = lines.next().ok_or_else(|| wrong(1, "there is no name and no secret"))?;
    if let Some((number, _)) = lines.next() {
        return Err(wrong(number, "there is a second line"));
    }
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        [name, secret] => Ok(Credential { name: name.to_string(), secret: secret.to_string() }),
        [_] => Err(wrong(number, "there is one word, not a name and a secret")),
        _ => Err(wrong(number, "there are more words than a name and a secret")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<(&str, &str), &str>) {
        let found = parse(text.as_bytes(), "f").map_err(|failure| failure.what);
        assert_eq!(found.as_ref().map(|found| (&*found.name, &*found.secret)).map_err(|what| what.as_str()), expect, "{text:?}");
    }

    #[test]
    fn one_line() {
        check("ann s3cret\n", Ok(("ann", "s3cret")));
        check("\n  ann\ts3cret  \n\n", Ok(("ann", "s3cret")));
        check("", Err("f:1: there is no name and no secret"));
        check("\nann\n", Err("f:2: there is one word, not a name and a secret"));
        check("ann s3 cret\n", Err("f:1: there are more words than a name and a secret"));
        check("ann s3cret\n\nbob secret\n", Err("f:3: there is a second line"));
        check(&"x".repeat(5000), Err("f:1: this is longer than a name and a secret are"));
        assert_eq!(format!("{:?}", parse(b"ann s3cret", "f").unwrap()), "Credential(ann, ..)");
    }

    #[test]
    fn a_file_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("operator");
        std::fs::write(&path, "ann s3cret\n").unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false), (0o644, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let read = Source::File(path.clone()).read();
            assert_eq!(read.is_ok(), good, "{mode:o}");
            if let Err(failure) = read {
                assert!(failure.what.contains(&format!("its mode is {mode:o}")) && !failure.to_string().contains("s3cret"), "{failure}");
            }
        }
        assert!(Source::File(dir.path().join("none")).read().unwrap_err().what.contains("cannot be read"));
    }

    #[test]
    fn a_command_prints_it() {
        let read = |command: &str| Source::Command(command.into()).read().map_err(|failure| failure.what);
        assert_eq!(read("echo ann s3cret").unwrap().name, "ann");
        assert!(read("echo ann s3cret; exit 3").unwrap_err().contains("failed (exit status: 3)"));
        assert!(read("true").unwrap_err().contains("there is no name and no secret"));
        assert!(read("yes").unwrap_err().contains("longer than a name and a secret"));
        let late = run("exec tail -f /dev/null", Duration::from_millis(100)).unwrap_err();
        assert!(late.what.contains("has printed nothing whole"), "{late}");
    }
}
