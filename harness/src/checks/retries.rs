//! Failed deliveries are tried again when that helps, no earlier than asked, with the same id and time; and not for
//! ever when it does not.

use std::time::Duration;

use crate::{
    checks::{
        About, Check, Seen,
        look::{Sighting, merged},
    },
    exchange::Ending,
    platforms::{FailureClass, Severity},
    scenario::{Answers, Fault, Step},
    truth::{Count, Expected},
    verdict::{CheckResult, Finding},
};

static ABOUT: About = About {
    id: "retries",
    says: "passing failures are retried with the same id and time, no earlier than asked; permanent ones are not",
    severity: Severity::Must,
    source: "https://www.rfc-editor.org/rfc/rfc9110#field.retry-after",
    covers: &[
        "REL-04", "REL-05", "REL-06", "REL-08", "REL-09", "REL-10", "REL-12", "REL-15", "PAY-08",
        "DED-02",
    ],
};

/// More requests for one order than any backoff makes within one case.
const STORM: usize = 100;
/// How much too early an attempt may come (scheduling, and the answer's own way).
const EARLY: Duration = Duration::from_millis(50);
/// Longer demands may be capped by the relay's own limits.
const CAP: Duration = Duration::from_secs(60);

/// The check.
pub(crate) struct Retries;

impl Check for Retries {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let mut any = false;
        let mut findings = Vec::new();
        for expected in seen.truth.named() {
            let attempts = seen.purchases(&expected.order);
            let failed = attempts.iter().any(|a| failure(seen, a).is_some());
            any |= attempts.len() > 1 || failed;
            findings.extend(given_up(seen, expected, &attempts));
            findings.extend(stubborn(seen, expected, &attempts));
            findings.extend(too_early(seen, expected, &attempts));
            findings.extend(changed(expected, &attempts));
            if attempts.len() > STORM {
                findings.push(
                    ABOUT
                        .finding(format!(
                            "{} requests for one order: a retry storm",
                            attempts.len()
                        ))
                        .of(&expected.order)
                        .by(attempts.iter().take(5).map(|a| a.exchange.seq)),
                );
            }
        }
        seen.judged_if_any(any, merged(findings))
    }
}

/// What an attempt's answer asks of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Try again.
    Passing,
    /// The event may have been taken: try again with the same key.
    Ambiguous,
    /// Do not send this again.
    Permanent,
    /// Nothing of the event's: wait for a credential.
    Credential,
}

/// How an attempt failed; `None`: it did not.
pub(crate) fn failure(seen: &Seen<'_>, attempt: &Sighting<'_>) -> Option<Failure> {
    let Some(fault) = seen.fault_of(attempt.exchange) else {
        if attempt.exchange.ending == Ending::ClientLeft {
            return Some(Failure::Ambiguous);
        }
        if attempt.taken() || !attempt.exchange.was_answered() {
            return None;
        }
        return match attempt.exchange.reply.status {
            401 | 403 => Some(Failure::Credential),
            408 | 425 | 429 | 500.. => Some(Failure::Passing),
            _ => Some(Failure::Permanent),
        };
    };
    class_of(fault, attempt)
}

fn class_of(fault: &Fault, attempt: &Sighting<'_>) -> Option<Failure> {
    match &fault.answers {
        // Rows that the failure did not hit were taken.
        Answers::Failure(FailureClass::PartialInvalid | FailureClass::PartialTransient)
            if attempt.taken() =>
        {
            None
        }
        Answers::Failure(FailureClass::Invalid | FailureClass::PartialInvalid) => {
            Some(Failure::Permanent)
        }
        Answers::Failure(FailureClass::TokenExpired | FailureClass::Forbidden) => {
            Some(Failure::Credential)
        }
        Answers::Failure(_) => Some(Failure::Passing),
        Answers::Http(answer) => match answer.status {
            200..300 => Some(Failure::Passing),
            401 | 403 => Some(Failure::Credential),
            408 | 425 | 429 | 500.. => Some(Failure::Passing),
            _ => Some(Failure::Permanent),
        },
        Answers::Redirect => Some(Failure::Permanent),
        Answers::SlowBody(_) | Answers::Delay(_) => {
            (attempt.exchange.ending == Ending::ClientLeft).then_some(Failure::Ambiguous)
        }
        Answers::CutBody
        | Answers::CommitThenReset
        | Answers::CommitThenSilence
        | Answers::CommitThenBadGateway
        | Answers::ResetAfterBody
        | Answers::Never => Some(Failure::Ambiguous),
        Answers::Refuse | Answers::ResetBeforeBody | Answers::HtmlOk | Answers::EmptyOk => {
            Some(Failure::Passing)
        }
    }
}

const GIVEN_UP: &str = "not tried again";

/// Whether a finding is one of this check's about an attempt that did not come.
pub(crate) fn is_given_up(finding: &Finding) -> bool {
    finding.check == ABOUT.id && finding.message.starts_with(GIVEN_UP)
}

/// The last word was a passing failure, yet the order should have been delivered.
fn given_up(seen: &Seen<'_>, expected: &Expected, attempts: &[Sighting<'_>]) -> Option<Finding> {
    let last = attempts.last()?;
    let passing = failure(seen, last)? == Failure::Passing;
    let taken = !seen.server_groups(&expected.order).is_empty();
    (expected.count == Count::Once && passing && !taken).then(|| {
        ABOUT
            .finding(format!("{GIVEN_UP} after {} (attempt {})", words(seen, last), attempts.len()))
            .of(&expected.order)
            .by([last.exchange.seq])
    })
}

fn words(seen: &Seen<'_>, attempt: &Sighting<'_>) -> String {
    match (seen.fault_of(attempt.exchange).map(|f| &f.answers), &attempt.exchange.ending) {
        (Some(Answers::Failure(class)), _) => {
            format!("{class:?} ({})", attempt.exchange.reply.status)
        }
        (_, Ending::Answered) => format!("status {}", attempt.exchange.reply.status),
        (_, ending) => format!("{ending:?}").to_lowercase(),
    }
}

/// A permanent refusal is asked for again and again.
fn stubborn(seen: &Seen<'_>, expected: &Expected, attempts: &[Sighting<'_>]) -> Option<Finding> {
    if seen.has_step(|s| matches!(s, Step::Replay(_) | Step::Credentials(_) | Step::Restart(_))) {
        return None;
    }
    // A refused batch is rightly sent again, one by one; and one further try is forgiven.
    let refused: Vec<&Sighting<'_>> = attempts
        .iter()
        .filter(|a| failure(seen, a) == Some(Failure::Permanent))
        .filter(|a| a.exchange.reading.as_ref().is_some_and(|r| r.items.len() == 1))
        .collect();
    (refused.len() > 2).then(|| {
        ABOUT
            .finding(format!("sent {} times although it was refused for good", refused.len()))
            .of(&expected.order)
            .sides("at most 2", refused.len())
            .by(refused.iter().map(|a| a.exchange.seq))
    })
}

/// `Retry-After` is a floor.
fn too_early(seen: &Seen<'_>, expected: &Expected, attempts: &[Sighting<'_>]) -> Vec<Finding> {
    attempts
        .windows(2)
        .filter_map(|pair| {
            let [first, next] = pair else { return None };
            let fault = seen.fault_of(first.exchange)?;
            let (floor, slack) = match (fault.retry_after, fault.retry_after_date) {
                (Some(seconds), _) => (seconds.unsigned(), EARLY),
                // A date has whole seconds, and clocks are read at both ends.
                (None, Some(date)) => (date.unsigned(), Duration::from_secs(1) + EARLY),
                (None, None) => return None,
            };
            let answered = first.exchange.ended_at?;
            // Who no longer waits for an answer has not read it, though it went out.
            let patience = seen.policies.delivery_timeout.unsigned() / 2;
            if answered.saturating_sub(first.exchange.at) >= patience {
                return None;
            }
            let gap = next.exchange.at.saturating_sub(answered);
            let is_early = floor <= CAP && first.exchange.was_answered() && gap + slack < floor;
            is_early.then(|| {
                ABOUT
                    .finding("tried again earlier than Retry-After allows")
                    .of(&expected.order)
                    .sides(
                        format!("at least {} ms", floor.as_millis()),
                        format!("{} ms", gap.as_millis()),
                    )
                    .by([first.exchange.seq, next.exchange.seq])
            })
        })
        .collect()
}

/// Id and time are the order's: no attempt may change them.
fn changed(expected: &Expected, attempts: &[Sighting<'_>]) -> Vec<Finding> {
    let Some(first) = attempts.first() else { return Vec::new() };
    let mut findings = Vec::new();
    for later in attempts.iter().skip(1) {
        let pairs = [
            ("id", first.item.key.clone(), later.item.key.clone()),
            (
                "event time",
                first.item.time.map(|t| t.unix_timestamp().to_string()),
                later.item.time.map(|t| t.unix_timestamp().to_string()),
            ),
        ];
        for (what, before, after) in pairs {
            if before != after {
                let shown = |v: Option<String>| v.unwrap_or_else(|| "(none)".into());
                findings.push(
                    ABOUT
                        .finding(format!("the {what} changed from one attempt to the next"))
                        .of(&expected.order)
                        .sides(shown(before), shown(after))
                        .by([first.exchange.seq, later.exchange.seq]),
                );
            }
        }
    }
    findings
}
