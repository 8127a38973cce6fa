//! What one attempt knows of the services beside it.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use super::life::Status;
use crate::backend::{Hosts, StartError};
use crate::base::Reason;

/// The services beside an attempt.
#[derive(Clone, Default)]
pub(in crate::engine) struct Beside {
    companions: Vec<Companion>,
    /// The attempt goes on without those that fail.
    lenient: bool,
}

/// A service, as an attempt sees it.
#[derive(Clone)]
pub(super) struct Companion {
    /// What it is reached by.
    pub(super) names: Vec<String>,
    pub(super) status: watch::Receiver<Status>,
}

impl Beside {
    /// These, in the order of the plan.
    pub(super) fn of(companions: impl IntoIterator<Item = Companion>) -> Self {
        Self { companions: companions.into_iter().collect(), lenient: false }
    }

    /// The same, for one who goes on whatever becomes of them.
    pub(super) fn leniently(companions: impl IntoIterator<Item = Companion>) -> Self {
        Self::of(companions).lenient(true)
    }

    /// For the steps of the last two stages, which are there for when something is broken.
    pub(in crate::engine) fn lenient(self, lenient: bool) -> Self {
        Self { lenient, ..self }
    }

    /// Whether a failure here can be one of the attempt's.
    pub(in crate::engine) fn matters(&self) -> bool {
        !self.lenient && !self.companions.is_empty()
    }

    /// Waits until each is somewhere, or has failed.
    ///
    /// # Errors
    /// That of the first that failed, in the order of the plan.
    pub(super) async fn placed(&self) -> Result<(), StartError> {
        self.wait(|status| !matches!(status, Status::Coming)).await
    }

    /// Where those are that are somewhere.
    pub(in crate::engine) fn hosts(&self) -> Hosts {
        let mut hosts = Hosts::new();
        for companion in &self.companions {
            if let Some(address) = companion.status.borrow().address() {
                hosts.extend(companion.names.iter().map(|name| (name.clone(), address)));
            }
        }
        hosts
    }

    /// Waits until all are ready.
    ///
    /// # Errors
    /// That of the first that failed.
    pub(in crate::engine) async fn ready(&self) -> Result<(), StartError> {
        self.wait(|status| !matches!(status, Status::Coming | Status::Up(_))).await
    }

    async fn wait(&self, settled: impl Fn(&Status) -> bool) -> Result<(), StartError> {
        let all = async {
            for companion in &self.companions {
                if companion.status.clone().wait_for(|status| settled(status)).await.is_err() {
                    return Err(StartError {
                        reason: Reason::RunnerLost,
                        message: "a service was given up before it was there".to_owned(),
                    });
                }
            }
            Ok(())
        };
        tokio::select! { biased;
            error = self.failed() => Err(error),
            all = all => all,
        }
    }

    /// Waits until one has failed; for ever when none does, or none of it matters.
    pub(in crate::engine) async fn failed(&self) -> StartError {
        let matters = self.companions.iter().filter(|_| !self.lenient);
        let mut failing: FuturesUnordered<_> = matters
            .map(|companion| async move {
                // One that is ended because nobody needs it any more has not failed.
                let mut status = companion.status.clone();
                let failed = status.wait_for(|status| matches!(status, Status::Failed(_))).await.is_ok();
                failed.then_some(())
            })
            .collect();
        while let Some(one) = failing.next().await {
            if let Some(error) = one.and_then(|()| self.failure()) {
                return error;
            }
        }
        std::future::pending().await
    }

    /// Why the attempt has failed already, if it has: the first in the order of the plan.
    pub(in crate::engine) fn failure(&self) -> Option<StartError> {
        let mut failures = self.companions.iter().filter(|_| !self.lenient).filter_map(|companion| {
            match &*companion.status.borrow() {
                Status::Failed(error) => Some(error.clone()),
                _ => None,
            }
        });
        failures.next()
    }
}
