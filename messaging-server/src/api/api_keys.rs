//! API keys over HTTP: made, looked at and revoked.

use messaging_core::domain::access::{self, ApiKeyText};
use messaging_core::domain::id::{ApiKeyId, MessageId};
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::tenant::{Permission, Role};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::Gateway;
use messaging_core::gateway::access::NewApiKey;
use messaging_core::gateway::error::{GatewayError, InvalidField};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Deserialize;
use uuid::Uuid;

use crate::api::Tag;
use crate::api::authorized::{Authorized, ManageApiKeys};
use crate::api::body::{JsonBody, RequestJson};
use crate::api::cursor::Cursor;
use crate::api::messages::query::default_limit;
use crate::api::named::{DateTime, Named};
use crate::api::problem::{BODY, CALLER, INVALID, NOT_FOUND, Refusal};
use crate::config::kind;

/// A key to be made.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateApiKey {
    /// What it is for: 1 to 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub name: String,
    /// As what its bearer calls.
    pub role: Named<Role>,
    /// To which of the role's permissions it is narrowed; all of them where it is left out.
    pub scope: Option<Vec<Named<Permission>>>,
    /// For how long it is good, such as `90d`; where it is left out, until it is revoked, or the key that
    /// makes it ends.
    pub expires_in: Option<String>,
}

impl RequestJson for CreateApiKey {}

impl TryFrom<CreateApiKey> for NewApiKey {
    type Error = GatewayError;

    fn try_from(request: CreateApiKey) -> Result<Self, GatewayError> {
        let read = |text: String| {
            kind::duration(&text).ok_or_else(|| {
                GatewayError::Invalid(vec![InvalidField {
                    pointer: "/expiresIn".to_owned(),
                    code: "invalid-request",
                    detail: format!("must be {}", kind::DURATION.expected),
                }])
            })
        };
        Ok(Self {
            name: request.name,
            role: request.role.0,
            scope: request.scope.map(|scope| scope.into_iter().map(|each| each.0).collect()),
            expires_in: request.expires_in.map(read).transpose()?,
        })
    }
}

impl Example for CreateApiKey {
    fn example() -> Self {
        Self {
            name: "web shop".to_owned(),
            role: Named(Role::Sender),
            scope: Some(vec![Named(Permission::SendMessages)]),
            expires_in: Some("90d".to_owned()),
        }
    }
}

/// A key, without what its bearer is told by.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
pub struct ApiKey {
    /// The key's id.
    pub id: Uuid,
    /// What the key begins with; no secret.
    pub prefix: String,
    /// What it is for.
    pub name: String,
    /// As what its bearer calls.
    pub role: Named<Role>,
    /// To which permissions it is narrowed; absent where the role alone decides.
    pub scope: Option<Vec<Named<Permission>>>,
    /// When it was made.
    pub created_at: DateTime,
    /// From when on it is good for nothing.
    pub expires_at: Option<DateTime>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime>,
}

impl From<access::ApiKey> for ApiKey {
    fn from(key: access::ApiKey) -> Self {
        Self {
            id: key.id.0,
            prefix: key.prefix(),
            name: key.name,
            role: Named(key.rights.role),
            scope: key.rights.scope.map(|scope| scope.into_iter().map(Named).collect()),
            created_at: DateTime(key.created_at),
            expires_at: key.expires_at.map(DateTime),
            revoked_at: key.revoked_at.map(DateTime),
            last_used_at: key.last_used_at.map(DateTime),
        }
    }
}

impl Example for ApiKey {
    fn example() -> Self {
        let at = Timestamp::from_millis(1_767_225_600_000);
        Self {
            id: Uuid::from_u128(0x019b_7700_0000_7000_8000_0000_0000_0005),
            prefix: "msk_live_019b7700000070008000000000000005".to_owned(),
            name: "web shop".to_owned(),
            role: Named(Role::Sender),
            scope: Some(vec![Named(Permission::SendMessages)]),
            created_at: DateTime(at),
            expires_at: None,
            revoked_at: None,
            last_used_at: Some(DateTime(at)),
        }
    }
}

/// A key that was just made.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase")]
pub struct CreatedApiKey {
    /// The whole key. It is shown now and never again.
    pub key: String,
    /// What is kept of it.
    pub api_key: ApiKey,
}

impl CreatedApiKey {
    pub(super) fn of(key: access::ApiKey, text: &ApiKeyText) -> Self {
        Self { key: text.expose(), api_key: key.into() }
    }
}

/// The answer to a request to make a key.
#[derive(ApiResponse)]
pub enum CreateApiKeyAnswer {
    /// The key is made.
    #[oai(status = 201)]
    Created(
        Json<CreatedApiKey>,
        /// Where the key can be looked at.
        #[oai(header = "Location")]
        String,
    ),
}

impl CreateApiKeyAnswer {
    pub(super) fn of(key: access::ApiKey, text: &ApiKeyText) -> Self {
        let location = format!("/api-keys/{}", key.id);
        Self::Created(Json(CreatedApiKey::of(key, text)), location)
    }
}

/// A portion of a list of keys, newest first.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct ApiKeyList {
    /// The keys.
    pub data: Vec<ApiKey>,
    /// Which page this is; absent where a cursor was given.
    pub page: Option<u32>,
    /// How many a page has at the most.
    pub limit: u32,
    /// How many there are in all.
    pub total: u64,
    /// Where the list goes on; absent at its end.
    pub next_cursor: Option<String>,
}

impl ApiKeyList {
    fn new(found: Page<access::ApiKey>, portion: &PortionBy<ApiKeyId>) -> Self {
        let last = found.items.last().filter(|_| found.has_more);
        Self {
            next_cursor: last.map(|last| Cursor(MessageId(last.id.0)).to_string()),
            page: portion.page(),
            limit: portion.limit(),
            total: found.total,
            data: found.items.into_iter().map(ApiKey::from).collect(),
        }
    }
}

/// API keys.
pub struct ApiKeysApi {
    /// The one door to everything.
    pub gateway: Gateway,
}

#[OpenApi(tag = "Tag::ApiKeys")]
impl ApiKeysApi {
    /// Make an API key
    ///
    /// Needs `api-keys:manage`. The answer alone shows the whole key: of its secret a digest is kept.
    /// Nobody makes a key with more rights than their own, or with a role above it (403), and no key makes
    /// one that is good for longer.
    #[oai(path = "/api-keys", method = "post", operation_id = "create_api_key")]
    async fn create(
        &self,
        caller: Authorized<ManageApiKeys>,
        body: JsonBody<CreateApiKey>,
    ) -> Result<CreateApiKeyAnswer, Refusal<{ CALLER | BODY }>> {
        let wanted = body.0.try_into()?;
        let made = self.gateway.create_api_key(caller.tenant(), caller.maker(), wanted).await;
        let (key, text) = made?;
        Ok(CreateApiKeyAnswer::of(key, &text))
    }

    /// List API keys
    ///
    /// Needs `api-keys:manage`. Newest first, those that expired or were revoked too.
    #[oai(path = "/api-keys", method = "get", operation_id = "list_api_keys")]
    async fn list(
        &self,
        caller: Authorized<ManageApiKeys>,
        /// Which page, from 1; 1 by default.
        page: Query<Option<u32>>,
        /// How many a page has at the most: 1 to 100.
        #[oai(default = "default_limit")]
        limit: Query<u32>,
        /// The `nextCursor` of an earlier answer; it takes the place of `page`.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<ApiKeyList>, Refusal<{ CALLER | INVALID }>> {
        let limit = limit.0;
        let portion = match cursor.0 {
            Some(Cursor(last)) => PortionBy::OlderThan { last: ApiKeyId(last.0), limit },
            None => PortionBy::Page { page: page.0.unwrap_or(1), limit },
        };
        let found = self.gateway.list_api_keys(caller.tenant(), portion).await;
        Ok(Json(ApiKeyList::new(found.map_err(Refusal::in_address)?, &portion)))
    }

    /// Look an API key up
    ///
    /// Needs `api-keys:manage`.
    #[oai(path = "/api-keys/:id", method = "get", operation_id = "get_api_key")]
    async fn get(
        &self,
        caller: Authorized<ManageApiKeys>,
        /// The key's id.
        id: Path<Uuid>,
    ) -> Result<Json<ApiKey>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        Ok(Json(self.gateway.find_api_key(caller.tenant(), ApiKeyId(id.0)).await?.into()))
    }

    /// Revoke an API key
    ///
    /// Needs `api-keys:manage`. The key, and all tokens that were given for it, are good for nothing
    /// within a second or two, on every node. A second time nothing more happens.
    #[oai(path = "/api-keys/:id", method = "delete", operation_id = "revoke_api_key")]
    async fn revoke(
        &self,
        caller: Authorized<ManageApiKeys>,
        /// The key's id.
        id: Path<Uuid>,
    ) -> Result<Json<ApiKey>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        Ok(Json(self.gateway.revoke_api_key(caller.tenant(), ApiKeyId(id.0)).await?.into()))
    }
}
