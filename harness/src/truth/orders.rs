//! One order's expectation: whether it counts, with what, and until when it may be sent.

use std::time::Duration;

use rust_decimal::Decimal;
use time::OffsetDateTime;

use crate::{
    exchange::OrderRef,
    history::{Action, Call, Did},
    inputs::{self, Format},
    plan::{Case, Order, Person},
    platforms::Platform,
    scenario::{Decisions, JoinKey, OrderState, OrderStep, Step, Topic, UntilStep},
    sut::profile::{Profile, ValueBasis},
    truth::{
        Adjustment, Amount, Count, Expected, Fact, Presence, Reason,
        clicks::{Clicks, Join, can_join},
        consent::{self, Told},
        known::{Known, in_grace},
        stimulus,
    },
};

/// What the model works from.
pub(super) struct Model<'a> {
    pub(super) case: &'a Case,
    pub(super) platform: &'a dyn Platform,
    pub(super) profile: &'a Profile,
    pub(super) actions: &'a [Action],
}

/// One webhook about the order.
pub(super) struct Hook<'a> {
    pub(super) index: usize,
    pub(super) action: &'a Action,
    pub(super) topic: Topic,
    pub(super) call: &'a Call,
    pub(super) right: &'a [u16],
    /// It must be taken: rightly signed and for this shop.
    pub(super) genuine: bool,
    /// What it says.
    told: stimulus::Told,
    /// A message of this kind reports a purchase.
    sells: bool,
}

impl Hook<'_> {
    /// The store holds it for delivered.
    pub(super) fn acknowledged(&self) -> bool {
        self.call.status.is_some_and(|s| (200..300).contains(&s))
    }

    /// Refused with a status that is right for it.
    pub(super) fn rightly_refused(&self) -> bool {
        !self.acknowledged() && self.call.status.is_some_and(|s| self.right.contains(&s))
    }

    /// The store would send it again: no answer, or one that asks for that.
    pub(super) fn put_off(&self) -> bool {
        self.call.status.is_none_or(|s| s >= 500 || s == 429)
    }
}

impl<'a> Model<'a> {
    /// The control order: all allowed, a paid click, nothing special.
    pub(super) fn control_order(&self) -> Expected {
        let order = &self.case.sentinel;
        let hooks = self.hooks(order);
        let (time, other_times) = self.times(order, &hooks);
        let mut expected = self.blank(order, &self.case.sentinel_person, time);
        expected.other_times = other_times;
        expected.telling = telling(&hooks);
        expected.contact_allowed = true;
        expected.consent_user_data = Some(true);
        expected.consent_personalise = Some(true);
        expected.because = "the control order: everything allowed".into();
        expected
    }

    /// One order of the scenario.
    pub(super) fn order(&self, order: &Order) -> Expected {
        let blank = OrderStep::default();
        let (step_index, step) = self.step_of(order).unwrap_or((usize::MAX, &blank));
        let hooks = self.hooks(order);
        let (time, other_times) = self.times(order, &hooks);
        let Some(person) = self.case.person_of(order) else {
            let mut expected = self.blank(order, &self.case.sentinel_person, time);
            (expected.count, expected.because) = (Count::Either, "its person is unknown".into());
            return expected;
        };
        let mut expected = self.blank(order, person, time);
        expected.other_times = other_times;
        expected.telling = telling(&hooks);
        expected.unsure.extend(self.unsure(step, &hooks));
        self.edits(order, &hooks, &mut expected);
        self.adjustments(order, &mut expected);
        self.browser_copies(order, &mut expected);

        let told = consent::told(self.case, self.actions, &person.name);
        let at = hooks.iter().find(|h| h.genuine).map_or(usize::MAX, |h| h.index);
        let known = self.known(order, (step_index, step), &told, &hooks, at);
        self.allow(&known, &person.name, &mut expected);
        expected.ids = self.ids(order, (step_index, step), person, &told, &hooks, &known, time);

        let (count, because, reason) =
            self.count(order, step, step_index, &hooks, &known, &expected);
        (expected.count, expected.because, expected.reason) = (count, because, reason);
        if !hooks.is_empty() && expected.count != Count::Never {
            self.stops(order, &told, at, known.join, &mut expected);
        }
        self.asked(order, &mut expected);
        expected
    }

    fn blank(&self, order: &Order, person: &Person, time: OffsetDateTime) -> Expected {
        let subject = Person { contact: order.contact.clone(), ..person.clone() };
        let mut other_values = Vec::new();
        if let Some((value, currency)) = &order.presentment {
            other_values.push(Amount { value: *value, currency: currency.clone() });
        }
        let mut unsure = Vec::new();
        let event_id = crate::sut::template::event_id(&self.profile.policies, order)
            .unwrap_or_else(|_| {
                unsure.push(Fact::Id);
                String::new()
            });
        Expected {
            order: order.id.clone(),
            count: Count::Once,
            because: String::new(),
            reason: Reason::None,
            value: value(order, self.profile.policies.value_basis),
            currency: order.currency.clone(),
            other_values,
            time,
            other_times: Vec::new(),
            telling: Duration::ZERO,
            event_id,
            browser_copy: false,
            ids: Vec::new(),
            contact_allowed: false,
            identity: self.platform.identity(&subject),
            consent_user_data: None,
            consent_personalise: None,
            ips: vec![person.ip.clone()],
            user_agents: vec![person.user_agent.clone()],
            adjustments: Vec::new(),
            limited_data_use: false,
            must_stop: None,
            forgotten: false,
            contact_stop: None,
            unsure,
        }
    }

    /// The input format that the order is told in.
    pub(super) fn format(&self, step: &OrderStep) -> Option<&'static dyn Format> {
        self.profile.format_of(&self.case.scenario, Some(step))
    }

    /// Facts that the scenario may have changed in what the relay was told of the order.
    pub(super) fn unsure(&self, step: &OrderStep, hooks: &[Hook<'_>]) -> Vec<Fact> {
        let genuine = hooks.iter().filter(|hook| hook.genuine);
        let webhooks = genuine.filter_map(|hook| match self.step(hook.action) {
            Some(Step::Webhook(webhook)) => Some(&**webhook),
            _ => None,
        });
        stimulus::unsure(self.format(step), step, webhooks)
    }

    fn step_of(&self, order: &Order) -> Option<(usize, &'a OrderStep)> {
        self.case.scenario.steps.iter().enumerate().find_map(|(i, step)| match step {
            Step::Order(step) if OrderRef::Named(step.id.clone()) == order.id => Some((i, &**step)),
            _ => None,
        })
    }

    pub(super) fn step(&self, action: &Action) -> Option<&'a Step> {
        action.step.and_then(|step| self.case.scenario.steps.get(step))
    }

    fn hooks(&self, order: &Order) -> Vec<Hook<'a>> {
        let good = |right: &[u16]| right.iter().any(|s| (200..300).contains(s));
        self.actions
            .iter()
            .enumerate()
            .filter_map(|(index, action)| match &action.what {
                Did::Webhook { order: Some(about), topic, signature, shown, right, call }
                    if *about == order.id =>
                {
                    let genuine = signature.is_good() && good(right);
                    let told = stimulus::told(call, shown, action.time);
                    let sells =
                        inputs::by_id(shown.format).is_none_or(|f| f.reports_purchase(*topic));
                    Some(Hook { index, action, topic: *topic, call, right, genuine, told, sells })
                }
                _ => None,
            })
            .collect()
    }

    /// The moments that the store tells, else the moment of the step.
    fn times(&self, order: &Order, hooks: &[Hook<'_>]) -> (OffsetDateTime, Vec<OffsetDateTime>) {
        let first = hooks.iter().find(|h| h.genuine && h.topic != Topic::Refund);
        match first.and_then(|h| h.told.times.split_first()) {
            Some((first, rest)) => (*first, rest.to_vec()),
            None => {
                let began = first.map_or(OffsetDateTime::UNIX_EPOCH, |h| h.action.time);
                (began + order.placed, Vec::new())
            }
        }
    }

    /// Totals after an edit are right as well, unless the order was seen to be delivered before.
    fn edits(&self, order: &Order, hooks: &[Hook<'_>], expected: &mut Expected) {
        let mut counted = false;
        for hook in hooks.iter().filter(|h| h.genuine) {
            let edit = match self.step(hook.action) {
                Some(Step::Webhook(step)) => step.total.as_ref(),
                _ => None,
            };
            if let Some(total) = edit {
                if self.profile.policies.value_basis != ValueBasis::Total {
                    expected.unsure.push(Fact::Value);
                } else if !counted {
                    expected.value = total.amount;
                    expected.currency.clone_from(&total.currency);
                } else {
                    expected.unsure.push(Fact::Adjustments);
                    if self.delivered_before(order, hook.index) {
                        continue;
                    }
                    expected
                        .other_values
                        .push(Amount { value: total.amount, currency: total.currency.clone() });
                }
            }
            counted |= self.counts_now(order, hook) == Some(true);
        }
    }

    fn adjustments(&self, order: &Order, expected: &mut Expected) {
        let basis = self.profile.policies.value_basis;
        let mut left = expected.value;
        let mut done: Vec<usize> = Vec::new();
        for (position, action) in self.actions.iter().enumerate() {
            let Some(index) = action.step else { continue };
            let is_hook = matches!(&action.what,
                Did::Webhook { order: Some(about), signature, .. }
                    if *about == order.id && signature.is_good());
            if !is_hook || done.contains(&index) {
                continue;
            }
            let remaining = match self.step(action) {
                Some(Step::Refund(step)) => match &step.amount {
                    Some(amount) => (left - amount.amount).max(Decimal::ZERO),
                    None => Decimal::ZERO,
                },
                Some(Step::Cancel(step)) => {
                    if step.refund == Some(false) {
                        expected.unsure.push(Fact::Adjustments);
                    }
                    Decimal::ZERO
                }
                _ => continue,
            };
            done.push(index);
            if basis != ValueBasis::Total && !remaining.is_zero() {
                expected.unsure.push(Fact::Adjustments);
            }
            if !remaining.is_zero() && !self.delivered_before(order, position) {
                let currency = expected.currency.clone();
                expected.other_values.push(Amount { value: remaining, currency });
            }
            if remaining != left && self.platform.takes_adjustments() {
                expected.adjustments.push(Adjustment { remaining, at: action.time });
            }
            left = remaining;
        }
    }

    fn browser_copies(&self, order: &Order, expected: &mut Expected) {
        for action in self.actions {
            if let Did::BrowserCopy { order: about, platform, event_id } = &action.what
                && *about == order.id
                && *platform == self.platform.id()
            {
                expected.browser_copy = true;
                expected.event_id.clone_from(event_id);
                expected.unsure.retain(|f| *f != Fact::Id);
            }
        }
    }

    /// True if the scenario saw the order's event taken before the action with this index.
    pub(super) fn delivered_before(&self, order: &Order, index: usize) -> bool {
        self.actions.iter().take(index).any(|action| {
            matches!(&action.what, Did::Waited { happened: true, .. })
                && matches!(self.step(action),
                    Some(Step::Until(UntilStep::Delivered(id)))
                        if OrderRef::Named(id.clone()) == order.id)
        })
    }

    /// Whether this webhook shows the order in a state that counts; `None`: it says nothing about it.
    pub(super) fn counts_now(&self, order: &Order, hook: &Hook<'_>) -> Option<bool> {
        if matches!(hook.topic, Topic::Refund | Topic::Unrelated) {
            return None;
        }
        let state = hook.told.state.or_else(|| match self.step(hook.action) {
            Some(Step::Webhook(step)) if step.state.is_some() => step.state,
            Some(Step::Webhook(_)) if hook.topic == Topic::Paid => Some(OrderState::Paid),
            _ if hook.topic == Topic::Cancelled => Some(OrderState::Cancelled),
            _ => Some(order.state),
        })?;
        Some(
            hook.sells
                && hook.topic != Topic::Cancelled
                && self.profile.policies.counted_states.contains(&state),
        )
    }

    /// Erasures of a person: index and the moment when the relay had acknowledged it.
    pub(super) fn erasures(&self, by: &str) -> impl Iterator<Item = (usize, Duration)> {
        self.actions.iter().enumerate().filter_map(move |(i, action)| match self.step(action) {
            Some(Step::Erase(step)) if step.by.as_deref().unwrap_or("shopper") == by => {
                let call = match &action.what {
                    Did::Operator { call, .. } | Did::Webhook { call, .. } => call,
                    _ => return None,
                };
                call.status.is_some().then_some((i, action.at))
            }
            _ => None,
        })
    }

    /// The landing that a relay without a call for landings can know from the order alone.
    fn noted_by_the_store<'b>(
        &self,
        order: &Order,
        step_index: usize,
        told: &[Told<'_>],
        hooks: &[Hook<'b>],
    ) -> Option<(Told<'b>, bool, Decisions)>
    where
        'a: 'b,
    {
        if told.iter().any(|t| t.visit.is_some()) {
            return None;
        }
        let hook = hooks.first()?;
        let visit =
            self.case.scenario.steps.iter().take(step_index).rev().find_map(|s| match s {
                Step::Visit(visit) if visit.by.as_deref().unwrap_or("shopper") == order.by => {
                    Some(visit)
                }
                _ => None,
            })?;
        let state = consent::answered(self.case, &order.by, step_index).unwrap_or_default();
        let told = Told {
            index: hook.index,
            until: hook.action.at,
            answer: None,
            visit: Some(visit),
            action: hook.action,
            arrived: true,
        };
        Some((told, false, state))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one caller; each is a part of the order's story"
    )]
    fn ids(
        &self,
        order: &Order,
        (step_index, step): (usize, &OrderStep),
        person: &Person,
        told: &[Told<'_>],
        hooks: &[Hook<'_>],
        known: &Known,
        placed: OffsetDateTime,
    ) -> Vec<crate::truth::ExpectedId> {
        let at = hooks.iter().find(|h| h.genuine).map_or(usize::MAX, |h| h.index);
        let erased_at = self.erasures(&order.by).map(|(i, _)| i).filter(|i| *i < at).max();
        // An order waits for a landing only if its visitor is not known yet; it waits for the first.
        let awaited = match told.iter().any(|t| t.index < at) {
            true => None,
            false => told.iter().find(|t| t.visit.is_some()).map(|t| t.index),
        };
        let mut landings: Vec<_> = told
            .iter()
            .filter(|t| t.visit.is_some())
            .map(|t| {
                let in_time = || hooks.first().is_some_and(|h| in_grace(self.profile, h, t));
                let certain = t.index < at || (awaited == Some(t.index) && in_time());
                // The answer that comes with a landing counts for it.
                (t.clone(), certain, consent::state_before(told, t.index + 1))
            })
            .collect();
        landings.extend(self.noted_by_the_store(order, step_index, told, hooks));
        let landing_site = can_join(self.case, self.profile, step, JoinKey::LandingSite);
        let clicks = Clicks {
            case: self.case,
            platform: self.platform,
            profile: self.profile,
            person,
            join: match known.join {
                // Without a call for landings only the order itself can tell.
                _ if self.profile.send.click.is_none() && landing_site => Join::LandingSite,
                _ if self.profile.send.click.is_none() => Join::None,
                join => join,
            },
            landing_site,
            landings,
            at_order: known.state,
            placed,
        };
        let mut ids = clicks.expected(hooks.first().map(|h| &h.call.request));
        if erased_at.is_some() {
            // Which landing an id came from is not kept here: after an erasure old ids must not come back, and new
            // ones may be suppressed.
            let fresh = told.iter().any(|t| t.visit.is_some() && Some(t.index) > erased_at);
            for id in &mut ids {
                id.presence = if fresh { Presence::Optional } else { Presence::Forbidden };
            }
        }
        if known.unsure.contains(&Fact::Join) {
            for id in ids.iter_mut().filter(|id| id.presence == Presence::Required) {
                id.presence = Presence::Optional;
            }
        }
        ids
    }
}

fn telling(hooks: &[Hook<'_>]) -> Duration {
    hooks.iter().find(|h| h.genuine).map_or(Duration::ZERO, |h| h.call.took)
}

fn value(order: &Order, basis: ValueBasis) -> Decimal {
    match basis {
        ValueBasis::Total => order.total,
        ValueBasis::Subtotal => order.subtotal,
        ValueBasis::Net => order.total - order.tax - order.shipping,
    }
}
