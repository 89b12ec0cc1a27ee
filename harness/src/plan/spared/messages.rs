//! Whether a format has messages for the steps of a scenario: followed as the driver plays them, since what an order shows
//! decides whether its sender tells of it.

use super::word;
use crate::{
    inputs::{About, Format, SecretKind},
    scenario::{
        CancelStep, Layout, OrderKind, OrderState, OrderStep, Scenario, Signature, Step, Topic,
        WebhookStep,
    },
    sut::{profile::Profile, template},
};

/// A step that this relay's format has no message for, or none of the kind that the scenario is about.
pub(super) fn untold(scenario: &Scenario, profile: &Profile) -> Option<String> {
    let mut courses: Vec<Course<'_>> = Vec::new();
    for step in &scenario.steps {
        let why = match step {
            Step::Order(order) => {
                let format = profile.format_of(scenario, Some(order))?;
                let named = scenario.format_named(Some(order)).is_some();
                let mut course = Course::of(order, format, named);
                let why = course.order();
                courses.push(course);
                why
            }
            Step::Webhook(step) => match step.order.as_deref() {
                Some(id) => course(&mut courses, id).and_then(|course| {
                    course.webhook(step).or_else(|| course.manner(step, profile))
                }),
                None => {
                    let format = profile.format_of(scenario, None)?;
                    cannot_be_sent(step, format, profile)
                }
            },
            Step::Refund(step) => course(&mut courses, &step.order)
                .and_then(|course| course.refund(step.amount.is_none())),
            Step::Ping(_) => profile
                .format_with_ping()
                .is_none()
                .then(|| "none of its stores tries an address before it uses it".to_owned()),
            Step::Cancel(step) => {
                course(&mut courses, &step.order).and_then(|course| course.cancel(step))
            }
            _ => None,
        };
        if why.is_some() {
            return why;
        }
    }
    let silent = courses.iter().find(|course| !course.told)?;
    Some(format!("{} has no message for such an order", silent.format.id()))
}

fn course<'c, 's>(courses: &'c mut [Course<'s>], id: &str) -> Option<&'c mut Course<'s>> {
    courses.iter_mut().find(|course| course.step.id == id)
}

/// An order as the store shows it after the steps so far.
struct Course<'s> {
    step: &'s OrderStep,
    format: &'static dyn Format,
    /// The scenario names the format: its patches and bodies are written for it.
    named: bool,
    state: OrderState,
    /// The state in each first delivery of a topic, which its redelivery shows again.
    first: Vec<(Topic, OrderState)>,
    /// Some message told of it.
    told: bool,
}

impl<'s> Course<'s> {
    fn of(step: &'s OrderStep, format: &'static dyn Format, named: bool) -> Self {
        let state = step.state.unwrap_or(OrderState::Paid);
        Self { step, format, named, state, first: Vec::new(), told: false }
    }

    fn order(&mut self) -> Option<String> {
        let foreign = self.step.patch.is_some().then(|| self.foreign()).flatten();
        if foreign.is_some() {
            return foreign;
        }
        match &self.step.topics {
            Some(topics) => topics.iter().find_map(|topic| {
                let told = self.tell(*topic, self.state);
                (!told).then(|| self.no_message(*topic))
            }),
            // The store's usual ones: a sender that has one message for both, or that waits for the money, tells enough.
            None => {
                self.tell(Topic::Create, self.state);
                if self.state == OrderState::Paid {
                    self.tell(Topic::Paid, self.state);
                }
                None
            }
        }
    }

    fn webhook(&mut self, step: &WebhookStep) -> Option<String> {
        let topic = step.topic.unwrap_or(Topic::Paid);
        if step.raw.is_some() {
            self.told = true;
            return None;
        }
        if !step.stale && !step.redelivery {
            self.state = match (step.state, topic, self.state) {
                (Some(state), ..) => state,
                (None, Topic::Paid, OrderState::Pending | OrderState::Authorized) => {
                    OrderState::Paid
                }
                (None, _, state) => state,
            };
        }
        let earlier = self.first.iter().rev().find(|(told, _)| *told == topic);
        let shown = match earlier {
            _ if step.stale => self.step.state.unwrap_or(OrderState::Paid),
            Some((_, shown)) if step.redelivery => *shown,
            _ => self.state,
        };
        (!self.tell(topic, shown)).then(|| self.no_message(topic))
    }

    fn refund(&mut self, all: bool) -> Option<String> {
        self.state = if all { OrderState::Refunded } else { OrderState::PartiallyRefunded };
        (!self.tell(Topic::Refund, self.state))
            .then(|| format!("{} has no message for money given back", self.format.id()))
    }

    /// A store cancels a paid order with a refund, if the scenario does not say otherwise: either tells of it.
    fn cancel(&mut self, step: &CancelStep) -> Option<String> {
        let paid = matches!(
            self.state,
            OrderState::Paid | OrderState::PartiallyPaid | OrderState::PartiallyRefunded
        );
        if !paid {
            self.state = OrderState::Voided;
        }
        let cancelled = self.tell(Topic::Cancelled, self.state);
        let refunded = paid && step.refund != Some(false) && self.refund(true).is_none();
        (!cancelled && !refunded).then(|| self.no_message(Topic::Cancelled))
    }

    fn manner(&self, step: &WebhookStep, profile: &Profile) -> Option<String> {
        let own_words = step.patch.is_some() || step.raw.is_some();
        let foreign = || own_words.then(|| self.foreign()).flatten();
        cannot_be_sent(step, self.format, profile).or_else(foreign)
    }

    /// Whether the sender tells of the order in this state by this topic.
    fn tell(&mut self, topic: Topic, shown: OrderState) -> bool {
        let kind = self.step.kind.unwrap_or(OrderKind::Web);
        let told = self.format.tells(topic, About { state: shown, kind, test: self.step.test });
        self.first.push((topic, shown));
        self.told |= told;
        told
    }

    fn no_message(&self, topic: Topic) -> String {
        format!("{} has no `{}` message for such an order", self.format.id(), word(topic))
    }

    /// Patches and bodies of orders are written for one format: Shopify's, unless the scenario names another.
    fn foreign(&self) -> Option<String> {
        let id = self.format.id();
        (!self.named && id != "shopify")
            .then(|| format!("it changes fields of a shopify webhook, which {id} does not have"))
    }
}

/// A way of sending that the format, or this relay's secrets, do not have.
fn cannot_be_sent(step: &WebhookStep, format: &dyn Format, profile: &Profile) -> Option<String> {
    let id = format.id();
    if !format.can_sign(step.sign) {
        return Some(format!("a {id} delivery cannot be signed like that"));
    }
    if step.sign == Signature::Previous && !knows_previous_secret(profile, format) {
        return Some("the profile tells the relay no earlier secret of its shops".to_owned());
    }
    if step.signed_ago.is_some() && !format.signs_time() {
        return Some(format!("{id} does not sign the time"));
    }
    if step.layout != Layout::Minified && !format.secret_kind().signs() {
        return Some(format!("{id} signs no bytes, so that their layout proves nothing"));
    }
    if step.raw.is_some() && !format.is_json() {
        return Some(format!("{id} has no body that could be such a text"));
    }
    None
}

/// Whether the relay is started with the secret that is being rotated out.
fn knows_previous_secret(profile: &Profile, format: &dyn Format) -> bool {
    let name = match format.secret_kind() {
        SecretKind::Plain => "previous_secret",
        SecretKind::Whsec | SecretKind::WhsecText => "previous_webhook_secret",
        SecretKind::WriteKey | SecretKind::None => return false,
    };
    profile.start.as_ref().is_some_and(|start| {
        let mut texts = start.command.iter().chain(start.env.values()).chain(start.files.values());
        texts.any(|text| template::uses(text, name))
    })
}
