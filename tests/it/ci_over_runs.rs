//! What a CI server needs over many runs: a baseline of known failures, shards that are merged, reports that are compared.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use harness::scenario::shard::Shard;
use serde_json::Value;

/// A folder, and the harness run in the project's own.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).expect("writable");
        self.path(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).expect("JSON")
    }

    /// The reference relay's profile, started with this defect.
    fn profile(&self, defect: &str) -> String {
        let text = fs::read_to_string(root().join("harness/profiles/reference.yaml"))
            .expect("the shipped profile");
        let usual = r#"command: ["{{ harness }}", relay, "#;
        assert!(text.contains(usual), "the profile starts the relay otherwise");
        let program = env!("CARGO_BIN_EXE_defective-relay");
        let defective = format!(r#"command: ["{program}", --defect, {defect}, "#);
        self.write(&format!("{defect}.yaml"), &text.replace(usual, &defective))
    }

    fn harness(&self, args: &[&str]) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_defective-relay")).with_file_name("harness");
        Command::new(program)
            .args(args)
            .current_dir(root())
            .output()
            .expect("`cargo build` makes the harness beside this test")
    }

    /// Runs and expects this exit code; standard output and standard error.
    fn exits(&self, code: i32, args: &[&str]) -> (String, String) {
        let output = self.harness(args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}{err}");
        (out, err)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text without its line breaks.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Name and status of every case of a report.
fn statuses(report: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let cases = report["run"]["cases"].as_array().expect("cases");
    cases.iter().map(|case| (text(&case["case"]), text(&case["status"]))).collect()
}

const CASE: &str = "dedup/many_topics/meta";

#[test]
fn a_known_failure_passes_and_has_to_go_once_it_is_mended() {
    let bench = Bench::new();
    let defective = bench.profile("counts_every_topic");
    let sound = bench.profile("none");
    let known = bench.path("known.yaml");
    let run = ["run", "--case", CASE, "--profile"];
    let terms = ["--owner", "@shop", "--expires", "2999-12-31", "--reason", "counts updates: #12"];

    let written = ["--write-baseline", &known];
    let (_, err) = bench.exits(1, &[&run[..], &[&defective], &written, &terms].concat());
    assert!(err.contains("new, 0 kept"), "{err}");
    assert!(bench.read("known.yaml").contains(CASE), "{}", bench.read("known.yaml"));

    let json = format!("json={}", bench.path("run.json"));
    let junit = format!("junit={}", bench.path("junit.xml"));
    let judged = ["--baseline", &known, "--report", &json, "--report", &junit];
    let (out, _) = bench.exits(0, &[&run[..], &[&defective], &judged].concat());
    assert!(out.contains("KNOWN FAILING dedup/many_topics/meta"), "{out}");
    assert!(flat(&out).contains("counts updates: #12 (@shop, until 2999-12-31"), "{out}");
    assert!(out.contains("0 passed, 1 known failing"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    assert_eq!(statuses(&bench.json("run.json")), [(CASE.to_owned(), "known_failing".to_owned())]);
    let junit = bench.read("junit.xml");
    assert!(junit.contains("<skipped") && junit.contains("known failing: "), "{junit}");
    assert!(!junit.contains("<failure"), "{junit}");

    let (out, _) = bench.exits(1, &[&run[..], &[&sound], &["--baseline", &known]].concat());
    let out = flat(&out);
    assert!(out.contains("no longer occurs; take lines") && out.contains("known.yaml:"), "{out}");
    // Another case is judged and the entry is left alone.
    let other = ["run", "--case", "dedup/thank_you_reload/meta", "--profile", &sound];
    bench.exits(0, &[&other[..], &["--baseline", &known]].concat());
}

#[test]
fn a_baseline_that_cannot_be_meant_is_refused_before_anything_is_played() {
    let bench = Bench::new();
    let text = "relay: reference\nknown:\n  - case: dedup/many_topisc\n    check: exactly_once\n    reason: x\n    owner: x\n    expires: 2999-01-01\n";
    let known = bench.write("known.yaml", text);
    let (_, err) = bench.exits(2, &["run", "--baseline", &known]);
    assert!(err.contains("known.yaml:3:11: `dedup/many_topisc` means no case"), "{err}");
    assert!(err.contains("nearest names: dedup/many_topics"), "{err}");
    let (_, err) = bench.exits(2, &["run", "--write-baseline", &known]);
    assert!(err.contains("--owner") && err.contains("--expires"), "{err}");
}

#[test]
fn a_shard_compares_the_snapshots_of_all_its_cases() {
    let bench = Bench::new();
    let none = bench.path("none");
    let changed = |shard: &[&str]| {
        let json = format!("json={}", bench.path("run.json"));
        let run = ["run", "--case", "dedup/thank_you*", "--case", "dedup/webhook_redelivered"];
        let output =
            bench.harness(&[&run[..], &["--snapshots", &none, "--report", &json], shard].concat());
        assert_eq!(output.status.code(), Some(1), "a snapshot that is not there is a change");
        let report = bench.json("run.json");
        let changed = report["run"]["snapshots_changed"].as_array().expect("paths").len();
        // Else they would be known at the next run.
        if let Err(e) = fs::remove_dir_all(&none) {
            assert_eq!(e.kind(), std::io::ErrorKind::NotFound, "{e}");
        }
        (statuses(&report).len(), changed)
    };
    let whole = changed(&[]);
    assert!(whole.1 > 4, "{whole:?}");
    let (one, two) = (changed(&["--shard", "1/2"]), changed(&["--shard", "2/2"]));
    assert!(one.0 > 0 && two.0 > 0, "{one:?} {two:?}");
    assert_eq!((one.0 + two.0, one.1 + two.1), whole);
}

#[test]
fn shards_play_every_case_once_and_merge_into_the_whole_run() {
    let bench = Bench::new();
    let run = ["run", "--case", "dedup/thank_you*", "--case", "dedup/webhook_redelivered"];
    let report = |name: &str| format!("json={}", bench.path(name));
    bench.exits(0, &[&run[..], &["--report", &report("whole.json")]].concat());
    for shard in ["1/2", "2/2"] {
        let name = format!("{}.json", &shard[..1]);
        bench.exits(0, &[&run[..], &["--shard", shard, "--report", &report(&name)]].concat());
    }
    let (one, two) = (bench.path("1.json"), bench.path("2.json"));
    let junit = format!("junit={}", bench.path("junit.xml"));
    let merged = report("merged.json");
    let args = ["merge", &two, &one, "--report", &merged, "--report", &junit];
    let (out, _) = bench.exits(0, &args);
    assert!(out.contains("merged from 2 shards"), "{out}");
    let (whole, merged) = (bench.json("whole.json"), bench.json("merged.json"));
    assert!(statuses(&whole).len() > 4, "{whole}");
    assert_eq!(statuses(&merged), statuses(&whole));
    assert_eq!(merged["run"]["suite"], whole["run"]["suite"]);
    assert_eq!(merged["orders"], whole["orders"]);
    assert_eq!(merged["exit_code"], 0);
    assert!(bench.read("junit.xml").contains("<testsuite "), "a report for CI servers");

    let (_, err) = bench.exits(2, &["merge", &one]);
    assert!(err.contains("a shard is missing: 2/2"), "{err}");
    let (_, err) = bench.exits(2, &["merge", &one, &two, &one]);
    assert!(err.contains("shard 1/2 is there twice"), "{err}");
    let (_, err) = bench.exits(2, &["merge", &bench.path("whole.json")]);
    assert!(err.contains("is no shard of a run"), "{err}");

    // Same relay, same cases: nothing got worse.
    let (out, _) =
        bench.exits(0, &["compare", &bench.path("whole.json"), &bench.path("merged.json")]);
    assert!(out.contains("no regression"), "{out}");
}

#[test]
fn an_empty_shard_passes_and_says_so_but_an_empty_selection_does_not() {
    let bench = Bench::new();
    let case = "dedup/thank_you_reload/meta";
    let shards = (1..=9).filter_map(|number| Shard::new(number, 9).ok());
    let (full, empty): (Vec<Shard>, Vec<Shard>) = shards.partition(|shard| shard.contains(case));
    assert_eq!((full.len(), empty.len()), (1, 8));
    let (out, _) = bench.exits(0, &["run", "--case", case, "--shard", &empty[0].to_string()]);
    let out = flat(&out);
    assert!(out.contains("the 1 case that is selected falls into another shard than"), "{out}");
    bench.exits(4, &["run", "--case", "dedup/nothing", "--shard", "1/9"]);
    let (_, err) = bench.exits(2, &["run", "--shard", "3/2"]);
    assert!(err.contains("counted from 1 to 2"), "{err}");
    let (out, _) = bench.exits(0, &["list", "--case", case, "--shard", &full[0].to_string()]);
    assert!(out.starts_with(case), "{out}");
}

#[test]
fn listed_shards_are_complete_and_disjoint() {
    let bench = Bench::new();
    let names = |args: &[&str]| {
        let (out, _) = bench.exits(0, &[&["list", "--json"], args].concat());
        let listed: Value = serde_json::from_str(&out).expect("JSON");
        let name = |case: &Value| case["name"].as_str().unwrap_or_default().to_owned();
        listed["cases"].as_array().expect("cases").iter().map(name).collect::<Vec<_>>()
    };
    let mut parts: Vec<String> =
        ["1/3", "2/3", "3/3"].iter().flat_map(|shard| names(&["--shard", shard])).collect();
    parts.sort();
    assert_eq!(parts, names(&[]));
}

#[test]
fn a_relay_that_got_worse_is_told_by_its_reports() {
    let bench = Bench::new();
    let report = |name: &str| format!("json={}", bench.path(name));
    for (defect, code, name) in
        [("none", 0, "before.json"), ("counts_every_topic", 1, "after.json")]
    {
        let profile = bench.profile(defect);
        let run = ["run", "--case", "dedup/many_topics", "--profile", &profile];
        bench.exits(code, &[&run[..], &["--report", &report(name)]].concat());
    }
    let (before, after) = (bench.path("before.json"), bench.path("after.json"));
    let (out, _) = bench.exits(1, &["compare", &before, &after]);
    assert!(out.contains("newly failing"), "{out}");
    assert!(out.contains("counted once -> counted twice+"), "{out}");
    assert!(out.contains("regression: "), "{out}");
    assert!(!out.contains('\u{1b}'), "no colour in a pipe");
    let (out, _) = bench.exits(0, &["compare", &after, &before, "--format", "markdown"]);
    assert!(out.contains("### newly passing") && out.contains("**no regression**"), "{out}");
    let (out, _) = bench.exits(1, &["compare", &before, &after, "--format", "json"]);
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json["regression"], true);
    let delivery = &json["comparison"]["runs"][0]["orders"]["delivery"];
    assert!(delivery["timed_orders"].as_u64() >= Some(4), "{delivery}");
    assert!(delivery["p95_ms"].as_u64() >= delivery["median_ms"].as_u64(), "{delivery}");

    // Of relays with other names the figures alone are told, unless it is asked for.
    let renamed =
        bench.read("after.json").replace(r#""relay": "reference""#, r#""relay": "other""#);
    let other = bench.write("other.json", &renamed);
    bench.exits(0, &["compare", &before, &other]);
    bench.exits(1, &["compare", &before, &other, "--regression"]);
    bench.exits(2, &["compare", &before, "--regression"]);
}

#[test]
fn what_is_no_report_is_refused_with_file_and_reason() {
    let bench = Bench::new();
    let newer = r#"{"schema": 99, "tool": {"name": "harness", "version": "9"}, "run": {}}"#;
    for (name, text, reason) in [
        ("cut.json", "{\"schema\": 2,", "is no JSON"),
        ("foreign.json", "{\"a\": 1}", "is no report of a run"),
        ("newer.json", newer, "has form 99"),
    ] {
        let path = bench.write(name, text);
        for command in ["compare", "merge"] {
            let (_, err) = bench.exits(2, &[command, &path]);
            assert!(err.contains(name) && err.contains(reason), "{err}");
        }
    }
    let (_, err) = bench.exits(2, &["compare", &bench.path("nowhere.json")]);
    assert!(err.contains("cannot be read"), "{err}");
}
