//! Loss of power: the image of a small file system is copied while the log on it is being written. The copy holds what
//! was flushed to the disk, and nothing of what the operating system still had in memory.
//!
//! It takes a file system that can be mounted from a file, and so root on Linux: the slow lane runs it with
//! `DISPATCH_POWER=1`, elsewhere it is skipped and says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use dispatch_adapters::model::log::{LogError, SyncPolicy, TopicLog};
use dispatch_adapters::sqlite::{SqliteLog, SqliteLogOptions};
use tempfile::TempDir;

use crate::support::{all, fill, number_of, numbered, open, proof, run, topic};
use crate::victim::{Heard, Victim, check};

/// Copies that are made of one disk before a new one is taken.
const A_DISK: usize = 25;

fn command(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A file system in a file.
struct Disk {
    image: PathBuf,
    place: PathBuf,
}

impl Disk {
    fn mount(image: PathBuf, place: PathBuf) -> Self {
        fs::create_dir_all(&place).unwrap();
        command("mount", &["-o", "loop", image.to_str().unwrap(), place.to_str().unwrap()]);
        Self { image, place }
    }

    fn new(folder: &Path) -> Self {
        let image = folder.join("disk.img");
        fs::File::create(&image).unwrap().set_len(48 * 1024 * 1024).unwrap();
        command("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
        Self::mount(image, folder.join("disk"))
    }

    /// How much was written to the disk so far; nothing while something is being written.
    fn written(&self) -> Option<String> {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let device = mounts.lines().find(|line| line.contains(self.place.to_str().unwrap())).unwrap();
        let name = device.split(' ').next().unwrap().trim_start_matches("/dev/").to_owned();
        let figures = fs::read_to_string(format!("/sys/block/{name}/stat")).unwrap();
        let under_way = figures.split_whitespace().nth(8).unwrap();
        (under_way == "0").then_some(figures)
    }

    /// A copy of what is on the disk at one moment.
    fn copy(&self, to: &Path) {
        for _ in 0..100 {
            let before = self.written();
            command("cp", &["--sparse=always", self.image.to_str().unwrap(), to.to_str().unwrap()]);
            // A block that was being written may be half in the copy, which no disk would have.
            if before.is_some() && self.written() == before {
                return;
            }
        }
        panic!("the disk is never quiet");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let done = |arguments: &[&str]| {
            let output = Command::new("umount").args(arguments).arg(&self.place).output();
            output.is_ok_and(|output| output.status.success())
        };
        // A test that fails may leave a log on it, whose threads have not ended yet.
        let _ = done(&[]) || done(&["-l"]);
    }
}

/// Cuts the power so many times; the appends that were lost although acknowledged, and what was wrong.
fn cut(rounds: usize, policy: SyncPolicy) -> (u64, Vec<String>) {
    let (mut lost, mut wrong, mut acknowledged) = (0, Vec::new(), 0);
    let mut round = 0;
    while round < rounds {
        let folder = TempDir::new().unwrap();
        let disk = Disk::new(folder.path());
        let mut victim = Victim::start(&disk.place.join("log"), policy, false);
        for _ in 0..A_DISK.min(rounds - round) {
            victim.hear_appends(1 + round * 37 % 150);
            let heard = victim.heard.clone();
            // It stands still while the copy is made; whatever it says later is another round's.
            command("kill", &["-STOP", &victim.id().to_string()]);
            let copy = folder.path().join("copy.img");
            disk.copy(&copy);
            command("kill", &["-CONT", &victim.id().to_string()]);
            match after(copy, folder.path(), &heard, policy) {
                Ok(gone) => lost += gone,
                Err(error) => wrong.push(format!("round {round}: {error}")),
            }
            acknowledged += heard.appends.len();
            round += 1;
        }
        victim.kill();
    }
    println!("{policy:?}: {rounds} cuts, {acknowledged} acknowledged appends checked, {lost} lost");
    (lost, wrong)
}

fn after(copy: PathBuf, folder: &Path, heard: &Heard, policy: SyncPolicy) -> Result<u64, String> {
    let disk = Disk::mount(copy, folder.join("after"));
    let log = disk.place.join("log");
    if policy != SyncPolicy::Always && !log.join("log.lock").exists() {
        return Ok(heard.appends.len() as u64);
    }
    check(&log, heard, policy != SyncPolicy::Always)
}

/// Whether power can be cut here.
fn can_cut() -> bool {
    let wanted = std::env::var("DISPATCH_POWER").is_ok_and(|value| value == "1");
    if !wanted {
        println!("skipped: DISPATCH_POWER is not 1");
    }
    wanted
}

#[test]
fn nothing_acknowledged_is_lost_with_the_power_if_every_commit_is_flushed() {
    if can_cut() {
        assert_eq!(cut(10 * proof(), SyncPolicy::Always), (0, Vec::new()));
    }
}

#[test]
fn the_rest_is_without_gaps_if_commits_are_flushed_later() {
    if can_cut() {
        let interval = SyncPolicy::Interval { every: Duration::from_millis(20) };
        for policy in [SyncPolicy::Os, interval] {
            let (_, wrong) = cut(10 * proof(), policy);
            assert_eq!(wrong, Vec::<String>::new());
        }
    }
}

#[test]
fn what_is_older_than_the_interval_is_not_lost_with_the_power() {
    const COUNT: usize = 50;
    if !can_cut() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let (disk, copy) = (Disk::new(folder.path()), folder.path().join("copy.img"));
    let interval = SyncPolicy::Interval { every: Duration::from_millis(20) };
    run(async {
        let options = SqliteLogOptions::new(disk.place.join("log")).with_sync(interval);
        let log = SqliteLog::open(options).await.unwrap();
        fill(&log, &topic(), 0..COUNT as u64).await;
        // Nothing more is asked of it. The operating system by itself would take half a minute.
        let since = Instant::now();
        loop {
            disk.copy(&copy);
            let after = Disk::mount(copy.clone(), folder.path().join("after"));
            let left = open(&after.place.join("log")).await.unwrap();
            let there = all(&left, &topic()).await.unwrap().len();
            left.close().await.unwrap();
            if there == COUNT {
                break;
            }
            assert!(
                since.elapsed() < Duration::from_secs(5),
                "{there} are there after {:?}",
                since.elapsed()
            );
        }
        println!("{interval:?}: flushed after {:?} at most", since.elapsed());
        log.close().await.unwrap();
    });
}

#[test]
fn the_check_finds_a_log_that_is_flushed_too_late() {
    if can_cut() {
        // What would be wrong for a log that promises more.
        let (lost, _) = cut(5, SyncPolicy::Os);
        assert!(lost > 0, "nothing was lost, so the power was not cut");
    }
}

#[test]
fn a_full_disk_loses_nothing_and_the_log_goes_on_when_there_is_room() {
    if !can_cut() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let disk = Disk::new(folder.path());
    let (place, filler) = (disk.place.join("log"), disk.place.join("filler"));
    run(async {
        let log = open(&place).await.unwrap();
        // All that is left, but for a little.
        let mut blocks = 0;
        let mut fill = fs::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut fill, &[0; 4_096]).is_ok() {
            blocks += 1;
        }
        fill.set_len((blocks - 64) * 4_096).unwrap();
        drop(fill);
        let mut acknowledged = 0;
        let error = loop {
            match log.append(&topic(), vec![numbered(acknowledged).into()]).await {
                Ok(_) => acknowledged += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, LogError::Full { .. }), "{error:?}");
        assert!(log.append(&topic(), vec![numbered(0).into()]).await.is_err());
        fs::remove_file(&filler).unwrap();
        for number in acknowledged..acknowledged + 100 {
            log.append(&topic(), vec![numbered(number).into()]).await.unwrap();
        }
        log.close().await.unwrap();
        let log = open(&place).await.unwrap();
        let numbers: Vec<_> = all(&log, &topic()).await.unwrap().iter().map(number_of).collect();
        assert!(numbers.iter().copied().eq(0..acknowledged + 100), "{acknowledged}: {numbers:?}");
        log.close().await.unwrap();
    });
}

#[test]
fn a_log_on_a_disk_that_may_only_be_read_is_named_and_nothing_of_it_is_lost() {
    if !can_cut() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let disk = Disk::new(folder.path());
    let place = disk.place.join("log");
    let remount =
        |how: &str| command("mount", &["-o", &format!("remount,{how}"), disk.place.to_str().unwrap()]);
    run(async {
        let log = open(&place).await.unwrap();
        fill(&log, &topic(), 0..10).await;
        log.close().await.unwrap();
        remount("ro");
        for _ in 0..2 {
            let refused = open(&place).await.unwrap_err();
            assert!(matches!(refused, LogError::ReadOnly { .. }), "{refused:?}");
        }
        remount("rw");
        let log = open(&place).await.unwrap();
        fill(&log, &topic(), 10..20).await;
        assert_eq!(all(&log, &topic()).await.unwrap().len(), 20);
        log.close().await.unwrap();
    });
}
