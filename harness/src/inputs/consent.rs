//! Consent as formats with a field of their own tell it: categories by name, or consent mode signals.

use crate::{
    scenario::{Decision, Decisions},
    sut::profile::Categories,
};

/// The answers by category name, in a fixed order; a category without an answer is left out. `None`: nothing was
/// answered at all. An empty list would say something else: that all is refused.
pub(super) fn by_category(
    consent: Option<Decisions>,
    names: &Categories,
) -> Option<Vec<(String, bool)>> {
    let consent = consent?;
    let mut answers: Vec<(&str, Decision)> = Vec::new();
    for (name, decision) in [
        (&names.store, consent.store),
        (&names.ads, consent.ads),
        (&names.ads_user_data, consent.ads_user_data),
        (&names.ads_personalise, consent.ads_personalise),
    ] {
        match answers.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = both(*known, decision),
            None => answers.push((name, decision)),
        }
    }
    let made: Vec<_> = answers
        .into_iter()
        .filter(|(_, decision)| *decision != Decision::Unknown)
        .map(|(name, decision)| (name.to_owned(), decision == Decision::Granted))
        .collect();
    (!made.is_empty()).then_some(made)
}

/// Two decisions under one name: granted if both are, refused if one is.
fn both(a: Decision, b: Decision) -> Decision {
    match (a, b) {
        (Decision::Denied, _) | (_, Decision::Denied) => Decision::Denied,
        (Decision::Granted, Decision::Granted) => Decision::Granted,
        _ => Decision::Unknown,
    }
}

/// Google's consent mode: `ad_storage`, `analytics_storage`, `ad_user_data`, `ad_personalization`.
///
/// `ad_storage` stands for keeping identifiers and for advertising at once: it is granted if both are. What an
/// ad-platform relay does not need (`analytics_storage`) follows the permission to keep identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConsentMode {
    pub(super) ad_storage: Decision,
    pub(super) analytics_storage: Decision,
    pub(super) ad_user_data: Decision,
    pub(super) ad_personalization: Decision,
}

impl ConsentMode {
    pub(super) fn of(consent: Option<Decisions>) -> Self {
        let consent = consent.unwrap_or_default();
        Self {
            ad_storage: both(consent.store, consent.ads),
            analytics_storage: consent.store,
            ad_user_data: consent.ads_user_data,
            ad_personalization: consent.ads_personalise,
        }
    }

    /// `G1` and a digit each for advertising and statistics; `-` where nothing was answered.
    pub(super) fn gcs(self) -> String {
        let digit = |decision| match decision {
            Decision::Granted => '1',
            Decision::Denied => '0',
            Decision::Unknown => '-',
        };
        format!("G1{}{}", digit(self.ad_storage), digit(self.analytics_storage))
    }

    /// One letter for each of the four between digits: `t` granted, `p` refused (both from the start), `l` not set.
    pub(super) fn gcd(self) -> String {
        let all =
            [self.ad_storage, self.analytics_storage, self.ad_user_data, self.ad_personalization];
        let mut text = String::from("1");
        for decision in all {
            text.push_str(match decision {
                Decision::Granted => "1t",
                Decision::Denied => "1p",
                Decision::Unknown => "3l",
            });
        }
        text.push(if all.contains(&Decision::Unknown) { '1' } else { '5' });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::all;

    #[test]
    fn categories_that_share_a_name_are_granted_together() {
        let decisions = Decisions {
            store: Decision::Granted,
            ads: Decision::Granted,
            ads_user_data: Decision::Denied,
            ads_personalise: Decision::Unknown,
        };
        let own = Categories::default();
        let named = |name: &str, allowed| (name.to_owned(), allowed);
        assert_eq!(
            by_category(Some(decisions), &own),
            Some(vec![
                named("Storage", true),
                named("Advertising", true),
                named("AdUserData", false)
            ])
        );
        let shared = Categories { ads_user_data: own.ads.clone(), ..own.clone() };
        assert_eq!(
            by_category(Some(decisions), &shared),
            Some(vec![named("Storage", true), named("Advertising", false)])
        );
        let unsure = Categories { ads_personalise: own.ads.clone(), ..own.clone() };
        assert_eq!(
            by_category(Some(decisions), &unsure),
            Some(vec![named("Storage", true), named("AdUserData", false)])
        );
    }

    #[test]
    fn no_answer_is_not_an_empty_list() {
        assert_eq!(by_category(None, &Categories::default()), None);
        assert_eq!(by_category(Some(Decisions::default()), &Categories::default()), None);
    }

    #[test]
    fn signals_have_googles_form() {
        let told = |decision| {
            let mode = ConsentMode::of(Some(all(decision)));
            (mode.gcs(), mode.gcd())
        };
        let pair = |gcs: &str, gcd: &str| (gcs.to_owned(), gcd.to_owned());
        assert_eq!(told(Decision::Granted), pair("G111", "11t1t1t1t5"));
        assert_eq!(told(Decision::Denied), pair("G100", "11p1p1p1p5"));
        assert_eq!(told(Decision::Unknown), pair("G1--", "13l3l3l3l1"));
    }
}
