//! Whether Redis could be used lately: who asks one that is away is told so at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::time::Instant;

use crate::fault::RedisFault;

/// How often a Redis that is away is asked nevertheless, by one request.
const TRY_EVERY: Duration = Duration::from_millis(250);

/// Whether Redis could be used lately.
///
/// Without it each of several calls of one request would wait until its own connection is refused,
/// or for its own answer that does not come.
#[derive(Default)]
pub(crate) struct Away(Mutex<Option<Since>>);

struct Since {
    next_try: Instant,
    why: RedisError,
}

impl Away {
    /// Whether to ask Redis now. Where it is away, one request at a time finds out if it still is.
    pub(crate) fn check(&self) -> Result<(), RedisError> {
        let now = Instant::now();
        match self.state().as_mut() {
            Some(since) if now < since.next_try => Err(since.why.clone()),
            Some(since) => {
                since.next_try = now + TRY_EVERY;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Redis could not be used.
    pub(crate) fn leave(&self, why: &RedisError) {
        let since = Since { next_try: Instant::now() + TRY_EVERY, why: why.clone() };
        if self.state().replace(since).is_none() {
            tracing::error!(error = %RedisFault::from(why), "Redis cannot be used");
        }
    }

    /// Redis has answered.
    pub(crate) fn come_back(&self) {
        if self.state().take().is_some() {
            tracing::info!("Redis can be used again");
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<Since>> {
        // Nothing panics under this lock, and what it guards is replaced as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an error is about Redis or the way to it, rather than the answer to one command.
pub(crate) fn is_about_redis(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::ReadOnly) => true,
        // `NOAUTH` and the like have no kind of their own.
        ErrorKind::Server(_) | ErrorKind::Extension => {
            matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> RedisError {
        std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_away_is_asked_by_one_request_at_a_time() {
        let away = Away::default();
        assert!(away.check().is_ok());
        away.leave(&refused());
        assert!(away.check().is_err());
        tokio::time::advance(TRY_EVERY).await;
        assert!(away.check().is_ok(), "one tries");
        assert!(away.check().is_err(), "and no other");
        away.come_back();
        assert!(away.check().is_ok());
    }

    #[test]
    fn an_answer_to_a_command_is_no_news_of_redis() {
        let answer = |code: &str| redis::make_extension_error(code.into(), None);
        assert!(is_about_redis(&answer("NOAUTH")));
        assert!(is_about_redis(&refused()));
        assert!(!is_about_redis(&answer("OOM")));
        let no_script = ErrorKind::Server(ServerErrorKind::NoScript);
        assert!(!is_about_redis(&RedisError::from((no_script, "NOSCRIPT"))));
    }
}
