//! How every call to the API server is made: how long it may take, and whether it is made again. A server that is
//! away for a minute is waited for; what it refused is not asked again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use kube::Error;
use kube::core::Status;
use tokio::time::Instant;

use crate::base::awake::{sleep, timeout};
use crate::base::with_causes;

/// How long one try may take.
const TRY: Duration = Duration::from_secs(20);
/// No new try begins later than this.
const AGAIN_UNTIL: Duration = Duration::from_secs(90);
/// How long a server that was just started may take to learn of roles.
const ROLES: Duration = Duration::from_secs(30);
/// How long a server may be busy that somebody waits for.
const BUSY: Duration = Duration::from_secs(6);
/// The pauses between tries, before chance shortens them; the last is the pause between all that follow.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(900),
    Duration::from_secs(2),
];

/// Makes a call that may take effect more than once, and makes it again while what is wrong may pass.
///
/// # Errors
/// Those of the last try.
pub(super) async fn repeat<T, F>(call: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    repeat_while(may_pass, call).await
}

/// The same for what was allowed before, or should be by all that was.
///
/// # Errors
/// Those of the last try.
pub(super) async fn repeat_allowed<T, F>(call: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut refused = Refused::default();
    repeat_while(|error| refused.may_pass(error), call).await
}

/// The same for a few seconds, and only of a server that says it is too busy: somebody waits to hear that there is none.
///
/// # Errors
/// Those of the last try.
pub(super) async fn repeat_busy<T, F>(call: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let is_busy = |error: &Error| answer(error).is_some_and(|status| matches!(status.code, 429 | 503 | 504));
    let began = Instant::now();
    repeat_while(|error| is_busy(error) && began.elapsed() < BUSY, call).await
}

async fn repeat_while<T, F>(mut passes: impl FnMut(&Error) -> bool, call: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let (began, mut tries) = (Instant::now(), 0);
    loop {
        let error = match once(call()).await {
            Ok(answer) => return Ok(answer),
            Err(error) if passes(&error) && began.elapsed() < AGAIN_UNTIL => error,
            Err(error) => return Err(error),
        };
        drop(error);
        sleep(pause(tries)).await;
        tries += 1;
    }
}

/// Makes a call once.
pub(super) async fn once<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(TRY, call).await.unwrap_or_else(|_| Err(Error::Service("it did not answer in time".into())))
}

/// The pause after so many tries: between half and all of it, so that what failed together does not come back together.
pub(super) fn pause(tries: usize) -> Duration {
    let pause = PAUSES.get(tries).or(PAUSES.last()).copied().unwrap_or_default();
    let chance = RandomState::new().hash_one(()) % 1000;
    pause / 2 + (pause / 2).mul_f64(f64::from(u32::try_from(chance).unwrap_or(0)) / 1000.0)
}

/// What the server answered, when it did.
pub(super) fn answer(error: &Error) -> Option<&Status> {
    match error {
        Error::Api(status) => Some(status),
        _ => None,
    }
}

/// Whether there is no such object.
pub(super) fn is_not_found(error: &Error) -> bool {
    answer(error).is_some_and(|status| status.code == 404)
}

/// Whether there is such an object already.
pub(super) fn is_taken(error: &Error) -> bool {
    answer(error).is_some_and(|status| status.code == 409 && status.reason == "AlreadyExists")
}

/// Whether the same call may succeed a little later: there was no answer, or one that says that the server cannot
/// answer now, or that a token has run out, which is then read anew.
pub(super) fn may_pass(error: &Error) -> bool {
    match answer(error) {
        // Objects that are made at once get into each other's way where a quota counts them.
        Some(status) if status.code == 409 => status.reason == "Conflict",
        Some(status) => matches!(status.code, 401 | 429 | 500 | 502..=504),
        None => !matches!(error, Error::BuildRequest(_) | Error::SerdeError(_) | Error::Auth(_)),
    }
}

/// Whether it says that we have no right to do this, which is not so of what we were allowed before: a server
/// that was just started has to learn of roles first. A quota or a rule of the namespace has other words.
pub(super) fn is_forbidden(error: &Error) -> bool {
    answer(error).is_some_and(|status| status.code == 403 && status.message.contains(" cannot "))
}

/// Since when a server refuses somebody who was allowed other calls.
#[derive(Debug, Default)]
pub(super) struct Refused(Option<Instant>);

impl Refused {
    /// Whether the same call may succeed a little later, after all failures before this one.
    pub(super) fn may_pass(&mut self, error: &Error) -> bool {
        if !is_forbidden(error) {
            self.0 = None;
            return may_pass(error);
        }
        self.0.get_or_insert_with(Instant::now).elapsed() < ROLES
    }
}

/// The server's own words, or why there are none.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::Api(status) if !status.message.is_empty() => status.message.trim().to_owned(),
        Error::Api(status) => format!("it answered {} {}", status.code, status.reason),
        Error::Service(error) => with_causes(error.as_ref()),
        other => with_causes(other),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn refused(code: u16) -> Error {
        Error::Api(Box::new(Status { code, ..Status::default() }))
    }

    async fn tries(error: impl Fn() -> Error) -> usize {
        let count = Cell::new(0);
        let result: Result<(), _> = repeat(|| {
            count.set(count.get() + 1);
            let error = error();
            async { Err(error) }
        })
        .await;
        assert!(result.is_err());
        count.get()
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_may_have_to_learn_what_somebody_may_do() {
        let forbidden = |what: &str| {
            let message = format!("pods is forbidden: {what}");
            Error::Api(Box::new(Status { code: 403, message, ..Status::default() }))
        };
        let tries = async |what: &str| {
            let count = Cell::new(0);
            let result: Result<(), _> = repeat_allowed(|| {
                count.set(count.get() + 1);
                let error = forbidden(what);
                async { Err(error) }
            })
            .await;
            assert!(result.is_err());
            count.get()
        };
        let unknown = "User \"u\" cannot create resource \"pods\"";
        assert!(tries(unknown).await > 10);
        // Its time begins when the server is there.
        let began = Instant::now();
        let back = repeat_allowed(async || match began.elapsed().as_secs() {
            0..45 => Err(Error::Service("connection refused".into())),
            45..60 => Err(forbidden(unknown)),
            _ => Ok(()),
        });
        assert!(back.await.is_ok());
        assert_eq!(tries("violates PodSecurity \"restricted:latest\"").await, 1);
        assert_eq!(tries("exceeded quota: few").await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_tried_again_and_not_for_ever() {
        for code in [403, 404, 409, 422] {
            assert_eq!(tries(|| refused(code)).await, 1, "{code}");
        }
        for code in [401, 429, 500, 503] {
            assert!(tries(|| refused(code)).await > 40, "{code}");
        }
        let conflict = || Status { reason: "Conflict".to_owned(), code: 409, ..Status::default() };
        assert!(tries(|| Error::Api(Box::new(conflict()))).await > 40);
        assert!(tries(|| Error::Service("connection refused".into())).await > 40);
    }
}
