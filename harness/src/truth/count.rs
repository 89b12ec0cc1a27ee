//! Whether an order counts, and why not.

use crate::{
    inputs::Carried,
    plan::Order,
    scenario::{Decision, OrderStep},
    sut::profile::UnknownConsent,
    truth::{
        Count, Expected, Fact, Presence, Reason,
        clicks::Join,
        known::Known,
        orders::{Hook, Model},
    },
};

impl Model<'_> {
    pub(super) fn count(
        &self,
        order: &Order,
        step: &OrderStep,
        step_index: usize,
        hooks: &[Hook<'_>],
        known: &Known,
        expected: &Expected,
    ) -> (Count, String, Reason) {
        let either = |why: &str| (Count::Either, why.to_owned(), Reason::None);
        let never = |why: String, reason| (Count::Never, why, reason);
        if hooks.is_empty() {
            return either("no webhook was sent for it");
        }
        let genuine: Vec<_> = hooks.iter().filter(|h| h.genuine).collect();
        if genuine.is_empty() {
            return never("no webhook about it was genuine".into(), Reason::NotGenuine);
        }
        if order.test {
            return never("it is a test order".into(), Reason::OrderRule);
        }
        if !self.profile.policies.counted_kinds.contains(&order.kind) {
            return never(
                format!("orders of kind {:?} do not count", order.kind),
                Reason::OrderRule,
            );
        }
        let reached = genuine.iter().find(|h| self.counts_now(order, h) == Some(true));
        let Some(reached) = reached else {
            if known.unsure.contains(&Fact::Count) {
                return either("the scenario changed what decides whether it counts");
            }
            return never("it never reached a state that counts".into(), Reason::OrderRule);
        };
        if known.erased {
            return either("the person was erased before");
        }
        let withholds = self.profile.policies.unknown_consent == UnknownConsent::Withhold;
        if known.visitor.ads == Decision::Denied && withholds {
            // Whether or not the relay can find the answer, it has no yes.
            return never("advertising consent is denied".into(), Reason::Consent);
        }
        match known.state.ads {
            Decision::Denied if known.open.is_none() || known.join == Join::Visitor => {
                return never("advertising consent is denied".into(), Reason::Consent);
            }
            Decision::Denied => return either(known.open.unwrap_or_default()),
            _ => {}
        }
        if let Some(why) = known.open {
            return either(why);
        }
        if known.state.ads == Decision::Unknown {
            match self.profile.policies.unknown_consent {
                UnknownConsent::Withhold => {
                    return never("consent is unknown".into(), Reason::Consent);
                }
                UnknownConsent::Undeclared => {
                    return either("consent is unknown, and no policy is declared");
                }
                UnknownConsent::Send => {}
            }
        }
        if known.unsure.contains(&Fact::Count) {
            return either("the scenario changed what decides whether it counts");
        }
        let counting: Vec<_> =
            genuine.iter().filter(|h| self.counts_now(order, h) == Some(true)).collect();
        if counting.iter().all(|h| !h.acknowledged() && h.put_off()) {
            return either("no webhook about it was acknowledged");
        }
        if counting.iter().all(|h| h.rightly_refused()) {
            return either("its webhook was refused, as it may be");
        }
        if let Some(why) = self.taken_back(order, &genuine, reached.index) {
            return either(why);
        }
        if let Some(why) = self.out_of_age(order) {
            return either(why);
        }
        if known.state.ads_user_data != Decision::Granted
            && self.profile.policies.unknown_consent != UnknownConsent::Send
        {
            return either("contact data may not be sent: withholding the whole event is as good");
        }
        let by_click = expected.ids.iter().any(|id| id.click && id.presence == Presence::Required);
        let by_browser = expected.ids.iter().any(|id| id.presence == Presence::Required);
        let told = |fact| self.format(step).is_some_and(|format| format.carries(fact));
        let by_contact = expected.contact_allowed
            && told(Carried::Contact)
            && (order.contact.email.is_some() || order.contact.phone.is_some());
        if !by_click && !self.platform.has_browser_copy() {
            return either("no click led to it");
        }
        if !(by_browser || by_contact && self.platform.matches_by_contact()) {
            return either("nothing identifies the shopper");
        }
        if let Some(why) = self.hopeless(order, step_index) {
            return either(why);
        }
        (Count::Once, "it is paid for and may be sent".into(), Reason::None)
    }
}
