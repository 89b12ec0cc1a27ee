//! The click id of the landing reaches the order's event, byte for byte.

use time::OffsetDateTime;

use crate::{
    checks::{About, Check, Seen, look::Sighting},
    platforms::{ClickForm, Severity},
    truth::{Expected, ExpectedId, Presence, fbclid_of},
    verdict::{CheckResult, Finding},
};

static ABOUT: About = About {
    id: "click_id_carried",
    says: "the click id of the last paid landing arrives in the order's event, unchanged",
    severity: Severity::Must,
    source: "https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/fbp-and-fbc",
    covers: &[
        "STI-01", "STI-02", "STI-03", "STI-04", "STI-05", "STI-07", "STI-08", "STI-09", "STI-11",
        "STI-12", "STI-13",
    ],
};

/// First observation as the landing told it, against the time that the relay put into the id.
const SKEW: time::Duration = time::Duration::seconds(5);

/// The check.
pub(crate) struct ClickIdCarried;

impl Check for ClickIdCarried {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        carried(seen, &ABOUT, true)
    }
}

/// Judges click ids (or browser ids) of every purchase event.
pub(crate) fn carried(seen: &Seen<'_>, about: &'static About, click: bool) -> CheckResult {
    if !seen.truth.named().any(|e| e.ids.iter().any(|id| id.click == click)) {
        return CheckResult::NotApplicable;
    }
    seen.each_purchase(|expected, sighting, findings| {
        let mut fields: Vec<&str> =
            expected.ids.iter().filter(|id| id.click == click).map(|id| id.field).collect();
        fields.sort_unstable();
        fields.dedup();
        for field in fields {
            findings.extend(judge(about, expected, &sighting, field));
        }
    })
}

fn judge(
    about: &'static About,
    expected: &Expected,
    sighting: &Sighting<'_>,
    field: &str,
) -> Option<Finding> {
    let candidates: Vec<&ExpectedId> = expected
        .ids
        .iter()
        .filter(|id| id.field == field && id.presence != Presence::Forbidden)
        .collect();
    let required = candidates.iter().find(|id| id.presence == Presence::Required);
    let main = required.or(candidates.first())?;
    let finding = |message: String| {
        about.finding(message).of(&expected.order).rule(main.rule).seen(sighting, "")
    };
    let Some(sent) = sighting.item.ids.get(field).filter(|v| !v.is_empty()) else {
        return required.map(|id| {
            finding(format!("{field} of the landing is missing")).sides(&id.value, "(none)")
        });
    };
    let allowed: Vec<&&ExpectedId> = match required {
        Some(required) => vec![required],
        None => candidates.iter().collect(),
    };
    let problems: Vec<String> =
        allowed.iter().map_while(|id| differs(id, sent, expected, sighting)).collect();
    // One right candidate is enough.
    if problems.len() < allowed.len() {
        return None;
    }
    // An id whose use is forbidden is `consent_respected`'s finding.
    let forbidden =
        |id: &ExpectedId| id.presence == Presence::Forbidden && sent.contains(&id.value);
    if expected.ids.iter().any(forbidden) {
        return None;
    }
    let problem = problems.first()?;
    Some(finding(format!("{field} {problem}")).sides(written(main), sent))
}

/// As it should have been sent.
fn written(id: &ExpectedId) -> String {
    match (id.form, id.observed) {
        (ClickForm::Fbc, Some(observed)) => {
            format!("fb.1.{}.{}", observed.unix_timestamp_nanos() / 1_000_000, id.value)
        }
        _ => id.value.clone(),
    }
}

/// How a value differs from the expected one; `None`: it does not.
fn differs(
    id: &ExpectedId,
    sent: &str,
    expected: &Expected,
    sighting: &Sighting<'_>,
) -> Option<String> {
    match id.form {
        ClickForm::Verbatim => {
            let is_same = sent == id.value
                // The builder of the vendor appends two or eight characters.
                || sent.strip_prefix(id.value.as_str()).is_some_and(|tail| {
                    tail.starts_with('.') && matches!(tail.len(), 3 | 9)
                });
            (!is_same).then(|| changed(&id.value, sent))
        }
        ClickForm::Fbc => {
            let Some(click) = fbclid_of(sent) else {
                return Some(
                    "is malformed: it must be fb.<subdomain index>.<milliseconds>.<click id>"
                        .into(),
                );
            };
            let whole = sent.splitn(4, '.').nth(3).unwrap_or_default();
            if click != id.value && whole != id.value {
                return Some(changed(&id.value, click));
            }
            let ms = sent.split('.').nth(2).unwrap_or_default();
            moment(ms, id, expected, sighting)
        }
    }
}

fn moment(
    ms: &str,
    id: &ExpectedId,
    expected: &Expected,
    sighting: &Sighting<'_>,
) -> Option<String> {
    let number: i128 = ms.parse().ok()?;
    if ms.len() <= 10 {
        return Some("has its time in seconds, not milliseconds".into());
    }
    let Ok(time) = OffsetDateTime::from_unix_timestamp_nanos(number.saturating_mul(1_000_000))
    else {
        return Some("has an impossible time".into());
    };
    let observed = id.observed?;
    let near = |other: OffsetDateTime| (time - other).abs() <= SKEW;
    let told = |from: OffsetDateTime| time >= from - SKEW && time <= from + id.telling + SKEW;
    if told(observed) || id.observed_or.is_some_and(told) {
        return None;
    }
    let away = |other: OffsetDateTime| (time - other).abs();
    let (sending, order) = (sighting.exchange.time, expected.time);
    let why = if near(order) && away(order) <= away(sending) {
        ": it is the moment of the order"
    } else if near(sending) {
        ": it is the moment of sending"
    } else {
        ""
    };
    Some(format!("does not carry the time of its first observation{why}"))
}

/// In words, how one id became another.
fn changed(right: &str, sent: &str) -> String {
    let how = if sent.eq_ignore_ascii_case(right) {
        "its letters were changed between upper and lower case"
    } else if right.starts_with(sent) {
        return format!("was cut to {} of {} characters", sent.len(), right.len());
    } else if sent.replace(' ', "+") == right {
        "a plus sign became a space"
    } else if sent.trim() == right {
        "white space was added"
    } else if crate::truth::decode(sent) == right {
        "it is percent-encoded"
    } else if crate::truth::decode(right) == sent {
        "it was percent-decoded twice"
    } else if sent.len() == 64 && sent.bytes().all(|b| b.is_ascii_hexdigit()) {
        "it was hashed"
    } else {
        return "is not that of the landing".into();
    };
    format!("was changed: {how}")
}
