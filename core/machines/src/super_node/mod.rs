//! Under construction.

mod config;

pub use config::{NodeConfig, NodeLimits, NodeTiming};
