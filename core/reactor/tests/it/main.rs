//! A reactor on real sockets.

mod lists;
mod membership;
mod peers;
mod support;
mod talk;
mod tls;
