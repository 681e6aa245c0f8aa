//! What a certificate says of its holder: of which network, in which role, under which name.
//!
//! Whether a certificate is good (who signed it, how long it holds, for which address it is) is checked beneath, where TLS is. What comes here is what it says, as URIs among its names: `chatring://NETWORK/ROLE/NAME`.
//! Ports are no part of it: whoever has a machine has all of them. So a directory server and a super node are called by their IP, and a gateway, which nobody dials, by its name.

use std::fmt;
use std::net::IpAddr;

use crate::names::NodeKey;
use crate::peer::PeerCommand;
use crate::wire::Text;

/// What a holder is in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A directory server.
    Directory,
    /// A super node in the ring.
    Node,
    /// An edge that is never in the ring.
    Gateway,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Directory, Role::Node, Role::Gateway];

    /// Whose key this is.
    pub fn of(key: &NodeKey) -> Role {
        match key.address() {
            Some(_) => Role::Node,
            None if key.directory().is_some() => Role::Directory,
            None => Role::Gateway,
        }
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Directory => "directory",
            Role::Node => "node",
            Role::Gateway => "gateway",
        }
    }

    /// Whether this is its to say. The directory servers' log is theirs alone, groups and places in the ring the super nodes'.
    pub fn may_say(self, command: &PeerCommand) -> bool {
        use PeerCommand as C;
        match command {
            C::Peer { .. } | C::Prove { .. } | C::Probe { .. } => true,
            C::Server { .. } | C::Log { .. } | C::Via { .. } | C::ViaLost { .. } | C::Relay { .. } => self == Role::Directory,
            C::Visit { .. } | C::Show { .. } => self == Role::Directory,
            C::Watch { .. } | C::Suspect { .. } | C::Record { .. } | C::GroupList { .. } | C::Count { .. } => self != Role::Directory,
            C::Request { .. } | C::Attach { .. } | C::Fetch { .. } | C::Settled { .. } => self != Role::Directory,
            _ => self == Role::Node,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that a certificate says its holder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    network: Text,
    role: Role,
    name: Text,
}

/// Why something is no title.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTitle {
    /// Not one of ours at all.
    #[error("a title is written chatring://NETWORK/ROLE/NAME")]
    Form,
    /// Not a network.
    #[error("the name of a network is 1 to 63 letters, digits, '-', '_' or '.'")]
    Network,
    /// Not a role.
    #[error("a role is directory, node or gateway")]
    Role,
    /// Directory servers and super nodes are called by their address.
    #[error("a {0} is named by the IP address that it advertises, like 192.0.2.7")]
    Address(Role),
    /// Not the name of a gateway.
    #[error("a gateway is named as its super_node.name: 1 to 63 letters, digits, '-', '_' or '.'")]
    Gateway,
}

impl Title {
    /// Checks, and brings an address into its one spelling.
    pub fn new(network: &str, role: Role, name: &str) -> Result<Title, BadTitle> {
        if !is_plain(network) {
            return Err(BadTitle::Network);
        }
        let name: Text = match role {
            Role::Gateway if !is_plain(name) => return Err(BadTitle::Gateway),
            Role::Gateway => name.into(),
            Role::Directory | Role::Node => name.parse::<IpAddr>().map_err(|_| BadTitle::Address(role))?.to_string().into(),
        };
        Ok(Title { network: network.into(), role, name })
    }

    /// Reads a URI.
    pub fn parse(uri: &str) -> Result<Title, BadTitle> {
        let parts: Vec<&str> = uri.strip_prefix(SCHEME).ok_or(BadTitle::Form)?.splitn(4, '/').collect();
        let [network, role, name] = parts[..] else { return Err(BadTitle::Form) };
        let role = Role::ALL.into_iter().find(|known| known.as_str() == role).ok_or(BadTitle::Role)?;
        Title::new(network, role, name)
    }

    /// What the certificate of whoever has this key has to say.
    pub fn of(network: &Text, key: &NodeKey) -> Title {
        let name = match key.directory().or(key.address()) {
            Some(address) => address.ip().to_string().into(),
            None => key.as_str().trim_start_matches("edge:").into(),
        };
        Title { network: network.clone(), role: Role::of(key), name }
    }

    /// The network.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// What its holder is there.
    pub fn role(&self) -> Role {
        self.role
    }

    /// An IP, or the name of a gateway.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The URI.
impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}/{}", self.network, self.role, self.name)
    }
}

/// The URI in the certificate of a network's own CA.
pub fn authority(network: &str) -> Result<String, BadTitle> {
    if is_plain(network) { Ok(format!("{SCHEME}{network}")) } else { Err(BadTitle::Network) }
}

/// The network whose CA has this URI in its certificate.
pub fn network_of_authority(uri: &str) -> Option<&str> {
    uri.strip_prefix(SCHEME).filter(|network| is_plain(network))
}

/// What the certificate at the other end of a connection says: nothing, if it is good, and not for a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// All that its holder is: whoever runs a directory server and a super node in one process has one for both.
    pub titles: Vec<Title>,
}

impl Certificate {
    /// From the URIs among its names. What is no title is for others.
    pub fn new<'a>(uris: impl IntoIterator<Item = &'a str>) -> Certificate {
        Certificate { titles: uris.into_iter().filter_map(|uri| Title::parse(uri).ok()).take(TITLES_MAX).collect() }
    }

    /// Whether its holder is this.
    pub fn says(&self, title: &Title) -> bool {
        self.titles.contains(title)
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.titles.is_empty() {
            return f.write_str("nobody in a network");
        }
        for (ix, Title { network, role, name }) in self.titles.iter().enumerate() {
            write!(f, "{}{role} {name} of network '{network}'", if ix > 0 { " and " } else { "" })?;
        }
        Ok(())
    }
}

const SCHEME: &str = "chatring://";
/// Titles of one certificate; more are not looked at.
const TITLES_MAX: usize = 16;

/// What the configuration takes for the name of a network or a node, too.
fn is_plain(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, expect: Result<&str, BadTitle>) {
        assert_eq!(Title::parse(uri).map(|title| title.to_string()), expect.map(str::to_string), "{uri}");
    }

    #[test]
    fn titles() {
        for uri in ["chatring://net/directory/192.0.2.1", "chatring://my-net.2/node/2001:db8::1", "chatring://n/gateway/desk_1"] {
            check(uri, Ok(uri));
        }
        check("chatring://n/node/2001:DB8:0::1", Ok("chatring://n/node/2001:db8::1"));
        for uri in ["", "https://n/node/192.0.2.1", "chatring://", "chatring://n/node", "chatring://n/gateway/a/b", "CHATRING://n/node/::1"]
        {
            check(uri, Err(BadTitle::Form));
        }
        check("chatring:///node/192.0.2.1", Err(BadTitle::Network));
        check(&format!("chatring://{}/node/192.0.2.1", "n".repeat(64)), Err(BadTitle::Network));
        check("chatring://n/king/192.0.2.1", Err(BadTitle::Role));
        check("chatring://n/node/", Err(BadTitle::Address(Role::Node)));
        check("chatring://n/node/192.0.2.1:7411", Err(BadTitle::Address(Role::Node)));
        check("chatring://n/directory/example.org", Err(BadTitle::Address(Role::Directory)));
        check("chatring://n/gateway/directory@192.0.2.1:7400", Err(BadTitle::Gateway));
        check("chatring://n/gateway/", Err(BadTitle::Gateway));
    }

    #[test]
    fn authorities() {
        let uri = authority("my-net.2").unwrap();
        assert_eq!((uri.as_str(), network_of_authority(&uri)), ("chatring://my-net.2", Some("my-net.2")));
        assert_eq!(authority("a/b"), Err(BadTitle::Network));
        for uri in ["chatring://", "chatring://n/node/192.0.2.1", "https://n"] {
            assert_eq!(network_of_authority(uri), None, "{uri}");
        }
        // No title, so nobody is let in by the CA's own certificate.
        assert_eq!(Title::parse(&uri), Err(BadTitle::Form));
    }

    #[test]
    fn keys_have_titles() {
        for (key, title) in [
            (NodeKey::new("192.0.2.7").unwrap(), "chatring://n/node/192.0.2.7"),
            (NodeKey::new("[2001:db8::1]:9").unwrap(), "chatring://n/node/2001:db8::1"),
            (NodeKey::of_directory("192.0.2.1:7400".parse().unwrap()), "chatring://n/directory/192.0.2.1"),
            (NodeKey::of_directory("[::1]:7400".parse().unwrap()), "chatring://n/directory/::1"),
            (NodeKey::gateway("desk"), "chatring://n/gateway/desk"),
        ] {
            let of_key = Title::of(&"n".into(), &key);
            assert_eq!(of_key.to_string(), title);
            assert!(Certificate::new(["dns:x", title]).says(&of_key));
            assert!(!Certificate::new([title.replace("//n/", "//m/").as_str()]).says(&of_key));
        }
        // A name of a gateway that would be a directory server's key is no title, so it can't be shown.
        let liar = Title::of(&"n".into(), &NodeKey::gateway("directory@here"));
        assert_eq!(Title::parse(&liar.to_string()), Err(BadTitle::Gateway));
    }

    #[test]
    fn a_certificate_that_says_too_much_is_not_read_to_its_end() {
        let uris: Vec<String> = (0..100).map(|n| format!("chatring://n/gateway/g{n}")).collect();
        assert_eq!(Certificate::new(uris.iter().map(String::as_str)).titles.len(), TITLES_MAX);
    }

    #[test]
    fn each_role_has_things_to_say() {
        let key = || NodeKey::gateway("x");
        for (command, directory, node, gateway) in [
            (PeerCommand::ViaLost { link: 1 }, true, false, false),
            (PeerCommand::Relay { master: key(), reports: Vec::new() }, true, false, false),
            (PeerCommand::Register { ticket: crate::ids::Ticket(1), name: "x".into(), token: None, known: None }, false, true, false),
            (PeerCommand::Offer { epoch: Default::default(), offers: Vec::new() }, false, true, false),
            (PeerCommand::Watch { known: None }, false, true, true),
            (PeerCommand::Probe { sent: crate::time::Time(1) }, true, true, true),
        ] {
            assert_eq!(Role::ALL.map(|role| role.may_say(&command)), [directory, node, gateway], "{command:?}");
        }
    }
}
