//! Puts the rooms together for one run: state directory, ledger, capture, plan, backend, engine,
//! record. What the commands do, callable as a library (`examples/library.rs`).
//!
//! It prints nothing and reads no command line.

mod allowed;
mod begun;
mod clean;
mod cluster;
mod command;
mod error;
mod gates;
mod home;
mod images;
mod load;
mod made;
mod outside;
mod prepare;
mod preview;
mod request;
mod room;
mod run;
mod secrets;
mod single;
mod slots;
mod trust;
mod values;

pub use clean::{Cleaned, clean};
pub use error::{Class, Invalid, NotRun, RunError};
pub use gates::Approval;
pub use home::{Home, HomeError};
pub use load::{Loaded, directory, git_of};
pub use made::Made;
pub use prepare::{Connecting, Prepared, cloned, docker, kubernetes, prepare};
pub use preview::{Tried, manifests, on_docker, try_out};
pub use request::{Request, Source, Target};
pub use run::Finished;
pub use secrets::{Ask, SecretProblem, SecretSources};
pub use trust::Origin;
pub use values::{StepValues, Value, Variable, values};
