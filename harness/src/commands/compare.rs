//! `harness compare`: reports of several runs side by side, and what got worse from the first to the last.

use super::Done;
use crate::{
    cli::{CompareArgs, Form},
    compare::{self, Comparison, Figures, differences},
    exit_code,
    report::recorded::{self, Recorded},
    run::RunError,
};

/// Compares.
///
/// # Errors
///
/// If a report cannot be used, a regression is asked for and there is only one, or the first and the last are shards
/// that share no case.
pub fn compare(args: &CompareArgs) -> Result<Done, RunError> {
    if args.regression && args.reports.len() < 2 {
        return Err(RunError::Usage(
            "--regression needs two reports: the one before, and the one after".to_owned(),
        ));
    }
    // A report is large; only the figures of those in between are kept.
    let (mut runs, mut first, mut last) = (Vec::new(), None::<Recorded>, None::<Recorded>);
    for path in &args.reports {
        let run = recorded::read(path).map_err(|e| RunError::Usage(e.to_string()))?;
        runs.push(Figures::of(&run));
        if first.is_none() {
            first = Some(run);
        } else {
            last = Some(run);
        }
    }
    let differences = first.zip(last).and_then(|(before, after)| {
        let same = before.summary.relay == after.summary.relay;
        (same || args.regression).then(|| differences(&before.summary, &after.summary))
    });
    if let (Some(differences), [before, .., after]) = (&differences, args.reports.as_slice())
        && differences.compared == 0
        && !differences.same_part
    {
        return Err(RunError::Usage(format!(
            "{} and {} have no case in common: they are shards that share none\nhint: compare the same shard of both runs, or merge the shards of each first",
            before.display(),
            after.display()
        )));
    }
    let comparison = Comparison { runs, differences };
    let output = match args.format {
        Form::Text => compare::text(&comparison),
        Form::Markdown => compare::markdown(&comparison),
        Form::Json => compare::json(&comparison).map_err(RunError::Harness)?,
    };
    let code = if comparison.is_regression() { exit_code::FAILED } else { exit_code::PASSED };
    Ok(Done { output, code, unwritten: None })
}
