//! The relay answers stores and browsers as it should, and in time.

use crate::{
    checks::{About, Check, Seen, look::merged},
    history::{Call, Did},
    platforms::Severity,
    scenario::Step,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "acknowledgements",
    says: "webhooks are answered with the right status, and before the store gives up",
    severity: Severity::Must,
    source: "https://shopify.dev/docs/apps/build/webhooks/troubleshooting-webhooks",
    covers: &[
        "WHK-01", "WHK-02", "WHK-03", "WHK-04", "WHK-05", "WHK-06", "WHK-08", "WHK-11", "WHK-12",
        "WHK-13", "RES-08", "OPS-05", "DED-06",
    ],
};

/// What a store does when a webhook is switched on.
const PINGS: &str = "https://woocommerce.com/document/webhooks/";

/// The check.
pub(crate) struct Acknowledgements;

impl Check for Acknowledgements {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let mut any = false;
        let mut findings = Vec::new();
        // Late, or too late for us to wait.
        let mut late = Vec::new();
        // While the relay is being stopped it may well not answer.
        let stops = seen.has_step(|s| matches!(s, Step::Restart(_)));
        let limit = seen.policies.acknowledge_within.unsigned();
        for action in &seen.history.actions {
            match &action.what {
                Did::Webhook { order, topic, signature, right, call, .. } => {
                    any = true;
                    let what = format!("webhook {topic:?} ({signature:?})").to_lowercase();
                    let about = |message: String| {
                        let mut finding = ABOUT.finding(message);
                        finding.order = order.as_ref().map(ToString::to_string);
                        finding
                    };
                    match call.status {
                        Some(status) if right.contains(&status) => {}
                        Some(503) if stops => {}
                        Some(status) => findings.push(
                            about(format!("{what} was answered with the wrong status"))
                                .sides(statuses(right), format!("{status}{}", excerpt(call))),
                        ),
                        None if stops => {}
                        None => late.push(about(format!("{what} was not answered")).sides(
                            statuses(right),
                            call.error.as_deref().unwrap_or("(no answer)"),
                        )),
                    }
                    if call.status.is_some() && !limit.is_zero() && call.took > limit {
                        late.push(about(format!("{what} was answered too late")).sides(
                            format!("within {} ms", limit.as_millis()),
                            format!("{} ms", call.took.as_millis()),
                        ));
                    }
                }
                Did::Ping { format, call } => {
                    any = true;
                    let seen = match call.status {
                        Some(200..300) => continue,
                        None if stops => continue,
                        Some(status) => format!("{status}{}", excerpt(call)),
                        None => call.error.clone().unwrap_or_else(|| "(no answer)".to_owned()),
                    };
                    let message = format!(
                        "the ping of {format} was not acknowledged: no webhook can be set up"
                    );
                    let mut finding = ABOUT.finding(message).sides("2xx", seen);
                    finding.source = PINGS.into();
                    match call.status {
                        Some(_) => findings.push(finding),
                        None => late.push(finding),
                    }
                }
                Did::Landing { call, .. } | Did::Consent { call: Some(call), .. } => {
                    any = true;
                    let what = if matches!(action.what, Did::Landing { .. }) {
                        "landing"
                    } else {
                        "consent answer"
                    };
                    match call.status {
                        Some(200..300) => {}
                        Some(status) => {
                            let finding = ABOUT
                                .finding(format!("a {what} was refused"))
                                .sides("2xx", format!("{status}{}", excerpt(call)));
                            findings.push(if status >= 500 && !stops {
                                finding
                            } else {
                                finding.mild()
                            });
                        }
                        None if stops => {}
                        None => late.push(
                            ABOUT
                                .finding(format!("a {what} was not answered"))
                                .sides("2xx", call.error.as_deref().unwrap_or("(no answer)")),
                        ),
                    }
                }
                _ => {}
            }
        }
        match (&seen.history.waited.busy, late.first()) {
            (Some(busy), Some(first)) if findings.is_empty() => {
                return CheckResult::Inconclusive(format!("{}, but {busy}", first.message));
            }
            (Some(_), _) => {}
            (None, _) => findings.extend(late),
        }
        seen.judged_if_any(any, merged(findings))
    }
}

fn statuses(right: &[u16]) -> String {
    let all: Vec<String> = right.iter().map(ToString::to_string).collect();
    match all.as_slice() {
        [] => "2xx".into(),
        all if all.len() > 5 => format!("{} to {}", all[0], all[all.len() - 1]),
        all => all.join(" or "),
    }
}

fn excerpt(call: &Call) -> String {
    let text: String = call.body.chars().take(120).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}
