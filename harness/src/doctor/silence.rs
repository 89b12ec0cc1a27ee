//! Nothing of the canary came to a platform: what did come, and what usually stands behind it.

use super::{
    Point,
    capture::{CAPTURED, Look},
    course::CANARY,
};
use crate::{
    exchange::OrderRef,
    sut::profile::Capture,
    text::{cut, plural},
};

impl Look<'_> {
    /// The point instead of those about an event.
    pub(super) fn nothing(&self) -> Point {
        const ABOUT: &str = CAPTURED;
        let id = self.id();
        let said = self.own_words();
        let unread = self.gateway.unreadable().into_iter().find(|u| u.platform == Some(id));
        let tunnel = self.gateway.tunnels_unread().into_iter().find(|t| t.platform == Some(id));
        if let Some(text) = unread.map(|u| u.to_string()).or(tunnel.map(|t| t.to_string())) {
            return Point::problem_from(ABOUT, &text, "");
        }
        if let Some(why) = &self.visit.history.waited.unproven {
            return Point::not_checked(ABOUT, format!("nothing came, but {why}; try again"));
        }
        if let Some(arrival) = self.arrivals().first() {
            let count: u64 = self.arrivals().iter().map(|arrival| arrival.count).sum();
            let (_, strays) = self.gateway.orphans();
            let own = self.visit.history.exchanges.iter();
            let came: Vec<_> =
                own.chain(&strays).filter(|exchange| exchange.platform == Some(id)).collect();
            let account =
                came.iter().find_map(|exchange| exchange.reading.as_ref()?.account.clone());
            let account = account.map(|a| format!(", for the account {a}")).unwrap_or_default();
            let s = plural(usize::try_from(count).unwrap_or(usize::MAX));
            if let Some(coding) = came.iter().find_map(|exchange| exchange.request.compression()) {
                let says = format!(
                    "{count} request{s} came ({arrival}){account}; a body is compressed (Content-Encoding: {}) and was not read{said}",
                    cut(coding, 20)
                );
                return Point::problem(
                    ABOUT,
                    says,
                    "let the relay send its requests plain or as gzip",
                );
            }
            let says = format!(
                "{count} request{s} came ({arrival}){account}, but none with a trace of the order{said}"
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
            return Point::problem(ABOUT, says, self.lead_or_consent());
        }
        if self.gateway.arrivals().is_empty() {
            let says = format!("nothing came: the relay has called no platform at all{said}");
            return Point::problem(ABOUT, says, self.lead_or_consent());
        }
        Point::problem(
            ABOUT,
            format!("nothing came, though other platforms were called{said}"),
            self.lead_or_consent(),
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

    /// The two reasons for silence that cannot be told apart from here, unless the relay's own log does.
    fn lead_or_consent(&self) -> String {
        format!("{}; or does it withhold the order: {}", self.lead(), self.consent_advice())
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
}
