//! The codec from outside: lines and records in, records and lines out.

mod bad_input;
mod client;
mod commands;
mod events;
mod misfit;
mod schema;
