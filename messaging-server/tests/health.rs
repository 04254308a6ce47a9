//! Health and metrics over HTTP, without a token.

mod harness;

use std::sync::Arc;
use std::time::Duration;

use harness::{Answer, Harness, request};
use messaging_core::conformance::build::{at, session_id};
use messaging_core::domain::session::SessionHealth;
use messaging_core::ports::message_store::MockMessageStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::store_error::StoreError;

async fn get(api: &Harness, path: &str) -> Answer {
    api.call(request("GET", path, None, None)).await
}

#[track_caller]
fn check(answer: &Answer, status: u16, health: &str) {
    assert_eq!(answer.header("content-type"), Some("application/health+json"));
    assert_eq!(answer.expect(status)["status"], health);
}

#[tokio::test]
async fn all_is_well() {
    let api = Harness::new().await;
    for path in ["/health", "/health/live", "/health/ready"] {
        check(&get(&api, path).await, 200, "pass");
    }
    let health = get(&api, "/health").await.json();
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["checks"]["store:responseTime"][0]["status"], "pass");
    assert_eq!(health["checks"]["queue:depth"][0]["observedValue"], 0);
}

#[tokio::test]
async fn without_waha_there_is_a_warning_that_names_it() {
    let api = Harness::new().await;
    api.waha.go_down();
    let answer = get(&api, "/health").await;
    check(&answer, 200, "warn");
    let health = answer.json();
    assert!(health["output"].as_str().unwrap().contains("WAHA does not answer: waha"));
    let waha = &health["checks"]["waha:responseTime"][0];
    assert_eq!((&waha["componentId"], &waha["status"]), (&"waha".into(), &"warn".into()));
    check(&get(&api, "/health/ready").await, 200, "pass");
    check(&get(&api, "/health/live").await, 200, "pass");
}

/// Anybody may ask, and as often as they like.
#[tokio::test]
async fn waha_is_not_asked_anew_within_a_second() {
    let api = Harness::new().await;
    check(&get(&api, "/health").await, 200, "pass");
    api.waha.go_down();
    api.clock.advance(Duration::from_millis(999));
    check(&get(&api, "/health").await, 200, "pass");
    api.clock.advance(Duration::from_millis(1));
    check(&get(&api, "/health").await, 200, "warn");
}

#[tokio::test]
async fn a_session_that_is_connected_and_does_nothing_is_a_warning_and_says_so_itself() {
    let api = Harness::new().await;
    let main = api.get("/sessions/main").await.expect(200);
    assert_eq!((&main["health"], main.get("healthSince")), (&"ok".into(), None));
    let deaf = SessionHealth::Deaf;
    assert!(api.store.record_health(session_id(1), deaf, at(5000)).await.is_ok_and(|it| it));
    let main = api.get("/sessions/main").await.expect(200);
    assert_eq!(main["health"], "deaf");
    assert_eq!(main["healthSince"], "2026-01-01T00:00:05Z");
    let answer = get(&api, "/health").await;
    check(&answer, 200, "warn");
    let health = answer.json();
    assert!(health["output"].as_str().is_some_and(|output| output.ends_with(": 1 deaf")));
    let ailing = &health["checks"]["sessions:ailing"];
    let shown = |n: usize| (&ailing[n]["componentId"], &ailing[n]["observedValue"]);
    assert_eq!(shown(0), (&"silent".into(), &0.into()));
    assert_eq!(shown(1), (&"deaf".into(), &1.into()));
}

#[tokio::test]
async fn without_a_store_the_process_lives_and_is_not_ready() {
    let mut store = MockMessageStore::new();
    store.expect_ping().returning(|| Err(StoreError::unavailable("gone")));
    let api = Harness::with(|parts| parts.ports.messages = Arc::new(store)).await;
    for path in ["/health", "/health/ready"] {
        let answer = get(&api, path).await;
        check(&answer, 503, "fail");
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
    check(&get(&api, "/health/live").await, 200, "pass");
}

#[tokio::test]
async fn metrics_are_open_unless_a_token_is_set() {
    let api = Harness::new().await;
    let answer = get(&api, "/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, b"a_metric 1\n");
    let kind = answer.header("content-type").unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");

    let set = |parts: &mut harness::Parts| parts.metrics_token = Some("hush".to_owned().into());
    let api = Harness::with(set).await;
    get(&api, "/metrics").await.refused(401, "unauthenticated");
    let wrong = api.call(request("GET", "/metrics", Some("hus"), None)).await;
    wrong.refused(401, "invalid-token");
    let right = api.call(request("GET", "/metrics", Some("hush"), None)).await;
    assert_eq!(right.status, 200);
}
