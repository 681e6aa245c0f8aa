//! What the console keeps between runs, for its user alone: history, and the last list of super nodes of each network.
//!
//! A list from here lets a client find its group's master when no directory answers. It is written whole or not at all, and read with suspicion: one that was changed, that is
//! older than what was seen, or that has expired is not used, and its user is told which.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chatring_machines::list::{ListError, ListKey, SignedList, Trust};
use chatring_machines::netstrings::parse;
use chatring_machines::time::Time;
use chatring_machines::view::View;
use chatring_machines::wire::{Argv, Field, Reader};
use serde::{Deserialize, Serialize};

/// `$XDG_STATE_HOME/chatring`, or `~/.local/state/chatring`. `None` for someone without a home.
pub fn dir() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(base.join("chatring"))
}

/// Makes the folder if needed, and gives the path of a file in it.
pub fn file(name: &str) -> Option<PathBuf> {
    let dir = dir()?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).ok()?;
    Some(dir.join(name))
}

/// What is kept of the network that some directory servers serve: the last list, and what the next is held against.
///
/// Two files, so that an old list in the place of the newest one is noticed: `….list`, and `….known` with the epoch that was seen, and with who may sign.
#[derive(Clone, Debug)]
pub struct Lists {
    list: PathBuf,
    known: PathBuf,
}

/// Why the list that was kept is not used.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum KeptListError {
    /// It is none.
    #[error("it is not a list of super nodes")]
    Unreadable,
    /// It is one that is not believed.
    #[error(transparent)]
    Unbelieved(#[from] ListError),
}

/// The list as it goes over the wire, and its epoch for people who look into it.
#[derive(Serialize, Deserialize)]
struct KeptList {
    epoch: String,
    seal: Vec<String>,
    view: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Known {
    epoch: String,
    keys: Vec<String>,
}

impl Lists {
    /// Of these directory servers: the same files whatever their order. `None` for someone without a home.
    pub fn of<T: AsRef<str>>(directories: &[T]) -> Option<Lists> {
        let name = network_name(directories);
        Some(Lists { list: file(&format!("{name}.list"))?, known: file(&format!("{name}.known"))? })
    }

    /// Where the list is.
    pub fn list_file(&self) -> &Path {
        &self.list
    }

    /// Where it is written what lists are held against.
    pub fn known_file(&self) -> &Path {
        &self.known
    }

    /// What lists are held against; nothing, for a network that was never seen.
    pub fn trust(&self) -> Trust {
        let known = fs::read(&self.known).ok().and_then(|bytes| serde_json::from_slice::<Known>(&bytes).ok());
        let trust = known.and_then(|known| {
            let keys = known.keys.iter().map(|key| key.parse().ok()).collect::<Option<Vec<ListKey>>>()?;
            Some(Trust { keys, seen: parse(&known.epoch).ok()? })
        });
        trust.unwrap_or_default()
    }

    /// The list that was kept, if it is to be believed at this time. `None`: there is none.
    pub fn load(&self, now: Time) -> Result<Option<View>, KeptListError> {
        let Ok(bytes) = fs::read(&self.list) else { return Ok(None) };
        let list = read_list(&bytes).ok_or(KeptListError::Unreadable)?;
        self.trust().check(&list, now)?;
        Ok(Some(View::clone(&list.view)))
    }

    /// Keeps a list that was believed in the place of the one before.
    pub fn save(&self, list: &SignedList) -> io::Result<()> {
        let mut trust = self.trust();
        trust.learn(list);
        let known = Known { epoch: trust.seen.to_string(), keys: trust.keys.iter().map(ListKey::to_string).collect() };
        replace(&self.known, serde_json::to_string(&known)?.as_bytes())?;
        let kept = KeptList { epoch: list.view.epoch.to_string(), seal: words(&list.seal), view: words(&*list.view) };
        replace(&self.list, serde_json::to_string(&kept)?.as_bytes())
    }
}

fn network_name<T: AsRef<str>>(directories: &[T]) -> String {
    let mut sorted: Vec<&str> = directories.iter().map(AsRef::as_ref).collect();
    sorted.sort_unstable();
    sorted.dedup();
    chatring_machines::secret::session_of_token(&sorted.join(" ")).to_string()
}

fn words(value: &impl Field) -> Vec<String> {
    let mut argv = Argv::default();
    value.put(&mut argv);
    argv.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
}

fn read_list(bytes: &[u8]) -> Option<SignedList> {
    fn value<T: Field>(words: &[String]) -> Option<T> {
        let args: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        let mut reader = Reader::new(&args);
        let value = T::take(&mut reader).ok()?;
        reader.finish().ok().map(|()| value)
    }
    let kept: KeptList = serde_json::from_slice(bytes).ok()?;
    Some(SignedList { view: value::<View>(&kept.view)?.into(), seal: value(&kept.seal)? })
}

/// Writes a file beside the old one and puts it in its place. Only its owner may read it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| fs::rename(&fresh, path));
    if replaced.is_err() {
        // Nobody needs half a file; the first error is the one to tell.
        let _ = fs::remove_file(&fresh);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatring_machines::ids::{Epoch, Incarnation};
    use chatring_machines::list::ListSigner;
    use chatring_machines::names::NodeKey;
    use chatring_machines::view::{DirectoryServer, NodeInfo, RingParams};
    use std::os::unix::fs::PermissionsExt;

    fn signer(n: u8) -> ListSigner {
        ListSigner::new([n; 32])
    }

    /// Of this number, signed by server 1 and good until 2000.
    fn list(number: u64) -> SignedList {
        let key = NodeKey::new("127.0.0.2").unwrap();
        let node = NodeInfo { key, name: "b".into(), incarnation: Incarnation(7), since: Time(5), admitted: Epoch::default() };
        let view = View {
            epoch: Epoch { generation: 1, number },
            network: "home".into(),
            params: RingParams::default(),
            nodes: vec![node],
            directories: vec![DirectoryServer { address: "127.0.0.1:7400".into(), key: Some(signer(1).key()) }],
        };
        SignedList { seal: signer(1).seal(&view, Time(1_000), Time(2_000)), view: view.into() }
    }

    /// Keeps lists 4 and 5, does something to the files, and says what comes of the list then.
    #[track_caller]
    fn check(harm: impl FnOnce(&Lists), now: u64, expect: Result<Option<u64>, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let lists = Lists { list: folder.path().join("x.list"), known: folder.path().join("x.known") };
        assert_eq!((lists.load(Time(1_500)), lists.trust()), (Ok(None), Trust::default()));
        [4, 5].iter().for_each(|number| lists.save(&list(*number)).unwrap());
        assert_eq!(fs::metadata(&lists.list).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside them");
        harm(&lists);
        let found = lists.load(Time(now)).map(|view| view.map(|view| view.epoch.number));
        assert_eq!(found.map_err(|error| error.to_string()), expect.map_err(str::to_string));
    }

    fn edit(path: &Path, from: &str, to: &str) {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    #[test]
    fn a_list_comes_back_as_it_was_or_is_refused_for_a_reason() {
        let key = signer(1).key();
        check(|_| {}, 1_999, Ok(Some(5)));
        check(|_| {}, 2_000 + 7_200_000, Err("it expired 2 h ago, by this machine's clock"));
        check(
            |lists| edit(&lists.list, "127.0.0.2", "127.0.0.3"),
            1_500,
            Err(&format!("it was changed since directory key {key} signed it")),
        );
        let older = |lists: &Lists| {
            let known = fs::read(&lists.known).unwrap();
            lists.save(&list(4)).unwrap();
            fs::write(&lists.known, known).unwrap();
        };
        check(older, 1_500, Err("it is of epoch 1.4, and one of epoch 1.5 was seen already"));
        let other = signer(2).key().to_string();
        check(
            |lists| edit(&lists.known, &key.to_string(), &other),
            1_500,
            Err(&format!("it is signed by {key}, which is none of the directory servers known so far")),
        );
        check(|lists| fs::write(&lists.list, "{\"epoch\":\"1.4\"}").unwrap(), 1_500, Err("it is not a list of super nodes"));
        check(|lists| fs::remove_file(&lists.known).unwrap(), 1_500, Ok(Some(5)));
    }

    #[test]
    fn the_same_directories_have_the_same_files() {
        assert_eq!(network_name(&["a:1", "b:2"]), network_name(&["b:2", "a:1", "a:1"]));
        assert_ne!(network_name(&["a:1"]), network_name(&["b:2"]));
    }
}
