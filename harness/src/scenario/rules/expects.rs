//! What expectations must fulfil.

use serde_json_path::JsonPath;

use super::Rules;
use crate::scenario::Expect;

/// Fields of the platform-neutral reading that `payload` expectations may name as `item.FIELD`.
const ITEM_FIELDS: &[&str] = &[
    "kind",
    "event_name",
    "key",
    "target",
    "time",
    "value",
    "currency",
    "ids",
    "identifiers",
    "ip",
    "user_agent",
    "url",
    "consent_user_data",
    "consent_personalise",
    "limited_data_use",
    "test",
    "source",
];

impl Rules {
    pub(super) fn expect(&mut self, at: &str, expect: &Expect) {
        match expect {
            Expect::Outcome(outcome) => {
                self.known_order(&format!("{at}/outcome/order"), &outcome.order)
            }
            Expect::Attempts(attempts) => {
                let at = format!("{at}/attempts");
                self.known_order(&format!("{at}/order"), &attempts.order);
                let bounds = attempts.at_least.or(attempts.at_most);
                if attempts.exactly.is_some() && bounds.is_some() {
                    let message = "`exactly` does not go together with `at_least` or `at_most`";
                    self.say(&at, message, "keep the one or the others");
                }
                if let (Some(least), Some(most)) = (attempts.at_least, attempts.at_most)
                    && least > most
                {
                    self.say(&at, "`at_least` is more than `at_most`", "exchange them");
                }
                self.not_negative(format!("{at}/gaps_at_least"), attempts.gaps_at_least);
                let says_something = attempts.exactly.or(bounds).is_some()
                    || attempts.gaps_at_least.is_some()
                    || !attempts.same.is_empty();
                if !says_something {
                    let hint = "give exactly, at_least, at_most, gaps_at_least or same";
                    self.say(&at, "asks for nothing", hint);
                }
            }
            Expect::Payload(payload) => {
                let at = format!("{at}/payload");
                self.known_order(&format!("{at}/order"), &payload.order);
                self.path(&format!("{at}/path"), &payload.path);
                if let Some(pattern) = &payload.matches {
                    self.regex(&format!("{at}/matches"), pattern);
                }
                let asked = [
                    payload.equals.is_some(),
                    payload.matches.is_some(),
                    payload.absent,
                    payload.present,
                ];
                match asked.iter().filter(|asked| **asked).count() {
                    0 => {
                        let hint = "give equals, matches, absent or present";
                        self.say(&at, "asks for nothing", hint);
                    }
                    1 => {}
                    _ if payload.absent => {
                        let message = "`absent` does not go together with other demands";
                        self.say(&at, message, "keep one of them");
                    }
                    _ => {}
                }
                for (i, id) in payload.on.iter().enumerate() {
                    self.platform(&format!("{at}/on/{i}"), id, true);
                }
            }
            Expect::Log(log) => self.known_order(&format!("{at}/log/order"), &log.order),
            Expect::Health(_) => {}
            Expect::Service(service) => self.expect_service(&format!("{at}/service"), service),
            Expect::ExportLacks(lacks) => {
                self.known_person(&format!("{at}/export_lacks/by"), lacks.by.as_deref());
                if lacks.values.is_empty() {
                    let hint = "write it like values: [fbclid, email]";
                    self.say(format!("{at}/export_lacks/values"), "names no value", hint);
                }
            }
        }
    }

    fn path(&mut self, at: &str, path: &str) {
        if let Some(field) = path.strip_prefix("item.") {
            let first = field.split('.').next().unwrap_or_default();
            if !ITEM_FIELDS.contains(&first) {
                self.unknown(at, "field of an item", first, ITEM_FIELDS);
            }
        } else if let Err(error) = JsonPath::parse(path) {
            self.say(
                at,
                format!("not a JSONPath: {error}"),
                "write it like $.data[0].event_id or item.value",
            );
        }
    }
}
