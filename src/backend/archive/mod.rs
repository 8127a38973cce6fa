//! A captured tree as a tar stream: what overlayfs would show of its layers, with owners, modes, links
//! and times, whatever bytes its names are made of.
//!
//! It holds one directory's list in memory and no file, and never follows a link.

mod fetch;
mod some;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Stat, readlinkat, statat};
use tar::{Builder, EntryType, Header};

pub(super) use fetch::{Failed, drafted, from_tree, unpack};
use some::some;

use crate::base::Tree;
use crate::base::safe_dir::{EntryKind, SafeDir};

/// Writes a tree as entries below `under`, which is relative; empty for the archive's own root.
///
/// # Errors
/// When a part of the tree cannot be read, or nobody takes the stream any more.
pub(super) fn tree(to: &mut dyn Write, tree: &Tree, under: &Path) -> io::Result<()> {
    let mut archive = Archive { to: Builder::new(to), under };
    archive.root(tree)?;
    each(tree, &|_| true, &mut |layer, path, kind| archive.add(layer, path, kind))?;
    archive.to.finish()
}

/// Goes through a tree, whose layers are seen as one: what is in each directory that `enter` says yes to.
///
/// # Errors
/// Those of `visit`, and when a directory cannot be read.
fn each(
    tree: &Tree,
    enter: &dyn Fn(&Path) -> bool,
    visit: &mut dyn FnMut(&SafeDir, &Path, EntryKind) -> io::Result<()>,
) -> io::Result<()> {
    let layers = layers(tree)?;
    let mut waiting = vec![(PathBuf::new(), layers.iter().collect::<Vec<_>>())];
    while let Some((path, layers)) = waiting.pop() {
        for (name, found) in merged(&layers, &path)? {
            let path = path.join(name);
            let [(top, kind), ..] = found.as_slice() else { continue };
            visit(top, &path, *kind)?;
            if *kind == EntryKind::Directory && enter(&path) {
                // What is no directory hides those below it.
                let same = found.iter().take_while(|(_, kind)| *kind == EntryKind::Directory);
                waiting.push((path, same.map(|(layer, _)| *layer).collect()));
            }
        }
    }
    Ok(())
}

/// The directories that a tree is made of, the topmost first.
fn layers(tree: &Tree) -> io::Result<Vec<SafeDir>> {
    let roots: Vec<&PathBuf> = match tree {
        Tree::Plain(root) => vec![root],
        // What the run's own layer has is above all others; before the run that is the root's mode alone.
        Tree::Layers { lowers, upper, .. } => std::iter::once(upper).chain(lowers).collect(),
    };
    roots.into_iter().map(|root| SafeDir::open(root)).collect()
}

/// Writes one executable file.
///
/// # Errors
/// When nobody takes the stream any more.
pub(super) fn executable(to: &mut dyn Write, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(bytes.len() as u64);
    let mut archive = Builder::new(to);
    archive.append_data(&mut header, path, bytes)?;
    archive.finish()
}

type Found<'a> = Vec<(&'a SafeDir, EntryKind)>;

/// What each name of a directory is in the layers that have it, the topmost first.
fn merged<'a>(layers: &[&'a SafeDir], path: &Path) -> io::Result<BTreeMap<OsString, Found<'a>>> {
    let mut names = BTreeMap::<_, Found<'a>>::new();
    for layer in layers {
        for entry in layer.read_dir(path)? {
            names.entry(entry.name).or_default().push((layer, entry.kind));
        }
    }
    Ok(names)
}

struct Archive<'a> {
    to: Builder<&'a mut dyn Write>,
    under: &'a Path,
}

impl Archive<'_> {
    fn root(&mut self, tree: &Tree) -> io::Result<()> {
        let top = layers(tree)?.into_iter().next();
        top.map_or(Ok(()), |top| self.add(&top, Path::new(""), EntryKind::Directory))
    }

    fn add(&mut self, layer: &SafeDir, path: &Path, kind: EntryKind) -> io::Result<()> {
        let at = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let stat = statat(layer, at, AtFlags::SYMLINK_NOFOLLOW)?;
        match kind {
            EntryKind::Directory => self.append(path, &stat, EntryType::Directory, b"", io::empty(), 0),
            EntryKind::File => {
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                let mut content = layer.open_file(path)?.take(size);
                self.append(path, &stat, EntryType::Regular, b"", &mut content, size)?;
                let whole = content.limit() == 0;
                whole.then_some(()).ok_or_else(|| {
                    io::Error::new(io::ErrorKind::UnexpectedEof, format!("`{}` got shorter", path.display()))
                })
            }
            EntryKind::Link => {
                let target = readlinkat(layer, path, Vec::new())?;
                self.append(path, &stat, EntryType::Symlink, target.as_bytes(), io::empty(), 0)
            }
            EntryKind::Other if FileType::from_raw_mode(stat.st_mode) == FileType::Fifo => {
                self.append(path, &stat, EntryType::Fifo, b"", io::empty(), 0)
            }
            // A whiteout: what is below it is gone, and so is it. Sockets mean nothing elsewhere.
            EntryKind::Other => Ok(()),
        }
    }

    fn append(
        &mut self,
        path: &Path,
        stat: &Stat,
        kind: EntryType,
        target: &[u8],
        content: impl Read,
        size: u64,
    ) -> io::Result<()> {
        let path = self.under.join(path);
        let name = if path.as_os_str().is_empty() { b"." } else { path.as_os_str().as_bytes() };
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o7777);
        header.set_uid(stat.st_uid.into());
        header.set_gid(stat.st_gid.into());
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
        header.set_size(size);
        let time = seconds(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0));
        let mut more = vec![("mtime", time.as_bytes())];
        let fields = header.as_old_mut();
        for (key, bytes, field) in
            [("path", name, &mut fields.name), ("linkpath", target, &mut fields.linkname)]
        {
            match field.get_mut(..bytes.len()) {
                Some(field) => field.copy_from_slice(bytes),
                None => more.push((key, bytes)),
            }
        }
        header.set_cksum();
        self.to.append_pax_extensions(more)?;
        self.to.append(&header, content)
    }
}

/// Seconds since 1970 with their fraction, as tar has them: before 1970 both parts count backwards.
fn seconds(whole: i64, nanos: i64) -> String {
    let total = i128::from(whole) * 1_000_000_000 + i128::from(nanos);
    let sign = if total < 0 { "-" } else { "" };
    let total = total.unsigned_abs();
    format!("{sign}{}.{:09}", total / 1_000_000_000, total % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn bytes(archive: &[u8]) -> BTreeMap<Vec<u8>, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        for entry in tar::Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
            entry.read_to_end(&mut content).unwrap();
            let mode = entry.header().mode().unwrap();
            found.insert(entry.path_bytes().into_owned(), (mode, content));
        }
        found
    }

    #[test]
    fn names_links_and_modes_are_kept_whatever_they_are() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        let long = "d".repeat(200);
        let odd = OsString::from_vec(b"not\xff\xfeutf8\n".to_vec());
        fs::create_dir_all(root.join(&long).join(&long)).unwrap();
        fs::write(root.join(&long).join(&long).join("file"), "deep").unwrap();
        fs::write(root.join(&odd), "odd").unwrap();
        fs::set_permissions(root.join(&odd), fs::Permissions::from_mode(0o640)).unwrap();
        symlink(format!("/{long}/../nowhere"), root.join("link")).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o2775)).unwrap();
        let mut archive = Vec::new();
        tree(&mut archive, &Tree::Plain(root), Path::new("workspace")).unwrap();
        let found = bytes(&archive);
        let at = |path: &[u8]| found[&[b"workspace/", path].concat()].clone();
        assert_eq!(found[&b"workspace/"[..]].0, 0o2775);
        assert_eq!(at(odd.as_bytes()), (0o640, b"odd".to_vec()));
        assert_eq!(at(format!("{long}/{long}/file").as_bytes()).1, b"deep");
        assert_eq!(at(b"link").1, format!("/{long}/../nowhere").into_bytes());
    }

    #[test]
    fn layers_are_seen_as_overlayfs_shows_them() {
        // In memory: these tests run on overlayfs too, where nobody may make a whiteout by hand.
        let place = tempfile::tempdir_in("/dev/shm").unwrap();
        let at = |path: &str| place.path().join(path);
        for directory in ["up", "top/both", "top/was-file", "base/both", "base/hidden", "base/was-dir"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        for (path, text) in [
            ("top/both/changed", "new"),
            ("top/was-dir", "a file now"),
            ("base/both/changed", "old"),
            ("base/both/kept", "kept"),
            ("base/both/gone", "gone"),
            ("base/hidden/file", "gone"),
            ("base/was-dir/file", "gone"),
            ("base/was-file", "gone"),
        ] {
            fs::write(at(path), text).unwrap();
        }
        for gone in ["top/both/gone", "top/hidden"] {
            let device = rustix::fs::FileType::CharacterDevice;
            rustix::fs::mknodat(rustix::fs::CWD, at(gone), device, rustix::fs::Mode::empty(), 0).unwrap();
        }
        let layers = Tree::Layers { lowers: vec![at("top"), at("base")], upper: at("up"), work: at("work") };
        let mut archive = Vec::new();
        tree(&mut archive, &layers, Path::new("")).unwrap();
        let found = bytes(&archive);
        let names: Vec<_> = found.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        assert_eq!(names, [".", "both", "both/changed", "both/kept", "was-dir", "was-file"]);
        assert_eq!(found[&b"both/changed"[..]].1, b"new");
    }

    #[test]
    fn times_have_their_fraction() {
        assert_eq!(seconds(1, 5), "1.000000005");
        assert_eq!(seconds(-2, 500_000_000), "-1.500000000");
        assert_eq!(seconds(-1, 500_000_000), "-0.500000000");
    }
}
