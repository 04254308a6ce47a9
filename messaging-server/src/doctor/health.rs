//! Whether a service of ours answers somewhere.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, redirect};
use serde::Deserialize;

use crate::doctor::PATIENCE;
use crate::doctor::report::at_bottom;

/// What answers somewhere.
pub(super) enum Health {
    /// A service of ours.
    Ours {
        /// Its version.
        version: String,
    },
    /// Something else, with this status.
    Another(u16),
    /// Nothing, and why.
    Nothing(String),
}

#[derive(Deserialize)]
struct Liveness {
    status: String,
    version: String,
}

/// Asks what answers at an address.
pub(super) async fn ask(base_url: &str) -> Health {
    let asked = async {
        let client =
            Client::builder().timeout(PATIENCE).redirect(redirect::Policy::none()).build()?;
        let answer = client.get(format!("{base_url}/health/live")).send().await?;
        let status = answer.status().as_u16();
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_none_or(|kind| !kind.starts_with("application/health+json")) {
            return Ok(Health::Another(status));
        }
        Ok(match answer.json::<Liveness>().await {
            Ok(Liveness { status, version }) if status == "pass" => Health::Ours { version },
            _ => Health::Another(status),
        })
    };
    let asked: Result<Health, reqwest::Error> = asked.await;
    asked.unwrap_or_else(|error| Health::Nothing(at_bottom(&error.without_url())))
}
