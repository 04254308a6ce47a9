//! Secrets that are none: the documentation's placeholders, what people type first, and what whoever has
//! something that was signed with them would find by trying.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use zxcvbn::zxcvbn;

use crate::config::Config;
use crate::config::problem::Problem;

/// What a secret must be like.
#[derive(Clone, Copy)]
struct Demand {
    min_bytes: usize,
    /// The logarithm, to base 10, of how many guesses it must withstand.
    min_guesses: f64,
}

/// Signs tokens: as long as HMAC-SHA256 wants it at least (RFC 7518, section 3.2), and not found however
/// long somebody tries at home.
const SIGNS_TOKENS: Demand = Demand { min_bytes: 32, min_guesses: 15.0 };
/// Signs webhooks. Also what another system may have drawn: eight random characters.
const SIGNS_WEBHOOKS: Demand = Demand { min_bytes: 8, min_guesses: 7.5 };
/// Did so before: one that could be guessed is on its way out.
const SIGNED_WEBHOOKS: Demand = Demand { min_guesses: 0.0, ..SIGNS_WEBHOOKS };
/// Is shown to a server of one's own, which has its own opinion.
const OPENS: Demand = Demand { min_bytes: 1, min_guesses: 0.0 };

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

/// What is written into secrets by who means them to be replaced.
const TO_BE_CHANGED: &[&str] =
    &["changeme", "change-me", "change-this", "change-in-prod", "replace-me", "replace-this"];

/// What is wrong with the secrets of a configuration.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let postgres = config.postgres.as_ref().and_then(|postgres| postgres.password.as_ref());
    let redis = config.redis.as_ref().and_then(|redis| redis.password.as_ref());
    let secrets = [
        ("JWT_SECRET", config.jwt_secret.as_ref(), SIGNS_TOKENS),
        ("JWT_REFRESH_SECRET", config.jwt_refresh_secret.as_ref(), SIGNS_TOKENS),
        ("METRICS_TOKEN", config.metrics_token.as_ref(), OPENS),
        ("WAHA_API_KEY", config.waha_api_key.as_ref(), OPENS),
        ("WAHA_WEBHOOK_SECRET", config.waha_webhook_secret.as_ref(), SIGNS_WEBHOOKS),
        ("WEBHOOK_SECRET", config.webhook_secret.as_ref(), SIGNS_WEBHOOKS),
        ("DB_PASSWORD", postgres, OPENS),
        ("REDIS_PASSWORD", redis, OPENS),
    ];
    let previous = config
        .waha_webhook_secret_previous
        .iter()
        .map(|secret| ("WAHA_WEBHOOK_SECRET_PREVIOUS", Some(secret), SIGNED_WEBHOOKS));
    let servers = config.waha_servers.iter().flatten();
    let server_keys = servers.map(|server| ("WAHA_SERVERS", server.api_key.as_ref(), OPENS));
    let database = config.postgres.iter().filter(|it| it.password.is_none()).map(|it| &it.url);
    let redis = config.redis.iter().filter(|it| it.password.is_none()).flat_map(|it| &it.urls);
    let in_urls = database
        .map(|url| ("DATABASE_URL", url))
        .chain(redis.map(|url| ("REDIS_URL", url)))
        .filter_map(|(variable, url)| problem(variable, &password_in(url)?, OPENS));
    secrets
        .into_iter()
        .chain(server_keys)
        .chain(previous)
        .filter_map(|(variable, secret, demand)| problem(variable, secret?, demand))
        .chain(in_urls)
        .collect()
}

/// The password within a URL, where there is one. What would be escaped in it is in no placeholder.
fn password_in(url: &SecretString) -> Option<SecretString> {
    let url = Url::parse(url.expose_secret()).ok()?;
    let password = url.password().filter(|password| !password.is_empty())?;
    Some(SecretString::from(password))
}

fn problem(variable: &str, secret: &SecretString, demand: Demand) -> Option<Problem> {
    let secret = secret.expose_secret();
    let advice = "expected a secret of your own, such as `openssl rand -hex 32` prints";
    if is_placeholder(secret) {
        return Some(Problem::new(variable, "holds a placeholder that everybody knows", advice));
    }
    if secret.len() < demand.min_bytes {
        let held = format!("is shorter than {} bytes", demand.min_bytes);
        return Some(Problem::new(variable, held, advice));
    }
    if demand.min_guesses > 0.0 && zxcvbn(secret, &[]).guesses_log10() < demand.min_guesses {
        return Some(Problem::new(variable, "can be guessed", advice));
    }
    None
}

fn is_placeholder(secret: &str) -> bool {
    let secret = secret.to_ascii_lowercase().replace('_', "-");
    let first = secret.chars().next();
    let repeats_one = first.is_some_and(|first| secret.chars().all(|each| each == first));
    KNOWN.contains(&secret.as_str())
        || repeats_one
        || ["your-", "<"].iter().any(|beginning| secret.starts_with(beginning))
        || TO_BE_CHANGED.iter().any(|hint| secret.contains(hint))
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
            "please_change_me-0123456789abcdef",
        ] {
            assert!(is_placeholder(known), "{known}");
        }
        for own in ["a-password-of-my-own", "yourself", "correct horse battery staple"] {
            assert!(!is_placeholder(own), "{own}");
        }
    }
    #[test]
    fn what_signs_is_not_to_be_guessed() {
        let is_weak = |secret: &str, demand| problem("X", &secret.into(), demand).is_some();
        for weak in [
            "secretsecretsecretsecretsecretsecret",
            "12345678901234567890123456789012",
            "abcdefghijklmnopqrstuvwxyz123456",
            "qwertyuiopasdfghjklzxcvbnm123456",
            "00000000000000000000000000000001",
            "deadbeefdeadbeefdeadbeefdeadbeef",
        ] {
            assert!(is_weak(weak, SIGNS_TOKENS), "{weak}");
        }
        for weak in ["secret-key", "my-secret", "P@ssw0rd", "20261128"] {
            assert!(is_weak(weak, SIGNS_WEBHOOKS), "{weak}");
        }
        let hex = "9f86d081884c7d659a2feaa0c55ad015";
        let strong = "kV7/2pX+o0yJc5b1Qe8sTz3mWn6RaLdH4uGfYiKvExo=";
        let phrase = "correct horse battery staple and more";
        for (own, demand) in [
            (hex, SIGNS_TOKENS),
            (strong, SIGNS_TOKENS),
            (phrase, SIGNS_TOKENS),
            ("k7Qz91xP", SIGNS_WEBHOOKS),
            ("s3", OPENS),
        ] {
            assert!(!is_weak(own, demand), "{own}");
        }
    }
}
