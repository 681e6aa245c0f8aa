//! A result and its forms: a table for people; JSON, CSV and plain columns for programs.
//!
//! All are made from the same values in the same place, so that none can know more than another. On a terminal tables have frames; into a pipe they
//! go as plain columns.

use std::io::{IsTerminal, Write};

use serde_json::{Map, Value};
use tabled::builder::Builder;
use tabled::settings::Style;

use crate::Failure;
use crate::text::clean;

/// In which form results are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Table,
    /// One JSON value, with all there is
    Json,
    /// One JSON object for each row, on a line of its own
    Jsonl,
    /// Comma-separated values (RFC 4180)
    Csv,
    /// Separated by tabs, for cut and awk
    Plain,
}

impl Output {
    /// Whether errors go as JSON, too.
    pub fn is_json(self) -> bool {
        matches!(self, Output::Json | Output::Jsonl)
    }
}

/// In which form results are wanted, and how much of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The form.
    pub output: Output,
    /// These columns, in this order; all, where none is named.
    pub columns: Vec<String>,
    /// With the names of columns.
    pub header: bool,
}

impl Default for Form {
    fn default() -> Form {
        Form::of(Output::default())
    }
}

/// A result: rows, and what each column of them is called.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    title: Option<String>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// One thing: its only row is shown from top to bottom.
    upright: bool,
    /// A text to be copied or piped: without a frame on terminals, too.
    bare: bool,
    /// What stands below it, for people.
    below: Vec<Sheet>,
    value: Value,
}

/// `shown`: whether people see it without asking.
#[derive(Clone, Debug, PartialEq)]
struct Column {
    name: String,
    head: String,
    shown: bool,
}

/// For people, as far as they see it without asking; for programs, all of it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    cells: Vec<String>,
    record: Map<String, Value>,
}

impl Sheet {
    /// Many things of a kind: names and headings of columns; what people see in each row; what programs get, by the same names.
    pub fn table(columns: &[(&str, &str)], rows: Vec<Vec<String>>, records: Vec<Value>) -> Sheet {
        let column = |(name, head): &(&str, &str)| Column { name: name.to_string(), head: head.to_string(), shown: true };
        let object = |record: &Value| record.as_object().cloned().unwrap_or_default();
        let mut objects = records.iter().map(object);
        let rows = rows.into_iter().map(|cells| Row { cells, record: objects.next().unwrap_or_default() }).collect();
        let columns = columns.iter().map(column).collect();
        Sheet { title: None, columns, rows, upright: false, bare: false, below: Vec::new(), value: Value::Array(records) }
    }

    /// One thing and what is to be said of it. A fact goes by the name of the value that is called like it.
    pub fn facts(facts: Vec<(&str, String)>, value: Value) -> Sheet {
        let record = value.as_object().cloned().unwrap_or_default();
        let (heads, cells): (Vec<&str>, Vec<String>) = facts.into_iter().unzip();
        let column = |head: &&str| Column { name: name_of(head), head: head.to_string(), shown: true };
        let columns = heads.iter().map(column).collect();
        let further: Vec<String> = record.keys().filter(|key| heads.iter().all(|head| name_of(head) != **key)).cloned().collect();
        let rows = vec![Row { cells, record }];
        let sheet = Sheet { title: None, columns, rows, upright: true, bare: false, below: Vec::new(), value };
        sheet.also(&further.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// A single text, which people and pipes get bare.
    pub fn text_only(name: &str, text: &str) -> Sheet {
        let value = Value::Object([(name.to_string(), Value::from(text))].into_iter().collect());
        let sheet = Sheet::table(&[(name, "")], vec![vec![text.to_string()]], vec![value.clone()]);
        Sheet { bare: true, ..sheet.with_value(value) }
    }

    /// Names what programs get besides, and people where they ask for it.
    pub fn also(mut self, names: &[&str]) -> Sheet {
        self.columns.extend(names.iter().map(|name| Column { name: name.to_string(), head: name.to_string(), shown: false }));
        self
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

    /// As a table with all that people see without asking, without a line break at the end. `framed`: for a terminal.
    pub fn text(&self, framed: bool) -> String {
        self.shown(true, framed)
    }

    fn shown(&self, header: bool, framed: bool) -> String {
        let shown: Vec<&Column> = self.columns.iter().filter(|column| column.shown).collect();
        let lines = self.lines(&shown, header, framed);
        let below = self.below.iter().map(|sheet| sheet.shown(header, framed));
        self.title.iter().filter(|_| header).cloned().chain(lines).chain(below).collect::<Vec<_>>().join("\n")
    }

    /// The table of some columns.
    fn lines(&self, columns: &[&Column], header: bool, framed: bool) -> Vec<String> {
        let framed = framed && !self.bare;
        let mut builder = Builder::default();
        let headed = header && !self.upright && columns.iter().any(|column| !column.head.is_empty());
        if headed {
            builder.push_record(columns.iter().map(|column| &column.head));
        }
        for row in &self.rows {
            let cells = columns.iter().map(|column| self.cell(row, column));
            if self.upright {
                columns.iter().zip(cells).for_each(|(column, cell)| builder.push_record([column.head.clone(), cell]));
            } else {
                builder.push_record(cells);
            }
        }
        let mut table = builder.build();
        match (framed, headed) {
            (true, true) => table.with(Style::rounded()),
            (true, false) => table.with(Style::rounded().remove_horizontals()),
            (false, _) => table.with(Style::empty()),
        };
        // Without a frame columns keep one blank on either side; at the ends of a line nobody needs it.
        let bare = |line: &'_ str| line.strip_prefix(' ').unwrap_or(line).trim_end().to_string();
        table.to_string().lines().map(|line| if framed { line.to_string() } else { bare(line) }).collect()
    }

    /// What people see of it.
    fn cell(&self, row: &Row, column: &Column) -> String {
        let at = self.columns.iter().position(|other| other == column).unwrap_or(usize::MAX);
        row.cells.get(at).filter(|_| column.shown).cloned().unwrap_or_else(|| word(row.record.get(&column.name)))
    }

    /// What programs can name: columns that there is a value of, or that stand without any.
    fn named(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !self.upright || self.rows.iter().any(|row| row.record.contains_key(&column.name)))
    }

    fn chosen(&self, names: &[String]) -> Result<Vec<&Column>, Failure> {
        let find = |name: &String| {
            self.named().find(|column| column.name == *name).ok_or_else(|| {
                let known: Vec<&str> = self.named().map(|column| &*column.name).collect();
                Failure::usage(format!("there is no column '{}'", clean(name))).advise(format!("There are {}.", known.join(", ")))
            })
        };
        names.iter().map(find).collect()
    }
}

impl Form {
    /// All of it in this form.
    pub fn of(output: Output) -> Form {
        Form { output, columns: Vec::new(), header: true }
    }

    /// Writes to standard output. When nobody reads it any more, nothing is written. Fails where a column is wanted that is not there.
    pub fn show(&self, sheet: &Sheet) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        let text = self.text(sheet, out.is_terminal())?;
        // A reader that went away (`| head`) is not an error.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        Ok(())
    }

    /// As text, with the end of its last line.
    pub fn text(&self, sheet: &Sheet, framed: bool) -> Result<String, Failure> {
        let columns: Vec<&Column> = match self.columns.as_slice() {
            [] => sheet.named().collect(),
            names => sheet.chosen(names)?,
        };
        let heads = || self.header.then(|| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>());
        let words = |row: &Row| columns.iter().map(|column| word(row.record.get(&column.name))).collect();
        let lines = || heads().into_iter().chain(sheet.rows.iter().map(words));
        Ok(match self.output {
            Output::Table if self.columns.is_empty() => sheet.shown(self.header, framed) + "\n",
            Output::Table => sheet.lines(&columns, self.header, framed).join("\n") + "\n",
            Output::Json if self.columns.is_empty() => format!("{}\n", sheet.value),
            Output::Json if sheet.upright => sheet.rows.iter().map(|row| format!("{}\n", record(row, &columns))).collect(),
            Output::Json => format!("{}\n", sheet.rows.iter().map(|row| record(row, &columns)).collect::<Value>()),
            Output::Jsonl => sheet.rows.iter().map(|row| format!("{}\n", record(row, &columns))).collect(),
            Output::Csv => lines().map(|cells| csv(&cells)).collect(),
            Output::Plain => lines().map(|cells| cells.join("\t") + "\n").collect(),
        })
    }
}

/// What a program calls what people read so: `super nodes` is `super_nodes`, `created (UTC)` is `created`.
fn name_of(head: &str) -> String {
    head.split(" (").next().unwrap_or_default().replace(' ', "_")
}

fn record(row: &Row, columns: &[&Column]) -> Value {
    let value = |column: &&Column| (column.name.clone(), row.record.get(&column.name).cloned().unwrap_or_default());
    Value::Object(columns.iter().map(value).collect())
}

/// A value in one cell. Several are separated by blanks; what is more than that is JSON.
fn word(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => clean(text),
        Some(Value::Array(values)) if values.iter().all(|value| !value.is_array() && !value.is_object()) => {
            values.iter().map(|value| word(Some(value))).collect::<Vec<_>>().join(" ")
        }
        Some(value) => clean(&value.to_string()),
    }
}

/// A line of RFC 4180.
fn csv(cells: &[String]) -> String {
    let quoted = |cell: &String| {
        // No cell has a line break: `clean` was there before. Blanks at the ends are kept by few readers.
        let needs = cell.contains([',', '"']) || cell.starts_with(' ') || cell.ends_with(' ') || (cell.is_empty() && cells.len() == 1);
        if needs { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.clone() }
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n"
}

/// Whether a terminal may be written to in colours: not where <https://no-color.org> is asked for.
pub fn may_colour(terminal: &impl IsTerminal) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    terminal.is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(sheet: &Sheet, framed: bool, expect: &[&str]) {
        assert_eq!(sheet.text(framed).lines().collect::<Vec<_>>(), expect);
    }

    fn groups() -> Sheet {
        let rows = vec![vec!["#erlang".into(), "3".into()], vec!["#a".into(), "12".into()]];
        let records = vec![
            json!({"group": "#erlang", "members": 3, "copies": ["a", "b"], "topic": {"by": "joe"}}),
            json!({"group": "#a, \"b\"\t", "members": 12, "copies": [], "topic": null}),
        ];
        Sheet::table(&[("group", "group"), ("members", "members")], rows, records).also(&["copies", "topic"]).titled("two")
    }

    fn facts() -> Sheet {
        let value = json!({"epoch": "1.4", "created": 86_400_000, "super_nodes": 2, "hidden": true});
        Sheet::facts(
            vec![("epoch", "1.4".into()), ("super nodes", "2".into()), ("created (UTC)", "1970".into()), ("place", "9".into())],
            value,
        )
    }

    #[test]
    fn tables() {
        check(&groups(), false, &["two", "group    members", "#erlang  3", "#a       12"]);
        check(
            &groups(),
            true,
            &[
                "two",
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
        check(&facts.clone().above(groups()), false, &["epoch  1.4", "nodes  2", "two", "group    members", "#erlang  3", "#a       12"]);
        check(&facts, true, &["╭───────┬─────╮", "│ epoch │ 1.4 │", "│ nodes │ 2   │", "╰───────┴─────╯"]);
        check(&Sheet::text_only("token", "abc"), true, &["abc"]);
    }

    #[track_caller]
    fn check_form(sheet: &Sheet, output: Output, columns: &[&str], header: bool, expect: &str) {
        let form = Form { output, columns: columns.iter().map(|name| name.to_string()).collect(), header };
        assert_eq!(form.text(sheet, false).unwrap(), expect);
    }

    #[test]
    fn forms_for_programs() {
        use Output::*;
        let lines = "{\"copies\":[\"a\",\"b\"],\"group\":\"#erlang\",\"members\":3,\"topic\":{\"by\":\"joe\"}}\n\
                     {\"copies\":[],\"group\":\"#a, \\\"b\\\"\\t\",\"members\":12,\"topic\":null}\n";
        check_form(&groups(), Jsonl, &[], true, lines);
        check_form(&groups(), Json, &[], true, &format!("[{}]\n", lines.trim_end().replace('\n', ",")));
        check_form(&groups(), Json, &["members"], true, "[{\"members\":3},{\"members\":12}]\n");
        let csv = "group,members,copies,topic\r\n#erlang,3,a b,\"{\"\"by\"\":\"\"joe\"\"}\"\r\n\"#a, \"\"b\"\"·\",12,,\r\n";
        check_form(&groups(), Csv, &[], true, csv);
        check_form(&groups(), Csv, &["members", "group"], false, "3,#erlang\r\n12,\"#a, \"\"b\"\"·\"\r\n");
        check_form(&groups(), Csv, &["copies"], false, "a b\r\n\"\"\r\n");
        check_form(&groups(), Plain, &["group", "copies", "members"], true, "group\tcopies\tmembers\n#erlang\ta b\t3\n#a, \"b\"·\t\t12\n");
        check_form(&groups(), Table, &["members", "copies"], true, "members  copies\n3        a b\n12\n");
        check_form(&groups(), Table, &[], false, "#erlang  3\n#a       12\n");

        check_form(&facts(), Json, &["epoch", "hidden"], true, "{\"epoch\":\"1.4\",\"hidden\":true}\n");
        check_form(&facts(), Plain, &[], true, "epoch\tsuper_nodes\tcreated\thidden\n1.4\t2\t86400000\ttrue\n");
        check_form(&facts(), Table, &["created", "hidden"], true, "created (UTC)  1970\nhidden         true\n");
        let empty = Sheet::table(&[("group", "group")], Vec::new(), Vec::new()).also(&["topic"]);
        check_form(&empty, Csv, &[], true, "group,topic\r\n");
        check_form(&empty, Jsonl, &[], true, "");
        check_form(&Sheet::text_only("token", "abc"), Json, &[], true, "{\"token\":\"abc\"}\n");
        check_form(&Sheet::text_only("token", "abc"), Plain, &[], false, "abc\n");
    }

    #[test]
    fn an_unknown_column_is_told_which_there_are() {
        for output in [Output::Table, Output::Json, Output::Csv] {
            let failure = Form { columns: vec!["group".into(), "size".into()], ..Form::of(output) }.text(&groups(), false).unwrap_err();
            assert_eq!(failure, Failure::usage("there is no column 'size'").advise("There are group, members, copies, topic."));
        }
        // A fact that only people see can't be named.
        assert!(Form { columns: vec!["place".into()], ..Form::default() }.text(&facts(), false).is_err());
    }
}
