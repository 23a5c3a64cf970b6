//! Running workers for a while, and what they came to.

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use persistence::{Blob, Encoding};
use std::future::Future;
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_64;

/// Does one thing again and again, one after the other.
pub(crate) trait Worker: Send + 'static {
    /// How many transitions it came to.
    fn step(&mut self) -> impl Future<Output = Result<u64>> + Send;
}

/// What workers came to in their time.
pub(crate) struct Measured {
    pub(crate) steps: u64,
    pub(crate) time: Duration,
    /// Microseconds a call, whatever it came to.
    pub(crate) latencies: Histogram<u64>,
}

impl Measured {
    pub(crate) fn rate(&self) -> f64 {
        f64::from(u32::try_from(self.steps).unwrap_or(u32::MAX)) / self.time.as_secs_f64()
    }
}

/// Microseconds up to a minute, to three digits.
pub(crate) fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000, 3).context("a histogram")
}

/// Lets the workers run for this long after a warm-up, all at once, and gives them back.
pub(crate) async fn measure<W: Worker>(workers: Vec<W>, time: Duration) -> Result<(Measured, Vec<W>)> {
    let begin = Instant::now() + time / 5;
    let end = begin + time;
    let tasks: Vec<_> = workers.into_iter().map(|w| tokio::spawn(work(w, begin, end))).collect();
    let (mut latencies, mut workers, mut steps) = (histogram()?, Vec::new(), 0);
    for task in tasks {
        let (worker, own, done) = task.await.context("a writer panicked")??;
        steps += done;
        latencies.add(own).context("adding histograms")?;
        workers.push(worker);
    }
    Ok((Measured { steps, time, latencies }, workers))
}

async fn work<W: Worker>(mut worker: W, begin: Instant, end: Instant) -> Result<(W, Histogram<u64>, u64)> {
    let (mut latencies, mut steps) = (histogram()?, 0);
    loop {
        let began = Instant::now();
        let done = worker.step().await?;
        let ended = Instant::now();
        if ended >= end {
            return Ok((worker, latencies, steps));
        }
        // Steps that end in the time, wherever they began: as many begin in it and end later.
        if ended >= begin {
            let micros = u64::try_from((ended - began).as_micros()).unwrap_or(u64::MAX);
            latencies.saturating_record(micros);
            steps += done;
        }
    }
}

/// Bytes that nothing can compress: slices of one megabyte, each from another place.
#[derive(Clone)]
pub(crate) struct Payloads {
    pool: Blob,
    taken: u64,
}

const POOL: usize = 1 << 20;

impl Payloads {
    /// Differing `seed`s take other slices.
    pub(crate) fn new(seed: u64) -> Self {
        let words = (0..POOL as u64 / 8).flat_map(|n| xxh3_64(&n.to_le_bytes()).to_le_bytes());
        Payloads { pool: Blob::new(Encoding::UNSPECIFIED, words.collect::<Vec<u8>>()), taken: seed << 32 }
    }

    /// The same bytes for another user of them.
    pub(crate) fn with_seed(&self, seed: u64) -> Self {
        Payloads { pool: self.pool.clone(), taken: seed << 32 }
    }

    /// The next blob, of this many bytes.
    pub(crate) fn next(&mut self, len: usize) -> Blob {
        self.taken += 1;
        let places = u64::try_from(POOL.saturating_sub(len)).unwrap_or(1).max(1);
        let at = usize::try_from(xxh3_64(&self.taken.to_be_bytes()) % places).unwrap_or(0);
        Blob::new(Encoding::UNSPECIFIED, self.pool.data.slice(at..at + len.min(POOL)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_differ_and_have_their_length() {
        let mut payloads = Payloads::new(1);
        let (a, b) = (payloads.next(500), payloads.next(500));
        assert_eq!((a.len(), b.len()), (500, 500));
        assert_ne!(a, b);
        assert_ne!(payloads.with_seed(2).next(500), a);
    }

    struct Sleeper(u32);

    impl Worker for Sleeper {
        async fn step(&mut self) -> Result<u64> {
            self.0 += 1;
            anyhow::ensure!(self.0 < 1000, "too many");
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(1)
        }
    }

    #[tokio::test]
    async fn only_steps_of_the_time_itself_count() {
        let (measured, workers) =
            measure(vec![Sleeper(0), Sleeper(0)], Duration::from_secs(2)).await.unwrap();
        let all = u64::from(workers.iter().map(|w| w.0).sum::<u32>());
        assert!(measured.steps > 0 && measured.steps < all, "{} of {all}", measured.steps);
        assert!(measured.latencies.min() >= 5_000);
        assert!(measure(vec![Sleeper(1000)], Duration::from_millis(50)).await.is_err());
    }
}
