//! Running the service, and preparing its store.

use std::io::Write;
use std::path::Path;

use crate::cli::{CliError, configure};
use crate::config::node_role::NodeRole;
use crate::shutdown;
use crate::wiring::storage::{self, Migrated};
use crate::wiring::{self, Service};

/// Runs the service until a signal asks it to stop.
pub(super) async fn serve(dir: &Path, role: Option<NodeRole>) -> Result<(), CliError> {
    let mut config = configure(dir)?;
    config.role = role.unwrap_or(config.role);
    // What cannot run should not take an address first.
    config.check_usable()?;
    let stop = shutdown::on_signal()?;
    let listener = wiring::bind(&config).await?;
    let config = config.listening_on(listener.local_addr()?);
    Ok(Service::build(config).await?.run(listener, stop).await?)
}

/// Brings the store to the newest schema.
pub(super) async fn migrate<W: Write>(dir: &Path, out: &mut W) -> Result<(), CliError> {
    let config = configure(dir)?;
    config.check_usable()?;
    let Migrated { what, from, to } = storage::migrate(&config).await?;
    if from == to {
        writeln!(out, "{what} is at version {to}")?;
    } else {
        writeln!(out, "{what} was brought from version {from} to {to}")?;
    }
    Ok(())
}
