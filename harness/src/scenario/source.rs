//! A scenario file as a tree in which every value knows its line and column, so that errors found
//! long after parsing can still point into the file.

use std::fmt;

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
pub(super) enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Mapping(Vec<(String, Spanned<Node>)>),
}

impl Node {
    /// The same as plain JSON.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Self::Mapping(pairs) => Value::Object(
                pairs.iter().map(|(key, value)| (key.clone(), value.value.to_json())).collect(),
            ),
        }
    }

    /// Where the value at this path (`steps/0/order/id`) stands, or the nearest one around it that exists.
    pub(super) fn place(&self, path: &str) -> Option<Place> {
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

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        serde_json::Number::from_f64(value)
            .map(|number| Node::Scalar(number.into()))
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Node::Mapping(pairs))
    }
}
