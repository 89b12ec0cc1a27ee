//! The HTTP side, as `API.md` describes it: browser calls, store webhooks, operator calls.

mod browser;
mod error;
mod fields;
mod operator;
pub mod orders;
pub mod signature;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;
use tokio::sync::Notify;
use tower_http::timeout::TimeoutLayer;

use crate::clock::Clock;
use crate::config::{Config, Directory};
use crate::delivery::Deliveries;
use crate::store::Store;
use error::ApiError;

/// Most bytes of a browser call.
const BROWSER_LIMIT: usize = 64 * 1024;
/// Most bytes of a webhook.
const WEBHOOK_LIMIT: usize = 2 * 1024 * 1024;
/// Longest a call may take, body included: a slow sender must not hold a connection for ever.
const LONGEST_CALL: Duration = Duration::from_secs(20);

/// What all handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) shops: Directory,
    pub(crate) store: Store,
    pub(crate) deliveries: Arc<Deliveries>,
    pub(crate) clock: Clock,
    /// Wakes the retention sweeper.
    pub(crate) sweep: Arc<Notify>,
    /// Set when the relay is about to stop: intake answers 503 from then on.
    pub(crate) draining: AtomicBool,
}

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let browser = Router::new()
        .route("/v1/shops/{shop}/clicks", post(browser::clicks).options(browser::preflight))
        .route("/v1/shops/{shop}/consent", post(browser::consent).options(browser::preflight))
        .layer(DefaultBodyLimit::max(BROWSER_LIMIT));
    let webhooks = Router::new()
        .route("/v1/webhooks/shopify", post(webhooks::shopify))
        .route("/v1/shops/{shop}/webhooks/orders", post(webhooks::standard))
        .layer(DefaultBodyLimit::max(WEBHOOK_LIMIT));
    let intake =
        browser.merge(webhooks).layer(from_fn_with_state(app.clone(), refuse_when_draining));
    let operator = Router::new()
        .route("/v1/deliveries", get(operator::deliveries))
        .route("/v1/dead-letters", get(operator::dead_letters))
        .route("/v1/dead-letters/replay", post(operator::replay_all))
        .route("/v1/dead-letters/{id}/replay", post(operator::replay))
        .route(
            "/v1/shops/{shop}/destinations/{destination}/credentials",
            put(operator::credentials),
        )
        .route("/v1/shops/{shop}/erasure", post(operator::erasure))
        .route("/v1/export", get(operator::export))
        .route("/v1/health", get(operator::health))
        .route("/v1/test/clock", post(operator::clock))
        .layer(DefaultBodyLimit::max(BROWSER_LIMIT))
        .layer(from_fn_with_state(app.clone(), operator::guard));
    Router::new()
        .route("/healthz", get(|| async { Json(json!({"status": "serving"})) }))
        .merge(intake)
        .merge(operator)
        .fallback(|| async { ApiError::new(StatusCode::NOT_FOUND, "not_found", "no such call") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method", "not with this method")
        })
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, LONGEST_CALL))
        .with_state(app)
}

async fn refuse_when_draining(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if app.draining.load(Ordering::Relaxed) {
        return Err(ApiError::unavailable("stopping", "the relay is stopping; try again"));
    }
    Ok(next.run(request).await)
}
