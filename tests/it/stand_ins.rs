//! Stand-ins for other services, in a run as people start it: the relay's token service is one of them here.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

const TITLE: &str = "title: Another service is asked\ncovers: [REL-16]\nplatforms: [meta]\n";
const STEPS: &str = "steps:\n  - visit: { click: paid, consent: granted }\n  - order: { id: A }\n";

/// The reference relay, which asks a stand-in for its Google tokens.
fn profile(stubs: &str) -> String {
    let own = r#"token_url = {{ (gateway.google_oauth ~ "/token") | json }}"#;
    let text = include_str!("../../harness/profiles/reference.yaml");
    assert!(text.contains(own), "the profile says where tokens come from");
    let theirs = r#"token_url = {{ (services.tokens ~ "/token") | json }}"#;
    text.replace(own, theirs)
        .replace("\ncapabilities:", &format!("\nservices:\n  tokens: {stubs}\n\ncapabilities:"))
}

fn run(dir: &Path, profile: &str, scenarios: &[(&str, &str)]) -> (Option<i32>, String) {
    let path: PathBuf = dir.join("profile.yaml");
    std::fs::write(&path, profile).expect("writable");
    let folder = dir.join("scenarios/services");
    std::fs::create_dir_all(&folder).expect("writable");
    for (name, rest) in scenarios {
        let text = format!("{TITLE}{rest}");
        std::fs::write(folder.join(format!("{name}.yaml")), text).expect("writable");
    }
    let program = Path::new(env!("CARGO_BIN_EXE_defective-relay")).with_file_name("harness");
    let Output { status, stdout, stderr } = Command::new(program)
        .args(["run", "--profile"])
        .arg(&path)
        .arg("--scenarios")
        .arg(dir.join("scenarios"))
        .output()
        .expect("`cargo build` makes the harness beside this test");
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (status.code(), text)
}

const TOKENS: &str = "[{ request: { method: POST, path: /token }, \
                      response: { body: { access_token: made-up, expires_in: 3600, token_type: Bearer } } }]";

#[test]
fn the_relay_is_told_the_address_and_its_calls_are_counted() {
    let dir = tempfile::tempdir().expect("a folder");
    let refused_twice = "given:\n  - service: { name: tokens, request: { path: /token }, response: { status: 503 }, times: 2 }\n";
    let asked = "expect:\n  - service: { name: tokens, method: POST, path: /token, at_least: 3 }\n  - service: { name: tokens, path: /other, calls: 0 }\n";
    let scenario = format!("{refused_twice}{STEPS}{asked}");
    let (code, text) = run(dir.path(), &profile(TOKENS), &[("asked", &scenario)]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn an_expectation_that_does_not_hold_fails_and_an_answer_nobody_asked_for_is_no_pass() {
    let dir = tempfile::tempdir().expect("a folder");
    let never =
        format!("{STEPS}expect:\n  - service: {{ name: tokens, path: /never, at_least: 1 }}\n");
    let unused = format!(
        "given:\n  - service: {{ name: tokens, request: {{ path: /never }}, response: {{ status: 500 }} }}\n{STEPS}"
    );
    let foreign = format!("{STEPS}expect:\n  - service: {{ name: elsewhere, calls: 0 }}\n");
    let scenarios = [("never", &*never), ("unused", &*unused), ("foreign", &*foreign)];
    let (code, text) = run(dir.path(), &profile(TOKENS), &scenarios);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("FAIL services/never/meta"), "{text}");
    assert!(text.contains("tokens /never was called 0 times"), "{text}");
    assert!(text.contains("INCONCLUSIVE services/unused/meta"), "{text}");
    assert!(text.contains("1 x the relay calls no service `elsewhere`"), "{text}");
}

#[test]
fn what_no_stub_answers_is_shown_with_the_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let (code, text) = run(dir.path(), &profile("[]"), &[("plain", STEPS)]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("no stub of the profile answers tokens POST /token"), "{text}");
}
