//! The codec from outside, as a client and the node see it.

mod bad_input;
mod client;
mod commands;
mod events;
mod registration;
