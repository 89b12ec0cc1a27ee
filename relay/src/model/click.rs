//! A landing and the click ids it carried, byte for byte, and which of a visitor's landings an order belongs to.

use serde::{Deserialize, Serialize};

use super::conversion::{ClickIds, Device};
use super::landing::{clean_referrer, clean_url, query_value};

/// One landing as kept. Only stored when the visitor allowed it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Click {
    /// When the browser saw it, ms since 1970.
    pub observed_ms: i64,
    /// Google Ads click id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gclid: Option<String>,
    /// Google Ads, app to web.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gbraid: Option<String>,
    /// Google Ads, web to app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wbraid: Option<String>,
    /// Meta click id in its stored form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fbc: Option<String>,
    /// Meta click id as the landing had it; its first time is inside `fbc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fbclid: Option<String>,
    /// Meta browser id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fbp: Option<String>,
    /// TikTok click id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttclid: Option<String>,
    /// TikTok browser id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttp: Option<String>,
    /// Landing page without personal data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landing_url: Option<String>,
    /// Referrer without query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    /// The shopper's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The shopper's user agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// Cookies that the browser part hands over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cookies {
    /// Meta click id in stored form.
    pub fbc: Option<String>,
    /// Meta browser id.
    pub fbp: Option<String>,
    /// TikTok browser id.
    pub ttp: Option<String>,
    /// TikTok click id.
    pub ttclid: Option<String>,
    /// Google Ads: `GCL.<seconds>.<gclid>`.
    pub gcl_aw: Option<String>,
}

impl Click {
    /// Reads a landing URL (absolute, or path and query) with the cookies seen beside it.
    #[must_use]
    pub fn read(url: &str, referrer: Option<&str>, cookies: &Cookies, observed_ms: i64) -> Self {
        let id = |name| query_value(url, name);
        let fbclid = id("fbclid");
        let cookie_fbc = cookies.fbc.as_deref().filter(|c| is_fbc(c));
        let fbc = match (&fbclid, cookie_fbc) {
            (Some(id), Some(cookie)) if cookie.split('.').nth(3) == Some(id) => {
                Some(cookie.to_owned())
            }
            (Some(id), _) => Some(format!("fb.1.{observed_ms}.{id}")),
            (None, cookie) => cookie.map(str::to_owned),
        };
        let (gclid, gbraid, wbraid) = (id("gclid"), id("gbraid"), id("wbraid"));
        let google_in_url = gclid.is_some() || gbraid.is_some() || wbraid.is_some();
        let cookie_gclid = cookies.gcl_aw.as_deref().and_then(gclid_of_cookie);
        Self {
            observed_ms,
            gclid: gclid.or_else(|| cookie_gclid.filter(|_| !google_in_url)),
            gbraid,
            wbraid,
            fbc,
            fbclid,
            fbp: cookies.fbp.clone().filter(|c| is_fbp(c)),
            ttclid: id("ttclid").or_else(|| cookies.ttclid.clone().filter(|c| !c.is_empty())),
            ttp: cookies.ttp.clone().filter(|c| !c.is_empty()),
            landing_url: clean_url(url),
            referrer: referrer.and_then(clean_referrer),
            ip: None,
            user_agent: None,
        }
    }

    /// Keeps the time of the first observation when an earlier landing already carried this Meta click id.
    pub fn keep_first_time(&mut self, earlier: &[Click]) {
        if let Some(id) = self.fbclid.as_deref() {
            let first = earlier.iter().find(|c| c.fbclid.as_deref() == Some(id) && c.fbc.is_some());
            if let Some(first) = first {
                self.fbc.clone_from(&first.fbc);
            }
        }
    }

    fn google(&self) -> bool {
        self.gclid.is_some() || self.gbraid.is_some() || self.wbraid.is_some()
    }
}

/// Which landings count for an order.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Landings before this are too old, ms since 1970.
    pub from_ms: i64,
    /// Landings after this came after the order, ms since 1970.
    pub until_ms: i64,
    /// The last click of each platform counts; else the first.
    pub last_wins: bool,
}

/// The ids and the device that an order inherits from its visitor's landings (oldest first).
///
/// Each platform gets its own latest click: a landing without an id erases nothing, and ids of one
/// platform from different landings are never mixed.
#[must_use]
pub fn attribute(clicks: &[Click], window: Window) -> (ClickIds, Device) {
    let mut valid: Vec<&Click> = clicks
        .iter()
        .filter(|c| (window.from_ms..=window.until_ms).contains(&c.observed_ms))
        .collect();
    valid.sort_by_key(|c| c.observed_ms);
    let latest = |has: &dyn Fn(&Click) -> bool| valid.iter().rev().copied().find(|c| has(c));
    let paid = |has: &dyn Fn(&Click) -> bool| {
        if window.last_wins { latest(has) } else { valid.iter().copied().find(|c| has(c)) }
    };
    let google = paid(&|c| c.google());
    let meta = paid(&|c| c.fbclid.is_some()).or_else(|| paid(&|c| c.fbc.is_some()));
    let tiktok = paid(&|c| c.ttclid.is_some());
    let carrier = [google, meta, tiktok].into_iter().flatten().max_by_key(|c| c.observed_ms);
    let landing = carrier.or_else(|| valid.last().copied());
    let ids = ClickIds {
        gclid: google.and_then(|c| c.gclid.clone()),
        gbraid: google.and_then(|c| c.gbraid.clone()),
        wbraid: google.and_then(|c| c.wbraid.clone()),
        fbc: meta.and_then(|c| c.fbc.clone()),
        fbp: latest(&|c| c.fbp.is_some()).and_then(|c| c.fbp.clone()),
        ttclid: tiktok.and_then(|c| c.ttclid.clone()),
        ttp: latest(&|c| c.ttp.is_some()).and_then(|c| c.ttp.clone()),
        landing_url: landing.and_then(|c| c.landing_url.clone()),
        referrer: landing.and_then(|c| c.referrer.clone()),
    };
    let device = Device {
        ip: latest(&|c| c.ip.is_some()).and_then(|c| c.ip.clone()),
        user_agent: latest(&|c| c.user_agent.is_some()).and_then(|c| c.user_agent.clone()),
    };
    (ids, device)
}

/// `fb.<digits>.<digits>.<click id>`, perhaps with the appendix of Meta's parameter builder (META-FBC-FORMAT, META-APX-FORM).
fn is_fbc(cookie: &str) -> bool {
    let parts: Vec<&str> = cookie.split('.').collect();
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let (&[fb, index, ms, id] | &[fb, index, ms, id, _]) = parts.as_slice() else { return false };
    let appendix = parts.get(4).is_none_or(|a| {
        matches!(a.len(), 2 | 8)
            && a.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    });
    fb == "fb" && digits(index) && digits(ms) && !id.is_empty() && appendix && cookie.len() <= 1024
}

/// Same shape as `fbc` with a decimal random part (META-FBP-FORMAT).
fn is_fbp(cookie: &str) -> bool {
    is_fbc(cookie)
        && cookie.split('.').nth(3).is_some_and(|r| r.bytes().all(|b| b.is_ascii_digit()))
}

fn gclid_of_cookie(cookie: &str) -> Option<String> {
    let mut parts = cookie.splitn(3, '.');
    let (prefix, at, id) = (parts.next()?, parts.next()?, parts.next()?);
    let well_formed = prefix == "GCL" && at.bytes().all(|b| b.is_ascii_digit());
    (well_formed && !id.is_empty()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const ALL: Window = Window { from_ms: 0, until_ms: 1000, last_wins: true };

    fn landing(url: &str, at: i64) -> Click {
        Click::read(url, None, &Cookies::default(), at)
    }

    #[test]
    fn fbc_is_built_with_the_time_of_the_first_observation() {
        let first = landing("https://s.example/?fbclid=AbC-_1", 1_767_225_600_123);
        assert_eq!(first.fbc.as_deref(), Some("fb.1.1767225600123.AbC-_1"));
        let mut again = landing("https://s.example/p?fbclid=AbC-_1", 1_767_225_999_999);
        again.keep_first_time(std::slice::from_ref(&first));
        assert_eq!(again.fbc, first.fbc);
    }

    #[test]
    fn fbc_cookie_is_kept_only_for_the_same_click_and_only_if_well_formed() {
        let with = |url: &str, cookie: &str| {
            let cookies = Cookies { fbc: Some(cookie.into()), ..Cookies::default() };
            Click::read(url, None, &cookies, 7).fbc
        };
        let five = "fb.1.1700000000000.Click_A-1.AQICAQMC";
        assert_eq!(with("/?fbclid=Click_A-1", five).as_deref(), Some(five));
        assert_eq!(with("/?fbclid=Click_B", five).as_deref(), Some("fb.1.7.Click_B"));
        assert_eq!(with("/", five).as_deref(), Some(five));
        for bad in ["fb.1.1690000000000.", "", "IwAR0", "xx.1.1.a", "fb.x.1.a", "fb.1.1.a.b.c"] {
            assert_eq!(with("/", bad), None, "{bad}");
        }
    }

    #[test]
    fn a_direct_visit_erases_nothing_and_a_later_paid_click_replaces() {
        let clicks = [
            landing("/?gclid=A", 1),
            landing("/", 2),
            landing("/?gbraid=B", 3),
            landing("/?fbclid=F", 4),
            landing("/", 5),
        ];
        let (ids, _) = attribute(&clicks, ALL);
        assert_eq!((ids.gclid, ids.gbraid.as_deref()), (None, Some("B")));
        assert_eq!(ids.fbc.as_deref(), Some("fb.1.4.F"));
        let (first, _) = attribute(&clicks, Window { last_wins: false, ..ALL });
        assert_eq!(first.gclid.as_deref(), Some("A"));
    }

    #[test]
    fn clicks_outside_the_window_do_not_count() {
        let clicks = [landing("/?gclid=OLD", 1), landing("/?gclid=LATE", 2000)];
        let (ids, _) = attribute(&clicks, Window { from_ms: 2, ..ALL });
        assert_eq!(ids, ClickIds::default());
    }

    #[test]
    fn a_cookie_of_an_older_click_does_not_override_the_landing() {
        let cookies =
            Cookies { gcl_aw: Some("GCL.1700000000.Cj.0-x".into()), ..Cookies::default() };
        assert_eq!(Click::read("/", None, &cookies, 1).gclid.as_deref(), Some("Cj.0-x"));
        let new = Click::read("/?wbraid=W", None, &cookies, 1);
        assert_eq!((new.gclid, new.wbraid.as_deref()), (None, Some("W")));
    }
}
