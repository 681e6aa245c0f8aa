//! The codec as a host sees it: bytes in, records and bytes out.

mod commands;
mod corpus;
mod events;
mod replies;
mod roundtrip;
mod support;
