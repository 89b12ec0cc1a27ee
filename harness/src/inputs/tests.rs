//! What holds for every format, whatever it looks like.
#![allow(clippy::unwrap_used)]

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rust_decimal::Decimal;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    samples::{Sample, header},
    *,
};
use crate::{
    plan::{Contact, all},
    scenario::{Decision, JoinKey, Layout, OrderKind, OrderState, Signature, Topic},
};

const TOPICS: [Topic; 6] =
    [Topic::Create, Topic::Paid, Topic::Updated, Topic::Cancelled, Topic::Refund, Topic::Unrelated];
const STATES: [OrderState; 8] = [
    OrderState::Pending,
    OrderState::Authorized,
    OrderState::PartiallyPaid,
    OrderState::Paid,
    OrderState::PartiallyRefunded,
    OrderState::Refunded,
    OrderState::Voided,
    OrderState::Cancelled,
];
const KINDS: [OrderKind; 5] =
    [OrderKind::Web, OrderKind::Pos, OrderKind::Draft, OrderKind::Api, OrderKind::Renewal];
const SIGNATURES: [Signature; 12] = [
    Signature::Right,
    Signature::Previous,
    Signature::Second,
    Signature::Missing,
    Signature::Empty,
    Signature::WrongEncoding,
    Signature::UrlSafe,
    Signature::Flipped,
    Signature::Foreign,
    Signature::OtherShop,
    Signature::OfOtherLayout,
    Signature::OfTrailingNewline,
];

/// A delivery about the sample's order in this state.
fn delivery(sample: &Sample, topic: Topic, state: OrderState) -> Delivery<'_> {
    let mut delivery = sample.delivery(topic);
    if topic == Topic::Refund {
        let part = sample.order.total / Decimal::TWO;
        let part = part.round_dp(money::digits(&sample.order.currency));
        let amount = if state == OrderState::Refunded { sample.order.total } else { part };
        delivery.subject = sample.refund(&amount.to_string());
    }
    if let Subject::Order(view) = &mut delivery.subject {
        view.state = state;
    }
    delivery
}

/// Orders at the edges of what stores know.
fn edges() -> Vec<(&'static str, Sample)> {
    let with = |change: fn(&mut Sample)| {
        let mut sample = Sample::new();
        change(&mut sample);
        sample
    };
    vec![
        ("ordinary", Sample::new()),
        ("no contact", with(|s| s.order.contact = Contact::default())),
        (
            "empty contact",
            with(|s| {
                let empty = || Some(String::new());
                let contact = &mut s.order.contact;
                (contact.email, contact.phone, contact.city) = (empty(), empty(), empty());
            }),
        ),
        ("no joins", with(|s| s.joins = vec![])),
        ("only a cart", with(|s| s.joins = vec![JoinKey::Cart])),
        ("nothing to pay", with(|s| (s.order.total, s.order.subtotal) = Default::default())),
        (
            "yen",
            with(|s| {
                s.order.currency = "JPY".into();
                (s.order.total, s.order.subtotal) = (Decimal::from(5_000), Decimal::from(5_000));
            }),
        ),
        (
            "odd landing",
            with(|s| s.landing = "https://x.example/?a=%26b=c+d&fbclid=A%2BB#f?g".into()),
        ),
        ("no landing query", with(|s| s.landing = "https://x.example/".into())),
        ("no tokens", with(|s| (s.order.cart_token, s.order.checkout_token) = (None, None))),
        (
            "names of all sorts",
            with(|s| s.order.contact.last_name = Some("O'Neill \"x\" \u{1F3EC}".into())),
        ),
        ("cancelled", with(|s| s.cancelled = true)),
    ]
}

#[test]
fn ids_are_unique_and_found() {
    for (i, format) in FORMATS.iter().enumerate() {
        assert!(FORMATS.iter().skip(i + 1).all(|other| other.id() != format.id()));
        assert_eq!(by_id(format.id()).map(Format::id), Some(format.id()));
    }
    assert!(by_id("carrier_pigeon").is_none());
}

#[test]
fn whatever_a_format_tells_keeps_its_own_rules() {
    let mut told = 0;
    for format in FORMATS {
        let mut topics = 0;
        for topic in TOPICS {
            let before = told;
            for (kind, state, test) in KINDS
                .iter()
                .flat_map(|kind| STATES.map(|state| (*kind, state)))
                .flat_map(|(kind, state)| [false, true].map(|test| (kind, state, test)))
                .filter(|(kind, state, test)| {
                    format.tells(topic, About { state: *state, kind: *kind, test: *test })
                })
            {
                // Who knows what of the shopper matters for ordinary orders; the sort matters for all.
                let edges = if kind == OrderKind::Web && !test {
                    edges()
                } else {
                    vec![("ordinary", Sample::new())]
                };
                for (name, mut sample) in edges {
                    if topic == Topic::Refund && sample.order.total.is_zero() {
                        continue;
                    }
                    (sample.order.kind, sample.order.test) = (kind, test);
                    let delivery = delivery(&sample, topic, state);
                    let body = format.body(&delivery).unwrap_or_else(|fault| {
                        panic!("{} {topic:?} {kind:?} {state:?} {name}: {fault}", format.id())
                    });
                    let wrong = format.inspect(topic, &body);
                    assert!(wrong.is_empty(), "{} {topic:?} {name}: {wrong:?}", format.id());
                    format.render(&delivery).unwrap();
                    told += 1;
                }
            }
            topics += usize::from(told > before);
        }
        let purchase = About::web(OrderState::Paid);
        assert!(format.tells(Topic::Paid, purchase) && format.reports_purchase(Topic::Paid));
        assert!(topics >= 3, "{} tells of {topics} topics", format.id());
    }
    assert!(told > 2_000, "{told}");
}

/// HMAC as RFC 2104 writes it: nothing is shared with what made the signature.
fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block.get_mut(..key.len()).unwrap().copy_from_slice(key);
    let padded = |byte: u8| block.map(|b| b ^ byte).to_vec();
    let inner = Sha256::digest([padded(0x36), message.to_vec()].concat());
    Sha256::digest([padded(0x5c), inner.to_vec()].concat()).to_vec()
}

/// What a receiver compares: what came and what it would have to be. `None`: the format has neither.
fn proof(format: &dyn Format, sample: &Sample, sent: &Prepared) -> Option<(String, String)> {
    let own = |name: &str| header(&sent.headers, name).unwrap_or_default().to_owned();
    let secret = sample.shop.secret.as_bytes();
    let json = || serde_json::from_slice::<Value>(&sent.body).unwrap();
    let basic = || format!("Basic {}", STANDARD.encode(format!("{}:", sample.shop.write_key)));
    Some(match format.id() {
        "shopify" => (own("X-Shopify-Hmac-Sha256"), STANDARD.encode(mac(secret, &sent.body))),
        "woocommerce" => (own("X-WC-Webhook-Signature"), STANDARD.encode(mac(secret, &sent.body))),
        "stripe" => {
            let came = own("Stripe-Signature");
            let time = came.split(',').next().unwrap().trim_start_matches("t=").to_owned();
            let signed = [time.as_bytes(), b".", sent.body.as_slice()].concat();
            let digest = hex::encode(mac(sample.shop.webhook_secret.as_bytes(), &signed));
            (came, format!("t={time},v1={digest}"))
        }
        "standard_webhooks" => {
            let signed = [
                own("webhook-id").as_bytes(),
                b".",
                own("webhook-timestamp").as_bytes(),
                b".",
                sent.body.as_slice(),
            ]
            .concat();
            let encoded = sample.shop.webhook_secret.strip_prefix("whsec_").unwrap();
            let key = STANDARD.decode(encoded).unwrap();
            (own("webhook-signature"), format!("v1,{}", STANDARD.encode(mac(&key, &signed))))
        }
        "segment" | "rudderstack" => (own("Authorization"), basic()),
        "jitsu" => (own("X-Write-Key"), sample.shop.write_key.clone()),
        "posthog" => {
            (json()["api_key"].as_str().unwrap().to_owned(), sample.shop.write_key.clone())
        }
        "ga4" | "data_tag" | "snowplow" => return None,
        other => panic!("say how {other} is signed"),
    })
}

#[test]
fn every_signature_is_right_over_the_bytes_sent_in_every_layout() {
    let sample = Sample::new();
    for format in FORMATS {
        for layout in [Layout::Minified, Layout::Pretty, Layout::Unusual] {
            let mut delivery = sample.delivery(Topic::Paid);
            delivery.layout = layout;
            let sent = format.render(&delivery).unwrap();
            match proof(*format, &sample, &sent) {
                Some((came, right)) => assert_eq!(came, right, "{} {layout:?}", format.id()),
                None => assert_eq!(format.secret_kind(), SecretKind::None),
            }
            delivery.lower_case_headers = true;
            for (name, _) in format.render(&delivery).unwrap().headers {
                assert_eq!(name, name.to_ascii_lowercase());
            }
        }
    }
}

#[test]
fn a_wrong_signature_is_wrong_and_one_that_cannot_be_is_refused() {
    let sample = Sample::new();
    for format in FORMATS {
        for signature in SIGNATURES {
            let mut delivery = sample.delivery(Topic::Paid);
            delivery.signature = signature;
            let sent = format.render(&delivery);
            assert_eq!(sent.is_ok(), format.can_sign(signature), "{} {signature:?}", format.id());
            let Ok(sent) = sent else { continue };
            if signature == Signature::Right || signature.is_good() {
                continue;
            }
            if format.id() == "posthog" && signature == Signature::Missing {
                assert!(!String::from_utf8(sent.body).unwrap().contains("api_key"));
                continue;
            }
            let (came, right) = proof(*format, &sample, &sent).unwrap();
            let digest = right.rsplit(['=', ',', ' ']).find(|part| !part.is_empty()).unwrap();
            assert!(!came.contains(digest), "{} {signature:?}: {came}", format.id());
        }
        assert!(format.can_sign(Signature::Right));
        let key = matches!(format.secret_kind(), SecretKind::WriteKey | SecretKind::None);
        assert_eq!(format.can_sign(Signature::Flipped), !key, "{}", format.id());
    }
}

/// What tells a repeat from a new delivery.
fn delivery_id(format: &dyn Format, sent: &Prepared) -> String {
    let own = |name: &str| header(&sent.headers, name).unwrap().to_owned();
    let json = |pointer: &str| {
        let body: Value = serde_json::from_slice(&sent.body).unwrap();
        body.pointer(pointer).unwrap().as_str().unwrap().to_owned()
    };
    match format.id() {
        "shopify" => own("X-Shopify-Webhook-Id"),
        "woocommerce" => own("X-WC-Webhook-Delivery-ID"),
        "standard_webhooks" => own("webhook-id"),
        "stripe" => json("/id"),
        "segment" | "rudderstack" | "jitsu" => json("/messageId"),
        "data_tag" => json("/event_id"),
        "snowplow" => json("/data/0/eid"),
        "posthog" => json("/uuid"),
        // A hit has no id: a repeat is the same hit.
        "ga4" => sent.query.clone().unwrap(),
        other => panic!("say what tells repeats of {other}"),
    }
}

#[test]
fn a_redelivery_keeps_its_id_and_a_new_delivery_has_another() {
    let sample = Sample::new();
    for format in FORMATS {
        for topic in TOPICS {
            let state = if topic == Topic::Refund {
                OrderState::PartiallyRefunded
            } else {
                OrderState::Paid
            };
            if !format.tells(topic, About::web(state)) {
                continue;
            }
            let first = delivery(&sample, topic, state);
            let mut again = first.clone();
            again.signed_at += time::Duration::HOUR;
            let mut other = first.clone();
            other.delivery_id = "00000000-0000-4000-8000-00000000000a".into();
            other.event_id = "00000000-0000-4000-8000-00000000000b".into();
            let id =
                |delivery: &Delivery<'_>| delivery_id(*format, &format.render(delivery).unwrap());
            assert_eq!(id(&first), id(&again), "{} {topic:?}", format.id());
            if format.id() != "ga4" {
                assert_ne!(id(&first), id(&other), "{} {topic:?}", format.id());
            }
        }
    }
}

/// Everything that a delivery says, readable.
fn all_of(sent: &Prepared) -> String {
    let mut text = String::from_utf8(sent.body.clone()).unwrap();
    if let Ok(body) = serde_json::from_str::<Value>(&text) {
        for inner in ["ue_px", "cx"].map(|name| &body["data"][0][name]) {
            let bytes = URL_SAFE_NO_PAD.decode(inner.as_str().unwrap_or_default()).unwrap();
            text.push_str(&String::from_utf8(bytes).unwrap());
        }
    }
    for (name, value) in url::form_urlencoded::parse(sent.query.as_deref().unwrap_or("").as_bytes())
    {
        text.push_str(&format!("\n{name}={value}"));
    }
    for (name, value) in &sent.headers {
        text.push_str(&format!("\n{name}: {value}"));
    }
    text
}

#[test]
fn what_a_format_says_it_carries_is_there_and_nothing_else() {
    use Carried::*;
    let mut sample = Sample::new();
    let order = &mut sample.order;
    order.name = "#ORD77".into();
    order.tax = "7.98".parse().unwrap();
    order.shipping = "3.21".parse().unwrap();
    order.subtotal = "38.80".parse().unwrap();
    order.discount = "4.44".parse().unwrap();
    order.presentment = Some(("559".parse().unwrap(), "SEK".into()));
    for format in FORMATS {
        let mut delivery = sample.delivery(Topic::Paid);
        let mut say = |attributes: bool, decision| {
            if let Subject::Order(view) = &mut delivery.subject {
                view.visitor_attribute = None;
                view.consent_attribute = attributes.then(|| ("zz_consent".into(), "zz=1".into()));
                view.consent = Some(all(decision));
            }
            all_of(&format.render(&delivery).unwrap())
        };
        let bare = say(false, Decision::Granted);
        let signals = {
            let mut delivery = sample.delivery(Topic::Paid);
            if let Subject::Order(view) = &mut delivery.subject {
                let text = |text: &str| Some(text.to_owned());
                view.signals =
                    Some(crate::scenario::Signals { gcs: text("G101"), gcd: text("11q1r1u1v5") });
            }
            all_of(&format.render(&delivery).unwrap())
        };
        let has = |needles: &[&str]| needles.iter().all(|needle| bare.contains(needle));
        let minor_or_major = |major: &str| has(&[major]) || has(&[major.replace('.', "").as_str()]);
        for (fact, there) in [
            (Attributes, say(true, Decision::Granted).contains("zz=1")),
            (Consent, say(false, Decision::Denied) != bare),
            (Signals, signals.contains("G101") && signals.contains("11q1r1u1v5")),
            (VisitorId, has(&["v-1"])),
            (LandingUrl, has(&["IwAR0_Ab-Cd"])),
            (LandingPath, has(&["/products/mug"])),
            (Cart, has(&["cart-1"])),
            (Checkout, has(&["checkout-1"])),
            (Device, has(&["203.0.113.24", "Mozilla/5.0 (test)"])),
            (Contact, has(&["Jane.Doe@Example.com", "(201) 555-0123"])),
            (Name, has(&["Jane", "Döe"])),
            (Address, has(&["Köln", "50667", "DE"])),
            (CustomerId, has(&["7100000000001"])),
            (OrderId, has(&["9007199254740993"])),
            (OrderName, has(&["ORD77"])),
            (Parts, minor_or_major("7.98") && minor_or_major("3.21")),
            (Discount, minor_or_major("4.44")),
            (Presentment, has(&["SEK"])),
            (Items, has(&["8100000000001"])),
            (Canaries, has(&["CANARY"])),
        ] {
            assert_eq!(there, format.carries(fact), "{} {fact:?}:\n{bare}", format.id());
        }
    }
}

#[test]
fn a_patch_and_a_raw_body_have_the_last_word_in_every_format() {
    let sample = Sample::new();
    let patch =
        serde_json::json!({"customer": null, "line_items": [], "tags": "vip", "n": {"m": 1}});
    for format in FORMATS {
        let mut delivery = sample.delivery(Topic::Paid);
        delivery.patch = Some(&patch);
        assert!(all_of(&format.render(&delivery).unwrap()).contains("vip"), "{}", format.id());
        delivery.patch = None;
        delivery.raw = Some("{not json");
        let sent = format.render(&delivery).unwrap();
        assert_eq!((sent.body.as_slice(), sent.query), (&b"{not json"[..], None));
    }
}
