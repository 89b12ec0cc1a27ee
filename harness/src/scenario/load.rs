//! Reads scenario files. Every file is read and every error collected, each with file, line, column,
//! the offending line and a hint.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::Value;

pub(crate) use super::source::Place;
use super::{Scenario, Variant, rules, select::closest, source::Node};

/// Longest file, in bytes.
pub const MAX_FILE: u64 = 256 * 1024;
/// Most files in one folder.
pub const MAX_FILES: usize = 2_000;
/// Deepest folder below the scenarios' own.
const MAX_DEPTH: usize = 8;

/// Everything that is wrong with a set of scenario files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadErrors {
    /// In order of files and lines.
    pub errors: Vec<LoadError>,
}

impl std::error::Error for LoadErrors {}

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.errors.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong with one scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// File as it was asked for.
    pub file: String,
    /// Line and column, from one; `None`: the file as a whole.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
    /// The line itself, or what of a long one is around the place.
    pub excerpt: Option<Excerpt>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Part of a line with the place in it that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// At most 160 characters.
    pub text: String,
    /// How many of them stand before the place.
    pub caret: usize,
}

impl Excerpt {
    /// Around a column (from one) of a line.
    fn of(line: &str, column: usize) -> Self {
        let before = column.saturating_sub(1).min(line.chars().count());
        let skipped = if before > 120 { before - 80 } else { 0 };
        let shown = line.chars().skip(skipped).take(160);
        // Control characters in a hostile file must not reach a terminal.
        let text = shown.map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { text, caret: before - skipped }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        writeln!(f, ": {}", self.message)?;
        if let (Some((number, _)), Some(excerpt)) = (self.place, &self.excerpt) {
            let margin = number.to_string();
            writeln!(f, "  {margin} | {}", excerpt.text)?;
            writeln!(f, "  {0:1$} | {0:2$}^", "", margin.len(), excerpt.caret)?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Reads all `*.yaml` files below a folder, in order of their names.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn load_dir(dir: &Path) -> Result<Vec<Scenario>, LoadErrors> {
    let mut files = Vec::new();
    let mut errors = Vec::new();
    collect(dir, 0, &mut files, &mut errors);
    files.sort();
    if files.len() > MAX_FILES {
        errors.push(whole(dir, format!("more than {MAX_FILES} scenario files"), None));
        files.truncate(MAX_FILES);
    }
    if files.is_empty() && errors.is_empty() {
        errors.push(whole(
            dir,
            "no scenario in it".into(),
            Some("scenarios are files that end in .yaml".into()),
        ));
    }
    let mut scenarios = Vec::new();
    for file in files {
        match read(dir, &file) {
            Ok(scenario) => scenarios.push(scenario),
            Err(of_file) => errors.extend(of_file.errors),
        }
    }
    if errors.is_empty() { Ok(scenarios) } else { Err(LoadErrors { errors }) }
}

/// Reads one scenario from text; `name` is what its place in the folder would say: `dedup/thank_you_reload`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_str(name: &str, text: &str) -> Result<Scenario, LoadErrors> {
    parse(name, &format!("{name}.yaml"), text)
}

/// The scenario with one variant merged into it.
///
/// A merge goes into mappings key by key; anything else is replaced. `null` is a value like any other
/// (unlike in RFC 7396): `contact: { email: null }` is an order without e-mail.
///
/// # Errors
/// In words: what does not fit.
pub fn with_variant(scenario: &Scenario, variant: &Variant) -> Result<Scenario, String> {
    let mut source = (*scenario.source).clone();
    let Value::Object(top) = &mut source else { return Err("the scenario has no source".into()) };
    let whole_lists =
        [("given", &variant.given), ("steps", &variant.steps), ("expect", &variant.expect)];
    for (name, list) in whole_lists {
        if let Some(list) = list {
            top.insert(name.into(), list.clone());
        }
    }
    if let Some(settings) = &variant.settings {
        top.insert("settings".into(), settings.clone().into_iter().collect());
    }
    let merges = [
        ("steps", "visit", &variant.visit),
        ("steps", "order", &variant.order),
        ("steps", "webhook", &variant.webhook),
        ("steps", "consent", &variant.consent),
        ("given", "platform", &variant.fault),
    ];
    for (list, kind, patch) in merges {
        let Some(patch) = patch else { continue };
        let entries = top.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        let mut hits = 0;
        for entry in entries {
            hits += usize::from(merge_into(entry, kind, patch));
        }
        if hits == 0 {
            return Err(format!("there is no `{kind}` that it could change"));
        }
    }
    let mut merged = Scenario::deserialize(source).map_err(|error| error.to_string())?;
    if let Some(platforms) = &variant.platforms {
        merged.platforms = platforms.clone();
    }
    merged.name.clone_from(&scenario.name);
    merged.source = Arc::clone(&scenario.source);
    Ok(merged)
}

/// Merges a patch into `entry` if it is of this kind.
fn merge_into(entry: &mut Value, kind: &str, patch: &Value) -> bool {
    // The short form `- visit` has nothing that could be merged into.
    if entry.as_str() == Some(kind) {
        *entry = Value::Object(
            [(kind.to_owned(), Value::Object(serde_json::Map::new()))].into_iter().collect(),
        );
    }
    let Some(content) = entry.get_mut(kind) else { return false };
    // `- consent: denied` is short for `- consent: { answer: denied }`.
    if kind == "consent" && content.is_string() {
        let answer = content.take();
        *content = Value::Object([("answer".to_owned(), answer)].into_iter().collect());
    }
    merge(content, patch);
    true
}

fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key.as_str()).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

fn collect(dir: &Path, depth: usize, files: &mut Vec<PathBuf>, errors: &mut Vec<LoadError>) {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => return errors.push(whole(dir, format!("cannot be read: {error}"), None)),
    };
    for entry in entries {
        // A few more than allowed are enough to know that it is too many.
        if files.len() > MAX_FILES {
            return;
        }
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                errors.push(whole(dir, format!("cannot be read: {error}"), None));
                continue;
            }
        };
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            if depth == MAX_DEPTH {
                errors.push(whole(&path, format!("more than {MAX_DEPTH} folders deep"), None));
            } else {
                collect(&path, depth + 1, files, errors);
            }
        } else if path.extension().is_some_and(|e| e == "yaml") {
            files.push(path);
        } else if path.extension().is_some_and(|e| e == "yml") {
            errors.push(whole(&path, "ends in .yml".into(), Some("name it .yaml".into())));
        }
    }
}

fn read(dir: &Path, file: &Path) -> Result<Scenario, LoadErrors> {
    let refuse = |message: String| LoadErrors { errors: vec![whole(file, message, None)] };
    let size =
        fs::metadata(file).map_err(|error| refuse(format!("cannot be read: {error}")))?.len();
    if size > MAX_FILE {
        return Err(refuse(format!("{size} bytes long; at most {MAX_FILE} are allowed")));
    }
    let text =
        fs::read_to_string(file).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    let place = file.strip_prefix(dir).unwrap_or(file).with_extension("");
    let parts: Vec<_> = place.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parse(&parts.join("/"), &file.display().to_string(), &text)
}

fn whole(file: &Path, message: String, hint: Option<String>) -> LoadError {
    LoadError { file: file.display().to_string(), place: None, message, excerpt: None, hint }
}

fn parse(name: &str, file: &str, text: &str) -> Result<Scenario, LoadErrors> {
    let reporter = Reporter { file, text };
    let one = |error| LoadErrors { errors: vec![error] };
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(one(reporter.error(None, format!("longer than {MAX_FILE} bytes"), None)));
    }
    check_name(name).map_err(|message| {
        one(reporter.error(
            None,
            message,
            Some("use a-z, 0-9 and single _ in names of files and folders".into()),
        ))
    })?;
    let tree: Node =
        serde_saphyr::from_str_with_options(text, options()).map_err(|e| one(reporter.yaml(&e)))?;
    let mut scenario: Scenario =
        serde_saphyr::from_str_with_options(text, options()).map_err(|e| one(reporter.yaml(&e)))?;
    name.clone_into(&mut scenario.name);
    scenario.source = Arc::new(tree.to_json());

    let mut errors: Vec<LoadError> = rules::broken(&scenario)
        .into_iter()
        .map(|broken| reporter.error(tree.place(&broken.at), broken.message, broken.hint))
        .collect();
    // Variants are merged as JSON; a scenario that reads differently there would surprise.
    if let Err(error) = Scenario::deserialize(&*scenario.source) {
        let hint = "put texts that look like numbers in quotes".to_owned();
        errors.push(reporter.error(None, error.to_string(), Some(hint)));
    }
    for (i, variant) in scenario.variants.iter().enumerate() {
        let place = tree.place(&format!("variants/{i}"));
        let label = format!("variant `{}`", variant.name);
        match with_variant(&scenario, variant) {
            Err(message) => errors.push(reporter.error(place, format!("{label}: {message}"), None)),
            Ok(merged) => errors.extend(
                // What the base breaks by itself was said already.
                rules::broken(&merged)
                    .into_iter()
                    .filter(|broken| !rules::broken(&scenario).contains(broken))
                    .map(|b| {
                        reporter.error(place, format!("{label}: {}: {}", b.at, b.message), b.hint)
                    }),
            ),
        }
    }
    errors.sort_by_key(|error| error.place);
    if errors.is_empty() { Ok(scenario) } else { Err(LoadErrors { errors }) }
}

/// `dedup/thank_you_reload`: names become parts of case names, snapshot paths and patterns.
fn check_name(name: &str) -> Result<(), String> {
    let good = |part: &str| {
        !part.is_empty()
            && !part.contains("__")
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if name.len() <= 120 && name.split('/').all(good) {
        Ok(())
    } else if name.contains("__") {
        Err(format!("`{name}` is no name for a scenario: `__` is not allowed"))
    } else {
        Err(format!("`{name}` is no name for a scenario"))
    }
}

/// How all YAML is read: bounded, and with `no` as a word.
pub(crate) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        // `no` is a word here, not a truth value.
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_documents: 2,
            max_depth: 64,
            max_nodes: 50_000,
            max_aliases: 200,
            max_anchors: 50,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 100,
        },
    }
}

/// Makes errors that point into one file.
pub(crate) struct Reporter<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
}

impl Reporter<'_> {
    /// `None`: about the file as a whole.
    pub(crate) fn error(
        &self,
        place: Option<Place>,
        message: String,
        hint: Option<String>,
    ) -> LoadError {
        let line = place.and_then(|at| Some((self.text.lines().nth(at.line - 1)?, at.column)));
        LoadError {
            file: self.file.to_owned(),
            place: place.map(|at| (at.line, at.column)),
            message: shorten(&message),
            excerpt: line.map(|(line, column)| Excerpt::of(line, column)),
            hint,
        }
    }

    /// A parser's error in our words.
    pub(crate) fn yaml(&self, error: &serde_saphyr::Error) -> LoadError {
        use serde_saphyr::Error;
        let error = error.without_snippet();
        let place = error.location().and_then(Place::of);
        let (message, hint) = match error {
            Error::SerdeUnknownField { field, expected, .. } => {
                (format!("unknown field `{field}`"), Some(known("fields", field, expected)))
            }
            Error::SerdeUnknownVariant { variant, expected, .. } => {
                (format!("`{variant}` is not known here"), Some(known("words", variant, expected)))
            }
            Error::SerdeMissingField { field, .. } => (format!("field `{field}` is missing"), None),
            Error::SerdeInvalidType { unexpected, expected, .. }
            | Error::SerdeInvalidValue { unexpected, expected, .. } => {
                (format!("found {unexpected} where {expected} is expected"), None)
            }
            Error::DuplicateMappingKey { key: Some(key), .. } => {
                (format!("`{key}` is given twice"), None)
            }
            Error::MultipleDocuments { .. } => {
                ("a second document begins here: one per file".into(), None)
            }
            Error::Message { msg, .. } => (msg.clone(), None),
            other => (strip_place(&other.to_string()), None),
        };
        self.error(place, message, hint)
    }
}

/// `did you mean ...? known fields: ...`
pub(crate) fn known(what: &str, written: &str, expected: &[&str]) -> String {
    if expected.is_empty() {
        return format!("no {what} are known here");
    }
    let list = format!("known {what}: {}", expected.join(", "));
    match closest(written, expected.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {list}"),
        None => list,
    }
}

/// The parser repeats the place in its text; it stands in front of ours already.
fn strip_place(text: &str) -> String {
    text.split_once(" at line ")
        .map_or(text, |(message, _)| message)
        .lines()
        .next()
        .unwrap_or(text)
        .to_owned()
}

/// A value that a message repeats may be as long as the file.
fn shorten(message: &str) -> String {
    const LONGEST: usize = 600;
    let printable = message.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = printable.take(LONGEST).collect();
    if message.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}
