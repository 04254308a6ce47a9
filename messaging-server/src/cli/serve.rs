//! Running the service, and preparing its store.

use std::io::Write;
use std::path::Path;

use messaging_store_sqlite::SqliteOptions;

use crate::cli::{CliError, configure};
use crate::config::kept_secret;
use crate::shutdown;
use crate::wiring::{self, BuildError, Service};

/// Runs the service until a signal asks it to stop.
pub(super) async fn serve(dir: &Path) -> Result<(), CliError> {
    let config = configure(dir)?;
    // What cannot run should not take an address first.
    config.check_usable()?;
    let stop = shutdown::on_signal()?;
    let listener = wiring::bind(&config).await?;
    let config = config.listening_on(listener.local_addr()?);
    Ok(Service::build(config)?.run(listener, stop).await?)
}

/// Brings the store to the newest schema.
pub(super) fn migrate<W: Write>(dir: &Path, out: &mut W) -> Result<(), CliError> {
    let config = configure(dir)?;
    config.check_usable()?;
    if let Some(what) = config.without_adapter() {
        return Err(BuildError::NoAdapter(what).into());
    }
    kept_secret::create_private_dir(&config.data_dir)
        .map_err(|source| BuildError::DataDir { path: config.data_dir.clone(), source })?;
    let file = config.database_file();
    let migrated = messaging_store_sqlite::migrate(&file, SqliteOptions::default())?;
    let (from, to) = (migrated.from, migrated.to);
    let file = file.display();
    if from == to {
        writeln!(out, "{file} is at schema version {to}")?;
    } else {
        writeln!(out, "{file} was brought from schema version {from} to {to}")?;
    }
    Ok(())
}
