//! What a machine wants done, done.
//!
//! An effect that names a connection which is gone, or is hearing its last words, is void.

use std::sync::Arc;

use chatring_host::Arg;
use chatring_machines::Input;
use chatring_machines::event::Event;
use chatring_machines::ids::{Conn, ListId, ListenerId, Ticket};
use chatring_machines::keeping::Keeping;
use chatring_machines::machine::{Ask, Deed, Effect, Judgment, PluginWish, Verdict};
use chatring_machines::wire::Argv;
use smallvec::SmallVec;

use crate::connections::{AWAITED, PAUSED, READABLE, SHUT, TRUSTED};
use crate::driver::Driver;
use crate::fanout::Class;
use crate::mailbox::Arrival;
use crate::setup::ReactorError;
use crate::store::Job;

impl Driver {
    /// Carries out one effect.
    pub fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Tell { conn, event } => self.tell(conn, &event),
            Effect::TellAll { list, event, skip } => self.tell_all(list, &event, skip),
            Effect::Enlist { list, conn } => {
                if self.connections.named(conn).is_some() {
                    self.fanout.enlist(list, conn.slot);
                }
            }
            Effect::Delist { list, conn, missed } => {
                if self.connections.named(conn).is_some()
                    && self.fanout.delist(list, conn.slot)
                    && let Some(missed) = missed
                {
                    self.tell(conn, &missed);
                }
            }
            Effect::Disband { list } => self.fanout.disband(list),
            Effect::Await { conn } => {
                if let Some(connection) = self.connections.named(conn) {
                    connection.set(AWAITED);
                    self.drained(conn.slot);
                }
            }
            Effect::Survey { ticket } => self.survey(ticket),
            Effect::Pause { conn } => {
                if let Some(connection) = self.connections.named(conn) {
                    connection.set(PAUSED);
                }
            }
            Effect::Resume { conn } => {
                if self.connections.named(conn).is_some_and(|connection| connection.unset(PAUSED)) {
                    self.owe(conn.slot);
                }
            }
            Effect::Trust { conn } => {
                if let Some(connection) = self.connections.named(conn) {
                    connection.set(TRUSTED);
                }
            }
            Effect::Close { conn } => {
                if self.connections.named(conn).is_some() {
                    self.finish(conn.slot);
                }
            }
            Effect::Dial { ticket, address } => self.dial(ticket, address),
            Effect::Plugin { ticket, wish } => self.wish_of_plugins(ticket, wish),
            Effect::Sift { ticket, deed } => self.sift(ticket, deed),
            Effect::Unsift { ticket } => {
                if let Some(sifter) = &self.sifter {
                    sifter.give_up(ticket);
                }
            }
            Effect::Judge { ticket, listener, ask } => self.judge(ticket, listener, ask),
            Effect::Commit { ticket, write } => self.store(Job::Commit(ticket, write)),
            Effect::Query { ticket, query } => self.store(Job::Query(ticket, query)),
            Effect::Keep { ticket, group, what } => match &self.keeper {
                Some(keeper) => keeper.push(Keeping { ticket, group, what }),
                None => drop(self.failed.get_or_insert(ReactorError::NoStore)),
            },
            Effect::Note(note) => (self.notes)(note),
            Effect::Stopped => self.stop(),
        }
    }

    fn tell(&mut self, conn: Conn, event: &Event) {
        let Some(connection) = self.connections.named(conn) else {
            return;
        };
        self.argv.clear();
        event.put(&mut self.argv);
        self.encoded.clear();
        let result = connection.codec.encode_private(event.shape() as u32, &args(&self.argv), &mut self.encoded);
        let class = connection.codec.class();
        if let Err(fault) = result {
            // A reply that is missing would make every later one answer the wrong question.
            tracing::error!("{fault}");
            self.counters.encode_faults += 1;
            self.lose(conn.slot);
            return;
        }
        self.counters.told += 1;
        self.fanout.tell(conn.slot, &self.encoded);
        let codec = self.fanout.class(conn.slot).codec;
        self.fanout.set_class(conn.slot, Class { codec, class });
        self.bound_output(conn.slot);
        if self.encoded.capacity() > ENCODED_KEPT_MAX {
            self.encoded = Vec::new();
        }
    }

    fn tell_all(&mut self, list: ListId, event: &Event, skip: Option<Conn>) {
        self.argv.clear();
        event.put(&mut self.argv);
        let args = args(&self.argv);
        let skip = skip.filter(|conn| self.connections.named(*conn).is_some()).map(|conn| conn.slot);
        let (transports, faults) = (&self.transports, &mut self.counters.encode_faults);
        let heard = self.fanout.tell_all(list, event.place(), skip, |class, out| {
            if let Err(fault) = transports[class.codec as usize].encode(class.class, event.shape() as u32, &args, out) {
                tracing::error!("{fault}");
                *faults += 1;
            }
        });
        drop(args);
        self.counters.deliveries += heard;
        if let Some(slot) = skip {
            self.bound_skips(slot);
        }
    }

    fn wish_of_plugins(&mut self, ticket: Ticket, wish: PluginWish) {
        let Some(plugins) = &self.plugins else {
            let result = Err("nobody here looks after plugins".into());
            return self.inbox.push_back(Input::Plugged { ticket, result });
        };
        let mailbox = self.mailbox.clone();
        plugins(wish, Box::new(move |result| mailbox.answer(Arrival::Input(Input::Plugged { ticket, result }))));
    }

    fn sift(&mut self, ticket: Ticket, deed: Box<Deed>) {
        let judgment = match &self.sifter {
            Some(sifter) if sifter.ask(ticket, deed) => return,
            Some(_) => Judgment::Busy,
            None => Judgment::Pass,
        };
        self.inbox.push_back(Input::Sifted { ticket, judgment });
    }

    fn judge(&mut self, ticket: Ticket, listener: ListenerId, ask: Ask) {
        let asked = match self.listeners.get(listener.0 as usize) {
            Some(listener) => self.judges.ask(&listener.auth, &listener.name, ask, ticket, &self.mailbox),
            None => false,
        };
        if !asked {
            self.counters.logins.busy += 1;
            self.inbox.push_back(Input::Judged { ticket, verdict: Verdict::Busy });
        }
    }

    fn store(&mut self, job: Job) {
        match self.store.as_ref().map(|store| store.push(job)) {
            Some(Ok(())) => {}
            Some(Err(error)) => self.fail(error),
            None => {
                self.failed.get_or_insert(ReactorError::NoStore);
            }
        }
    }

    /// The machine is done: nobody comes in any more, and everyone hears their last words.
    fn stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        self.stopping = Some(self.now + self.tuning.linger_ms);
        for listener in &mut self.listeners {
            listener.socket = None;
            listener.ready = false;
        }
        self.drop_dials();
        for slot in self.connections.slots() {
            self.finish(slot);
            // Those who have heard their last words are not waited for any more.
            if let Some(connection) = self.connections.at(slot)
                && connection.is(SHUT)
            {
                connection.set(READABLE);
                self.owe(slot);
            }
        }
    }
}

/// The arguments as a transport takes them; on the stack, where there are as few as usual.
fn args(argv: &Argv) -> SmallVec<[Arg<'_>; 16]> {
    argv.iter().map(Arg::new).collect()
}

/// A larger buffer is not kept for the next event.
const ENCODED_KEPT_MAX: usize = 256 * 1024;

/// All transports in use, each once, so that listeners of the same one share streams.
pub(crate) fn codec_of(transports: &mut Vec<Arc<chatring_host::Transport>>, transport: &Arc<chatring_host::Transport>) -> u16 {
    let known = transports.iter().position(|other| Arc::ptr_eq(other, transport));
    known.unwrap_or_else(|| {
        transports.push(transport.clone());
        transports.len() - 1
    }) as u16
}
