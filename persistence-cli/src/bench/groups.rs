//! How transitions are put together into calls.

use std::fmt;

/// Calls of several transitions of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Grouping {
    /// So many in each call, in as many calls at once as there are writers for.
    Of(u16),
    /// Writers stay where they are, as many on each shard as without groups; at most so many of a shard share a call.
    UpTo(u16),
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grouping::Of(n) => write!(f, "groups of {n}"),
            Grouping::UpTo(n) => write!(f, "waves of up to {n}"),
        }
    }
}

impl Grouping {
    /// The calls that so many writers come to: the shard of each, counted from 0, and how many transitions it has. Empty if
    /// the writers are too few.
    pub(crate) fn calls(self, writers: u16, shards: u16) -> Vec<(usize, usize)> {
        let (writers, shards) = (usize::from(writers), usize::from(shards));
        match self {
            Grouping::Of(n) => {
                let n = usize::from(n);
                (0..writers / n).map(|call| (call % shards, n)).collect()
            }
            Grouping::UpTo(n) => {
                // As evenly as writers are dealt.
                let on = |shard: usize| writers / shards + usize::from(shard < writers % shards);
                if on(0) < 2 {
                    return Vec::new();
                }
                let calls = |shard: usize| {
                    let calls = on(shard).div_ceil(usize::from(n));
                    let size = move |i: usize| on(shard) / calls + usize::from(i < on(shard) % calls);
                    (0..calls).map(move |i| (shard, size(i)))
                };
                (0..shards).flat_map(calls).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_a_size_and_waves_a_limit() {
        assert_eq!(Grouping::Of(16).calls(15, 4), []);
        assert_eq!(Grouping::Of(16).calls(40, 1), [(0, 16), (0, 16)]);
        assert_eq!(Grouping::UpTo(8).calls(16, 16), []);
        assert_eq!(Grouping::UpTo(8).calls(36, 2), [(0, 6), (0, 6), (0, 6), (1, 6), (1, 6), (1, 6)]);
        let all = Grouping::UpTo(32).calls(256, 16);
        assert!(all.len() == 16 && all.iter().all(|(_, n)| *n == 16), "{all:?}");
    }
}
