//! Accounts, as operators see them: listed, made, given another password, ended.
//!
//! What comes here is what passwords are checked with, never a password: `chatctl` makes one of the other. Neither is ever shown.

use super::Directory;
use super::changes::{Asker, Wants, tell};
use super::handoff::Refusal;
use crate::charter::{Account, SECRET_BYTES_MAX};
use crate::command::AccountAsk;
use crate::event::{Code, Event, Reply};
use crate::ids::Conn;
use crate::machine::Effect;
use crate::names::Nick;
use crate::peer::Change;
use crate::time::Time;
use crate::wire::{Rest, Text};

impl Directory {
    pub(super) fn account(
        &mut self,
        now: Time,
        conn: Conn,
        what: AccountAsk,
        (name, secret): (Option<Nick>, Option<Text>),
        effects: &mut Vec<Effect>,
    ) {
        let done = match (what, name) {
            (AccountAsk::List, from) => {
                let list = self.account_list(from.as_ref());
                effects.push(tell(conn, list));
                Ok(None)
            }
            (_, None) => Err((Code::Syntax, "argument 'name' is missing".to_string())),
            (AccountAsk::Set, Some(name)) => self.may_set(&name, secret.as_ref()).map(|()| Some((name, secret))),
            (AccountAsk::Remove, Some(name)) => match self.state.ledger().account(&name) {
                Some(_) => Ok(Some((name, None))),
                None => Err((Code::Err, format!("there is no account {name}; ACCOUNT LIST shows which there are"))),
            },
        };
        match done {
            Ok(Some((name, secret))) => {
                self.owe(now, conn, 1, true, effects);
                self.commit(Change::Account { name, secret, time: now }, Some(Asker { conn, wants: Wants::Done }), effects);
            }
            Ok(None) => {}
            Err((code, text)) => effects.push(tell(conn, Event::error(code, text))),
        }
    }

    fn may_set(&self, name: &Nick, secret: Option<&Text>) -> Result<(), Refusal> {
        match secret {
            None => Err((Code::Syntax, "argument 'secret' is missing".to_string())),
            Some(secret) if secret.len() > SECRET_BYTES_MAX => {
                Err((Code::TooLong, format!("what a password is checked with has at most {SECRET_BYTES_MAX} bytes")))
            }
            Some(secret) if !self.state.ledger().has_room_for_account(name, secret) => {
                let text = format!("charters and accounts weigh {} MiB, as much as they may", self.state.ledger().weight() >> 20);
                Err((Code::TooMany, text))
            }
            Some(_) => Ok(()),
        }
    }

    /// In order, from a name on, as many as one answer holds.
    fn account_list(&self, from: Option<&Nick>) -> Event {
        let from = from.map(Nick::group);
        let later = self.state.ledger().accounts().filter(|account| from.as_ref().is_none_or(|from| account.name.group() >= *from));
        let row = |account: &Account| -> [Text; 3] {
            let Account { name, created, changed, .. } = account;
            [name.as_str().into(), created.0.to_string().into(), changed.0.to_string().into()]
        };
        let rows = later.take(self.config.limits.rows as usize).flat_map(|account| row(account));
        Reply::Accounts { cells: Rest(rows.collect()) }.into()
    }
}
