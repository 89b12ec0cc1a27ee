//! The shops of a run, with their accounts at every platform.

use std::collections::BTreeMap;

use super::{Shop, people::Source};
use crate::{
    platforms::{Account, AccountSeed, PLATFORMS},
    sut::profile::{self, Profile},
};

/// Shops for a run: `n` from index `first`. Those of a relay with fixed shops are at most as many as it has.
pub fn shops(seed: u64, first: usize, n: usize, profile: &Profile) -> Vec<Shop> {
    match &profile.shops {
        profile::Shops::AsNeeded => {
            (first..first.saturating_add(n)).map(|index| shop(seed, index)).collect()
        }
        profile::Shops::Single => {
            (first..first.saturating_add(n)).take(1).map(|index| shop(seed, index)).collect()
        }
        profile::Shops::Fixed(fixed) => fixed
            .iter()
            .enumerate()
            .skip(first)
            .take(n)
            .map(|(index, own)| configured(shop(seed, index), own))
            .collect(),
    }
}

fn shop(seed: u64, index: usize) -> Shop {
    let source = Source::new(seed, &format!("shop {index}"));
    let whsec = |label: &str| {
        use base64::Engine as _;
        let secret = source.hex(label, 32);
        format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(secret))
    };
    // One number for all platforms: several of them share one login, as Google's do.
    let number = source.number("accounts", u64::MAX);
    Shop {
        index,
        id: format!("s{index:04}"),
        domain: format!("s{index:04}-{}.example.com", source.hex("domain", 6)),
        secret: format!("shpss_{}", source.hex("secret", 32)),
        previous_secret: format!("shpss_{}", source.hex("previous", 32)),
        write_key: format!("wk_{}", source.hex("write key", 32)),
        webhook_secret: whsec("standard"),
        previous_webhook_secret: whsec("previous standard"),
        accounts: PLATFORMS
            .iter()
            .map(|p| (p.id(), p.account(&AccountSeed { shop: index, number })))
            .collect(),
    }
}

/// A shop as the relay has it configured.
fn configured(mut shop: Shop, own: &profile::FixedShop) -> Shop {
    shop.id.clone_from(&own.id);
    shop.domain.clone_from(&own.domain);
    for (slot, secret) in [
        (&mut shop.secret, &own.secret),
        (&mut shop.webhook_secret, &own.webhook_secret),
        (&mut shop.write_key, &own.write_key),
    ] {
        if let Some(secret) = secret {
            secret.text().clone_into(slot);
        }
    }
    for (platform, account) in &mut shop.accounts {
        let Some(settings) = own.accounts.get(*platform) else { continue };
        override_account(account, settings);
    }
    shop
}

fn override_account(account: &mut Account, settings: &BTreeMap<String, String>) {
    // The key is one of the fields; it follows that field.
    let key_field =
        account.fields.iter().find(|(_, value)| **value == account.key).map(|(name, _)| *name);
    for (name, value) in &mut account.fields {
        if let Some(own) = settings.get(*name) {
            value.clone_from(own);
        }
    }
    if let Some(key) = key_field.and_then(|name| account.fields.get(name)) {
        account.key.clone_from(key);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::tests::profile;

    #[test]
    fn fixed_shops_keep_what_the_relay_has_configured() {
        let mut profile = profile();
        assert_eq!(
            shops(1, 3, 2, &profile).iter().map(|shop| shop.index).collect::<Vec<_>>(),
            [3, 4]
        );
        let own = profile::FixedShop {
            id: "main".into(),
            domain: "main.example.com".into(),
            secret: Some(profile::Secret::Text("s".into())),
            webhook_secret: None,
            write_key: Some(profile::Secret::Text("k".into())),
            accounts: BTreeMap::new(),
        };
        profile.shops = profile::Shops::Fixed(vec![own]);
        let shops = shops(1, 0, 5, &profile);
        let [shop] = shops.as_slice() else { panic!("{shops:?}") };
        assert_eq!((shop.id.as_str(), shop.secret.as_str()), ("main", "s"));
        assert!(shop.write_key == "k" && shop.webhook_secret.starts_with("whsec_"));
        let secrets = |shop: &Shop| -> Vec<String> {
            shop.secrets().map(|(_, secret)| secret.to_owned()).collect()
        };
        assert!(secrets(shop).contains(&"k".to_owned()));
        let stream = Shop { write_key: "G-TEST000001".into(), ..shop.clone() };
        assert!(!secrets(&stream).contains(&"G-TEST000001".to_owned()), "every page shows it");
        let fields =
            BTreeMap::from([("pixel_id", "1".to_owned()), ("access_token", "t".to_owned())]);
        let mut account = Account { key: "1".into(), fields, secret: &["access_token"] };
        override_account(&mut account, &BTreeMap::from([("pixel_id".to_owned(), "99".to_owned())]));
        assert_eq!((account.key.as_str(), account.field("pixel_id")), ("99", "99"));
    }
}
