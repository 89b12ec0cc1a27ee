//! How to speak to one kind of relay. The profile is the only thing that knows a relay's HTTP API.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    time::Duration,
};

use schemars::JsonSchema;
use serde::Deserialize;

pub use super::{
    load::{load, parse},
    secret::Secret,
};
use super::{schema, template};
use crate::exchange::bare_host;
use crate::inputs::{self, Carried, Format};
use crate::scenario::{
    Capability, HealthState, JoinKey, LogState, OrderKind, OrderState, OrderStep, Scenario, Stub,
    units::Span,
};

/// One relay's profile (YAML). Texts are minijinja templates; see `harness/profiles/reference.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name in reports.
    pub name: String,
    /// The folder of its file (`{{ folder }}`): relays are often kept beside their profile. Empty: it is not a file's.
    #[serde(skip)]
    pub folder: PathBuf,
    /// How its calls reach the platforms' simulators.
    #[serde(default)]
    pub capture: Capture,
    /// How it is started; absent: it must be given by `--relay URL`.
    #[serde(default)]
    pub start: Option<Start>,
    /// Other HTTP services that it calls, by name, and what their stand-ins answer. Start templates know their base URLs as
    /// `{{ services.NAME }}`; a request that no stub answers gets a 404 and is reported.
    #[serde(default)]
    pub services: BTreeMap<String, Vec<Stub>>,
    /// The shops that it serves.
    pub shops: Shops,
    /// Platforms it delivers to, by id.
    #[schemars(schema_with = "schema::platforms")]
    pub platforms: Vec<String>,
    /// What it offers beyond taking orders.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// What it declares about its behaviour.
    #[serde(default)]
    pub policies: Policies,
    /// How stimuli are sent.
    pub send: Send,
    /// How its own statements are read.
    #[serde(default)]
    pub read: Read,
}

/// How a relay's calls reach the platforms' simulators.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// It is told their base URLs: `{{ gateway.meta }}` and so on.
    #[default]
    BaseUrl,
    /// It calls the platforms by their own names through a proxy: `HTTPS_PROXY` and its kin, see `sut/runtimes.rs`.
    Proxy,
    /// It calls the platforms by their own names, which lead to the harness: by the hook for Node, or by name resolution.
    Hosts,
}

/// How the relay is started.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Program and arguments; `{{ harness }}` is this program, `{{ folder }}` this file's folder, `{{ workdir }}` a fresh folder, `{{ port }}` a free port, `{{ listen }}` the address to listen on.
    pub command: Vec<String>,
    /// Environment (the harness's own is not passed on, but for PATH and HOME).
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files written into the work folder before the start: name → template.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// How it is known to be ready.
    pub ready: Ready,
    /// How long that may take.
    #[serde(default)]
    pub within: Option<Span>,
}

/// Ready probes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ready {
    /// A line on standard output; group 1 of the expression is the base URL.
    Line(String),
    /// This path answers with 2xx.
    Path(String),
}

/// The shops of the relay.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shops {
    /// As many as the run has use for (the configuration is made from a template).
    AsNeeded,
    /// One, which the start templates configure: `{{ shops[0] }}`. Cases that would disturb each other there have processes of their own.
    Single,
    /// These; settings are as configured at the relay.
    Fixed(Vec<FixedShop>),
}

/// A shop that is configured at the relay already.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedShop {
    /// Id for paths.
    pub id: String,
    /// Host name of the store.
    pub domain: String,
    /// Webhook secret (Shopify, WooCommerce).
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Secret that begins with `whsec_` (Standard Webhooks, Stripe).
    #[serde(default)]
    pub webhook_secret: Option<Secret>,
    /// Key that is sent along (Segment, RudderStack, Jitsu, PostHog); the measurement id of GA4, if that matters.
    #[serde(default)]
    pub write_key: Option<Secret>,
    /// Account settings by platform.
    #[serde(default)]
    #[schemars(schema_with = "schema::accounts")]
    pub accounts: BTreeMap<String, BTreeMap<String, String>>,
}

impl fmt::Debug for FixedShop {
    /// Without the settings of its accounts, some of which are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedShop")
            .field("id", &self.id)
            .field("domain", &self.domain)
            .field("accounts", &self.accounts.keys())
            .finish_non_exhaustive()
    }
}

/// What the relay declares.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// What happens to orders whose consent is unknown.
    pub unknown_consent: UnknownConsent,
    /// What `value` is.
    pub value_basis: ValueBasis,
    /// Order states that count.
    pub counted_states: Vec<OrderState>,
    /// Kinds of orders that count as conversions.
    pub counted_kinds: Vec<OrderKind>,
    /// The id that browser and server share, as a template over `order`: `order_{{ order.numeric_id }}`.
    pub event_id: String,
    /// How long deliveries are retried. A retry that would come later is not waited for.
    pub retry_horizon: Span,
    /// First backoff, for deadlines.
    pub retry_base: Span,
    /// Longest backoff: a case waits so long for the retry of each attempt that fails, unless `retry_horizon` is shorter.
    pub retry_cap: Span,
    /// How long events may wait for company in a batch.
    pub batch_delay: Span,
    /// How long an order waits for its late click.
    pub stitch_grace: Span,
    /// Time after which silence means silence.
    pub quiet: Span,
    /// An intake answer later than this is a finding.
    pub acknowledge_within: Span,
    /// How long the relay waits for a platform's answer.
    pub delivery_timeout: Span,
    /// Age after which click ids are no longer used.
    pub click_ttl: Span,
    /// Hosts (beyond the platforms') that the relay declares to call.
    pub hosts: Vec<String>,
}

/// Unknown consent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownConsent {
    /// Nothing is sent.
    #[default]
    Withhold,
    /// Sent as if allowed (outside the EEA some may declare this).
    Send,
    /// Not declared.
    Undeclared,
}

/// What the value is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueBasis {
    /// What the customer pays.
    #[default]
    Total,
    /// Before tax and shipping.
    Subtotal,
    /// Total without tax and shipping.
    Net,
}

/// How stimuli are sent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// A landing.
    #[serde(default)]
    pub click: Option<CallTemplate>,
    /// A consent answer.
    #[serde(default)]
    pub consent: Option<CallTemplate>,
    /// Order webhooks by input format (`shopify`, `standard_webhooks`); the first in `formats` is the default.
    #[schemars(schema_with = "schema::by_format::<WebhookTarget>")]
    pub webhooks: BTreeMap<String, WebhookTarget>,
    /// Formats in order of preference.
    #[schemars(schema_with = "schema::formats")]
    pub formats: Vec<String>,
    /// Erasure by the operator (stores' own erasure webhooks go by `webhooks`).
    #[serde(default)]
    pub erase: Option<CallTemplate>,
    /// A credential is replaced.
    #[serde(default)]
    pub credentials: Option<CallTemplate>,
    /// One dead letter again.
    #[serde(default)]
    pub replay: Option<CallTemplate>,
    /// The clock moves.
    #[serde(default)]
    pub clock: Option<CallTemplate>,
    /// The order attribute that carries the visitor id, and the one that carries consent.
    #[serde(default)]
    pub attributes: Attributes,
    /// Join keys that this relay reads.
    pub joins: Vec<JoinKey>,
    /// Calls to the relay that cases share go over connections that are kept, for five seconds when idle. Only for a relay that
    /// keeps them longer: a call that crosses with a connection's end gets no answer. Default: a connection for each call.
    #[serde(default)]
    pub keep_connections: bool,
}

/// One HTTP call.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallTemplate {
    /// Method; default POST.
    #[serde(default)]
    pub method: Option<String>,
    /// Path below the relay's URL.
    pub path: String,
    /// Headers; one that renders to nothing is left out.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body; a template that renders to JSON text (or any text).
    #[serde(default)]
    pub body: Option<String>,
}

impl CallTemplate {
    /// All of its templates.
    fn texts(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.path).chain(self.headers.values()).chain(&self.body)
    }
}

/// Where webhooks of one format go.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookTarget {
    /// Path below the relay's URL.
    pub path: String,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// Names of order attributes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Attributes {
    /// Attribute with the visitor id.
    pub visitor: Option<String>,
    /// Attribute with the consent snapshot: name and template over `consent`.
    pub consent: Option<AttributeTemplate>,
    /// Names of the consent categories, for formats that tell consent by category.
    pub categories: Categories,
}

/// What the shop's consent tool calls the four decisions: category names (Segment), consent ids (RudderStack).
/// Two decisions may share a name where the tool does not tell them apart: then both have to be granted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Categories {
    /// May keep identifiers.
    pub store: String,
    /// May send conversions to ad platforms.
    pub ads: String,
    /// May send contact data.
    pub ads_user_data: String,
    /// May personalise.
    pub ads_personalise: String,
}

/// One attribute.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributeTemplate {
    /// Its name.
    pub name: String,
    /// Its value, a template over `consent` (four decisions as texts).
    pub value: String,
}

/// How statements are read.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Read {
    /// Delivery log of one shop.
    pub deliveries: Option<LogReading>,
    /// Health.
    pub health: Option<HealthReading>,
    /// Export of one person.
    pub export: Option<CallTemplate>,
}

/// A delivery log.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogReading {
    /// The call (`{{ shop }}`, `{{ order }}` are known).
    pub call: CallTemplate,
    /// JSONPath to the entries.
    pub entries: String,
    /// JSONPath, relative to an entry: its own id (for replay).
    pub id: String,
    /// ... its order id as the relay knows it.
    pub order: String,
    /// ... its platform.
    pub platform: String,
    /// ... its state.
    pub state: String,
    /// The relay's words for states.
    pub states: BTreeMap<String, LogState>,
    /// ... its reason.
    #[serde(default)]
    pub reason: Option<String>,
    /// ... its attempts.
    #[serde(default)]
    pub attempts: Option<String>,
    /// ... relative to an attempt: status.
    #[serde(default)]
    pub attempt_status: Option<String>,
    /// ... trace id.
    #[serde(default)]
    pub attempt_trace: Option<String>,
    /// ... outcome.
    #[serde(default)]
    pub attempt_outcome: Option<String>,
}

/// A health answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthReading {
    /// The call.
    pub call: CallTemplate,
    /// Status → meaning; a status that is not named is unreadable.
    pub statuses: BTreeMap<u16, HealthState>,
}

impl Default for Categories {
    fn default() -> Self {
        Self {
            store: "Storage".into(),
            ads: "Advertising".into(),
            ads_user_data: "AdUserData".into(),
            ads_personalise: "AdPersonalization".into(),
        }
    }
}

impl Categories {
    /// The names that differ.
    pub fn names(&self) -> BTreeSet<&str> {
        let all = [&self.store, &self.ads, &self.ads_user_data, &self.ads_personalise];
        all.into_iter().map(String::as_str).collect()
    }
}

impl Profile {
    /// The input format of an order: as its scenario says, else the profile's first. Without an order: of the control order.
    pub fn format_of(
        &self,
        scenario: &Scenario,
        order: Option<&OrderStep>,
    ) -> Option<&'static dyn Format> {
        let first = || self.send.formats.first().map(String::as_str);
        scenario.format_named(order).or_else(first).and_then(inputs::by_id)
    }

    /// The first of the relay's formats whose sender tries an address before it uses it.
    pub fn format_with_ping(&self) -> Option<&'static dyn Format> {
        self.send
            .formats
            .iter()
            .filter_map(|id| inputs::by_id(id))
            .find(|format| format.ping(0).is_some())
    }

    /// Whether an order in this format can be joined with its landing by this key: the relay reads it, and there is a place
    /// for it.
    pub fn reads(&self, key: JoinKey, format: &dyn Format) -> bool {
        self.send.joins.contains(&key) && self.has_place(key, format)
    }

    /// Whether an order in this format has a place for this key: a field of its own, or the attribute that the profile names.
    pub fn has_place(&self, key: JoinKey, format: &dyn Format) -> bool {
        match key {
            JoinKey::Attribute => {
                let named = self.send.attributes.visitor.is_some();
                format.carries(Carried::VisitorId) || named && format.carries(Carried::Attributes)
            }
            JoinKey::Cart => format.carries(Carried::Cart),
            JoinKey::Checkout => format.carries(Carried::Checkout),
            JoinKey::LandingSite => format.carries(Carried::LandingUrl),
        }
    }

    /// Whether the relay is told of consent by a call: by one of its own, or with the landing.
    pub fn hears_consent(&self) -> bool {
        self.send.consent.is_some()
            || self
                .send
                .click
                .as_ref()
                .is_some_and(|call| call.texts().any(|text| template::uses(text, "consent")))
    }

    /// Whether Google's consent signals can be told to it as they are, and not decisions alone: a call that hands on whatever
    /// `consent` holds does not mean that the relay understands it.
    pub fn hears_signals(&self) -> bool {
        self.capabilities.contains(&Capability::ConsentSignals) && self.tells_signals()
    }

    /// Whether its calls have a place for Google's consent signals.
    pub fn tells_signals(&self) -> bool {
        let calls = self.send.consent.iter().chain(&self.send.click);
        calls
            .flat_map(CallTemplate::texts)
            .any(|text| template::takes(text, "consent", &["gcs", "gcd"]))
    }

    /// Whether an order in this format carries the visitor's consent: in a field of its own, or in the attribute that the
    /// profile names.
    pub fn tells_consent(&self, format: &dyn Format) -> bool {
        let named = self.send.attributes.consent.is_some() && format.carries(Carried::Attributes);
        named || format.carries(Carried::Consent)
    }
}

impl Policies {
    /// From when on an answer is slow: after half of the declared time, or after a second if none is.
    pub fn slow_answer(&self) -> Duration {
        match self.acknowledge_within.unsigned() {
            Duration::ZERO => Duration::from_secs(1),
            within => within / 2,
        }
    }

    /// How long after a failed attempt the next one may come: no backoff is longer, and no delivery is retried for longer.
    pub fn retry_within(&self) -> Duration {
        self.retry_cap.unsigned().min(self.retry_horizon.unsigned())
    }

    /// Whether the relay declares to call this (bare) host. How a profile writes it does not matter.
    pub fn declares(&self, host: &str) -> bool {
        self.hosts.iter().any(|declared| bare_host(declared) == host)
    }
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            unknown_consent: UnknownConsent::Undeclared,
            value_basis: ValueBasis::Total,
            counted_states: vec![OrderState::Paid],
            counted_kinds: vec![OrderKind::Web],
            event_id: "order_{{ order.numeric_id }}".into(),
            retry_horizon: Span::from_secs(60),
            retry_base: Span::from_secs(1),
            retry_cap: Span::from_secs(60),
            batch_delay: Span::from_millis(0),
            stitch_grace: Span::from_secs(2),
            quiet: Span::from_millis(500),
            acknowledge_within: Span::from_secs(5),
            delivery_timeout: Span::from_secs(10),
            click_ttl: Span::from_secs(90 * 86_400),
            hosts: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_comes_within_the_longest_backoff_and_within_the_time_of_all_retries() {
        let within = |cap, horizon| {
            let (retry_cap, retry_horizon) = (Span::from_secs(cap), Span::from_secs(horizon));
            Policies { retry_cap, retry_horizon, ..Policies::default() }.retry_within()
        };
        assert_eq!(within(60, 10), Duration::from_secs(10));
        assert_eq!(within(5, 60), Duration::from_secs(5));
    }

    #[test]
    fn debug_output_of_a_shop_shows_no_secret() {
        let settings = BTreeMap::from([("access_token".to_owned(), "s3cr3t".to_owned())]);
        let shop = FixedShop {
            id: "main".into(),
            domain: "shop.example".into(),
            secret: Some(Secret::Text("s3cr3t".into())),
            webhook_secret: None,
            write_key: None,
            accounts: BTreeMap::from([("meta".to_owned(), settings)]),
        };
        let text = format!("{:?}", Shops::Fixed(vec![shop]));
        assert!(text.contains("meta") && !text.contains("s3cr3t"), "{text}");
    }
}
