//! The list of super nodes as it is handed on: signed by a directory server, and good for a while.
//!
//! A client keeps the list in a file and starts from it when no directory answers; super nodes hand it out, too. So it has to say by itself whether it is right. Each directory server has a key pair of its own (Ed25519), made with its file, and
//! the view names the public keys of all of them: who trusts a list knows who may sign the next. The first list that a client gets it has to believe ([`Trust`]), unless it was told a key.
//!
//! What is signed: from when and until when it is good, and the SHA-256 of the view as it goes over the wire, with the network and the epoch in it.

use std::fmt;
use std::str::FromStr;

use ed25519_compact::{KeyPair, PublicKey, Seed, Signature};
use sha2::{Digest, Sha256};

use crate::ids::Epoch;
use crate::netstrings::pack;
use crate::time::Time;
use crate::view::{SharedView, View};
use crate::wire::{Argv, Bad, Field, Reader, Text};
use crate::wire_struct;

/// Sets these signatures apart from all others that may ever be made with the same key.
const PURPOSE: &[u8] = b"chatring list 1";

/// The public key of a directory server: whose lists it signs are believed by whoever knows it. As text, 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListKey([u8; 32]);

impl fmt::Display for ListKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ListKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has 64 hexadecimal digits")]
pub struct BadKey;

impl FromStr for ListKey {
    type Err = BadKey;
    fn from_str(text: &str) -> Result<ListKey, BadKey> {
        unhex(text).map(ListKey).ok_or(BadKey)
    }
}

impl Field for ListKey {
    fn put(&self, out: &mut Argv) {
        out.push(self.to_string().as_bytes());
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        Text::take(reader)?.parse().map_err(|bad: BadKey| Bad::value(bad.to_string()))
    }
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?, 16).ok()?;
    }
    Some(bytes)
}

wire_struct! {
    /// What makes a view a list that says by itself whether it is right.
    #[derive(Eq)]
    pub struct Seal {
        /// Of which view.
        epoch: Epoch,
        /// From when on it is good, by the clock of who signed it.
        issued: Time,
        /// Until when.
        expires: Time,
        /// Who signed it.
        key: ListKey,
        /// 128 hexadecimal digits.
        signature: Text,
    }
}

/// A view, and what it is believed for.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedList {
    /// The view.
    pub view: SharedView,
    /// Its seal.
    pub seal: Seal,
}

fn message(view: &View, issued: Time, expires: Time) -> Vec<u8> {
    let mut message = PURPOSE.to_vec();
    message.extend_from_slice(&issued.0.to_be_bytes());
    message.extend_from_slice(&expires.0.to_be_bytes());
    message.extend_from_slice(&Sha256::digest(pack(view)));
    message
}

/// Signs lists: what a directory server has of its own. Not shown by Debug.
#[derive(Clone)]
pub struct ListSigner(KeyPair);

impl fmt::Debug for ListSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListSigner({})", self.key())
    }
}

impl ListSigner {
    /// From 32 bytes that nobody else knows, which are kept as long as the server is to be known by its key.
    pub fn new(seed: [u8; 32]) -> ListSigner {
        // Through a hash, so that there is no seed that makes no key.
        ListSigner(KeyPair::from_seed(Seed::new(Sha256::digest(seed).into())))
    }

    /// What others check its lists with.
    pub fn key(&self) -> ListKey {
        ListKey(*self.0.pk)
    }

    /// Seals a view.
    pub fn seal(&self, view: &View, issued: Time, expires: Time) -> Seal {
        let signature = self.0.sk.sign(message(view, issued, expires), None);
        let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        Seal { epoch: view.epoch, issued, expires, key: self.key(), signature: signature.into() }
    }
}

/// Why a list is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// What it says is not what was signed.
    #[error("it was changed since directory key {key} signed it")]
    Tampered {
        /// Who is said to have signed it.
        key: ListKey,
    },
    /// Nobody that is known has signed it.
    #[error("it is signed by {key}, which is none of the directory servers known so far")]
    Stranger {
        /// Who has signed it.
        key: ListKey,
    },
    /// Its time is over.
    #[error("it expired {} ago, by this machine's clock", roughly(now.since_ms(*expires)))]
    Expired {
        /// Until when it was good.
        expires: Time,
        /// What time it is.
        now: Time,
    },
    /// A newer one was seen.
    #[error("it is of epoch {epoch}, and one of epoch {seen} was seen already")]
    Older {
        /// Its epoch.
        epoch: Epoch,
        /// Of the newest that was seen.
        seen: Epoch,
    },
}

fn roughly(ms: u64) -> String {
    match ms / 60_000 {
        minutes @ ..120 => format!("{minutes} min"),
        minutes @ ..2_880 => format!("{} h", minutes / 60),
        minutes => format!("{} days", minutes / 1_440),
    }
}

/// What a client knows of a network, and holds lists against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Who may sign; nobody: whoever the list itself names.
    pub keys: Vec<ListKey>,
    /// The epoch of the newest list that was believed.
    pub seen: Epoch,
}

impl Trust {
    /// Whether a list is to be believed at this time.
    pub fn check(&self, list: &SignedList, now: Time) -> Result<(), ListError> {
        let Seal { key, expires, .. } = &list.seal;
        if !is_authentic(list) {
            return Err(ListError::Tampered { key: *key });
        }
        let is_known = match self.keys.is_empty() {
            true => list.view.directories.iter().any(|server| server.key == Some(*key)),
            false => self.keys.contains(key),
        };
        if !is_known {
            return Err(ListError::Stranger { key: *key });
        }
        if list.view.epoch < self.seen {
            return Err(ListError::Older { epoch: list.view.epoch, seen: self.seen });
        }
        if *expires <= now {
            return Err(ListError::Expired { expires: *expires, now });
        }
        Ok(())
    }

    /// A list was believed: whom it names may sign the next.
    pub fn learn(&mut self, list: &SignedList) {
        let named: Vec<ListKey> = list.view.directories.iter().filter_map(|server| server.key).collect();
        if !named.is_empty() {
            self.keys = named;
        }
        self.seen = list.view.epoch;
    }
}

fn is_authentic(SignedList { view, seal }: &SignedList) -> bool {
    let signature = unhex::<64>(&seal.signature).map(Signature::new);
    let message = message(view, seal.issued, seal.expires);
    view.epoch == seal.epoch && signature.is_some_and(|signature| PublicKey::new(seal.key.0).verify(message, &signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{DirectoryServer, RingParams};
    use std::sync::Arc;

    fn signer(n: u8) -> ListSigner {
        ListSigner::new([n; 32])
    }

    /// Of this number, naming servers 1 and 2, signed by one and good from 1000 to 2000.
    fn list(number: u64, by: u8) -> SignedList {
        let directories = [1, 2].map(|n| DirectoryServer { address: format!("192.0.2.{n}:7400").into(), key: Some(signer(n).key()) });
        let view = View {
            epoch: Epoch { generation: 1, number },
            network: "net".into(),
            params: RingParams::default(),
            nodes: Vec::new(),
            directories: directories.into(),
        };
        let seal = signer(by).seal(&view, Time(1_000), Time(2_000));
        SignedList { view: Arc::new(view), seal }
    }

    fn check(trust: &Trust, list: &SignedList, now: u64) -> Result<(), String> {
        trust.check(list, Time(now)).map_err(|error| error.to_string())
    }

    #[test]
    fn lists_are_believed_or_refused_for_a_reason_of_their_own() {
        let (new, mut known) = (Trust::default(), Trust::default());
        known.learn(&list(5, 1));
        assert_eq!(known, Trust { keys: vec![signer(1).key(), signer(2).key()], seen: Epoch { generation: 1, number: 5 } });
        let (one, three) = (signer(1).key(), signer(3).key());
        for (trust, list, now, expect) in [
            (&new, list(5, 1), 1_500, None),
            (&known, list(5, 2), 1_999, None),
            (&known, list(6, 1), 1_500, None),
            (&new, list(5, 3), 1_500, Some(format!("it is signed by {three}, which is none of the directory servers known so far"))),
            (&known, list(5, 3), 1_500, Some(format!("it is signed by {three}, which is none of the directory servers known so far"))),
            (&known, list(4, 1), 1_500, Some("it is of epoch 1.4, and one of epoch 1.5 was seen already".into())),
            (&known, list(5, 1), 2_000 + 3 * 86_400_000, Some("it expired 3 days ago, by this machine's clock".into())),
        ] {
            assert_eq!(check(trust, &list, now).err(), expect);
        }
        let tampered = Some(format!("it was changed since directory key {one} signed it"));
        let changes: [fn(&mut SignedList); 5] = [
            |list| Arc::make_mut(&mut list.view).network = "other".into(),
            |list| list.seal.expires = Time(9_000),
            |list| list.seal.issued = Time(0),
            |list| list.seal.signature = "00".into(),
            |list| Arc::make_mut(&mut list.view).epoch.number = 7,
        ];
        for change in changes {
            let mut changed = list(5, 1);
            change(&mut changed);
            assert_eq!(check(&known, &changed, 1_500).err(), tampered);
        }
    }

    #[test]
    fn keys_are_text() {
        let key = signer(1).key();
        assert_eq!(key.to_string().parse(), Ok(key));
        for bad in ["", "zz", &key.to_string()[1..], &format!("{:>64}", "+1")] {
            assert_eq!(bad.parse::<ListKey>(), Err(BadKey));
        }
    }
}
