//! Google's token endpoint: refresh tokens and service-account assertions against short-lived access tokens.
//! It counts no orders; its account is the refresh token itself.
//!
//! An answer is a pure function of the request, so the same request brings the same access token again. The gateway
//! reads the token from the answer and takes it as valid for the Google platforms of the shop with that refresh token.
//! See <https://developers.google.com/identity/protocols/oauth2/web-server#offline>.

mod bearer;
mod credentials;
mod grants;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

pub(super) use self::{
    bearer::{claims, wrong},
    credentials::{SECRETS, credentials, ten_digits},
};
use super::{
    Account, AccountSeed, Accounts, Answer, BrowserCopy, Channel, ClickField, Counted, Entry,
    FailureClass, IdentityRule, Platform, Reading, Rule, Severity,
    google_ads::{findings::Findings, replies::no_such_path},
};
use crate::{
    exchange::{Reply, Request},
    plan::Person,
};

/// Google's OAuth 2.0 token endpoint.
#[derive(Debug)]
pub struct GoogleOAuth;

const OAUTH: &str = "https://developers.google.com/identity/protocols/oauth2/web-server#offline";
const SERVICE: &str = "https://developers.google.com/identity/protocols/oauth2/service-account";
const RFC: &str = "https://www.rfc-editor.org/rfc/rfc6749#section-5.2";

static RULES: &[Rule] = &[
    Rule {
        id: "GOAUTH-URL",
        severity: Severity::Must,
        says: "Tokens are asked for by POST at /token (or the older /o/oauth2/token), form-encoded.",
        source: OAUTH,
        covers: &["REL-16"],
    },
    Rule {
        id: "GOAUTH-REFRESH",
        severity: Severity::Must,
        says: "A refresh names grant_type, client_id, client_secret and refresh_token, all of one client.",
        source: OAUTH,
        covers: &["REL-16"],
    },
    Rule {
        id: "GOAUTH-JWT",
        severity: Severity::Must,
        says: "An assertion is an RS256 token for https://oauth2.googleapis.com/token, at most an hour long.",
        source: SERVICE,
        covers: &["REL-16"],
    },
    Rule {
        id: "GOAUTH-ERRORS",
        severity: Severity::Must,
        says: "Only grant types that the endpoint knows are asked for; its refusals are permanent.",
        source: RFC,
        covers: &["REL-04", "REL-16"],
    },
];

const SCOPES: &str =
    "https://www.googleapis.com/auth/adwords https://www.googleapis.com/auth/datamanager";

impl Platform for GoogleOAuth {
    fn id(&self) -> &'static str {
        "google_oauth"
    }

    fn title(&self) -> &'static str {
        "Google OAuth"
    }

    fn hosts(&self) -> &'static [&'static str] {
        &["oauth2.googleapis.com", "accounts.google.com"]
    }

    fn counts_orders(&self) -> bool {
        false
    }

    fn matches_by_contact(&self) -> bool {
        false
    }

    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn account(&self, seed: &AccountSeed) -> Account {
        let fields = credentials(seed.shop);
        let key = fields.get("refresh_token").cloned().unwrap_or_default();
        Account { key, fields, secret: SECRETS }
    }

    fn read(&self, request: &Request, now: OffsetDateTime, accounts: &dyn Accounts) -> Reading {
        let mut found = Findings::default();
        let account = if request.incomplete {
            // What did not arrive whole says nothing about the relay.
            None
        } else if grants::is_token_path(request) {
            grants::judge(request, now, accounts, &mut found)
        } else {
            found.refuse("GOAUTH-URL", None, "", "no token endpoint here");
            None
        };
        let broken = found.done(str::to_owned);
        Reading { account, channel: Channel::Other, items: Vec::new(), broken }
    }

    fn answer(&self, request: &Request, reading: &Reading, _: &[Entry]) -> Answer {
        let refusal = reading.broken.iter().find(|v| v.refused);
        let reply = match refusal.map(|v| (v.rule, v.at.as_str())) {
            None => token(request),
            Some(("GOAUTH-URL", _)) => no_such_path(),
            Some(("GOAUTH-ERRORS", _)) => {
                error(400, "unsupported_grant_type", "Invalid grant_type.")
            }
            Some((_, "/client_secret" | "/client_id")) => error(
                401,
                "invalid_client",
                "The OAuth client was not found or its secret is wrong.",
            ),
            Some((_, "/refresh_token")) => expired(),
            Some((_, "/assertion")) => error(400, "invalid_grant", "Invalid JWT."),
            Some(_) => error(400, "invalid_request", "Missing required parameter."),
        };
        Answer { reply, accepted: Vec::new() }
    }

    fn failure(
        &self,
        class: FailureClass,
        _: &Request,
        _: &Reading,
        _: &[usize],
    ) -> Option<Answer> {
        let reply = match class {
            FailureClass::TokenExpired | FailureClass::Invalid => expired(),
            FailureClass::Forbidden => error(
                400,
                "unauthorized_client",
                "The client is not authorized to use this grant type.",
            ),
            FailureClass::RateLimited => {
                error(429, "rate_limit_exceeded", "Too many token requests.")
            }
            FailureClass::Transient => {
                error(400, "temporarily_unavailable", "The server cannot handle the request now.")
            }
            FailureClass::ServerError => {
                error(500, "internal_failure", "An internal error has occurred.")
            }
            FailureClass::Unavailable => {
                error(503, "temporarily_unavailable", "The service is currently unavailable.")
            }
            FailureClass::TookNothing => Reply::json(200, &json!({})),
            FailureClass::PartialInvalid | FailureClass::PartialTransient => return None,
        };
        Some(Answer { reply, accepted: Vec::new() })
    }

    fn count(&self, _: &[Entry]) -> Vec<Counted> {
        Vec::new()
    }

    fn browser_copy(&self, _: &BrowserCopy, _: &Account) -> Option<Request> {
        None
    }

    fn identity(&self, _: &Person) -> Vec<IdentityRule> {
        Vec::new()
    }

    fn click_field(&self, _: &str) -> Option<ClickField> {
        None
    }
}

fn token(request: &Request) -> Reply {
    let mut hash = Sha256::new();
    for (name, value) in &request.headers {
        hash.update(name);
        hash.update(value);
    }
    hash.update(&request.body);
    let digest = hash.finalize();
    let scope = grants::parameters(request).remove("scope").unwrap_or_else(|| SCOPES.to_owned());
    Reply::json(
        200,
        &json!({
            "access_token": format!("ya29.{}", URL_SAFE_NO_PAD.encode(digest)),
            "expires_in": 3599,
            "scope": scope,
            "token_type": "Bearer",
        }),
    )
}

fn error(status: u16, code: &str, description: &str) -> Reply {
    Reply::json(status, &json!({ "error": code, "error_description": description }))
}

fn expired() -> Reply {
    error(400, "invalid_grant", "Token has been expired or revoked.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::Value;
    use time::macros::datetime;

    use super::{
        grants::{AUDIENCE, JWT_GRANT},
        *,
    };

    struct One(Account);

    impl Accounts for One {
        fn find(&self, key: &str) -> Option<&Account> {
            (self.0.key == key).then_some(&self.0)
        }

        fn is_valid_token(&self, _: &Account, _: &str) -> bool {
            false
        }
    }

    const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

    fn shop() -> One {
        One(GoogleOAuth.account(&AccountSeed { shop: 3, number: 77 }))
    }

    fn ask(pairs: &[(&str, &str)]) -> (Reading, Value, u16) {
        let body =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let request =
            Request { method: "POST".into(), path: "/token".into(), body, ..Request::default() };
        let reading = GoogleOAuth.read(&request, NOW, &shop());
        let reply = GoogleOAuth.answer(&request, &reading, &[]).reply;
        (reading, serde_json::from_str(&reply.body).unwrap(), reply.status)
    }

    #[test]
    fn a_refresh_token_brings_a_bearer_and_no_new_refresh_token() {
        let account = shop().0;
        let (reading, answer, status) = ask(&[
            ("grant_type", "refresh_token"),
            ("client_id", account.field("client_id")),
            ("client_secret", account.field("client_secret")),
            ("refresh_token", account.field("refresh_token")),
        ]);
        assert_eq!((status, reading.account), (200, Some(account.key)));
        assert!(reading.broken.is_empty());
        assert!(answer["access_token"].as_str().unwrap().starts_with("ya29."));
        assert_eq!(answer["token_type"], "Bearer");
        assert!(answer.get("refresh_token").is_none());
    }

    #[test]
    fn refusals_have_the_endpoints_own_codes() {
        let account = shop().0;
        let ask_with = |secret: &str, refresh: &str| {
            let (_, answer, status) = ask(&[
                ("grant_type", "refresh_token"),
                ("client_id", account.field("client_id")),
                ("client_secret", secret),
                ("refresh_token", refresh),
            ]);
            (status, answer["error"].as_str().unwrap().to_owned())
        };
        assert_eq!(
            ask_with(account.field("client_secret"), "1//0other"),
            (400, "invalid_grant".into())
        );
        assert_eq!(ask_with("wrong", &account.key), (401, "invalid_client".into()));
        let (_, answer, _) = ask(&[("grant_type", "password")]);
        assert_eq!(answer["error"], "unsupported_grant_type");
        let (_, answer, _) = ask(&[]);
        assert_eq!(answer["error"], "invalid_request");
    }

    #[test]
    fn a_service_account_is_known_by_its_assertion() {
        let account = shop().0;
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let assertion = |aud: &str| {
            let now = NOW.unix_timestamp();
            format!(
                "{}.{}.c2ln",
                encode(json!({"alg": "RS256", "typ": "JWT"})),
                encode(
                    json!({"iss": account.field("client_email"), "aud": aud, "iat": now, "exp": now + 3600})
                )
            )
        };
        let (reading, _, status) =
            ask(&[("grant_type", JWT_GRANT), ("assertion", &assertion(AUDIENCE))]);
        assert_eq!((status, reading.account.as_deref()), (200, Some(account.key.as_str())));
        let (_, answer, status) =
            ask(&[("grant_type", JWT_GRANT), ("assertion", &assertion("https://x.example"))]);
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    }

    #[test]
    fn the_google_platforms_of_a_shop_share_their_client() {
        let fields = |number| GoogleOAuth.account(&AccountSeed { shop: 5, number }).fields;
        assert_eq!(fields(1), fields(2));
        assert_ne!(fields(1), GoogleOAuth.account(&AccountSeed { shop: 6, number: 1 }).fields);
    }

    proptest! {
        #[test]
        fn no_request_makes_it_panic(method in "POST|GET", path in "/token|/o/oauth2/token|\\PC*", body in "\\PC*|grant_type=(refresh_token|urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer)&assertion=[\\w.]*") {
            let request = Request { method, path, body, ..Request::default() };
            let reading = GoogleOAuth.read(&request, NOW, &shop());
            GoogleOAuth.answer(&request, &reading, &[]);
        }
    }
}
