//! What Google Ads and the Data Manager API share: click id choice, consent values, the error envelope
//! (<https://cloud.google.com/apis/design/errors>).

use std::time::Duration;

use serde_json::{Map, Value};
use time::{OffsetDateTime, UtcOffset};

use super::{Answer, OAuth, Outcome, Secret, SettingsError, answer, settings};
use crate::model::consent;
use crate::model::conversion::ClickIds;

/// Wait after "too recent": Google wants clicks and actions to be about six hours old (GADS-AGE-RECENT).
pub(super) const SETTLE: Duration = Duration::from_secs(6 * 3600);

/// The one click id to send, as field name and value, byte for byte.
///
/// One only: Google refuses most mixtures, and the more precise id comes first (GADS-CLICKID-MIX).
pub(super) fn click_id(click: &ClickIds) -> Option<(&'static str, &str)> {
    [("gclid", &click.gclid), ("gbraid", &click.gbraid), ("wbraid", &click.wbraid)]
        .into_iter()
        .find_map(|(name, id)| Some((name, id.as_deref()?)).filter(|(_, id)| !id.trim().is_empty()))
}

/// The moment with an offset that both date formats can write: historic ones with seconds become UTC.
pub(super) fn with_whole_offset(moment: OffsetDateTime) -> OffsetDateTime {
    if moment.offset().seconds_past_minute() == 0 {
        return moment;
    }
    moment.checked_to_offset(UtcOffset::UTC).unwrap_or(moment)
}

/// A known decision in Google's words; nothing for an unknown one, which is never turned into a grant
/// (GADS-CONSENT-NODEFAULT).
pub(super) fn consent_value(
    decision: consent::Answer,
    granted: &'static str,
    denied: &'static str,
) -> Option<&'static str> {
    match decision {
        consent::Answer::Granted => Some(granted),
        consent::Answer::Denied => Some(denied),
        consent::Answer::Unknown => None,
    }
}

/// OAuth settings as they stand in the configuration.
pub(super) fn oauth(
    token_url: &str,
    client_id: String,
    client_secret: Secret,
    refresh_token: Secret,
    scope: &'static str,
) -> Result<OAuth, SettingsError> {
    let token_url = settings::base_url("token_url", token_url)?;
    settings::token("client_id", &client_id)?;
    settings::token("client_secret", &client_secret.0)?;
    settings::token("refresh_token", &refresh_token.0)?;
    Ok(OAuth { token_url, client_id, client_secret, refresh_token, scope })
}

/// The `details` of a `google.rpc.Status`: objects of several kinds in one list.
pub(super) fn details(status: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    list(status, "details")
}

/// The objects of a list member; none if the member is absent or something else.
pub(super) fn list<'a>(
    object: &'a Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a Map<String, Value>> {
    object.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// A protobuf duration in JSON, `"5s"` or `"1.5s"`; rounded up to milliseconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().map(|wait| {
        Duration::from_millis(u64::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
    })
}

/// The wait that a `google.rpc.RetryInfo` among the details asks for.
pub(super) fn retry_info(status: &Map<String, Value>) -> Option<Duration> {
    details(status)
        .filter_map(|detail| answer::text(detail, "retryDelay"))
        .find_map(|t| duration(&t))
}

/// Whether a gRPC status says that the request itself is wrong; only then its rows are to blame.
pub(super) fn is_about_content(name: &str) -> bool {
    matches!(name, "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" | "ALREADY_EXISTS")
}

/// The outcome that a gRPC status name implies for all `count` conversions of a refused request.
///
/// `None` for names that say nothing about repeating.
pub(super) fn by_rpc_status(
    name: &str,
    answer: &Answer,
    count: usize,
    reason: &str,
    trace_id: Option<String>,
) -> Option<Outcome> {
    match name {
        "UNAUTHENTICATED" | "PERMISSION_DENIED" => Some(Outcome::credentials(reason, trace_id)),
        "UNAVAILABLE" | "DEADLINE_EXCEEDED" | "INTERNAL" | "UNKNOWN" | "ABORTED"
        | "RESOURCE_EXHAUSTED" | "CANCELLED" => {
            Some(Outcome::retry(reason, answer.retry_after, trace_id))
        }
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => {
            Some(Outcome::permanent(count, reason, trace_id))
        }
        // A wrong path or resource: nothing in the request makes it right.
        "NOT_FOUND" | "UNIMPLEMENTED" => Some(Outcome::rejected(reason, trace_id)),
        _ => None,
    }
}

/// The number in `name[3]`, wherever it stands in a field path.
pub(super) fn index_in(path: &str, name: &str) -> Option<usize> {
    let (_, rest) = path.split_once(&format!("{name}["))?;
    rest.split_once(']')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_never_rounded_down() {
        assert_eq!(duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("0.0001s"), Some(Duration::from_millis(1)));
        for text in ["", "s", "-1s", "NaNs", "5", "1e400s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn the_most_precise_click_id_goes_alone_and_unchanged() {
        let mut click = ClickIds { wbraid: Some("W ".to_owned()), ..ClickIds::default() };
        assert_eq!(click_id(&click), Some(("wbraid", "W ")));
        click.gbraid = Some("G".to_owned());
        assert_eq!(click_id(&click), Some(("gbraid", "G")));
        click.gclid = Some(" ".to_owned());
        assert_eq!(click_id(&click), Some(("gbraid", "G")));
        click.gclid = Some("aB".to_owned());
        assert_eq!(click_id(&click), Some(("gclid", "aB")));
    }

    #[test]
    fn an_unknown_decision_is_not_sent() {
        assert_eq!(consent_value(consent::Answer::Unknown, "GRANTED", "DENIED"), None);
        assert_eq!(consent_value(consent::Answer::Denied, "GRANTED", "DENIED"), Some("DENIED"));
    }

    #[test]
    fn an_index_is_found_in_either_path_form() {
        assert_eq!(index_in("events.events[12].user_data", "events"), Some(12));
        assert_eq!(index_in("events[0]", "events"), Some(0));
        assert_eq!(index_in("destinations[0].reference", "events"), None);
        assert_eq!(index_in("events[x]", "events"), None);
    }
}
