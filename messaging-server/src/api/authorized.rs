//! The bearer of a token that allows an operation. An operation says in its signature what it needs.

use std::marker::PhantomData;
use std::sync::Arc;

use messaging_core::domain::id::TenantId;
use messaging_core::domain::tenant::{Permission, Role};
use poem::http::header::AUTHORIZATION;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::api::problem::{Problem, kind};
use crate::api::trail::CallerSeen;
use crate::api::{ApiState, address_text};
use crate::auth::Caller;

/// What an operation needs its caller to be allowed.
pub trait Needs: Send + Sync + 'static {
    /// The permission.
    const PERMISSION: Permission;
}

macro_rules! needs {
    ($($name:ident),*) => {
        $(
            #[doc = concat!("Needs [`Permission::", stringify!($name), "`].")]
            pub struct $name;

            impl Needs for $name {
                const PERMISSION: Permission = Permission::$name;
            }
        )*
    };
}

needs!(ReadMessages, SendMessages, ReadSessions, ManageSessions, ReadAudit, ExportData, EraseData);

/// A caller that may do what `N` names. The tenant cannot be had in another way, so no operation
/// can forget to ask.
pub struct Authorized<N> {
    caller: Caller,
    needs: PhantomData<N>,
}

impl<N> Authorized<N> {
    /// In whose name.
    pub fn tenant(&self) -> TenantId {
        self.caller.tenant
    }

    /// Whether it runs the deployment.
    pub fn runs_the_platform(&self) -> bool {
        self.caller.role == Role::PlatformAdmin
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
                 `messaging-server token --tenant NAME --role ROLE`.",
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
        vec![SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let caller = authenticate(request)?;
        if let Some(seen) = request.data::<CallerSeen>() {
            seen.is(&caller);
        }
        tracing::Span::current().record("tenant.id", tracing::field::display(caller.tenant));
        if !caller.may(N::PERMISSION) {
            let scope = N::PERMISSION;
            return Err(Problem::new(&kind::FORBIDDEN)
                .with_detail(format!("the token does not allow {scope}"))
                .with_challenge(&format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\""))
                .into());
        }
        address_text::check(request.uri().query())?;
        Ok(Self { caller, needs: PhantomData })
    }
}

fn authenticate(request: &Request) -> Result<Caller, Problem> {
    let Some(state) = request.data::<Arc<ApiState>>() else {
        return Err(Problem::new(&kind::INTERNAL_ERROR));
    };
    let Some(token) = bearer(request) else {
        return Err(Problem::new(&kind::UNAUTHENTICATED).with_challenge("Bearer"));
    };
    state.tokens.verify(token, state.clock.now()).map_err(|error| {
        Problem::new(&kind::INVALID_TOKEN)
            .with_detail(error.to_string())
            .with_challenge("Bearer error=\"invalid_token\"")
    })
}

/// What the request shows as its bearer token.
pub(super) fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
