//! docs/alerts.yml: what it asks for exists, and each alert says what to do.

mod common;

use saphyr::{LoadableYamlNode, Yaml};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// What docs/metrics.md has, histograms by what they are made of.
fn metrics() -> BTreeSet<String> {
    let page = std::fs::read_to_string(docs().join("metrics.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let parts = |(name, rest): (&str, &str)| match rest.starts_with("histogram") {
        true => ["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}")).to_vec(),
        false => vec![name.to_string()],
    };
    rows.flat_map(parts).collect()
}

/// The words of an expression that begin as names of metrics do.
fn names(expression: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c: char| !is_word(c));
    words.filter(|word| word.starts_with("chatring_") || word.starts_with("process_")).collect()
}

#[test]
fn prometheus_takes_the_rules() {
    let Some(mut promtool) = common::process::tool("promtool") else {
        println!("SKIPPED: there is no promtool");
        return;
    };
    let output = promtool.args(["check", "rules"]).arg(docs().join("alerts.yml")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn alerts_are_about_metrics_that_exist() {
    let text = std::fs::read_to_string(docs().join("alerts.yml")).unwrap();
    let file = Yaml::load_from_str(&text).unwrap();
    let (metrics, mut alerts) = (metrics(), BTreeSet::new());
    assert!(metrics.len() > 50, "{metrics:?}");
    let groups = file[0]["groups"].as_sequence().unwrap();
    for rule in groups.iter().flat_map(|group| group["rules"].as_sequence().unwrap()) {
        let string = |name: &str| rule[name].as_str().unwrap_or_else(|| panic!("{name} of {rule:?}"));
        let (alert, expression) = (string("alert"), string("expr"));
        assert!(alert.starts_with("Chatring") && alerts.insert(alert.to_string()), "{alert}");
        let asked = names(expression);
        let missing: Vec<&&str> = asked.iter().filter(|name| !metrics.contains(**name)).collect();
        assert!(missing.is_empty(), "{alert} asks for {missing:?}, which docs/metrics.md does not have");
        assert!(!asked.is_empty() || expression.starts_with("up{"), "{alert}: {expression}");
        assert!(matches!(rule["labels"]["severity"].as_str(), Some("page" | "ticket")), "{alert}");
        for annotation in ["summary", "description"] {
            assert!(rule["annotations"][annotation].as_str().is_some_and(|text| !text.is_empty()), "{alert} has no {annotation}");
        }
        let runbook = format!("docs/operations.md#{}", alert.to_lowercase());
        assert_eq!(rule["annotations"]["runbook"].as_str(), Some(&*runbook), "{alert}");
        if let Some(span) = rule.as_mapping().unwrap().get(&Yaml::value_from_str("for")) {
            assert!(span.as_str().is_some_and(|span| span.ends_with(['s', 'm', 'h'])), "{alert}: {span:?}");
        }
    }
    assert!(alerts.len() > 20, "{alerts:?}");
    let page = std::fs::read_to_string(docs().join("operations.md")).unwrap();
    let (_, sections) = page.split_once("\n## Alerts\n").unwrap();
    let sections: BTreeSet<String> = sections.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_string).collect();
    assert_eq!(sections, alerts, "each alert has a section in docs/operations.md, and no other is there");
}
