use std::io::{self, BufRead, BufReader, ErrorKind, Read};

/// One line of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Its bytes, without the line feed.
    Text(&'a [u8]),
    /// It is longer than the limit; it was read past and never held.
    TooLong {
        /// Its length.
        bytes: u64,
    },
}

/// Reads lines in bounded memory: whatever comes, no more than the limit is held.
pub(crate) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    limit: usize,
    taken: u64,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(input: R, limit: usize) -> Self {
        Self { input: BufReader::with_capacity(64 * 1024, input), line: Vec::new(), limit, taken: 0 }
    }

    /// Bytes read so far, as far as lines were made of them.
    pub(crate) const fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether the next line is there without waiting for more input.
    pub(crate) fn is_ready(&self) -> bool {
        self.input.buffer().contains(&b'\n')
    }

    /// The next line; `None` at the end. The last line needs no line feed.
    ///
    /// # Errors
    /// Whatever the input reports.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut length = 0_u64;
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let at_end = buffer.is_empty();
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let used = part.len() + usize::from(end.is_some());
            length += part.len() as u64;
            if length <= self.limit as u64 {
                self.line.extend_from_slice(part);
            }
            self.input.consume(used);
            self.taken += used as u64;
            if at_end && length == 0 {
                return Ok(None);
            }
            if at_end || end.is_some() {
                break;
            }
        }
        if length > self.limit as u64 {
            return Ok(Some(Line::TooLong { bytes: length }));
        }
        Ok(Some(Line::Text(&self.line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, limit: usize) -> Vec<String> {
        let mut lines = Lines::new(text.as_bytes(), limit);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(match line {
                Line::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
                Line::TooLong { bytes } => format!("{bytes} bytes"),
            });
        }
        assert_eq!(lines.taken(), text.len() as u64);
        all
    }

    #[test]
    fn the_last_line_needs_no_line_feed() {
        assert_eq!(all("a\n\nb", 10), ["a", "", "b"]);
        assert_eq!(all("a\n", 10), ["a"]);
        assert_eq!(all("", 10), [""; 0]);
    }

    #[test]
    fn the_limit_is_inclusive_and_a_long_line_does_not_hurt_the_next() {
        assert_eq!(all("1234\n12345\n1\n", 4), ["1234", "5 bytes", "1"]);
        assert_eq!(all(&format!("{}\nx", "y".repeat(200_000)), 100_000), ["200000 bytes", "x"]);
    }

    #[test]
    fn a_long_line_is_not_held() {
        let mut lines = Lines::new(io::repeat(b'x').take(50_000_000), 1000);
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong { bytes: 50_000_000 }));
        assert!(lines.line.capacity() < 200_000);
    }
}
