//! What did not happen on a machine that had no time, or may have gone by a way that cannot be read, is said to be
//! unknown, not lost.

use crate::{
    checks::{Seen, retries::is_given_up},
    exchange::{Ending, Exchange},
    history::{Action, Call, Did, Waited},
    platforms::Severity,
    scenario::Step,
    verdict::{Cell, Finding, Outcome},
};

/// Checks whose findings may be about something that did not happen yet.
const ABOUT_ABSENCE: [&str; 5] =
    ["expectations", "occurred", "adjustments_right", "log_truthful", "acknowledgements"];

/// Takes back what was concluded from absence alone, if the wait for it was not a fair one. What *was* seen stays.
pub(super) fn withdraw(
    waited: &Waited,
    cells: &mut [Cell],
    findings: &mut Vec<Finding>,
    notes: &mut Vec<String>,
) {
    let Some(why) = waited.unproven.as_ref().filter(|_| !waited.decided) else { return };
    // What came and broke the contract was refused, however busy the machine was.
    let refused: Vec<String> = findings
        .iter()
        .filter(|f| f.check == "contract" && f.severity == Severity::Must)
        .filter_map(|f| f.order.clone())
        .collect();
    let is_lost = |c: &Cell| c.outcome == Outcome::Lost && !refused.contains(&c.order);
    let lost = |order: &Option<String>, cells: &[Cell]| {
        cells.iter().any(|c| Some(&c.order) == order.as_ref() && is_lost(c))
    };
    let before = findings.len();
    findings.retain(|finding| {
        let absent = (finding.check == "exactly_once" || is_given_up(finding))
            && lost(&finding.order, cells);
        !absent && !ABOUT_ABSENCE.contains(&&*finding.check)
    });
    let mut taken_back = findings.len() < before;
    for cell in cells.iter_mut().filter(|cell| is_lost(cell)) {
        cell.outcome = Outcome::Unknown;
        cell.detail = "not seen, but that proves nothing here".into();
        taken_back = true;
    }
    if taken_back {
        notes.push(why.clone());
    }
}

/// Checks whose findings do not depend on when anything happened.
const TIMELESS: [&str; 9] = [
    "contract",
    "currency_right",
    "egress",
    "event_id_shared",
    "identifiers_right",
    "minimal",
    "no_contact_in_logs",
    "no_plain_contact",
    "value_right",
];

/// Takes back whatever hangs on time, if the machine had none and it showed: calls that were answered late or never, waits
/// in vain, a relay that did not wait for our answer and has to try again.
pub(super) fn withdraw_if_starved(
    seen: &Seen<'_>,
    cells: &mut [Cell],
    findings: &mut Vec<Finding>,
    notes: &mut Vec<String>,
) {
    let waited = &seen.history.waited;
    let Some(why) = waited.busy.as_ref().or(waited.unproven.as_ref()) else { return };
    let Some(symptom) = symptom(seen) else { return };
    let before = findings.len();
    // Who refused from the beginning must never be sent, however late anything is.
    let minds_change = seen.has_step(|step| match step {
        Step::Consent(_) | Step::Erase(_) => true,
        Step::Visit(visit) => visit.late.is_some(),
        _ => false,
    });
    let timeless =
        |check: &str| TIMELESS.contains(&check) || (check == "consent_respected" && !minds_change);
    findings.retain(|f| f.severity != Severity::Must || timeless(&f.check));
    let mut taken_back = findings.len() < before;
    for cell in cells.iter_mut().filter(|c| !c.right && c.outcome != Outcome::Unknown) {
        if !findings.iter().any(|f| f.order.as_ref() == Some(&cell.order)) {
            cell.detail = format!("{}, but that proves nothing here", cell.detail);
            cell.outcome = Outcome::Unknown;
            taken_back = true;
        }
    }
    if taken_back {
        notes.push(format!("{symptom}; {why}"));
    }
}

fn symptom(seen: &Seen<'_>) -> Option<&'static str> {
    let slow = seen.policies.slow_answer();
    let is_slow = |call: &Call| call.status.is_none() || call.took > slow;
    let patience = seen.policies.delivery_timeout.unsigned() / 2;
    let left = |x: &Exchange| {
        let took = x.ended_at.unwrap_or(x.at).saturating_sub(x.at);
        x.fault.is_none() && x.ending == Ending::ClientLeft && took >= patience
    };
    let of_action = |action: &Action| match &action.what {
        Did::Waited { happened: false, .. } => Some("what was waited for did not happen in time"),
        what => what.call().is_some_and(is_slow).then_some("the relay took long to answer"),
    };
    seen.history
        .actions
        .iter()
        .find_map(of_action)
        .or_else(|| seen.sent().any(left).then_some("the harness took long to answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(check: &'static str, order: &str) -> Finding {
        Finding {
            check: check.into(),
            rule: check.into(),
            severity: Severity::Must,
            order: Some(order.into()),
            message: String::new(),
            expected: None,
            actual: None,
            source: "".into(),
            exchanges: Vec::new(),
            at: None,
        }
    }

    fn cell(order: &str, outcome: Outcome) -> Cell {
        Cell {
            order: order.into(),
            platform: "meta".into(),
            outcome,
            right: false,
            detail: String::new(),
            attempts: 0,
            taken_after_ms: None,
        }
    }

    fn withdrawn(waited: &Waited) -> (Vec<Outcome>, Vec<String>, usize) {
        let mut cells = [cell("A", Outcome::Lost), cell("B", Outcome::CountedTwice)];
        let mut findings = vec![
            finding("exactly_once", "A"),
            finding("exactly_once", "B"),
            Finding {
                message: "not tried again after status 503 (attempt 1)".into(),
                ..finding("retries", "A")
            },
            finding("expectations", "A"),
            finding("retries", "A"),
            finding("consent_respected", "B"),
        ];
        let mut notes = Vec::new();
        withdraw(waited, &mut cells, &mut findings, &mut notes);
        let left = findings.iter().map(|f| f.check.to_string()).collect();
        (cells.iter().map(|c| c.outcome).collect(), left, notes.len())
    }

    #[test]
    fn only_what_was_concluded_from_absence_is_taken_back() {
        let unproven = Waited { unproven: Some("busy".into()), ..Waited::default() };
        let (cells, findings, notes) = withdrawn(&unproven);
        assert_eq!(cells, [Outcome::Unknown, Outcome::CountedTwice]);
        assert_eq!(findings, ["exactly_once", "retries", "consent_respected"]);
        assert_eq!(notes, 1);
    }

    #[test]
    fn a_fair_wait_or_a_decided_case_keeps_its_verdict() {
        let fair = Waited::default();
        let decided = Waited { unproven: Some("busy".into()), decided: true, ..Waited::default() };
        for waited in [fair, decided] {
            let (cells, findings, notes) = withdrawn(&waited);
            assert_eq!(cells, [Outcome::Lost, Outcome::CountedTwice]);
            assert_eq!((findings.len(), notes), (6, 0));
        }
    }
}
