//! A crash at every step of what is done to files here, on a model of a file system that forgets what was not flushed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::files::Files;
use super::{DATABASE, Folder, LOCK, MARK};

/// A name that is there, and may go with the power.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Name {
    on_disk: bool,
    is_file: bool,
    /// What is in the file, and how much of it is on disk.
    bytes: Vec<u8>,
    flushed: usize,
}

#[derive(Debug, Default)]
struct Disk {
    names: BTreeMap<PathBuf, Name>,
    /// Steps until the crash.
    left: usize,
    steps: usize,
    synced: BTreeSet<PathBuf>,
    mount: Option<Mount>,
}

/// A file system that begins in a folder, which was there before. What is outside of it cannot be flushed.
#[derive(Debug)]
struct Mount {
    begins: PathBuf,
    refusal: io::ErrorKind,
}

/// Why a folder cannot be flushed.
const REFUSALS: [io::ErrorKind; 4] = [
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::InvalidInput,
    io::ErrorKind::Unsupported,
    io::ErrorKind::ReadOnlyFilesystem,
];

/// The model.
#[derive(Debug, Clone, Default)]
struct Model(Rc<RefCell<Disk>>);

impl Model {
    /// One more step, unless this is where everything ends.
    fn step(&self) -> io::Result<()> {
        let mut disk = self.0.borrow_mut();
        if disk.left == 0 {
            return Err(io::Error::other("the crash"));
        }
        (disk.left, disk.steps) = (disk.left - 1, disk.steps + 1);
        Ok(())
    }

    fn add(&self, path: &Path, is_file: bool) -> io::Result<()> {
        self.step()?;
        let parent = path.parent().unwrap();
        if !self.is_folder(parent) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let name = Name { is_file, ..Name::default() };
        self.0.borrow_mut().names.entry(path.to_owned()).or_insert(name);
        Ok(())
    }

    fn has(&self, path: &Path) -> bool {
        self.0.borrow().names.contains_key(path)
    }

    /// What is left after the power was gone: what was flushed, and of the rest what chance has left.
    fn lose_power(&self, rng: &mut SmallRng) {
        let mut disk = self.0.borrow_mut();
        let names = std::mem::take(&mut disk.names);
        for (path, mut name) in names {
            let parent = path.parent().unwrap();
            let has_way = is_given(disk.mount.as_ref(), parent) || disk.names.contains_key(parent);
            if !has_way || !(name.on_disk || rng.random()) {
                continue;
            }
            let torn = rng.random_range(name.flushed..=name.bytes.len());
            name.bytes.truncate(torn);
            (name.on_disk, name.flushed) = (true, torn);
            disk.names.insert(path, name);
        }
    }
}

/// Folders that were there before anything was done.
fn is_given(mount: Option<&Mount>, path: &Path) -> bool {
    [Path::new(""), Path::new("."), Path::new("/")].contains(&path)
        || mount.is_some_and(|mount| mount.begins.starts_with(path))
}

impl Files for Model {
    type Locked = PathBuf;

    fn is_folder(&self, path: &Path) -> bool {
        let disk = self.0.borrow();
        is_given(disk.mount.as_ref(), path) || disk.names.get(path).is_some_and(|name| !name.is_file)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.add(path, false)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let mut disk = self.0.borrow_mut();
        if let Some(mount) = disk.mount.as_ref().filter(|mount| !path.starts_with(&mount.begins)) {
            return Err(mount.refusal.into());
        }
        disk.synced.insert(path.to_owned());
        let own = if path == Path::new(".") { Path::new("") } else { path };
        for (child, name) in &mut disk.names {
            name.on_disk |= child.parent() == Some(own);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        self.add(path, true)?;
        Ok(Some(path.to_owned()))
    }

    fn read(&self, locked: &mut PathBuf) -> io::Result<Vec<u8>> {
        Ok(self.0.borrow().names[locked].bytes.clone())
    }

    fn write(&self, locked: &mut PathBuf, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            // A write may end anywhere.
            self.step()?;
            self.0.borrow_mut().names.get_mut(locked).unwrap().bytes.push(*byte);
        }
        Ok(())
    }

    fn sync(&self, locked: &mut PathBuf) -> io::Result<()> {
        self.step()?;
        let mut disk = self.0.borrow_mut();
        let file = disk.names.get_mut(locked).unwrap();
        file.flushed = file.bytes.len();
        Ok(())
    }
}

/// Opens a log as [`database::open`](crate::sqlite::database::open) does it, up to where it acknowledges an append; whether
/// it is damaged.
fn open(model: &Model, path: &Path) -> Result<bool, dispatch_core::log::LogError> {
    let mut folder = Folder::take_on(model.clone(), path)?;
    let database = path.join(DATABASE);
    if folder.is_marked() && !model.has(&database) {
        return Ok(true);
    }
    let failed = |error| crate::sqlite::error::of_file("making", &database, error);
    model.add(&database, true).map_err(failed)?;
    folder.sync()?;
    folder.mark()?;
    Ok(false)
}

/// Crashes again and again while a log is made; whether it was acknowledged once.
fn trial(seed: u64) -> bool {
    let mut rng = SmallRng::seed_from_u64(seed);
    let model = Model::default();
    let path = Path::new(["log", "a/log", "a/b/c/log", "/log", "/a/b/c/d/log"][rng.random_range(0..5)]);
    if rng.random() {
        // The log may be such a folder itself.
        let levels: Vec<_> = path.ancestors().filter(|level| !level.as_os_str().is_empty()).collect();
        let begins = levels[rng.random_range(0..levels.len())].to_owned();
        let refusal = REFUSALS[rng.random_range(0..REFUSALS.len())];
        model.0.borrow_mut().mount = Some(Mount { begins, refusal });
    }
    let mut acknowledged = false;
    for _ in 0..rng.random_range(1..8) {
        model.0.borrow_mut().left = rng.random_range(0..50);
        let opened = open(&model, path);
        assert!(!matches!(opened, Ok(true)), "seed {seed}: what a crash has left is no damage");
        acknowledged |= opened.is_ok();
        if rng.random() {
            model.lose_power(&mut rng);
        }
        if acknowledged {
            let there = [DATABASE, LOCK].map(|name| model.has(&path.join(name)));
            assert_eq!(there, [true, true], "seed {seed}: what was acknowledged is there");
            let marked = model.0.borrow().names[&path.join(LOCK)].bytes.clone();
            assert!(MARK.starts_with(&marked) && !marked.is_empty(), "seed {seed}: and it is marked");
        }
    }
    model.0.borrow_mut().left = usize::MAX;
    assert!(matches!(open(&model, path), Ok(false)), "seed {seed}: it opens in the end");
    acknowledged
}

#[test]
fn whatever_step_a_crash_comes_at_what_was_acknowledged_is_there_and_nothing_is_damaged() {
    let factor: u64 = std::env::var("DISPATCH_PROOF").map_or(1, |factor| factor.parse().unwrap());
    let first = std::env::var("DISPATCH_MODEL_SEED").map_or(0, |seed| seed.parse().unwrap());
    let acknowledged = (first..first + 10_000 * factor).filter(|seed| trial(*seed)).count();
    assert!(acknowledged > 1_000, "{acknowledged} of the trials have come as far");
}

#[test]
fn every_name_on_the_way_to_a_new_folder_is_put_on_disk() {
    for (path, way) in [
        ("log", vec!["."]),
        ("a/b/log", vec![".", "a", "a/b"]),
        ("/a/b/c/log", vec!["/", "/a", "/a/b", "/a/b/c"]),
    ] {
        let model = Model::default();
        model.0.borrow_mut().left = usize::MAX;
        open(&model, Path::new(path)).unwrap();
        let synced = model.0.borrow().synced.clone();
        let expected = way.iter().chain([&path]).map(PathBuf::from).collect();
        assert_eq!(synced, expected, "{path}");
    }
}

#[test]
fn a_log_opens_below_folders_that_cannot_be_flushed_and_not_in_one() {
    for refusal in REFUSALS {
        for (path, begins, opens) in [
            ("/a/b/log", "/a/b/log", true),
            ("/a/b/log", "/a", true),
            ("a/b/log", "a/b", true),
            // Nothing is made there.
            ("/a/b/log", "/c", false),
            ("a/log", "c", false),
        ] {
            let model = Model::default();
            model.0.borrow_mut().left = usize::MAX;
            model.0.borrow_mut().mount = Some(Mount { begins: begins.into(), refusal });
            for _ in 0..3 {
                let opened = open(&model, Path::new(path));
                assert_eq!(opened.is_ok(), opens, "{path}, {begins}, {refusal}: {opened:?}");
            }
        }
    }
}
