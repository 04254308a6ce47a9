//! The environment block of the specification, letter for letter.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use messaging_server::config::Config;
use secrecy::ExposeSecret;

const BLOCK: &str = "\
# Database
DB_HOST=localhost
DB_PORT=5432
DB_USERNAME=postgres
DB_PASSWORD=password
DB_DATABASE=messaging_api

# JWT
JWT_SECRET=your-jwt-secret
JWT_EXPIRES_IN=24h
JWT_REFRESH_SECRET=your-refresh-secret
JWT_REFRESH_EXPIRES_IN=7d

# WAHA
WAHA_BASE_URL=http://localhost:3000
WAHA_API_KEY=your-waha-api-key
WAHA_WEBHOOK_SECRET=your-webhook-secret

# Redis
REDIS_HOST=localhost
REDIS_PORT=6379
REDIS_PASSWORD=your-redis-password

# Webhook
WEBHOOK_SECRET=your-webhook-secret
";

fn config() -> Config {
    let variables = dotenvy::from_read_iter(BLOCK.as_bytes()).map(Result::unwrap);
    Config::from_vars(variables).unwrap()
}

#[test]
fn it_is_read() {
    let config = config();
    assert_eq!(config.jwt_expires_in, Duration::from_secs(24 * 60 * 60));
    assert_eq!(config.jwt_refresh_expires_in, Duration::from_secs(7 * 24 * 60 * 60));
    assert_eq!(config.waha_base_url, "http://localhost:3000");
    assert_eq!(
        config.postgres.unwrap().url.expose_secret(),
        "postgres://postgres:password@localhost:5432/messaging_api"
    );
    assert_eq!(
        config.redis.unwrap().urls[0].expose_secret(),
        "redis://:your-redis-password@localhost:6379"
    );
}

#[test]
fn its_placeholders_stop_the_start_each_by_name() {
    let error = config().check_usable().unwrap_err();
    let variables: Vec<_> =
        error.problems.iter().map(|problem| problem.variable.as_str()).collect();
    assert_eq!(
        variables,
        [
            "JWT_SECRET",
            "JWT_REFRESH_SECRET",
            "WAHA_API_KEY",
            "WAHA_WEBHOOK_SECRET",
            "WEBHOOK_SECRET",
            "DB_PASSWORD",
            "REDIS_PASSWORD",
            // It knows no encryption at rest; whoever uses a database of their own says which key.
            "ENCRYPTION_KEY",
        ]
    );
}
