//! The relay's idea of now. Every business time (ages, retries, retention, consent) comes from here, so
//! that a test can move it; durations that only protect a socket use the machine's own clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use time::{Duration, OffsetDateTime};

/// Wall time plus an offset that only the test endpoint changes. Cloning shares the offset.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// Now, in UTC.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        let offset = Duration::milliseconds(self.offset_ms.load(Ordering::Relaxed));
        let system = OffsetDateTime::now_utc();
        system.checked_add(offset).unwrap_or(system)
    }

    /// Now, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        millis(self.now())
    }

    /// Moves the clock forward by so many seconds (at most a century in all, to stay printable).
    pub fn advance(&self, seconds: u32) {
        const CENTURY_MS: i64 = 100 * 365 * 86_400_000;
        let by = i64::from(seconds) * 1000;
        let before = self.offset_ms.load(Ordering::Relaxed);
        self.offset_ms.store((before + by).min(CENTURY_MS), Ordering::Relaxed);
    }
}

/// Milliseconds since 1970 of a time; whole for every time that RFC 3339 can express.
#[must_use]
pub fn millis(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX)
}

/// The time of so many milliseconds since 1970, in UTC; 1970 itself when out of range.
#[must_use]
pub fn from_millis(ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advancing_moves_all_clones() {
        let clock = Clock::default();
        let other = clock.clone();
        clock.advance(3600);
        assert!(other.now() - OffsetDateTime::now_utc() > Duration::minutes(59));
    }

    #[test]
    fn milliseconds_survive_the_round_trip() {
        assert_eq!(millis(from_millis(1_767_225_600_123)), 1_767_225_600_123);
        assert_eq!(millis(from_millis(-1)), -1);
    }
}
