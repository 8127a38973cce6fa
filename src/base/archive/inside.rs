//! Whether a link stays inside the directory that it is in, whatever other links there are.
//!
//! Pure: it never looks at the file system. The helper has a copy compiled in, so it uses nothing but `std`.

/// Checks the target of a symbolic link that lies in so many directories below the one that it is to stay in.
///
/// A `..` is accepted at the beginning alone, and not above the root: so every link leads from a
/// real directory inside to a real directory inside, and by induction so does any chain of them.
///
/// # Errors
/// What is wrong with the target.
pub fn stays_inside(depth: usize, target: &[u8]) -> Result<(), &'static str> {
    if target.is_empty() {
        return Err("is a link to nothing");
    }
    if target.starts_with(b"/") {
        return Err("is a link to an absolute path");
    }
    let mut up = 0;
    let mut down = false;
    for part in target.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if down => return Err("is a link with `..` behind a name, which may lead out"),
            b".." => up += 1,
            _ => down = true,
        }
    }
    if up > depth { Err("is a link that leads out") } else { Ok(()) }
}
