//! `harness schema`: JSON Schemas of the files that people write, for editors.

use super::Done;
use crate::{
    cli::{SchemaArgs, SchemaOf},
    run::RunError,
    sut,
};

/// Prints one.
///
/// # Errors
///
/// If it cannot be written as JSON.
pub fn schema(args: &SchemaArgs) -> Result<Done, RunError> {
    let schema = match args.of {
        SchemaOf::Profile => sut::schema::profile(),
    };
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|e| RunError::Harness(format!("the schema cannot be written: {e}")))?;
    Ok(Done::passed(text + "\n"))
}
