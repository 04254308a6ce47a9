//! What every request and answer have in common: an id, a span, one form of refusal, and headers
//! that keep browsers from doing more with an answer than show it.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use messaging_core::domain::id::uuid_v7;
use poem::http::Method;
use poem::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use poem::{Endpoint, PathPattern, Request, Response};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::api::ApiState;
use crate::api::problem::{Problem, kind};
use crate::api::trail::{Noted, Traced};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// The longest request id that is taken over from the caller.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// Nothing may be loaded or run by what this server answers.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// The page of documents has its script and style within it.
const OWN_PAGE: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                        img-src data: https:; connect-src 'self'; frame-ancestors 'none'";

/// One address and what it takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RouteInfo {
    /// As the OpenAPI document has it, such as `/messages/{id}`.
    pub(super) template: String,
    /// The parameters in it, in order.
    pub(super) parameters: Vec<String>,
    /// The methods it takes, as `Allow` lists them.
    pub(super) methods: String,
    /// What each of them does: operations' ids.
    pub(super) operations: Vec<(Method, String)>,
}

impl RouteInfo {
    pub(super) fn new(template: String, methods: String) -> Self {
        let parameters = template
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(str::to_owned)
            .collect();
        Self { template, parameters, methods, operations: Vec::new() }
    }

    /// Whether a path is one of its addresses.
    fn takes(&self, path: &str) -> bool {
        let (mut own, mut parts) = (self.template.split('/'), path.split('/'));
        loop {
            match (own.next(), parts.next()) {
                (None, None) => return true,
                (Some(own), Some(part)) if own == part => {}
                (Some(own), Some(part)) if own.starts_with('{') && !part.is_empty() => {}
                _ => return false,
            }
        }
    }

    /// The id of the operation of a method. A HEAD is a GET.
    pub(super) fn operation(&self, method: &Method) -> Option<&str> {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let found = self.operations.iter().find(|(each, _)| each == method);
        found.map(|(_, operation)| operation.as_str())
    }

    /// The pattern that poem-openapi makes of the template: its parameters are numbered.
    pub(super) fn pattern(&self) -> String {
        let mut pattern = self.template.clone();
        for (number, name) in self.parameters.iter().enumerate() {
            pattern = pattern.replace(&format!("{{{name}}}"), &format!(":param{number}"));
        }
        pattern
    }
}

/// Every address by its pattern.
pub(super) type Routes = HashMap<String, RouteInfo>;

/// Wraps all routes.
pub(super) struct Exchange<E> {
    inner: E,
    state: Arc<ApiState>,
    routes: Routes,
}

impl<E> Exchange<E> {
    pub(super) fn new(inner: E, state: Arc<ApiState>, routes: Routes) -> Self {
        Self { inner, state, routes }
    }

    fn request_id(&self, headers: &HeaderMap) -> String {
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let sane = |id: &&str| {
            (1..=MAX_REQUEST_ID_BYTES).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
        };
        given.filter(sane).map_or_else(
            || uuid_v7(self.state.clock.now(), self.state.entropy.next_u64()).to_string(),
            str::to_owned,
        )
    }

    fn route(&self, pattern: Option<&PathPattern>) -> Option<&RouteInfo> {
        self.routes.get(&*pattern?.0)
    }

    /// The route of a path, where no answer names it. Of several the one that leaves least open, as
    /// the framework has it.
    fn route_of(&self, path: &str) -> Option<&RouteInfo> {
        let takes = self.routes.values().filter(|route| route.takes(path));
        takes.min_by_key(|route| (route.parameters.len(), &route.template))
    }
}

fn refuse(error: &poem::Error, route: Option<&RouteInfo>, path: &str) -> Response {
    let mut problem = Problem::of(error, route.map_or(&[], |route| &route.parameters));
    if let Some(route) = route.filter(|_| problem.code() == kind::METHOD_NOT_ALLOWED.code) {
        problem = problem.with_header(ALLOW, &route.methods);
    }
    problem.into_response_to(shown(route, path))
}

/// A path as a problem names it. The address of an opt-out may name a person, which no problem does.
fn shown<'a>(route: Option<&'a RouteInfo>, path: &'a str) -> &'a str {
    match route {
        Some(route) if route.template.starts_with("/opt-outs/") => &route.template,
        _ => path,
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Exchange<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let began = self.state.clock.now();
        let id = self.request_id(request.headers());
        let path = request.uri().path().to_owned();
        let method = request.method().clone();
        request.set_data(Arc::clone(&self.state));
        let peer = request.remote_addr().as_socket_addr().map(|address| address.ip());
        let client = self.state.edge.proxies.client(peer, request.headers());
        request.set_data(client);
        let traced = Traced {
            noted: Noted::default(),
            client,
            path: path.clone(),
            method: method.clone(),
            id: id.clone(),
            at: began,
        };
        request.set_data(traced.noted.clone());
        let verdict = self.state.edge.origins.verdict(&request);

        let span = tracing::info_span!(
            "request",
            request.id = %id,
            http.method = %method,
            http.route = Empty,
            http.status = Empty,
            tenant.id = Empty,
        );
        let answered = match verdict.preflight() {
            Some(answer) => Ok(Ok(answer)),
            None => {
                AssertUnwindSafe(self.inner.call(request))
                    .catch_unwind()
                    .instrument(span.clone())
                    .await
            }
        };
        let (mut response, route) = span.in_scope(|| match answered {
            Ok(Ok(response)) => {
                let route = self.route(response.data::<PathPattern>());
                (response, route)
            }
            Ok(Err(error)) => {
                let route = self.route(error.data::<PathPattern>());
                (refuse(&error, route, &path), route)
            }
            Err(_) => {
                // The panic hook has told where; what it says may hold anything and goes nowhere.
                tracing::error!("a request panicked");
                let route = self.route_of(&path);
                let problem = Problem::new(&kind::INTERNAL_ERROR);
                (problem.into_response_to(shown(route, &path)), route)
            }
        });
        if let Some(route) = route {
            let leaving = traced.leave(&self.state.audit, route, response);
            response = leaving.instrument(span.clone()).await;
        }
        let _entered = span.enter();
        // Of an address that no route has nothing is logged: it may hold anything.
        let route = route.map_or("", |route| route.template.as_str());
        if !route.is_empty() {
            // Whoever measures around this names the route as the OpenAPI document does.
            response.set_data(PathPattern(route.into()));
        }
        let duration_ms = self.state.clock.now().since(began).as_millis();
        let duration_ms = u64::try_from(duration_ms).unwrap_or(u64::MAX);
        tell(&span, route, response.status().as_u16(), duration_ms);
        dress(response.headers_mut(), route, &id, self.state.edge.is_tls);
        verdict.dress(response.headers_mut());
        Ok(response)
    }
}

fn tell(span: &Span, route: &str, status: u16, duration_ms: u64) {
    span.record("http.route", route);
    span.record("http.status", status);
    // Probes come every few seconds and tell nothing as long as they succeed.
    if status < 400 && (route.starts_with("/health") || route == "/metrics") {
        tracing::debug!(duration_ms, "answered {status}");
    } else {
        tracing::info!(duration_ms, "answered {status}");
    }
}

fn dress(headers: &mut HeaderMap, route: &str, id: &str, is_tls: bool) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    if is_tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    let policy = if route.starts_with("/docs") { OWN_PAGE } else { NOTHING };
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, policy),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, "camera=(), microphone=(), geolocation=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_found_by_the_pattern_of_the_framework() {
        let route = RouteInfo::new("/a/{first}/b/{second}".to_owned(), "GET".to_owned());
        assert_eq!(route.parameters, ["first", "second"]);
        assert_eq!(route.pattern(), "/a/:param0/b/:param1");
    }

    #[test]
    fn a_route_takes_the_paths_of_its_template() {
        let takes =
            |template: &str, path| RouteInfo::new(template.into(), "GET".into()).takes(path);
        assert!(takes("/a/{id}/b", "/a/1/b") && takes("/a/b", "/a/b"));
        for path in ["/a//b", "/a/1", "/a/1/b/", "/a/1/c", "/", ""] {
            assert!(!takes("/a/{id}/b", path), "{path}");
        }
    }
}
