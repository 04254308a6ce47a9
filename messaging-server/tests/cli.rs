//! Every command of the real binary: what it prints, where, and what it leaves with.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "command/mod.rs"]
mod command;

use std::fs;
use std::time::Duration;

use command::{Outcome, Place};
use messaging_core::domain::audit::Chain;
use messaging_core::domain::id::MessageId;
use messaging_core::domain::status::Status;
use messaging_core::ports::audit_log::AuditLog;
use messaging_core::ports::message_store::MessageStore;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Value, json};
use test_services::damage;
use waha_client::simulator::{Latency, SeededSession, Simulator, SimulatorConfig};

/// A command that fails says why in one place, and prints no result.
#[track_caller]
fn check_failure(outcome: &Outcome, code: i32, said: &str) {
    assert_eq!(outcome.code, Some(code), "{outcome:?}");
    assert_eq!(outcome.out, "");
    assert!(outcome.err.contains(said), "no {said:?} in {}", outcome.err);
}

#[tokio::test]
async fn a_wrong_command_line_is_told_from_a_failure() {
    let place = Place::new();
    check_failure(&place.run(&["send"]).await, 2, "unrecognized subcommand");
    let outcome = place.run(&["token", "--tenant", "acme", "--role", "god"]).await;
    check_failure(&outcome, 2, "must be one of platform-admin, owner");
    let outcome = place.run(&["token", "--tenant", "acme", "--role", "owner", "--ttl", "x"]).await;
    check_failure(&outcome, 2, "expected a time from 1ms to 366d");
    let outcome = place.run(&["token", "--tenant", "acme", "--role", "owner"]).await;
    check_failure(&outcome, 1, "error: there is no such tenant");
}

#[tokio::test]
async fn the_openapi_document_is_printed() {
    let outcome = Place::new().run(&["openapi"]).await;
    let document: Value = serde_json::from_str(&outcome.out).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert_eq!(outcome.err, "");
}

#[tokio::test]
async fn a_tenant_is_made_listed_and_given_tokens_without_a_server() {
    let place = Place::new();
    let id = place.line(&["tenant", "create", "acme"]).await;
    assert_eq!(id.len(), 36);
    let taken = place.run(&["tenant", "create", "acme"]).await;
    check_failure(&taken, 1, "error: the tenant name is taken");
    check_failure(&place.run(&["tenant", "create", " "]).await, 1, "the name must have 1 to 100");
    assert_eq!(place.line(&["tenant", "list"]).await, format!("{id}  acme"));
    for (choice, shown) in [("resend", "  on-unknown=resend"), ("dead-letter", "")] {
        let outcome = place.run(&["tenant", "set", "acme", "--on-unknown", choice]).await;
        assert_eq!((outcome.code, &*outcome.out), (Some(0), ""));
        assert_eq!(place.line(&["tenant", "list"]).await, format!("{id}  acme{shown}"));
    }
    let wrong = place.run(&["tenant", "set", "acme", "--on-unknown", "forget"]).await;
    check_failure(&wrong, 2, "must be one of dead-letter, resend");
    let nobody = place.run(&["tenant", "set", "nobody", "--on-unknown", "resend"]).await;
    check_failure(&nobody, 1, "error: there is no such tenant");
    for tenant in [id.as_str(), "acme"] {
        let token = place.line(&["token", "--tenant", tenant, "--role", "viewer"]).await;
        assert_eq!(token.split('.').count(), 3);
    }
}

#[tokio::test]
async fn tenants_and_tokens_are_made_beside_a_running_server() {
    let place = Place::new();
    let mut server = place.start(&[]);
    let base = server.address().await;
    place.line(&["tenant", "create", "acme"]).await;
    let token = place.line(&["token", "--tenant", "acme", "--role", "owner", "--ttl", "1h"]).await;
    let client = reqwest::Client::new();
    let sessions = || client.get(format!("{base}/sessions"));
    assert_eq!(sessions().send().await.unwrap().status(), 401);
    assert_eq!(sessions().bearer_auth(token).send().await.unwrap().status(), 200);
    server.signal("TERM").await;
    assert_eq!(server.left().await, Some(0));
}

#[tokio::test]
async fn a_server_counts_what_it_is_asked_by_route() {
    let place = Place::new().with("METRICS_TOKEN", "a-token-for-the-scraper");
    let mut server = place.start(&["serve"]);
    let base = server.address().await;
    let client = reqwest::Client::new();
    let get = |path: &str| client.get(format!("{base}{path}"));
    for _ in 0..2 {
        assert_eq!(get("/health/live").send().await.unwrap().status(), 200);
        let message = get("/messages/01a2077b-5f64-70e9-a74e-297552ef173e");
        assert_eq!(message.send().await.unwrap().status(), 401);
    }
    assert_eq!(get("/metrics").send().await.unwrap().status(), 401);
    let scraped = get("/metrics").bearer_auth("a-token-for-the-scraper").send().await.unwrap();
    let text = scraped.text().await.unwrap();
    let line = r#"messaging_http_requests_total{method="GET",route="/health/live",status="200"} 2"#;
    assert!(text.lines().any(|each| each == line), "no {line} in {text}");
    assert!(!text.contains("01a2077b"), "an id has become a label");
}

#[tokio::test]
async fn a_configuration_that_is_wrong_stops_the_start_with_every_reason() {
    let place = Place::new().with("LOG_FORMAT", "xml").with("SESSION_RATE_WINDOW", "soon");
    let outcome = place.run(&["serve"]).await;
    check_failure(&outcome, 1, "error: SESSION_RATE_WINDOW is \"soon\"");
    check_failure(&outcome, 1, "\nLOG_FORMAT is \"xml\": expected pretty or json");
    assert!(!place.dir.path().join("data").exists(), "nothing may come into being before");
}

#[tokio::test]
async fn what_cannot_be_reached_at_the_start_ends_it_for_a_supervisor_to_try_again() {
    let secret = "0b7e1d9a4c5f48f2a6d3e8b1c7f09a52";
    let place = || {
        let place = Place::new().with("JWT_SECRET", secret).with("WAHA_WEBHOOK_SECRET", secret);
        place.with("ENCRYPTION_KEY", &secret.repeat(2))
    };
    let postgres = place().with("DATABASE_URL", "postgres://me:hunter2@127.0.0.1:1/messages");
    let redis = place().with("REDIS_URL", "redis://:hunter2@127.0.0.1:1");
    for (place, said) in
        [(postgres, "PostgreSQL cannot be reached"), (redis, "Redis cannot be reached")]
    {
        let outcome = place.run(&["serve"]).await;
        check_failure(&outcome, 1, said);
        assert!(!outcome.err.contains("hunter2"), "{outcome:?}");
    }
}

#[tokio::test]
async fn placeholders_stop_the_start_before_anything_is_made() {
    let place = Place::new().with("JWT_SECRET", "your-jwt-secret");
    check_failure(&place.run(&[]).await, 1, "JWT_SECRET holds a placeholder");
    check_failure(&place.run(&["migrate"]).await, 1, "JWT_SECRET holds a placeholder");
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let outcome = Place::new().with("PORT", &port).run(&["serve"]).await;
    check_failure(&outcome, 1, &format!("error: cannot listen on 127.0.0.1:{port}"));
    check_failure(&outcome, 1, "in use");
}

#[tokio::test]
async fn the_store_is_migrated_once() {
    let place = Place::new();
    let first = place.line(&["migrate"]).await;
    assert!(first.starts_with("./data/messaging.db was brought from version 0 to "));
    assert!(place.line(&["migrate"]).await.starts_with("./data/messaging.db is at version"));
}

#[tokio::test]
async fn the_file_beside_it_is_read_and_the_environment_wins() {
    let place = Place::new().with("SESSION_RATE_LIMIT", "7");
    let file = "SESSION_RATE_LIMIT=5\nRETRY_ATTEMPTS=3\nMETRICS_TOKEN=hunter2\n";
    fs::write(place.dir.path().join(".env"), file).unwrap();
    let outcome = place.run(&["config", "print"]).await;
    for line in ["SESSION_RATE_LIMIT=7", "RETRY_ATTEMPTS=3", "METRICS_TOKEN=(set)", "PORT=0"] {
        assert!(outcome.out.lines().any(|each| each == line), "no {line} in {}", outcome.out);
    }
    assert!(!outcome.out.contains("hunter2"));
    assert_eq!(place.line(&["config", "check"]).await, "the configuration can be used");
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_kept_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.line(&["tenant", "create", "acme"]).await;
    let mode = |name: &str| {
        let path = place.dir.path().join(name);
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode("data"), 0o700);
    assert_eq!((mode("data/jwt_secret"), mode("data/webhook_secret")), (0o600, 0o600));
    let secret = place.dir.path().join("data/jwt_secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
    let outcome = place.run(&["token", "--tenant", "acme", "--role", "owner"]).await;
    check_failure(&outcome, 1, "jwt_secret can be read by others than its owner (mode 640)");
}

#[tokio::test]
async fn log_lines_for_machines_are_json_and_hold_no_secret() {
    let secret = "0b7e1d9a4c5f48f2a6d3e8b1c7f09a52";
    let place = Place::new().with("LOG_FORMAT", "json").with("JWT_SECRET", secret);
    let mut server = place.start(&["serve"]);
    let line = server.logged("serving http://").await;
    let fields: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&fields["level"], &fields["storage"]),
        (&json!("INFO"), &json!("the embedded store"))
    );
    assert!(!line.contains(secret));
    server.signal("INT").await;
    server.logged("stopped").await;
    assert_eq!(server.left().await, Some(0));
}

#[tokio::test]
async fn a_simulator_runs_by_itself() {
    let place = Place::new();
    let mut simulator = place.start(&["waha-sim", "--port", "0", "--session", "main"]);
    let base = simulator.printed("http://127.0.0.1:").await;
    let sessions = reqwest::Client::new().get(format!("{base}/api/sessions"));
    let sessions = sessions.header("x-api-key", "simulator").send().await.unwrap();
    let sessions: Value = sessions.json().await.unwrap();
    assert_eq!((&sessions[0]["name"], &sessions[0]["status"]), (&json!("main"), &json!("WORKING")));
    simulator.signal("TERM").await;
    assert_eq!(simulator.left().await, Some(0));
}

/// A server with a message that WAHA takes this long to accept, on its way.
async fn sending(latency: Duration) -> (Place, command::Running, Simulator, MessageId) {
    let mut config = SimulatorConfig::default().with_session(SeededSession::working("main"));
    config.knobs.latency = Latency::fixed(latency);
    let simulator = Simulator::start(config).await.unwrap();
    let place = Place::new()
        .with("WAHA_BASE_URL", simulator.base_url())
        .with("WAHA_API_KEY", waha_client::simulator::DEFAULT_API_KEY);
    place.line(&["tenant", "create", "acme"]).await;
    let token = place.line(&["token", "--tenant", "acme", "--role", "owner"]).await;
    let mut server = place.start(&["serve"]);
    let base = server.address().await;
    let client = reqwest::Client::new();
    let post = |path: &str, body: Value| {
        client.post(format!("{base}{path}")).bearer_auth(&token).json(&body).send()
    };
    let session = json!({"name": "main", "wahaSession": "main", "adopt": true});
    assert_eq!(post("/sessions", session).await.unwrap().status(), 201);
    let message = json!({"sessionId": "main", "to": "+12025550123", "body": "hello"});
    let sent = post("/messages/send", message).await.unwrap();
    assert_eq!(sent.status(), 202);
    let sent: Value = sent.json().await.unwrap();
    let arrived = async {
        while simulator.arrival_count() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), arrived).await.expect("WAHA is called");
    (place, server, simulator, sent["id"].as_str().unwrap().parse().unwrap())
}

async fn status(place: &Place, message: MessageId) -> Status {
    let file = place.dir.path().join("data/messaging.db");
    let store = SqliteStore::open(file, SqliteOptions::default()).unwrap();
    let found = store.load(&[message]).await.unwrap();
    store.close().await;
    found[0].status
}

#[tokio::test]
async fn a_stop_waits_for_a_message_that_is_being_sent() {
    let (place, mut server, simulator, message) = sending(Duration::from_secs(1)).await;
    server.signal("TERM").await;
    server.logged("stopping").await;
    server.logged("stopped").await;
    assert_eq!(server.left().await, Some(0));
    assert_eq!(status(&place, message).await, Status::Sent);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let (place, mut server, simulator, message) = sending(Duration::from_secs(600)).await;
    server.signal("INT").await;
    server.logged("stopping").await;
    server.signal("INT").await;
    assert_eq!(server.left().await, Some(130));
    assert_eq!(status(&place, message).await, Status::Sending);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_stop_has_a_limit() {
    let (place, server, simulator, message) = sending(Duration::from_secs(600)).await;
    drop(server);
    let place = place.with("SHUTDOWN_TIMEOUT", "100ms");
    let mut server = place.start(&["serve"]);
    server.address().await;
    let arrivals = simulator.arrival_count();
    assert_eq!(arrivals, 1, "what may have gone out is looked for before it is repeated");
    server.signal("TERM").await;
    assert_eq!(server.left().await, Some(0));
    assert!(!status(&place, message).await.is_final());
    simulator.shutdown().await;
}

#[tokio::test]
async fn the_audit_log_tells_of_commands_and_shows_what_somebody_did_to_it() {
    let place = Place::new();
    let id = place.line(&["tenant", "create", "acme"]).await;
    place.line(&["token", "--tenant", "acme", "--role", "owner"]).await;
    place.run(&["tenant", "set", "acme", "--on-unknown", "resend"]).await;
    let outcome = place.run(&["audit", "verify"]).await;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let lines: Vec<_> = outcome.out.lines().collect();
    assert!(lines[0].starts_with("platform  whole  entries=2  head=2:"), "{outcome:?}");
    assert!(lines[1].starts_with(&format!("{id}  whole  entries=3  head=3:")), "{outcome:?}");
    let head = lines[1].split("head=").nth(1).unwrap();
    let expect = ["audit", "verify", "--tenant", "acme", "--expect", head];
    assert_eq!(place.run(&expect).await.code, Some(0));
    check_failure(&place.run(&["audit", "verify", "--expect", head]).await, 1, "needs --tenant");
    check_failure(&place.run(&["audit", "verify", "--expect", "x"]).await, 2, "64 hexadecimal");

    // Another end than the one that was kept elsewhere.
    let other = format!("2:{}", "0".repeat(64));
    let broken = place.run(&["audit", "verify", "--tenant", "acme", "--expect", &other]).await;
    assert_eq!(broken.code, Some(1));
    assert!(broken.out.contains(&format!("{id}  BROKEN")), "{broken:?}");
    assert!(broken.out.contains("entry 2 is not the one expected"), "{broken:?}");
    assert!(broken.err.contains("1 of these chains are broken"), "{broken:?}");
}

#[tokio::test]
async fn a_tenant_says_how_long_its_data_is_kept() {
    let place = Place::new();
    let id = place.line(&["tenant", "create", "acme"]).await;
    let set = ["tenant", "set", "acme"];
    let with = async |more: &[&str]| place.run(&[&set[..], more].concat()).await;
    assert_eq!(
        with(&["--retention-messages", "30d", "--retention-audit", "1d"]).await.code,
        Some(0)
    );
    let listed = place.line(&["tenant", "list"]).await;
    assert_eq!(listed, format!("{id}  acme  retention-messages=30days  retention-audit=1day"));
    assert_eq!(with(&["--retention-messages", "default"]).await.code, Some(0));
    assert_eq!(with(&["--retention-webhooks", "7d"]).await.code, Some(0));
    let listed = place.line(&["tenant", "list"]).await;
    assert_eq!(listed, format!("{id}  acme  retention-webhooks=7days  retention-audit=1day"));
    check_failure(
        &with(&["--retention-audit", "23h"]).await,
        2,
        "expected default, or a time from 1d",
    );
    check_failure(&with(&[]).await, 2, "required");
}

#[tokio::test]
async fn an_api_key_is_made_on_the_command_line() {
    let place = Place::new();
    place.line(&["tenant", "create", "acme"]).await;
    let make = ["api-key", "create", "--tenant", "acme", "--role", "sender"];
    let keys = [place.line(&make).await, place.line(&make).await];
    assert_ne!(keys[0], keys[1]);
    assert!(keys.iter().all(|key| key.starts_with("msk_live_") && key.len() == 106), "{keys:?}");
    let brief = [&make[..], &["--expires-in", "90d", "--name", "shop"]].concat();
    place.line(&brief).await;
    let checked = place.line(&["audit", "verify", "--tenant", "acme"]).await;
    assert!(checked.contains("whole  entries=3 "), "{checked}");
    let unknown = ["api-key", "create", "--tenant", "nobody", "--role", "sender"];
    check_failure(&place.run(&unknown).await, 1, "error: there is no such tenant");
    // Beside the other secrets, and readable by its owner alone.
    let kept = |name: &str| fs::read_to_string(place.dir.path().join("data").join(name)).unwrap();
    assert_ne!(kept("jwt_secret"), kept("jwt_refresh_secret"));
}

/// Who removes or damages where a chain ends removes it from no look at all of them, nor the others.
#[tokio::test]
async fn a_chain_without_its_end_is_found_broken() {
    for damaged in ["DELETE FROM audit_chains", "UPDATE audit_chains SET seq = -1"] {
        for is_platforms in [false, true] {
            let place = Place::new();
            let id = place.line(&["tenant", "create", "acme"]).await;
            place.line(&["token", "--tenant", "acme", "--role", "owner"]).await;
            assert_eq!(place.run(&["audit", "verify"]).await.code, Some(0));
            let tenant = Chain::Tenant(id.parse().unwrap());
            let (chain, other) =
                if is_platforms { (Chain::Platform, tenant) } else { (tenant, Chain::Platform) };
            let file = place.dir.path().join("data/messaging.db");
            let damaged = format!("{damaged} WHERE chain = ?");
            assert_eq!(damage(&file, &damaged, chain.id().as_bytes()), 1);
            let outcome = place.run(&["audit", "verify"]).await;
            assert_eq!(outcome.code, Some(1), "{outcome:?}");
            for told in [format!("{chain}  BROKEN"), format!("{other}  whole")] {
                assert!(outcome.out.contains(&told), "{damaged}: {outcome:?}");
            }
        }
    }
}

/// Also where the tenant cannot let go of it: on the platform's chain.
#[tokio::test]
async fn what_was_set_and_what_was_before_stands_in_the_audit_log() {
    let place = Place::new();
    let id = place.line(&["tenant", "create", "acme"]).await;
    for more in [
        ["--retention-audit", "1d"],
        ["--retention-audit", "2d"],
        ["--on-unknown", "resend"],
        ["--on-unknown", "resend"],
        ["--pii", "mask"],
        ["--requests-per-minute", "5"],
        ["--retention-audit", "default"],
    ] {
        let outcome = place.run(&[&["tenant", "set", "acme"], &more[..]].concat()).await;
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }
    let expected = [
        "retention-audit: default -> 1day",
        "retention-audit: 1day -> 2days",
        "on-unknown: dead-letter -> resend",
        "pii: off -> mask",
        "requests-per-minute: default -> 5",
        "retention-audit: 2days -> default",
    ];
    let file = place.dir.path().join("data/messaging.db");
    let store = SqliteStore::open(file, SqliteOptions::default()).unwrap();
    for (chain, before) in
        [(Chain::Platform, format!("{id} ")), (Chain::Tenant(id.parse().unwrap()), String::new())]
    {
        let entries = store.walk(chain, 0, 99).await.unwrap();
        let set = entries
            .iter()
            .filter(|entry| entry.event.target_kind.as_deref() == Some("tenant-setting"));
        let told: Vec<_> = set.map(|entry| entry.event.target.clone().unwrap()).collect();
        assert_eq!(told, expected.map(|text| format!("{before}{text}")));
    }
    store.close().await;
}
