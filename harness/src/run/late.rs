//! What is known only when the last case is over: events that came after the verdict of their case, events that nobody
//! ordered, hosts that nobody declared.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    exchange::{CaseId, OrderRef},
    gateway::{Gateway, LateEvent},
    plan::Case,
    platforms::Severity,
    truth::{Count, Truth},
    verdict::{CaseVerdict, Finding, Outcome, Status},
};

/// Late events that are reported; more say nothing new.
const SHOWN: usize = 20;
const ABOUT_LATE: &str = "https://developers.facebook.com/docs/marketing-api/conversions-api/deduplicate-pixel-and-server-events";
const ABOUT_EGRESS: &str = "https://eur-lex.europa.eu/eli/reg/2016/679/oj";

/// What the judged cases expected, kept for what comes after them.
#[derive(Default)]
pub(super) struct Afterwards {
    judged: Mutex<HashMap<CaseId, Judged>>,
}

struct Judged {
    case: String,
    platform: &'static str,
    orders: Vec<Awaited>,
}

struct Awaited {
    order: OrderRef,
    event_id: String,
    count: Count,
}

impl Afterwards {
    /// A case is judged.
    pub(super) fn judged(&self, case: &Case, truth: &Truth) {
        let orders = truth
            .orders
            .iter()
            .map(|expected| Awaited {
                order: expected.order.clone(),
                event_id: expected.event_id.clone(),
                count: expected.count,
            })
            .collect();
        let judged = Judged { case: case.name.clone(), platform: case.platform, orders };
        self.known().insert(case.id, judged);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<CaseId, Judged>> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what came late to the case that caused it; what belongs to no case is a finding about the run.
    pub(super) fn settle(&self, gateway: &Gateway, decided: &mut [CaseVerdict]) -> Vec<Finding> {
        let known = self.known();
        let mut of_the_run = Vec::new();
        for event in gateway.late_events() {
            let owner = event.owner.as_ref();
            let Some(judged) = owner.and_then(|owner| known.get(&owner.case)) else {
                of_the_run.extend(nobody_s(&event, &known));
                continue;
            };
            let verdict = decided.iter_mut().find(|verdict| verdict.case == judged.case);
            if let (Some(verdict), true) = (verdict, judged.platform == event.platform) {
                add(verdict, judged, &event, owner.and_then(|owner| owner.order.as_ref()));
            }
        }
        of_the_run.truncate(SHOWN);
        of_the_run
    }
}

/// An event without any tracer: right if it is the retry of an order that counts.
fn nobody_s(event: &LateEvent, known: &HashMap<CaseId, Judged>) -> Option<Finding> {
    let awaited = known
        .values()
        .filter(|judged| judged.platform == event.platform)
        .flat_map(|judged| &judged.orders)
        .find(|awaited| !event.key.is_empty() && awaited.event_id == event.key);
    let message = match awaited.map(|awaited| awaited.count) {
        Some(Count::Never) => "was sent after its case had been judged, though it must not be sent",
        Some(_) => return None,
        None => "is an event that no order of this run has caused",
    };
    Some(finding(event, message))
}

fn add(verdict: &mut CaseVerdict, judged: &Judged, event: &LateEvent, order: Option<&OrderRef>) {
    let by_key = |awaited: &&Awaited| !event.key.is_empty() && awaited.event_id == event.key;
    let awaited = match order {
        Some(order) => judged.orders.iter().find(|awaited| awaited.order == *order),
        None => judged.orders.iter().find(by_key),
    };
    let (outcome, message) = match awaited {
        Some(awaited) if awaited.count == Count::Never => (
            Outcome::Leaked,
            "was sent after the case had been judged, though it must not be sent at all",
        ),
        Some(awaited) if awaited.event_id.is_empty() || awaited.event_id == event.key => return,
        Some(_) => (
            Outcome::CountedTwice,
            "is a second id for the order; it was sent after the case had been judged",
        ),
        None => (
            Outcome::CountedTwice,
            "is an id that no order has; it was sent after the case had been judged",
        ),
    };
    let mut found = finding(event, message);
    if let Some(awaited) = awaited {
        let order = awaited.order.to_string();
        for cell in verdict.cells.iter_mut().filter(|cell| cell.order == order) {
            if outcome == Outcome::Leaked || cell.outcome == Outcome::CountedOnce {
                (cell.outcome, cell.right) = (outcome, false);
                cell.detail.clone_from(&found.message);
            }
        }
        found.order = Some(order);
    }
    if verdict.findings.contains(&found) || verdict.findings.len() >= SHOWN {
        return;
    }
    verdict.findings.insert(0, found);
    if verdict.status != Status::HarnessFault {
        verdict.status = Status::Fail;
    }
}

fn finding(event: &LateEvent, message: &str) -> Finding {
    let key = if event.key.is_empty() { "an event without an id" } else { &event.key };
    Finding {
        check: "late".into(),
        rule: "late".into(),
        severity: Severity::Must,
        order: None,
        message: format!("`{key}` at {} {message}", event.platform),
        expected: None,
        actual: None,
        source: ABOUT_LATE.into(),
        exchanges: vec![event.seq],
        at: None,
    }
}

/// Hosts that the relay called and nobody declared.
pub(super) fn undeclared_hosts(gateway: &Gateway, declared: &[String]) -> Vec<Finding> {
    let mut hosts = BTreeMap::<String, Vec<u64>>::new();
    for exchange in gateway.undeclared() {
        if !declared.contains(&exchange.request.host) {
            hosts.entry(exchange.request.host.clone()).or_default().push(exchange.seq);
        }
    }
    hosts
        .into_iter()
        .map(|(host, exchanges)| Finding {
            check: "egress".into(),
            rule: "egress".into(),
            severity: Severity::Must,
            order: None,
            message: format!("the relay called {host}, which nobody declared"),
            expected: None,
            actual: None,
            source: ABOUT_EGRESS.into(),
            exchanges,
            at: None,
        })
        .collect()
}
