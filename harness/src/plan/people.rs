//! Synthetic shoppers and orders. Reserved names, ranges and numbers only: `example.com` (RFC 2606), RFC 5737 and
//! RFC 3849 addresses, telephone numbers set aside for fiction.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use super::{Contact, Order, Person};
use crate::{
    exchange::OrderRef,
    inputs::money,
    platforms::normalise,
    scenario::{MoneyParts, OrderKind, OrderState, OrderStep, units::Money, units::offset},
};

/// A source of values that look random and depend on the seed, the case's name and a label alone:
/// the same case has the same tracers whichever other cases run.
#[derive(Debug, Clone)]
pub(super) struct Source {
    seed: u64,
    key: String,
}

impl Source {
    pub(super) fn new(seed: u64, case: &str) -> Self {
        Self { seed, key: format!("{seed}/{case}") }
    }

    /// A source of its own for one part.
    fn part(&self, name: &str) -> Self {
        Self { seed: self.seed, key: format!("{}/{name}", self.key) }
    }

    /// Where this run begins to count values of one sort, below `limit`: what is counted is unique in a run, and what comes
    /// late from a run of another seed is not taken for this one's.
    fn start(&self, of: &str, limit: u64) -> u64 {
        Self::new(self.seed, "start").number(of, limit)
    }

    fn bytes(&self, label: &str, n: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(n + 31);
        for block in 0u32.. {
            if bytes.len() >= n {
                break;
            }
            let digest = Sha256::new()
                .chain_update(&self.key)
                .chain_update(label)
                .chain_update(block.to_le_bytes())
                .finalize();
            bytes.extend_from_slice(&digest);
        }
        bytes.truncate(n);
        bytes
    }

    /// A number below `limit`.
    pub(super) fn number(&self, label: &str, limit: u64) -> u64 {
        let wide = self.bytes(label, 8).iter().fold(0, |n: u64, b| n << 8 | u64::from(*b));
        wide % limit.max(1)
    }

    fn text(&self, label: &str, n: usize, alphabet: &[u8]) -> String {
        let letters = self
            .bytes(label, n)
            .into_iter()
            .filter_map(|b| alphabet.get(usize::from(b) % alphabet.len()));
        letters.map(|b| char::from(*b)).collect()
    }

    /// `n` hexadecimal digits.
    pub(super) fn hex(&self, label: &str, n: usize) -> String {
        self.text(label, n, b"0123456789abcdef")
    }

    fn digits(&self, label: &str, n: usize) -> String {
        self.text(label, n, b"0123456789")
    }

    /// Mixed case with `-` and `_` in it, as click ids have them: what lower-cases or re-encodes it is found out.
    fn url_safe(&self, label: &str, n: usize) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let half = n.saturating_sub(4) / 2;
        let (front, back) =
            (self.text(label, half, ALPHABET), self.text(&format!("{label}2"), half, ALPHABET));
        format!("{front}-Q_z{back}")
    }

    fn pick<'a, T>(&self, label: &str, from: &'a [T]) -> Option<&'a T> {
        let index = self.number(label, u64::try_from(from.len()).unwrap_or(1));
        from.get(usize::try_from(index).unwrap_or(0))
    }
}

/// Where a case and its people stand in the run: what has to be unique is counted, not drawn.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Position {
    /// How many cases come before.
    pub(super) case: u64,
    /// How many people come before.
    pub(super) people: u64,
    /// How many orders come before.
    pub(super) orders: u64,
}

struct Home {
    country: &'static str,
    city: &'static str,
    region: Option<&'static str>,
    postcode: &'static str,
    street: &'static str,
}

const fn home(
    country: &'static str,
    city: &'static str,
    region: Option<&'static str>,
    postcode: &'static str,
    street: &'static str,
) -> Home {
    Home { country, city, region, postcode, street }
}

const HOMES: &[Home] = &[
    home("DE", "Köln", None, "50667", "Hohe Straße 41"),
    home("DE", "München", Some("BY"), "80331", "Sendlinger Str. 7"),
    home("GB", "St Albans", None, "AL3 4DF", "12 George Street"),
    home("GB", "London", None, "SW1A 1AA", "3 Old Queen Street"),
    home("US", "San Francisco", Some("CA"), "94110", "2110 Folsom St"),
    home("US", "Saint Paul", Some("MN"), "55102-1401", "75 W 5th St"),
    home("FR", "Aix-en-Provence", None, "13100", "8 rue Espariat"),
    home("SE", "Malmö", None, "211 22", "Södergatan 15"),
    home("NL", "'s-Hertogenbosch", Some("NB"), "5211 GL", "Hinthamerstraat 2"),
];

const FIRST_NAMES: &[&str] = &[
    "Jane",
    "Søren",
    "Mary Ann",
    "José",
    "Anne-Marie",
    "Ünal",
    "Zoë",
    "Jürgen",
    "Chloé",
    "Liam",
    "Łukasz",
    "Siobhán",
];
const LAST_NAMES: &[&str] = &[
    "Doe",
    "Müller",
    "O'Neill",
    "García López",
    "van der Berg",
    "Strauß",
    "Åkesson",
    "Smith-Jones",
    "Núñez",
    "Brown",
];

/// North American area codes; 555-0100 to 555-0199 is fiction in all of them.
const AREA_CODES: &[u16] = &[
    201, 202, 205, 206, 207, 208, 209, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229,
    231, 234, 239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 276, 281, 301, 302,
    303, 304, 305, 307, 308, 309, 310, 312, 313, 314, 315, 316, 317, 318, 319, 320, 321, 323, 330,
    334, 336, 337, 339, 347, 351, 352, 360, 361, 386, 401, 402, 404, 405, 406, 407, 408, 409, 410,
    412, 413, 414, 415, 417, 419, 423, 424, 425, 432, 434, 435, 440, 443, 469, 478, 479, 480, 484,
    501, 502, 503, 504, 505,
];

/// A shopper. `control`: the one of the control order, as ordinary as can be.
pub(super) fn person(
    source: &Source,
    name: &str,
    nth: u64,
    first_of_case: bool,
    at: Position,
    control: bool,
) -> Person {
    let own = source.part(if control { "control" } else { name });
    let ordinal = at.people + nth;
    let ip = if control {
        // Shared by many: no tracer. The control order has to pass where IPv6 may not.
        format!("192.0.2.{}", 1 + own.number("ip", 254))
    } else if first_of_case && at.case < 508 {
        let net = if at.case < 254 { "198.51.100" } else { "203.0.113" };
        format!("{net}.{}", 1 + at.case % 254)
    } else {
        // 2001:db8::/32 with 96 bits of its own.
        let host = own.bytes("ip", 12).iter().fold(0, |n: u128, b| n << 8 | u128::from(*b));
        std::net::Ipv6Addr::from(0x2001_0db8 << 96 | host).to_string()
    };
    Person {
        name: name.to_owned(),
        visitor_id: format!("v-{}", own.hex("visitor", 24)),
        contact: contact(&own, ordinal, control),
        ip,
        user_agent: user_agent(&own),
        ids: ids(&own),
    }
}

fn contact(own: &Source, ordinal: u64, control: bool) -> Contact {
    let home = if control { HOMES.get(4) } else { own.pick("home", HOMES) };
    let first = own.pick("first", FIRST_NAMES).copied().unwrap_or("Jane");
    let last = own.pick("last", LAST_NAMES).copied().unwrap_or("Doe");
    let plain = |name: &str| name.chars().filter(char::is_ascii_alphabetic).collect::<String>();
    let country = home.map(|home| home.country);
    Contact {
        // As a shopper types it, with capitals.
        email: Some(format!(
            "{}.{}.{}@Example.com",
            plain(first),
            plain(last),
            own.hex("email", 12)
        )),
        phone: Some(phone(own, ordinal, country)),
        first_name: Some(first.to_owned()),
        last_name: Some(last.to_owned()),
        street: home.map(|home| format!("{} {}", canary(own, "street"), home.street)),
        city: home.map(|home| home.city.to_owned()),
        region: home.and_then(|home| home.region).map(str::to_owned),
        postcode: home.map(|home| home.postcode.to_owned()),
        country: country.map(str::to_owned),
        customer_id: Some(
            (7_100_000_000_000 + ordinal * 1_000 + own.number("customer", 1_000)).to_string(),
        ),
    }
}

/// 555-01xx in the US, 07700 900xxx in the UK (Ofcom's numbers for drama); abroad with the country code.
fn phone(own: &Source, ordinal: u64, country: Option<&str>) -> String {
    const BRITISH: u64 = 1_000;
    if country == Some("GB") && ordinal < BRITISH {
        let ordinal = (ordinal + own.start("british phones", BRITISH)) % BRITISH;
        return match own.number("phone", 3) {
            0 => format!("07700 900{ordinal:03}"),
            1 => format!("(07700) 900-{ordinal:03}"),
            _ => format!("+44 7700 900{ordinal:03}"),
        };
    }
    let numbers = 100 * u64::try_from(AREA_CODES.len()).unwrap_or(1);
    let ordinal = (ordinal + own.start("phones", numbers)) % numbers;
    let area =
        usize::try_from(ordinal / 100).ok().and_then(|i| AREA_CODES.get(i)).copied().unwrap_or(212);
    let line = ordinal % 100;
    match (country, own.number("phone", 3)) {
        (Some("US"), 0) => format!("({area}) 555-01{line:02}"),
        (Some("US"), 1) => format!("{area}.555.01{line:02}"),
        (_, 2) => format!("+1{area}55501{line:02}"),
        _ => format!("+1 ({area}) 555-01{line:02}"),
    }
}

fn user_agent(own: &Source) -> String {
    let build = own.number("build", 90_000_000) + 10_000_000;
    let minor = own.hex("minor", 6).to_uppercase();
    match own.number("browser", 3) {
        0 => format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.{}.{build}",
            own.number("patch", 9_000) + 1_000
        ),
        1 => format!(
            "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/AP2A.{build}.{minor}; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/131.0.6778.81 Mobile Safari/537.36"
        ),
        _ => format!(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22B83 [FBAN/FBIOS;FBAV/490.0.0.57;FBBV/{build}{};FBDV/iPhone15,4]",
            own.digits("patch", 4)
        ),
    }
}

/// Landing parameters and cookies, as the ad platforms shape theirs; `NAME_2` is a second click's.
fn ids(own: &Source) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    for (suffix, own) in [("", own.clone()), ("_2", own.part("second click"))] {
        let mut put = |name: &str, value: String| ids.insert(format!("{name}{suffix}"), value);
        put(
            "fbclid",
            format!(
                "IwZXh0bgNhZW0CMTEAAR{}_aem_{}",
                own.url_safe("fbclid", 62),
                own.url_safe("aem", 22)
            ),
        );
        put("gclid", format!("Cj0KCQiA{}_BwE", own.url_safe("gclid", 72)));
        put("gbraid", format!("0AAAAA{}", own.url_safe("gbraid", 20)));
        put("wbraid", format!("CkcKCQiA{}", own.url_safe("wbraid", 62)));
        put("ttclid", format!("E.C.P.{}", own.url_safe("ttclid", 150)));
    }
    // Before any click of any run; the browser ids' age is no part of what is judged.
    let born = 1_760_000_000_000 + own.number("born", 1_000_000_000);
    ids.insert("_fbp".into(), format!("fb.1.{born}.1{}", own.digits("fbp", 17)));
    ids.insert(
        "_ttp".into(),
        format!("01{}", own.text("ttp", 24, b"0123456789ABCDEFGHJKMNPQRSTVWXYZ")),
    );
    ids.insert("_ga".into(), format!("GA1.1.1{}.{}", own.digits("ga", 9), born / 1_000));
    ids
}

fn canary(own: &Source, kind: &str) -> String {
    format!("CANARY{}", own.hex(&format!("canary {kind}"), 14))
}

/// An order of a step. `nth`: its number in the case.
pub(super) fn order(
    source: &Source,
    step: &OrderStep,
    person: &Person,
    nth: u64,
    at: Position,
) -> Order {
    let own = source.part(&format!("order {}", step.id));
    let mut order = blank(&own, OrderRef::Named(step.id.clone()), person, nth, at);
    order.by = step.by.clone().unwrap_or_else(|| "shopper".into());
    order.shop = usize::from(step.shop.as_deref() == Some("two"));
    if step.large_id {
        // Twice anything leaves it odd.
        order.numeric_id = (1 << 53) + 1 + 2 * (order.numeric_id % 1_000_000_000_000);
    }
    order.placed = -step.ago.unwrap_or_default().signed();
    order.zone = step.zone.as_deref().and_then(offset).unwrap_or(time::UtcOffset::UTC);
    order.state = step.state.unwrap_or(OrderState::Paid);
    order.kind = step.kind.unwrap_or(OrderKind::Web);
    order.test = step.test;
    if let Some(total) = &step.total {
        set_money(&mut order, total, &step.money);
    }
    order.presentment =
        step.money.presentment.as_ref().map(|money| (money.amount, money.currency.clone()));
    if let Some(Some(country)) = step.contact.get("country") {
        move_to(&mut order.contact, country);
    }
    for (field, value) in &step.contact {
        if let Some(slot) = contact_field(&mut order.contact, field) {
            slot.clone_from(value);
        }
    }
    // Made at the till, by staff or by a program: there is no cart.
    if order.kind != OrderKind::Web {
        order.checkout_token = None;
        order.cart_token = None;
    }
    order
}

/// An address abroad. A postcode of another country has no right form there, nor has a number without its country's code.
fn move_to(contact: &mut Contact, country: &str) {
    if contact.country.as_deref() == Some(country) {
        return;
    }
    let home = HOMES.iter().find(|home| home.country == country);
    contact.city = home.map(|home| home.city.to_owned());
    contact.region = home.and_then(|home| home.region).map(str::to_owned);
    contact.postcode = home.map(|home| home.postcode.to_owned());
    let phone = contact.phone.take();
    contact.phone =
        phone.map(|phone| normalise::e164(&phone, contact.country.as_deref()).unwrap_or(phone));
    contact.country = Some(country.to_owned());
}

/// The control order.
pub(super) fn control(source: &Source, person: &Person, nth: u64, at: Position) -> Order {
    blank(&source.part("control order"), OrderRef::Sentinel, person, nth, at)
}

fn blank(own: &Source, id: OrderRef, person: &Person, nth: u64, at: Position) -> Order {
    let ordinal = at.orders + nth;
    // Ids are counted, in steps wide enough for bulk orders, from a start that the seed chooses.
    let start = own.start("orders", 40_000) * 10_000_000_000;
    let first_name = own.start("names", 8_000) * 100_000;
    let cents = i64::try_from(1_000 + ordinal).unwrap_or(1_000);
    let mut canaries: BTreeMap<&'static str, String> =
        ["note", "attribute", "line_property", "order_status_key", "company", "address2", "page"]
            .into_iter()
            .map(|kind| (kind, canary(own, kind)))
            .collect();
    canaries.insert("page_email", format!("canary.{}@example.com", own.hex("page email", 14)));
    if let Some(street) =
        person.contact.street.as_deref().and_then(|street| street.split(' ').next())
    {
        canaries.insert("street", street.to_owned());
    }
    let mut order = Order {
        id,
        by: person.name.clone(),
        shop: 0,
        numeric_id: 6_100_000_000_000 + start + ordinal * 10_000,
        name: format!("#{}", 100_001 + first_name + ordinal),
        token: own.hex("token", 32),
        checkout_token: Some(own.hex("checkout", 32)),
        cart_token: Some(format!("Z2NwLWV1{}", own.url_safe("cart", 24))),
        placed: time::Duration::ZERO,
        zone: time::UtcOffset::UTC,
        total: Decimal::ZERO,
        currency: String::new(),
        subtotal: Decimal::ZERO,
        tax: Decimal::ZERO,
        shipping: Decimal::ZERO,
        discount: Decimal::ZERO,
        presentment: None,
        state: OrderState::Paid,
        kind: OrderKind::Web,
        test: false,
        contact: person.contact.clone(),
        product_id: 8_100_000_000_000 + start + ordinal,
        canaries,
    };
    set_money(
        &mut order,
        &Money { amount: Decimal::new(cents, 2), currency: "EUR".into() },
        &MoneyParts::default(),
    );
    order
}

/// Parts that the step does not name are chosen so that total = subtotal + tax + shipping, all different:
/// a relay that reports another basis than it declares is found out.
fn set_money(order: &mut Order, total: &Money, parts: &MoneyParts) {
    let scale = money::digits(&total.currency);
    let share =
        |hundredths: i64| (total.amount * Decimal::new(hundredths, 2)).trunc_with_scale(scale);
    let given = |part: &Option<Money>| part.as_ref().map(|money| money.amount);
    let rest = |known: Decimal| (total.amount - known).max(Decimal::ZERO);
    let subtotal = given(&parts.subtotal);
    // With the subtotal given, tax and shipping share what is left.
    let (tax, shipping) = match (subtotal, given(&parts.tax), given(&parts.shipping)) {
        (_, Some(tax), Some(shipping)) => (tax, shipping),
        (Some(subtotal), Some(tax), None) => (tax, rest(subtotal + tax)),
        (Some(subtotal), None, Some(shipping)) => (rest(subtotal + shipping), shipping),
        (Some(subtotal), None, None) => (rest(subtotal), Decimal::ZERO),
        (None, Some(tax), None) => (tax, share(7).min(rest(tax))),
        (None, None, Some(shipping)) => (share(16).min(rest(shipping)), shipping),
        (None, None, None) => (share(16), share(7)),
    };
    order.total = total.amount;
    order.currency.clone_from(&total.currency);
    order.tax = tax;
    order.shipping = shipping;
    order.subtotal = subtotal.unwrap_or_else(|| rest(tax + shipping));
    order.discount = given(&parts.discount).unwrap_or_default();
}

/// The field of this name, as scenarios write it.
pub(super) fn contact_field<'a>(
    contact: &'a mut Contact,
    name: &str,
) -> Option<&'a mut Option<String>> {
    Some(match name {
        "email" => &mut contact.email,
        "phone" => &mut contact.phone,
        "first_name" => &mut contact.first_name,
        "last_name" => &mut contact.last_name,
        "street" => &mut contact.street,
        "city" => &mut contact.city,
        "region" => &mut contact.region,
        "postcode" => &mut contact.postcode,
        "country" => &mut contact.country,
        "customer_id" => &mut contact.customer_id,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn people() -> impl Iterator<Item = Person> {
        (0..600).map(|nth| {
            let at = Position { case: nth, people: nth * 3, orders: 0 };
            person(
                &Source::new(nth % 5, &format!("case {nth}")),
                "shopper",
                0,
                true,
                at,
                nth % 7 == 0,
            )
        })
    }

    #[test]
    fn people_live_in_reserved_ranges() {
        for person in people() {
            let email = person.contact.email.unwrap();
            assert!(email.ends_with("@Example.com") && email.is_ascii(), "{email}");
            let reserved = ["192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:"];
            assert!(reserved.iter().any(|net| person.ip.starts_with(net)), "{}", person.ip);
            let ip: std::net::IpAddr = person.ip.parse().unwrap();
            assert_eq!(ip.to_string(), person.ip);
            let phone = person.contact.phone.unwrap();
            let full = normalise::e164(&phone, person.contact.country.as_deref())
                .unwrap_or_else(|| panic!("{phone} cannot be known"));
            let american =
                full.len() == 12 && full.starts_with("+1") && full[5..].starts_with("55501");
            assert!(american || full.starts_with("+447700900"), "{phone} {full}");
        }
    }

    #[test]
    fn ids_have_the_platforms_shapes_and_show_mangling() {
        for person in people() {
            let id = |name: &str| person.ids[name].as_str();
            for name in ["fbclid", "gclid", "wbraid", "ttclid", "fbclid_2"] {
                let value = id(name);
                assert!(value.len() >= 60, "{value}");
                assert!(value.contains('-') && value.contains('_'), "{value}");
                assert_ne!(value.to_lowercase(), value);
                assert!(
                    value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)),
                    "{value}"
                );
            }
            assert!(id("ttclid").starts_with("E.C.P."));
            assert_ne!(id("fbclid"), id("fbclid_2"));
            let parts: Vec<_> = id("_fbp").split('.').collect();
            let ["fb", "1", born, random] = parts.as_slice() else { panic!("{parts:?}") };
            assert!(born.len() == 13 && random.parse::<u64>().is_ok());
        }
    }

    #[test]
    fn telephone_numbers_follow_the_seed() {
        let at = Position { case: 3, people: 40, orders: 3 };
        let phone = |seed| {
            let contact = person(&Source::new(seed, "c"), "shopper", 0, true, at, true).contact;
            normalise::e164(&contact.phone.unwrap(), contact.country.as_deref()).unwrap()
        };
        let numbers: std::collections::BTreeSet<_> = (0..20).map(phone).collect();
        assert!(numbers.len() > 15, "{numbers:?}");
        assert_eq!(phone(7), phone(7));
    }

    #[test]
    fn an_address_abroad_is_one_of_that_country() {
        for before in people().map(|person| person.contact) {
            for country in ["US", "DE", "PL"] {
                let mut after = before.clone();
                move_to(&mut after, country);
                let number = |contact: &Contact| {
                    normalise::e164(contact.phone.as_ref().unwrap(), contact.country.as_deref())
                };
                assert_eq!(number(&after), number(&before));
                let home = HOMES.iter().find(|home| {
                    home.country == country && Some(home.postcode) == after.postcode.as_deref()
                });
                assert_eq!(home.is_some(), country != "PL", "{after:?}");
            }
        }
    }

    #[test]
    fn the_control_person_is_ordinary() {
        let control = person(&Source::new(1, "c"), "control", 1, false, Position::default(), true);
        assert!(control.ip.starts_with("192.0.2."));
        assert_eq!(control.contact.country.as_deref(), Some("US"));
    }
}
