//! Which click and browser ids an order's event has to carry: the last paid click wins, a direct visit does not
//! erase it, and nothing is kept that came before the visitor allowed storing.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::{
    exchange::Request,
    history::{Call, Did},
    plan::{Case, Order, Person},
    platforms::{ClickForm, Platform},
    scenario::{Click, Decision, Decisions, JoinKey, OrderStep, Visit},
    sut::profile::{Profile, UnknownConsent},
    truth::{ExpectedId, Presence, consent::Told},
};

/// Landing parameters that are click ids, in the order in which one of a platform's own wins over the others.
const CLICK_IDS: [&str; 5] = ["gclid", "gbraid", "wbraid", "fbclid", "ttclid"];

/// How an order can be joined with its landing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    /// By a key that names this visitor alone.
    Visitor,
    /// Only by the landing URL that the store noted.
    LandingSite,
    /// Perhaps: keys that may be ambiguous.
    Perhaps,
    /// By nothing that the relay reads.
    None,
}

/// Whether the order names its visitor by this key, in a place where the relay reads it.
pub(super) fn can_join(case: &Case, profile: &Profile, step: &OrderStep, key: JoinKey) -> bool {
    profile.format_of(&case.scenario, Some(step)).is_some_and(|format| profile.reads(key, format))
        && step.join.as_ref().is_none_or(|keys| keys.contains(&key))
}

/// The strongest way in which the relay can join an order with what its visitor told.
pub(super) fn join(case: &Case, profile: &Profile, order: &Order, step: &OrderStep) -> Join {
    let has = |key: JoinKey| can_join(case, profile, step, key);
    // A landing can name only one cart: with several orders of one person it is open whose it was.
    let only_one = case.orders.iter().filter(|o| o.by == order.by).count() == 1;
    let cart = (has(JoinKey::Cart) && order.cart_token.is_some())
        || (has(JoinKey::Checkout) && order.checkout_token.is_some());
    if has(JoinKey::Attribute) || (cart && only_one) {
        Join::Visitor
    } else if cart {
        Join::Perhaps
    } else if has(JoinKey::LandingSite) {
        Join::LandingSite
    } else {
        Join::None
    }
}

/// What the landings of one person leave for one order.
pub(super) struct Clicks<'a> {
    pub(super) case: &'a Case,
    pub(super) platform: &'a dyn Platform,
    pub(super) profile: &'a Profile,
    pub(super) person: &'a Person,
    /// How the order is joined, and whether its own landing URL can tell ids.
    pub(super) join: Join,
    pub(super) landing_site: bool,
    /// Told in time for the order; true: for certain.
    pub(super) landings: Vec<(Told<'a>, bool, Decisions)>,
    /// The state that counts for the order.
    pub(super) at_order: Decisions,
    /// When the order was placed.
    pub(super) placed: OffsetDateTime,
}

impl Clicks<'_> {
    /// Expectations per field; later landings replace earlier ones.
    /// `webhook`: the order as the store told it, with the last landing's URL.
    pub(super) fn expected(&self, webhook: Option<&Request>) -> Vec<ExpectedId> {
        let mut ids: Vec<ExpectedId> = Vec::new();
        let last = self.landings.last().map(|(told, ..)| told.index);
        for (told, certain, state) in &self.landings {
            let Some(visit) = told.visit else { continue };
            let is_last = last == Some(told.index);
            let presence = self.presence(*certain && told.arrived, *state, is_last);
            let by_store = webhook.filter(|_| self.join == Join::LandingSite);
            let found = self.of_landing(told, visit, presence, by_store);
            if found.iter().any(|id| id.click && id.presence != Presence::Forbidden) {
                for old in &mut ids {
                    // Another platform's later click may or may not end this one's; the same field's does.
                    if old.click && old.presence == Presence::Required {
                        old.presence = Presence::Optional;
                    }
                }
            } else if self.is_foreign_paid(told, visit) {
                for old in ids.iter_mut().filter(|id| id.click) {
                    if old.presence == Presence::Required {
                        old.presence = Presence::Optional;
                    }
                }
            }
            for id in found {
                let same = |old: &ExpectedId| old.field == id.field && old.value == id.value;
                match ids.iter_mut().find(|old| same(old)) {
                    // Seen again: the first observation stays, the wider permission counts.
                    Some(old) if old.presence == Presence::Forbidden => *old = id,
                    Some(old) if id.presence == Presence::Forbidden => {
                        old.presence = weaker(old.presence);
                    }
                    Some(old) => {
                        old.presence = id.presence;
                        // It may also have been kept as a new observation.
                        if old.observed != id.observed && !old.click {
                            old.observed = None;
                        }
                    }
                    None => {
                        if !id.click && id.presence != Presence::Forbidden {
                            ids.iter_mut()
                                .filter(|old| old.field == id.field && !old.click)
                                .for_each(|old| old.presence = weaker(old.presence));
                        }
                        ids.push(id);
                    }
                }
            }
        }
        ids
    }

    fn presence(&self, certain: bool, state: Decisions, is_last: bool) -> Presence {
        let withhold = self.profile.policies.unknown_consent == UnknownConsent::Withhold;
        let by_store = match (state.store, state.ads) {
            (Decision::Denied, _) => Presence::Forbidden,
            (Decision::Granted, _) => Presence::Required,
            // One switch for storing and sending is common; it is not contradicted here.
            (Decision::Unknown, Decision::Granted) => Presence::Optional,
            // A storefront that tells of a landing only after a yes has nothing to add to it.
            (Decision::Unknown, _)
                if !self.profile.hears_consent() && self.at_order.store == Decision::Granted =>
            {
                Presence::Optional
            }
            (Decision::Unknown, _) if withhold && !(self.landing_site && is_last) => {
                Presence::Forbidden
            }
            (Decision::Unknown, _) => Presence::Optional,
        };
        let by_order = match self.at_order.store {
            Decision::Denied => Presence::Forbidden,
            Decision::Granted => Presence::Required,
            Decision::Unknown => Presence::Optional,
        };
        let by_join = match self.join {
            Join::Visitor if certain => Presence::Required,
            // The store notes the URL of the last session's first page.
            Join::LandingSite if is_last => Presence::Required,
            _ => Presence::Optional,
        };
        [by_store, by_order, by_join].into_iter().fold(Presence::Required, strictest)
    }

    fn of_landing(
        &self,
        told: &Told<'_>,
        visit: &Visit,
        presence: Presence,
        by_store: Option<&Request>,
    ) -> Vec<ExpectedId> {
        let Some(call) = call_of(told) else { return Vec::new() };
        let request = by_store.unwrap_or(&call.request);
        let observed =
            told.action.time - visit.ago.map_or(time::Duration::ZERO, |ago| ago.signed());
        let age = self.placed - observed;
        let params = self.params(visit, &call.request);
        let cookies = self.cookies(visit);
        let mut ids = Vec::new();
        for name in CLICK_IDS {
            let Some(value) = params.get(name) else { continue };
            let Some(field) = self.platform.click_field(name) else { continue };
            let mut presence = strictest(presence, self.by_age(age));
            if presence == Presence::Required
                && (!is_told(request, value)
                    // A store may cut the address short: another parameter's equal value is not this one's.
                    || (by_store.is_some() && !is_told_as(request, name, value))
                    // One click id per conversion: the others of the same click may be left out.
                    || ids.iter().any(|id: &ExpectedId| id.click))
            {
                presence = Presence::Optional;
            }
            let noted = cookies.get("_fbc").filter(|c| fbclid_of(c) == Some(value.as_str()));
            let observed = match (field.form, self.join) {
                // Of a click that the relay hears of as one after the order it may think what it likes.
                (ClickForm::Fbc, Join::Visitor) if age > -time::Duration::MINUTE => Some(observed),
                _ => None,
            };
            match noted {
                // The browser's own cookie for this very click is kept byte for byte.
                Some(cookie) if field.form == ClickForm::Fbc => ids.push(ExpectedId {
                    field: field.field,
                    value: cookie.clone(),
                    form: ClickForm::Verbatim,
                    observed: None,
                    observed_or: None,
                    telling: call.took,
                    presence: if self.join == Join::Visitor { presence } else { weaker(presence) },
                    rule: field.rule,
                    click: true,
                }),
                _ => ids.push(ExpectedId {
                    field: field.field,
                    value: value.clone(),
                    form: field.form,
                    observed,
                    observed_or: visit.ago.and(observed).map(|_| told.action.time),
                    telling: call.took,
                    presence,
                    rule: field.rule,
                    click: true,
                }),
            }
        }
        for (name, value) in &cookies {
            let Some(field) = self.platform.click_field(name) else { continue };
            let click = name == "_fbc";
            if click && (ids.iter().any(|id| id.field == field.field) || fbclid_of(value).is_none())
            {
                continue;
            }
            // Browser ids may be forgotten together with the click.
            let old = self.by_age(age) != Presence::Required;
            let mut presence = match self.join {
                Join::LandingSite => weaker(presence),
                _ if old => weaker(presence),
                _ => presence,
            };
            if presence == Presence::Required
                && (!is_told(&call.request, value) || (click && params.contains_key("fbclid")))
            {
                presence = Presence::Optional;
            }
            ids.push(ExpectedId {
                field: field.field,
                value: value.clone(),
                form: ClickForm::Verbatim,
                observed: None,
                observed_or: None,
                telling: call.took,
                presence,
                rule: field.rule,
                click,
            });
        }
        ids
    }

    /// Click ids are used no longer than the relay declares; an hour around the limit is left open.
    fn by_age(&self, age: time::Duration) -> Presence {
        let limit = self.profile.policies.click_ttl.signed();
        if age > limit + time::Duration::HOUR {
            Presence::Forbidden
        } else if age > limit - time::Duration::HOUR {
            Presence::Optional
        } else {
            Presence::Required
        }
    }

    /// A paid click of another platform.
    fn is_foreign_paid(&self, told: &Told<'_>, visit: &Visit) -> bool {
        let Some(call) = call_of(told) else { return false };
        let params = self.params(visit, &call.request);
        CLICK_IDS.iter().any(|name| params.contains_key(*name))
    }

    /// The landing's parameters, decoded once; names in lower case; the first value that is not empty.
    fn params(&self, visit: &Visit, request: &Request) -> BTreeMap<String, String> {
        match visit.click.as_ref().unwrap_or(&Click::Paid) {
            Click::Direct => BTreeMap::new(),
            Click::Paid => ["gclid", "fbclid", "ttclid"]
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), self.person.ids.get(*name)?.clone())))
                // Which of them a paid click brings is the plan's choice: what was told counts.
                .filter(|(_, value)| is_told(request, value))
                .collect(),
            Click::Ids(ids) => ids
                .iter()
                .map(|(name, value)| {
                    let name = name.to_ascii_lowercase();
                    let value = match value.as_str() {
                        "auto" => self.person.ids.get(&name).cloned().unwrap_or_default(),
                        text => self.fill(text, request),
                    };
                    (name, value)
                })
                .filter(|(_, value)| !value.is_empty())
                .collect(),
            Click::Query(raw) => query(&self.fill(raw, request)),
        }
    }

    fn cookies(&self, visit: &Visit) -> BTreeMap<String, String> {
        let mut cookies: BTreeMap<String, String> = self
            .person
            .ids
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "_fbp" | "_ttp" | "_ga"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for (name, value) in &visit.cookies {
            match value {
                Some(value) if value == "auto" => {
                    cookies
                        .extend(self.person.ids.get(name).map(|own| (name.clone(), own.clone())));
                }
                Some(value) => {
                    let value = replace(value, |key| {
                        self.person.ids.get(key).or_else(|| self.case.values.get(key)).cloned()
                    });
                    cookies.insert(name.clone(), value);
                }
                None => {
                    cookies.remove(name);
                }
            }
        }
        cookies.retain(|_, value| !value.is_empty());
        cookies
    }

    /// Fills `{fbclid}` and the like: the person's own value, or the case's, whichever was told.
    fn fill(&self, text: &str, request: &Request) -> String {
        replace(text, |key| {
            let own = self.person.ids.get(key);
            let shared = self.case.values.get(key);
            match (own, shared) {
                (Some(own), Some(shared)) if !is_told(request, own) => Some(shared.clone()),
                (Some(own), _) => Some(own.clone()),
                (None, shared) => shared.cloned(),
            }
        })
    }
}

/// The call that told of a landing, or the order that did.
fn call_of<'a>(told: &Told<'a>) -> Option<&'a Call> {
    match &told.action.what {
        Did::Landing { call, .. } | Did::Webhook { call, .. } => Some(call),
        _ => None,
    }
}

/// The more cautious of two: forbidden, optional, required.
fn strictest(a: Presence, b: Presence) -> Presence {
    match (a, b) {
        (Presence::Forbidden, _) | (_, Presence::Forbidden) => Presence::Forbidden,
        (Presence::Optional, _) | (_, Presence::Optional) => Presence::Optional,
        _ => Presence::Required,
    }
}

fn weaker(presence: Presence) -> Presence {
    if presence == Presence::Required { Presence::Optional } else { presence }
}

/// `{name}` replaced where the name is known.
pub(crate) fn replace(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}').map(|(key, tail)| (value(key), tail)) {
            Some((Some(found), tail)) => {
                out.push_str(&found);
                rest = tail;
            }
            _ => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn query(raw: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for pair in raw.trim_start_matches('?').split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value.split('#').next().unwrap_or(value));
        if !value.is_empty() {
            found.entry(decode(name).to_ascii_lowercase()).or_insert(value);
        }
    }
    found
}

/// Percent-decoding once; `+` stays `+`, since click ids never hold spaces.
pub(crate) fn decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        let hex = (byte == b'%')
            .then(|| bytes.get(i + 1..i + 3))
            .flatten()
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match hex {
            Some(value) => {
                out.push(value);
                i += 3;
            }
            None => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a call told this value as a query parameter of this name.
fn is_told_as(request: &Request, name: &str, value: &str) -> bool {
    any_text(request, |text| {
        text.match_indices(value).any(|(at, _)| {
            let before = text.get(..at).and_then(|before| before.strip_suffix('='));
            let named =
                before.and_then(|before| before.get(before.len().checked_sub(name.len())?..));
            named.is_some_and(|written| written.eq_ignore_ascii_case(name))
        })
    })
}

/// Whether a call told this value, plain or percent-encoded once or twice.
pub(super) fn is_told(request: &Request, value: &str) -> bool {
    any_text(request, |text| text.contains(value))
}

/// Whether any text of a call is like this, as it is or decoded once or twice.
fn any_text(request: &Request, is: impl Fn(&str) -> bool) -> bool {
    let texts = [&request.body, &request.query, &request.path];
    let headers = request.headers.iter().map(|(_, v)| v);
    texts.into_iter().chain(headers).any(|text| {
        is(text) || {
            let once = decode(text);
            is(&once) || is(&decode(&once))
        }
    })
}

/// The click in a well-formed `_fbc` value of four parts, or five with the builder's appendix.
/// See <https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/fbp-and-fbc>.
pub(crate) fn fbclid_of(cookie: &str) -> Option<&str> {
    let mut parts = cookie.splitn(4, '.');
    let (fb, index, ms, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let click = match rest.rsplit_once('.') {
        Some((click, tail)) if matches!(tail.len(), 2 | 8) => click,
        _ => rest,
    };
    (fb == "fb" && digits(index) && digits(ms) && !click.is_empty()).then_some(click)
}
