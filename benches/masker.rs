//! How fast the masker is with 100 secrets, next to a plain copy of the same bytes: by the time that a
//! processor spends on it, so that whatever else runs on the machine does not count.

use std::hint::black_box;
use std::time::Duration;

use windlass::base::masker::Masker;

const PIECE: usize = 16 * 1024;

#[expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
fn main() {
    let secrets: Vec<Vec<u8>> = (0..100u64).map(secret).collect();
    let masker = Masker::new(secrets);
    let text = log(64 << 20);
    let copy = best_of(5, || {
        for piece in text.chunks(PIECE) {
            black_box(piece.to_vec());
        }
    });
    let mask = best_of(5, || {
        let mut stream = masker.stream();
        for piece in text.chunks(PIECE) {
            black_box(stream.push(piece));
        }
        black_box(stream.finish());
    });
    let megabytes = u32::try_from(text.len() / 1_000_000).map_or(f64::INFINITY, f64::from);
    let rate = |took: Duration| megabytes / took.as_secs_f64();
    println!("copy    {:>8.0} MB/s", rate(copy));
    println!("mask    {:>8.0} MB/s", rate(mask));
    println!("ratio   {:>8.1}", mask.as_secs_f64() / copy.as_secs_f64());
}

fn best_of(times: u32, mut work: impl FnMut()) -> Duration {
    let took = (0..times).map(|_| {
        let start = spent();
        work();
        spent().saturating_sub(start)
    });
    took.min().unwrap_or_default()
}

/// What this thread has had of a processor.
fn spent() -> Duration {
    let figures = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    let nanoseconds = figures.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.expect("the first figure is a time"))
}

/// A token of 40 characters, different for each number.
fn secret(number: u64) -> Vec<u8> {
    let mut state = number + 1;
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..40).map(|_| alphabet[usize::try_from(random(&mut state) % 64).unwrap_or(0)]).collect()
}

/// Lines like those of a build.
fn log(size: usize) -> Vec<u8> {
    let words =
        ["Compiling", "test", "ok", "src/engine/mod.rs", "warning:", "unused", "v1.0.228", "Finished", "in"];
    let mut text = Vec::with_capacity(size + 32);
    let mut state = 7;
    while text.len() < size {
        let number = random(&mut state);
        text.extend_from_slice(words[usize::try_from(number % 9).unwrap_or(0)].as_bytes());
        text.push(if number.is_multiple_of(11) { b'\n' } else { b' ' });
    }
    text
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 20
}
