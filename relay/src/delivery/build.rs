//! From rows to a conversion: stitching, the order's value, and what consent lets through at this moment.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::clock::millis;
use crate::config::{Policy, Shop};
use crate::destinations::Destination;
use crate::model::click::{Click, Cookies, Window, attribute};
use crate::model::consent::{Answer, Moments};
use crate::model::conversion::{
    ClickIds, ConsentSignals, Contact, Conversion, ConversionKind, Device,
};
use crate::model::order::{OrderKind, Refund};
use crate::model::{landing, money};
use crate::store::listing::event_id;
use crate::store::queue::Due;

const DAY_MS: i64 = 86_400_000;

/// A conversion before consent is applied, as kept from the first attempt on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Frozen {
    conversion: Conversion,
    /// The device as the store saw it, for a visitor who does not allow the landing's.
    order_device: Device,
}

/// What is to be done with a delivery that is due.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// Send this; the text is to be kept first if it is there.
    Send(Box<Conversion>, Option<String>),
    /// A rule forbids it.
    Withhold(String),
    /// It cannot be sent any more, and that is a loss.
    Dead(String),
}

/// The settings that decide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) shop: &'a Shop,
    pub(super) policy: &'a Policy,
    pub(super) max_age_hours: u32,
    pub(super) now: OffsetDateTime,
}

/// Decides about one delivery.
pub(super) fn judge(due: &Due, terms: Terms<'_>, destination: &dyn Destination) -> Verdict {
    if due.order.erased {
        return Verdict::Withhold("erased".into());
    }
    let happened = due.refund.as_ref().map_or(due.order.order.placed_at, |r| r.at);
    if terms.now - happened > time::Duration::hours(i64::from(terms.max_age_hours)) {
        return Verdict::Dead("too_old".into());
    }
    let decision = due.timeline.decide(Moments {
        ordered: ordered_ms(due),
        grace_until: due.order.grace_until_ms,
        now: millis(terms.now),
    });
    match decision.consent.ads {
        Answer::Granted => {}
        Answer::Denied => return Verdict::Withhold("consent".into()),
        Answer::Unknown => return Verdict::Withhold("consent_unknown".into()),
    }
    let kept = due.frozen.as_deref().and_then(|text| serde_json::from_str::<Frozen>(text).ok());
    let fresh = kept.is_none();
    let full = match kept.map_or_else(|| compose(due, terms), Ok) {
        Ok(full) => full,
        Err(reason) => return Verdict::Dead(reason.into()),
    };
    let to_keep = if fresh { serde_json::to_string(&full).ok() } else { None };
    let mut conversion = full.conversion;
    if !decision.consent.store.granted() {
        conversion.click = ClickIds::default();
        conversion.device = full.order_device;
    }
    if !decision.consent.ads_user_data.granted() {
        conversion.contact = Contact::default();
    }
    conversion.consent = ConsentSignals {
        ads_user_data: decision.consent.ads_user_data,
        ads_personalise: decision.consent.ads_personalise,
        limited_data_use: decision.limited_data_use,
    };
    match destination.accepts(&conversion, terms.now) {
        Ok(()) => Verdict::Send(Box::new(conversion), to_keep),
        Err(refusal) if refusal.dead_letter => Verdict::Dead(refusal.reason.into()),
        Err(refusal) => Verdict::Withhold(refusal.reason.into()),
    }
}

/// Stores often give whole seconds; what the browser said within that second was said before the order.
fn ordered_ms(due: &Due) -> i64 {
    let placed = due.order.order.placed_at;
    let whole = if placed.nanosecond() == 0 { 999 } else { 0 };
    millis(placed) + whole
}

fn compose(due: &Due, terms: Terms<'_>) -> Result<Frozen, &'static str> {
    let order = &due.order.order;
    let (value, currency) = order.value(terms.policy.value)?;
    let kind = match &due.refund {
        None => ConversionKind::Purchase,
        Some(refund) => ConversionKind::Refund {
            remaining: remaining(due, refund, terms.policy)?,
            refunded_at: refund.at,
            refund_id: refund.id.clone(),
        },
    };
    let (click, seen) = stitch(due, terms);
    let valid_ip = |ip: &String| ip.parse::<std::net::IpAddr>().is_ok();
    let order_device = Device {
        ip: order.device.ip.clone().filter(valid_ip),
        user_agent: order.device.user_agent.clone(),
    };
    let device = Device {
        ip: seen.ip.or_else(|| order_device.ip.clone()),
        user_agent: seen.user_agent.or_else(|| order_device.user_agent.clone()),
    };
    let conversion = Conversion {
        event_id: event_id(&order.id),
        kind,
        occurred_at: order.placed_at,
        value,
        currency: currency.to_owned(),
        order_id: order.id.clone(),
        order_name: order.name.clone(),
        items: order.items.clone(),
        click,
        device,
        contact: order.contact.clone(),
        consent: ConsentSignals::default(),
        in_store: order.kind == OrderKind::Pos,
    };
    Ok(Frozen { conversion, order_device })
}

fn remaining(
    due: &Due,
    refund: &Refund,
    policy: &Policy,
) -> Result<rust_decimal::Decimal, &'static str> {
    let order = &due.order.order;
    if due.refunds.iter().any(|r| r.id == refund.id) {
        return order.remaining(&due.refunds, refund, policy.value);
    }
    // A cancellation takes all back.
    let (_, currency) = order.value(policy.value)?;
    Ok(money::rounded(rust_decimal::Decimal::ZERO, currency))
}

/// Click ids and device of the order's visitor. Without a visitor, the order's own first page; a visitor who
/// is known but kept nothing has nothing to give, and the order's copy must not bring it back.
fn stitch(due: &Due, terms: Terms<'_>) -> (ClickIds, Device) {
    let order = &due.order.order;
    let ordered = ordered_ms(due);
    let window = Window {
        from_ms: ordered - i64::from(terms.policy.click_ttl_days) * DAY_MS,
        until_ms: ordered.max(due.order.grace_until_ms),
        last_wins: terms.policy.last_paid_click_wins,
    };
    if let Some(clicks) = &due.clicks {
        return attribute(clicks, window);
    }
    let Some(landing) = &order.landing else { return Default::default() };
    let page = terms.shop.event_source_url.as_deref().unwrap_or_default();
    let url = landing::absolute(landing, page).unwrap_or_else(|| landing.clone());
    let click =
        Click::read(&url, order.referrer.as_deref(), &Cookies::default(), millis(order.placed_at));
    attribute(&[click], window)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::destinations::{Answer as HttpAnswer, Outcome, Refusal, Request, Route, Secret};
    use crate::model::consent::{Consent, Entry, Timeline};
    use crate::model::order::tests::order;
    use crate::store::intake::OrderRow;

    #[derive(Debug)]
    struct Anything;

    impl Destination for Anything {
        fn id(&self) -> &'static str {
            "anything"
        }
        fn max_batch(&self) -> usize {
            1
        }
        fn accepts(&self, _: &Conversion, _: OffsetDateTime) -> Result<(), Refusal> {
            Ok(())
        }
        fn request(&self, _: &[Conversion]) -> Request {
            Request { url: String::new(), headers: Vec::new(), body: Secret(String::new()) }
        }
        fn route(&self, _: &Conversion) -> Route {
            Route::Purchases
        }
        fn outcomes(&self, _: &[Conversion], _: &HttpAnswer) -> Vec<Outcome> {
            Vec::new()
        }
    }

    fn shop() -> Shop {
        toml::from_str("id = 's'\nevent_source_url = 'https://s.example/'").unwrap()
    }

    fn due(consent: Option<Consent>) -> Due {
        let mut order = order(1);
        order.contact.email = Some("jane@example.com".into());
        order.device.ip = Some("203.0.113.9".into());
        order.landing = Some("/p?gclid=FromOrder&email=jane@example.com".into());
        order.consent = consent;
        let placed = millis(order.placed_at);
        Due {
            id: 1,
            attempts: 0,
            alone: false,
            refund: None,
            timeline: Timeline { visitor: Vec::new(), order: order.consent },
            order: OrderRow {
                order,
                received_ms: placed + 1000,
                grace_until_ms: placed + 3000,
                erased: false,
            },
            refunds: Vec::new(),
            clicks: None,
            frozen: None,
        }
    }

    fn judged(due: &Due, after_ms: i64) -> Verdict {
        let now = due.order.order.placed_at + time::Duration::milliseconds(after_ms);
        let policy = Policy::default();
        let shop = shop();
        judge(due, Terms { shop: &shop, policy: &policy, max_age_hours: 144, now }, &Anything)
    }

    fn sent(due: &Due) -> Conversion {
        match judged(due, 5000) {
            Verdict::Send(conversion, _) => *conversion,
            other => panic!("not sent: {other:?}"),
        }
    }

    fn all(answer: Answer) -> Consent {
        Consent { store: answer, ads: answer, ads_user_data: answer, ads_personalise: answer }
    }

    #[test]
    fn an_order_with_its_own_consent_uses_its_own_landing() {
        let conversion = sent(&due(Some(all(Answer::Granted))));
        assert_eq!(conversion.click.gclid.as_deref(), Some("FromOrder"));
        assert_eq!(
            conversion.click.landing_url.as_deref(),
            Some("https://s.example/p?gclid=FromOrder")
        );
        assert_eq!(conversion.contact.email.as_deref(), Some("jane@example.com"));
        assert_eq!(conversion.event_id, "order_1");
    }

    #[test]
    fn what_is_not_allowed_does_not_leave() {
        let no_store = Consent { store: Answer::Denied, ..all(Answer::Granted) };
        assert_eq!(sent(&due(Some(no_store))).click.gclid, None);
        let no_contact = Consent { ads_user_data: Answer::Unknown, ..all(Answer::Granted) };
        let conversion = sent(&due(Some(no_contact)));
        assert_eq!(conversion.contact, Contact::default());
        assert_eq!(conversion.click.gclid.as_deref(), Some("FromOrder"));
        assert_eq!(
            judged(&due(Some(all(Answer::Denied))), 5000),
            Verdict::Withhold("consent".into())
        );
        assert_eq!(judged(&due(None), 5000), Verdict::Withhold("consent_unknown".into()));
    }

    #[test]
    fn a_known_visitor_without_kept_clicks_is_not_completed_from_the_order() {
        let mut d = due(Some(all(Answer::Granted)));
        d.clicks = Some(Vec::new());
        assert_eq!(sent(&d).click.gclid, None);
    }

    #[test]
    fn the_first_attempt_fixes_the_content_and_consent_still_strips_it() {
        let mut d = due(Some(all(Answer::Granted)));
        let Verdict::Send(first, Some(kept)) = judged(&d, 5000) else { panic!("not sent") };
        d.frozen = Some(kept);
        d.attempts = 1;
        d.order.order.total = Some("1.00".parse().unwrap());
        d.order.order.contact.email = Some("other@example.com".into());
        assert_eq!(judged(&d, 90_000), Verdict::Send(first, None));
        d.timeline.visitor.push(Entry {
            at_ms: d.order.grace_until_ms + 1,
            answers: Some(Consent { ads_user_data: Answer::Denied, ..all(Answer::Granted) }),
            gpc: false,
        });
        assert_eq!(sent(&d).contact, Contact::default());
    }

    #[test]
    fn too_old_is_a_loss_to_report() {
        let d = due(Some(all(Answer::Granted)));
        assert_eq!(judged(&d, 145 * 3_600_000), Verdict::Dead("too_old".into()));
        assert!(matches!(judged(&d, 143 * 3_600_000), Verdict::Send(..)));
    }
}
