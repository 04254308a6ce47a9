//! Why a file could not be opened as a store.

use std::path::{Path, PathBuf};

use messaging_core::ports::store_error::BoxError;
use rusqlite::ErrorCode;

/// Why a file could not be opened as a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file or its directory cannot be used: it is missing, locked, not ours to read, or on a
    /// file system without shared memory.
    #[error("{} cannot be opened", path.display())]
    CannotOpen {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The file is something else: no SQLite file, or another program's. Nothing was changed in it.
    #[error("{} is not a file of this store", path.display())]
    ForeignFile {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of this program has written the file. Nothing was changed in it.
    #[error(
        "{} has schema version {found}, but this program knows versions up to {known} only",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The version it has.
        found: u32,
        /// The newest version this program knows.
        known: u32,
    },
    /// The file is damaged.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: BoxError,
    },
    /// A step from one version of the schema to the next failed; the file is as it was before the
    /// step.
    #[error("{} could not be brought to schema version {version}", path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// The version that was not reached.
        version: u32,
        /// Why.
        #[source]
        source: BoxError,
    },
}

impl OpenError {
    /// Whether the file itself may be well, and another process keeps it locked.
    pub fn is_locked(&self) -> bool {
        let Self::CannotOpen { source, .. } = self else { return false };
        let code = source.downcast_ref().and_then(rusqlite::Error::sqlite_error_code);
        matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }

    pub(crate) fn cannot_open(path: &Path, source: impl Into<BoxError>) -> Self {
        Self::CannotOpen { path: path.to_owned(), source: source.into() }
    }

    /// What an error of SQLite means for a file that is being opened.
    pub(crate) fn from_sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::ForeignFile { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, source: error.into() },
            _ => Self::CannotOpen { path, source: error.into() },
        }
    }
}
