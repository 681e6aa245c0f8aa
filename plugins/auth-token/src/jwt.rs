//! Tokens: whose they are, if they are good.
//!
//! Nothing in a token is believed before its signature was checked, but which key that has to be by; and the key, not the token, says how.

use crate::keys::{Alg, Keys};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

/// A longer token is not looked at.
pub const TOKEN_MAX: usize = 8 << 10;

/// A longer account name is a mistake.
pub(crate) const NAME_MAX: usize = 64;

/// What tokens have to be, beside signed and of this time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Who has to have issued them (`iss`); anybody with a key where nobody is named.
    pub issuer: Option<String>,
    /// For whom they have to be (`aud`). Where that is not said, they have to be for nobody in particular.
    pub audience: Option<String>,
    /// How far the issuer's clock and ours may be apart.
    pub leeway_s: u64,
}

/// Why a token is not good. For the log; what the person hears is less, see [`Refusal::told`].
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs, reason = "each says what it is")]
pub enum Refusal {
    #[error("it has {0} bytes, more than {TOKEN_MAX}")]
    TooLong(usize),
    #[error("its header is not as it should be: {0}")]
    Header(String),
    #[error("it demands that its header's `crit` is understood")]
    Critical,
    #[error("it names no key, and there is not just one")]
    NoKid,
    #[error("it names the key {0:?}, which is not in the file")]
    UnknownKey(String),
    #[error("it says it is signed by {said:?}, and the key {kid} is for {is}")]
    OtherAlg { kid: String, said: String, is: Alg },
    #[error("its signature is not by the key {0}")]
    Signature(String),
    #[error("signed by {kid}: its claims are not as they should be: {why}")]
    Claims { kid: String, why: String },
    #[error("signed by {kid}: its `sub` is no name of an account: {sub:?}")]
    Subject { kid: String, sub: String },
    #[error("signed by {kid}: of {sub}, expired at {exp}")]
    Expired { kid: String, sub: String, exp: f64 },
    #[error("signed by {kid}: of {sub}, not before {claim} {from}")]
    Early { kid: String, sub: String, claim: &'static str, from: f64 },
    #[error("signed by {kid}: of {sub}, issued by {issuer:?}, expected {expected:?}")]
    Issuer { kid: String, sub: String, issuer: String, expected: String },
    #[error("signed by {kid}: of {sub}, for {audience:?}, expected {expected:?}")]
    Audience { kid: String, sub: String, audience: Vec<String>, expected: Vec<String> },
    #[error("signed by {kid}: of {sub}, shown by someone who wants to be {name:?}")]
    OtherName { kid: String, sub: String, name: String },
}

/// What is shown to people of a token that is over.
pub(crate) const EXPIRED: &str = "this token has expired";
/// … whose time has not come.
pub(crate) const EARLY: &str = "this token is not valid yet";
/// … that is wrong in any other way.
pub(crate) const NOT_ACCEPTED: &str = "this token is not accepted";

impl Refusal {
    /// What the person hears.
    pub fn told(&self) -> &'static str {
        match self {
            Refusal::Expired { .. } => EXPIRED,
            Refusal::Early { .. } => EARLY,
            _ => NOT_ACCEPTED,
        }
    }

    /// Whether the token was signed by one of the keys; anybody can make one that was not.
    pub fn is_of_a_signed_one(&self) -> bool {
        use Refusal::{Critical, Header, NoKid, OtherAlg, Signature, TooLong, UnknownKey};
        !matches!(self, TooLong(_) | Header(_) | Critical | NoKid | UnknownKey(_) | OtherAlg { .. } | Signature(_))
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    iss: Option<String>,
    #[serde(default, deserialize_with = "one_or_many")]
    aud: Vec<String>,
}

/// Whether this has the form of a token: three words of base64url with dots between them, and the first one is a header.
pub fn is_one(secret: &[u8]) -> bool {
    let Some([header, ..]) = words(secret) else { return false };
    // What can't be looked at has to be taken by its first letter, in which every header has its brace.
    if secret.len() > TOKEN_MAX {
        return header.starts_with('e');
    }
    #[derive(Deserialize)]
    struct Any {
        #[serde(rename = "alg")]
        _alg: IgnoredAny,
    }
    decode(header).is_some_and(|header| serde_json::from_slice::<Any>(&header).is_ok())
}

/// Whose token this is at the time `now_ms`, in milliseconds since the Unix epoch. `name` is who they say they are, or empty.
pub fn open(secret: &[u8], name: &str, keys: &Keys, rules: &Rules, now_ms: u64) -> Result<String, Refusal> {
    if secret.len() > TOKEN_MAX {
        return Err(Refusal::TooLong(secret.len()));
    }
    let Some([header, claims, signature]) = words(secret) else {
        return Err(Refusal::Header("three words of base64url are expected".into()));
    };
    let signed = &secret[..header.len() + 1 + claims.len()];
    let header = decode(header).ok_or_else(|| Refusal::Header("not base64url".into()))?;
    let header: Header = serde_json::from_slice(&header).map_err(|error| Refusal::Header(error.to_string()))?;
    if header.crit.is_some() {
        return Err(Refusal::Critical);
    }
    let (kid, key) = match &header.kid {
        Some(kid) => keys.find(kid).ok_or_else(|| Refusal::UnknownKey(shortened(kid)))?,
        None => keys.only().ok_or(Refusal::NoKid)?,
    };
    if header.alg != key.alg().name() {
        return Err(Refusal::OtherAlg { kid: kid.into(), said: shortened(&header.alg), is: key.alg() });
    }
    if !decode(signature).is_some_and(|signature| key.has_signed(signed, &signature)) {
        return Err(Refusal::Signature(kid.into()));
    }
    let bad = |why| Refusal::Claims { kid: kid.into(), why };
    let claims = decode(claims).ok_or_else(|| bad("not base64url".into()))?;
    let claims: Claims = serde_json::from_slice(&claims).map_err(|error| bad(error.to_string()))?;
    claims.judge(kid, name, rules, now_ms)
}

impl Claims {
    /// Of a token that was signed by one of the keys.
    fn judge(self, kid: &str, name: &str, rules: &Rules, now_ms: u64) -> Result<String, Refusal> {
        let (kid, sub) = (kid.to_string(), self.sub);
        if !is_name(&sub) {
            return Err(Refusal::Subject { kid, sub: shortened(&sub) });
        }
        // Seconds: 52 bits of them are enough for all time, and for its thousandths.
        let (now, leeway) = (now_ms as f64 / 1000.0, rules.leeway_s as f64);
        if now >= self.exp + leeway {
            return Err(Refusal::Expired { kid, sub, exp: self.exp });
        }
        let begins = [("nbf", self.nbf), ("iat", self.iat)].into_iter().filter_map(|(claim, from)| Some((claim, from?)));
        if let Some((claim, from)) = begins.into_iter().find(|(_, from)| now < from - leeway) {
            return Err(Refusal::Early { kid, sub, claim, from });
        }
        let issuer = self.iss.unwrap_or_default();
        if let Some(expected) = rules.issuer.as_ref().filter(|expected| **expected != issuer) {
            return Err(Refusal::Issuer { kid, sub, issuer: shortened(&issuer), expected: expected.clone() });
        }
        let is_for_us = match &rules.audience {
            Some(audience) => self.aud.contains(audience),
            None => self.aud.is_empty(),
        };
        if !is_for_us {
            let audience = self.aud.iter().take(4).map(|one| shortened(one)).collect();
            return Err(Refusal::Audience { kid, sub, audience, expected: rules.audience.iter().cloned().collect() });
        }
        if !name.is_empty() && !name.eq_ignore_ascii_case(&sub) {
            return Err(Refusal::OtherName { kid, sub, name: shortened(name) });
        }
        Ok(sub)
    }
}

/// The three words, if these are three, and the first two are not empty.
fn words(secret: &[u8]) -> Option<[&str; 3]> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let text = secret.iter().all(is_word).then(|| str::from_utf8(secret).ok())??;
    let mut words = text.split('.');
    let three = [words.next()?, words.next()?, words.next()?];
    (words.next().is_none() && !three[0].is_empty() && !three[1].is_empty()).then_some(three)
}

fn decode(word: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(word).ok()
}

/// Whether an account may be called so.
pub(crate) fn is_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || c == ':';
    !name.is_empty() && name.len() <= NAME_MAX && !name.starts_with('#') && !name.contains(forbidden)
}

/// For the log, in which a line is not to be as long as a token.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A string, or an array of them.
fn one_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Some {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Some::deserialize(from)? {
        Some::One(one) => vec![one],
        Some::Many(many) => many,
    })
}
