//! Looking up names, which may block, on a thread of its own.

use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use chatring_machines::ids::Ticket;
use chatring_machines::wire::Text;

use crate::mailbox::{Arrival, Mailbox};

/// Names that wait; one more is not looked up.
const NAMES_MAX: usize = 64;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Started with the first name. The thread ends by itself when the reactor is gone.
#[derive(Default)]
pub(crate) struct Resolver {
    names: Option<SyncSender<(Ticket, Text)>>,
}

impl Resolver {
    /// Looks up `host:port`. False when it can't.
    pub fn ask(&mut self, ticket: Ticket, name: Text, mailbox: &Arc<Mailbox>) -> bool {
        if self.names.is_none() {
            let (names, queue) = sync_channel(NAMES_MAX);
            let mailbox = mailbox.clone();
            let started = std::thread::Builder::new().name("resolver".into()).spawn(move || work(&queue, &mailbox));
            self.names = started.ok().map(|_| names);
        }
        self.names.as_ref().is_some_and(|names| names.try_send((ticket, name)).is_ok())
    }
}

fn work(queue: &Receiver<(Ticket, Text)>, mailbox: &Mailbox) {
    for (ticket, name) in queue {
        let addresses = name.to_socket_addrs().map(|found| found.take(ADDRESSES_MAX).collect()).unwrap_or_default();
        mailbox.answer(Arrival::Resolved(ticket, addresses));
    }
}
