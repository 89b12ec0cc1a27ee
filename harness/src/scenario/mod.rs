//! The scenario language: what the shopper, the store and the platforms do. Plain data, one YAML file each.
//!
//! What must be counted follows from the steps; a scenario states an expectation only where it adds one.

mod forms;
pub mod load;
pub(crate) mod rules;
pub mod select;
mod service;
pub mod shard;
pub mod units;

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use crate::platforms::FailureClass;
pub(crate) use service::problems as stub_problems;
pub use service::{ExpectService, GivenService, MAX_STUBS, Stub, StubRequest, StubResponse};
use units::{Money, Span};

/// One scenario file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// `dedup/thank_you_reload`: from the file's place, never written in it.
    #[serde(skip)]
    pub name: String,
    /// The file as plain JSON: what variants are merged onto.
    #[serde(skip)]
    pub source: Arc<serde_json::Value>,
    /// One sentence that says what holds if the relay is right.
    pub title: String,
    /// Catalogue entries that it covers.
    pub covers: Vec<String>,
    /// Where it runs: once per platform named.
    #[serde(default)]
    pub platforms: Platforms,
    /// Background for people; shown by `harness explain`.
    #[serde(default)]
    pub why: Option<String>,
    /// Capabilities that the relay must declare for this case to make sense, beyond those that the steps imply.
    #[serde(default)]
    pub needs: Vec<Capability>,
    /// How the relay is set up, where that is the point: values handed to the profile's templates as `settings.NAME`.
    /// A case with settings has a relay of its own.
    #[serde(default)]
    pub settings: BTreeMap<String, serde_json::Value>,
    /// What the platforms do that is out of the ordinary.
    #[serde(default)]
    pub given: Vec<Given>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What must hold beyond what the steps imply.
    #[serde(default)]
    pub expect: Vec<Expect>,
    /// Named variations: each makes a case of its own, `name` behind the platform's.
    #[serde(default)]
    pub variants: Vec<Variant>,
}

impl Scenario {
    /// Planned misbehaviour of platforms, in order; exchanges name a fault by its place here.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.given.iter().filter_map(|given| match given {
            Given::Platform(fault) => Some(fault),
            Given::Service(_) => None,
        })
    }

    /// Names of the services that it plans answers of, or expects calls to.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        let given = self.given.iter().filter_map(|given| match given {
            Given::Service(service) => Some(service.name.as_str()),
            Given::Platform(_) => None,
        });
        let expected = self.expect.iter().filter_map(|expect| match expect {
            Expect::Service(service) => Some(service.name.as_str()),
            _ => None,
        });
        given.chain(expected)
    }
}

/// `all`, or a list of platform ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Platforms {
    /// Every platform that the profile delivers to.
    #[default]
    All,
    /// These, if the profile delivers to them.
    Only(Vec<String>),
}

/// What a relay may offer beyond taking orders and delivering them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// A list of deliveries with their attempts.
    DeliveryLog,
    /// A list of dead letters.
    DeadLetters,
    /// Dead letters can be sent again.
    Replay,
    /// Parked deliveries continue when credentials are replaced.
    Credentials,
    /// A health answer that says whether deliveries work.
    Health,
    /// A person can be erased.
    Erasure,
    /// What is kept about a person can be read.
    Export,
    /// The relay can be stopped and started on the same data.
    Restart,
    /// The relay's idea of now can be moved.
    Clock,
    /// The relay's settings can be chosen at start.
    Settings,
    /// Several shops in one relay.
    Shops,
    /// Landings can be told to the relay.
    Clicks,
    /// Consent can be told to the relay.
    Consent,
    /// Refunds and cancellations can be told to the relay.
    Refunds,
}

impl Capability {
    /// As profiles and scenarios write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::DeliveryLog => "delivery_log",
            Self::DeadLetters => "dead_letters",
            Self::Replay => "replay",
            Self::Credentials => "credentials",
            Self::Health => "health",
            Self::Erasure => "erasure",
            Self::Export => "export",
            Self::Restart => "restart",
            Self::Clock => "clock",
            Self::Settings => "settings",
            Self::Shops => "shops",
            Self::Clicks => "clicks",
            Self::Consent => "consent",
            Self::Refunds => "refunds",
        }
    }
}

/// Something that is out of the ordinary.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum Given {
    /// A platform misbehaves towards this case's requests.
    Platform(Fault),
    /// Another service that the relay calls answers in this way, in front of what the profile says.
    Service(GivenService),
}

/// One planned misbehaviour of one platform.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Platform; default: the one that the case is for. `google_oauth` for the token endpoint.
    #[serde(default)]
    pub name: Option<String>,
    /// What it does instead of its ordinary answer.
    pub answers: Answers,
    /// How often; default: until a `recovers` step lifts it (or the case ends).
    #[serde(default)]
    pub times: Option<u32>,
    /// How many matching requests pass untouched before.
    #[serde(default)]
    pub after: u32,
    /// Only requests that carry this order.
    #[serde(default)]
    pub order: Option<String>,
    /// Only requests that match all of these.
    #[serde(default)]
    pub when: Vec<When>,
    /// `Retry-After` header added to the answer: seconds.
    #[serde(default)]
    pub retry_after: Option<Span>,
    /// The same as an HTTP date (rounded up to whole seconds).
    #[serde(default)]
    pub retry_after_date: Option<Span>,
    /// `Retry-After` with this very text.
    #[serde(default)]
    pub retry_after_text: Option<String>,
    /// Orders (by id) whose rows a partial failure hits; others in the same request pass.
    #[serde(default)]
    pub rows: Vec<String>,
}

/// How a platform misbehaves. Classes are phrased as that platform phrases them.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "forms::AnswersForm")]
pub enum Answers {
    /// A failure in the platform's own words; in YAML by its bare name: `rate_limited`.
    Failure(FailureClass),
    /// Any status with headers and body.
    Http(HttpAnswer),
    /// Connections are refused.
    Refuse,
    /// Connection reset after the request's head, before its body is read.
    ResetBeforeBody,
    /// Connection reset after the request was read, nothing taken.
    ResetAfterBody,
    /// Never answers; nothing taken.
    Never,
    /// The ordinary answer, its body one byte at a time over this long.
    SlowBody(Span),
    /// The ordinary answer, cut in the middle of its body; the event is taken.
    CutBody,
    /// The event is taken, then the connection is reset without an answer.
    CommitThenReset,
    /// The event is taken, but no answer ever comes.
    CommitThenSilence,
    /// The event is taken, but a proxy in between answers 502 with HTML.
    CommitThenBadGateway,
    /// The ordinary answer, but only after this long.
    Delay(Span),
    /// Status 200 with an HTML page, nothing taken.
    HtmlOk,
    /// Status 200 (or 204) with an empty body, nothing taken.
    EmptyOk,
    /// Status 302 to a host that must never see the payload.
    Redirect,
}

/// Any HTTP answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body text.
    #[serde(default)]
    pub body: String,
}

/// A condition on a request; decided by wiremock's matchers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// HTTP method.
    Method(String),
    /// Regular expression on the path.
    Path(String),
    /// Header has this value.
    Header(BTreeMap<String, String>),
    /// Query parameter has this value.
    Query(BTreeMap<String, String>),
    /// Body holds this text.
    BodyContains(String),
    /// Body, as JSON, holds at least this.
    BodyJson(serde_json::Value),
}

/// One thing that happens.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum Step {
    /// A shopper lands on the shop.
    Visit(Visit),
    /// A shopper answers the consent banner, or changes the answer.
    Consent(ConsentStep),
    /// An order: the browser's copy on the thank-you page, then the store's webhooks.
    Order(Box<OrderStep>),
    /// The thank-you page is loaded again: the browser's copy once more.
    Reload(Reload),
    /// A webhook about an order that was made before: again, changed, or wrongly signed.
    Webhook(Box<WebhookStep>),
    /// Money is given back.
    Refund(RefundStep),
    /// The order is cancelled.
    Cancel(CancelStep),
    /// A person asks to be forgotten.
    Erase(EraseStep),
    /// Waits (on the journal, never by sleeping) until something happened.
    Until(UntilStep),
    /// Lifts planned faults of a platform (default: all of the case).
    Recovers(RecoversStep),
    /// The relay's clock, and the case's, moves on.
    Clock(ClockStep),
    /// The relay is stopped and started again on its data.
    Restart(RestartStep),
    /// The operator replaces a platform's credential by a valid one.
    Credentials(CredentialsStep),
    /// The operator sends dead letters again.
    Replay(ReplayStep),
}

/// A landing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Visit {
    /// Which shopper; default `shopper`. A new name is a new person with a browser of their own.
    pub by: Option<String>,
    /// What brought them: `paid` (default), `direct`, or the very ids.
    pub click: Option<Click>,
    /// Their answer, given with the landing.
    pub consent: Option<ConsentAnswer>,
    /// Cookies set to these very values (`null` removes one); default: `_fbp`, `_ttp`, `_ga` made by the plan.
    pub cookies: BTreeMap<String, Option<String>>,
    /// How long ago it was, as told to the relay, if the relay takes such a time.
    pub ago: Option<Span>,
    /// Path and query that the landing has before the click ids are added.
    pub page: Option<String>,
    /// `Sec-GPC: 1`.
    pub gpc: bool,
    /// The shopper's address is this very one.
    pub ip: Option<String>,
    /// `X-Forwarded-For` entries in front of the shopper's own (spoofed by the shopper).
    pub forwarded_spoof: Option<String>,
    /// User agent is this very one.
    pub user_agent: Option<String>,
    /// The landing is told to the relay only at this step's `tell_later` counterpart: after the order's webhook, by this long.
    pub late: Option<Span>,
}

/// What brought the visitor: `paid`, `direct`, `{ gclid: "x" }` or `{ query: "..." }`.
#[derive(Debug, Clone, PartialEq)]
pub enum Click {
    /// One click id for each platform of the case (`gclid`, `fbclid`, `ttclid`).
    Paid,
    /// No click id.
    Direct,
    /// Exactly these landing parameters; `"auto"` makes a traceable value.
    Ids(BTreeMap<String, String>),
    /// The raw query string of the landing, `{fbclid}` etc. replaced by traceable values.
    Query(String),
}

/// An answer to a banner: `granted`, `denied`, `unknown`, single decisions, or raw signals.
#[derive(Debug, Clone, PartialEq)]
pub enum ConsentAnswer {
    /// Everything allowed.
    Granted,
    /// Everything refused.
    Denied,
    /// No answer was given.
    Unknown,
    /// Single decisions; those not named are unknown.
    Decisions(Decisions),
    /// Google consent mode signals as a tag would send them.
    Signals(Signals),
}

/// The four decisions, each `granted`, `denied` or unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decisions {
    /// May keep identifiers.
    pub store: Decision,
    /// May send conversions to ad platforms.
    pub ads: Decision,
    /// May send contact data.
    pub ads_user_data: Decision,
    /// May personalise.
    pub ads_personalise: Decision,
}

/// One decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes.
    Granted,
    /// No.
    Denied,
    /// Not asked or unreadable.
    #[default]
    Unknown,
}

/// Raw consent mode signals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Signals {
    /// `G111`, ...
    pub gcs: Option<String>,
    /// `11r1p1r1p5`, ...
    pub gcd: Option<String>,
}

/// A later consent answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct ConsentStep {
    /// Which shopper.
    #[serde(default)]
    pub by: Option<String>,
    /// The answer.
    pub answer: ConsentAnswer,
}

/// An order.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrderStep {
    /// Name within the scenario (`A`); required.
    pub id: String,
    /// Which shopper; default `shopper`.
    pub by: Option<String>,
    /// Which shop of the case: `one` (default) or `two`.
    pub shop: Option<String>,
    /// `49.99 EUR`: what the customer pays; default: made by the plan, unique within the run.
    pub total: Option<Money>,
    /// How long ago it was placed; negative spans (`-90s`) are in the future.
    pub ago: Option<Span>,
    /// Offset in which the store writes its times (`+01:00`); default `+00:00`.
    pub zone: Option<String>,
    /// Order state in the store's words; default `paid`.
    pub state: Option<OrderState>,
    /// Where it was made; default `web`.
    pub kind: Option<OrderKind>,
    /// A test order.
    pub test: bool,
    /// Parts of the total.
    pub money: MoneyParts,
    /// Contact data that differs from the shopper's own. `null` removes a field.
    pub contact: BTreeMap<String, Option<String>>,
    /// How the order can be joined with the landing; default: all that the format has.
    pub join: Option<Vec<JoinKey>>,
    /// Whether the browser's copy fires on the thank-you page; default yes, where the visitor allowed ads.
    pub browser: Option<bool>,
    /// Webhooks sent, by topic; default `[create, paid]` for a paid order, `[create]` else.
    pub topics: Option<Vec<Topic>>,
    /// Each webhook is sent this often, at the same moment.
    pub copies: Option<u32>,
    /// Its numeric id is one that a 64-bit float cannot hold: odd, beyond 2^53.
    pub large_id: bool,
    /// Its numeric id is also that of this earlier order (in another shop).
    pub same_id_as: Option<String>,
    /// Input format, where the profile offers several.
    pub format: Option<String>,
    /// The consent snapshot on the order itself; default: the visitor's state, if the relay takes it this way.
    pub consent: Option<ConsentAnswer>,
    /// JSON merge patch (RFC 7396) applied to the webhook body last; `{key}` in its texts is replaced by traceable values.
    pub patch: Option<serde_json::Value>,
    /// That many orders by as many people, each of whom does what this order's shopper did before: `A1` (the shopper's own), `A2`, ...
    pub bulk: Option<u32>,
    /// Set by the plan on every order of a bulk but the first: the first one's id. A snapshot shows the first alone.
    #[serde(skip)]
    pub like: Option<String>,
}

/// Parts of the total, all optional, same currency.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MoneyParts {
    /// Before tax and shipping.
    pub subtotal: Option<Money>,
    /// Tax.
    pub tax: Option<Money>,
    /// Shipping.
    pub shipping: Option<Money>,
    /// Discount.
    pub discount: Option<Money>,
    /// What the customer saw, in their own currency.
    pub presentment: Option<Money>,
}

/// Order state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the stores' own words")]
pub enum OrderState {
    Pending,
    Authorized,
    PartiallyPaid,
    Paid,
    PartiallyRefunded,
    Refunded,
    Voided,
    Cancelled,
}

/// Where an order was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the stores' own words")]
pub enum OrderKind {
    Web,
    Pos,
    Draft,
    Api,
    Renewal,
}

/// How an order can be joined with its landing.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum JoinKey {
    /// The visitor id as an attribute that the storefront put on the order.
    Attribute,
    /// Cart token.
    Cart,
    /// Checkout token.
    Checkout,
    /// The first URL, as the store noted it.
    LandingSite,
}

/// What a webhook is about, in store-neutral words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Topic {
    Create,
    Paid,
    Updated,
    Cancelled,
    Refund,
    /// A topic that no relay has to care for.
    Unrelated,
}

/// The thank-you page again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Reload {
    /// Order.
    pub order: String,
    /// How often; default 1.
    #[serde(default)]
    pub times: Option<u32>,
    /// How long after the order, in the platform's time.
    #[serde(default)]
    pub after: Option<Span>,
}

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

/// A refund.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct RefundStep {
    /// Order.
    pub order: String,
    /// How much; default: all that is left.
    #[serde(default)]
    pub amount: Option<Money>,
    /// The same refund is told this often.
    #[serde(default)]
    pub times: Option<u32>,
}

/// A cancellation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct CancelStep {
    /// Order.
    pub order: String,
    /// With the refund that a store sends along for paid orders; default true.
    #[serde(default)]
    pub refund: Option<bool>,
}

/// A request to be forgotten.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EraseStep {
    /// Which shopper.
    #[serde(default)]
    pub by: Option<String>,
    /// By what they are named: `email`, `email_upper`, `customer_id`, `orders`.
    #[serde(default)]
    pub named_by: Vec<String>,
}

/// Waits until something happened on the case's platform, or fails the case as inconclusive.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum UntilStep {
    /// The order's event was taken.
    Delivered(String),
    /// That many requests with the order's event came in.
    Attempted {
        /// Order.
        order: String,
        /// How many.
        times: u32,
    },
    /// That many planned faults hit.
    Faults(u32),
    /// The control order that this step makes was taken: what came before was worked off, as far as the path goes.
    Settled,
}

/// Lifts faults.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecoversStep {
    /// Platform; default: all.
    pub platform: Option<String>,
}

/// Time passes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockStep {
    /// How much.
    pub advance: Span,
}

/// Stop and start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct RestartStep {
    /// How it is stopped.
    pub how: Stop,
}

/// How a process is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// SIGKILL: at once, nothing can be tidied.
    Kill,
    /// SIGTERM, then waiting for the exit.
    Terminate,
}

/// A credential is replaced.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CredentialsStep {
    /// Platform; default the case's.
    pub platform: Option<String>,
}

/// Dead letters again.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplayStep {
    /// Only this order's; default all of the case's shop and platform.
    pub order: Option<String>,
    /// How often; default 1.
    pub times: Option<u32>,
}

/// Something that must hold beyond what the steps imply.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum Expect {
    /// The outcome of an order, where the steps alone do not settle it.
    Outcome(ExpectOutcome),
    /// Requests that carried the order.
    Attempts(ExpectAttempts),
    /// A field of what the platform took.
    Payload(ExpectPayload),
    /// The delivery log says this of the order.
    Log(ExpectLog),
    /// The relay's health answer at the end of the steps.
    Health(HealthState),
    /// What is kept about a shopper does not hold these values.
    ExportLacks(ExportLacks),
    /// How often another service was asked.
    Service(ExpectService),
}

/// Expected outcome.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectOutcome {
    /// Order.
    pub order: String,
    /// What must have become of it.
    pub is: ExpectedOutcome,
}

/// Outcomes that a scenario may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedOutcome {
    /// Counted exactly once.
    Counted,
    /// Not counted, rightly.
    Withheld,
    /// Not counted and kept as a dead letter (or refused with a reason): a loss that is reported.
    Reported,
    /// Either; the case is about something else.
    Any,
}

/// Expected attempts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectAttempts {
    /// Order; required.
    pub order: String,
    /// Exactly that many.
    pub exactly: Option<u32>,
    /// At least that many.
    pub at_least: Option<u32>,
    /// At most that many.
    pub at_most: Option<u32>,
    /// No two closer than this.
    pub gaps_at_least: Option<Span>,
    /// What must be equal in all of them.
    pub same: Vec<SameAcross>,
}

/// What must not change between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SameAcross {
    /// The dedup key.
    EventId,
    /// The event time.
    EventTime,
    /// The event's whole JSON.
    Body,
}

/// Expected payload field.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectPayload {
    /// Order; required.
    pub order: String,
    /// JSONPath (RFC 9535) into the request body, or `item.FIELD` for the platform-neutral reading; required.
    pub path: String,
    /// Equals (traceable `{fbclid}`-like names are replaced).
    pub equals: Option<serde_json::Value>,
    /// Text matches this regular expression.
    pub matches: Option<String>,
    /// Is not there.
    pub absent: bool,
    /// Is there.
    pub present: bool,
    /// Only on these platforms.
    pub on: Vec<String>,
}

/// Expected log entry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectLog {
    /// Order.
    pub order: String,
    /// State in the profile's common words.
    pub state: LogState,
}

/// States of a delivery in a log, in common words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogState {
    Pending,
    Delivered,
    Withheld,
    Parked,
    Dead,
}

/// Health answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum HealthState {
    Healthy,
    Unhealthy,
}

/// Values that an export must not hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportLacks {
    /// Which shopper.
    #[serde(default)]
    pub by: Option<String>,
    /// Names of traceable values: `fbclid`, `email`, ...
    pub values: Vec<String>,
}

/// A named variation: fields given here replace those of every step of that kind (or the whole list).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Variant {
    /// Last part of the case's name; required.
    pub name: String,
    /// Merged into every `visit` step.
    pub visit: Option<serde_json::Value>,
    /// Merged into every `order` step.
    pub order: Option<serde_json::Value>,
    /// Merged into every `webhook` step.
    pub webhook: Option<serde_json::Value>,
    /// Merged into every `consent` step.
    pub consent: Option<serde_json::Value>,
    /// Merged into every `given` platform fault.
    pub fault: Option<serde_json::Value>,
    /// Replaces the list of platforms.
    pub platforms: Option<Platforms>,
    /// Replaces `settings`.
    pub settings: Option<BTreeMap<String, serde_json::Value>>,
    /// Replaces the planned faults.
    pub given: Option<serde_json::Value>,
    /// Replaces the steps.
    pub steps: Option<serde_json::Value>,
    /// Replaces the expectations.
    pub expect: Option<serde_json::Value>,
}
