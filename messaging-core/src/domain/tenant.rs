//! One customer of the deployment, and who may do what in its name.

use crate::domain::id::TenantId;
use crate::domain::pii::PiiPolicy;
use crate::domain::suspension::Suspension;
use crate::domain::timestamp::Timestamp;
use crate::named::named_enum;

/// One customer of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Ours.
    pub id: TenantId,
    /// The operator's name for it, unique in the deployment.
    pub name: String,
    /// Whether somebody stopped it.
    pub suspension: Option<Suspension>,
    /// What becomes of its messages of which nobody can tell whether they were sent.
    pub on_unknown: OnUnknown,
    /// What becomes of personal data in its texts.
    pub pii: PiiPolicy,
    /// When it was made.
    pub created_at: Timestamp,
}

named_enum! {
    /// What becomes of a message of which nobody can tell whether it was sent: the engine takes no
    /// id of ours for it, and does not find it.
    pub enum OnUnknown {
        /// It fails as such, and somebody decides: the recipient gets it at most once.
        DeadLetter = "dead-letter",
        /// It is sent again, as often as one that failed: the recipient may get it twice.
        Resend = "resend",
    }
}

named_enum! {
    /// What somebody is to a tenant.
    pub enum Role {
        /// Runs the deployment: everything, for every tenant.
        PlatformAdmin = "platform-admin",
        /// Answers for the tenant: everything of the tenant's.
        Owner = "owner",
        /// Administers the tenant: everything of the tenant's.
        Admin = "admin",
        /// Keeps sessions running and messages flowing.
        Operator = "operator",
        /// A program that sends and follows messages.
        Sender = "sender",
        /// Looks and changes nothing.
        Viewer = "viewer",
    }
}

named_enum! {
    /// What an operation needs its caller to be allowed.
    pub enum Permission {
        /// Look at messages, bulk requests and statistics.
        ReadMessages = "messages:read",
        /// Send, cancel and replay messages.
        SendMessages = "messages:send",
        /// Look at sessions.
        ReadSessions = "sessions:read",
        /// Create, change, start, stop and delete sessions, and pair them.
        ManageSessions = "sessions:manage",
        /// Look at who did what.
        ReadAudit = "audit:read",
        /// Export what is kept of one person.
        ExportData = "data:export",
        /// Erase what is kept of one person.
        EraseData = "data:erase",
    }
}

impl Permission {
    /// Whether only those have it who answer for the tenant.
    fn is_administrative(self) -> bool {
        matches!(self, Self::ReadAudit | Self::ExportData | Self::EraseData)
    }
}

impl Role {
    /// Whether this role may do what `permission` names.
    pub fn allows(self, permission: Permission) -> bool {
        match self {
            Self::PlatformAdmin | Self::Owner | Self::Admin => true,
            Self::Operator => !permission.is_administrative(),
            Self::Sender => {
                permission != Permission::ManageSessions && !permission.is_administrative()
            }
            Self::Viewer => {
                matches!(permission, Permission::ReadMessages | Permission::ReadSessions)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_its_description_says() {
        let allowed = |role: Role| -> Vec<&str> {
            Permission::ALL.iter().filter(|p| role.allows(**p)).map(|p| p.as_str()).collect()
        };
        let all = [
            "messages:read",
            "messages:send",
            "sessions:read",
            "sessions:manage",
            "audit:read",
            "data:export",
            "data:erase",
        ];
        for role in [Role::PlatformAdmin, Role::Owner, Role::Admin] {
            assert_eq!(allowed(role), all);
        }
        assert_eq!(allowed(Role::Operator), all[..4]);
        assert_eq!(allowed(Role::Sender), all[..3]);
        assert_eq!(allowed(Role::Viewer), ["messages:read", "sessions:read"]);
    }
}
