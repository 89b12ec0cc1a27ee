//! A file as a tree in which every value knows its line and column, so that errors found long after parsing can still
//! point into the file.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use serde_saphyr::Spanned;

/// A place in a file, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    /// From the parser's own; `None` if it does not know.
    pub(crate) fn of(location: serde_saphyr::Location) -> Option<Self> {
        let line = usize::try_from(location.line()).ok().filter(|line| *line > 0)?;
        let column = usize::try_from(location.column()).ok().filter(|column| *column > 0)?;
        Some(Self { line, column })
    }
}

/// One value of the file.
#[derive(Debug)]
pub(crate) enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Mapping(Vec<(String, Spanned<Node>)>),
}

impl Node {
    /// The same as plain JSON.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Self::Mapping(pairs) => Value::Object(
                pairs.iter().map(|(key, value)| (key.clone(), value.value.to_json())).collect(),
            ),
        }
    }

    /// Where the value at this path (`steps/0/order/id`) stands, or the nearest one around it that exists.
    pub(crate) fn place(&self, path: &str) -> Option<Place> {
        let mut node = self;
        let mut found = None;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let next = match node {
                Self::Scalar(_) => None,
                Self::List(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
                Self::Mapping(pairs) => {
                    pairs.iter().find(|(key, _)| key == part).map(|(_, value)| value)
                }
            };
            let Some(next) = next else { break };
            found = Place::of(next.referenced).or(found);
            node = &next.value;
        }
        found
    }
}

impl Node {
    /// The same for a field as people write it (`send.webhooks.shopify.path`, `start.command[0]`). Names may hold dots
    /// themselves: the longest that fits is taken.
    pub(crate) fn place_of_field(&self, field: &str) -> Option<Place> {
        let (mut node, mut rest) = (self, field);
        let mut found = None;
        while !rest.is_empty() {
            let (next, left) = match node {
                Self::Scalar(_) => break,
                Self::List(items) => {
                    let Some((index, left)) =
                        rest.strip_prefix('[').and_then(|inner| inner.split_once(']'))
                    else {
                        break;
                    };
                    let Some(item) = index.parse::<usize>().ok().and_then(|i| items.get(i)) else {
                        break;
                    };
                    (item, left)
                }
                Self::Mapping(pairs) => {
                    let after = |key: &str| {
                        rest.strip_prefix(key)
                            .filter(|left| left.is_empty() || left.starts_with(['.', '[']))
                    };
                    let fitting =
                        pairs.iter().filter_map(|(key, value)| Some((key, value, after(key)?)));
                    let Some((_, value, left)) = fitting.max_by_key(|(key, ..)| key.len()) else {
                        break;
                    };
                    (value, left)
                }
            };
            found = Place::of(next.referenced).or(found);
            node = &next.value;
            rest = left.strip_prefix('.').unwrap_or(left);
        }
        found
    }
}

/// The same without places, as plain JSON, which is cheaper to make.
#[derive(Debug)]
pub(crate) struct Plain(pub(crate) Value);

/// What a file is read into.
trait Tree: Sized {
    type Child: de::DeserializeOwned;

    fn scalar(value: Value) -> Self;
    fn list(items: Vec<Self::Child>) -> Self;
    fn mapping(pairs: Vec<(String, Self::Child)>) -> Self;
}

impl Tree for Node {
    type Child = Spanned<Self>;

    fn scalar(value: Value) -> Self {
        Self::Scalar(value)
    }

    fn list(items: Vec<Spanned<Self>>) -> Self {
        Self::List(items)
    }

    fn mapping(pairs: Vec<(String, Spanned<Self>)>) -> Self {
        Self::Mapping(pairs)
    }
}

impl Tree for Plain {
    type Child = Self;

    fn scalar(value: Value) -> Self {
        Self(value)
    }

    fn list(items: Vec<Self>) -> Self {
        Self(items.into_iter().map(|item| item.0).collect())
    }

    fn mapping(pairs: Vec<(String, Self)>) -> Self {
        Self(Value::Object(pairs.into_iter().map(|(key, value)| (key, value.0)).collect()))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor(PhantomData))
    }
}

/// Both by the same rules, so that both find the same mistakes.
struct TreeVisitor<T>(PhantomData<T>);

impl<'de, T: Tree + Deserialize<'de>> Visitor<'de> for TreeVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(T::scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(T::scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(T::scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<T, E> {
        serde_json::Number::from_f64(value)
            .map(|number| T::scalar(number.into()))
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<T, E> {
        Ok(T::scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<T, E> {
        Ok(T::scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(T::list(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(T::mapping(pairs))
    }
}
