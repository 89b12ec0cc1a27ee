//! The accounts that the platforms know, and which credentials are valid for them.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, PoisonError, RwLock},
};

use crate::{
    exchange::{Reply, Request},
    plan::Shop,
    platforms::{Account, Accounts, Reading},
};

/// Access tokens remembered per refresh token; the oldest go first.
const HANDED_LIMIT: usize = 64;

/// The platform whose answers hand out access tokens.
pub(super) const TOKEN_ENDPOINT: &str = "google_oauth";

/// Fields that hold an account's credential, in order of preference.
const CREDENTIAL_FIELDS: [&str; 2] = ["access_token", "refresh_token"];

#[derive(Default)]
struct Known {
    /// Accounts by platform and key. A replaced refresh token is one more key of its account.
    accounts: HashMap<&'static str, HashMap<String, Account>>,
    /// Platform and account key → shop.
    shops: HashMap<(&'static str, String), usize>,
    /// Every value that is as good as this credential, itself not included.
    replaced: HashMap<String, Vec<String>>,
    /// Keys under which an account is known besides its own.
    aliases: HashSet<String>,
    /// Access tokens handed out, by refresh token, and how often each of them was.
    handed: HashMap<String, VecDeque<(String, u64)>>,
    /// Makes replacements distinct.
    replacements: u64,
}

/// An access token, and how often it had been handed out.
pub(super) type Grant = (String, u64);

/// All accounts of the run.
#[derive(Default, Clone)]
pub(super) struct Registry {
    known: Arc<RwLock<Known>>,
}

/// A new credential.
pub(super) struct Replacement {
    pub(super) value: String,
    /// Accounts (platform and key) that came to be known under a new key.
    pub(super) new_keys: Vec<(&'static str, String)>,
}

impl Registry {
    pub(super) fn add(&self, shops: &[Shop]) {
        let mut known = write(&self.known);
        for shop in shops {
            for (platform, account) in &shop.accounts {
                known
                    .accounts
                    .entry(platform)
                    .or_default()
                    .insert(account.key.clone(), account.clone());
                known.shops.insert((*platform, account.key.clone()), shop.index);
            }
        }
    }

    pub(super) fn is_known(&self, platform: &'static str, key: &str) -> bool {
        read(&self.known).accounts.get(platform).is_some_and(|by_key| by_key.contains_key(key))
    }

    /// The accounts as this platform sees them, unchanging while `f` runs.
    pub(super) fn view<R>(&self, platform: &'static str, f: impl FnOnce(&dyn Accounts) -> R) -> R {
        let known = read(&self.known);
        f(&View { known: &known, platform })
    }

    /// Remembers the access token in an answer of the token endpoint.
    pub(super) fn handed_out(&self, reading: &Reading, reply: &Reply) {
        let Some(refresh) = &reading.account else { return };
        if reply.status != 200 || !self.is_known(TOKEN_ENDPOINT, refresh) {
            return;
        }
        let body: Option<serde_json::Value> = serde_json::from_str(&reply.body).ok();
        let token = body.as_ref().and_then(|b| b.get("access_token")).and_then(|t| t.as_str());
        if let Some(token) = token {
            let mut known = write(&self.known);
            let tokens = known.handed.entry(refresh.clone()).or_default();
            match tokens.iter_mut().find(|(known, _)| known == token) {
                Some((_, times)) => *times += 1,
                None => tokens.push_back((token.to_owned(), 1)),
            }
            if tokens.len() > HANDED_LIMIT {
                tokens.pop_front();
            }
        }
    }

    /// The grant behind the access token that a request carries, if the token endpoint has handed it out: the token, and
    /// how often. Equal requests bring equal tokens, so that one which was handed out anew is as good as another.
    pub(super) fn grant(&self, request: &Request) -> Option<Grant> {
        let (scheme, token) = request.header("authorization")?.split_once(' ')?;
        let known = read(&self.known);
        let mut handed = known.handed.values().flatten();
        let found = handed.find(|(handed, _)| handed == token.trim());
        found.filter(|_| scheme.eq_ignore_ascii_case("bearer")).cloned()
    }

    /// Makes a new credential for a shop's account. The old one stays valid.
    pub(super) fn replace(&self, platform: &str, shop: usize) -> Option<Replacement> {
        let mut known = write(&self.known);
        let old = known.accounts.iter().find_map(|(id, by_key)| {
            let is_meant = *id == platform;
            by_key.values().filter(|_| is_meant).find_map(|account| {
                let key = (*id, account.key.clone());
                let own = !known.aliases.contains(&account.key);
                (own && known.shops.get(&key) == Some(&shop)).then(|| account.clone())
            })
        })?;
        let field = CREDENTIAL_FIELDS.into_iter().find(|f| !old.field(f).is_empty())?;
        known.replacements += 1;
        let before = old.field(field).to_owned();
        let value = successor(&before, known.replacements);

        let mut equals = known.replaced.get(&before).cloned().unwrap_or_default();
        equals.push(value.clone());
        known.replaced.insert(before.clone(), equals);

        // Where the credential is the account's key, the account is found under the new one as well.
        let mut renamed = Vec::new();
        for (id, by_key) in &mut known.accounts {
            if let Some(account) = by_key.get(&before) {
                let mut account = Account { key: value.clone(), ..account.clone() };
                if let Some(text) = account.fields.get_mut(field) {
                    *text = value.clone();
                }
                by_key.insert(value.clone(), account);
                renamed.push((*id, value.clone()));
            }
        }
        for (id, key) in &renamed {
            known.aliases.insert(key.clone());
            known.shops.insert((*id, key.clone()), shop);
        }
        Some(Replacement { value, new_keys: renamed })
    }

    /// True if the request carries one of these credentials, or an access token handed out for one.
    pub(super) fn uses_any(&self, credentials: &[String], request: &Request) -> bool {
        if credentials.is_empty() {
            return false;
        }
        let known = read(&self.known);
        let query = request.query_pairs();
        let carries = |token: &String| {
            !token.is_empty()
                && (request.headers.iter().any(|(_, v)| v.contains(token.as_str()))
                    || query.iter().any(|(_, v)| v == token)
                    || request.body.contains(token.as_str())
                    || url::form_urlencoded::parse(request.body.as_bytes())
                        .any(|(_, v)| v == token.as_str()))
        };
        credentials.iter().any(|c| {
            carries(c) || known.handed.get(c).into_iter().flatten().any(|(t, _)| carries(t))
        })
    }
}

/// A credential of the same kind and length as the old one, so that format checks still pass.
fn successor(old: &str, nth: u64) -> String {
    let mark = format!("r{nth:06x}");
    let keep = old.char_indices().rev().nth(mark.len() - 1).map_or(0, |(i, _)| i);
    format!("{}{mark}", old.get(..keep).unwrap_or_default())
}

/// The accounts as one platform sees them.
struct View<'a> {
    known: &'a Known,
    platform: &'static str,
}

impl Accounts for View<'_> {
    fn find(&self, key: &str) -> Option<&Account> {
        self.known.accounts.get(self.platform)?.get(key)
    }

    fn is_valid_token(&self, account: &Account, token: &str) -> bool {
        if token.is_empty() {
            return false;
        }
        let equals = |old: &str| self.known.replaced.get(old).into_iter().flatten();
        let fixed = account.field("access_token");
        if !fixed.is_empty() {
            return fixed == token || equals(fixed).any(|t| t == token);
        }
        let refresh = account.field("refresh_token");
        let handed = |key: &str| {
            self.known.handed.get(key).is_some_and(|tokens| tokens.iter().any(|(t, _)| t == token))
        };
        !refresh.is_empty() && (handed(refresh) || equals(refresh).any(|key| handed(key)))
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::successor;

    #[test]
    fn a_successor_differs_and_keeps_the_length() {
        let old = "1//0abcdefghijklmnop";
        let new = successor(old, 7);
        assert_eq!(new.len(), old.len());
        assert!(new.starts_with("1//0") && new != old, "{new}");
        assert_ne!(new, successor(old, 8));
        assert_eq!(successor("ü", 1), "r000001", "short ones are replaced whole");
    }
}
