//! How every call to the engine is made: how long it may take, and whether it is made again. What a failure
//! means is said elsewhere; no call goes on for ever, and none that might do its work twice is repeated.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use bollard::errors::Error;
use tokio::time::Instant;

use super::error;
use crate::base::awake::{sleep, timeout};

/// How long one try may take: an engine on a busy machine can need 20 s to create or start a container.
const TRY: Duration = Duration::from_secs(30);
/// No new try begins later than this.
const AGAIN_UNTIL: Duration = Duration::from_secs(35);
/// The pauses between tries, before chance shortens them.
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
    let began = Instant::now();
    let mut pauses = PAUSES.into_iter();
    loop {
        let error = match once(call()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        match pauses.next() {
            Some(pause) if error::may_pass(&error) && began.elapsed() < AGAIN_UNTIL => {
                sleep(shortened(pause)).await;
            }
            _ => return Err(error),
        }
    }
}

/// Makes a call that must not be made twice.
pub(super) async fn once<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(TRY, call).await.unwrap_or(Err(Error::RequestTimeoutError))
}

/// Between half and all of a pause, so that what failed together does not come back together.
pub(super) fn shortened(pause: Duration) -> Duration {
    let chance = RandomState::new().hash_one(()) % 1000;
    pause / 2 + (pause / 2).mul_f64(f64::from(u32::try_from(chance).unwrap_or(0)) / 1000.0)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn answer(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.to_owned() }
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
    async fn only_what_may_pass_is_tried_again_and_not_for_ever() {
        assert_eq!(tries(|| answer(503, "busy")).await, 5);
        assert_eq!(tries(|| answer(429, "slow down")).await, 5);
        assert_eq!(tries(|| Error::RequestTimeoutError).await, 5);
        assert_eq!(tries(|| answer(404, "no such thing")).await, 1);
        assert_eq!(tries(|| answer(409, "taken")).await, 1);
        assert_eq!(tries(|| answer(500, "OCI runtime create failed: no such file")).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_never_answers_is_given_up() {
        let began = Instant::now();
        let result: Result<(), _> = repeat(std::future::pending).await;
        assert!(matches!(result, Err(Error::RequestTimeoutError)));
        assert!(began.elapsed() <= 2 * TRY + PAUSES[0]);
    }

    #[test]
    fn a_pause_is_never_longer_and_never_less_than_half() {
        for _ in 0..100 {
            let pause = shortened(Duration::from_secs(1));
            assert!(Duration::from_millis(500) <= pause && pause <= Duration::from_secs(1));
        }
    }
}
