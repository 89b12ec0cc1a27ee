//! Landings: what brought a shopper, as their browser and the storefront tell it to the relay.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{CONTROL, Driver, Fault, SHOPPER, consent, named};
use crate::{
    history::Did,
    plan::Person,
    platforms,
    scenario::{Click, ConsentAnswer, JoinKey, Step, Visit},
};

/// Landing parameters of paid clicks, one per platform family.
const PAID: &[&str] = &["fbclid", "gclid", "ttclid"];
/// Cookies that a browser has without having been given any by the scenario.
const COOKIES: &[&str] = &["_fbp", "_ttp", "_ga"];

/// One landing as the browser saw it.
#[derive(Debug, Clone)]
pub(super) struct Landing {
    pub(super) step: Option<usize>,
    pub(super) by: String,
    /// Full URL.
    pub(super) url: String,
    pub(super) referrer: Option<String>,
    pub(super) cookies: BTreeMap<String, String>,
    pub(super) ip: String,
    pub(super) user_agent: String,
    forwarded_for: String,
    gpc: bool,
    consent: Option<ConsentAnswer>,
    /// How long ago it was, where that is told.
    ago: Option<time::Duration>,
    cart_token: Option<String>,
    checkout_token: Option<String>,
    shop: usize,
}

/// A landing that is told after the person's order, by this long.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) landing: Landing,
    pub(super) after: Duration,
}

impl Driver<'_> {
    pub(super) async fn visit(&mut self, index: usize, visit: &Visit) -> Result<(), Fault> {
        let by = named(visit.by.as_ref()).to_owned();
        let landing = self.landing_of(Some(index), &by, visit)?;
        let shopper = self.shopper(&by);
        shopper.landing = Some(landing.clone());
        if let Some(answer) = visit.consent.as_ref().filter(|a| **a != ConsentAnswer::Unknown) {
            shopper.consent = Some(answer.clone());
        }
        match visit.late {
            Some(after) => self.late.push(Late { landing, after: after.unsigned() }),
            None => self.tell(landing).await,
        }
        Ok(())
    }

    /// The landing that a visit makes.
    pub(super) fn landing_of(
        &self,
        step: Option<usize>,
        by: &str,
        visit: &Visit,
    ) -> Result<Landing, Fault> {
        let person = self.person(by)?;
        let shop_index = self.shop_of(step, by);
        let shop = self.shop(shop_index)?;
        let fill = |text: &str| self.stage.case.fill(text).map_err(Fault);
        let optional = |text: &Option<String>| text.as_deref().map(fill).transpose();
        let click = visit.click.as_ref().unwrap_or(&Click::Paid);
        let page = optional(&visit.page)?.unwrap_or_else(|| "/products/mug".into());
        let query = match click {
            Click::Query(raw) => fill(raw)?,
            other => encoded(&self.parameters(by, other)?),
        };
        let ip = optional(&visit.ip)?.unwrap_or_else(|| person.ip.clone());
        let forwarded_for = match optional(&visit.forwarded_spoof)? {
            Some(spoofed) => format!("{spoofed}, {ip}"),
            None => ip.clone(),
        };
        let mut cookies: BTreeMap<String, String> = COOKIES
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), person.ids.get(*name)?.clone())))
            .collect();
        for (name, value) in &visit.cookies {
            match value {
                Some(text) if text == "auto" => {
                    let own = person.ids.get(name);
                    let own = own
                        .ok_or_else(|| Fault(format!("no `auto` value for the cookie `{name}`")))?;
                    cookies.insert(name.clone(), own.clone());
                }
                Some(text) => drop(cookies.insert(name.clone(), fill(text)?)),
                None => drop(cookies.remove(name)),
            }
        }
        let (cart_token, checkout_token) = self.tokens_ahead(step, by);
        Ok(Landing {
            step,
            by: by.to_owned(),
            url: url(&shop.domain, &page, &query),
            referrer: (*click != Click::Direct).then(|| "https://ads.example/".to_owned()),
            cookies,
            ip,
            user_agent: optional(&visit.user_agent)?.unwrap_or_else(|| person.user_agent.clone()),
            forwarded_for,
            gpc: visit.gpc,
            consent: visit.consent.clone(),
            ago: visit.ago.map(|span| span.signed()),
            cart_token,
            checkout_token,
            shop: shop_index,
        })
    }

    /// Tells a landing to the relay, if it takes landings. An answer to the banner goes with it, or just before.
    pub(super) async fn tell(&mut self, landing: Landing) {
        let step = landing.step;
        if let Err(fault) = self.try_to_tell(landing).await {
            self.fail(step, fault.0, true);
        }
    }

    async fn try_to_tell(&mut self, landing: Landing) -> Result<(), Fault> {
        let profile = self.stage.profile;
        let together = profile.send.click.is_some()
            && self.stage.relay.templates().mentions("send.click", "consent");
        if let (false, Some(answer)) = (together, &landing.consent)
            && *answer != ConsentAnswer::Unknown
        {
            self.tell_consent(landing.step, &landing.by, answer).await?;
        }
        let Some(template) = &profile.send.click else { return Ok(()) };
        let person = self.person(&landing.by)?;
        let observed_at = match landing.ago {
            Some(ago) => Some(rfc3339(self.stage.gateway.now() - ago)?),
            None => None,
        };
        let mut facts = self.facts(self.shop(landing.shop)?);
        facts.extend(device(&landing.ip, &landing.forwarded_for, &landing.user_agent, landing.gpc));
        let own = json!({
            "visitor_id": person.visitor_id,
            "url": landing.url,
            "referrer": landing.referrer,
            "cookies": (!landing.cookies.is_empty()).then_some(&landing.cookies),
            "consent": consent::told(landing.consent.as_ref()),
            "cart_token": landing.cart_token,
            "checkout_token": landing.checkout_token,
            "observed_at": observed_at,
        });
        if let Value::Object(own) = own {
            facts.extend(own);
        }
        let time = self.stage.gateway.now();
        let call = self.call("send.click", template, facts).await?;
        self.note_at(landing.step, time, Did::Landing { by: landing.by, call });
        Ok(())
    }

    /// Tells the landings that were to come after this person's order.
    pub(super) async fn tell_late(&mut self, by: &str) {
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.late).into_iter().partition(|late| late.landing.by == by);
        self.late = later;
        for late in due {
            // The scenario's own declared waiting; there is no event to wait on.
            tokio::time::sleep(late.after).await;
            self.tell(late.landing).await;
        }
    }

    /// Address and user agent of a person's browser, for calls other than the landing's.
    pub(super) fn device(&self, by: &str, person: &Person) -> Map<String, Value> {
        match self.shoppers.get(by).and_then(|shopper| shopper.landing.as_ref()) {
            Some(l) => device(&l.ip, &l.forwarded_for, &l.user_agent, l.gpc),
            None => device(&person.ip, &person.ip, &person.user_agent, false),
        }
    }

    /// Shop that a person deals with at a step: that of their next order, else of their last landing, else the first.
    pub(super) fn shop_of(&self, step: Option<usize>, by: &str) -> usize {
        let next = self.next_order(step, by).map(|order| order.shop);
        let last = || Some(self.shoppers.get(by)?.landing.as_ref()?.shop);
        next.or_else(last).unwrap_or(0)
    }

    /// Tokens that the storefront knows at the landing, of the person's next order and only if they join.
    fn tokens_ahead(&self, step: Option<usize>, by: &str) -> (Option<String>, Option<String>) {
        let case = self.stage.case;
        let Some(order) = self.next_order(step, by) else { return (None, None) };
        let joins = case.scenario.steps.iter().find_map(|s| match s {
            Step::Order(o) if order.id == crate::exchange::OrderRef::Named(o.id.clone()) => {
                Some(self.joins(o))
            }
            _ => None,
        });
        let joins = joins.unwrap_or_else(|| self.stage.profile.send.joins.clone());
        // A control order that is played again has tokens of its own.
        let token = |token: &Option<String>, key| {
            token.clone().filter(|_| joins.contains(&key)).map(|token| match self.controls {
                n if by == CONTROL && n > 0 => format!("{token}{n}"),
                _ => token,
            })
        };
        (token(&order.cart_token, JoinKey::Cart), token(&order.checkout_token, JoinKey::Checkout))
    }

    fn next_order(&self, step: Option<usize>, by: &str) -> Option<&crate::plan::Order> {
        let case = self.stage.case;
        if by == CONTROL {
            return Some(&case.sentinel);
        }
        case.scenario.steps.iter().skip(step.map_or(0, |i| i + 1)).find_map(|step| match step {
            Step::Order(o) if o.by.as_deref().unwrap_or(SHOPPER) == by => case.order(&o.id),
            _ => None,
        })
    }

    /// Landing parameters of a click; the control person is none of the scenario's.
    fn parameters(&self, by: &str, click: &Click) -> Result<Vec<(String, String)>, Fault> {
        if by != CONTROL {
            return self.stage.case.landing(by, click).map_err(Fault);
        }
        let platform = platforms::by_id(self.stage.case.platform);
        let takes = |name: &&&str| platform.is_none_or(|p| p.click_field(name).is_some());
        let ids = &self.stage.case.sentinel_person.ids;
        Ok(PAID
            .iter()
            .filter(takes)
            .filter_map(|name| Some(((*name).to_owned(), ids.get(*name)?.clone())))
            .take(1)
            .collect())
    }
}

fn device(ip: &str, forwarded_for: &str, user_agent: &str, gpc: bool) -> Map<String, Value> {
    [
        ("ip", Value::from(ip)),
        ("forwarded_for", Value::from(forwarded_for)),
        ("user_agent", Value::from(user_agent)),
        ("gpc", Value::from(gpc)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

fn encoded(parameters: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

fn url(domain: &str, page: &str, query: &str) -> String {
    let slash = if page.starts_with('/') { "" } else { "/" };
    let joint = match (query.is_empty(), page.contains('?')) {
        (true, _) => "",
        (false, true) => "&",
        (false, false) => "?",
    };
    format!("https://{domain}{slash}{page}{joint}{query}")
}

fn rfc3339(at: OffsetDateTime) -> Result<String, Fault> {
    at.format(&Rfc3339).map_err(|error| Fault(format!("{at} cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn landing_urls_are_put_together() {
        assert_eq!(url("s.example", "/p", "fbclid=A"), "https://s.example/p?fbclid=A");
        assert_eq!(url("s.example", "p?x=1", "fbclid=A"), "https://s.example/p?x=1&fbclid=A");
        assert_eq!(url("s.example", "/p?x=1", ""), "https://s.example/p?x=1");
        let pairs = [("gclid".to_owned(), "a-_b".to_owned()), ("x".to_owned(), "1 &".to_owned())];
        assert_eq!(encoded(&pairs), "gclid=a-_b&x=1+%26");
    }
}
