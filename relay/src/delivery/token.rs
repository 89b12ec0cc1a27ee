//! OAuth access tokens: one per lane, fetched by whoever needs it first while the others wait, renewed a
//! minute before they expire.

use std::time::Duration;

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::destinations::oauth::TokenError;
use crate::destinations::{OAuth, Secret};

/// Renewed this long before the token ends, so that none expires on its way.
const EARLY_MS: i64 = 60_000;

/// The token of one lane.
#[derive(Debug, Default)]
pub(super) struct TokenCache {
    // An async mutex: holding it while fetching is what makes the fetch happen once.
    current: Mutex<Option<(Secret, i64)>>,
}

impl TokenCache {
    /// A valid token; `stale` names one that the platform refused.
    pub(super) async fn get(
        &self,
        oauth: &OAuth,
        stale: Option<&Secret>,
        client: &reqwest::Client,
        clock: &Clock,
    ) -> Result<Secret, TokenError> {
        let mut current = self.current.lock().await;
        if let Some((token, until)) = current.as_ref()
            && Some(token) != stale
            && clock.now_ms() < *until
        {
            return Ok(token.clone());
        }
        *current = None;
        let wanted = oauth.token_request();
        let request = client
            .post(&wanted.url)
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(http::header::ACCEPT, "application/json")
            .body(wanted.form.0);
        let answer = crate::client::exchange(request, Duration::from_secs(3600))
            .await
            .map_err(|why| TokenError::Transient { reason: why.to_owned(), not_before: None })?;
        let token = oauth.read_token(&answer)?;
        let lifetime = i64::try_from(token.expires_in.as_millis()).unwrap_or(i64::MAX / 2);
        // A token that lives shorter than the margin is still used for half of its life.
        let useful = (lifetime - EARLY_MS).max(lifetime / 2);
        *current = Some((token.access_token.clone(), clock.now_ms() + useful));
        Ok(token.access_token)
    }

    /// Forgets the token, because the credentials changed.
    pub(super) async fn forget(&self) {
        *self.current.lock().await = None;
    }
}
