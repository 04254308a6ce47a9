//! One customer of the deployment, and who may do what in its name.

use crate::domain::id::TenantId;
use crate::domain::pii::PiiPolicy;
use crate::domain::suspension::Suspension;
use crate::domain::tenant_life::{Deletion, TenantLimits};
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
    /// How much it may do, where that is not what every tenant may.
    pub limits: TenantLimits,
    /// Whether somebody had it deleted.
    pub deletion: Option<Deletion>,
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
        /// Look at messages, bulk requests and statistics, without what they say and to whom.
        ReadMessages = "messages:read",
        /// See texts, files, metadata and whole numbers wherever they are answered, and search them.
        ReadContent = "messages:read:content",
        /// Send, cancel and replay messages.
        SendMessages = "messages:send",
        /// Look at sessions.
        ReadSessions = "sessions:read",
        /// Create, change, start, stop and delete sessions, and pair them.
        ManageSessions = "sessions:manage",
        /// Make, look at and revoke API keys.
        ManageApiKeys = "api-keys:manage",
        /// Read who did what.
        ReadAudit = "audit:read",
        /// Take all that is kept of a person, or of the tenant, out.
        ExportData = "data:export",
        /// Erase what is kept of a person.
        EraseData = "data:erase",
        /// Make, change and stop tenants.
        ManageTenants = "tenants:manage",
        /// Look after the WAHA servers.
        ManageServers = "servers:manage",
    }
}

impl Permission {
    /// Writes permissions with spaces between, as tokens and stores keep them.
    pub fn write_list(permissions: &[Self]) -> String {
        permissions.iter().map(|each| each.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Reads what [`write_list`](Self::write_list) wrote. A name that nobody knows allows nothing.
    pub fn read_list(text: &str) -> Vec<Self> {
        text.split_ascii_whitespace().filter_map(Self::from_name).collect()
    }
}

/// Who may do what: the one table. `docs/access.md` shows it.
const RIGHTS: &[(Role, &[Permission])] = {
    use Permission::{
        EraseData, ExportData, ManageApiKeys, ManageSessions, ReadAudit, ReadContent, ReadMessages,
        ReadSessions, SendMessages,
    };
    &[
        // Whoever runs the deployment can read its database and its secrets anyway.
        (Role::PlatformAdmin, Permission::ALL),
        // Nothing of the tenant's is kept from who answers for it; but the deployment, with its
        // servers and the other tenants, is not the tenant's.
        (
            Role::Owner,
            &[
                ReadMessages,
                ReadContent,
                SendMessages,
                ReadSessions,
                ManageSessions,
                ManageApiKeys,
                ReadAudit,
                ExportData,
                EraseData,
            ],
        ),
        // What an owner may, but for what nobody can take back.
        (
            Role::Admin,
            &[
                ReadMessages,
                ReadContent,
                SendMessages,
                ReadSessions,
                ManageSessions,
                ManageApiKeys,
                ReadAudit,
                ExportData,
            ],
        ),
        // Finds out why a message failed, which its text and number often tell. Gives nobody
        // rights, and does not read what others did.
        (Role::Operator, &[ReadMessages, ReadContent, SendMessages, ReadSessions, ManageSessions]),
        // Wrote the texts itself, and has to read the answers. Its key lies on a machine that
        // somebody may get into, so it touches no account.
        (Role::Sender, &[ReadMessages, ReadContent, SendMessages, ReadSessions]),
        // A dashboard, or somebody who counts: that messages flow can be seen without what they
        // say and to whom.
        (Role::Viewer, &[ReadMessages, ReadSessions]),
    ]
};

impl Role {
    /// What this role may do.
    pub fn permissions(self) -> &'static [Permission] {
        RIGHTS.iter().find(|(role, _)| *role == self).map_or(&[], |(_, permissions)| permissions)
    }

    /// Whether it stands before the other: each may all that the next one may.
    pub fn is_above(self, other: Self) -> bool {
        let place = |role| Self::ALL.iter().position(|each| *each == role);
        place(self) < place(other)
    }

    /// Whether this role may do what `permission` names.
    pub fn allows(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }
}

/// The table of roles and permissions, in Markdown.
pub fn rights_table() -> String {
    let mut table = String::from("| |");
    for role in Role::ALL {
        table.push_str(&format!(" `{role}` |"));
    }
    table.push_str(&format!("\n|---|{}\n", "---|".repeat(Role::ALL.len())));
    for permission in Permission::ALL {
        table.push_str(&format!("| `{permission}` |"));
        for role in Role::ALL {
            table.push_str(if role.allows(*permission) { " yes |" } else { " |" });
        }
        table.push('\n');
    }
    table
}

/// What somebody may do: all that a role allows, or some of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// As what.
    pub role: Role,
    /// The permissions it is narrowed to; `None` where the role alone decides.
    pub scope: Option<Vec<Permission>>,
}

impl Rights {
    /// All that a role allows.
    pub fn of(role: Role) -> Self {
        Self { role, scope: None }
    }

    /// Whether they allow what `permission` names. A scope narrows the role and never widens it.
    pub fn allow(&self, permission: Permission) -> bool {
        self.role.allows(permission)
            && self.scope.as_ref().is_none_or(|scope| scope.contains(&permission))
    }

    /// What they allow, in the order of the table.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> + '_ {
        Permission::ALL.iter().copied().filter(|permission| self.allow(*permission))
    }

    /// The first thing that `other` allows and these do not.
    pub fn lack_of(&self, other: &Self) -> Option<Permission> {
        other.permissions().find(|permission| !self.allow(*permission))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(rights: &Rights) -> Vec<&'static str> {
        rights.permissions().map(Permission::as_str).collect()
    }

    #[test]
    fn each_role_may_do_what_its_description_says() {
        let all: Vec<_> = Permission::ALL.iter().map(|each| each.as_str()).collect();
        let of = |role| allowed(&Rights::of(role));
        assert_eq!(of(Role::PlatformAdmin), all);
        assert_eq!(of(Role::Owner), all[..9]);
        assert_eq!(of(Role::Admin), all[..8]);
        assert_eq!(of(Role::Operator), all[..5]);
        assert_eq!(of(Role::Sender), all[..4]);
        assert_eq!(of(Role::Viewer), ["messages:read", "sessions:read"]);
    }

    #[test]
    fn a_role_is_above_those_that_may_less() {
        for pair in Role::ALL.windows(2) {
            assert!(pair[0].is_above(pair[1]) && !pair[1].is_above(pair[0]), "{pair:?}");
            assert_eq!(Rights::of(pair[0]).lack_of(&Rights::of(pair[1])), None, "{pair:?}");
        }
        assert!(!Role::Owner.is_above(Role::Owner));
    }

    #[test]
    fn every_role_stands_in_the_table_once() {
        for role in Role::ALL {
            assert_eq!(RIGHTS.iter().filter(|(each, _)| each == role).count(), 1, "{role}");
        }
    }

    #[test]
    fn rights_lack_what_others_have_more() {
        let narrowed = |role, scope: &[Permission]| Rights { role, scope: Some(scope.to_vec()) };
        let (admin, owner) = (Rights::of(Role::Admin), Rights::of(Role::Owner));
        assert_eq!(admin.lack_of(&owner), Some(Permission::EraseData));
        assert_eq!(owner.lack_of(&admin), None);
        // What a scope names beyond its role is nothing.
        let viewer = narrowed(Role::Viewer, &[Permission::ReadMessages, Permission::EraseData]);
        assert_eq!(allowed(&viewer), ["messages:read"]);
        assert_eq!(admin.lack_of(&viewer), None);
        let little = narrowed(Role::Owner, &[Permission::ManageApiKeys]);
        assert_eq!(little.lack_of(&viewer), Some(Permission::ReadMessages));
        // A mighty role that is narrowed is as mighty as its scope.
        assert_eq!(admin.lack_of(&little), None);
    }
}
