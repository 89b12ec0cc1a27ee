//! Real processes, played by the shell.
#![allow(clippy::unwrap_used)]

use std::process::Stdio;

use super::{child::left, *};
use crate::{
    gateway::{Gateway, GatewayOptions},
    inputs::samples,
    sut::profile,
};

const REST: &str = "
shops: as_needed
platforms: [meta]
send:
  formats: [shopify]
  webhooks: { shopify: { path: /hooks } }
  joins: [cart]
";

fn profile(script: &str, ready: &str) -> Profile {
    let script = script.replace('\n', "\n      ");
    let text = format!(
        "name: shell\nstart:\n  command: [sh, '{{{{ workdir }}}}/run.sh', '{{{{ listen }}}}']\n  within: 2s\n  env: {{ SHOPS: '{{{{ shops | length }}}}', TOKEN: '{{{{ secret }}}}', MODE: '{{{{ settings.mode | default(\"plain\") }}}}' }}\n  ready: {ready}\n  files:\n    run.sh: |\n      {script}\n{REST}"
    );
    profile::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

async fn started(profile: &Profile, settings: &[(&str, &str)]) -> Result<Relay, StartError> {
    let options = GatewayOptions {
        started: Instant::now(),
        platforms: PLATFORMS,
        listen: ([127, 0, 0, 1], 0).into(),
    };
    let gateway = Gateway::start(options).await.unwrap();
    let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect();
    let shops = [samples::shop(0, "one"), samples::shop(1, "two")];
    Relay::start(profile, &shops, gateway.door(), &settings).await
}

fn alive(pid: &str) -> bool {
    let status = std::process::Command::new("sh")
        .args(["-c", &format!("kill -0 {pid}")])
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

async fn gone(pid: &str) -> bool {
    for _ in 0..200 {
        if !alive(pid) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

const LINE: &str = "{ line: 'listening on (http://[^ ]+)' }";

#[tokio::test]
async fn it_gets_its_settings_and_nothing_of_our_environment() {
    let script = "env >&2\necho listening on http://$1\nexec sleep 600";
    let relay = started(&profile(script, LINE), &[("mode", "special")]).await.unwrap();
    assert!(relay.base_url().starts_with("http://127.0.0.1:"), "{}", relay.base_url());
    assert_eq!(relay.exited(), None);
    let words = relay.output().into_iter().find(|(name, _)| *name == "stderr").unwrap().1;
    for expected in ["SHOPS=2", "MODE=special", "TOKEN=tok_", "PATH="] {
        assert!(words.contains(expected), "{expected} is missing in {words}");
    }
    assert!(!words.contains("CARGO"), "{words}");
    relay.shut_down().await;
}

#[tokio::test]
async fn capture_by_proxy_sets_the_variables_of_every_runtime_and_the_profiles_own_win() {
    let script = "env >&2\necho listening on http://$1\nexec sleep 600";
    let mut profile = profile(script, LINE);
    profile.capture = Capture::Proxy;
    let start = profile.start.as_mut().unwrap();
    start.env.insert("NO_PROXY".into(), "db.internal".into());
    start
        .env
        .insert("SEEN".into(), "{{ gateway.proxy }} {{ gateway.address }} {{ gateway.ca }}".into());
    let relay = started(&profile, &[]).await.unwrap();
    let words = relay.output().into_iter().find(|(name, _)| *name == "stderr").unwrap().1;
    let value = |name: &str| {
        let line = words.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("{name} is missing in {words}")).to_owned()
    };
    assert_eq!(value("NO_PROXY"), "db.internal");
    assert_eq!(value("no_proxy"), "127.0.0.1,localhost,::1");
    let proxy = value("HTTPS_PROXY");
    let address = proxy.strip_prefix("http://127.0.0.1:").unwrap();
    assert_eq!(value("HARNESS_GATEWAY"), format!("127.0.0.1:{address}"));
    let ca = value("SSL_CERT_FILE");
    assert_eq!(value("SEEN"), format!("{proxy} 127.0.0.1:{address} {ca}"));
    let pem = std::fs::read_to_string(&ca).unwrap();
    assert!(
        pem.starts_with("-----BEGIN CERTIFICATE-----") && !pem.contains("PRIVATE KEY"),
        "{pem}"
    );
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&ca).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        value("NODE_OPTIONS").contains("node.cjs") && value("PHP_INI_SCAN_DIR").starts_with(':')
    );
    relay.shut_down().await;
    assert!(!Path::new(&ca).exists(), "it ends with the relay");
}

#[tokio::test]
async fn a_relay_with_base_urls_costs_no_certificate_unless_it_asks_for_one() {
    let script = "env >&2\nls -a >&2\necho listening on http://$1\nexec sleep 600";
    let mut profile = profile(script, LINE);
    for wants_it in [false, true] {
        if wants_it {
            let start = profile.start.as_mut().unwrap();
            start.env.insert("TRUST".into(), "{{ gateway.ca }}".into());
        }
        let relay = started(&profile, &[]).await.unwrap();
        let words = relay.output().into_iter().find(|(name, _)| *name == "stderr").unwrap().1;
        assert_eq!(words.contains(".harness"), wants_it, "{words}");
        assert!(!words.contains("PROXY") && !words.contains("NODE_OPTIONS"), "{words}");
    }
}

#[tokio::test]
async fn one_that_leaves_at_once_is_told_with_its_last_words() {
    let script = "echo no database >&2\nexit 7";
    let error = started(&profile(script, LINE), &[]).await.unwrap_err().to_string();
    assert!(error.contains('7') && error.contains("no database"), "{error}");
}

#[tokio::test]
async fn no_secret_stands_in_its_last_words_however_it_is_written() {
    let script = "echo \"token $TOKEN, $(echo $TOKEN | sed s/_/%5F/)\" >&2\nexit 7";
    let error = started(&profile(script, LINE), &[]).await.unwrap_err().to_string();
    assert!(error.ends_with("token [redacted], [redacted]"), "{error}");
    let script = "echo listening on http://[$TOKEN\nexec sleep 600";
    let error = started(&profile(script, LINE), &[]).await.unwrap_err();
    let StartError::BadUrl(url) = &error else { panic!("{error}") };
    assert_eq!(url, "http://[[redacted]");
}

#[tokio::test]
async fn one_that_never_gets_ready_is_given_up_and_killed_with_its_children() {
    let script = "sleep 600 &\necho child $! >&2\nexec sleep 600";
    let error = started(&profile(script, LINE), &[]).await.unwrap_err();
    let StartError::NotReady { words, .. } = &error else { panic!("{error}") };
    let pid = words.trim().strip_prefix("child ").unwrap().to_owned();
    assert!(gone(&pid).await, "the child's child still runs");
}

#[tokio::test]
async fn a_crash_is_noticed() {
    let script = "echo listening on http://$1\nsleep 0.1\necho out of memory >&2\nkill -KILL $$";
    let relay = started(&profile(script, LINE), &[]).await.unwrap();
    let mut exit = lock(&relay.child.as_ref().unwrap().running).as_ref().unwrap().exit.clone();
    assert!(left(&mut exit, Duration::from_secs(5)).await);
    let how = relay.exited().unwrap();
    assert!(how.contains("signal: 9") && how.contains("out of memory"), "{how}");
}

#[tokio::test]
async fn a_restart_keeps_folder_and_address_and_runs_the_handlers_of_a_polite_stop() {
    let script = "echo life >> lives\ntrap 'echo bye >> lives; exit 0' TERM\necho listening on http://$1\nwhile true; do sleep 0.02; done";
    let relay = started(&profile(script, LINE), &[]).await.unwrap();
    let (url, folder) = (relay.base_url(), relay.child.as_ref().unwrap().workdir.path().to_owned());
    relay.restart(Stop::Terminate).await.unwrap();
    relay.restart(Stop::Kill).await.unwrap();
    assert_eq!(relay.base_url(), url);
    assert_eq!(relay.exited(), None);
    let lives = std::fs::read_to_string(folder.join("lives")).unwrap();
    assert_eq!(lives, "life\nbye\nlife\nlife\n");
    let gone = tokio::time::timeout(Duration::from_secs(1), relay.gone());
    let (gone, stopped) = tokio::join!(gone, relay.stop(Stop::Kill));
    stopped.unwrap();
    assert!(gone.is_err(), "stopped on purpose, it did not leave by itself");
    relay.stop(Stop::Kill).await.unwrap();
    assert_eq!(relay.exited(), None, "stopped on purpose");
}

#[tokio::test]
async fn one_that_takes_too_long_to_leave_is_killed_and_started_again() {
    let script = "trap '' TERM\necho listening on http://$1\nwhile :; do sleep 600; done";
    let mut relay = started(&profile(script, LINE), &[]).await.unwrap();
    relay.child.as_mut().unwrap().stop_within = Duration::from_millis(200);
    let away = relay.restart(Stop::Terminate).await.unwrap();
    assert!(away >= Duration::from_millis(200), "{away:?}");
    assert_eq!(relay.exited(), None, "the new one runs");
    relay.shut_down().await;
}

#[tokio::test]
async fn what_it_started_ends_with_it_even_if_it_is_asked_politely() {
    let script = "sleep 600 &\nfirst=$!\n(trap '' TERM; while true; do sleep 0.02; done) &\necho $first $! > pids\ntrap 'exit 0' TERM\necho listening on http://$1\nwhile true; do sleep 0.02; done";
    let relay = started(&profile(script, LINE), &[]).await.unwrap();
    let pids =
        std::fs::read_to_string(relay.child.as_ref().unwrap().workdir.path().join("pids")).unwrap();
    relay.stop(Stop::Terminate).await.unwrap();
    for pid in pids.split_whitespace() {
        assert!(gone(pid).await, "{pid} still runs");
    }
}

#[tokio::test]
async fn one_that_speaks_on_standard_output_alone_has_last_words_too() {
    let script = "sleep 600 &\necho child $!\nexit 3";
    let error = started(&profile(script, LINE), &[]).await.unwrap_err();
    let StartError::Left { words, .. } = &error else { panic!("{error}") };
    let pid = words.trim().strip_prefix("child ").unwrap().to_owned();
    assert!(gone(&pid).await, "what it left behind still runs");
}

#[tokio::test]
async fn a_dropped_relay_dies_with_its_group() {
    let script = "sleep 600 &\necho $$ $! > pids\necho listening on http://$1\nwait";
    let relay = started(&profile(script, LINE), &[]).await.unwrap();
    let pids =
        std::fs::read_to_string(relay.child.as_ref().unwrap().workdir.path().join("pids")).unwrap();
    let pids: Vec<&str> = pids.split_whitespace().collect();
    assert!(pids.iter().all(|pid| alive(pid)));
    drop(relay);
    for pid in pids {
        assert!(gone(pid).await, "{pid} still runs");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let mut profile = profile("true", LINE);
    if let Some(start) = &mut profile.start {
        start.command = vec!["/no/such/program".into()];
    }
    let error = started(&profile, &[]).await.unwrap_err().to_string();
    assert!(error.contains("/no/such/program"), "{error}");
}

#[tokio::test]
async fn nobody_at_the_url_is_unreachable() {
    let profile = profile("true", LINE);
    let error =
        Relay::at(&profile, "http://127.0.0.1:9", Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(error, StartError::Unreachable { .. }), "{error}");
    let error = Relay::at(&profile, "nonsense", Duration::from_secs(1)).await.unwrap_err();
    assert!(error.to_string().contains("no http URL"), "{error}");
}

#[test]
fn the_reference_settings_are_made_for_hundreds_of_shops_in_no_time() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/reference.yaml");
    let profile = profile::load(&path).unwrap_or_else(|error| panic!("{error}"));
    let mut shops = crate::plan::cases::shops(7, 0, 250, &profile);
    shops[0].secret = "quote \" backslash \\ line\nend {{ }} ü".into();
    let context = json!({
        "harness": "h", "workdir": "/tmp/a \"b\"", "port": 1, "listen": "127.0.0.1:1",
        "gateway": PLATFORMS.iter().map(|p| (p.id(), format!("http://g/{}", p.id()))).collect::<BTreeMap<_, _>>(),
        "shops": shops.iter().map(shop_facts).collect::<Vec<_>>(), "settings": {}, "secret": "s",
    });
    let templates = Templates::compile(&profile).unwrap();
    let begin = Instant::now();
    let text = templates
        .render("start.files.relay.toml", &context.into())
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    assert_eq!(text.matches("[[shop]]").count(), 250);
    assert!(text.contains(r#"database = "/tmp/a \"b\"/relay.db""#), "{text:.400}");
    assert!(text.contains(r#"["quote \" backslash \\ line\nend {{ }} ü", "#));
}

#[tokio::test]
async fn a_port_that_somebody_took_meanwhile_is_not_the_relays_fault() {
    let script = "[ -e again ] && exit 1\ntouch again\necho listening on http://$1\nexec sleep 600";
    let relay = started(&profile(script, LINE), &[]).await.unwrap();
    let address = relay.base_url().trim_start_matches("http://").to_owned();
    let taken = std::net::TcpListener::bind(&address).unwrap();
    let error = relay.restart(Stop::Kill).await.unwrap_err();
    assert!(matches!(&error, StartError::PortTaken(at) if *at == address), "{error}");
    drop(taken);
    let error = relay.restart(Stop::Kill).await.unwrap_err();
    assert!(matches!(error, StartError::Left { .. }), "{error}");
}
