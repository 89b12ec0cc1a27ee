//! Order histories as small numbers: steps refer to earlier orders and people by index, so that any part of a history is
//! a valid one and shrinking keeps it runnable.

use proptest::prelude::*;

/// One generated history, on one platform.
#[derive(Debug, Clone)]
pub(crate) struct History {
    platform: usize,
    fault: Option<Fault>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Fault {
    answers: usize,
    times: u32,
    order: usize,
}

#[derive(Debug, Clone)]
enum Step {
    Visit { who: usize, paid: bool, consent: usize },
    Consent { who: usize, granted: bool },
    Order { who: usize, cents: u32, pending: bool, copies: u32, generic: bool },
    Again { order: usize, times: u32, redelivery: bool },
    Update { order: usize },
    Pay { order: usize },
    Refund { order: usize, cents: u32, times: u32 },
    Reload { order: usize },
}

const PLATFORMS: [&str; 4] = ["meta", "google_ads", "data_manager", "tiktok"];
const PEOPLE: [&str; 3] = ["shopper", "second", "third"];
const FAULTS: [&str; 5] =
    ["server_error", "unavailable", "commit_then_reset", "reset_after_body", "html_ok"];
const CONSENT: [&str; 4] = [
    "granted",
    "denied",
    "unknown",
    "{ store: granted, ads: granted, ads_user_data: denied, ads_personalise: denied }",
];

/// Any history.
pub(crate) fn history() -> impl Strategy<Value = History> {
    let fault = (0..FAULTS.len(), 1..3_u32, 0..3_usize).prop_map(|(answers, times, order)| Fault {
        answers,
        times,
        order,
    });
    (0..PLATFORMS.len(), prop::option::of(fault), prop::collection::vec(step(), 1..10))
        .prop_map(|(platform, fault, steps)| History { platform, fault, steps })
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE.len();
    prop_oneof![
        3 => (who.clone(), any::<bool>(), 0..CONSENT.len())
            .prop_map(|(who, paid, consent)| Step::Visit { who, paid, consent }),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, granted)| Step::Consent { who, granted }),
        5 => (who, 100..99_999_u32, prop::bool::weighted(0.2), 1..4_u32, prop::bool::weighted(0.2))
            .prop_map(|(who, cents, pending, copies, generic)| Step::Order { who, cents, pending, copies, generic }),
        2 => (0..4_usize, 1..4_u32, any::<bool>())
            .prop_map(|(order, times, redelivery)| Step::Again { order, times, redelivery }),
        1 => (0..4_usize).prop_map(|order| Step::Update { order }),
        1 => (0..4_usize).prop_map(|order| Step::Pay { order }),
        1 => (0..4_usize, 1..100_u32, 1..3_u32)
            .prop_map(|(order, cents, times)| Step::Refund { order, cents, times }),
        1 => (0..4_usize).prop_map(|order| Step::Reload { order }),
    ]
}

/// What was written so far.
#[derive(Default)]
struct Written {
    orders: Vec<Placed>,
    /// People who visited or answered before they ordered.
    known: [bool; PEOPLE.len()],
    /// People who ordered before that.
    strangers: [bool; PEOPLE.len()],
}

struct Placed {
    pending: bool,
    left: u32,
}

impl History {
    /// The history as a scenario file.
    pub(crate) fn scenario(&self) -> String {
        let mut steps = String::new();
        let mut written = Written::default();
        for step in &self.steps {
            write_step(&mut steps, &mut written, step);
        }
        if written.orders.is_empty() {
            write_step(
                &mut steps,
                &mut written,
                &Step::Order { who: 0, cents: 1_000, pending: false, copies: 1, generic: false },
            );
        }
        let mut out = format!(
            "title: Generated history\ncovers: [DED-06]\nplatforms: [{}]\n",
            PLATFORMS[self.platform]
        );
        if let Some(fault) = self.fault.as_ref().filter(|f| f.order < written.orders.len()) {
            out += &format!(
                "given:\n  - platform: {{ answers: {}, order: {}, times: {} }}\n",
                FAULTS[fault.answers],
                name(fault.order),
                fault.times
            );
        }
        out + "steps:\n" + &steps
    }
}

fn name(order: usize) -> String {
    format!("O{order}")
}

fn write_step(out: &mut String, written: &mut Written, step: &Step) {
    let Written { orders, known: people, strangers } = written;
    let known = orders.len();
    match step {
        // What somebody says just after an order that nobody was known for may or may not be in time for it.
        Step::Visit { who, .. } | Step::Consent { who, .. } if strangers[*who] => return,
        Step::Visit { who, .. } | Step::Consent { who, .. } => people[*who] = true,
        Step::Order { who, .. } => strangers[*who] |= !people[*who],
        _ => {}
    }
    let line = match step {
        Step::Visit { who, paid, consent } => format!(
            "  - visit: {{ by: {}, click: {}, consent: {} }}",
            PEOPLE[*who],
            if *paid { "paid" } else { "direct" },
            CONSENT[*consent]
        ),
        Step::Consent { who, granted } => format!(
            "  - consent: {{ by: {}, answer: {} }}",
            PEOPLE[*who],
            if *granted { "granted" } else { "denied" }
        ),
        Step::Order { who, cents, pending, copies, generic } => {
            orders.push(Placed { pending: *pending, left: *cents });
            format!(
                "  - order: {{ id: {}, by: {}, total: {}.{:02} EUR, copies: {copies}{}{} }}",
                name(known),
                PEOPLE[*who],
                cents / 100,
                cents % 100,
                if *pending { ", state: pending, browser: false" } else { "" },
                if *generic { ", format: standard_webhooks" } else { "" },
            )
        }
        Step::Again { order, times, redelivery } if *order < known => {
            let topic = if orders[*order].pending { "create" } else { "paid" };
            format!(
                "  - webhook: {{ order: {}, topic: {topic}, times: {times}, redelivery: {redelivery} }}",
                name(*order)
            )
        }
        Step::Update { order } if *order < known => {
            format!("  - webhook: {{ order: {}, topic: updated }}", name(*order))
        }
        Step::Pay { order } if *order < known && orders[*order].pending => {
            orders[*order].pending = false;
            format!("  - webhook: {{ order: {}, topic: paid, state: paid }}", name(*order))
        }
        Step::Refund { order, cents, times } if *order < known => {
            let placed = &mut orders[*order];
            // A refund of what nobody paid, or of more than was paid, is not something a store sends.
            if placed.pending || placed.left <= *cents {
                return;
            }
            placed.left -= cents;
            format!(
                "  - until: settled\n  - refund: {{ order: {}, amount: {}.{:02} EUR, times: {times} }}",
                name(*order),
                cents / 100,
                cents % 100
            )
        }
        Step::Reload { order } if *order < known && !orders[*order].pending => {
            format!("  - reload: {{ order: {} }}", name(*order))
        }
        _ => return,
    };
    out.push_str(&line);
    out.push('\n');
}
