//! A machine that watches: a few lines of HTTP, and a reader of what Prometheus reads that takes nothing that is not in order.

use super::{PATIENCE, read_to_end, soon, within};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Sends these bytes and hears what is answered, until the other end closes.
#[track_caller]
pub fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // Who is refused may be told so before all is sent.
    let _ = stream.write_all(request.as_bytes());
    hear(&mut stream)
}

#[track_caller]
pub fn hear(stream: &mut TcpStream) -> Answer {
    let text = String::from_utf8(read_to_end(stream)).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
    let (line, head) = head.split_once("\r\n").unwrap();
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3)).and_then(|status| status.parse().ok());
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    assert!(body.is_empty() || length == body.len().to_string(), "{length} bytes of {body:?}");
    assert!(head.contains("Connection: close"), "{head}");
    Answer { status: status.unwrap_or_else(|| panic!("{line:?}")), head: head.to_string(), body: body.to_string() }
}

#[track_caller]
pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"))
}

/// What `/healthz` or `/readyz` says, and whether that is good.
#[track_caller]
pub fn verdict(address: SocketAddr, path: &str) -> (bool, Json) {
    let answer = get(address, path);
    assert!(matches!(answer.status, 200 | 503) && answer.head.contains("application/json"), "{answer:?}");
    (answer.status == 200, serde_json::from_str(&answer.body).unwrap())
}

/// Asks until it is good.
#[track_caller]
pub fn wait_until_ready(address: SocketAddr) {
    within(soon(), &format!("{address} is ready"), || verdict(address, "/readyz").0.then_some(()));
}

/// A page of metrics.
#[derive(Debug, Default)]
pub struct Page {
    /// The type of each family.
    pub families: BTreeMap<String, String>,
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

impl Page {
    #[track_caller]
    pub fn get(address: SocketAddr) -> Page {
        let answer = get(address, "/metrics");
        assert!(answer.status == 200 && answer.head.contains("text/plain; version=0.0.4"), "{answer:?}");
        Page::read(&answer.body)
    }

    /// Reads a page, in which everything has to be as the format has it.
    #[track_caller]
    pub fn read(text: &str) -> Page {
        assert!(text.ends_with('\n'), "the last line is whole");
        let (mut page, mut family, mut helped) = (Page::default(), String::new(), None);
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, meaning) = help.split_once(' ').unwrap();
                assert!(!meaning.is_empty() && helped.replace(name.to_string()).as_deref() != Some(name), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(helped.as_deref(), Some(name), "{line}");
                assert!(is_name(name) && matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert!(page.families.insert(name.to_string(), kind.to_string()).is_none(), "{line}: a second time");
                family = name.to_string();
            } else {
                let (name, labels, value) = sample(line).unwrap_or_else(|| panic!("not a sample: {line}"));
                let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("{line} among {family}"));
                let is_histogram = page.families[&family] == "histogram";
                assert!(if is_histogram { matches!(suffix, "_bucket" | "_sum" | "_count") } else { suffix.is_empty() }, "{line}");
                assert!(page.samples.insert((name, labels), value).is_none(), "{line}: a second time");
            }
        }
        page.check_histograms();
        page
    }

    /// Buckets only grow, and the last is all there is.
    fn check_histograms(&self) {
        for (name, _) in self.families.iter().filter(|(_, kind)| *kind == "histogram") {
            let (bucket, count) = (format!("{name}_bucket"), format!("{name}_count"));
            let mut all: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
            for ((_, labels), value) in self.samples.iter().filter(|((name, _), _)| *name == bucket) {
                let mut labels = labels.clone();
                let bound = labels.remove("le").expect("a bucket has a bound");
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
                all.entry(labels).or_default().push((bound, *value));
            }
            assert!(!all.is_empty(), "{name} has no buckets");
            for (labels, mut buckets) in all {
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert!(buckets.windows(2).all(|two| two[0].1 <= two[1].1), "{name}: {buckets:?}");
                let last = buckets.last().unwrap();
                assert_eq!((last.0, Some(&last.1)), (f64::INFINITY, self.samples.get(&(count.clone(), labels))), "{name}");
            }
        }
    }

    /// The sum of all samples of this name with these labels. `None` if there is none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |all: &BTreeMap<String, String>| labels.iter().all(|(label, value)| all.get(*label).is_some_and(|all| all == value));
        let values: Vec<f64> =
            self.samples.iter().filter(|((other, all), _)| other == name && fits(all)).map(|(_, value)| *value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// The values that a label has anywhere.
    pub fn labels(&self, label: &str) -> BTreeSet<&str> {
        self.samples.keys().filter_map(|(_, labels)| labels.get(label).map(String::as_str)).collect()
    }
}

/// Reads the page until this holds.
#[track_caller]
pub fn wait_for(address: SocketAddr, what: &str, holds: impl Fn(&Page) -> bool) -> Page {
    within(soon(), what, || Some(Page::get(address)).filter(&holds))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Name, labels, value.
fn sample(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"")?;
            let mut text = String::new();
            let mut chars = value.char_indices();
            let end = loop {
                match chars.next()? {
                    (end, '"') => break end,
                    (_, '\\') => text.push(match chars.next()?.1 {
                        'n' => '\n',
                        plain @ ('\\' | '"') => plain,
                        _ => return None,
                    }),
                    (_, plain) => text.push(plain),
                }
            };
            if !is_name(label) || labels.insert(label.to_string(), text).is_some() {
                return None;
            }
            rest = &value[end + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}')?;
    }
    let value = rest.strip_prefix(' ')?.parse().ok()?;
    is_name(name).then(|| (name.to_string(), labels, value))
}
