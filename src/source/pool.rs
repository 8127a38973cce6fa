//! A few threads that share a list of jobs. Owns the threads for the length of one call, and nothing
//! else.

use std::num::NonZero;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// More than this gains nothing: the jobs end up waiting for the same disk or the same locks.
const MOST: usize = 4;

struct Queue<J> {
    jobs: Vec<J>,
    working: usize,
    failed: bool,
}

/// Works off jobs that may add jobs of their own. Each thread keeps a result of its own; they are
/// returned in no order.
///
/// # Errors
/// The first error of a job; jobs that have not begun by then are dropped.
pub(super) fn grow<J: Send, P: Send, E: Send>(
    jobs: Vec<J>,
    part: impl Fn() -> P + Sync,
    work: impl Fn(&mut P, J, &mut Vec<J>) -> Result<(), E> + Sync,
) -> Result<Vec<P>, E> {
    let queue = Mutex::new(Queue { jobs, working: 0, failed: false });
    let waiting = Condvar::new();
    let worker = || {
        let mut mine = part();
        let mut more = Vec::new();
        let mut queued = lock(&queue);
        loop {
            if queued.failed {
                return Ok(mine);
            }
            let Some(job) = queued.jobs.pop() else {
                if queued.working == 0 {
                    return Ok(mine);
                }
                queued = waiting.wait(queued).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            queued.working += 1;
            drop(queued);
            let done = work(&mut mine, job, &mut more);
            queued = lock(&queue);
            queued.working -= 1;
            queued.failed |= done.is_err();
            if !more.is_empty() || queued.working == 0 || queued.failed {
                queued.jobs.append(&mut more);
                waiting.notify_all();
            }
            done?;
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(2, NonZero::get).min(MOST);
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        let mut results = vec![worker()];
        for other in others {
            results.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results.into_iter().collect()
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_once() {
        let parts = grow(
            vec![1u64],
            || 0u64,
            |sum, job, more| {
                *sum += 1;
                if job < 1 << 10 {
                    more.extend([job * 2, job * 2 + 1]);
                }
                Ok::<_, ()>(())
            },
        );
        assert_eq!(parts.map(|parts| parts.into_iter().sum::<u64>()), Ok(2047));
    }

    #[test]
    fn an_error_ends_all() {
        let parts = grow(
            vec![0u32],
            || (),
            |(), job, more| {
                more.push(job + 1);
                if job == 100 { Err("enough") } else { Ok(()) }
            },
        );
        assert_eq!(parts, Err("enough"));
    }
}
