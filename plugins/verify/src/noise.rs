//! Randomness that repeats.

/// Splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Noise {
        Noise(seed)
    }

    /// Below the bound, which counts as 1 at least.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    /// Up to so many bytes.
    pub fn bytes(&mut self, max: usize) -> Vec<u8> {
        let count = self.below(max + 1);
        (0..count).map(|_| self.below(256) as u8).collect()
    }

    /// Up to so many characters, of every length that UTF-8 has, and the odd ones among them.
    pub fn text(&mut self, max: usize) -> String {
        const ODD: [char; 12] =
            ['\0', '\r', '\n', '\t', '\u{1b}', '\u{7f}', '\u{ad}', '\u{200f}', '\u{202e}', '\u{feff}', '\u{fffd}', '\u{10ffff}'];
        let count = self.below(max + 1);
        let one = |noise: &mut Noise| match noise.below(6) {
            0 => ODD[noise.below(ODD.len())],
            1 => char::from_u32(noise.below(0x11_0000) as u32).unwrap_or('\u{1f980}'),
            2 => char::from_u32(0x300 + noise.below(0x70) as u32).unwrap_or('x'),
            _ => (b' ' + noise.below(95) as u8) as char,
        };
        (0..count).map(|_| one(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats() {
        let [mut one, mut same, mut other] = [Noise::new(7), Noise::new(7), Noise::new(8)];
        let (first, text) = (one.bytes(4000), one.text(400));
        assert_eq!((&first, &text), (&same.bytes(4000), &same.text(400)));
        assert_ne!(first, other.bytes(4000));
        assert_eq!((one.below(0), one.below(1)), (0, 0));
    }
}
