//! Where steps run: the contract between the engine and a container runtime.
//!
//! # The order of calls
//!
//! 1. [`Backend::open`] once a run: makes what the run's steps share (workspace volume …).
//! 2. [`Session::image`] for each image; any number at once; each image is fetched at most once.
//! 3. [`Session::start`] for each attempt; any number at once, at most one per [`ContainerSpec::name`].
//!    The container runs when it returns, but its program does not: the helper holds it.
//! 4. Either [`Control::go`] once, or [`Control::kill`] if the step is not wanted after all.
//! 5. [`Started::progress`] yields output and then exactly one [`Progress::Ended`], then ends. All
//!    output comes before the end. This holds after `kill` without `go` as well.
//!    A service is a container like any other: it has its [`Started::address`] before it may go, and whoever
//!    goes later is told it with a name. Once it may go, [`Control::ready`] waits until it is ready.
//! 6. [`Session::close`] once, whatever happened before: removes everything the run made.
//!
//! # What an implementation promises
//!
//! * A program that exits non-zero is a *result*, [`How::Exited`], never an `Err`.
//! * Every object is in the ledger before it is created, and leaves it once it is gone.
//! * [`Control`]'s calls may come at any time, in any order, more than once, and also after the end;
//!   they then do nothing.
//! * A program gets its secrets and nothing that can be asked about its container has them.
//! * Every program has a file for outputs, named by `WINDLASS_OUTPUT`; what is in it comes with the end.
//! * Nothing is created that [`Policy::check`](policy::Policy::check) refuses, and what it lets through is applied.
//! * A container with a [`Substitution`] sees, at the paths of regular files of the workspace that its patterns stand
//!   for, and no links on the way, those files with values in the place of names, as they were at its start; all
//!   else of the workspace is that of everybody. What it writes there nobody else sees, and it is gone with the container.
//!   A file that cannot be made is a failed `start` with its path; a pattern that stands for nothing is
//!   [`Progress::Warned`].
//! * What is fetched from the workspace is there as a whole or not at all, and nothing of it leads out.
//! * A look into the workspace sees what steps have written, follows no link that they have made, and never waits for them.
//! * After a failed `start` nothing of that attempt is left, or it is in the ledger; the same name
//!   may be started again.
//! * A dropped `Started` is a killed container: nothing keeps running that nobody listens to.
//! * `close` never fails the run: it names what it could not remove.

mod archive;
#[doc(hidden)]
pub mod contract;
pub mod fake;
mod helped;
pub mod lacks;
pub mod policy;
mod types;

pub mod docker;
pub mod kubernetes;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

pub use types::*;

use crate::base::Reason;
use crate::base::archive::Limits;
use crate::ledger::RunLedger;
use crate::plan::Probe;
use lacks::Lack;

/// A place where steps run.
pub trait Backend: Send + Sync {
    /// Says where steps run, for people: `docker 20.10.24 (unix:///var/run/docker.sock)`.
    fn description(&self) -> String;

    /// Whether steps can have a directory of this machine itself; if not, a copy is sent.
    fn sees_files(&self) -> bool {
        true
    }

    /// Lists what it cannot do or hold to, of all that a plan can ask for (language L34). A plan that
    /// [asks for it](lacks::unmet) is never begun.
    fn lacks(&self) -> Vec<Lack>;

    /// Makes what the steps of one run share.
    ///
    /// # Errors
    /// [`BackendError`] when the backend does not answer or refuses; nothing is left then.
    fn open(
        &self,
        run: RunSpec,
        ledger: Arc<RunLedger>,
    ) -> BoxFuture<'_, Result<Arc<dyn Session>, BackendError>>;

    /// Lists the objects that carry this instance's label, whatever run they are of.
    fn objects(&self) -> BoxFuture<'_, Result<Vec<FoundObject>, BackendError>>;

    /// Removes an object that a dead run left. Idempotent: one that is gone already is a success.
    fn remove<'a>(&'a self, object: &'a crate::ledger::Object) -> BoxFuture<'a, Result<(), BackendError>>;
}

/// One run on a backend.
pub trait Session: Send + Sync {
    /// Makes sure that an image is there, fetching it if it is missing: from its registry, or from its file. Calls
    /// `progress` only if it has to be fetched, and then at least once.
    fn image<'a>(
        &'a self,
        image: &'a ContainerImage,
        progress: &'a (dyn Fn(PullProgress) + Send + Sync),
    ) -> BoxFuture<'a, Result<(), StartError>>;

    /// Looks whether an image is there or could be fetched, and fetches nothing where one can ask without. A backend that has
    /// no way to ask says so.
    ///
    /// # Errors
    /// With the reason for which [`image`](Self::image) would fail now.
    ///
    /// # Cancel safety
    /// Nothing comes of a dropped question.
    fn has_image<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<(), StartError>> {
        let message = format!("this backend cannot look for the image `{reference}` without fetching it");
        Box::pin(async { Err(StartError { reason: Reason::CouldNotStart, message }) })
    }

    /// Looks whether something is at a path of the workspace now: a file, a directory, or a link, wherever that leads; no
    /// link on the way is followed. What was captured is there from the beginning.
    ///
    /// # Errors
    /// When there is no workspace, or it cannot be looked into; that may pass.
    ///
    /// # Cancel safety
    /// Nothing comes of a dropped question.
    fn has_file<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<bool, WorkspaceError>>;

    /// Copies what fits these patterns, as [`glob`](crate::base::glob) has them, out of the workspace to `into`, where nothing is yet and
    /// whose parent is ours: files, links and directories, with their permissions but not their owners, as they are while
    /// steps may go on. A directory that fits comes without what is in it, unless that fits too. `.git` in the root never does.
    ///
    /// `into` is there once it is whole, and only then; what a workspace of anybody's making holds does no harm to it
    /// (see [`archive`](crate::base::archive)). This is how artifacts and caches will come out of a run; nothing in the product
    /// calls it before they do.
    ///
    /// # Errors
    /// When there is no workspace, it cannot be read, it holds more than the limits allow, or the connection is cut again and
    /// again. Nothing is left at `into` then.
    ///
    /// # Cancel safety
    /// When it is dropped, nothing is left soon after.
    fn fetch<'a>(
        &'a self,
        patterns: &'a [String],
        into: &'a Path,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<Fetched, WorkspaceError>>;

    /// Starts a container whose program waits for [`Control::go`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves at most an object that the ledger knows and `close` removes.
    fn start(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Started, StartError>>;

    /// Removes everything this run made, under the backend's own deadline, and names what it could
    /// not remove. Idempotent.
    fn close(&self) -> BoxFuture<'_, Vec<String>>;
}

/// A started container.
pub struct Started {
    /// To let it go and to end it.
    pub control: Arc<dyn Control>,
    /// Its output and its end.
    pub progress: BoxStream<'static, Progress>,
    /// Where those among the services reach it, which no other container of the run shares; none unless it
    /// is a service.
    pub address: Option<IpAddr>,
}

/// The handle on a started container.
pub trait Control: Send + Sync {
    /// Lets the program run, which reaches services by these names. Where it begins a while after it may, as an image's own on
    /// a cluster, that is waited for, if not for ever.
    ///
    /// # Cancel safety
    /// It may run as soon as the future was polled, also when that is dropped then.
    fn go(&self, hosts: Hosts) -> BoxFuture<'_, ()>;
    /// TERM now, KILL after the spec's grace.
    fn stop(&self) -> BoxFuture<'_, ()>;
    /// KILL now.
    fn kill(&self) -> BoxFuture<'_, ()>;
    /// Waits until a service that was let go is ready, asked from where it is and at the address that others
    /// reach it by. For ever when it never is, has ended, or is no service, and for [`Probe::Log`], as
    /// the log is the caller's: whoever calls listens to its end and has a deadline.
    ///
    /// # Cancel safety
    /// Nobody asks any more once the future is dropped.
    fn ready<'a>(&'a self, probe: &'a Probe) -> BoxFuture<'a, ()>;
}
