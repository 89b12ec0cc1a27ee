//! The program as people use it: exit codes, errors, output in a pipe.

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

fn harness(args: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_defective-relay")).with_file_name("harness");
    Command::new(program)
        .args(args)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .expect("`cargo build` makes the harness beside this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn bad_usage_exits_with_2() {
    for args in [
        &["run", "--jobs", "0"][..],
        &["run", "--report", "xml=x"],
        &["frobnicate"],
        &["run", "--timeout", "5"],
    ] {
        let output = harness(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_pattern_that_selects_nothing_exits_with_4_and_names_the_nearest() {
    let output = harness(&["list", "--case", "dedup/thank_you_relaod"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("thank_you_reload"), "{}", text(&output.stderr));
}

#[test]
fn a_dead_relay_exits_with_5_at_once() {
    let began = Instant::now();
    let profile = "harness/profiles/reference.yaml";
    let output = harness(&["run", "--relay", "http://127.0.0.1:9", "--profile", profile]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    // A tenth of a second on a quiet machine; other tests run beside this one. Timeouts that add up would take minutes.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_password_in_a_url_is_refused_and_not_shown() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, url) = (dir.path().display().to_string(), "http://me:hush@127.0.0.1:9");
    let profile = "harness/profiles/reference.yaml";
    for args in [
        &["run", "--relay", url, "--profile", profile][..],
        &["doctor", "--relay", url, "--profile", profile],
        &["init", "--yes", "--url", url, "--dir", &folder],
        &["doctor", "--relay", "ftp://me:hush@x/?a=b", "--profile", profile],
    ] {
        let output = harness(args);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("no user and password") && !said.contains("hush"), "{said}");
    }
}

#[test]
fn shards_at_a_url_need_a_seed_that_all_of_them_have() {
    let relay = ["run", "--relay", "http://127.0.0.1:9", "--profile"];
    let relay = [&relay[..], &["harness/profiles/reference.yaml", "--shard", "1/2"]].concat();
    let output = harness(&relay);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("needs --seed"), "{}", text(&output.stderr));
    let output = harness(&[&relay[..], &["--seed", "7"]].concat());
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
}

#[test]
fn a_typo_in_a_scenario_is_answered_with_its_place() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("x")).expect("a topic");
    std::fs::write(
        dir.path().join("x/y.yaml"),
        "title: A title\ncovers: [DED-01]\nsteps:\n  - visit: { clic: paid }\n",
    )
    .expect("writable");
    let output = harness(&["list", "--scenarios", &dir.path().display().to_string()]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("y.yaml:4:") && error.contains("clic"), "{error}");
}

#[test]
fn output_in_a_pipe_is_plain_and_fits_eighty_columns() {
    let output = harness(&["run", "--case", "dedup/one_order_one_conversion"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}{}", text(&output.stderr));
    assert!(!out.contains('\u{1b}'), "no colour in a pipe");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    assert!(out.contains("counted once"), "{out}");
}

#[test]
fn the_coverage_of_the_catalogue_fits_eighty_columns() {
    let output = harness(&["list", "--coverage"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let long = out.lines().find(|line| line.chars().count() > 80);
    assert_eq!(long, None);
    // Every scenario is still named.
    assert!(out.contains("dedup/thank_you_reload") && out.contains("entries covered"), "{out}");
}

#[test]
fn everything_that_is_listed_can_be_explained() {
    for id in ["DED-06", "META-FBC-FORMAT", "exactly_once", "dedup/thank_you_reload/meta"] {
        let output = harness(&["explain", id]);
        assert_eq!(output.status.code(), Some(0), "{id}: {}", text(&output.stderr));
        assert!(!output.stdout.is_empty());
    }
    assert_eq!(harness(&["explain", "NOPE-1"]).status.code(), Some(4));
}

#[test]
fn a_mistyped_id_is_answered_with_the_nearest() {
    for (id, near) in [
        ("META-FBC-FORMT", "did you mean `META-FBC-FORMAT`"),
        ("exactly_onec", "did you mean `exactly_once`"),
        ("dedup/thank_you_relaod/meta", "did you mean `dedup/thank_you_reload`"),
        ("dedup", "did you mean `dedup/"),
    ] {
        let output = harness(&["explain", id]);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{id}: {error}");
        assert!(error.contains(near), "{id}: {error}");
    }
}

#[test]
fn an_address_that_is_taken_is_bad_usage_and_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    for command in ["run", "doctor"] {
        let output = harness(&[command, "--listen", &address]);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {error}");
        assert!(error.contains(&address) && error.contains("--listen ADDR"), "{error}");
    }
}

/// A full disk is found out when the run is over: its verdict must not be lost with the file.
#[test]
#[cfg(target_os = "linux")]
fn a_report_that_cannot_be_written_keeps_the_verdict_from_nobody() {
    let case = "dedup/one_order_one_conversion/meta";
    let output = harness(&["run", "--case", case, "--report", "json=/dev/full"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("/dev/full cannot be written"));
}
