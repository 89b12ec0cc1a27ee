//! Reads and judges token requests.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;

use super::{
    bearer,
    credentials::{self, credentials},
};
use crate::{
    exchange::Request,
    platforms::{Accounts, google_ads::findings::Findings},
};

/// Grant type of service-account assertions.
pub(super) const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Audience of an assertion, even where the token URL is changed.
pub(super) const AUDIENCE: &str = "https://oauth2.googleapis.com/token";

pub(super) fn is_token_path(request: &Request) -> bool {
    const PATHS: &[&str] = &["/token", "/o/oauth2/token", "/oauth2/v4/token"];
    request.method == "POST" && PATHS.contains(&request.path.as_str())
}

/// The parameters: a form, or an object of texts, which the endpoint takes as well.
pub(super) fn parameters(request: &Request) -> BTreeMap<String, String> {
    if let Some(Value::Object(members)) = request.json() {
        return members
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
            .collect();
    }
    url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect()
}

/// Judges the request; the account is the refresh token, even where it is refused.
pub(super) fn judge(
    request: &Request,
    now: OffsetDateTime,
    accounts: &dyn Accounts,
    found: &mut Findings,
) -> Option<String> {
    let sent = parameters(request);
    let get = |name: &str| sent.get(name).map(String::as_str).filter(|v| !v.is_empty());
    match get("grant_type") {
        Some("refresh_token") => {
            let Some(refresh) = get("refresh_token") else {
                found.refuse("GOAUTH-REFRESH", None, "/grant_type", "refresh_token is missing");
                return None;
            };
            let account = accounts.find(refresh);
            if account.is_none() {
                found.refuse(
                    "GOAUTH-REFRESH",
                    None,
                    "/refresh_token",
                    "nobody has this refresh token",
                );
            }
            for name in ["client_id", "client_secret"] {
                if account.is_some_and(|a| get(name) != Some(a.field(name))) {
                    found.refuse(
                        "GOAUTH-REFRESH",
                        None,
                        format!("/{name}"),
                        format!("{name} is not that of the refresh token"),
                    );
                }
            }
            Some(refresh.to_owned())
        }
        Some(JWT_GRANT) => {
            let claims = get("assertion").and_then(bearer::claims);
            let wrong = match &claims {
                None => Some("it is no RS256 token"),
                Some(claims) => bearer::wrong(claims, AUDIENCE, now),
            };
            if let Some(why) = wrong {
                found.refuse(
                    "GOAUTH-JWT",
                    None,
                    "/assertion",
                    format!("the assertion cannot be used: {why}"),
                );
            }
            let issuer = claims.as_ref()?.get("iss")?.as_str()?;
            let key = credentials::shop_of(issuer)
                .and_then(|shop| credentials(shop).remove("refresh_token"))
                .filter(|key| accounts.find(key).is_some());
            if key.is_none() {
                found.refuse("GOAUTH-JWT", None, "/assertion", "nobody has this service account");
            }
            key
        }
        Some(_) => {
            found.refuse(
                "GOAUTH-ERRORS",
                None,
                "/grant_type",
                "the endpoint does not know this grant_type",
            );
            None
        }
        None => {
            found.refuse("GOAUTH-REFRESH", None, "/grant_type", "grant_type is missing");
            None
        }
    }
}
