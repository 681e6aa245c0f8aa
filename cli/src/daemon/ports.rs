//! The sockets of a daemon, all bound before anything starts: an address in use is one clear error, and not half a daemon.

use chatring_config::{Config, ConfigError, Placed};
use chatring_reactor::listen;
use std::net::{SocketAddr, TcpListener};

/// A configuration's sockets.
pub struct Ports {
    /// The directory's.
    pub directory: Option<TcpListener>,
    /// Each super node's, in the order of the configuration.
    pub nodes: Vec<NodePorts>,
    /// Where machines that watch are answered.
    pub admin: Option<TcpListener>,
}

/// A super node's sockets.
pub struct NodePorts {
    /// Its own.
    pub native: TcpListener,
    /// Its further ones, in the order of the configuration.
    pub listeners: Vec<TcpListener>,
}

impl Ports {
    /// Binds them all.
    pub fn bind(config: &Config) -> Result<Ports, ConfigError> {
        let bind = |key: &str, address: &Placed<SocketAddr>| {
            listen(**address).map_err(|error| config.error(address.place(), format!("{key}: {address} can't be listened at: {error}")))
        };
        let directory = config.directory.as_ref().map(|directory| bind("directory.address", &directory.address)).transpose()?;
        let node = |node: &chatring_config::SuperNode| {
            let native = bind("super_node.address", &node.address)?;
            let listeners = node.listeners.iter().map(|listener| bind("listener.address", &listener.address)).collect::<Result<_, _>>()?;
            Ok(NodePorts { native, listeners })
        };
        let nodes = config.super_nodes.iter().map(node).collect::<Result<_, ConfigError>>()?;
        let admin = config.admin.as_ref().map(|admin| bind("admin.listen", &admin.listen)).transpose()?;
        Ok(Ports { directory, nodes, admin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn an_address_in_use_is_told_with_its_key() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let text = format!("[network]\nname = 'n'\nsecret = 's'\n[directory]\naddress = '127.0.0.1:{port}'\n");
        let config = chatring_config::parse(Path::new("c"), text).unwrap();
        let error = Ports::bind(&config).err().unwrap().to_string();
        let expect = format!("c:5:11: directory.address: 127.0.0.1:{port} can't be listened at: ");
        assert!(error.starts_with(&expect), "{error}");
    }
}
