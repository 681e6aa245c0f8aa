//! What plugins count.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

/// Metrics of one plugin; past it there are no more.
pub(crate) const METRICS_MAX: usize = 64;
const NAME_MAX: usize = 64;
/// A longer explanation is cut.
const HELP_MAX: usize = 256;

/// A metric as it is at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, as the plugin says it.
    pub name: String,
    /// What it counts or shows.
    pub help: String,
    /// How much it is.
    pub value: MetricValue,
}

/// How much a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricValue {
    /// A counter, which only grows.
    Counter(u64),
    /// A gauge, which goes up and down.
    Gauge(i64),
}

/// The metrics of one plugin, in the order in which it made them.
#[derive(Default)]
pub(crate) struct Metrics(RwLock<Vec<Kept>>);

struct Kept {
    name: String,
    help: String,
    value: Value,
}

enum Value {
    Counter(AtomicU64),
    Gauge(AtomicI64),
}

impl Metrics {
    /// The number of a metric, counted from 1; 0: there is none.
    pub fn metric(&self, gauge: bool, name: &[u8], help: &[u8]) -> u32 {
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
        let Some(name) =
            std::str::from_utf8(name).ok().filter(|name| (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(|b| plain(&b)))
        else {
            return 0;
        };
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().position(|kept| kept.name == name) {
            let same_kind = matches!(all[known].value, Value::Gauge(_)) == gauge;
            return if same_kind { known as u32 + 1 } else { 0 };
        }
        if all.len() >= METRICS_MAX {
            return 0;
        }
        let help = String::from_utf8_lossy(&help[..help.len().min(HELP_MAX)]).into_owned();
        let value = if gauge { Value::Gauge(AtomicI64::new(0)) } else { Value::Counter(AtomicU64::new(0)) };
        all.push(Kept { name: name.to_string(), help, value });
        all.len() as u32
    }

    pub fn add(&self, metric: u32, count: u64) {
        self.with(metric, |value| {
            if let Value::Counter(counter) = value {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        });
    }

    pub fn set(&self, metric: u32, to: i64) {
        self.with(metric, |value| {
            if let Value::Gauge(gauge) = value {
                gauge.store(to, Ordering::Relaxed);
            }
        });
    }

    fn with(&self, metric: u32, act: impl FnOnce(&Value)) {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = (metric as usize).checked_sub(1).and_then(|ix| all.get(ix)) {
            act(&kept.value);
        }
    }

    /// All of them, as they are now.
    pub fn now(&self) -> Vec<Metric> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let shown = |kept: &Kept| Metric {
            name: kept.name.clone(),
            help: kept.help.clone(),
            value: match &kept.value {
                Value::Counter(counter) => MetricValue::Counter(counter.load(Ordering::Relaxed)),
                Value::Gauge(gauge) => MetricValue::Gauge(gauge.load(Ordering::Relaxed)),
            },
        };
        all.iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_counted_by_number() {
        let metrics = Metrics::default();
        assert_eq!((metrics.metric(false, b"hits", b"how often"), metrics.metric(true, b"held", b"")), (1, 2));
        // The same name is the same one; of another kind it is none. Nor are these names.
        assert_eq!((metrics.metric(false, b"hits", b"again"), metrics.metric(true, b"hits", b"")), (1, 0));
        let bad: [&[u8]; 4] = [b"", b"Hits", b"a b", &[b'x'; 65]];
        assert!(bad.iter().all(|name| metrics.metric(false, name, b"") == 0));
        metrics.add(1, 2);
        metrics.add(1, 3);
        metrics.set(2, -4);
        // What is none, or of another kind, is nothing.
        for number in [0, 1, 3, u32::MAX] {
            metrics.set(number, 9);
        }
        metrics.add(2, 9);
        let shown: Vec<(String, MetricValue)> = metrics.now().into_iter().map(|metric| (metric.name, metric.value)).collect();
        assert_eq!(shown, [("hits".to_string(), MetricValue::Counter(5)), ("held".to_string(), MetricValue::Gauge(-4))]);
        (2..METRICS_MAX).for_each(|n| assert_ne!(metrics.metric(false, format!("m{n}").as_bytes(), b""), 0));
        assert_eq!(metrics.metric(false, b"one_more", b""), 0);
    }
}
