//! Whether anything was written that may change what may be sent: counted, so that a delivery need not be read again
//! just before it leaves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Whom a write is about.
#[derive(Debug)]
pub(super) enum About {
    /// One shop.
    Shop(String),
    /// Several, or nobody knows which.
    AnyShop,
    /// Nobody: it changes nothing that decides.
    Nobody,
}

/// Writes so far.
#[derive(Debug)]
pub(super) struct News {
    of_shops: HashMap<String, AtomicU64>,
    of_all: AtomicU64,
}

impl News {
    pub(super) fn of(shops: impl Iterator<Item = String>) -> Self {
        Self { of_shops: shops.map(|id| (id, AtomicU64::new(0))).collect(), of_all: 0.into() }
    }

    /// A shop that is not in the settings (any more) counts as all.
    pub(super) fn add(&self, about: &About) {
        let counter = match about {
            About::Shop(shop) => self.of_shops.get(shop).unwrap_or(&self.of_all),
            About::AnyShop => &self.of_all,
            About::Nobody => return,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn count(&self, shop: &str) -> u64 {
        let own = self.of_shops.get(shop).map_or(0, |counter| counter.load(Ordering::SeqCst));
        own + self.of_all.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_hears_of_itself_and_of_what_is_about_all() {
        let news = News::of(["one".to_owned(), "two".to_owned()].into_iter());
        news.add(&About::Nobody);
        assert_eq!((news.count("one"), news.count("two")), (0, 0));
        news.add(&About::Shop("one".into()));
        assert_eq!((news.count("one"), news.count("two")), (1, 0));
        news.add(&About::AnyShop);
        assert_eq!((news.count("one"), news.count("two")), (2, 1));
        news.add(&About::Shop("gone".into()));
        assert_eq!((news.count("one"), news.count("gone")), (3, 2));
    }
}
