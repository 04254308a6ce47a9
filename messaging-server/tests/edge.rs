//! What stands before the API: who calls, from where webhooks are taken, whose pages may ask.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;

use std::net::SocketAddr;

use harness::{Harness, main_session, request, sign};
use messaging_core::conformance::build::tenant_id;
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::tenant::Role;
use messaging_server::api::cors::Origins;
use messaging_server::api::source::{Proxies, ProxyHeader};
use poem::http::Method;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Request, RequestParts};
use serde_json::json;

fn event() -> String {
    json!({
        "id": "evt_1", "event": "message.any", "session": "waha-1",
        "payload": { "id": "false_5511988887777@c.us_3EB0", "from": "5511988887777@c.us",
            "body": "Hi", "timestamp": 1_767_225_600, "fromMe": false, "hasMedia": false }
    })
    .to_string()
}

fn webhook_from(peer: &str, forwarded: &[&str], body: String) -> Request {
    let mut request = poem::http::Request::builder()
        .method(Method::POST)
        .uri("/webhooks/waha")
        .header("X-Waha-Signature", sign(body.as_bytes()));
    for each in forwarded {
        request = request.header("X-Forwarded-For", *each);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let peer: SocketAddr = format!("{peer}:4711").parse().unwrap();
    let peer = RemoteAddr(poem::Addr::from(peer));
    let parts = RequestParts::from((parts, LocalAddr::default(), peer, Scheme::HTTP));
    Request::from_parts(parts, body.into())
}

async fn guarded() -> Harness {
    Harness::with(|parts| {
        parts.edge.webhook_sources = Some("203.0.113.0/24, 2001:db8::/32".parse().unwrap());
        parts.edge.proxies =
            Proxies { trusted: "10.0.0.0/8".parse().unwrap(), header: ProxyHeader::XForwardedFor };
    })
    .await
}

#[tokio::test]
async fn webhooks_are_taken_from_where_they_are_to_come_alone() {
    let api = guarded().await;
    for (peer, forwarded) in [
        ("203.0.113.7", vec![]),
        ("[2001:db8::7]", vec![]),
        ("[::ffff:203.0.113.7]", vec![]),
        ("10.0.0.1", vec!["203.0.113.7"]),
        ("10.0.0.1", vec!["198.51.100.1, 203.0.113.7", "10.0.0.2"]),
    ] {
        let answer = api.call(webhook_from(peer, &forwarded, event())).await;
        answer.expect(200);
    }
    for (peer, forwarded) in [
        ("198.51.100.1", vec![]),
        // Whoever is no proxy says what it likes.
        ("198.51.100.1", vec!["203.0.113.7"]),
        // What the client wrote stands left of what the proxy did.
        ("10.0.0.1", vec!["203.0.113.7, 198.51.100.1"]),
        ("10.0.0.1", vec!["203.0.113.7", "198.51.100.1"]),
        ("10.0.0.1", vec!["203.0.113.7, unknown"]),
        ("10.0.0.1", vec![]),
    ] {
        let answer = api.call(webhook_from(peer, &forwarded, event())).await;
        answer.refused(403, "source-not-allowed");
    }
    // Of a request whose peer nobody knows, nothing is.
    api.webhook("/webhooks/waha", &event()).await.refused(403, "source-not-allowed");
}

#[tokio::test]
async fn what_comes_from_elsewhere_is_not_even_read() {
    let api = guarded().await;
    let body = "x".repeat(64 * 1024 * 1024);
    let answer = api.call(webhook_from("198.51.100.1", &[], body)).await;
    answer.refused(403, "source-not-allowed");
}

#[tokio::test]
async fn sources_are_counted_by_who_calls_and_not_by_the_proxy() {
    let api = Harness::with(|parts| {
        parts.settings.webhook_quota.limit = 1;
        parts.edge.proxies.trusted = "10.0.0.0/8".parse().unwrap();
    })
    .await;
    for client in ["203.0.113.7", "203.0.113.8"] {
        api.call(webhook_from("10.0.0.1", &[client], event())).await.expect(200);
        let again = api.call(webhook_from("10.0.0.1", &[client], event())).await;
        again.refused(429, "rate-limited");
        // A forged entry makes nobody another.
        let forged = format!("192.0.2.1, {client}");
        let again = api.call(webhook_from("10.0.0.1", &[&forged], event())).await;
        again.refused(429, "rate-limited");
    }
}

#[tokio::test]
async fn one_session_has_only_so_many_webhooks() {
    let api = Harness::with(|parts| parts.settings.session_webhook_quota.limit = 1).await;
    api.webhook("/webhooks/waha", &event()).await.expect(200);
    let answer = api.webhook("/webhooks/waha", &event()).await;
    answer.refused(429, "rate-limited");
    assert_eq!(answer.header("ratelimit-policy"), Some("\"session\";q=1;w=60"));
}

fn asking(origin: &str, preflight: bool) -> Request {
    let method = if preflight { "OPTIONS" } else { "GET" };
    let mut asked = request(method, "/health/live", None, None);
    asked.headers_mut().insert("origin", origin.parse().unwrap());
    if preflight {
        asked.headers_mut().insert("access-control-request-method", "POST".parse().unwrap());
    }
    asked
}

#[tokio::test]
async fn nobodys_pages_may_ask_unless_somebody_says_so() {
    let api = Harness::new().await;
    let answer = api.call(asking("https://app.example", false)).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    api.call(asking("https://app.example", true)).await.refused(405, "method-not-allowed");
}

#[tokio::test]
async fn pages_of_origins_that_are_named_may_ask() {
    let origins = Origins::parse("https://app.example, http://localhost:5173").unwrap();
    let api = Harness::with(|parts| parts.edge.origins = origins).await;
    let answer = api.call(asking("https://app.example", false)).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!(answer.header("vary"), Some("origin"));
    let answer = api.call(asking("http://localhost:5173", true)).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:5173"));
    assert!(answer.header("access-control-allow-headers").unwrap().contains("authorization"));
    for other in
        ["https://evil.example", "https://app.example.evil.example", "null", "http://app.example"]
    {
        for preflight in [false, true] {
            let answer = api.call(asking(other, preflight)).await;
            assert_eq!(answer.header("access-control-allow-origin"), None, "{other}");
            assert_eq!(answer.header("vary"), Some("origin"));
        }
    }
}

#[tokio::test]
async fn who_is_served_encrypted_is_told_to_stay_so() {
    let api = Harness::with(|parts| parts.edge.is_tls = true).await;
    let answer = api.get("/sessions").await;
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
    let api = Harness::new().await;
    assert_eq!(api.get("/sessions").await.header("strict-transport-security"), None);
}

#[tokio::test]
async fn a_files_address_leads_to_the_public_internet() {
    let api = Harness::new().await;
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:127.0.0.1]/",
        "http://localhost:3000/api/sessions",
        "http://2130706433/",
        "https://user:password@example.com/a.png",
    ] {
        let body = json!({ "sessionId": "main", "to": "+5511988887777",
            "media": { "kind": "image", "url": url } });
        let answer = api.post("/messages/send", body).await;
        answer.refused_field("media-url-not-allowed", "#/media/url");
    }
    let body = json!({ "sessionId": "main", "to": "+5511988887777",
        "media": { "kind": "document", "data": "aGVsbG8=", "filename": "../../etc/passwd" } });
    api.post("/messages/send", body).await.refused_field("invalid-request", "#/media/filename");
}

#[tokio::test]
async fn texts_that_deceive_are_refused_and_others_kept_byte_for_byte() {
    let api = Harness::new().await;
    for text in ["invoice\u{202E}fdp", "ring\u{7}", "hidden\u{E0041}"] {
        let body = json!({ "sessionId": "main", "to": "+5511988887777", "body": text });
        api.post("/messages/send", body).await.refused_field("invalid-request", "#/body");
    }
    let text = "می\u{200C}خواهم 👨\u{200D}👩\u{200D}👧 e\u{301} <b>'; DROP TABLE--\n\tשלום";
    let body = json!({ "sessionId": "main", "to": "+5511988887777", "body": text });
    let id = api.post("/messages/send", body).await.expect(202)["id"].clone();
    let path = format!("/messages/{}", id.as_str().unwrap());
    assert_eq!(api.get(&path).await.expect(200)["body"], text);
    let named = json!({ "name": "ac\u{200B}me" });
    api.post("/sessions", named).await.refused_field("invalid-request", "#/name");
}

#[tokio::test]
async fn personal_data_is_refused_by_kind_where_a_tenant_wants_none_sent() {
    let api = Harness::new().await;
    api.gateway.set_pii(tenant_id(1), PiiPolicy::Refuse).await.unwrap();
    let body =
        json!({ "sessionId": "main", "to": "+5511988887777", "body": "card 4111 1111 1111 1111" });
    let answer = api.post("/messages/send", body).await;
    let refused = answer.refused(422, "pii-refused");
    assert_eq!(refused["kinds"], json!(["card"]));
    assert!(!refused.to_string().contains("4111"));
}

#[tokio::test]
async fn a_secret_is_replaced_and_shown_to_nobody() {
    let api = Harness::with(|parts| {
        parts.settings.public_url = Some("http://gateway".to_owned());
    })
    .await;
    let made = api.post("/sessions", json!({ "name": "shop" })).await.expect(201);
    let rotated = api.ask("POST", "/sessions/shop/webhook-secret/rotate", None).await.expect(200);
    assert_eq!(rotated["id"], made["id"]);
    let shown = format!("{made}{rotated}").to_lowercase();
    assert!(!shown.contains("secret"), "{shown}");
    let path = format!("/sessions/{}/webhook-secret/rotate", main_session(1));
    let viewer = api.token(1, Role::Viewer);
    api.call(request("POST", &path, Some(&viewer), None)).await.refused(403, "forbidden");
}
