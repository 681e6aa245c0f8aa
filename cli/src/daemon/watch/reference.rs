//! The page itself, and docs/metrics.md, which says what is on it: both from the catalogue.

use super::catalogue::{
    BUILD, CERTIFICATE, DIRECTORY, DISABLED, DISK, FILTER, LOOP, LOOP_UP, Metric, NODE, Of, PLUGIN, PROCESS, READY, RING,
};
use super::catalogue::{RingSeen, Single};
use super::page::{Page, Type};
use super::process::Process;
use super::{FRESH, Seen, View, Watch, health};
use chatring_host::{MetricValue, PluginInfo};
use chatring_machines::gauges::Gauges;
use chatring_reactor::Observation;

/// Everything as it is now.
pub fn page(watch: &Watch) -> Page {
    let view = watch.look(FRESH);
    let mut page = Page::default();
    single(&mut page, &BUILD, [(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)]);
    put(&mut page, PROCESS, &[(vec![], Process::look(watch.started))]);
    put_roles(&mut page, &view.roles, watch.is_stopping());
    let files = watch.identities.ends();
    single(&mut page, &CERTIFICATE, files.iter().map(|(file, ends)| (vec![("file", file.as_str())], *ends as f64)));
    put_plugins(&mut page, &view);
    page
}

type Labelled<'a, T> = (Vec<(&'a str, &'a str)>, T);

fn put_roles(page: &mut Page, roles: &[Seen], is_stopping: bool) {
    single(page, &LOOP_UP, roles.iter().map(|role| (labels(role), f64::from(u8::from(role.answers)))));
    let is_ready = |role: &Seen| f64::from(u8::from(health::missing(role, is_stopping).is_empty()));
    single(page, &READY, roles.iter().map(|role| (labels(role), is_ready(role))));
    let seen: Vec<Labelled<'_, &Observation>> = roles.iter().filter_map(|role| Some((labels(role), role.last.as_ref()?))).collect();
    put(page, LOOP, &of(&seen, |observation| Some(observation.counters)));
    put(page, DISK, &of(&seen, |observation| observation.disk));
    put(page, RING, &of(&seen, |observation| ring_seen(&observation.gauges)));
    let node = |observation: &Observation| match &observation.gauges {
        Gauges::Node(node) => Some((**node).clone()),
        _ => None,
    };
    put(page, NODE, &of(&seen, node));
    let directory = |observation: &Observation| match &observation.gauges {
        Gauges::Directory(directory) => Some((**directory).clone()),
        _ => None,
    };
    put(page, DIRECTORY, &of(&seen, directory));
}

fn labels(role: &Seen) -> Vec<(&str, &str)> {
    vec![("role", role.name.kind.as_str()), ("node", &*role.name.node)]
}

fn of<'a, T>(seen: &[Labelled<'a, &Observation>], what: impl Fn(&Observation) -> Option<T>) -> Vec<Labelled<'a, T>> {
    seen.iter().filter_map(|(labels, observation)| Some((labels.clone(), what(observation)?))).collect()
}

fn ring_seen(gauges: &Gauges) -> Option<RingSeen> {
    match gauges {
        Gauges::Nothing => None,
        Gauges::Node(node) => Some(RingSeen { epoch: node.epoch, nodes: node.nodes, clock_ms: node.now.0 }),
        Gauges::Directory(directory) => Some(RingSeen { epoch: directory.epoch, nodes: directory.nodes, clock_ms: directory.now.0 }),
    }
}

fn put_plugins(page: &mut Page, view: &View) {
    let plugins = &view.plugins;
    single(page, &PLUGIN, plugins.iter().map(|plugin| (vec![("plugin", &*plugin.name), ("version", &*plugin.version)], 1.0)));
    single(page, &DISABLED, plugins.iter().map(|plugin| (vec![("plugin", &*plugin.name)], f64::from(u8::from(plugin.disabled)))));
    let judged = |plugin: &PluginInfo| plugin.judged;
    let filters: Vec<Labelled<'_, _>> =
        plugins.iter().filter_map(|plugin| Some((vec![("plugin", &*plugin.name)], judged(plugin)?))).collect();
    put(page, FILTER, &filters);
    for plugin in plugins {
        for metric in &plugin.metrics {
            let (kind, value) = match metric.value {
                MetricValue::Counter(count) => (Type::Counter, count as f64),
                MetricValue::Gauge(level) => (Type::Gauge, level as f64),
            };
            let name = name_of(&plugin.name, &metric.name, kind);
            // Two whose names differ in a sign that a metric's can't have: the first has it.
            if let Some(mut family) = page.family(&name, kind, &metric.help) {
                family.sample(&[], value);
            }
        }
    }
}

/// What a plugin's own metric is called here.
fn name_of(plugin: &str, metric: &str, kind: Type) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let plugin: String = plugin.chars().map(plain).collect();
    let suffix = if kind == Type::Counter && !metric.ends_with("_total") { "_total" } else { "" };
    format!("chatring_plugin_{plugin}_{metric}{suffix}")
}

fn single<'a>(page: &mut Page, single: &Single, samples: impl IntoIterator<Item = Labelled<'a, f64>>) {
    if let Some(mut family) = page.family(single.name, Type::Gauge, single.help) {
        samples.into_iter().for_each(|(labels, value)| family.sample(&labels, value));
    }
}

/// A family for each metric, with the samples of all who have it.
fn put<T>(page: &mut Page, metrics: &[Metric<T>], of: &[Labelled<'_, T>]) {
    for metric in metrics {
        let Some(mut family) = page.family(metric.name, metric.kind, metric.help) else { continue };
        for (labels, source) in of {
            match &metric.of {
                Of::One(value) => family.sample(labels, value(source)),
                Of::Maybe(value) => value(source).into_iter().for_each(|value| family.sample(labels, value)),
                Of::Spans(spans) => family.spans(labels, spans(source)),
                Of::By(label, values) => {
                    for (which, value) in values(source) {
                        let labels: Vec<_> = labels.iter().copied().chain([(*label, which)]).collect();
                        family.sample(&labels, value);
                    }
                }
            }
        }
    }
}

/// docs/metrics.md.
#[cfg(test)]
mod doc {
    use super::*;
    use std::fmt::Write;

    const HEAD: &str = "# Metrics

What `/metrics` says, in the text format of Prometheus (0.0.4). It is there where the configuration has a table `[admin]`, at 127.0.0.1:7480 unless that says otherwise:

    curl http://127.0.0.1:7480/metrics
    curl http://127.0.0.1:7480/healthz     # 200 while all loops turn; 503, and which does not
    curl http://127.0.0.1:7480/readyz      # 200 while all roles do what they are there for; 503, and what is missing

Others than this machine are answered only with `remote = true` and a `token_file`, whose word they show as `Authorization: Bearer TOKEN`. There is no TLS here: let a proxy or a tunnel of yours do that. Where one process is several roles, all are on one page, told apart by the labels `role` (`directory`, `super_node`, `gateway`) and `node` (its
name; of a directory server, where others reach it). [alerts.yml](alerts.yml) has rules for what matters.

A scrape asks each loop, which answers in its next turn; more than one in a second are told the same. Counters begin at 0 with the process. A number that is not known is not there, such as resident memory where there is no `/proc`.

This page is made from `cli/src/daemon/watch/catalogue.rs`: `UPDATE_DOCS=1 cargo test -p chatring --lib metrics_page` after a change.
";

    const TAIL: &str = "
## Plugins' own

What a plugin counts by itself (`chat.metrics/1`) is there as `chatring_plugin_NAME_METRIC`, where a `-` in its name is a `_`, with the meaning that the plugin gives. A counter's name ends in `_total`, whether the plugin says so or not.
`chatctl plugin show NAME` has the same numbers.
";

    fn row(text: &mut String, name: &str, kind: Type, labels: &str, help: &str) {
        let unit = match () {
            () if name.ends_with("_info") => "",
            () if name.contains("_seconds") => "seconds",
            () if name.contains("_bytes") => "bytes",
            () => "",
        };
        writeln!(text, "| `{name}` | {} | {unit} | {labels} | {help} |", kind.as_str()).unwrap();
    }

    fn head(text: &mut String, title: &str) {
        writeln!(text, "\n## {title}\n\n| metric | type | unit | labels | meaning |\n|---|---|---|---|---|").unwrap();
    }

    fn single(text: &mut String, labels: &str, single: &Single) {
        row(text, single.name, Type::Gauge, labels, single.help);
    }

    fn table<T>(text: &mut String, labels: &str, metrics: &[Metric<T>]) {
        for metric in metrics {
            let more = if let Of::By(label, _) = metric.of { format!(", {label}") } else { String::new() };
            row(text, metric.name, metric.kind, &format!("{labels}{more}"), metric.help);
        }
    }

    pub fn page() -> String {
        let (mut text, role) = (HEAD.to_string(), "role, node");
        head(&mut text, "The process");
        single(&mut text, "version", &BUILD);
        table(&mut text, "", PROCESS);
        single(&mut text, "file", &CERTIFICATE);
        head(&mut text, "Each role");
        single(&mut text, role, &LOOP_UP);
        single(&mut text, role, &READY);
        table(&mut text, role, LOOP);
        table(&mut text, role, DISK);
        table(&mut text, role, RING);
        head(&mut text, "Super nodes and gateways");
        table(&mut text, role, NODE);
        head(&mut text, "Directory servers");
        table(&mut text, role, DIRECTORY);
        head(&mut text, "Plugins and filters");
        single(&mut text, "plugin, version", &PLUGIN);
        single(&mut text, "plugin", &DISABLED);
        table(&mut text, "plugin", FILTER);
        text.push_str(TAIL);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_metrics_page_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        let expect = doc::page();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &expect).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = expect.lines().zip(found.lines()).find(|(expect, found)| expect != found);
        assert!(
            found == expect,
            "docs/metrics.md is out of date at {differs:?}: run UPDATE_DOCS=1 cargo test -p chatring --lib metrics_page"
        );
    }

    #[test]
    fn what_plugins_count_has_a_name_that_can_be_read() {
        for (plugin, metric, kind, expect) in [
            ("flood", "stopped", Type::Counter, "chatring_plugin_flood_stopped_total"),
            ("exec-filter", "asked_total", Type::Counter, "chatring_plugin_exec_filter_asked_total"),
            ("My.Own", "level", Type::Gauge, "chatring_plugin_my_own_level"),
        ] {
            assert_eq!(name_of(plugin, metric, kind), expect);
        }
    }
}
