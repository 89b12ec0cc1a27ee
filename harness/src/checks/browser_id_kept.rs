//! The browser's own id is passed on as it is: never renewed, never lost.

use crate::{
    checks::{About, Check, Seen, click_id_carried::carried},
    platforms::Severity,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "browser_id_kept",
    says: "the browser id of the landing's cookies arrives in the order's event, unchanged",
    severity: Severity::Must,
    source: "https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/fbp-and-fbc",
    covers: &["STI-05", "STI-06", "STI-10", "PRV-08"],
};

/// The check.
pub(crate) struct BrowserIdKept;

impl Check for BrowserIdKept {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        carried(seen, &ABOUT, false)
    }
}
