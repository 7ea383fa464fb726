use std::io::{self, Write};
use std::sync::Arc;

use dispatch_adapters::console::{ConsoleAdapter, ConsoleFormat, ConsoleOptions};
use dispatch_adapters::model::{Adapter, DeliveryErrorKind, Envelope, HealthStatus};

use crate::support::{Paper, envelope, unwritable};

/// Takes a few bytes at a time.
struct Slow(Paper);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(3)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_do_not_mix() {
    let paper = Paper::default();
    let options = ConsoleOptions { format: ConsoleFormat::Json, ..ConsoleOptions::default() };
    let console = Arc::new(ConsoleAdapter::to(Slow(paper.clone()), options));
    let writers: Vec<_> = (0..64)
        .map(|_| {
            let console = Arc::clone(&console);
            tokio::spawn(async move { console.deliver(&envelope("OrderPlaced")).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let text = paper.text();
    assert_eq!(text.lines().count(), 64);
    assert!(text.lines().all(|line| serde_json::from_str::<Envelope>(line).is_ok()), "{text}");
}

#[tokio::test]
async fn a_closed_pipe_is_an_error_for_good() {
    let console = ConsoleAdapter::to(Broken, ConsoleOptions::default());
    let error = console.deliver(&envelope("OrderPlaced")).await.unwrap_err();
    assert_eq!(error.kind(), DeliveryErrorKind::Permanent);
    assert_eq!(error.message(), "nobody reads the console any more");
    assert_eq!(console.health().await.status, HealthStatus::Unhealthy);
}

#[tokio::test]
async fn what_cannot_be_written_fails_alone() {
    let paper = Paper::default();
    let console = ConsoleAdapter::to(paper.clone(), ConsoleOptions::default());
    let results = console.deliver_batch(&[envelope("A"), unwritable(), envelope("B")]).await;
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(paper.text().lines().count(), 2);
}

struct Panics;

impl Write for Panics {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("a bug");
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_writer_that_panics_leaves_nobody_waiting() {
    let console = ConsoleAdapter::to(Panics, ConsoleOptions::default());
    for _ in 0..2 {
        let error = console.deliver(&envelope("OrderPlaced")).await.unwrap_err();
        assert_eq!(error.kind(), DeliveryErrorKind::Permanent);
    }
}
