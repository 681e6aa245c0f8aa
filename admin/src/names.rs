//! Names of what is in the network, for completion: asked for in the background, kept for a moment.
//!
//! A key press never waits long: it takes what is known, and where nothing is, it waits a moment for the answer that is on its way. Where nobody answers, nobody
//! is asked again for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::complete::Want;

/// How long names are good.
const LIFE: Duration = Duration::from_secs(10);
/// For how long nobody is asked after nobody has answered.
const REST: Duration = Duration::from_secs(3);
/// How long a key press waits for names.
const PATIENCE: Duration = Duration::from_millis(700);
/// Names that are kept of a kind; more are not.
const NAMES_MAX: usize = 20_000;
/// Kinds of names that are kept, those of each super node's plugins apart. Past that all are forgotten.
const WANTS_MAX: usize = 64;

/// Asks for names. May take as long as it likes; `None` where nobody answers.
pub type Ask = Arc<dyn Fn(&Want) -> Option<Vec<String>> + Send + Sync>;

/// The names that are known.
#[derive(Clone)]
pub struct Names {
    ask: Ask,
    known: Arc<(Mutex<BTreeMap<Want, Known>>, Condvar)>,
}

#[derive(Debug, Default)]
struct Known {
    names: Vec<String>,
    /// Until when nobody needs to be asked.
    good: Option<Instant>,
    /// Someone is being asked.
    asking: bool,
}

impl Names {
    /// Nothing is known yet.
    pub fn new(ask: Ask) -> Names {
        Names { ask, known: Arc::default() }
    }

    /// They will be wanted: has them asked for, if need be, and does not wait.
    pub fn prepare(&self, want: &Want) {
        let mut known = self.lock();
        if known.len() >= WANTS_MAX && !known.contains_key(want) && known.values().all(|one| !one.asking) {
            known.clear();
        }
        if known.len() >= WANTS_MAX && !known.contains_key(want) {
            return;
        }
        let one = known.entry(want.clone()).or_default();
        if one.asking || one.good.is_some_and(|good| Instant::now() < good) {
            return;
        }
        one.asking = true;
        drop(known);
        let (names, want) = (self.clone(), want.clone());
        let asked = std::thread::Builder::new().name("names".into()).spawn({
            let want = want.clone();
            move || {
                let answer = (names.ask)(&want);
                names.learn(&want, answer);
            }
        });
        if asked.is_err() {
            self.learn(&want, None);
        }
    }

    /// The names that are there now, or were a moment ago.
    pub fn list(&self, want: &Want) -> Vec<String> {
        self.prepare(want);
        let is_asking = |known: &mut BTreeMap<Want, Known>| known.get(want).is_some_and(|one| one.asking && one.names.is_empty());
        let waited = self.known.1.wait_timeout_while(self.lock(), PATIENCE, is_asking);
        let (known, _) = waited.unwrap_or_else(PoisonError::into_inner);
        known.get(want).map_or(Vec::new(), |one| one.names.clone())
    }

    fn learn(&self, want: &Want, answer: Option<Vec<String>>) {
        let mut known = self.lock();
        let one = known.entry(want.clone()).or_default();
        one.asking = false;
        one.good = Some(Instant::now() + if answer.is_some() { LIFE } else { REST });
        if let Some(mut names) = answer {
            names.truncate(NAMES_MAX);
            one.names = names;
        }
        drop(known);
        self.known.1.notify_all();
    }

    /// What was changed by a command may be named at once.
    pub fn forget(&self) {
        self.lock().values_mut().for_each(|one| one.good = None);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Want, Known>> {
        self.known.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Kind;
    use std::sync::mpsc::{Sender, channel};

    const GROUPS: Want = Want { kind: Kind::Group, node: None };

    /// Names, and what each question is answered with, in turn: no answer where that says so.
    fn names() -> (Names, Sender<Option<Vec<String>>>) {
        let (answer, answers) = channel::<Option<Vec<String>>>();
        let answers = Mutex::new(answers);
        let ask = move |_: &Want| answers.lock().unwrap().recv().unwrap_or(None);
        (Names::new(Arc::new(ask)), answer)
    }

    fn groups(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|name| name.to_string()).collect())
    }

    #[test]
    fn names_are_asked_for_once_in_a_while() {
        let (names, answer) = names();
        answer.send(groups(&["#a"])).unwrap();
        assert_eq!(names.list(&GROUPS), ["#a"]);
        assert_eq!(names.list(&GROUPS), ["#a"], "nobody is asked: nobody would answer");
        names.forget();
        // What is known is shown while it is asked for anew.
        assert_eq!(names.list(&GROUPS), ["#a"]);
        answer.send(groups(&["#b"])).unwrap();
        let known = names.known.1.wait_while(names.lock(), |known| known[&GROUPS].asking).unwrap();
        assert_eq!(known[&GROUPS].names, ["#b"]);
    }

    #[test]
    fn who_does_not_answer_is_not_waited_for_again_and_again() {
        let (names, answer) = names();
        let began = Instant::now();
        assert!(names.list(&GROUPS).is_empty());
        assert!(began.elapsed() >= PATIENCE, "the answer is on its way");
        answer.send(None).unwrap();
        drop(names.known.1.wait_while(names.lock(), |known| known[&GROUPS].asking).unwrap());
        let began = Instant::now();
        assert!(names.list(&GROUPS).is_empty());
        assert!(began.elapsed() < PATIENCE);
    }

    #[test]
    fn names_are_bounded() {
        let (names, answer) = names();
        answer.send(Some((0..NAMES_MAX + 9).map(|number| number.to_string()).collect())).unwrap();
        assert_eq!(names.list(&GROUPS).len(), NAMES_MAX);
    }
}
