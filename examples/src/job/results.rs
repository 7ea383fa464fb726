use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use dispatch_adapters::model::dispatch::DispatchResult;

use super::args::Args;
use super::error::JobError;

/// The file of results, if one is wanted: one JSON object a line.
pub(crate) struct Results(Option<(PathBuf, BufWriter<File>)>);

impl Results {
    /// Creates the file; refuses to write over the input.
    pub(crate) fn create(args: &Args) -> Result<Self, JobError> {
        let Some(path) = &args.out else { return Ok(Self(None)) };
        if args.input.as_deref().is_some_and(|input| same(input, path)) {
            return Err(JobError::SameFile);
        }
        match File::create(path) {
            Ok(file) => Ok(Self(Some((path.clone(), BufWriter::new(file))))),
            Err(source) => Err(JobError::OpenOut { path: path.clone(), source }),
        }
    }

    pub(crate) fn write(&mut self, result: &DispatchResult) -> Result<(), JobError> {
        self.with(|file| {
            serde_json::to_writer(&mut *file, result)?;
            file.write_all(b"\n")
        })
    }

    pub(crate) fn flush(&mut self) -> Result<(), JobError> {
        self.with(Write::flush)
    }

    fn with(
        &mut self,
        work: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
    ) -> Result<(), JobError> {
        let Some((path, file)) = &mut self.0 else { return Ok(()) };
        work(file).map_err(|source| JobError::WriteOut { path: path.clone(), source })
    }
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
