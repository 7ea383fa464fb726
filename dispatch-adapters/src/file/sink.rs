use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::options::{FileOptions, FlushPolicy};
use super::rotation::rotate;
use crate::lines::{Fault, Sink};

/// The file, as the thread that writes sees it.
pub(super) struct LogFile {
    options: FileOptions,
    open: Option<Open>,
    /// Lines that wait for the commit.
    buffer: Vec<u8>,
}

struct Open {
    file: File,
    /// Bytes in the file, those of the buffer not counted.
    size: u64,
    /// Whether the name of the file is on the disk for sure.
    name_is_safe: bool,
}

impl LogFile {
    pub(super) fn new(options: FileOptions) -> Self {
        Self { options, open: None, buffer: Vec::new() }
    }

    fn open(&mut self) -> io::Result<&mut Open> {
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::at(&self.options.path)?,
        };
        Ok(self.open.insert(open))
    }

    /// Writes the buffer to the file that is open.
    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let (disk, path) = (self.options.flush == FlushPolicy::Disk, self.options.path.clone());
        let buffer = std::mem::take(&mut self.buffer);
        let open = self.open()?;
        let written = open.append(&buffer, disk.then_some(&*path));
        self.buffer = buffer;
        self.buffer.clear();
        if written.is_err() {
            // Opening it again finds out what it is like now, and repairs it.
            self.open = None;
        }
        written
    }

    fn make_room(&mut self, line: usize) -> io::Result<()> {
        let Some(rotation) = self.options.rotate else { return Ok(()) };
        let size = self.open()?.size + self.buffer.len() as u64;
        if size > 0 && size.saturating_add(line as u64) > rotation.max_bytes {
            self.flush()?;
            self.open = None;
            rotate(&self.options.path, rotation.keep)?;
        }
        Ok(())
    }
}

impl Open {
    /// Opens the file and ends a partial last line.
    fn at(path: &Path) -> io::Result<Self> {
        // What is not a regular file, such as a pipe, has no end to look at.
        let regular = !path.exists() || path.metadata()?.is_file();
        let mut file = OpenOptions::new().create(true).append(true).read(regular).open(path)?;
        let mut size = 0;
        if regular {
            size = file.seek(SeekFrom::End(0))?;
            if size > 0 {
                let mut last = [0];
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    file.write_all(b"\n")?;
                    size += 1;
                }
            }
        }
        Ok(Self { file, size, name_is_safe: false })
    }

    /// Appends bytes; on the disk, if the path is given. What fails is taken out again.
    fn append(&mut self, bytes: &[u8], on_disk: Option<&Path>) -> io::Result<()> {
        let written = self.file.write_all(bytes).and_then(|()| match on_disk {
            Some(path) => self.synchronise(path),
            None => Ok(()),
        });
        match &written {
            Ok(()) => self.size += bytes.len() as u64,
            Err(_) => self.take_back(bytes.len() as u64),
        }
        written
    }

    /// Takes out what a failed write has left. If that fails too, a partial line is ended when the file is opened
    /// again.
    fn take_back(&mut self, tried: u64) {
        let left = self.file.metadata().map_or(0, |metadata| metadata.len());
        // Anything else is not ours: somebody has cut the file, or written to it.
        if left > self.size && left <= self.size.saturating_add(tried) {
            let _ = self.file.set_len(self.size);
        }
    }

    fn synchronise(&mut self, path: &Path) -> io::Result<()> {
        self.file.sync_data()?;
        if !self.name_is_safe {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
            self.name_is_safe = true;
        }
        Ok(())
    }
}

impl Sink for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.make_room(line.len()).inspect_err(|_| self.buffer.clear())?;
        self.buffer.extend_from_slice(line);
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        self.flush()
    }

    fn explain(&self, error: &io::Error) -> Fault {
        Fault::of(error, &self.options.path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_a_failed_write_has_left_is_taken_out_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, "whole\n").unwrap();
        let mut open = Open::at(&path).unwrap();
        assert_eq!(open.size, 6);

        open.file.write_all(b"par").unwrap();
        open.take_back(7);
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\n");

        open.file.write_all(b"of somebody else\n").unwrap();
        open.take_back(7);
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\nof somebody else\n");

        fs::write(&path, "cut\n").unwrap();
        open.take_back(7);
        assert_eq!(fs::read_to_string(&path).unwrap(), "cut\n");
    }
}
