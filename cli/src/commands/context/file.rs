//! The file with the contexts: `$XDG_CONFIG_HOME/chatring/contexts.toml`, or `~/.config/chatring/contexts.toml`.
//!
//! It is its user's alone, since it names commands that are run. Written whole or not at all, by one `chatctl` at a time.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chatring_admin::Failure;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::Source;
use crate::commands::address;

/// More than a thousand networks need.
pub(super) const FILE_BYTES_MAX: u64 = 256 << 10;
const NAME_BYTES_MAX: usize = 64;

/// Networks by name.
#[derive(Clone, Debug, Default)]
pub struct Contexts {
    current: Option<String>,
    all: BTreeMap<String, Context>,
}

/// How one network is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    pub directories: Vec<String>,
    pub ca: Option<PathBuf>,
    pub operator: Option<Source>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    current: Option<Spanned<String>>,
    #[serde(default)]
    context: BTreeMap<Spanned<String>, RawContext>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContext {
    directory: Spanned<Vec<String>>,
    ca: Option<PathBuf>,
    credential_file: Option<PathBuf>,
    credential_command: Option<Spanned<String>>,
}

#[derive(Serialize)]
struct OutFile<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<&'a str>,
    context: BTreeMap<&'a str, OutContext<'a>>,
}

#[derive(Serialize)]
struct OutContext<'a> {
    directory: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_file: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_command: Option<&'a str>,
}

impl Context {
    fn out(&self) -> OutContext<'_> {
        let (credential_file, credential_command) = match &self.operator {
            Some(Source::File(file)) => (Some(file.as_path()), None),
            Some(Source::Command(command)) => (None, Some(command.as_str())),
            None => (None, None),
        };
        OutContext { directory: &self.directories, ca: self.ca.as_deref(), credential_file, credential_command }
    }
}

const HEAD: &str = "# Networks that chatctl knows by name: `chatctl context` writes this file, and keeps no further comments.\n\n";

impl Contexts {
    /// As they are now. None, where there is no file or no home.
    pub fn load() -> Result<Contexts, Failure> {
        match path() {
            Some(path) => Contexts::read(&path),
            None => Ok(Contexts::default()),
        }
    }

    fn read(path: &Path) -> Result<Contexts, Failure> {
        let trouble = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: cannot be read: {error}", path.display()));
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contexts::default()),
            other => other.map_err(|error| trouble(&error))?,
        };
        if file.metadata().map_err(|error| trouble(&error))?.permissions().mode() & 0o022 != 0 {
            return Err(Failure::usage(format!("{}: others may write to it, and it names commands that are run", path.display()))
                .advise(format!("See whether it is what you wrote, then: chmod 600 {}", path.display())));
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| trouble(&error))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(trouble(&format!("it is longer than {} KiB", FILE_BYTES_MAX >> 10)));
        }
        Contexts::parse(&text, path)
    }

    /// What a text says that stands in this file. Paths are found from its folder.
    pub fn parse(text: &str, path: &Path) -> Result<Contexts, Failure> {
        let at = |place: usize, what: &str| {
            let line = text.as_bytes().iter().take(place).filter(|byte| **byte == b'\n').count() + 1;
            Failure::usage(format!("{}:{line}: {what}", path.display()))
        };
        let raw: RawFile = toml::from_str(text).map_err(|error| at(error.span().map_or(0, |span| span.start), error.message()))?;
        let found = |file: PathBuf| path.parent().map_or(file.clone(), |folder| folder.join(&file));
        let mut all = BTreeMap::new();
        for (key, raw) in raw.context {
            let wrong = |place: &std::ops::Range<usize>, what: &str| at(place.start, &format!("context {}: {what}", key.get_ref()));
            name(key.get_ref()).map_err(|bad| at(key.span().start, &bad))?;
            let directories = raw.directory.get_ref();
            if directories.is_empty() {
                return Err(wrong(&raw.directory.span(), "directory names no directory server"));
            }
            if let Some(bad) = directories.iter().find(|text| address(text).is_err()) {
                return Err(wrong(&raw.directory.span(), &format!("directory has '{bad}': write it as HOST:PORT, like 127.0.0.1:7400")));
            }
            let operator = match (raw.credential_file, raw.credential_command) {
                (Some(_), Some(command)) => {
                    return Err(wrong(&command.span(), "it has both credential_file and credential_command: one of them is enough"));
                }
                (Some(file), None) => Some(Source::File(found(file))),
                (None, command) => command.map(|command| Source::Command(command.into_inner())),
            };
            let context = Context { directories: raw.directory.into_inner(), ca: raw.ca.map(found), operator };
            all.insert(key.into_inner(), context);
        }
        let current = match raw.current {
            Some(current) if !all.contains_key(current.get_ref()) => {
                return Err(at(current.span().start, &format!("current is '{}', and there is no such context", current.get_ref())));
            }
            current => current.map(Spanned::into_inner),
        };
        Ok(Contexts { current, all })
    }

    /// Reads them, changes them, and writes them back, while no other `chatctl` does.
    pub fn change(change: impl FnOnce(&mut Contexts) -> Result<(), Failure>) -> Result<(), Failure> {
        let path = path().ok_or_else(|| {
            Failure::usage("there is no place for contexts")
                .advise("They go to $XDG_CONFIG_HOME/chatring, or to ~/.config/chatring: set HOME.")
        })?;
        Contexts::change_at(&path, change)
    }

    fn change_at(path: &Path, change: impl FnOnce(&mut Contexts) -> Result<(), Failure>) -> Result<(), Failure> {
        let trouble = |error: io::Error| Failure::refused(format!("{}: cannot be written: {error}", path.display()));
        // Where it is a link, that stays one.
        let path = &path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let dir = path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(trouble)?;
        // The file itself is replaced, and can't be what is locked.
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.with_extension("lock")).map_err(trouble)?;
        lock.lock().map_err(trouble)?;
        let mut contexts = Contexts::read(path)?;
        change(&mut contexts)?;
        contexts.write(path).map_err(trouble)
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let context = self.all.iter().map(|(name, context)| (name.as_str(), context.out())).collect();
        let text = toml::to_string(&OutFile { current: self.current.as_deref(), context }).map_err(io::Error::other)?;
        // Made readable for its owner alone.
        let mut fresh = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        fresh.write_all(HEAD.as_bytes())?;
        fresh.write_all(text.as_bytes())?;
        fresh.as_file().sync_all()?;
        fresh.persist(path).map_err(|error| error.error)?;
        // The new name is on the disk when its folder is.
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Context)> {
        self.all.iter().map(|(name, context)| (name.as_str(), context))
    }

    /// The one that was chosen.
    pub fn current(&self) -> Option<(&str, &Context)> {
        self.all().find(|(name, _)| Some(*name) == self.current.as_deref())
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Result<(&str, &Context), Failure> {
        self.all().find(|(known, _)| *known == name).ok_or_else(|| {
            let known = self.all.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let advice = if known.is_empty() { "There are none yet.".to_string() } else { format!("Known: {known}.") };
            Failure::usage(format!("there is no context '{name}'"))
                .advise(format!("{advice} `chatctl context add NAME --directory HOST:PORT` makes one."))
        })
    }

    /// Takes one in.
    pub fn add(&mut self, name: &str, context: Context) -> Result<(), Failure> {
        if self.all.contains_key(name) {
            return Err(Failure::refused(format!("there is a context '{name}' already"))
                .advise(format!("`chatctl context remove {name}` forgets it.")));
        }
        self.all.insert(name.to_string(), context);
        Ok(())
    }

    /// Chooses one, or none.
    pub fn choose(&mut self, name: Option<&str>) -> Result<(), Failure> {
        name.map(|name| self.get(name)).transpose()?;
        self.current = name.map(str::to_string);
        Ok(())
    }

    /// Forgets one.
    pub fn remove(&mut self, name: &str) -> Result<(), Failure> {
        self.get(name)?;
        self.all.remove(name);
        self.current.take_if(|current| current == name);
        Ok(())
    }
}

/// Where the file is. `None` for someone without a home.
fn path() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(base.join("chatring/contexts.toml"))
}

/// The name of a context, for clap.
pub fn name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match text.bytes().all(plain) && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= NAME_BYTES_MAX {
        true => Ok(text.to_string()),
        false => {
            Err(format!("a context is called by letters, digits, '-', '_' and '.', {NAME_BYTES_MAX} at most; a letter or digit first"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn home() -> Context {
        let operator = Some(Source::Command("pass 'show' x".into()));
        Context { directories: vec!["h:1".into(), "[::1]:2".into()], ca: Some("/ca \"x\".pem".into()), operator }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config/chatring/contexts.toml");
        Contexts::change_at(&path, |contexts| contexts.add("home", home())).unwrap();
        let work = Context { directories: vec!["w:1".into()], ca: None, operator: Some(Source::File("/w".into())) };
        Contexts::change_at(&path, |contexts| contexts.add("work.1", work.clone())).unwrap();
        Contexts::change_at(&path, |contexts| contexts.choose(Some("work.1"))).unwrap();
        let contexts = Contexts::read(&path).unwrap();
        assert_eq!(contexts.all().collect::<Vec<_>>(), [("home", &home()), ("work.1", &work)]);
        assert_eq!(contexts.current(), Some(("work.1", &work)));
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));

        for wrong in [
            Contexts::change_at(&path, |contexts| contexts.add("home", home())),
            Contexts::change_at(&path, |contexts| contexts.choose(Some("x"))),
            Contexts::change_at(&path, |contexts| contexts.remove("x")),
        ] {
            assert!(wrong.is_err());
        }
        Contexts::change_at(&path, |contexts| contexts.remove("work.1")).unwrap();
        assert_eq!(Contexts::read(&path).unwrap().current(), None);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2, "the file and its lock");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(Contexts::read(&path).unwrap_err().what.contains("others may write to it"));
    }

    #[test]
    fn several_at_once_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("contexts.toml");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || Contexts::change_at(path, |contexts| contexts.add(&format!("n{number}"), home())).unwrap());
            }
        });
        assert_eq!(Contexts::read(&path).unwrap().all().count(), 8);
    }

    #[test]
    fn paths_are_found_from_the_files_folder() {
        let text = "[context.a]\ndirectory = ['a:1']\nca = 'ca.pem'\ncredential_file = '/etc/a'\n";
        let contexts = Contexts::parse(text, Path::new("/home/ann/contexts.toml")).unwrap();
        let (_, context) = contexts.get("a").unwrap();
        assert_eq!((context.ca.as_deref(), &context.operator), (Some(Path::new("/home/ann/ca.pem")), &Some(Source::File("/etc/a".into()))));
    }

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let failure = Contexts::parse(text, Path::new("f")).unwrap_err();
        assert!(failure.what.starts_with(expect), "{failure}");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        check("current = 'x'\n", "f:1: current is 'x', and there is no such context");
        check("\n[context.a]\nca = 'x'\n", "f:2: missing field `directory`");
        check("[context.a]\ndirectory = []\n", "f:2: context a: directory names no directory server");
        check("[context.a]\ndirectory = ['a:1', 'b']\n", "f:2: context a: directory has 'b'");
        check("[context.a]\ndirectory = ['a:1']\n\ncredentials = 'x'\n", "f:4: unknown field `credentials`");
        check(
            "[context.a]\ndirectory = ['a:1']\ncredential_file = 'x'\ncredential_command = 'y'\n",
            "f:4: context a: it has both credential_file and credential_command",
        );
        check("[context.'a b']\ndirectory = ['a:1']\n", "f:1: a context is called by letters");
        check("[context.a\n", "f:1: ");
    }
}
