//! Address blocks, to tell trusted proxies from everyone else.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, de};

/// An address block such as `10.0.0.0/8`; a lone address is a block of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    base: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Whether the address is in the block. IPv4 inside IPv6 is compared as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(a)) => {
                let shift = 32 - u32::from(self.bits);
                shift == 32 || u32::from(base) >> shift == u32::from(a) >> shift
            }
            (IpAddr::V6(base), IpAddr::V6(a)) => {
                let shift = 128 - u32::from(self.bits);
                shift == 128 || u128::from(base) >> shift == u128::from(a) >> shift
            }
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bad = || de::Error::custom(format!("`{text}` is not a CIDR block"));
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, bits.parse().ok()),
            None => (text.as_str(), Some(if text.contains(':') { 128 } else { 32 })),
        };
        let base: IpAddr = base.parse().map_err(|_| bad())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.filter(|b: &u8| *b <= most).ok_or_else(bad)?;
        Ok(Self { base, bits })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn blocks_contain_their_addresses() {
        let block = |text: &str| -> Cidr {
            Cidr::deserialize(de::value::StrDeserializer::<de::value::Error>::new(text)).unwrap()
        };
        assert!(block("10.0.0.0/8").contains("10.200.1.1".parse().unwrap()));
        assert!(block("10.0.0.0/8").contains("::ffff:10.1.1.1".parse().unwrap()));
        assert!(!block("10.0.0.0/8").contains("11.0.0.1".parse().unwrap()));
        assert!(block("0.0.0.0/0").contains("203.0.113.9".parse().unwrap()));
        assert!(block("2001:db8::/32").contains("2001:db8:1::1".parse().unwrap()));
        assert!(!block("127.0.0.1").contains("127.0.0.2".parse().unwrap()));
    }
}
