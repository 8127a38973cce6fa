//! Files of the workspace, as a container of the fake sees them: those of the capture, for nothing here writes any.

use std::path::{Path, PathBuf};

use crate::backend::{ContainerSpec, no_file};
use crate::base::safe_dir::{EntryKind, SafeDir};
use crate::base::{Tree, glob, substitution};

/// No file of a test is larger.
const LARGEST: u64 = 1 << 20;

/// The content of a file, with values in the place of names if the container has it so.
pub(super) fn read(tree: &Tree, spec: &ContainerSpec, path: &str) -> Option<Vec<u8>> {
    let below = format!("{}/", spec.workdir.as_deref().unwrap_or_default());
    let path = Path::new(&below).join(path);
    let path = path.strip_prefix("/workspace").ok()?;
    let content = layers(tree).iter().find_map(|layer| layer.read_file(path, LARGEST).ok())?;
    let fits = |pattern: &String| glob::matches(pattern.as_bytes(), path.as_os_str().as_encoded_bytes());
    if !spec.substitution.as_ref().is_some_and(|asked| asked.patterns.iter().any(fits)) {
        return Some(content);
    }
    let mut replaced = Vec::new();
    substitution::copy(&mut content.as_slice(), &mut replaced, &spec.substitutes()).ok()?;
    Some(replaced)
}

/// What a person should know of what is to be substituted.
pub(super) fn warning(tree: &Tree, spec: &ContainerSpec) -> Option<String> {
    let patterns = &spec.substitution.as_ref()?.patterns;
    let mut files = Vec::new();
    for layer in layers(tree) {
        let mut waiting = vec![PathBuf::new()];
        while let Some(directory) = waiting.pop() {
            for entry in layer.read_dir(&directory).unwrap_or_default() {
                let path = directory.join(&entry.name);
                match entry.kind {
                    EntryKind::Directory if path != Path::new(".git") => waiting.push(path),
                    EntryKind::File => files.push(path),
                    _ => {}
                }
            }
        }
    }
    let fits = |pattern: &String| {
        files.iter().any(|path| glob::matches(pattern.as_bytes(), path.as_os_str().as_encoded_bytes()))
    };
    let unused: Vec<&str> = patterns.iter().filter(|pattern| !fits(pattern)).map(String::as_str).collect();
    (!unused.is_empty()).then(|| no_file(&unused))
}

fn layers(tree: &Tree) -> Vec<SafeDir> {
    let roots: Vec<&PathBuf> = match tree {
        Tree::Plain(root) => vec![root],
        Tree::Layers { lowers, upper, .. } => std::iter::once(upper).chain(lowers).collect(),
    };
    roots.into_iter().filter_map(|root| SafeDir::open(root).ok()).collect()
}
