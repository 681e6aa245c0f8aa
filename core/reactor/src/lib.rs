//! The driver: sockets, threads and time around one pure machine.
#![warn(missing_docs)]

pub mod fanout;
