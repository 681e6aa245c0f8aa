//! What a group can be set to, by names instead of letters. The same table serves both directions.

/// When a mode comes with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Whether it is set or taken away.
    Always,
    /// Only when it is set.
    WhenSet,
    /// Never.
    Nothing,
}

/// A mode.
#[derive(Debug)]
pub(crate) struct Mode {
    pub letter: u8,
    pub name: &'static str,
    pub takes: Takes,
    /// For the reference.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the reference is made of it"))]
    pub means: &'static str,
}

/// All of them.
pub(crate) const MODES: [Mode; 9] = [
    mode(b'o', "operator", Takes::Always, "this nick may kick, set modes, and set a locked topic"),
    mode(b'v', "voice", Takes::Always, "this nick may speak in a moderated group"),
    mode(b'b', "ban", Takes::Always, "whoever fits this mask (`nick!user@host`) may not join or speak"),
    mode(b'k', "key", Takes::WhenSet, "needed to join"),
    mode(b'l', "limit", Takes::WhenSet, "at most so many members"),
    mode(b'i', "invite-only", Takes::Nothing, "only the invited may join"),
    mode(b'm', "moderated", Takes::Nothing, "only operators and voices may speak"),
    mode(b'n', "members-only", Takes::Nothing, "only members may speak"),
    mode(b't', "topic-locked", Takes::Nothing, "only operators may set the topic"),
];

const fn mode(letter: u8, name: &'static str, takes: Takes, means: &'static str) -> Mode {
    Mode { letter, name, takes, means }
}

impl Mode {
    /// Whether a change in this direction has a value for programs.
    pub fn takes_value(&self, set: bool) -> bool {
        self.takes == Takes::Always || (self.takes == Takes::WhenSet && set)
    }

    /// Whether it has an argument in records, where taking a key away names it.
    pub fn takes_argument(&self, set: bool) -> bool {
        self.takes_value(set) || self.letter == b'k'
    }
}

/// By its letter.
pub(crate) fn of_letter(letter: u8) -> Option<&'static Mode> {
    MODES.iter().find(|mode| mode.letter == letter)
}

/// By its name.
pub(crate) fn of_name(name: &str) -> Option<&'static Mode> {
    MODES.iter().find(|mode| mode.name == name)
}

/// What ranks are called, in the order in which their letters come.
pub(crate) const RANKS: [(u8, &str); 3] = [(b'q', "founder"), (b'o', "operator"), (b'v', "voice")];
