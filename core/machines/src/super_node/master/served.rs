//! Which groups were served here and are not any more.
//!
//! A copy that was promised to us, out of our sight, may have been what we went on from. A later master asks: did you? To say no, a node has to remember what it gave away. Bounded: of what
//! was forgotten it is taken that it was served until the last that was forgotten.
//!
//! A life that came to its end here is over: a copy of it that was not told so, because the word was lost, is nothing to wait for.

use std::collections::{BTreeMap, VecDeque};

use crate::ids::{Birth, Term};
use crate::names::{GroupName, NodeKey};
use crate::peer::Claim;

/// Groups remembered.
const SERVED_MAX: usize = 100_000;
/// Groups of which the lives that ended are remembered, and lives of each: the last ones.
const ENDED_MAX: usize = 10_000;
const LIVES_MAX: usize = 8;

/// The last term of each, in this life of the process.
#[derive(Debug, Default)]
pub(super) struct Served {
    last: BTreeMap<GroupName, Term>,
    /// Of those that were forgotten.
    floor: Term,
    /// Lives of groups that ended here, and in which term; and these groups, oldest first. A nick is claimed and given up all the time, and waits for nobody for long.
    ended: BTreeMap<GroupName, VecDeque<(Birth, Term)>>,
    in_order: VecDeque<GroupName>,
}

impl Served {
    pub(super) fn note(&mut self, name: &GroupName, term: Term) {
        let last = self.last.entry(name.clone()).or_default();
        *last = term.max(*last);
        if self.last.len() > SERVED_MAX
            && let Some((_, forgotten)) = self.last.pop_first()
        {
            self.floor = self.floor.max(forgotten);
        }
    }

    /// Everyone had left, nothing was worth keeping, and nobody was to keep a copy any more.
    pub(super) fn note_end(&mut self, name: &GroupName, birth: Birth, term: Term) {
        self.note(name, term);
        if name.is_person() {
            return;
        }
        let lives = self.ended.entry(name.clone()).or_default();
        if lives.is_empty() {
            self.in_order.push_back(name.clone());
        }
        lives.push_back((birth, term));
        if lives.len() > LIVES_MAX {
            lives.pop_front();
        }
        if self.in_order.len() > ENDED_MAX
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }

    /// Whether a copy is of a life that ended here, and nobody else can have gone on with it since.
    pub(super) fn has_ended(&self, me: &NodeKey, name: &GroupName, claim: &Claim) -> bool {
        let given = claim.given.iter().filter(|(node, _)| node != me).map(|(_, term)| *term);
        let newest = given.fold(claim.marked.max(claim.last.term), Term::max);
        let is_it = |(birth, term): &(Birth, Term)| *birth == claim.last.birth && newest <= *term;
        self.ended.get(name).is_some_and(|lives| lives.iter().any(is_it))
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
    use crate::peer::Last;

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

    /// A claim to a copy of a life, told that it counts in one term, and promised to a node in another.
    fn claim(birth: u64, marked: u64, given: Option<(&str, u64)>) -> Claim {
        let (term, key) = (|number| Term { generation: 1, number }, |node: &str| NodeKey::new(node).expect("a key"));
        Claim {
            last: Last { birth: Birth(birth), seq: 1, term: term(1) },
            marked: term(marked),
            members: vec![],
            promised: term(9),
            given: given.into_iter().map(|(node, number)| (key(node), term(number))).collect(),
            idle: None,
            whole: true,
            doubt: None,
        }
    }

    #[test]
    fn a_life_that_ended_here_is_over_unless_someone_else_went_on_with_it() {
        let (me, group) = (NodeKey::new("10.0.0.1").expect("a key"), GroupName::new("#g").expect("a name"));
        let mut served = Served::default();
        assert!(!served.has_ended(&me, &group, &claim(1, 2, None)));
        served.note_end(&group, Birth(1), Term { generation: 1, number: 4 });
        assert!(served.has_ended(&me, &group, &claim(1, 2, None)));
        assert!(served.has_ended(&me, &group, &claim(1, 2, Some(("10.0.0.1", 7)))), "to us");
        assert!(served.has_ended(&me, &group, &claim(1, 2, Some(("10.0.0.2", 3)))), "before it ended");
        assert!(!served.has_ended(&me, &group, &claim(1, 2, Some(("10.0.0.2", 5)))));
        assert!(!served.has_ended(&me, &group, &claim(1, 5, None)), "it counted later");
        assert!(!served.has_ended(&me, &group, &claim(2, 2, None)), "another life");
        (2..=LIVES_MAX as u64 + 1).for_each(|birth| served.note_end(&group, Birth(birth), Term { generation: 1, number: 4 }));
        assert!(!served.has_ended(&me, &group, &claim(1, 2, None)), "long ago");
    }
}
