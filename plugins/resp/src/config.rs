//! The codec's settings: how much one client may send at once.

use crate::frame::Limits;

/// Settings, with their defaults.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// `frame_max` (a whole command), `bulk_max` (one argument), `args_max`.
    pub commands: Limits,
    /// `inline_max`: a command typed as a line.
    pub inline_max: usize,
}

/// Where sizes end: positions in a frame are kept in 32 bits.
const SIZE_MAX: usize = 64 << 20;

/// The line that announces a count or a length: a sign and as many digits as a number may need.
const HEAD_MAX: usize = 24;

impl Config {
    /// Reads the plugin's table. The error names the setting and what was expected.
    pub fn parse(text: &str) -> Result<Config, String> {
        let mut config = Config { commands: Limits { frame: 128 << 10, bulk: 64 << 10, args: 8192, line: HEAD_MAX }, inline_max: 4096 };
        let table: toml::Table = text.parse().map_err(|error| format!("resp: {error}"))?;
        for (key, value) in &table {
            let (place, least) = match key.as_str() {
                "frame_max" => (&mut config.commands.frame, 1024),
                "bulk_max" => (&mut config.commands.bulk, 512),
                "args_max" => (&mut config.commands.args, 16),
                "inline_max" => (&mut config.inline_max, 64),
                _ => {
                    return Err(format!("resp: unknown setting `{key}`; there are frame_max, bulk_max, args_max, inline_max"));
                }
            };
            *place = value
                .as_integer()
                .and_then(|size| usize::try_from(size).ok())
                .filter(|size| (least..=SIZE_MAX).contains(size))
                .ok_or_else(|| format!("resp: {key} = {value}: expected a whole number from {least} to {SIZE_MAX}"))?;
        }
        Ok(config)
    }
}
