//! What the figures must reach with `--gate`. They are of one run on one machine: a miss is a reason to measure again, and to look.

use std::time::Duration;

/// How many times faster than without an index a query is found by one.
const GAIN: f64 = 20.0;
/// The throughput of queries, ours to that by hand.
const RATIO: f64 = 0.8;
/// How much longer than the first page one far from it takes.
const DEEP: f64 = 3.0;
/// The longest that a write waits while indexes are added.
const LONGEST_WRITE: Duration = Duration::from_secs(1);

/// A query by index.
pub(super) fn query(name: &str, gain: Option<f64>, ratio: Option<f64>) -> Vec<String> {
    let gain =
        gain.filter(|g| *g < GAIN).map(|g| format!("{name}: {g:.1} times faster by index, not {GAIN}"));
    let ratio = ratio.filter(|r| *r < RATIO).map(|r| format!("{name}: {r:.2} of that by hand, not {RATIO}"));
    gain.into_iter().chain(ratio).collect()
}

/// The page far from the first, in times of the first.
pub(super) fn deep(times: Option<f64>) -> Option<String> {
    let too_slow = times.filter(|t| *t > DEEP)?;
    Some(format!("the page far from the first: {too_slow:.2} times as long as the first, not at most {DEEP}"))
}

/// Writes of a phase in which indexes may be added: how many failed, and the longest, in microseconds.
pub(super) fn writes(phase: &str, failed: usize, longest: f64) -> Vec<String> {
    let failed = (failed > 0).then(|| format!("{phase}: {failed} writes failed"));
    let waited = longest / 1e6;
    let blocked = (waited > LONGEST_WRITE.as_secs_f64())
        .then(|| format!("{phase}: a write took {waited:.2} s, not at most 1 s"));
    failed.into_iter().chain(blocked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_falls_short_is_told() {
        assert!(query("by id", None, Some(0.8)).is_empty());
        assert!(query("by name", Some(20.0), None).is_empty());
        assert_eq!(
            query("by name", Some(19.94), Some(0.794)),
            ["by name: 19.9 times faster by index, not 20", "by name: 0.79 of that by hand, not 0.8"]
        );
        assert_eq!((deep(None), deep(Some(3.0))), (None, None));
        assert!(deep(Some(3.5)).is_some_and(|m| m.contains("3.50 times")));
        assert!(writes("while", 0, 1e6).is_empty());
        assert_eq!(
            writes("while", 2, 1.25e6),
            ["while: 2 writes failed", "while: a write took 1.25 s, not at most 1 s"]
        );
    }
}
