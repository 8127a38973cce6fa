//! Pairs of measurements, taken in turn in one run, and the table of their ratios.

use std::time::{Duration, Instant};

/// One line of the table.
pub(crate) struct Row {
    what: &'static str,
    ours: Duration,
    beside: Duration,
    ratio: f64,
    target: f64,
}

/// Runs both sides in turn, one round to warm up and `rounds` that count; the ratio is the median of
/// the rounds' own ratios, so that a machine which changes its speed changes both sides.
pub(crate) fn compare(
    what: &'static str,
    target: f64,
    rounds: usize,
    mut ours: impl FnMut() -> Duration,
    mut beside: impl FnMut() -> Duration,
) -> Row {
    eprintln!("{what} …");
    let mut pairs: Vec<_> = (0..=rounds).map(|_| (ours(), beside())).skip(1).collect();
    let ratio = median(&mut pairs.iter().map(|(a, b)| a.as_secs_f64() / b.as_secs_f64()).collect::<Vec<_>>());
    let mut side = |pick: fn(&(Duration, Duration)) -> Duration| {
        Duration::from_secs_f64(median(
            &mut pairs.iter_mut().map(|pair| pick(pair).as_secs_f64()).collect::<Vec<_>>(),
        ))
    };
    Row { what, ours: side(|pair| pair.0), beside: side(|pair| pair.1), ratio, target }
}

/// How long something takes.
pub(crate) fn timed(action: impl FnOnce()) -> Duration {
    let start = Instant::now();
    action();
    start.elapsed()
}

/// Prints the rows.
pub(crate) fn print(title: &str, rows: &[Row]) {
    println!("\n{title}\n");
    println!("| what | windlass | beside it | ratio | target |");
    println!("| --- | --- | --- | --- | --- |");
    for row in rows {
        println!(
            "| {} | {:.1} ms | {:.1} ms | {:.3} | ≤ {} {} |",
            row.what,
            row.ours.as_secs_f64() * 1e3,
            row.beside.as_secs_f64() * 1e3,
            row.ratio,
            row.target,
            if row.ratio <= row.target { "met" } else { "missed" },
        );
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
