//! What the relay says about itself at the end of a case: delivery log, health, exports, and the texts in which no
//! personal data may stand.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::{
    Driver,
    call::{ANSWER_LIMIT, LISTING_LIMIT},
};
use crate::{
    history::{LogAttempt, LogEntry, Readings},
    plan::{Order, Shop},
    scenario::{Expect, Step},
    sut::{profile::LogReading, template::order_facts},
};

/// Most entries and attempts that are read of one listing.
const MOST: usize = 500;

/// One entry of the relay's log, with what a replay needs.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) entry: LogEntry,
    pub(super) id: Option<String>,
    /// Index of the shop in the case.
    pub(super) shop: usize,
}

/// What was read of the log.
#[derive(Debug, Default)]
pub(super) struct ReadLog {
    pub(super) entries: Vec<Listed>,
    texts: Vec<(String, String)>,
    unreadable: Vec<String>,
}

impl Driver<'_> {
    /// Reads everything that the profile offers, for this case's orders, control order included.
    pub async fn read_back(&mut self) -> Readings {
        let mut readings = Readings::default();
        let profile = self.stage.profile;
        if profile.read.deliveries.is_some() {
            let log = self.read_log().await;
            readings.texts.extend(log.texts);
            if log.unreadable.is_empty() {
                readings.log = Some(log.entries.into_iter().map(|listed| listed.entry).collect());
            }
            readings.unreadable.extend(log.unreadable);
        }
        readings.early_log = std::mem::take(&mut self.early_log);
        self.read_health(&mut readings).await;
        self.read_exports(&mut readings).await;
        self.read_output(&mut readings);
        readings
    }

    /// The log entries of the case's orders, one listing per order.
    pub(super) async fn read_log(&self) -> ReadLog {
        let mut read = ReadLog::default();
        let Some(reading) = &self.stage.profile.read.deliveries else { return read };
        let paths = match Paths::of(reading) {
            Ok(paths) => paths,
            Err(why) => {
                read.unreadable.push(why);
                return read;
            }
        };
        let mut was_read = false;
        let mut not_found = Vec::new();
        // A control order that was played again is listed under its own ids.
        for (order, shop_index) in self.orders.iter().map(|placed| (&placed.order, placed.shop)) {
            let Some(shop) = self.stage.shops.get(shop_index) else { continue };
            let mut facts = self.facts(shop);
            facts.insert("order", order_facts(order));
            let outgoing =
                match self.render("read.deliveries.call", &reading.call, facts, LISTING_LIMIT) {
                    Ok(outgoing) => outgoing,
                    Err(fault) => {
                        read.unreadable.push(fault.to_string());
                        continue;
                    }
                };
            let call = self.send(outgoing).await;
            let name = format!("delivery log of {}", order.id);
            match serde_json::from_str::<Value>(&call.body) {
                Ok(body) if call.status.is_some_and(|status| (200..300).contains(&status)) => {
                    was_read = true;
                    let entries = paths.entries.query(&body).all();
                    for node in
                        entries.into_iter().take(MOST).filter(|node| paths.is_of(node, order))
                    {
                        let (entry, id) = paths.entry(node, order, reading);
                        read.entries.push(Listed { entry, id, shop: shop_index });
                    }
                }
                _ if call.status == Some(404) => not_found.push(format!("{name}: status 404")),
                _ => read.unreadable.push(format!(
                    "{name}: {}",
                    call.error.unwrap_or_else(|| format!("status {:?}, or no JSON", call.status))
                )),
            }
            read.texts.push((name, call.body));
        }
        // Where another order's listing is to be had, it is this order that is not known: an empty listing. Else it may be
        // the profile's path that is not.
        if !was_read {
            read.unreadable.append(&mut not_found);
        }
        read
    }

    /// Where something goes wrong by plan there is something to say; elsewhere one answer is like the other.
    async fn read_health(&self, readings: &mut Readings) {
        let scenario = &self.stage.case.scenario;
        let about = self.stage.health
            || !scenario.given.is_empty()
            || scenario.expect.iter().any(|expect| matches!(expect, Expect::Health(_)));
        let Some(health) = self.stage.profile.read.health.as_ref().filter(|_| about) else {
            return;
        };
        let Some(shop) = self.stage.shops.first() else { return };
        let outgoing =
            match self.render("read.health.call", &health.call, self.facts(shop), LISTING_LIMIT) {
                Ok(outgoing) => outgoing,
                Err(fault) => return readings.unreadable.push(fault.to_string()),
            };
        let call = self.send(outgoing).await;
        readings.health = call.status.and_then(|status| health.statuses.get(&status)).copied();
        if readings.health.is_none() {
            let what = call.error.unwrap_or_else(|| format!("status {:?}", call.status));
            readings.unreadable.push(format!("health: {what} has no meaning in the profile"));
        }
        readings.texts.push(("health".into(), call.body));
    }

    /// Exports are read where the case is about them: they rightly hold personal data, so they are kept apart from the texts.
    async fn read_exports(&self, readings: &mut Readings) {
        let scenario = &self.stage.case.scenario;
        let about = scenario.expect.iter().any(|e| matches!(e, Expect::ExportLacks(_)))
            || scenario.steps.iter().any(|s| matches!(s, Step::Erase(_)));
        let Some(template) = self.stage.profile.read.export.as_ref().filter(|_| about) else {
            return;
        };
        for (name, person) in &self.stage.case.people {
            let shop = self.stage.shops.get(self.shop_of(None, name)).or(self.stage.shops.first());
            let Some(shop) = shop else { continue };
            let mut facts = self.facts(shop);
            facts.insert("visitor_id", person.visitor_id.clone());
            facts.insert("email", person.contact.email.clone());
            let outgoing = match self.render("read.export", template, facts, ANSWER_LIMIT) {
                Ok(outgoing) => outgoing,
                Err(fault) => {
                    readings.unreadable.push(fault.to_string());
                    continue;
                }
            };
            let call = self.send(outgoing).await;
            match call.status {
                Some(200..300) => readings.exports.push((name.clone(), call.body)),
                // Nothing is kept about them: that is an export too.
                Some(404) => readings.exports.push((name.clone(), String::new())),
                status => readings.unreadable.push(format!(
                    "export of {name}: {}",
                    call.error.unwrap_or_else(|| format!("status {status:?}"))
                )),
            }
        }
    }

    /// The lines of the process's output that hold a value of this case: hundreds of cases share one process. No value
    /// stands in what was printed before it was made; secrets are as old as the process.
    fn read_output(&self, readings: &mut Readings) {
        let relay = self.stage.relay;
        for (stream, around) in relay.output_around(self.output) {
            let mut lines = lines_with(&around.before, || self.secrets());
            lines.extend(lines_with(&around.since, || &self.values() | &self.secrets()));
            lines.truncate(MOST);
            readings.texts.push((stream.to_owned(), lines.join("\n")));
            if !around.is_whole {
                readings.unsearched.push(stream.to_owned());
            }
        }
    }

    /// Every value of this case that could stand in a log, in lower case, plain and percent-encoded.
    pub(super) fn values(&self) -> BTreeSet<String> {
        let case = self.stage.case;
        let mut needles = BTreeSet::new();
        let mut add = |text: &str| needles.extend(forms(text));
        case.values.values().for_each(|value| add(value));
        for order in case.all_orders() {
            order.canaries.values().for_each(|value| add(value));
            let contact = &order.contact;
            for value in [&contact.email, &contact.phone, &contact.last_name, &contact.street]
                .into_iter()
                .flatten()
            {
                add(value);
            }
        }
        for person in case.people.values().chain([&case.sentinel_person]) {
            for value in [&person.contact.email, &person.contact.phone].into_iter().flatten() {
                add(value);
            }
            person.ids.values().for_each(|value| add(value));
        }
        needles
    }

    /// The same for what its shops have to keep secret.
    pub(super) fn secrets(&self) -> BTreeSet<String> {
        self.stage.shops.iter().flat_map(Shop::secrets).flat_map(|(_, text)| forms(text)).collect()
    }
}

/// As it may stand in a log; nothing of short texts, which stand everywhere by chance.
fn forms(text: &str) -> impl Iterator<Item = String> {
    let encoded = || url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let forms = (text.chars().count() >= 5).then(|| [text.to_owned(), encoded()]);
    forms.into_iter().flatten().map(|form| form.to_lowercase())
}

/// The lines that hold one of these texts. Most relays print little: the texts are only made where there is something to search.
fn lines_with(text: &str, needles: impl FnOnce() -> BTreeSet<String>) -> Vec<&str> {
    if text.is_empty() {
        return Vec::new();
    }
    // Hardly any of them stands anywhere: only these are looked for line by line.
    let lower = text.to_lowercase();
    let mut found = needles();
    found.retain(|needle| lower.contains(needle));
    let holds = |line: &&str| {
        let line = line.to_lowercase();
        found.iter().any(|needle| line.contains(needle))
    };
    if found.is_empty() { Vec::new() } else { text.lines().filter(holds).take(MOST).collect() }
}

/// The log's JSONPaths, read once.
struct Paths {
    entries: JsonPath,
    id: JsonPath,
    order: JsonPath,
    platform: JsonPath,
    state: JsonPath,
    reason: Option<JsonPath>,
    attempts: Option<JsonPath>,
    attempt_status: Option<JsonPath>,
    attempt_trace: Option<JsonPath>,
    attempt_outcome: Option<JsonPath>,
}

impl Paths {
    fn of(reading: &LogReading) -> Result<Self, String> {
        let path =
            |text: &String| JsonPath::parse(text).map_err(|error| format!("`{text}`: {error}"));
        let optional = |text: &Option<String>| text.as_ref().map(path).transpose();
        Ok(Self {
            entries: path(&reading.entries)?,
            id: path(&reading.id)?,
            order: path(&reading.order)?,
            platform: path(&reading.platform)?,
            state: path(&reading.state)?,
            reason: optional(&reading.reason)?,
            attempts: optional(&reading.attempts)?,
            attempt_status: optional(&reading.attempt_status)?,
            attempt_trace: optional(&reading.attempt_trace)?,
            attempt_outcome: optional(&reading.attempt_outcome)?,
        })
    }

    /// A listing may hold more than was asked for: an entry is the order's if it names one of the order's ids.
    fn is_of(&self, entry: &Value, order: &Order) -> bool {
        let Some(named) = text(&self.order, entry) else { return false };
        let number = order.numeric_id.to_string();
        named == number
            || named == order.name
            || named == order.token
            || named.ends_with(&format!("/{number}"))
            || named.ends_with(&format!("_{number}"))
    }

    fn entry(
        &self,
        node: &Value,
        order: &Order,
        reading: &LogReading,
    ) -> (LogEntry, Option<String>) {
        let optional =
            |path: &Option<JsonPath>, node: &Value| path.as_ref().and_then(|p| text(p, node));
        let attempts = match &self.attempts {
            Some(path) => path.query(node).all(),
            None => Vec::new(),
        };
        // The path may lead to the list or to its members.
        let attempts: Vec<&Value> = match attempts.as_slice() {
            [Value::Array(list)] => list.iter().collect(),
            _ => attempts,
        };
        let entry = LogEntry {
            order: order.id.clone(),
            platform: text(&self.platform, node).unwrap_or_default(),
            state: text(&self.state, node).and_then(|word| reading.states.get(&word).copied()),
            reason: optional(&self.reason, node),
            attempts: attempts
                .into_iter()
                .take(MOST)
                .map(|attempt| LogAttempt {
                    status: optional(&self.attempt_status, attempt)
                        .and_then(|text| text.parse().ok()),
                    trace_id: optional(&self.attempt_trace, attempt),
                    outcome: optional(&self.attempt_outcome, attempt),
                })
                .collect(),
        };
        (entry, text(&self.id, node))
    }
}

/// The first match as text; `null` and nothing are the same.
fn text(path: &JsonPath, node: &Value) -> Option<String> {
    match path.query(node).first()? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_that_hold_a_value_are_kept() {
        let needles: Vec<String> = forms("Jane Doe").chain(forms("x")).collect();
        assert_eq!(needles, ["jane doe", "jane+doe"], "short texts stand everywhere by chance");
        let text = "hello JANE Doe\nnobody x\n?name=Jane+Doe\n";
        let lines = lines_with(text, || needles.into_iter().collect());
        assert_eq!(lines, ["hello JANE Doe", "?name=Jane+Doe"]);
    }
}
