//! The way to a first run: `harness init`, `harness schema`, `harness doctor`, as people use them.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

fn harness(args: &[&str], env: &[(&str, &str)]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_defective-relay")).with_file_name("harness");
    Command::new(program)
        .args(args)
        .envs(env.iter().copied())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stdin(Stdio::null())
        .output()
        .expect("`cargo build` makes the harness beside this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the doctor says, by subject: `meta captured` → state, words, change.
struct Said {
    code: Option<i32>,
    report: Value,
}

fn doctor(args: &[&str], env: &[(&str, &str)]) -> Said {
    let args: Vec<&str> = ["doctor", "--json"].iter().chain(args).copied().collect();
    let output = harness(&args, env);
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}{}", text(&output.stdout), text(&output.stderr)));
    Said { code: output.status.code(), report }
}

impl Said {
    fn point(&self, about: &str, platform: Option<&str>) -> &Value {
        let points = self.report["points"].as_array().expect("points");
        points
            .iter()
            .find(|p| p["about"] == about && p["platform"].as_str() == platform)
            .unwrap_or_else(|| panic!("no point `{about}` of {platform:?} in {:#}", self.report))
    }

    fn problem(&self, about: &str, platform: Option<&str>, says: &str, change: &str) {
        let point = self.point(about, platform);
        let words = point["says"].as_str().unwrap_or_default();
        if point["state"] == "not_checked" && words.contains("the machine was too busy") {
            // What did not happen then proves nothing, and the doctor rightly says no more.
            return;
        }
        assert_eq!(point["state"], "problem", "{point:#}");
        assert!(point["says"].as_str().is_some_and(|text| text.contains(says)), "{point:#}");
        assert!(point["change"].as_str().is_some_and(|text| text.contains(change)), "{point:#}");
    }
}

#[test]
fn the_reference_relay_is_well() {
    let said = doctor(&[], &[]);
    assert_eq!(said.code, Some(0), "{:#}", said.report);
    for about in [
        "profile",
        "relay",
        "landing",
        "shopify order",
        "shopify signature",
        "delivery log",
        "health",
        "restart",
        "other hosts",
    ] {
        assert_eq!(said.point(about, None)["state"], "ok", "{about}: {:#}", said.report);
    }
    for platform in ["meta", "google_ads", "data_manager", "tiktok"] {
        for about in ["captured", "account", "counted", "event id", "control order", "consent"] {
            let point = said.point(about, Some(platform));
            assert_eq!(point["state"], "ok", "{platform} {about}: {:#}", said.report);
        }
        let captured = &said.point("captured", Some(platform))["says"];
        assert!(captured.as_str().is_some_and(|s| s.contains("base URL, HTTP/1.1")), "{captured}");
    }
}

#[test]
fn its_words_are_plain_and_fit_eighty_columns() {
    let output = harness(&["doctor"], &[]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}{}", text(&output.stderr));
    assert!(!out.contains('\u{1b}'), "no colour in a pipe");
    assert_eq!(out.lines().find(|line| line.chars().count() > 80), None, "{out}");
    assert!(out.contains("0 problems"), "{out}");
}

/// The reference relay's profile with something else in some places.
fn spoiled(changes: &[(&str, &str)]) -> (tempfile::TempDir, String) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../harness/profiles/reference.yaml");
    let mut profile = std::fs::read_to_string(shipped).expect("the reference profile");
    for (from, to) in changes {
        assert!(profile.contains(from), "{from}");
        profile = profile.replacen(from, to, 1);
    }
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("p.yaml");
    std::fs::write(&file, profile).expect("writable");
    let file = file.display().to_string();
    (dir, file)
}

#[test]
fn each_mistake_in_a_profile_is_told_at_its_own_point() {
    let (_dir, file) = spoiled(&[
        ("event_id: \"order_{{ order.numeric_id }}\"", "event_id: \"{{ order.name }}\""),
        ("pixel_id = {{ shop.accounts.meta.pixel_id | json }}", "pixel_id = \"999\""),
        ("base_url = {{ gateway.tiktok | json }}", "base_url = \"http://127.0.0.1:9\""),
        ("path: /v1/shops/{{ shop.id }}/clicks", "path: /v1/shops/{{ shop.id }}/klicks"),
        ("platform: $.destination", "platform: $.shop_id"),
        ("  - clock\n", ""),
    ]);
    let said = doctor(&["--profile", &file], &[]);
    assert_eq!(said.code, Some(1), "{:#}", said.report);
    said.problem("profile", None, "send.clock", "add `clock` to capabilities");
    said.problem("landing", None, "404", "send.click (");
    said.problem("account", Some("meta"), "sends to 999", "shops[0].accounts.meta.pixel_id");
    said.problem("counted", Some("meta"), "refuses", "harness explain META-");
    let change = "event_id: \"order_{{ order.numeric_id }}\" into policies.event_id";
    said.problem("event id", Some("google_ads"), "makes `#", change);
    said.problem("captured", Some("tiktok"), "other platforms were called", "gateway.tiktok");
    said.problem("delivery log", None, "never `", "read.deliveries.platform (");
    assert_eq!(said.point("captured", Some("google_ads"))["state"], "ok");
}

#[test]
fn a_status_without_a_meaning_is_named() {
    let (_dir, file) = spoiled(&[("200: healthy", "204: healthy")]);
    let said = doctor(&["--profile", &file], &[]);
    assert_eq!(said.code, Some(1), "{:#}", said.report);
    said.problem("health", None, "200", "read.health.statuses (");
}

/// A server that answers every request with this status, and does nothing else.
fn server(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream, status));
        }
    });
    url
}

/// One request by connection: read whole, answered, closed.
fn answer(mut stream: TcpStream, status: &str) {
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    loop {
        let head = seen.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = head {
            let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|n| n.trim().parse().ok()).unwrap_or(0);
            if seen.len() >= end + 4 + length {
                break;
            }
        }
        match stream.read(&mut part) {
            Ok(n) if n > 0 => seen.extend_from_slice(&part[..n]),
            _ => return,
        }
    }
    let reply = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    // Whoever left has no use for it.
    drop(stream.write_all(reply.as_bytes()));
}

const PROFILE: &str = "harness/profiles/shopify.yaml";
const SECRET: [(&str, &str); 1] = [("SHOP_SECRET", "s3cret-of-the-test")];

#[test]
fn a_relay_that_takes_every_signature_and_sends_nothing_is_told_both() {
    let began = Instant::now();
    let url = server("200 OK");
    let said = doctor(&["--profile", PROFILE, "--relay", &url], &SECRET);
    assert_eq!(said.code, Some(1), "{:#}", said.report);
    assert_eq!(said.point("shopify order", None)["state"], "ok");
    said.problem("shopify signature", None, "answered with 200", "401");
    said.problem("captured", Some("meta"), "called no platform at all", "/meta instead of");
    assert_eq!(said.point("consent", Some("meta"))["state"], "not_checked");
    // Its waits stretch, up to three times, while other tests keep the machine busy.
    assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
}

#[test]
fn a_relay_that_refuses_right_signatures_is_told_where_the_secret_is_compared() {
    let url = server("401 Unauthorized");
    let said = doctor(&["--profile", PROFILE, "--relay", &url], &SECRET);
    assert_eq!(said.code, Some(1), "{:#}", said.report);
    said.problem(
        "shopify order",
        None,
        ": 401",
        "send.webhooks.shopify (harness/profiles/shopify.yaml:",
    );
    assert_eq!(said.point("shopify signature", None)["state"], "ok");
}

#[test]
fn where_nobody_listens_the_answer_comes_at_once() {
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let began = Instant::now();
    let url = format!("http://127.0.0.1:{port}");
    let said = doctor(&["--profile", PROFILE, "--relay", &url], &SECRET);
    assert_eq!(said.code, Some(5), "{:#}", said.report);
    said.problem("relay", None, "cannot be reached", "--relay");
    assert_eq!(said.point("all else", None)["state"], "not_checked");
    // Other tests run beside this one.
    assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
}

#[test]
fn one_that_takes_connections_and_says_nothing_is_let_go_soon() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let began = Instant::now();
    let said = doctor(&["--profile", PROFILE, "--relay", &url], &SECRET);
    assert_eq!(said.code, Some(5), "{:#}", said.report);
    said.problem("relay", None, "has not answered", "start the relay");
    // Three seconds on a quiet machine; other tests run beside this one.
    assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
    drop(listener);
}

#[test]
fn one_that_hangs_on_webhooks_is_let_go_after_one_of_them() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut part = [0; 4];
            // Asked whether it lives, it says so; an order it keeps to itself.
            match stream.read_exact(&mut part) {
                Ok(()) if part == *b"GET " => answer(stream, "200 OK"),
                _ => held.push(stream),
            }
        }
    });
    let began = Instant::now();
    let said = doctor(&["--profile", PROFILE, "--relay", &url], &SECRET);
    assert_eq!(said.code, Some(1), "{:#}", said.report);
    said.problem("shopify order", None, "no answer (no answer in time)", "send.webhooks.shopify");
    assert_eq!(said.point("captured", Some("meta"))["state"], "not_checked");
    // Less than ten seconds on a quiet machine; other tests run beside this one.
    assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
}

#[test]
fn a_profile_with_a_mistake_is_shown_with_its_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("p.yaml");
    std::fs::write(&file, "name: x\nshops: single\nplatfroms: [meta]\n").expect("writable");
    let said = doctor(&["--profile", &file.display().to_string()], &[]);
    assert_eq!(said.code, Some(2), "{:#}", said.report);
    let quote = said.point("profile", None)["quote"].as_str().unwrap_or_default();
    assert!(quote.contains("p.yaml:3:1") && quote.contains("did you mean `platforms`?"), "{quote}");
}

#[test]
fn a_program_that_is_not_there_or_leaves_at_once_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("p.yaml");
    let name = file.display().to_string();
    let with = |command: &str| {
        let rest = "shops: single\nplatforms: [meta]\nsend:\n  formats: [shopify]\n  webhooks: { shopify: { path: / } }\n  joins: [landing_site]\n";
        let ready = "  ready: { line: 'at (.+)' }\n";
        let profile = format!("name: x\nstart:\n  command: {command}\n{ready}{rest}");
        std::fs::write(&file, profile).expect("writable");
        doctor(&["--profile", &name], &[])
    };
    let said = with("[no-such-program]");
    assert_eq!(said.code, Some(5), "{:#}", said.report);
    said.problem("relay", None, "no-such-program", "p.yaml:3)");
    let said = with("[sh, -c, 'echo out of luck >&2; exit 3']");
    assert_eq!(said.code, Some(5), "{:#}", said.report);
    said.problem("relay", None, "exit status: 3", "start.env");
    assert_eq!(said.point("relay", None)["quote"], "out of luck");
}

#[test]
fn what_init_writes_is_read_by_the_doctor_in_every_format() {
    let formats = [
        "shopify",
        "woocommerce",
        "stripe",
        "standard_webhooks",
        "segment",
        "rudderstack",
        "jitsu",
        "ga4",
        "data_tag",
        "snowplow",
        "posthog",
    ];
    let secrets = [
        ("SHOP_SECRET", "s"),
        ("SHOP_SIGNING_SECRET", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"),
        ("SHOP_WRITE_KEY", "k"),
    ];
    for format in formats {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().display().to_string();
        let made =
            harness(&["init", "--format", format, "--dir", &folder, "--platform", "tiktok"], &[]);
        assert_eq!(made.status.code(), Some(0), "{format}: {}", text(&made.stderr));
        let profile = dir.path().join("relay-profile.yaml").display().to_string();
        let said = doctor(&["--profile", &profile, "--relay", "http://127.0.0.1:9"], &secrets);
        assert_eq!(said.point("profile", None)["state"], "ok", "{format}: {:#}", said.report);
        assert_eq!(said.code, Some(5), "{format}");
        let again = harness(&["init", "--format", format, "--dir", &folder], &[]);
        assert_eq!(again.status.code(), Some(2));
        assert!(text(&again.stderr).contains("--force"), "{}", text(&again.stderr));
    }
}

#[test]
fn the_schema_of_a_profile_is_json_with_the_known_fields() {
    let output = harness(&["schema", "profile"], &[]);
    let schema: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["properties"]["send"].is_object(), "{schema:#}");
    assert_eq!(harness(&["schema", "frobnicate"], &[]).status.code(), Some(2));
}
