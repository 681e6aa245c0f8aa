//! A small world for the machines: a virtual network and clock, people who talk, faults, and checkers that watch.
//!
//! [`world`] drives directory, super nodes and clients exactly as the reactor does, through the same inputs and effects, but all of it from one seed.
//! [`checkers`] read what everyone heard. [`story`] is what scenarios are told in; [`storm`] draws cluster, workload and faults from a seed.
//! What is deliberately absent: threads, real time, and any knowledge of what the machines hold inside, but for which lives of groups they serve.
#![warn(missing_docs)]

pub mod action;
pub mod campaign;
pub mod checkers;
pub mod coverage;
pub mod ear;
pub mod operator;
pub mod panics;
pub mod person;
pub mod plan;
pub mod shrink;
pub mod storm;
pub mod story;
pub mod world;
