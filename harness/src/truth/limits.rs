//! What keeps an order from counting, or leaves it open: taken back, too old, refused by plan, withdrawn, erased, or asked
//! for by the scenario.

use rust_decimal::Decimal;

use crate::{
    exchange::OrderRef,
    plan::Order,
    platforms::FailureClass,
    scenario::{Answers, Decision, Expect, ExpectedOutcome, Step, Topic},
    truth::{
        Count, Expected, MustStop, Reason,
        clicks::Join,
        consent::Told,
        orders::{Hook, Model},
    },
};

impl Model<'_> {
    /// Cancelled or fully refunded when it is open whether it was sent before.
    pub(super) fn taken_back(
        &self,
        order: &Order,
        hooks: &[&Hook<'_>],
        reached: usize,
    ) -> Option<&'static str> {
        let mut left = order.total;
        let mut done = Vec::new();
        for hook in hooks {
            let Some(index) = hook.action.step else { continue };
            let gone = match self.step(hook.action) {
                Some(Step::Cancel(_)) => true,
                Some(Step::Refund(step)) if !done.contains(&index) => {
                    done.push(index);
                    left -= step.amount.as_ref().map_or(left, |a| a.amount);
                    left <= Decimal::ZERO
                }
                _ => hook.topic == Topic::Cancelled,
            };
            if gone && !(hook.index > reached && self.delivered_before(order, hook.index)) {
                return Some("it was taken back, perhaps before it was sent");
            }
        }
        None
    }

    /// Outside of the time that the platform takes events of.
    pub(super) fn out_of_age(&self, order: &Order) -> Option<&'static str> {
        // https://developers.facebook.com/docs/marketing-api/conversions-api/using-the-api and the like.
        let oldest = match self.platform.id() {
            "meta" | "tiktok" => time::Duration::days(7),
            _ => time::Duration::days(54),
        };
        let margin = time::Duration::HOUR;
        if order.placed < -(oldest - margin) {
            Some("it is older than the platform takes")
        } else if order.placed > time::Duration::seconds(5) {
            Some("it lies in the future")
        } else {
            None
        }
    }

    /// A planned fault that no retry can get over.
    pub(super) fn hopeless(&self, order: &Order, step_index: usize) -> Option<&'static str> {
        let recovers = self.case.scenario.steps.iter().enumerate().any(|(i, step)| {
            i > step_index
                && matches!(step, Step::Recovers(_) | Step::Replay(_) | Step::Credentials(_))
        });
        self.case.scenario.faults().find_map(|fault| {
            let here = fault.name.as_deref().is_none_or(|name| name == self.platform.id());
            let token = fault.name.as_deref() == Some("google_oauth");
            let about = |id: &String| OrderRef::Named(id.clone()) == order.id;
            let hits = fault.order.as_ref().is_none_or(about)
                && (fault.rows.is_empty() || fault.rows.iter().any(about));
            if !(here || token) || !hits {
                return None;
            }
            let forever = fault.times.is_none() && !recovers;
            match &fault.answers {
                Answers::Failure(FailureClass::Invalid | FailureClass::PartialInvalid) if here => {
                    Some("the platform refuses it for good")
                }
                Answers::Failure(FailureClass::Forbidden | FailureClass::TokenExpired) => {
                    Some("the platform refuses the credential")
                }
                Answers::Failure(FailureClass::Invalid) => Some("the credential is refused"),
                Answers::Http(answer)
                    if (300..500).contains(&answer.status)
                        && !matches!(answer.status, 408 | 425 | 429) =>
                {
                    Some("the platform refuses it for good")
                }
                Answers::Redirect => Some("the platform answers with a redirect"),
                Answers::CommitThenReset
                | Answers::CommitThenSilence
                | Answers::CommitThenBadGateway
                | Answers::CutBody
                | Answers::SlowBody(_)
                | Answers::Delay(_) => None,
                _ if forever => Some("the platform never recovers"),
                _ => None,
            }
        })
    }

    /// Withdrawal and erasure after the order: from then on nothing may be sent.
    pub(super) fn stops(
        &self,
        order: &Order,
        told: &[Told<'_>],
        at: usize,
        join: Join,
        expected: &mut Expected,
    ) {
        let withdrawn = told
            .iter()
            .filter(|t| t.index > at && t.arrived && join == Join::Visitor)
            .find(|t| t.answer.is_some_and(|a| a.ads == Decision::Denied))
            .map(|t| (t.until, "advertising consent was withdrawn"));
        let erased = self
            .erasures(&order.by)
            .find(|(i, _)| *i > at)
            .map(|(_, until)| (until, "the person was erased"));
        expected.forgotten = erased.is_some();
        let first = [withdrawn, erased].into_iter().flatten().min_by_key(|(after, _)| *after);
        if let Some((after, because)) = first {
            expected.must_stop = Some(MustStop { after, because: because.into() });
            expected.count = Count::Either;
            expected.because = format!("{because} after the order");
        }
        expected.contact_stop = told
            .iter()
            .filter(|t| t.index > at && t.arrived && join == Join::Visitor)
            .find(|t| t.answer.is_some_and(|a| a.ads_user_data == Decision::Denied))
            .map(|t| t.until);
    }

    /// What the scenario says itself goes before what the steps imply.
    pub(super) fn asked(&self, order: &Order, expected: &mut Expected) {
        for expect in &self.case.scenario.expect {
            let Expect::Outcome(outcome) = expect else { continue };
            if OrderRef::Named(outcome.order.clone()) != order.id {
                continue;
            }
            let count = match outcome.is {
                ExpectedOutcome::Counted => Count::Once,
                ExpectedOutcome::Withheld => Count::Never,
                ExpectedOutcome::Reported => Count::Reported,
                ExpectedOutcome::Any => Count::Either,
            };
            if count != expected.count {
                if count == Count::Never && expected.must_stop.is_none() {
                    expected.reason = if expected.limited_data_use || !expected.contact_allowed {
                        Reason::Consent
                    } else {
                        Reason::Asked
                    };
                } else if count != Count::Never {
                    expected.reason = Reason::None;
                }
                expected.because = "the scenario says so".into();
                expected.count = count;
            }
        }
    }
}
