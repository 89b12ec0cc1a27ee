//! What checks have in common: the ways in which they look at a case, and how a finding is put together.

use std::{borrow::Cow, collections::BTreeMap};

use crate::{
    checks::{About, Seen},
    exchange::{Exchange, OrderRef},
    platforms::{self, Channel, Counted, Item, ItemKind},
    scenario::{Fault, Step},
    truth::Expected,
    verdict::{CheckResult, Finding},
};

/// One event about one order in one request.
#[derive(Clone, Copy)]
pub(crate) struct Sighting<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) index: usize,
    pub(crate) item: &'a Item,
}

impl Sighting<'_> {
    /// The platform took it into its ledger.
    pub(crate) fn taken(&self) -> bool {
        self.exchange.accepted.contains(&self.index)
    }

    /// It reports the sale itself, not a change to it.
    pub(crate) fn is_purchase(&self) -> bool {
        self.item.kind == ItemKind::Purchase
    }

    /// JSON pointer of a field of the event.
    pub(crate) fn at(&self, field: &str) -> String {
        format!("{}{field}", self.item.pointer)
    }
}

impl<'a> Seen<'a> {
    /// Requests that the relay made (the browser's copies are the harness's own), to whomever.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &'a Exchange> {
        let history = self.history;
        history.exchanges.iter().filter(|e| !is_browser(e))
    }

    /// The relay's events about one order on the case's platform, in journal order.
    pub(crate) fn sightings(&self, order: &'a OrderRef) -> Vec<Sighting<'a>> {
        self.on_platform(Channel::Server, order)
    }

    /// The browser's copies of one order on the case's platform.
    pub(crate) fn browser_sightings(&self, order: &'a OrderRef) -> Vec<Sighting<'a>> {
        self.on_platform(Channel::Browser, order)
    }

    fn on_platform(&self, channel: Channel, order: &'a OrderRef) -> Vec<Sighting<'a>> {
        let id = self.platform.id();
        self.history
            .exchanges
            .iter()
            .filter(|e| e.platform == Some(id))
            .filter(|e| e.reading.as_ref().is_some_and(|r| r.channel == channel))
            .flat_map(|exchange| {
                exchange.items_of(order).map(move |(index, item)| Sighting {
                    exchange,
                    index,
                    item,
                })
            })
            .collect()
    }

    /// Purchases among [`Seen::sightings`].
    pub(crate) fn purchases(&self, order: &'a OrderRef) -> Vec<Sighting<'a>> {
        self.sightings(order).into_iter().filter(Sighting::is_purchase).collect()
    }

    /// Conversions that the platform counts for one order.
    pub(crate) fn groups(&self, order: &OrderRef) -> Vec<&'a Counted> {
        self.counted
            .iter()
            .filter(|c| !c.test && c.entries.iter().any(|i| self.entry_is_of(*i, order)))
            .collect()
    }

    /// Those of [`Seen::groups`] that the relay's own events are in.
    pub(crate) fn server_groups(&self, order: &OrderRef) -> Vec<&'a Counted> {
        let server = |i: &usize| {
            self.entry_is_of(*i, order)
                && self.entries.get(*i).is_some_and(|e| e.channel == Channel::Server)
        };
        self.groups(order).into_iter().filter(|c| c.entries.iter().any(server)).collect()
    }

    fn entry_is_of(&self, index: usize, order: &OrderRef) -> bool {
        self.entries
            .get(index)
            .and_then(|e| e.owner.as_ref())
            .is_some_and(|owner| owner.order.as_ref() == Some(order))
    }

    /// Exchanges by which a conversion was counted.
    pub(crate) fn exchanges_of(&self, group: &Counted) -> Vec<u64> {
        group.entries.iter().filter_map(|i| Some(self.entries.get(*i)?.exchange)).collect()
    }

    /// The planned fault that hit an exchange.
    pub(crate) fn fault_of(&self, exchange: &Exchange) -> Option<&'a Fault> {
        let (index, _) = exchange.fault?;
        self.case.scenario.faults().nth(index)
    }

    /// Whether a step of this kind is in the scenario.
    pub(crate) fn has_step(&self, is: impl Fn(&Step) -> bool) -> bool {
        self.case.scenario.steps.iter().any(is)
    }

    /// Absence is proven: the control order was taken, and then the quiet window passed.
    pub(crate) fn silence_is_proven(&self) -> bool {
        let waited = &self.history.waited;
        waited.sentinel && (waited.decided || !waited.quiet.is_zero()) && self.history.not_kept == 0
    }

    /// A dead or unreachable relay says nothing; this is what a check answers when it sees no event at all.
    pub(crate) fn judged_if_any(&self, any: bool, findings: Vec<Finding>) -> CheckResult {
        if any || !findings.is_empty() {
            CheckResult::Judged(findings)
        } else {
            CheckResult::NotApplicable
        }
    }

    /// Runs a judge over every purchase event of every order of the scenario.
    pub(crate) fn each_purchase(
        &self,
        mut judge: impl FnMut(&'a Expected, Sighting<'a>, &mut Vec<Finding>),
    ) -> CheckResult {
        let mut any = false;
        let mut findings = Vec::new();
        for expected in self.truth.named() {
            for sighting in self.purchases(&expected.order) {
                any = true;
                judge(expected, sighting, &mut findings);
            }
        }
        self.judged_if_any(any, merged(findings))
    }
}

/// The harness's own copy of a browser event.
pub(crate) fn is_browser(exchange: &Exchange) -> bool {
    exchange.reading.as_ref().is_some_and(|r| r.channel == Channel::Browser)
}

/// The same finding in several attempts is one finding with several exchanges.
pub(crate) fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    let mut seen: BTreeMap<(Option<String>, Cow<'static, str>, String), usize> = BTreeMap::new();
    let mut out: Vec<Finding> = Vec::new();
    for finding in findings {
        let key = (finding.order.clone(), finding.rule.clone(), finding.message.clone());
        match seen.get(&key).and_then(|i| out.get_mut(*i)) {
            Some(first) => {
                for seq in finding.exchanges {
                    if !first.exchanges.contains(&seq) {
                        first.exchanges.push(seq);
                    }
                }
            }
            None => {
                seen.insert(key, out.len());
                out.push(finding);
            }
        }
    }
    out
}

impl About {
    /// A finding of this check.
    pub(crate) fn finding(&self, message: impl Into<String>) -> Finding {
        Finding {
            check: self.id.into(),
            rule: self.id.into(),
            severity: self.severity,
            order: None,
            message: message.into(),
            expected: None,
            actual: None,
            source: self.source.into(),
            exchanges: Vec::new(),
            at: None,
        }
    }
}

impl Finding {
    /// About this order.
    pub(crate) fn of(mut self, order: &OrderRef) -> Self {
        self.order = Some(order.to_string());
        self
    }

    /// A warning only.
    pub(crate) fn mild(mut self) -> Self {
        self.severity = crate::platforms::Severity::Should;
        self
    }

    /// Proven by this event, at this field of it.
    pub(crate) fn seen(mut self, sighting: &Sighting<'_>, field: &str) -> Self {
        self.exchanges.push(sighting.exchange.seq);
        self.at = Some(sighting.at(field));
        self
    }

    /// Proven by these exchanges.
    pub(crate) fn by(mut self, exchanges: impl IntoIterator<Item = u64>) -> Self {
        self.exchanges.extend(exchanges);
        self
    }

    /// Expected and actual, side by side.
    pub(crate) fn sides(mut self, expected: impl ToString, actual: impl ToString) -> Self {
        self.expected = Some(expected.to_string());
        self.actual = Some(actual.to_string());
        self
    }

    /// The platform's own rule that is broken, with its page.
    pub(crate) fn rule(mut self, rule: &'static str) -> Self {
        if !rule.is_empty() {
            self.rule = rule.into();
        }
        if let Some(found) = platforms::rule(rule) {
            self.source = found.source.into();
        }
        self
    }
}
