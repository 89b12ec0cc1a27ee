//! What the scenario states beyond what its steps imply.

use rust_decimal::Decimal;
use serde_json::Value;

use crate::{
    checks::{
        About, Check, Seen,
        changes::{changes, sides},
        look::Sighting,
        needles::{Haystack, Needle},
    },
    credentials::shown_value,
    exchange::OrderRef,
    platforms::Severity,
    scenario::{
        Expect, ExpectAttempts, ExpectLog, ExpectPayload, ExpectService, ExportLacks, HealthState,
        SameAcross,
    },
    sut::services::ServiceCall,
    verdict::{CheckResult, Finding},
};

static ABOUT: About = About {
    id: "expectations",
    says: "what the scenario states under `expect` holds",
    severity: Severity::Must,
    source: "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
    covers: &["OPS-10", "OPS-11", "RES-04", "RES-06", "RES-09", "CON-14", "REL-02", "REL-18"],
};

/// The check.
pub(crate) struct Expectations;

/// Held, broken, or not to be seen.
type Judged = Result<Option<Finding>, String>;

impl Check for Expectations {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let mut any = false;
        let mut findings = Vec::new();
        let mut missing = Vec::new();
        for expect in &seen.case.scenario.expect {
            let judged = match expect {
                // Part of the truth.
                Expect::Outcome(_) => continue,
                Expect::Attempts(wanted) => attempts(seen, wanted).map(|all| {
                    findings.extend(all);
                    None
                }),
                Expect::Payload(wanted) => {
                    let here = |p: &String| p == seen.platform.id();
                    if !wanted.on.is_empty() && !wanted.on.iter().any(here) {
                        continue;
                    }
                    payload(seen, wanted)
                }
                Expect::Log(wanted) => log(seen, wanted),
                Expect::Health(wanted) => health(seen, *wanted),
                Expect::ExportLacks(wanted) => export(seen, wanted),
                Expect::Service(wanted) => Ok(service(seen, wanted)),
            };
            any = true;
            match judged {
                Ok(finding) => findings.extend(finding),
                Err(why) => missing.push(why),
            }
        }
        match missing.first() {
            Some(_) if findings.is_empty() => CheckResult::Inconclusive(missing.join("; ")),
            _ => seen.judged_if_any(any, findings),
        }
    }
}

fn attempts(seen: &Seen<'_>, wanted: &ExpectAttempts) -> Result<Vec<Finding>, String> {
    let order = OrderRef::Named(wanted.order.clone());
    let seen_attempts: Vec<(Sighting<'_>,)> =
        seen.purchases(&order).into_iter().map(|s| (s,)).collect();
    let n = u32::try_from(seen_attempts.len()).unwrap_or(u32::MAX);
    let seqs = || seen_attempts.iter().map(|(a,)| a.exchange.seq);
    let mut findings = Vec::new();
    let mut wrong = |expected: String| {
        findings.push(
            ABOUT
                .finding("the number of attempts is not as expected")
                .of(&order)
                .sides(expected, n)
                .by(seqs()),
        );
    };
    if let Some(exactly) = wanted.exactly.filter(|e| *e != n) {
        wrong(format!("exactly {exactly}"));
    }
    if let Some(least) = wanted.at_least.filter(|e| *e > n) {
        wrong(format!("at least {least}"));
    }
    if let Some(most) = wanted.at_most.filter(|e| *e < n) {
        wrong(format!("at most {most}"));
    }
    for pair in seen_attempts.windows(2) {
        let [(first,), (next,)] = pair else { continue };
        if let Some(least) = wanted.gaps_at_least {
            let from = first.exchange.ended_at.unwrap_or(first.exchange.at);
            let gap = next.exchange.at.saturating_sub(from);
            if gap + std::time::Duration::from_millis(50) < least.unsigned() {
                findings.push(
                    ABOUT
                        .finding("two attempts are closer than expected")
                        .of(&order)
                        .sides(format!("at least {least}"), format!("{} ms", gap.as_millis()))
                        .by([first.exchange.seq, next.exchange.seq]),
                );
            }
        }
        for same in &wanted.same {
            let (what, equal) = match same {
                SameAcross::EventId => ("id", first.item.key == next.item.key),
                SameAcross::EventTime => ("event time", first.item.time == next.item.time),
                SameAcross::Body => {
                    findings.extend(changed_body(seen, first, next).map(|f| f.of(&order)));
                    continue;
                }
            };
            if !equal {
                findings.push(
                    ABOUT
                        .finding(format!("the {what} changed between attempts"))
                        .of(&order)
                        .by([first.exchange.seq, next.exchange.seq]),
                );
            }
        }
    }
    Ok(findings)
}

/// The event is not the same in two attempts: which fields, as evidence shows them.
fn changed_body(seen: &Seen<'_>, first: &Sighting<'_>, next: &Sighting<'_>) -> Option<Finding> {
    let (before, after) = (body(first), body(next));
    let changes = changes(&before, &after);
    let pointer = &changes.first()?.pointer;
    let (before, after) = sides(&changes, |name, value| shown_value(name, value, seen.shops));
    Some(
        ABOUT
            .finding("the event changed between attempts")
            .seen(first, pointer)
            .by([next.exchange.seq])
            .sides(before, after),
    )
}

/// The event's own JSON; the whole body where it is no JSON.
fn body(sighting: &Sighting<'_>) -> Value {
    sighting
        .exchange
        .body()
        .and_then(|body| body.pointer(&sighting.item.pointer).cloned())
        .unwrap_or_else(|| Value::String(sighting.exchange.request.body.clone()))
}

fn payload(seen: &Seen<'_>, wanted: &ExpectPayload) -> Judged {
    let order = OrderRef::Named(wanted.order.clone());
    let all = seen.purchases(&order);
    let taken: Vec<_> = all.iter().filter(|s| s.taken()).collect();
    let Some(sighting) = taken.first().copied().or(all.last()) else {
        return Err(format!("order {}: no event to look at for {}", wanted.order, wanted.path));
    };
    let (found, at) = values(sighting, &wanted.path)?;
    let finding = |message: String, expected: String, actual: String| {
        let mut finding =
            ABOUT.finding(message).of(&order).sides(expected, actual).by([sighting.exchange.seq]);
        finding.at = Some(at.clone());
        Ok(Some(finding))
    };
    let shown = || match found.as_slice() {
        [] => "(absent)".to_owned(),
        [one] => text(one),
        many => Value::Array(many.to_vec()).to_string(),
    };
    let present = found.iter().any(|v| !v.is_null());
    if wanted.absent && present {
        return finding(format!("{} is there", wanted.path), "(absent)".into(), shown());
    }
    if (wanted.present || wanted.equals.is_some() || wanted.matches.is_some()) && !present {
        return finding(format!("{} is not there", wanted.path), "(present)".into(), shown());
    }
    if let Some(equals) = &wanted.equals {
        let right = fill(seen, equals);
        if !found.iter().any(|v| same(v, &right)) {
            return finding(format!("{} has another value", wanted.path), text(&right), shown());
        }
    }
    if let Some(pattern) = &wanted.matches {
        let regex = regex::Regex::new(pattern).map_err(|e| format!("pattern `{pattern}`: {e}"))?;
        if !found.iter().any(|v| regex.is_match(&text(v))) {
            return finding(format!("{} does not match", wanted.path), pattern.clone(), shown());
        }
    }
    Ok(None)
}

/// What is found at a path, and the JSON pointer of the first of it; of the event where there is nothing, or where the path
/// is one into the platform-neutral reading.
fn values(sighting: &Sighting<'_>, path: &str) -> Result<(Vec<Value>, String), String> {
    let event = sighting.at("");
    if let Some(field) = path.strip_prefix("item.") {
        let item = serde_json::to_value(sighting.item).map_err(|e| e.to_string())?;
        let pointer = format!("/{}", field.replace('.', "/"));
        return Ok((item.pointer(&pointer).into_iter().cloned().collect(), event));
    }
    let parsed =
        serde_json_path::JsonPath::parse(path).map_err(|e| format!("path `{path}`: {e}"))?;
    let Some(body) = sighting.exchange.body() else {
        return Err(format!("request #{} has no JSON body", sighting.exchange.seq));
    };
    let located = parsed.query_located(&body);
    let at = located.iter().next().map(|node| node.location().to_json_pointer());
    let found = located.iter().map(|node| node.node().clone()).collect();
    Ok((found, at.unwrap_or(event)))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn fill(seen: &Seen<'_>, value: &Value) -> Value {
    match value {
        Value::String(text) => {
            Value::String(crate::truth::replace(text, |key| seen.case.values.get(key).cloned()))
        }
        other => other.clone(),
    }
}

/// Equal as JSON, or as numbers however they are written.
fn same(a: &Value, b: &Value) -> bool {
    let number = |v: &Value| text(v).parse::<Decimal>().ok();
    a == b || (number(a).is_some() && number(a) == number(b))
}

fn log(seen: &Seen<'_>, wanted: &ExpectLog) -> Judged {
    let order = OrderRef::Named(wanted.order.clone());
    let Some(log) = &seen.history.readings.log else {
        return Err("the delivery log could not be read".into());
    };
    let states: Vec<_> = log
        .iter()
        .filter(|e| e.order == order && e.platform == seen.platform.id())
        .map(|e| e.state)
        .collect();
    if states.contains(&Some(wanted.state)) {
        return Ok(None);
    }
    let shown: Vec<String> = states
        .iter()
        .map(|s| s.map_or("(unknown)".into(), |s| format!("{s:?}").to_lowercase()))
        .collect();
    Ok(Some(ABOUT.finding("the delivery log has another state").of(&order).sides(
        format!("{:?}", wanted.state).to_lowercase(),
        if shown.is_empty() { "(no entry)".into() } else { shown.join(", ") },
    )))
}

fn health(seen: &Seen<'_>, wanted: HealthState) -> Judged {
    match seen.history.readings.health {
        None => Err("the relay's health could not be read".into()),
        Some(state) if state == wanted => Ok(None),
        Some(state) => Ok(Some(
            ABOUT
                .finding("the relay's own health answer is not true")
                .sides(format!("{wanted:?}").to_lowercase(), format!("{state:?}").to_lowercase()),
        )),
    }
}

/// How often another service was asked.
fn service(seen: &Seen<'_>, wanted: &ExpectService) -> Option<Finding> {
    let meant = |call: &&ServiceCall| {
        let is = |wanted: &Option<String>, seen: &str| wanted.as_deref().is_none_or(|w| w == seen);
        call.service == wanted.name
            && is(&wanted.method, &call.method)
            && is(&wanted.path, &call.path)
    };
    let calls = || seen.history.readings.services.iter().filter(meant);
    let n = calls().map(|call| call.count).fold(0, u32::saturating_add);
    let expected = match (wanted.calls, wanted.at_least, wanted.at_most) {
        (Some(exactly), ..) if exactly != n => format!("exactly {exactly}"),
        (_, Some(least), _) if least > n => format!("at least {least}"),
        (_, _, Some(most)) if most < n => format!("at most {most}"),
        _ => return None,
    };
    let asked = [wanted.method.as_deref(), wanted.path.as_deref()].into_iter().flatten();
    let what = asked.fold(wanted.name.clone(), |text, part| format!("{text} {part}"));
    Some(ABOUT.finding(format!("{what} was called {n} times")).sides(expected, n))
}

fn export(seen: &Seen<'_>, wanted: &ExportLacks) -> Judged {
    let by = wanted.by.as_deref().unwrap_or("shopper");
    let Some((_, export)) = seen.history.readings.exports.iter().find(|(who, _)| who == by) else {
        return Err(format!("no export of {by} could be read"));
    };
    let hay = Haystack::of_text(export.clone());
    let person = seen.case.people.get(by);
    for name in &wanted.values {
        let own = person.and_then(|p| match name.as_str() {
            "email" => p.contact.email.as_ref(),
            "phone" => p.contact.phone.as_ref(),
            name => p.ids.get(name),
        });
        let Some(value) = own.or_else(|| seen.case.values.get(name)) else {
            return Err(format!("no value is known by the name {name}"));
        };
        if Needle::new(name.as_str(), value).is_some_and(|n| n.find(&hay).is_some()) {
            return Ok(Some(
                ABOUT
                    .finding(format!("the export of {by} still holds {name}"))
                    .sides("(absent)", value),
            ));
        }
    }
    Ok(None)
}
