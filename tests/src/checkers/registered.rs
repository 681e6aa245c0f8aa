//! A place in the ring that was confirmed is kept: whoever was told that they have it, as of an epoch, is in all views from that on, until they are taken out for a reason; and then they don't come back but as of a later epoch.
//!
//! What may be a reason is worked out by the world when it happens: the process ended, or was told to, or something was wrong with it, or with directory servers, lately.

use std::collections::BTreeMap;

use chatring_machines::ids::Epoch;
use chatring_machines::view::{SharedView, View};

use crate::world::{Gone, Registered, World};

/// Says whose place was lost.
pub fn check(world: &World) -> Result<(), String> {
    let registry = world.registry();
    let kept = registry.registered().iter().try_for_each(|registered| is_kept(registered, registry.views()));
    kept.and_then(|()| had_reasons(registry.gone())).map_err(|why| format!("registered: {why}"))
}

fn is_kept(registered: &Registered, views: &BTreeMap<Epoch, SharedView>) -> Result<(), String> {
    let Registered { key, incarnation, epoch } = registered;
    let is_in = |view: &View| view.node(key).is_some_and(|node| node.incarnation == *incarnation);
    // Of the view it was told as of everyone may be gone who knew it; those after it were made from it.
    let mut later = views.range(epoch..).map(|(_, view)| view).peekable();
    match later.peek() {
        None => return Err(format!("{key} was told that it is in the ring of epoch {epoch}, and nobody knows of one that new")),
        Some(view) if view.epoch == *epoch && !is_in(view) => {
            return Err(format!("{key} was told that it is in the ring of epoch {epoch}, and it is not"));
        }
        Some(_) => {}
    }
    let Some(out) = later.by_ref().find(|view| !is_in(view)) else { return Ok(()) };
    let is_back = |view: &&SharedView| view.node(key).is_some_and(|node| node.incarnation == *incarnation && node.admitted <= out.epoch);
    match later.find(is_back) {
        Some(back) => Err(format!("{key} was out of the ring of epoch {}, and is back in that of {}", out.epoch, back.epoch)),
        None => Ok(()),
    }
}

fn had_reasons(gone: &[Gone]) -> Result<(), String> {
    match gone.iter().find(|gone| gone.why.is_none()) {
        Some(Gone { at, key, .. }) => Err(format!("{key} was let go at {}, and nothing was wrong", at.0)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chatring_machines::Time;
    use chatring_machines::ids::Incarnation;
    use chatring_machines::names::NodeKey;
    use chatring_machines::view::{NodeInfo, RingParams};

    use super::*;

    fn key() -> NodeKey {
        NodeKey::new("10.0.0.1").expect("that is an address")
    }

    /// The views, each with the start of the node that is in it, and since which epoch, or none: `3:1@3 4:1@3 5: 6:2@6`. Start 1 was told that it has its place as of this epoch.
    #[track_caller]
    fn check(told: u64, views: &str, is_well: bool) {
        let epoch = |number| Epoch { generation: 1, number };
        let number = |text: &str| text.parse::<u64>().ok();
        let view = |word: &str| {
            let (at, there) = word.split_once(':').expect("an epoch, and who is in it");
            let (at, there) = (epoch(number(at).expect("an epoch is a number")), there.split_once('@'));
            let node = |(start, since): (&str, &str)| {
                let (incarnation, admitted) = (Incarnation(number(start).unwrap_or(0)), epoch(number(since).unwrap_or(0)));
                NodeInfo { key: key(), name: "a".into(), incarnation, since: Time(0), admitted }
            };
            let (epoch, nodes) = (at, there.map(node).into_iter().collect());
            (epoch, Arc::new(View { epoch, network: "w".into(), params: RingParams::default(), nodes, directories: Vec::new() }))
        };
        let views: BTreeMap<Epoch, SharedView> = views.split(' ').map(view).collect();
        let registered = Registered { key: key(), incarnation: Incarnation(1), epoch: epoch(told) };
        assert_eq!(is_kept(&registered, &views).is_ok(), is_well, "{told} in {views:?}");
    }

    #[test]
    fn who_was_told_that_they_are_in_the_ring_is() {
        check(3, "3:1@3 4:1@3", true);
        check(3, "2: 3:1@3 4:1@3 5:", true);
        check(3, "3:1@3 4:2@4 5:2@4", true);
        check(3, "2: 4:1@3", true);
        check(3, "3:1@3 4: 5:1@5", true);
        check(3, "3: 4:1@4", false);
        check(3, "2:1@2", false);
        check(3, "3:2@3", false);
        check(3, "3:1@3 4: 5:1@3", false);
    }

    #[test]
    fn nobody_is_let_go_for_nothing() {
        let gone = |why| [Gone { at: Time(5), key: key(), incarnation: Incarnation(1), why }];
        assert!(had_reasons(&gone(Some("its process ended"))).is_ok());
        assert!(had_reasons(&gone(None)).is_err());
    }
}
