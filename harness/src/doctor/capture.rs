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
        profile::{Capture, Profile, Shops},
        template::order_facts,
    },
    verdict::{Cell, Finding, Outcome},
};

/// The point that says whether a platform's canary was seen.
pub(super) const CAPTURED: &str = "captured";

/// The points of every platform.
pub(super) fn points(
    profile: &Profile,
    places: &Places,
    course: &Course,
    visits: &[Visit],
    gateway: &Gateway,
) -> Vec<Point> {
    let mut points = Vec::new();
    for visit in visits {
        let first = profile.send.formats.first() == Some(&visit.format);
        let look = Look { profile, places, course, visit, gateway };
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
struct Look<'a> {
    profile: &'a Profile,
    places: &'a Places,
    course: &'a Course,
    visit: &'a Visit,
    gateway: &'a Gateway,
}

/// An event of the canary with its request.
struct Sighting<'a> {
    exchange: &'a Exchange,
    item: &'a Item,
}

impl Look<'_> {
    fn id(&self) -> &'static str {
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
        let Some(first) = sightings.first() else { return vec![self.nothing()] };
        let ways: Vec<String> = self.arrivals().iter().map(ToString::to_string).collect();
        vec![
            Point::ok(CAPTURED, ways.join("; ")),
            self.account(first),
            self.counted(first),
            self.event_id(first),
        ]
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let mut all = self.gateway.arrivals();
        all.retain(|arrival| arrival.platform == self.id());
        all
    }

    /// Nothing of the canary came: what did, and what usually stands behind it.
    fn nothing(&self) -> Point {
        const ABOUT: &str = CAPTURED;
        let id = self.id();
        let said = self.own_words();
        let unread = self.gateway.unreadable().into_iter().find(|u| u.platform == Some(id));
        let tunnel = self.gateway.tunnels_unread().into_iter().find(|t| t.platform == Some(id));
        if let Some(text) = unread.map(|u| u.to_string()).or(tunnel.map(|t| t.to_string())) {
            return Point::of_error(ABOUT, &text, "");
        }
        if let Some(why) = &self.visit.history.waited.unproven {
            return Point::not_checked(ABOUT, format!("nothing came, but {why}"));
        }
        if let Some(arrival) = self.arrivals().first() {
            let count: u64 = self.arrivals().iter().map(|arrival| arrival.count).sum();
            let (_, strays) = self.gateway.orphans();
            let own = self.visit.history.exchanges.iter();
            let account = own
                .chain(&strays)
                .filter(|exchange| exchange.platform == Some(id))
                .find_map(|exchange| exchange.reading.as_ref()?.account.clone());
            let account = account.map(|a| format!(", for the account {a}")).unwrap_or_default();
            let says = format!(
                "{count} request(s) came ({arrival}){account}, but none with a trace of the order{said}"
            );
            let change = "let the relay send the order's id, click id or hashed contact data along; is it another order's retry?";
            return Point::problem(ABOUT, says, change);
        }
        let token = self.gateway.arrivals().iter().any(|a| a.platform == "google_oauth");
        if token
            && self
                .visit
                .shop
                .accounts
                .get(id)
                .is_some_and(|a| a.fields.contains_key("refresh_token"))
        {
            let says = format!("a token was fetched, but no event came{said}");
            return Point::problem(ABOUT, says, self.lead());
        }
        if self.gateway.arrivals().is_empty() {
            let says = format!("nothing came: the relay has called no platform at all{said}");
            return Point::problem(ABOUT, says, self.lead());
        }
        Point::problem(
            ABOUT,
            format!("nothing came, though other platforms were called{said}"),
            self.lead(),
        )
    }

    /// The relay's own log about the canary, to stand behind what was seen.
    fn own_words(&self) -> String {
        let order = OrderRef::Named(CANARY.to_owned());
        let log = self.visit.history.readings.log.iter().flatten();
        let mut own = log.filter(|entry| entry.order == order && entry.platform == self.id());
        let Some(entry) = own.next() else { return String::new() };
        let state = entry.state.map(crate::verdict::word).unwrap_or_else(|| "?".into());
        let reason = entry.reason.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("; its own log says: {state}{reason}")
    }

    /// How this platform's calls are led here.
    fn lead(&self) -> String {
        let id = self.id();
        let host = self.visit.platform.hosts().first().copied().unwrap_or(id);
        let door = self.gateway.door();
        match self.profile.capture {
            Capture::BaseUrl if self.profile.start.is_some() => format!(
                "hand {{{{ gateway.{id} }}}} to the relay as the base URL of {host} in {}; if it has no such setting, say `capture: proxy`",
                self.places.of_field("start.env")
            ),
            Capture::BaseUrl => format!(
                "let the relay call {} instead of https://{host}; if it has no such setting, say `capture: proxy`",
                door.base_url(id)
            ),
            Capture::Proxy if self.profile.start.is_some() => {
                "does its HTTP client read the proxy variables below? If not, hand {{ gateway.proxy }} to it, or say `capture: hosts`".to_owned()
            }
            Capture::Proxy => {
                "set the variables below in the relay's environment and start it again".to_owned()
            }
            Capture::Hosts => format!(
                "let {host} lead to {} (/etc/hosts, DNS, extra_hosts), port 443; Node needs the hook below only",
                door.address()
            ),
        }
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

    fn counted(&self, sighting: &Sighting<'_>) -> Point {
        const ABOUT: &str = "counted";
        let Some(cell) = self.cell(CANARY) else { return Point::not_checked(ABOUT, "not judged") };
        if cell.right {
            return Point::ok(ABOUT, "once");
        }
        let broken = sighting.exchange.reading.iter().flat_map(|reading| &reading.broken);
        let refused: Option<&Violation> = broken.into_iter().find(|violation| violation.refused);
        if let (Outcome::Lost | Outcome::Unknown, Some(violation)) = (cell.outcome, refused) {
            let says = format!("the platform refuses it: {}", violation.message);
            return Point::problem(ABOUT, says, explain(violation.rule));
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
        let sent = sighting.item.key.as_deref().unwrap_or_default();
        if sent == expected.event_id {
            return Point::ok(ABOUT, sent.to_owned());
        }
        let field = self.places.of_field("policies.event_id");
        let change = match self.convention(sent) {
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

    /// The template that makes this very id of the canary, if it is made of one of its facts.
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
        // What is left must be fixed words: a number beside it is made anew for each event.
        let rest = sent.replacen(text.as_str(), "", 1);
        if rest.chars().filter(char::is_ascii_digit).count() > 3 {
            return None;
        }
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

    fn consent_advice(&self) -> String {
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

fn explain(rule: &str) -> String {
    format!("see `harness explain {rule}`")
}
