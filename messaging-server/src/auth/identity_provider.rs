//! Tokens of an outside identity provider: which are meant to be its, and who calls with one.
//!
//! Whose token it is, its `iss` says before anything is verified; that decides by which keys and
//! algorithms it is judged, and nothing else. Where keys are, no token says.

mod claims;
mod fetching;
mod key_source;
mod keys;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation};
use messaging_core::domain::id::TenantId;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::Gateway;
use messaging_core::gateway::error::GatewayError;
use serde_json::{Map, Value};

use self::claims::Judged;
use self::key_source::KeySource;
use self::keys::Choice;
use super::{AuthError, Caller, LONGEST_TOKEN, TokenError};

pub use claims::ClaimRules;
pub use fetching::{KeysError, KeysPlace, is_fetchable};
pub use key_source::{FetchCount, FetchResult, KeysUnavailable};
pub use keys::UnusableKeys;

/// For how long a tenant that was looked up is believed without another look, as API keys are.
const TENANT_BELIEVED_FOR: Duration = Duration::from_secs(1);

/// How many tenants are remembered at the most.
const TENANTS_REMEMBERED: usize = 10_000;

/// How tokens of a provider are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityProviderConfig {
    /// What they must say.
    pub rules: ClaimRules,
    /// How they may be signed. None of these has a secret for a key.
    pub algorithms: Vec<Algorithm>,
    /// Where the keys are.
    pub place: KeysPlace,
    /// How long keys are used before they are fetched anew.
    pub refresh: Duration,
    /// How long keys are used where they cannot be fetched anew.
    pub kept: Duration,
    /// How long fetching them may take.
    pub timeout: Duration,
}

/// What tokens call them: until when it is believed, and which it is, where there is one.
type Tenants = HashMap<String, (Timestamp, Option<TenantId>)>;

/// Judges the tokens of one provider.
pub struct IdentityProvider {
    rules: ClaimRules,
    algorithms: Vec<Algorithm>,
    source: KeySource,
    /// What was found a moment ago under what tokens call a tenant; only good tokens are asked for.
    tenants: Mutex<Tenants>,
}

impl fmt::Debug for IdentityProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityProvider").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl IdentityProvider {
    /// A file with keys is read at once. A provider is asked when the first token comes.
    ///
    /// # Errors
    /// [`KeysError`] where a file cannot be used, or nothing can be fetched.
    pub fn open(
        config: IdentityProviderConfig,
        count: FetchCount,
        now: Timestamp,
    ) -> Result<Self, KeysError> {
        Ok(Self {
            source: KeySource::open(&config, count, now)?,
            rules: config.rules,
            algorithms: config.algorithms,
            tenants: Mutex::default(),
        })
    }

    /// Whether a token says that it is this provider's.
    pub fn is_meant(&self, token: &str) -> bool {
        let claims = peek(token);
        let issuer = claims.as_ref().and_then(|claims| claims.get("iss")).and_then(Value::as_str);
        issuer == Some(self.rules.issuer.as_str())
    }

    /// Who calls with this token.
    ///
    /// # Errors
    /// [`AuthError::Token`] where it is not believed; [`AuthError::Keys`] where nobody can tell, for
    /// want of the provider's keys.
    pub async fn caller(
        &self,
        gateway: &Gateway,
        token: &str,
        now: Timestamp,
    ) -> Result<Caller, AuthError> {
        let claims = self.believed(token, now).await?;
        let Judged { tenant, rights, subject } = self.rules.judge(&claims, now)?;
        let tenant = self.tenant(gateway, tenant, now).await?;
        Ok(Caller { tenant, rights, subject, family: None, key_ends: None })
    }

    /// What a token says whose signature is good.
    async fn believed(&self, token: &str, now: Timestamp) -> Result<Map<String, Value>, AuthError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::Invalid.into());
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        // Before any key is looked for: what can never be good makes nobody fetch.
        if !self.algorithms.contains(&header.alg) || !is_plain(&header) {
            return Err(TokenError::Invalid.into());
        }
        let mut keys = self.source.keys(now).await?;
        if matches!(keys.of_token(&header), Choice::Unknown) {
            keys = self.source.newer_keys(now).await?;
        }
        let Choice::This(key) = keys.of_token(&header) else {
            return Err(TokenError::Invalid.into());
        };
        let mut validation = Validation::new(header.alg);
        // The library would read the system's clock, and let pass what it finds no audience in: the
        // rules look at each claim.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode(token, key, &validation);
        Ok(decoded.map_err(|_| TokenError::Invalid)?.claims)
    }

    /// The tenant that good tokens call so: by its id or its name.
    async fn tenant(
        &self,
        gateway: &Gateway,
        called: String,
        now: Timestamp,
    ) -> Result<TenantId, AuthError> {
        let known = self.tenants().get(&called).filter(|(until, _)| now < *until).cloned();
        let found = match known {
            Some((_, found)) => found,
            None => {
                let found = match gateway.find_tenant(&called).await {
                    Ok(tenant) => {
                        let is_stopped = tenant.suspension.is_some_and(|it| it.holds(now));
                        (!is_stopped).then_some(tenant.id)
                    }
                    Err(GatewayError::TenantNotFound) => None,
                    Err(error) => return Err(error.into()),
                };
                let mut tenants = self.tenants();
                if tenants.len() >= TENANTS_REMEMBERED {
                    tenants.clear();
                }
                tenants.insert(called, (now.plus(TENANT_BELIEVED_FOR), found));
                found
            }
        };
        Ok(found.ok_or(TokenError::NoTenant)?)
    }

    fn tenants(&self) -> MutexGuard<'_, Tenants> {
        // Nothing panics while holding it.
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a token says, believed or not.
fn peek(token: &str) -> Option<Map<String, Value>> {
    if token.len() > LONGEST_TOKEN {
        return None;
    }
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// Whether it is the header of an access token that asks for nothing which is not understood here.
fn is_plain(header: &Header) -> bool {
    let typ = header.typ.as_deref().unwrap_or("jwt").to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    header.crit.is_none() && matches!(typ, "jwt" | "at+jwt")
}

/// No fetch is counted.
pub fn uncounted() -> FetchCount {
    Arc::new(|_| {})
}
