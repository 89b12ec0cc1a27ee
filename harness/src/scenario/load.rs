//! Reads scenario files. Every file is read and every error collected, each with file, line, column,
//! the offending line and a hint.

use std::{
    cell::LazyCell,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Expect, Given, Scenario, Step, Variant,
    rules::{self, Broken, MAX_VARIANTS},
};
use crate::yaml::{self, MAX_FILE, Node, Place, Plain, Reporter, whole};
pub use crate::yaml::{LoadError, LoadErrors};

/// Most files in one folder.
pub const MAX_FILES: usize = 2_000;
/// Most errors of the folders themselves.
const MAX_ERRORS: usize = 100;
/// Deepest folder below the scenarios' own.
const MAX_DEPTH: usize = 8;

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
        let hint = "name a folder with fewer by --scenarios";
        errors.push(whole(dir, format!("more than {MAX_FILES} scenario files"), hint));
        files.truncate(MAX_FILES);
    }
    if files.is_empty() && errors.is_empty() {
        errors.push(whole(dir, "no scenario in it", "scenarios are files that end in .yaml"));
    }
    let read: Vec<_> = files.par_iter().map(|file| read(dir, file)).collect();
    let mut scenarios = Vec::new();
    for read in read {
        match read {
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
fn with_variant(scenario: &Scenario, variant: &Variant) -> Result<Scenario, String> {
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
    let mut merged: Scenario = yaml::from_json(&source).map_err(|error| error.to_string())?;
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
        Err(error) => return errors.push(unreadable(dir, &error)),
    };
    for entry in entries {
        // A few more than allowed are enough to know that it is too many; folders that lead back to themselves have no end.
        if files.len() > MAX_FILES || errors.len() > MAX_ERRORS {
            return;
        }
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                errors.push(unreadable(dir, &error));
                continue;
            }
        };
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        let ends_in = |end: &str| path.extension().is_some_and(|e| e == end);
        if path.is_dir() {
            if ends_in("yaml") {
                let hint = "a scenario is a file; name folders without .yaml";
                errors.push(whole(&path, "is a folder", hint));
            } else if depth == MAX_DEPTH {
                let hint = "move it up: names of cases are made of the folders'";
                errors.push(whole(&path, format!("more than {MAX_DEPTH} folders deep"), hint));
            } else {
                collect(&path, depth + 1, files, errors);
            }
        } else if ends_in("yaml") {
            files.push(path);
        } else if ends_in("yml") {
            errors.push(whole(&path, "ends in .yml", "name it .yaml"));
        }
    }
}

fn unreadable(dir: &Path, error: &std::io::Error) -> LoadError {
    whole(dir, format!("cannot be read: {error}"), "name a folder that is there and may be read")
}

fn read(dir: &Path, file: &Path) -> Result<Scenario, LoadErrors> {
    let text = yaml::read(file, "a scenario")?;
    let place = file.strip_prefix(dir).unwrap_or(file).with_extension("");
    let parts: Vec<_> = place.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parse(&parts.join("/"), &file.display().to_string(), &text)
}

fn parse(name: &str, file: &str, text: &str) -> Result<Scenario, LoadErrors> {
    let reporter = Reporter::new(file, text);
    let one = LoadErrors::from;
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    if length > MAX_FILE {
        let hint = "a scenario takes a few kilobytes: split it".to_owned();
        return Err(one(reporter.error(None, yaml::too_long(length), Some(hint))));
    }
    if yaml::is_blank(text) {
        let hint = "write `title`, `covers` and `steps`".to_owned();
        let begin = Some(Place { line: 1, column: 1 });
        return Err(one(reporter.error(begin, "the file is empty".into(), Some(hint))));
    }
    check_name(name).map_err(|message| {
        one(reporter.error(
            None,
            message,
            Some("use a-z, 0-9 and single _ in names of files and folders".into()),
        ))
    })?;
    // Variants are merged as JSON, where 7 is no text: both readings have to agree.
    let mut options = yaml::options();
    options.no_schema = true;
    let Plain(source) = serde_saphyr::from_str_with_options(text, options.clone())
        .map_err(|e| one(reporter.yaml(&e)))?;
    // Read a second time only if something is wrong, to tell where.
    let tree: LazyCell<Option<Node>, _> =
        LazyCell::new(|| serde_saphyr::from_str_with_options(text, options.clone()).ok());
    let place = |path: &str| tree.as_ref().and_then(|tree| tree.place(path));
    let (mut scenario, differs) = match yaml::from_json::<Scenario>(&source) {
        Ok(scenario) => (scenario, None),
        // JSON does not know the place of what is wrong, the file itself does.
        Err(as_json) => match serde_saphyr::from_str_with_options(text, options.clone()) {
            Ok(scenario) => (scenario, Some(as_json)),
            Err(error) => return Err(one(reporter.yaml(&error))),
        },
    };
    name.clone_into(&mut scenario.name);
    scenario.source = Arc::new(source);

    let of_base = rules::broken(&scenario);
    let told = |broken: &Broken| {
        reporter.error(place(&broken.at), broken.message.clone(), Some(broken.hint.clone()))
    };
    let mut errors: Vec<LoadError> = of_base.iter().map(told).collect();
    if let Some(error) = differs {
        let hint = "write numbers without quotes, and texts that look like numbers in quotes";
        let message = format!("reads differently as JSON: {error}");
        errors.push(reporter.error(place(&misread(&scenario.source)), message, Some(hint.into())));
    }
    // Of more than are allowed, none is looked at.
    let variants = Some(scenario.variants.as_slice()).filter(|all| all.len() <= MAX_VARIANTS);
    let mut merged_ones = Vec::new();
    for (i, variant) in variants.unwrap_or_default().iter().enumerate() {
        let place = || place(&format!("variants/{i}"));
        let label = format!("variant `{}`", variant.name);
        match with_variant(&scenario, variant) {
            Err(message) => {
                let hint = "a variant changes fields of the steps above it, by the same names";
                let message = format!("{label}: {message}");
                errors.push(reporter.error(place(), message, Some(hint.into())));
            }
            Ok(merged) => {
                // What the base breaks by itself was said already.
                let broken = rules::broken(&merged).into_iter().filter(|b| !of_base.contains(b));
                errors.extend(broken.map(|b| {
                    let message = format!("{label}: {}: {}", b.at, b.message);
                    reporter.error(place(), message, Some(b.hint))
                }));
                merged_ones.push(Arc::new(merged));
            }
        }
    }
    scenario.merged = Arc::new(merged_ones);
    errors.sort_by_key(|error| error.place);
    if errors.is_empty() { Ok(scenario) } else { Err(LoadErrors { errors }) }
}

/// Where the file says what JSON reads differently: the first step, fault, expectation or variant that is none.
fn misread(source: &Value) -> String {
    fn first<T: DeserializeOwned>(source: &Value, list: &str) -> Option<String> {
        let mut all = source.get(list)?.as_array()?.iter();
        let index = all.position(|value| yaml::from_json::<T>(value).is_err())?;
        Some(format!("{list}/{index}"))
    }
    first::<Step>(source, "steps")
        .or_else(|| first::<Given>(source, "given"))
        .or_else(|| first::<Expect>(source, "expect"))
        .or_else(|| first::<Variant>(source, "variants"))
        .unwrap_or_else(|| "title".to_owned())
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
