//! Keys and tokens made here, for `chatctl token`.

use crate::jwt::{self, TOKEN_MAX};
use crate::keys::{Alg, BadFile, Keys, SHARED_MIN, is_kid};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_compact::{KeyPair, Seed};
use serde_json::json;
use std::path::Path;
use thiserror::Error;

/// What a token is to say.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Whose it is.
    pub name: &'a str,
    /// Which key of the file signs it; the only one where none is named.
    pub kid: Option<&'a str>,
    /// Who issues it.
    pub issuer: Option<&'a str>,
    /// For whom it is.
    pub audience: Option<&'a str>,
    /// From when on, in seconds since the Unix epoch.
    pub from_s: u64,
    /// For how long.
    pub for_s: u64,
}

/// Why there is no key or token.
#[derive(Debug, Error)]
pub enum MakeError {
    /// The key can't be called so.
    #[error("the name of a key has 1 to 64 letters, digits, `.`, `_` or `-`")]
    Kid,
    /// No account can be called so.
    #[error("an account's name has 1 to 64 bytes, no spaces, no `:`, and does not begin with `#`")]
    Name,
    /// The file is wrong.
    #[error("{0}")]
    File(#[from] BadFile),
    /// No key of the file is meant.
    #[error("{0}")]
    NoKey(String),
    /// The key is a public one.
    #[error("the key {0} only checks tokens: what it signs with is not in this file")]
    Public(String),
    /// What it says does not fit into one.
    #[error("this token would have {0} bytes; at most {TOKEN_MAX} are accepted")]
    TooLong(usize),
    /// This machine has no random source.
    #[error("no randomness: {0}")]
    Random(String),
}

/// A line for the file: a fresh key, without the line's end. Of EdDSA its last word signs, and the others only check.
pub fn key_line(kid: &str, alg: Alg) -> Result<String, MakeError> {
    if !is_kid(kid) {
        return Err(MakeError::Kid);
    }
    let mut random = [0; SHARED_MIN];
    getrandom::fill(&mut random).map_err(|error| MakeError::Random(error.to_string()))?;
    let encoded = URL_SAFE_NO_PAD.encode(random);
    Ok(match alg {
        Alg::Hs256 => format!("{kid} {alg} {encoded}"),
        Alg::EdDsa => {
            let pair = KeyPair::try_from_seed(Seed::new(random)).map_err(|error| MakeError::Random(error.to_string()))?;
            format!("{kid} {alg} {} {encoded}", URL_SAFE_NO_PAD.encode(*pair.pk))
        }
    })
}

/// A token, signed by a key of this file.
pub fn token(file: &Path, order: &Order<'_>) -> Result<String, MakeError> {
    sign(&Keys::read(file)?, order)
}

pub(crate) fn sign(keys: &Keys, order: &Order<'_>) -> Result<String, MakeError> {
    if !jwt::is_name(order.name) {
        return Err(MakeError::Name);
    }
    let found = match order.kid {
        Some(kid) => keys.find(kid).ok_or_else(|| format!("there is no key {kid} in the file")),
        None => keys.only().ok_or_else(|| format!("there are {} keys in the file: say which one is to sign", keys.len())),
    };
    let (kid, key) = found.map_err(MakeError::NoKey)?;
    let header = json!({ "alg": key.alg().name(), "kid": kid, "typ": "JWT" });
    let mut claims = json!({ "sub": order.name, "iat": order.from_s, "exp": order.from_s.saturating_add(order.for_s) });
    for (claim, value) in [("iss", order.issuer), ("aud", order.audience)] {
        if let Some(value) = value {
            claims[claim] = json!(value);
        }
    }
    let mut token = [header, claims].map(|json| URL_SAFE_NO_PAD.encode(json.to_string())).join(".");
    let signature = key.sign(token.as_bytes()).ok_or_else(|| MakeError::Public(kid.to_string()))?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    if token.len() > TOKEN_MAX {
        return Err(MakeError::TooLong(token.len()));
    }
    Ok(token)
}
