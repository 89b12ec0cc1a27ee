//! Plays a case's steps against the relay, in order, and writes down everything it did with the exact calls.
//!
//! The driver judges nothing. What it cannot do is an action as well ([`Did::Failed`]): the harness's own fault where
//! the step cannot be rendered, the relay's where its interface does not answer as its profile says.
//!
//! Waiting: on the gateway's journal, and by a timer only where a scenario declares it (`late`).

mod call;
mod consent;
mod delivery;
mod landing;
mod operator;
mod order;
mod read_back;
mod until;

use std::{
    collections::BTreeMap,
    sync::atomic::AtomicU32,
    time::{Duration, Instant},
};

use time::OffsetDateTime;

use crate::{
    exchange::OrderRef,
    gateway::CaseHandle,
    history::{Action, Did, LogEntry},
    inputs::Format,
    plan::{Case, Person, Shop},
    scenario::{Click, ConsentAnswer, JoinKey, OrderStep, Step, Visit},
    sut::{
        process::{OutputMark, Relay},
        profile::Profile,
        template::{Fact, Facts, shop_facts},
    },
};
use landing::{Landing, Late};
use order::Placed;

/// The person who places the control order, in actions.
pub const CONTROL: &str = "sentinel";
/// Default shopper of a step.
const SHOPPER: &str = "shopper";
/// Longest wait of an `until` step, if the run does not say.
const UNTIL_TIMEOUT: Duration = Duration::from_secs(120);
/// After so many calls in a row that were not answered in time, the rest is not sent: a relay that hangs costs seconds.
const PATIENCE: u32 = 2;

/// What a driver works with.
#[derive(Debug, Clone, Copy)]
struct Stage<'a> {
    relay: &'a Relay,
    profile: &'a Profile,
    case: &'a Case,
    /// `one`, then `two` if the case has a second.
    shops: &'a [Shop],
    gateway: &'a CaseHandle,
    /// When the run began.
    started: Instant,
    /// Longest that an `until` step may take.
    timeout: Duration,
    /// Calls in a row without an answer after which the rest is not sent.
    patience: u32,
    /// The relay's health is read in any case.
    health: bool,
}

/// Plays one case.
#[derive(Debug)]
pub struct Driver<'a> {
    stage: Stage<'a>,
    /// What templates may know of each shop.
    shop_facts: Vec<Fact>,
    /// What the relay had printed before.
    output: OutputMark,
    /// What people did so far, by name.
    shoppers: BTreeMap<String, Shopper>,
    /// Orders as they stand, by reference.
    orders: Vec<Placed<'a>>,
    /// Landings that are told after the person's next order.
    late: Vec<Late>,
    actions: Vec<Action>,
    /// Deliveries made so far: no two have one id.
    deliveries: u64,
    /// Unlike any other run's, for ids that must be new.
    salt: i128,
    /// What the relay's log said in the middle of the case.
    early_log: Vec<(Duration, LogEntry)>,
    /// Control orders played so far.
    controls: u32,
    /// Calls in a row that were not answered in time.
    unanswered: AtomicU32,
}

/// A person as the storefront knows them by now.
#[derive(Debug, Clone, Default)]
struct Shopper {
    /// Last consent answer.
    consent: Option<ConsentAnswer>,
    /// Last landing.
    landing: Option<Landing>,
}

/// The harness cannot play a step; says nothing about the relay.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Fault(String);

impl<'a> Driver<'a> {
    /// A driver at the beginning of its case. `started`: when the run began.
    pub fn new(
        relay: &'a Relay,
        profile: &'a Profile,
        case: &'a Case,
        shops: &'a [Shop],
        gateway: &'a CaseHandle,
        started: Instant,
    ) -> Self {
        Self {
            stage: Stage {
                relay,
                profile,
                case,
                shops,
                gateway,
                started,
                timeout: UNTIL_TIMEOUT,
                patience: PATIENCE,
                health: false,
            },
            shop_facts: shops.iter().map(|shop| shop_facts(shop).into()).collect(),
            output: relay.output_mark(),
            shoppers: BTreeMap::new(),
            orders: Vec::new(),
            late: Vec::new(),
            actions: Vec::new(),
            deliveries: 0,
            salt: OffsetDateTime::now_utc().unix_timestamp_nanos(),
            early_log: Vec::new(),
            controls: 0,
            unanswered: AtomicU32::new(0),
        }
    }

    /// Bounds each `until` step, whatever the profile declares; two minutes if not said.
    pub fn waiting_at_most(mut self, timeout: Duration) -> Self {
        self.stage.timeout = timeout;
        self
    }

    /// Reads the relay's health back also where the case is not about it.
    pub fn asking_for_health(mut self) -> Self {
        self.stage.health = true;
        self
    }

    /// Gives up after the first call that is not answered in time, where one is enough to know.
    pub fn giving_up_at_once(mut self) -> Self {
        self.stage.patience = 1;
        self
    }

    /// Plays all steps in order. A step that cannot be played is noted; the next ones are played all the same.
    pub async fn play(&mut self) -> Vec<Action> {
        let case = self.stage.case;
        for (index, step) in case.scenario.steps.iter().enumerate() {
            if let Err(fault) = self.step(index, step).await {
                self.fail(Some(index), fault.0, true);
            }
        }
        for late in std::mem::take(&mut self.late) {
            self.tell(late.landing).await;
        }
        std::mem::take(&mut self.actions)
    }

    /// Plays the control order: a consenting landing with a paid click, then its webhooks, by the path of the case's own orders.
    /// Played again it is another order of the same person.
    pub async fn control_order(&mut self) -> Vec<Action> {
        if let Err(fault) = self.play_control().await {
            self.fail(None, fault.0, true);
        }
        std::mem::take(&mut self.actions)
    }

    /// How many control orders were played: as many events of the control person have to be taken.
    pub fn controls(&self) -> u32 {
        self.controls
    }

    async fn step(&mut self, index: usize, step: &Step) -> Result<(), Fault> {
        match step {
            Step::Visit(visit) => self.visit(index, visit).await?,
            Step::Consent(consent) => self.consent(index, consent).await?,
            Step::Order(order) => self.order(index, order).await?,
            Step::Reload(reload) => self.reload(index, reload)?,
            Step::Webhook(webhook) => self.webhook(index, webhook).await?,
            Step::Ping(_) => self.ping(index).await?,
            Step::Refund(refund) => self.refund(index, refund).await?,
            Step::Cancel(cancel) => self.cancel(index, cancel).await?,
            Step::Erase(erase) => self.erase(index, erase).await?,
            Step::Until(until) => self.until(index, until).await?,
            Step::Recovers(recovers) => {
                let platform = recovers.platform.clone();
                self.stage.gateway.lift(platform.as_deref());
                self.note(Some(index), Did::Recovered { platform });
            }
            Step::Clock(clock) => self.clock(index, clock).await?,
            Step::Restart(restart) => self.restart(index, restart.how).await,
            Step::Credentials(step) => self.credentials(index, step).await?,
            Step::Replay(replay) => self.replay(index, replay).await?,
        }
        Ok(())
    }

    async fn play_control(&mut self) -> Result<(), Fault> {
        let visit = Visit {
            click: Some(Click::Paid),
            consent: Some(ConsentAnswer::Granted),
            ..Visit::default()
        };
        let landing = self.landing_of(None, CONTROL, &visit)?;
        self.shopper(CONTROL).consent = Some(ConsentAnswer::Granted);
        self.shopper(CONTROL).landing = Some(landing.clone());
        let step = OrderStep { browser: Some(false), ..OrderStep::default() };
        let index = self.place(&self.stage.case.sentinel, CONTROL, &step, self.controls)?;
        self.controls += 1;
        self.tell(landing).await;
        self.send_topics(None, index, &step).await
    }

    // What the steps have in common.

    fn note(&mut self, step: Option<usize>, what: Did) {
        self.note_at(step, self.stage.gateway.now(), what);
    }

    /// `time`: the moment that the action counts as done; all parts of an order step share one.
    fn note_at(&mut self, step: Option<usize>, time: OffsetDateTime, what: Did) {
        self.actions.push(Action { step, at: self.stage.started.elapsed(), time, what });
    }

    fn fail(&mut self, step: Option<usize>, why: String, harness: bool) {
        self.note(step, Did::Failed { why, harness });
    }

    fn shopper(&mut self, name: &str) -> &mut Shopper {
        self.shoppers.entry(name.to_owned()).or_default()
    }

    fn person(&self, name: &str) -> Result<&'a Person, Fault> {
        let case = self.stage.case;
        if name == CONTROL {
            return Ok(&case.sentinel_person);
        }
        case.people.get(name).ok_or_else(|| Fault(format!("there is no person `{name}`")))
    }

    fn shop(&self, index: usize) -> Result<&'a Shop, Fault> {
        self.stage
            .shops
            .get(index)
            .ok_or_else(|| Fault(format!("the case has no shop {}", index + 1)))
    }

    fn placed(&self, order: &str) -> Result<usize, Fault> {
        let wanted = OrderRef::Named(order.to_owned());
        self.orders
            .iter()
            .position(|placed| placed.order.id == wanted)
            .ok_or_else(|| Fault(format!("there is no order `{order}` yet")))
    }

    fn order_at(&mut self, index: usize) -> Result<&mut Placed<'a>, Fault> {
        self.orders.get_mut(index).ok_or_else(|| Fault("there is no such order".into()))
    }

    /// Join keys that the relay reads and the step leaves in place.
    fn joins(&self, step: &OrderStep) -> Vec<JoinKey> {
        let offered = &self.stage.profile.send.joins;
        let wanted = |key: &&JoinKey| step.join.as_ref().is_none_or(|keys| keys.contains(key));
        offered.iter().filter(wanted).copied().collect()
    }

    /// The input format of an order's step, see [`Profile::format_of`].
    fn format(&self, step: &OrderStep) -> Result<&'static dyn Format, Fault> {
        let scenario = &self.stage.case.scenario;
        self.stage.profile.format_of(scenario, Some(step)).ok_or_else(|| {
            let named = scenario.format_named(Some(step)).unwrap_or("the profile's first");
            Fault(format!("there is no input format `{named}`"))
        })
    }

    /// What every call template may refer to, and the shop.
    fn facts(&self, shop: &Shop) -> Facts {
        let mut facts = self.stage.relay.call_facts();
        let own = self.stage.shops.iter().position(|own| own.id == shop.id);
        match own.and_then(|index| self.shop_facts.get(index)) {
            Some(known) => facts.insert_ready("shop", known.clone()),
            None => facts.insert("shop", shop_facts(shop)),
        }
        facts
    }
}

/// Name of the person of a step.
fn named(by: Option<&String>) -> &str {
    by.map_or(SHOPPER, String::as_str)
}

#[cfg(test)]
mod tests;
