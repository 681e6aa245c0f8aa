//! The codec's one setting: how long a line may be.

/// Settings, with their defaults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// Bytes of a line before its end.
    pub line_max: usize,
}

/// The longest text there is fits, however a program escapes it, in a line of 128 KiB. More than that needs nobody.
const LINE_MAX: std::ops::RangeInclusive<usize> = 1024..=256 << 10;

impl Config {
    /// Reads the plugin's table. The error names the setting and what was expected.
    pub fn parse(text: &str) -> Result<Config, String> {
        let mut config = Config { line_max: 64 << 10 };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| format!("json: {}", error.to_string().trim_end()))?;
        for (key, value) in &table {
            if key != "line_max" {
                return Err(format!("json: unknown setting `{key}`; there is line_max"));
            }
            let size = value.as_integer().and_then(|size| usize::try_from(size).ok()).filter(|size| LINE_MAX.contains(size));
            let expected = || format!("json: line_max = {value}: expected a whole number from {} to {}", LINE_MAX.start(), LINE_MAX.end());
            config.line_max = size.ok_or_else(expected)?;
        }
        Ok(config)
    }
}
