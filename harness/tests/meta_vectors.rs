//! Meta as its own libraries speak: what they hash is accepted, what they send is read without complaint, and the
//! click ids they make are well-formed. The vectors were recorded from the official SDKs and the parameter builder.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use harness::{
    exchange::Request,
    platforms::{
        Account, Accounts, Platform, Reading, Severity,
        meta::{BrowserId, Meta, without_appendix},
        normalise::{digests, meta},
    },
};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// Forms beyond those of the libraries that we accept too, since the documentation can be read that way: names
/// without punctuation but with blanks, codes without their dash, regions of digits or without their
/// country, typographic signs and extensions dropped.
const READ_OTHERWISE: &[(&str, &str)] = &[
    ("fn", "D’Angelo"),
    ("ln", "de la Cruz, Jr."),
    ("ln", "St. John"),
    ("ph", "+1-650-555-1212 ext 5"),
    ("st", "75"),
    ("st", "US-CA"),
    ("zp", "00-950"),
    ("zp", "01310-100"),
    ("zp", "100-0001"),
    ("zp", "D-10115"),
];

#[test]
fn what_the_libraries_hash_is_accepted() {
    let all = vectors("meta-normalization.json");
    let mut judged = 0;
    for vector in list(&all, "vectors") {
        let (field, input) = (vector["key"].as_str().unwrap(), vector["given"].as_str().unwrap());
        let forms = match field {
            "em" => meta::email(input),
            "ph" => meta::phone(input, None),
            "fn" | "ln" => meta::name(input),
            "ct" => meta::city(input),
            "st" => meta::region(input, None),
            "zp" => meta::postcode(input, None),
            "country" => meta::country(input),
            _ => continue,
        };
        judged += 1;
        let ours = digests(input, forms.clone());
        let place = format!("{field} {input:?}: {forms:?}");
        if let Some(right) = vector["right"].as_str() {
            assert_eq!(ours.first().map(String::as_str), Some(right), "{place}");
        }
        if vector["leave_out"] == true {
            assert_eq!(ours, Vec::<String>::new(), "{place}");
        }
        let acceptable: Vec<&str> = list(vector, "tolerated")
            .iter()
            .chain(vector.get("right"))
            .filter_map(Value::as_str)
            .collect();
        if !READ_OTHERWISE.contains(&(field, input)) {
            assert!(ours.iter().all(|hash| acceptable.contains(&hash.as_str())), "{place}");
        }
    }
    assert!(judged > 150, "{judged} vectors");
}

/// The account of the recorded requests.
struct Recorded(Account);

impl Accounts for Recorded {
    fn find(&self, key: &str) -> Option<&Account> {
        (key == self.0.key).then_some(&self.0)
    }

    fn is_valid_token(&self, _: &Account, token: &str) -> bool {
        token == "EAABtestTOKEN"
    }
}

/// All recorded requests, read five seconds after their events.
fn captures() -> Vec<(String, Vec<Value>, Request, Reading)> {
    let recorded = Recorded(Account {
        key: "1234567890123456".into(),
        fields: std::collections::BTreeMap::new(),
        secret: &[],
    });
    let all = vectors("meta-wire.json");
    let mut captures = Vec::new();
    for capture in list(&all, "captures") {
        let Some(url) = capture["http"]["url"].as_str() else {
            continue;
        };
        let url = url::Url::parse(url).unwrap();
        let headers = capture["http"]["headers"].as_object().unwrap();
        let request = Request {
            method: "POST".into(),
            host: url.host_str().unwrap().into(),
            path: url.path().into(),
            query: url.query().unwrap_or_default().into(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().into()))
                .collect(),
            body: capture["http"]["body"].as_str().unwrap().into(),
            ..Request::default()
        };
        let sent = capture["events"][0]["event_time"].as_i64().unwrap();
        let now = OffsetDateTime::from_unix_timestamp(sent).unwrap() + Duration::seconds(5);
        let reading = Meta.read(&request, now, &recorded);
        captures.push((
            capture["case"].as_str().unwrap().to_owned(),
            list(capture, "events").to_vec(),
            request,
            reading,
        ));
    }
    captures
}

#[test]
fn what_the_libraries_send_is_taken_without_complaint() {
    let captures = captures();
    assert!(captures.len() >= 12, "{}", captures.len());
    let must = |rule: &str| {
        Meta.rules().iter().any(|known| known.id == rule && known.severity == Severity::Must)
    };
    for (name, _, request, reading) in &captures {
        let complaints: Vec<_> = reading
            .broken
            .iter()
            .filter(|violation| must(violation.rule) || violation.refused)
            // Two captures carry a test code on purpose.
            .filter(|violation| violation.rule != "META-TEST-CODE")
            .collect();
        assert!(complaints.is_empty(), "{name}: {complaints:?}");
        let answer = Meta.answer(request, reading, &[]);
        assert_eq!(
            (answer.reply.status, answer.accepted.len()),
            (200, reading.items.len()),
            "{name}"
        );
    }
}

#[test]
fn what_the_libraries_send_is_read_as_they_meant_it() {
    for (name, events, _, reading) in captures() {
        assert_eq!(reading.items.len(), events.len(), "{name}");
        for (item, event) in reading.items.iter().zip(&events) {
            let user = &event["user_data"];
            assert_eq!(item.event_name.as_deref(), event["event_name"].as_str(), "{name}");
            assert_eq!(item.key.as_deref(), event["event_id"].as_str(), "{name}");
            assert_eq!(
                item.time.map(OffsetDateTime::unix_timestamp),
                event["event_time"].as_i64(),
                "{name}"
            );
            assert_eq!(
                item.currency.as_deref(),
                event["custom_data"]["currency"].as_str(),
                "{name}"
            );
            assert_eq!(item.ids.get("fbc").map(String::as_str), user["fbc"].as_str(), "{name}");
            let value = event["custom_data"]["value"].as_f64().map(|value| value.to_string());
            assert_eq!(item.value.map(|value| value.normalize().to_string()), value, "{name}");
            assert_eq!(
                item.limited_data_use,
                event["data_processing_options"][0] == "LDU",
                "{name}"
            );
        }
    }
}

#[test]
fn the_ids_that_the_builder_makes_are_well_formed() {
    let all = vectors("meta-click-ids.json");
    let mut seen = 0;
    for case in list(&all, "cases") {
        for library in ["python", "node"] {
            for kind in ["fbc", "fbp"] {
                let Some(value) = case[library][kind].as_str() else { continue };
                let read = BrowserId::read(value);
                assert!(read.is_some(), "{} {value}", case["case"]);
                // The builder always marks what it makes and leaves marked cookies alone.
                assert_ne!(without_appendix(value), value, "{} {value}", case["case"]);
                seen += 1;
            }
        }
    }
    assert!(seen > 30, "{seen} ids");
}
