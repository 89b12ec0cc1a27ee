//! Stand-ins for the other HTTP services that a relay calls: one wiremock server each, for the life of one relay process.
//!
//! What no stub answers gets a 404 and is written down. Only method and path of a request are kept, and counted.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use serde_json::{Map, Value};
use wiremock::{
    Match, Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{any, header, method, path, path_regex, query_param},
};

use crate::scenario::{Given, Stub, StubRequest, StubResponse};

/// Different requests (method, path, who answered) of one service that are told apart; the rest is counted together.
const KINDS: usize = 500;
/// Longest path that is kept, in characters.
const PATH: usize = 200;
/// Stubs of a scenario come first, then the profile's, then the 404.
const OF_SCENARIO: u8 = 1;
const OF_PROFILE: u8 = 5;
const OF_NOBODY: u8 = u8::MAX;

/// Requests of one kind that a service was sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ServiceCall {
    /// As the profile names it.
    pub service: String,
    /// HTTP method.
    pub method: String,
    /// Path without its query.
    pub path: String,
    /// Whose stub answered.
    pub answered_by: AnsweredBy,
    /// How many.
    pub count: u32,
}

/// Whose stub answered a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnsweredBy {
    /// The scenario's, by its index in `given`.
    Scenario(usize),
    /// The profile's.
    Profile,
    /// None: it was a 404.
    Nobody,
}

/// The stand-ins of one relay process, by name.
#[derive(Default)]
pub struct Services(BTreeMap<String, StandIn>);

struct StandIn {
    server: MockServer,
    journal: Journal,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, s)| (name, s.server.address()))).finish()
    }
}

impl Services {
    /// Starts one server per service, with the profile's stubs and, in front of them, those of a scenario's `given`.
    ///
    /// # Errors
    /// No free port, or a stub that cannot be carried out.
    pub async fn start(
        profile: &BTreeMap<String, Vec<Stub>>,
        given: &[Given],
    ) -> Result<Self, String> {
        let mut services = BTreeMap::new();
        for (name, stubs) in profile {
            let listener = TcpListener::bind("127.0.0.1:0")
                .map_err(|error| format!("the stand-in for {name} cannot listen: {error}"))?;
            let server =
                MockServer::builder().listener(listener).disable_request_recording().start().await;
            let journal = Journal::default();
            let answer = |by, response: &StubResponse| Answer {
                by,
                template: template(response),
                journal: journal.clone(),
            };
            for (index, given) in given.iter().enumerate() {
                let Given::Service(stub) = given else { continue };
                if stub.name != *name {
                    continue;
                }
                let answer = answer(AnsweredBy::Scenario(index), &stub.response);
                let mock = mock(&stub.request)?.respond_with(answer).with_priority(OF_SCENARIO);
                match stub.times {
                    Some(times) => mock.up_to_n_times(times.into()),
                    None => mock,
                }
                .mount(&server)
                .await;
            }
            for stub in stubs {
                let answer = answer(AnsweredBy::Profile, &stub.response);
                let mock = mock(&stub.request)?.respond_with(answer).with_priority(OF_PROFILE);
                mock.mount(&server).await;
            }
            let nobody = StubResponse {
                status: 404,
                body: serde_json::json!({ "error": format!("no stub of {name} answers this request") }),
                ..StubResponse::default()
            };
            let answer = answer(AnsweredBy::Nobody, &nobody);
            Mock::given(any()).respond_with(answer).with_priority(OF_NOBODY).mount(&server).await;
            services.insert(name.clone(), StandIn { server, journal });
        }
        Ok(Self(services))
    }

    /// Base URLs by name, without a slash at the end.
    pub fn urls(&self) -> Map<String, Value> {
        self.0.iter().map(|(name, s)| (name.clone(), Value::from(s.server.uri()))).collect()
    }

    /// What they were asked so far, in order of names and paths.
    pub fn calls(&self) -> Vec<ServiceCall> {
        self.0.iter().flat_map(|(name, s)| s.journal.calls(name)).collect()
    }
}

/// Conditions compiled. wiremock's constructors panic on bad input, so it is checked first.
fn mock(request: &StubRequest) -> Result<wiremock::MockBuilder, String> {
    let wrong = crate::scenario::stub_problems(request, &StubResponse::default());
    if let Some((field, message, _)) = wrong.into_iter().next() {
        return Err(format!("{field}: {message}"));
    }
    let mut all: Vec<Box<dyn Match>> = Vec::new();
    if let Some(name) = &request.method {
        all.push(Box::new(method(name.to_ascii_uppercase().as_str())));
    }
    if let Some(exact) = &request.path {
        all.push(Box::new(path(exact.as_str())));
    }
    if let Some(pattern) = &request.path_matches {
        all.push(Box::new(path_regex(pattern.as_str())));
    }
    for (name, value) in &request.query {
        all.push(Box::new(query_param(name.as_str(), value.as_str())));
    }
    for (name, value) in &request.headers {
        all.push(Box::new(header(name.as_str(), value.as_str())));
    }
    Ok(Mock::given(All(all)))
}

/// Every condition holds.
struct All(Vec<Box<dyn Match>>);

impl Match for All {
    fn matches(&self, request: &Request) -> bool {
        self.0.iter().all(|matcher| matcher.matches(request))
    }
}

fn template(response: &StubResponse) -> ResponseTemplate {
    let mut template = ResponseTemplate::new(response.status);
    let mut kind = None;
    for (name, value) in &response.headers {
        if name.eq_ignore_ascii_case("content-type") {
            kind = Some(value.as_str());
        } else {
            template = template.append_header(name.as_str(), value.as_str());
        }
    }
    template = match &response.body {
        Value::Null => template,
        Value::String(text) => {
            template.set_body_raw(text.as_bytes(), kind.unwrap_or("text/plain; charset=utf-8"))
        }
        json => template.set_body_raw(json.to_string(), kind.unwrap_or("application/json")),
    };
    match response.delay {
        Some(delay) => template.set_delay(delay.unsigned()),
        None => template,
    }
}

/// Writes a request down and answers it.
struct Answer {
    by: AnsweredBy,
    template: ResponseTemplate,
    journal: Journal,
}

impl Respond for Answer {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.journal.note(self.by, request.method.as_str(), request.url.path());
        self.template.clone()
    }
}

type Kind = (AnsweredBy, String, String);

/// What one service was asked.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<BTreeMap<Kind, u32>>>);

impl Journal {
    fn note(&self, by: AnsweredBy, method: &str, path: &str) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kind = (by, method.to_owned(), path.chars().take(PATH).collect::<String>());
        if kinds.len() >= KINDS && !kinds.contains_key(&kind) {
            kind = (by, "(any)".to_owned(), "(other paths)".to_owned());
        }
        let count = kinds.entry(kind).or_default();
        *count = count.saturating_add(1);
    }

    fn calls(&self, service: &str) -> Vec<ServiceCall> {
        let kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let call = |((by, method, path), count): (&Kind, &u32)| ServiceCall {
            service: service.to_owned(),
            method: method.clone(),
            path: path.clone(),
            answered_by: *by,
            count: *count,
        };
        kinds.iter().map(call).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn profile() -> BTreeMap<String, Vec<Stub>> {
        serde_json::from_value(json!({
            "rates": [
                { "request": { "method": "GET", "path": "/rates", "query": { "base": "EUR" } },
                  "response": { "headers": { "x-kind": "daily" }, "body": { "SEK": "11.5" } } },
                { "request": { "path_matches": "^/history/[0-9]+$" }, "response": { "body": "a,b" } },
            ],
            "consent": [],
        }))
        .unwrap()
    }

    fn given(value: Value) -> Vec<Given> {
        serde_json::from_value(value).unwrap()
    }

    async fn get(url: String) -> (u16, reqwest::header::HeaderMap, String) {
        let client = crate::sut::client(Duration::from_secs(5)).unwrap();
        let answer = client.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
    }

    fn count(services: &Services, path: &str, by: AnsweredBy) -> u32 {
        let of = |c: &ServiceCall| c.path == path && c.answered_by == by;
        services.calls().into_iter().filter(of).map(|c| c.count).sum()
    }

    #[tokio::test]
    async fn stubs_answer_and_what_none_answers_is_a_404_that_is_shown() {
        let services = Services::start(&profile(), &[]).await.unwrap();
        let urls = services.urls();
        assert_eq!(urls.keys().collect::<Vec<_>>(), ["consent", "rates"]);
        let base = urls["rates"].as_str().unwrap();
        let (status, headers, body) = get(format!("{base}/rates?base=EUR")).await;
        assert_eq!((status, body.as_str()), (200, r#"{"SEK":"11.5"}"#));
        assert_eq!(
            (&headers["x-kind"], &headers["content-type"]),
            (&"daily".parse().unwrap(), &"application/json".parse().unwrap())
        );
        assert_eq!(get(format!("{base}/history/7")).await.2, "a,b");
        assert_eq!(get(format!("{base}/rates?base=USD")).await.0, 404);
        assert_eq!(get(format!("{base}/history/7x")).await.0, 404);
        let consent = urls["consent"].as_str().unwrap();
        assert!(get(format!("{consent}/tc")).await.2.contains("no stub of consent"));
        assert_eq!(count(&services, "/rates", AnsweredBy::Profile), 1);
        assert_eq!(count(&services, "/rates", AnsweredBy::Nobody), 1);
        assert_eq!(count(&services, "/tc", AnsweredBy::Nobody), 1);
    }

    #[tokio::test]
    async fn a_scenarios_answer_comes_first_as_often_as_it_says() {
        let given = given(json!([
            { "service": { "name": "rates", "request": { "path": "/rates" }, "response": { "status": 503 }, "times": 2 } },
            { "service": { "name": "another", "response": { "status": 500 } } },
        ]));
        let services = Services::start(&profile(), &given).await.unwrap();
        let url = format!("{}/rates?base=EUR", services.urls()["rates"].as_str().unwrap());
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(get(url.clone()).await.0);
        }
        assert_eq!(statuses, [503, 503, 200]);
        assert_eq!(count(&services, "/rates", AnsweredBy::Scenario(0)), 2);
        assert_eq!(count(&services, "/rates", AnsweredBy::Profile), 1);
    }

    #[test]
    fn what_is_kept_of_a_flood_is_bounded() {
        let journal = Journal::default();
        for i in 0..10_000 {
            journal.note(AnsweredBy::Nobody, "GET", &format!("/{i}/{}", "x".repeat(1_000)));
        }
        let calls = journal.calls("rates");
        assert_eq!(calls.len(), KINDS + 1);
        assert_eq!(calls.iter().map(|c| c.count).sum::<u32>(), 10_000);
        assert!(calls.iter().all(|c| c.path.len() <= PATH));
    }
}
