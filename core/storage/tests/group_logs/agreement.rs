//! The keeper on disk and the one in memory are the same function: whatever is kept, a start finds the same.

use std::collections::BTreeMap;

use chatring_machines::keeping::{Durability, Keep, Keeper, Keeping, MemoryKeeper};
use chatring_machines::time::Jitter;

use crate::common;

const GROUPS: [&str; 5] = ["#a", "#ab", "#Ünï", "@joe", "#zz"];
const TEXTS: [&str; 5] = ["", "plain", "nul\0inside", "7:net,string:", "ünï 🦀 'quoted' \"twice\""];

/// What is known of a group, so that nothing is kept that would be a mistake.
#[derive(Clone, Copy, Default)]
struct Kept {
    birth: u64,
    image: u64,
    newest: Option<u64>,
    log_from: u64,
}

fn draw(jitter: &mut Jitter, groups: &mut BTreeMap<&'static str, Kept>) -> Keeping {
    let name = GROUPS[jitter.below(GROUPS.len() as u64) as usize];
    let text = TEXTS[jitter.below(TEXTS.len() as u64) as usize];
    let known = groups.entry(name).or_default();
    let what = match jitter.below(20) {
        0 => {
            *known = Kept::default();
            Keep::Drop
        }
        1 | 2 => common::standing(jitter.below(5), jitter.below(2) == 0),
        3..=5 => {
            let end = known.newest.unwrap_or(0).max(known.image);
            let seq = if jitter.below(3) == 0 { jitter.below(end + 4) } else { end };
            known.birth += u64::from(jitter.below(6) == 0);
            known.log_from = jitter.below(seq + 2);
            known.image = seq;
            // The model knows what is left of the log; here it is enough to know less.
            known.newest = None;
            common::image(known.birth, seq, known.log_from, jitter.below(4))
        }
        _ => {
            let end = known.newest.unwrap_or(0).max(known.image);
            let first = if jitter.below(4) == 0 { 1 + jitter.below(end + 1) } else { end + 1 };
            let many = jitter.below(10) == 0;
            let last = first + jitter.below(if many { 700 } else { 5 });
            known.newest = Some(last);
            common::entries(jitter.below(9), first..=last, text)
        }
    };
    common::keeping(name, what)
}

#[track_caller]
fn check(seed: u64, batches: u64) {
    let mut jitter = Jitter::new(seed);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("groups.db");
    let (mut model, mut groups) = (MemoryKeeper::new(Durability::Replicated), BTreeMap::new());
    let (mut logs, _) = common::open(&path, Durability::Replicated);
    for batch in 0..batches {
        let keeps: Vec<Keeping> = (0..jitter.below(12)).map(|_| draw(&mut jitter, &mut groups)).collect();
        logs.keep(&keeps).unwrap();
        keeps.into_iter().for_each(|keeping| model.keep(keeping));
        model.sync();
        if jitter.below(4) == 0 || batch + 1 == batches {
            // Half of the ends are in order, the others as if killed.
            match jitter.below(2) {
                0 => logs.close().unwrap(),
                _ => model.crash(0),
            }
            drop(logs);
            let (reopened, found) = common::open(&path, Durability::Replicated);
            assert_eq!(found, model.load(), "seed {seed}, reopened after batch {batch}");
            logs = reopened;
        }
    }
}

#[test]
fn random_keeps() {
    for seed in 0..30 {
        check(seed, 40);
    }
}
