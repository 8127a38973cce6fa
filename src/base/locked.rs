//! Locks that processes hold on files, and that are free again when their holder is gone, however.

use std::fs::{File, TryLockError};
use std::io;
use std::ops::{Deref, DerefMut};

/// A file that is locked as long as this value lives.
///
/// Its end unlocks it, and not the closing of the file: a child that another thread is starting at that moment
/// has the file open too, until it is the program that it is to be.
#[derive(Debug)]
pub struct Locked(File);

impl Locked {
    /// Waits until nobody else has it.
    ///
    /// # Errors
    /// When the file's system has no locks.
    pub fn wait(file: File) -> io::Result<Self> {
        file.lock().map(|()| Self(file))
    }

    /// Waits until nobody has it alone.
    ///
    /// # Errors
    /// When the file's system has no locks.
    pub fn wait_shared(file: File) -> io::Result<Self> {
        file.lock_shared().map(|()| Self(file))
    }

    /// Locks it, unless somebody else has it.
    ///
    /// # Errors
    /// When the file's system has no locks.
    pub fn at_once(file: File) -> io::Result<Option<Self>> {
        taken(file.try_lock()).map(|taken| taken.then_some(Self(file)))
    }

    /// The same, together with others who do this too.
    ///
    /// # Errors
    /// When the file's system has no locks.
    pub fn shared(file: File) -> io::Result<Option<Self>> {
        taken(file.try_lock_shared()).map(|taken| taken.then_some(Self(file)))
    }
}

fn taken(tried: Result<(), TryLockError>) -> io::Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // What cannot be unlocked is so once it is closed.
        drop(self.0.unlock());
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for Locked {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}
