//! What consent answers amount to, as decisions for order attributes and as values for the relay's own consent call.

use serde_json::{Map, Value, json};

use super::{Driver, Fault, named};
use crate::{
    history::Did,
    plan::all,
    scenario::{ConsentAnswer, ConsentStep, Decision, Decisions, Signals},
};

impl Driver<'_> {
    pub(super) async fn consent(&mut self, index: usize, step: &ConsentStep) -> Result<(), Fault> {
        let by = named(step.by.as_ref());
        self.person(by)?;
        if step.answer == ConsentAnswer::Unknown {
            return Ok(());
        }
        self.shopper(by).consent = Some(step.answer.clone());
        self.tell_consent(Some(index), by, &step.answer).await
    }

    /// Tells an answer by the relay's consent call, if it has one; else it travels on the person's orders.
    pub(super) async fn tell_consent(
        &mut self,
        step: Option<usize>,
        by: &str,
        answer: &ConsentAnswer,
    ) -> Result<(), Fault> {
        let mut call = None;
        if let Some(template) = &self.stage.profile.send.consent {
            let person = self.person(by)?;
            let device = self.device(by, person);
            let mut facts = self.facts(self.shop(self.shop_of(step, by))?);
            facts.extend(device);
            facts.insert("visitor_id", person.visitor_id.clone());
            facts.insert("consent", told(Some(answer)));
            call = Some(self.call("send.consent", template, facts).await?);
        }
        let decisions = decisions(answer).unwrap_or_default();
        self.note(step, Did::Consent { by: by.to_owned(), decisions, call });
        Ok(())
    }
}

/// The answer as the relay's calls take it: decisions or raw signals; nothing if none was given.
pub(super) fn told(answer: Option<&ConsentAnswer>) -> Value {
    match answer {
        None | Some(ConsentAnswer::Unknown) => Value::Null,
        Some(ConsentAnswer::Granted) => words(all(Decision::Granted)),
        Some(ConsentAnswer::Denied) => words(all(Decision::Denied)),
        Some(ConsentAnswer::Decisions(decisions)) => words(*decisions),
        Some(ConsentAnswer::Signals(signals)) => {
            let given = [("gcs", &signals.gcs), ("gcd", &signals.gcd)];
            given
                .into_iter()
                .filter_map(|(name, text)| Some((name.to_owned(), Value::from(text.clone()?))))
                .collect::<Map<_, _>>()
                .into()
        }
    }
}

/// Decisions that were made, by name.
fn words(decisions: Decisions) -> Value {
    let all = json!(decisions);
    let made = |(_, value): &(String, Value)| value != "unknown";
    match all {
        Value::Object(map) => map.into_iter().filter(made).collect::<Map<_, _>>().into(),
        other => other,
    }
}

/// What an answer amounts to; `None` if there was none.
pub(super) fn decisions(answer: &ConsentAnswer) -> Option<Decisions> {
    match answer {
        ConsentAnswer::Unknown => None,
        ConsentAnswer::Granted => Some(all(Decision::Granted)),
        ConsentAnswer::Denied => Some(all(Decision::Denied)),
        ConsentAnswer::Decisions(decisions) => Some(*decisions),
        ConsentAnswer::Signals(signals) => Some(from_signals(signals)),
    }
}

/// Google consent mode signals. Both given: the more restrictive answer wins. Malformed: unknown.
///
/// `gcs` is `G1` and a digit each for ad and analytics storage. `gcd` holds one letter each for ad storage, analytics
/// storage, user data and personalisation; which letters mean what is known from observation, not published.
fn from_signals(signals: &Signals) -> Decisions {
    let short = signals.gcs.as_deref().map(|gcs| {
        let digit =
            gcs.strip_prefix("G1").filter(|rest| rest.len() == 2).and_then(|r| r.chars().next());
        let ads = match digit {
            Some('1') => Decision::Granted,
            Some('0') => Decision::Denied,
            _ => Decision::Unknown,
        };
        Decisions { store: ads, ads, ..Decisions::default() }
    });
    let long = signals.gcd.as_deref().map(|gcd| {
        let letters: Vec<Decision> =
            gcd.chars().filter(char::is_ascii_lowercase).map(letter).collect();
        match letters.as_slice() {
            [ads, _analytics, user_data, personalise] => Decisions {
                store: *ads,
                ads: *ads,
                ads_user_data: *user_data,
                ads_personalise: *personalise,
            },
            _ => Decisions::default(),
        }
    });
    match (short, long) {
        (Some(a), Some(b)) => Decisions {
            store: stricter(a.store, b.store),
            ads: stricter(a.ads, b.ads),
            // `gcs` says nothing about these two.
            ads_user_data: b.ads_user_data,
            ads_personalise: b.ads_personalise,
        },
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => Decisions::default(),
    }
}

fn letter(letter: char) -> Decision {
    match letter {
        't' | 'r' | 'v' | 'n' => Decision::Granted,
        'p' | 'q' | 'u' | 'm' => Decision::Denied,
        _ => Decision::Unknown,
    }
}

fn stricter(a: Decision, b: Decision) -> Decision {
    match (a, b) {
        (Decision::Denied, _) | (_, Decision::Denied) => Decision::Denied,
        (Decision::Granted, Decision::Granted) => Decision::Granted,
        _ => Decision::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals(gcs: Option<&str>, gcd: Option<&str>) -> ConsentAnswer {
        ConsentAnswer::Signals(Signals { gcs: gcs.map(str::to_owned), gcd: gcd.map(str::to_owned) })
    }

    #[test]
    fn signals_amount_to_decisions() {
        use Decision::{Denied as D, Granted as G, Unknown as U};
        for (gcs, gcd, expected) in [
            (Some("G111"), None, [G, G, U, U]),
            (Some("G110"), None, [G, G, U, U]),
            (Some("G101"), None, [D, D, U, U]),
            (Some("G1--"), None, [U, U, U, U]),
            (None, Some("11t1t1t1t5"), [G, G, G, G]),
            (None, Some("11p1p1p1p5"), [D, D, D, D]),
            (None, Some("11r1p1r1p5"), [G, G, G, D]),
            (None, Some("11u1t1u1u5"), [D, D, D, D]),
            (None, Some("11t1t1p1p5"), [G, G, D, D]),
            (None, Some("13l3l3l3l1"), [U, U, U, U]),
            (None, Some("11t1t1t5"), [U, U, U, U]),
            (Some("G100"), Some("11t1t1t1t5"), [D, D, G, G]),
        ] {
            let found = decisions(&signals(gcs, gcd)).unwrap_or_default();
            let found = [found.store, found.ads, found.ads_user_data, found.ads_personalise];
            assert_eq!(found, expected, "{gcs:?} {gcd:?}");
        }
    }

    #[test]
    fn only_decisions_that_were_made_are_told() {
        let some =
            Decisions { ads: Decision::Granted, store: Decision::Denied, ..Decisions::default() };
        assert_eq!(
            told(Some(&ConsentAnswer::Decisions(some))),
            json!({"store": "denied", "ads": "granted"})
        );
        assert_eq!(told(Some(&ConsentAnswer::Unknown)), Value::Null);
        assert_eq!(told(Some(&signals(Some("G110"), None))), json!({"gcs": "G110"}));
    }
}
