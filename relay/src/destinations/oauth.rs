//! OAuth 2.0 refresh tokens: the token request and its answer (RFC 6749, section 6;
//! <https://developers.google.com/identity/protocols/oauth2/web-server#offline>).

use std::time::Duration;

use serde_json::Value;

use super::{Answer, OAuth, Secret, answer, reason};

/// A POST to the token endpoint, `application/x-www-form-urlencoded`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// Token endpoint.
    pub url: String,
    /// Form body; holds the client secret and the refresh token.
    pub form: Secret,
}

/// A bearer token and how long it may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Value for `Authorization: Bearer`.
    pub access_token: Secret,
    /// Life from the moment of the answer; renew a little before (GOAUTH-CACHE).
    pub expires_in: Duration,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The credentials were refused; asking again changes nothing (GOAUTH-ERRORS).
    #[error("token refused: {reason}")]
    Permanent {
        /// The endpoint's error code.
        reason: String,
    },
    /// The endpoint had trouble; ask again (GOAUTH-TRANSIENT).
    #[error("token endpoint in trouble: {reason}")]
    Transient {
        /// What was seen.
        reason: String,
        /// Wait at least this long.
        not_before: Option<Duration>,
    },
}

/// Error codes of RFC 6749 that no repetition cures.
const PERMANENT: [&str; 8] = [
    "invalid_grant",
    "invalid_client",
    "unauthorized_client",
    "invalid_scope",
    "unsupported_grant_type",
    "invalid_request",
    "access_denied",
    "deleted_client",
];

/// Life of a token whose answer does not state it; Google's live for an hour.
const DEFAULT_LIFE: u64 = 3600;

impl OAuth {
    /// The request for a fresh access token.
    #[must_use]
    pub fn token_request(&self) -> TokenRequest {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", &self.client_secret.0)
            .append_pair("refresh_token", &self.refresh_token.0)
            .append_pair("scope", self.scope)
            .finish();
        TokenRequest { url: self.token_url.clone(), form: Secret(form) }
    }

    /// Reads the endpoint's answer.
    ///
    /// # Errors
    ///
    /// `Permanent` if the credentials were refused, `Transient` for everything that may pass.
    pub fn read_token(&self, answer: &Answer) -> Result<Token, TokenError> {
        let status = answer.status;
        let transient =
            |reason: String| TokenError::Transient { reason, not_before: answer.retry_after };
        let no_token = || match status {
            400 | 401 | 403 => TokenError::Permanent { reason: format!("status {status}") },
            _ => transient(format!("status {status} without a token")),
        };
        let Some(object) = answer.object() else { return Err(no_token()) };
        if let Some(code) = answer::text(&object, "error") {
            let known = PERMANENT.contains(&code.as_str());
            let code = if known { code } else { reason::masked(&code) };
            let reason = format!("status {status}, {code}");
            return Err(if known { TokenError::Permanent { reason } } else { transient(reason) });
        }
        let token = answer::text(&object, "access_token")
            .filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
        match token {
            Some(token) if answer.is_success() => {
                let life = object.get("expires_in").and_then(Value::as_u64).unwrap_or(DEFAULT_LIFE);
                let expires_in = Duration::from_secs(life.min(DEFAULT_LIFE * 24));
                Ok(Token { access_token: Secret(token), expires_in })
            }
            _ => Err(no_token()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::answer;
    use super::*;

    fn oauth() -> OAuth {
        OAuth {
            token_url: "https://oauth2.googleapis.com/token".to_owned(),
            client_id: "relay.apps.googleusercontent.com".to_owned(),
            client_secret: Secret("GOCSPX-a&b".to_owned()),
            refresh_token: Secret("1//0refresh".to_owned()),
            scope: "https://www.googleapis.com/auth/adwords",
        }
    }

    #[test]
    fn the_request_is_a_form_without_secrets_in_its_url() {
        let request = oauth().token_request();
        assert_eq!(request.url, "https://oauth2.googleapis.com/token");
        assert_eq!(
            request.form.0,
            "grant_type=refresh_token&client_id=relay.apps.googleusercontent.com\
             &client_secret=GOCSPX-a%26b&refresh_token=1%2F%2F0refresh\
             &scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fadwords"
        );
        assert!(!format!("{request:?}").contains("GOCSPX"));
    }

    #[test]
    fn a_token_is_read_with_its_life() {
        let body =
            r#"{"access_token":"ya29.a","expires_in":3599,"token_type":"Bearer","scope":"s"}"#;
        let token = oauth().read_token(&answer(200, body));
        let expected = Token {
            access_token: Secret("ya29.a".to_owned()),
            expires_in: Duration::from_secs(3599),
        };
        assert_eq!(token, Ok(expected));
    }

    #[test]
    fn refused_credentials_are_permanent() {
        for (status, code) in
            [(400, "invalid_grant"), (401, "invalid_client"), (400, "invalid_scope")]
        {
            let body = format!(r#"{{"error":"{code}","error_description":"revoked"}}"#);
            let error = oauth().read_token(&answer(status, &body));
            assert_eq!(
                error,
                Err(TokenError::Permanent { reason: format!("status {status}, {code}") })
            );
        }
    }

    #[test]
    fn a_refusal_in_another_form_is_permanent_too() {
        for body in [r#"{"error":{"code":401,"status":"UNAUTHENTICATED"}}"#, "<html>no</html>"] {
            let error = oauth().read_token(&answer(401, body));
            assert_eq!(error, Err(TokenError::Permanent { reason: "status 401".to_owned() }));
        }
    }

    #[test]
    fn trouble_at_the_endpoint_is_transient() {
        for (status, body) in [
            (503, "<html>down</html>"),
            (200, "<html>login</html>"),
            (500, r#"{"error":"internal_failure"}"#),
            (400, r#"{"error":"temporarily_unavailable"}"#),
            (429, ""),
            (200, r#"{"token_type":"Bearer"}"#),
            (302, ""),
        ] {
            let error = oauth().read_token(&answer(status, body));
            assert!(matches!(error, Err(TokenError::Transient { .. })), "{status} {body}");
        }
    }
}
