use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use dispatch_adapters::StartError;
use dispatch_examples::github::InputError;

/// The job could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("cannot write '{}': {source}; give --out a file in a directory that you may write to", path.display())]
    OpenOut { path: PathBuf, source: io::Error },
    #[error("--out names the file that --input reads: give it another one")]
    SameFile,
    #[error("writing results to '{}' failed: {source}; free some space or give --out another file", path.display())]
    WriteOut { path: PathBuf, source: io::Error },
    #[error(
        "standard output was closed before the summary was written; read it to the end, or keep results with --out FILE"
    )]
    StdoutClosed,
    #[error("writing to standard output failed: {0}")]
    Stdout(#[source] io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the runtime could not be started: {0}")]
    Runtime(#[source] io::Error),
    #[error("stopped at once, as asked: there is no summary")]
    StoppedAtOnce,
    #[error("the engine ended before its time: look for a panic above")]
    EngineGone,
}

impl JobError {
    /// 2 for what the caller can put right on the command line or in the input, else 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Input(_) | Self::OpenOut { .. } | Self::SameFile => ExitCode::from(2),
            Self::StoppedAtOnce => ExitCode::from(130),
            _ => ExitCode::from(1),
        }
    }

    /// An error of standard output.
    pub(crate) fn stdout(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe { Self::StdoutClosed } else { Self::Stdout(source) }
    }
}
