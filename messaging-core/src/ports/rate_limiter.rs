//! How often something may happen, counted over everybody who does it.

use async_trait::async_trait;

use crate::domain::address::RecipientKey;
use crate::domain::id::{SessionId, TenantId};
use crate::domain::quota::{Decision, Quota};
use crate::domain::timestamp::Timestamp;
use crate::ports::store_error::BoxError;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RateKey {
    /// Messages accepted for a session.
    Admission(SessionId),
    /// Messages sent through a session.
    Sending(SessionId),
    /// Messages sent through a session to one recipient.
    Recipient(SessionId, RecipientKey),
    /// Webhooks from one source, by a number that stands for it.
    WebhookSource(u64),
    /// Webhooks of a session that are believed.
    WebhookSession(SessionId),
    /// Attempts to authenticate that failed, from one source, by a number that stands for it.
    AuthSource(u64),
    /// Requests of a tenant.
    Tenant(TenantId),
}

/// The right to do one thing once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a permit that is neither settled nor released counts until its term ends"]
pub struct Permit {
    /// What is counted.
    pub key: RateKey,
    /// Tells this permit from others of its key.
    pub id: u64,
}

/// The answer to [`RateLimiter::reserve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// Go ahead.
    Granted {
        /// To be settled or released.
        permit: Permit,
        /// How many more would be allowed now.
        remaining: u32,
    },
    /// Not now.
    Limited {
        /// How long until the same request can be granted.
        retry_after: std::time::Duration,
    },
    /// Not so soon after the last to the same recipient. Nothing was counted.
    Spaced {
        /// How long until it may be asked for again.
        retry_after: std::time::Duration,
    },
    /// Not known: the limiter has not been told what was done before it began to count this key.
    /// The caller [primes](RateLimiter::prime) it and asks again.
    Unprimed {
        /// Tells this beginning from others: after a loss the limiter begins anew.
        ticket: u64,
    },
}

/// Why a limiter could not answer.
#[derive(Debug, thiserror::Error)]
#[error("the rate limiter cannot be used at present")]
pub struct RateLimiterError(#[source] pub BoxError);

/// How often something may happen, counted over everybody who does it.
///
/// [`reserve`](Self::reserve) and its kin count exactly, in a sliding window: never more than the
/// quota in *any* window. [`admit`](Self::admit) is cheaper and lets bursts through
/// ([`gcra`](crate::domain::quota::gcra)). A key is used with one of the two ways, and with one
/// quota at a time; when that changes, what was counted before still counts. A refusal counts for
/// nothing.
///
/// A limiter may lose what it has counted at any moment: it begins empty, is restarted, or its
/// server is. It grants nothing of a key of which it knows nothing, but answers
/// [`Unprimed`](Reservation::Unprimed), so that a loss gives nobody a fresh quota. What is
/// [admitted](Self::admit) is no promise to others, and begins anew.
///
/// A permit ends once. One that is unknown is ignored, but for one that is settled after what was
/// counted with it was lost: it may have been missing from what the limiter was primed with, so
/// it counts, at the risk of counting twice.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait RateLimiter: Send + Sync + 'static {
    /// Reserves the right to do one thing, to be done and settled before `until`. A permit that is
    /// not settled by then counts as if used at that instant.
    async fn reserve(
        &self,
        key: RateKey,
        quota: Quota,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Reservation, RateLimiterError>;

    /// [Reserves](Self::reserve), and where that is granted [admits](Self::admit) one thing of
    /// `spacing`, a key of the same session, as well. Both count or neither does: what the first
    /// refuses is not held back for having been counted by the second, nor the other way round.
    /// Answers [`Reservation::Spaced`] where the second refuses.
    async fn reserve_spaced(
        &self,
        key: RateKey,
        quota: Quota,
        spacing: (RateKey, Quota),
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Reservation, RateLimiterError> {
        let reserved = self.reserve(key, quota, until, now).await?;
        let Reservation::Granted { permit, .. } = reserved else { return Ok(reserved) };
        match self.admit(spacing.0, spacing.1, now).await {
            Ok(Decision::Allowed { .. }) => Ok(reserved),
            Ok(Decision::Limited { retry_after }) => {
                self.release(permit).await?;
                Ok(Reservation::Spaced { retry_after })
            }
            Err(error) => {
                self.release(permit).await?;
                Err(error)
            }
        }
    }

    /// The thing was done, no later than `at`: the window begins there.
    async fn settle(&self, permit: Permit, at: Timestamp) -> Result<(), RateLimiterError>;

    /// The thing was not done.
    async fn release(&self, permit: Permit) -> Result<(), RateLimiterError>;

    /// Tells what was done before this limiter began to count the key, in whatever order, none
    /// being fine as well. The first to tell it is believed; what others tell at the same time, or
    /// later, changes nothing, nor does what somebody found out before a loss: `ticket` is that of
    /// the [`Unprimed`](Reservation::Unprimed) that was answered before it was found out. So whoever
    /// is answered so may do this, without asking who else does.
    async fn prime(
        &self,
        key: RateKey,
        ticket: u64,
        done: &[Timestamp],
    ) -> Result<(), RateLimiterError> {
        self.prime_begun(key, ticket, done, &[]).await
    }

    /// [Primes](Self::prime), where besides what was done there is what was begun and may still be
    /// done, each until such an instant: it counts as a permit of that term that nobody ends.
    async fn prime_begun(
        &self,
        key: RateKey,
        ticket: u64,
        done: &[Timestamp],
        begun_until: &[Timestamp],
    ) -> Result<(), RateLimiterError>;

    /// What time it is where the counting is done; `None` where it is done in this process. Those
    /// who share a limiter compare their clocks with it.
    async fn time(&self) -> Result<Option<Timestamp>, RateLimiterError> {
        Ok(None)
    }

    /// Counts one thing where the quota allows it, evenly refilled, with bursts up to the limit.
    async fn admit(
        &self,
        key: RateKey,
        quota: Quota,
        now: Timestamp,
    ) -> Result<Decision, RateLimiterError>;
}
