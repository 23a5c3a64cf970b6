//! Times for people and for JSON.

use jiff::Timestamp as Instant;
use persistence::Timestamp;

/// RFC 3339 with milliseconds; beyond what that can say, the number of milliseconds.
pub(crate) fn rfc3339(t: Timestamp) -> String {
    Instant::from_millisecond(t.0).map_or_else(|_| t.to_string(), |t| format!("{t:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds() {
        assert_eq!(rfc3339(Timestamp(1_500)), "1970-01-01T00:00:01.500Z");
        assert_eq!(rfc3339(Timestamp::MAX), format!("{}ms", i64::MAX));
    }
}
