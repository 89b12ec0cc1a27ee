//! What did not happen on a machine that had no time, or may have gone by a way that cannot be read, is said to be
//! unknown, not lost.

use crate::{
    checks::Seen,
    exchange::Ending,
    history::Waited,
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
    let lost = |order: &Option<String>, cells: &[Cell]| {
        cells.iter().any(|c| Some(&c.order) == order.as_ref() && c.outcome == Outcome::Lost)
    };
    let before = findings.len();
    findings.retain(|finding| {
        let absent = finding.check == "exactly_once" && lost(&finding.order, cells);
        !absent && !ABOUT_ABSENCE.contains(&&*finding.check)
    });
    let mut taken_back = findings.len() < before;
    for cell in cells.iter_mut().filter(|cell| cell.outcome == Outcome::Lost) {
        cell.outcome = Outcome::Unknown;
        cell.detail = "not seen, but that proves nothing here".into();
        taken_back = true;
    }
    if taken_back {
        notes.push(why.clone());
    }
}

/// Checks that count attempts and copies.
const ABOUT_ATTEMPTS: [&str; 2] = ["expectations", "retries"];

/// Takes back what a late answer of the harness itself may have caused: a relay that did not wait for it has to try again.
pub(super) fn withdraw_own_delays(
    seen: &Seen<'_>,
    cells: &mut [Cell],
    findings: &mut Vec<Finding>,
    notes: &mut Vec<String>,
) {
    let patience = seen.policies.delivery_timeout.unsigned() / 2;
    let busy = seen.history.waited.busy.is_some() || seen.history.waited.unproven.is_some();
    let late = seen.sent().filter(|exchange| exchange.platform == Some(seen.platform.id())).any(
        |exchange| {
            let took = exchange.ended_at.unwrap_or(exchange.at).saturating_sub(exchange.at);
            exchange.fault.is_none()
                && exchange.ending == Ending::ClientLeft
                && !exchange.accepted.is_empty()
                && (busy || took >= patience)
        },
    );
    if !late {
        return;
    }
    let before = findings.len();
    let twice = |f: &Finding| {
        let same = |c: &&Cell| Some(&c.order) == f.order.as_ref();
        cells.iter().find(same).is_some_and(|c| c.outcome == Outcome::CountedTwice)
    };
    findings.retain(|f| match &*f.check {
        "exactly_once" => !twice(f),
        check => !ABOUT_ATTEMPTS.contains(&check),
    });
    if findings.len() == before {
        return;
    }
    for cell in cells.iter_mut().filter(|c| c.outcome == Outcome::CountedTwice) {
        cell.outcome = Outcome::Unknown;
        cell.detail = "counted twice, but the harness itself had answered too late".into();
    }
    notes.push("the harness answered so late that the relay did not wait: how often it sent proves nothing".into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::Severity;

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
            finding("expectations", "A"),
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
        assert_eq!(findings, ["exactly_once", "consent_respected"]);
        assert_eq!(notes, 1);
    }

    #[test]
    fn a_fair_wait_or_a_decided_case_keeps_its_verdict() {
        let fair = Waited::default();
        let decided = Waited { unproven: Some("busy".into()), decided: true, ..Waited::default() };
        for waited in [fair, decided] {
            let (cells, findings, notes) = withdrawn(&waited);
            assert_eq!(cells, [Outcome::Lost, Outcome::CountedTwice]);
            assert_eq!((findings.len(), notes), (4, 0));
        }
    }
}
