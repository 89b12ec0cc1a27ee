//! The JSON Schema of a profile, for editors: made from the very types that are read, so that the two cannot drift apart.
//!
//! What is by hand here are the known names (platforms, formats, account settings), which the types hold as plain text
//! because loading answers an unknown one with better words, and the forms that a secret and a span may have.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};

use super::{profile::Profile, secret::Secret};
use crate::{
    inputs::FORMATS,
    platforms::{AccountSeed, PLATFORMS, Platform},
    scenario::units::Span,
};

/// The schema of a profile (draft 2020-12).
pub fn profile() -> Schema {
    let mut schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Profile>();
    schema.insert("title".into(), "A relay's profile".into());
    schema
}

/// `platforms`: those that count orders.
pub(super) fn platforms(_: &mut SchemaGenerator) -> Schema {
    list_of(counting().map(|platform| platform.id()))
}

/// `send.formats`.
pub(super) fn formats(_: &mut SchemaGenerator) -> Schema {
    list_of(FORMATS.iter().map(|format| format.id()))
}

/// A mapping whose keys are input formats.
pub(super) fn by_format<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let value = generator.subschema_for::<T>();
    closed(FORMATS.iter().map(|format| (format.id(), value.clone().to_value())))
}

/// `accounts` of a fixed shop: settings by platform, both by their known names. Services that count no orders have
/// accounts too.
pub(super) fn accounts(_: &mut SchemaGenerator) -> Schema {
    closed(PLATFORMS.iter().map(|platform| {
        let account = platform.account(&AccountSeed { shop: 0, number: 0 });
        let fields = account.fields.into_keys().map(|name| (name, json!({ "type": "string" })));
        (platform.id(), closed(fields).to_value())
    }))
}

fn counting() -> impl Iterator<Item = &'static dyn Platform> {
    PLATFORMS.iter().copied().filter(|platform| platform.counts_orders())
}

fn list_of<'a>(known: impl Iterator<Item = &'a str>) -> Schema {
    let known: Vec<&str> = known.collect();
    json_schema!({ "type": "array", "items": { "enum": known }, "minItems": 1, "uniqueItems": true })
}

/// A mapping with no other keys than these.
fn closed<'a>(properties: impl Iterator<Item = (&'a str, Value)>) -> Schema {
    let properties: Map<String, Value> =
        properties.map(|(name, schema)| (name.to_owned(), schema)).collect();
    json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The secret itself, or the name of the environment variable that holds it.",
            "oneOf": [
                { "type": "string", "minLength": 1 },
                {
                    "type": "object",
                    "properties": { "env": { "type": "string", "pattern": "^[A-Za-z0-9_]+$" } },
                    "required": ["env"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A span of time: 250ms, 2s, 5m, 26h, 3d.",
            "type": "string",
            "pattern": "^ *-?[0-9]+(ms|s|m|h|d) *$",
            "examples": ["250ms", "5s", "90d"],
        })
    }
}

#[cfg(test)]
mod tests;
