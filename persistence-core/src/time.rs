//! Time as it is stored: UTC, whole milliseconds.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch, UTC. Finer times are truncated when they become one, so what is
/// ordered is what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The Unix epoch: the fire time of every immediate task.
    pub const EPOCH: Timestamp = Timestamp(0);
    /// The largest time.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// From nanoseconds since the epoch, truncated towards the past.
    pub fn from_nanos(nanos: i128) -> Self {
        let millis = nanos.div_euclid(1_000_000);
        Timestamp(i64::try_from(millis).unwrap_or(if millis < 0 { i64::MIN } else { i64::MAX }))
    }

    /// This time plus a duration, saturating at [`Timestamp::MAX`].
    #[must_use]
    pub fn after(self, d: Duration) -> Self {
        Timestamp(self.0.saturating_add(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This time less a duration, saturating at the smallest time.
    #[must_use]
    pub fn before(self, d: Duration) -> Self {
        Timestamp(self.0.saturating_sub(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(t: SystemTime) -> Self {
        match t.duration_since(UNIX_EPOCH) {
            Ok(d) => Timestamp::from_nanos(i128::try_from(d.as_nanos()).unwrap_or(i128::MAX)),
            Err(e) => Timestamp::from_nanos(-i128::try_from(e.duration().as_nanos()).unwrap_or(i128::MAX)),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finer_times_are_truncated_towards_the_past() {
        assert_eq!(Timestamp::from_nanos(1_999_999), Timestamp(1));
        assert_eq!(Timestamp::from_nanos(-1), Timestamp(-1));
        assert_eq!(Timestamp::from_nanos(i128::MAX), Timestamp::MAX);
    }
}
