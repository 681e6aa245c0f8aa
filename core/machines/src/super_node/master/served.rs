//! Which groups were served here and are not any more.
//!
//! A copy that was promised to us, out of our sight, may have been what we went on from. A later master asks: did you? To say no, a node has to remember what it gave away. Bounded: of what
//! was forgotten it is taken that it was served until the last that was forgotten.

use std::collections::BTreeMap;

use crate::ids::Term;
use crate::names::GroupName;

/// Groups remembered.
const SERVED_MAX: usize = 100_000;

/// The last term of each, in this life of the process.
#[derive(Debug, Default)]
pub(super) struct Served {
    last: BTreeMap<GroupName, Term>,
    /// Of those that were forgotten.
    floor: Term,
}

impl Served {
    pub(super) fn note(&mut self, name: &GroupName, term: Term) {
        self.last.insert(name.clone(), term);
        if self.last.len() > SERVED_MAX
            && let Some((_, forgotten)) = self.last.pop_first()
        {
            self.floor = self.floor.max(forgotten);
        }
    }

    /// The first term in which a group was not served here any more.
    pub(super) fn until(&self, name: &GroupName) -> Term {
        let last = self.last.get(name).copied().unwrap_or_default().max(self.floor);
        if last == Term::default() { last } else { last.next() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_was_served_until_the_last_that_was() {
        let (term, group) = (|number| Term { generation: 1, number }, |n: usize| GroupName::new(&format!("#g{n:06}")).expect("a name"));
        let mut served = Served::default();
        assert_eq!(served.until(&group(7)), Term::default());
        served.note(&group(7), term(4));
        assert_eq!((served.until(&group(7)), served.until(&group(8))), (term(5), Term::default()));
        (8..=SERVED_MAX + 7).for_each(|n| served.note(&group(n), term(2)));
        assert_eq!((served.until(&group(7)), served.until(&group(8))), (term(5), term(5)));
    }
}
