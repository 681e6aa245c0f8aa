//! A result and its two forms: a table for people, JSON for programs.
//!
//! Both are made from the same values in the same place, so that neither can know more than the other. On a terminal tables have frames; into a pipe they
//! go as plain columns.

use std::io::{IsTerminal, Write};

use serde_json::Value;
use tabled::builder::Builder;
use tabled::settings::Style;

/// In which form results are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs: one JSON value.
    Json,
}

/// A result.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    title: Option<String>,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    /// What stands below it.
    below: Vec<Sheet>,
    value: Value,
}

impl Sheet {
    /// Many things of a kind.
    pub fn table(head: &[&str], rows: Vec<Vec<String>>, value: Value) -> Sheet {
        Sheet { title: None, head: head.iter().map(|cell| cell.to_string()).collect(), rows, below: Vec::new(), value }
    }

    /// One thing and what is to be said of it.
    pub fn facts(rows: Vec<(&str, String)>, value: Value) -> Sheet {
        let rows = rows.into_iter().map(|(name, fact)| vec![name.into(), fact]).collect();
        Sheet { title: None, head: Vec::new(), rows, below: Vec::new(), value }
    }

    /// Puts a line above the table.
    pub fn titled(self, title: impl Into<String>) -> Sheet {
        Sheet { title: Some(title.into()), ..self }
    }

    /// Puts another value in the place of what was made from the rows.
    pub fn with_value(self, value: Value) -> Sheet {
        Sheet { value, ..self }
    }

    /// Puts another one below it, for people. For programs it stays as it was: its value has to hold what the other one says.
    pub fn above(mut self, other: Sheet) -> Sheet {
        self.below.push(other);
        self
    }

    /// As JSON.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// As a table, without a line break at the end. `framed`: for a terminal.
    pub fn text(&self, framed: bool) -> String {
        let mut builder = Builder::default();
        if !self.head.is_empty() {
            builder.push_record(&self.head);
        }
        for row in &self.rows {
            builder.push_record(row);
        }
        let mut table = builder.build();
        match (framed, self.head.is_empty()) {
            (true, true) => table.with(Style::rounded().remove_horizontals()),
            (true, false) => table.with(Style::rounded()),
            (false, _) => table.with(Style::empty()),
        };
        let table = table.to_string();
        // Without a frame columns keep one blank on either side; at the ends of a line nobody needs it.
        let bare = |line: &'_ str| line.strip_prefix(' ').unwrap_or(line).trim_end().to_string();
        let lines = table.lines().map(|line| if framed { line.to_string() } else { bare(line) });
        let below = self.below.iter().map(|sheet| sheet.text(framed));
        self.title.iter().cloned().chain(lines).chain(below).collect::<Vec<_>>().join("\n")
    }
}

impl Output {
    /// Writes to standard output. When nobody reads it any more, nothing is written.
    pub fn show(self, sheet: &Sheet) {
        let mut out = std::io::stdout().lock();
        let text = match self {
            Output::Table => sheet.text(out.is_terminal()),
            Output::Json => sheet.value.to_string(),
        };
        // A reader that went away (`| head`) is not an error.
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(sheet: &Sheet, framed: bool, expect: &[&str]) {
        assert_eq!(sheet.text(framed).lines().collect::<Vec<_>>(), expect);
    }

    #[test]
    fn tables() {
        let rows = vec![vec!["#erlang".into(), "3".into()], vec!["#a".into(), "12".into()]];
        let sheet = Sheet::table(&["group", "members"], rows, json!([]));
        check(&sheet, false, &["group    members", "#erlang  3", "#a       12"]);
        check(
            &sheet,
            true,
            &[
                "╭─────────┬─────────╮",
                "│ group   │ members │",
                "├─────────┼─────────┤",
                "│ #erlang │ 3       │",
                "│ #a      │ 12      │",
                "╰─────────┴─────────╯",
            ],
        );
        let facts = Sheet::facts(vec![("epoch", "1.4".into()), ("nodes", "2".into())], json!({}));
        check(&facts, false, &["epoch  1.4", "nodes  2"]);
        check(&facts.clone().above(sheet), false, &["epoch  1.4", "nodes  2", "group    members", "#erlang  3", "#a       12"]);
        check(&facts, true, &["╭───────┬─────╮", "│ epoch │ 1.4 │", "│ nodes │ 2   │", "╰───────┴─────╯"]);
    }
}
