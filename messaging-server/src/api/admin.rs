//! The deployment's tenants over HTTP, for whoever runs it.

use std::time::Duration;

use messaging_core::domain::id::{MessageId, TenantId};
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::retention::{RetentionPatch, RetentionRules};
use messaging_core::domain::tenant::{self, OnUnknown, Role};
use messaging_core::domain::tenant_life::{LimitsPatch, TenantFilter, TenantLimits, TenantStatus};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::Gateway;
use messaging_core::gateway::access::NewApiKey;
use messaging_core::gateway::error::{GatewayError, InvalidField};
use messaging_core::gateway::tenants::{NewTenant, TenantPatch};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::{Example, MaybeUndefined};
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Deserialize;
use uuid::Uuid;

use crate::api::Tag;
use crate::api::api_keys::{CreateApiKey, CreateApiKeyAnswer, CreatedApiKey};
use crate::api::authorized::{Authorized, ManageTenants};
use crate::api::body::{JsonBody, RequestJson};
use crate::api::cursor::Cursor;
use crate::api::messages::query::default_limit;
use crate::api::named::{DateTime, Named};
use crate::api::problem::{BODY, CALLER, CONFLICT, INVALID, NOT_FOUND, Refusal};
use crate::api::suspension::{Suspend, Suspension};
use crate::audit::tenant_settings::TenantSettings;
use crate::config::kind;

/// How much a tenant may do. What is left out is as the deployment has it.
#[derive(Clone, Default, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// How many requests to send it may make in a minute; `TENANT_RATE_LIMIT` where it is left out.
    pub requests_per_minute: Option<u32>,
    /// How many messages of each of its sessions may wait; `MAX_WAITING` where it is left out.
    pub max_waiting: Option<u32>,
}

impl From<Limits> for TenantLimits {
    fn from(limits: Limits) -> Self {
        let Limits { requests_per_minute, max_waiting } = limits;
        Self { requests_per_minute, max_waiting }
    }
}

impl From<TenantLimits> for Limits {
    fn from(limits: TenantLimits) -> Self {
        let TenantLimits { requests_per_minute, max_waiting } = limits;
        Self { requests_per_minute, max_waiting }
    }
}

/// What is to be otherwise in how much a tenant may do. What is left out stays; `null` is what the
/// deployment has.
#[derive(Clone, Default, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchLimits {
    /// How many requests to send it may make in a minute.
    #[serde(default)]
    pub requests_per_minute: MaybeUndefined<u32>,
    /// How many messages of each of its sessions may wait.
    #[serde(default)]
    pub max_waiting: MaybeUndefined<u32>,
}

impl From<PatchLimits> for LimitsPatch {
    fn from(limits: PatchLimits) -> Self {
        Self {
            requests_per_minute: said(limits.requests_per_minute),
            max_waiting: said(limits.max_waiting),
        }
    }
}

/// `None` where nothing is said, `Some(None)` where `null` is.
fn said<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

/// For how long a tenant's data is kept, such as `90d`; a day at least. What is left out is kept as long as
/// the deployment keeps it.
#[derive(Clone, Default, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retention {
    /// Messages that are over.
    pub messages: Option<String>,
    /// Webhooks that were applied.
    pub webhooks: Option<String>,
    /// Entries of the audit log.
    pub audit: Option<String>,
}

impl TryFrom<Retention> for RetentionRules {
    type Error = GatewayError;

    fn try_from(times: Retention) -> Result<Self, GatewayError> {
        let read = |name, text: Option<String>| text.map(|text| kept_for(name, &text)).transpose();
        Ok(Self {
            messages: read("messages", times.messages)?,
            webhooks: read("webhooks", times.webhooks)?,
            audit: read("audit", times.audit)?,
        })
    }
}

fn kept_for(name: &str, text: &str) -> Result<Duration, GatewayError> {
    let kind = kind::TENANT_RETENTION;
    (kind.read)(text).ok_or_else(|| {
        GatewayError::Invalid(vec![InvalidField {
            pointer: format!("/retention/{name}"),
            code: "invalid-request",
            detail: format!("must be {}", kind.expected),
        }])
    })
}

/// What is to be otherwise in how long a tenant's data is kept. What is left out stays; `null` is as long
/// as the deployment keeps it.
#[derive(Clone, Default, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchRetention {
    /// Messages that are over.
    #[serde(default)]
    pub messages: MaybeUndefined<String>,
    /// Webhooks that were applied.
    #[serde(default)]
    pub webhooks: MaybeUndefined<String>,
    /// Entries of the audit log.
    #[serde(default)]
    pub audit: MaybeUndefined<String>,
}

impl TryFrom<PatchRetention> for RetentionPatch {
    type Error = GatewayError;

    fn try_from(times: PatchRetention) -> Result<Self, GatewayError> {
        let read = |name, text| {
            let read = |text: Option<String>| text.map(|text| kept_for(name, &text)).transpose();
            said(text).map(read).transpose()
        };
        Ok(Self {
            messages: read("messages", times.messages)?,
            webhooks: read("webhooks", times.webhooks)?,
            audit: read("audit", times.audit)?,
        })
    }
}

impl From<RetentionRules> for Retention {
    fn from(rules: RetentionRules) -> Self {
        let text = |time: Option<Duration>| {
            time.map(|time| match time.as_secs() {
                seconds if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
                seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
                seconds => format!("{seconds}s"),
            })
        };
        Self {
            messages: text(rules.messages),
            webhooks: text(rules.webhooks),
            audit: text(rules.audit),
        }
    }
}

/// A tenant to be made.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateTenant {
    /// Its name, unique in the deployment: 1 to 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub name: String,
    /// How much it may do.
    pub limits: Option<Limits>,
    /// For how long its data is kept.
    pub retention: Option<Retention>,
    /// What becomes of its messages of which nobody can tell whether they were sent; `dead-letter` by
    /// default.
    pub on_unknown: Option<Named<OnUnknown>>,
    /// What becomes of personal data in its texts; `off` by default.
    pub pii: Option<Named<PiiPolicy>>,
    /// An API key to be made with it, most often of role `owner`.
    pub api_key: Option<CreateApiKey>,
}

impl RequestJson for CreateTenant {}

impl Example for CreateTenant {
    fn example() -> Self {
        let key = CreateApiKey {
            name: "first".to_owned(),
            role: Named(Role::Owner),
            scope: None,
            expires_in: Some("90d".to_owned()),
        };
        Self {
            name: "acme".to_owned(),
            limits: Some(Limits { requests_per_minute: Some(600), max_waiting: None }),
            retention: Some(Retention { messages: Some("90d".to_owned()), ..Retention::default() }),
            on_unknown: None,
            pii: Some(Named(PiiPolicy::Mask)),
            api_key: Some(key),
        }
    }
}

/// What is to be done otherwise for a tenant. What is left out stays.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateTenant {
    /// How much it may do; `null` for as much as any.
    #[serde(default)]
    pub limits: MaybeUndefined<PatchLimits>,
    /// For how long its data is kept; `null` for as long as any.
    #[serde(default)]
    pub retention: MaybeUndefined<PatchRetention>,
    /// What becomes of its messages of which nobody can tell whether they were sent.
    pub on_unknown: Option<Named<OnUnknown>>,
    /// What becomes of personal data in its texts.
    pub pii: Option<Named<PiiPolicy>>,
}

impl RequestJson for UpdateTenant {}

impl Example for UpdateTenant {
    fn example() -> Self {
        Self {
            limits: MaybeUndefined::Value(PatchLimits {
                requests_per_minute: MaybeUndefined::Value(1200),
                max_waiting: MaybeUndefined::Null,
            }),
            retention: MaybeUndefined::Null,
            on_unknown: Some(Named(OnUnknown::Resend)),
            pii: None,
        }
    }
}

/// How far the deletion of a tenant has come.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase")]
pub struct Deletion {
    /// Since when it goes on.
    pub since: DateTime,
    /// How many rows of the store are gone.
    pub erased: u64,
}

/// One customer of the deployment.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
pub struct Tenant {
    /// The tenant's id, as tokens name it.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub status: Named<TenantStatus>,
    /// Since when and why it is stopped.
    pub suspension: Option<Suspension>,
    /// How far its deletion has come.
    pub deletion: Option<Deletion>,
    /// How much it may do.
    pub limits: Limits,
    /// For how long its data is kept.
    pub retention: Retention,
    /// What becomes of its messages of which nobody can tell whether they were sent.
    pub on_unknown: Named<OnUnknown>,
    /// What becomes of personal data in its texts.
    pub pii: Named<PiiPolicy>,
    /// When it was made.
    pub created_at: DateTime,
}

impl Tenant {
    fn new(tenant: tenant::Tenant, status: TenantStatus, rules: RetentionRules) -> Self {
        // Being deleted says it all; a stop that is over is none.
        let suspension = tenant.suspension.filter(|_| status == TenantStatus::Suspended);
        Self {
            id: tenant.id.0,
            name: tenant.name,
            status: Named(status),
            suspension: suspension.map(Suspension::from),
            deletion: tenant
                .deletion
                .map(|it| Deletion { since: DateTime(it.since), erased: it.erased }),
            limits: tenant.limits.into(),
            retention: rules.into(),
            on_unknown: Named(tenant.on_unknown),
            pii: Named(tenant.pii),
            created_at: DateTime(tenant.created_at),
        }
    }
}

impl Example for Tenant {
    fn example() -> Self {
        Self {
            id: Uuid::from_u128(0x019b_7700_0000_7000_8000_0000_0000_0001),
            name: "acme".to_owned(),
            status: Named(TenantStatus::Active),
            suspension: None,
            deletion: None,
            limits: Limits { requests_per_minute: Some(600), max_waiting: None },
            retention: Retention { messages: Some("90d".to_owned()), ..Retention::default() },
            on_unknown: Named(OnUnknown::DeadLetter),
            pii: Named(PiiPolicy::Mask),
            created_at: DateTime(Timestamp::from_millis(1_767_225_600_000)),
        }
    }
}

/// A tenant that was just made.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct CreatedTenant {
    /// The tenant's id.
    pub id: Uuid,
    /// The tenant.
    pub tenant: Tenant,
    /// The API key that was made with it, whole: it is shown now and never again.
    pub api_key: Option<CreatedApiKey>,
}

/// The answer to a request to make a tenant.
#[derive(ApiResponse)]
pub enum CreateTenantAnswer {
    /// The tenant is made.
    #[oai(status = 201)]
    Created(
        Json<CreatedTenant>,
        /// Where the tenant can be looked at.
        #[oai(header = "Location")]
        String,
    ),
}

/// The answer to a request to delete a tenant.
#[derive(ApiResponse)]
pub enum DeleteTenantAnswer {
    /// It is being deleted.
    #[oai(status = 202)]
    Accepted(Json<Tenant>),
}

/// A portion of a list of tenants, newest first.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct TenantList {
    /// The tenants.
    pub data: Vec<Tenant>,
    /// Which page this is; absent where a cursor was given.
    pub page: Option<u32>,
    /// How many a page has at the most.
    pub limit: u32,
    /// How many there are in all.
    pub total: u64,
    /// Where the list goes on; absent at its end.
    pub next_cursor: Option<String>,
}

/// The deployment's tenants.
pub struct AdminApi {
    /// The one door to everything.
    pub gateway: Gateway,
}

impl AdminApi {
    async fn shown(&self, tenant: tenant::Tenant) -> Result<Tenant, GatewayError> {
        let rules = self.gateway.retention(tenant.id).await?;
        let status = self.gateway.tenant_status(&tenant);
        Ok(Tenant::new(tenant, status, rules))
    }
}

#[OpenApi(tag = "Tag::Administration")]
impl AdminApi {
    /// Make a tenant
    ///
    /// Needs `tenants:manage`. With `apiKey`, a key is made in its name in the same step; the answer
    /// alone shows it. All is made or nothing.
    #[oai(path = "/admin/tenants", method = "post", operation_id = "create_tenant")]
    async fn create(
        &self,
        caller: Authorized<ManageTenants>,
        body: JsonBody<CreateTenant>,
    ) -> Result<CreateTenantAnswer, Refusal<{ CALLER | BODY | CONFLICT }>> {
        let CreateTenant { name, limits, retention, on_unknown, pii, api_key } = body.0;
        let usual = NewTenant::named(name);
        let new = NewTenant {
            limits: limits.unwrap_or_default().into(),
            retention: retention.unwrap_or_default().try_into()?,
            on_unknown: on_unknown.map_or(usual.on_unknown, |it| it.0),
            pii: pii.map_or(usual.pii, |it| it.0),
            ..usual
        };
        let key = api_key.map(NewApiKey::try_from).transpose();
        let key = key.map_err(|error| error.within("/apiKey"))?;
        let key = key.map(|key| (caller.maker(), key));
        let (tenant, key) = self.gateway.make_tenant(new, key).await?;
        let location = format!("/admin/tenants/{}", tenant.id);
        let created = CreatedTenant {
            id: tenant.id.0,
            tenant: self.shown(tenant).await?,
            api_key: key.map(|(key, text)| CreatedApiKey::of(key, &text)),
        };
        Ok(CreateTenantAnswer::Created(Json(created), location))
    }

    /// List tenants
    ///
    /// Needs `tenants:manage`. Newest first, those that are being deleted too.
    #[oai(path = "/admin/tenants", method = "get", operation_id = "list_tenants")]
    async fn list(
        &self,
        _caller: Authorized<ManageTenants>,
        /// Those with this in their name, as it is written.
        name: Query<Option<String>>,
        /// Those that stand so.
        status: Query<Option<Named<TenantStatus>>>,
        /// Which page, from 1; 1 by default.
        page: Query<Option<u32>>,
        /// How many a page has at the most: 1 to 100.
        #[oai(default = "default_limit")]
        limit: Query<u32>,
        /// The `nextCursor` of an earlier answer; it takes the place of `page`.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<TenantList>, Refusal<{ CALLER | INVALID }>> {
        let limit = limit.0;
        let portion = match cursor.0 {
            Some(Cursor(last)) => PortionBy::OlderThan { last: TenantId(last.0), limit },
            None => PortionBy::Page { page: page.0.unwrap_or(1), limit },
        };
        let filter = TenantFilter { name: name.0, status: status.0.map(|status| status.0) };
        let found = self.gateway.page_of_tenants(&filter, portion).await;
        let Page { items, total, has_more } = found.map_err(Refusal::in_address)?;
        let last = items.last().filter(|_| has_more);
        let next_cursor = last.map(|last| Cursor(MessageId(last.id.0)).to_string());
        let mut data = Vec::with_capacity(items.len());
        for tenant in items {
            data.push(self.shown(tenant).await?);
        }
        Ok(Json(TenantList { data, page: portion.page(), limit, total, next_cursor }))
    }

    /// Look a tenant up
    ///
    /// Needs `tenants:manage`. Of one that is being deleted, `deletion` says how far that has come.
    #[oai(path = "/admin/tenants/:id", method = "get", operation_id = "get_tenant")]
    async fn get(
        &self,
        _caller: Authorized<ManageTenants>,
        /// The tenant's id.
        id: Path<Uuid>,
    ) -> Result<Json<Tenant>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        Ok(Json(self.shown(self.gateway.tenant(TenantId(id.0)).await?).await?))
    }

    /// Change a tenant
    ///
    /// Needs `tenants:manage`. On every node within a second or two.
    #[oai(path = "/admin/tenants/:id", method = "patch", operation_id = "update_tenant")]
    async fn update(
        &self,
        caller: Authorized<ManageTenants>,
        /// The tenant's id.
        id: Path<Uuid>,
        body: JsonBody<UpdateTenant>,
    ) -> Result<Json<Tenant>, Refusal<{ CALLER | BODY | NOT_FOUND }>> {
        let UpdateTenant { limits, retention, on_unknown, pii } = body.0;
        let patch = TenantPatch {
            limits: said(limits)
                .map_or_else(LimitsPatch::default, |it| it.map_or(LimitsPatch::USUAL, Into::into)),
            retention: match said(retention) {
                None => RetentionPatch::default(),
                Some(None) => RetentionPatch::USUAL,
                Some(Some(times)) => times.try_into()?,
            },
            on_unknown: on_unknown.map(|it| it.0),
            pii: pii.map(|it| it.0),
        };
        let id = TenantId(id.0);
        let before = self.gateway.standing_tenant(id).await?;
        let before = TenantSettings::of(&self.gateway, &before).await?;
        let tenant = self.gateway.patch_tenant(id, patch).await?;
        let after = TenantSettings::of(&self.gateway, &tenant).await?;
        caller.changed(id, before.changes_to(&after));
        Ok(Json(self.shown(tenant).await?))
    }

    /// Suspend a tenant
    ///
    /// Needs `tenants:manage`. Nothing is sent for it, on every node within a second or two, and nothing
    /// is accepted to be sent (409 `tenant-suspended`). What was accepted before waits and says so in
    /// `pacing`; what comes in is kept; everything can be read.
    #[oai(path = "/admin/tenants/:id/suspend", method = "post", operation_id = "suspend_tenant")]
    async fn suspend(
        &self,
        _caller: Authorized<ManageTenants>,
        /// The tenant's id.
        id: Path<Uuid>,
        body: JsonBody<Suspend>,
    ) -> Result<Json<Tenant>, Refusal<{ CALLER | BODY | NOT_FOUND }>> {
        let tenant = self.gateway.suspend_tenant(TenantId(id.0), body.0.into()).await?;
        Ok(Json(self.shown(tenant).await?))
    }

    /// Let a tenant go on
    ///
    /// Needs `tenants:manage`. What waited leaves as its sessions' quotas allow.
    #[oai(path = "/admin/tenants/:id/resume", method = "post", operation_id = "resume_tenant")]
    async fn resume(
        &self,
        _caller: Authorized<ManageTenants>,
        /// The tenant's id.
        id: Path<Uuid>,
    ) -> Result<Json<Tenant>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        let tenant = self.gateway.resume_tenant(TenantId(id.0)).await?;
        Ok(Json(self.shown(tenant).await?))
    }

    /// Delete a tenant
    ///
    /// Needs `tenants:manage`. Nobody gets it back: sending stops, its API keys and tokens are good for
    /// nothing, its sessions are logged out of WAHA as well as that can be done, and all that is kept of
    /// it is erased step by step. `status` is `deleting` meanwhile, and `deletion` says how far it has
    /// come; then the id is not found. Asked for again meanwhile, it changes nothing.
    #[oai(path = "/admin/tenants/:id", method = "delete", operation_id = "delete_tenant")]
    async fn delete(
        &self,
        _caller: Authorized<ManageTenants>,
        /// The tenant's id.
        id: Path<Uuid>,
        /// The tenant's name, to show that it is the one that is meant.
        confirm: Query<String>,
    ) -> Result<DeleteTenantAnswer, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        let begun = self.gateway.delete_tenant(TenantId(id.0), &confirm.0).await;
        let tenant = self.shown(begun.map_err(Refusal::in_address)?).await?;
        Ok(DeleteTenantAnswer::Accepted(Json(tenant)))
    }

    /// Make an API key in a tenant's name
    ///
    /// Needs `tenants:manage`. As `POST /api-keys`, which the tenant's own owner calls.
    #[oai(
        path = "/admin/tenants/:id/api-keys",
        method = "post",
        operation_id = "create_tenant_api_key"
    )]
    async fn create_key(
        &self,
        caller: Authorized<ManageTenants>,
        /// The tenant's id.
        id: Path<Uuid>,
        body: JsonBody<CreateApiKey>,
    ) -> Result<CreateApiKeyAnswer, Refusal<{ CALLER | BODY | NOT_FOUND }>> {
        let tenant = self.gateway.standing_tenant(TenantId(id.0)).await?.id;
        let made = self.gateway.create_api_key(tenant, caller.maker(), body.0.try_into()?).await;
        let (key, text) = made?;
        Ok(CreateApiKeyAnswer::of(key, &text))
    }
}
