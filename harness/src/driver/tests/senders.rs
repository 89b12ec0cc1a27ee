//! Every input format on its way through the driver: what a relay gets of an order, and what it does not.

use super::*;
use crate::{
    inputs::{About, FORMATS},
    scenario::OrderState,
    sut::profile::WebhookTarget,
};

/// A relay that takes this format alone, at `/in?k=1`.
fn takes(format: &'static str) -> impl FnOnce(&mut Profile) {
    move |profile| {
        let target = WebhookTarget { path: "/in?k=1".into(), headers: Default::default() };
        profile.send.formats = vec![format.to_owned()];
        profile.send.webhooks = [(format.to_owned(), target)].into();
    }
}

/// What the relay got at its one address.
async fn received(format: &'static str, steps: &str) -> Vec<Request> {
    let play = Play::on("meta", steps, takes(format)).await.answer_all().await;
    let (_, requests) = play.steps().await;
    requests.into_iter().filter(|request| request.url.path() == "/in").collect()
}

#[tokio::test]
async fn a_paid_order_goes_out_once_for_every_topic_that_the_sender_tells() {
    for format in FORMATS {
        let steps = "  - visit: { click: paid, consent: granted }\n  - order: { id: A }\n";
        let requests = received(format.id(), steps).await;
        let paid = About::web(OrderState::Paid);
        let told =
            [Topic::Create, Topic::Paid].iter().filter(|topic| format.tells(**topic, paid)).count();
        assert_eq!(requests.len(), told, "{}", format.id());
        for request in &requests {
            assert!(request.url.query().unwrap().starts_with("k=1"), "{}", request.url);
            assert_eq!(request.method.as_str(), "POST");
        }
    }
}

#[tokio::test]
async fn a_hit_has_its_content_behind_the_profiles_query_and_an_empty_body() {
    let steps = "  - visit: { click: paid, consent: granted }\n  - order: { id: A }\n";
    let requests = received("ga4", steps).await;
    let [hit] = requests.as_slice() else { panic!("{} hits", requests.len()) };
    let query = hit.url.query().unwrap();
    assert!(query.starts_with("k=1&v=2&tid=G-") && hit.body.is_empty(), "{query}");
    let page = hit.url.query_pairs().find(|(name, _)| name == "dl").unwrap().1.into_owned();
    assert!(page.contains("/thank-you?fbclid="), "{page}");
    assert_eq!(header(hit, "content-type"), "text/plain;charset=UTF-8");
}

#[tokio::test]
async fn an_event_pipeline_hears_of_an_order_when_it_is_paid() {
    let steps = "  - visit: { consent: granted }\n  - order: { id: A, state: pending, browser: false }\n  - webhook: { order: A, topic: paid, state: paid }\n  - refund: { order: A, amount: 5.00 EUR }\n  - cancel: { order: A, refund: false }\n";
    let events = |requests: &[Request]| -> Vec<String> {
        requests.iter().map(|r| body(r)["event"].as_str().unwrap().to_owned()).collect()
    };
    let requests = received("segment", steps).await;
    assert_eq!(events(&requests), ["Order Completed", "Order Refunded", "Order Cancelled"]);
    assert_eq!(body(&requests[1])["properties"]["total"], 5);
}

#[tokio::test]
async fn a_delayed_payment_is_two_events_and_refunds_add_up() {
    let steps = "  - visit: { consent: granted }\n  - order: { id: A, total: 50.00 EUR, state: pending, browser: false }\n  - webhook: { order: A, topic: paid, state: paid }\n  - refund: { order: A, amount: 5.00 EUR }\n  - refund: { order: A, amount: 7.00 EUR }\n  - webhook: { order: A, topic: refund, redelivery: true }\n";
    let requests = received("stripe", steps).await;
    let bodies: Vec<Value> = requests.iter().map(body).collect();
    let kinds: Vec<&str> = bodies.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "checkout.session.completed",
            "checkout.session.async_payment_succeeded",
            "charge.refunded",
            "charge.refunded",
            "charge.refunded",
        ]
    );
    assert_eq!(bodies[0]["data"]["object"]["payment_status"], "unpaid");
    let refunded = |n: usize| bodies[n]["data"]["object"]["amount_refunded"].as_i64();
    assert_eq!((refunded(2), refunded(3)), (Some(500), Some(1_200)));
    assert_eq!(requests[3].body, requests[4].body, "the same event again");
    assert_eq!(bodies[3]["data"]["previous_attributes"]["amount_refunded"], 500);
}

#[tokio::test]
async fn a_shop_lists_all_refunds_of_an_order_but_not_on_a_stale_delivery() {
    let steps = "  - visit: { consent: granted }\n  - order: { id: A, total: 50.00 EUR }\n  - refund: { order: A, amount: 5.00 EUR }\n  - refund: { order: A, amount: 7.00 EUR }\n  - webhook: { order: A, topic: create, stale: true }\n";
    let requests = received("woocommerce", steps).await;
    let bodies: Vec<Value> = requests.iter().map(body).collect();
    let totals = |n: usize| -> Vec<&str> {
        let refunds = bodies[n]["refunds"].as_array().unwrap();
        refunds.iter().map(|refund| refund["total"].as_str().unwrap()).collect()
    };
    assert_eq!(totals(3), ["-5.00", "-7.00"]);
    assert_eq!((totals(4), &bodies[4]["status"]), (vec![], &json!("processing")));
    let topic = |n: usize| header(&requests[n], "x-wc-webhook-topic");
    assert_eq!((topic(0), topic(1), topic(3)), ("order.created", "order.updated", "order.updated"));
}
