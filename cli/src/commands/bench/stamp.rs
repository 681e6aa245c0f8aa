//! The stamp at the start of every message, and the subscriber who checks it.
//!
//! A stamp is printable, so that it travels through a chat: two marking bytes, then publisher, number and send time in digits of six bits.
//! Reading it is the price of every delivery on the side of the bench, so the place where the next stamp should be is guessed from
//! the last one; only when the guess is wrong the bytes are searched.

/// Where a stamp begins. Nothing else the servers say contains it.
pub const MARK: &[u8; 2] = b"~^";
/// Bytes of a stamp, and so the least size of a message.
pub const STAMP_BYTES: usize = 2 + PUBLISHER_DIGITS + NUMBER_DIGITS + TIME_DIGITS;
/// The most publishers a stamp can tell apart.
pub const PUBLISHERS_MAX: usize = 1 << (6 * PUBLISHER_DIGITS);

const PUBLISHER_DIGITS: usize = 2;
const NUMBER_DIGITS: usize = 5;
const TIME_DIGITS: usize = 7;

/// Who sent which message when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which publisher.
    pub publisher: u16,
    /// Which of its messages, from 0.
    pub number: u32,
    /// When it was sent, in microseconds since the bench began.
    pub sent_us: u64,
}

impl Stamp {
    /// Appends a message of `size` bytes: the stamp, then filling.
    pub fn put(self, size: usize, out: &mut Vec<u8>) {
        let end = out.len() + size;
        out.extend_from_slice(MARK);
        digits(u64::from(self.publisher), PUBLISHER_DIGITS, out);
        digits(u64::from(self.number), NUMBER_DIGITS, out);
        digits(self.sent_us, TIME_DIGITS, out);
        out.resize(end, b'x');
    }

    fn read(text: &[u8]) -> Stamp {
        let (publisher, rest) = text[MARK.len()..STAMP_BYTES].split_at(PUBLISHER_DIGITS);
        let (number, time) = rest.split_at(NUMBER_DIGITS);
        Stamp { publisher: value(publisher) as u16, number: value(number) as u32, sent_us: value(time) }
    }
}

fn digits(value: u64, count: usize, out: &mut Vec<u8>) {
    out.extend((0..count).rev().map(|place| b'0' + (value >> (6 * place) & 63) as u8));
}

fn value(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, digit| value << 6 | u64::from(digit.wrapping_sub(b'0') & 63))
}

/// The messages of a run: publisher `p` sends its `n`-th to group `(p + n) mod groups`, so that each group has its share of each.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many publishers.
    pub publishers: u32,
    /// How many groups.
    pub groups: u32,
    /// How many messages each publisher sends.
    pub each: u32,
    /// Bytes of a message.
    pub size: usize,
}

impl Shape {
    /// Where a message goes.
    pub fn group_of(&self, publisher: u32, number: u32) -> u32 {
        (publisher + number) % self.groups
    }

    /// The first message of a publisher that goes to a group.
    fn first(&self, publisher: u32, group: u32) -> u32 {
        (group + self.groups - publisher % self.groups) % self.groups
    }

    /// How many messages a subscriber of this group hears.
    pub fn deliveries(&self, group: u32) -> u64 {
        let count = |publisher| (self.each + self.groups - 1 - self.first(publisher, group)) / self.groups;
        (0..self.publishers).map(|publisher| u64::from(count(publisher))).sum()
    }
}

/// Reads one subscriber's bytes and checks that every message comes once and in order.
#[derive(Debug)]
pub struct Follow {
    /// The next number expected of each publisher.
    next: Box<[u32]>,
    /// Bytes between the end of a message and the next stamp, as last seen.
    gap: usize,
    /// What was wrong so far.
    pub faults: Faults,
}

/// How a run can go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Faults {
    /// Messages that never came (or came after a later one).
    pub lost: u64,
    /// Messages that came again, or late.
    pub repeated: u64,
    /// Messages that are not what was sent.
    pub garbled: u64,
}

impl Follow {
    /// A subscriber of `group` who has heard nothing.
    pub fn new(shape: &Shape, group: u32) -> Follow {
        Follow { next: (0..shape.publishers).map(|publisher| shape.first(publisher, group)).collect(), gap: 0, faults: Faults::default() }
    }

    /// Hands every complete message to `heard`, what stands between messages (where it is not as last time) to `other`, and tells how many
    /// bytes are done with. The rest must be shown again, with more behind it.
    pub fn read(&mut self, shape: &Shape, bytes: &[u8], mut heard: impl FnMut(Stamp), mut other: impl FnMut(&[u8])) -> usize {
        let mut at = 0;
        loop {
            let Some(start) = self.next_mark(bytes, at) else {
                // No stamp in sight: whole lines are something else, the last line may become a message.
                let lines = bytes[at..].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                if lines > self.gap {
                    other(&bytes[at..at + lines]);
                    return at + lines;
                }
                return at;
            };
            let end = start + shape.size;
            if end + 2 > bytes.len() {
                return at;
            }
            if start - at != self.gap {
                self.gap = start - at;
                other(&bytes[at..start]);
            }
            if &bytes[end..end + 2] != b"\r\n" {
                self.faults.garbled += 1;
            }
            let stamp = Stamp::read(&bytes[start..]);
            self.place(shape, stamp);
            heard(stamp);
            at = end + 2;
        }
    }

    fn next_mark(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let guess = at + self.gap;
        if bytes.get(guess..guess + MARK.len()) == Some(MARK) {
            return Some(guess);
        }
        bytes[at..].windows(MARK.len()).position(|window| window == MARK).map(|found| at + found)
    }

    fn place(&mut self, shape: &Shape, stamp: Stamp) {
        let Some(next) = self.next.get_mut(usize::from(stamp.publisher)) else {
            self.faults.garbled += 1;
            return;
        };
        match stamp.number.cmp(next) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Less => {
                self.faults.repeated += 1;
                return;
            }
            std::cmp::Ordering::Greater => self.faults.lost += u64::from((stamp.number - *next) / shape.groups),
        }
        *next = stamp.number + shape.groups;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { publishers: 2, groups: 2, each: 5, size: 20 };

    fn stream(numbers: &[(u16, u32)]) -> Vec<u8> {
        let mut bytes = b":s 366 x\r\n".to_vec();
        for &(publisher, number) in numbers {
            bytes.extend_from_slice(b"MSG #bench ");
            Stamp { publisher, number, sent_us: 1 << 40 }.put(SHAPE.size, &mut bytes);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }

    #[track_caller]
    fn check(numbers: &[(u16, u32)], expect: Faults) {
        let bytes = stream(numbers);
        // The same bytes, cut at every place, must be read the same.
        for cut in 0..bytes.len() {
            let mut follow = Follow::new(&SHAPE, 0);
            let mut heard = Vec::new();
            let done = follow.read(&SHAPE, &bytes[..cut], |stamp| heard.push((stamp.publisher, stamp.number)), |_| {});
            let rest = follow.read(&SHAPE, &bytes[done..], |stamp| heard.push((stamp.publisher, stamp.number)), |_| {});
            assert_eq!((done + rest, heard.as_slice(), follow.faults), (bytes.len(), numbers, expect), "cut at {cut}");
        }
    }

    #[test]
    fn a_subscriber_checks_order_and_count() {
        // In group 0: of publisher 0 the numbers 0, 2, 4; of publisher 1 the numbers 1, 3.
        check(&[(0, 0), (1, 1), (0, 2), (1, 3), (0, 4)], Faults::default());
        check(&[(0, 0), (0, 4)], Faults { lost: 1, ..Faults::default() });
        check(&[(0, 0), (0, 0)], Faults { repeated: 1, ..Faults::default() });
        check(&[(7, 0)], Faults { garbled: 1, ..Faults::default() });
        assert_eq!((SHAPE.deliveries(0), SHAPE.deliveries(1)), (5, 5));
    }

    #[test]
    fn a_stamp_survives_its_text() {
        let stamp = Stamp { publisher: 4095, number: (1 << 30) - 1, sent_us: (1 << 42) - 1 };
        let mut text = Vec::new();
        stamp.put(64, &mut text);
        assert_eq!((text.len(), Stamp::read(&text)), (64, stamp));
        assert!(text.iter().all(u8::is_ascii_graphic));
    }
}
