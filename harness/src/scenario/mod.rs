//! The scenario language: what the shopper, the store and the platforms do. Plain data, one YAML file each.
//!
//! What must be counted follows from the steps; a scenario states an expectation only where it adds one.

mod capability;
mod expect;
mod forms;
mod given;
pub mod load;
mod order;
pub(crate) mod rules;
pub mod select;
mod service;
pub mod shard;
mod step;
pub mod units;
mod visit;
mod webhook;

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use crate::inputs::Carried;
pub(crate) use service::problems as stub_problems;
pub use {
    capability::Capability,
    expect::{
        Expect, ExpectAttempts, ExpectLog, ExpectOutcome, ExpectPayload, ExpectedOutcome,
        ExportLacks, HealthState, LogState, SameAcross,
    },
    given::{Answers, Fault, Given, HttpAnswer, When},
    order::{
        CancelStep, JoinKey, MoneyParts, OrderKind, OrderState, OrderStep, RefundStep, Reload,
        Topic,
    },
    service::{ExpectService, GivenService, MAX_STUBS, Stub, StubRequest, StubResponse},
    step::{
        ClockStep, CredentialsStep, EraseStep, PingStep, RecoversStep, ReplayStep, RestartStep,
        Step, Stop, UntilStep,
    },
    visit::{Click, ConsentAnswer, ConsentStep, Decision, Decisions, Signals, Visit},
    webhook::{Layout, Signature, WebhookStep},
};

/// One scenario file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// `dedup/thank_you_reload`: from the file's place, never written in it.
    #[serde(skip)]
    pub name: String,
    /// The file as plain JSON: what variants are merged onto.
    #[serde(skip)]
    pub source: Arc<serde_json::Value>,
    /// The scenario with each of its variants merged into it, in their order.
    #[serde(skip)]
    pub merged: Arc<Vec<Arc<Scenario>>>,
    /// One sentence that says what holds if the relay is right.
    pub title: String,
    /// Catalogue entries that it covers.
    pub covers: Vec<String>,
    /// Where it runs: once per platform named.
    #[serde(default)]
    pub platforms: Platforms,
    /// Background for people; shown by `harness explain`.
    #[serde(default)]
    pub why: Option<String>,
    /// Capabilities that the relay must declare for this case to make sense, beyond those that the steps imply.
    #[serde(default)]
    pub needs: Vec<Capability>,
    /// Facts about orders that the relay has to be told for this case to make sense: the input format must have a place for
    /// each. Landings and devices are also told by a call for landings.
    #[serde(default)]
    pub tells: Vec<Carried>,
    /// How the relay is set up, where that is the point: values handed to the profile's templates as `settings.NAME`.
    /// A case with settings has a relay of its own.
    #[serde(default)]
    pub settings: BTreeMap<String, serde_json::Value>,
    /// What the platforms do that is out of the ordinary.
    #[serde(default)]
    pub given: Vec<Given>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What must hold beyond what the steps imply.
    #[serde(default)]
    pub expect: Vec<Expect>,
    /// Named variations: each makes a case of its own, `name` behind the platform's.
    #[serde(default)]
    pub variants: Vec<Variant>,
}

impl Scenario {
    /// Planned misbehaviour of platforms, in order; exchanges name a fault by its place here.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.given.iter().filter_map(|given| match given {
            Given::Platform(fault) => Some(fault),
            Given::Service(_) => None,
        })
    }

    /// The input format that an order is told in by the scenario's own words: the order's, else that of the first order that
    /// names one. `None`: the profile chooses. Without an order: what the control order is told in.
    pub fn format_named<'s>(&'s self, order: Option<&'s OrderStep>) -> Option<&'s str> {
        let first = || {
            self.steps.iter().find_map(|step| match step {
                Step::Order(order) => order.format.as_deref(),
                _ => None,
            })
        };
        order.and_then(|order| order.format.as_deref()).or_else(first)
    }

    /// Names of the services that it plans answers of, or expects calls to.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        let given = self.given.iter().filter_map(|given| match given {
            Given::Service(service) => Some(service.name.as_str()),
            Given::Platform(_) => None,
        });
        let expected = self.expect.iter().filter_map(|expect| match expect {
            Expect::Service(service) => Some(service.name.as_str()),
            _ => None,
        });
        given.chain(expected)
    }
}

/// `all`, or a list of platform ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Platforms {
    /// Every platform that the profile delivers to.
    #[default]
    All,
    /// These, if the profile delivers to them.
    Only(Vec<String>),
}

/// A named variation: fields given here replace those of every step of that kind (or the whole list).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Variant {
    /// Last part of the case's name; required.
    pub name: String,
    /// Merged into every `visit` step.
    #[serde(deserialize_with = "as_written")]
    pub visit: Option<serde_json::Value>,
    /// Merged into every `order` step.
    #[serde(deserialize_with = "as_written")]
    pub order: Option<serde_json::Value>,
    /// Merged into every `webhook` step.
    #[serde(deserialize_with = "as_written")]
    pub webhook: Option<serde_json::Value>,
    /// Merged into every `consent` step.
    #[serde(deserialize_with = "as_written")]
    pub consent: Option<serde_json::Value>,
    /// Merged into every `given` platform fault.
    #[serde(deserialize_with = "as_written")]
    pub fault: Option<serde_json::Value>,
    /// Replaces the list of platforms.
    pub platforms: Option<Platforms>,
    /// Replaces `settings`.
    pub settings: Option<BTreeMap<String, serde_json::Value>>,
    /// Replaces the planned faults.
    #[serde(deserialize_with = "as_written")]
    pub given: Option<serde_json::Value>,
    /// Replaces the steps.
    #[serde(deserialize_with = "as_written")]
    pub steps: Option<serde_json::Value>,
    /// Replaces the expectations.
    #[serde(deserialize_with = "as_written")]
    pub expect: Option<serde_json::Value>,
}

/// A `null` is a value that is written: it is no field that is left out.
fn as_written<'de, D>(deserializer: D) -> Result<Option<serde_json::Value>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    serde_json::Value::deserialize(deserializer).map(Some)
}
