//! What is known only when the last case is over: events that came after the verdict of their case, events that nobody
//! ordered, hosts that nobody declared.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    checks::look::is_browser,
    exchange::{CANARY_HOST, CaseId, Exchange, OrderRef, Request},
    gateway::{Gateway, LateEvent},
    plan::Case,
    platforms::Severity,
    sut::profile::Policies,
    truth::{Count, Truth},
    verdict::{CaseVerdict, Finding, Outcome, Status},
};

/// Late events that are reported; more say nothing new.
const SHOWN: usize = 20;
const ABOUT_LATE: &str = "https://developers.facebook.com/docs/marketing-api/conversions-api/deduplicate-pixel-and-server-events";
const ABOUT_EGRESS: &str = "https://eur-lex.europa.eu/eli/reg/2016/679/oj";

/// What the judged cases expected, kept for what comes after them.
#[derive(Default)]
pub(super) struct Afterwards {
    judged: Mutex<HashMap<CaseId, Judged>>,
}

struct Judged {
    case: String,
    platform: &'static str,
    orders: Vec<Awaited>,
}

struct Awaited {
    order: OrderRef,
    event_id: String,
    /// The browser has sent its copy under this id: an event with another one counts beside it.
    browser_copy: bool,
    /// Ids under which the relay had sent the order by then.
    keys: HashSet<String>,
    count: Count,
}

impl Awaited {
    /// Whether an event with this id says the same as before.
    fn is_known_by(&self, key: &str) -> bool {
        let first = self.keys.is_empty() && !self.browser_copy;
        // Each control order has an id of its own.
        let control = self.order == OrderRef::Sentinel;
        first || control || self.event_id.is_empty() || self.has(key)
    }

    fn has(&self, key: &str) -> bool {
        !key.is_empty() && (self.event_id == key || self.keys.contains(key))
    }
}

impl Afterwards {
    /// A case is judged, by these exchanges.
    pub(super) fn judged(&self, case: &Case, truth: &Truth, exchanges: &[Exchange]) {
        let keys = |order: &OrderRef| {
            exchanges
                .iter()
                .filter(|x| x.platform == Some(case.platform) && !is_browser(x))
                .flat_map(|x| x.items_of(order).filter_map(|(_, item)| item.key.clone()))
                .collect()
        };
        let orders = truth
            .orders
            .iter()
            .map(|expected| Awaited {
                order: expected.order.clone(),
                event_id: expected.event_id.clone(),
                browser_copy: expected.browser_copy,
                keys: keys(&expected.order),
                count: expected.count,
            })
            .collect();
        let judged = Judged { case: case.name.clone(), platform: case.platform, orders };
        self.known().insert(case.id, judged);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<CaseId, Judged>> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what came late to the case that caused it; what belongs to no case is a finding about the run.
    pub(super) fn settle(&self, gateway: &Gateway, decided: &mut [CaseVerdict]) -> Vec<Finding> {
        let known = self.known();
        let mut of_the_run = Vec::new();
        for event in gateway.late_events() {
            let owner = event.owner.as_ref();
            let Some(judged) = owner.and_then(|owner| known.get(&owner.case)) else {
                of_the_run.extend(nobody_s(&event, &known));
                continue;
            };
            let verdict = decided.iter_mut().find(|verdict| verdict.case == judged.case);
            if let (Some(verdict), true) = (verdict, judged.platform == event.platform) {
                add(verdict, judged, &event, owner.and_then(|owner| owner.order.as_ref()));
            }
        }
        of_the_run.truncate(SHOWN);
        of_the_run
    }

    /// Redirects that were followed and that no case reports: it had been judged before.
    pub(super) fn redirects(&self, gateway: &Gateway, decided: &[CaseVerdict]) -> Vec<Finding> {
        let known = self.known();
        let reported: HashSet<u64> = decided
            .iter()
            .flat_map(|verdict| &verdict.findings)
            .filter(|finding| finding.check == "egress")
            .flat_map(|finding| finding.exchanges.iter().copied())
            .collect();
        let led = gateway.undeclared().into_iter().filter(|e| e.request.host == CANARY_HOST);
        led.filter(|exchange| !reported.contains(&exchange.seq))
            .map(|exchange| {
                // `/__canary/CASE/`
                let case = exchange.request.path.split('/').nth(2).and_then(|id| id.parse().ok());
                let case = case.and_then(|id: CaseId| known.get(&id));
                let of = case.map(|judged| format!(" of {}", judged.case)).unwrap_or_default();
                let message = format!("the relay followed a redirect{of} to another host");
                let Request { method, body_bytes, .. } = &exchange.request;
                Finding {
                    actual: Some(format!("{method} with a body of {body_bytes} bytes")),
                    ..egress(message, vec![exchange.seq])
                }
            })
            .collect()
    }
}

/// An event without any tracer: right if it is the retry of an order that counts.
fn nobody_s(event: &LateEvent, known: &HashMap<CaseId, Judged>) -> Option<Finding> {
    let awaited = known
        .values()
        .filter(|judged| judged.platform == event.platform)
        .flat_map(|judged| &judged.orders)
        .find(|awaited| awaited.has(&event.key));
    let message = match awaited.map(|awaited| awaited.count) {
        Some(Count::Never) => "was sent after its case had been judged, though it must not be sent",
        Some(_) => return None,
        None => "is an event that no order of this run has caused",
    };
    Some(finding(event, message))
}

fn add(verdict: &mut CaseVerdict, judged: &Judged, event: &LateEvent, order: Option<&OrderRef>) {
    let awaited = judged.orders.iter().find(|awaited| match order {
        Some(order) => awaited.order == *order,
        None => awaited.has(&event.key),
    });
    let (outcome, message) = match awaited {
        Some(awaited) if awaited.count == Count::Never => (
            Outcome::Leaked,
            "was sent after the case had been judged, though it must not be sent at all",
        ),
        Some(awaited) if awaited.is_known_by(&event.key) => return,
        Some(_) => (
            Outcome::CountedTwice,
            "is a second id for the order; it was sent after the case had been judged",
        ),
        None => (
            Outcome::CountedTwice,
            "is an id that no order has; it was sent after the case had been judged",
        ),
    };
    let mut found = finding(event, message);
    if let Some(awaited) = awaited {
        let order = awaited.order.to_string();
        for cell in verdict.cells.iter_mut().filter(|cell| cell.order == order) {
            if outcome == Outcome::Leaked || cell.outcome == Outcome::CountedOnce {
                (cell.outcome, cell.right) = (outcome, false);
                cell.detail.clone_from(&found.message);
            }
        }
        found.order = Some(order);
    }
    if verdict.findings.contains(&found) || verdict.findings.len() >= SHOWN {
        return;
    }
    verdict.findings.insert(0, found);
    if verdict.status != Status::HarnessFault {
        verdict.status = Status::Fail;
    }
}

fn finding(event: &LateEvent, message: &str) -> Finding {
    let key = if event.key.is_empty() { "an event without an id" } else { &event.key };
    Finding {
        check: "late".into(),
        rule: "late".into(),
        severity: Severity::Must,
        order: None,
        message: format!("`{key}` at {} {message}", event.platform),
        expected: None,
        actual: None,
        source: ABOUT_LATE.into(),
        exchanges: vec![event.seq],
        at: None,
    }
}

/// Hosts that the relay called by itself and nobody declared, also where what it sent could not be read.
pub(super) fn undeclared_hosts(gateway: &Gateway, policies: &Policies) -> Vec<Finding> {
    let mut hosts = BTreeMap::<String, Vec<u64>>::new();
    for exchange in gateway.undeclared().into_iter().filter(|e| e.request.host != CANARY_HOST) {
        hosts.entry(exchange.request.host).or_default().push(exchange.seq);
    }
    for tunnel in gateway.tunnels_unread().iter().filter(|tunnel| tunnel.platform.is_none()) {
        // This machine is nobody else, and may be the gateway itself, called by a base URL with TLS.
        if let Some(host) = tunnel.named_host().filter(|host| !is_this_machine(host)) {
            hosts.entry(host.to_owned()).or_default();
        }
    }
    hosts.retain(|host, _| !policies.declares(host));
    hosts
        .into_iter()
        .map(|(host, exchanges)| {
            let unread =
                if exchanges.is_empty() { "; what it sent there could not be read" } else { "" };
            egress(format!("the relay called {host}, which nobody declared{unread}"), exchanges)
        })
        .collect()
}

fn egress(message: String, exchanges: Vec<u64>) -> Finding {
    Finding {
        check: "egress".into(),
        rule: "egress".into(),
        severity: Severity::Must,
        order: None,
        message,
        expected: None,
        actual: None,
        source: ABOUT_EGRESS.into(),
        exchanges,
        at: None,
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, Instant};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;
    use crate::{gateway::GatewayOptions, platforms::PLATFORMS, report::sample};

    #[test]
    fn a_late_event_is_a_second_id_only_if_it_counts_beside_another() {
        let status = |order: OrderRef, keys: &[&str], browser_copy: bool, key: &str| {
            let awaited = Awaited {
                order: order.clone(),
                event_id: "order_1".into(),
                browser_copy,
                keys: keys.iter().map(|key| (*key).to_owned()).collect(),
                count: Count::Once,
            };
            let judged =
                Judged { case: "a/case/meta".into(), platform: "meta", orders: vec![awaited] };
            let event = LateEvent { platform: "meta", key: key.into(), seq: 7, owner: None };
            let mut verdict = sample::case("a/case/meta", Status::Pass);
            add(&mut verdict, &judged, &event, Some(&order));
            verdict.status
        };
        let a = || OrderRef::Named("A".into());
        assert_eq!(status(a(), &[], true, "order_1"), Status::Pass);
        assert_eq!(status(a(), &["own-1"], false, "own-1"), Status::Pass);
        assert_eq!(status(a(), &[], false, "own-1"), Status::Pass, "it is the first of the order");
        assert_eq!(status(a(), &[], true, "own-1"), Status::Fail, "the browser's copy is another");
        assert_eq!(status(a(), &["own-1"], false, "own-2"), Status::Fail);
        assert_eq!(status(OrderRef::Sentinel, &["order_1"], false, "order_2"), Status::Pass);
    }

    #[tokio::test]
    async fn a_tunnel_to_an_undeclared_host_is_egress_though_nothing_can_be_read() {
        let options = GatewayOptions {
            started: Instant::now(),
            platforms: PLATFORMS,
            listen: ([127, 0, 0, 1], 0).into(),
        };
        let gateway = Gateway::start(options).await.unwrap();
        let hosts = ["Telemetry.example.", "errors.example", "graph.facebook.com", "localhost"];
        for host in hosts {
            let mut client = TcpStream::connect(gateway.door().address()).await.unwrap();
            let ask = format!("CONNECT {host}:443 HTTP/1.1\r\n\r\n");
            client.write_all(ask.as_bytes()).await.unwrap();
            let mut answer = [0; 12];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200");
        }
        let began = Instant::now();
        while gateway.tunnels_unread().len() < hosts.len() {
            assert!(began.elapsed() < Duration::from_secs(5), "not noted in time");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let policies = Policies { hosts: vec!["errors.example".into()], ..Policies::default() };
        let found: Vec<_> = undeclared_hosts(&gateway, &policies)
            .into_iter()
            .map(|finding| (finding.message, finding.severity))
            .collect();
        let message = "the relay called telemetry.example, which nobody declared; what it sent there could not be read";
        assert_eq!(found, [(message.to_owned(), Severity::Must)]);
        gateway.stop().await;
    }

    #[tokio::test]
    async fn a_redirect_that_was_followed_is_the_run_s_only_if_no_case_reports_it() {
        let options = GatewayOptions {
            started: Instant::now(),
            platforms: PLATFORMS,
            listen: ([127, 0, 0, 1], 0).into(),
        };
        let gateway = Gateway::start(options).await.unwrap();
        let mut client = TcpStream::connect(gateway.door().address()).await.unwrap();
        client.write_all(b"GET /__canary/3/ HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 502");
        assert!(undeclared_hosts(&gateway, &Policies::default()).is_empty());
        let afterwards = Afterwards::default();
        let judged = Judged { case: "a/case/meta".into(), platform: "meta", orders: Vec::new() };
        afterwards.known().insert(3, judged);
        let found = afterwards.redirects(&gateway, &[]);
        assert_eq!(
            found[0].message,
            "the relay followed a redirect of a/case/meta to another host"
        );
        assert_eq!(found[0].actual.as_deref(), Some("GET with a body of 0 bytes"));
        let mut verdict = sample::case("a/case/meta", Status::Fail);
        verdict.findings.push(found[0].clone());
        assert!(afterwards.redirects(&gateway, &[verdict]).is_empty());
        gateway.stop().await;
    }
}
