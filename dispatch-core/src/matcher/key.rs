//! Segments as keys of two words.

/// Dots that follow a text, so that eight bytes can be read from any place in it and its end looks like the end
/// of any other segment.
pub(super) const PADDING: [u8; 8] = [b'.'; 8];

/// A folded segment in two words.
///
/// Up to 15 bytes stand in the key themselves, filled up with zeros, and the top byte is zero: such keys are
/// equal exactly if the segments are. Of a longer segment the first word is a hash and the top bit of the second
/// is set; equal keys then call for a look at the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(pub(super) u64, pub(super) u64);

impl Key {
    /// Marks the second word of a long segment.
    pub(super) const LONG: u64 = 1 << 63;

    /// Reads the segment that begins at `start` of a folded text with its [`PADDING`] behind it: its key and the
    /// position of the dot that ends it.
    #[inline]
    pub(super) fn read(padded: &[u8], start: usize) -> (Self, usize) {
        let first = word(padded, start);
        if let Some(length) = dot(first) {
            return (Self(keep(first, length), 0), start + length);
        }
        let second = word(padded, start + 8);
        if let Some(length) = dot(second) {
            return (Self(first, keep(second, length)), start + 8 + length);
        }
        let mut hash = fold(first ^ SEED, second ^ SECRET);
        let mut at = start + 16;
        loop {
            let next = word(padded, at);
            if let Some(length) = dot(next) {
                let end = at + length;
                hash = fold(hash ^ keep(next, length), (end - start) as u64 ^ SECRET);
                // Never zero: that is how a table marks a vacant slot.
                return (Self(hash | 1, Self::LONG), end);
            }
            hash = fold(hash ^ next, SECRET);
            at += 8;
        }
    }

    /// Whether the text must be compared too.
    #[inline]
    pub(super) const fn is_long(self) -> bool {
        self.1 & Self::LONG != 0
    }

    /// A hash for tables that a stranger cannot add to.
    #[inline]
    pub(super) fn hash(self) -> u64 {
        // The second word of a long key may carry more than the mark; it is not part of the identity.
        let second = if self.is_long() { Self::LONG } else { self.1 };
        fold(self.0 ^ SEED, second ^ SECRET)
    }
}

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const SECRET: u64 = 0xD6E8_FEB8_6659_FD93;

/// Multiplies to 128 bits and adds the halves by exclusive or: every input bit reaches the whole result.
#[inline]
pub(super) const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Eight bytes from `at`; what lies behind the padding reads as dots, which ends every loop.
#[inline]
fn word(padded: &[u8], at: usize) -> u64 {
    let bytes = padded.get(at..).and_then(<[u8]>::first_chunk::<8>);
    u64::from_le_bytes(*bytes.unwrap_or(&PADDING))
}

/// The position of the first dot among eight bytes, the lowest byte being the first.
#[inline]
const fn dot(word: u64) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let difference = word ^ u64::from_le_bytes(PADDING);
    // The lowest bit set belongs to the first byte that is zero; higher ones may be false.
    let zeros = difference.wrapping_sub(LOW) & !difference & HIGH;
    if zeros == 0 { None } else { Some(zeros.trailing_zeros() as usize / 8) }
}

/// The first `length` bytes (at most 7) of a word, the others zero.
#[inline]
const fn keep(word: u64, length: usize) -> u64 {
    word & ((1 << (8 * length)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Key, usize) {
        Key::read(&[text.as_bytes(), &PADDING].concat(), 0)
    }

    #[test]
    fn a_segment_ends_at_its_dot_whatever_its_length() {
        for length in 1..70 {
            let segment = "x".repeat(length);
            assert_eq!(read(&segment).1, length);
            assert_eq!(read(&format!("{segment}.y")).1, length);
            assert_eq!(read(&format!("{segment}.y")).0, read(&segment).0);
            assert_eq!(read(&segment).0.is_long(), length > 15);
        }
    }

    #[test]
    fn keys_of_different_segments_differ() {
        let segments: Vec<String> = (1..40).flat_map(|n| ["a".repeat(n), "a".repeat(n) + "b"]).collect();
        for (index, one) in segments.iter().enumerate() {
            for other in &segments[index + 1..] {
                assert_eq!(one == other, read(one).0 == read(other).0, "{one} {other}");
            }
        }
    }

    #[test]
    fn bytes_next_to_the_dot_in_value_are_no_dots() {
        assert_eq!(read("-/-/-/-/-/").1, 10);
        assert_eq!(read("\u{ae}\u{2e2e}").1, 5);
    }
}
