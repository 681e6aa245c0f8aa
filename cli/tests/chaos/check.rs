//! The judge: from the log of a run, what was lost, doubled, out of order, or missing without a word.
//!
//! What a member must have heard follows from real time alone: a message that was first sent while the member was there, and acknowledged. Where the member's connection broke, as
//! Redis and IRC clients' do with their node, only what was acknowledged before something was sent that the member still heard: that stands before it in the group's log.

use super::log::{Kind, Log, Member, Place, Window};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

/// What is wrong, in words, by kind; and how much there was of everything.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Acknowledged, and not heard by someone who was there.
    pub lost: Vec<String>,
    /// Heard twice by one, or found in two places.
    pub doubled: Vec<String>,
    /// Not the same order at all members; or two messages in one place; or a lower term behind a higher one.
    pub disorder: Vec<String>,
    /// Not heard by one though others did, between what was heard; and no gap was announced.
    pub holes: Vec<String>,
    pub said: usize,
    pub acked: usize,
    pub deliveries: usize,
    pub gaps: usize,
    pub breaks: usize,
    pub refusals: usize,
}

/// Judges a run that is over: what is under way is heard by nobody any more.
pub fn judge(log: &Log) -> Verdict {
    let mut verdict = Verdict {
        said: log.said.len(),
        acked: log.said.iter().filter(|said| said.acked.is_some()).count(),
        deliveries: log.members.iter().map(|member| member.heard.len()).sum(),
        gaps: log.members.iter().map(|member| member.gaps.len()).sum(),
        breaks: log.members.iter().map(|member| member.breaks).sum(),
        refusals: log.refusals.len(),
        ..Verdict::default()
    };
    let places = places(log, &mut verdict);
    for (number, member) in log.members.iter().enumerate() {
        let who = format!("{:?} member {number} of group {}", member.kind, member.group);
        let times = heard_at(member, &who, &mut verdict);
        lost(log, member, &who, &times, &mut verdict);
        for window in &member.windows {
            order_and_holes(member, window, &who, &places[&member.group], &mut verdict);
        }
    }
    verdict
}

/// By group: where each message is in the group's one order, and what is where.
#[derive(Default)]
struct Places {
    of: BTreeMap<usize, Rank>,
    at: BTreeMap<Rank, usize>,
}

/// A place, its group's lives in the order of their first terms.
type Rank = ((u32, u64), u64, u64);

/// As native members were told. They have to agree.
fn places(log: &Log, verdict: &mut Verdict) -> BTreeMap<usize, Places> {
    let mut first_terms: BTreeMap<(usize, u64), (u32, u64)> = BTreeMap::new();
    for member in &log.members {
        for place in member.heard.iter().filter_map(|heard| heard.place) {
            let first = first_terms.entry((member.group, place.birth)).or_insert(place.term);
            *first = place.term.min(*first);
        }
    }
    let mut groups: BTreeMap<usize, Places> = log.members.iter().map(|member| (member.group, Places::default())).collect();
    for member in &log.members {
        let places = groups.get_mut(&member.group).expect("made above");
        let mut last: Option<Place> = None;
        for (said, place) in member.heard.iter().filter_map(|heard| Some((heard.said, heard.place?))) {
            let rank = (first_terms[&(member.group, place.birth)], place.birth, place.seq);
            let there = *places.at.entry(rank).or_insert(said);
            if there != said {
                verdict.disorder.push(format!("group {}: m{there} and m{said} are both at {place:?}", member.group));
            }
            let here = *places.of.entry(said).or_insert(rank);
            if here != rank {
                verdict.doubled.push(format!("group {}: m{said} is at {here:?} and at {rank:?}", member.group));
            }
            if let Some(last) = last.filter(|last| last.birth == place.birth && last.term > place.term) {
                verdict.disorder.push(format!("group {}: term {:?} behind {:?}", member.group, place, last));
            }
            last = Some(place);
        }
    }
    groups
}

/// When each message was heard; nothing may be heard twice.
fn heard_at(member: &Member, who: &str, verdict: &mut Verdict) -> BTreeMap<usize, Instant> {
    let mut times = BTreeMap::new();
    for heard in &member.heard {
        if times.insert(heard.said, heard.at).is_some() {
            verdict.doubled.push(format!("{who} heard m{} twice", heard.said));
        }
    }
    times
}

fn lost(log: &Log, member: &Member, who: &str, times: &BTreeMap<usize, Instant>, verdict: &mut Verdict) {
    for window in &member.windows {
        // What the member heard last of what was sent: everything acknowledged before that has to be there.
        let in_window = |at: Instant| at >= window.from && window.to.is_none_or(|to| at <= to);
        let certain = times.iter().filter(|(_, at)| in_window(**at)).map(|(said, _)| log.said[*said].at).max();
        for (number, said) in log.said.iter().enumerate() {
            let Some(acked) = said.acked.filter(|_| said.group == member.group && said.at >= window.from) else { continue };
            let has_to = window.to.is_none() || certain.is_some_and(|certain| acked < certain);
            if has_to && !times.contains_key(&number) {
                verdict.lost.push(format!("{who} did not hear m{number}"));
            }
        }
    }
}

fn order_and_holes(member: &Member, window: &Window, who: &str, places: &Places, verdict: &mut Verdict) {
    let in_window = |at: Instant| at >= window.from && window.to.is_none_or(|to| at <= to);
    let heard = member.heard.iter().filter(|heard| in_window(heard.at));
    let ranked: Vec<(usize, Rank)> = heard.filter_map(|heard| Some((heard.said, *places.of.get(&heard.said)?))).collect();
    for pair in ranked.windows(2).filter(|pair| pair[1].1 < pair[0].1) {
        let [(early, late_place), (late, early_place)] = [pair[0], pair[1]];
        verdict.disorder.push(format!("{who} heard m{early}, of {late_place:?}, before m{late}, of {early_place:?}"));
    }
    let (Some(first), Some(last)) = (ranked.iter().map(|(_, rank)| *rank).min(), ranked.iter().map(|(_, rank)| *rank).max()) else {
        return;
    };
    let heard: BTreeMap<Rank, usize> = ranked.iter().map(|(said, rank)| (*rank, *said)).collect();
    if member.gaps.is_empty() {
        for (_, said) in places.at.range(first..=last).filter(|(rank, _)| !heard.contains_key(rank)) {
            verdict.holes.push(format!("{who} did not hear m{said}, between what it heard, and no gap was announced"));
        }
    }
}

impl Verdict {
    /// Nothing is wrong.
    #[track_caller]
    pub fn is_clean(&self) {
        let wrong = [&self.lost, &self.doubled, &self.disorder, &self.holes];
        assert!(wrong.iter().all(|list| list.is_empty()), "{self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { said, acked, deliveries, gaps, breaks, refusals, .. } = self;
        writeln!(
            f,
            "{said} said, {acked} acknowledged, {deliveries} heard; {gaps} gaps announced, {breaks} connections lost, {refusals} refusals"
        )?;
        for (what, list) in [("lost", &self.lost), ("doubled", &self.doubled), ("disorder", &self.disorder), ("holes", &self.holes)] {
            writeln!(f, "{what}: {}", list.len())?;
            list.iter().take(5).try_for_each(|line| writeln!(f, "    {line}"))?;
        }
        Ok(())
    }
}

/// The judge, on runs made by hand: what has to be noticed, and what must not be.
mod tests {
    use super::super::log::{Heard, Said};
    use super::*;
    use std::time::Duration;

    /// Messages 0 to 4 are said at 10, 20 … and acknowledged 5 later; the last one is not. Member 0 is native and hears everything; member 1 is shown as `kind`, there from `from` to
    /// `to`, and hears what is given, each when it was acknowledged.
    #[track_caller]
    fn check(kind: Kind, from: u64, to: Option<u64>, heard: &[usize], expect: [usize; 4]) {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let said_at = |said: usize| 10 * (said as u64 + 1);
        let said = |number| Said {
            group: 0,
            at: at(said_at(number)),
            acked: (number < 4).then(|| at(said_at(number) + 5)),
            given_up: number == 4,
        };
        let place = |said: usize| Place { birth: 7, seq: said as u64 + 3, term: (1, 1) };
        let member = |kind: Kind, from: u64, to: Option<u64>, heard: &[usize]| Member {
            heard: heard
                .iter()
                .map(|said| Heard { said: *said, at: at(said_at(*said) + 5), place: (kind == Kind::Native).then(|| place(*said)) })
                .collect(),
            windows: vec![Window { from: at(from), to: to.map(at) }],
            ..super::super::redis_and_irc::member(kind, 0)
        };
        let members = vec![member(Kind::Native, 0, None, &[0, 1, 2, 3, 4]), member(kind, from, to, heard)];
        let verdict = judge(&Log { said: (0..5).map(said).collect(), members, ..Log::default() });
        let found = [&verdict.lost, &verdict.doubled, &verdict.disorder, &verdict.holes].map(Vec::len);
        assert_eq!(found, expect, "lost, doubled, disorder, holes: {verdict}");
    }

    #[test]
    fn notices_what_is_wrong() {
        for kind in [Kind::Native, Kind::Redis, Kind::Irc] {
            check(kind, 0, None, &[0, 1, 2, 3, 4], [0; 4]);
            // What was never acknowledged may be missing at the end, but not in between.
            check(kind, 0, None, &[0, 1, 2, 3], [0; 4]);
            check(kind, 0, None, &[0, 1, 3, 4], [1, 0, 0, 1]);
            check(kind, 0, None, &[0, 1, 2], [1, 0, 0, 0]);
            check(kind, 0, None, &[0, 1, 1, 2, 3], [0, 1, 0, 0]);
            check(kind, 0, None, &[0, 2, 1, 3], [0, 0, 1, 0]);
            // Who came later need not have heard what was said before.
            check(kind, 15, None, &[1, 2, 3, 4], [0; 4]);
            check(kind, 15, None, &[2, 3, 4], [1, 0, 0, 0]);
        }
        // Who was cut off is judged for what they must have heard.
        check(Kind::Irc, 0, Some(27), &[0, 1], [0; 4]);
        check(Kind::Irc, 0, Some(37), &[0, 2], [1, 0, 0, 1]);
    }

    #[test]
    fn notices_two_histories() {
        let now = Instant::now();
        let member = |heard: &[(usize, Place)]| Member {
            heard: heard.iter().map(|(said, place)| Heard { said: *said, at: now, place: Some(*place) }).collect(),
            windows: vec![Window { from: now, to: None }],
            ..super::super::redis_and_irc::member(Kind::Native, 0)
        };
        let said = (0..2).map(|_| Said { group: 0, at: now, acked: None, given_up: true }).collect();
        let place = |seq, term| Place { birth: 7, seq, term: (1, term) };
        let members = vec![
            member(&[(0, place(1, 2)), (1, place(2, 1))]),
            // The same place, another message; and one message at two places.
            member(&[(1, place(1, 2))]),
        ];
        let verdict = judge(&Log { said, members, ..Log::default() });
        assert_eq!((verdict.disorder.len(), verdict.doubled.len()), (2, 1), "{verdict}");
    }
}
