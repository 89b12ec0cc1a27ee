//! What a visitor allowed, and when. All input signals come down to four decisions; a later answer replaces an
//! earlier one from then on; a grant does not reach back.

use std::time::Duration;

use crate::{
    history::{Action, Did},
    plan::{Case, all},
    scenario::{ConsentAnswer, Decision, Decisions, Signals, Step, Visit},
};

/// What an answer amounts to; `None`: no answer was given, so none was told.
pub(super) fn decisions(answer: &ConsentAnswer) -> Option<Decisions> {
    match answer {
        ConsentAnswer::Granted => Some(all(Decision::Granted)),
        ConsentAnswer::Denied => Some(all(Decision::Denied)),
        ConsentAnswer::Unknown => None,
        ConsentAnswer::Decisions(decisions) => Some(*decisions),
        ConsentAnswer::Signals(raw) => Some(signals(raw)),
    }
}

/// What a visitor has answered by the step with this index, whether or not the relay was told.
pub(super) fn answered(case: &Case, person: &str, before: usize) -> Option<Decisions> {
    let is = |by: &Option<String>| by.as_deref().unwrap_or("shopper") == person;
    case.scenario
        .steps
        .iter()
        .take(before)
        .filter_map(|step| match step {
            Step::Visit(visit) if is(&visit.by) => visit.consent.as_ref().and_then(decisions),
            Step::Consent(consent) if is(&consent.by) => decisions(&consent.answer),
            _ => None,
        })
        .next_back()
}

/// Google consent mode signals as decisions.
///
/// `gcs` is `G1` and two digits, advertising first; `gcd` holds four letters (`ad_storage`, `analytics_storage`,
/// `ad_user_data`, `ad_personalization`) between digits. Anything else says nothing.
/// See <https://developers.google.com/tag-platform/security/guides/consent>.
pub fn signals(raw: &Signals) -> Decisions {
    match (raw.gcs.as_deref().map(gcs), raw.gcd.as_deref().map(gcd)) {
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => Decisions::default(),
        // Both given: a part that cannot be read is no yes. `gcs` says nothing about the last two.
        (Some(short), Some(long)) => Decisions {
            store: both(short.store, long.store),
            ads: both(short.ads, long.ads),
            ..long
        },
    }
}

fn both(a: Decision, b: Decision) -> Decision {
    match (a, b) {
        (Decision::Granted, Decision::Granted) => Decision::Granted,
        (Decision::Denied, _) | (_, Decision::Denied) => Decision::Denied,
        _ => Decision::Unknown,
    }
}

/// The more restrictive of two statements; a missing one says nothing.
pub(super) fn stricter(a: Decision, b: Decision) -> Decision {
    match (a, b) {
        (Decision::Denied, _) | (_, Decision::Denied) => Decision::Denied,
        (Decision::Granted, _) | (_, Decision::Granted) => Decision::Granted,
        _ => Decision::Unknown,
    }
}

/// Every decision by [`stricter`].
pub(super) fn stricter_of_all(a: Decisions, b: Decisions) -> Decisions {
    Decisions {
        store: stricter(a.store, b.store),
        ads: stricter(a.ads, b.ads),
        ads_user_data: stricter(a.ads_user_data, b.ads_user_data),
        ads_personalise: stricter(a.ads_personalise, b.ads_personalise),
    }
}

fn gcs(text: &str) -> Decisions {
    let ads = match text.as_bytes() {
        [b'G', b'1', b'1', b'0' | b'1'] => Decision::Granted,
        [b'G', b'1', b'0', b'0' | b'1'] => Decision::Denied,
        _ => Decision::Unknown,
    };
    Decisions { store: ads, ads, ..Decisions::default() }
}

fn gcd(text: &str) -> Decisions {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10
        && bytes.iter().enumerate().all(|(i, b)| {
            if matches!(i, 2 | 4 | 6 | 8) { b.is_ascii_lowercase() } else { b.is_ascii_digit() }
        });
    if !shaped {
        return Decisions::default();
    }
    let letters: Option<Vec<Decision>> =
        [2, 4, 6, 8].iter().map(|i| bytes.get(*i).copied().and_then(letter)).collect();
    match letters.as_deref() {
        Some([storage, _, user_data, personalise]) => Decisions {
            store: *storage,
            ads: *storage,
            ads_user_data: *user_data,
            ads_personalise: *personalise,
        },
        _ => Decisions::default(),
    }
}

fn letter(byte: u8) -> Option<Decision> {
    match byte {
        b'l' => Some(Decision::Unknown),
        b'p' | b'q' | b'u' | b'm' => Some(Decision::Denied),
        b'r' | b't' | b'v' | b'n' => Some(Decision::Granted),
        _ => None,
    }
}

/// One thing that a person told the relay.
#[derive(Debug, Clone)]
pub(super) struct Told<'a> {
    /// Position among the actions.
    pub(super) index: usize,
    /// When the relay had acknowledged it, since the run began.
    pub(super) until: Duration,
    /// The answer, if there was one and it was told by this call.
    pub(super) answer: Option<Decisions>,
    /// The landing, if it was one.
    pub(super) visit: Option<&'a Visit>,
    /// The action.
    pub(super) action: &'a Action,
    /// False if the relay gave no answer: it may not know.
    pub(super) arrived: bool,
}

/// Everything that one person told the relay by calls of their own, in order of arrival.
pub(super) fn told<'a>(case: &'a Case, actions: &'a [Action], person: &str) -> Vec<Told<'a>> {
    // An answer that has a call (or an order) of its own did not come with its landing.
    let apart = |step: Option<usize>| {
        actions
            .iter()
            .any(|a| a.step == step && matches!(&a.what, Did::Consent { by, .. } if by == person))
    };
    actions
        .iter()
        .enumerate()
        .filter_map(|(index, action)| {
            let step = action.step.and_then(|step| case.scenario.steps.get(step));
            let (call, answer, visit) = match (&action.what, step) {
                (Did::Landing { by, call }, Some(Step::Visit(visit))) if by == person => {
                    let answer = visit.consent.as_ref().filter(|_| !apart(action.step));
                    (call, answer.and_then(decisions), Some(visit))
                }
                (Did::Consent { by, call: Some(call), .. }, Some(Step::Consent(step)))
                    if by == person =>
                {
                    (call, decisions(&step.answer), None)
                }
                (Did::Consent { by, call: Some(call), .. }, Some(Step::Visit(visit)))
                    if by == person =>
                {
                    (call, visit.consent.as_ref().and_then(decisions), None)
                }
                _ => return None,
            };
            let arrived = call.status.is_some();
            Some(Told { index, until: action.at, answer, visit, action, arrived })
        })
        .collect()
}

/// The person's state as told before the action with this index.
pub(super) fn state_before(told: &[Told<'_>], index: usize) -> Decisions {
    told.iter().take_while(|t| t.index < index).filter_map(|t| t.answer).last().unwrap_or_default()
}
