//! Tokens for API keys over HTTP: given, renewed, taken back.

use std::sync::Arc;

use messaging_core::domain::id::uuid_v7;
use messaging_core::domain::tenant::Permission;
use messaging_core::gateway::error::GatewayError;
use poem::Request;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use crate::api::body::{JsonBody, RequestJson};
use crate::api::problem::{BODY, CREDENTIALS, Problem, Refusal};
use crate::api::source::ClientAddress;
use crate::api::trail::Noted;
use crate::api::{ApiState, Tag};
use crate::auth::{AuthError, Grant};

/// What an example of a token shows.
const EXAMPLE: &str = "eyJ0eXAiOiJydCtqd3QiLCJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl";

/// A request for tokens.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {
    /// The whole API key.
    #[oai(validator(max_length = 200))]
    pub api_key: String,
}

impl RequestJson for TokenRequest {}

impl Example for TokenRequest {
    fn example() -> Self {
        let (id, secret) = ("019b7700000070008000000000000001", "0123456789abcdef".repeat(4));
        Self { api_key: format!("msk_live_{id}_{secret}") }
    }
}

/// A request for new tokens.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshRequest {
    /// The latest refresh token.
    pub refresh_token: String,
}

impl RequestJson for RefreshRequest {}

impl Example for RefreshRequest {
    fn example() -> Self {
        Self { refresh_token: EXAMPLE.to_owned() }
    }
}

/// A token to be taken back.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeRequest {
    /// A refresh token, or an access token that was given with one.
    pub token: String,
}

impl RequestJson for RevokeRequest {}

impl Example for RevokeRequest {
    fn example() -> Self {
        Self { token: EXAMPLE.to_owned() }
    }
}

/// What is given for an API key, or for a refresh token.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase")]
pub struct Tokens {
    /// To be shown as `Authorization: Bearer …`.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// For how many seconds the access token is good.
    pub expires_in: u64,
    /// To be shown, once, for new tokens.
    pub refresh_token: String,
    /// For how many seconds the refresh token is good.
    pub refresh_expires_in: u64,
    /// What the access token allows: permissions with spaces between.
    pub scope: String,
}

impl From<Grant> for Tokens {
    fn from(grant: Grant) -> Self {
        let scope: Vec<_> = grant.caller.rights.permissions().collect();
        Self {
            access_token: grant.access.expose_secret().to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: grant.access_lasts.as_secs(),
            refresh_token: grant.refresh.expose_secret().to_owned(),
            refresh_expires_in: grant.refresh_lasts.as_secs(),
            scope: Permission::write_list(&scope),
        }
    }
}

/// The answer to a request for tokens.
#[derive(ApiResponse)]
pub enum TokensAnswer {
    /// The tokens.
    #[oai(status = 200)]
    Given(Json<Tokens>),
}

impl From<Grant> for TokensAnswer {
    fn from(grant: Grant) -> Self {
        Self::Given(Json(grant.into()))
    }
}

/// The answer to a request to take a token back.
#[derive(ApiResponse)]
pub enum RevokeAnswer {
    /// The token is good for nothing, whether it was or not.
    #[oai(status = 204)]
    Revoked,
}

/// Tokens.
pub struct AuthApi {
    /// What the API is made of.
    pub state: Arc<ApiState>,
}

type AuthRefusal = Refusal<{ BODY | CREDENTIALS }>;

#[OpenApi(tag = "Tag::Access")]
impl AuthApi {
    /// Get tokens for an API key
    ///
    /// Needs no token. The access token allows what the key does. It is good until it expires, its key
    /// is revoked or its refresh token is. Sources that fail often are refused with 429 for a while.
    #[oai(path = "/auth/token", method = "post", operation_id = "create_token")]
    async fn token(
        &self,
        request: &Request,
        body: JsonBody<TokenRequest>,
    ) -> Result<TokensAnswer, AuthRefusal> {
        let state = &self.state;
        let (now, jti) = self.moment();
        let key = SecretString::from(body.0.api_key);
        let granted =
            self.tried(request, state.auth.grant(&state.gateway, key.expose_secret(), now, jti));
        Ok(granted.await?.into())
    }

    /// Get new tokens for a refresh token
    ///
    /// Needs no token. A refresh token is good once: keep the one in the answer. One that comes a second
    /// time shows that there is a copy, and ends all that was given since the API key was shown; so
    /// never send one twice at once, and begin with the API key where an answer was lost.
    #[oai(path = "/auth/refresh", method = "post", operation_id = "refresh_token")]
    async fn refresh(
        &self,
        request: &Request,
        body: JsonBody<RefreshRequest>,
    ) -> Result<TokensAnswer, AuthRefusal> {
        let state = &self.state;
        let (now, jti) = self.moment();
        let token = SecretString::from(body.0.refresh_token);
        let granted =
            self.tried(request, state.auth.renew(&state.gateway, token.expose_secret(), now, jti));
        Ok(granted.await?.into())
    }

    /// Take tokens back
    ///
    /// Needs no token but the one to be taken back (RFC 7009): a refresh token, or an access token that
    /// was given with one. Both, and all that were given with them, are good for nothing within a
    /// second or two. A token that nobody knows is answered in the same way. An API key, a token that was
    /// made on the command line and one of an identity provider stay good, and are refused (400).
    #[oai(path = "/auth/revoke", method = "post", operation_id = "revoke_token")]
    async fn revoke(
        &self,
        request: &Request,
        body: JsonBody<RevokeRequest>,
    ) -> Result<RevokeAnswer, AuthRefusal> {
        let source = ClientAddress::of(request).number();
        let state = &self.state;
        state.gateway.let_authenticate(source)?;
        let token = SecretString::from(body.0.token);
        let now = state.clock.now();
        let ended = state.auth.end(&state.gateway, token.expose_secret(), now).await;
        match ended.map_err(Problem::from)? {
            Some(caller) => Noted::of(request).caller(&caller),
            None => state.gateway.count_failed_authentication(source).await,
        }
        Ok(RevokeAnswer::Revoked)
    }
}

impl AuthApi {
    /// The time, and what tells a token given at it from others.
    fn moment(&self) -> (messaging_core::domain::timestamp::Timestamp, Uuid) {
        let now = self.state.clock.now();
        (now, uuid_v7(now, self.state.entropy.next_u64()))
    }

    /// Lets a source try, counts it where that fails, and remembers whose key it was about.
    async fn tried(
        &self,
        request: &Request,
        trial: impl Future<Output = Result<Grant, AuthError>>,
    ) -> Result<Grant, Problem> {
        let gateway = &self.state.gateway;
        let source = ClientAddress::of(request).number();
        gateway.let_authenticate(source)?;
        let result = trial.await;
        match &result {
            Ok(grant) => Noted::of(request).caller(&grant.caller),
            Err(AuthError::Replayed(caller)) => {
                Noted::of(request).caller(caller);
                gateway.count_failed_authentication(source).await;
            }
            Err(AuthError::Token(_) | AuthError::Gateway(GatewayError::NotBelieved)) => {
                gateway.count_failed_authentication(source).await;
            }
            Err(_) => {}
        }
        Ok(result?)
    }
}
