//! Counts and measures HTTP requests by route, never by path: a path holds ids.

use std::sync::Arc;

use messaging_core::ports::clock::Clock;
use poem::http::Method;
use poem::{Endpoint, IntoResponse, Middleware, PathPattern, Request, Response, Result};

use crate::telemetry::metrics::Metrics;

/// Counts and measures every request to the routes it is put around.
#[derive(Clone)]
pub struct HttpMetrics {
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

/// A middleware that counts and measures requests.
pub fn http_metrics(metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> HttpMetrics {
    HttpMetrics { metrics, clock }
}

impl<E: Endpoint> Middleware<E> for HttpMetrics {
    type Output = HttpMetricsEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        HttpMetricsEndpoint { inner, with: self.clone() }
    }
}

/// An endpoint whose requests are counted and measured.
pub struct HttpMetricsEndpoint<E> {
    inner: E,
    with: HttpMetrics,
}

impl<E: Endpoint> Endpoint for HttpMetricsEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Self::Output> {
        let method = method(request.method());
        let began = self.with.clock.now();
        let result = self.inner.call(request).await.map(IntoResponse::into_response);
        let took = self.with.clock.now().since(began);
        let (route, status) = match &result {
            Ok(response) => (response.data::<PathPattern>(), response.status()),
            Err(error) => (error.data::<PathPattern>(), error.status()),
        };
        // What matches no route is one route here, or every scanner would leave its own labels.
        let route = route.map_or("(none)", |pattern| pattern.0.as_ref());
        self.with.metrics.http_request(method, route, status, took);
        result
    }
}

/// Methods are the client's to invent; labels are not.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
