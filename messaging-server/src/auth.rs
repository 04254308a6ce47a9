//! Who calls: bearer tokens that carry a tenant and a role, made and judged without reading a clock.
//!
//! A token is a JWT signed with HMAC-SHA256, in the profile of RFC 9068 (`typ: at+jwt`).

mod authentication;
pub mod identity_provider;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use messaging_core::domain::id::{TenantId, TokenFamilyId};
use messaging_core::domain::tenant::{Permission, Rights, Role};
use messaging_core::domain::timestamp::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use authentication::{AuthError, Authentication, Grant, RefreshTokens};

/// Who issues the tokens, as their `iss` says.
pub const ISSUER: &str = "messaging-server";

/// The `typ` of an access token's header (RFC 9068, section 2.1).
const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// What a token says.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    tenant_id: TenantId,
    role: Role,
    /// Permissions separated by spaces; where it is absent, the role alone decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(default)]
    iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    exp: i64,
    #[serde(default)]
    jti: String,
    /// The family that it was given with, whose end is its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fam: Option<TokenFamilyId>,
    /// What the names of permissions mean; absent in tokens of versions before there was
    /// `messages:read:content`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ver: Option<u8>,
}

/// The longest token that is read. Ours have less than a tenth of it.
const LONGEST_TOKEN: usize = 8 * 1024;

/// The meaning of permissions' names in the tokens that are issued.
const SCOPE_VERSION: u8 = 2;

/// Somebody whose token was believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// In whose name.
    pub tenant: TenantId,
    /// What it may do.
    pub rights: Rights,
    /// Who, as the token says.
    pub subject: String,
    /// The family that the token was given with, which has to stand.
    pub family: Option<TokenFamilyId>,
    /// When the API key behind it ends, where there is one that does.
    pub key_ends: Option<Timestamp>,
}

impl Caller {
    /// Whether the caller may do what `permission` names.
    pub fn may(&self, permission: Permission) -> bool {
        self.rights.allow(permission)
    }
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is no JWT of the kind that is accepted, says too little, or is signed with another secret.
    #[error("the token is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Its signature is good, but it is for somebody else.
    #[error("the token is for another audience")]
    OtherAudience,
    /// Its signature is good, but nobody is told in whose name it calls, or that tenant is suspended.
    #[error("the token names no tenant in whose name it may call")]
    NoTenant,
    /// Its signature is good, but nobody is told what its bearer may do.
    #[error("the token names no role that its bearer may have")]
    NoRole,
}

/// A token could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the token cannot be signed")]
pub struct IssueError(#[source] jsonwebtoken::errors::Error);

/// Makes tokens.
#[derive(Clone)]
pub struct TokenIssuer {
    key: Arc<EncodingKey>,
}

impl TokenIssuer {
    /// Signs with this secret.
    pub fn new(secret: &SecretString) -> Self {
        Self { key: Arc::new(EncodingKey::from_secret(secret.expose_secret().as_bytes())) }
    }

    /// A token for `role` in the name of `tenant`, good from `now` for `ttl`; `jti` tells it
    /// from others.
    ///
    /// # Errors
    /// [`IssueError`] where the signature cannot be made.
    pub fn issue(
        &self,
        tenant: TenantId,
        role: Role,
        ttl: Duration,
        now: Timestamp,
        jti: Uuid,
    ) -> Result<String, IssueError> {
        let caller = Caller {
            tenant,
            rights: Rights::of(role),
            subject: format!("{role}@{tenant}"),
            family: None,
            key_ends: None,
        };
        self.issue_for(&caller, now.plus(ttl), now, jti)
    }

    /// A token by which a caller is known until `end`.
    ///
    /// # Errors
    /// [`IssueError`] where the signature cannot be made.
    pub fn issue_for(
        &self,
        caller: &Caller,
        end: Timestamp,
        now: Timestamp,
        jti: Uuid,
    ) -> Result<String, IssueError> {
        let scope: Vec<_> = caller.rights.permissions().collect();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: caller.subject.clone(),
            tenant_id: caller.tenant,
            role: caller.rights.role,
            scope: Some(Permission::write_list(&scope)),
            iat: seconds(now),
            nbf: None,
            exp: seconds(end),
            jti: jti.to_string(),
            fam: caller.family,
            ver: Some(SCOPE_VERSION),
        };
        let header =
            Header { typ: Some(ACCESS_TOKEN_TYPE.into()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(IssueError)
    }
}

/// Judges tokens.
#[derive(Clone)]
pub struct TokenVerifier {
    key: Arc<DecodingKey>,
    validation: Arc<Validation>,
}

impl TokenVerifier {
    /// Believes what is signed with this secret.
    pub fn new(secret: &SecretString) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.set_issuer(&[ISSUER]);
        // The library would read the system's clock; `verify` is told the time.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            key: Arc::new(DecodingKey::from_secret(secret.expose_secret().as_bytes())),
            validation: Arc::new(validation),
        }
    }

    /// Who calls with this token at `now`.
    ///
    /// # Errors
    /// The one reason why the token is not believed.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Caller, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::Invalid);
        }
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|_| TokenError::Invalid)?;
        let is_critical = is_beyond_us(&decoded.header);
        let typ = decoded.header.typ.unwrap_or_default().to_ascii_lowercase();
        let is_access = typ.strip_prefix("application/").unwrap_or(&typ) == ACCESS_TOKEN_TYPE;
        if is_critical || !is_access {
            return Err(TokenError::Invalid);
        }
        let claims = decoded.claims;
        if claims.exp <= seconds(now) {
            return Err(TokenError::Expired);
        }
        if claims.nbf.is_some_and(|from| from > seconds(now)) {
            return Err(TokenError::NotYetValid);
        }
        let mut scope = claims.scope.as_deref().map(Permission::read_list);
        if claims.ver.is_none() {
            // In tokens of earlier versions to read messages was to read what they say.
            let reads = scope.as_mut().filter(|scope| scope.contains(&Permission::ReadMessages));
            reads.into_iter().for_each(|scope| scope.push(Permission::ReadContent));
        }
        let rights = Rights { role: claims.role, scope };
        Ok(Caller {
            tenant: claims.tenant_id,
            rights,
            subject: claims.sub,
            family: claims.fam,
            key_ends: None,
        })
    }
}

/// Whether a header has parts that whoever does not know them must not pass over (RFC 7515, section
/// 4.1.11). None are known here.
fn is_beyond_us(header: &Header) -> bool {
    header.crit.is_some()
}

fn seconds(at: Timestamp) -> i64 {
    at.as_millis() / 1000
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenIssuer(hidden)")
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenVerifier(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use messaging_core::conformance::build::{at, tenant_id};
    use serde_json::{Value, json};

    const HOUR: Duration = Duration::from_secs(3600);

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    fn issued(role: Role) -> String {
        let issuer = TokenIssuer::new(&secret("a secret of the tests"));
        issuer.issue(tenant_id(1), role, HOUR, at(0), Uuid::nil()).unwrap()
    }

    fn signed(typ: Option<&str>, algorithm: Algorithm, claims: &Value) -> String {
        let header = Header { typ: typ.map(str::to_owned), ..Header::new(algorithm) };
        let key = EncodingKey::from_secret(b"a secret of the tests");
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }

    fn claims() -> Value {
        json!({
            "iss": ISSUER, "sub": "somebody", "tenant_id": tenant_id(1), "role": "sender",
            "iat": seconds(at(0)), "exp": seconds(at(0)) + 60, "jti": "1"
        })
    }

    #[track_caller]
    fn check(token: &str, now: Timestamp, expected: Result<Role, TokenError>) {
        let verifier = TokenVerifier::new(&secret("a secret of the tests"));
        assert_eq!(verifier.verify(token, now).map(|caller| caller.rights.role), expected);
    }

    #[test]
    fn what_is_issued_is_believed_until_it_expires() {
        for role in Role::ALL {
            check(&issued(*role), at(0), Ok(*role));
        }
        check(&issued(Role::Owner), at(3_599_999), Ok(Role::Owner));
        check(&issued(Role::Owner), at(3_600_000), Err(TokenError::Expired));
    }

    #[test]
    fn only_one_algorithm_one_type_and_one_secret_are_believed() {
        let typ = Some(ACCESS_TOKEN_TYPE);
        check(&signed(typ, Algorithm::HS256, &claims()), at(0), Ok(Role::Sender));
        check(&signed(typ, Algorithm::HS512, &claims()), at(0), Err(TokenError::Invalid));
        check(&signed(Some("JWT"), Algorithm::HS256, &claims()), at(0), Err(TokenError::Invalid));
        check(&signed(None, Algorithm::HS256, &claims()), at(0), Err(TokenError::Invalid));
        let other = TokenVerifier::new(&secret("another secret"));
        assert_eq!(other.verify(&issued(Role::Owner), at(0)), Err(TokenError::Invalid));
    }

    #[test]
    fn what_a_header_says_of_keys_is_not_followed_and_what_is_critical_is_refused() {
        let with = |change: fn(&mut Header)| {
            let mut header = Header::new(Algorithm::HS256);
            header.typ = Some(ACCESS_TOKEN_TYPE.to_owned());
            change(&mut header);
            let key = EncodingKey::from_secret(b"a secret of the tests");
            jsonwebtoken::encode(&header, &claims(), &key).unwrap()
        };
        let harmless: [fn(&mut Header); 4] = [
            |header| header.kid = Some("../../../../dev/null".to_owned()),
            |header| header.kid = Some("' UNION SELECT 'key' --".to_owned()),
            |header| header.jku = Some("https://example.com/keys".to_owned()),
            |header| header.x5u = Some("https://example.com/certificate".to_owned()),
        ];
        for change in harmless {
            check(&with(change), at(0), Ok(Role::Sender));
        }
        let critical = with(|header| header.crit = Some(vec!["exp".to_owned()]));
        check(&critical, at(0), Err(TokenError::Invalid));
    }

    /// For another service means: not for this one. Those that are issued here name none.
    #[test]
    fn a_token_for_somebody_else_is_not_believed() {
        for audience in [json!("another-service"), json!(["another-service", ISSUER]), json!("")] {
            let mut claims = claims();
            claims["aud"] = audience;
            let token = signed(Some(ACCESS_TOKEN_TYPE), Algorithm::HS256, &claims);
            check(&token, at(0), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn a_token_that_is_too_long_is_not_read() {
        let of = |bytes: usize| {
            let mut claims = claims();
            claims["sub"] = "x".repeat(bytes).into();
            signed(Some(ACCESS_TOKEN_TYPE), Algorithm::HS256, &claims)
        };
        check(&of(LONGEST_TOKEN / 2), at(0), Ok(Role::Sender));
        check(&of(LONGEST_TOKEN), at(0), Err(TokenError::Invalid));
        check(&of(1024 * 1024), at(0), Err(TokenError::Invalid));
    }

    #[test]
    fn every_claim_that_is_needed_is_asked_for() {
        for claim in ["iss", "sub", "tenant_id", "role", "exp"] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(claim);
            let token = signed(Some("at+jwt"), Algorithm::HS256, &claims);
            check(&token, at(0), Err(TokenError::Invalid));
        }
        for (claim, value) in [("iss", json!("other")), ("role", json!("god")), ("exp", json!("x"))]
        {
            let mut claims = claims();
            claims[claim] = value;
            let token = signed(Some("at+jwt"), Algorithm::HS256, &claims);
            check(&token, at(0), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn a_token_of_the_future_is_not_believed_yet() {
        let mut claims = claims();
        claims["nbf"] = json!(seconds(at(0)) + 1);
        let token = signed(Some("at+jwt"), Algorithm::HS256, &claims);
        check(&token, at(0), Err(TokenError::NotYetValid));
        check(&token, at(1000), Ok(Role::Sender));
    }

    #[test]
    fn a_scope_narrows_what_the_role_allows_and_never_widens_it() {
        let mut claims = claims();
        claims["scope"] = json!("messages:read sessions:manage something:else");
        let token = signed(Some("at+jwt"), Algorithm::HS256, &claims);
        let verifier = TokenVerifier::new(&secret("a secret of the tests"));
        let caller = verifier.verify(&token, at(0)).unwrap();
        // As long as no `ver` says otherwise, to read messages is to read what they say.
        let may: Vec<_> = caller.rights.permissions().collect();
        assert_eq!(may, [Permission::ReadMessages, Permission::ReadContent]);
        claims["ver"] = json!(SCOPE_VERSION);
        let token = signed(Some("at+jwt"), Algorithm::HS256, &claims);
        let caller = verifier.verify(&token, at(0)).unwrap();
        assert_eq!(caller.rights.permissions().collect::<Vec<_>>(), [Permission::ReadMessages]);
        // Nor does it give anybody what the role does not.
        claims["role"] = json!("viewer");
        claims.as_object_mut().unwrap().remove("ver");
        let token = signed(Some("at+jwt"), Algorithm::HS256, &claims);
        assert!(!verifier.verify(&token, at(0)).unwrap().may(Permission::ReadContent));
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret = secret("a secret of the tests");
        let shown = format!("{:?}{:?}", TokenIssuer::new(&secret), TokenVerifier::new(&secret));
        assert!(!shown.contains("tests"));
    }
}
