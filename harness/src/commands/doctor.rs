//! `harness doctor`: do a relay and its profile fit together, and what is to be changed if not?

use super::Done;
use crate::{
    cli::{DoctorArgs, holds_no_password},
    doctor::{self, Options},
    run::RunError,
};

/// Examines and reports.
///
/// # Errors
///
/// If the options are at fault or the harness itself cannot; what is wrong with profile or relay is said in the report.
pub async fn doctor(args: &DoctorArgs) -> Result<Done, RunError> {
    holds_no_password("--relay", args.relay.as_deref()).map_err(RunError::Usage)?;
    let options = Options {
        profile: args.profile.clone(),
        relay: args.relay.clone(),
        listen: args.listen,
        ca: args.ca.clone(),
    };
    let diagnosis = doctor::examine(&options).await?;
    let output = if args.json { diagnosis.json() } else { diagnosis.text() };
    Ok(Done { output, code: diagnosis.code, unwritten: None })
}
