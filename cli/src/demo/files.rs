//! What a demo writes: a configuration for each process, their logs, and the word that all is ready.

use super::children::Child;
use super::plan::{DirectoryPlan, NodePlan, Plan};
use anyhow::Context;
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The folder of a demo. A temporary one goes when this does.
pub(super) struct Files {
    dir: PathBuf,
    ready_file: Option<PathBuf>,
    temporary: Option<tempfile::TempDir>,
}

#[derive(Serialize)]
struct Ready {
    directories: Vec<ReadyDirectory>,
    super_nodes: Vec<ReadyNode>,
}

#[derive(Serialize)]
struct ReadyDirectory {
    name: String,
    address: String,
    pid: u32,
    config: String,
}

#[derive(Serialize)]
struct ReadyNode {
    name: String,
    address: String,
    irc: String,
    pid: u32,
    config: String,
}

impl Files {
    /// Writes the configurations, with a new secret.
    pub fn write(plan: &Plan, dir: Option<PathBuf>, ready_file: Option<PathBuf>) -> anyhow::Result<Files> {
        let (dir, temporary) = match dir {
            Some(dir) => {
                fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
                (dir, None)
            }
            None => {
                let temporary = tempfile::Builder::new().prefix("chatring-demo-").tempdir().context("creating a temporary folder")?;
                (temporary.path().to_path_buf(), Some(temporary))
            }
        };
        let dir = dir.canonicalize().with_context(|| format!("finding {}", dir.display()))?;
        let ready_file = ready_file.map(std::path::absolute).transpose().context("finding --ready-file")?;
        let files = Files { dir, ready_file, temporary };
        // One from an earlier demo must not be taken for ours.
        files.forget_ready();
        let network = network(&new_secret()?, plan);
        for server in &plan.directories {
            files.write_config(&server.name, &format!("{network}\n{}", directory(server)))?;
        }
        for node in &plan.nodes {
            files.write_config(&node.name, &format!("{network}\n{}", super_node(node)))?;
        }
        Ok(files)
    }

    /// Leaves a temporary folder where it is: someone uses it.
    pub fn keep(&mut self) {
        if let Some(temporary) = &mut self.temporary {
            temporary.disable_cleanup(true);
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn config(&self, name: &str) -> PathBuf {
        self.dir.join(name).with_extension("toml")
    }

    /// A new log for a child.
    pub fn create_log(&self, name: &str) -> anyhow::Result<File> {
        let path = self.log(name);
        File::create(&path).with_context(|| format!("creating {}", path.display()))
    }

    /// The end of a child's log.
    pub fn log_tail(&self, name: &str) -> String {
        const TAIL_BYTES: u64 = 4096;
        let read = || -> std::io::Result<String> {
            let mut file = File::open(self.log(name))?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
            let mut tail = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut tail)?;
            Ok(String::from_utf8_lossy(&tail).trim_end().to_string())
        };
        read().unwrap_or_else(|error| format!("(no log: {error})"))
    }

    /// Tells whoever waits for the file that everything serves. It is there whole or not at all.
    pub fn write_ready(&self, plan: &Plan, children: &[Child]) -> anyhow::Result<()> {
        let Some(path) = &self.ready_file else { return Ok(()) };
        let pid = |name: &str| children.iter().find(|child| child.name == name).map_or(0, Child::pid);
        let node = |node: &NodePlan| ReadyNode {
            name: node.name.clone(),
            address: node.native.to_string(),
            irc: node.irc.to_string(),
            pid: pid(&node.name),
            config: self.config(&node.name).display().to_string(),
        };
        let directory = |server: &DirectoryPlan| ReadyDirectory {
            name: server.name.clone(),
            address: server.address.to_string(),
            pid: pid(&server.name),
            config: self.config(&server.name).display().to_string(),
        };
        let ready =
            Ready { directories: plan.directories.iter().map(directory).collect(), super_nodes: plan.nodes.iter().map(node).collect() };
        let folder = path.parent().unwrap_or(Path::new("."));
        let write = || -> anyhow::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut file, &ready)?;
            file.write_all(b"\n")?;
            file.persist(path)?;
            Ok(())
        };
        write().with_context(|| format!("writing {}", path.display()))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dir.join(name).with_extension("log")
    }

    fn write_config(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.config(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let write = || options.open(&path)?.write_all(text.as_bytes());
        write().with_context(|| format!("writing {}", path.display()))
    }

    fn forget_ready(&self) {
        if let Some(path) = &self.ready_file {
            // It not being there is the usual case; anything else shows when it is written.
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.forget_ready();
    }
}

fn new_secret() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("drawing a secret")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn network(secret: &str, plan: &Plan) -> String {
    let directories: Vec<String> = plan.directories.iter().map(|server| format!("\"{}\"", server.address)).collect();
    format!("[network]\nname = \"demo\"\nsecret = \"{secret}\"\ndirectories = [{}]\n", directories.join(", "))
}

fn directory(DirectoryPlan { name, address }: &DirectoryPlan) -> String {
    format!("[directory]\naddress = \"{address}\"\ndatabase = \"{name}.sqlite\"\n")
}

fn super_node(node: &NodePlan) -> String {
    let NodePlan { name, native, irc } = node;
    format!(
        "[[super_node]]\nname = \"{name}\"\naddress = \"{native}\"\nauth = [\"password\", \"open\"]\nmotd = \"This is {name} of the demo network.\"\n\n\
         [[listener]]\nname = \"irc\"\naddress = \"{irc}\"\ntransport = \"irc\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_demo_writes_is_a_good_configuration() {
        let plan = Plan {
            directories: vec![DirectoryPlan { name: "directory".into(), address: "127.0.0.1:9000".parse().unwrap() }],
            nodes: vec![NodePlan {
                name: "node1".into(),
                native: "127.0.0.1:9001".parse().unwrap(),
                irc: "127.0.0.1:9002".parse().unwrap(),
            }],
            remarks: Vec::new(),
        };
        let files = Files::write(&plan, None, None).unwrap();
        let directory = chatring_config::load(&files.config("directory")).unwrap();
        assert_eq!(*directory.directory.unwrap().address, plan.directories[0].address);
        let node = chatring_config::load(&files.config("node1")).unwrap();
        assert_eq!(*node.super_nodes[0].listeners[0].address, plan.nodes[0].irc);
        assert_eq!(node.network.directories, ["127.0.0.1:9000"]);
        let dir = files.dir().to_path_buf();
        drop(files);
        assert!(!dir.exists());

        let mut kept = Files::write(&plan, None, None).unwrap();
        kept.keep();
        let dir = kept.dir().to_path_buf();
        drop(kept);
        assert!(dir.join("node1.toml").exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
