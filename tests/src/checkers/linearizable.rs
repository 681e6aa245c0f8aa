//! The registry of nodes is one: whoever asks for what is certainly the newest hears of all that anyone knew when they asked.
//!
//! Every change of the ring has an epoch, and an epoch is one view (`one_directory`). So the order in which things happened to the registry is given, and it is enough to see that nobody who asked was answered by an epoch
//! that was out of date already: what was agreed on by then, said to a super node with its place, or answered to someone else.

use std::collections::BTreeMap;

use chatring_machines::ids::Epoch;

use crate::world::{Moment, Pid, World};

/// Says which answer was out of date.
pub fn check(world: &World) -> Result<(), String> {
    of(world.registry().moments()).map_err(|why| format!("linearizable: {why}"))
}

fn of(moments: &[Moment]) -> Result<(), String> {
    let (mut known, mut asked) = (Epoch::default(), BTreeMap::<Pid, Epoch>::new());
    for moment in moments {
        match moment {
            Moment::Known(epoch) => known = known.max(*epoch),
            Moment::Asks(who) => _ = asked.insert(*who, known),
            Moment::Hears(who, epoch) => {
                let at_least = asked.remove(who).unwrap_or_default();
                if *epoch < at_least {
                    return Err(format!("{who:?} asked when epoch {at_least} was known, and was answered by {epoch}"));
                }
                known = known.max(*epoch);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `epoch`: it is known; `?who`: they ask; `who=epoch`: they are answered.
    #[track_caller]
    fn check(history: &str, is_well: bool) {
        let epoch = |text: &str| Epoch { generation: 1, number: text.parse().expect("an epoch is a number") };
        let pid = |text: &str| Pid(text.parse().expect("who is a number"));
        let moment = |word: &str| match (word.strip_prefix('?'), word.split_once('=')) {
            (Some(who), _) => Moment::Asks(pid(who)),
            (_, Some((who, number))) => Moment::Hears(pid(who), epoch(number)),
            _ => Moment::Known(epoch(word)),
        };
        let moments: Vec<Moment> = history.split(' ').map(moment).collect();
        assert_eq!(of(&moments).is_ok(), is_well, "{history}");
    }

    #[test]
    fn answers_are_as_new_as_what_was_known_when_it_was_asked() {
        check("3 ?1 1=3", true);
        check("3 ?1 1=4", true);
        check("3 ?1 4 1=3", true);
        check("3 ?1 4 1=4 ?2 2=4", true);
        check("3 ?1 1=2", false);
        check("3 4 ?1 1=3", false);
        // What one was told another hears, too, though both asked before.
        check("3 ?1 ?2 4 2=4 1=3", true);
        check("3 ?1 1=4 ?2 2=3", false);
    }
}
