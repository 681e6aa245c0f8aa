//! The keys of one reading of the file.
//!
//! ```text
//! # kid  algorithm  key, in base64url      what it signs with, where tokens are made
//! 2026a  EdDSA      11qYAYKxCrfVS_7TyWQ…   nWGxne_9WmC6hEr0kuw…
//! shop   HS256      AyM1SysPpbyDfgZld3u…
//! ```
//!
//! Invariant: a key is for one algorithm, and nothing that anyone sends can make it be used for another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_compact::{KeyPair, PublicKey, Seed, Signature};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use thiserror::Error;

/// A longer name of a key is a mistake.
pub const KID_MAX: usize = 64;

/// Fewer bytes than the hash has can be guessed more easily than that.
pub(crate) const SHARED_MIN: usize = 32;

/// More than anyone needs.
const SHARED_MAX: usize = 1024;

/// A larger file is not read: thousands of keys fit.
const FILE_MAX: u64 = 1 << 20;

/// How tokens are signed. There are many ways; these are all that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alg {
    /// Ed25519: who checks tokens can't make any.
    EdDsa,
    /// HMAC with SHA-256: who checks tokens can make them, too.
    Hs256,
}

impl Alg {
    /// Both.
    pub const ALL: [Alg; 2] = [Alg::EdDsa, Alg::Hs256];

    /// Its name in tokens and in the file.
    pub fn name(self) -> &'static str {
        match self {
            Alg::EdDsa => "EdDSA",
            Alg::Hs256 => "HS256",
        }
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Everything in the file, by kid.
#[derive(Default)]
pub struct Keys(BTreeMap<String, Key>);

/// One key. It has no Debug: it is nobody's business.
pub struct Key(Kind);

enum Kind {
    /// With what it signs, where that is known.
    EdDsa(PublicKey, Option<Box<KeyPair>>),
    Hs256(Box<[u8]>),
}

/// What is wrong with a file: with the whole of it, or with a line.
#[derive(Debug, Error)]
pub enum BadFile {
    /// It can't be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no file of keys.
    #[error("{}: larger than {FILE_MAX} bytes", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// A line of it is wrong.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// Of which.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What it is.
        what: &'static str,
    },
}

impl Keys {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Keys, BadFile> {
        let unreadable = |source| BadFile::Unreadable { path: path.to_path_buf(), source };
        let mut text = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(FILE_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
        if text.len() as u64 > FILE_MAX {
            return Err(BadFile::TooLarge { path: path.to_path_buf() });
        }
        Keys::parse(&text).map_err(|(line, what)| BadFile::Line { path: path.to_path_buf(), line, what })
    }

    /// On a mistake, the line's number and what it is.
    pub fn parse(text: &[u8]) -> Result<Keys, (usize, &'static str)> {
        let mut found = BTreeMap::new();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let line = std::str::from_utf8(line).map_err(|_| (number, "not UTF-8"))?.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (kid, key) = key(line).map_err(|what| (number, what))?;
            if found.insert(kid, key).is_some() {
                return Err((number, "a key of this name stands in the file already"));
            }
        }
        Ok(Keys(found))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none: then nobody gets in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key called so.
    pub fn find(&self, kid: &str) -> Option<(&str, &Key)> {
        self.0.get_key_value(kid).map(|(kid, key)| (kid.as_str(), key))
    }

    /// The key, if there is just one.
    pub fn only(&self) -> Option<(&str, &Key)> {
        let (kid, key) = self.0.first_key_value()?;
        (self.0.len() == 1).then_some((kid.as_str(), key))
    }
}

impl Key {
    /// What it is for.
    pub fn alg(&self) -> Alg {
        match self.0 {
            Kind::EdDsa(..) => Alg::EdDsa,
            Kind::Hs256(_) => Alg::Hs256,
        }
    }

    /// Whether this is its signature of the message. How long it takes says nothing of where another one differs.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Kind::EdDsa(public, _) => Signature::from_slice(signature).is_ok_and(|signature| public.verify(message, &signature).is_ok()),
            Kind::Hs256(shared) => mac(shared, message).verify_slice(signature).is_ok(),
        }
    }

    /// Its signature of the message; `None` where it can only check.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.0 {
            Kind::EdDsa(_, pair) => Some(pair.as_ref()?.sk.sign(message, None).to_vec()),
            Kind::Hs256(shared) => Some(mac(shared, message).finalize().into_bytes().to_vec()),
        }
    }
}

fn mac(shared: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(shared).expect("HMAC takes a key of any length");
    mac.update(message);
    mac
}

fn key(line: &str) -> Result<(String, Key), &'static str> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (kid, alg, key, pair) = match words[..] {
        [kid, alg, key] => (kid, alg, key, None),
        [kid, alg, key, pair] => (kid, alg, key, Some(pair)),
        _ => return Err("expected kid, algorithm, key"),
    };
    if !is_kid(kid) {
        return Err("the name of a key has 1 to 64 letters, digits, `.`, `_` or `-`");
    }
    let alg = Alg::ALL.into_iter().find(|known| known.name() == alg).ok_or("the algorithm is neither EdDSA nor HS256")?;
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| "the key is not in base64url");
    let key = bytes(key)?;
    let kind = match (alg, pair) {
        (Alg::EdDsa, pair) => {
            let public = PublicKey::from_slice(&key).map_err(|_| "a public key of Ed25519 has 32 bytes")?;
            public.validate().map_err(|_| "this is no public key of Ed25519")?;
            let pair = pair.map(|seed| pair_of(&bytes(seed)?, &public)).transpose()?;
            Kind::EdDsa(public, pair.map(Box::new))
        }
        (Alg::Hs256, Some(_)) => return Err("a key for HS256 has no second half"),
        (Alg::Hs256, None) if !(SHARED_MIN..=SHARED_MAX).contains(&key.len()) => return Err("a key for HS256 has 32 to 1024 bytes"),
        (Alg::Hs256, None) => Kind::Hs256(key.into()),
    };
    Ok((kid.to_string(), Key(kind)))
}

fn pair_of(seed: &[u8], public: &PublicKey) -> Result<KeyPair, &'static str> {
    let seed = Seed::from_slice(seed).map_err(|_| "a private key of Ed25519 has 32 bytes")?;
    let pair = KeyPair::try_from_seed(seed).map_err(|_| "this is no private key of Ed25519")?;
    if pair.pk == *public { Ok(pair) } else { Err("the private key does not belong to the public one") }
}

/// Whether a key may be called so.
pub(crate) fn is_kid(kid: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=KID_MAX).contains(&kid.len()) && kid.bytes().all(allowed)
}

/// What a file looks like from outside; another look means another content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    changed: SystemTime,
    len: u64,
}

impl Stamp {
    /// `None` while there is no such file.
    pub fn of(path: &Path) -> Option<Stamp> {
        let seen = fs::metadata(path).ok()?;
        Some(Stamp { changed: seen.modified().ok()?, len: seen.len() })
    }
}
