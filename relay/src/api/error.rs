//! Errors towards HTTP clients: one JSON shape, a stable code, and no echo of what was sent.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::store::StoreError;

/// An answer other than success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    field: Option<String>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None }
    }

    /// 400 naming the field at fault.
    pub(super) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let field = Some(field.into());
        Self { field, ..Self::new(StatusCode::BAD_REQUEST, "invalid_field", message) }
    }

    pub(super) fn not_json() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_json", "the body is not a JSON object")
    }

    pub(super) fn unknown_shop() -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown_shop", "no such shop")
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "signature or token missing or wrong")
    }

    pub(super) fn unavailable(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    #[cfg(test)]
    pub(super) fn at(&self) -> (u16, Option<&str>) {
        (self.status.as_u16(), self.field.as_deref())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "store");
        Self::unavailable("store_unavailable", "nothing was written; try again")
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large");
        }
        Self::new(StatusCode::BAD_REQUEST, "incomplete_body", "the body could not be read")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut error = json!({"code": self.code, "message": self.message});
        if let (Some(field), Some(error)) = (self.field, error.as_object_mut()) {
            error.insert("field".into(), field.into());
        }
        let mut response = (self.status, Json(json!({"error": error}))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
