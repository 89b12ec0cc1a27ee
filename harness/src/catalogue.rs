//! The failure catalogue: ways in which relays fail, why each hurts and where that is known from. Data, in `catalogue.yaml`.

use std::sync::LazyLock;

use serde::Deserialize;

/// One known failure.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// `DED-06`; never renamed.
    pub id: String,
    /// What goes wrong.
    pub failure: String,
    /// Why it hurts.
    pub why: String,
    /// `high`, `medium` or `low`.
    pub severity: String,
    /// Public page.
    pub source: String,
    /// Why no shipped scenario covers it.
    #[serde(default)]
    pub not_covered: Option<String>,
}

/// Text of the data file.
const TEXT: &str = include_str!("../catalogue.yaml");

static ENTRIES: LazyLock<Vec<Entry>> =
    LazyLock::new(|| serde_saphyr::from_str(TEXT).unwrap_or_default());

/// All entries in the order of the file.
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_file_is_readable_and_its_entries_are_whole() {
        let read: Vec<Entry> = serde_saphyr::from_str(TEXT).expect("catalogue.yaml is valid");
        assert!(read.len() >= 100, "{}", read.len());
        let ids: BTreeSet<_> = read.iter().map(|e| e.id.as_str()).collect();
        assert_eq!(ids.len(), read.len(), "ids are unique");
        for entry in &read {
            assert!(entry.source.starts_with("https://"), "{}: {}", entry.id, entry.source);
            assert!(["high", "medium", "low"].contains(&entry.severity.as_str()), "{}", entry.id);
            assert!(!entry.failure.is_empty() && !entry.why.is_empty(), "{}", entry.id);
        }
    }
}
