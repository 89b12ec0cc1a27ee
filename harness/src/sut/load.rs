//! Reading and checking a profile. Every mistake is reported with its place and what would be right.

use std::{
    collections::BTreeSet,
    path::{Component, Path},
};

use serde_json_path::JsonPath;

use super::{
    profile::{Profile, Ready, Shops},
    template::Templates,
};
use crate::{
    inputs::{self, Carried, Format, SecretKind},
    platforms::{AccountSeed, PLATFORMS},
    scenario::{Capability, JoinKey, LogState, MAX_STUBS, stub_problems, units::Span},
    yaml::{self, LoadError, LoadErrors, MAX_FILE, Node, Place, Reporter},
};

/// A rule that the profile breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    /// Field: `send.formats`.
    field: String,
    /// What is wrong and what would be right.
    message: String,
    /// What to write instead, where the message does not say it.
    hint: Option<String>,
}

/// Reads, checks and returns a profile. Secrets that it names by variable come from the environment.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Profile, LoadErrors> {
    load_with(path, from_environment)
}

fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

pub(crate) fn load_with(
    path: &Path,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Profile, LoadErrors> {
    let text = yaml::read(path, "a profile")?;
    let mut profile = parse_file(&path.display().to_string(), &text, lookup)?;
    // The relay runs in a folder of its own, where a path relative to ours would lead nowhere.
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    profile.folder = whole.parent().map(Path::to_owned).unwrap_or_default();
    Ok(profile)
}

/// The same from text.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str) -> Result<Profile, LoadErrors> {
    parse_file("profile.yaml", text, from_environment)
}

pub(crate) fn parse_file(
    file: &str,
    text: &str,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Profile, LoadErrors> {
    let reporter = Reporter::new(file, text);
    let one = LoadErrors::from;
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    if length > MAX_FILE {
        let hint = "a profile takes a few kilobytes".to_owned();
        return Err(one(reporter.error(None, yaml::too_long(length), Some(hint))));
    }
    if yaml::is_blank(text) {
        let hint = "copy the reference relay's profile and change it".to_owned();
        let begin = Some(Place { line: 1, column: 1 });
        return Err(one(reporter.error(begin, "the file is empty".into(), Some(hint))));
    }
    let options = yaml::options();
    let mut profile: Profile = serde_saphyr::from_str_with_options(text, options.clone())
        .map_err(|error| one(reporter.yaml(&error)))?;
    let mut problems = secrets(&mut profile, lookup);
    problems.extend(check(&profile));
    if problems.is_empty() {
        return Ok(profile);
    }
    let tree: Node = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| one(reporter.yaml(&error)))?;
    let mut errors: Vec<LoadError> = problems
        .into_iter()
        .map(|problem| {
            // What is absent is missed at the beginning.
            let place = tree.place_of_field(&problem.field).or(Some(Place { line: 1, column: 1 }));
            let message = format!("{}: {}", problem.field, problem.message);
            reporter.error(place, message, problem.hint)
        })
        .collect();
    errors.sort_by_key(|error| error.place);
    Err(LoadErrors { errors })
}

/// The known names, and the nearest of them.
fn known(given: &str, expected: &[&str]) -> String {
    yaml::known("names", given, expected)
}

/// Everything that does not hold together.
fn check(profile: &Profile) -> Vec<Problem> {
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
fn secrets(profile: &mut Profile, lookup: impl Fn(&str) -> Option<String>) -> Vec<Problem> {
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
        let carried = |fact| formats_of(profile).any(|format| format.carries(fact));
        let told = match key {
            JoinKey::Attribute => {
                let named = profile.send.attributes.visitor.is_some();
                carried(Carried::VisitorId) || named && carried(Carried::Attributes)
            }
            JoinKey::Cart => carried(Carried::Cart),
            JoinKey::Checkout => carried(Carried::Checkout),
            JoinKey::LandingSite => carried(Carried::LandingUrl),
        };
        if !told {
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
            Capability::Refunds => (true, ""),
        };
        if !there {
            let name = serde_json::to_value(capability).unwrap_or_default();
            let name = name.as_str().unwrap_or_default().to_owned();
            problems.add("capabilities", format!("`{name}` needs {needs}"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SMALL: &str = r#"
name: small
shops: as_needed
platforms: [meta]
send:
  formats: [shopify]
  webhooks:
    shopify: { path: /hooks }
  joins: [cart]
"#;

    #[test]
    fn the_shipped_profiles_load() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
        let mut seen = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // Whatever they name by variable is there.
            let profile = load_with(&path, |name| Some(format!("{name}_value")))
                .unwrap_or_else(|error| panic!("{error}"));
            assert!(!profile.name.is_empty());
            seen.extend(profile.send.formats);
        }
        for format in inputs::FORMATS {
            assert!(seen.contains(format.id()), "no profile sends {}", format.id());
        }
    }

    #[test]
    fn an_order_is_joined_only_by_what_its_format_has_a_place_for() {
        parse(SMALL).unwrap();
        let stripe = SMALL.replace("shopify", "stripe").replace("[cart]", "[cart, attribute]");
        let error = parse(&stripe).unwrap_err().to_string();
        assert!(error.contains("send.joins: `cart` has no place in stripe"), "{error}");
        // The session has a field for the visitor id; a shop's order needs an attribute with a name.
        assert!(!error.contains("`attribute` has no place"), "{error}");
        let unnamed = SMALL.replace("[cart]", "[attribute]");
        let error = parse(&unnamed).unwrap_err().to_string();
        assert!(error.contains("send.joins: `attribute` has no place in shopify"), "{error}");
    }

    #[test]
    fn secrets_come_from_the_environment_and_none_may_be_missing() {
        let text = SMALL.replace(
            "as_needed",
            "{ fixed: [{ id: main, domain: shop.example, secret: { env: SHOP_SECRET } }] }",
        );
        let full = parse_file("p", &text, |name| (name == "SHOP_SECRET").then(|| "s3".to_owned()));
        let Shops::Fixed(shops) = full.unwrap().shops else { panic!("fixed shops") };
        assert_eq!(shops[0].secret.as_ref().unwrap().text(), "s3");
        let error = parse_file("p", &text, |_| None).unwrap_err().to_string();
        assert!(
            error.contains("secret of `main`: the environment variable SHOP_SECRET is not set"),
            "{error}"
        );
        let other = text.replace("shopify", "stripe").replace("secret: {", "write_key: {");
        let error = parse_file("p", &other, |_| Some("x".into())).unwrap_err().to_string();
        assert!(error.contains("`main` has no webhook_secret, which stripe is"), "{error}");
    }

    #[test]
    fn a_profile_knows_the_folder_that_it_lies_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("small.yaml");
        std::fs::write(&path, SMALL).unwrap();
        assert_eq!(load(&path).unwrap().folder, dir.path());
        assert!(load(Path::new("profiles/reference.yaml")).unwrap().folder.is_absolute());
    }

    #[test]
    fn a_small_profile_is_enough() {
        let profile = parse(SMALL).unwrap();
        assert_eq!(profile.platforms, ["meta"]);
    }

    #[test]
    fn a_mistyped_key_is_shown_with_its_place_and_what_was_meant() {
        let error = parse(&SMALL.replace("platforms:", "platfroms:")).unwrap_err().to_string();
        assert!(error.contains("profile.yaml:4:1: unknown field `platfroms`"), "{error}");
        assert!(error.contains("did you mean `platforms`?"), "{error}");
        assert!(error.contains("  4 | platfroms: [meta]\n    | ^"), "{error}");
    }

    #[test]
    fn what_does_not_hold_together_is_listed_all_at_once() {
        let text = SMALL
            .replace("[meta]", "[meta, meta, tiktik]")
            .replace("formats: [shopify]", "formats: [shopify, pigeon]")
            .replace("path: /hooks", "path: '/hooks/{{ shop.id }}/{{ nonsense }}'")
            .replace("name: small", "name: small\ncapabilities: [clock, health, dead_letters]");
        let error = parse(&text).unwrap_err().to_string();
        for part in [
            "`meta` is named twice",
            "5:12: platforms: no platform `tiktik`\n",
            "did you mean `tiktok`?",
            "no input format `pigeon`",
            "send.webhooks.shopify.path: unknown name `nonsense`",
            "`clock` needs send.clock",
            "`health` needs read.health",
            "`dead_letters` needs",
        ] {
            assert!(error.contains(part), "{part} is missing in:\n{error}");
        }
    }

    #[test]
    fn files_stay_in_the_work_folder_and_the_ready_line_has_a_group() {
        let start = "start:\n  command: [x]\n  ready: { line: 'listening' }\n  files: { '../x': a, '/etc/x': b }\n";
        let error = parse(&format!("{start}{SMALL}")).unwrap_err().to_string();
        assert!(
            error.contains("`../x` has to be") && error.contains("`/etc/x` has to be"),
            "{error}"
        );
        assert!(error.contains("start.ready.line: needs a group"), "{error}");
    }

    #[test]
    fn templates_and_paths_are_read_at_load() {
        let log = "read:\n  deliveries:\n    call: { path: '/log?{{ order.numeric_id' }\n    entries: '$.['\n    id: $.id\n    order: $.o\n    platform: $.p\n    state: $.s\n    states: { done: delivered }\n";
        let error = parse(&format!("{SMALL}{log}")).unwrap_err().to_string();
        assert!(error.contains("read.deliveries.call.path"), "{error}");
        assert!(error.contains("read.deliveries.entries"), "{error}");
    }

    #[test]
    fn negative_waits_are_refused_with_their_line() {
        let policies = "policies:\n  quiet: -1s\n  retry_horizon: -2h\n  click_ttl: 90d\n";
        let error = parse(&format!("{policies}{SMALL}")).unwrap_err().to_string();
        assert!(error.contains("profile.yaml:2:10: policies.quiet: `-1s` is negative"), "{error}");
        assert!(error.contains("profile.yaml:3:18: policies.retry_horizon: `-2h`"), "{error}");
        assert!(
            error.contains("hint: write it like 2h") && !error.contains("click_ttl"),
            "{error}"
        );
    }

    #[test]
    fn a_name_that_an_order_does_not_have_is_found_at_load() {
        for wrong in ["{{ order.nummer }}", "{{ ordr.numeric_id }}", "order_{{ order.numeric_id"] {
            let text = format!("policies:\n  event_id: \"{wrong}\"\n{SMALL}");
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains("profile.yaml:2:13: policies.event_id: "), "{error}");
            assert!(error.contains("hint: "), "{error}");
        }
        let names = "{{ order.numeric_id }}{{ order['name'] }}{{ order.gid | upper }}";
        parse(&format!("policies:\n  event_id: \"{names}\"\n{SMALL}")).unwrap();
    }

    #[test]
    fn services_are_checked_with_their_place_and_known_to_start_templates_alone() {
        let start =
            "start:\n  command: [x, '{{ services.rates }}']\n  ready: { path: '/{{ port }}' }\n";
        let services = "services:\n  rates:\n    - request: { method: GET, path: rates }\n      response: { status: 99 }\n";
        let error = parse(&format!("{services}{start}{SMALL}")).unwrap_err().to_string();
        assert!(error.contains("profile.yaml:3:37: services.rates[0].request.path: "), "{error}");
        assert!(
            error.contains("profile.yaml:4:27: services.rates[0].response.status: "),
            "{error}"
        );
        let error = parse(&format!("{start}{SMALL}")).unwrap_err().to_string();
        assert!(error.contains("`services` names no `rates`"), "{error}");
        let good = "services:\n  rates: [{ request: { path: /rates }, response: { body: { SEK: '11' } } }]\n";
        let error = parse(&format!("{good}{SMALL}")).unwrap_err().to_string();
        assert!(error.contains("2:") || error.contains("services: needs `start`"), "{error}");
        let ready = start.replace("{ path: '/{{ port }}' }", "{ line: '(x)' }");
        parse(&format!("{good}{ready}{SMALL}")).unwrap();
    }

    #[test]
    fn files_that_are_no_profile_say_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let of = |bytes: &[u8]| {
            let path = dir.path().join("p.yaml");
            std::fs::write(&path, bytes).unwrap();
            load(&path).unwrap_err().to_string()
        };
        assert!(of(b"# nothing\n").contains("p.yaml:1:1: the file is empty"));
        assert!(of(b"name: x\nshops: \xff\n").contains("p.yaml:2:8: the text is not UTF-8"));
        assert!(of(&vec![b'#'; 10_000_000]).contains("10000000 bytes long; at most"));
        let folder = load(dir.path()).unwrap_err().to_string();
        assert!(folder.contains("is a folder") && folder.contains("hint: "), "{folder}");
        assert!(load(&dir.path().join("none.yaml")).unwrap_err().to_string().contains("hint: "));
    }
}
