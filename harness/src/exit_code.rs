//! What the exit codes mean. A pipeline may rely on them; `harness --help` and the README print this list.

/// All judged cases passed, or fail as the baseline says.
pub const PASSED: u8 = 0;
/// A check failed, a case was inconclusive, a snapshot changed, an entry of the baseline is stale, or a comparison found a regression.
pub const FAILED: u8 = 1;
/// Bad usage: options, a scenario file or a profile that cannot be read.
pub const USAGE: u8 = 2;
/// The harness itself could not judge (its own fault, never the relay's).
pub const HARNESS_FAULT: u8 = 3;
/// The selection matches no case, or every selected case is ruled out by the profile.
pub const NOTHING_SELECTED: u8 = 4;
/// The relay could not be started or reached, went away, or takes orders and sends nothing to any platform.
pub const RELAY_UNREACHABLE: u8 = 5;

/// Code, name and meaning, as `harness --help` and the README list them.
pub const ALL: &[(u8, &str, &str)] = &[
    (
        PASSED,
        "passed",
        "every judged case passed or is known to fail (look at the number of skipped ones)",
    ),
    (
        FAILED,
        "failed",
        "a check failed, a case was inconclusive, a snapshot is new or changed, a known failure no longer occurs, or `compare` found a regression",
    ),
    (USAGE, "usage", "bad options, scenario, profile or report"),
    (
        HARNESS_FAULT,
        "harness fault",
        "the harness itself could not judge; says nothing about the relay",
    ),
    (
        NOTHING_SELECTED,
        "nothing selected",
        "nothing matches, or the profile rules out all that does",
    ),
    (
        RELAY_UNREACHABLE,
        "relay unreachable",
        "the relay did not start, answer or stay, or sends nothing at all",
    ),
];

/// The list for `harness --help`.
pub fn list() -> String {
    let lines: Vec<String> =
        ALL.iter().map(|(code, _, meaning)| format!("  {code}  {meaning}")).collect();
    format!("Exit codes:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_the_codes_with_these_meanings() {
        let readme = include_str!("../../README.md");
        let rows = readme.lines().skip_while(|line| !line.starts_with("| exit code |")).skip(2);
        let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
        let all: Vec<String> =
            ALL.iter().map(|(code, _, meaning)| format!("| {code} | {meaning} |")).collect();
        assert_eq!(rows, all);
    }

    #[test]
    fn codes_are_counted_from_zero() {
        assert!(ALL.iter().enumerate().all(|(i, (code, ..))| usize::from(*code) == i));
    }
}
