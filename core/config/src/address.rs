//! Addresses as people write them: an IP with a port, or without where the role has a usual one.

use crate::check::Check;
use crate::place::{ConfigError, Placed};
use crate::raw::Text;
use std::net::{IpAddr, SocketAddr};

impl Check {
    /// Where to listen.
    pub(crate) fn bind_address(&self, given: &Text, key: &str, usual_port: Option<u16>) -> Result<Placed<SocketAddr>, ConfigError> {
        let text = given.get_ref();
        let place = Placed::from(given.clone()).place();
        let address = match (text.parse::<SocketAddr>(), text.parse::<IpAddr>(), usual_port) {
            (Ok(address), _, _) if address.port() != 0 => address,
            (_, Ok(ip), Some(port)) => SocketAddr::new(ip, port),
            _ => return Err(self.wrong(given, format!("{key}: found {text:?}, expected {}", shape(usual_port)))),
        };
        Ok(Placed::new(address, place))
    }

    /// Where others reach what listens at `address`: that, unless `advertise` says otherwise.
    pub(crate) fn advertised(
        &self,
        table: &str,
        address: &Placed<SocketAddr>,
        advertise: Option<&Text>,
    ) -> Result<Placed<SocketAddr>, ConfigError> {
        let Some(given) = advertise else {
            if address.ip().is_unspecified() {
                let message = format!(
                    "{table}.address: found {address}, which is every address of this machine, expected an advertise = \"IP:port\" beside it that others can reach"
                );
                return Err(self.error(address.place(), message));
            }
            return Ok(address.clone());
        };
        let key = format!("{table}.advertise");
        let advertise = self.bind_address(given, &key, Some(address.port()))?;
        if advertise.ip().is_unspecified() {
            return Err(self.wrong(given, format!("{key}: found {advertise}, expected an address that others can reach")));
        }
        Ok(advertise)
    }

    /// A server to dial: a host name will do.
    pub(crate) fn dial_address(&self, given: &Text, key: &str, usual_port: u16) -> Result<String, ConfigError> {
        let text = given.get_ref();
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(SocketAddr::new(ip, usual_port).to_string());
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.to_string());
        }
        let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
        let port = if port.is_empty() && !text.ends_with(':') { Some(usual_port) } else { port.parse().ok() };
        match port {
            Some(port) if is_host_name(host) && port != 0 => Ok(format!("{host}:{port}")),
            _ => Err(self.wrong(given, format!("{key}: found {text:?}, expected \"HOST\", \"HOST:port\" or \"[IPv6]:port\""))),
        }
    }
}

/// Whether what is dialled at this `host:port` can only be this machine.
pub fn is_loopback(address: &str) -> bool {
    match address.parse::<SocketAddr>() {
        Ok(address) => address.ip().is_loopback(),
        Err(_) => address.starts_with("localhost:"),
    }
}

fn is_host_name(text: &str) -> bool {
    let label =
        |label: &str| !label.is_empty() && label.len() < 64 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    text.len() < 254 && text.split('.').all(label)
}

fn shape(usual_port: Option<u16>) -> String {
    match usual_port {
        Some(port) => format!("\"IP\" or \"IP:port\" (the port is {port} unless given)"),
        None => "\"IP:port\"".to_string(),
    }
}
