//! Calls of the browser part: landings and consent. No credential; scripts of other origins are refused.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use super::App;
use super::error::ApiError;
use super::fields::{Fields, json};
use crate::clock::millis;
use crate::config::{Cidr, Shop};
use crate::model::click::{Click, Cookies};
use crate::store::browser::{self, Visit};

/// Longest URL, user agent or cookie taken, bytes.
const LONG: usize = 8192;
const DAY_MS: i64 = 86_400_000;

/// `POST /v1/shops/{shop}/clicks`
pub(super) async fn clicks(
    State(app): State<Arc<App>>,
    Path(shop): Path<String>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let shop = app.shops.shop(&shop).ok_or_else(ApiError::unknown_shop)?;
    let origin = allowed_origin(shop, &headers)?;
    let body = json(&body?)?;
    let fields = Fields::root(&body)?;
    let now_ms = app.clock.now_ms();
    let observed = fields.time("observed_at")?.map(millis);
    if observed.is_some_and(|at| at > now_ms + 1000 || at < now_ms - 90 * DAY_MS) {
        return Err(ApiError::field("observed_at", "not in the future and not older than 90 days"));
    }
    let observed_ms = observed.unwrap_or(now_ms).min(now_ms);
    let url = fields.text_up_to("url", LONG)?.unwrap_or_default();
    let referrer = fields.text_up_to("referrer", LONG)?;
    let cookies = match fields.object("cookies")? {
        Some(c) => Cookies {
            fbc: c.text("_fbc")?,
            fbp: c.text("_fbp")?,
            ttp: c.text("_ttp")?,
            ttclid: c.text("ttclid")?,
            gcl_aw: c.text("_gcl_aw")?,
        },
        None => Cookies::default(),
    };
    let mut click = Click::read(&url, referrer.as_deref(), &cookies, observed_ms);
    click.ip = Some(shopper_address(peer.ip(), &headers, &app.config.trusted_proxies).to_string());
    click.user_agent = header_text(&headers, "user-agent");
    let visit = Visit {
        shop: shop.id.clone(),
        visitor_id: fields.required("visitor_id", 128)?,
        click: Some(click),
        consent: fields.consent("consent", true)?,
        gpc: gpc(&headers),
        cart_token: fields.text("cart_token")?,
        checkout_token: fields.text("checkout_token")?,
        at_ms: observed_ms,
    };
    let (stored, wakes) = app
        .store
        .write_in(&shop.id, move |db, rules| browser::record(db, rules, &visit, now_ms))
        .await?;
    app.deliveries.wake(&wakes);
    let answer = if stored {
        json!({"stored": true})
    } else {
        json!({"stored": false, "reason": "consent"})
    };
    Ok(with_cors((StatusCode::ACCEPTED, Json(answer)).into_response(), origin))
}

/// `POST /v1/shops/{shop}/consent`
pub(super) async fn consent(
    State(app): State<Arc<App>>,
    Path(shop): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let shop = app.shops.shop(&shop).ok_or_else(ApiError::unknown_shop)?;
    let origin = allowed_origin(shop, &headers)?;
    let body = json(&body?)?;
    let fields = Fields::root(&body)?;
    let now_ms = app.clock.now_ms();
    let answers = fields.consent("consent", true)?;
    let visit = Visit {
        shop: shop.id.clone(),
        visitor_id: fields.required("visitor_id", 128)?,
        click: None,
        consent: Some(answers.ok_or_else(|| ApiError::field("consent", "expected an object"))?),
        gpc: gpc(&headers),
        cart_token: None,
        checkout_token: None,
        at_ms: now_ms,
    };
    let (_, wakes) = app
        .store
        .write_in(&shop.id, move |db, rules| browser::record(db, rules, &visit, now_ms))
        .await?;
    app.deliveries.wake(&wakes);
    Ok(with_cors(StatusCode::NO_CONTENT.into_response(), origin))
}

/// The browser's question before a call from another origin.
pub(super) async fn preflight(
    State(app): State<Arc<App>>,
    Path(shop): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let shop = app.shops.shop(&shop).ok_or_else(ApiError::unknown_shop)?;
    let origin = allowed_origin(shop, &headers)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    let set = response.headers_mut();
    set.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    set.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    set.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    Ok(with_cors(response, origin))
}

/// The caller's origin if it is one of the shop's; none if the call is not a script's.
fn allowed_origin(shop: &Shop, headers: &HeaderMap) -> Result<Option<HeaderValue>, ApiError> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(None) };
    if shop.origins.iter().any(|o| o.as_bytes() == origin.as_bytes()) {
        return Ok(Some(origin.clone()));
    }
    Err(ApiError::new(StatusCode::FORBIDDEN, "origin", "not an origin of this shop"))
}

fn with_cors(mut response: Response, origin: Option<HeaderValue>) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response
}

fn gpc(headers: &HeaderMap) -> bool {
    headers.get("sec-gpc").is_some_and(|v| v.as_bytes().trim_ascii() == b"1")
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    (!text.is_empty() && text.len() <= LONG).then(|| text.to_owned())
}

/// The peer; or, behind trusted proxies, the right-most forwarded address that is not one of them. What a
/// peer that is not a proxy claims is not believed.
fn shopper_address(peer: IpAddr, headers: &HeaderMap, proxies: &[Cidr]) -> IpAddr {
    let peer = peer.to_canonical();
    let trusted = |a: IpAddr| proxies.iter().any(|p| p.contains(a));
    if !trusted(peer) {
        return peer;
    }
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
    let entries: Vec<&str> = lines.flat_map(|l| l.split(',')).collect();
    for entry in entries.iter().rev() {
        // An entry that is no address ends what can be believed.
        let Some(address) = address(entry.trim()) else { break };
        if !trusted(address) {
            return address;
        }
    }
    peer
}

fn address(text: &str) -> Option<IpAddr> {
    let parsed = text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|s| s.ip()));
    parsed.map(|a: IpAddr| a.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde::Deserialize;

    fn seen(peer: &str, forwarded: &str) -> String {
        let block = serde::de::value::StrDeserializer::<serde::de::value::Error>::new("10.0.0.0/8");
        let proxies = [Cidr::deserialize(block).unwrap()];
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_str(forwarded).unwrap());
        shopper_address(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn forwarded_addresses_are_believed_only_from_proxies_and_only_the_right_most() {
        assert_eq!(seen("203.0.113.9", "198.51.100.1"), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", "198.51.100.1"), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", "192.0.2.66, 198.51.100.1, 10.0.0.7"), "198.51.100.1");
        assert_eq!(seen("::ffff:10.0.0.1", "2001:db8::1"), "2001:db8::1");
        assert_eq!(seen("10.0.0.1", "198.51.100.1, junk"), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", "198.51.100.1:4711"), "198.51.100.1");
    }
}
