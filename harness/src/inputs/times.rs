//! Times as senders write them. Every one has its own style; none of these can fail.

use time::{OffsetDateTime, UtcOffset};

/// `2026-03-29T03:30:00+02:00`: whole seconds with the sender's offset.
pub fn zoned(at: OffsetDateTime, zone: UtcOffset) -> String {
    let sign = if zone.is_negative() { '-' } else { '+' };
    let (hours, minutes) = (zone.whole_hours(), zone.minutes_past_hour());
    format!("{}{sign}{:02}:{:02}", naive(at, zone), hours.unsigned_abs(), minutes.unsigned_abs())
}

/// `2026-03-29T03:30:00`: local time that does not say where.
pub fn naive(at: OffsetDateTime, zone: UtcOffset) -> String {
    let at = at.to_offset(zone);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
    )
}

/// `2026-03-29T01:30:00.120Z`, as JavaScript writes it.
pub fn millis(at: OffsetDateTime) -> String {
    format!("{}.{:03}Z", naive(at, UtcOffset::UTC), at.millisecond())
}

/// Milliseconds since 1970.
pub fn unix_millis(at: OffsetDateTime) -> i128 {
    at.unix_timestamp_nanos() / 1_000_000
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::datetime;

    use super::*;

    #[test]
    fn each_style_names_the_same_moment() {
        let at = datetime!(2026-03-29 01:30:00.120_9 UTC);
        let berlin = UtcOffset::from_hms(2, 0, 0).unwrap();
        let newfoundland = UtcOffset::from_hms(-3, -30, 0).unwrap();
        assert_eq!(zoned(at, berlin), "2026-03-29T03:30:00+02:00");
        assert_eq!(zoned(at, newfoundland), "2026-03-28T22:00:00-03:30");
        assert_eq!(naive(at, berlin), "2026-03-29T03:30:00");
        assert_eq!(millis(at), "2026-03-29T01:30:00.120Z");
        assert_eq!(unix_millis(at), 1_774_747_800_120);
    }
}
