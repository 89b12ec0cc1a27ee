//! Judges the rows of an upload request.

use std::collections::HashMap;

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::damaged;
use crate::platforms::{
    Account, Item, ItemKind,
    google_ads::{
        findings::Findings,
        ledger,
        proto::{Body, list, short, text},
        wire::{self, Action, Method, When},
    },
    normalise::{banned, is_currency, is_sha256_hex},
};

/// Judges the rows. Places are pointers into the canonical body.
pub(in crate::platforms::google_ads) fn rows(
    body: &Body,
    method: Method,
    items: &[Item],
    account: Option<&Account>,
    now: OffsetDateTime,
    found: &mut Findings,
) {
    for (index, (row, item)) in wire::rows(body, method).iter().zip(items).enumerate() {
        let judge = Judge { row, item, index, at: format!("/{}/{index}", method.rows()), now };
        judge.action(account, found);
        match method {
            Method::Clicks => judge.click(found),
            Method::Adjustments => judge.adjustment(found),
            Method::Calls => {}
        }
    }
    copies(items, method, found);
}

struct Judge<'a> {
    row: &'a Value,
    item: &'a Item,
    index: usize,
    at: String,
    now: OffsetDateTime,
}

impl Judge<'_> {
    fn refuse(
        &self,
        found: &mut Findings,
        rule: &'static str,
        field: &str,
        message: impl Into<String>,
    ) {
        found.refuse(rule, Some(self.index), self.place(field), message);
    }

    fn report(
        &self,
        found: &mut Findings,
        rule: &'static str,
        field: &str,
        message: impl Into<String>,
    ) {
        found.report(rule, Some(self.index), self.place(field), message);
    }

    fn place(&self, field: &str) -> String {
        if field.is_empty() { self.at.clone() } else { format!("{}/{field}", self.at) }
    }

    fn action(&self, account: Option<&Account>, found: &mut Findings) {
        let message = match (wire::action(self.row), account) {
            (Action::Missing, _) => "conversionAction is missing".to_owned(),
            (Action::Malformed(name), _) => {
                format!("`{}` is no resource name of a conversion action", short(name))
            }
            (Action::Id(id), Some(account)) if id != action_id(account) => {
                format!("the account has no conversion action {}", short(id))
            }
            _ => return,
        };
        self.refuse(found, "GADS-ACTION-NAME", "conversionAction", message);
    }

    fn time(&self, name: &str, needed_by: &'static str, found: &mut Findings) {
        match wire::when(self.row, name) {
            When::At(_) => {}
            When::Missing => self.refuse(found, needed_by, name, format!("{name} is missing")),
            When::Form(_) => self.refuse(
                found,
                "GADS-DATETIME-FORMAT",
                name,
                format!("{name} is not written yyyy-mm-dd hh:mm:ss+hh:mm"),
            ),
            When::Impossible => self.refuse(
                found,
                "GADS-DATETIME-FORMAT",
                name,
                format!("{name} is no moment of the calendar"),
            ),
        }
    }

    fn click(&self, found: &mut Findings) {
        self.time("conversionDateTime", "GADS-DATETIME-FORMAT", found);
        self.age(found);
        self.click_ids(found);
        self.identifiers(found);
        if let Some(code) = &self.item.currency
            && !is_currency(code)
        {
            self.refuse(
                found,
                "GADS-CURRENCY",
                "currencyCode",
                format!("`{}` is no currency code", short(code)),
            );
        }
        if self.item.key.as_deref().is_some_and(|key| key.contains('@')) {
            self.refuse(found, "GADS-ORDERID", "orderId", "orderId holds an e-mail address");
        }
        for name in ["userIpAddress", "sessionAttributesEncoded", "sessionAttributesKeyValuePairs"]
        {
            if self.row.get(name).is_some_and(|v| v.as_str() != Some("")) {
                self.refuse(
                    found,
                    "GADS-POLICY-IPSESSION",
                    name,
                    format!("{name} is for allow-listed accounts"),
                );
            }
        }
        if self.row.get("externalAttributionData").is_some() {
            self.refuse(
                found,
                "GADS-EXTATTR",
                "externalAttributionData",
                "the action is not externally attributed",
            );
        }
        for (n, variable) in list(self.row, "customVariables").iter().enumerate() {
            if text(variable, "value").is_some_and(|v| v.contains('@')) {
                self.refuse(
                    found,
                    "GADS-CUSTVAR",
                    &format!("customVariables/{n}/value"),
                    "a custom variable holds an e-mail address",
                );
            }
        }
        for name in ["adUserData", "adPersonalization"] {
            let sent = self.row.get("consent").and_then(|c| text(c, name));
            if matches!(sent, Some("UNKNOWN" | "UNSPECIFIED")) {
                self.report(
                    found,
                    "GADS-CONSENT-ENUM",
                    &format!("consent/{name}"),
                    format!("{name} is neither GRANTED nor DENIED"),
                );
            }
        }
        if self.item.consent_user_data == Some(false) && !self.item.identifiers.is_empty() {
            self.report(
                found,
                "GADS-CONSENT-DENIED",
                "userIdentifiers",
                "contact data although adUserData is DENIED",
            );
        }
    }

    fn age(&self, found: &mut Findings) {
        let Some(time) = self.item.time else { return };
        let age = self.now - time;
        if age < Duration::seconds(-1) {
            self.report(
                found,
                "GADS-DATETIME-FUTURE",
                "conversionDateTime",
                format!("{} s in the future", -age.whole_seconds()),
            );
        }
        if age > Duration::days(90) {
            self.refuse(
                found,
                "GADS-AGE-GCLID",
                "conversionDateTime",
                format!("{} days old", age.whole_days()),
            );
        } else if age > Duration::days(63) && self.item.ids.is_empty() {
            self.refuse(
                found,
                "GADS-AGE-PII",
                "conversionDateTime",
                format!("{} days old, and there is no click id", age.whole_days()),
            );
        }
    }

    fn click_ids(&self, found: &mut Findings) {
        let ids = &self.item.ids;
        if ids.is_empty() && list(self.row, "userIdentifiers").is_empty() {
            self.refuse(found, "GADS-ID-NEEDED", "", "neither a click id nor user identifiers");
        }
        for (name, id) in ids {
            if let Some(why) = damaged(id) {
                self.refuse(found, "GADS-CLICKID-VERBATIM", name, format!("{name} {why}"));
            }
        }
        let has = |name: &str| ids.contains_key(name);
        if has("gbraid") && has("wbraid") {
            self.refuse(found, "GADS-CLICKID-BRAIDS", "gbraid", "gbraid and wbraid in one row");
        }
        let braid = if has("wbraid") { "wbraid" } else { "gbraid" };
        if !has(braid) {
            return;
        }
        if has("gclid") && has("wbraid") {
            self.refuse(found, "GADS-CLICKID-MIX", "wbraid", "wbraid beside gclid");
        } else if has("gclid") {
            self.report(found, "GADS-CLICKID-GCLID-GBRAID", "gbraid", "gbraid beside gclid");
        }
        for name in ["userIdentifiers", "customVariables"] {
            if !list(self.row, name).is_empty() {
                self.refuse(found, "GADS-CLICKID-MIX", name, format!("{name} beside {braid}"));
            }
        }
    }

    fn identifiers(&self, found: &mut Findings) {
        let list = list(self.row, "userIdentifiers");
        if list.len() > 5 {
            self.refuse(
                found,
                "GADS-UID-MAX",
                "userIdentifiers",
                format!("{} user identifiers", list.len()),
            );
        }
        let click = self.item.kind == ItemKind::Purchase;
        for (n, identifier) in list.iter().enumerate() {
            let at = |name: &str| format!("userIdentifiers/{n}/{name}");
            for name in ["mobileId", "thirdPartyUserId"] {
                if click && identifier.get(name).is_some() {
                    self.refuse(
                        found,
                        "GADS-UID-KINDS-CLICK",
                        &at(name),
                        format!("click uploads take no {name}"),
                    );
                }
            }
            for name in ["hashedEmail", "hashedPhoneNumber"] {
                self.hash(identifier, name, &at(name), found);
            }
            let Some(address) = identifier.get("addressInfo") else { continue };
            if click {
                self.report(
                    found,
                    "GADS-UID-ADDRESS",
                    &at("addressInfo"),
                    "click uploads make no use of addresses",
                );
            }
            let parts = ["hashedFirstName", "hashedLastName", "postalCode", "countryCode"];
            if !click && parts.iter().any(|name| text(address, name).is_none()) {
                self.refuse(
                    found,
                    "GADS-UID-KINDS-ENH",
                    &at("addressInfo"),
                    "the address is not complete",
                );
            }
            for name in ["hashedFirstName", "hashedLastName", "hashedStreetAddress"] {
                self.hash(address, name, &at(&format!("addressInfo/{name}")), found);
            }
        }
    }

    fn hash(&self, holder: &Value, name: &str, at: &str, found: &mut Findings) {
        let Some(value) = holder.get(name).and_then(Value::as_str) else { return };
        if !is_sha256_hex(value) {
            self.refuse(found, "GADS-UID-HASH", at, format!("{name} is not 64 hex digits"));
        } else if let Some(literal) = banned(value) {
            self.report(found, "GADS-UID-EMPTY", at, format!("{name} is the hash of `{literal}`"));
        } else if value.bytes().any(|b| b.is_ascii_uppercase()) {
            self.report(found, "GADS-UID-HASH", at, format!("{name} is written in capitals"));
        }
    }

    fn adjustment(&self, found: &mut Findings) {
        let kind = text(self.row, "adjustmentType").unwrap_or("UNSPECIFIED");
        let restated = self.row.get("restatementValue");
        let pair = self.row.get("gclidDateTimePair");
        match kind {
            "RETRACTION" | "RESTATEMENT" => {
                self.time("adjustmentDateTime", "GADS-ADJ-TIME", found);
                match (&self.item.key, pair) {
                    (Some(_), Some(_)) => self.refuse(
                        found,
                        "GADS-ADJ-ID",
                        "gclidDateTimePair",
                        "orderId and gclidDateTimePair together",
                    ),
                    (None, None) => self.refuse(
                        found,
                        "GADS-ADJ-ID",
                        "orderId",
                        "no orderId, and no gclid with its time",
                    ),
                    _ => {}
                }
            }
            "ENHANCEMENT" => {
                if self.item.key.is_none() {
                    self.refuse(found, "GADS-ADJ-ENH", "orderId", "an enhancement without orderId");
                }
                if self.item.identifiers.is_empty() {
                    self.refuse(
                        found,
                        "GADS-ADJ-ENH",
                        "userIdentifiers",
                        "an enhancement without user identifiers",
                    );
                }
                self.identifiers(found);
            }
            _ => self.refuse(found, "GADS-ADJ-TYPE", "adjustmentType", "adjustmentType is missing"),
        }
        if kind == "RESTATEMENT" && self.item.value.is_none() {
            self.refuse(
                found,
                "GADS-ADJ-RESTATE",
                "restatementValue",
                "a restatement without its new value",
            );
        }
        if kind == "RETRACTION" && restated.is_some() {
            self.refuse(found, "GADS-ADJ-RESTATE", "restatementValue", "a retraction with a value");
        }
        if let Some(code) = &self.item.currency
            && !is_currency(code)
        {
            self.refuse(
                found,
                "GADS-CURRENCY",
                "restatementValue/currencyCode",
                format!("`{}` is no currency code", short(code)),
            );
        }
    }
}

/// The numeric id of the account's conversion action; a relay's own settings may hold the whole resource name.
pub(in crate::platforms) fn action_id(account: &Account) -> &str {
    account.field("conversion_action").rsplit('/').next().unwrap_or_default()
}

/// Copies within one request: all of them are refused.
fn copies(items: &[Item], method: Method, found: &mut Findings) {
    let mut groups: HashMap<(&'static str, String), Vec<usize>> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let name = ledger::conversion(item);
        let group = match (&item.kind, name) {
            (ItemKind::Purchase, Some(name)) if method == Method::Clicks => {
                let rule =
                    if item.key.is_some() { "GADS-DEDUP-BATCH" } else { "GADS-DEDUP-CLICKTIME" };
                (rule, format!("{name:?}"))
            }
            (ItemKind::Retraction { at } | ItemKind::Restatement { at }, Some(name)) => {
                ("GADS-ADJ-ORDERING", format!("{name:?} {at:?}"))
            }
            _ => continue,
        };
        groups.entry(group).or_default().push(index);
    }
    let mut copies: Vec<_> = groups.into_iter().filter(|(_, rows)| rows.len() > 1).collect();
    copies.sort_by(|a, b| a.1.cmp(&b.1));
    for ((rule, _), rows) in copies {
        let field = match rule {
            "GADS-DEDUP-BATCH" => "orderId",
            "GADS-DEDUP-CLICKTIME" => "conversionDateTime",
            _ => "adjustmentDateTime",
        };
        for row in &rows {
            found.refuse(
                rule,
                Some(*row),
                format!("/{}/{row}/{field}", method.rows()),
                format!("rows {rows:?} are copies of one another"),
            );
        }
    }
}
