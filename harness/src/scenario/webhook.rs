//! Webhooks beyond those that every order makes: again, changed, or wrongly signed.

use serde::Deserialize;

use super::{
    OrderState, Topic,
    units::{Money, Span},
};

/// One more webhook.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookStep {
    /// Order it is about; required unless `raw` is given.
    pub order: Option<String>,
    /// Topic; default `paid`.
    pub topic: Option<Topic>,
    /// How often; default 1.
    pub times: Option<u32>,
    /// All at the same moment.
    pub parallel: bool,
    /// Same delivery and event ids as the first delivery of this topic (the store's retry); default: new ids.
    pub redelivery: bool,
    /// How it is signed; default right.
    pub sign: Signature,
    /// How the JSON is written; default as the store writes it. The signature is of the bytes sent.
    pub layout: Layout,
    /// Header names in lower case, as over HTTP/2.
    pub lower_case_headers: bool,
    /// Order state at that time; default: as it is by then.
    pub state: Option<OrderState>,
    /// The body as of the order's creation and with its old times (a late retry of an old state).
    pub stale: bool,
    /// New total after an edit.
    pub total: Option<Money>,
    /// JSON merge patch on the body.
    pub patch: Option<serde_json::Value>,
    /// This very body instead (rightly signed).
    pub raw: Option<String>,
    /// Delivered to the second shop's address, signed with the first one's secret.
    pub shop: Option<String>,
    /// Signed this long ago (formats with a signed time).
    pub signed_ago: Option<Span>,
    /// Statuses that are right; default: 2xx if rightly signed, 401 (or 400, 403) else.
    pub answered: Option<Vec<u16>>,
}

/// How a webhook is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// As the store does.
    #[default]
    Right,
    /// With the secret that is being rotated out (still configured).
    Previous,
    /// The right one second, behind a wrong one (formats that allow a list).
    Second,
    /// No signature header at all.
    Missing,
    /// Header present and empty.
    Empty,
    /// Hex where base64 is asked for (or the reverse).
    WrongEncoding,
    /// URL-safe base64.
    UrlSafe,
    /// One bit flipped.
    Flipped,
    /// With a secret that nobody configured.
    Foreign,
    /// With the other shop's secret.
    OtherShop,
    /// Of the same JSON written in another way.
    OfOtherLayout,
    /// Of the body plus a line end.
    OfTrailingNewline,
}

impl Signature {
    /// True if a relay must take the delivery.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Right | Self::Previous | Self::Second)
    }
}

/// How JSON is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Minified.
    #[default]
    Minified,
    /// Indented, with spaces and line ends.
    Pretty,
    /// Non-ASCII as `\u` escapes, numbers such as `1.0`, other key order.
    Unusual,
}
