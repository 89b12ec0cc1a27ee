//! Short forms: a scenario may say `consent: granted`, `restart: kill` or a bare `- recovers` where the long form would only be noise.
//! Written by hand instead of with serde's `untagged`, which would lose the place of every error.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        self, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

use super::{
    Answers, CancelStep, Click, ConsentAnswer, ConsentStep, Decision, Decisions, Expect, Given,
    HttpAnswer, Platforms, RefundStep, Reload, RestartStep, Signals, Step, Stop, units::Span,
};
use crate::platforms::FailureClass;

/// All answers by their own names, failure classes among them.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnswersForm {
    RateLimited,
    Transient,
    ServerError,
    Unavailable,
    TokenExpired,
    Forbidden,
    Invalid,
    PartialInvalid,
    PartialTransient,
    TookNothing,
    Failure(FailureClass),
    Http(HttpAnswer),
    Refuse,
    ResetBeforeBody,
    ResetAfterBody,
    Never,
    SlowBody(Span),
    CutBody,
    CommitThenReset,
    CommitThenSilence,
    CommitThenBadGateway,
    Delay(Span),
    HtmlOk,
    EmptyOk,
    Redirect,
}

impl From<AnswersForm> for Answers {
    fn from(form: AnswersForm) -> Self {
        match form {
            AnswersForm::RateLimited => Self::Failure(FailureClass::RateLimited),
            AnswersForm::Transient => Self::Failure(FailureClass::Transient),
            AnswersForm::ServerError => Self::Failure(FailureClass::ServerError),
            AnswersForm::Unavailable => Self::Failure(FailureClass::Unavailable),
            AnswersForm::TokenExpired => Self::Failure(FailureClass::TokenExpired),
            AnswersForm::Forbidden => Self::Failure(FailureClass::Forbidden),
            AnswersForm::Invalid => Self::Failure(FailureClass::Invalid),
            AnswersForm::PartialInvalid => Self::Failure(FailureClass::PartialInvalid),
            AnswersForm::PartialTransient => Self::Failure(FailureClass::PartialTransient),
            AnswersForm::TookNothing => Self::Failure(FailureClass::TookNothing),
            AnswersForm::Failure(class) => Self::Failure(class),
            AnswersForm::Http(answer) => Self::Http(answer),
            AnswersForm::Refuse => Self::Refuse,
            AnswersForm::ResetBeforeBody => Self::ResetBeforeBody,
            AnswersForm::ResetAfterBody => Self::ResetAfterBody,
            AnswersForm::Never => Self::Never,
            AnswersForm::SlowBody(span) => Self::SlowBody(span),
            AnswersForm::CutBody => Self::CutBody,
            AnswersForm::CommitThenReset => Self::CommitThenReset,
            AnswersForm::CommitThenSilence => Self::CommitThenSilence,
            AnswersForm::CommitThenBadGateway => Self::CommitThenBadGateway,
            AnswersForm::Delay(span) => Self::Delay(span),
            AnswersForm::HtmlOk => Self::HtmlOk,
            AnswersForm::EmptyOk => Self::EmptyOk,
            AnswersForm::Redirect => Self::Redirect,
        }
    }
}

/// How a value may be written: as a bare word, as a list, or as a mapping.
trait Forms<'de>: Sized {
    /// What to write, for error messages.
    const EXPECTING: &'static str;

    fn word<E: de::Error>(word: &str) -> Result<Self, E>;

    fn list<A: SeqAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(de::Error::invalid_type(de::Unexpected::Seq, &Self::EXPECTING))
    }

    fn mapping<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error>;
}

struct FormVisitor<T>(PhantomData<T>);

impl<'de, T: Forms<'de>> Visitor<'de> for FormVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTING)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<T, E> {
        T::word(word)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        T::list(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::mapping(map)
    }
}

macro_rules! by_forms {
    ($($ty:ty),*) => {$(
        impl<'de> Deserialize<'de> for $ty {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(FormVisitor::<Self>(PhantomData))
            }
        }
    )*};
}

by_forms!(
    Platforms,
    Click,
    ConsentAnswer,
    ConsentStep,
    RestartStep,
    Reload,
    RefundStep,
    CancelStep,
    Step,
    Given,
    Expect
);

impl<'de> Forms<'de> for Platforms {
    const EXPECTING: &'static str = "`all` or a list of platforms such as [meta, tiktok]";

    fn word<E: de::Error>(word: &str) -> Result<Self, E> {
        match word {
            "all" => Ok(Self::All),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &Self::EXPECTING)),
        }
    }

    fn list<A: SeqAccess<'de>>(seq: A) -> Result<Self, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Self::Only)
    }

    fn mapping<A: MapAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(de::Error::invalid_type(de::Unexpected::Map, &Self::EXPECTING))
    }
}

impl<'de> Forms<'de> for Click {
    const EXPECTING: &'static str =
        "`paid`, `direct`, landing parameters such as { gclid: auto }, or { query: \"...\" }";

    fn word<E: de::Error>(word: &str) -> Result<Self, E> {
        match word {
            "paid" => Ok(Self::Paid),
            "direct" => Ok(Self::Direct),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &Self::EXPECTING)),
        }
    }

    fn mapping<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut ids = BTreeMap::new();
        let mut query = None;
        while let Some(name) = map.next_key::<String>()? {
            let named = match name.as_str() {
                "query" => {
                    query = Some(map.next_value::<String>()?);
                    continue;
                }
                "ids" => map.next_value::<BTreeMap<String, String>>()?,
                _ => BTreeMap::from([(name, map.next_value::<String>()?)]),
            };
            for (name, value) in named {
                if ids.contains_key(&name) {
                    return Err(de::Error::custom(format_args!("`{name}` is given twice")));
                }
                ids.insert(name, value);
            }
        }
        match query {
            None => Ok(Self::Ids(ids)),
            Some(query) if ids.is_empty() => Ok(Self::Query(query)),
            Some(_) => Err(de::Error::custom(
                "`query` is the whole query string: no other parameter may stand beside it",
            )),
        }
    }
}

/// Decisions and signals side by side, before it is clear which of them is meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsentForm {
    store: Option<Decision>,
    ads: Option<Decision>,
    ads_user_data: Option<Decision>,
    ads_personalise: Option<Decision>,
    gcs: Option<String>,
    gcd: Option<String>,
    decisions: Option<Decisions>,
    signals: Option<Signals>,
}

impl<'de> Forms<'de> for ConsentAnswer {
    const EXPECTING: &'static str = "`granted`, `denied`, `unknown`, decisions such as { ads: granted, ads_user_data: denied }, or { gcs: G110 }";

    fn word<E: de::Error>(word: &str) -> Result<Self, E> {
        match word {
            "granted" => Ok(Self::Granted),
            "denied" => Ok(Self::Denied),
            "unknown" => Ok(Self::Unknown),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &Self::EXPECTING)),
        }
    }

    fn mapping<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        let form = ConsentForm::deserialize(MapAccessDeserializer::new(map))?;
        let single = [form.store, form.ads, form.ads_user_data, form.ads_personalise];
        let has_single = single.iter().any(Option::is_some);
        let has_digits = form.gcs.is_some() || form.gcd.is_some();
        if (form.decisions.is_some() && has_single) || (form.signals.is_some() && has_digits) {
            return Err(de::Error::custom("the same is given in two forms: keep one of them"));
        }
        let signals =
            form.signals.or_else(|| has_digits.then_some(Signals { gcs: form.gcs, gcd: form.gcd }));
        let decisions = form.decisions.or_else(|| {
            has_single.then(|| {
                let [store, ads, ads_user_data, ads_personalise] =
                    single.map(Option::unwrap_or_default);
                Decisions { store, ads, ads_user_data, ads_personalise }
            })
        });
        match (decisions, signals) {
            (Some(decisions), None) => Ok(Self::Decisions(decisions)),
            (None, Some(signals)) => Ok(Self::Signals(signals)),
            (Some(_), Some(_)) => {
                Err(de::Error::custom("decisions and signals do not go together: give one kind"))
            }
            (None, None) => {
                Err(de::Error::custom(format_args!("no answer in it: write {}", Self::EXPECTING)))
            }
        }
    }
}

impl<'de> Forms<'de> for ConsentStep {
    const EXPECTING: &'static str =
        "an answer (`granted`, `denied`, `unknown`) or { by: NAME, answer: ANSWER }";

    fn word<E: de::Error>(word: &str) -> Result<Self, E> {
        Ok(Self { by: None, answer: ConsentAnswer::word(word)? })
    }

    fn mapping<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
}

impl<'de> Forms<'de> for RestartStep {
    const EXPECTING: &'static str = "`kill`, `terminate` or { how: kill }";

    fn word<E: de::Error>(word: &str) -> Result<Self, E> {
        match word {
            "kill" => Ok(Self { how: Stop::Kill }),
            "terminate" => Ok(Self { how: Stop::Terminate }),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &Self::EXPECTING)),
        }
    }

    fn mapping<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
}

macro_rules! order_alone {
    ($ty:ident, $($rest:ident),*) => {
        impl<'de> Forms<'de> for $ty {
            const EXPECTING: &'static str = "an order's id, or a mapping with `order`";

            fn word<E: de::Error>(word: &str) -> Result<Self, E> {
                Ok(Self { order: word.to_owned(), $($rest: None),* })
            }

            fn mapping<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
                Self::deserialize(MapAccessDeserializer::new(map))
            }
        }
    };
}

order_alone!(Reload, times, after);
order_alone!(RefundStep, amount, times);
order_alone!(CancelStep, refund);

/// Exactly one `kind: content` pair: a second one is a forgotten dash, which must not be passed over in silence.
fn only_pair<'de, A, T>(
    mut map: A,
    read: impl FnOnce(MapAccessDeserializer<&mut A>) -> Result<T, A::Error>,
) -> Result<T, A::Error>
where
    A: MapAccess<'de>,
{
    let value = read(MapAccessDeserializer::new(&mut map))?;
    match map.next_key::<String>()? {
        None => Ok(value),
        Some(second) => Err(de::Error::custom(format_args!(
            "`{second}` is a second one in the same entry: begin it with a dash of its own"
        ))),
    }
}

impl<'de> Forms<'de> for Step {
    const EXPECTING: &'static str = "one step, such as `order: { id: A }`";

    fn word<E: de::Error>(word: &str) -> Result<Self, E> {
        match word {
            "visit" => Ok(Self::Visit(Default::default())),
            "ping" => Ok(Self::Ping(Default::default())),
            "recovers" => Ok(Self::Recovers(Default::default())),
            "credentials" => Ok(Self::Credentials(Default::default())),
            "replay" => Ok(Self::Replay(Default::default())),
            "erase" => Ok(Self::Erase(Default::default())),
            other => Err(E::custom(format_args!(
                "`{other}` cannot stand alone: write {}; only visit, ping, recovers, credentials, replay and erase may",
                Self::EXPECTING
            ))),
        }
    }

    fn mapping<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        only_pair(map, |map| Self::deserialize(map))
    }
}

impl<'de> Forms<'de> for Given {
    const EXPECTING: &'static str =
        "`platform: { answers: ... }` or `service: { name: ..., response: ... }`";

    fn word<E: de::Error>(word: &str) -> Result<Self, E> {
        Err(E::invalid_value(de::Unexpected::Str(word), &Self::EXPECTING))
    }

    fn mapping<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        only_pair(map, |map| Self::deserialize(map))
    }
}

impl<'de> Forms<'de> for Expect {
    const EXPECTING: &'static str = "one expectation, such as `outcome: { order: A, is: counted }`";

    fn word<E: de::Error>(word: &str) -> Result<Self, E> {
        Err(E::invalid_value(de::Unexpected::Str(word), &Self::EXPECTING))
    }

    fn mapping<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        only_pair(map, |map| Self::deserialize(map))
    }
}
