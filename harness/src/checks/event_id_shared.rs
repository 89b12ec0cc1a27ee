//! One order has one id, the same in the browser and on the server, and no other order has it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    checks::{About, Check, Seen, look::merged},
    exchange::OrderRef,
    platforms::Severity,
    truth::Fact,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "event_id_shared",
    says: "every event of one order carries the one id that the browser's copy carries",
    severity: Severity::Must,
    source: "https://developers.facebook.com/docs/marketing-api/conversions-api/deduplicate-pixel-and-server-events",
    covers: &["DED-01", "DED-02", "DED-03", "DED-04", "DED-11", "DED-14", "PAY-19"],
};

/// Texts that are no id but the trace of a missing one.
const NO_ID: [&str; 7] = ["", "undefined", "null", "None", "NaN", "[object Object]", "false"];

/// The check.
pub(crate) struct EventIdShared;

impl Check for EventIdShared {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let mut any = false;
        let mut findings = Vec::new();
        let mut users: BTreeMap<(String, String), BTreeSet<OrderRef>> = BTreeMap::new();
        for expected in seen.truth.named() {
            let mut keys: BTreeSet<&str> = BTreeSet::new();
            let purchases = seen.purchases(&expected.order);
            let browser = seen.browser_sightings(&expected.order);
            for sighting in &purchases {
                any = true;
                let finding =
                    |message: String| ABOUT.finding(message).of(&expected.order).seen(sighting, "");
                let key = sighting.item.key.as_deref().map(str::trim).unwrap_or_default();
                if NO_ID.contains(&key) || key == "order_" {
                    findings.push(finding(format!("the event has no usable id: `{key}`")));
                    continue;
                }
                keys.insert(key);
                let account = sighting.exchange.reading.as_ref().and_then(|r| r.account.clone());
                users
                    .entry((account.unwrap_or_default(), key.to_owned()))
                    .or_default()
                    .insert(expected.order.clone());
                if let Some(copy) = browser.first() {
                    // A copy without a name (a tag tells its conversion action instead) agrees with any.
                    if let (Some(theirs), Some(ours)) =
                        (&copy.item.event_name, &sighting.item.event_name)
                        && theirs != ours
                    {
                        findings.push(
                            finding("the browser's copy has another event name".into())
                                .sides(theirs, ours),
                        );
                    }
                    if copy.item.key.as_deref() != Some(key) {
                        let key_of_copy = copy.item.key.clone().unwrap_or_default();
                        findings.push(
                            finding("the browser's copy has another id".into())
                                .sides(key_of_copy, key)
                                .by([copy.exchange.seq]),
                        );
                    }
                } else if expected.knows(Fact::Id)
                    && !expected.event_id.is_empty()
                    && expected.event_id != key
                {
                    // No copy to be joined with: only the declared convention is broken.
                    findings.push(
                        finding(
                            "the id does not follow the convention that the relay declares".into(),
                        )
                        .sides(&expected.event_id, key)
                        .mild(),
                    );
                }
            }
            if keys.len() > 1 {
                let list: Vec<String> = keys.iter().map(|k| format!("`{k}`")).collect();
                findings.push(
                    ABOUT
                        .finding(format!("one order was sent under {} ids", keys.len()))
                        .of(&expected.order)
                        .sides("one id", list.join(", "))
                        .by(purchases.iter().map(|s| s.exchange.seq)),
                );
            }
        }
        for ((_, key), orders) in users.iter().filter(|(_, orders)| orders.len() > 1) {
            let names: Vec<String> = orders.iter().map(ToString::to_string).collect();
            findings.push(
                ABOUT.finding(format!("orders {} share the id `{key}`", names.join(" and "))),
            );
        }
        seen.judged_if_any(any, merged(findings))
    }
}
