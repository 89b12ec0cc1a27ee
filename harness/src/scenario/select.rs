//! Which cases a pattern means: `dedup/*`, `*/meta`, or a name or its first parts: `dedup/thank_you_reload`.

/// A pattern that means no case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` selects no case; nearest names: {}", nearest.join(", "))]
pub struct SelectsNothing {
    /// As given.
    pub pattern: String,
    /// Names (or first parts of names) that look most like it.
    pub nearest: Vec<String>,
}

/// Indexes of the names that at least one pattern selects, in order. No pattern selects all.
///
/// # Errors
/// The first pattern that selects nothing.
pub fn select(names: &[&str], patterns: &[String]) -> Result<Vec<usize>, SelectsNothing> {
    if let Some(idle) =
        patterns.iter().find(|pattern| !names.iter().any(|name| matches(pattern, name)))
    {
        return Err(SelectsNothing { pattern: idle.clone(), nearest: nearest(idle, names) });
    }
    let wanted =
        |name: &str| patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, name));
    Ok((0..names.len()).filter(|i| names.get(*i).is_some_and(|name| wanted(name))).collect())
}

/// True if the pattern covers the name or its first parts. `*` stands for any text (also over `/`), `?` for one character.
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.trim_end_matches('/');
    let borders = name.match_indices('/').map(|(at, _)| at).chain(std::iter::once(name.len()));
    borders.filter_map(|at| name.get(..at)).any(|part| glob(pattern.as_bytes(), part.as_bytes()))
}

/// Linear in practice and never recursive: on a mismatch only the last star takes one more byte.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(one) if *one == b'?' || one == byte => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                None => return false,
                Some((star_p, star_t)) => {
                    *star_t += 1;
                    p = *star_p + 1;
                    t = *star_t;
                }
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|b| *b == b'*'))
}

/// Up to five names, or first parts of names with as many parts as the pattern has, that look most like it.
fn nearest(pattern: &str, names: &[&str]) -> Vec<String> {
    let plain = pattern.replace('*', "");
    let parts = pattern.trim_matches('/').split('/').count();
    let mut candidates: Vec<String> = names
        .iter()
        .map(|name| name.split('/').take(parts).collect::<Vec<_>>().join("/"))
        .collect();
    candidates.sort();
    candidates.dedup();
    candidates.sort_by_key(|candidate| edit_distance(&plain, candidate));
    candidates.truncate(5);
    candidates
}

/// The word that looks most like `written`, if any looks like it at all.
pub(crate) fn closest<'a>(written: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, word) = words.map(|word| (edit_distance(written, word), word)).min()?;
    (distance <= written.len().div_ceil(3)).then_some(word)
}

/// Levenshtein's distance in bytes, over at most the first 100 of each text.
pub(crate) fn edit_distance(a: &str, b: &str) -> usize {
    let b = b.as_bytes().iter().take(100);
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().take(100).enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.clone().zip(row.windows(2)) {
            let [diagonal, above] = *above else { continue };
            left = (above + 1).min(left + 1).min(diagonal + usize::from(x != *y));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NAMES: &[&str] = &[
        "consent/matrix/meta/denied",
        "consent/matrix/tiktok/denied",
        "dedup/thank_you_reload/meta",
        "dedup/thank_you_reload/tiktok",
        "dedup/thank_you_reload_late/meta",
    ];

    fn chosen(patterns: &[&str]) -> Vec<usize> {
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        select(NAMES, &patterns).unwrap()
    }

    #[test]
    fn patterns_mean_names_and_their_first_parts() {
        assert_eq!(chosen(&[]), [0, 1, 2, 3, 4]);
        assert_eq!(chosen(&["dedup/*"]), [2, 3, 4]);
        assert_eq!(chosen(&["dedup"]), [2, 3, 4]);
        assert_eq!(chosen(&["dedup/thank_you_reload"]), [2, 3]);
        assert_eq!(chosen(&["dedup/thank_you_reload/meta"]), [2]);
        assert_eq!(chosen(&["*/meta"]), [0, 2, 4]);
        assert_eq!(chosen(&["*/denied", "dedup/thank_you_reload/tik?ok"]), [0, 1, 3]);
    }

    #[test]
    fn a_pattern_that_selects_nothing_names_its_neighbours() {
        let error = select(NAMES, &["dedup/thank_you_relaod".to_owned()]).unwrap_err();
        assert_eq!(error.nearest.first().unwrap(), "dedup/thank_you_reload");
        assert!(error.to_string().contains("`dedup/thank_you_relaod` selects no case"), "{error}");
        select(NAMES, &["dedup/*".to_owned(), "nothing/*".to_owned()]).unwrap_err();
    }

    #[test]
    fn stars_do_not_explode() {
        let name = "a".repeat(2_000);
        assert!(!matches(&"a*".repeat(500).replace("**", "*"), &"b".repeat(2_000)));
        assert!(matches(&"a*".repeat(500), &name));
        assert!(!matches(&format!("{}b", "a*".repeat(500)), &name));
    }

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, distance) in [
            ("", "", 0),
            ("kitten", "sitting", 3),
            ("abc", "", 3),
            ("", "ab", 2),
            ("reload", "relaod", 2),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
        }
    }
}
