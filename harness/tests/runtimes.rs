//! Real runtimes with the environment that the harness gives them: unchanged programs that call a platform by its own
//! name reach the simulator and trust it. A runtime that this machine lacks is passed over, with a word on standard
//! error.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::{
    collections::BTreeMap,
    process::Stdio,
    time::{Duration, Instant},
};

use harness::{
    gateway::{Gateway, GatewayOptions, WhyUnread},
    platforms::PLATFORMS,
    sut::{
        profile::Capture,
        runtimes::{Trust, environment},
    },
};
use tokio::process::Command;

/// What only Meta says, and so its simulator.
const ANSWER: &str = "fbtrace_id";
const URL: &str = "https://graph.facebook.com/v21.0/1/events?access_token=of-nobody";

struct Bench {
    gateway: Gateway,
    folder: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

impl Bench {
    async fn new(capture: Capture) -> Self {
        let options = GatewayOptions {
            started: Instant::now(),
            platforms: PLATFORMS,
            listen: ([127, 0, 0, 1], 0).into(),
        };
        let gateway = Gateway::start(options).await.unwrap();
        // Names with a space in them are where quoting goes wrong.
        let folder = tempfile::Builder::new().prefix("run time ").tempdir().unwrap();
        let trust = Trust::write(folder.path(), gateway.door()).unwrap();
        let environment = environment(capture, gateway.door(), &trust);
        Self { gateway, folder, environment }
    }

    /// What became of a program; `None` if there is no such program here.
    async fn run(&self, program: &str, arguments: &[&str]) -> Option<std::process::Output> {
        let inherited = ["PATH", "HOME"].map(|name| (name, std::env::var_os(name)));
        let spawned = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(inherited.into_iter().filter_map(|(name, value)| Some((name, value?))))
            .envs(&self.environment)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let child = match spawned {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("passed over: this machine has no `{program}`");
                return None;
            }
            Err(error) => panic!("{program}: {error}"),
        };
        let ended = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output());
        Some(ended.await.expect("an end within a minute").unwrap())
    }

    /// Its standard output; it has to succeed.
    async fn output(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let output = self.run(program, arguments).await?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        let unread = self.gateway.tunnels_unread();
        assert!(output.status.success(), "{program}: {out}\n{err}\n{unread:?}");
        Some(out)
    }

    /// True if Python has this module; says so if not.
    async fn python_has(&self, module: &str) -> bool {
        let has = format!("import importlib.util as u; print(u.find_spec('{module}') is not None)");
        let has = self.output("python3", &["-c", &has]).await.is_some_and(|o| o.trim() == "True");
        if !has {
            eprintln!("passed over: this machine has no `{module}` for Python");
        }
        has
    }

    /// Every line that it prints is an answer of the simulator, and there are so many.
    async fn answers(&self, program: &str, arguments: &[&str], count: usize) {
        let Some(out) = self.output(program, arguments).await else { return };
        let lines: Vec<&str> = out.lines().filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(lines.len(), count, "{out}");
        assert!(lines.iter().all(|line| line.contains(ANSWER)), "{out}");
        assert_eq!(self.gateway.served(), count as u64);
        assert!(self.gateway.tunnels_unread().is_empty(), "{:?}", self.gateway.tunnels_unread());
        assert!(self.gateway.undeclared().is_empty());
    }
}

/// Four ways of Node to call out; each prints one line.
const NODE: &str = r#"
const https = require('https'), http2 = require('http2'), tls = require('tls');
const url = new URL(process.argv[1]);
const line = (text) => console.log(text.replace(/\s+/g, ' '));
const read = (stream) => new Promise((done, failed) => {
  let text = ''; stream.setEncoding('utf8');
  stream.on('data', (d) => { text += d; }).on('end', () => done(text)).on('error', failed);
});
(async () => {
  line(await (await fetch(url, { method: 'POST', body: '{}' })).text());
  line(await new Promise((done, failed) => {
    https.request(url, { method: 'POST', agent: new https.Agent({ keepAlive: false }) },
      (answer) => read(answer).then(done, failed)).on('error', failed).end('{}');
  }));
  const session = http2.connect(url.origin);
  const request = session.request({ ':method': 'POST', ':path': url.pathname + url.search });
  request.end('{}');
  line(await read(request));
  session.close();
  const socket = tls.connect(443, url.hostname, { servername: url.hostname });
  socket.write(`POST ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.hostname}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`);
  line(await read(socket));
})().catch((error) => { console.error(error); process.exit(1); });
"#;

#[tokio::test]
async fn node_by_its_hook_with_and_without_a_proxy() {
    for capture in [Capture::Proxy, Capture::Hosts] {
        Bench::new(capture).await.answers("node", &["-e", NODE, URL], 4).await;
    }
}

#[tokio::test]
async fn nodes_hook_leaves_this_machine_alone_and_leads_unknown_hosts_to_us() {
    let bench = Bench::new(Capture::Hosts).await;
    let script = r#"
const net = require('net'), http = require('http');
const server = http.createServer((_, answer) => answer.end('mine')).listen(0, '127.0.0.1', async () => {
  const own = await (await fetch(`http://127.0.0.1:${server.address().port}/`)).text();
  const other = await fetch('https://telemetry.example/v1', { method: 'POST', body: 'x' });
  console.log(own, other.status);
  server.close(); server.closeAllConnections();
  process.exit(0);
});"#;
    let Some(out) = bench.output("node", &["-e", script]).await else { return };
    assert_eq!(out.trim(), "mine 502");
    assert_eq!(bench.gateway.undeclared()[0].request.host, "telemetry.example");
}

#[tokio::test]
async fn python_by_its_own_means() {
    let script = r#"
import sys, urllib.request, urllib.error
def line(text): print(' '.join(text.split()))
try:
    urllib.request.urlopen(sys.argv[1], data=b'{}')
except urllib.error.HTTPError as answer:
    line(answer.read().decode())
"#;
    Bench::new(Capture::Proxy).await.answers("python3", &["-c", script, URL], 1).await;
}

#[tokio::test]
async fn python_by_requests() {
    let bench = Bench::new(Capture::Proxy).await;
    if !bench.python_has("requests").await {
        return;
    }
    let script = r#"
import sys, requests
print(' '.join(requests.post(sys.argv[1], json={}).text.split()))
with requests.Session() as session:
    print(' '.join(session.post(sys.argv[1], json={}).text.split()))
"#;
    bench.answers("python3", &["-c", script, URL], 2).await;
}

#[tokio::test]
async fn curl_with_each_version_of_http() {
    for version in ["--http1.1", "--http2"] {
        let arguments =
            ["--silent", "--show-error", version, "--data", "{}", "--write-out", "\\n", URL];
        Bench::new(Capture::Proxy).await.answers("curl", &arguments, 1).await;
    }
}

#[tokio::test]
async fn php_by_streams_and_by_curl() {
    let script = r#"
$options = ['http' => ['method' => 'POST', 'content' => '{}', 'ignore_errors' => true,
  'proxy' => str_replace('http://', 'tcp://', getenv('HTTPS_PROXY')), 'request_fulluri' => true]];
echo preg_replace('/\s+/', ' ', file_get_contents($argv[1], false, stream_context_create($options))), "\n";
if (function_exists('curl_init')) {
  $curl = curl_init($argv[1]);
  curl_setopt_array($curl, [CURLOPT_POSTFIELDS => '{}', CURLOPT_RETURNTRANSFER => true]);
  $answer = curl_exec($curl);
  if ($answer === false) { fwrite(STDERR, curl_error($curl)); exit(1); }
  echo preg_replace('/\s+/', ' ', $answer), "\n";
}
"#;
    let bench = Bench::new(Capture::Proxy).await;
    let Some(has_curl) =
        bench.output("php", &["-r", "echo function_exists('curl_init') ? 2 : 1;"]).await
    else {
        return;
    };
    let count = has_curl.trim().parse().unwrap();
    bench.answers("php", &["-r", script, "--", URL], count).await;
}

#[tokio::test]
async fn java_by_its_http_client_and_by_the_old_one() {
    let source = r#"
import java.net.*; import java.net.http.*; import java.io.*;
public class Call {
  public static void main(String[] a) throws Exception {
    var request = HttpRequest.newBuilder(URI.create(a[0])).POST(HttpRequest.BodyPublishers.ofString("{}")).build();
    var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body();
    System.out.println(answer.replaceAll("\\s+", " "));
    var old = (HttpURLConnection) new URL(a[0]).openConnection();
    old.setDoOutput(true); old.getOutputStream().write("{}".getBytes()); old.getResponseCode();
    System.out.println(new String(old.getErrorStream().readAllBytes()).replaceAll("\\s+", " "));
  }
}
"#;
    let bench = Bench::new(Capture::Proxy).await;
    std::fs::write(bench.folder.path().join("Call.java"), source).unwrap();
    bench.answers("java", &["Call.java", URL], 2).await;
}

#[tokio::test]
async fn grpc_by_its_core_is_told_that_nobody_speaks_it_here() {
    let bench = Bench::new(Capture::Proxy).await;
    if !bench.python_has("grpc").await {
        return;
    }
    let script = r#"
import grpc
channel = grpc.secure_channel('googleads.googleapis.com:443', grpc.ssl_channel_credentials())
call = channel.unary_unary('/google.ads.googleads.v21.services.ConversionUploadService/UploadClickConversions')
try:
    call(b'\n\x0a1234567890', timeout=30)
except grpc.RpcError as error:
    print(error.code().name, error.details())
"#;
    let out = bench.output("python3", &["-c", script]).await.unwrap();
    assert!(out.starts_with("UNIMPLEMENTED the harness does not speak gRPC: "), "{out}");
    let unread = bench.gateway.unreadable();
    assert_eq!(unread.len(), 1);
    assert_eq!((unread[0].platform, unread[0].count), (Some("google_ads"), 1));
    assert!(bench.gateway.tunnels_unread().is_empty());
}

#[tokio::test]
async fn runtimes_that_do_not_trust_the_authority_are_noted() {
    let python = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], data=b'{}')";
    let node = "fetch(process.argv[1]).catch((e) => { console.error(e); process.exit(1); })";
    let programs: [(&str, &[&str]); 3] = [
        ("curl", &["--silent", "--data", "{}", URL]),
        ("python3", &["-c", python, URL]),
        ("node", &["-e", node, URL]),
    ];
    for (program, arguments) in programs {
        let mut bench = Bench::new(Capture::Proxy).await;
        let trusting = ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];
        bench.environment.retain(|name, _| !trusting.contains(&name.as_str()));
        let Some(output) = bench.run(program, arguments).await else { continue };
        assert!(!output.status.success(), "{program} trusts anybody");
        // The program has left; what it left behind is noted when its connection is seen to end.
        let began = Instant::now();
        while bench.gateway.tunnels_unread().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(5), "{program}: not noted");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let unread = bench.gateway.tunnels_unread();
        assert_eq!(
            (unread[0].host.as_str(), unread[0].platform),
            ("graph.facebook.com", Some("meta"))
        );
        // Node looks at the certificate when the handshake is done, or as good as done, and leaves without a word.
        let expected = match program {
            "node" => &[WhyUnread::NoRequest, WhyUnread::Left][..],
            _ => &[WhyUnread::Untrusted],
        };
        assert!(expected.contains(&unread[0].why), "{program}: {:?}", unread[0]);
        assert_eq!(bench.gateway.served(), 0);
    }
}
