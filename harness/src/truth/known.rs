//! What the relay can know of the visitor's choice when it takes an order, and what that choice allows.

use crate::{
    plan::Order,
    scenario::{Decision, Decisions, OrderStep, Step},
    sut::profile::{Profile, UnknownConsent},
    truth::{
        Expected, Fact,
        clicks::{Join, join},
        consent::{self, Told},
        orders::{Hook, Model},
    },
};

/// What the relay can know about the visitor's choice.
pub(super) struct Known {
    pub(super) state: Decisions,
    /// Why it is open what the relay knows.
    pub(super) open: Option<&'static str>,
    pub(super) gpc: bool,
    pub(super) join: Join,
    pub(super) erased: bool,
    /// What the visitor really chose, whether or not the relay can find it.
    pub(super) visitor: Decisions,
    /// What the scenario may have changed in what the relay was told.
    pub(super) unsure: Vec<Fact>,
}

impl Model<'_> {
    /// What the relay can know of the visitor's choice when it takes the order.
    pub(super) fn known(
        &self,
        order: &Order,
        (step_index, step): (usize, &OrderStep),
        told: &[Told<'_>],
        hooks: &[Hook<'_>],
        at: usize,
    ) -> Known {
        let join = join(self.case, self.profile, order, step);
        let erased = self.erasures(&order.by).any(|(i, _)| i < at);
        let gpc = told.iter().any(|t| t.index < at && t.visit.is_some_and(|v| v.gpc));
        let answered = consent::answered(self.case, &order.by, step_index);
        let visitor = answered.unwrap_or_default();
        // The order carries the visitor's answer where the relay's input has a place for it.
        let snapshot = match &step.consent {
            Some(own) => consent::decisions(own),
            None => answered,
        };
        let carried = snapshot.filter(|_| self.carries_consent(step));
        let mut open = None;
        if step.consent.is_some() && !self.carries_consent(step) {
            open = Some("the relay has no way to take consent with the order");
        }
        let mut heard = match join {
            Join::Visitor => consent::state_before(told, at),
            _ => Decisions::default(),
        };
        let unsure = self.unsure(step, hooks);
        if join != Join::Visitor && carried.is_none() && answered.is_some() {
            open = Some("the relay has no sure way to find the visitor's choice");
        }
        // What is told just after the order counts if it comes within the declared grace.
        let webhook = hooks.iter().find(|h| h.genuine);
        for late in told.iter().filter(|t| t.index > at) {
            let (Some(webhook), Some(answer)) = (webhook, late.answer) else { continue };
            if heard.ads != Decision::Unknown || carried.is_some() {
                continue;
            }
            if join == Join::Visitor
                && late.visit.is_some()
                && in_grace(self.profile, webhook, late)
            {
                heard = answer;
            } else if answer.ads == Decision::Granted {
                open = Some("consent was told only after the order");
            }
        }
        if told.iter().any(|t| !t.arrived && t.answer.is_some()) {
            open = Some("the relay did not answer when it was told of consent");
        }
        if unsure.contains(&Fact::Join) {
            open = Some("the scenario changed how the order is joined with its visitor");
        }
        if heard.ads == Decision::Denied && carried.is_some_and(|c| c.ads == Decision::Granted) {
            open = Some("the order carries a later yes than what the relay was told before");
        }
        let state = consent::stricter_of_all(carried.unwrap_or_default(), heard);
        let sends = self.profile.policies.unknown_consent != UnknownConsent::Withhold;
        if gpc && (state.ads == Decision::Granted || (sends && state.ads == Decision::Unknown)) {
            open = Some("the visitor sent Global Privacy Control");
        }
        Known { state, open, gpc, join, erased, visitor, unsure }
    }

    pub(super) fn carries_consent(&self, step: &OrderStep) -> bool {
        self.format(step).is_some_and(|format| self.profile.tells_consent(format))
    }

    pub(super) fn allow(&self, known: &Known, person: &str, expected: &mut Expected) {
        let sends = self.profile.policies.unknown_consent != UnknownConsent::Withhold;
        expected.contact_allowed = match known.state.ads_user_data {
            Decision::Granted => true,
            Decision::Denied => false,
            Decision::Unknown => sends,
        };
        if known.open.is_some() && !known.gpc {
            expected.unsure.push(Fact::Consent);
            expected.contact_allowed = known.visitor.ads_user_data != Decision::Denied
                && known.state.ads_user_data != Decision::Denied;
        }
        let claim = |decision| match decision {
            Decision::Granted => Some(true),
            Decision::Denied => Some(false),
            Decision::Unknown => None,
        };
        expected.consent_user_data = claim(known.state.ads_user_data);
        expected.consent_personalise =
            if known.gpc { Some(false) } else { claim(known.state.ads_personalise) };
        expected.limited_data_use = known.gpc;
        // Where the shopper was is on the order as well, whether or not the landing itself was told.
        for visit in self.case.scenario.steps.iter().filter_map(|step| match step {
            Step::Visit(visit) if visit.by.as_deref().unwrap_or("shopper") == person => Some(visit),
            _ => None,
        }) {
            expected.ips.extend(visit.ip.clone());
            expected.user_agents.extend(visit.user_agent.clone());
        }
    }
}

/// Told within the grace that the relay declares, however the time on the way is counted.
pub(super) fn in_grace(profile: &Profile, webhook: &Hook<'_>, late: &Told<'_>) -> bool {
    let began = webhook.action.at.saturating_sub(webhook.call.took);
    late.arrived && late.until.saturating_sub(began) <= profile.policies.stitch_grace.unsigned()
}
