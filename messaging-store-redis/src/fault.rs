//! The one place where an error of Redis becomes one of ours.

use std::error::Error;
use std::sync::Arc;

use messaging_core::ports::queue::QueueError;
use messaging_core::ports::rate_limiter::RateLimiterError;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why Redis could not do what it was asked. Its texts repeat no address, password or value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisFault {
    /// The options cannot be right.
    #[error("the options for Redis are wrong: {0}")]
    Options(&'static str),
    /// Others who share the prefix use so many partitions.
    #[error(
        "other nodes use {0} partitions: all need the same number, and to change it all must be \
         stopped, for half a minute"
    )]
    OtherPartitions(usize),
    /// Nothing answers there, or no longer.
    #[error("Redis cannot be reached ({0})")]
    Unreachable(std::io::ErrorKind),
    /// Nothing was answered in time; what was asked may have been done.
    #[error("Redis did not answer in time")]
    TimedOut,
    /// It refuses, with the first word of its answer: `OOM`, `READONLY`, `NOAUTH`, `LOADING` and
    /// the like.
    #[error("Redis refuses: {0}")]
    Refused(String),
    /// It answers what cannot be understood.
    #[error("Redis answers what cannot be understood")]
    Answer,
}

impl From<&RedisError> for RedisFault {
    fn from(error: &RedisError) -> Self {
        match error.kind() {
            _ if error.is_timeout() => Self::TimedOut,
            ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => {
                Self::Unreachable(io_kind(error).unwrap_or(std::io::ErrorKind::Other))
            }
            ErrorKind::AuthenticationFailed => Self::Refused("WRONGPASS".into()),
            ErrorKind::InvalidClientConfig => Self::Options("not an address of Redis"),
            ErrorKind::Server(ServerErrorKind::ResponseError) => Self::Refused(script_line(error)),
            _ => error.code().map_or(Self::Answer, |code| Self::Refused(code.to_owned())),
        }
    }
}

/// What the system said, which the client keeps behind a shared pointer.
fn io_kind(error: &RedisError) -> Option<std::io::ErrorKind> {
    let shared: &Arc<dyn Error + Send + Sync> = error.source()?.downcast_ref()?;
    shared.downcast_ref().map(std::io::Error::kind)
}

impl From<RedisError> for RedisFault {
    fn from(error: RedisError) -> Self {
        Self::from(&error)
    }
}

impl From<RedisFault> for QueueError {
    fn from(fault: RedisFault) -> Self {
        Self(Box::new(fault))
    }
}

impl From<RedisFault> for RateLimiterError {
    fn from(fault: RedisFault) -> Self {
        Self(Box::new(fault))
    }
}

/// `ERR`, and where a script of ours stumbled, the line. The rest of such texts may repeat what was
/// sent, a password even.
fn script_line(error: &RedisError) -> String {
    let detail = error.detail().unwrap_or_default();
    let line = detail
        .rsplit("user_script:")
        .next()
        .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>())
        .filter(|line| !line.is_empty() && detail.contains("user_script:"));
    line.map_or_else(|| "ERR".to_owned(), |line| format!("ERR in line {line} of the script"))
}

#[cfg(test)]
mod tests {
    use redis::make_extension_error;

    use super::*;

    #[test]
    fn a_refusal_is_known_by_its_first_word() {
        let error = make_extension_error("OOM".into(), Some("command not allowed".into()));
        assert_eq!(RedisFault::from(error), RedisFault::Refused("OOM".into()));
    }

    #[test]
    fn what_the_system_said_is_kept() {
        let error = RedisError::from(std::io::Error::from(std::io::ErrorKind::HostUnreachable));
        let expected = RedisFault::Unreachable(std::io::ErrorKind::HostUnreachable);
        assert_eq!(RedisFault::from(error), expected);
    }

    #[test]
    fn what_an_answer_repeats_of_a_request_is_not_repeated() {
        let text = "unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'x' 'secret'";
        let error = RedisError::from((
            ErrorKind::Server(ServerErrorKind::ResponseError),
            "An error was signalled by the server",
            text.to_owned(),
        ));
        assert_eq!(RedisFault::from(error).to_string(), "Redis refuses: ERR");
    }

    #[test]
    fn a_script_that_stumbles_names_its_line() {
        let error = RedisError::from((
            ErrorKind::Server(ServerErrorKind::ResponseError),
            "An error was signalled by the server",
            "user_script:12: attempt to index a nil value script: abc, on @user_script:12.".into(),
        ));
        assert_eq!(
            RedisFault::from(error).to_string(),
            "Redis refuses: ERR in line 12 of the script"
        );
    }
}
