//! Reading and checking a profile. Every mistake is reported with its place and what would be right.

use std::path::Path;

use super::{
    profile::Profile,
    rules::{check, secrets},
};
use crate::yaml::{self, Fields, LoadError, LoadErrors, MAX_FILE, Node, Place, Reporter};

/// Shops have secrets and accounts.
const FIELDS: Fields = Fields {
    shown: &[
        "name",
        "capture",
        "start",
        "services",
        "platforms",
        "capabilities",
        "policies",
        "send",
        "read",
    ],
    secret: "shops",
};

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

/// The same with the profile's text, for what has to point into it.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load_with_text(path: &Path) -> Result<(Profile, String), LoadErrors> {
    let text = yaml::read(path, "a profile")?;
    Ok((of_file(path, &text, from_environment)?, text))
}

pub(crate) fn load_with(
    path: &Path,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Profile, LoadErrors> {
    of_file(path, &yaml::read(path, "a profile")?, lookup)
}

fn of_file(
    path: &Path,
    text: &str,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Profile, LoadErrors> {
    let mut profile = parse_file(&path.display().to_string(), text, lookup)?;
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
    let reporter = Reporter::new(file, text).keeping_secret(&FIELDS);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::{inputs, sut::profile::Shops};

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
    fn what_stands_below_shops_is_never_shown() {
        let shop = "id: main, domain: shop.example, secret: s3cr3t-1";
        let wrong = [
            format!("{{ fixed: [{{ {shop}, secret_key: s3cr3t-2 }}] }}"),
            format!("{{ fixed: [{{ {shop}, s3cr3t-2 }}] }}"),
            format!("{{ fixed: [{{ {shop}, write_key: {{ s3cr3t-2: x }} }}] }}"),
            format!("{{ fixed: [{{ {shop}, write_key: {{ env: 's3cr3t-2 3' }} }}] }}"),
            format!("{{ fixed: [{{ {shop}, write_key: [s3cr3t-2] }}] }}"),
            format!("{{ fixed: [{{ {shop}, accounts: {{ meta: s3cr3t-2 }} }}] }}"),
            format!("{{ fixed: [{{ {shop}, accounts: {{ meta: {{ pixel: s3cr3t-2 }} }} }}] }}"),
            format!("{{ fixed: [{{ {shop}, accounts: {{ mata: {{ token: s3cr3t-2 }} }} }}] }}"),
            format!("{{ fixed: [{{ {shop}, 's3cr3t-2': 's3cr3t-2', 's3cr3t-2': 1 }}] }}"),
            format!("{{ fixed: [{{ {shop} ]"),
            "\n  fixed:\n    - id: main\n      secret: \"s3cr3t-1\\q\"\n".to_owned(),
            "\n  fixed:\n    - id: main\n     secret: s3cr3t-1\n".to_owned(),
            "\nfixed:\n  - secret: s3cr3t-1".to_owned(),
            "s3cr3t-1".to_owned(),
        ];
        for shops in &wrong {
            for text in [
                SMALL.replace("as_needed", shops),
                SMALL.replace("shops: as_needed", &format!("shop: {shops}")),
                format!("{{ name: small, shops: {shops}"),
            ] {
                let error = parse(&text).unwrap_err().to_string();
                assert!(!error.contains("s3cr3t"), "{text}\n{error}");
            }
        }
        let error = parse(&SMALL.replace("as_needed", &wrong[0])).unwrap_err().to_string();
        assert!(error.contains("profile.yaml:3:"), "its place is: {error}");
        let error = parse(&SMALL.replace("as_needed", "single # s3cr3t")).unwrap_err().to_string();
        assert!(error.contains("`single` needs `start`") && !error.contains("s3cr3t"), "{error}");
    }

    #[test]
    fn every_field_is_secret_or_shown() {
        let schema = crate::sut::schema::profile().to_value();
        let mut fields: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        fields.retain(|field| **field != FIELDS.secret);
        let mut shown = FIELDS.shown.to_vec();
        shown.sort_unstable();
        fields.sort_unstable();
        assert_eq!(fields, shown);
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
    fn headers_and_methods_that_cannot_be_sent_are_found_at_load() {
        let with = |hook: &str, erase: &str| {
            let text = SMALL.replace("{ path: /hooks }", &format!("{{ path: /hooks, {hook} }}"));
            parse(
                &text.replace(
                    "  joins:",
                    &format!("  erase: {{ path: /erase, {erase} }}\n  joins:"),
                ),
            )
        };
        with("headers: { X-Kind: ' order ', X-Shop: '{{ shop.id }}' }", "method: DELETE").unwrap();
        for (hook, erase, message) in [
            (
                "headers: { X Kind: a }",
                "method: PUT",
                "send.webhooks.shopify.headers.X Kind: cannot",
            ),
            ("headers: { 'X:': '{{ shop.id }}' }", "method: PUT", "its name holds"),
            ("headers: { X-Kind: \"a\\nb\" }", "method: PUT", "its value holds a line break"),
            ("headers: {}", "headers: { a: \"\\u0001x\" }", "send.erase.headers.a: cannot be sent"),
            ("headers: {}", "method: 'DE LETE'", "send.erase.method: `DE LETE` is no method"),
        ] {
            let error = with(hook, erase).unwrap_err().to_string();
            assert!(error.contains(message), "{message}: {error}");
        }
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
