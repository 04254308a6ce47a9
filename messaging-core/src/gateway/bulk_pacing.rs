//! Why a bulk request waits, until when, and when it is likely to be done.

use crate::domain::batch::BatchProgress;
use crate::domain::filter::{MessageFilter, Portion};
use crate::domain::message::Message;
use crate::domain::session::SessionStatus;
use crate::domain::status::Status;
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::ports::queue::HeldBy;

/// Why a bulk request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkPacing {
    /// What holds it.
    pub held_by: HeldBy,
    /// Until when, where that is known.
    pub until: Option<Timestamp>,
    /// How many of its messages are still to be sent.
    pub waiting: u64,
    /// When the last of them is likely to leave.
    pub estimated_end_at: Timestamp,
}

impl Gateway {
    /// Why a bulk request waits; `None` where nothing of it does any more.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`] where the store cannot be asked.
    pub async fn bulk_pacing(
        &self,
        progress: &BatchProgress,
    ) -> Result<Option<BulkPacing>, GatewayError> {
        let count = |status| progress.by_status.get(&status).copied().unwrap_or_default();
        let waiting = count(Status::Queued) + count(Status::Retry) + count(Status::Sending);
        if waiting == 0 {
            return Ok(None);
        }
        let now = self.ports().clock.now();
        let (held_by, until, ahead) = match self.batch_held_by(progress, now).await? {
            Some((held_by, until)) => (held_by, until, 0),
            None => self.first_held_by(progress).await?,
        };
        let from = until.map_or(now, |until| until.max(now));
        let last = ahead.saturating_add(waiting - 1);
        let estimated_end_at = self.estimate(progress.batch.session, last, from, now).await;
        Ok(Some(BulkPacing { held_by, until, waiting, estimated_end_at }))
    }

    /// What keeps all of it from being sent.
    async fn batch_held_by(
        &self,
        progress: &BatchProgress,
        now: Timestamp,
    ) -> Result<Option<(HeldBy, Option<Timestamp>)>, GatewayError> {
        let batch = &progress.batch;
        if let Some(suspension) = batch.suspension.as_ref().filter(|it| it.holds(now)) {
            return Ok(Some((HeldBy::Suspended, suspension.until)));
        }
        if let Some(at) = batch.send_at.filter(|at| *at > now) {
            return Ok(Some((HeldBy::Scheduled, Some(at))));
        }
        let session = self.ports().sessions.find(batch.tenant, batch.session).await?;
        let Some(session) = session else { return Ok(None) };
        if session.status != SessionStatus::Working {
            return Ok(Some((HeldBy::Session, None)));
        }
        Ok(session.stopped_by(now).map(|suspension| (HeldBy::Suspended, suspension.until)))
    }

    /// What keeps the message of it that is to leave first, and how many leave before that.
    async fn first_held_by(
        &self,
        progress: &BatchProgress,
    ) -> Result<(HeldBy, Option<Timestamp>, u64), GatewayError> {
        // One that is being sent may be followed by others.
        for status in [Status::Queued, Status::Retry, Status::Sending] {
            let Some(first) = self.first_of(progress, status).await? else { continue };
            if first.held && status == Status::Queued {
                // All that it has room for is under way or waits for its next attempt.
                return Ok((HeldBy::Bulk, None, 0));
            }
            let Some(pacing) = self.pacing(&first).await else { continue };
            return Ok((pacing.held_by, pacing.until, pacing.ahead));
        }
        Ok((HeldBy::Ready, None, 0))
    }

    /// The message in this status that was accepted first.
    async fn first_of(
        &self,
        progress: &BatchProgress,
        status: Status,
    ) -> Result<Option<Message>, GatewayError> {
        let Some(count) = progress.by_status.get(&status) else { return Ok(None) };
        let filter = MessageFilter {
            batch: Some(progress.batch.id),
            status: Some(status),
            ..MessageFilter::default()
        };
        // A list begins with the newest. Should some have moved meanwhile, the page is empty.
        let page = u32::try_from(*count).unwrap_or(u32::MAX);
        let portion = Portion::Page { page, limit: 1 };
        let found = self.ports().messages.list(progress.batch.tenant, &filter, portion).await?;
        Ok(found.messages.into_iter().next())
    }
}
