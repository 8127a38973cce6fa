//! What a tree holds: names, kinds and the marks by which a change is found, without any content.
//!
//! Made by a walk, kept as the manifest of a base, and compared with one another. Never touches the
//! file system.

use std::cmp::Ordering;

use rustix::fs::{FileType, Stat};

/// All directories of a tree, sorted by path, the root (an empty path) first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) directories: Vec<Directory>,
}

/// A directory and the files in it, sorted by name; its sub-directories stand for themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directory {
    /// Relative to the root, without a slash at either end.
    pub(super) path: Vec<u8>,
    pub(super) mode: u32,
    pub(super) names: Vec<u8>,
    pub(super) entries: Vec<Entry>,
}

/// A file or a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where its name begins in the directory's names, and its length.
    pub(super) name: (u32, u32),
    /// A link rather than a file.
    pub(super) symlink: bool,
    /// What `chmod` could set.
    pub(super) mode: u32,
    pub(super) marks: Marks,
}

/// What changes whenever a file changes. Times are in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) size: u64,
    pub(super) mtime: i64,
    /// 0 when it cannot be trusted: such a file counts as changed the next time.
    pub(super) ctime: i64,
    pub(super) inode: u64,
}

/// What has to be done to make one tree from another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Delta {
    /// Directories that are new or have another mode, by number.
    pub(super) directories: Vec<usize>,
    /// Files that are new or changed.
    pub(super) files: Vec<Pick>,
    /// Paths that are there no more, and nothing else in their place.
    pub(super) gone: Vec<Vec<u8>>,
}

/// A file of a listing: the numbers of its directory and of its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pick {
    pub(super) directory: usize,
    pub(super) entry: usize,
}

impl Listing {
    /// The mode of the root.
    pub(super) fn root_mode(&self) -> u32 {
        self.directories.first().map_or(0o755, |root| root.mode)
    }

    /// Every file.
    pub(super) fn files(&self) -> impl Iterator<Item = Pick> {
        let numbered = self.directories.iter().enumerate();
        numbered.flat_map(|(directory, found)| {
            (0..found.entries.len()).map(move |entry| Pick { directory, entry })
        })
    }

    /// The directory and the entry that are picked.
    pub(super) fn get(&self, pick: Pick) -> Option<(&Directory, &Entry)> {
        let directory = self.directories.get(pick.directory)?;
        Some((directory, directory.entries.get(pick.entry)?))
    }

    /// The directory with a path.
    pub(super) fn directory(&self, path: &[u8]) -> Option<&Directory> {
        self.number(path).and_then(|number| self.directories.get(number))
    }

    /// The number of the directory with a path.
    pub(super) fn number(&self, path: &[u8]) -> Option<usize> {
        self.directories.binary_search_by(|directory| directory.path.as_slice().cmp(path)).ok()
    }

    /// Puts the marks in that files had when they were copied, and takes out files that were gone.
    /// The picks are sorted.
    pub(super) fn correct(&mut self, corrected: Vec<(Pick, Option<Entry>)>) {
        // From the last on, so that the numbers of those to come stay true.
        for (pick, entry) in corrected.into_iter().rev() {
            let Some(directory) = self.directories.get_mut(pick.directory) else { continue };
            match (entry, directory.entries.get_mut(pick.entry)) {
                (Some(entry), Some(old)) => *old = entry,
                (None, Some(_)) => drop(directory.entries.remove(pick.entry)),
                (_, None) => {}
            }
        }
    }

    /// What to do to make this tree from an older one.
    pub(super) fn since(&self, old: &Listing) -> Delta {
        let mut delta = Delta::default();
        let pairs = merge(&old.directories, &self.directories, |a, b| a.path.cmp(&b.path));
        for (before, now) in pairs {
            match (before, now) {
                (Some(before), None) => delta.lost_directory(&before.1.path, self),
                (before, Some((number, now))) => {
                    let before = before.map(|(_, before)| before);
                    if before.is_none_or(|before| before.mode != now.mode) {
                        delta.directories.push(number);
                    }
                    delta.compare(before, now, number, self);
                }
                (None, None) => {}
            }
        }
        delta
    }
}

impl Delta {
    fn lost_directory(&mut self, path: &[u8], now: &Listing) {
        let (parent, name) = split(path);
        let parent = now.directory(parent);
        // Its parent is gone as well, or a file has taken its place.
        if parent.is_some_and(|parent| parent.find(name).is_none()) {
            self.gone.push(path.to_owned());
        }
    }

    fn compare(&mut self, before: Option<&Directory>, now: &Directory, number: usize, all: &Listing) {
        let empty = Directory::default();
        let before = before.unwrap_or(&empty);
        let by_name = |a: &Entry, b: &Entry| before.name(a).cmp(now.name(b));
        for pair in merge(&before.entries, &now.entries, by_name) {
            match pair {
                (Some((_, old)), Some((_, new))) if old.same(new) => {}
                (_, Some((entry, _))) => self.files.push(Pick { directory: number, entry }),
                (Some((_, old)), None) => {
                    let path = join(&now.path, before.name(old));
                    if all.directory(&path).is_none() {
                        self.gone.push(path);
                    }
                }
                (None, None) => {}
            }
        }
    }
}

impl Directory {
    /// The name of one of its entries.
    pub(super) fn name(&self, entry: &Entry) -> &[u8] {
        let start = entry.name.0 as usize;
        self.names.get(start..start + entry.name.1 as usize).unwrap_or_default()
    }

    /// The entry with a name.
    pub(super) fn find(&self, name: &[u8]) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|entry| self.name(entry).cmp(name));
        at.ok().and_then(|at| self.entries.get(at))
    }
}

impl Entry {
    /// Whether nothing says that the file has changed.
    fn same(&self, other: &Self) -> bool {
        self.marks == other.marks
            && self.mode == other.mode
            && self.symlink == other.symlink
            && self.marks.ctime != 0
    }
}

impl Marks {
    /// The marks of a file that was looked at.
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            mtime: nanoseconds(stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
            ctime: nanoseconds(stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
            inode: stat.st_ino,
        }
    }
}

impl Entry {
    /// The entry of a file that was looked at; none when it is neither a file nor a link.
    pub(super) fn of(name: (u32, u32), stat: &Stat) -> Option<Self> {
        let symlink = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => false,
            FileType::Symlink => true,
            _ => return None,
        };
        Some(Self { name, symlink, mode: stat.st_mode & 0o7777, marks: Marks::of(stat) })
    }
}

/// `directory/name`, or the name alone in the root.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_owned() } else { [directory, name].join(&b'/') }
}

/// The directory and the name of a path.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

type Numbered<'a, T> = Option<(usize, &'a T)>;

/// Goes through two sorted lists at once, and pairs what is equal.
fn merge<'a, T>(
    old: &'a [T],
    new: &'a [T],
    order: impl Fn(&T, &T) -> Ordering,
) -> impl Iterator<Item = (Numbered<'a, T>, Numbered<'a, T>)> {
    let mut old = old.iter().enumerate().peekable();
    let mut new = new.iter().enumerate().peekable();
    std::iter::from_fn(move || {
        let next = match (old.peek(), new.peek()) {
            (Some((_, a)), Some((_, b))) => order(a, b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        Some((if next.is_le() { old.next() } else { None }, if next.is_ge() { new.next() } else { None }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `d:x y` is a directory with two files; a file's inode follows `=`.
    fn listing(text: &[&str]) -> Listing {
        let mut directories: Vec<_> = text
            .iter()
            .map(|line| {
                let (path, files) = line.split_once(':').expect("a directory and its files");
                let mut directory = Directory { path: path.into(), mode: 0o755, ..Directory::default() };
                for file in files.split_whitespace() {
                    let (name, inode) = file.split_once('=').unwrap_or((file, "1"));
                    let start = u32::try_from(directory.names.len()).expect("short");
                    directory.names.extend(name.bytes());
                    let marks =
                        Marks { ctime: 1, inode: inode.parse().expect("a number"), ..Marks::default() };
                    let name = (start, u32::try_from(name.len()).expect("short"));
                    directory.entries.push(Entry { name, symlink: false, mode: 0o644, marks });
                }
                directory
            })
            .collect();
        directories.sort_by(|a, b| a.path.cmp(&b.path));
        Listing { directories }
    }

    #[track_caller]
    fn check(old: &[&str], new: &[&str], files: &[&str], directories: &[&str], gone: &[&str]) {
        let new = listing(new);
        let delta = new.since(&listing(old));
        let path = |pick: &Pick| {
            let (directory, entry) = new.get(*pick).expect("picked from it");
            String::from_utf8(join(&directory.path, directory.name(entry))).expect("ascii")
        };
        let text = |path: &Vec<u8>| String::from_utf8(path.clone()).expect("ascii");
        let made: Vec<_> = delta.directories.iter().map(|&at| text(&new.directories[at].path)).collect();
        assert_eq!(delta.files.iter().map(path).collect::<Vec<_>>(), files);
        assert_eq!(made, directories);
        assert_eq!(delta.gone.iter().map(text).collect::<Vec<_>>(), gone);
    }

    #[test]
    fn what_is_equal_is_left_alone() {
        check(&[":a b", "d:c"], &[":a b", "d:c"], &[], &[], &[]);
    }

    #[test]
    fn files_come_change_and_go() {
        check(&[":a b=1 c"], &[":a b=2 d"], &["b", "d"], &[], &["c"]);
    }

    #[test]
    fn a_whole_directory_goes_at_once() {
        check(&[":", "d:x y", "d/e:z", "d.f:q"], &[":", "d.f:q"], &[], &[], &["d"]);
    }

    #[test]
    fn a_file_and_a_directory_change_places() {
        check(&[":a", "b:x"], &[":b", "a:y"], &["b", "a/y"], &["a"], &[]);
    }

    #[test]
    fn a_mark_that_cannot_be_trusted_is_a_change() {
        let mut old = listing(&[":a"]);
        old.directories[0].entries[0].marks.ctime = 0;
        assert_eq!(old.clone().since(&old).files.len(), 1);
    }
}
