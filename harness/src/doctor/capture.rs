//! What reached the platforms: the canary, on which rung, for which account, under which id; and that nothing came of an
//! order that was refused.

use super::{
    Places, Point,
    course::{CANARY, Course, REFUSED},
    stay::Visit,
};
use crate::{
    exchange::{Exchange, OrderRef},
    gateway::{Arrival, Gateway},
    platforms::{Item, ItemKind, Severity, Violation},
    sut::{
        profile::{Profile, Shops},
        template::order_facts,
    },
    verdict::{Cell, Finding, Outcome},
};

/// The point that says whether a platform's canary was seen.
pub(super) const CAPTURED: &str = "captured";
/// The point that says what a platform makes of it.
pub(super) const COUNTED: &str = "counted";

/// The points of every platform. `runs_on`: the relay ran before, so orders of earlier examinations may still be under way.
pub(super) fn points(
    runs_on: bool,
    profile: &Profile,
    places: &Places,
    course: &Course,
    visits: &[Visit],
    gateway: &Gateway,
) -> Vec<Point> {
    let mut points = Vec::new();
    for visit in visits {
        let first = profile.send.formats.first() == Some(&visit.format);
        let look = Look { runs_on, profile, places, course, visit, gateway };
        let id = visit.platform.id();
        let mut own = look.canary();
        if first {
            own.extend(look.refused());
        } else {
            // What belongs to the platform has been said; the order itself has to arrive in each format.
            own.truncate(1);
            for point in &mut own {
                point.about = format!("{} {}", visit.format, point.about);
            }
        }
        points.extend(own.into_iter().map(|point| point.at(id)));
    }
    points
}

/// One case as it was captured.
pub(super) struct Look<'a> {
    runs_on: bool,
    pub(super) profile: &'a Profile,
    pub(super) places: &'a Places,
    course: &'a Course,
    pub(super) visit: &'a Visit,
    pub(super) gateway: &'a Gateway,
}

/// An event of the canary with its request.
struct Sighting<'a> {
    exchange: &'a Exchange,
    item: &'a Item,
}

impl Sighting<'_> {
    fn key(&self) -> &str {
        self.item.key.as_deref().unwrap_or_default()
    }
}

impl Look<'_> {
    pub(super) fn id(&self) -> &'static str {
        self.visit.platform.id()
    }

    fn canary(&self) -> Vec<Point> {
        let visit = self.visit;
        if visit.case.order(CANARY).is_none() {
            return Vec::new();
        }
        if !visit.was_heard() {
            return vec![Point::not_checked(CAPTURED, "the relay took no order")];
        }
        let order = OrderRef::Named(CANARY.to_owned());
        let sightings: Vec<Sighting<'_>> = visit
            .history
            .exchanges
            .iter()
            .filter(|exchange| exchange.platform == Some(self.id()))
            .flat_map(|exchange| {
                exchange.items_of(&order).map(move |(_, item)| Sighting { exchange, item })
            })
            .filter(|sighting| sighting.item.kind == ItemKind::Purchase)
            .collect();
        if sightings.is_empty() {
            return vec![self.nothing()];
        }
        // A relay that ran before may still be sending what it was told then: people's phones are few, and come again.
        let (own, strange): (Vec<_>, Vec<_>) =
            sightings.into_iter().partition(|sighting| self.convention(sighting.key()).is_some());
        let (own, strange) = if own.is_empty() { (strange, own) } else { (own, strange) };
        let Some(first) = own.first() else { return Vec::new() };
        let ways: Vec<String> = self.arrivals().iter().map(ToString::to_string).collect();
        vec![
            Point::ok(CAPTURED, ways.join("; ")),
            self.account(first),
            self.counted(&own, strange.len()),
            self.event_id(first),
        ]
    }

    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        let mut all = self.gateway.arrivals();
        all.retain(|arrival| arrival.platform == self.id());
        all
    }

    fn account(&self, sighting: &Sighting<'_>) -> Point {
        const ABOUT: &str = "account";
        let (id, shop) = (self.id(), &self.visit.shop);
        let Some(account) = shop.accounts.get(id) else {
            return Point::not_checked(ABOUT, "no account is known");
        };
        let reading = sighting.exchange.reading.as_ref();
        let named = reading.and_then(|reading| reading.account.as_deref()).unwrap_or_default();
        if named == account.key {
            return Point::ok(ABOUT, format!("{named} (shop {})", shop.id));
        }
        let setting = account.fields.iter().find(|(_, value)| **value == account.key);
        let setting = setting.map_or("", |(name, _)| *name);
        let says = format!(
            "the relay sends to {named}; the profile's shop `{}` has {}",
            shop.id, account.key
        );
        let change = match &self.profile.shops {
            Shops::Fixed(_) => {
                let field = format!("shops.fixed[{}].accounts.{id}.{setting}", shop.index);
                format!("write {setting}: \"{named}\" into {}", self.places.of_field(&field))
            }
            Shops::AsNeeded | Shops::Single => format!(
                "hand {{{{ shops[0].accounts.{id}.{setting} }}}} to the relay in {}",
                self.places.of_field("start")
            ),
        };
        Point::problem(ABOUT, says, change)
    }

    fn cell(&self, order: &str) -> Option<&Cell> {
        self.visit.verdict.cells.iter().find(|cell| cell.order == order)
    }

    fn counted(&self, own: &[Sighting<'_>], strange: usize) -> Point {
        const ABOUT: &str = COUNTED;
        let Some(cell) = self.cell(CANARY) else { return Point::not_checked(ABOUT, "not judged") };
        if cell.right {
            return Point::ok(ABOUT, "once");
        }
        let same = own.iter().all(|one| own.first().is_some_and(|first| one.key() == first.key()));
        if same && is_from_before(self.runs_on, cell.outcome, strange) {
            return Point::ok(ABOUT, "once; what else came is of orders from before");
        }
        let broken =
            own.iter().flat_map(|one| &one.exchange.reading).flat_map(|reading| &reading.broken);
        let refused: Option<&Violation> = broken.into_iter().find(|violation| violation.refused);
        if let (Outcome::Lost | Outcome::Unknown, Some(violation)) = (cell.outcome, refused) {
            let says = format!("the platform refuses it: {}", violation.message);
            return Point::problem(ABOUT, says, explain(violation.rule));
        }
        if cell.outcome == Outcome::Unknown {
            return Point::not_checked(ABOUT, cell.detail.clone());
        }
        let must = |finding: &&Finding| {
            finding.severity == Severity::Must && finding.order.as_deref() == Some(CANARY)
        };
        let rule = self.visit.verdict.findings.iter().find(must).map(|f| f.rule.to_string());
        let change = rule.map_or_else(
            || "play a whole run to see more: `harness run --case 'dedup/*'`".to_owned(),
            |rule| explain(&rule),
        );
        Point::problem(ABOUT, cell.detail.clone(), change)
    }

    fn event_id(&self, sighting: &Sighting<'_>) -> Point {
        const ABOUT: &str = "event id";
        let order = OrderRef::Named(CANARY.to_owned());
        let Some(expected) = self.visit.truth.of(&order).filter(|e| !e.event_id.is_empty()) else {
            return Point::not_checked(ABOUT, "the profile's convention makes none for this order");
        };
        let sent = sighting.key();
        if sent == expected.event_id {
            return Point::ok(ABOUT, sent.to_owned());
        }
        let field = self.places.of_field("policies.event_id");
        // A number beside the fact is made anew for each event.
        let is_fixed =
            |template: &String| template.chars().filter(char::is_ascii_digit).count() < 4;
        let change = match self.convention(sent).filter(is_fixed) {
            Some(template) => format!(
                "if the storefront gives the browser's copy this id too, write event_id: \"{template}\" into {field}"
            ),
            None => format!(
                "let the relay send the id that the storefront gives the browser's copy, and say in {field} how it is made"
            ),
        };
        let says = format!(
            "the relay sends `{}`, policies.event_id makes `{}`",
            sent.chars().take(80).collect::<String>(),
            expected.event_id
        );
        Point::problem(ABOUT, says, change)
    }

    /// Fixed words around one of the canary's facts, by the fact's name: `order_{{ order.numeric_id }}`.
    fn convention(&self, sent: &str) -> Option<String> {
        let facts = order_facts(self.visit.case.order(CANARY)?);
        let mut facts: Vec<(String, String)> = facts
            .as_object()?
            .iter()
            .filter_map(|(name, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                (!value.is_null() && !text.is_empty()).then(|| (name.clone(), text))
            })
            .collect();
        // A long fact may hold a short one.
        facts.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
        let (name, text) = facts.iter().find(|(_, text)| sent.contains(text.as_str()))?;
        Some(sent.replacen(text.as_str(), &format!("{{{{ order.{name} }}}}"), 1))
    }

    /// The control order, and an order of somebody who refused.
    fn refused(&self) -> Vec<Point> {
        const ABOUT: &str = "consent";
        let visit = self.visit;
        if !visit.was_heard() {
            return Vec::new();
        }
        let control = match visit.history.waited.sentinel {
            true => Point::ok("control order", "arrived, so silence means something"),
            false => {
                Point::not_checked("control order", "did not arrive, so silence proves nothing")
            }
        };
        if let Some(why) = self.course.why_not(&visit.format, REFUSED) {
            return vec![control, Point::not_checked(ABOUT, why)];
        }
        let Some(cell) = self.cell(REFUSED) else { return vec![control] };
        let consent = match (cell.right, cell.outcome) {
            (true, Outcome::Withheld) => Point::ok(ABOUT, "withheld where it was refused"),
            (true, _) => Point::ok(ABOUT, cell.detail.clone()),
            (false, Outcome::Unknown) => Point::not_checked(ABOUT, cell.detail.clone()),
            (false, _) => Point::problem(ABOUT, cell.detail.clone(), self.consent_advice()),
        };
        vec![control, consent]
    }

    pub(super) fn consent_advice(&self) -> String {
        let send = &self.profile.send;
        let field = match (&send.consent, &send.click, &send.attributes.consent) {
            (Some(_), ..) => "send.consent",
            (_, Some(_), _) => "send.click",
            (.., Some(_)) => "send.attributes.consent",
            _ => "send.webhooks",
        };
        format!("does the relay read the choice where {} puts it?", self.places.of_field(field))
    }
}

/// Whether `strange` events, none of which bears the order's own facts, can be of an earlier examination's orders: a relay
/// that was started for this one has none.
fn is_from_before(runs_on: bool, outcome: Outcome, strange: usize) -> bool {
    runs_on && outcome == Outcome::CountedTwice && strange > 0
}

fn explain(rule: &str) -> String {
    format!("see `harness explain {rule}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_double_count_is_of_earlier_orders_only_in_a_relay_that_had_some() {
        assert!(is_from_before(true, Outcome::CountedTwice, 1));
        assert!(!is_from_before(false, Outcome::CountedTwice, 1));
        assert!(!is_from_before(true, Outcome::CountedTwice, 0));
        assert!(!is_from_before(true, Outcome::Wrong, 1));
    }
}
