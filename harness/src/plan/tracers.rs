//! Whose event is this? Finds the case, and the order, that a captured text belongs to by the traceable values in it.
//!
//! Values are kept as 64-bit fingerprints: a case costs a few kilobytes, and adding or removing one costs as many steps
//! as it has values. A value that several open cases share says nothing and is passed over: no owner is better than a wrong one.

use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use sha2::{Digest, Sha256};

use super::{Case, Contact, Order, Person, Shop};
use crate::{
    exchange::{CaseId, OrderRef, Owner},
    scenario::{Click, Step},
};

/// Shortest part of a longer value or text that is looked at.
const SHORTEST: usize = 12;
/// Most bytes of one text that are looked at.
const TEXT_LIMIT: usize = 256 * 1024;

/// How much a value tells, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Order ids and tokens, and what must never leave an order.
    Order,
    /// Click ids.
    Click,
    /// Contact data, plain or hashed.
    Contact,
    /// `#1001`: short, and looked up as a whole text only.
    OrderName,
    /// First-party ids of the browser and the customer.
    Visitor,
    /// Address, user agent, the shop's host name.
    Network,
}

/// Who owns a value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    case: CaseId,
    /// Index into the case's orders; `None`: no single one.
    order: Option<usize>,
    rank: Rank,
}

/// What is kept of a case.
#[derive(Debug)]
struct Known {
    orders: Vec<OrderRef>,
    keys: Vec<u64>,
    /// It has been judged; what comes for it now comes late.
    over: bool,
}

/// The traceable values of all cases that were opened. Those of a case that is over stay, so that what comes late is
/// known to be its own; a value that an open case has as well is the open one's.
#[derive(Debug, Default)]
pub struct Index {
    claims: HashMap<u64, Vec<Claim>>,
    cases: HashMap<CaseId, Known>,
}

impl Index {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a case in, with the shops that it uses.
    pub fn add(&mut self, case: &Case, shops: &[Shop]) {
        self.forget(case.id);
        let mut values = Values::default();
        values.of_case(case);
        values.of_steps(case);
        for shop in shops {
            values.whole(Rank::Network, None, &shop.domain);
        }
        self.insert(case, values);
    }

    fn insert(&mut self, case: &Case, values: Values) {
        let mut keys: Vec<u64> = Vec::with_capacity(values.found.len());
        for (key, (rank, orders)) in values.found {
            let order = match *orders.as_slice() {
                [only] => only,
                _ => None,
            };
            self.claims.entry(key).or_default().push(Claim { case: case.id, order, rank });
            keys.push(key);
        }
        let orders = case.all_orders().map(|order| order.id.clone()).collect();
        self.cases.insert(case.id, Known { orders, keys, over: false });
    }

    /// A case is over.
    pub fn retire(&mut self, case: CaseId) {
        if let Some(known) = self.cases.get_mut(&case) {
            known.over = true;
        }
    }

    fn forget(&mut self, case: CaseId) {
        let Some(known) = self.cases.remove(&case) else { return };
        for key in known.keys {
            if let Some(claims) = self.claims.get_mut(&key) {
                claims.retain(|claim| claim.case != case);
                if claims.is_empty() {
                    self.claims.remove(&key);
                }
            }
        }
    }

    /// The owner of one event, given all texts found in it: the case with the best evidence, and its order if the evidence
    /// names one (or the person has just one). Contradicting evidence of equal worth is no evidence.
    pub fn owner<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Option<Owner> {
        let mut found: Vec<&Claim> = Vec::new();
        for text in texts {
            self.look_up(text, 2, &mut found);
        }
        let case = majority_by_rank(found.iter().map(|claim| (claim.rank, claim.case)))?;
        let of_case = found.iter().filter(|claim| claim.case == case);
        let order = majority_by_rank(of_case.filter_map(|claim| Some((claim.rank, claim.order?))));
        let known = self.cases.get(&case)?;
        Some(Owner { case, order: order.and_then(|index| known.orders.get(index)).cloned() })
    }

    /// `decode`: how many layers of percent-encoding may still be taken off.
    fn look_up<'a>(&'a self, text: &str, decode: u8, found: &mut Vec<&'a Claim>) {
        let mut end = text.len().min(TEXT_LIMIT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default();
        let lower = text.trim().to_lowercase();
        found.extend(self.claim(whole_key(&lower)));
        for_each_key(&lower, |key| found.extend(self.claim(key)));
        if decode > 0 && text.contains('%') {
            for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
                self.look_up(&name, decode - 1, found);
                self.look_up(&value, decode - 1, found);
            }
        }
    }

    /// The claim on a value, if it is the only one of an open case, or else of one that is over.
    fn claim(&self, key: u64) -> Option<&Claim> {
        let claims = self.claims.get(&key)?;
        if let [only] = claims.as_slice() {
            return Some(only);
        }
        let is_open = |claim: &&Claim| self.cases.get(&claim.case).is_some_and(|known| !known.over);
        let mut open = claims.iter().filter(is_open);
        let first = open.next()?;
        open.next().is_none().then_some(first)
    }
}

/// What most of the best evidence says. On a draw the next best decides, among those that drew.
fn majority_by_rank<T: Ord + Copy>(votes: impl Iterator<Item = (Rank, T)>) -> Option<T> {
    let mut by_rank: BTreeMap<Rank, BTreeMap<T, usize>> = BTreeMap::new();
    for (rank, candidate) in votes {
        *by_rank.entry(rank).or_default().entry(candidate).or_default() += 1;
    }
    let mut running: Option<Vec<T>> = None;
    for counts in by_rank.into_values() {
        let in_race =
            |candidate: &T| running.as_ref().is_none_or(|running| running.contains(candidate));
        let counts: Vec<(T, usize)> =
            counts.into_iter().filter(|(candidate, _)| in_race(candidate)).collect();
        let Some(most) = counts.iter().map(|(_, n)| *n).max() else { continue };
        let leading: Vec<T> = counts
            .into_iter()
            .filter(|(_, n)| *n == most)
            .map(|(candidate, _)| candidate)
            .collect();
        if let [only] = *leading.as_slice() {
            return Some(only);
        }
        running = Some(leading);
    }
    None
}

/// The values of one case: fingerprint → rank and the orders that share it.
#[derive(Debug, Default)]
struct Values {
    found: HashMap<u64, (Rank, Vec<Option<usize>>)>,
}

impl Values {
    fn put(&mut self, key: u64, rank: Rank, order: Option<usize>) {
        let (known, orders) = self.found.entry(key).or_insert_with(|| (rank, Vec::new()));
        *known = rank.min(*known);
        if !orders.contains(&order) {
            orders.push(order);
        }
    }

    /// A value, and those parts of it that are long enough to be its own.
    fn parts(&mut self, rank: Rank, order: Option<usize>, value: &str) {
        let lower = value.trim().to_lowercase();
        self.put(whole_key(&lower), rank, order);
        for_each_key(&lower, |key| self.put(key, rank, order));
    }

    /// A value that counts only if a text is just that.
    fn whole(&mut self, rank: Rank, order: Option<usize>, value: &str) {
        self.put(whole_key(&value.trim().to_lowercase()), rank, order);
    }

    /// What the plan made.
    fn of_case(&mut self, case: &Case) {
        for (index, order) in case.all_orders().enumerate() {
            self.of_order(case, order, index);
        }
        for person in case.people.values() {
            let orders =
                case.orders.iter().enumerate().filter(|(_, order)| order.by == person.name);
            self.of_person(person, only(orders.map(|(index, _)| index)));
            self.whole(Rank::Network, None, &person.ip);
        }
        self.of_person(&case.sentinel_person, Some(case.orders.len()));
    }

    fn of_order(&mut self, case: &Case, order: &Order, index: usize) {
        let here = Some(index);
        let number = order.numeric_id.to_string();
        let event_id = case.values.get(&format!("{}.event_id", order.id));
        let tokens = [
            Some(&number),
            Some(&order.token),
            order.checkout_token.as_ref(),
            order.cart_token.as_ref(),
        ];
        for value in tokens.into_iter().flatten().chain(event_id).chain(order.canaries.values()) {
            // The person's street is on all of their orders.
            let own = order.canaries.get("street") != Some(value);
            self.parts(Rank::Order, if own { here } else { None }, value);
        }
        self.parts(Rank::Order, here, &order.product_id.to_string());
        self.whole(Rank::OrderName, here, &order.name);
        self.whole(Rank::OrderName, here, order.name.trim_start_matches('#'));
        self.contact(&order.contact, here);
    }

    fn of_person(&mut self, person: &Person, order: Option<usize>) {
        for (name, value) in &person.ids {
            let rank = if name.starts_with('_') { Rank::Visitor } else { Rank::Click };
            self.parts(rank, order, value);
        }
        for value in person.contact.customer_id.iter().chain([&person.visitor_id]) {
            self.parts(Rank::Visitor, order, value);
            self.parts(Rank::Visitor, order, &sha256(value));
        }
        self.whole(Rank::Network, order, &person.user_agent);
        self.contact(&person.contact, order);
    }

    fn contact(&mut self, contact: &Contact, order: Option<usize>) {
        let email = contact.email.iter().flat_map(|email| email_forms(email));
        let phone =
            contact.phone.iter().flat_map(|phone| phone_forms(phone, contact.country.as_deref()));
        for form in email.chain(phone) {
            self.whole(Rank::Contact, order, &form);
            self.parts(Rank::Contact, order, &sha256(&form));
        }
        // The traceable part of an address that is written inside another text.
        if let Some(email) = &contact.email {
            self.parts(Rank::Contact, order, email);
        }
    }

    /// What the scenario names itself: good evidence as long as no other open case names the same.
    fn of_steps(&mut self, case: &Case) {
        for step in &case.scenario.steps {
            let Step::Visit(visit) = step else { continue };
            let by = visit.by.as_deref().unwrap_or("shopper");
            let order = only(
                case.orders
                    .iter()
                    .enumerate()
                    .filter(|(_, order)| order.by == by)
                    .map(|(index, _)| index),
            );
            if let Some(click @ Click::Ids(_)) = &visit.click {
                for (_, value) in case
                    .landing(by, click)
                    .into_iter()
                    .flatten()
                    .filter(|(_, v)| v.len() >= SHORTEST)
                {
                    self.parts(Rank::Click, order, &value);
                }
            }
            let cookies =
                visit.cookies.values().flatten().filter_map(|value| case.fill(value).ok());
            for value in cookies.filter(|value| value.len() >= SHORTEST) {
                self.parts(Rank::Visitor, order, &value);
            }
        }
    }
}

/// The only one, if there is one and no second.
fn only(mut of: impl Iterator<Item = usize>) -> Option<usize> {
    let first = of.next()?;
    of.next().is_none().then_some(first)
}

/// Fingerprint of a text as a whole.
fn whole_key(lower: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    ("whole", lower).hash(&mut hasher);
    hasher.finish()
}

/// Fingerprints of the parts of a text: at all that is no letter, digit, `-` or `_` (click ids), and at all but letters and digits.
fn for_each_key(lower: &str, mut each: impl FnMut(u64)) {
    let mut part = |text: &str| {
        if text.len() >= SHORTEST {
            let mut hasher = DefaultHasher::new();
            ("part", text).hash(&mut hasher);
            each(hasher.finish());
        }
    };
    for piece in lower.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')) {
        part(piece);
        if piece.contains(['-', '_']) {
            piece.split(['-', '_']).for_each(&mut part);
        }
    }
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// All that relays make of an address before they hash it, right or wrong.
fn email_forms(typed: &str) -> Vec<String> {
    let lower = typed.trim().to_lowercase();
    let (local, domain) = lower.split_once('@').unwrap_or((&lower, ""));
    let before_plus = local.split('+').next().unwrap_or(local);
    let forms = [
        typed.to_owned(),
        typed.trim().to_owned(),
        typed.to_uppercase(),
        format!("{}@{domain}", local.replace('.', "")),
        format!("{}@{domain}", before_plus.replace('.', "")),
        format!("{before_plus}@{domain}"),
        lower.clone(),
    ];
    forms.into()
}

/// Likewise for a telephone number of the plan's own (US, UK, or with its country code).
fn phone_forms(typed: &str, country: Option<&str>) -> Vec<String> {
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let national = digits.trim_start_matches('0');
    let full = match country {
        _ if typed.trim_start().starts_with('+') => digits.clone(),
        Some("US") => format!("1{national}"),
        Some("GB") => format!("44{national}"),
        _ => digits.clone(),
    };
    vec![typed.to_owned(), format!("+{full}"), full, format!("+{digits}"), digits]
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::{
        Plan,
        cases::{PlanOptions, plan, shops},
        tests::{profile, scenario},
    };

    /// Every value that the plan made belongs to one case alone.
    pub(crate) fn assert_no_value_is_shared(plan: &Plan) {
        let mut seen: HashMap<u64, &str> = HashMap::new();
        for case in &plan.cases {
            // Values that a scenario names itself may be shared: take them out.
            let mut case_values = Values::default();
            let mut bare = case.clone();
            for order in &mut bare.orders {
                let person = case.people.get(&order.by);
                order.contact = person.map(|person| person.contact.clone()).unwrap_or_default();
                let id = order.id.to_string();
                let named = case.scenario.steps.iter().any(
                    |step| matches!(step, Step::Order(step) if step.id == id && step.same_id_as.is_some()),
                );
                if named {
                    order.numeric_id = order.product_id + 1_000_000_000_000;
                    bare.values.remove(&format!("{id}.event_id"));
                }
            }
            case_values.of_case(&bare);
            for key in case_values.found.keys() {
                if let Some(other) = seen.insert(*key, &case.name) {
                    panic!("{} and {other} share a value", case.name);
                }
            }
        }
    }

    fn planned() -> Plan {
        let profile = profile();
        let scenarios = [
            scenario("one/order", "steps:\n- visit: { click: paid }\n- order: { id: A }\n"),
            scenario(
                "two/orders",
                "steps:\n- visit: { click: { gclid: \"SharedBySeveralCases\" } }\n- order: { id: A }\n- order: { id: B }\n",
            ),
        ];
        plan(
            &scenarios,
            &PlanOptions { seed: 3, profile: &profile, platforms: None, patterns: vec![] },
        )
        .unwrap()
    }

    fn index(plan: &Plan) -> Index {
        let mut index = Index::new();
        let shops = shops(3, 0, plan.cases.len(), &profile());
        for (case, shop) in plan.cases.iter().zip(shops) {
            index.add(case, &[shop]);
        }
        index
    }

    fn owner(index: &Index, texts: &[&str]) -> Option<(CaseId, Option<String>)> {
        let owner = index.owner(texts.iter().copied())?;
        Some((owner.case, owner.order.map(|order| order.to_string())))
    }

    fn owns(case: &Case, order: Option<&str>) -> Option<(CaseId, Option<String>)> {
        Some((case.id, order.map(str::to_owned)))
    }

    #[test]
    fn every_value_of_an_order_leads_to_it() {
        let plan = planned();
        let index = index(&plan);
        let case = plan.cases.iter().find(|case| case.name == "one/order/meta").unwrap();
        let shopper = &case.people["shopper"];
        let order = case.order("A").unwrap();
        let email = shopper.contact.email.clone().unwrap();
        let full_phone = phone_forms(
            shopper.contact.phone.as_deref().unwrap(),
            shopper.contact.country.as_deref(),
        )[2]
        .clone();
        for text in [
            order.numeric_id.to_string(),
            format!("gid://shopify/Order/{}", order.numeric_id),
            format!("order_{}", order.numeric_id),
            order.name.clone(),
            format!("https://shop.example/done?t={}&x=1", order.token),
            order.canaries["note"].to_lowercase(),
            format!("x {} y", order.canaries["page_email"]),
            shopper.ids["fbclid"].clone(),
            shopper.ids["fbclid"].to_lowercase(),
            format!("fb.1.1760000000000.{}", shopper.ids["fbclid"]),
            format!("?q=1&ttclid={}", shopper.ids["ttclid"].replace('_', "%5F")),
            shopper.ids["_fbp"].clone(),
            shopper.ids["gclid_2"].clone(),
            email.clone(),
            email.replace('@', "%2540"),
            sha256(&email.to_lowercase()),
            sha256(&email).to_uppercase(),
            sha256(&email.to_uppercase()),
            sha256(&full_phone),
            sha256(&format!("+{full_phone}")),
            shopper.visitor_id.clone(),
            sha256(shopper.contact.customer_id.as_deref().unwrap()),
            shopper.user_agent.clone(),
        ] {
            assert_eq!(owner(&index, &[&text]), owns(case, Some("A")), "{text}");
        }
        // Addresses and hosts lead to the case.
        assert_eq!(owner(&index, &[&shopper.ip]), owns(case, None));
        let url = format!("https://{}/", shops(3, 0, plan.cases.len(), &profile())[case.id].domain);
        assert_eq!(
            owner(&index, &[url.trim_start_matches("https://").trim_end_matches('/')]),
            owns(case, None)
        );
        let control = case.sentinel.numeric_id.to_string();
        assert_eq!(owner(&index, &[&control]), owns(case, Some("sentinel")));
    }

    #[test]
    fn nothing_traceable_has_no_owner() {
        let index = index(&planned());
        for text in [
            "",
            "  ",
            "Purchase",
            "49.99",
            "EUR",
            "%",
            "%%%ff",
            "6100000000001234567",
            "é",
            "example.com",
        ] {
            assert_eq!(owner(&index, &[text]), None, "{text}");
        }
    }

    #[test]
    fn better_evidence_beats_more_of_it_and_a_draw_is_no_evidence() {
        let plan = planned();
        let index = index(&plan);
        let [a, b] = ["one/order/meta", "one/order/tiktok"]
            .map(|name| plan.cases.iter().find(|c| c.name == name).unwrap());
        let order = a.order("A").unwrap().numeric_id.to_string();
        let other = &b.people["shopper"];
        let texts = [
            order.as_str(),
            &other.ip,
            &other.user_agent,
            &other.ids["_fbp"],
            &other.ids["fbclid"],
        ];
        assert_eq!(owner(&index, &texts), owns(a, Some("A")));
        let order_of_b = b.order("A").unwrap().numeric_id.to_string();
        assert_eq!(owner(&index, &[&order, &order_of_b]), None);
        assert_eq!(owner(&index, &[&order, &order_of_b, &other.ip]), owns(b, Some("A")));
    }

    #[test]
    fn a_person_with_two_orders_leads_to_the_case_alone() {
        let plan = planned();
        let index = index(&plan);
        let case = plan.cases.iter().find(|case| case.name == "two/orders/meta").unwrap();
        let click = &case.people["shopper"].ids["fbclid"];
        assert_eq!(owner(&index, &[click]), owns(case, None));
        let name = &case.order("B").unwrap().name;
        assert_eq!(owner(&index, &[click, name]), owns(case, Some("B")));
        let both: Vec<_> =
            ["A", "B"].iter().map(|id| case.order(id).unwrap().numeric_id.to_string()).collect();
        assert_eq!(owner(&index, &[&both[0], &both[1]]), owns(case, None));
    }

    #[test]
    fn a_value_that_open_cases_share_says_nothing_until_one_is_left() {
        let plan = planned();
        let mut index = index(&plan);
        let sharing: Vec<_> =
            plan.cases.iter().filter(|case| case.name.starts_with("two/")).collect();
        assert_eq!(owner(&index, &["SharedBySeveralCases"]), None);
        for case in &sharing[1..] {
            index.retire(case.id);
        }
        assert_eq!(owner(&index, &["SharedBySeveralCases"]), owns(sharing[0], None));
    }

    #[test]
    fn what_comes_late_is_still_known_to_be_its_case_s() {
        let plan = planned();
        let mut index = index(&plan);
        let case = plan.cases.iter().find(|case| case.name == "two/orders/meta").unwrap();
        index.retire(case.id);
        let number = case.order("B").unwrap().numeric_id.to_string();
        assert_eq!(owner(&index, &[&number]), owns(case, Some("B")));
    }

    #[test]
    fn adding_a_case_again_leaves_nothing_of_the_first_time() {
        let plan = planned();
        let (mut once, mut again) = (Index::new(), Index::new());
        for case in &plan.cases {
            once.add(case, &[]);
            again.add(case, &[]);
            again.add(case, &[]);
        }
        let claims = |index: &Index| index.claims.values().map(Vec::len).sum::<usize>();
        assert_eq!(claims(&again), claims(&once));
        assert_eq!(again.cases.len(), once.cases.len());
    }
}
