//! Where machines that watch are answered: on this machine, or with a token.

use crate::check::{Check, place_of};
use crate::place::{ConfigError, Place, Placed};
use crate::{ADMIN_PORT, Admin, raw};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use toml::Spanned;

/// How long a token may be, in bytes.
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 16..=256;

impl Check {
    pub(crate) fn admin(&self, raw: Spanned<raw::Admin>) -> Result<Admin, ConfigError> {
        let place = place_of(&raw);
        let raw = raw.into_inner();
        let listen = match &raw.listen {
            Some(given) => self.bind_address(given, "admin.listen", Some(ADMIN_PORT))?,
            None => Placed::new(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ADMIN_PORT), place),
        };
        let token_file = raw.token_file.map(|file| Placed::from(file).map(|file| self.folder.join(file)));
        if let Some(file) = &token_file {
            read_token(file).map_err(|why| self.error(file.place(), format!("admin.token_file: {why}")))?;
        }
        let is_remote = raw.remote.as_ref().is_some_and(|remote| *remote.get_ref());
        self.admin_is_safe(&listen, raw.remote.as_ref().filter(|_| is_remote).map(place_of), token_file.is_some())?;
        Ok(Admin { listen, token_file })
    }

    /// Others than this machine are answered only where that is said, and only with a token.
    fn admin_is_safe(&self, listen: &Placed<SocketAddr>, remote: Option<Place>, has_token: bool) -> Result<(), ConfigError> {
        match remote {
            _ if listen.ip().is_loopback() => Ok(()),
            None => Err(self.error(
                listen.place(),
                format!("admin.listen: found {listen}, which is not a loopback address, expected remote = true and a token_file beside it"),
            )),
            Some(place) if !has_token => Err(self
                .error(place, "admin.remote: found true and no token_file, expected token_file = \"FILE\" with what others have to show")),
            Some(_) => Ok(()),
        }
    }
}

/// What whoever watches has to show: the one word in this file.
pub fn read_token(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{} can't be read: {error}", file.display()))?;
    let token = text.trim();
    let is_word = token.bytes().all(|byte| byte.is_ascii_graphic());
    match TOKEN_BYTES.contains(&token.len()) && is_word {
        true => Ok(token.to_string()),
        false => Err(format!(
            "found {} bytes in {}, expected one word of {} to {} (openssl rand -hex 32)",
            token.len(),
            file.display(),
            TOKEN_BYTES.start(),
            TOKEN_BYTES.end()
        )),
    }
}
