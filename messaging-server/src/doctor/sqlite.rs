//! Whether the embedded store can be used.

use std::path::Path;
use std::time::Duration;

use messaging_store_sqlite::{Inspection, Integrity, OpenError, SCHEMA_VERSION, inspect};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::Config;
use crate::doctor::report::{Findings, in_full};
use crate::doctor::{PATIENCE, Places, kept_elsewhere};

/// How long SQLite may check its file; a large one is checked as far as it comes.
const CHECK: Duration = Duration::from_secs(3);

/// Looks at the file, whether a service runs on it or not.
pub(super) async fn check(config: &Config) -> (Findings, Places) {
    let file = config.database_file();
    let asked = file.clone();
    let looked = timeout(PATIENCE, spawn_blocking(move || inspect(&asked, CHECK))).await;
    let mut findings = Findings::about("embedded store");
    let mut places = Places::new();
    match looked {
        Ok(Ok(Ok(None))) => findings.ok(format!("{} is made at the first start", file.display())),
        Ok(Ok(Ok(Some(found)))) => {
            judge(&mut findings, &file, &found);
            places = kept_elsewhere(found.places, &found.servers);
        }
        Ok(Ok(Err(error))) if error.is_locked() => {
            findings.ok(format!("{} is in use, and locked for the moment", file.display()));
        }
        Ok(Ok(Err(error))) => findings.problem(format!("{}: {}", in_full(&error), advice(&error))),
        Ok(Err(_)) | Err(_) => {
            findings.problem(format!("{} does not answer in time", file.display()));
        }
    }
    (findings, places)
}

fn judge(findings: &mut Findings, file: &Path, found: &Inspection) {
    let (file, version) = (file.display(), found.version);
    match version {
        0 => findings.ok(format!("{file} is empty: the first start makes its schema")),
        SCHEMA_VERSION => findings.ok(format!("{file} has this program's schema, {version}")),
        _ => findings.warning(format!(
            "{file} has schema version {version} and this program {SCHEMA_VERSION}: `migrate`, or \
             the next start, brings it there; copy the file first"
        )),
    }
    match &found.integrity {
        Integrity::Whole => findings.ok("SQLite finds no damage"),
        Integrity::Unfinished => findings.ok(format!(
            "SQLite finds no damage within {} s; `PRAGMA integrity_check` looks at all of it",
            CHECK.as_secs()
        )),
        Integrity::Damaged(what) => findings.problem(format!(
            "{file} is damaged ({what}): stop the service, and go back to a copy"
        )),
    }
}

fn advice(error: &OpenError) -> &'static str {
    match error {
        OpenError::NewerSchema { .. } => "use the newer program, or go back to a copy of before",
        OpenError::ForeignFile { .. } => "correct DATA_DIR, or move the file away",
        OpenError::Damaged { .. } => "stop the service, and go back to a copy",
        _ => "let the service's user own the directory and the file",
    }
}
