//! The body of `events:ingest`
//! (<https://developers.google.com/data-manager/api/reference/rest/v1/events/ingest>).
//!
//! No IP address is ever sent to Google: it must not be for shoppers in the EEA, Britain and Switzerland
//! (GDM-CONSENT-IP), and where a shopper lives is not known for certain.

use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;

use super::super::{contact, google, money};
use crate::model::conversion::{Contact, Conversion};
use crate::model::identity;

/// Where the events belong.
#[derive(Debug, Clone)]
pub(super) struct Account {
    /// Owner of the conversion action.
    pub(super) operating: String,
    /// Manager that gives access, if any.
    pub(super) login: Option<String>,
    /// Number of the conversion action.
    pub(super) conversion_action: String,
}

/// The whole body.
pub(super) fn body(conversions: &[Conversion], account: &Account) -> Value {
    let events: Vec<Value> = conversions.iter().map(event).collect();
    json!({ "destinations": [destination(account)], "encoding": "HEX", "events": events })
}

/// Hashed e-mail, phone and address, as far as they are known; each in an entry of its own (GDM-UID-MAX).
pub(super) fn user_identifiers(conversion: &Conversion) -> Vec<Value> {
    let Some(contact) = contact(conversion) else { return Vec::new() };
    let country = contact.country.as_deref();
    let email = contact.email.as_deref().and_then(identity::google::email);
    let phone = contact.phone.as_deref().and_then(|p| identity::google::phone(p, country));
    let entries = [
        email.map(|hash| json!({ "emailAddress": hash })),
        phone.map(|hash| json!({ "phoneNumber": hash })),
        address(contact).map(|address| json!({ "address": address })),
    ];
    entries.into_iter().flatten().collect()
}

/// An address needs all four parts (GDM-ADDRESS-ALL); region and postal code are not hashed.
fn address(contact: &Contact) -> Option<Value> {
    Some(json!({
        "givenName": identity::google::name(contact.first_name.as_deref()?)?,
        "familyName": identity::google::name(contact.last_name.as_deref()?)?,
        "regionCode": identity::google::region_code(contact.country.as_deref()?)?,
        "postalCode": identity::google::postal_code(contact.postcode.as_deref()?)?,
    }))
}

fn destination(account: &Account) -> Value {
    let ads = |id: &str| json!({ "accountType": "GOOGLE_ADS", "accountId": id });
    let mut destination = Map::new();
    destination.insert("operatingAccount".to_owned(), ads(&account.operating));
    if let Some(login) = &account.login {
        destination.insert("loginAccount".to_owned(), ads(login));
    }
    destination.insert("productDestinationId".to_owned(), json!(account.conversion_action));
    Value::Object(destination)
}

fn event(conversion: &Conversion) -> Value {
    let mut event = Map::new();
    // The browser tag sends the same text as transaction_id (GDM-MULTI-MATCH).
    event.insert("transactionId".to_owned(), json!(conversion.event_id));
    // Fails only for years before 0, which the age limit has turned away.
    let timestamp =
        google::with_whole_offset(conversion.occurred_at).format(&Rfc3339).unwrap_or_default();
    event.insert("eventTimestamp".to_owned(), json!(timestamp));
    event.insert("eventSource".to_owned(), json!("WEB"));
    let value = money::number(conversion.value, &conversion.currency);
    event.insert("conversionValue".to_owned(), json!(value));
    event.insert("currency".to_owned(), json!(conversion.currency));
    if let Some((name, id)) = google::click_id(&conversion.click) {
        event.insert("adIdentifiers".to_owned(), json!({ name: id }));
    }
    let identifiers = user_identifiers(conversion);
    if !identifiers.is_empty() {
        event.insert("userData".to_owned(), json!({ "userIdentifiers": identifiers }));
    }
    let consent = consent(conversion);
    if !consent.is_empty() {
        event.insert("consent".to_owned(), Value::Object(consent));
    }
    Value::Object(event)
}

/// Per event, never for the whole batch (GDM-CONSENT-BLANKET).
fn consent(conversion: &Conversion) -> Map<String, Value> {
    let signals = [
        ("adUserData", conversion.consent.ads_user_data),
        ("adPersonalization", conversion.consent.ads_personalise),
    ];
    signals
        .into_iter()
        .filter_map(|(name, decision)| {
            let value = google::consent_value(decision, "CONSENT_GRANTED", "CONSENT_DENIED")?;
            Some((name.to_owned(), json!(value)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;

    fn account() -> Account {
        Account {
            operating: "1234567890".to_owned(),
            login: Some("9998887777".to_owned()),
            conversion_action: "987654322".to_owned(),
        }
    }

    #[test]
    fn a_full_order_sends_click_identifiers_and_consent() {
        let expected = json!({
            "destinations": [{
                "operatingAccount": { "accountType": "GOOGLE_ADS", "accountId": "1234567890" },
                "loginAccount": { "accountType": "GOOGLE_ADS", "accountId": "9998887777" },
                "productDestinationId": "987654322"
            }],
            "encoding": "HEX",
            "events": [{
                "transactionId": "order_1001",
                "eventTimestamp": "2026-11-20T10:15:30+01:00",
                "eventSource": "WEB",
                "conversionValue": 129.9,
                "currency": "EUR",
                "adIdentifiers": { "gclid": "Cj0KCQiA-CaseSensitive_01" },
                "userData": { "userIdentifiers": [
                    { "emailAddress": "ff8d9819fc0e12bf0d24892e45987e249a28dce836a85cad60e28eaaa8c6d976" },
                    { "phoneNumber": "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd" },
                    { "address": {
                        "givenName": "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec",
                        "familyName": identity::google::name("o'neil"),
                        "regionCode": "US",
                        "postalCode": "94035-1234"
                    } }
                ] },
                "consent": { "adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED" }
            }]
        });
        assert_eq!(body(&[testing::full()], &account()), expected);
    }

    #[test]
    fn denied_user_data_leaves_the_click_and_says_so() {
        let body = body(&[testing::user_data_denied()], &account());
        let expected = json!({
            "transactionId": "order_1001",
            "eventTimestamp": "2026-11-20T10:15:30+01:00",
            "eventSource": "WEB",
            "conversionValue": 129.9,
            "currency": "EUR",
            "adIdentifiers": { "gclid": "Cj0KCQiA-CaseSensitive_01" },
            "consent": { "adUserData": "CONSENT_DENIED", "adPersonalization": "CONSENT_DENIED" }
        });
        assert_eq!(body["events"][0], expected);
    }

    #[test]
    fn unknown_consent_is_left_out() {
        let event = event(&testing::only_click());
        assert!(event.get("consent").is_none() && event.get("userData").is_none());
        assert_eq!(event["adIdentifiers"]["gclid"], "Cj0KCQiA-CaseSensitive_01");
    }

    #[test]
    fn no_body_holds_the_shoppers_address() {
        assert!(!body(&[testing::full()], &account()).to_string().contains("203.0.113.7"));
    }

    #[test]
    fn an_incomplete_address_is_left_out() {
        let mut order = testing::full();
        order.contact.postcode = None;
        let identifiers = user_identifiers(&order);
        assert_eq!(identifiers.len(), 2);
        assert!(identifiers.iter().all(|entry| entry.get("address").is_none()));
    }
}
