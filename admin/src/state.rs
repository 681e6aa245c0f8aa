//! What the console keeps between runs, for its user alone: history, and the last view of each network.
//!
//! A view from here lets a client find its group's master when no directory answers. It is written whole or not at all, and read with suspicion: a file
//! that is not a view is as good as none.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

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

/// The name of the cache file for whoever these directory servers serve: the same whatever their order.
pub fn view_file_name<T: AsRef<str>>(directories: &[T]) -> String {
    let mut sorted: Vec<&str> = directories.iter().map(AsRef::as_ref).collect();
    sorted.sort_unstable();
    sorted.dedup();
    format!("{}.view", chatring_machines::secret::session_of_token(&sorted.join(" ")))
}

/// The file: the view as it goes over the wire, and its epoch for people who look into it.
#[derive(Serialize, Deserialize)]
struct Cached {
    epoch: String,
    view: Vec<String>,
}

/// Reads a cached view.
pub fn load_view(path: &Path) -> Option<View> {
    let cached: Cached = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let args: Vec<&[u8]> = cached.view.iter().map(String::as_bytes).collect();
    let mut reader = Reader::new(&args);
    let view = View::take(&mut reader).ok()?;
    reader.finish().ok().map(|()| view)
}

/// Replaces a cached view.
pub fn save_view(path: &Path, view: &View) -> io::Result<()> {
    let mut argv = Argv::default();
    view.put(&mut argv);
    let view_text = argv.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
    let cached = Cached { epoch: view.epoch.to_string(), view: view_text };
    replace(path, serde_json::to_string(&cached)?.as_bytes())
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
    use chatring_machines::names::NodeKey;
    use chatring_machines::time::Time;
    use chatring_machines::view::{NodeInfo, RingParams};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_view_comes_back_as_it_was_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.view");
        let key = NodeKey::new("127.0.0.2").unwrap();
        let node = NodeInfo { key, name: "b".into(), incarnation: Incarnation(7), since: Time(5), admitted: Epoch::default() };
        let mut view = View {
            epoch: Epoch { generation: 1, number: 4 },
            network: "home".into(),
            params: RingParams::default(),
            nodes: vec![node],
            directories: vec!["127.0.0.1:7400".into()],
        };
        assert_eq!(load_view(&path), None);
        save_view(&path, &view).unwrap();
        assert_eq!(load_view(&path).as_ref(), Some(&view));
        view.epoch = view.epoch.next();
        save_view(&path, &view).unwrap();
        assert_eq!(load_view(&path).as_ref(), Some(&view));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        fs::write(&path, "{\"epoch\":\"1.4\",\"view\":[\"1.4\",\"home\"]}").unwrap();
        assert_eq!(load_view(&path), None);
    }

    #[test]
    fn the_same_directories_have_the_same_file() {
        assert_eq!(view_file_name(&["a:1", "b:2"]), view_file_name(&["b:2", "a:1", "a:1"]));
        assert_ne!(view_file_name(&["a:1"]), view_file_name(&["b:2"]));
    }
}
