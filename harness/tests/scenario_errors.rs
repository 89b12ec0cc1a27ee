//! What people see when a scenario file is wrong: the place, the line, and what to write instead.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;

use harness::{
    platforms::FailureClass,
    scenario::{
        Answers, Click, ConsentAnswer, Decision, Decisions, Given, Platforms, Scenario, Signals,
        Step, Stop, UntilStep,
        load::{load_dir, load_str},
    },
};

/// The errors of a scenario with these steps, as printed.
fn errors(steps: &str) -> String {
    of_file(&format!("title: A test\ncovers: [DED-05]\nsteps:\n{steps}\n"))
}

fn of_file(text: &str) -> String {
    match load_str("dedup/x", text) {
        Ok(scenario) => panic!("loaded: {scenario:?}"),
        Err(errors) => errors.to_string(),
    }
}

fn loaded(rest: &str) -> Scenario {
    load_str("dedup/x", &format!("title: A test\ncovers: [DED-05]\n{rest}\n"))
        .unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn an_unknown_field_is_shown_with_its_neighbours() {
    let expected = "\
dedup/x.yaml:4:27: unknown field `consnt`
  4 |   - visit: { click: paid, consnt: granted }
    |                           ^
  hint: did you mean `consent`? known fields: by, click, consent, cookies, ago, page, gpc, ip, forwarded_spoof, user_agent, late
";
    assert_eq!(errors("  - visit: { click: paid, consnt: granted }"), expected);
}

#[test]
fn every_mistake_is_placed_and_explained() {
    for (steps, place, message) in [
        ("  - vist: { click: paid }", "4:5", "did you mean `visit`?"),
        ("  - visit: { click: payed }", "4:14", "found string \"payed\" where `paid`, `direct`"),
        (
            "  - visit: { click: { query: \"?a=b\", gclid: x } }",
            "4:21",
            "`query` is the whole query string",
        ),
        ("  - visit: { consent: { ads: yes } }", "4:30", "`yes` is not known here"),
        ("  - visit: { consent: { adz: granted } }", "4:25", "did you mean `ads`?"),
        ("  - visit: { consent: { ads: granted, gcs: G100 } }", "4:23", "do not go together"),
        ("  - order: { id: A, total: 49.99EUR }", "4:28", "write it like 49.99 EUR"),
        ("  - order: { id: A, ago: 5 }", "4:26", "no span of time"),
        ("  - order: { id: A, id: B }", "4:21", "`id` is given twice"),
        ("  - order: { id: A }\n    reload: { order: A }", "4:5", "begin it with a dash"),
        ("  - order: { id: A }\n  - order: { id: A }", "5:18", "there is an order `A` already"),
        ("  - order: { id: a-b }", "4:18", "no id for an order"),
        ("  - order: { total: 1.00 EUR }", "4:12", "no id for an order"),
        (
            "  - reload: { order: A }\n  - order: { id: A }",
            "4:22",
            "there is no order (made before this) `A`",
        ),
        ("  - order: { id: A, topics: [creat] }", "4:30", "did you mean `create`?"),
        ("  - order: { id: A, copies: 101 }", "4:29", "1 to 100 are allowed"),
        ("  - order: { id: A, zone: CET }", "4:27", "write it like +01:00"),
        ("  - order: { id: A, shop: three }", "4:27", "known: one, two"),
        ("  - order: { id: A, format: shopfy }", "4:29", "did you mean `shopify`?"),
        ("  - order: { id: A, contact: { mail: x } }", "4:38", "did you mean `email`?"),
        ("  - order: { id: A, money: { tax: 1 EUR } }", "4:35", "parts need a `total`"),
        ("  - order: { id: A, total: 5 EUR, money: { tax: 1 USD } }", "4:49", "not in EUR"),
        ("  - order: { id: A, patch: text }", "4:28", "must be a mapping"),
        ("  - until: { atempted: { order: A, times: 1 } }", "4:14", "did you mean `attempted`?"),
        ("  - until: { attempted: { order: A, time: 1 } }", "4:37", "did you mean `times`?"),
        ("  - until: { delivered: A }", "4:25", "there is no order"),
        ("  - reload", "4:5", "cannot stand alone"),
        ("  - restart: { how: kll }", "4:21", "did you mean `kill`?"),
        ("  - erase: { by: nobody }", "4:18", "there is no person `nobody`"),
        ("  - erase: { named_by: [face] }", "4:25", "known: email, email_upper"),
        ("  - webhook: { topic: paid }", "4:14", "about no order"),
        ("  - webhook: { raw: x, answered: [42] }", "4:35", "42 is no HTTP status"),
        ("  - recovers: { platform: metta }", "4:27", "did you mean `meta`?"),
        ("  - order: { id: A\n  - foo: 2", "5:8", "while parsing a flow mapping"),
        ("  - order: { id: 7 }", "4:18", "put it in quotes: \"7\""),
        ("  - order: { id: true }", "4:18", "put it in quotes: \"true\""),
        ("  - order: { id: A, total: 49.99 }", "4:28", "write it like 49.99 EUR"),
        ("  - order: { id: A, topics: create }", "4:29", "write a list: [one, two]"),
        ("  - order: [A]", "4:12", "write a mapping: { name: value }"),
        ("  - order: { id: [A] }", "4:18", "hint: write one value"),
        ("  - order: { id: A }\n  - reload: { order: A, after: -2h }", "5:32", "write it like 2h"),
        ("  - order: { id: A, same_id_as: B }", "4:33", "there is no order (made before this) `B`"),
        ("  - order: { id: A, bulk: 2 }\n  - reload: A", "5:13", "known: A1, A2"),
        ("  - visit: { late: -1s }", "4:20", "`-1s` is negative"),
        ("  - clock: { advance: -3d }", "4:23", "`-3d` is negative"),
    ] {
        let printed = errors(steps);
        assert!(printed.starts_with(&format!("dedup/x.yaml:{place}: ")), "{steps}\n{printed}");
        assert!(printed.contains(message), "{steps}\n{printed}");
        assert!(printed.contains("\n  hint: "), "{steps}\n{printed}");
    }
}

#[test]
fn mistakes_outside_the_steps_are_placed_and_explained_too() {
    const STEPS: &str = "steps: [{ order: { id: A } }]\n";
    for (text, place, message) in [
        (format!("title: A test\ncovers: DED-06\n{STEPS}"), "2:9", "write a list"),
        (format!("title: 5\ncovers: [DED-06]\n{STEPS}"), "1:8", "put it in quotes: \"5\""),
        (format!("covers: [DED-06]\n{STEPS}"), "2:1", "field `title` is missing"),
        (
            format!(
                "title: A test\ncovers: [DED-06]\ngiven: [{{ platform: {{ answers: {{ delay: -5s }} }} }}]\n{STEPS}"
            ),
            "3:41",
            "`-5s` is negative",
        ),
        (
            format!(
                "title: A test\ncovers: [DED-06]\n{STEPS}expect: [{{ attempts: {{ order: A, gaps_at_least: -1s }} }}]\n"
            ),
            "4:49",
            "`-1s` is negative",
        ),
        (String::new(), "1:1", "the file is empty"),
        ("\n# only a remark\n---\n".to_owned(), "1:1", "write `title`, `covers` and `steps`"),
    ] {
        let printed = of_file(&text);
        assert!(printed.starts_with(&format!("dedup/x.yaml:{place}: ")), "{text}\n{printed}");
        assert!(printed.contains(message), "{text}\n{printed}");
        assert!(printed.contains("\n  hint: "), "{text}\n{printed}");
    }
}

#[test]
fn all_errors_of_a_file_are_collected_in_order() {
    let printed = of_file(
        "title: Ends with a stop.\ncovers: [DED-5]\nplatforms: [meta, titkok]\nsteps:\n- order: { id: A }\n\
         expect:\n- payload: { order: B, path: '$.data[', matches: '(' }\n- attempts: { order: A, at_least: 3, at_most: 2 }\n\
         variants:\n- { name: x, order: { totl: 3 EUR } }\n- { name: x, visit: { consent: denied } }\n- { name: Y }\n",
    );
    let expected = [
        "x.yaml:1:8: the title ends with a full stop",
        "x.yaml:2:10: `DED-5` is no catalogue entry",
        "x.yaml:3:19: there is no platform `titkok`",
        "x.yaml:7:21: there is no order (made before this) `B`",
        "x.yaml:7:30: not a JSONPath",
        "x.yaml:7:50: not a regular expression: unclosed group",
        "x.yaml:8:13: `at_least` is more than `at_most`",
        "x.yaml:10:3: variant `x`: unknown field `totl`",
        "x.yaml:11:3: variant `x`: there is no `visit` that it could change",
        "x.yaml:11:11: there is a variant `x` already",
        "x.yaml:12:11: `Y` is no name for a variant",
    ];
    let mut rest = printed.as_str();
    for text in expected {
        let at = rest
            .find(text)
            .unwrap_or_else(|| panic!("`{text}` is missing (or not in order) in:\n{printed}"));
        rest = &rest[at + text.len()..];
    }
}

#[test]
fn what_a_variant_breaks_is_told_once_and_names_it() {
    let printed = of_file(
        "title: A test\ncovers: [DED-05]\nsteps:\n- order: { id: A }\n- reload: A\nvariants:\n- name: gone\n  steps: [{ reload: A }]\n",
    );
    assert_eq!(printed.matches("x.yaml:").count(), 1, "{printed}");
    assert!(
        printed.contains(":7:3: variant `gone`: steps/0/reload/order: there is no order"),
        "{printed}"
    );
}

#[test]
fn a_list_is_no_mapping_in_a_variant_either() {
    let printed = of_file(
        "title: A test\ncovers: [DED-05]\nsteps:\n- order: { id: A }\nvariants:\n- name: listed\n  steps: [{ order: [A] }]\n- name: inside\n  order: { contact: [x@example.com] }\n",
    );
    for expected in [
        "dedup/x.yaml:6:3: variant `listed`: invalid type: sequence, expected struct OrderStep",
        "dedup/x.yaml:8:3: variant `inside`: invalid type: sequence, expected a map",
    ] {
        assert!(printed.contains(expected), "{expected}\n{printed}");
    }
    assert!(errors("  - order: [A]").contains("dedup/x.yaml:4:12: "));
}

#[test]
fn a_variant_that_is_left_empty_is_no_copy_of_its_base() {
    for empty in ["order: null", "order:", "steps: ~", "expect: null"] {
        let printed = of_file(&format!(
            "title: A test\ncovers: [DED-05]\nsteps:\n- order: {{ id: A }}\nvariants:\n- name: x\n  {empty}\n"
        ));
        assert!(printed.contains("x.yaml:6:3: variant `x`: invalid type: null"), "{printed}");
    }
}

#[test]
fn what_json_reads_differently_is_found_in_its_step() {
    let printed = errors("  - order: { id: A }\n  - order: { id: B, copies: \"3\" }");
    assert!(printed.contains("x.yaml:5:5: reads differently as JSON"), "{printed}");
    assert!(printed.contains("hint: write numbers without quotes"), "{printed}");
}

#[test]
fn the_same_in_two_forms_is_refused() {
    for (steps, message) in [
        ("  - visit: { click: { fbclid: a, ids: { fbclid: b } } }", "`fbclid` is given twice"),
        ("  - visit: { consent: { ads: granted, decisions: { ads: denied } } }", "in two forms"),
        ("  - visit: { consent: { gcs: G111, signals: { gcs: G100 } } }", "in two forms"),
    ] {
        let printed = errors(steps);
        assert!(printed.contains(message), "{steps}\n{printed}");
    }
}

#[test]
fn control_characters_reach_no_terminal() {
    let printed = of_file("title: \"\\e[31mred\"\ncovers: [DED-05]\nsteps:\n- order: { id: A }\n");
    assert!(printed.contains("the title must be one line of text"), "{printed}");
    assert!(!printed.contains('\u{1b}'), "{printed:?}");
    let named = load_str("dedup/\u{1b}x", "title: A test\n").unwrap_err().to_string();
    assert!(!named.contains('\u{1b}'), "{named:?}");
}

#[test]
fn more_variants_than_allowed_are_not_looked_at() {
    let variants: String = (0..9_000).map(|i| format!("- name: v{i}\n")).collect();
    let begun = std::time::Instant::now();
    let printed = of_file(&format!(
        "title: A test\ncovers: [DED-05]\nsteps:\n- order: {{ id: A }}\nvariants:\n{variants}"
    ));
    assert!(printed.contains("more than 200 variants"), "{printed}");
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

#[test]
#[cfg(unix)]
fn folders_that_lead_back_to_themselves_end() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..8 {
        std::os::unix::fs::symlink(".", folder.path().join(format!("l{i}"))).unwrap();
    }
    let printed = load_dir(folder.path()).unwrap_err().to_string();
    assert!(printed.contains("folders deep"), "{printed}");
    assert!(printed.lines().count() < 1_000, "{}", printed.lines().count());
}

#[test]
fn hostile_files_are_refused_in_time() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let deep = format!("title: {}", "[".repeat(10_000));
    let long = format!("title: {}", "x".repeat(300 * 1024));
    let wide = format!("title: [{}]", "x, ".repeat(60_000));
    let started = std::time::Instant::now();
    for text in [
        &bomb,
        &deep,
        &long,
        &wide,
        "",
        "- 1",
        "title: [",
        "a: b\n---\nc: d\n",
        "\0",
        "%YAML 9",
        "? : :",
        "&a *a",
    ] {
        let printed = of_file(text);
        assert!(printed.starts_with("dedup/x.yaml:"), "{printed}");
        assert!(printed.contains("\n  hint: "), "{printed}");
        assert!(printed.len() < 2_000, "{}", printed.len());
    }
    for text in [&bomb, &deep, &wide] {
        let printed = of_file(text);
        assert!(!printed.starts_with("dedup/x.yaml: "), "no line in: {printed}");
    }
    assert!(of_file(&bomb).contains("alias"), "{}", of_file(&bomb));
    assert!(started.elapsed().as_secs() < 5);
    for name in ["", "a//b", "../a", "a__b", "A/b", "a b", "/a"] {
        load_str(name, "title: A test\ncovers: [DED-05]\nsteps: [{ order: { id: A } }]\n")
            .unwrap_err();
    }
}

#[test]
fn short_forms_mean_the_long_ones() {
    let steps =
        |text: &str| loaded(&format!("steps:\n- order: {{ id: A }}\n{text}")).steps.remove(1);
    let click = |text: &str| match steps(&format!("- visit: {{ click: {text} }}")) {
        Step::Visit(visit) => visit.click.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(click("paid"), Click::Paid);
    assert_eq!(click("direct"), Click::Direct);
    assert_eq!(click("{ query: '?a={fbclid}' }"), Click::Query("?a={fbclid}".into()));
    assert_eq!(click("{ gclid: auto }"), click("{ ids: { gclid: auto } }"));
    let consent = |text: &str| match steps(&format!("- visit: {{ consent: {text} }}")) {
        Step::Visit(visit) => visit.consent.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(consent("denied"), ConsentAnswer::Denied);
    let split = Decisions {
        ads: Decision::Granted,
        ads_user_data: Decision::Denied,
        ..Decisions::default()
    };
    assert_eq!(consent("{ ads: granted, ads_user_data: denied }"), ConsentAnswer::Decisions(split));
    assert_eq!(
        consent("{ decisions: { ads: granted, ads_user_data: denied } }"),
        ConsentAnswer::Decisions(split)
    );
    let signals = Signals { gcs: Some("G110".into()), gcd: None };
    assert_eq!(consent("{ gcs: G110 }"), ConsentAnswer::Signals(signals));

    assert!(matches!(steps("- visit"), Step::Visit(_)));
    assert!(matches!(steps("- recovers"), Step::Recovers(r) if r.platform.is_none()));
    assert!(matches!(steps("- recovers: {}"), Step::Recovers(r) if r.platform.is_none()));
    assert!(matches!(steps("- restart: kill"), Step::Restart(r) if r.how == Stop::Kill));
    assert!(
        matches!(steps("- restart: { how: terminate }"), Step::Restart(r) if r.how == Stop::Terminate)
    );
    assert!(matches!(steps("- reload: A"), Step::Reload(r) if r.order == "A"));
    assert!(
        matches!(steps("- refund: { order: A, amount: 3.00 EUR }"), Step::Refund(r) if r.amount.is_some())
    );
    assert!(
        matches!(steps("- consent: denied"), Step::Consent(c) if c.answer == ConsentAnswer::Denied)
    );
    assert!(
        matches!(steps("- until: { delivered: A }"), Step::Until(UntilStep::Delivered(order)) if order == "A")
    );
    assert!(matches!(steps("- until: settled"), Step::Until(UntilStep::Settled)));

    let answers = |text: &str| {
        let mut given = loaded(&format!(
            "given:\n- platform: {{ answers: {text} }}\nsteps:\n- order: {{ id: A }}"
        ))
        .given;
        let Given::Platform(fault) = given.remove(0) else { panic!("a platform was meant") };
        fault.answers
    };
    assert!(matches!(answers("rate_limited"), Answers::Failure(FailureClass::RateLimited)));
    assert!(matches!(
        answers("{ failure: rate_limited }"),
        Answers::Failure(FailureClass::RateLimited)
    ));
    assert!(
        matches!(answers("{ http: { status: 503 } }"), Answers::Http(http) if http.status == 503)
    );
    assert!(
        matches!(answers("{ delay: 2s }"), Answers::Delay(span) if span.unsigned().as_secs() == 2)
    );
    assert!(matches!(answers("refuse"), Answers::Refuse));

    let platforms =
        |text: &str| loaded(&format!("platforms: {text}\nsteps:\n- order: {{ id: A }}")).platforms;
    assert_eq!(platforms("all"), Platforms::All);
    assert_eq!(platforms("[meta, tiktok]"), Platforms::Only(vec!["meta".into(), "tiktok".into()]));
}

#[test]
fn folders_are_read_whole_and_names_come_from_places() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    assert!(load_dir(dir.path()).unwrap_err().to_string().contains("no scenario in it"));
    let good = "title: A test\ncovers: [DED-05]\nsteps: [{ order: { id: A } }]\n";
    write("dedup/b.yaml", good);
    write("a.yaml", good);
    write("dedup/README.md", "no scenario");
    write(".git/x.yaml", "not looked at");
    let names: Vec<_> =
        load_dir(dir.path()).unwrap().into_iter().map(|scenario| scenario.name).collect();
    assert_eq!(names, ["a", "dedup/b"]);

    write("dedup/c.yaml", "title: [");
    write("consent/bad__name.yaml", good);
    write("consent/short.yml", good);
    write("consent/big.yaml", &"#".repeat(300 * 1024));
    fs::write(dir.path().join("consent/latin.yaml"), b"title: A\ncovers: \xe4").unwrap();
    fs::create_dir(dir.path().join("consent/folder.yaml")).unwrap();
    let errors = load_dir(dir.path()).unwrap_err();
    let printed = errors.to_string();
    assert_eq!(errors.errors.len(), 6, "{printed}");
    assert!(errors.errors.iter().all(|error| error.hint.is_some()), "{printed}");
    let file = dir.path().join("dedup/c.yaml");
    assert!(printed.contains(&format!("{}:1:8: ", file.display())), "{printed}");
    for text in [
        "`__` is not allowed",
        "name it .yaml",
        "at most 262144 are allowed",
        "latin.yaml:2:9: the text is not UTF-8 from here on",
        "folder.yaml: is a folder",
    ] {
        assert!(printed.contains(text), "{text} is missing in:\n{printed}");
    }
    assert!(
        load_dir(&dir.path().join("nowhere")).unwrap_err().to_string().contains("cannot be read")
    );
}

#[test]
fn the_shipped_scenarios_load() {
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    match load_dir(&shipped) {
        Ok(scenarios) => assert!(!scenarios.is_empty()),
        Err(errors) => panic!("{errors}"),
    }
}

#[test]
fn a_failure_that_a_named_platform_does_not_know_is_refused() {
    let with = |platforms: &str| {
        format!(
            "title: A test\ncovers: [DED-05]\nplatforms: {platforms}\ngiven:\n- platform: {{ answers: partial_invalid }}\n\
             steps:\n- order: {{ id: A }}\n"
        )
    };
    let printed = of_file(&with("[google_ads, meta]"));
    assert!(printed.contains("x.yaml:5:24: meta has no such answer"), "{printed}");
    assert!(!printed.contains("google_ads has"), "{printed}");
    load_str("dedup/x", &with("all")).unwrap();
}
