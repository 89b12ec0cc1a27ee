//! Judges one event of a request.

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::platforms::{
    Item,
    data_manager::wire::{self, Encoding},
    google_ads::{
        findings::Findings,
        judge::damaged,
        proto::{Body, FaultKind, list, short, text},
    },
    normalise::{banned, is_currency, is_sha256_hex},
};

/// Judges one event. `index` is the event's, `first` that of its first item.
pub(in crate::platforms::data_manager) fn event(
    body: &Body,
    event: &Value,
    item: &Item,
    (index, first): (usize, usize),
    now: OffsetDateTime,
    found: &mut Findings,
) {
    let judge = Judge { event, item, first, at: format!("/events/{index}") };
    judge.times(body, now, found);
    judge.key(found);
    judge.identifiers_there(found);
    judge.click_ids(found);
    judge.money(found);
    judge.user_data(wire::encoding(body), found);
    let known: Vec<&str> =
        wire::destinations(body).iter().filter_map(|d| text(d, "reference")).collect();
    for (n, reference) in list(event, "destinationReferences").iter().enumerate() {
        if !reference.as_str().is_some_and(|r| known.contains(&r)) {
            judge.refuse(
                found,
                "GDM-REFS",
                &format!("destinationReferences/{n}"),
                "no destination has this reference",
            );
        }
    }
    if event.get("thirdPartyUserData").is_some() {
        judge.refuse(
            found,
            "GDM-3P",
            "thirdPartyUserData",
            "thirdPartyUserData is for data partners",
        );
    }
    if event.get("cartData").is_some()
        && (item.ids.contains_key("gbraid") || item.ids.contains_key("wbraid"))
    {
        judge.report(found, "GDM-CART", "cartData", "cart data beside gbraid or wbraid is ignored");
    }
}

struct Judge<'a> {
    event: &'a Value,
    item: &'a Item,
    first: usize,
    at: String,
}

impl Judge<'_> {
    fn refuse(
        &self,
        found: &mut Findings,
        rule: &'static str,
        field: &str,
        message: impl Into<String>,
    ) {
        found.refuse(rule, Some(self.first), self.place(field), message);
    }

    fn report(
        &self,
        found: &mut Findings,
        rule: &'static str,
        field: &str,
        message: impl Into<String>,
    ) {
        found.report(rule, Some(self.first), self.place(field), message);
    }

    fn place(&self, field: &str) -> String {
        if field.is_empty() { self.at.clone() } else { format!("{}/{field}", self.at) }
    }

    fn times(&self, body: &Body, now: OffsetDateTime, found: &mut Findings) {
        match self.item.time {
            // A time that could not be read is among the front end's faults already.
            None if body.faults.iter().any(|f| f.kind == FaultKind::Timestamp) => {}
            None => self.refuse(
                found,
                "GDM-TIME-RFC3339",
                "eventTimestamp",
                "eventTimestamp is missing",
            ),
            Some(time) if now - time > Duration::days(90) => {
                self.report(
                    found,
                    "GDM-LIMIT-AGE",
                    "eventTimestamp",
                    format!("{} days old", (now - time).whole_days()),
                );
            }
            Some(_) => {}
        }
    }

    fn key(&self, found: &mut Findings) {
        match &self.item.key {
            None => self.refuse(found, "GDM-TXN", "transactionId", "transactionId is missing"),
            Some(key) if key.bytes().all(|b| b.is_ascii_digit()) => {
                self.report(
                    found,
                    "GDM-TXN-NUMERIC",
                    "transactionId",
                    "transactionId is digits alone",
                );
            }
            Some(_) => {}
        }
    }

    fn identifiers_there(&self, found: &mut Findings) {
        let ads = self.event.get("adIdentifiers").unwrap_or(&Value::Null);
        let there = ["gclid", "gbraid", "wbraid"].iter().any(|id| self.item.ids.contains_key(*id))
            || text(ads, "sessionAttributes").is_some()
            || self.item.ip.is_some()
            || !wire::user_identifiers(self.event).is_empty();
        if !there {
            self.refuse(
                found,
                "GDM-ID-NEEDED",
                "",
                "neither click id, user data, session attributes nor address",
            );
        }
    }

    fn click_ids(&self, found: &mut Findings) {
        for (name, id) in &self.item.ids {
            if let Some(why) = damaged(id) {
                self.report(
                    found,
                    "GDM-ADIDS",
                    &format!("adIdentifiers/{name}"),
                    format!("{name} {why}"),
                );
            }
        }
        for holder in ["adIdentifiers/landingPageDeviceInfo", "eventDeviceInfo"] {
            let at = format!("/{holder}/ipAddress");
            if self.event.pointer(&at).and_then(Value::as_str).is_some_and(is_sha256_hex) {
                self.report(
                    found,
                    "GDM-NOHASH",
                    at.trim_start_matches('/'),
                    "the address is hashed",
                );
            }
        }
    }

    fn money(&self, found: &mut Findings) {
        match &self.item.currency {
            Some(code) if !is_currency(code) => {
                self.refuse(
                    found,
                    "GDM-CURRENCY",
                    "currency",
                    format!("`{}` is no currency code", short(code)),
                );
            }
            None if self.item.value.is_some() => {
                self.report(found, "GDM-CURRENCY", "currency", "a value without a currency");
            }
            _ => {}
        }
    }

    fn user_data(&self, encoding: Option<Encoding>, found: &mut Findings) {
        let list = wire::user_identifiers(self.event);
        if list.len() > 10 {
            self.refuse(
                found,
                "GDM-UID-MAX",
                "userData/userIdentifiers",
                format!("{} user identifiers", list.len()),
            );
        }
        for (n, identifier) in list.iter().enumerate() {
            let at = format!("userData/userIdentifiers/{n}");
            for (name, _) in wire::HASHED {
                self.hash(identifier, name, &at, encoding, found);
            }
            let Some(address) = identifier.get("address") else { continue };
            let at = format!("{at}/address");
            for (name, _) in wire::HASHED_ADDRESS {
                self.hash(address, name, &at, encoding, found);
            }
            self.address(address, &at, found);
        }
    }

    fn address(&self, address: &Value, at: &str, found: &mut Findings) {
        for name in ["givenName", "familyName", "regionCode", "postalCode"] {
            if text(address, name).is_none() {
                self.refuse(
                    found,
                    "GDM-ADDRESS-ALL",
                    &format!("{at}/{name}"),
                    format!("an address without {name}"),
                );
            }
        }
        if let Some(code) = text(address, "regionCode")
            && !(code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()))
        {
            self.refuse(
                found,
                "GDM-REGION",
                &format!("{at}/regionCode"),
                "regionCode is not two capitals",
            );
        }
        if let Some(code) = text(address, "postalCode") {
            if is_sha256_hex(code) {
                self.refuse(
                    found,
                    "GDM-NOHASH",
                    &format!("{at}/postalCode"),
                    "postalCode is hashed",
                );
            } else if code.trim() != code {
                self.report(
                    found,
                    "GDM-POSTAL",
                    &format!("{at}/postalCode"),
                    "postalCode has blanks around it",
                );
            }
        }
    }

    fn hash(
        &self,
        holder: &Value,
        name: &str,
        at: &str,
        encoding: Option<Encoding>,
        found: &mut Findings,
    ) {
        let (Some(sent), Some(encoding)) = (holder.get(name).and_then(Value::as_str), encoding)
        else {
            return;
        };
        let at = format!("{at}/{name}");
        match wire::digest(sent, encoding) {
            Ok(bytes) => {
                if let Some(literal) = banned(&hex::encode(bytes)) {
                    self.report(
                        found,
                        "GDM-HASH",
                        &at,
                        format!("{name} is the hash of `{literal}`"),
                    );
                }
            }
            Err(_) if wire::digest(sent, other(encoding)).is_ok() => {
                self.refuse(
                    found,
                    "GDM-HASH-MIX",
                    &at,
                    format!("{name} is not in the request's encoding"),
                );
            }
            Err(_) => self.refuse(
                found,
                "GDM-HASH",
                &at,
                format!("{name} is no SHA-256 in the request's encoding"),
            ),
        }
    }
}

fn other(encoding: Encoding) -> Encoding {
    match encoding {
        Encoding::Hex => Encoding::Base64,
        Encoding::Base64 => Encoding::Hex,
    }
}
