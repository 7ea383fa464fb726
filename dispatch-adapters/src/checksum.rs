//! The sum that shows whether what is read is still what was written.

use xxhash_rust::xxh3::Xxh3;

/// A sum over numbers and texts; where one text ends and the next begins is part of it.
pub(crate) fn sum(numbers: &[i64], texts: &[&[u8]]) -> i64 {
    let mut hasher = Xxh3::new();
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    hasher.digest().cast_signed()
}
