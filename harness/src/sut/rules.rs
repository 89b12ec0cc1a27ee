//! What has to hold in a profile beyond its shape: names that exist, formats that have a place for what is asked of them,
//! templates and paths that can be read, capabilities with the calls that they need.

use std::{
    collections::BTreeSet,
    path::{Component, Path},
};

use serde_json_path::JsonPath;

use super::{
    header_problem,
    profile::{Profile, Ready, Shops},
    template::{self, Templates},
};
use crate::{
    inputs::{self, Carried, Format, SecretKind},
    platforms::{AccountSeed, PLATFORMS},
    scenario::{Capability, LogState, MAX_STUBS, stub_problems, units::Span},
    yaml,
};

/// A rule that the profile breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// Field: `send.formats`.
    pub(super) field: String,
    /// What is wrong and what would be right.
    pub(super) message: String,
    /// What to write instead, where the message does not say it.
    pub(super) hint: Option<String>,
}

/// The known names, and the nearest of them.
fn known(given: &str, expected: &[&str]) -> String {
    yaml::known("names", given, expected)
}

/// Everything that does not hold together.
pub(super) fn check(profile: &Profile) -> Vec<Problem> {
    let mut problems = Problems(Vec::new());
    if let Err(errors) = Templates::compile(profile) {
        let hint =
            "templates are minijinja: {{ name }}, {{ name | filter }}, {% if name %}...{% endif %}";
        for error in errors {
            problems.with(&error.field, error.message, Some(hint.to_owned()));
        }
    }
    names(profile, &mut problems);
    start(profile, &mut problems);
    paths(profile, &mut problems);
    headers(profile, &mut problems);
    expressions(profile, &mut problems);
    capabilities(profile, &mut problems);
    spans(profile, &mut problems);
    services(profile, &mut problems);
    problems.0
}

/// The known ones among the profile's formats.
fn formats_of(profile: &Profile) -> impl Iterator<Item = &'static dyn Format> {
    profile.send.formats.iter().filter_map(|id| inputs::by_id(id))
}

/// Secrets from the environment, and those that the formats need.
pub(super) fn secrets(
    profile: &mut Profile,
    lookup: impl Fn(&str) -> Option<String>,
) -> Vec<Problem> {
    let mut problems = Problems(Vec::new());
    let formats: Vec<_> = formats_of(profile).collect();
    let Shops::Fixed(shops) = &mut profile.shops else { return problems.0 };
    for shop in shops {
        let id = shop.id.clone();
        for (name, secret, kinds) in [
            ("secret", &mut shop.secret, &[SecretKind::Plain][..]),
            (
                "webhook_secret",
                &mut shop.webhook_secret,
                &[SecretKind::Whsec, SecretKind::WhsecText][..],
            ),
            ("write_key", &mut shop.write_key, &[SecretKind::WriteKey][..]),
        ] {
            let needs = formats.iter().find(|format| kinds.contains(&format.secret_kind()));
            match (secret, needs) {
                (Some(secret), _) => {
                    if let Err(why) = secret.resolve(&lookup) {
                        problems.add("shops.fixed", format!("{name} of `{id}`: {why}"));
                    }
                }
                (None, Some(format)) => problems.add(
                    "shops.fixed",
                    format!("`{id}` has no {name}, which {} is signed or sent with", format.id()),
                ),
                (None, None) => {}
            }
        }
    }
    problems.0
}

struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: &str, message: impl Into<String>) {
        self.with(field, message, None);
    }

    fn with(&mut self, field: &str, message: impl Into<String>, hint: Option<String>) {
        self.0.push(Problem { field: field.to_owned(), message: message.into(), hint });
    }
}

/// Stubs that can be carried out, for a relay that can be told where they are.
fn services(profile: &Profile, problems: &mut Problems) {
    if !profile.services.is_empty() && profile.start.is_none() {
        let hint = "a relay that runs elsewhere is told by its operator where its services are";
        problems.with(
            "services",
            "needs `start`, where their URLs are handed over",
            Some(hint.into()),
        );
    }
    for (name, stubs) in &profile.services {
        let at = format!("services.{name}");
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if !(1..=48).contains(&name.len()) || !name.bytes().all(plain) {
            let hint = "use a-z, 0-9 and _".to_owned();
            problems.with(&at, format!("`{name}` is no name for a service"), Some(hint));
        }
        if stubs.len() > MAX_STUBS {
            let hint = "let one stub answer more requests: path_matches".to_owned();
            problems.with(&at, format!("more than {MAX_STUBS} stubs"), Some(hint));
        }
        for (i, stub) in stubs.iter().enumerate() {
            for (field, message, hint) in stub_problems(&stub.request, &stub.response) {
                let field = format!("{at}[{i}].{}", field.replace('/', "."));
                problems.with(&field, message, Some(hint.to_owned()));
            }
        }
    }
}

/// A wait is never negative, and the waits that a run cannot do without are longer than nothing.
fn spans(profile: &Profile, problems: &mut Problems) {
    let policies = &profile.policies;
    let within = profile.start.as_ref().and_then(|start| start.within);
    let waits: [(&str, Option<Span>, bool); 10] = [
        ("start.within", within, true),
        ("policies.retry_horizon", Some(policies.retry_horizon), false),
        ("policies.retry_base", Some(policies.retry_base), false),
        ("policies.retry_cap", Some(policies.retry_cap), false),
        ("policies.batch_delay", Some(policies.batch_delay), false),
        ("policies.stitch_grace", Some(policies.stitch_grace), false),
        ("policies.quiet", Some(policies.quiet), true),
        ("policies.acknowledge_within", Some(policies.acknowledge_within), true),
        ("policies.delivery_timeout", Some(policies.delivery_timeout), true),
        ("policies.click_ttl", Some(policies.click_ttl), false),
    ];
    for (field, span, must_be_some) in waits {
        let Some(span) = span else { continue };
        if span.signed().is_negative() {
            let hint = format!("write it like {}", Span::from(span.signed().abs()));
            problems.with(field, format!("`{span}` is negative"), Some(hint));
        } else if must_be_some && span.signed().is_zero() {
            let hint = "write it like 500ms or 5s".to_owned();
            problems.with(field, "nothing can happen in no time", Some(hint));
        }
    }
}

fn names(profile: &Profile, problems: &mut Problems) {
    let platforms: Vec<&str> =
        PLATFORMS.iter().filter(|p| p.counts_orders()).map(|p| p.id()).collect();
    if profile.platforms.is_empty() {
        problems.add("platforms", format!("names none; known: {}", platforms.join(", ")));
    }
    let mut seen = BTreeSet::new();
    for id in &profile.platforms {
        if !platforms.contains(&id.as_str()) {
            problems.with("platforms", format!("no platform `{id}`"), Some(known(id, &platforms)));
        }
        if !seen.insert(id) {
            problems.add("platforms", format!("`{id}` is named twice"));
        }
    }
    let formats: Vec<&str> = inputs::FORMATS.iter().map(|format| format.id()).collect();
    if profile.send.formats.is_empty() {
        problems.add("send.formats", format!("names none; known: {}", formats.join(", ")));
    }
    for id in &profile.send.formats {
        if !formats.contains(&id.as_str()) {
            problems.with(
                "send.formats",
                format!("no input format `{id}`"),
                Some(known(id, &formats)),
            );
        } else if !profile.send.webhooks.contains_key(id) {
            problems.add("send.webhooks", format!("says not where `{id}` goes"));
        }
    }
    for id in profile.send.webhooks.keys() {
        if !profile.send.formats.contains(id) {
            problems.add("send.webhooks", format!("`{id}` is not among send.formats"));
        }
    }
    if matches!(profile.shops, Shops::Single) && profile.start.is_none() {
        problems
            .add("shops", "`single` needs `start`; a relay at a URL has its shop already: `fixed`");
    }
    for key in &profile.send.joins {
        // What no order can carry would be expected of the relay all the same.
        if !formats_of(profile).any(|format| profile.has_place(*key, format)) {
            let formats = profile.send.formats.join(", ");
            let key = serde_json::to_value(key).unwrap_or_default();
            let key = key.as_str().unwrap_or_default();
            problems.add("send.joins", format!("`{key}` has no place in {formats}"));
        }
    }
    if let Shops::Fixed(shops) = &profile.shops {
        let (mut ids, mut domains) = (BTreeSet::new(), BTreeSet::new());
        if shops.is_empty() {
            problems.add("shops.fixed", "names no shop");
        }
        for (i, shop) in shops.iter().enumerate() {
            if !ids.insert(&shop.id) || !domains.insert(&shop.domain) {
                problems.add("shops.fixed", format!("`{}` is there twice", shop.id));
            }
            for (id, settings) in &shop.accounts {
                let Some(platform) = PLATFORMS.iter().find(|known| known.id() == id) else {
                    problems.add("shops.fixed", format!("no platform `{id}`"));
                    continue;
                };
                let account = platform.account(&AccountSeed { shop: 0, number: 0 });
                let names: Vec<&str> = account.fields.keys().copied().collect();
                for name in settings.keys().filter(|name| !names.contains(&name.as_str())) {
                    problems.with(
                        &format!("shops.fixed[{i}].accounts.{id}.{name}"),
                        format!("no setting `{name}` of an account at {id}"),
                        Some(known(name, &names)),
                    );
                }
            }
        }
    }
}

fn start(profile: &Profile, problems: &mut Problems) {
    let Some(start) = &profile.start else { return };
    if start.command.is_empty() {
        problems.add("start.command", "names no program");
    }
    for name in start.files.keys() {
        let plain = Path::new(name).components().all(|c| matches!(c, Component::Normal(_)));
        if name.is_empty() || !plain {
            problems
                .add("start.files", format!("`{name}` has to be a path inside the work folder"));
        }
    }
    match &start.ready {
        Ready::Line(expression) => match regex::Regex::new(expression) {
            Ok(regex) if regex.captures_len() < 2 => {
                problems.add("start.ready.line", "needs a group that holds the base URL");
            }
            Ok(_) => {}
            Err(error) => problems.add("start.ready.line", error.to_string()),
        },
        Ready::Path(path) if !path.starts_with('/') => {
            problems.add("start.ready.path", "has to begin with `/`");
        }
        Ready::Path(_) => {
            let text = [start.command.join(" ")].into_iter().chain(start.env.values().cloned());
            let texts: Vec<String> = text.chain(start.files.values().cloned()).collect();
            if !texts.iter().any(|text| text.contains("port") || text.contains("listen")) {
                problems.add(
                    "start.ready.path",
                    "cannot be asked: hand `{{ port }}` or `{{ listen }}` to the relay",
                );
            }
        }
    }
}

/// Every call goes below the relay's URL.
fn paths(profile: &Profile, problems: &mut Problems) {
    let send = &profile.send;
    let calls = [
        ("send.click", &send.click),
        ("send.consent", &send.consent),
        ("send.erase", &send.erase),
        ("send.credentials", &send.credentials),
        ("send.replay", &send.replay),
        ("send.clock", &send.clock),
        ("read.export", &profile.read.export),
    ];
    let calls =
        calls.into_iter().filter_map(|(at, call)| Some((at.to_owned(), &call.as_ref()?.path)));
    let hooks =
        send.webhooks.iter().map(|(format, hook)| (format!("send.webhooks.{format}"), &hook.path));
    for (at, path) in calls.chain(hooks) {
        if !path.starts_with('/') && !path.starts_with("{{") {
            problems.add(&format!("{at}.path"), "has to begin with `/`");
        }
    }
}

/// Methods and headers that can be sent, as far as they do not depend on a call.
fn headers(profile: &Profile, problems: &mut Problems) {
    let calls = template::calls(profile);
    for (field, call, _) in &calls {
        let method = call.method.as_deref().unwrap_or("POST");
        if reqwest::Method::from_bytes(method.as_bytes()).is_err() {
            let hint = Some("write it like GET or POST".to_owned());
            problems.with(&format!("{field}.method"), format!("`{method}` is no method"), hint);
        }
    }
    let of_calls = calls.iter().map(|(field, call, _)| (field.clone(), &call.headers));
    let hooks = profile.send.webhooks.iter();
    let of_hooks = hooks.map(|(format, hook)| (format!("send.webhooks.{format}"), &hook.headers));
    for (field, headers) in of_calls.chain(of_hooks) {
        for (name, text) in headers {
            // What a template makes of it is known with the call.
            let is_template = ["{{", "{%", "{#"].iter().any(|begin| text.contains(begin));
            let value = if is_template { "" } else { text.trim() };
            if let Some(why) = header_problem(name, value) {
                problems.add(&format!("{field}.headers.{name}"), format!("cannot be sent: {why}"));
            }
        }
    }
}

fn expressions(profile: &Profile, problems: &mut Problems) {
    let Some(log) = &profile.read.deliveries else { return };
    let required = [
        ("entries", Some(&log.entries)),
        ("id", Some(&log.id)),
        ("order", Some(&log.order)),
        ("platform", Some(&log.platform)),
        ("state", Some(&log.state)),
        ("reason", log.reason.as_ref()),
        ("attempts", log.attempts.as_ref()),
        ("attempt_status", log.attempt_status.as_ref()),
        ("attempt_trace", log.attempt_trace.as_ref()),
        ("attempt_outcome", log.attempt_outcome.as_ref()),
    ];
    for (name, path) in required {
        if let Some(Err(error)) = path.map(|path| JsonPath::parse(path)) {
            problems.add(&format!("read.deliveries.{name}"), error.to_string());
        }
    }
    if log.states.is_empty() {
        problems.add("read.deliveries.states", "maps no state of the relay's to a common word");
    }
}

/// A capability that is declared needs the means to use it.
fn capabilities(profile: &Profile, problems: &mut Problems) {
    let send = &profile.send;
    let read = &profile.read;
    let dead = read
        .deliveries
        .as_ref()
        .is_some_and(|log| log.states.values().any(|state| *state == LogState::Dead));
    for capability in &profile.capabilities {
        let (there, needs) = match capability {
            Capability::DeliveryLog => (read.deliveries.is_some(), "read.deliveries"),
            Capability::DeadLetters => (dead, "read.deliveries with a state that maps to `dead`"),
            Capability::Replay => {
                (send.replay.is_some() && dead, "send.replay and a log to find ids in")
            }
            Capability::Credentials => (send.credentials.is_some(), "send.credentials"),
            Capability::Health => (read.health.is_some(), "read.health"),
            Capability::Erasure => (
                send.erase.is_some() || formats_of(profile).any(Format::redacts),
                "send.erase, or the shopify format with its erasure webhook",
            ),
            Capability::Export => (read.export.is_some(), "read.export"),
            Capability::Restart | Capability::Settings => (profile.start.is_some(), "start"),
            Capability::Clock => (send.clock.is_some(), "send.clock"),
            Capability::Shops => match &profile.shops {
                Shops::AsNeeded => (true, ""),
                Shops::Single => (false, "more than one shop"),
                Shops::Fixed(shops) => (shops.len() > 1, "a second shop"),
            },
            Capability::Clicks => (send.click.is_some(), "send.click"),
            Capability::Consent => (
                send.consent.is_some()
                    || send.click.is_some()
                    || send.attributes.consent.is_some()
                    || formats_of(profile).any(|format| format.carries(Carried::Consent)),
                "send.consent, send.click, send.attributes.consent, or a format that carries consent",
            ),
            Capability::ConsentSignals => (
                profile.tells_signals(),
                "a call (send.click or send.consent) that takes `consent` whole, or its `gcs` and `gcd`",
            ),
            Capability::Refunds => (true, ""),
        };
        if !there {
            let name = serde_json::to_value(capability).unwrap_or_default();
            let name = name.as_str().unwrap_or_default().to_owned();
            problems.add("capabilities", format!("`{name}` needs {needs}"));
        }
    }
}
