//! What an operator sets is what the service does, and what is wrong is said at once and plainly.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::time::Duration;

use messaging_core::domain::new_chats::{NewChatLimits, Spacing};
use messaging_core::domain::phone::PhoneValidation;
use messaging_core::domain::quota::Quota;
use messaging_server::auth::identity_provider::KeysPlace;
use messaging_server::config::Config;
use messaging_server::config::example::effective;
use messaging_server::config::settings::TABLE;
use messaging_server::telemetry::logs::LogFormat;
use messaging_vault::Mode;
use secrecy::ExposeSecret;

const STRONG: &str = "0b7e1d9a4c5f48f2a6d3e8b1c7f09a52";

fn read(vars: &[(&str, &str)]) -> Config {
    Config::from_vars(vars.iter().copied()).unwrap()
}

/// The lines said about a configuration that cannot be read.
fn refused(vars: &[(&str, &str)]) -> Vec<String> {
    let error = Config::from_vars(vars.iter().copied()).unwrap_err();
    error.to_string().lines().map(str::to_owned).collect()
}

/// The lines said about a configuration that can be read but not run.
fn unusable(vars: &[(&str, &str)]) -> Vec<String> {
    let error = read(vars).check_usable().unwrap_err();
    error.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn nothing_set_means_embedded_on_this_machine_alone() {
    let config = read(&[]);
    assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 8080));
    assert_eq!(config.database_file().to_str(), Some("./data/messaging.db"));
    assert_eq!(config.session_quota, Quota { limit: 20, window: Duration::from_secs(60) });
    assert_eq!(config.phone_validation, PhoneValidation::E164);
    assert_eq!(config.log_format, LogFormat::Pretty);
    assert_eq!(config.jwt_expires_in, Duration::from_secs(24 * 3600));
    assert!(config.postgres.is_none() && config.redis.is_none());
    config.check_usable().unwrap();
}

#[test]
fn what_is_set_counts() {
    let config = read(&[
        ("HOST", "0.0.0.0"),
        ("PORT", "9000"),
        ("PUBLIC_URL", "https://gateway.example/base/"),
        ("SESSION_RATE_LIMIT", "5"),
        ("SESSION_RATE_WINDOW", "10s"),
        ("PHONE_VALIDATION", "Strict"),
        ("LOG_FORMAT", "JSON"),
        ("LOG_LEVEL", "warn"),
        ("RUST_LOG", "debug"),
        ("RETRY_ATTEMPTS", "3"),
        ("NEW_CHATS_PER_DAY", "50"),
        ("NEW_CHAT_SPACING", "30s-1m"),
        ("RECIPIENT_SPACING", "0"),
    ]);
    assert_eq!((config.host.as_str(), config.port), ("0.0.0.0", 9000));
    assert_eq!(config.public_url.as_deref(), Some("https://gateway.example/base"));
    assert_eq!(config.session_quota, Quota { limit: 5, window: Duration::from_secs(10) });
    assert_eq!(config.phone_validation, PhoneValidation::Strict);
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(config.log_filter, "debug");
    assert_eq!(config.retry.max_attempts, 3);
    assert_eq!(config.recipient_spacing, Duration::ZERO);
    let (least, most) = (Duration::from_secs(30), Duration::from_secs(60));
    let spacing = Some(Spacing { least, most });
    assert_eq!(config.new_chats, NewChatLimits { per_day: Some(50), spacing });
    // Off unless somebody says so: who tries it must not be held up without knowing.
    assert_eq!(read(&[]).new_chats, NewChatLimits::default());
    assert_eq!(read(&[]).recipient_spacing, Duration::from_secs(1));
    for bad in ["60s-30s", "soon", "1s-25h", "-"] {
        assert_eq!(refused(&[("NEW_CHAT_SPACING", bad)]).len(), 1, "{bad}");
    }
}

#[test]
fn what_is_over_is_kept_for_ever_or_for_a_week_at_least() {
    assert_eq!(read(&[]).retention, None);
    assert_eq!(read(&[("RETENTION", "90d")]).retention, Some(Duration::from_secs(90 * 86_400)));
    assert_eq!(
        refused(&[("RETENTION", "6d")]),
        [r#"RETENTION is "6d": expected a time from 7d to 3660d, such as 90d"#]
    );
    // Forgetting what the quota counts would let too much leave.
    let vars = [("RETENTION", "7d"), ("SESSION_RATE_WINDOW", "8d"), ("JWT_SECRET", STRONG)];
    assert_eq!(
        unusable(&vars),
        ["RETENTION is shorter than SESSION_RATE_WINDOW: expected no less: what was sent in that \
          time is counted from what is kept"]
    );
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let config = read(&[("PORT", " "), ("JWT_SECRET", ""), ("DB_HOST", "")]);
    assert_eq!(config.port, 8080);
    assert!(config.jwt_secret.is_none() && config.postgres.is_none());
}

/// An open `/metrics` is what nobody means who names a token for it.
#[test]
fn a_secret_of_blanks_alone_is_refused() {
    let lines = refused(&[("METRICS_TOKEN", " ")]);
    assert_eq!(lines, ["METRICS_TOKEN is blank: expected a secret"]);
}

#[test]
fn everything_that_is_wrong_is_said_at_once_a_line_each() {
    let lines = refused(&[
        ("PORT", "80a"),
        ("SESSION_RATE_WINDOW", "soon"),
        ("PHONE_VALIDATION", "maybe"),
        ("WAHA_BASE_URL", "localhost:3000"),
        ("DB_PORT", "70000"),
    ]);
    assert_eq!(
        lines,
        [
            r#"PORT is "80a": expected a port number from 0 to 65535"#,
            r#"WAHA_BASE_URL is "localhost:3000": expected an address such as http://localhost:3000, without query or password"#,
            r#"SESSION_RATE_WINDOW is "soon": expected a time from 1ms to 366d, such as 500ms, 60s, 24h or 7d"#,
            r#"PHONE_VALIDATION is "maybe": expected e164, strict or lenient"#,
            r#"DB_PORT is "70000": expected a port number from 0 to 65535"#,
        ]
    );
}

#[test]
fn no_secret_is_ever_repeated() {
    let vars = [
        ("DATABASE_URL", "mysql://root:hunter2@db/x"),
        ("REDIS_URL", "hunter2"),
        ("WAHA_BASE_URL", "http://me:hunter2@waha"),
    ];
    let lines = refused(&vars);
    assert_eq!(lines.len(), 3);
    assert!(!lines.join("\n").contains("hunter2"), "{lines:?}");

    let vars =
        [("JWT_SECRET", "hunter2"), ("WAHA_API_KEY", "hunter2"), ("METRICS_TOKEN", "hunter2")];
    let config = read(&vars);
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(!config.check_usable().unwrap_err().to_string().contains("hunter2"));
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let shown = effective(&vars.into());
    assert!(!shown.contains("hunter2") && shown.contains("JWT_SECRET=(set)"), "{shown}");
}

#[test]
fn a_secret_may_come_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwt");
    fs::write(&path, format!("{STRONG}\n")).unwrap();
    let path = path.to_str().unwrap();

    let config = read(&[("JWT_SECRET_FILE", path)]);
    assert_eq!(config.jwt_secret.unwrap().expose_secret(), STRONG);

    let lines = refused(&[("JWT_SECRET_FILE", path), ("JWT_SECRET", STRONG)]);
    assert_eq!(lines, ["JWT_SECRET and JWT_SECRET_FILE are both set: expected only one of them"]);

    let lines = refused(&[("JWT_SECRET_FILE", "/nowhere/jwt")]);
    assert!(lines[0].starts_with(r#"JWT_SECRET_FILE is "/nowhere/jwt": expected a file"#));
}

#[test]
fn secrets_that_everybody_knows_or_could_guess_are_refused() {
    let line = |variable: &str, value: &str| unusable(&[(variable, value)]).remove(0);
    let placeholder = "holds a placeholder that everybody knows";
    assert!(
        line("JWT_SECRET", "your-jwt-secret").starts_with(&format!("JWT_SECRET {placeholder}"))
    );
    assert!(line("WAHA_API_KEY", "changeme").starts_with(&format!("WAHA_API_KEY {placeholder}")));
    assert!(line("METRICS_TOKEN", "secret").starts_with(&format!("METRICS_TOKEN {placeholder}")));
    assert!(line("JWT_SECRET", &STRONG[1..]).starts_with("JWT_SECRET is shorter than 32 bytes"));
    read(&[("JWT_SECRET", STRONG), ("WAHA_WEBHOOK_SECRET", STRONG)]).check_usable().unwrap();
}

#[test]
fn no_secret_of_any_setting_may_be_one_that_everybody_knows() {
    // What is no key of 32 bytes is refused as such.
    let is_key = |name: &str| name.starts_with("ENCRYPTION_");
    for row in TABLE.iter().filter(|row| row.secret && !is_key(row.name)) {
        let value = match row.name {
            "DATABASE_URL" => "postgres://me:changeme@db/messaging".to_owned(),
            "REDIS_URL" => "redis://a,redis://:changeme@b".to_owned(),
            "WAHA_SERVERS" => {
                r#"[{"name":"a","url":"http://a:3000","apiKey":"changeme"}]"#.to_owned()
            }
            _ => "changeme".to_owned(),
        };
        let refused = read(&[(row.name, &value)]).check_usable().unwrap_err().to_string();
        let line = format!("{} holds a placeholder that everybody knows", row.name);
        assert!(refused.contains(&line), "{}: {refused}", row.name);
        assert!(!refused.contains("changeme"));
    }
}

#[test]
fn a_schema_that_postgresql_could_not_hold_is_refused_with_the_rule() {
    for schema in ["Messages", "pg_messages", "information_schema", "1st", &"s".repeat(57)] {
        let lines = refused(&[("DB_SCHEMA", schema)]);
        let rule = "expected 1 to 56 lower-case letters, digits or _, no digit and no pg_ first, and \
                    not information_schema";
        assert_eq!(lines, [format!("DB_SCHEMA is {schema:?}: {rule}")]);
    }
    for schema in ["user", "order", &"s".repeat(56)] {
        let config = read(&[("DB_SCHEMA", schema), ("DB_HOST", "db")]);
        assert_eq!(config.postgres.unwrap().schema, schema);
    }
}

const KEY: &str = "0b7e1d9a4c5f48f2a6d3e8b1c7f09a520b7e1d9a4c5f48f2a6d3e8b1c7f09a52";

const SECRETS: [(&str, &str); 3] =
    [("JWT_SECRET", STRONG), ("WAHA_WEBHOOK_SECRET", STRONG), ("ENCRYPTION_KEY", KEY)];

#[test]
fn any_part_asks_for_the_whole_and_the_rest_has_defaults() {
    let postgres =
        |vars: &[(&str, &str)]| read(vars).postgres.unwrap().url.expose_secret().to_owned();
    assert_eq!(
        postgres(&[("DB_PORT", "5433")]),
        "postgres://postgres@localhost:5433/messaging_api"
    );
    assert_eq!(
        postgres(&[("DB_HOST", "::1"), ("DB_USERNAME", "a b"), ("DB_PASSWORD", "p@ss/word:")]),
        "postgres://a%20b:p%40ss%2Fword%3A@[::1]:5432/messaging_api"
    );
    assert_eq!(
        postgres(&[("DATABASE_URL", "postgres://db/x"), ("DB_HOST", "other")]),
        "postgres://db/x"
    );

    let redis = |vars: &[(&str, &str)]| {
        let redis = read(vars).redis.unwrap();
        let urls: Vec<_> = redis.urls.iter().map(|url| url.expose_secret().to_owned()).collect();
        (urls.join(" "), redis.cluster)
    };
    assert_eq!(
        redis(&[("REDIS_PASSWORD", "a/b")]),
        ("redis://:a%2Fb@localhost:6379".into(), false)
    );
    assert_eq!(
        redis(&[("REDIS_HOST", "r"), ("REDIS_CLUSTER", "true")]),
        ("redis://r:6379".into(), true)
    );
    assert_eq!(
        redis(&[("REDIS_URL", "redis://a, rediss://b:1")]),
        ("redis://a rediss://b:1".into(), true)
    );
}

#[test]
fn nodes_that_share_a_store_need_the_same_secrets() {
    let lines = unusable(&[("DB_HOST", "db")]);
    assert!(lines[0].starts_with("JWT_SECRET is not set: expected the same secret on every node"));
    assert!(lines[1].starts_with("WAHA_WEBHOOK_SECRET is not set"), "{lines:?}");
    assert!(lines[2].starts_with("ENCRYPTION_KEY is not set: expected the same key on every node"));
    let plain = [("DB_HOST", "db"), ("ENCRYPTION", "plain"), SECRETS[0], SECRETS[1]];
    read(&plain).check_usable().unwrap();
    read(&[&[("DB_HOST", "db")], &SECRETS[..]].concat()).check_usable().unwrap();
}

#[test]
fn a_node_that_does_only_a_part_needs_what_the_others_share() {
    let with = |vars: &[(&'static str, &'static str)]| [vars, &SECRETS].concat();
    let (db, redis) = (("DB_HOST", "db"), ("REDIS_HOST", "redis"));
    for role in ["api", "worker"] {
        for vars in [vec![], vec![db], vec![redis]] {
            let lines = unusable(&with(&[&vars[..], &[("ROLE", role)]].concat()));
            assert!(lines[0].starts_with(&format!("ROLE is {role}: expected all, or PostgreSQL")));
        }
        read(&with(&[db, redis, ("ROLE", role)])).check_usable().unwrap();
    }
}

#[test]
fn a_key_is_drawn_rather_than_typed_and_never_shown() {
    assert_eq!(read(&[]).encryption.mode, Mode::Words);
    let given =
        [("ENCRYPTION", "Numbers"), ("ENCRYPTION_KEY", KEY), ("ENCRYPTION_PREVIOUS_KEYS", KEY)];
    let config = read(&given);
    assert_eq!(config.encryption.mode, Mode::Numbers);
    assert!(!format!("{config:?}").contains(KEY));
    let shown = effective(&given.map(|(name, value)| (name.into(), value.into())).into());
    assert!(!shown.contains(KEY) && shown.contains("ENCRYPTION_KEY=(set)"), "{shown}");
    for typed in ["hunter2-hunter2", &KEY[1..], &"0".repeat(64)] {
        let lines = refused(&[("ENCRYPTION_KEY", typed)]);
        assert!(
            lines[0].starts_with("ENCRYPTION_KEY holds something else (not shown): expected 32")
        );
    }
    assert_eq!(refused(&[("ENCRYPTION", "yes")]).len(), 1);
}

#[test]
fn where_it_listens_is_where_waha_reaches_it_unless_told_otherwise() {
    let at = |address: &str| read(&[]).listening_on(address.parse().unwrap()).public_url.unwrap();
    assert_eq!(at("127.0.0.1:9001"), "http://127.0.0.1:9001");
    assert_eq!(at("[::1]:9001"), "http://[::1]:9001");
    assert_eq!(at("0.0.0.0:9001"), "http://localhost:9001");

    let told = read(&[("PUBLIC_URL", "https://gateway.example")]);
    let told = told.listening_on("0.0.0.0:80".parse().unwrap());
    assert_eq!(told.public_url.unwrap(), "https://gateway.example");
}

#[test]
fn access_and_refresh_tokens_are_not_signed_alike() {
    let with = |refresh| {
        let secrets = [("JWT_SECRET", STRONG), ("JWT_REFRESH_SECRET", refresh)];
        read(&secrets).check_usable().map_err(|error| error.to_string())
    };
    assert!(with(STRONG).unwrap_err().contains("JWT_REFRESH_SECRET is the same as JWT_SECRET"));
    with("another secret of thirty-two bytes, and more").unwrap();
}

const ISSUER: (&str, &str) = ("OIDC_ISSUER", "https://id.example.com/realms/main/");
const AUDIENCE: (&str, &str) = ("OIDC_AUDIENCE", "gateway, urn:gateway");

#[test]
fn an_identity_provider_is_asked_for_as_a_whole_or_not_at_all() {
    assert_eq!(read(&[]).identity_provider, None);
    assert_eq!(read(&[("OIDC_ROLE_CLAIM", "roles")]).identity_provider, None);
    let config = read(&[ISSUER, AUDIENCE]).identity_provider.unwrap();
    // Auth0's ends in a slash, which tokens have, too.
    assert_eq!(config.rules.issuer, ISSUER.1);
    assert_eq!(config.rules.audiences, ["gateway", "urn:gateway"]);
    assert_eq!((config.rules.tenant.as_str(), config.rules.role.as_str()), ("tenant", "role"));
    assert!(!config.rules.platform_admin);
    let place = KeysPlace::Discovered { issuer: ISSUER.1.to_owned(), plain: false };
    assert_eq!(config.place, place);
    let url = ("OIDC_JWKS_URL", "https://id.example.com/keys?p=a");
    let config = read(&[ISSUER, AUDIENCE, url]).identity_provider.unwrap();
    assert_eq!(config.place, KeysPlace::Url { url: url.1.to_owned(), plain: false });

    let file = ("OIDC_JWKS_FILE", "/etc/keys.json");
    for (given, missing) in [
        (vec![ISSUER], vec!["OIDC_AUDIENCE"]),
        (vec![AUDIENCE], vec!["OIDC_ISSUER"]),
        (vec![url], vec!["OIDC_ISSUER", "OIDC_AUDIENCE"]),
        (vec![file, ISSUER], vec!["OIDC_AUDIENCE"]),
    ] {
        let lines = refused(&given);
        let named: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(named, missing, "{given:?}");
        assert!(lines.iter().all(|line| line.contains("is not set: expected")), "{lines:?}");
    }
    let lines = refused(&[ISSUER, AUDIENCE, url, file]);
    let both = "OIDC_JWKS_URL and OIDC_JWKS_FILE are both set: expected only one of them";
    assert_eq!(lines, [both]);
    let lines = refused(&[("OIDC_ISSUER", "accounts.example.com"), AUDIENCE]);
    assert!(lines[0].starts_with("OIDC_JWKS_URL is not set: expected it, or"), "{lines:?}");
    assert!(
        read(&[("OIDC_ISSUER", "accounts.example.com"), AUDIENCE, file])
            .identity_provider
            .is_some()
    );
}

#[test]
fn how_a_providers_tokens_are_signed_is_pinned_and_never_by_a_secret() {
    let with = |vars: &[(&'static str, &'static str)]| [vars, &[ISSUER, AUDIENCE]].concat();
    let algorithms = |vars: &[(&'static str, &'static str)]| {
        let algorithms = read(&with(vars)).identity_provider.unwrap().algorithms;
        algorithms.iter().map(|each| format!("{each:?}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(algorithms(&[]), "RS256 ES256 EdDSA");
    assert_eq!(algorithms(&[("OIDC_ALGORITHMS", "PS256, ES384")]), "PS256 ES384");
    for wrong in ["HS256", "RS256,HS256", "none", "RS256,none", "rs256", "", ",", "RS256,"] {
        let vars = with(&[("OIDC_ALGORITHMS", wrong)]);
        if wrong.is_empty() {
            assert_eq!(algorithms(&[("OIDC_ALGORITHMS", "")]), "RS256 ES256 EdDSA");
            continue;
        }
        assert!(refused(&vars)[0].starts_with("OIDC_ALGORITHMS is"), "{wrong}");
    }
    for (name, wrong) in [
        ("OIDC_LEEWAY", "61s"),
        ("OIDC_KEYS_REFRESH", "9s"),
        ("OIDC_KEYS_REFRESH", "25h"),
        ("OIDC_TENANT_CLAIM", "two words"),
        ("OIDC_JWKS_URL", "file:///etc/passwd"),
        ("OIDC_JWKS_URL", "https://me:hunter2@id.example.com/keys"),
        ("OIDC_ISSUER", "messaging-server"),
    ] {
        let vars: Vec<_> = with(&[]).into_iter().filter(|(each, _)| *each != name).collect();
        let lines = refused(&[&vars[..], &[(name, wrong)]].concat());
        assert!(lines[0].starts_with(name) && !lines[0].contains("hunter2"), "{lines:?}");
    }
    let lines = refused(&with(&[("OIDC_KEYS_KEPT", "5m")]));
    assert!(lines[0].starts_with("OIDC_KEYS_KEPT is shorter than OIDC_KEYS_REFRESH"), "{lines:?}");
}

#[test]
fn keys_are_not_fetched_from_afar_without_encryption_unless_somebody_says_so() {
    let plain = ("OIDC_ISSUER", "http://keycloak:8080/realms/main");
    let url = ("OIDC_JWKS_URL", "http://keycloak:8080/keys");
    assert!(refused(&[plain, AUDIENCE])[0].starts_with("OIDC_ISSUER is not encrypted"));
    assert!(refused(&[ISSUER, AUDIENCE, url])[0].starts_with("OIDC_JWKS_URL is not encrypted"));
    let allowed = ("OIDC_ALLOW_HTTP", "true");
    assert!(read(&[plain, AUDIENCE, allowed]).identity_provider.is_some());
    assert!(read(&[ISSUER, AUDIENCE, url, allowed]).identity_provider.is_some());
    let here = ("OIDC_JWKS_URL", "http://127.0.0.1:8080/keys");
    assert!(read(&[ISSUER, AUDIENCE, here]).identity_provider.is_some());
}
