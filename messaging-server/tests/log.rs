//! What the log tells of requests. Alone in its process: what is listened to is remembered by all
//! threads of one.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::sync::{Arc, Mutex};

use harness::{Harness, request};
use messaging_core::conformance::build::tenant_id;
use messaging_core::domain::tenant::Role;

/// Where lines of the log go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_of_a_request_and_nothing_of_what_it_says() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let api = Harness::new().await;
    let token = api.token(1, Role::Owner);
    let mut asked = request("GET", "/messages?search=%2B5511988887777", Some(&token), None);
    asked.headers_mut().insert("x-request-id", "request-7".parse().unwrap());
    api.call(asked).await.expect(200);
    let body = serde_json::json!({ "sessionId": "main", "to": "+5511988887777", "body": "hush" });
    api.post("/messages/send", body).await.expect(202);
    api.get("/+5511988887777").await.refused(404, "not-found");

    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let line = log.lines().find(|line| line.contains("request-7")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let span = &line["span"];
    assert_eq!(span["http.route"], "/messages");
    assert_eq!(span["http.method"], "GET");
    assert_eq!(span["http.status"], 200);
    assert_eq!(span["tenant.id"], tenant_id(1).to_string());
    assert!(line["fields"]["duration_ms"].is_number());
    for secret in ["5511988887777", "hush", &token] {
        assert!(!log.contains(secret), "{log}");
    }
}
