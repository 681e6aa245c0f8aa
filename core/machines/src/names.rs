//! Names of groups, people and nodes: checked once, where bytes become commands, and trusted from there on.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Longest name of a group, in bytes.
pub const GROUP_BYTES_MAX: usize = 64;
/// Longest nick, in bytes.
pub const NICK_BYTES_MAX: usize = 32;
/// The port that a ring key leaves out.
pub const STANDARD_PORT: u16 = 7411;

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Not the name of a group.
    #[error("a group's name is # and 1 to 63 bytes without blanks, commas, colons or control characters")]
    Group,
    /// Not a nick.
    #[error("a nick is 1 to 32 bytes: it starts with a letter or one of _[]{{}}|\\`^ and goes on with those, digits and -")]
    Nick,
    /// Not a node's address.
    #[error("a super node is written IP, or IP:port if the port is not 7411 (IPv6 with a port as [IP]:port)")]
    Node,
}

/// A group (`#erlang`) or a person as a group (`@joe`), in canonical lower-case (ASCII case mapping). Cheap to copy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// Checks and canonicalises.
    pub fn new(text: &str) -> Result<GroupName, BadName> {
        match text.as_bytes() {
            [b'#', rest @ ..] if is_group_rest(rest) => Ok(GroupName(text.to_ascii_lowercase().into())),
            [b'@', ..] => Ok(Nick::new(&text[1..])?.group()),
            _ => Err(BadName::Group),
        }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for a person.
    pub fn is_person(&self) -> bool {
        self.0.starts_with('@')
    }
}

fn is_group_rest(rest: &[u8]) -> bool {
    let plain = |b: &u8| !matches!(b, 0..=32 | b',' | b':' | 127);
    !rest.is_empty() && rest.len() < GROUP_BYTES_MAX && rest.iter().all(plain)
}

/// What a person is called. Shown as typed, compared without regard to ASCII case.
#[derive(Clone)]
pub struct Nick(Arc<str>);

impl Nick {
    /// Checks.
    pub fn new(text: &str) -> Result<Nick, BadName> {
        let special = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b'[' | b']' | b'{' | b'}' | b'|' | b'\\' | b'`' | b'^');
        let bytes = text.as_bytes();
        let fits = (1..=NICK_BYTES_MAX).contains(&bytes.len());
        let letters = fits && special(bytes[0]) && bytes.iter().all(|&b| special(b) || b.is_ascii_digit() || b == b'-');
        if letters { Ok(Nick(text.into())) } else { Err(BadName::Nick) }
    }

    /// As typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The group that stands for the person.
    pub fn group(&self) -> GroupName {
        GroupName(format!("@{}", self.0.to_ascii_lowercase()).into())
    }

    /// Whether both name the same person.
    pub fn is(&self, other: &Nick) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl PartialEq for Nick {
    fn eq(&self, other: &Nick) -> bool {
        self.is(other)
    }
}
impl Eq for Nick {}

/// A super node's ring key: its advertised IP, with `:port` where that is not [`STANDARD_PORT`]. A gateway outside the ring is `edge:name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(Arc<str>);

impl NodeKey {
    /// The key of the node that can be reached at `address`.
    pub fn of(address: SocketAddr) -> NodeKey {
        let text = if address.port() == STANDARD_PORT { address.ip().to_string() } else { address.to_string() };
        NodeKey(text.into())
    }

    /// The name of a node that is never in the ring.
    pub fn gateway(name: &str) -> NodeKey {
        NodeKey(format!("edge:{name}").into())
    }

    /// The name of the directory server that can be reached at `address`: it is never in the ring either.
    pub fn of_directory(address: SocketAddr) -> NodeKey {
        NodeKey::gateway(&format!("{DIRECTORY}{address}"))
    }

    /// Checks, and brings the address into its one spelling (RFC 5952 for IPv6).
    pub fn new(text: &str) -> Result<NodeKey, BadName> {
        if let Some(name) = text.strip_prefix("edge:") {
            let plain = !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_graphic());
            return if plain { Ok(NodeKey(text.into())) } else { Err(BadName::Node) };
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(NodeKey::of(SocketAddr::new(ip, STANDARD_PORT)));
        }
        text.parse::<SocketAddr>().map(NodeKey::of).map_err(|_| BadName::Node)
    }

    /// As text: what is hashed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where to dial it; `None` for a gateway.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.0.parse::<IpAddr>() {
            Ok(ip) => Some(SocketAddr::new(ip, STANDARD_PORT)),
            Err(_) => self.0.parse().ok(),
        }
    }

    /// Where a directory server of this name is reached; `None` for everyone else.
    pub fn directory(&self) -> Option<SocketAddr> {
        self.0.strip_prefix("edge:")?.strip_prefix(DIRECTORY)?.parse().ok()
    }

    /// The machine it is on, as far as the ring knows: its IP.
    pub fn host(&self) -> Option<IpAddr> {
        self.address().map(|address| address.ip())
    }
}

/// What the names of directory servers begin with; no gateway's can.
const DIRECTORY: &str = "directory@";

macro_rules! shown_as_text {
    ($($Name:ident)*) => {$(
        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
shown_as_text!(GroupName Nick NodeKey);

/// Whether `text` matches `pattern`, where `*` stands for anything and `?` for one character; ASCII case is ignored. Takes O(len²) at worst.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p].eq_ignore_ascii_case(&text[t])) {
            p += 1;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            star = Some((star_p, star_t + 1));
            p = star_p + 1;
            t = star_t + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_group(text: &str, canonical: Option<&str>) {
        assert_eq!(GroupName::new(text).ok().as_ref().map(GroupName::as_str), canonical, "{text:?}");
    }

    #[test]
    fn groups() {
        check_group("#Erlang", Some("#erlang"));
        check_group("#Ünï", Some("#Ünï"));
        check_group("@Joe", Some("@joe"));
        check_group("#", None);
        check_group("@", None);
        check_group("erlang", None);
        check_group("#a b", None);
        check_group("#a,b", None);
        check_group("#a\n", None);
        check_group(&format!("#{}", "x".repeat(63)), Some(&format!("#{}", "x".repeat(63))));
        check_group(&format!("#{}", "x".repeat(64)), None);
    }

    #[test]
    fn nicks() {
        for (text, good) in
            [("joe", true), ("[joe]", true), ("9joe", false), ("-joe", false), ("jo-9", true), ("", false), ("jo e", false), ("jö", false)]
        {
            assert_eq!(Nick::new(text).is_ok(), good, "{text:?}");
        }
    }

    #[test]
    fn keys() {
        for (text, key, address) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.7:7411"),
            ("192.0.2.7:7411", "192.0.2.7", "192.0.2.7:7411"),
            ("192.0.2.7:7412", "192.0.2.7:7412", "192.0.2.7:7412"),
            ("2001:DB8:0::1", "2001:db8::1", "[2001:db8::1]:7411"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80", "[2001:db8::1]:80"),
        ] {
            let node = NodeKey::new(text).unwrap();
            assert_eq!((node.as_str(), node.address().unwrap().to_string()), (key, address.to_string()));
        }
        assert!(NodeKey::new("example.org").is_err());
    }

    #[test]
    fn globs() {
        for (pattern, text, matches) in [
            ("*!*@host", "joe!j@host", true),
            ("joe!*@*", "Joe!x@y", true),
            ("j?e", "joe", true),
            ("j?e", "je", false),
            ("*a*b*", "xaxbx", true),
            ("*a*b", "xbxa", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }
}
