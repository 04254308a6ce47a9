//! API keys and what is given for them: made, looked at, believed and taken back.

use std::time::Duration;

use crate::domain::access::{ApiKey, ApiKeyText, Rotation, TokenFamily};
use crate::domain::id::{ApiKeyId, TenantId, TokenFamilyId};
use crate::domain::portion::{Page, PortionBy};
use crate::domain::quota::Decision;
use crate::domain::tenant::{Permission, Rights, Role};
use crate::domain::text_safety::TextUse;
use crate::domain::timestamp::Timestamp;
use crate::gateway::error::{GatewayError, InvalidField};
use crate::gateway::recent::Recent;
use crate::gateway::{Gateway, query, validation};
use crate::ports::rate_limiter::RateKey;

/// How often the use of a key is written down at the most.
const USE_WRITTEN_EVERY: Duration = Duration::from_secs(60);

/// The longest that a key may be asked to last.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// What a key is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// What it is for: 1 to 100 characters.
    pub name: String,
    /// As what its bearer calls.
    pub role: Role,
    /// To which of the role's permissions it is narrowed; `None` for all of them.
    pub scope: Option<Vec<Permission>>,
    /// For how long it is good; `None` until it is revoked.
    pub expires_in: Option<Duration>,
}

/// Whoever makes a key.
#[derive(Debug, Clone, Copy)]
pub struct Maker<'a> {
    /// What it may do.
    pub rights: &'a Rights,
    /// When it ends, where it is a key that does: none that it makes is good for longer.
    pub ends: Option<Timestamp>,
}

impl<'a> From<&'a Rights> for Maker<'a> {
    fn from(rights: &'a Rights) -> Self {
        Self { rights, ends: None }
    }
}

/// What of access was looked up a moment ago.
#[derive(Default)]
pub(crate) struct RecentAccess {
    keys: Recent<ApiKeyId, Option<ApiKey>>,
    families: Recent<TokenFamilyId, Option<TokenFamily>>,
    /// Sources that failed too often, until when.
    shut_out: Recent<u64, Timestamp>,
}

impl RecentAccess {
    /// Forgets all of one tenant's keys and families.
    pub(super) fn forget_tenant(&self, tenant: TenantId) {
        self.keys.forget_such(|key| key.as_ref().is_some_and(|key| key.tenant == tenant));
        let of_tenant = |family: &Option<TokenFamily>| {
            family.as_ref().is_some_and(|family| family.tenant == tenant)
        };
        self.families.forget_such(of_tenant);
    }
}

impl Gateway {
    /// Makes a key in a tenant's name, of no more rights and no higher role than whoever makes it has, and
    /// good for no longer. Gives it with what its bearer is told by, which is kept nowhere and cannot be
    /// had again.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`]; [`GatewayError::TooManyRights`]; [`GatewayError::TooHighRole`].
    pub async fn create_api_key(
        &self,
        tenant: TenantId,
        maker: impl Into<Maker<'_>>,
        request: NewApiKey,
    ) -> Result<(ApiKey, ApiKeyText), GatewayError> {
        let maker = maker.into();
        let NewApiKey { name, role, scope, expires_in } = request;
        let mut wrong = Vec::new();
        let name = name.trim().to_owned();
        if !(1..=100).contains(&name.chars().count()) {
            let detail = "must have 1 to 100 characters";
            wrong.push(InvalidField::new("/name", "invalid-request", detail));
        }
        wrong.extend(validation::text_field("/name", &name, TextUse::Name));
        let beyond = scope.iter().flatten().position(|permission| !role.allows(*permission));
        if let Some(place) = beyond {
            let (pointer, detail) = (format!("/scope/{place}"), "is nothing that the role allows");
            wrong.push(InvalidField::new(&pointer, "invalid-request", detail));
        }
        if expires_in.is_some_and(|time| time.is_zero() || time > LONGEST) {
            let detail = "must be more than nothing and at most ten years";
            wrong.push(InvalidField::new("/expiresIn", "invalid-request", detail));
        }
        if !wrong.is_empty() {
            return Err(GatewayError::Invalid(wrong));
        }
        let rights = Rights { role, scope };
        if let Some(permission) = maker.rights.lack_of(&rights) {
            return Err(GatewayError::TooManyRights { permission });
        }
        if role.is_above(maker.rights.role) {
            return Err(GatewayError::TooHighRole { role });
        }
        let entropy = &self.ports().entropy;
        let random = [(); 4].map(|()| entropy.next_u64());
        let (created_at, id) = self.inner.ids.draw();
        let wanted = expires_in.map(|time| created_at.plus(time));
        if wanted.zip(maker.ends).is_some_and(|(wanted, end)| wanted > end) {
            let detail = "must not go beyond the end of the key that makes it";
            return Err(GatewayError::invalid("/expiresIn", detail));
        }
        let text = ApiKeyText::new(ApiKeyId(id), random);
        let key = ApiKey {
            id: text.id,
            tenant,
            name,
            rights,
            digest: text.digest(),
            created_at,
            expires_at: wanted.or(maker.ends),
            revoked_at: None,
            last_used_at: None,
        };
        self.ports().access.insert_key(&key).await?;
        Ok((key, text))
    }

    /// A tenant's keys, newest first, those that have ended too.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`], whose pointers are the names of the query's parameters.
    pub async fn list_api_keys(
        &self,
        tenant: TenantId,
        portion: PortionBy<ApiKeyId>,
    ) -> Result<Page<ApiKey>, GatewayError> {
        query::check_portion(portion.page(), portion.limit())?;
        Ok(self.ports().access.list_keys(tenant, portion).await?)
    }

    /// One of a tenant's keys.
    ///
    /// # Errors
    /// [`GatewayError::ApiKeyNotFound`], also for another tenant's.
    pub async fn find_api_key(
        &self,
        tenant: TenantId,
        id: ApiKeyId,
    ) -> Result<ApiKey, GatewayError> {
        let found = self.ports().access.find_key(tenant, id).await?;
        found.ok_or(GatewayError::ApiKeyNotFound)
    }

    /// Takes a key back, and with it all that was given for it. On this node that holds at once, on
    /// others within a second.
    ///
    /// # Errors
    /// [`GatewayError::ApiKeyNotFound`], also for another tenant's.
    pub async fn revoke_api_key(
        &self,
        tenant: TenantId,
        id: ApiKeyId,
    ) -> Result<ApiKey, GatewayError> {
        let now = self.ports().clock.now();
        let revoked = self.ports().access.revoke_key(tenant, id, now).await?;
        let revoked = revoked.ok_or(GatewayError::ApiKeyNotFound)?;
        self.inner.recent_access.keys.forget(&id);
        Ok(revoked)
    }

    /// The key that a text is.
    ///
    /// # Errors
    /// [`GatewayError::NotBelieved`] where it is none, or is not good any more.
    pub async fn believe_api_key(&self, text: &str) -> Result<ApiKey, GatewayError> {
        let shown = ApiKeyText::parse(text).ok_or(GatewayError::NotBelieved)?;
        let key = self.good_key(shown.id).await?;
        if key.digest != shown.digest() {
            return Err(GatewayError::NotBelieved);
        }
        Ok(self.note_use(key).await)
    }

    /// Begins a family of refresh tokens for a key; its first token, of number 0, ends after
    /// `lifetime`.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`].
    pub async fn begin_token_family(
        &self,
        key: &ApiKey,
        lifetime: Duration,
    ) -> Result<TokenFamily, GatewayError> {
        let (created_at, id) = self.inner.ids.draw();
        let family = TokenFamily {
            id: TokenFamilyId(id),
            tenant: key.tenant,
            key: key.id,
            latest: 0,
            created_at,
            expires_at: created_at.plus(lifetime),
            revoked_at: None,
        };
        self.ports().access.insert_family(&family).await?;
        Ok(family)
    }

    /// Spends a refresh token of a family and gives the next number, good for `lifetime`, with the
    /// key behind it. One that was spent before ends the family: then there is no next.
    ///
    /// # Errors
    /// [`GatewayError::NotBelieved`] where it is not good.
    pub async fn rotate_token_family(
        &self,
        id: TokenFamilyId,
        number: u64,
        lifetime: Duration,
    ) -> Result<(Option<TokenFamily>, ApiKey), GatewayError> {
        let (_, key) = self.good_family(id).await?;
        let now = self.ports().clock.now();
        let rotated = self.ports().access.rotate(id, number, now.plus(lifetime), now).await?;
        self.inner.recent_access.families.forget(&id);
        match rotated {
            Rotation::Next(family) => Ok((Some(family), self.note_use(key).await)),
            Rotation::Replayed => {
                tracing::warn!(family = %id, "a spent refresh token was shown: its family was ended");
                Ok((None, key))
            }
            Rotation::Ended => Err(GatewayError::NotBelieved),
        }
    }

    /// Ends a family: none of its tokens is good any more, on other nodes within a second. Gives the
    /// key behind it; `None` where the family was not good anyway.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`].
    pub async fn end_token_family(
        &self,
        id: TokenFamilyId,
    ) -> Result<Option<ApiKey>, GatewayError> {
        let key = match self.good_family(id).await {
            Ok((_, key)) => Some(key),
            Err(GatewayError::NotBelieved) => None,
            Err(error) => return Err(error),
        };
        let now = self.ports().clock.now();
        self.ports().access.revoke_family(id, now).await?;
        self.inner.recent_access.families.forget(&id);
        Ok(key)
    }

    /// The family and its key, where both are good.
    ///
    /// # Errors
    /// [`GatewayError::NotBelieved`] where one of them is not.
    pub async fn good_family(
        &self,
        id: TokenFamilyId,
    ) -> Result<(TokenFamily, ApiKey), GatewayError> {
        let now = self.ports().clock.now();
        let recent = &self.inner.recent_access.families;
        let family = match recent.get(&id, now) {
            Ok(family) => family,
            Err(changes) => {
                let found = self.ports().access.family(id).await?;
                recent.remember(id, found.clone(), now, changes);
                found
            }
        };
        let family = family.filter(|it| it.is_good(now)).ok_or(GatewayError::NotBelieved)?;
        let key = self.good_key(family.key).await?;
        Ok((family, key))
    }

    /// Lets a source try to authenticate, unless it has failed too often.
    ///
    /// # Errors
    /// [`GatewayError::AuthRateLimited`].
    pub fn let_authenticate(&self, source: u64) -> Result<(), GatewayError> {
        let now = self.ports().clock.now();
        match self.inner.recent_access.shut_out.get(&source, now) {
            Ok(until) => Err(self.shut_out(until.since(now))),
            Err(_) => Ok(()),
        }
    }

    /// Counts one attempt that failed. A limiter that is away counts nothing, and keeps nobody out.
    pub async fn count_failed_authentication(&self, source: u64) {
        let now = self.ports().clock.now();
        let quota = self.inner.settings.auth_failures;
        let counted = self.ports().limiter.admit(RateKey::AuthSource(source), quota, now).await;
        if let Ok(Decision::Limited { retry_after }) = counted {
            let until = now.plus(retry_after);
            self.inner.recent_access.shut_out.hold(source, until, now, until);
        }
    }

    fn shut_out(&self, retry_after: Duration) -> GatewayError {
        GatewayError::AuthRateLimited { quota: self.inner.settings.auth_failures, retry_after }
    }

    async fn good_key(&self, id: ApiKeyId) -> Result<ApiKey, GatewayError> {
        let now = self.ports().clock.now();
        let recent = &self.inner.recent_access.keys;
        let key = match recent.get(&id, now) {
            Ok(key) => key,
            Err(changes) => {
                let found = self.ports().access.key(id).await?;
                recent.remember(id, found.clone(), now, changes);
                found
            }
        };
        key.filter(|key| key.is_good(now)).ok_or(GatewayError::NotBelieved)
    }

    /// Writes down that a key was used, once a minute. What cannot be written keeps nobody out.
    async fn note_use(&self, key: ApiKey) -> ApiKey {
        let now = self.ports().clock.now();
        if key.last_used_at.is_some_and(|last| now < last.plus(USE_WRITTEN_EVERY)) {
            return key;
        }
        let used = ApiKey { last_used_at: Some(now), ..key };
        // Before it is written: who comes meanwhile need not write it, too.
        self.inner.recent_access.keys.update(&used.id, |known| {
            known.iter_mut().for_each(|key| key.last_used_at = Some(now));
        });
        if self.ports().access.touch_key(used.id, now).await.is_err() {
            tracing::debug!(key = %used.id, "the use of an API key could not be written down");
        }
        used
    }
}
