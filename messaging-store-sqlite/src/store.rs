//! One SQLite file with the threads that work on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use messaging_core::ports::store_error::StoreError;
use rusqlite::Connection;

use crate::connection;
use crate::error::Fault;
use crate::migrate::migrate;
use crate::open_error::OpenError;
use crate::options::SqliteOptions;
use crate::readers::Readers;
use crate::writer::{WriteStatistics, Writer};

/// Every store port on one SQLite file.
///
/// Clones share the file and its threads. When the last one is dropped, the threads finish what
/// was handed in and let go of the file; [`close`](Self::close) waits for that.
#[derive(Debug, Clone)]
pub struct SqliteStore(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    retention: Option<Duration>,
}

impl SqliteStore {
    /// Opens the file, making it where there is none, and brings it to the newest schema. Blocks
    /// the thread for a moment.
    ///
    /// # Errors
    /// [`OpenError`] says whether the file cannot be reached, is something else, is damaged, or
    /// was written by a newer version; in none of these cases was it changed.
    pub fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, OpenError> {
        // Made absolute, so that no name means something special to SQLite.
        let path = std::path::absolute(path.as_ref())
            .map_err(|error| OpenError::cannot_open(path.as_ref(), error))?;
        migrate(&path, options)?;
        let writer = connection::writer(&path, &options)?;
        let readers = (0..options.readers.max(1))
            .map(|_| connection::reader(&path, &options))
            .collect::<Result<Vec<_>, _>>()?;
        let no_thread = |error| OpenError::cannot_open(&path, error);
        let writer = Writer::start(writer, options.queue_capacity, options.group_limit)
            .map_err(no_thread)?;
        let readers = Readers::start(readers, options.queue_capacity).map_err(no_thread)?;
        Ok(Self(Arc::new(Parts { path, writer, readers, retention: options.retention })))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// What the writer has done since the store was opened.
    pub fn write_statistics(&self) -> WriteStatistics {
        self.0.writer.statistics()
    }

    /// Finishes what was handed in, folds the write-ahead log into the file and lets go of it.
    /// Calls made afterwards, through any clone, are
    /// [`Unavailable`](StoreError::Unavailable). A second time nothing happens.
    pub async fn close(&self) {
        // The writer last: only the last connection can fold all of the log.
        self.0.readers.close().await;
        self.0.writer.close().await;
    }

    /// How long it keeps what is over; for ever where it does not say.
    pub(crate) fn retention(&self) -> Option<Duration> {
        self.0.retention
    }

    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.0.writer.write(work).await
    }

    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.0.readers.read(work).await
    }
}
