//! How a tenant stands, at work, stopped or on its way out, and how much it may do.

use std::time::Duration;

use crate::domain::quota::Quota;
use crate::domain::tenant::Tenant;
use crate::domain::timestamp::Timestamp;
use crate::named::named_enum;

/// The most requests in a minute that a tenant can be allowed.
pub const MOST_REQUESTS: u32 = 10_000_000;

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
}

impl TenantLimits {
    /// How many requests to send it may make; `usual` is how many any other may.
    pub fn requests(self, usual: Quota) -> Quota {
        let window = Duration::from_secs(60);
        self.requests_per_minute.map_or(usual, |limit| Quota { limit, window })
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
        let own = TenantLimits { requests_per_minute: Some(3) }.requests(usual);
        assert_eq!(own, Quota { limit: 3, window: Duration::from_secs(60) });
    }
}
