//! The ad platforms: what each accepts, answers and counts. Adding one is a folder here and a line in [`PLATFORMS`].
//!
//! A simulator is a set of pure functions: it reads a request, judges it against the platform's contract,
//! answers as the platform would, and counts accepted events with that platform's own deduplication.
//! The gateway holds the state and the sockets.

pub mod data_manager;
pub mod google_ads;
pub mod google_oauth;
pub mod meta;
pub mod normalise;
pub mod tiktok;

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    exchange::{Owner, Reply, Request},
    plan::Person,
};

/// Every platform, in the order in which reports show them. Ad platforms first, then services they need.
pub static PLATFORMS: &[&dyn Platform] = &[
    &meta::Meta,
    &google_ads::GoogleAds,
    &data_manager::DataManager,
    &tiktok::TikTok,
    &google_oauth::GoogleOAuth,
];

/// The platform with this id.
pub fn by_id(id: &str) -> Option<&'static dyn Platform> {
    PLATFORMS.iter().copied().find(|p| p.id() == id)
}

/// A rule of any platform's contract, by id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    PLATFORMS.iter().flat_map(|platform| platform.rules()).find(|rule| rule.id == id)
}

/// One simulated ad-platform API.
pub trait Platform: Send + Sync {
    /// `meta`, `google_ads`, ...: in case names, YAML, reports and as path prefix of the gateway.
    fn id(&self) -> &'static str;

    /// Name for people.
    fn title(&self) -> &'static str;

    /// Hosts that it answers for in the world; the first is the API's.
    fn hosts(&self) -> &'static [&'static str];

    /// False for services such as token endpoints that count no orders.
    fn counts_orders(&self) -> bool {
        true
    }

    /// Whether the browser's own copy of an order reaches the same count (a pixel or tag on the same id).
    fn has_browser_copy(&self) -> bool {
        self.counts_orders()
    }

    /// Whether refunds can be reported to it.
    fn takes_adjustments(&self) -> bool {
        false
    }

    /// Whether there is a consent field, so that a denial may be sent along instead of withholding the event.
    fn has_consent_field(&self) -> bool {
        false
    }

    /// Whether an order can be sent that has neither click id nor browser id but hashed contact data.
    fn matches_by_contact(&self) -> bool {
        true
    }

    /// The contract, for `harness explain` and reports.
    fn rules(&self) -> &'static [Rule];

    /// Account settings made for one shop: field names as profiles use them (`pixel_id`, `access_token`, ...).
    /// `key` (see [`Account::key`]) must be readable from every request.
    fn account(&self, seed: &AccountSeed) -> Account;

    /// Reads a request and judges it against the contract. Never panics, whatever the bytes.
    fn read(&self, request: &Request, now: OffsetDateTime, accounts: &dyn Accounts) -> Reading;

    /// The body that the pointers of [`Platform::read`]'s items lead into; `None` if it is nothing of the kind.
    fn body(&self, request: &Request) -> Option<serde_json::Value> {
        request.json()
    }

    /// The ordinary answer to a request, and which items are taken.
    /// `ledger` holds what this account took before (for platforms that refuse duplicates).
    fn answer(&self, request: &Request, reading: &Reading, ledger: &[Entry]) -> Answer;

    /// This platform's own form of a planned failure; `None`: it has no such answer (the plan refuses such a scenario).
    /// `rows`: the items (by index) that a partial failure hits.
    fn failure(
        &self,
        class: FailureClass,
        request: &Request,
        reading: &Reading,
        rows: &[usize],
    ) -> Option<Answer>;

    /// What the platform counts, given everything it took for one account, in order of arrival.
    fn count(&self, entries: &[Entry]) -> Vec<Counted>;

    /// The browser's own copy of an order as a request to this platform (host and path of the pixel).
    fn browser_copy(&self, copy: &BrowserCopy, account: &Account) -> Option<Request>;

    /// Hashes (or plain values) that are right for this person on this platform, per kind of identifier.
    fn identity(&self, person: &Person) -> Vec<IdentityRule>;

    /// Where one of the click or browser ids of the landing must appear; `None`: this platform has no use for it.
    /// `name` is the landing parameter or cookie: `gclid`, `gbraid`, `wbraid`, `fbclid`, `ttclid`, `_fbp`, `_fbc`, `_ttp`.
    fn click_field(&self, name: &str) -> Option<ClickField>;
}

/// One rule of a platform's contract.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rule {
    /// `META-EMAIL-HASH`; never renamed.
    pub id: &'static str,
    /// How bad it is to break it.
    pub severity: Severity,
    /// One sentence: what has to hold.
    pub says: &'static str,
    /// Public page it comes from.
    pub source: &'static str,
    /// Catalogue entries it is evidence for.
    pub covers: &'static [&'static str],
}

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The platform rejects, loses or miscounts, or a person's choice is broken: fails the case.
    Must,
    /// Accepted, but worse than it could be, or sources disagree: a warning.
    Should,
}

/// What an account is made from: reproducible from the run's seed.
#[derive(Debug, Clone)]
pub struct AccountSeed {
    /// Index of the shop in the run (unique).
    pub shop: usize,
    /// Uniform number derived from seed, shop and platform: for digits and tokens.
    pub number: u64,
}

/// One shop's settings at one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// What requests are attributed by: pixel id, customer id, refresh token ...
    pub key: String,
    /// Settings by name, for profile templates.
    pub fields: BTreeMap<&'static str, String>,
    /// Names of fields that are secrets: redacted everywhere.
    pub secret: &'static [&'static str],
}

impl Account {
    /// A setting; empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// The accounts of the run, as a platform sees its own.
pub trait Accounts {
    /// The account with this key, if one was made.
    fn find(&self, key: &str) -> Option<&Account>;
    /// Access tokens handed out by the token endpoint that are valid now for this account key, newest last.
    /// `revoked` ones are not in it.
    fn is_valid_token(&self, account: &Account, token: &str) -> bool;
}

/// Which way an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The relay's API call.
    Server,
    /// The browser's pixel or tag.
    Browser,
    /// Not an event: a token request, a status query.
    Other,
}

/// What a platform makes of a request.
#[derive(Debug, Clone, Serialize)]
pub struct Reading {
    /// Account it is for, if that can be read.
    pub account: Option<String>,
    /// How it came.
    pub channel: Channel,
    /// The events in it, in order. Empty if the body could not be read.
    pub items: Vec<Item>,
    /// Every rule it breaks.
    pub broken: Vec<Violation>,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Id of the [`Rule`].
    pub rule: &'static str,
    /// Item it is about; `None`: the request as a whole.
    pub item: Option<usize>,
    /// JSON pointer into the body, `?name` for a query parameter, or `header:name`.
    pub at: String,
    /// What is wrong, with the value where it is no secret.
    pub message: String,
    /// True if the platform refuses the item (or the request) because of it.
    pub refused: bool,
}

/// One event of a request in platform-neutral words. Every field is what was *sent*, not what should be.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Item {
    /// JSON pointer of the event in the body (`/data/0`).
    pub pointer: String,
    /// A sale, a change to one, or something else.
    pub kind: ItemKind,
    /// Event name where the platform has one.
    pub event_name: Option<String>,
    /// What the platform deduplicates on: `event_id`, `orderId`, `transactionId`.
    pub key: Option<String>,
    /// Conversion action, pixel, ...: copies on different targets are never joined.
    pub target: Option<String>,
    /// Event time.
    pub time: Option<OffsetDateTime>,
    /// Value in major units.
    pub value: Option<Decimal>,
    /// Currency as sent.
    pub currency: Option<String>,
    /// Click and browser ids by the platform's own field name (`gclid`, `fbc`, `fbp`, `ttclid`, `ttp`).
    pub ids: BTreeMap<String, String>,
    /// Hashed or plain identifiers: kind and value as sent, one entry per value.
    pub identifiers: Vec<(IdentifierKind, String)>,
    /// Shopper's address as sent.
    pub ip: Option<String>,
    /// Shopper's user agent as sent.
    pub user_agent: Option<String>,
    /// Page URL as sent.
    pub url: Option<String>,
    /// `ad_user_data` as sent, where the platform has it (event level, else request level).
    pub consent_user_data: Option<bool>,
    /// `ad_personalization` as sent, likewise.
    pub consent_personalise: Option<bool>,
    /// Limited data use as sent (LDU and the like).
    pub limited_data_use: bool,
    /// Marked as a test (test event code, validate only).
    pub test: bool,
    /// `website`, `physical_store` ... where the platform has it.
    pub source: Option<String>,
}

/// What an event reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A purchase (or the configured conversion).
    #[default]
    Purchase,
    /// The purchase is taken back.
    Retraction {
        /// When, as sent.
        at: Option<OffsetDateTime>,
    },
    /// The purchase's value is now [`Item::value`].
    Restatement {
        /// When, as sent.
        at: Option<OffsetDateTime>,
    },
    /// Any other event name.
    Other,
}

/// Kinds of personal identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum IdentifierKind {
    Email,
    Phone,
    FirstName,
    LastName,
    City,
    Region,
    Postcode,
    Country,
    ExternalId,
    Other,
}

/// The answer to a request and what was taken.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What goes back.
    pub reply: Reply,
    /// Items (by index) that are now in the ledger.
    pub accepted: Vec<usize>,
}

/// Classes of planned failures that every platform phrases in its own way.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Too many requests, as this platform says it (not necessarily status 429).
    RateLimited,
    /// A passing fault inside an answer that looks permanent (error code in a 400 or in a 200).
    Transient,
    /// Status 500 with the platform's error envelope.
    ServerError,
    /// Status 503 with the platform's error envelope.
    Unavailable,
    /// The credential is expired or revoked.
    TokenExpired,
    /// The account may not do this.
    Forbidden,
    /// The event is invalid and will always be: permanent.
    Invalid,
    /// Some rows fail for good, the others are taken (platforms with partial failure).
    PartialInvalid,
    /// Some rows fail for now, the others are taken (platforms with partial failure).
    PartialTransient,
    /// Success status and envelope, but nothing was taken (count 0, empty result).
    TookNothing,
}

/// An event that the platform took.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Exchange it came with.
    pub exchange: u64,
    /// Which way.
    pub channel: Channel,
    /// When, in the case's own time.
    pub at: OffsetDateTime,
    /// The event.
    pub item: Item,
    /// Whom it belongs to.
    pub owner: Option<Owner>,
}

/// One conversion in the platform's count, after deduplication.
#[derive(Debug, Clone, Serialize)]
pub struct Counted {
    /// Indexes into the entries that were joined into it, in order of arrival.
    pub entries: Vec<usize>,
    /// The entry whose identity (and by default value) counts.
    pub winner: usize,
    /// Value that counts now, after merging and adjustments.
    pub value: Option<Decimal>,
    /// Currency that counts.
    pub currency: Option<String>,
    /// Taken back: no longer counted.
    pub retracted: bool,
    /// Only test events were in it: not part of the live count (Meta counts them all the same).
    pub test: bool,
}

/// The facts that the browser's copy of an order carries.
#[derive(Debug, Clone)]
pub struct BrowserCopy {
    /// The id that the storefront gives the pixel (`event_id` / `transaction_id`).
    pub event_id: String,
    /// Order value as the thank-you page shows it.
    pub value: Decimal,
    /// Currency.
    pub currency: String,
    /// Page URL.
    pub url: String,
    /// Click and browser ids that the page knows (`fbclid`, `_fbp`, `gclid`, ...).
    pub ids: BTreeMap<String, String>,
    /// The shopper's address and user agent.
    pub ip: String,
    /// User agent.
    pub user_agent: String,
    /// When, in the case's own time.
    pub at: OffsetDateTime,
}

/// Right values for one kind of identifier of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdentityRule {
    /// Which.
    pub kind: IdentifierKind,
    /// Any of these is right (hash in lower-case hex, or the plain value where the platform wants it plain).
    pub accepted: Vec<String>,
    /// The rule that says so.
    pub rule: &'static str,
}

/// Where a click or browser id must appear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickField {
    /// Key in [`Item::ids`].
    pub field: &'static str,
    /// How the landing's value appears there.
    pub form: ClickForm,
    /// The rule that says so.
    pub rule: &'static str,
}

/// How a value appears in the platform's field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClickForm {
    /// Byte for byte.
    Verbatim,
    /// `fb.<subdomain index>.<ms of first observation>.<value>`.
    Fbc,
}
