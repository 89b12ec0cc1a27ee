//! The baseline of a run: read before it, applied and perhaps written anew after it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use time::{Date, OffsetDateTime};

use super::publish::write as write_file;
use crate::{
    baseline::{self, Baseline, Terms},
    cli::RunArgs,
    run::{self, Options, RunError},
    verdict::{CaseVerdict, Summary},
};

/// What is known of failures when a run begins.
pub(super) struct Known {
    today: Date,
    suite: Vec<(String, bool)>,
    /// `--baseline`.
    baseline: Option<Baseline>,
    /// `--write-baseline`: where to, on top of what, and what new entries say.
    target: Option<(PathBuf, Baseline, Terms)>,
}

impl Known {
    /// From the options.
    ///
    /// # Errors
    ///
    /// If a baseline cannot be read, or one that is asked for could not be written.
    pub(super) fn of(args: &RunArgs, options: &Options) -> Result<Self, RunError> {
        let today = OffsetDateTime::now_utc().date();
        let mut known = Self { today, suite: Vec::new(), baseline: None, target: None };
        let wanted = &args.write_baseline;
        if args.baseline.is_none() && wanted.file.is_none() {
            return Ok(known);
        }
        known.suite = run::suite(options)?;
        let load = |path: &PathBuf| {
            baseline::load(path, &options.profile.name, &known.suite)
                .map_err(|errors| RunError::Usage(errors.to_string()))
        };
        known.baseline = args.baseline.as_ref().map(load).transpose()?;
        let (Some(path), Some(owner), Some(expires), Some(reason)) =
            (&wanted.file, &wanted.owner, wanted.expires, &wanted.reason)
        else {
            return Ok(known);
        };
        if path.as_os_str() == "-" {
            return Err(RunError::Usage("--write-baseline needs a file".to_owned()));
        }
        if expires < today {
            return Err(RunError::Usage("--expires is a day that is over already".to_owned()));
        }
        let before = match (path.exists(), &known.baseline) {
            (true, _) => load(path)?,
            // A new file begins with what the run was judged by.
            (false, Some(baseline)) => baseline.clone(),
            (false, None) => Baseline {
                file: path.display().to_string(),
                relay: options.profile.name.clone(),
                entries: Vec::new(),
            },
        };
        let terms = Terms { reason: reason.clone(), owner: owner.clone(), expires };
        known.target = Some((path.clone(), before, terms));
        Ok(known)
    }

    /// Whether all that fails in a case is known.
    pub(super) fn covers(&self, case: &CaseVerdict) -> bool {
        self.baseline.as_ref().is_some_and(|baseline| baseline.covers(case, self.today))
    }

    /// Applies the baseline to a run, and writes the one that is asked for.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(super) fn apply(&self, summary: &mut Summary) -> Result<(), RunError> {
        // By the run as it was judged; the reports are to be had even if it cannot be written.
        let written = match &self.target {
            Some((path, before, terms)) => self.write(summary, path, before, terms),
            None => Ok(()),
        };
        if let Some(baseline) = &self.baseline {
            baseline.apply(summary, &self.suite, self.today);
        }
        written
    }

    fn write(
        &self,
        summary: &Summary,
        path: &Path,
        before: &Baseline,
        terms: &Terms,
    ) -> Result<(), RunError> {
        let mut err = std::io::stderr();
        if summary.aborted.is_some() {
            // It would forget what was not played.
            drop(writeln!(err, "{}: not written, for the run was cut short", path.display()));
            return Ok(());
        }
        let written = baseline::write(summary, before, &self.suite, terms, self.today)
            .map_err(RunError::Harness)?;
        let file = path.display().to_string();
        // What could not be read again would fail the next run.
        baseline::parse(&file, &written.text, &summary.relay, &self.suite)
            .map_err(|e| RunError::Harness(format!("the baseline cannot be written: {e}")))?;
        write_file(path, &written.text)?;
        for note in written.notes {
            drop(writeln!(err, "{file}: {note}"));
        }
        Ok(())
    }
}
