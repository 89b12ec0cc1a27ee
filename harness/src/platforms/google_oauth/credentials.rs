//! Credentials that the Google platforms of one shop share. They depend on the shop's index alone: the number in
//! [`AccountSeed`] is another one per platform, and the same OAuth client serves them all.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::platforms::AccountSeed;

/// Fields that are secrets.
pub(in crate::platforms) const SECRETS: &[&str] = &["client_secret", "refresh_token"];

/// `client_id`, `client_secret`, `refresh_token` and `client_email` (the service account) of a shop.
pub(in crate::platforms) fn credentials(shop: usize) -> BTreeMap<&'static str, String> {
    let digits = digest(shop, "id")
        .iter()
        .fold(0_u64, |n, byte| n.wrapping_mul(257).wrapping_add(u64::from(*byte)));
    BTreeMap::from([
        (
            "client_id",
            format!(
                "{:06}{:06}-relay.apps.googleusercontent.com",
                shop % 1_000_000,
                digits % 1_000_000
            ),
        ),
        ("client_secret", format!("GOCSPX-{}", token(shop, "secret", 28))),
        ("refresh_token", format!("1//0{}", token(shop, "refresh", 40))),
        ("client_email", format!("{EMAIL_START}{shop}{EMAIL_END}")),
    ])
}

const EMAIL_START: &str = "relay-s";
const EMAIL_END: &str = "@harness-shops.iam.gserviceaccount.com";

/// The shop that a service account belongs to.
pub(super) fn shop_of(client_email: &str) -> Option<usize> {
    client_email.strip_prefix(EMAIL_START)?.strip_suffix(EMAIL_END)?.parse().ok()
}

/// A ten-digit account or action id: `first`, six digits of the shop (so that no two shops share one), and three of
/// the seed's number, of which `nth` picks others for each use.
pub(in crate::platforms) fn ten_digits(first: u8, seed: &AccountSeed, nth: u32) -> String {
    let salt = (seed.number >> (nth * 10)) % 1000;
    format!("{first}{:06}{salt:03}", seed.shop % 1_000_000)
}

fn digest(shop: usize, name: &str) -> Vec<u8> {
    Sha256::digest(format!("google credentials of shop {shop}: {name}")).to_vec()
}

fn token(shop: usize, name: &str, length: usize) -> String {
    URL_SAFE_NO_PAD.encode(digest(shop, name)).chars().take(length).collect()
}
