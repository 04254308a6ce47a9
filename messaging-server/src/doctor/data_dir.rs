//! Whether the directory for data can be used.

use std::fs;
use std::io;
use std::path::Path;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::{Config, kept_secret};
use crate::doctor::PATIENCE;
use crate::doctor::report::{Findings, in_full};

/// Less than this is too little for the messages of a day or two.
const LITTLE_ROOM: u64 = 1 << 30;
/// Less than this does not do for the store's log.
const NO_ROOM: u64 = 64 << 20;

/// Looks at the directory and at what is kept in it beside the store.
pub(super) async fn check(config: &Config) -> Findings {
    let dir = config.data_dir.clone();
    let has_store = config.postgres.is_none();
    let mut secrets = Vec::new();
    if config.jwt_secret.is_none() {
        secrets.push("jwt_secret");
    }
    if config.waha_webhook_secret.is_none() && config.webhook_secret.is_none() {
        secrets.push("webhook_secret");
    }
    // A file system on a network may not answer.
    let looked = spawn_blocking(move || look(&dir, has_store, &secrets));
    if let Ok(Ok(findings)) = timeout(PATIENCE, looked).await {
        return findings;
    }
    let mut findings = Findings::about("data directory");
    findings.problem(format!("{} does not answer in time", config.data_dir.display()));
    findings
}

fn look(dir: &Path, has_store: bool, secrets: &[&str]) -> Findings {
    let mut findings = Findings::about("data directory");
    let shown = dir.display();
    let (existing, is_there) = match existing(dir) {
        Ok(existing) => (existing, existing == dir),
        Err(error) => {
            findings.problem(format!("{shown} cannot be looked at: {error}; correct DATA_DIR"));
            return findings;
        }
    };
    if !existing.is_dir() {
        let what = existing.display();
        findings.problem(format!("{shown} cannot be made, as {what} is a file: correct DATA_DIR"));
        return findings;
    }
    // A file that has no name and is gone when it is closed; only writing tells of quotas and of
    // file systems that are read-only.
    match tempfile::tempfile_in(existing) {
        Ok(_) if is_there => findings.ok(format!("{shown} can be written")),
        Ok(_) => findings.ok(format!("{shown} is not there yet and can be made")),
        Err(error) => findings.problem(format!(
            "{} cannot be written: {error}; let the service's user own it, or correct DATA_DIR",
            existing.display()
        )),
    }
    for name in secrets {
        match kept_secret::is_kept(dir, name) {
            Ok(true) => findings.ok(format!("{name} is kept, for its owner alone")),
            Ok(false) => findings.ok(format!("{name} is drawn at the first start")),
            Err(error) => findings.problem(in_full(&error)),
        }
    }
    room(&mut findings, existing, has_store);
    findings
}

/// The directory, or the nearest above it that is there.
fn existing(dir: &Path) -> io::Result<&Path> {
    for path in dir.ancestors() {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match fs::metadata(path) {
            Ok(_) => return Ok(path),
            Err(error) => match error.kind() {
                // What is asked for below a file is found at the file.
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {}
                _ => return Err(error),
            },
        }
    }
    Ok(Path::new("."))
}

#[cfg(unix)]
fn room(findings: &mut Findings, dir: &Path, has_store: bool) {
    let room = match rustix::fs::statvfs(dir) {
        Ok(system) => system.f_bavail.saturating_mul(system.f_frsize),
        Err(error) => {
            findings.warning(format!("how much room there is cannot be told: {error}"));
            return;
        }
    };
    let says = format!("{} MiB of room", room >> 20);
    match room {
        _ if !has_store => findings.ok(says),
        ..NO_ROOM => findings.problem(format!("{says}: nothing more can be kept; make room")),
        NO_ROOM..LITTLE_ROOM => {
            findings.warning(format!("{says}: nothing is kept when it is used up"));
        }
        _ => findings.ok(says),
    }
}

#[cfg(not(unix))]
fn room(_: &mut Findings, _: &Path, _: bool) {}
