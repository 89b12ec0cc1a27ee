//! Where a field stands in the profile, so that what is to be changed can be found.

use std::path::Path;

use serde_json::Value;

use super::Point;
use crate::{
    commands::REFERENCE,
    sut::{self, profile::Profile},
    text::plural,
    yaml::{self, Node},
};

/// A profile's file.
pub(super) struct Places {
    pub(super) file: String,
    tree: Option<Node>,
    json: Value,
}

/// Reads a profile with its places.
///
/// # Errors
/// The point that says what is wrong with it.
pub(super) fn read(path: Option<&Path>) -> Result<(Profile, Places), Point> {
    let file = path.map_or_else(|| "the built-in profile".to_owned(), |p| p.display().to_string());
    let loaded = match path {
        Some(path) => sut::load::load_with_text(path),
        None => sut::load::parse(REFERENCE).map(|profile| (profile, REFERENCE.to_owned())),
    };
    let (profile, text) = loaded.map_err(|errors| {
        let n = errors.errors.len();
        let says = format!("{file} cannot be used: {n} mistake{}", plural(n));
        Point::problem(
            "profile",
            says,
            "as the hints say; `harness schema profile` lists the fields",
        )
        .quoting(errors.to_string())
    })?;
    Ok((profile, Places::of(file, &text)))
}

impl Places {
    fn of(file: String, text: &str) -> Self {
        let tree: Option<Node> = serde_saphyr::from_str_with_options(text, yaml::options()).ok();
        let json = tree.as_ref().map_or(Value::Null, Node::to_json);
        Self { file, tree, json }
    }

    /// `send.click (relay.yaml:31)`; for a field that is not there: `send.click (missing in relay.yaml)`.
    pub(super) fn of_field(&self, field: &str) -> String {
        let pointer = format!("/{}", field.replace(']', "").replace(['.', '['], "/"));
        let place = self.tree.as_ref().and_then(|tree| tree.place_of_field(field));
        match (self.json.pointer(&pointer), place) {
            (Some(_), Some(place)) => format!("{field} ({}:{})", self.file, place.line),
            _ => format!("{field} (missing in {})", self.file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_with_its_line_and_a_missing_one_as_missing() {
        let text = "send:\n  click:\n    path: /c\nshops:\n  fixed:\n    - id: main\n      accounts: { meta: {} }\n";
        let places = Places::of("p.yaml".into(), text);
        assert_eq!(places.of_field("send.click.path"), "send.click.path (p.yaml:3)");
        assert_eq!(
            places.of_field("shops.fixed[0].accounts.meta"),
            "shops.fixed[0].accounts.meta (p.yaml:7)"
        );
        for missing in ["send.consent", "send.click.body", "shops.fixed[1].accounts", "policies"] {
            assert_eq!(places.of_field(missing), format!("{missing} (missing in p.yaml)"));
        }
    }
}
