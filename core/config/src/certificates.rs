//! How nodes prove to each other who they are: by certificates, or not at all where they are among themselves.

use crate::address::is_loopback;
use crate::check::{Check, place_of};
use crate::place::{ConfigError, Placed};
use crate::{Certificates, Directory, SuperNode, raw};
use std::path::PathBuf;
use toml::Spanned;

impl Check {
    /// All three files, or none.
    pub(crate) fn certificates(&self, raw: &raw::Network) -> Result<Option<Certificates>, ConfigError> {
        let in_folder = |path: &Spanned<PathBuf>| Placed::from(path.clone()).map(|path| self.folder.join(path));
        if let (Some(ca), Some(certificate), Some(key)) = (&raw.ca, &raw.certificate, &raw.key) {
            return match &raw.plaintext_peers {
                None => Ok(Some(Certificates { ca: in_folder(ca), certificate: in_folder(certificate), key: in_folder(key) })),
                Some(open) => Err(self.wrong(
                    open,
                    "network.plaintext_peers: found beside certificates, expected only one of them: where there are certificates, every node has to show one",
                )),
            };
        }
        let all = [("ca", &raw.ca), ("certificate", &raw.certificate), ("key", &raw.key)];
        let Some((name, path)) = all.iter().find_map(|(name, path)| path.as_ref().map(|path| (name, path))) else {
            return Ok(None);
        };
        let missing: Vec<&str> = all.iter().filter(|(_, path)| path.is_none()).map(|(name, _)| *name).collect();
        let message = format!(
            "network.{name}: found without {}, expected ca, certificate and key, or none of them (`chatctl pki init` and `chatctl pki issue` make them)",
            missing.join(" and ")
        );
        Err(self.wrong(path, message))
    }

    /// Nodes talk in the open on this machine only, unless they are meant to.
    pub(crate) fn plaintext_peers(
        &self,
        raw: &raw::Network,
        directory: Option<&Directory>,
        nodes: &[SuperNode],
    ) -> Result<(), ConfigError> {
        if raw.ca.is_some() || raw.plaintext_peers.as_ref().is_some_and(|open| *open.get_ref()) {
            return Ok(());
        }
        let mut all = Vec::new();
        if let Some(directory) = directory {
            let place = directory.address.place();
            all.push(("directory.address", directory.address.to_string(), place));
            all.push(("directory.advertise", directory.advertise.to_string(), place));
        }
        for node in nodes {
            let place = node.address.place();
            all.push(("super_node.address", node.address.to_string(), place));
            all.extend(node.key.address().map(|address| ("super_node.advertise", address.to_string(), place)));
        }
        let dialled = raw.directories.iter().flat_map(|list| list.get_ref());
        all.extend(dialled.map(|text| ("network.directories", text.get_ref().clone(), place_of(text))));
        match all.into_iter().find(|(_, address, _)| !is_this_machine(address)) {
            None => Ok(()),
            Some((key, address, place)) => Err(self.error(
                place,
                format!(
                    "{key}: found {address}, which is not a loopback address, and no certificates, expected ca, certificate and key in [network] (`chatctl pki init` and `chatctl pki issue` make them), or plaintext_peers = true there if nobody else is on the way between nodes"
                ),
            )),
        }
    }
}

/// An address may be written without its port.
fn is_this_machine(address: &str) -> bool {
    is_loopback(address) || is_loopback(&format!("{address}:1")) || is_loopback(&format!("[{address}]:1"))
}
