//! One thing that happens, and the steps that are about neither shopper nor order: time, the operator, the process.

use serde::Deserialize;

use super::{
    CancelStep, ConsentStep, OrderStep, RefundStep, Reload, Visit, WebhookStep, units::Span,
};

/// One thing that happens.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum Step {
    /// A shopper lands on the shop.
    Visit(Visit),
    /// A shopper answers the consent banner, or changes the answer.
    Consent(ConsentStep),
    /// An order: the browser's copy on the thank-you page, then the store's webhooks.
    Order(Box<OrderStep>),
    /// The thank-you page is loaded again: the browser's copy once more.
    Reload(Reload),
    /// A webhook about an order that was made before: again, changed, or wrongly signed.
    Webhook(Box<WebhookStep>),
    /// The sender of webhooks tries the address, as it does when a webhook is set up.
    Ping(PingStep),
    /// Money is given back.
    Refund(RefundStep),
    /// The order is cancelled.
    Cancel(CancelStep),
    /// A person asks to be forgotten.
    Erase(EraseStep),
    /// Waits (on the journal, never by sleeping) until something happened.
    Until(UntilStep),
    /// Lifts planned faults of a platform (default: all of the case).
    Recovers(RecoversStep),
    /// The relay's clock, and the case's, moves on.
    Clock(ClockStep),
    /// The relay is stopped and started again on its data.
    Restart(RestartStep),
    /// The operator replaces a platform's credential by a valid one.
    Credentials(CredentialsStep),
    /// The operator sends dead letters again.
    Replay(ReplayStep),
}

/// The sender tries the address: nothing more is to be said of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PingStep {}

/// A request to be forgotten.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EraseStep {
    /// Which shopper.
    #[serde(default)]
    pub by: Option<String>,
    /// By what they are named: `email`, `email_upper`, `customer_id`, `orders`.
    #[serde(default)]
    pub named_by: Vec<String>,
}

/// Waits until something happened on the case's platform, or fails the case as inconclusive.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum UntilStep {
    /// The order's event was taken.
    Delivered(String),
    /// That many requests with the order's event came in.
    Attempted {
        /// Order.
        order: String,
        /// How many.
        times: u32,
    },
    /// That many planned faults hit.
    Faults(u32),
    /// The control order that this step makes was taken: what came before was worked off, as far as the path goes.
    Settled,
}

/// Lifts faults.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecoversStep {
    /// Platform; default: all.
    pub platform: Option<String>,
}

/// Time passes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockStep {
    /// How much.
    pub advance: Span,
}

/// Stop and start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct RestartStep {
    /// How it is stopped.
    pub how: Stop,
}

/// How a process is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// SIGKILL: at once, nothing can be tidied.
    Kill,
    /// SIGTERM, then waiting for the exit.
    Terminate,
}

/// A credential is replaced.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CredentialsStep {
    /// Platform; default the case's.
    pub platform: Option<String>,
}

/// Dead letters again.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplayStep {
    /// Only this order's; default all of the case's shop and platform.
    pub order: Option<String>,
    /// How often; default 1.
    pub times: Option<u32>,
}
