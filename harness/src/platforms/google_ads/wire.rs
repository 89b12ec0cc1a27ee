//! Reads upload requests: the route, the rows, and each row as an [`Item`].

use serde_json::Value;
use time::{
    OffsetDateTime,
    format_description::{StaticFormatDescription, well_known::Rfc3339},
    macros::format_description,
};

use super::{
    proto::{self, Body, decimal, list, text},
    schema,
};
use crate::{
    exchange::Request,
    platforms::{IdentifierKind, Item, ItemKind},
};

/// Rows that one request may have; more are refused as a whole and not read.
pub(super) const ROW_LIMIT: usize = 2000;

/// Which service is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Clicks,
    Adjustments,
    Calls,
}

impl Method {
    /// Name of the list of rows.
    pub(super) const fn rows(self) -> &'static str {
        match self {
            Self::Clicks | Self::Calls => "conversions",
            Self::Adjustments => "conversionAdjustments",
        }
    }
}

/// `/v26/customers/1234567890:uploadClickConversions`.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) version: u32,
    pub(super) customer: String,
    pub(super) method: Method,
}

/// Where the request goes; `None`: no path of this API that we know.
pub(super) fn route(request: &Request) -> Option<Route> {
    if request.method != "POST" {
        return None;
    }
    // Some clients escape the colon before the method.
    let path = request.path.replace("%3A", ":").replace("%3a", ":");
    let (version, rest) = path.strip_prefix("/v")?.split_once('/')?;
    let (customer, method) = rest.strip_prefix("customers/")?.split_once(':')?;
    let method = match method {
        "uploadClickConversions" => Method::Clicks,
        "uploadConversionAdjustments" => Method::Adjustments,
        "uploadCallConversions" => Method::Calls,
        _ => return None,
    };
    Some(Route { version: version.parse().ok()?, customer: customer.to_owned(), method })
}

/// Reads the body of a call.
pub(super) fn body(request: &Request, method: Method) -> Body {
    proto::read(
        &request.body,
        match method {
            Method::Clicks => &schema::CLICKS,
            Method::Adjustments => &schema::ADJUSTMENTS,
            Method::Calls => &schema::CALLS,
        },
    )
}

/// The rows of a body, at most [`ROW_LIMIT`].
pub(super) fn rows(body: &Body, method: Method) -> &[Value] {
    let rows = list(&body.canonical, method.rows());
    rows.get(..ROW_LIMIT).unwrap_or(rows)
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// What a row says about its conversion action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action<'a> {
    Missing,
    /// No resource name of a conversion action.
    Malformed(&'a str),
    /// The numeric id; the customer id in the name is not looked at.
    Id(&'a str),
}

/// The row's conversion action.
pub(super) fn action(row: &Value) -> Action<'_> {
    let Some(name) = text(row, "conversionAction") else { return Action::Missing };
    let mut parts = name.split('/');
    let digits = |part: Option<&'_ str>| {
        part.is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
    };
    let named = parts.next() == Some("customers")
        && digits(parts.next())
        && parts.next() == Some("conversionActions");
    match (named, parts.next(), parts.next()) {
        (true, Some(id), None) if digits(Some(id)) => Action::Id(id),
        _ => Action::Malformed(name),
    }
}

/// A date and time as the Ads API wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Missing,
    /// Not `yyyy-mm-dd hh:mm:ss+hh:mm`. Holds what was probably meant, if that can be told.
    Form(Option<OffsetDateTime>),
    /// The right form, but no such moment.
    Impossible,
    At(OffsetDateTime),
}

impl When {
    /// The moment meant, whatever its form.
    pub(super) fn meant(self) -> Option<OffsetDateTime> {
        match self {
            Self::At(at) => Some(at),
            Self::Form(meant) => meant,
            Self::Missing | Self::Impossible => None,
        }
    }
}

const FORM: StaticFormatDescription = format_description!(
    "[year]-[month]-[day] [hour]:[minute]:[second][offset_hour sign:mandatory]:[offset_minute]"
);

/// Reads a date and time member.
pub(super) fn when(row: &Value, name: &str) -> When {
    let Some(written) = text(row, name) else { return When::Missing };
    let shape: String = written
        .chars()
        .map(|c| match c {
            '0'..='9' => '0',
            '+' | '-' => '-',
            other => other,
        })
        .collect();
    if shape == "0000-00-00 00:00:00-00:00" {
        return OffsetDateTime::parse(written, FORM).map_or(When::Impossible, When::At);
    }
    let meant = OffsetDateTime::parse(&written.replacen(' ', "T", 1), &Rfc3339).ok();
    When::Form(meant)
}

/// Every row as an item, in order.
pub(super) fn items(body: &Body, method: Method) -> Vec<Item> {
    rows(body, method)
        .iter()
        .enumerate()
        .map(|(index, row)| {
            let mut item = match method {
                Method::Clicks => click(row),
                Method::Adjustments => adjustment(row),
                Method::Calls => Item {
                    kind: ItemKind::Other,
                    time: when(row, "conversionDateTime").meant(),
                    value: decimal(row, "conversionValue"),
                    currency: text(row, "currencyCode").map(str::to_owned),
                    ..Item::default()
                },
            };
            item.pointer = body.pointer(&format!("/{}/{index}", method.rows()));
            item.target = match action(row) {
                Action::Id(id) => Some(id.to_owned()),
                Action::Malformed(name) => Some(proto::short(name)),
                Action::Missing => None,
            };
            item.test = validate_only(body);
            item
        })
        .collect()
}

/// Whether the request only asks for a check.
pub(super) fn validate_only(body: &Body) -> bool {
    body.canonical.get("validateOnly").and_then(Value::as_bool) == Some(true)
}

fn click(row: &Value) -> Item {
    let consent = |name: &str| match row.get("consent").and_then(|c| text(c, name)) {
        Some("GRANTED") => Some(true),
        Some("DENIED") => Some(false),
        _ => None,
    };
    Item {
        kind: ItemKind::Purchase,
        key: text(row, "orderId").map(str::to_owned),
        time: when(row, "conversionDateTime").meant(),
        value: decimal(row, "conversionValue"),
        currency: text(row, "currencyCode").map(str::to_owned),
        ids: ["gclid", "gbraid", "wbraid"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), text(row, name)?.to_owned())))
            .collect(),
        identifiers: identifiers(row),
        ip: text(row, "userIpAddress").map(str::to_owned),
        consent_user_data: consent("adUserData"),
        consent_personalise: consent("adPersonalization"),
        source: text(row, "conversionEnvironment").map(str::to_lowercase),
        ..Item::default()
    }
}

/// `time` is the time of the conversion that is meant, known only where it is named by click id and time.
fn adjustment(row: &Value) -> Item {
    let at = when(row, "adjustmentDateTime").meant();
    let restated = row.get("restatementValue").unwrap_or(&Value::Null);
    let pair = row.get("gclidDateTimePair").unwrap_or(&Value::Null);
    Item {
        kind: match text(row, "adjustmentType") {
            Some("RETRACTION") => ItemKind::Retraction { at },
            Some("RESTATEMENT") => ItemKind::Restatement { at },
            _ => ItemKind::Other,
        },
        event_name: text(row, "adjustmentType").map(str::to_owned),
        key: text(row, "orderId").map(str::to_owned),
        time: when(pair, "conversionDateTime").meant(),
        value: decimal(restated, "adjustedValue"),
        currency: text(restated, "currencyCode").map(str::to_owned),
        ids: text(pair, "gclid")
            .map(|id| ("gclid".to_owned(), id.to_owned()))
            .into_iter()
            .collect(),
        identifiers: identifiers(row),
        user_agent: text(row, "userAgent").map(str::to_owned),
        ..Item::default()
    }
}

fn identifiers(row: &Value) -> Vec<(IdentifierKind, String)> {
    use IdentifierKind as Id;
    const PLAIN: &[(&str, Id)] = &[
        ("hashedEmail", Id::Email),
        ("hashedPhoneNumber", Id::Phone),
        ("mobileId", Id::Other),
        ("thirdPartyUserId", Id::Other),
    ];
    const ADDRESS: &[(&str, Id)] = &[
        ("hashedFirstName", Id::FirstName),
        ("hashedLastName", Id::LastName),
        ("city", Id::City),
        ("state", Id::Region),
        ("countryCode", Id::Country),
        ("postalCode", Id::Postcode),
        ("hashedStreetAddress", Id::Other),
    ];
    let mut found = Vec::new();
    for identifier in list(row, "userIdentifiers") {
        let address = identifier.get("addressInfo").unwrap_or(&Value::Null);
        for (from, names) in [(identifier, PLAIN), (address, ADDRESS)] {
            for (name, kind) in names {
                if let Some(value) = text(from, name) {
                    found.push((*kind, value.to_owned()));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_ads_form_of_a_moment_is_told_from_all_others() {
        let read = |text: &str| when(&json!({ "t": text }), "t");
        let moment = datetime!(2026-11-20 10:15:30 +05:30);
        assert_eq!(read("2026-11-20 10:15:30+05:30"), When::At(moment));
        assert_eq!(read("2026-11-20T10:15:30+05:30"), When::Form(Some(moment)));
        assert_eq!(read("2026-11-20 10:15:30"), When::Form(None));
        assert_eq!(
            read("2026-11-20 10:15:30Z"),
            When::Form(Some(datetime!(2026-11-20 10:15:30 UTC)))
        );
        assert_eq!(read("2026-02-30 10:15:30+00:00"), When::Impossible);
        assert_eq!(when(&json!({}), "t"), When::Missing);
    }

    #[test]
    fn only_the_resource_name_of_an_action_is_one() {
        let read = |name: &'static str| json!({ "conversionAction": name });
        assert_eq!(action(&read("customers/1/conversionActions/22")), Action::Id("22"));
        for name in [
            "22",
            "customers/1/conversionActions/",
            "customers/x/conversionActions/1",
            "customers/1/conversionActions/1/2",
        ] {
            assert_eq!(action(&read(name)), Action::Malformed(name));
        }
        assert_eq!(action(&json!({})), Action::Missing);
    }
}
