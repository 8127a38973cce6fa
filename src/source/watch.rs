//! Whether a capture should go on: asked between files, within large ones, and while others are waited
//! for. It never ends anything itself.

use std::thread;
use std::time::Duration;

use super::error::SourceError;

/// Asked, often and from several threads, whether a capture should go on.
pub type GoesOn<'a> = &'a (dyn Fn() -> bool + Sync);

/// How often something that cannot be waited for is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// A capture that may be told to stop.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    source: &'a str,
    goes_on: GoesOn<'a>,
}

impl<'a> Watch<'a> {
    /// The capture of a source, named without credentials.
    pub(super) fn new(source: &'a str, goes_on: GoesOn<'a>) -> Self {
        Self { source, goes_on }
    }

    /// Whether it should stop.
    pub(super) fn stopped(self) -> bool {
        !(self.goes_on)()
    }

    /// Ends what must not go on.
    ///
    /// # Errors
    /// [`SourceError::Cancelled`].
    pub(super) fn check(self) -> Result<(), SourceError> {
        if self.stopped() { Err(SourceError::Cancelled { what: self.source.to_owned() }) } else { Ok(()) }
    }

    /// Looks again and again until there is something.
    ///
    /// # Errors
    /// What `look` says; [`SourceError::Cancelled`].
    pub(super) fn until<T>(
        self,
        mut look: impl FnMut() -> Result<Option<T>, SourceError>,
    ) -> Result<T, SourceError> {
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            self.check()?;
            thread::sleep(LOOK);
        }
    }
}
