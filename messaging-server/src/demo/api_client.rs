//! Calls the demo's own service the way anybody would: over HTTP, with a token.

use reqwest::{Client, Method};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::demo::DemoError;

/// Calls one service in the name of one tenant.
pub(super) struct ApiClient {
    http: Client,
    base_url: String,
    token: SecretString,
}

impl ApiClient {
    pub(super) fn new(base_url: String, token: SecretString) -> Self {
        Self { http: Client::new(), base_url, token }
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    pub(super) fn token(&self) -> &SecretString {
        &self.token
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, DemoError> {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, DemoError> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, DemoError> {
        let url = format!("{}{path}", self.base_url);
        let request = self.http.request(method.clone(), url);
        let mut request = request.bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.json().await?);
        }
        let (request, status) = (format!("{method} {path}"), status.as_u16());
        Err(DemoError::Refused { request, status, answer: response.text().await? })
    }
}
