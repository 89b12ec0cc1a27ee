//! What a run selects, so that two runs can tell whether they are about the same.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A selection: its size, and a fingerprint that tells it apart from any other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suite {
    /// Cases to be played.
    pub cases: usize,
    /// Cases that the relay's declarations rule out.
    pub skipped: usize,
    /// SHA-256 over the names of both, in hex.
    pub fingerprint: String,
}

impl Suite {
    /// The selection that consists of these cases, in whatever order.
    pub fn of<'a>(
        cases: impl IntoIterator<Item = &'a str>,
        skipped: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut hash = Sha256::new();
        let mut add = |kind: &str, mut names: Vec<&str>| {
            names.sort_unstable();
            for name in &names {
                // Names have no line breaks.
                hash.update(format!("{kind} {name}\n"));
            }
            names.len()
        };
        let cases = add("play", cases.into_iter().collect());
        let skipped = add("skip", skipped.into_iter().collect());
        Self { cases, skipped, fingerprint: hex::encode(hash.finalize()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_follows_the_names_and_not_their_order() {
        let both = Suite::of(["a/meta", "b/meta"], ["c/meta"]);
        assert_eq!(both, Suite::of(["b/meta", "a/meta"], ["c/meta"]));
        assert_eq!((both.cases, both.skipped), (2, 1));
        for other in [
            Suite::of(["a/meta"], ["c/meta"]),
            Suite::of(["a/meta", "b/meta", "c/meta"], []),
            Suite::of(["a/meta", "b/tiktok"], ["c/meta"]),
        ] {
            assert_ne!(both.fingerprint, other.fingerprint);
        }
    }
}
