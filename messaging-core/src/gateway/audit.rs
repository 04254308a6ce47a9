//! What was done, by whom: kept, told, and looked at for what somebody may have made of it.

use crate::domain::audit::{
    AuditEntry, AuditEvent, AuditFilter, Chain, ChainCheck, ChainReport, Link, anchor_moved,
};
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::ports::observer::Observation;
use crate::ports::store_error::StoreError;

/// The largest portion of a list.
pub const MAX_AUDIT_LIMIT: u32 = 500;

/// How many entries are looked at together.
const PORTION: u32 = 1000;

/// How many entries before the anchor are told of.
const STRAY: u32 = 5;

/// How often a check begins anew because entries went from the oldest end meanwhile.
const TRIES: u32 = 5;

impl Gateway {
    /// Keeps what happened, for good.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`], where nothing of it was kept.
    pub async fn record(&self, events: Vec<AuditEvent>) -> Result<(), GatewayError> {
        if events.is_empty() {
            return Ok(());
        }
        let events: Vec<_> = events.into_iter().map(AuditEvent::tidied).collect();
        let kept = self.ports().audit.append(&events).await;
        kept.map(|_| ()).map_err(|error| match error {
            // Nobody asked for anything that is taken: somebody has laid hands on the log.
            conflict @ StoreError::Conflict { .. } => {
                tracing::error!("an entry cannot be added to the audit log: verify it");
                GatewayError::Unavailable(Box::new(conflict))
            }
            error => error.into(),
        })
    }

    /// Counts something of somebody who was not believed that is not recorded: there is enough of it.
    pub fn note_unrecorded(&self) {
        self.observe(Observation::AuditUnrecorded);
    }

    /// What happened on a chain, newest first, and whether there is more; older than the entry of
    /// number `before` where that is given.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`], whose pointers are the names of the query's parameters.
    pub async fn list_audit(
        &self,
        chain: Chain,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<(Vec<AuditEntry>, bool), GatewayError> {
        if !(1..=MAX_AUDIT_LIMIT).contains(&limit) {
            let detail = format!("must be 1 to {MAX_AUDIT_LIMIT}");
            return Err(GatewayError::invalid("/limit", &detail));
        }
        let mut found = self.ports().audit.list(chain, filter, before, limit + 1).await?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = found.len() > wanted;
        found.truncate(wanted);
        Ok((found, has_more))
    }

    /// Entries of a chain behind the one of number `after`, oldest first.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub async fn walk_audit(
        &self,
        chain: Chain,
        after: u64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, GatewayError> {
        Ok(self.ports().audit.walk(chain, after, limit).await?)
    }

    /// Every chain there is, the platform's first; also those of which somebody has removed where they
    /// end, and those of no tenant that is there.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub async fn audit_chains(&self) -> Result<Vec<Chain>, GatewayError> {
        let mut all = Vec::new();
        loop {
            let found = self.ports().audit.chains(all.last().copied(), PORTION).await?;
            if found.is_empty() {
                break;
            }
            all.extend(found);
        }
        Ok(all)
    }

    /// Looks at every entry of a chain, while others append to it. A link that is expected was told
    /// by an earlier look, and kept elsewhere.
    ///
    /// # Errors
    /// Where the log cannot be read at all; an entry that cannot be is a finding.
    pub async fn verify_audit(
        &self,
        chain: Chain,
        expected: Option<Link>,
    ) -> Result<ChainReport, GatewayError> {
        let log = &self.ports().audit;
        let mut tries = 1;
        loop {
            let ends = match log.ends(chain).await {
                Err(StoreError::Corrupt { .. }) => return Ok(ChainReport::without_ends()),
                ends => ends?,
            };
            let mut check = ChainCheck::new(ends, expected);
            // The entries before the anchor are let go of; what stands there all the same is none
            // of the chain's, and lists would show it.
            let behind = Some(ends.anchor.seq.saturating_add(1));
            match log.list(chain, &AuditFilter::default(), behind, STRAY).await {
                Ok(stray) => stray.iter().for_each(|entry| check.before_anchor(entry.seq)),
                Err(StoreError::Corrupt { .. }) => check.unreadable_before_anchor(),
                Err(error) => return Err(error.into()),
            }
            loop {
                match log.walk(chain, check.reached(), PORTION).await {
                    Ok(entries) if entries.is_empty() => break,
                    Ok(entries) => entries.iter().for_each(|entry| check.step(chain, entry)),
                    Err(StoreError::Corrupt { .. }) => {
                        check.unreadable();
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            let now = match log.ends(chain).await {
                Err(StoreError::Corrupt { .. }) => return Ok(ChainReport::without_ends()),
                now => now?,
            };
            let report = check.finish(now.head);
            // What went from the oldest end meanwhile would look as if it were missing.
            if report.findings.is_empty() || now.anchor == ends.anchor || tries >= TRIES {
                return Ok(report);
            }
            tries += 1;
        }
    }

    /// Lets go of the oldest entries of a chain, those before this instant and at most `limit`; gives
    /// how many went. Where any did, an entry on the platform's chain tells up to which: whoever lets go
    /// of more than that, to hide it, is found out by it.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`].
    pub async fn forget_audit(
        &self,
        chain: Chain,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, GatewayError> {
        let log = &self.ports().audit;
        let gone = log.forget(chain, before, limit).await?;
        if gone > 0 {
            let anchor = log.ends(chain).await?.anchor;
            self.record(vec![anchor_moved(chain, anchor, self.ports().clock.now())]).await?;
        }
        Ok(gone)
    }
}
