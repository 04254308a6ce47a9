//! Secrets that everybody knows: the documentation's placeholders and what people type first.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use crate::config::Config;
use crate::config::problem::Problem;

/// What HMAC-SHA256 wants at least (RFC 7518, section 3.2).
const MIN_JWT_SECRET_BYTES: usize = 32;
/// Shorter ones can be tried through by whoever has one signed webhook.
const MIN_WEBHOOK_SECRET_BYTES: usize = 8;

const KNOWN: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "changeme",
    "change-me",
    "admin",
    "postgres",
    "example",
    "test",
    "12345678",
    "123456789",
    "1234567890",
    "password1",
    "password123",
    "qwertyuiop",
];

/// What is wrong with the secrets of a configuration.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let postgres = config.postgres.as_ref().and_then(|postgres| postgres.password.as_ref());
    let redis = config.redis.as_ref().and_then(|redis| redis.password.as_ref());
    let secrets = [
        ("JWT_SECRET", config.jwt_secret.as_ref(), MIN_JWT_SECRET_BYTES),
        ("JWT_REFRESH_SECRET", config.jwt_refresh_secret.as_ref(), MIN_JWT_SECRET_BYTES),
        ("METRICS_TOKEN", config.metrics_token.as_ref(), 1),
        ("WAHA_API_KEY", config.waha_api_key.as_ref(), 1),
        ("WAHA_WEBHOOK_SECRET", config.waha_webhook_secret.as_ref(), MIN_WEBHOOK_SECRET_BYTES),
        ("WEBHOOK_SECRET", config.webhook_secret.as_ref(), MIN_WEBHOOK_SECRET_BYTES),
        ("DB_PASSWORD", postgres, 1),
        ("REDIS_PASSWORD", redis, 1),
    ];
    let previous = config
        .waha_webhook_secret_previous
        .iter()
        .map(|secret| ("WAHA_WEBHOOK_SECRET_PREVIOUS", Some(secret), MIN_WEBHOOK_SECRET_BYTES));
    let servers = config.waha_servers.iter().flatten();
    let server_keys = servers.map(|server| ("WAHA_SERVERS", server.api_key.as_ref(), 1));
    let database = config.postgres.iter().filter(|it| it.password.is_none()).map(|it| &it.url);
    let redis = config.redis.iter().filter(|it| it.password.is_none()).flat_map(|it| &it.urls);
    let in_urls = database
        .map(|url| ("DATABASE_URL", url))
        .chain(redis.map(|url| ("REDIS_URL", url)))
        .filter_map(|(variable, url)| problem(variable, &password_in(url)?, 1));
    secrets
        .into_iter()
        .chain(server_keys)
        .chain(previous)
        .filter_map(|(variable, secret, min_bytes)| problem(variable, secret?, min_bytes))
        .chain(in_urls)
        .collect()
}

/// The password within a URL, where there is one. What would be escaped in it is in no placeholder.
fn password_in(url: &SecretString) -> Option<SecretString> {
    let url = Url::parse(url.expose_secret()).ok()?;
    let password = url.password().filter(|password| !password.is_empty())?;
    Some(SecretString::from(password))
}

fn problem(variable: &str, secret: &SecretString, min_bytes: usize) -> Option<Problem> {
    let secret = secret.expose_secret();
    let advice = "expected a secret of your own, such as `openssl rand -hex 32` prints";
    if is_placeholder(secret) {
        return Some(Problem::new(variable, "holds a placeholder that everybody knows", advice));
    }
    if secret.len() < min_bytes {
        let held = format!("is shorter than {min_bytes} bytes");
        return Some(Problem::new(variable, held, advice));
    }
    None
}

fn is_placeholder(secret: &str) -> bool {
    let secret = secret.to_ascii_lowercase();
    let first = secret.chars().next();
    let repeats_one = first.is_some_and(|first| secret.chars().all(|each| each == first));
    KNOWN.contains(&secret.as_str())
        || repeats_one
        || ["your-", "your_", "<"].iter().any(|beginning| secret.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_knows_is_no_secret() {
        for known in [
            "your-jwt-secret",
            "YOUR_SECRET_KEY",
            "changeme",
            "Password",
            "<secret>",
            "0000000000000000",
        ] {
            assert!(is_placeholder(known), "{known}");
        }
        for own in ["a-password-of-my-own", "yourself", "correct horse battery staple"] {
            assert!(!is_placeholder(own), "{own}");
        }
    }
}
