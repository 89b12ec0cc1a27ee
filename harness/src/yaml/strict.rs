//! Reads a type from plain JSON as strictly as from the file itself: `serde_json` takes a list where a mapping with fixed
//! fields belongs, value by value in the order of the fields, and a mistake would pass as something else.

use serde::{
    Deserialize, Deserializer,
    de::{
        Error as _, IntoDeserializer, Unexpected, Visitor,
        value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, Map, Value};

/// The value as this type.
///
/// # Errors
/// If it is none, or holds a list where a mapping belongs.
pub(crate) fn from_json<'de, T: Deserialize<'de>>(value: &'de Value) -> Result<T, Error> {
    T::deserialize(Strict(value))
}

/// One value of it.
struct Strict<'de>(&'de Value);

fn pairs<'de>(map: &'de Map<String, Value>) -> impl Iterator<Item = (&'de str, Strict<'de>)> {
    map.iter().map(|(key, value)| (key.as_str(), Strict(value)))
}

impl<'de> Deserializer<'de> for Strict<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.iter().map(Strict));
                let value = visitor.visit_seq(&mut items)?;
                items.end().map(|()| value)
            }
            Value::Object(map) => {
                let mut pairs = MapDeserializer::new(pairs(map));
                let value = visitor.visit_map(&mut pairs)?;
                pairs.end().map(|()| value)
            }
            single => single.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// Also what the fields of an enum's variant are read by.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) if map.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(pairs(map))))
            }
            // A single word, or an error.
            other => other.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Strict<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        id: String,
        total: Option<u32>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Step {
        Ping,
        Order(Order),
        Wait { seconds: u32 },
        Pair(u8, u8),
    }

    #[test]
    fn what_is_right_is_read() {
        let steps = json!([
            "ping",
            { "ping": null },
            { "order": { "id": "A", "total": 5 } },
            { "order": { "id": "B", "total": null } },
            { "wait": { "seconds": 3 } },
            { "pair": [1, 2] },
        ]);
        let order = |id: &str, total| Step::Order(Order { id: id.to_owned(), total });
        assert_eq!(
            from_json::<Vec<Step>>(&steps).unwrap(),
            [
                Step::Ping,
                Step::Ping,
                order("A", Some(5)),
                order("B", None),
                Step::Wait { seconds: 3 },
                Step::Pair(1, 2),
            ]
        );
        let named = json!({ "one": { "id": "A" } });
        assert!(from_json::<BTreeMap<String, Order>>(&named).unwrap().contains_key("one"));
        assert_eq!(from_json::<Value>(&steps).unwrap(), steps);
    }

    #[test]
    fn a_list_is_no_mapping_at_any_depth() {
        for (wrong, lenient) in [
            (json!({ "order": ["A", 5] }), true),
            (json!({ "wait": [3] }), false),
            (json!({ "order": { "id": "A" }, "ping": null }), false),
            (json!({ "order": { "id": "A", "more": 1 } }), false),
            (json!({ "order": { "id": 7 } }), false),
            (json!({ "pair": [1, 2, 3] }), false),
            (json!({ "ping": 1 }), false),
            (json!("order"), false),
            (json!("other"), false),
            (json!(5), false),
            (json!(null), false),
        ] {
            from_json::<Step>(&wrong).unwrap_err();
            from_json::<Vec<Step>>(&json!([wrong.clone()])).unwrap_err();
            assert_eq!(Step::deserialize(&wrong).is_ok(), lenient, "{wrong}");
        }
    }
}
