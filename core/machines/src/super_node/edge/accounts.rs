//! What the directory servers keep of an account: looked up before authenticators are asked about it, and before someone who has not logged in to it takes its nick.
//!
//! It is looked up each time, so that a password that was changed counts from then on. Where no server answers in time, what was answered last counts; where nothing was, the authenticators hear that it is not known,
//! and a nick is anyone's.

use std::collections::BTreeMap;

use super::Edge;
use super::answers::Claim;
use crate::command::Account;
use crate::entry::Person;
use crate::event::{Code, Event};
use crate::ids::{Conn, Ticket};
use crate::machine::{Ask, Effect, Kept};
use crate::names::{GroupName, Nick};
use crate::peer::PeerCommand;
use crate::super_node::ctx::{Ctx, Letter};
use crate::time::Time;
use crate::wire::Text;

/// How long an answer may take.
const LOOKUP_MS: u64 = 1_000;
/// Accounts of which it is remembered what was answered; past it one is forgotten for each that is new.
const KNOWN_MAX: usize = 10_000;

/// Accounts that are being looked up, and what was found.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    asked: BTreeMap<Ticket, Lookup>,
    known: BTreeMap<GroupName, Text>,
}

#[derive(Debug)]
struct Lookup {
    conn: Conn,
    name: GroupName,
    since: Time,
    then: Then,
}

/// What it is looked up for.
#[derive(Debug)]
enum Then {
    /// To log in to it.
    Judge(Account),
    /// To take its nick.
    Claim(u64, Nick, Claim),
}

impl Accounts {
    pub(super) fn is_busy(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Of whom nobody said anything in time.
    fn late(&self, now: Time) -> Vec<Ticket> {
        let late = self.asked.iter().filter(|(_, lookup)| now.since_ms(lookup.since) >= LOOKUP_MS);
        late.map(|(ticket, _)| *ticket).collect()
    }

    fn remember(&mut self, name: GroupName, secret: Option<&Text>) {
        match secret {
            Some(secret) => {
                if self.known.len() >= KNOWN_MAX && !self.known.contains_key(&name) {
                    self.known.pop_first();
                }
                self.known.insert(name, secret.clone());
            }
            None => drop(self.known.remove(&name)),
        }
    }
}

impl Edge {
    /// Asks the authenticators, about an account once it is known what is kept of it.
    pub(super) fn look_up(&mut self, ctx: &mut Ctx<'_>, conn: Conn, account: Option<Account>) {
        let nick = account.as_ref().and_then(|account| Nick::new(&account.name).ok());
        let (Some(account), Some(name)) = (account.clone(), nick) else {
            // Whoever claims none, or what can be no account's name.
            return self.ask_authenticators(ctx, conn, account, Kept::Nothing);
        };
        self.ask_of_account(ctx, conn, name, Then::Judge(account));
    }

    /// Takes a nick, if it is not an account's that they have not logged in to.
    pub(super) fn claim_if_free(&mut self, ctx: &mut Ctx<'_>, conn: Conn, slot: u64, nick: Nick, then: Claim) {
        let Some(session) = self.session(conn) else { return };
        let Person { nick: present, account, .. } = &*session.person;
        let is_theirs = account.eq_ignore_ascii_case(nick.as_str()) || (session.named && present.is(&nick));
        // What comes behind a registration needs the nick.
        if session.registers && !session.named && !session.renamed {
            self.pause(ctx, conn);
        }
        match is_theirs {
            true => self.claim_at_master(ctx, conn, slot, nick, then),
            false => self.ask_of_account(ctx, conn, nick.clone(), Then::Claim(slot, nick, then)),
        }
    }

    fn ask_of_account(&mut self, ctx: &mut Ctx<'_>, conn: Conn, name: Nick, then: Then) {
        let ticket = ctx.ids.ticket();
        self.accounts.asked.insert(ticket, Lookup { conn, name: name.group(), since: ctx.now, then });
        self.sweep_at.get_or_insert(ctx.now + super::SWEEP_MS);
        ctx.post.push_back(Letter::Directory(PeerCommand::AccountOf { ticket, name }));
    }

    /// The directory said what it keeps.
    pub(super) fn looked_up(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket, secret: Option<Text>) {
        let Some(lookup) = self.accounts.asked.remove(&ticket) else { return };
        self.accounts.remember(lookup.name.clone(), secret.as_ref());
        self.go_on(ctx, lookup, secret.map_or(Kept::Nothing, Kept::Secret));
    }

    /// Nobody is waited for any longer.
    pub(super) fn give_up_lookups(&mut self, ctx: &mut Ctx<'_>) {
        for ticket in self.accounts.late(ctx.now) {
            let Some(lookup) = self.accounts.asked.remove(&ticket) else { continue };
            let kept = self.accounts.known.get(&lookup.name).cloned().map_or(Kept::Unknown, Kept::Secret);
            self.go_on(ctx, lookup, kept);
        }
    }

    fn go_on(&mut self, ctx: &mut Ctx<'_>, Lookup { conn, then, .. }: Lookup, kept: Kept) {
        match then {
            // There is one, and what its password is checked with is not for a gateway.
            Then::Judge(account) if kept == Kept::Secret("".into()) => self.ask_authenticators(ctx, conn, Some(account), Kept::Unknown),
            Then::Judge(account) => self.ask_authenticators(ctx, conn, Some(account), kept),
            Then::Claim(slot, nick, then) => match kept {
                Kept::Secret(_) => self.claim_is_refused(ctx, conn, slot, &nick),
                Kept::Nothing | Kept::Unknown => self.claim_at_master(ctx, conn, slot, nick, then),
            },
        }
    }

    fn claim_is_refused(&mut self, ctx: &mut Ctx<'_>, conn: Conn, slot: u64, nick: &Nick) {
        let text = format!("that nick is an account's: log in to {nick} with its password, or take another one");
        self.fill(ctx, conn, slot, vec![Event::error_about(Code::NickInUse, text, [Text::from(nick.as_str())])]);
        self.resume(ctx, conn);
        self.claim_next(ctx, conn);
    }

    fn ask_authenticators(&mut self, ctx: &mut Ctx<'_>, conn: Conn, account: Option<Account>, kept: Kept) {
        let Some(session) = self.session(conn) else { return };
        let (listener, peer) = (session.listener, session.peer);
        let ticket = ctx.ids.ticket();
        self.judging.insert(ticket, (conn, ctx.now));
        self.sweep_at.get_or_insert(ctx.now + super::SWEEP_MS);
        ctx.effects.push(Effect::Judge { ticket, listener, ask: Ask { account, kept, peer } });
    }
}
