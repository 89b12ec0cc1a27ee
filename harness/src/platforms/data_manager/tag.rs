//! The browser tag's hit for the same conversion action, written and read.
//!
//! `https://www.googleadservices.com/pagead/conversion/<id>/?label=...&oid=...&value=...&currency_code=...`
//! The conversion id of a harness account is `1` and the ten digits of its operating account, so that a hit names its
//! account. See <https://support.google.com/google-ads/answer/6386790> for `oid`, the transaction id.

use time::OffsetDateTime;

use crate::{
    exchange::{Reply, Request},
    platforms::{
        Account, Accounts, BrowserCopy, Channel, Item, ItemKind, Reading,
        google_ads::{findings::Findings, judge::rows::action_id},
        normalise::is_currency,
    },
};

/// Host of the tag.
pub(super) const HOST: &str = "www.googleadservices.com";

/// `/pagead/conversion/11234567890/` → the conversion id.
pub(super) fn conversion_id(path: &str) -> Option<&str> {
    const STARTS: &[&str] =
        &["/pagead/conversion/", "/ccm/conversion/", "/pagead/viewthroughconversion/"];
    let rest = STARTS.iter().find_map(|start| path.strip_prefix(start))?;
    let id = rest.split('/').next()?;
    (!id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())).then_some(id)
}

/// The conversion id of an operating account.
pub(super) fn conversion_id_of(operating_account: &str) -> String {
    format!("1{operating_account}")
}

/// Click cookies as the tag sends them, and the click id that each holds. The names are the reverse of what one expects:
/// `_gcl_gb` holds the wbraid, `_gcl_ag` the gbraid.
const CLICKS: &[(&str, &str)] = &[("gclid", "gclaw"), ("wbraid", "gclgb"), ("gbraid", "gclag")];

/// The hit that the thank-you page sends.
pub(super) fn write(copy: &BrowserCopy, account: &Account) -> Request {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("random", &copy.at.unix_timestamp().to_string())
        .append_pair("cv", "11")
        .append_pair("label", account.field("label"))
        .append_pair("value", &copy.value.to_string())
        .append_pair("currency_code", &copy.currency)
        .append_pair("oid", &copy.event_id)
        .append_pair("guid", "ON")
        .append_pair("url", &copy.url);
    for (id, name) in CLICKS {
        if let Some(value) = copy.ids.get(*id) {
            query.append_pair(name, value);
        }
    }
    Request {
        method: "GET".into(),
        host: HOST.into(),
        // From the key, not from the settings: those of a relay that is configured elsewhere may be any.
        path: format!("/pagead/conversion/{}/", conversion_id_of(&account.key)),
        query: query.finish(),
        headers: vec![
            ("host".into(), HOST.into()),
            ("user-agent".into(), copy.user_agent.clone()),
            ("referer".into(), copy.url.clone()),
        ],
        ..Request::default()
    }
}

/// Reads a hit.
pub(super) fn read(request: &Request, now: OffsetDateTime, accounts: &dyn Accounts) -> Reading {
    let mut found = Findings::default();
    let id = conversion_id(&request.path).unwrap_or_default();
    let key = id.strip_prefix('1').unwrap_or(id);
    let account = accounts.find(key);
    let pairs = request.query_pairs();
    let get = |name: &str| {
        pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    };
    let label = get("label").unwrap_or_default();
    let target = match account {
        Some(account) if account.field("label") == label => action_id(account).to_owned(),
        _ => {
            found.refuse(
                "GTAG-SENDTO",
                Some(0),
                "?label",
                "no conversion action has this id and label",
            );
            format!("AW-{id}/{label}")
        }
    };
    if get("oid").is_none() {
        found.report(
            "GTAG-DEDUP-TID",
            Some(0),
            "?oid",
            "no transaction id: every reload counts again",
        );
    }
    if get("value").is_some() && !get("currency_code").is_some_and(is_currency) {
        found.report(
            "GTAG-ADS-PARAMS",
            Some(0),
            "?currency_code",
            "a value without a currency code",
        );
    }
    let item = Item {
        kind: ItemKind::Purchase,
        key: get("oid").map(str::to_owned),
        target: Some(target),
        time: Some(now),
        value: get("value").and_then(|v| v.parse().ok()),
        currency: get("currency_code").map(str::to_owned),
        ids: CLICKS
            .iter()
            .filter_map(|(id, name)| Some(((*id).to_owned(), get(name)?.to_owned())))
            .collect(),
        user_agent: request.header("user-agent").map(str::to_owned),
        url: get("url").map(str::to_owned),
        ..Item::default()
    };
    Reading {
        account: Some(key.to_owned()),
        channel: Channel::Browser,
        items: vec![item],
        broken: found.done(str::to_owned),
    }
}

/// A tag is always answered alike, whatever becomes of the hit.
pub(super) fn reply() -> Reply {
    Reply::text(200, "text/html; charset=UTF-8", "")
}
