//! The bearer of a token that allows an operation. An operation says in its signature what it needs.

use std::marker::PhantomData;
use std::sync::Arc;

use messaging_core::domain::audit::SettingChange;
use messaging_core::domain::id::TenantId;
use messaging_core::domain::tenant::Permission;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::BELIEVED_FOR;
use messaging_core::gateway::access::Maker;
use messaging_core::gateway::error::GatewayError;
use poem::http::header::AUTHORIZATION;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::api::problem::{Problem, kind};
use crate::api::sight::Sight;
use crate::api::source::ClientAddress;
use crate::api::trail::Noted;
use crate::api::{ApiState, address_text};
use crate::auth::{AuthError, Caller};

/// What an operation needs its caller to be allowed.
pub trait Needs: Send + Sync + 'static {
    /// The permission.
    const PERMISSION: Permission;
    /// The security scheme under which the document names the permission, until
    /// [`openapi_document`](crate::api::openapi_document) writes it as `x-permission`.
    const SCHEME: &'static str;
}

macro_rules! needs {
    ($($name:ident = $text:literal),* $(,)?) => {
        $(
            #[doc = concat!("Needs [`Permission::", stringify!($name), "`].")]
            pub struct $name;

            impl Needs for $name {
                const PERMISSION: Permission = Permission::$name;
                const SCHEME: &'static str = concat!("bearer ", $text);
            }
        )*
    };
}

needs!(
    ReadMessages = "messages:read",
    SendMessages = "messages:send",
    ReadSessions = "sessions:read",
    ManageSessions = "sessions:manage",
    ManageApiKeys = "api-keys:manage",
    ReadAudit = "audit:read",
    ExportData = "data:export",
    EraseData = "data:erase",
    ManageTenants = "tenants:manage",
    ManageServers = "servers:manage",
);

/// A caller that may do what `N` names. The tenant cannot be had in another way, so no operation
/// can forget to ask.
pub struct Authorized<N> {
    caller: Caller,
    noted: Noted,
    needs: PhantomData<N>,
}

impl<N> Authorized<N> {
    /// In whose name.
    pub fn tenant(&self) -> TenantId {
        self.caller.tenant
    }

    /// Whether it runs the deployment. The role does not tell: one that is narrowed is as mighty as its
    /// scope, and may be given to whoever has as much.
    pub fn runs_the_platform(&self) -> bool {
        self.may(Permission::ManageTenants)
    }

    /// Whether it may do this, too.
    pub fn may(&self, permission: Permission) -> bool {
        self.caller.may(permission)
    }

    /// What the caller may do, and until when at the latest, as one who makes keys.
    pub fn maker(&self) -> Maker<'_> {
        Maker { rights: &self.caller.rights, ends: self.caller.key_ends }
    }

    /// Tells what it changed of a tenant's settings, for the audit log.
    pub fn changed(&self, tenant: TenantId, changes: Vec<SettingChange>) {
        self.noted.changes(tenant, changes);
    }

    /// What of contents and numbers the answer may show.
    pub fn sight(&self) -> Sight {
        Sight::new(self.may(Permission::ReadContent))
    }
}

const SCHEME: &str = "bearer";

impl<'a, N: Needs> ApiExtractor<'a> for Authorized<N> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some(
                "A JSON Web Token that carries the tenant and a role, made with \
                 `messaging-server token --tenant NAME --role ROLE` or given for an API key at \
                 `/auth/token`; or one of the identity provider that the operator has configured \
                 (RS256, ES256 or EdDSA by default); or an API key itself.",
            ),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: Some("JWT"),
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(SCHEME, scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![N::SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let caller = authenticate(request).await?;
        let noted = Noted::of(request);
        noted.caller(&caller);
        tracing::Span::current().record("tenant.id", tracing::field::display(caller.tenant));
        if !caller.may(N::PERMISSION) {
            return Err(Problem::lacking(N::PERMISSION, "the token does not allow").into());
        }
        address_text::check(request.uri().query())?;
        Ok(Self { caller, noted, needs: PhantomData })
    }
}

/// When a request was let in, as far as it was.
pub(super) struct LetIn(Option<Timestamp>);

impl LetIn {
    /// A moment ago; of an operation that asks for no token, never.
    pub(super) fn now(request: &Request) -> Self {
        let state = request.data::<Arc<ApiState>>();
        Self(state.filter(|_| Noted::of(request).has_caller()).map(|state| state.clock.now()))
    }

    /// Judges the caller anew, should it have taken long to read what they sent: they may have been
    /// revoked, or their tenant deleted, meanwhile.
    pub(super) async fn judge_again(self, request: &Request) -> Result<(), Problem> {
        let (Some(at), Some(state)) = (self.0, request.data::<Arc<ApiState>>()) else {
            return Ok(());
        };
        let now = state.clock.now();
        // A clock that was set back tells of no time at all.
        if now < at || now.since(at) >= BELIEVED_FOR {
            authenticate(request).await?;
        }
        Ok(())
    }
}

async fn authenticate(request: &Request) -> Result<Caller, Problem> {
    let Some(state) = request.data::<Arc<ApiState>>() else {
        return Err(Problem::new(&kind::INTERNAL_ERROR));
    };
    let Some(token) = bearer(request) else {
        return Err(Problem::new(&kind::UNAUTHENTICATED).with_challenge("Bearer"));
    };
    // It is judged first: what is good is let in, or a stranger behind the same proxy could shut
    // everybody out.
    let judged = state.auth.caller(&state.gateway, token, state.clock.now()).await;
    if judged.as_ref().is_err_and(AuthError::may_be_a_guess) {
        let source = ClientAddress::of(request).number();
        state.gateway.let_authenticate(source)?;
        state.gateway.count_failed_authentication(source).await;
    }
    let caller = judged?;
    // A token outlives the tenant that it names.
    state.gateway.check_tenant(caller.tenant).await?;
    Ok(caller)
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Token(error) => Self::new(&kind::INVALID_TOKEN)
                .with_detail(error.to_string())
                .with_challenge("Bearer error=\"invalid_token\""),
            AuthError::Gateway(error) => error.into(),
            // Whoever has the copy is not told that there is another.
            AuthError::Replayed(_) => GatewayError::NotBelieved.into(),
            AuthError::Keys(error) => Self::new(&kind::IDENTITY_PROVIDER_UNAVAILABLE)
                .with_detail(error.to_string())
                .with_retry_after(error.retry_after),
            AuthError::RevokedElsewhere(detail) => {
                Self::new(&kind::UNSUPPORTED_TOKEN_TYPE).with_detail(detail)
            }
            AuthError::Issue(error) => {
                tracing::error!(%error, "a token cannot be signed");
                Self::new(&kind::INTERNAL_ERROR)
            }
        }
    }
}

/// What the request shows as its bearer token.
pub(super) fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_the_permission_that_is_asked_for() {
        fn check<N: Needs>() {
            assert_eq!(N::SCHEME, format!("{SCHEME} {}", N::PERMISSION));
        }
        check::<ReadMessages>();
        check::<SendMessages>();
        check::<ReadSessions>();
        check::<ManageSessions>();
        check::<ManageApiKeys>();
        check::<ManageTenants>();
        check::<ManageServers>();
    }
}
