//! The event's time is the moment when the customer placed the order, whenever it was sent.

use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    checks::{About, Check, Seen},
    platforms::Severity,
    truth::{Expected, Fact},
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "time_right",
    says: "the event time is when the order was placed, not when it was sent or changed",
    severity: Severity::Must,
    source: "https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/server-event",
    covers: &["PAY-08", "PAY-09", "PAY-11", "REL-18"],
};

/// Platforms take whole seconds, some relays round.
const SKEW: Duration = Duration::milliseconds(1500);

/// The check.
pub(crate) struct TimeRight;

impl Check for TimeRight {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        seen.each_purchase(|expected, sighting, findings| {
            if !expected.knows(Fact::Time) {
                return;
            }
            let Some(sent) = sighting.item.time else {
                findings.push(
                    ABOUT
                        .finding("the event has no readable time")
                        .of(&expected.order)
                        .sides(shown(expected.time), "(none)")
                        .seen(&sighting, ""),
                );
                return;
            };
            let fits = |right| sent >= right - SKEW && sent <= right + expected.telling + SKEW;
            if rights(expected).any(fits) {
                return;
            }
            let zone = seen.case.order(&expected.order.to_string()).map(|o| o.zone);
            let why = hint(expected, sent, sighting.exchange.time, zone);
            findings.push(
                ABOUT
                    .finding(format!("the event time is wrong{why}"))
                    .of(&expected.order)
                    .sides(shown(expected.time), shown(sent))
                    .seen(&sighting, ""),
            );
        })
    }
}

fn rights(expected: &Expected) -> impl Iterator<Item = OffsetDateTime> + '_ {
    std::iter::once(expected.time).chain(expected.other_times.iter().copied())
}

fn shown(time: OffsetDateTime) -> String {
    time.to_offset(time::UtcOffset::UTC).format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

fn hint(
    expected: &Expected,
    sent: OffsetDateTime,
    received: OffsetDateTime,
    zone: Option<time::UtcOffset>,
) -> &'static str {
    let right = expected.time.unix_timestamp();
    let seconds = sent.unix_timestamp();
    let zone = zone.map_or(0, |z| i64::from(z.whole_seconds()));
    if seconds.checked_div(1000).is_some_and(|s| (s - right).abs() <= 2) {
        ": milliseconds where seconds are asked for"
    } else if (seconds - right / 1000).abs() <= 2 {
        ": seconds where milliseconds are asked for"
    } else if zone != 0 && (seconds - right).abs() == zone.abs() {
        ": the time zone was dropped"
    } else if (sent - received).abs() <= SKEW {
        ": it is the moment of sending"
    } else {
        ""
    }
}
