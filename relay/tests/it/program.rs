//! The program as it is started by others: what it prints, and when.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(folder: &Path, settings: &str) -> Output {
    std::fs::write(folder.join("relay.toml"), settings).unwrap();
    Command::new(env!("CARGO_BIN_EXE_relay"))
        .args(["--config", "relay.toml", "--listen", "127.0.0.1:0"])
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn it_does_not_say_that_it_listens_before_its_database_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), "operator_token = 'x'\ndatabase = 'no/such/folder/relay.db'\n");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    let error = text(&output.stderr);
    assert!(error.contains("database") && error.contains("no/such/folder"), "{error}");
}

#[test]
fn a_wrong_setting_is_answered_with_file_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    for (settings, expected) in [
        (
            "operator_token = 'x'\n[delivery]\nbatch = 0\n",
            "relay.toml: line 3: delivery.batch: must be",
        ),
        ("operator_token = 'x'\n[policy]\nvlaue = 'total'\n", "line 3"),
        (
            "operator_token = 'env:SURELY_NOT_SET_ANYWHERE'\n",
            "relay.toml: line 1: operator_token: environment",
        ),
    ] {
        let output = run(folder.path(), settings);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.starts_with("error: relay.toml: ") && error.contains(expected), "{error}");
        assert_eq!(text(&output.stdout), "");
    }
}
