//! The operator's calls: delivery log, dead letters, credentials, erasure, export, health, test clock.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::App;
use super::error::ApiError;
use super::fields::{Fields, TEXT, json as parse};
use super::signature::{same, single};
use crate::destinations::Secret;
use crate::model::conversion::Contact;
use crate::store::listing::{self, Filter, Replay};
use crate::store::people::{self, Person};

type Params = Query<HashMap<String, String>>;
type Body = Result<Bytes, BytesRejection>;

/// Lets only the operator pass.
pub(super) async fn guard(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if !is_operator(&app, request.headers()) {
        return Err(ApiError::unauthorized());
    }
    Ok(next.run(request).await)
}

fn is_operator(app: &App, headers: &HeaderMap) -> bool {
    single(headers, header::AUTHORIZATION.as_str())
        .and_then(|v| v.strip_prefix("Bearer "))
        .is_some_and(|token| same(token, &app.config.operator_token))
}

/// `GET /v1/deliveries`
pub(super) async fn deliveries(
    State(app): State<Arc<App>>,
    Query(params): Params,
) -> Result<Json<Value>, ApiError> {
    list(&app, &params, None).await
}

/// `GET /v1/dead-letters`
pub(super) async fn dead_letters(
    State(app): State<Arc<App>>,
    Query(params): Params,
) -> Result<Json<Value>, ApiError> {
    list(&app, &params, Some("dead")).await
}

async fn list(
    app: &App,
    params: &HashMap<String, String>,
    state: Option<&str>,
) -> Result<Json<Value>, ApiError> {
    let text = |name: &str| params.get(name).filter(|v| !v.is_empty()).cloned();
    let number = |name: &str, default: i64, range: std::ops::RangeInclusive<i64>| {
        let Some(text) = text(name) else { return Ok(default) };
        let expected = || match *range.end() {
            i64::MAX => format!("expected a whole number, at least {}", range.start()),
            most => format!("expected a whole number from {} to {most}", range.start()),
        };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| ApiError::field(name, expected()))
    };
    let state = state.map(str::to_owned).or_else(|| text("state"));
    let known = ["pending", "delivered", "withheld", "parked", "dead"];
    if state.as_deref().is_some_and(|s| !known.contains(&s)) {
        return Err(ApiError::field("state", format!("one of {}", known.join(", "))));
    }
    let filter = Filter {
        shop: text("shop"),
        order: text("order"),
        destination: text("destination"),
        state,
        limit: usize::try_from(number("limit", 100, 1..=listing::MOST)?).unwrap_or(1),
        after: number("after", 0, 0..=i64::MAX)?,
    };
    let (deliveries, next) = app.store.read(move |db| listing::deliveries(db, &filter)).await?;
    let mut answer = json!({"deliveries": deliveries});
    if let (Some(next), Some(map)) = (next, answer.as_object_mut()) {
        map.insert("next".into(), next.into());
    }
    Ok(Json(answer))
}

/// `POST /v1/dead-letters/{id}/replay`
pub(super) async fn replay(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let unknown = || ApiError::new(StatusCode::NOT_FOUND, "unknown_delivery", "no such delivery");
    let id: i64 = id.parse().map_err(|_| unknown())?;
    let now_ms = app.clock.now_ms();
    let (outcome, wakes) =
        app.store.write(move |db, rules| listing::replay(db, rules, id, now_ms)).await?;
    app.deliveries.wake(&wakes);
    match outcome {
        Replay::Due => Ok((StatusCode::ACCEPTED, Json(json!({"replayed": 1}))).into_response()),
        Replay::Unknown => Err(unknown()),
        Replay::NotDead => {
            Err(ApiError::new(StatusCode::CONFLICT, "not_dead", "not a dead letter"))
        }
    }
}

/// `POST /v1/dead-letters/replay`
pub(super) async fn replay_all(
    State(app): State<Arc<App>>,
    body: Body,
) -> Result<Response, ApiError> {
    let body = parse(&body?)?;
    let fields = Fields::root(&body)?;
    let shop = fields.required("shop", TEXT)?;
    app.shops.shop(&shop).ok_or_else(ApiError::unknown_shop)?;
    let destination = fields.text("destination")?;
    let now_ms = app.clock.now_ms();
    let (replayed, wakes) = app
        .store
        .write(move |db, rules| {
            listing::replay_all(db, rules, &shop, destination.as_deref(), now_ms)
        })
        .await?;
    app.deliveries.wake(&wakes);
    Ok((StatusCode::ACCEPTED, Json(json!({"replayed": replayed}))).into_response())
}

/// `PUT /v1/shops/{shop}/destinations/{destination}/credentials`
pub(super) async fn credentials(
    State(app): State<Arc<App>>,
    Path((shop, destination)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let shop = app.shops.shop(&shop).ok_or_else(ApiError::unknown_shop)?;
    let name = shop.destinations().find(|d| *d == destination).ok_or_else(|| {
        ApiError::new(StatusCode::NOT_FOUND, "unknown_destination", "no such destination")
    })?;
    let body = parse(&body?)?;
    let fields = Fields::root(&body)?;
    let kind = match name {
        "google_ads" | "data_manager" => "refresh_token",
        _ => "access_token",
    };
    let secret = Secret(fields.required(kind, 4096)?);
    let key = (shop.id.clone(), name.to_owned());
    if app.deliveries.set_credentials(key, kind, secret).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::field(kind, "expected one word of ASCII characters"))
}

/// `POST /v1/shops/{shop}/erasure`
pub(super) async fn erasure(
    State(app): State<Arc<App>>,
    Path(shop): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let shop = app.shops.shop(&shop).ok_or_else(ApiError::unknown_shop)?.id.clone();
    let body = parse(&body?)?;
    let fields = Fields::root(&body)?;
    let mut order_ids = Vec::new();
    if let Some(list) = fields.get("order_ids") {
        let wrong = || ApiError::field("order_ids", "expected a list of texts");
        for id in list.as_array().ok_or_else(wrong)? {
            order_ids.push(id.as_str().ok_or_else(wrong)?.to_owned());
        }
    }
    let person = Person {
        contact: Contact {
            email: fields.text("email")?,
            phone: fields.text("phone")?,
            customer_id: fields.text("customer_id")?,
            ..Contact::default()
        },
        visitor_id: fields.text("visitor_id")?,
        order_ids,
    };
    let nobody = person.contact == Contact::default()
        && person.visitor_id.is_none()
        && person.order_ids.is_empty();
    if nobody {
        return Err(ApiError::field("email", "name a person or orders"));
    }
    let now_ms = app.clock.now_ms();
    let orders =
        app.store.write(move |db, rules| people::erase(db, rules, &shop, &person, now_ms)).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"orders": orders}))).into_response())
}

/// `GET /v1/export`
pub(super) async fn export(
    State(app): State<Arc<App>>,
    Query(params): Params,
) -> Result<Json<Value>, ApiError> {
    let text = |name: &str| params.get(name).filter(|v| !v.is_empty()).cloned();
    let shop = text("shop").ok_or_else(|| ApiError::field("shop", "required"))?;
    app.shops.shop(&shop).ok_or_else(ApiError::unknown_shop)?;
    let (visitor, email) = (text("visitor_id"), text("email"));
    if visitor.is_none() && email.is_none() {
        return Err(ApiError::field("visitor_id", "name a visitor_id or an email"));
    }
    let rules = app.store.rules().clone();
    let found = app
        .store
        .read(move |db| {
            people::export(db, &rules.keys, &shop, visitor.as_deref(), email.as_deref())
        })
        .await?;
    Ok(Json(found))
}

/// `GET /v1/health`
pub(super) async fn health(State(app): State<Arc<App>>) -> Response {
    let problems = app.deliveries.problems();
    let (code, status) = if problems.is_empty() {
        (StatusCode::OK, "healthy")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unhealthy")
    };
    (code, Json(json!({"status": status, "problems": problems}))).into_response()
}

/// `POST /v1/test/clock`
pub(super) async fn clock(
    State(app): State<Arc<App>>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    if !app.config.test.clock {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", "not offered"));
    }
    let body = parse(&body?)?;
    let seconds = Fields::root(&body)?.get("advance_seconds").and_then(Value::as_u64);
    let wrong = || ApiError::field("advance_seconds", "expected a whole number, not negative");
    let seconds = seconds.and_then(|s| u32::try_from(s).ok()).ok_or_else(wrong)?;
    app.clock.advance(seconds);
    app.deliveries.wake_all();
    app.sweep.notify_one();
    Ok(Json(json!({"now": listing::when(app.clock.now_ms())})))
}
