//! The thank-you page as a tag sees it: where an order is reported in the browser, with the first page's click ids
//! still in its address.

use url::Url;

use super::OrderView;
use crate::{
    plan::Shop,
    scenario::{JoinKey, OrderKind},
};

/// Path of the page.
const PATH: &str = "/thank-you";

/// An address with its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// The whole address.
    pub(super) url: String,
    /// `?` and the query as the landing had it, byte for byte; empty without one.
    pub(super) search: String,
    /// Where the visitor came from.
    pub(super) referrer: String,
}

impl Page {
    /// The page on which this order's tag fires.
    pub(super) fn of(view: &OrderView<'_>, shop: &Shop) -> Self {
        // A fragment belongs to the first page alone.
        let search = landing_url(view)
            .and_then(|url| url.split('#').next()?.split_once('?'))
            .map(|(_, query)| format!("?{query}"))
            .unwrap_or_default();
        Self {
            url: format!("https://{}{PATH}{search}", shop.domain),
            search,
            referrer: view.referrer.clone().unwrap_or_default(),
        }
    }

    pub(super) const fn path(&self) -> &'static str {
        PATH
    }

    pub(super) const fn title(&self) -> &'static str {
        "Thank you"
    }
}

/// The first page of the visit, if the order can be joined by it.
pub(super) fn landing_url<'v>(view: &'v OrderView<'_>) -> Option<&'v str> {
    let web = view.order.kind == OrderKind::Web;
    view.landing_url.as_deref().filter(|_| web && view.joined_by(JoinKey::LandingSite))
}

/// A campaign parameter (`utm_source`) of the first page.
pub(super) fn campaign(view: &OrderView<'_>, name: &str) -> Option<String> {
    let url = Url::parse(landing_url(view)?).ok()?;
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::samples::Sample;

    #[test]
    fn the_page_keeps_the_landings_query_byte_for_byte() {
        let mut sample = Sample::new();
        sample.landing = "https://shop.example/p?utm_source=a%20b&fbclid=IwAR0_Ab-Cd%2B#top".into();
        let view = sample.view();
        let page = Page::of(&view, &sample.shop);
        assert_eq!(page.search, "?utm_source=a%20b&fbclid=IwAR0_Ab-Cd%2B");
        assert_eq!(page.url, format!("https://{}/thank-you{}", sample.shop.domain, page.search));
        assert_eq!(campaign(&view, "utm_source").as_deref(), Some("a b"));
    }

    #[test]
    fn an_order_that_is_not_joined_by_its_landing_has_a_bare_page() {
        let mut sample = Sample::new();
        sample.joins = vec![JoinKey::Attribute];
        let page = Page::of(&sample.view(), &sample.shop);
        assert_eq!((page.search.as_str(), page.url.ends_with("/thank-you")), ("", true));
    }
}
