use std::path::PathBuf;

use dispatch_core::{ErrorCode, Problem};
use serde::{Deserialize, Serialize};

use crate::config::Fields;

/// The options of a [`FileAdapter`](super::FileAdapter).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileOptions {
    /// The file; required.
    pub path: PathBuf,
    /// What delivered means; handed to the operating system.
    pub flush: FlushPolicy,
    /// When to begin a new file; never.
    pub rotate: Option<Rotation>,
}

/// What it takes until an envelope counts as delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlushPolicy {
    /// The operating system has it: it survives a crash of the program, not one of the machine.
    #[default]
    Os,
    /// The disk has it, and the name of a new file too: it survives a crash of the machine. What waits at the
    /// same time is synchronised together.
    Disk,
}

/// Begins a new file by size. `events.jsonl` becomes `events.jsonl.1`, that becomes `events.jsonl.2`, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// Most bytes of a file; only a single line that is longer makes a longer file.
    pub max_bytes: u64,
    /// Files that are kept beside the one that is written to; older ones are deleted.
    pub keep: u32,
}

impl Default for Rotation {
    /// 100 MiB, and 5 files.
    fn default() -> Self {
        Self { max_bytes: 100 << 20, keep: 5 }
    }
}

impl FileOptions {
    /// The default options for a file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |text: String| problems.push(Problem::new(ErrorCode::InvalidParameter, text));
        if self.path.as_os_str().is_empty() {
            add("path is empty: give the file to write to".to_owned());
        } else if self.path.file_name().is_none() {
            add("path names no file: add a file name".to_owned());
        }
        if let Some(Rotation { max_bytes, keep }) = self.rotate {
            if max_bytes < 1024 {
                add(format!("rotate.max_bytes is {max_bytes}: use at least 1024"));
            }
            if !(1..=1000).contains(&keep) {
                add(format!("rotate.keep is {keep}: use 1 to 1000"));
            }
        }
        problems
    }

    /// Reads it from a configuration.
    pub fn read(fields: &mut Fields<'_>) -> Self {
        let rotation = Rotation::default();
        Self {
            path: fields.required("path"),
            flush: fields.choice("flush", &["os", "disk"]),
            rotate: fields.table("rotate", |fields| Rotation {
                max_bytes: fields.or("max_bytes", rotation.max_bytes),
                keep: fields.or("keep", rotation.keep),
            }),
        }
    }
}
