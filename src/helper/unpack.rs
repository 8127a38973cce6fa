//! `windlass-helper unpack DIR`: makes a directory that holds what an archive on standard input does.
//!
//! The archive is the runner's own: `ustar` with `pax` records for names, link targets and times, and behind its end
//! the sha256 of all of it. Whatever the directory held before is removed, so that a cut upload can be begun anew.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use crate::sha256::Sha256;
use crate::{STDIN, sys};

/// How long nothing may come: whoever sends has gone, or his connection.
const SILENCE: Duration = Duration::from_secs(120);
const BLOCK: usize = 512;
/// Records of one entry are never longer: they hold a name, a target and a time.
const MAX_RECORDS: u64 = 1 << 20;

/// Unpacks, and says by its code whether all of it came.
pub fn unpack(mut args: impl Iterator<Item = String>) -> ExitCode {
    let unpacked = args.next().ok_or_else(|| io::Error::other("unpack needs a directory"));
    match unpacked.and_then(|directory| Archive { digest: Sha256::new() }.unpack(Path::new(&directory))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::refuse_in_pod(&error.to_string()),
    }
}

/// What is read of standard input, with the digest so far.
struct Archive {
    digest: Sha256,
}

/// What comes before an entry and holds for it alone.
#[derive(Default)]
struct Records {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    time: Option<SystemTime>,
}

impl Archive {
    fn unpack(mut self, root: &Path) -> io::Result<()> {
        fs::create_dir_all(root)?;
        clear(root)?;
        let is_root = sys::own_user().0 == 0;
        let mut records = Records::default();
        // Putting something into a directory changes its time.
        let mut directories = Vec::new();
        loop {
            let mut header = [0; BLOCK];
            self.fill(&mut header)?;
            if header.iter().all(|byte| *byte == 0) {
                break;
            }
            let size = number(&header[124..136])?;
            if header[156] == b'x' {
                records = self.records(size)?;
                continue;
            }
            let Records { path, link, time } = std::mem::take(&mut records);
            let path = path.unwrap_or_else(|| text(&header[..100]));
            let path = root.join(PathBuf::from(std::ffi::OsString::from_vec(path)));
            let link = link.unwrap_or_else(|| text(&header[157..257]));
            let (mode, uid, gid) =
                (number(&header[100..108])?, number(&header[108..116])?, number(&header[116..124])?);
            let mode = Permissions::from_mode(u32::try_from(mode).unwrap_or(0o755));
            match header[156] {
                b'5' => {
                    fs::create_dir_all(&path)?;
                    directories.push((path.clone(), time));
                }
                b'0' => self.file(&path, size, time)?,
                b'2' => symlink(std::ffi::OsString::from_vec(link), &path)?,
                b'6' => sys::make_fifo(&path)?,
                kind => return Err(io::Error::other(format!("unknown kind of entry {kind}"))),
            }
            let owner = (u32::try_from(uid).ok(), u32::try_from(gid).ok());
            // Who is not root keeps what he makes.
            if is_root {
                lchown(&path, owner.0, owner.1)?;
            }
            if header[156] != b'2' {
                fs::set_permissions(&path, mode)?;
            }
        }
        let mut last = [0; BLOCK];
        self.fill(&mut last)?;
        for (path, time) in directories.into_iter().rev() {
            set_time(&File::open(path)?, time)?;
        }
        let found = self.digest.finish();
        let mut expected = [0; 32];
        Archive { digest: Sha256::new() }.fill(&mut expected)?;
        if found == expected { Ok(()) } else { Err(io::Error::other("what came is not what was sent")) }
    }

    fn file(&mut self, path: &Path, size: u64, time: Option<SystemTime>) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        io::copy(&mut Read::take(&mut *self, size), &mut file)?;
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        io::copy(&mut Read::take(&mut *self, padding), &mut io::sink())?;
        set_time(&file, time)
    }

    /// Reads `LENGTH KEY=VALUE` lines.
    fn records(&mut self, size: u64) -> io::Result<Records> {
        let wrong = || io::Error::other("malformed records");
        if size > MAX_RECORDS {
            return Err(wrong());
        }
        let mut bytes = vec![0; usize::try_from(size.next_multiple_of(BLOCK as u64)).map_err(|_| wrong())?];
        self.fill(&mut bytes)?;
        bytes.truncate(usize::try_from(size).map_err(|_| wrong())?);
        let (mut records, mut rest) = (Records::default(), bytes.as_slice());
        while !rest.is_empty() {
            let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
            let length = std::str::from_utf8(&rest[..space]).ok().and_then(|text| text.parse::<usize>().ok());
            let length = length.filter(|length| *length > space + 1).ok_or_else(wrong)?;
            let (record, after) = rest.split_at_checked(length).ok_or_else(wrong)?;
            rest = after;
            let record = record[space + 1..].strip_suffix(b"\n").ok_or_else(wrong)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
            let (key, value) = (&record[..equals], record[equals + 1..].to_vec());
            match key {
                b"path" => records.path = Some(value),
                b"linkpath" => records.link = Some(value),
                b"mtime" => records.time = time(&value),
                _ => return Err(wrong()),
            }
        }
        Ok(records)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.read_exact(buffer)
    }
}

impl Read for Archive {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        sys::wait_for(&[(STDIN, sys::POLLIN)], Some(SILENCE));
        if !sys::has_input(STDIN) {
            return Err(io::Error::other("nothing has come for two minutes"));
        }
        let bytes = sys::read_some(STDIN, buffer).unwrap_or_default();
        self.digest.update(bytes);
        Ok(bytes.len())
    }
}

fn clear(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?
        } else {
            fs::remove_file(entry.path())?
        }
    }
    Ok(())
}

fn set_time(file: &File, time: Option<SystemTime>) -> io::Result<()> {
    time.map_or(Ok(()), |time| file.set_times(FileTimes::new().set_modified(time)))
}

/// `SECONDS.NANOS`, where both count backwards before 1970.
fn time(text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?;
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (seconds, nanos) = text.split_once('.').unwrap_or((text, "0"));
    let since = Duration::new(seconds.parse().ok()?, nanos.parse().ok()?);
    if sign > 0 {
        SystemTime::UNIX_EPOCH.checked_add(since)
    } else {
        SystemTime::UNIX_EPOCH.checked_sub(since)
    }
}

/// A field up to its first zero.
fn text(field: &[u8]) -> Vec<u8> {
    field.iter().copied().take_while(|byte| *byte != 0).collect()
}

/// Octal digits, or, above what these can say, a number with the first bit set.
fn number(field: &[u8]) -> io::Result<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        return Ok(field.iter().skip(1).fold(0, |number, byte| number << 8 | u64::from(*byte)));
    }
    let digits = text(field).into_iter().filter(|byte| *byte != b' ').collect::<Vec<_>>();
    let digits = String::from_utf8(digits).map_err(io::Error::other)?;
    if digits.is_empty() { Ok(0) } else { u64::from_str_radix(&digits, 8).map_err(io::Error::other) }
}
