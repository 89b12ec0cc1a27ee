//! What an outcome means for its delivery: when it is tried again, or that it is over.

use std::time::Duration;

use super::retry::backoff;
use crate::config::Delivery;
use crate::destinations::Outcome;
use crate::store::queue::Next;

/// In what company an attempt was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Together {
    /// Attempts of this delivery before this one.
    pub(super) attempts: u32,
    /// Conversions in the request.
    pub(super) batch: usize,
    /// Whether the platform named and rejected others of them.
    pub(super) others_rejected: bool,
}

/// What follows for one delivery.
pub(super) fn next(
    delivery: &Delivery,
    outcome: &Outcome,
    together: Together,
    now_ms: i64,
) -> Next {
    match outcome {
        Outcome::Delivered { .. } => Next::Delivered,
        Outcome::Rejected { reason, .. } => Next::Dead(reason.clone()),
        Outcome::Credentials { .. } => Next::Stay,
        Outcome::Split { .. } if together.batch > 1 => Next::Alone,
        Outcome::Split { reason, .. } => Next::Dead(reason.clone()),
        Outcome::Retry { not_before, .. } => {
            // The platform named the guilty one and dropped the rest: those go again at once.
            if together.others_rejected && not_before.is_some_and(|d| d.is_zero()) {
                return Next::Later(now_ms);
            }
            let floor = not_before.unwrap_or_default().as_millis();
            let wait = pause_ms(delivery, together.attempts + 1);
            // One more, because milliseconds are rounded down: never a moment before the floor.
            Next::Later(now_ms + wait.max(i64::try_from(floor).unwrap_or(i64::MAX / 4)) + 1)
        }
    }
}

/// The pause after so many failures (1 or more), with fresh jitter.
pub(super) fn pause_ms(delivery: &Delivery, failed: u32) -> i64 {
    let wait = backoff(
        failed,
        Duration::from_millis(delivery.backoff_base_ms),
        Duration::from_millis(delivery.backoff_cap_ms),
        rand::random(),
    );
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 4)
}

/// Name, reason and trace id, for the log.
pub(super) type Described<'a> = (&'static str, Option<&'a str>, Option<&'a str>);

pub(super) fn describe(outcome: &Outcome) -> Described<'_> {
    let (name, reason, trace_id) = match outcome {
        Outcome::Delivered { trace_id } => ("delivered", None, trace_id),
        Outcome::Retry { reason, trace_id, .. } => ("retry", Some(reason), trace_id),
        Outcome::Credentials { reason, trace_id } => ("credentials", Some(reason), trace_id),
        Outcome::Split { reason, trace_id } => ("split", Some(reason), trace_id),
        Outcome::Rejected { reason, trace_id } => ("rejected", Some(reason), trace_id),
    };
    (name, reason.map(String::as_str), trace_id.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: Together = Together { attempts: 0, batch: 1, others_rejected: false };

    fn retry(not_before: Option<Duration>) -> Outcome {
        Outcome::Retry { reason: "busy".into(), not_before, trace_id: None }
    }

    #[test]
    fn a_floor_is_never_undercut_and_a_zero_floor_does_not_mean_at_once() {
        let settings = Delivery::default();
        let later = |o: &Outcome, t| match next(&settings, o, t, 0) {
            Next::Later(at) => at,
            other => panic!("{other:?}"),
        };
        assert!(later(&retry(Some(Duration::from_secs(30))), ALONE) > 30_000);
        assert!(later(&retry(Some(Duration::ZERO)), ALONE) > 400);
        let spared = Together { batch: 2, others_rejected: true, ..ALONE };
        assert_eq!(later(&retry(Some(Duration::ZERO)), spared), 0);
    }

    #[test]
    fn a_split_of_one_is_an_end_and_of_many_a_separation() {
        let split = Outcome::Split { reason: "no".into(), trace_id: None };
        let settings = Delivery::default();
        assert_eq!(next(&settings, &split, ALONE, 0), Next::Dead("no".into()));
        assert_eq!(next(&settings, &split, Together { batch: 2, ..ALONE }, 0), Next::Alone);
    }
}
