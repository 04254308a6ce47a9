//! Looking at the configuration.

use std::io::Write;
use std::path::Path;

use crate::cli::{CliError, ConfigCommand};
use crate::config::{Config, environment, example};

/// Checks or writes out the configuration.
pub(super) fn run<W: Write>(
    command: ConfigCommand,
    dir: &Path,
    out: &mut W,
) -> Result<(), CliError> {
    match command {
        ConfigCommand::Check => {
            Config::from_vars(environment::variables(dir)?)?.check_usable()?;
            writeln!(out, "the configuration can be used")?;
        }
        ConfigCommand::Print => {
            write!(out, "{}", example::effective(&environment::variables(dir)?))?;
        }
        ConfigCommand::Example => write!(out, "{}", example::env_example())?,
    }
    Ok(())
}
