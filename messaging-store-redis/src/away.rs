//! Whether Redis could be used lately: who asks one that is away is told so at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::time::Instant;

use crate::fault::RedisFault;

/// How often a Redis that is away is asked nevertheless, and for how long then: what is asked at
/// the same time, of several partitions perhaps, fares alike.
const TRY_EVERY: Duration = Duration::from_millis(250);
const TRY_FOR: Duration = Duration::from_millis(10);

/// Whether Redis could be used lately.
///
/// Without it each of several calls of one request would wait until its own connection is refused,
/// or for its own answer that does not come.
#[derive(Default)]
pub(crate) struct Away(Mutex<Option<Since>>);

struct Since {
    rests_until: Instant,
    /// Once somebody has tried since.
    tried_until: Option<Instant>,
    why: RedisError,
}

impl Away {
    /// Whether to ask Redis now. Where it is away, few find out now and then if it still is.
    pub(crate) fn check(&self) -> Result<(), RedisError> {
        let now = Instant::now();
        let mut state = self.state();
        let Some(since) = state.as_mut() else { return Ok(()) };
        if now < since.rests_until {
            return Err(since.why.clone());
        }
        if now < *since.tried_until.get_or_insert(now + TRY_FOR) {
            return Ok(());
        }
        (since.rests_until, since.tried_until) = (now + TRY_EVERY, None);
        Err(since.why.clone())
    }

    /// Redis could not be used.
    pub(crate) fn leave(&self, why: &RedisError) {
        let rests_until = Instant::now() + TRY_EVERY;
        let since = Since { rests_until, tried_until: None, why: why.clone() };
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
    async fn one_that_is_away_is_asked_now_and_then() {
        let away = Away::default();
        assert!(away.check().is_ok());
        away.leave(&refused());
        assert!(away.check().is_err());
        tokio::time::advance(TRY_EVERY).await;
        assert!(away.check().is_ok(), "one tries");
        assert!(away.check().is_ok(), "and another together with it");
        tokio::time::advance(TRY_FOR).await;
        assert!(away.check().is_err(), "and none after that");
        tokio::time::advance(TRY_EVERY).await;
        away.leave(&refused());
        assert!(away.check().is_err());
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
