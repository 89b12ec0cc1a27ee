//! One command per file. Each returns its exit code and what goes to standard output; `main` alone prints and exits.

mod baseline;
pub mod ca;
pub mod compare;
pub mod doctor;
pub mod explain;
pub mod init;
pub mod list;
pub mod merge;
mod publish;
pub mod run;
pub mod schema;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{
    cli::Select,
    run::RunError,
    sut::{self, profile::Profile},
};

/// What a command comes to.
#[derive(Debug)]
pub struct Done {
    /// Text for standard output.
    pub output: String,
    /// Exit code.
    pub code: u8,
    /// A file that could not be written. It is told after the output, and its exit code is the command's.
    pub unwritten: Option<RunError>,
}

impl Done {
    fn passed(output: String) -> Self {
        Self { output, code: crate::exit_code::PASSED, unwritten: None }
    }
}

/// The profile of the reference relay, as shipped.
pub const REFERENCE: &str = include_str!("../../profiles/reference.yaml");

/// The profile to use.
///
/// # Errors
///
/// If it cannot be read.
pub fn profile(path: Option<&Path>) -> Result<Profile, RunError> {
    match path {
        Some(path) => sut::load::load(path).map_err(|e| RunError::Usage(e.to_string())),
        None => sut::load::parse(REFERENCE).map_err(|e| RunError::Harness(e.to_string())),
    }
}

/// The folder with scenarios: as asked for, else `scenarios` here, else those that came with the program.
pub fn scenarios(select: Option<&PathBuf>) -> PathBuf {
    select.cloned().unwrap_or_else(|| shipped("scenarios"))
}

/// A folder of the project: here, or where this program was built from.
pub fn shipped(name: &str) -> PathBuf {
    let here = PathBuf::from(name);
    if here.is_dir() { here } else { Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name) }
}

/// This program as it was called, for commands to copy: `cargo harness` where cargo runs it, which works in its own
/// clone only; else its name or path.
pub fn program() -> String {
    let by_cargo = std::env::var_os("CARGO_MANIFEST_DIR")
        .is_some_and(|folder| folder == env!("CARGO_MANIFEST_DIR"));
    called(by_cargo, std::env::args_os().next())
}

fn called(by_cargo: bool, name: Option<OsString>) -> String {
    match name.as_ref().map(|name| name.to_string_lossy()) {
        _ if by_cargo => "cargo harness".to_owned(),
        Some(name) if !name.is_empty() => word(&name),
        _ => "harness".to_owned(),
    }
}

/// One word of a command for a shell: quoted if it would make something else of it.
pub fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || ":/._~%-+=@,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Options for planning alone.
///
/// # Errors
///
/// If the profile cannot be read.
pub fn plan_options(
    select: &Select,
    profile_path: Option<&Path>,
) -> Result<crate::run::Options, RunError> {
    Ok(crate::run::Options {
        relay: None,
        listen: ([127, 0, 0, 1], 0).into(),
        ca: None,
        profile: profile(profile_path)?,
        scenarios: scenarios(select.scenarios.as_ref()),
        cases: select.cases.clone(),
        platforms: select.platforms.clone(),
        shard: select.shard,
        jobs: 1,
        seed: select.seed(),
        timeout: std::time::Duration::ZERO,
        snapshots: None,
        accept: false,
        reproduce: String::new(),
        settings: std::collections::BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_named_as_it_was_called() {
        let of = |name: &str| called(false, Some(name.into()));
        assert_eq!(of("harness"), "harness");
        assert_eq!(of("../harness/target/debug/harness"), "../harness/target/debug/harness");
        assert_eq!(of("/my tools/harness"), "'/my tools/harness'");
        assert_eq!(called(false, None), "harness");
        assert_eq!(called(true, Some("target/debug/harness".into())), "cargo harness");
    }

    #[test]
    fn a_word_that_a_shell_would_take_apart_is_quoted() {
        assert_eq!(word("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
        assert_eq!(word("a;b"), "'a;b'");
        assert_eq!(word("it's"), r"'it'\''s'");
        assert_eq!(word(""), "''");
    }
}
