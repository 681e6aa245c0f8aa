//! Settings as plain as they can be: lines of `key = "text"`. Where they become more, read them with the crate `toml`.

/// The text of the one setting there is; empty if it is not given. Says what is wrong with anything else.
pub fn read(config: &str, known: &str) -> Result<String, String> {
    let mut found = String::new();
    for line in config.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) = line.split_once('=').ok_or_else(|| format!("`{line}` is no setting: write {known} = \"text\""))?;
        if key.trim() != known {
            return Err(format!("unknown setting `{}`; there is {known}", key.trim()));
        }
        let value = value.trim();
        let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        found = quoted.ok_or_else(|| format!("{known} = {value}: write a text in quotes"))?.to_string();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn settings_are_read_or_refused() {
        assert_eq!(read("", "word"), Ok(String::new()));
        assert_eq!(read("# a comment\nword = \"darn\"\n", "word"), Ok("darn".into()));
        assert_eq!(read("word = 'darn'", "word"), Ok("darn".into()));
        assert_eq!(read("wort = 'darn'", "word"), Err("unknown setting `wort`; there is word".into()));
        assert!(read("word", "word").is_err() && read("word = 1", "word").is_err());
    }
}
