//! Store webhooks: signature over the raw bytes first, then meaning, then durable, then the 2xx.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::App;
use super::error::ApiError;
use super::fields::json as parse;
use super::orders::{generic, shopify};
use super::signature::{self, single};
use crate::config::Shop;
use crate::model::conversion::Contact;
use crate::store::intake::{self, Intake};
use crate::store::people::{self, Person};

type Answer = Result<Json<Value>, ApiError>;

/// `POST /v1/webhooks/shopify`
pub(super) async fn shopify(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let body = body?;
    let domain = single(&headers, "x-shopify-shop-domain").unwrap_or_default();
    let shop = app.shops.shop_of_domain(domain).ok_or_else(ApiError::unknown_shop)?;
    if shop.shopify_secrets.is_empty() {
        return Err(ApiError::unavailable("no_secret", "no secret is configured for this shop"));
    }
    if !signature::shopify(&headers, &body, &shop.shopify_secrets) {
        return Err(ApiError::unauthorized());
    }
    let topic = single(&headers, "x-shopify-topic").unwrap_or_default();
    let message_id = single(&headers, "x-shopify-webhook-id")
        .or_else(|| single(&headers, "x-shopify-event-id"))
        .filter(|id| !id.is_empty() && id.len() <= 256)
        .map(|id| format!("{topic} {id}"));
    let triggered = single(&headers, "x-shopify-triggered-at")
        .and_then(|t| OffsetDateTime::parse(t, &Rfc3339).ok());
    let now = app.clock.now();
    let missing = || ApiError::field("id", "expected an order with a numeric id");
    let intake = match topic {
        "orders/create" | "orders/paid" | "orders/updated" | "orders/edited"
        | "orders/cancelled" => {
            let v = parse(&body)?;
            let order = shopify::order(&v, triggered, now).ok_or_else(missing)?;
            let refunds = shopify::refunds_of_order(&v, now);
            Intake { shop: shop.id.clone(), message_id, order: Some(order), refunds }
        }
        "refunds/create" => {
            let v = parse(&body)?;
            shopify::exact_id(v.get("order_id")).ok_or_else(missing)?;
            let refunds = shopify::refund(&v, now).into_iter().collect();
            Intake { shop: shop.id.clone(), message_id, order: None, refunds }
        }
        "customers/redact" | "customers/data_request" | "shop/redact" => {
            return privacy(&app, shop, topic, &parse(&body)?).await;
        }
        _ => return Ok(Json(json!({"ignored": "topic"}))),
    };
    take(&app, intake).await
}

/// `POST /v1/shops/{shop}/webhooks/orders`
pub(super) async fn standard(
    State(app): State<Arc<App>>,
    Path(shop): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let body = body?;
    let shop = app.shops.shop(&shop).ok_or_else(ApiError::unknown_shop)?;
    if shop.webhook_secrets.is_empty() {
        return Err(ApiError::unavailable("no_secret", "no secret is configured for this shop"));
    }
    // The sender's clock is compared with the real one; a clock moved by a test counts as well.
    let now = [OffsetDateTime::now_utc().unix_timestamp(), app.clock.now().unix_timestamp()];
    let id = signature::standard(&headers, &body, &shop.webhook_secrets, &now)
        .ok_or_else(ApiError::unauthorized)?;
    let (order, refunds) = match generic::read(&parse(&body)?)? {
        generic::Event::Order(order) => (Some(*order), Vec::new()),
        generic::Event::Refund(order_id, refund) => (None, vec![(order_id, refund)]),
        generic::Event::Ignored => return Ok(Json(json!({"ignored": "type"}))),
    };
    let message_id = Some(format!("standard {id}"));
    take(&app, Intake { shop: shop.id.clone(), message_id, order, refunds }).await
}

async fn take(app: &App, intake: Intake) -> Answer {
    let now_ms = app.clock.now_ms();
    let shop = intake.shop.clone();
    let write = move |db: &_, rules: &_| intake::take(db, rules, &intake, now_ms);
    let taken = app.store.write_in(&shop, write).await?;
    app.deliveries.wake(&taken.wakes);
    Ok(Json(if taken.duplicate { json!({"duplicate": true}) } else { json!({"accepted": true}) }))
}

async fn privacy(app: &App, shop: &Shop, topic: &str, v: &Value) -> Answer {
    if !v.is_object() {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", "expected an object"));
    }
    let text = |name: &str| {
        let value = v.get("customer")?.get(name)?.as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    let ids = v.get("orders_to_redact").and_then(Value::as_array);
    let person = Person {
        contact: Contact {
            email: text("email"),
            phone: text("phone"),
            customer_id: v.get("customer").and_then(|c| shopify::exact_id(c.get("id"))),
            ..Contact::default()
        },
        visitor_id: None,
        order_ids: ids.into_iter().flatten().filter_map(|id| shopify::exact_id(Some(id))).collect(),
    };
    let (id, kind, now_ms) = (shop.id.clone(), topic.to_owned(), app.clock.now_ms());
    app.store
        .write(move |db, rules| {
            db.execute(
                "INSERT INTO privacy_request(shop, kind, at_ms) VALUES(?1, ?2, ?3)",
                rusqlite::params![id, kind, now_ms],
            )?;
            match kind.as_str() {
                "customers/redact" => people::erase(db, rules, &id, &person, now_ms).map(drop),
                "shop/redact" => people::erase_shop(db, rules, &id, now_ms),
                // Answered by an operator with the export.
                _ => Ok(()),
            }
        })
        .await?;
    Ok(Json(json!({"accepted": true})))
}
