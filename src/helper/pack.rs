//! `windlass-helper pack PATTERN…`: writes what fits the patterns to standard output, as an archive with its sha256 behind
//! it, which is all that says that it is whole. It only reads, and waits for no step that writes meanwhile.
//!
//! What cannot be had elsewhere is left out and named on standard error: pipes, devices, sockets, links that lead out.
//! Owners and the bits that give a program rights of its owner stay here.

use std::fs::{File, Metadata, read_link, symlink_metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;

use crate::beneath::{self, Found, LONGEST_PATH, at};
use crate::glob;
use crate::inside::stays_inside;
use crate::protocol::{LEFT_OUT, LEFT_OUT_IN_ALL, MOST_LEFT_OUT, NOT_PACKED};
use crate::sha256::Sha256;
use crate::sys::O_NONBLOCK;

const BLOCK: usize = 512;
const BUFFER: usize = 256 << 10;
/// What fits into the field of a header.
const NAME: usize = 100;

/// Packs, and says by the digest alone whether all of it was packed.
pub fn pack(patterns: impl Iterator<Item = String>) -> ExitCode {
    let patterns: Vec<String> = patterns.collect();
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let packed = stdout.map_err(|error| error.to_string()).and_then(|stdout| {
        let to = Digested { to: File::from(stdout), digest: Sha256::new() };
        let mut archive = Archive { to: BufWriter::with_capacity(BUFFER, to), left_out: 0 };
        beneath::walk(&patterns, cannot, &mut |found| {
            if patterns.iter().any(|pattern| glob::matches(pattern.as_bytes(), &found.path)) {
                archive.add(&found).map_err(|error| cannot(&found.path, &error))?;
            }
            Ok(())
        })?;
        say(LEFT_OUT_IN_ALL, archive.left_out.to_string().as_bytes());
        archive.finish().map_err(|error| error.to_string())
    });
    match packed {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(NOT_PACKED, why.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn cannot(path: &[u8], error: &io::Error) -> String {
    format!("cannot read `{}`: {error}", String::from_utf8_lossy(path))
}

fn say(what: u8, text: &[u8]) {
    // Whoever does not listen takes no archive either.
    let _ = io::stderr().write_all(&[&[what], text, &[0]].concat());
}

struct Archive {
    to: BufWriter<Digested>,
    left_out: usize,
}

impl Archive {
    fn add(&mut self, found: &Found) -> io::Result<()> {
        let place = at(&found.directory).join(&found.name);
        // What has gone meanwhile is nothing.
        let about = match symlink_metadata(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            about => about?,
        };
        if found.path.len() >= LONGEST_PATH {
            self.leave_out(&found.path);
        } else if about.is_dir() {
            self.header(&found.path, b'5', &about, 0, b"")?;
        } else if about.is_symlink() {
            let target = read_link(&place)?.into_os_string();
            let depth = found.path.iter().filter(|byte| **byte == b'/').count();
            match stays_inside(depth, target.as_bytes()) {
                Ok(()) => self.header(&found.path, b'2', &about, 0, target.as_bytes())?,
                Err(_) => self.leave_out(&found.path),
            }
        } else if about.is_file() {
            let opened = beneath::open(&found.directory, &found.name, O_NONBLOCK)?;
            if let Some(file) = opened {
                self.file(&found.path, file)?;
            }
        } else {
            self.leave_out(&found.path);
        }
        Ok(())
    }

    fn file(&mut self, path: &[u8], file: File) -> io::Result<()> {
        let about = file.metadata()?;
        if !about.is_file() {
            self.leave_out(path);
            return Ok(());
        }
        self.header(path, b'0', &about, about.len(), b"")?;
        if io::copy(&mut file.take(about.len()), &mut self.to)? < about.len() {
            return Err(io::Error::other("it got shorter meanwhile"));
        }
        self.pad(about.len())
    }

    fn leave_out(&mut self, path: &[u8]) {
        self.left_out += 1;
        if self.left_out <= MOST_LEFT_OUT {
            say(LEFT_OUT, path);
        }
    }

    /// Writes the header of an entry as GNU has it, and before it what does not fit there.
    fn header(
        &mut self,
        path: &[u8],
        kind: u8,
        about: &Metadata,
        size: u64,
        target: &[u8],
    ) -> io::Result<()> {
        for (text, kind) in [(path, b'L'), (target, b'K')] {
            if text.len() > NAME {
                let size = text.len() as u64 + 1;
                self.to.write_all(&header(b"././@LongLink", kind, 0, size, 0, b""))?;
                self.to.write_all(text)?;
                self.to.write_all(&[0])?;
                self.pad(size)?;
            }
        }
        let time = u64::try_from(about.mtime()).unwrap_or(0);
        self.to.write_all(&header(path, kind, about.mode() & 0o777, size, time, target))
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        self.to.write_all(&[0; BLOCK][..padding as usize])
    }

    fn finish(mut self) -> io::Result<()> {
        self.to.write_all(&[0; 2 * BLOCK])?;
        let Digested { mut to, digest } = self.to.into_inner().map_err(io::IntoInnerError::into_error)?;
        to.write_all(&digest.finish())
    }
}

fn header(path: &[u8], kind: u8, mode: u32, size: u64, time: u64, target: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &path[..path.len().min(NAME)]);
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000\x000000000\0");
    put(124, &number(size));
    put(136, &number(time));
    put(148, b"        ");
    put(156, &[kind]);
    put(157, &target[..target.len().min(NAME)]);
    put(257, b"ustar  \0");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Octal digits, or, above what these can say, a number with the first bit set.
fn number(number: u64) -> [u8; 12] {
    let mut field = [0; 12];
    if number < 1 << 33 {
        field[..11].copy_from_slice(format!("{number:011o}").as_bytes());
    } else {
        field[0] = 0x80;
        field[4..].copy_from_slice(&number.to_be_bytes());
    }
    field
}

/// Where the archive goes, with the digest so far.
struct Digested {
    to: File,
    digest: Sha256,
}

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.digest.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
