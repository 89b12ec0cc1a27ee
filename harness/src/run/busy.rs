//! Whether the machine left the relay and the harness the time that a late answer would have to be blamed for.

use std::{sync::Arc, time::Duration};

use super::strain::{Mark, Strain};
use crate::{
    history::Action,
    sut::process::{Relay, Waits},
};

/// Measures while the steps of a case are played.
pub(crate) struct Playing<'a> {
    strain: &'a Strain,
    relay: &'a Relay,
    mark: Mark,
    waits: Arc<Waits>,
}

impl<'a> Playing<'a> {
    pub(crate) fn begins(strain: &'a Strain, relay: &'a Relay) -> Self {
        Self { strain, relay, mark: strain.mark(), waits: relay.waits_lately() }
    }

    /// Whether the harness itself had too little time, until now, for anything that did not happen to prove something.
    pub(crate) fn was_starved(&self) -> bool {
        self.strain.too_much(&self.mark).is_some()
    }

    /// Why late answers to the steps prove nothing, if so; in words. `slow`: from when on an answer of this relay is slow;
    /// one that was never slow had the processor time that it needed, whatever else went wrong.
    pub(crate) fn too_busy(&self, actions: &[Action], slow: Duration) -> Option<String> {
        if let Some(share) = self.strain.too_much(&self.mark) {
            return Some(harness_too_busy(share));
        }
        let calls = actions.iter().filter_map(|action| action.what.call());
        let slowest = calls.map(|call| call.took).max().filter(|took| *took > slow)?;
        relay_too_busy(self.relay.waits().longest_since(&self.waits), slowest)
    }
}

/// A relay that slept did not wait for a processor; one that waited half as long as the slowest answer took is not to blame.
fn relay_too_busy(waited: Duration, slowest: Duration) -> Option<String> {
    (waited >= slowest / 2).then(|| {
        let ms = waited.as_millis();
        format!("the machine was too busy: the relay had to wait {ms} ms for a processor")
    })
}

/// For a share of the time.
pub(crate) fn harness_too_busy(share: f64) -> String {
    let percent = (share * 100.0).round();
    format!(
        "the machine was too busy: {percent} % of the time the harness was not woken when it should have been"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_slept_is_slow_and_who_had_to_wait_is_not() {
        let six = Duration::from_secs(6);
        assert_eq!(relay_too_busy(Duration::from_millis(300), six), None);
        let why = relay_too_busy(Duration::from_millis(5_100), six).unwrap_or_default();
        assert!(why.contains("5100 ms"), "{why}");
    }
}
