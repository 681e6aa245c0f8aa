//! What happened in a run: what was said, when it was acknowledged, and what each member heard. The checkers judge it when the run is over.

use std::time::Instant;

/// A message, numbered through the whole run. Its text is `m` and the number.
#[derive(Clone, Debug)]
pub struct Said {
    pub group: usize,
    /// First sent.
    pub at: Instant,
    /// When its publisher was told that it is safe.
    pub acked: Option<Instant>,
    /// Never acknowledged, and not tried any more: it may be heard or not.
    pub given_up: bool,
}

/// The place of an entry, as native members are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which life of the group.
    pub birth: u64,
    pub seq: u64,
    /// Who assigned it.
    pub term: (u32, u64),
}

/// A message, heard.
#[derive(Clone, Debug)]
pub struct Heard {
    pub said: usize,
    pub at: Instant,
    pub place: Option<Place>,
}

/// A time in which a member should have heard everything.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from: Instant,
    /// `None`: until the end of the run.
    pub to: Option<Instant>,
}

/// What kind of program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Joins at the master, follows it, and goes on from where it was.
    Native,
    /// A Redis library: subscribes anywhere, anew when the connection breaks.
    Redis,
    /// An IRC client, the same.
    Irc,
}

/// A member, and all it heard.
#[derive(Debug)]
pub struct Member {
    pub kind: Kind,
    pub group: usize,
    pub heard: Vec<Heard>,
    pub windows: Vec<Window>,
    /// What was announced as missing, and how many messages had been heard before.
    pub gaps: Vec<(usize, String)>,
    /// Connections that broke.
    pub breaks: usize,
    /// Where it went, and what it was told there: for the report of a failure.
    pub steps: Vec<(Instant, String)>,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Log {
    pub said: Vec<Said>,
    pub members: Vec<Member>,
    /// What publishers were told instead of an acknowledgement, beside being asked to wait.
    pub refusals: Vec<String>,
    /// The longest that one publisher waited for an acknowledgement, and when that was, since it was last forgotten.
    pub longest_wait: Option<(std::time::Duration, Instant)>,
}

impl Member {
    pub fn is_present(&self) -> bool {
        self.windows.last().is_some_and(|window| window.to.is_none())
    }

    pub fn steps(&mut self, at: Instant, step: impl Into<String>) {
        self.steps.push((at, step.into()));
    }

    /// Here now; whoever resumes was here all the time.
    pub fn comes(&mut self, at: Instant) {
        if !self.is_present() {
            self.windows.push(Window { from: at, to: None });
        }
    }

    pub fn breaks(&mut self, at: Instant) {
        self.breaks += 1;
        if let (Kind::Redis | Kind::Irc, Some(window)) = (self.kind, self.windows.last_mut()) {
            window.to.get_or_insert(at);
        }
    }

    pub fn hears(&mut self, text: &str, at: Instant, place: Option<Place>) {
        if let Some(said) = number(text) {
            self.heard.push(Heard { said, at, place });
        }
    }
}

impl Log {
    /// A new message's number.
    pub fn say(&mut self, group: usize, at: Instant) -> usize {
        self.said.push(Said { group, at, acked: None, given_up: false });
        self.said.len() - 1
    }

    pub fn acked(&mut self, said: usize, at: Instant) {
        let said = &mut self.said[said];
        if said.acked.is_some() {
            return;
        }
        said.acked = Some(at);
        let wait = at - said.at;
        if self.longest_wait.is_none_or(|(longest, _)| wait > longest) {
            self.longest_wait = Some((wait, at));
        }
    }

    /// Whether each member has heard something that was said since then.
    pub fn all_hear_since(&self, then: Instant) -> bool {
        self.members.iter().all(|member| member.heard.last().is_some_and(|heard| self.said[heard.said].at >= then))
    }

    /// Who has heard nothing that was said since then, and whether they think that they are in their group.
    pub fn deaf_since(&self, then: Instant) -> Vec<String> {
        let is_deaf = |member: &Member| member.heard.last().is_none_or(|heard| self.said[heard.said].at < then);
        let deaf = self.members.iter().enumerate().filter(|(_, member)| is_deaf(member));
        let words = |(number, member): (usize, &Member)| {
            let place = if member.is_present() { "in" } else { "not in" };
            let acked = self.said.iter().filter(|said| said.group == member.group && said.at >= then && said.acked.is_some()).count();
            let Member { kind, group, steps, .. } = member;
            let last =
                steps[steps.len().saturating_sub(8)..].iter().map(|(at, step)| format!("{:.3} s ago {step}", at.elapsed().as_secs_f64()));
            let last = last.collect::<Vec<_>>().join("; ");
            format!("{kind:?} member {number}, {place} group {group}, where {acked} messages were acknowledged: {last}")
        };
        deaf.map(words).collect()
    }

    /// When each member heard for the first time something that was said since then; `None`: has not yet.
    pub fn first_heard_since(&self, then: Instant) -> Vec<Option<Instant>> {
        let first = |member: &Member| {
            // From the end: a run may be long.
            let recent = member.heard.iter().rev().take_while(|heard| heard.at >= then);
            recent.filter(|heard| self.said[heard.said].at >= then).map(|heard| heard.at).min()
        };
        self.members.iter().map(first).collect()
    }

    /// Whether nothing is under way any more.
    pub fn is_settled(&self) -> bool {
        self.said.iter().all(|said| said.acked.is_some() || said.given_up)
    }
}

/// The number of a message, if the text is one of ours.
pub fn number(text: &str) -> Option<usize> {
    text.strip_prefix('m')?.parse().ok()
}
