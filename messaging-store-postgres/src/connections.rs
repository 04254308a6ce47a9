//! Connections to the server, as many as there may be.
//!
//! A few are opened at the start, so that a node that started can work. One more is opened whenever
//! somebody has to wait, and where the server gives no more, callers share those that there are:
//! who waits for one of these has it when it is free, and is not the one to find out that there
//! will be no other.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures::future::try_join_all;
use messaging_core::ports::store_error::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, Postgres};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::error::{in_words, store_error};
use crate::open_error::OpenError;
use crate::store::closed;

/// How many are opened at the start, where there may be as many.
const AHEAD: u32 = 2;

/// How long a question may take whose answer only says what is wrong.
const BRIEFLY: Duration = Duration::from_millis(500);

/// How long a connection is kept for whoever used it last. To be given back and lent again costs it
/// two round trips.
const KEPT_UNUSED: Duration = Duration::from_millis(100);

/// How long one may be kept that is in use all the time.
const KEPT_AT_MOST: Duration = Duration::from_secs(30);

/// How long a reason is told to others who ask for it.
const TOLD_AGAIN: Duration = Duration::from_secs(1);

/// Connections that see the same.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Parts>);

struct Parts {
    pool: PgPool,
    most: u32,
    patience: Duration,
    /// As many at once as the server is known to give.
    turns: Arc<Semaphore>,
    /// How many that is.
    known: AtomicU32,
    /// Rung where somebody waits for a turn.
    wanted: Notify,
    /// Whether somebody is trying to open another one.
    opening: AtomicBool,
    /// Why there was none, and when that was found out.
    why_none: Mutex<Option<(Instant, NoConnection)>>,
}

/// A connection, for as long as it is kept.
pub(crate) struct Lent {
    connection: PoolConnection<Postgres>,
    turn: Option<OwnedSemaphorePermit>,
    of: Arc<Parts>,
    since: Instant,
}

/// Why there is no connection.
#[derive(Debug, Clone, thiserror::Error)]
enum NoConnection {
    #[error("PostgreSQL gives no connection: {0}")]
    Refused(String),
    #[error("PostgreSQL cannot be reached ({0})")]
    Unreachable(std::io::ErrorKind),
    #[error("PostgreSQL does not answer")]
    Silent,
    #[error("all connections that this node has are in use")]
    Busy,
}

impl Connections {
    /// Opens the first of at most `most`.
    pub(crate) async fn open(
        connect: PgConnectOptions,
        most: u32,
        patience: Duration,
    ) -> Result<Self, OpenError> {
        let pool = PgPoolOptions::new()
            .acquire_timeout(patience)
            .max_connections(most)
            .connect_lazy_with(connect.clone());
        let ahead = most.min(AHEAD);
        match try_join_all((0..ahead).map(|_| pool.acquire())).await {
            Ok(first) => drop(first),
            // It tries again until it is too late, and then does not say what it was refused with.
            Err(sqlx::Error::PoolTimedOut) => {
                let refused = connects(&connect).await.and_then(Result::err);
                return Err(OpenError::of(refused.unwrap_or(sqlx::Error::PoolTimedOut)));
            }
            Err(error) => return Err(OpenError::of(error)),
        }
        Ok(Self(Arc::new(Parts {
            pool,
            most,
            patience,
            turns: Arc::new(Semaphore::new(ahead as usize)),
            known: AtomicU32::new(ahead),
            wanted: Notify::new(),
            opening: AtomicBool::new(false),
            why_none: Mutex::default(),
        })))
    }

    /// A connection, for as long as it is kept.
    pub(crate) async fn acquire(&self) -> Result<Lent, StoreError> {
        let until = Instant::now() + self.0.patience;
        loop {
            let turn = self.turn(until).await?;
            // A turn may stand for one that the server gave a moment ago, and then gave to others.
            // Who has it waits for half the time, and for the rest of it as all others do.
            match timeout(self.0.patience / 2, self.0.pool.acquire()).await {
                Ok(Ok(connection)) => {
                    let of = Arc::clone(&self.0);
                    return Ok(Lent { connection, turn: Some(turn), of, since: Instant::now() });
                }
                Ok(Err(sqlx::Error::PoolTimedOut)) | Err(_) => self.have_one_less(turn),
                Ok(Err(error)) => return Err(store_error(error)),
            }
            if Instant::now() >= until {
                return Err(self.why_none().await);
            }
        }
    }

    /// How many may come to those that are open.
    pub(crate) fn may_open(&self) -> u32 {
        self.0.most.saturating_sub(self.0.known.load(Ordering::Relaxed))
    }

    /// Closes all once they are back.
    pub(crate) async fn close(&self) {
        self.0.turns.close();
        self.0.pool.close().await;
    }

    /// How others like these are opened.
    pub(crate) fn options(&self) -> Arc<PgConnectOptions> {
        self.0.pool.connect_options()
    }

    async fn turn(&self, until: Instant) -> Result<OwnedSemaphorePermit, StoreError> {
        if let Ok(turn) = Arc::clone(&self.0.turns).try_acquire_owned() {
            return Ok(turn);
        }
        self.open_another();
        self.0.wanted.notify_one();
        match timeout_at(until, Arc::clone(&self.0.turns).acquire_owned()).await {
            Ok(turn) => turn.map_err(|_| closed()),
            Err(_) => Err(self.why_none().await),
        }
    }

    /// Has another one opened by somebody whom nobody waits for.
    fn open_another(&self) {
        let parts = &self.0;
        let has_all = parts.known.load(Ordering::Relaxed) >= parts.most;
        if has_all || parts.opening.swap(true, Ordering::Relaxed) {
            return;
        }
        let parts = Arc::clone(parts);
        tokio::spawn(async move {
            while parts.may_have_another().await && parts.turns.available_permits() == 0 {}
            parts.opening.store(false, Ordering::Relaxed);
        });
    }

    /// One was closed, and the server gives no other in its place.
    fn have_one_less(&self, turn: OwnedSemaphorePermit) {
        let less = |known: u32| (known > 1).then(|| known - 1);
        if self.0.known.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            turn.forget();
        }
    }

    /// Asks the server itself; many who were given none at once share its answer.
    async fn why_none(&self) -> StoreError {
        let mut known = self.0.why_none.lock().await;
        let reason = match &*known {
            Some((at, reason)) if at.elapsed() < TOLD_AGAIN => reason.clone(),
            _ => {
                let reason = NoConnection::of(connects(&self.options()).await);
                *known = Some((Instant::now(), reason.clone()));
                reason
            }
        };
        StoreError::unavailable(reason)
    }
}

impl Parts {
    /// Whether there may be one more than before: whoever has a turn and finds none that is free
    /// opens it. It is asked by a connection apart, as one of those that are open would then be
    /// missing to somebody who has a turn.
    async fn may_have_another(&self) -> bool {
        if self.known.load(Ordering::Relaxed) >= self.most || self.pool.is_closed() {
            return false;
        }
        if let Some(Ok(())) = connects(&self.pool.connect_options()).await {
            self.known.fetch_add(1, Ordering::Relaxed);
            self.turns.add_permits(1);
            return true;
        }
        // Who gives none now is not asked again by everybody who comes.
        sleep(TOLD_AGAIN).await;
        false
    }
}

impl Lent {
    /// Returns when it should be given back: somebody waits for one, or it was not used for a while,
    /// or not looked at for a long time.
    pub(crate) async fn should_return(&self) {
        let until = (Instant::now() + KEPT_UNUSED).min(self.since + KEPT_AT_MOST);
        tokio::select! {
            () = self.of.wanted.notified() => {}
            () = sleep_until(until) => {}
        }
    }

    /// A transaction, which is undone unless it is committed.
    pub(crate) fn begin(
        &mut self,
    ) -> impl Future<Output = Result<sqlx::Transaction<'_, Postgres>, sqlx::Error>> {
        Connection::begin(&mut *self.connection)
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Lent {
    /// Whoever is next must find it there, and not open another one.
    fn drop(&mut self) {
        // Where nothing runs any more nobody waits, either.
        if let Ok(runtime) = Handle::try_current() {
            let (returned, turn) = (self.connection.return_to_pool(), self.turn.take());
            runtime.spawn(async move {
                returned.await;
                drop(turn);
            });
        }
    }
}

impl NoConnection {
    fn of(connected: Option<Result<(), sqlx::Error>>) -> Self {
        match connected {
            None => Self::Silent,
            Some(Ok(())) => Self::Busy,
            Some(Err(sqlx::Error::Database(refusal))) => {
                Self::Refused(in_words(&refusal.code().unwrap_or_default()))
            }
            Some(Err(sqlx::Error::Io(error))) => Self::Unreachable(error.kind()),
            Some(Err(_)) => Self::Refused("it is not understood".to_owned()),
        }
    }
}

/// Whether a connection can be opened; nothing where the server does not say in time.
async fn connects(connect: &PgConnectOptions) -> Option<Result<(), sqlx::Error>> {
    let connected = timeout(BRIEFLY, PgConnection::connect_with(connect)).await.ok()?;
    Some(match connected {
        Ok(connection) => {
            // It has told what it was to tell.
            let _ = timeout(BRIEFLY, connection.close()).await;
            Ok(())
        }
        Err(error) => Err(error),
    })
}
