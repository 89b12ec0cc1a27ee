//! When to try again: pure arithmetic, tested without a clock.

use std::time::Duration;

/// Wait before the next attempt after `failed` attempts (1 or more) have failed.
///
/// The ceiling doubles from `base` to `cap`; `random` in `0..1` picks a point in its upper half. Half of the
/// ceiling is jitter, which spreads events that failed together, and half is certain, so that gaps grow
/// from attempt to attempt whatever the dice say.
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
#[must_use]
pub fn backoff(failed: u32, base: Duration, cap: Duration, random: f64) -> Duration {
    let doublings = failed.saturating_sub(1).min(40);
    let ceiling = base.saturating_mul(1_u32.checked_shl(doublings.min(31)).unwrap_or(u32::MAX));
    let ceiling = ceiling.min(cap);
    ceiling.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
}

/// The wait that a `Retry-After` asks for: seconds, or an HTTP date read against the answer's own `Date`
/// (our clock may be wrong). Unreadable or negative: `None`; a past date: zero; absurd: the cap.
/// <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>
#[must_use]
pub fn retry_after(value: &str, date: Option<&str>, cap: Duration) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        let seconds = value.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(cap));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = date
        .and_then(|d| httpdate::parse_http_date(d).ok())
        .unwrap_or_else(std::time::SystemTime::now);
    Some(until.duration_since(now).unwrap_or_default().min(cap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn retry_after_in_all_its_forms() {
        let read = |v| retry_after(v, Some("Wed, 21 Oct 2026 07:28:00 GMT"), 3600 * S);
        assert_eq!(read("7"), Some(7 * S));
        assert_eq!(read("0"), Some(Duration::ZERO));
        assert_eq!(read("86400"), Some(3600 * S));
        assert_eq!(read("99999999999999999999999"), Some(3600 * S));
        assert_eq!(read("Wed, 21 Oct 2026 07:28:05 GMT"), Some(5 * S));
        assert_eq!(read("Wed, 21 Oct 2020 07:28:05 GMT"), Some(Duration::ZERO));
        for bad in ["-1", "abc", "", "1.5", "+3"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn backoff_stays_in_its_half_and_below_the_cap(
            failed in 1_u32..200, base_ms in 1_u64..5000, cap_ms in 1_u64..1_000_000, random in 0.0..1.0_f64,
        ) {
            let (base, cap) = (Duration::from_millis(base_ms), Duration::from_millis(cap_ms));
            let wait = backoff(failed, base, cap, random);
            let ceiling = base.saturating_mul(1 << (failed - 1).min(31)).min(cap);
            prop_assert!(wait <= cap && wait <= ceiling);
            prop_assert!(wait >= ceiling / 2 - Duration::from_nanos(ceiling.as_nanos() as u64 % 2).min(ceiling / 2));
        }

        #[test]
        fn gaps_grow_until_the_cap_whatever_the_dice(failed in 1_u32..12, a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
            let cap = 86_400 * S;
            prop_assert!(backoff(failed + 1, S, cap, a) >= backoff(failed, S, cap, b));
        }
    }
}
