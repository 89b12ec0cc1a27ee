//! The profile's templates: compiled once per relay, strict about names, and what each of them may refer to.
//!
//! Language: [minijinja](https://docs.rs/minijinja) with three filters of our own. `json` writes a value as JSON
//! (which is also a valid TOML basic string), `compact` drops the empty members of a map, `urlencode` escapes a
//! value for a query or path.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, LazyLock},
};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, value::Serde};
use serde_json::{Map, json};

use super::profile::{CallTemplate, Policies, Profile};
use crate::plan::{Order, Shop};

/// What start templates know.
const START: &[&str] = &[
    "harness", "folder", "workdir", "port", "listen", "gateway", "services", "shops", "settings",
    "secret",
];
/// What templates know of an order: see [`order_facts`].
const ORDER: &[&str] = &["numeric_id", "name", "token", "checkout_token", "cart_token", "gid"];
/// What every call template knows.
const CALL: &[&str] = &["settings", "secret"];

/// Most work that one rendering may do, in steps of the template engine (about 64 bytes of text are one step too). The
/// configuration of a thousand shops takes some hundred thousand.
const FUEL: u64 = 2_000_000;

/// For templates by themselves: they are many (the event id of every order of a run), and it knows nothing of them.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

/// A template that cannot be read or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template {field}: {message}")]
pub struct TemplateError {
    /// The profile's field: `send.click.body`.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl TemplateError {
    fn new(field: &str, error: &minijinja::Error) -> Self {
        let line = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
        let what = match error.kind() {
            minijinja::ErrorKind::OutOfFuel => {
                format!(
                    "takes more than {FUEL} steps: does a loop run too often, or a text grow too long?"
                )
            }
            kind => error.detail().map_or_else(|| kind.to_string(), str::to_owned),
        };
        Self { field: field.to_owned(), message: format!("{what}{line}") }
    }
}

/// A profile's templates, by field.
#[derive(Clone)]
pub struct Templates {
    environment: Arc<Environment<'static>>,
    /// The names that each field's template refers to.
    names: Arc<BTreeMap<String, HashSet<String>>>,
}

/// One fact, made ready for the template engine: cheap to clone.
#[derive(Debug, Clone)]
pub struct Fact(Value);

impl From<serde_json::Value> for Fact {
    fn from(fact: serde_json::Value) -> Self {
        Self(Value::from(Serde(fact)))
    }
}

/// What templates may refer to, by name; made ready once for all templates of a call.
#[derive(Debug, Clone, Default)]
pub struct Facts(BTreeMap<String, Value>);

impl Facts {
    /// Adds one, in the place of one of the same name.
    pub fn insert(&mut self, name: &str, fact: impl Into<serde_json::Value>) {
        self.insert_ready(name, fact.into().into());
    }

    /// The same with one that was made ready before.
    pub fn insert_ready(&mut self, name: &str, fact: Fact) {
        self.0.insert(name.to_owned(), fact.0);
    }

    /// Adds the members of a map.
    pub fn extend(&mut self, facts: Map<String, serde_json::Value>) {
        self.0.extend(facts.into_iter().map(|(name, fact)| (name, Fact::from(fact).0)));
    }
}

/// The members of an object.
impl From<serde_json::Value> for Facts {
    fn from(facts: serde_json::Value) -> Self {
        let mut all = Self::default();
        if let serde_json::Value::Object(members) = facts {
            all.extend(members);
        }
        all
    }
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Templates").finish_non_exhaustive()
    }
}

impl Templates {
    /// Compiles all templates of a profile and checks the names that they use; every error is reported.
    pub fn compile(profile: &Profile) -> Result<Self, Vec<TemplateError>> {
        let mut environment = environment();
        let mut errors = Vec::new();
        let mut names = BTreeMap::new();
        for (field, source, known) in sources(profile) {
            if let Err(error) = environment.add_template_owned(field.clone(), source) {
                errors.push(TemplateError::new(&field, &error));
                continue;
            }
            let Ok(template) = environment.get_template(&field) else { continue };
            let used = template.undeclared_variables(false);
            let mut unknown: Vec<&String> =
                used.iter().filter(|name| !known.contains(&name.as_str())).collect();
            unknown.sort();
            for name in unknown {
                let message = format!("unknown name `{name}`; known here: {}", known.join(", "));
                errors.push(TemplateError { field: field.clone(), message });
            }
            let services: Vec<&str> = profile.services.keys().map(String::as_str).collect();
            for message in unknown_members(&template, &services) {
                errors.push(TemplateError { field: field.clone(), message });
            }
            names.insert(field, used);
        }
        if errors.is_empty() {
            Ok(Self { environment: Arc::new(environment), names: Arc::new(names) })
        } else {
            Err(errors)
        }
    }

    /// Renders one field's template.
    pub fn render(&self, field: &str, facts: &Facts) -> Result<String, TemplateError> {
        self.environment
            .get_template(field)
            .and_then(|template| template.render(&facts.0))
            .map_err(|error| TemplateError::new(field, &error))
    }

    /// True if the templates of a call (`send.click`) refer to this name.
    pub fn mentions(&self, call: &str, name: &str) -> bool {
        let prefix = format!("{call}.");
        self.names.iter().any(|(field, used)| field.starts_with(&prefix) && used.contains(name))
    }
}

/// Whether a template's text uses a name: inside of braces, not in what stands around them.
pub fn uses(text: &str, name: &str) -> bool {
    [("{{", "}}"), ("{%", "%}")].into_iter().any(|(open, close)| {
        text.split(open)
            .skip(1)
            .any(|rest| rest.split_once(close).is_some_and(|(inside, _)| inside.contains(name)))
    })
}

/// Whether a template takes a map whole, or one of these members of it; not if it names nothing but others. One that does not
/// compile takes nothing.
pub fn takes(text: &str, map: &str, members: &[&str]) -> bool {
    let Ok(template) = ENVIRONMENT.template_from_str(text) else { return false };
    template.undeclared_variables(true).iter().any(|name| match name.strip_prefix(map) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(|member| members.contains(&member)),
        None => false,
    })
}

/// Names that an order or the list of services does not have: else they would be found with the first order or start only.
fn unknown_members(template: &minijinja::Template<'_, '_>, services: &[&str]) -> Vec<String> {
    let mut messages = Vec::new();
    for name in template.undeclared_variables(true) {
        let Some((of, member)) = name.split_once('.') else { continue };
        let (what, known) = match of {
            "order" => ("an order has no", ORDER),
            "services" => ("`services` names no", services),
            _ => continue,
        };
        if !known.contains(&member.split('.').next().unwrap_or_default()) {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            messages.push(format!("{what} `{member}`; known here: {known}"));
        }
    }
    messages.sort();
    messages
}

/// The id that browser and server share for this order, by the profile's convention.
pub fn event_id(policies: &Policies, order: &Order) -> Result<String, TemplateError> {
    const FIELD: &str = "policies.event_id";
    ENVIRONMENT
        .render_str(&policies.event_id, Value::from(Serde(json!({ "order": order_facts(order) }))))
        .map(|id| id.trim().to_owned())
        .map_err(|error| TemplateError::new(FIELD, &error))
}

/// What templates may know of an order.
pub fn order_facts(order: &Order) -> serde_json::Value {
    json!({
        "numeric_id": order.numeric_id,
        "name": order.name,
        "token": order.token,
        "checkout_token": order.checkout_token,
        "cart_token": order.cart_token,
        "gid": format!("gid://shopify/Order/{}", order.numeric_id),
    })
}

/// What templates may know of a shop: its own settings and, by platform, the account's.
pub fn shop_facts(shop: &Shop) -> serde_json::Value {
    let accounts: Map<String, serde_json::Value> = shop
        .accounts
        .iter()
        .map(|(platform, account)| ((*platform).to_owned(), json!(account.fields)))
        .collect();
    json!({
        "index": shop.index,
        "id": shop.id,
        "domain": shop.domain,
        "secret": shop.secret,
        "previous_secret": shop.previous_secret,
        "write_key": shop.write_key,
        "webhook_secret": shop.webhook_secret,
        "previous_webhook_secret": shop.previous_webhook_secret,
        "accounts": accounts,
    })
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    // Field names may end in `.html` or `.json`; escaping is the template's business.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.add_filter("json", |value: Value| -> Result<String, minijinja::Error> {
        serde_json::to_string(&value).map_err(not_serialisable)
    });
    environment.add_filter("compact", |value: Value| -> Result<Value, minijinja::Error> {
        let value = serde_json::to_value(&value).map_err(not_serialisable)?;
        Ok(Value::from(Serde(without_empty(value))))
    });
    environment.add_filter("urlencode", |value: String| {
        url::form_urlencoded::byte_serialize(value.as_bytes())
            .collect::<String>()
            .replace('+', "%20")
    });
    environment
}

fn not_serialisable(error: serde_json::Error) -> minijinja::Error {
    minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, error.to_string())
}

fn without_empty(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => {
            map.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

/// Field, source and known names of every template in a profile.
fn sources(profile: &Profile) -> Vec<(String, String, Vec<&'static str>)> {
    let mut all = Vec::new();
    if let Some(start) = &profile.start {
        for (i, argument) in start.command.iter().enumerate() {
            all.push((format!("start.command[{i}]"), argument.clone(), START.to_vec()));
        }
        for (kind, texts) in [("env", &start.env), ("files", &start.files)] {
            for (name, text) in texts {
                all.push((format!("start.{kind}.{name}"), text.clone(), START.to_vec()));
            }
        }
    }
    for (field, call, known) in calls(profile) {
        let mut names = CALL.to_vec();
        names.extend(known);
        all.push((format!("{field}.path"), call.path.clone(), names.clone()));
        all.extend(headers(&field, &call.headers, &names));
        if let Some(body) = &call.body {
            all.push((format!("{field}.body"), body.clone(), names));
        }
    }
    for (format, target) in &profile.send.webhooks {
        let names = [CALL, &["shop"]].concat();
        let field = format!("send.webhooks.{format}");
        all.push((format!("{field}.path"), target.path.clone(), names.clone()));
        all.extend(headers(&field, &target.headers, &names));
    }
    if let Some(consent) = &profile.send.attributes.consent {
        let field = "send.attributes.consent.value".to_owned();
        all.push((field, consent.value.clone(), vec!["consent"]));
    }
    all.push(("policies.event_id".to_owned(), profile.policies.event_id.clone(), vec!["order"]));
    all
}

fn headers(
    field: &str,
    headers: &BTreeMap<String, String>,
    known: &[&'static str],
) -> Vec<(String, String, Vec<&'static str>)> {
    headers
        .iter()
        .map(|(name, text)| (format!("{field}.headers.{name}"), text.clone(), known.to_vec()))
        .collect()
}

/// Every call that a profile describes: field, template and the names that it may use.
pub(super) fn calls(profile: &Profile) -> Vec<(String, &CallTemplate, &'static [&'static str])> {
    const BROWSER: &[&str] =
        &["shop", "visitor_id", "consent", "ip", "forwarded_for", "user_agent", "gpc"];
    const CLICK: &[&str] = &[
        "shop",
        "visitor_id",
        "consent",
        "ip",
        "forwarded_for",
        "user_agent",
        "gpc",
        "url",
        "referrer",
        "cookies",
        "cart_token",
        "checkout_token",
        "observed_at",
    ];
    const ERASE: &[&str] = &["shop", "visitor_id", "email", "phone", "customer_id", "order_ids"];
    let send = &profile.send;
    let read = &profile.read;
    let known: [(&str, Option<&CallTemplate>, &'static [&'static str]); 9] = [
        ("send.click", send.click.as_ref(), CLICK),
        ("send.consent", send.consent.as_ref(), BROWSER),
        ("send.erase", send.erase.as_ref(), ERASE),
        (
            "send.credentials",
            send.credentials.as_ref(),
            &["shop", "platform", "field", "credential"],
        ),
        ("send.replay", send.replay.as_ref(), &["shop", "id"]),
        ("send.clock", send.clock.as_ref(), &["advance_seconds"]),
        ("read.deliveries.call", read.deliveries.as_ref().map(|log| &log.call), &["shop", "order"]),
        ("read.health.call", read.health.as_ref().map(|health| &health.call), &["shop"]),
        ("read.export", read.export.as_ref(), &["shop", "visitor_id", "email"]),
    ];
    known
        .into_iter()
        .filter_map(|(field, call, names)| Some((field.to_owned(), call?, names)))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{exchange::OrderRef, inputs::samples};

    fn render(source: &str, context: serde_json::Value) -> Result<String, TemplateError> {
        environment()
            .render_str(source, Value::from(Serde(context)))
            .map_err(|error| TemplateError::new("test", &error))
    }

    #[test]
    fn a_map_is_taken_whole_or_by_its_members() {
        let takes = |text| takes(text, "consent", &["gcs", "gcd"]);
        assert!(takes("{{ consent | json }}"));
        assert!(takes("{{ {'consent': consent} | json }}"));
        assert!(takes("{% for name in consent %}x{% endfor %}"));
        assert!(takes("{{ consent[name] }}"));
        assert!(takes("a={{ consent.ads }}&gcd={{ consent.gcd }}"));
        assert!(!takes("a={{ consent.ads }}&b={{ consent . store }}"));
        assert!(!takes("{'consent': {{ consent.ads | json }} }"));
        assert!(!takes("{{ {'consent': given.consent, 'c': consents} | json }}"));
        assert!(!takes("consent"));
    }

    #[test]
    fn a_name_is_used_inside_of_braces_only() {
        for text in [
            "{{ consent | json }}",
            "a{%- if consent -%}b{%- endif -%}",
            "{{ x }}{{ consent.ads }}",
        ] {
            assert!(uses(text, "consent"), "{text}");
        }
        for text in ["", "consent", r#"{"consent": null}"#, "{{ url }} consent", "{{ consent"] {
            assert!(!uses(text, "consent"), "{text}");
        }
    }

    #[test]
    fn filters_write_json_that_can_be_read_back() {
        let nasty = "a\"b\\ </script> & 'ü' \u{1}\n{{ x }}";
        let text = render(
            "{{ {'url': url, 'none': none_here, 'big': big} | compact | json }}",
            json!({"url": nasty, "none_here": null, "big": 9_007_199_254_740_993_u64}),
        )
        .unwrap();
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back, json!({"url": nasty, "big": 9_007_199_254_740_993_u64}));
        assert_eq!(
            render("{{ v | urlencode }}", json!({"v": "a b+c&d"})).unwrap(),
            "a%20b%2Bc%26d"
        );
    }

    #[test]
    fn a_name_that_is_not_known_is_an_error_and_null_is_not() {
        assert!(render("{{ nothing }}", json!({})).unwrap_err().message.contains("nothing"));
        assert_eq!(render("{{ a or '' }}", json!({"a": null})).unwrap(), "");
        assert_eq!(
            render("{{ settings.missing | default(20) }}", json!({"settings": {}})).unwrap(),
            "20"
        );
    }

    #[test]
    fn a_template_that_would_never_end_or_fill_the_memory_is_stopped() {
        let began = std::time::Instant::now();
        for endless in [
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "{% for a in range(99999) %}{{ 'x' * 99999 }}{% endfor %}",
        ] {
            let error = render(endless, json!({})).unwrap_err();
            let known = ["steps", "too large"].iter().any(|word| error.message.contains(word));
            assert!(known, "{endless}: {error}");
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(45), "{:?}", began.elapsed());
        let shops: Vec<usize> = (0..5_000).collect();
        let long = "{% for shop in shops %}[[shop]]\nid = {{ shop | json }}\n{% endfor %}";
        assert!(render(long, json!({ "shops": shops })).unwrap().len() > 50_000);
    }

    #[test]
    fn event_ids_follow_the_convention() {
        let person = samples::person("shopper");
        let order = samples::order(OrderRef::Named("A".into()), &person, 9_007_199_254_740_993);
        let id = |template: &str| {
            event_id(&Policies { event_id: template.into(), ..Policies::default() }, &order)
        };
        assert_eq!(id("order_{{ order.numeric_id }}").unwrap(), "order_9007199254740993");
        assert_eq!(id("{{ order.name }}").unwrap(), "#1001");
        assert_eq!(id("{{ order.nope }}").unwrap_err().field, "policies.event_id");
        let facts = order_facts(&order);
        let names: Vec<_> = facts.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ORDER);
    }
}
