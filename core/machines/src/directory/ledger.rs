//! What directory servers agree on besides the ring: charters of groups, and accounts.
//!
//! All of it is part of the state, and goes to a server that is far behind in the same piece; so there is a bound to it, past which nothing is added.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::charter::{Account, Charter};
use crate::names::{GroupName, Nick};
use crate::time::Time;
use crate::wire::{Argv, Bad, Field, Reader, Text};

/// What all of it may weigh, in bytes: charters of some 130,000 groups of an ordinary size.
pub const LEDGER_BYTES_MAX: usize = 64 << 20;

/// Charters and accounts, each by its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    charters: BTreeMap<GroupName, Arc<Charter>>,
    /// By the group that stands for the person.
    accounts: BTreeMap<GroupName, Arc<Account>>,
    weight: usize,
}

impl Ledger {
    /// As it was written down.
    pub fn restore(charters: impl IntoIterator<Item = Charter>, accounts: impl IntoIterator<Item = Account>) -> Ledger {
        let mut ledger = Ledger::default();
        charters.into_iter().for_each(|charter| ledger.put_charter(charter));
        accounts.into_iter().for_each(|account| ledger.put_account(account));
        ledger
    }

    /// The charter of a group.
    pub fn charter(&self, group: &GroupName) -> Option<&Arc<Charter>> {
        self.charters.get(group)
    }

    /// The account of this name.
    pub fn account(&self, name: &Nick) -> Option<&Arc<Account>> {
        self.accounts.get(&name.group())
    }

    /// All charters, in order of their groups.
    pub fn charters(&self) -> impl ExactSizeIterator<Item = &Arc<Charter>> {
        self.charters.values()
    }

    /// All accounts, in order of their names.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = &Arc<Account>> {
        self.accounts.values()
    }

    /// What all of it weighs, in bytes, roughly.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Whether a charter says something that is not known: that it is later and otherwise, and, where it is void, that there is one.
    pub fn would_learn(&self, charter: &Charter) -> bool {
        match self.charter(&charter.group) {
            Some(known) => charter.is_later_than(known) && charter.settings != known.settings,
            None => !charter.is_void(),
        }
    }

    /// Whether there is room for so many bytes in the place of what is there.
    fn has_room(&self, before: usize, weight: usize) -> bool {
        weight <= before || self.weight - before + weight <= LEDGER_BYTES_MAX
    }

    /// Whether there is room for this charter.
    pub fn has_room_for(&self, charter: &Charter) -> bool {
        self.has_room(self.charter(&charter.group).map_or(0, |known| known.weight()), charter.weight())
    }

    /// Whether there is room for an account of this name with this secret.
    pub fn has_room_for_account(&self, name: &Nick, secret: &Text) -> bool {
        let account = Account { name: name.clone(), secret: secret.clone(), created: Time(0), changed: Time(0) };
        self.has_room(self.account(name).map_or(0, |known| known.weight()), account.weight())
    }

    /// Takes charters in, those that say something new and for which there is room. Whether there was any.
    pub(super) fn learn(&mut self, charters: &[Charter]) -> bool {
        let mut changed = false;
        for charter in charters {
            if self.would_learn(charter) && self.has_room_for(charter) {
                changed = true;
                match charter.is_void() {
                    true => self.drop_charter(&charter.group),
                    false => self.put_charter(charter.clone()),
                }
            }
        }
        changed
    }

    /// Makes an account, changes its password, or ends it. Whether that changed anything.
    pub(super) fn set_account(&mut self, name: &Nick, secret: Option<&Text>, now: Time) -> bool {
        let known = self.account(name).cloned();
        let Some(secret) = secret else {
            self.drop_account(&name.group());
            return known.is_some();
        };
        let account = match &known {
            Some(known) => Account { secret: secret.clone(), changed: now, ..Account::clone(known) },
            None => Account { name: name.clone(), secret: secret.clone(), created: now, changed: now },
        };
        let has_room = self.has_room_for_account(name, secret);
        if has_room {
            self.put_account(account);
        }
        has_room
    }

    fn put_charter(&mut self, charter: Charter) {
        self.drop_charter(&charter.group);
        self.weight += charter.weight();
        self.charters.insert(charter.group.clone(), Arc::new(charter));
    }

    fn drop_charter(&mut self, group: &GroupName) {
        self.weight -= self.charters.remove(group).map_or(0, |charter| charter.weight());
    }

    fn put_account(&mut self, account: Account) {
        let group = account.name.group();
        self.drop_account(&group);
        self.weight += account.weight();
        self.accounts.insert(group, Arc::new(account));
    }

    fn drop_account(&mut self, group: &GroupName) {
        self.weight -= self.accounts.remove(group).map_or(0, |account| account.weight());
    }

    /// Panics when what this file promises does not hold.
    pub fn check_invariants(&self) {
        let charters: usize = self.charters.values().map(|charter| charter.weight()).sum();
        let accounts: usize = self.accounts.values().map(|account| account.weight()).sum();
        assert_eq!(self.weight, charters + accounts, "the ledger does not weigh what is in it");
        assert!(self.weight <= LEDGER_BYTES_MAX);
    }
}

/// Charters, then accounts.
impl Field for Ledger {
    fn put(&self, out: &mut Argv) {
        (self.charters.len() as u64).put(out);
        self.charters.values().for_each(|charter| charter.put(out));
        (self.accounts.len() as u64).put(out);
        self.accounts.values().for_each(|account| account.put(out));
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        let (charters, accounts) = (Vec::<Charter>::take(reader)?, Vec::<Account>::take(reader)?);
        Ok(Ledger::restore(charters, accounts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Rank, Settings};
    use crate::ids::{Birth, Term};

    /// `#group term.seq [topic|bans] [nick…]`
    fn charter(text: &str) -> Charter {
        let words: Vec<&str> = text.split(' ').collect();
        let (term, seq) = words[1].split_once('.').unwrap();
        let rank = Rank { founder: true, operator: true, voice: false };
        let mut settings = Settings::new(Time(1));
        settings.ranks = words[2..].iter().map(|nick| (Nick::new(nick).unwrap(), rank)).collect();
        let (term, seq) = (Term { generation: 1, number: term.parse().unwrap() }, seq.parse().unwrap());
        Charter { group: GroupName::new(words[0]).unwrap(), birth: Birth(7), term, seq, settings }
    }

    /// What is taken in, line by line: `charter -> [+] #group term.seq nicks …`; `+` where something changed.
    #[track_caller]
    fn check(story: &[(&str, &str)]) {
        let mut ledger = Ledger::default();
        for (line, expect) in story {
            let changed = if ledger.learn(&[charter(line)]) { "+" } else { "" };
            ledger.check_invariants();
            let shown = ledger.charters().map(|charter| {
                let nicks = charter.settings.ranks.iter().map(|(nick, _)| format!(" {nick}"));
                format!(" {} {}.{}{}", charter.group, charter.term.number, charter.seq, nicks.collect::<String>())
            });
            assert_eq!(format!("{changed}{}", shown.collect::<String>()), *expect, "after {line}");
            assert_eq!(crate::netstrings::unpack::<Ledger>(&crate::netstrings::pack(&ledger)), Ok(ledger.clone()));
        }
    }

    #[test]
    fn a_later_charter_wins() {
        check(&[
            ("#a 1.5", ""),
            ("#a 1.5 joe", "+ #a 1.5 joe"),
            ("#a 1.5 bob", " #a 1.5 joe"),
            ("#a 1.4 bob", " #a 1.5 joe"),
            // The same is nothing new.
            ("#a 1.6 joe", " #a 1.5 joe"),
            ("#a 1.7 joe bob", "+ #a 1.7 joe bob"),
            ("#b 1.1 eve", "+ #a 1.7 joe bob #b 1.1 eve"),
            ("#a 2.3 bob", "+ #a 2.3 bob #b 1.1 eve"),
            ("#a 1.9", " #a 2.3 bob #b 1.1 eve"),
            ("#a 2.4", "+ #b 1.1 eve"),
        ]);
    }

    #[test]
    fn accounts_are_made_changed_and_ended() {
        let mut ledger = Ledger::default();
        let (joe, shouted) = (Nick::new("joe").unwrap(), Nick::new("JOE").unwrap());
        assert!(!ledger.set_account(&joe, None, Time(1)));
        assert!(ledger.set_account(&joe, Some(&"one".into()), Time(2)));
        assert!(ledger.set_account(&shouted, Some(&"two".into()), Time(3)));
        let account = ledger.account(&joe).unwrap();
        assert_eq!((account.name.as_str(), &*account.secret, account.created, account.changed), ("joe", "two", Time(2), Time(3)));
        ledger.check_invariants();
        assert!(ledger.set_account(&shouted, None, Time(4)));
        assert_eq!((ledger.accounts().len(), ledger.weight()), (0, 0));
    }

    #[test]
    fn past_its_bound_nothing_is_added_and_what_is_there_may_shrink() {
        let mut ledger = Ledger { weight: LEDGER_BYTES_MAX - 1_000, ..Ledger::default() };
        assert!(ledger.learn(&[charter("#a 1.1 joe bob")]));
        assert!(!ledger.learn(&[charter("#b 1.1 n1 n2 n3 n4 n5 n6")]));
        assert!(ledger.learn(&[charter("#a 1.2 joe")]));
        assert!(!ledger.set_account(&Nick::new("joe").unwrap(), Some(&"x".repeat(512).as_str().into()), Time(1)));
    }
}
