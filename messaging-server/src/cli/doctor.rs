//! Looking at everything the service depends on.

use std::io::Write;
use std::path::Path;

use crate::cli::CliError;
use crate::doctor;

/// Writes what was found, a line for each thing; fails where there is a problem.
pub(super) async fn run<W: Write>(dir: &Path, out: &mut W) -> Result<(), CliError> {
    let report = doctor::examine(dir).await;
    write!(out, "{report}")?;
    match report.problems() {
        0 => Ok(()),
        problems => Err(CliError::Unwell(problems)),
    }
}
