//! What people see when a file is wrong.

use std::fmt::{self, Write as _};

/// Everything that is wrong with a set of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadErrors {
    /// In order of files and lines.
    pub errors: Vec<LoadError>,
}

impl std::error::Error for LoadErrors {}

impl From<LoadError> for LoadErrors {
    fn from(error: LoadError) -> Self {
        Self { errors: vec![error] }
    }
}

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

/// One thing that is wrong with one file.
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
    pub(super) fn of(line: &str, column: usize) -> Self {
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
        // Names of files are hostile, too.
        for c in self.file.chars() {
            f.write_char(if c.is_control() { '\u{fffd}' } else { c })?;
        }
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
