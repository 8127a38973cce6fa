//! The bases of one source on disk, one generation after another, safe with any number of captures
//! and runs at once.
//!
//! `captures/KEY/` holds `lock` and the generations `gN/`. A generation is made under another name
//! and gets its own by a rename, when it is whole; from then on nothing in it changes. Whoever works
//! on one holds a shared lock on its `live` file. The choice of a generation is made under a shared
//! lock on `lock`, a change of the generations under an exclusive one.
//!
//! A rename survives a power cut that the renamed content does not. A generation therefore names the
//! boot it was made in, and counts after another one only if it was written through to the disk,
//! which a thread of its own does while nobody waits.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::syncfs;
use sha2::{Digest, Sha256};

use super::error::{SourceError, io_at};
use super::watch::Watch;
use crate::base::safe_dir::remove_tree;
use crate::base::{Locked, RunId, hex};

const DRAFT: &str = "draft";

/// The generations of one source.
pub(super) struct Cache<'w> {
    path: PathBuf,
    watch: Watch<'w>,
}

/// A whole base; nobody removes it while this lives.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    _live: Locked,
}

/// The right to change the generations.
pub(super) struct Exclusive<'a> {
    cache: &'a Cache<'a>,
    _lock: Locked,
}

impl<'w> Cache<'w> {
    /// Opens the cache of a source that is told from all others by `identity`.
    ///
    /// # Errors
    /// [`SourceError::Io`] when its directory cannot be made.
    pub(super) fn open(home: &Path, identity: &[&[u8]], watch: Watch<'w>) -> Result<Self, SourceError> {
        let mut hash = Sha256::new();
        for part in identity {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut key = hex(&hash.finalize());
        // Half of it tells any two sources apart.
        key.truncate(32);
        let path = home.join("captures").join(key);
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(io_at("create", &path))?;
        Ok(Self { path, watch })
    }

    /// The newest generation, if any; waits while another capture makes one.
    pub(super) fn newest(&self) -> Result<Option<Generation>, SourceError> {
        let _lock = self.lock(Locked::shared)?;
        self.choose(|_| true)
    }

    /// The newest generation that a question is answered with yes for.
    pub(super) fn find(&self, wanted: impl Fn(&Path) -> bool) -> Result<Option<Generation>, SourceError> {
        let _lock = self.lock(Locked::shared)?;
        self.choose(wanted)
    }

    /// The right to make and to remove generations, waited for.
    pub(super) fn exclusive(&self) -> Result<Exclusive<'_>, SourceError> {
        let lock = self.lock(Locked::at_once)?;
        Ok(Exclusive { cache: self, _lock: lock })
    }

    /// Removes the generations that nobody works on, but for the newest few, unless another capture is
    /// about to choose or make one. What cannot be removed now is left for the next time.
    pub(super) fn tidy(&self, keep: usize) {
        let many = self.numbers().is_ok_and(|numbers| numbers.len() > keep);
        if many && let Ok(Some(lock)) = at_once(&self.path.join("lock")) {
            drop(Exclusive { cache: self, _lock: lock }.sweep(keep));
        }
    }

    /// Waits for the lock, for as long as the capture should go on.
    fn lock(&self, how: fn(File) -> io::Result<Option<Locked>>) -> Result<Locked, SourceError> {
        let path = self.path.join("lock");
        self.watch.until(|| opened(&path).and_then(how).map_err(io_at("lock", &self.path)))
    }

    /// The numbers of all generations, the newest first.
    fn numbers(&self) -> Result<Vec<u64>, SourceError> {
        let mut numbers = Vec::new();
        for entry in self.path.read_dir().map_err(io_at("read", &self.path))? {
            let name = entry.map_err(io_at("read", &self.path))?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.strip_prefix('g')?.parse::<u64>().ok()));
        }
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(numbers)
    }

    fn choose(&self, wanted: impl Fn(&Path) -> bool) -> Result<Option<Generation>, SourceError> {
        for number in self.numbers()? {
            let path = self.place(number);
            if is_sound(&path) && wanted(&path) {
                let live = alive(&path).map_err(io_at("lock", &path))?;
                return Ok(Some(Generation { number, _live: live, path }));
            }
        }
        Ok(None)
    }

    /// The directory of this source's bases.
    pub(super) fn directory(&self) -> &Path {
        &self.path
    }

    fn place(&self, number: u64) -> PathBuf {
        self.path.join(format!("g{number}"))
    }
}

/// Removes what captures left that were killed, for all sources but those that somebody works on.
pub fn remove_unfinished(home: &Path) {
    for source in home.join("captures").read_dir().into_iter().flatten().flatten() {
        let cache = Cache { path: source.path(), watch: Watch::new("", &|| true) };
        if let Ok(Some(lock)) = at_once(&cache.path.join("lock")) {
            // What cannot be removed now is left for the next time.
            drop(Exclusive { cache: &cache, _lock: lock }.remove_unfinished());
        }
    }
}

impl Exclusive<'_> {
    /// The newest generation that a question is answered with yes for.
    pub(super) fn find(&self, wanted: impl Fn(&Path) -> bool) -> Result<Option<Generation>, SourceError> {
        self.cache.choose(wanted)
    }

    /// Makes a generation: `fill` is given its empty directory. When it fails, nothing is left.
    pub(super) fn make<T>(
        &self,
        fill: impl FnOnce(&Path) -> Result<T, SourceError>,
    ) -> Result<(Generation, T), SourceError> {
        self.remove_unfinished()?;
        // A name of its own: a fetch that was given up on may still know an older one.
        let draft = self.cache.path.join(format!("{DRAFT}-{}", RunId::generate()));
        DirBuilder::new().mode(0o700).create(&draft).map_err(io_at("create", &draft))?;
        let filled = fill(&draft).and_then(|made| {
            let boot = draft.join("boot");
            fs::write(&boot, boot_id()).map_err(io_at("write", &boot))?;
            Ok((made, alive(&draft).map_err(io_at("lock", &draft))?))
        });
        let (made, live) = filled.inspect_err(|_| drop(remove(&draft)))?;
        let number = self.cache.numbers()?.first().map_or(1, |newest| newest + 1);
        let path = self.cache.place(number);
        fs::rename(&draft, &path).map_err(io_at("rename", &draft))?;
        write_through(path.clone());
        Ok((Generation { number, path, _live: live }, made))
    }

    fn sweep(&self, keep: usize) -> Result<(), SourceError> {
        for number in self.cache.numbers()?.into_iter().skip(keep) {
            let path = self.cache.place(number);
            if let Ok(Some(_nobody)) = at_once(&path.join("live")) {
                // Under its own name a half removed one would still count.
                let doomed = self.cache.path.join("doomed");
                remove(&doomed)?;
                fs::rename(&path, &doomed).map_err(io_at("rename", &path))?;
                remove(&doomed)?;
            }
        }
        Ok(())
    }

    /// Removes what a capture left that was killed.
    fn remove_unfinished(&self) -> Result<(), SourceError> {
        for entry in self.cache.path.read_dir().map_err(io_at("read", &self.cache.path))? {
            let entry = entry.map_err(io_at("read", &self.cache.path))?;
            if entry.file_name().as_encoded_bytes().starts_with(DRAFT.as_bytes()) {
                remove(&entry.path())?;
            }
        }
        remove(&self.cache.path.join("doomed"))
    }
}

/// Whether a generation's files are what they were when it was made.
fn is_sound(path: &Path) -> bool {
    path.join("synced").exists()
        || fs::read_to_string(path.join("boot")).is_ok_and(|boot| !boot.is_empty() && boot == boot_id())
}

/// Writes a generation through to the disk while the run goes on; one that was not written by the
/// end of the process counts until the machine is started again.
fn write_through(path: PathBuf) {
    std::thread::spawn(move || {
        let marked = File::open(&path).and_then(|directory| {
            syncfs(&directory)?;
            let mut file = File::create(path.join("synced"))?;
            file.write_all(b"1\n")?;
            file.sync_all()?;
            directory.sync_all()
        });
        // Nothing is lost but time, the next time.
        drop(marked);
    });
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

fn opened(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// The lock, alone, unless anybody else has it.
fn at_once(path: &Path) -> io::Result<Option<Locked>> {
    opened(path).and_then(Locked::at_once)
}

/// The lock of somebody who works on a generation.
fn alive(generation: &Path) -> io::Result<Locked> {
    opened(&generation.join("live")).and_then(Locked::wait_shared)
}

fn remove(path: &Path) -> Result<(), SourceError> {
    remove_tree(path).map_err(io_at("remove", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(home: &Path) -> Cache<'static> {
        Cache::open(home, &[b"x"], Watch::new("x", &|| true)).expect("a cache")
    }

    fn made(cache: &Cache<'_>, text: &str) -> Generation {
        let fill = |path: &Path| fs::write(path.join("text"), text).map_err(io_at("write", path));
        cache.exclusive().expect("the lock").make(fill).expect("a generation").0
    }

    fn text(generation: Option<Generation>) -> Option<String> {
        generation.map(|found| fs::read_to_string(found.path.join("text")).expect("a whole generation"))
    }

    #[test]
    fn a_generation_stays_as_long_as_somebody_works_on_it() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = open(home.path());
        let first = made(&cache, "1");
        let second = made(&cache, "2");
        assert_eq!(text(cache.newest().expect("readable")).as_deref(), Some("2"));
        cache.tidy(1);
        assert!(first.path.exists());
        let old = first.path.clone();
        drop((first, second));
        cache.tidy(1);
        assert!(!old.exists());
        assert_eq!(text(cache.newest().expect("readable")).as_deref(), Some("2"));
    }

    #[test]
    fn what_was_never_finished_is_never_chosen() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = open(home.path());
        let failed = cache.exclusive().expect("the lock").make(|path| {
            fs::write(path.join("text"), "half").map_err(io_at("write", path))?;
            Err::<(), _>(SourceError::NotADirectory { path: path.into() })
        });
        assert!(failed.is_err());
        fs::create_dir(cache.path.join("draft-x")).expect("as if killed");
        assert!(cache.newest().expect("readable").is_none());
        let working = cache.exclusive().expect("the lock");
        remove_unfinished(home.path());
        assert!(cache.path.join("draft-x").exists());
        drop(working);
        remove_unfinished(home.path());
        assert!(!cache.path.join("draft-x").exists());
        assert_eq!(made(&cache, "1").number, 1);
    }

    #[test]
    fn a_base_of_another_boot_counts_only_if_it_was_written_through() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = open(home.path());
        let path = made(&cache, "1").path;
        fs::write(path.join("boot"), "another").expect("writable");
        // The thread that writes through may or may not have come to its end.
        while !path.join("synced").exists() {
            std::thread::yield_now();
        }
        assert!(cache.newest().expect("readable").is_some());
        fs::remove_file(path.join("synced")).expect("removable");
        assert!(cache.newest().expect("readable").is_none());
    }
}
