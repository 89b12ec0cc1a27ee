//! What a visitor allowed, reduced to four decisions, and how several answers over time become one.

use serde::{Deserialize, Serialize};

/// One answer. Unknown is never treated as granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The visitor said yes.
    Granted,
    /// The visitor said no, or withdrew.
    Denied,
    /// Nobody asked, or the signal could not be read.
    #[default]
    Unknown,
}

impl Answer {
    /// Two sources for one moment: a no beats a yes, and either beats silence.
    #[must_use]
    pub fn combine(self, other: Self) -> Self {
        match (self, other) {
            (Self::Denied, _) | (_, Self::Denied) => Self::Denied,
            (Self::Granted, _) | (_, Self::Granted) => Self::Granted,
            _ => Self::Unknown,
        }
    }

    /// Two moments that must both allow: granted only if granted at both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Denied, _) | (_, Self::Denied) => Self::Denied,
            (Self::Granted, Self::Granted) => Self::Granted,
            _ => Self::Unknown,
        }
    }

    /// Whether the answer is yes.
    #[must_use]
    pub fn granted(self) -> bool {
        self == Self::Granted
    }

    fn or_later(self, later: Self) -> Self {
        if self == Self::Unknown { later } else { self }
    }
}

/// The four decisions at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Consent {
    /// May keep click ids and browser ids of this visitor.
    pub store: Answer,
    /// May send this visitor's conversions to ad platforms at all.
    pub ads: Answer,
    /// May send contact data (hashed or not).
    pub ads_user_data: Answer,
    /// May be used for remarketing.
    pub ads_personalise: Answer,
}

impl Consent {
    fn zip(self, other: Self, f: impl Fn(Answer, Answer) -> Answer) -> Self {
        Self {
            store: f(self.store, other.store),
            ads: f(self.ads, other.ads),
            ads_user_data: f(self.ads_user_data, other.ads_user_data),
            ads_personalise: f(self.ads_personalise, other.ads_personalise),
        }
    }

    /// Both sources at one moment, decision by decision.
    #[must_use]
    pub fn combine(self, other: Self) -> Self {
        self.zip(other, Answer::combine)
    }

    /// Reads `gcs`: `G1`, then the ads digit, then the analytics digit (which says nothing here).
    /// Anything else is unknown. <https://support.google.com/google-ads/answer/10000067>
    #[must_use]
    pub fn from_gcs(text: &str) -> Self {
        let mut chars = text.chars();
        let prefix = (chars.next(), chars.next()) == (Some('G'), Some('1'));
        let (ads, analytics, rest) = (chars.next(), chars.next(), chars.next());
        let known = |c| matches!(c, Some('0' | '1' | '-'));
        if !prefix || !known(ads) || !known(analytics) || rest.is_some() {
            return Self::default();
        }
        let answer = match ads {
            Some('1') => Answer::Granted,
            Some('0') => Answer::Denied,
            _ => Answer::Unknown,
        };
        Self { store: answer, ads: answer, ..Self::default() }
    }

    /// Reads `gcd`: two digits, then a letter and a digit for each of ad_storage, analytics_storage,
    /// ad_user_data, ad_personalization. Malformed text is unknown as a whole.
    #[must_use]
    pub fn from_gcd(text: &str) -> Self {
        let bytes = text.as_bytes();
        let shape = bytes.len() == 10
            && bytes.iter().enumerate().all(|(i, b)| match i {
                2 | 4 | 6 | 8 => b.is_ascii_lowercase(),
                _ => b.is_ascii_digit(),
            });
        if !shape {
            return Self::default();
        }
        let letter = |i: usize| match bytes.get(i) {
            Some(b'r' | b't' | b'v' | b'n') => Some(Answer::Granted),
            Some(b'p' | b'q' | b'u' | b'm') => Some(Answer::Denied),
            Some(b'l') => Some(Answer::Unknown),
            _ => None,
        };
        match (letter(2), letter(4), letter(6), letter(8)) {
            (Some(ads), Some(_), Some(user_data), Some(personalise)) => {
                Self { store: ads, ads, ads_user_data: user_data, ads_personalise: personalise }
            }
            _ => Self::default(),
        }
    }

    /// Reads the order attribute `ads=1;ads_user_data=1;ads_personalise=0;store=1`. Unknown names and values
    /// say nothing; a name given twice counts with its stricter answer.
    #[must_use]
    pub fn from_attribute(text: &str) -> Self {
        let mut consent = Self::default();
        for part in text.split(';').take(32) {
            let Some((name, value)) = part.split_once('=') else { continue };
            let answer = match value.trim() {
                "1" => Answer::Granted,
                "0" => Answer::Denied,
                _ => continue,
            };
            let slot = match name.trim() {
                "store" => &mut consent.store,
                "ads" => &mut consent.ads,
                "ads_user_data" => &mut consent.ads_user_data,
                "ads_personalise" => &mut consent.ads_personalise,
                _ => continue,
            };
            *slot = slot.combine(answer);
        }
        consent
    }
}

/// One thing that a visitor's browser said about consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// When it arrived, ms since 1970.
    pub at_ms: i64,
    /// The banner's answers; `None` if only the opt-out signal was seen.
    pub answers: Option<Consent>,
    /// Whether the browser sent Global Privacy Control. <https://www.w3.org/TR/gpc/>
    pub gpc: bool,
}

/// All that is known for one order: its visitor's history (oldest first) and the checkout's own answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// What the visitor's browser said, oldest first.
    pub visitor: Vec<Entry>,
    /// What the order itself carries.
    pub order: Option<Consent>,
}

/// The three moments that matter for one order, ms since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    /// When the order was placed.
    pub ordered: i64,
    /// Until when an answer may arrive late and still count as given at the order.
    pub grace_until: i64,
    /// The moment of the attempt.
    pub now: i64,
}

/// What may be done for one order now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The answers that hold both at the order and now.
    pub consent: Consent,
    /// Opt-out of sale or sharing.
    pub limited_data_use: bool,
}

impl Timeline {
    /// The answers as known at one moment, and the opt-out signal.
    fn at(&self, moment: i64) -> (Consent, bool) {
        let past = || self.visitor.iter().rev().filter(move |e| e.at_ms <= moment);
        let banner = past().find_map(|e| e.answers);
        let gpc = past().next().is_some_and(|e| e.gpc);
        let mut consent = banner.unwrap_or_default().combine(self.order.unwrap_or_default());
        if gpc {
            consent.ads_personalise = Answer::Denied;
            if banner.is_none() && self.order.is_none() {
                consent.ads = Answer::Denied;
            }
        }
        (consent, gpc)
    }

    /// The answers as known at one moment.
    #[must_use]
    pub fn answers_at(&self, moment: i64) -> Consent {
        self.at(moment).0
    }

    /// What holds for an order: its state at the order and the state now must both allow. An answer that
    /// was still unknown at the order is taken from the first one that arrives within the grace.
    #[must_use]
    pub fn decide(&self, moments: Moments) -> Decision {
        let (mut then, gpc_then) = self.at(moments.ordered);
        let late = moments.grace_until.min(moments.now);
        for entry in self.visitor.iter().filter(|e| e.at_ms > moments.ordered && e.at_ms <= late) {
            then = then.zip(self.at(entry.at_ms).0, Answer::or_later);
        }
        let (now, gpc_now) = self.at(moments.now);
        Decision { consent: then.zip(now, Answer::and), limited_data_use: gpc_then || gpc_now }
    }

    /// Whether anyone answered the question that gates every delivery.
    #[must_use]
    pub fn known(&self, now: i64) -> bool {
        self.at(now).0.ads != Answer::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Answer::{Denied, Granted, Unknown};

    const YES: Consent =
        Consent { store: Granted, ads: Granted, ads_user_data: Granted, ads_personalise: Granted };
    const NO: Consent =
        Consent { store: Denied, ads: Denied, ads_user_data: Denied, ads_personalise: Denied };

    fn said(at_ms: i64, answers: Consent) -> Entry {
        Entry { at_ms, answers: Some(answers), gpc: false }
    }

    fn ads(visitor: Vec<Entry>, order: Option<Consent>, now: i64) -> Answer {
        let moments = Moments { ordered: 100, grace_until: 150, now };
        Timeline { visitor, order }.decide(moments).consent.ads
    }

    #[test]
    fn gcs_reads_the_ads_digit_not_the_analytics_digit() {
        assert_eq!(Consent::from_gcs("G110").ads, Granted);
        assert_eq!(Consent::from_gcs("G101").ads, Denied);
        assert_eq!(Consent::from_gcs("G1--").ads, Unknown);
        assert_eq!(Consent::from_gcs("G111").ads_user_data, Unknown);
        for malformed in ["", "G11", "G1111", "g111", "G1x1"] {
            assert_eq!(Consent::from_gcs(malformed), Consent::default(), "{malformed}");
        }
    }

    #[test]
    fn gcd_vectors() {
        let read = |t| {
            let c = Consent::from_gcd(t);
            (c.ads, c.ads_user_data, c.ads_personalise)
        };
        assert_eq!(read("11t1t1t1t5"), (Granted, Granted, Granted));
        assert_eq!(read("11p1p1p1p5"), (Denied, Denied, Denied));
        assert_eq!(read("11r1p1r1p5"), (Granted, Granted, Denied));
        assert_eq!(read("11u1t1u1u5"), (Denied, Denied, Denied));
        assert_eq!(read("11t1t1p1p5"), (Granted, Denied, Denied));
        assert_eq!(read("13l3l3l3l1"), (Unknown, Unknown, Unknown));
        for malformed in ["11t1t1t5", "11x1t1t1t5", "", "11T1t1t1t5", "11t1t1t1t5x"] {
            assert_eq!(read(malformed), (Unknown, Unknown, Unknown), "{malformed}");
        }
    }

    #[test]
    fn attribute_ignores_what_it_does_not_know_and_prefers_no() {
        let c = Consent::from_attribute("ads=1; ads_user_data=0;marketing=1;store=yes;ads=0");
        assert_eq!((c.ads, c.ads_user_data, c.store), (Denied, Denied, Unknown));
    }

    #[test]
    fn a_withdrawal_after_the_order_stops_it() {
        assert_eq!(ads(vec![said(1, YES), said(200, NO)], None, 190), Granted);
        assert_eq!(ads(vec![said(1, YES), said(200, NO)], None, 200), Denied);
    }

    #[test]
    fn a_grant_does_not_reach_back_over_a_denial() {
        assert_eq!(ads(vec![said(1, NO), said(120, YES)], None, 300), Denied);
    }

    #[test]
    fn an_unknown_answer_may_arrive_within_the_grace_but_not_later() {
        assert_eq!(ads(vec![said(150, YES)], None, 300), Granted);
        assert_eq!(ads(vec![said(151, YES)], None, 300), Unknown);
        assert_eq!(ads(vec![], None, 300), Unknown);
    }

    #[test]
    fn the_stricter_of_visitor_and_checkout_wins() {
        assert_eq!(ads(vec![said(1, YES)], Some(NO), 110), Denied);
        assert_eq!(ads(vec![], Some(YES), 110), Granted);
    }

    #[test]
    fn gpc_without_a_banner_answer_denies_and_with_one_limits() {
        let gpc = |answers| Timeline {
            visitor: vec![Entry { at_ms: 1, answers, gpc: true }],
            order: None,
        };
        let moments = Moments { ordered: 100, grace_until: 150, now: 200 };
        assert_eq!(gpc(None).decide(moments).consent.ads, Denied);
        let with = gpc(Some(YES)).decide(moments);
        assert_eq!((with.consent.ads, with.consent.ads_personalise), (Granted, Denied));
        assert!(with.limited_data_use);
    }
}
