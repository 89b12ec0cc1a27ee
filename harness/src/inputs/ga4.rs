//! Google Analytics 4 hits as a browser sends them to a first-party collector (`/g/collect`).
//!
//! The protocol is not published; its parameters are known from observation:
//! [consent parameters](https://pietromingotti.com/consent-mode-parameters),
//! [what a server container reads](https://developers.google.com/tag-platform/tag-manager/server-side/api).
//!
//! A hit carries no time of its own and no signature: it is now, and whoever knows the address may send it. The address
//! and user agent are the request's. One event travels in the query with an empty body (the minified layout); several
//! share a query and stand in the body, one to a line (the other layouts send one event this way).
//! A purchase is reported when it is complete, a refund by its amount; nothing else about an order has an event.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::form_urlencoded::Serializer;

use super::{
    About, Carried, Delivery, Format, InputFault, OrderView, SecretKind, Subject, Written,
    consent::ConsentMode,
    inspection::{Inspection, is_currency, is_money, is_text_within},
    money,
    page::Page,
    track,
};
use crate::{
    plan::Shop,
    scenario::{Decision, JoinKey, Layout, OrderKind, OrderState, Topic},
};

/// The format.
#[derive(Debug)]
pub struct Ga4;

impl Format for Ga4 {
    fn id(&self) -> &'static str {
        "ga4"
    }

    fn secret_kind(&self) -> SecretKind {
        SecretKind::None
    }

    fn tells(&self, topic: Topic, about: About) -> bool {
        tells(topic, about)
    }

    fn reports_purchase(&self, topic: Topic) -> bool {
        topic == Topic::Paid
    }

    fn carries(&self, fact: Carried) -> bool {
        use Carried::{
            Consent, CustomerId, Device, Discount, Items, LandingUrl, OrderId, Parts, Signals,
            VisitorId,
        };
        // Contact data travels hashed, in a form that is not known well enough to send it.
        matches!(
            fact,
            VisitorId
                | Consent
                | Signals
                | CustomerId
                | LandingUrl
                | Device
                | OrderId
                | Parts
                | Discount
                | Items
        )
    }

    /// The parameters in order, flat.
    fn body(&self, delivery: &Delivery<'_>) -> Result<Value, InputFault> {
        let (view, refund) = delivery.order()?;
        let mut hit = Hit(Map::new());
        hit.base(delivery, view);
        match (delivery.topic, refund) {
            (Topic::Unrelated, _) => hit.put("en", "page_view"),
            (_, Some(refund)) => {
                hit.put("en", "refund");
                hit.put("cu", view.order.currency.as_str());
                hit.put("ep.transaction_id", view.order.numeric_id);
                hit.put("epn.value", money::number(refund.amount));
            }
            _ => hit.purchase(view),
        }
        Ok(Value::Object(hit.0))
    }

    fn inspect(&self, topic: Topic, body: &Value) -> Vec<String> {
        let mut seen = Inspection::of(body);
        let flat = body.as_object().is_some_and(|hit| hit.values().all(Value::is_string));
        seen.rule(flat, "every parameter has to be a text");
        seen.one_of("/v", &["2"]);
        seen.need("/tid", "a measurement id", |id| {
            id.as_str().is_some_and(|id| id.starts_with("G-") && id.len() > 4)
        });
        seen.need("/cid", "a client id", |id| is_text_within(id, 100));
        seen.need("/dl", "an address", |url| {
            url.as_str().is_some_and(|url| url::Url::parse(url).is_ok())
        });
        seen.need("/gcs", "`G1` and two signs", |gcs| {
            gcs.as_str().is_some_and(|gcs| gcs.starts_with("G1") && gcs.len() == 4)
        });
        match topic {
            Topic::Unrelated => seen.one_of("/en", &["page_view"]),
            _ => {
                seen.one_of("/en", &["purchase", "refund"]);
                seen.need("/cu", "a currency", is_currency);
                seen.need("/ep.transaction_id", "an id", |id| is_text_within(id, 100));
                seen.need("/epn.value", "a number in words", is_money);
            }
        }
        seen.wrong()
    }

    fn is_json(&self) -> bool {
        false
    }

    fn write(&self, body: &Value, layout: Layout) -> Written {
        let pairs = pairs(body);
        if layout == Layout::Minified {
            return Written { query: Some(encoded(pairs.iter())), body: String::new() };
        }
        let (event, shared): (Vec<_>, Vec<_>) =
            pairs.iter().partition(|(name, _)| is_of_event(name));
        Written { query: Some(encoded(shared.into_iter())), body: encoded(event.into_iter()) }
    }

    fn headers(
        &self,
        delivery: &Delivery<'_>,
        _body: &[u8],
        _other_layout: &[u8],
    ) -> Result<Vec<(String, String)>, InputFault> {
        Ok(browser_headers(delivery, "text/plain;charset=UTF-8"))
    }
}

/// Whether a tag in the browser reports this topic about such an order.
pub(super) fn tells(topic: Topic, about: About) -> bool {
    match topic {
        Topic::Unrelated => true,
        _ if about.kind != OrderKind::Web || about.test => false,
        Topic::Paid => about.state == OrderState::Paid,
        Topic::Refund => {
            matches!(about.state, OrderState::PartiallyRefunded | OrderState::Refunded)
        }
        Topic::Create | Topic::Updated | Topic::Cancelled => false,
    }
}

/// Headers of a hit that a shopper's browser sends through a proxy in front of the collector.
pub(super) fn browser_headers(
    delivery: &Delivery<'_>,
    content_type: &str,
) -> Vec<(String, String)> {
    let domain = &delivery.shop.domain;
    let mut headers = vec![
        ("Content-Type".to_owned(), content_type.to_owned()),
        ("Origin".to_owned(), format!("https://{domain}")),
        ("Referer".to_owned(), format!("https://{domain}/")),
    ];
    if let Subject::Order(view) | Subject::Refund(view, _) = &delivery.subject {
        headers.extend(view.user_agent.clone().map(|agent| ("User-Agent".to_owned(), agent)));
        headers.extend(view.ip.clone().map(|ip| ("X-Forwarded-For".to_owned(), ip)));
    }
    headers
}

/// Parameters of one hit, in order.
struct Hit(Map<String, Value>);

impl Hit {
    /// A parameter as text; numbers lose nothing by it.
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        let text = match value.into() {
            Value::String(text) => text,
            other => other.to_string(),
        };
        self.0.insert(name.to_owned(), text.into());
    }

    /// What every hit of a page shares.
    fn base(&mut self, delivery: &Delivery<'_>, view: &OrderView<'_>) {
        let page = Page::of(view, delivery.shop);
        let consent = ConsentMode::of(view.consent);
        self.put("v", "2");
        self.put("tid", measurement_id(delivery.shop));
        self.put("gtm", "45je5410v9100000000za200");
        self.put("_p", delivery.triggered_at.unix_timestamp());
        // What the visitor's tag had is sent on; a signal that it lacked follows from the other.
        let own = view.signals.clone().unwrap_or_default();
        self.put("gcs", own.gcs.unwrap_or_else(|| consent.gcs()));
        self.put("gcd", own.gcd.unwrap_or_else(|| consent.gcd()));
        let personal = consent.ad_personalization != Decision::Denied;
        self.put("npa", if personal { "0" } else { "1" });
        self.put("cid", client_id(view));
        if let Some(customer) = &view.order.contact.customer_id {
            self.put("uid", customer.as_str());
        }
        self.put("ul", "de-de");
        self.put("sr", "1920x1080");
        self.put("sid", view.placed_at.unix_timestamp());
        self.put("sct", "1");
        self.put("seg", "1");
        self.put("dl", page.url.as_str());
        if !page.referrer.is_empty() {
            self.put("dr", page.referrer.as_str());
        }
        self.put("dt", page.title());
        self.put("_s", "1");
    }

    fn purchase(&mut self, view: &OrderView<'_>) {
        let order = view.order;
        self.put("en", "purchase");
        self.put("cu", order.currency.as_str());
        let product = order.product_id;
        let price = money::number(order.subtotal);
        self.put("pr1", format!("id{product}~nmMug~brExample~qt1~pr{price}"));
        self.put("ep.transaction_id", order.numeric_id);
        self.put("epn.value", money::number(view.total));
        self.put("epn.tax", money::number(order.tax));
        self.put("epn.shipping", money::number(order.shipping));
        if !order.discount.is_zero() {
            self.put("epn.discount", money::number(order.discount));
        }
        self.put("_et", "1500");
    }
}

/// The visitor id as the tag's own; where the order is not to carry it, one that no landing has.
fn client_id(view: &OrderView<'_>) -> String {
    if view.joined_by(JoinKey::Attribute) {
        view.person.visitor_id.clone()
    } else {
        track::anonymous_id(view)
    }
}

/// The stream's id: the shop's write key if it is one, else made from it.
fn measurement_id(shop: &Shop) -> String {
    if is_measurement_id(&shop.write_key) {
        return shop.write_key.clone();
    }
    let digest = hex::encode_upper(Sha256::digest(&shop.write_key));
    format!("G-{}", digest.get(..10).unwrap_or_default())
}

/// Whether a key is a stream's id, which is public.
pub(crate) fn is_measurement_id(key: &str) -> bool {
    key.starts_with("G-")
}

/// Parameters of the event, against those of the page.
fn is_of_event(name: &str) -> bool {
    matches!(name, "en" | "cu" | "_et")
        || ["ep.", "epn.", "pr"].iter().any(|prefix| name.starts_with(prefix))
}

fn pairs(body: &Value) -> Vec<(String, String)> {
    let Value::Object(hit) = body else { return Vec::new() };
    hit.iter()
        .map(|(name, value)| match value {
            Value::String(text) => (name.clone(), text.clone()),
            other => (name.clone(), other.to_string()),
        })
        .collect()
}

/// As `encodeURIComponent` writes it: a space is `%20`.
fn encoded<'p>(pairs: impl Iterator<Item = &'p (String, String)>) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in pairs {
        query.append_pair(name, value);
    }
    query.finish().replace('+', "%20")
}

#[cfg(test)]
mod tests;
