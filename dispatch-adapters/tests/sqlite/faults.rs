use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use dispatch_adapters::model::Clock;
use dispatch_adapters::model::log::{
    Cursor, LogBounds, LogError, Offset, ReadLimit, StoredSubscription, SyncPolicy, TopicLog,
};
use dispatch_adapters::sqlite::{SqliteLog, SqliteLogOptions};
use serde_json::json;

use crate::support::{all, damage_six, fill, number_of, numbered, open, run, topic};

#[test]
fn a_folder_has_one_log_at_a_time() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path()).await.unwrap();
        let second = open(folder.path()).await.unwrap_err();
        assert!(matches!(&second, LogError::Locked { path } if path == folder.path()), "{second}");
        first.close().await.unwrap();
        open(folder.path()).await.unwrap().close().await.unwrap();
    });
}

#[test]
fn a_full_log_loses_nothing_and_goes_on_when_there_is_room() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteLogOptions::new(folder.path()).with_max_bytes(256 * 1024);
        let (log, topic) = (SqliteLog::open(options.clone()).await.unwrap(), topic());
        let mut acknowledged = 0;
        let error = loop {
            match log.append(&topic, vec![numbered(acknowledged).into()]).await {
                Ok(_) => acknowledged += 1,
                Err(error) => break error,
            }
            assert!(acknowledged < 10_000, "it never fills");
        };
        assert!(matches!(error, LogError::Full { .. }) && error.is_retryable(), "{error:?}");
        let numbers: Vec<_> = all(&log, &topic).await.unwrap().iter().map(number_of).collect();
        assert!(numbers.iter().copied().eq(0..acknowledged));
        // A batch that does not fit does no harm to what is asked beside it.
        let batch = (0..500).map(|number| numbered(number).into()).collect();
        let (large, head) =
            tokio::join!(log.append(&topic, batch), log.trim(&topic, Offset::new(acknowledged / 2)));
        assert!(matches!(large, Err(LogError::Full { .. })), "{large:?}");
        let half = LogBounds { oldest: Offset::new(acknowledged / 2), head: Offset::new(acknowledged) };
        assert_eq!(head.unwrap(), half);
        for _ in 0..1_000 {
            match log.append(&topic, vec![numbered(acknowledged).into()]).await {
                Ok(offsets) => {
                    assert_eq!(offsets, [Offset::new(acknowledged)]);
                    break;
                }
                // Trimmed records are removed bit by bit.
                Err(error) => assert!(matches!(error, LogError::Full { .. }), "{error}"),
            }
            tokio::task::yield_now().await;
        }
        log.close().await.unwrap();
        let log = SqliteLog::open(options).await.unwrap();
        let numbers: Vec<_> = all(&log, &topic).await.unwrap().iter().map(number_of).collect();
        assert!(numbers.iter().copied().eq(acknowledged / 2..=acknowledged), "{numbers:?}");
        log.close().await.unwrap();
    });
}

#[test]
fn trimmed_room_is_used_again() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let options =
            SqliteLogOptions::new(folder.path()).with_sync(SyncPolicy::Os).with_max_bytes(1024 * 1024);
        let (log, topic) = (SqliteLog::open(options).await.unwrap(), topic());
        // Ten times what fits.
        let mut next = 0;
        for _ in 0..40 {
            let batch: Vec<_> = (next..next + 1_000).map(|number| numbered(number).into()).collect();
            loop {
                match log.append(&topic, batch.clone()).await {
                    Ok(_) => break,
                    Err(error) => assert!(matches!(error, LogError::Full { .. }), "{error}"),
                }
                tokio::task::yield_now().await;
            }
            next += 1_000;
            log.trim(&topic, Offset::new(next - 500)).await.unwrap();
        }
        let numbers: Vec<_> = all(&log, &topic).await.unwrap().iter().map(number_of).collect();
        assert!(numbers.iter().copied().eq(next - 500..next));
        log.close().await.unwrap();
    });
}

#[test]
fn a_cursor_past_the_end_is_reported_and_set_back_on_demand() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path()).await.unwrap();
        fill(&log, &topic(), 0..5).await;
        let cursors = vec![Cursor::at(topic(), Offset::new(8))];
        let saved = StoredSubscription { name: "billing".into(), definition: json!({}), cursors };
        log.save(&saved).await.unwrap();
        log.close().await.unwrap();
        let error = open(folder.path()).await.unwrap_err();
        let LogError::EndsBelowCursor { head, cursor, subscription, .. } = &error else { panic!("{error}") };
        assert_eq!((head.get(), cursor.get(), subscription.as_str()), (5, 8, "billing"));
        let options = SqliteLogOptions::new(folder.path()).lowering_cursors();
        SqliteLog::open(options).await.unwrap().close().await.unwrap();
        // It stays that way.
        let log = open(folder.path()).await.unwrap();
        let cursors = log.load("billing").await.unwrap().unwrap().cursors;
        assert_eq!(cursors, [Cursor::at(topic(), Offset::new(5))]);
        log.close().await.unwrap();
    });
}

#[test]
fn a_newer_format_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).await.unwrap().close().await.unwrap();
        let database = rusqlite::Connection::open(folder.path().join("log.db")).unwrap();
        database.pragma_update(None, "user_version", 7).unwrap();
        drop(database);
        let error = open(folder.path()).await.unwrap_err();
        assert!(matches!(error, LogError::Newer { found: 7, known: 1 }), "{error}");
    });
}

#[test]
fn what_is_no_log_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("log.db"), "something else altogether".repeat(500)).unwrap();
        let error = open(folder.path()).await.unwrap_err();
        assert!(matches!(error, LogError::Failed { .. }) && error.to_string().contains("damaged"), "{error}");
    });
}

#[test]
fn a_database_that_is_gone_is_damage_and_not_a_new_log() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path()).await.unwrap();
        fill(&log, &topic(), 0..5).await;
        log.close().await.unwrap();
        fs::remove_file(folder.path().join("log.db")).unwrap();
        let error = open(folder.path()).await.unwrap_err();
        assert!(matches!(error, LogError::Failed { .. }), "{error}");
    });
}

#[test]
fn a_database_that_is_cut_short_is_damage_and_what_was_written_ahead_of_it_stays() {
    run(async {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let log = open(from.path()).await.unwrap();
        fill(&log, &topic(), 0..5).await;
        // As a process leaves it that is killed: the records are ahead of the database.
        for name in ["log.lock", "log.db-wal"] {
            fs::copy(from.path().join(name), to.path().join(name)).unwrap();
        }
        let database = fs::read(from.path().join("log.db")).unwrap();
        log.close().await.unwrap();
        let ahead = fs::read(to.path().join("log.db-wal")).unwrap();
        assert!(!ahead.is_empty());
        for length in [0, 1, 2, 100, 511, 512, 4_095] {
            fs::write(to.path().join("log.db"), &database[..length]).unwrap();
            let error = open(to.path()).await.unwrap_err();
            assert!(matches!(error, LogError::Failed { .. }), "{length}: {error}");
            assert_eq!(fs::metadata(to.path().join("log.db")).unwrap().len(), length as u64);
            assert_eq!(fs::read(to.path().join("log.db-wal")).unwrap(), ahead, "{length}");
        }
        // So whoever has the database elsewhere gets all of it back.
        fs::write(to.path().join("log.db"), &database).unwrap();
        let log = open(to.path()).await.unwrap();
        assert_eq!(all(&log, &topic()).await.unwrap().len(), 5);
        log.close().await.unwrap();
    });
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = open(&file.join("log")).await.unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
        // A file system that nobody may write to, not even root.
        if cfg!(target_os = "linux") {
            let error = open("/sys/kernel/topic-log".as_ref()).await.unwrap_err();
            assert!(matches!(error, LogError::ReadOnly { .. }), "{error:?}");
        }
    });
}

#[test]
fn a_policy_that_a_file_cannot_keep_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteLogOptions::new(folder.path()).with_sync(SyncPolicy::Memory);
        let error = SqliteLog::open(options).await.unwrap_err();
        assert!(error.to_string().contains("use always, interval or os"), "{error}");
    });
}

/// A clock that is set by hand.
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

#[test]
fn a_clock_that_is_set_back_confuses_nobody() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hand(AtomicU64::new(0)));
        let options = SqliteLogOptions::new(folder.path()).with_clock(clock.clone());
        let (log, topic) = (SqliteLog::open(options).await.unwrap(), topic());
        let stamps = [100, 101, 500, 102, 103, 400, 600, 50];
        for (number, stamp) in (0..).zip(stamps) {
            clock.0.store(stamp, Ordering::SeqCst);
            log.append(&topic, vec![numbered(number).into()]).await.unwrap();
        }
        for oldest in 0..stamps.len() {
            log.trim(&topic, Offset::new(oldest as u64)).await.unwrap();
            for wanted in 0..700 {
                let first = stamps.iter().skip(oldest).position(|stamp| *stamp >= wanted);
                let first = first.map_or(stamps.len(), |place| oldest + place);
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(wanted);
                let found = log.offset_at(&topic, time).await.unwrap();
                assert_eq!(found.get(), first as u64, "time {wanted}, oldest {oldest}");
            }
        }
        log.close().await.unwrap();
    });
}

#[test]
fn a_damaged_record_is_named_and_can_be_passed() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (log, topic) = (open(folder.path()).await.unwrap(), topic());
        fill(&log, &topic, 0..10).await;
        log.close().await.unwrap();
        damage_six(folder.path());
        let log = open(folder.path()).await.unwrap();
        let read = log.read(&topic, Offset::ZERO, ReadLimit::records(100)).await.unwrap();
        assert_eq!(read.records.iter().map(number_of).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        let error = log.read(&topic, Offset::new(6), ReadLimit::records(100)).await.unwrap_err();
        insta::assert_snapshot!(error, @"record 6 of topic 'shop.order.events' is damaged (its sum is wrong): restore the log from a copy, or seek past the record to lose it knowingly");
        let rest = log.read(&topic, Offset::new(7), ReadLimit::records(100)).await.unwrap();
        assert_eq!(rest.records.iter().map(number_of).collect::<Vec<_>>(), [7, 8, 9]);
        log.close().await.unwrap();
    });
}

#[test]
fn a_damaged_lock_file_costs_nothing_and_one_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("log.lock");
    run(async {
        let log = open(folder.path()).await.unwrap();
        fill(&log, &topic(), 0..3).await;
        log.close().await.unwrap();
        let mark = std::fs::read(&lock).unwrap();
        for damaged in [&b""[..], &mark[..1], b"\0\0\0\0", &[255; 5_000], &mark] {
            std::fs::write(&lock, damaged).unwrap();
            let log = open(folder.path()).await.unwrap();
            assert_eq!(all(&log, &topic()).await.unwrap().len(), 3, "{damaged:?}");
            log.close().await.unwrap();
            assert!(!std::fs::read(&lock).unwrap().is_empty(), "it is marked again");
        }
        std::fs::remove_file(&lock).unwrap();
        std::fs::create_dir(&lock).unwrap();
        let refused = open(folder.path()).await.unwrap_err();
        assert!(refused.to_string().contains("log.lock"), "{refused}");
        std::fs::remove_dir(&lock).unwrap();
        let log = open(folder.path()).await.unwrap();
        assert_eq!(all(&log, &topic()).await.unwrap().len(), 3);
    });
}
