//! How a tenant stands, at work, stopped or on its way out, and how much it may do.

use std::time::Duration;

use crate::domain::quota::Quota;
use crate::domain::tenant::Tenant;
use crate::domain::timestamp::Timestamp;
use crate::named::named_enum;

/// The highest that any limit of a tenant can be.
pub const HIGHEST_LIMIT: u32 = 10_000_000;

named_enum! {
    /// How a tenant stands.
    pub enum TenantStatus {
        /// At work.
        Active = "active",
        /// Somebody stopped it: nothing is sent, and nothing accepted to be sent.
        Suspended = "suspended",
        /// What belongs to it is being erased, and it does not come back.
        Deleting = "deleting",
    }
}

/// Somebody had a tenant deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// Since when.
    pub since: Timestamp,
    /// How many rows are gone by now.
    pub erased: u64,
}

/// How much a tenant may do, where that is not what the deployment lets every tenant do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TenantLimits {
    /// How many requests to send it may make in a minute.
    pub requests_per_minute: Option<u32>,
    /// How many messages of each of its sessions may wait.
    pub max_waiting: Option<u32>,
}

/// What is to be otherwise in how much a tenant may do: `None` leaves a limit as it is, and
/// `Some(None)` makes it that of every tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitsPatch {
    /// How many requests to send it may make in a minute.
    pub requests_per_minute: Option<Option<u32>>,
    /// How many messages of each of its sessions may wait.
    pub max_waiting: Option<Option<u32>>,
}

impl LimitsPatch {
    /// All of them, as every tenant has them.
    pub const USUAL: Self = Self { requests_per_minute: Some(None), max_waiting: Some(None) };

    /// The limits with what is to be otherwise.
    #[must_use]
    pub fn applied(self, before: TenantLimits) -> TenantLimits {
        TenantLimits {
            requests_per_minute: self.requests_per_minute.unwrap_or(before.requests_per_minute),
            max_waiting: self.max_waiting.unwrap_or(before.max_waiting),
        }
    }
}

impl TenantLimits {
    /// How many requests to send it may make; `usual` is how many any other may.
    pub fn requests(self, usual: Quota) -> Quota {
        let window = Duration::from_secs(60);
        self.requests_per_minute.map_or(usual, |limit| Quota { limit, window })
    }

    /// How many messages of each of its sessions may wait; `usual` is how many of any other.
    pub fn waiting(self, usual: u64) -> u64 {
        self.max_waiting.map_or(usual, u64::from)
    }
}

/// Which tenants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantFilter {
    /// Those with this in their name, as it is written.
    pub name: Option<String>,
    /// Those that stand so.
    pub status: Option<TenantStatus>,
}

impl TenantFilter {
    /// Whether it takes this one at `now`.
    pub fn admits(&self, tenant: &Tenant, now: Timestamp) -> bool {
        self.name.as_ref().is_none_or(|part| tenant.name.contains(part.as_str()))
            && self.status.is_none_or(|status| tenant.status(now) == status)
    }
}

impl Tenant {
    /// How it stands at `now`.
    pub fn status(&self, now: Timestamp) -> TenantStatus {
        match (&self.deletion, &self.suspension) {
            (Some(_), _) => TenantStatus::Deleting,
            (None, Some(suspension)) if suspension.holds(now) => TenantStatus::Suspended,
            _ => TenantStatus::Active,
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::conformance::build::{at, tenant};
    use crate::domain::suspension::Suspension;

    #[test]
    fn a_stop_that_is_over_leaves_a_tenant_at_work_and_a_deletion_does_not_end() {
        let stopped = |until| Tenant {
            suspension: Some(Suspension { since: at(0), until, reason: None }),
            ..tenant(1)
        };
        assert_eq!(tenant(1).status(at(5)), TenantStatus::Active);
        assert_eq!(stopped(None).status(at(5)), TenantStatus::Suspended);
        assert_eq!(stopped(Some(at(6))).status(at(5)), TenantStatus::Suspended);
        assert_eq!(stopped(Some(at(5))).status(at(5)), TenantStatus::Active);
        let deletion = Some(Deletion { since: at(0), erased: 0 });
        let leaving = Tenant { deletion, ..stopped(Some(at(5))) };
        assert_eq!(leaving.status(at(5)), TenantStatus::Deleting);
    }

    #[test]
    fn what_a_tenant_may_is_what_all_may_unless_it_has_a_limit_of_its_own() {
        let usual = Quota { limit: 7, window: Duration::from_secs(9) };
        assert_eq!(TenantLimits::default().requests(usual), usual);
        let own = TenantLimits { requests_per_minute: Some(3), max_waiting: Some(5) };
        assert_eq!(own.requests(usual), Quota { limit: 3, window: Duration::from_secs(60) });
        assert_eq!((own.waiting(7), TenantLimits::default().waiting(7)), (5, 7));
    }

    #[test]
    fn what_is_not_said_of_limits_stays() {
        let before = TenantLimits { requests_per_minute: Some(3), max_waiting: Some(5) };
        let patch = LimitsPatch { max_waiting: Some(Some(6)), ..LimitsPatch::default() };
        let after = patch.applied(before);
        assert_eq!(after, TenantLimits { max_waiting: Some(6), ..before });
        let patch = LimitsPatch { requests_per_minute: Some(None), ..LimitsPatch::default() };
        assert_eq!(patch.applied(after), TenantLimits { requests_per_minute: None, ..after });
        assert_eq!(LimitsPatch::USUAL.applied(before), TenantLimits::default());
    }
}
