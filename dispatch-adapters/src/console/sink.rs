use std::io::{self, Write};

use crate::lines::{Fault, Sink};

/// Any writer, with a buffer in front of it.
pub(super) struct Stream<W> {
    writer: W,
    buffer: Vec<u8>,
    name: &'static str,
}

impl<W> Stream<W> {
    pub(super) fn new(writer: W, name: &'static str) -> Self {
        Self { writer, buffer: Vec::new(), name }
    }
}

impl<W: Write + Send + 'static> Sink for Stream<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(line);
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        let written = self.writer.write_all(&self.buffer).and_then(|()| self.writer.flush());
        self.buffer.clear();
        written
    }

    fn explain(&self, error: &io::Error) -> Fault {
        Fault::of(error, self.name)
    }
}
