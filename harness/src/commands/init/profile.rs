//! The profile's text: the shipped one of its input format, with another head.

use super::{
    MARK, SCHEMA,
    choices::{Plan, Reach},
};
use crate::{
    cli::{CaptureKind, ShopsKind},
    inputs::SecretKind,
    platforms::{Account, AccountSeed, PLATFORMS, Platform},
};

/// The shipped profiles, by format.
const SHIPPED: &[(&str, &str)] = &[
    ("shopify", include_str!("../../../profiles/shopify.yaml")),
    ("woocommerce", include_str!("../../../profiles/woocommerce.yaml")),
    ("stripe", include_str!("../../../profiles/stripe.yaml")),
    ("standard_webhooks", include_str!("../../../profiles/standard_webhooks.yaml")),
    ("segment", include_str!("../../../profiles/segment.yaml")),
    ("rudderstack", include_str!("../../../profiles/rudderstack.yaml")),
    ("jitsu", include_str!("../../../profiles/jitsu.yaml")),
    ("ga4", include_str!("../../../profiles/ga4.yaml")),
    ("data_tag", include_str!("../../../profiles/data_tag.yaml")),
    ("snowplow", include_str!("../../../profiles/snowplow.yaml")),
    ("posthog", include_str!("../../../profiles/posthog.yaml")),
];

/// Where the part begins that is taken as it is.
const REST: &str = "# What the relay offers";

/// The parts of a shipped profile that are of use here.
pub(super) struct Shipped {
    /// About the format.
    about: String,
    /// A shop's secret, as it is written there: `secret: { env: SHOP_SECRET }`.
    secret: Option<String>,
    /// What has to be done before: `set SHOP_SECRET to ...`.
    before: String,
    rest: String,
}

impl Shipped {
    pub(super) fn of(format: &str) -> Self {
        let text = SHIPPED.iter().find(|(id, _)| *id == format).map_or("", |(_, text)| text);
        let (head, rest) = text.split_at(text.find(REST).unwrap_or(0));
        let comments = head.lines().skip(1).map_while(|line| line.strip_prefix('#'));
        let comments: Vec<&str> = comments.map(str::trim).collect();
        let about = comments.iter().take_while(|line| !line.starts_with("cargo "));
        let about = about.copied().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n# ");
        let before = comments.iter().find_map(|line| line.strip_prefix("Before that: "));
        let secret = head.lines().map(str::trim).find(|line| {
            ["secret:", "webhook_secret:", "write_key:"].iter().any(|key| line.starts_with(key))
        });
        Self {
            about,
            secret: secret.map(str::to_owned),
            before: before.unwrap_or_default().to_owned(),
            rest: rest.to_owned(),
        }
    }

    /// The variable that holds the shop's secret.
    pub(super) fn variable(&self) -> Option<&str> {
        let (_, name) = self.secret.as_ref()?.split_once("{ env: ")?;
        name.split([' ', '}']).next()
    }
}

/// The whole file.
pub(super) fn text(plan: &Plan) -> String {
    let shipped = Shipped::of(plan.format.id());
    let mut out = String::new();
    line!(out, "# yaml-language-server: $schema={SCHEMA}");
    line!(out, "# How the harness speaks to this relay. `harness doctor` says what does not fit.");
    line!(out, "#");
    line!(out, "# {}", shipped.about);
    line!(
        out,
        "# Texts are templates; `shop`, `secret` and `settings` are known in those of calls."
    );
    line!(out, "name: relay");
    line!(out);
    let (word, says) = match plan.capture {
        CaptureKind::BaseUrl => ("base_url", "or: proxy, hosts, if its hosts are hard-coded"),
        CaptureKind::Proxy => ("proxy", "or: base_url, hosts"),
        CaptureKind::Hosts => ("hosts", "or: base_url, proxy"),
    };
    line!(out, "capture: {word:<34} # {says}");
    line!(out);
    if let Reach::Start(command) = &plan.reach {
        start(&mut out, plan, command);
    }
    shops(&mut out, plan, &shipped);
    let ids: Vec<&str> = plan.platforms.iter().map(|platform| platform.id()).collect();
    line!(out, "platforms: [{}]", ids.join(", "));
    line!(out);
    for line in shipped.rest.lines() {
        let hook = format!("    {}: {{ path: ", plan.format.id());
        if line.starts_with(&hook) {
            line!(out, "    # {MARK}the path where the relay takes them");
        }
        if line.starts_with("  event_id: ") {
            line!(out, "  # {MARK}how the storefront makes the id of the browser's copy");
        }
        line!(out, "{line}");
    }
    out
}

fn account(platform: &dyn Platform) -> Account {
    platform.account(&AccountSeed { shop: 0, number: 1 })
}

fn start(out: &mut String, plan: &Plan, command: &str) {
    // With `exec` the shell becomes the relay, and signals reach it. More than one command cannot be treated like that.
    let simple = !command.contains([';', '&', '|', '<', '>', '(', ')', '`', '$', '=', '\n']);
    let exec = if simple { "exec " } else { "" };
    let command = literal(command).replace('\'', "''");
    line!(out, "start:");
    line!(
        out,
        "  # The relay gets a fresh work folder, PATH, HOME and these variables, nothing else."
    );
    line!(out, "  command: [sh, -c, 'cd \"$PROJECT\" && {exec}{command}']");
    line!(out, "  env:");
    line!(out, "    PROJECT: \"{{{{ folder }}}}\"              # where this file is");
    line!(out, "    # {MARK}the names by which the relay reads them, here and below");
    let mut variable = |name: String, value: String| {
        line!(out, "    {name}: \"{{{{ {value} }}}}\"");
    };
    variable("PORT".into(), "port".into());
    variable("DATA_DIR".into(), "workdir".into());
    let secret = match plan.format.secret_kind() {
        SecretKind::Plain => Some(("WEBHOOK_SECRET", "secret")),
        SecretKind::Whsec | SecretKind::WhsecText => Some(("WEBHOOK_SECRET", "webhook_secret")),
        SecretKind::WriteKey => Some(("WRITE_KEY", "write_key")),
        SecretKind::None => None,
    };
    if let Some((name, fact)) = secret {
        variable(name.into(), format!("shops[0].{fact}"));
    }
    for platform in &plan.platforms {
        let id = platform.id();
        let upper = id.to_uppercase();
        for field in account(*platform).fields.keys() {
            let name = format!("{upper}_{}", field.to_uppercase());
            variable(name, format!("shops[0].accounts.{id}.{field}"));
        }
        if plan.capture == CaptureKind::BaseUrl {
            variable(format!("{upper}_BASE_URL"), format!("gateway.{id}"));
        }
    }
    if plan.capture == CaptureKind::BaseUrl && plan.needs_tokens() {
        variable("GOOGLE_TOKEN_URL".into(), "gateway.google_oauth ~ '/token'".into());
    }
    line!(out, "  # {MARK}a path that answers with 2xx as soon as the relay is ready");
    line!(out, "  ready: {{ path: / }}");
    line!(out, "  within: 30s");
    line!(out);
}

/// A text as a template that renders to it.
fn literal(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, brace) = rest.split_at(at);
        out.push_str(before);
        let begins = ["{{", "{%", "{#"].into_iter().find(|begin| brace.starts_with(begin));
        let taken = begins.unwrap_or("{");
        match begins {
            Some(begin) => out.push_str(&format!("{{{{ \"{begin}\" }}}}")),
            None => out.push('{'),
        }
        rest = brace.strip_prefix(taken).unwrap_or_default();
    }
    out + rest
}

fn shops(out: &mut String, plan: &Plan, shipped: &Shipped) {
    if plan.shops == ShopsKind::Single {
        line!(
            out,
            "shops: single                              # one shop, made for each start: {{{{ shops[0] }}}}"
        );
        line!(out);
        return;
    }
    line!(out, "shops:");
    line!(out, "  fixed:");
    line!(out, "    - id: main                             # for paths: {{{{ shop.id }}}}");
    line!(out, "      # {MARK}the shop's host name, as the relay has it");
    line!(out, "      domain: shop.example.com");
    if let Some(secret) = &shipped.secret {
        line!(out, "      # {MARK}{}", shipped.before);
        line!(out, "      {secret}");
    }
    line!(
        out,
        "      # {MARK}the accounts as the relay has them; test values, never real credentials"
    );
    line!(out, "      accounts:");
    let tokens = PLATFORMS.iter().copied().filter(|p| plan.needs_tokens() && !p.counts_orders());
    for platform in plan.platforms.iter().copied().chain(tokens) {
        line!(out, "        {}:", platform.id());
        let account = account(platform);
        for (name, value) in &account.fields {
            // One word for each kind of secret: the token endpoint knows the same as those who call it.
            let value = match account.secret.contains(name) {
                true => format!("test-{}", name.replace('_', "-")),
                false => value.clone(),
            };
            line!(out, "          {name}: {}", serde_json::json!(value));
        }
    }
    line!(out);
}
