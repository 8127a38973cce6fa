//! What is asked for, in one spelling; none where it is no such thing, or asks for more than it says.
//!
//! Pure text: nothing is looked up.

use std::path::{Component, Path, PathBuf};

/// Where a container has what is ours or the kernel's, and nothing may be put over it.
const TAKEN: [&str; 5] = ["/proc", "/sys", "/dev", "/windlass", "/windlass-helper"];

/// The path of the machine in a mount, written `HOST:CONTAINER`, with `:ro` or `:rw` or nothing.
pub(super) fn mount(text: &str) -> Option<PathBuf> {
    let mut parts = text.split(':');
    let (host, container) = (normal(parts.next()?)?, normal(parts.next()?)?);
    let ends = matches!((parts.next(), parts.next()), (None | Some("ro" | "rw"), None));
    let taken = container == Path::new("/") || TAKEN.iter().any(|taken| container.starts_with(taken));
    (ends && !taken).then_some(host)
}

/// The path of the machine in a device, written `HOST`, `HOST:CONTAINER` or `HOST:CONTAINER:RIGHTS`.
pub(super) fn device(text: &str) -> Option<PathBuf> {
    let mut parts = text.split(':');
    let host = normal(parts.next()?)?;
    let container = parts.next().map_or(Some(host.clone()), normal)?;
    let rights = parts.next().unwrap_or("rwm");
    let known = !rights.is_empty() && rights.chars().all(|right| "rwm".contains(right));
    (known && parts.next().is_none() && container.starts_with("/dev")).then_some(host)
}

/// The name of a capability, as the kernel's list has it but for `CAP_`.
pub(super) fn capability(text: &str) -> String {
    let upper = text.to_ascii_uppercase();
    upper.strip_prefix("CAP_").map(str::to_owned).unwrap_or(upper)
}

/// An absolute path without `.`, `..` and doubled slashes.
pub(super) fn normal(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) {
        return None;
    }
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(normal)
}
