//! Address and user agent are the shopper's, never the store's or the relay's.

use std::net::IpAddr;

use crate::{
    checks::{About, Check, Seen},
    platforms::Severity,
    truth::Fact,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "shopper_device",
    says: "the address and the user agent in the event are the shopper's",
    severity: Severity::Must,
    source: "https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters",
    covers: &["STI-14"],
};

/// The check.
pub(crate) struct ShopperDevice;

impl Check for ShopperDevice {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        seen.each_purchase(|expected, sighting, findings| {
            if !expected.knows(Fact::Device) {
                return;
            }
            let finding =
                |message: String| ABOUT.finding(message).of(&expected.order).seen(&sighting, "");
            if let Some(ip) = sighting.item.ip.as_deref().filter(|ip| !ip.is_empty())
                && !expected.ips.iter().any(|right| same_address(right, ip))
            {
                let found = if expected.ips.iter().any(|right| is_masked(right, ip)) {
                    finding("the shopper's address is cut".into()).mild()
                } else {
                    finding(format!("the address is not the shopper's{}", whose(ip)))
                };
                findings.push(found.sides(expected.ips.join(" or "), ip));
            }
            if let Some(agent) = sighting.item.user_agent.as_deref().filter(|ua| !ua.is_empty())
                && !expected.user_agents.iter().any(|right| right.trim() == agent.trim())
            {
                findings.push(
                    finding("the user agent is not the shopper's".into())
                        .sides(expected.user_agents.join(" or "), agent),
                );
            }
        })
    }
}

fn same_address(a: &str, b: &str) -> bool {
    let read = |text: &str| text.trim().parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    a == b || (read(a).is_some() && read(a) == read(b))
}

/// The shopper's network with its last part zeroed.
fn is_masked(right: &str, sent: &str) -> bool {
    match (right.parse(), sent.parse()) {
        (Ok(IpAddr::V4(a)), Ok(IpAddr::V4(b))) => {
            b.octets()[3] == 0 && a.octets()[..3] == b.octets()[..3]
        }
        (Ok(IpAddr::V6(a)), Ok(IpAddr::V6(b))) => {
            b.segments()[4..] == [0; 4] && a.segments()[..3] == b.segments()[..3]
        }
        _ => false,
    }
}

fn whose(ip: &str) -> &'static str {
    match ip.trim().parse::<IpAddr>() {
        Ok(ip) if ip.is_loopback() => ": it is that of the caller (store, proxy or the relay)",
        Ok(IpAddr::V4(ip)) if ip.is_private() => ": it is a private address",
        Ok(_) => "",
        Err(_) => ": it is no address",
    }
}
