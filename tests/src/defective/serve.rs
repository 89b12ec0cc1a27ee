//! The process: the relay between its two proxies.

use std::{
    collections::HashMap, io::Write as _, net::SocketAddr, path::Path, sync::Arc, time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use tokio::net::TcpListener;

use super::{Answered, At, DEFECTS, Incoming, Memory, Outgoing, Verdict, manners};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Largest body that the proxies carry.
const LIMIT: usize = 16 * 1024 * 1024;

/// What both proxies share.
struct Shared {
    /// What is changed, and where.
    change: Option<&'static At>,
    memory: Memory,
    secrets: Arc<HashMap<String, Vec<String>>>,
    /// Where the relay listens.
    relay: String,
    /// Where the platforms are.
    gateway: String,
    client: reqwest::Client,
    following: reqwest::Client,
}

/// Runs until the process is stopped.
///
/// # Errors
///
/// If the defect is unknown, the configuration unreadable or an address taken.
pub fn serve(defect: &str, config: &Path, listen: SocketAddr) -> Result<(), Failure> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(defect, config, listen))
}

async fn run(name: &str, config: &Path, listen: SocketAddr) -> Result<(), Failure> {
    let change = match name {
        "none" => None,
        manners::NAME => Some(&manners::MANNERS),
        name => {
            let defect = DEFECTS.iter().find(|d| d.id == name);
            Some(&defect.ok_or_else(|| format!("no defect `{name}`"))?.at)
        }
    };
    let intake = TcpListener::bind(listen).await?;
    let outlet = TcpListener::bind("127.0.0.1:0").await?;
    let inner = TcpListener::bind("127.0.0.1:0").await?;

    let text = std::fs::read_to_string(config)?;
    let origin = regex::Regex::new(r#"http://127\.0\.0\.1:\d+"#)?;
    let gateway =
        origin.find(&text).ok_or("the configuration names no platform")?.as_str().to_owned();
    let rewritten = text.replace(&gateway, &format!("http://{}", outlet.local_addr()?));
    let settings = relay::config::Config::parse(&rewritten, |name| std::env::var(name).ok())?;

    let marker = config.with_extension("started");
    let restarted = marker.exists();
    std::fs::write(&marker, "")?;

    let client = || reqwest::Client::builder().no_proxy().pool_max_idle_per_host(256);
    let shared = Arc::new(Shared {
        change,
        memory: Memory { restarted, ..Memory::default() },
        secrets: Arc::new(secrets(&rewritten)?),
        relay: format!("http://{}", inner.local_addr()?),
        gateway,
        client: client().redirect(reqwest::redirect::Policy::none()).build()?,
        following: client().redirect(reqwest::redirect::Policy::limited(3)).build()?,
    });
    let front = Router::new().fallback(at_intake).with_state(Arc::clone(&shared));
    let back = Router::new().fallback(at_outlet).with_state(shared);
    writeln!(std::io::stdout(), "listening on http://{}", intake.local_addr()?)?;
    std::io::stdout().flush()?;

    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let stop = async move {
        term.recv().await;
    };
    tokio::select! {
        done = relay::serve(inner, settings, stop) => done?,
        done = axum::serve(intake, front) => done?,
        done = axum::serve(outlet, back) => done?,
    }
    Ok(())
}

fn secrets(config: &str) -> Result<HashMap<String, Vec<String>>, Failure> {
    let table: toml::Table = config.parse()?;
    let shops = table.get("shop").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    Ok(shops
        .iter()
        .filter_map(|shop| {
            let domain = shop.get("domain")?.as_str()?.to_owned();
            let secrets = shop.get("shopify_secrets")?.as_array()?;
            let secrets = secrets.iter().filter_map(|s| s.as_str().map(str::to_owned)).collect();
            Some((domain, secrets))
        })
        .collect())
}

fn headers(from: &http::HeaderMap) -> Vec<(String, String)> {
    from.iter()
        .filter(|(name, _)| {
            !["host", "content-length", "transfer-encoding", "connection"].contains(&name.as_str())
        })
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

fn status(code: u16) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
    response
}

fn respond(answer: Answered) -> Response {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).unwrap_or_else(|_| status(502))
}

/// Makes a call and reads the answer whole; 502 if there is none.
async fn call(
    client: &reqwest::Client,
    method: &str,
    url: String,
    headers: &[(String, String)],
    body: Vec<u8>,
) -> Answered {
    let nothing = || Answered { status: 502, headers: Vec::new(), body: Vec::new() };
    let Ok(method) = reqwest::Method::from_bytes(method.as_bytes()) else { return nothing() };
    let mut request = client.request(method, url).body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let Ok(response) = request.send().await else { return nothing() };
    let status = response.status().as_u16();
    let got = self::headers(response.headers());
    match response.bytes().await {
        Ok(body) => Answered { status, headers: got, body: body.to_vec() },
        Err(_) => nothing(),
    }
}

async fn at_intake(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LIMIT).await else { return status(400) };
    let mut incoming = Incoming {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
        headers: headers(&parts.headers),
        body: body.to_vec(),
        secrets: Arc::clone(&shared.secrets),
    };
    if let Some(order) = incoming
        .topic()
        .is_some_and(|t| t.starts_with("orders/"))
        .then(|| incoming.json())
        .flatten()
    {
        shared.memory.keep_order(&order);
    }
    if incoming.is_landing()
        && let Some(landing) = incoming.json()
    {
        let visitor = landing["visitor_id"].as_str().unwrap_or_default().to_owned();
        shared.memory.keep_landing(&visitor, &landing);
    }
    let verdict = match shared.change {
        Some(At::Intake(change)) => change(&shared.memory, &mut incoming),
        _ => Verdict::Pass,
    };
    let mut answer = match verdict {
        Verdict::Pass => pass(&shared, &incoming).await,
        Verdict::PassAlso(more) => {
            let answer = pass(&shared, &incoming).await;
            pass(&shared, &more).await;
            answer
        }
        Verdict::PassLater(wait) => {
            tokio::time::sleep(wait).await;
            pass(&shared, &incoming).await
        }
        Verdict::AnswerThenPass(code, wait) => {
            #[expect(
                clippy::disallowed_methods,
                reason = "losing it with the process is the defect"
            )]
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                pass(&shared, &incoming).await;
            });
            return status(code);
        }
        Verdict::Answer(code) => return status(code),
    };
    if let Some(At::Reply(change)) = shared.change {
        change(&shared.memory, &incoming, &mut answer);
    }
    respond(answer)
}

async fn pass(shared: &Shared, incoming: &Incoming) -> Answered {
    let url = format!("{}{}", shared.relay, incoming.path);
    call(&shared.client, &incoming.method, url, &incoming.headers, incoming.body.clone()).await
}

async fn at_outlet(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LIMIT).await else { return status(400) };
    let mut outgoing = Outgoing {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
        headers: headers(&parts.headers),
        body: body.to_vec(),
        also: None,
        follow: false,
    };
    if let Some(At::Outlet(change)) = shared.change {
        change(&shared.memory, &mut outgoing);
    }
    if let Some((host, body)) = outgoing.also.take() {
        let headers = [("host".to_owned(), host.to_owned())];
        call(&shared.client, "POST", format!("{}/", shared.gateway), &headers, body).await;
    }
    let client = if outgoing.follow { &shared.following } else { &shared.client };
    let url = format!("{}{}", shared.gateway, outgoing.path);
    let send = call(client, &outgoing.method, url, &outgoing.headers, outgoing.body.clone());
    // A platform that never answers must not hold the proxy for ever.
    let mut answer = tokio::time::timeout(Duration::from_secs(30), send)
        .await
        .unwrap_or(Answered { status: 504, headers: Vec::new(), body: Vec::new() });
    if let Some(At::Answer(change)) = shared.change {
        change(&shared.memory, &outgoing, &mut answer);
    }
    respond(answer)
}
