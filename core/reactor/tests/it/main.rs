//! A reactor on real sockets.

mod lists;
mod peers;
mod support;
mod talk;
mod tls;
