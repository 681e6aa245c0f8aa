//! The text that Prometheus reads: families of samples, each with what it means and of what type it is.

use chatring_reactor::Spans;
use std::collections::BTreeSet;
use std::fmt::Write;

/// What its values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only grows, until the process is started anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many were no larger than each of some bounds.
    Histogram,
}

impl Type {
    pub fn as_str(self) -> &'static str {
        match self {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        }
    }
}

/// The content type of what [`Page::into_text`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Labels and their values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// A page in the making.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    names: BTreeSet<String>,
}

/// A family in the making. It is on the page from its first sample on.
pub struct Family<'p> {
    page: &'p mut Page,
    name: &'p str,
    kind: Type,
    help: &'p str,
    has_begun: bool,
}

impl Page {
    /// Begins a family. `None` where there is one of this name already.
    pub fn family<'p>(&'p mut self, name: &'p str, kind: Type, help: &'p str) -> Option<Family<'p>> {
        let has_begun = false;
        self.names.insert(name.to_string()).then_some(Family { page: self, name, kind, help, has_begun })
    }

    pub fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// One value.
    pub fn sample(&mut self, labels: Labels<'_>, value: f64) {
        self.begin();
        line(&mut self.page.text, self.name, "", labels, None, value);
    }

    /// A whole histogram.
    pub fn spans(&mut self, labels: Labels<'_>, spans: &Spans) {
        self.begin();
        let text = &mut self.page.text;
        for (bound, count) in spans.buckets() {
            line(text, self.name, "_bucket", labels, Some(&bound.to_string()), count as f64);
        }
        line(text, self.name, "_bucket", labels, Some("+Inf"), spans.count() as f64);
        line(text, self.name, "_sum", labels, None, spans.seconds());
        line(text, self.name, "_count", labels, None, spans.count() as f64);
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.has_begun, true) {
            let (name, kind) = (self.name, self.kind.as_str());
            let help = self.help.replace('\\', r"\\").replace('\n', r"\n");
            put(&mut self.page.text, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        }
    }
}

fn line(text: &mut String, name: &str, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: f64) {
    put(text, format_args!("{name}{suffix}"));
    let all = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
    for (ix, (label, value)) in all.clone().enumerate() {
        let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
        put(text, format_args!("{}{label}=\"{value}\"", if ix == 0 { '{' } else { ',' }));
    }
    put(text, format_args!("{} {value}\n", if all.count() > 0 { "}" } else { "" }));
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut page = Page::default();
        let mut family = page.family("a_total", Type::Counter, "What\nis \\ it").unwrap();
        family.sample(&[], 3.0);
        family.sample(&[("of", "a \"b\"\n\\"), ("in", "ö")], 0.25);
        let mut spans = Spans::default();
        spans.note(Duration::from_millis(3));
        page.family("b_seconds", Type::Histogram, "How long").unwrap().spans(&[("x", "y")], &spans);
        assert!(page.family("never", Type::Gauge, "Without samples it is not there").is_some());
        assert!(page.family("a_total", Type::Gauge, "Once is enough").is_none());
        let expect = r#"# HELP a_total What\nis \\ it
# TYPE a_total counter
a_total 3
a_total{of="a \"b\"\n\\",in="ö"} 0.25
# HELP b_seconds How long
# TYPE b_seconds histogram
b_seconds_bucket{x="y",le="0.0001"} 0
b_seconds_bucket{x="y",le="0.0005"} 0
b_seconds_bucket{x="y",le="0.002"} 0
b_seconds_bucket{x="y",le="0.01"} 1
b_seconds_bucket{x="y",le="0.05"} 1
b_seconds_bucket{x="y",le="0.25"} 1
b_seconds_bucket{x="y",le="1"} 1
b_seconds_bucket{x="y",le="5"} 1
b_seconds_bucket{x="y",le="+Inf"} 1
b_seconds_sum{x="y"} 0.003
b_seconds_count{x="y"} 1
"#;
        assert_eq!(page.into_text(), expect);
    }
}
