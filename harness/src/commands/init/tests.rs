#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    cli::{CaptureKind, ShopsKind},
    inputs::FORMATS,
    sut::profile::{Capture, Profile, Shops},
};

fn args(dir: &Path) -> InitArgs {
    InitArgs {
        format: None,
        capture: None,
        start: None,
        url: None,
        platforms: Vec::new(),
        shops: None,
        dir: dir.to_owned(),
        yes: true,
        force: false,
    }
}

fn written(args: &InitArgs) -> (String, Profile) {
    let done = init(args).unwrap();
    let text = std::fs::read_to_string(args.dir.join(PROFILE)).unwrap();
    let profile =
        sut::load::load_with(&args.dir.join(PROFILE), |name| Some(format!("whsec_{name}")))
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
    (done.output, profile)
}

#[test]
fn every_format_makes_a_profile_that_loads_whichever_way_the_relay_is_reached() {
    for format in FORMATS {
        for start in [None, Some("node relay.mjs --name 'it''s'".to_owned())] {
            for capture in [CaptureKind::BaseUrl, CaptureKind::Proxy, CaptureKind::Hosts] {
                let dir = tempfile::tempdir().unwrap();
                let args = InitArgs {
                    format: Some(format.id().to_owned()),
                    platforms: ["meta", "google_ads", "data_manager", "tiktok"]
                        .map(Into::into)
                        .into(),
                    capture: Some(capture),
                    start: start.clone(),
                    ..args(dir.path())
                };
                let (_, profile) = written(&args);
                assert_eq!(profile.send.formats, [format.id()]);
                assert_eq!(profile.platforms.len(), 4);
                assert_eq!(profile.capture == Capture::BaseUrl, capture == CaptureKind::BaseUrl);
                assert_eq!(profile.start.is_some(), start.is_some());
                assert_eq!(matches!(profile.shops, Shops::Single), start.is_some());
            }
        }
    }
}

#[test]
fn a_command_keeps_what_looks_like_a_template() {
    let environment = minijinja::Environment::new();
    for command in [
        "docker run --format '{{.Name}}' relay",
        "x {% raw %} {# no comment #} {{{ }}} it''s",
        "sh -c 'echo ${A:-{}} {'",
        "{{%",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let args = InitArgs { start: Some(command.to_owned()), ..args(dir.path()) };
        let (_, profile) = written(&args);
        let shell = &profile.start.unwrap().command[2];
        let rendered = environment.render_str(shell, ()).unwrap();
        let (_, kept) = rendered.split_once(" && ").unwrap();
        assert_eq!(kept.trim_start_matches("exec "), command, "{shell}");
    }
}

#[test]
fn a_url_typed_on_a_terminal_is_looked_at_too() {
    let of = |url: &str| {
        let given = Choices { reach: Some(choices::Reach::Url(url.into())), ..Choices::default() };
        given.settled().map(|plan| plan.options())
    };
    assert!(of("http://me:hush@x").is_err_and(|e| !e.contains("hush")));
    assert!(of("http://x/?a").is_err());
    assert_eq!(of("http://x/a;b").unwrap(), " --relay 'http://x/a;b' --listen 127.0.0.1:9900");
}

#[test]
fn what_is_guessed_is_marked_in_the_files_and_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let (output, _) = written(&args(dir.path()));
    let text = std::fs::read_to_string(dir.path().join(PROFILE)).unwrap();
    let marks: Vec<_> = marked(&text).collect();
    assert!(marks.len() >= 5, "{text}");
    for (line, _) in marks {
        assert!(output.contains(&format!("{PROFILE}:{line}  ")), "{line}: {output}");
    }
    assert!(output.contains("harness doctor --profile"), "{output}");
    assert!(output.contains("--relay http://127.0.0.1:8080 --listen 127.0.0.1:9900"), "{output}");
}

#[test]
fn the_workflow_is_yaml_and_writes_junit() {
    for (start, shops) in [(None, None), (Some("x"), None), (Some("x"), Some(ShopsKind::Fixed))] {
        let dir = tempfile::tempdir().unwrap();
        let start = start.map(str::to_owned);
        written(&InitArgs { start, shops, capture: Some(CaptureKind::Proxy), ..args(dir.path()) });
        let text = std::fs::read_to_string(dir.path().join(WORKFLOW)).unwrap();
        let read: serde_json::Value =
            serde_saphyr::from_str_with_options(&text, crate::yaml::options()).unwrap();
        let steps = read["jobs"]["harness"]["steps"].as_array().unwrap();
        let runs = |word: &str| {
            steps.iter().filter(|s| s["run"].as_str().is_some_and(|r| r.contains(word))).count()
        };
        assert_eq!((runs("--report junit=reports/junit.xml"), runs("harness doctor")), (1, 1));
        assert_eq!(
            read["jobs"]["harness"]["env"].is_object(),
            text.contains("secrets.SHOP_SECRET")
        );
    }
}

#[test]
fn a_file_that_is_there_is_left_alone_unless_forced() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join(".github/workflows")).unwrap();
    std::fs::write(dir.path().join(WORKFLOW), "mine").unwrap();
    let error = init(&args(dir.path())).unwrap_err().to_string();
    assert!(error.contains("relay.yml is there already") && error.contains("--force"), "{error}");
    assert_eq!(std::fs::read_to_string(dir.path().join(WORKFLOW)).unwrap(), "mine");
    assert!(!dir.path().join(PROFILE).exists(), "nothing is written by halves");
    init(&InitArgs { force: true, ..args(dir.path()) }).unwrap();
    assert_ne!(std::fs::read_to_string(dir.path().join(WORKFLOW)).unwrap(), "mine");
}

#[test]
fn what_does_not_go_together_is_answered_with_what_would() {
    let dir = tempfile::tempdir().unwrap();
    let of = |args: InitArgs| init(&args).unwrap_err().to_string();
    let error = of(InitArgs { format: Some("shopfy".into()), ..args(dir.path()) });
    assert!(error.contains("did you mean `shopify`?"), "{error}");
    let error = of(InitArgs { platforms: vec!["facebook".into()], ..args(dir.path()) });
    assert!(error.contains("no platform `facebook`") && error.contains("tiktok"), "{error}");
    let error = of(InitArgs { shops: Some(ShopsKind::Single), ..args(dir.path()) });
    assert!(error.contains("--shops fixed"), "{error}");
    let error = of(InitArgs { start: Some("a\nb".into()), ..args(dir.path()) });
    assert!(error.contains("one line"), "{error}");
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
}

#[test]
fn what_was_chosen_unasked_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (output, _) = written(&InitArgs { format: Some("stripe".into()), ..args(dir.path()) });
    let taken = "taken for want of a choice: --url http://127.0.0.1:8080 --platform meta";
    assert!(output.contains(taken) && output.contains("--capture base_url"), "{output}");
    assert!(!output.contains("--format"), "{output}");
}
