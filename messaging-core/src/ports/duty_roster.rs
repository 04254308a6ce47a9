//! Who does what only one node may do at a time.

use async_trait::async_trait;

use crate::domain::id::NodeId;
use crate::domain::timestamp::Timestamp;
use crate::named::named_enum;
use crate::ports::store_error::StoreError;

named_enum! {
    /// What goes on by itself on one node for all of them.
    pub enum Duty {
        /// Telling the queue of messages it may not know.
        Recovery = "recovery",
        /// Applying webhooks that were left over.
        Inbox = "inbox",
        /// Asking the provider how its sessions are.
        SessionWatch = "session-watch",
        /// Reading what webhooks should have told.
        CatchUp = "catch-up",
        /// Letting in what is to be sent now, and ending what is not to be sent any more.
        Timetable = "timetable",
        /// Doing what the store needs now and then.
        Upkeep = "upkeep",
    }
}

/// Who does what only one node may do at a time.
///
/// A duty is held for a term, and goes on to whoever asks first once its holder has not renewed it.
/// Terms are compared by the callers' own clocks, so two nodes may for a moment both believe that a
/// duty is theirs: what is done in its name must do no harm when it is done twice.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait DutyRoster: Send + Sync + 'static {
    /// Takes a duty up, or goes on with it, until `until`. Tells whether it is the node's: it is
    /// unless another's term goes on at `now`. Of nodes that ask at once one is told so.
    async fn take(
        &self,
        duty: Duty,
        node: NodeId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Lays a duty down before its term ends. Changes nothing where it is not the node's.
    async fn lay_down(&self, duty: Duty, node: NodeId) -> Result<(), StoreError>;
}
