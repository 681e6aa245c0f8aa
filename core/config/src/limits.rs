//! Bounds and spans: the defaults are the machines' own, the file changes single ones, and none may be set to nonsense.

use crate::check::Check;
use crate::place::ConfigError;
use crate::raw;
use crate::units::{Count, Size, Span};
use chatring_machines::super_node::{NodeLimits, NodeTiming};
use toml::Spanned;

/// Clients one port serves unless told otherwise; past it a new connection is closed at once.
pub const CLIENTS_MAX: usize = 20_000;

/// Bounds of one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Connections at a time; past it a new one is closed at once.
    pub clients_max: usize,
}

/// No other setting of ours needs to be longer.
pub(crate) const DAY_MS: u64 = 24 * 3_600_000;
/// How long entries are kept on disk unless told otherwise: 30 days; and ten years at most.
const LOG_AGE_MS: u64 = 30 * DAY_MS;
const LOG_AGE_MS_MAX: u64 = 3_650 * DAY_MS;

/// More bans, and as many ranks, make settings that don't go into one command between nodes.
const BANS_MAX: u64 = 200;

impl Check {
    pub(crate) fn timing(&self, raw: &raw::Timing, lease_ms: u64) -> Result<NodeTiming, ConfigError> {
        let defaults = NodeTiming::default();
        Ok(NodeTiming {
            lease_ms: self.lease(raw.lease.as_ref(), "super_node.timing.lease", lease_ms)?,
            check_ms: self.span(raw.check.as_ref(), "super_node.timing.check", 100, defaults.check_ms)?,
            probe_ms: self.span(raw.probe.as_ref(), "super_node.timing.probe", 100, defaults.probe_ms)?,
            rename_ms: self.span(raw.rename.as_ref(), "super_node.timing.rename", 0, defaults.rename_ms)?,
            lapse_ms: self.span(raw.lapse.as_ref(), "super_node.timing.lapse", 0, defaults.lapse_ms)?,
            empty_ms: self.span(raw.empty.as_ref(), "super_node.timing.empty", 0, defaults.empty_ms)?,
            patience_ms: self.span(raw.patience.as_ref(), "super_node.timing.patience", 100, defaults.patience_ms)?,
            takeover_ms: self.span(raw.takeover_wait.as_ref(), "super_node.timing.takeover_wait", 100, defaults.takeover_ms)?,
            filter_ms: self.span(raw.filter_budget.as_ref(), "super_node.timing.filter_budget", 1, defaults.filter_ms)?,
            report_ms: self.span(raw.report.as_ref(), "super_node.timing.report", 10, defaults.report_ms)?,
            idle_ms: self.span(raw.idle.as_ref(), "super_node.timing.idle", 1_000, defaults.idle_ms)?,
            unread_ms: self.span(raw.unread.as_ref(), "super_node.timing.unread", 1_000, defaults.unread_ms)?,
        })
    }

    /// Three heartbeats have to fit into a lease on a busy machine.
    pub(crate) fn lease(&self, given: Option<&Spanned<Span>>, key: &str, default_ms: u64) -> Result<u64, ConfigError> {
        self.span(given, key, 300, default_ms)
    }

    pub(crate) fn node_limits(&self, raw: &raw::NodeLimits) -> Result<NodeLimits, ConfigError> {
        let defaults = NodeLimits::default();
        let count = |given: &Option<Spanned<Count>>, key: &str, max, default| {
            self.count(given.as_ref(), &format!("super_node.limits.{key}"), max, default)
        };
        Ok(NodeLimits {
            groups_per_session: count(&raw.groups_per_session, "groups_per_session", 10_000, defaults.groups_per_session)?,
            pending_per_session: count(&raw.pending_per_session, "pending_per_session", 100_000, defaults.pending_per_session)?,
            members_per_group: count(&raw.members_per_group, "members_per_group", 10_000_000, defaults.members_per_group)?,
            bans_per_group: count(&raw.bans_per_group, "bans_per_group", BANS_MAX, defaults.bans_per_group)?,
            log_entries: count(&raw.log_entries, "log_entries", 1_000_000, defaults.log_entries)?,
            log_bytes: self.size(raw.log_bytes.as_ref(), "super_node.limits.log_bytes", defaults.log_bytes)?,
            joins_per_second: count(&raw.joins_per_second, "joins_per_second", 1_000_000, defaults.joins_per_second)?,
            opening_queue: count(&raw.opening_queue, "opening_queue", 1_000_000, defaults.opening_queue)?,
        })
    }

    pub(crate) fn clients_max(&self, given: Option<&Spanned<Count>>, key: &str) -> Result<ListenerLimits, ConfigError> {
        Ok(ListenerLimits { clients_max: self.count(given, key, 10_000_000, CLIENTS_MAX)? })
    }

    /// How long entries are kept on disk.
    pub(crate) fn log_age(&self, given: Option<&Spanned<Span>>) -> Result<u64, ConfigError> {
        self.span_within(given, "super_node.limits.log_age", (60_000, LOG_AGE_MS_MAX), LOG_AGE_MS)
    }

    pub(crate) fn span(&self, given: Option<&Spanned<Span>>, key: &str, min_ms: u64, default_ms: u64) -> Result<u64, ConfigError> {
        self.span_within(given, key, (min_ms, DAY_MS), default_ms)
    }

    pub(crate) fn span_within(
        &self,
        given: Option<&Spanned<Span>>,
        key: &str,
        (min_ms, max_ms): (u64, u64),
        default_ms: u64,
    ) -> Result<u64, ConfigError> {
        let Some(given) = given else { return Ok(default_ms) };
        let span = *given.get_ref();
        if (min_ms..=max_ms).contains(&span.0) {
            return Ok(span.0);
        }
        let (min, max) = (Span(min_ms), Span(max_ms));
        Err(self.wrong(given, format!("{key}: found {span}, expected {min} to {max}")))
    }

    pub(crate) fn count(&self, given: Option<&Spanned<Count>>, key: &str, max: u64, default: usize) -> Result<usize, ConfigError> {
        let Some(given) = given else { return Ok(default) };
        let number = given.get_ref().0;
        usize::try_from(number)
            .ok()
            .filter(|number| (1..=max).contains(&(*number as u64)))
            .ok_or_else(|| self.wrong(given, format!("{key}: found {number}, expected a number from 1 to {max}")))
    }

    fn size(&self, given: Option<&Spanned<Size>>, key: &str, default: usize) -> Result<usize, ConfigError> {
        const MIN: Size = Size(16 << 10);
        const MAX: Size = Size(1 << 30);
        let Some(given) = given else { return Ok(default) };
        let size = *given.get_ref();
        usize::try_from(size.0)
            .ok()
            .filter(|_| (MIN..=MAX).contains(&size))
            .ok_or_else(|| self.wrong(given, format!("{key}: found {size}, expected {MIN} to {MAX}")))
    }
}
