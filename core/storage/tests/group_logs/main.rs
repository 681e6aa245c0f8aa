//! A super node's group logs: the same function as their model in memory, whole after a kill and on a full disk, and which files are refused.

mod agreement;
mod common;
mod files;
mod full;
mod kill;
mod upkeep;
