//! `harness merge`: the reports of all shards of a run as those of one run.

use std::path::{Path, PathBuf};

use super::{
    Done,
    publish::{check_writable, publish, terminal},
};
use crate::{cli::MergeArgs, merge, report::recorded, run::RunError};

/// Merges.
///
/// # Errors
///
/// If a report cannot be used, or the reports are not the shards of one run.
pub fn merge(args: &MergeArgs) -> Result<Done, RunError> {
    let mut runs = Vec::new();
    for path in &args.inputs {
        runs.push(recorded::read(path).map_err(|e| RunError::Usage(e.to_string()))?);
    }
    let summary = merge::merge(runs).map_err(|e| RunError::Usage(e.to_string()))?;
    let inputs: Vec<&Path> = args.inputs.iter().map(PathBuf::as_path).collect();
    check_writable(&args.show.reports, &inputs)?;
    publish(&args.show.reports, &summary, terminal(&args.show))
}
