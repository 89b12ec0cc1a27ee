//! What each platform received per case, redacted and stable over runs and machines, in insta's file format, so that
//! `cargo insta review` works on what `harness run` found changed.
//!
//! Stable means: values that the plan made stand there by name (`{fbclid}`, `{hash of email}`), the order's time and total as
//! `{order time}` and `{order total}`, other times as `{time}`, tokens as `{token}`. One block per distinct event, whatever the batching or number of
//! attempts. The control order is not part of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use regex::Regex;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::{
    exchange::{Exchange, OrderRef, Request},
    history::History,
    plan::{Case, Shop},
    platforms::{
        Channel,
        normalise::{is_sha256_hex, sha256_hex},
    },
    scenario::Step,
    truth::{Expected, Truth},
};

/// A snapshot that was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// As accepted before.
    Same,
    /// Accepted now.
    Accepted,
    /// New or different; the candidate lies beside it as `.snap.new`.
    Changed(PathBuf),
}

/// Names for the values that differ from run to run, or with the number of scenarios.
struct Names {
    /// Part of a text → name, longest values first.
    parts: Vec<(String, String)>,
    /// Whole text → name.
    wholes: BTreeMap<String, String>,
    /// When the order was placed, Unix seconds.
    placed: i64,
    /// What the order cost, and its parts.
    amounts: Vec<(Decimal, &'static str)>,
}

/// Timestamps in text form, click ids with their time, and access tokens.
static STAMP: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)",
        r"|\bfb\.(\d)\.\d{13}\.|\b\d{11,}\b"
    ))
    .ok()
});

/// The text of one case's snapshot; `None` if its platform received nothing worth keeping.
pub fn render(case: &Case, shops: &[Shop], history: &History, truth: &Truth) -> Option<String> {
    let names: BTreeMap<String, Names> = truth
        .named()
        .filter(|expected| !is_like_another(case, &expected.order))
        .filter_map(|expected| {
            Some((expected.order.to_string(), Names::new(case, shops, expected)?))
        })
        .collect();
    let mut blocks = BTreeSet::new();
    for exchange in history.exchanges.iter().filter(|e| e.platform == Some(case.platform)) {
        let Some(reading) = exchange.reading.as_ref() else { continue };
        if reading.channel != Channel::Server {
            continue;
        }
        for (index, item) in reading.items.iter().enumerate() {
            let order =
                exchange.owners.get(index).and_then(Option::as_ref).map(|o| o.order.clone());
            let Some(Some(OrderRef::Named(order))) = order else { continue };
            if let Some(names) = names.get(&order) {
                blocks.insert(block(names, exchange, &order, &item.pointer));
            }
        }
    }
    let text = blocks.into_iter().collect::<Vec<_>>().join("\n");
    (!text.is_empty()).then_some(text)
}

/// Whether the order is one of a bulk, but not its first.
fn is_like_another(case: &Case, order: &OrderRef) -> bool {
    let OrderRef::Named(id) = order else { return false };
    case.scenario
        .steps
        .iter()
        .any(|step| matches!(step, Step::Order(step) if step.id == *id && step.like.is_some()))
}

fn block(names: &Names, exchange: &Exchange, order: &str, pointer: &str) -> String {
    let request = &exchange.request;
    let names = &names.those_in(request);
    let query = names.in_text(&request.query);
    let line = format!(
        "order {order}: {} {}{}{}{}",
        request.method,
        request.host,
        names.in_text(&request.path),
        if query.is_empty() { "" } else { "?" },
        query
    );
    let event = exchange.body().and_then(|body| body.pointer(pointer).cloned()).map_or_else(
        || names.in_text(&request.body),
        |event| serde_json::to_string_pretty(&names.in_json(event)).unwrap_or_default(),
    );
    let mut headers: Vec<String> = request
        .headers
        .iter()
        .filter(|(name, _)| !VOLATILE.contains(&name.as_str()))
        .map(|(name, value)| match name.as_str() {
            "authorization" => "authorization: Bearer {token}\n".to_owned(),
            "access-token" => "access-token: {token}\n".to_owned(),
            _ => format!("{name}: {}\n", names.in_text(value)),
        })
        .collect();
    headers.sort();
    format!("{line}\n{}\n{event}\n", headers.concat())
}

/// Headers that say nothing about the payload or change from run to run.
const VOLATILE: &[&str] =
    &["host", "content-length", "user-agent", "connection", "date", "traceparent", "x-request-id"];

impl Names {
    fn new(case: &Case, shops: &[Shop], expected: &Expected) -> Option<Self> {
        let order = case.all_orders().find(|order| order.id == expected.order)?;
        let mut parts = BTreeMap::new();
        for (name, value) in &case.values {
            if value.len() >= 4 && !name.ends_with(".total") {
                parts.insert(value.clone(), format!("{{{name}}}"));
            }
        }
        for (i, shop) in shops.iter().enumerate() {
            let n = if i == 0 { String::new() } else { format!(" {}", i + 1) };
            parts.insert(shop.domain.clone(), format!("{{shop{n}}}"));
            parts.insert(shop.id.clone(), format!("{{shop id{n}}}"));
            for (platform, account) in &shop.accounts {
                for (field, value) in account.fields.iter().filter(|(_, value)| value.len() >= 4) {
                    let kind = if account.secret.contains(field) { "token" } else { field };
                    parts.insert(value.clone(), format!("{{{platform} {kind}{n}}}"));
                }
            }
        }
        let mut parts: Vec<_> = parts.into_iter().collect();
        parts.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        let mut wholes = BTreeMap::new();
        let contact = &order.contact;
        for (name, value) in [
            ("city", &contact.city),
            ("region", &contact.region),
            ("postcode", &contact.postcode),
            ("country", &contact.country),
        ] {
            for value in value.iter().flat_map(|v| [v.clone(), v.to_lowercase()]) {
                wholes.insert(value, format!("{{{name}}}"));
            }
        }
        let customer = contact.customer_id.iter().map(|id| sha256_hex(id));
        wholes.extend(customer.map(|hash| (hash, "{hash of customer_id}".to_owned())));
        for rule in &expected.identity {
            let kind = serde_json::to_value(rule.kind).ok();
            let kind = kind.as_ref().and_then(Value::as_str).unwrap_or("value").to_owned();
            for value in rule.accepted.iter().filter(|value| is_sha256_hex(value)) {
                wholes.insert(value.clone(), format!("{{hash of {kind}}}"));
            }
        }
        let placed = expected.time.unix_timestamp();
        let amounts = vec![
            (order.total, "{order total}"),
            (order.subtotal, "{order subtotal}"),
            (order.tax, "{order tax}"),
            (order.shipping, "{order shipping}"),
        ];
        Some(Self { parts, wholes, placed, amounts })
    }

    /// Only the names that this request has use for.
    fn those_in(&self, request: &Request) -> Self {
        let mut hay = format!("{} {} {}", request.path, request.query, request.body);
        for (_, value) in &request.headers {
            hay.push(' ');
            hay.push_str(value);
        }
        let parts = self.parts.iter().filter(|(v, _)| hay.contains(v.as_str())).cloned().collect();
        Self {
            parts,
            wholes: self.wholes.clone(),
            placed: self.placed,
            amounts: self.amounts.clone(),
        }
    }

    fn in_text(&self, text: &str) -> String {
        if let Some(name) = self.wholes.get(text) {
            return name.clone();
        }
        let mut out = text.to_owned();
        for (value, name) in &self.parts {
            if out.contains(value.as_str()) {
                out = out.replace(value.as_str(), name);
            }
        }
        let Some(stamp) = STAMP.as_ref() else { return out };
        stamp
            .replace_all(&out, |found: &regex::Captures<'_>| {
                match found.get(0).map_or("", |m| m.as_str()) {
                    fb if fb.starts_with("fb.") => {
                        format!("fb.{}.{{ms}}.", found.get(1).map_or("", |m| m.as_str()))
                    }
                    id if id.bytes().all(|b| b.is_ascii_digit()) => "{id}".to_owned(),
                    stamp => self.in_stamp(stamp),
                }
            })
            .into_owned()
    }

    /// Text timestamps keep their shape, so that a change of form shows.
    fn in_stamp(&self, stamp: &str) -> String {
        let seconds = time::OffsetDateTime::parse(
            &stamp.replacen(' ', "T", 1),
            &time::format_description::well_known::Rfc3339,
        )
        .map(time::OffsetDateTime::unix_timestamp);
        let shape: String =
            stamp.chars().skip(10).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let name = if seconds == Ok(self.placed) { "{order time}" } else { "{time}" };
        format!("{name} as date{shape}")
    }

    fn in_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.in_text(&text)),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|v| self.in_json(v)).collect())
            }
            Value::Object(map) => {
                let value = |k: &String, v: Value| match v {
                    // A change may fall into the order's own second or not.
                    Value::String(_) if k.starts_with("adjustment") && k.ends_with("Time") => {
                        Value::String("{time}".to_owned())
                    }
                    // A count is no amount, even where it happens to be equal to one.
                    Value::Number(_) if k == "quantity" => v,
                    v => self.in_json(v),
                };
                Value::Object(map.into_iter().map(|(k, v)| (k.clone(), value(&k, v))).collect())
            }
            Value::Number(number) => self.in_number(number),
            other => other,
        }
    }

    fn in_number(&self, number: serde_json::Number) -> Value {
        if let Some(n) = number.as_i64() {
            let (seconds, unit) = match n {
                1_600_000_000..=4_000_000_000 => (n, "s"),
                1_600_000_000_000..=4_000_000_000_000 => (n / 1_000, "ms"),
                _ => (0, ""),
            };
            if !unit.is_empty() {
                let name = if seconds == self.placed { "{order time}" } else { "{time}" };
                return Value::String(format!("{name} in {unit}"));
            }
        }
        let amount = Decimal::from_str_exact(&number.to_string()).unwrap_or_default();
        match self.amounts.iter().find(|(known, _)| *known == amount && !amount.is_zero()) {
            Some((_, name)) => Value::String((*name).to_owned()),
            None => Value::Number(number),
        }
    }
}

/// Compares with what was accepted (`DIR/topic/name/platform[.variant].snap`), or accepts.
///
/// # Errors
///
/// If files cannot be read or written.
pub fn compare(dir: &Path, case: &Case, text: &str, accept: bool) -> io::Result<Compared> {
    let path = path_of(dir, case);
    let content = file(&case.scenario.title, &case.name, text);
    let candidate = path.with_extension("snap.new");
    let accepted = match fs::read_to_string(&path) {
        Ok(found) => Some(found),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    // Only the content counts: titles may be reworded.
    if accepted.as_deref().map(body) == Some(body(&content)) {
        if candidate.exists() {
            fs::remove_file(&candidate)?;
        }
        return Ok(Compared::Same);
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if accept {
        fs::write(&path, content)?;
        if candidate.exists() {
            fs::remove_file(&candidate)?;
        }
        Ok(Compared::Accepted)
    } else {
        fs::write(&candidate, content)?;
        Ok(Compared::Changed(path))
    }
}

/// Where a case's snapshot lies.
pub fn path_of(dir: &Path, case: &Case) -> PathBuf {
    let file = match &case.variant {
        Some(variant) => format!("{}.{variant}.snap", case.platform),
        None => format!("{}.snap", case.platform),
    };
    dir.join(&case.scenario.name).join(file)
}

fn file(title: &str, case: &str, text: &str) -> String {
    let quoted = |t: &str| serde_json::to_string(t).unwrap_or_default();
    format!(
        "---\nsource: harness\ndescription: {}\nexpression: {}\n---\n{}\n",
        quoted(title),
        quoted(case),
        text.trim_end()
    )
}

/// What stands behind the header.
fn body(file: &str) -> &str {
    file.splitn(3, "---\n").nth(2).unwrap_or(file).trim_end()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_named_and_counts_are_not() {
        let amounts = vec![(Decimal::ONE, "{order shipping}")];
        let names = Names { parts: Vec::new(), wholes: BTreeMap::new(), placed: 0, amounts };
        let shown = names.in_json(json!({ "shipping": 1, "contents": [{ "quantity": 1 }] }));
        let expected = json!({ "shipping": "{order shipping}", "contents": [{ "quantity": 1 }] });
        assert_eq!(shown, expected);
    }
}
