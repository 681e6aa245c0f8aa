//! What a plugin counts: shown by `chatctl plugin show` and under `/metrics`.

use crate::service::Service;
use chatring_abi::{ChatBytes, ChatMetrics, METRIC_COUNTER, METRIC_GAUGE, id};

/// Where metrics are made. Take it with [`Metrics::here`] in `start`.
#[derive(Clone, Copy, Debug)]
pub struct Metrics(Service<ChatMetrics>);

/// A number that only grows.
#[derive(Clone, Copy, Debug)]
pub struct Counter(Service<ChatMetrics>, u32);

/// A number that goes up and down.
#[derive(Clone, Copy, Debug)]
pub struct Gauge(Service<ChatMetrics>, u32);

impl Metrics {
    /// Those of the plugin that is being started on this thread. Anywhere else (a unit test) nothing is counted.
    pub fn here() -> Metrics {
        // SAFETY: the type of this name.
        Metrics(unsafe { Service::here(id::METRICS) })
    }

    /// A counter by its name (lower case, digits and `_`) and what it counts.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        Counter(self.0, self.metric(METRIC_COUNTER, name, help))
    }

    /// A gauge by its name (lower case, digits and `_`) and what it shows.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        Gauge(self.0, self.metric(METRIC_GAUGE, name, help))
    }

    fn metric(&self, kind: u32, name: &str, help: &str) -> u32 {
        let Some((table, host)) = self.0.get() else { return 0 };
        // SAFETY: the function came with this host; bytes valid for the call.
        unsafe { (table.metric)(host, kind, ChatBytes::new(name.as_bytes()), ChatBytes::new(help.as_bytes())) }
    }
}

impl Counter {
    /// So many more.
    pub fn add(&self, count: u64) {
        if let Some((table, host)) = self.0.get() {
            // SAFETY: the function came with this host.
            unsafe { (table.add)(host, self.1, count) };
        }
    }
}

impl Gauge {
    /// It is so much now.
    pub fn set(&self, value: i64) {
        if let Some((table, host)) = self.0.get() {
            // SAFETY: the function came with this host.
            unsafe { (table.set)(host, self.1, value) };
        }
    }
}
