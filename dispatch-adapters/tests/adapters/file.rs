use std::fs;
use std::path::Path;
use std::sync::Arc;

use dispatch_adapters::file::{FileAdapter, FileOptions, FlushPolicy, Rotation};
use dispatch_adapters::model::{Adapter, DeliveryError, DeliveryErrorKind, Envelope};

use crate::support::{arrivals, envelope};

fn lines(path: &Path) -> Vec<Envelope> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn it_appends_to_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    for _ in 0..2 {
        let file = FileAdapter::new(FileOptions::at(&path));
        file.deliver(&envelope("OrderPlaced")).await.unwrap();
    }
    assert_eq!(lines(&path).len(), 2);
}

#[tokio::test]
async fn a_line_that_a_crash_cut_short_spoils_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    fs::write(&path, "{\"whole\":1}\n{\"cut sho").unwrap();
    let file = FileAdapter::new(FileOptions::at(&path));
    file.deliver(&envelope("OrderPlaced")).await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let all: Vec<_> = text.lines().collect();
    assert_eq!(all[..2], ["{\"whole\":1}", "{\"cut sho"]);
    assert_eq!(arrivals(all[2]).len(), 1);
}

#[tokio::test]
async fn files_are_rotated_by_size_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let options = FileOptions {
        rotate: Some(Rotation { max_bytes: 1024, keep: 2 }),
        flush: FlushPolicy::Disk,
        ..FileOptions::at(&path)
    };
    let file = FileAdapter::new(options);
    let sent: Vec<_> = (0..40).map(|_| envelope("OrderPlaced")).collect();
    for envelope in &sent[..20] {
        file.deliver(envelope).await.unwrap();
    }
    assert!(file.deliver_batch(&sent[20..]).await.iter().all(Result::is_ok));
    let mut kept = Vec::new();
    for place in [".2", ".1", ""] {
        let path = format!("{}{place}", path.display());
        assert!(fs::metadata(&path).unwrap().len() <= 1024);
        kept.extend(lines(Path::new(&path)).iter().map(Envelope::id));
    }
    assert!(!Path::new(&format!("{}.3", path.display())).exists());
    let last: Vec<_> = sent[40 - kept.len()..].iter().map(Envelope::id).collect();
    assert_eq!(kept, last, "the newest are there, in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let file = Arc::new(FileAdapter::new(FileOptions::at(&path)));
    let writers: Vec<_> = (0..200)
        .map(|_| {
            let file = Arc::clone(&file);
            tokio::spawn(async move { file.deliver(&envelope("OrderPlaced")).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(lines(&path).len(), 200);
}

#[tokio::test]
async fn errors_say_what_to_do() {
    // Of digits: letters at random may look like something secret, and then the text would be hidden.
    let name = std::process::id().to_string();
    let folder = tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir().unwrap();
    let failing = |path: &Path| FileAdapter::new(FileOptions::at(path));
    let error = failing(folder.path()).deliver(&envelope("A")).await.unwrap_err();
    assert_eq!(error.kind(), DeliveryErrorKind::Permanent);
    assert!(error.message().ends_with("is a directory: give a file"), "{error}");

    let missing = folder.path().join("none/events.jsonl");
    let file = failing(&missing);
    let error = file.deliver(&envelope("A")).await.unwrap_err();
    assert_eq!(error.kind(), DeliveryErrorKind::Permanent);
    assert!(error.message().ends_with("does not exist: make it"), "{error}");

    // It is opened again.
    fs::create_dir(missing.parent().unwrap()).unwrap();
    file.deliver(&envelope("A")).await.unwrap();
    assert_eq!(lines(&missing).len(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_may_be_tried_again() {
    let file = FileAdapter::new(FileOptions::at("/dev/full"));
    let error = file.deliver(&envelope("A")).await.unwrap_err();
    assert_eq!(error.kind(), DeliveryErrorKind::Retry);
    assert_eq!(error.message(), "no space is left to write to /dev/full: make room");
    let results = file.deliver_batch(&[envelope("A"), envelope("B")]).await;
    assert!(results.iter().all(|result| result.as_ref().is_err_and(DeliveryError::is_retryable)));
}

#[test]
fn options_are_checked_all_at_once() {
    let options = FileOptions { rotate: Some(Rotation { max_bytes: 1, keep: 0 }), ..FileOptions::default() };
    assert_eq!(options.problems().len(), 3);
    assert!(serde_json::from_str::<FileOptions>("{\"pth\": \"x\"}").is_err());
}
