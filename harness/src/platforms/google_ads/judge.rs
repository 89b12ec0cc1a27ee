//! Judges one upload request against [`super::rules`].
//!
//! Not simulated, because every honest relay would fail a test that lasts seconds: the six hours before a click or a
//! new action is known (`TOO_RECENT_EVENT`), and Google's knowledge of real clicks (`EVENT_NOT_FOUND`).

use std::collections::HashMap;

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::{
    findings::Findings,
    proto::{Body, Fault, FaultKind, list, text},
    wire::{self, Action, Method, Route, When},
};
use crate::{
    exchange::Request,
    platforms::{
        Account, Accounts, Item, ItemKind,
        normalise::{BANNED_DIGESTS, is_sha256_hex},
    },
};

/// Versions that answer in November 2026.
pub(super) const LIVE: std::ops::RangeInclusive<u32> = 23..=26;

/// Judges what is not about a single row.
pub(super) fn call(
    request: &Request,
    route: &Route,
    body: &Body,
    accounts: &dyn Accounts,
    found: &mut Findings,
) {
    if route.version < *LIVE.start() {
        found.refuse("GADS-VERSION-DEAD", None, "", format!("v{} has stopped", route.version));
    } else if !LIVE.contains(&route.version) {
        found.refuse("GADS-VERSION-LIVE", None, "", format!("there is no v{}", route.version));
    }
    let json = request.header("content-type").is_some_and(|t| {
        t.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case("application/json"))
    });
    if !json {
        found.report(
            "GADS-HDR-CT",
            None,
            "header:content-type",
            "the body is not announced as application/json",
        );
    }
    let account = accounts.find(&route.customer);
    if !ten_digits(&route.customer) {
        found.refuse(
            "GADS-CID-FORMAT",
            None,
            "",
            format!("`{}` is not ten digits", super::proto::short(&route.customer)),
        );
    } else if account.is_none() {
        found.refuse(
            "GADS-CID-FORMAT",
            None,
            "",
            format!("no access to customer {}", route.customer),
        );
    }
    access(request, account, accounts, found);
    for fault in &body.faults {
        let item = row_of(&fault.at);
        found.refuse(fault_rule(fault), item, fault.at.clone(), fault.message.clone());
    }
    if body.faults.iter().any(|f| f.kind == FaultKind::Syntax) {
        return;
    }
    if body.canonical.get("partialFailure") != Some(&Value::Bool(true)) {
        found.refuse("GADS-PARTIAL-TRUE", None, "/partialFailure", "partialFailure is not true");
    }
    if wire::validate_only(body) {
        found.report(
            "GADS-VALIDATE-ONLY",
            None,
            "/validateOnly",
            "the call only asks for a check: nothing is stored",
        );
    }
    let count = list(&body.canonical, route.method.rows()).len();
    if count == 0 || count > wire::ROW_LIMIT {
        found.refuse(
            "GADS-BATCH-2000",
            None,
            format!("/{}", route.method.rows()),
            format!("{count} rows"),
        );
    }
}

fn access(
    request: &Request,
    account: Option<&Account>,
    accounts: &dyn Accounts,
    found: &mut Findings,
) {
    match (wire::bearer(request), account) {
        (None, _) => found.refuse("GADS-HDR-AUTH", None, "header:authorization", "no bearer token"),
        (Some(token), Some(account)) if !accounts.is_valid_token(account, token) => {
            found.refuse(
                "GADS-HDR-AUTH",
                None,
                "header:authorization",
                "the token is not valid for this account",
            );
        }
        _ => {}
    }
    let (Some(login), Some(account)) = (request.header("login-customer-id"), account) else {
        return;
    };
    if !ten_digits(login) {
        found.refuse(
            "GADS-HDR-LOGIN",
            None,
            "header:login-customer-id",
            "login-customer-id is not ten digits",
        );
    } else if login != account.field("login_customer_id") && login != account.key {
        found.refuse(
            "GADS-HDR-LOGIN",
            None,
            "header:login-customer-id",
            "this manager has no access to the account",
        );
    }
}

pub(crate) fn ten_digits(id: &str) -> bool {
    id.len() == 10 && id.bytes().all(|b| b.is_ascii_digit())
}

fn fault_rule(fault: &Fault) -> &'static str {
    match fault.kind {
        FaultKind::OneofTwice => "GADS-JSON-ONEOF",
        FaultKind::Enum if fault.field.contains("consent") => "GADS-CONSENT-ENUM",
        FaultKind::Enum if fault.field.ends_with("adjustment_type") => "GADS-ADJ-TYPE",
        _ => "GADS-JSON-NAMES",
    }
}

/// `/conversions/3/orderId` → 3.
pub(super) fn row_of(pointer: &str) -> Option<usize> {
    pointer.split('/').nth(2)?.parse().ok().filter(|row| *row < wire::ROW_LIMIT)
}

/// Judges the rows. Places are pointers into the canonical body.
pub(super) fn rows(
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
                format!(
                    "`{}` is no resource name of a conversion action",
                    super::proto::short(name)
                )
            }
            (Action::Id(id), Some(account)) if id != account.field("conversion_action") => {
                format!("the account has no conversion action {}", super::proto::short(id))
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
                format!("`{}` is no currency code", super::proto::short(code)),
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
                format!("`{}` is no currency code", super::proto::short(code)),
            );
        }
    }
}

/// Copies within one request: all of them are refused.
fn copies(items: &[Item], method: Method, found: &mut Findings) {
    let mut groups: HashMap<(&'static str, String), Vec<usize>> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let name = super::ledger::conversion(item);
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

/// Why a click id cannot be what the landing carried; `None` if it can.
pub(crate) fn damaged(id: &str) -> Option<&'static str> {
    let escaped = id
        .as_bytes()
        .windows(3)
        .any(|w| matches!(w, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()));
    if id.chars().any(|c| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        Some("has blanks or other characters that no click id has")
    } else if escaped {
        Some("is percent-encoded")
    } else if is_sha256_hex(id) {
        Some("is hashed")
    } else {
        None
    }
}

/// The text whose hash this is, if it is one that is never right.
pub(crate) fn banned(digest: &str) -> Option<&'static str> {
    BANNED_DIGESTS.iter().find(|(_, d)| d.eq_ignore_ascii_case(digest)).map(|(literal, _)| *literal)
}

/// Whether this is an active ISO 4217 code (<https://www.six-group.com/en/products-services/financial-information/data-standards.html>).
pub(crate) fn is_currency(code: &str) -> bool {
    code.len() == 3
        && code.bytes().all(|b| b.is_ascii_uppercase())
        && CURRENCIES.split(' ').any(|c| c == code)
}

const CURRENCIES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP \
BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ \
GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL \
LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG \
QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS \
UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";
