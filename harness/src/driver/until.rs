//! Waiting for something to have happened, on the gateway's journal and with a deadline.

use tokio::time::Instant;

use super::{Driver, Fault};
use crate::{
    exchange::{Exchange, OrderRef},
    gateway::Log,
    history::Did,
    platforms::Channel,
    scenario::{Step, UntilStep},
    sut::profile::Policies,
};

/// What processing may take beyond what the profile declares.
const SLACK: std::time::Duration = std::time::Duration::from_secs(2);

impl Driver<'_> {
    pub(super) async fn until(&mut self, index: usize, step: &UntilStep) -> Result<(), Fault> {
        let platform = self.stage.case.platform;
        let (words, happened) = match step {
            UntilStep::Delivered(order) => {
                let order = self.known(order)?;
                let taken = |log: &Log| taken(log, platform, &order) > 0;
                (format!("{order} delivered"), self.wait(taken).await)
            }
            UntilStep::Attempted { order, times } => {
                let order = self.known(order)?;
                let times_seen = |log: &Log| attempts(log, platform, &order) >= *times as usize;
                let happened = self.wait(times_seen).await;
                if happened {
                    self.read_log_early(index).await;
                }
                (format!("{order} attempted {times} times"), happened)
            }
            UntilStep::Faults(count) => {
                let hit = |log: &Log| {
                    log.fault_hits.iter().map(|hits| u64::from(*hits)).sum::<u64>()
                        >= u64::from(*count)
                };
                (format!("{count} planned faults hit"), self.wait(hit).await)
            }
            UntilStep::Settled => {
                let before =
                    self.stage.gateway.look(|log| taken(log, platform, &OrderRef::Sentinel));
                Box::pin(self.play_control()).await?;
                let taken = |log: &Log| taken(log, platform, &OrderRef::Sentinel) > before;
                ("control order taken".to_owned(), self.wait(taken).await)
            }
        };
        self.note(Some(index), Did::Waited { until: words, happened });
        Ok(())
    }

    /// A log that says delivered whatever happens is seen to lie only while it does happen.
    async fn read_log_early(&mut self, index: usize) {
        let next = self.stage.case.scenario.steps.get(index + 1);
        // Other steps are to meet what is under way now, or what has not been tried again yet.
        if next.is_some_and(|step| {
            !matches!(step, Step::Clock(_) | Step::Until(_) | Step::Recovers(_))
        }) {
            return;
        }
        let read = self.read_log().await;
        let by = self.stage.started.elapsed();
        self.early_log.extend(read.entries.into_iter().map(|listed| (by, listed.entry)));
    }

    fn known(&self, order: &str) -> Result<OrderRef, Fault> {
        self.placed(order).map(|_| OrderRef::Named(order.to_owned()))
    }

    async fn wait(&self, condition: impl FnMut(&Log) -> bool) -> bool {
        let within = deadline(&self.stage.profile.policies).min(self.stage.timeout);
        self.stage.gateway.wait_until(Instant::now() + within, condition).await
    }
}

/// How long something that the relay promises may take.
fn deadline(policies: &Policies) -> std::time::Duration {
    [policies.retry_horizon, policies.delivery_timeout, policies.stitch_grace, policies.batch_delay]
        .into_iter()
        .fold(SLACK, |sum, span| sum.saturating_add(span.unsigned()))
}

/// Events of the order that the platform took from the relay.
fn taken(log: &Log, platform: &str, order: &OrderRef) -> usize {
    log.entries
        .iter()
        .filter(|entry| entry.channel == Channel::Server)
        .filter(|entry| entry.owner.as_ref().and_then(|o| o.order.as_ref()) == Some(order))
        .filter(|entry| {
            // An exchange beyond the journal's bound is not there to ask; its entry counts all the same.
            let exchange =
                log.exchanges.iter().rev().find(|exchange| exchange.seq == entry.exchange);
            exchange.is_none_or(|exchange| exchange.platform == Some(platform))
        })
        .count()
}

/// The relay's requests to the platform that carry the order.
fn attempts(log: &Log, platform: &str, order: &OrderRef) -> usize {
    let by_relay = |exchange: &&Exchange| {
        exchange.platform == Some(platform)
            && exchange.reading.as_ref().is_some_and(|reading| reading.channel == Channel::Server)
    };
    log.exchanges
        .iter()
        .filter(by_relay)
        .filter(|exchange| exchange.items_of(order).next().is_some())
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::units::Span;

    #[test]
    fn the_deadline_is_what_the_profile_declares_and_some_slack() {
        let policies = Policies {
            retry_horizon: Span::from_secs(6),
            delivery_timeout: Span::from_secs(1),
            stitch_grace: Span::from_millis(200),
            batch_delay: Span::from_millis(300),
            ..Policies::default()
        };
        assert_eq!(deadline(&policies).as_millis(), 9_500);
    }
}
