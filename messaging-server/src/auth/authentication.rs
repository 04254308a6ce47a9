//! From what a request shows to who calls; and what is given for an API key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use messaging_core::domain::access::{ApiKey, ApiKeyText, TokenFamily};
use messaging_core::domain::id::TokenFamilyId;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::Gateway;
use messaging_core::gateway::error::GatewayError;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::identity_provider::{IdentityProvider, KeysUnavailable};
use super::{
    Caller, ISSUER, IssueError, LONGEST_TOKEN, TokenError, TokenIssuer, TokenVerifier,
    is_beyond_us, seconds,
};

/// The `typ` of a refresh token's header, so that neither kind passes for the other.
const REFRESH_TOKEN_TYPE: &str = "rt+jwt";

/// What a refresh token says.
#[derive(Serialize, Deserialize)]
struct RefreshClaims {
    iss: String,
    sub: TokenFamilyId,
    /// Its number within the family.
    seq: u64,
    exp: i64,
}

/// Makes and judges refresh tokens. They are signed with a secret of their own.
#[derive(Clone)]
pub struct RefreshTokens {
    encoding: Arc<EncodingKey>,
    decoding: Arc<DecodingKey>,
    validation: Arc<Validation>,
}

impl RefreshTokens {
    /// Signs with this secret, and believes what is signed with it.
    pub fn new(secret: &SecretString) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.set_issuer(&[ISSUER]);
        // The library would read the system's clock; `read` is told the time.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let secret = secret.expose_secret().as_bytes();
        Self {
            encoding: Arc::new(EncodingKey::from_secret(secret)),
            decoding: Arc::new(DecodingKey::from_secret(secret)),
            validation: Arc::new(validation),
        }
    }

    /// The secret to sign with where nodes share one for access tokens and were given none for these:
    /// another one, that follows from it.
    ///
    /// # Errors
    /// [`IssueError`] where it cannot be made.
    pub fn secret_from(access: &SecretString) -> Result<SecretString, IssueError> {
        let key = EncodingKey::from_secret(access.expose_secret().as_bytes());
        let derived = jsonwebtoken::crypto::sign(b"refresh tokens", &key, Algorithm::HS256);
        derived.map(SecretString::from).map_err(IssueError)
    }

    fn issue(&self, family: &TokenFamily) -> Result<SecretString, IssueError> {
        let claims = RefreshClaims {
            iss: ISSUER.to_owned(),
            sub: family.id,
            seq: family.latest,
            exp: seconds(family.expires_at),
        };
        let header =
            Header { typ: Some(REFRESH_TOKEN_TYPE.into()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &self.encoding);
        token.map(SecretString::from).map_err(IssueError)
    }

    /// The family and the number of a token.
    fn read(&self, token: &str, now: Timestamp) -> Result<(TokenFamilyId, u64), TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::Invalid);
        }
        let decoded =
            jsonwebtoken::decode::<RefreshClaims>(token, &self.decoding, &self.validation)
                .map_err(|_| TokenError::Invalid)?;
        if is_beyond_us(&decoded.header)
            || decoded.header.typ.as_deref() != Some(REFRESH_TOKEN_TYPE)
        {
            return Err(TokenError::Invalid);
        }
        if decoded.claims.exp <= seconds(now) {
            return Err(TokenError::Expired);
        }
        Ok((decoded.claims.sub, decoded.claims.seq))
    }
}

impl fmt::Debug for RefreshTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshTokens(hidden)")
    }
}

/// What is given for an API key, or for a refresh token.
pub struct Grant {
    /// Believed as a bearer token.
    pub access: SecretString,
    /// For how long.
    pub access_lasts: Duration,
    /// Good once, for another grant.
    pub refresh: SecretString,
    /// For how long.
    pub refresh_lasts: Duration,
    /// As whom.
    pub caller: Caller,
}

/// Why nothing is given, or nobody believed.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The token is not good, and it is safe to say why.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The gateway does not know it, or cannot tell.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// It was spent before: somebody has a copy, and all that was given with it is ended.
    #[error("the token is not known, has expired or was revoked")]
    Replayed(Box<Caller>),
    /// It is good, and is not taken back where other tokens are.
    #[error("{0}")]
    RevokedElsewhere(&'static str),
    /// What is to be given cannot be signed.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The keys to judge it by cannot be had.
    #[error(transparent)]
    Keys(#[from] KeysUnavailable),
}

impl AuthError {
    /// Whether somebody may be guessing. A token whose signature is good is no guess, whatever else is
    /// wrong with it.
    pub fn may_be_a_guess(&self) -> bool {
        matches!(self, Self::Token(TokenError::Invalid) | Self::Gateway(GatewayError::NotBelieved))
    }
}

/// Tells who calls, and gives tokens.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// Judges access tokens.
    pub tokens: TokenVerifier,
    /// Makes them.
    pub issuer: TokenIssuer,
    /// Makes and judges refresh tokens.
    pub refresh: RefreshTokens,
    /// How long access tokens are good.
    pub access_lasts: Duration,
    /// How long refresh tokens are good.
    pub refresh_lasts: Duration,
    /// Whose tokens are believed beside ours.
    pub identity_provider: Option<Arc<IdentityProvider>>,
}

impl Authentication {
    /// Who calls with this bearer token: an access token, ours or the identity provider's, or an API
    /// key.
    ///
    /// # Errors
    /// [`AuthError`] where it is not believed, or nobody can tell at present.
    pub async fn caller(
        &self,
        gateway: &Gateway,
        token: &str,
        now: Timestamp,
    ) -> Result<Caller, AuthError> {
        if ApiKeyText::is_meant(token) {
            let key = gateway.believe_api_key(token).await?;
            return Ok(caller_of(&key, None));
        }
        // Each kind by its own keys alone: a token that says it is theirs is never judged by our secret.
        if let Some(provider) = self.identity_provider.as_ref().filter(|it| it.is_meant(token)) {
            return provider.caller(gateway, token, now).await;
        }
        let mut caller = self.tokens.verify(token, now)?;
        if let Some(family) = caller.family {
            let (family, key) = gateway.good_family(family).await?;
            if family.tenant != caller.tenant {
                return Err(TokenError::Invalid.into());
            }
            caller.key_ends = key.expires_at;
        }
        Ok(caller)
    }

    /// Gives tokens for an API key.
    ///
    /// # Errors
    /// [`AuthError`] where the key is not good.
    pub async fn grant(
        &self,
        gateway: &Gateway,
        key: &str,
        now: Timestamp,
        jti: Uuid,
    ) -> Result<Grant, AuthError> {
        let key = gateway.believe_api_key(key).await?;
        let family = gateway.begin_token_family(&key, self.refresh_lasts).await?;
        self.give(&family, &key, now, jti)
    }

    /// Gives tokens for a refresh token, which is spent by that.
    ///
    /// # Errors
    /// [`AuthError`] where the token is not good; where it was spent before, its family is ended.
    pub async fn renew(
        &self,
        gateway: &Gateway,
        token: &str,
        now: Timestamp,
        jti: Uuid,
    ) -> Result<Grant, AuthError> {
        let (family, number) = self.refresh.read(token, now)?;
        let rotated = gateway.rotate_token_family(family, number, self.refresh_lasts).await?;
        match rotated {
            (Some(family), key) => self.give(&family, &key, now, jti),
            (None, key) => Err(AuthError::Replayed(Box::new(caller_of(&key, Some(family))))),
        }
    }

    /// Ends the family that a refresh or an access token was given with, and gives who had it. What is
    /// not known needs no end (RFC 7009, section 2.2).
    ///
    /// # Errors
    /// [`AuthError::RevokedElsewhere`] of what is good and has no family;
    /// [`AuthError::Gateway`] where it cannot be ended at present.
    pub async fn end(
        &self,
        gateway: &Gateway,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<Caller>, AuthError> {
        if ApiKeyText::is_meant(token) {
            return match gateway.believe_api_key(token).await {
                Ok(_) => Err(AuthError::RevokedElsewhere(
                    "an API key is revoked with DELETE /api-keys/{id}",
                )),
                Err(GatewayError::NotBelieved) => Ok(None),
                Err(error) => Err(error.into()),
            };
        }
        if self.identity_provider.as_ref().is_some_and(|it| it.is_meant(token)) {
            return Err(AuthError::RevokedElsewhere(
                "a token of the identity provider is taken back there",
            ));
        }
        let family = match self.refresh.read(token, now) {
            Ok((family, _)) => family,
            Err(_) => match self.tokens.verify(token, now).map(|caller| caller.family) {
                Ok(Some(family)) => family,
                Ok(None) => {
                    return Err(AuthError::RevokedElsewhere(
                        "the token stands for itself: it is good until it expires",
                    ));
                }
                Err(_) => return Ok(None),
            },
        };
        let key = gateway.end_token_family(family).await?;
        Ok(key.map(|key| caller_of(&key, Some(family))))
    }

    fn give(
        &self,
        family: &TokenFamily,
        key: &ApiKey,
        now: Timestamp,
        jti: Uuid,
    ) -> Result<Grant, AuthError> {
        let caller = caller_of(key, Some(family.id));
        let end = now.plus(self.access_lasts);
        let end = key.expires_at.map_or(end, |last| end.min(last));
        let access = self.issuer.issue_for(&caller, end, now, jti)?;
        Ok(Grant {
            access: access.into(),
            access_lasts: end.since(now),
            refresh: self.refresh.issue(family)?,
            refresh_lasts: self.refresh_lasts,
            caller,
        })
    }
}

fn caller_of(key: &ApiKey, family: Option<TokenFamilyId>) -> Caller {
    Caller {
        tenant: key.tenant,
        rights: key.rights.clone(),
        subject: format!("api-key:{}", key.id),
        family,
        key_ends: key.expires_at,
    }
}
