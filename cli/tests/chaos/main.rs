//! Real processes under a steady load, and what is done to them: the proof of the main promise. Nothing acknowledged is lost, nothing is heard twice, everyone hears one order,
//! whichever process is killed, paused or cut off.
//!
//!     cargo test -p chatring --test chaos                                          a short version
//!     CHAOS_KILLS=100 CHAOS_SEED=7 cargo test -p chatring --test chaos kills -- --nocapture
//!     CHAOS_DIRECTORY_DOWN_S=60 cargo test -p chatring --test chaos directory_down -- --nocapture
//!     tests/benches/failover.sh                                                    how long a failover takes
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod check;
mod crowd;
mod cut;
mod disk;
mod failover;
mod fleet;
mod kills;
mod log;
mod namespace;
mod native;
mod pauses;
mod person;
mod planned;
mod publisher;
mod redis_and_irc;
mod scene;
