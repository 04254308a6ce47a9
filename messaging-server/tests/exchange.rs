//! What every request and answer have in common.

mod harness;

use std::sync::Arc;

use harness::{Harness, request};
use messaging_core::domain::filter::MessagePage;
use messaging_core::domain::tenant::Role;
use messaging_core::ports::message_store::MockMessageStore;
use messaging_core::ports::store_error::StoreError;
use messaging_server::api::problem::kind;

#[tokio::test]
async fn an_address_that_nothing_has_is_not_found() {
    let api = Harness::new().await;
    for path in ["/", "/nothing", "/messages/", "/messages/a/b/c", "/docs/x", "//messages", "/%00"]
    {
        let refused = api.get(path).await.refused(404, "not-found");
        assert_eq!(refused["instance"], path);
    }
    // Without a token too: there is nothing to tell.
    api.call(request("GET", "/nothing", None, None)).await.refused(404, "not-found");
}

#[tokio::test]
async fn a_method_that_is_not_taken_is_answered_with_those_that_are() {
    let api = Harness::new().await;
    for (method, path, allowed) in [
        ("GET", "/messages/send", "POST"),
        ("PUT", "/messages/5d3f", "GET, DELETE, HEAD"),
        ("POST", "/messages", "GET, HEAD"),
        ("GET", "/sessions/main/start", "POST"),
        ("PUT", "/sessions", "POST, GET, HEAD"),
        ("GET", "/webhooks/waha", "POST"),
        ("DELETE", "/health", "GET, HEAD"),
        ("BREW", "/health/live", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
    ] {
        let answer = api.call(request(method, path, None, None)).await;
        answer.refused(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
}

#[tokio::test]
async fn a_request_keeps_its_id_or_is_given_one() {
    let api = Harness::new().await;
    let token = api.token(1, Role::Owner);
    let with = |id: &str| {
        let mut asked = request("GET", "/sessions", Some(&token), None);
        asked.headers_mut().insert("x-request-id", id.parse().unwrap());
        asked
    };
    let long = "a".repeat(128);
    for id in ["abc-1_2.3:4", &long] {
        assert_eq!(api.call(with(id)).await.header("x-request-id"), Some(id));
    }
    let mut given = vec![];
    for id in ["", "a b", "<script>", "a\tb", "ü", &"a".repeat(129)] {
        let answer = api.call(with(id)).await;
        given.push(answer.header("x-request-id").unwrap().to_owned());
        assert_eq!(given.last().unwrap().len(), 36);
    }
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 6);
    let refused = api.call(request("GET", "/nothing", None, None)).await;
    assert!(refused.header("x-request-id").is_some());
}

#[tokio::test]
async fn a_panic_and_a_broken_store_are_answered_in_the_same_form() {
    let mut store = MockMessageStore::new();
    store.expect_find().returning(|_, _| panic!("a secret that must not be told"));
    store
        .expect_insert_distinct()
        .returning(|_| Err(StoreError::unavailable("database is locked")));
    // A send looks first at what its session accepted of late.
    let empty = || MessagePage { messages: Vec::new(), total: 0, has_more: false };
    store.expect_list().returning(move |_, filter, _| match filter.session {
        Some(_) => Ok(empty()),
        None => Err(StoreError::corrupt("message", "7", "a number of somebody's")),
    });
    let api = Harness::with(|parts| parts.ports.messages = Arc::new(store)).await;
    let id = harness::main_session(1);
    let refused = api.get(&format!("/messages/{id}")).await.refused(500, "internal-error");
    assert!(!refused.to_string().contains("secret"));
    let refused = api.get("/messages").await.refused(500, "internal-error");
    assert!(!refused.to_string().contains("somebody"));
    let body = serde_json::json!({ "sessionId": "main", "to": "+5511988887777", "body": "a" });
    let refused = api.post("/messages/send", body).await.refused(503, "service-unavailable");
    assert!(!refused.to_string().contains("locked"));
}

#[tokio::test]
async fn a_head_is_a_get_without_its_body() {
    let api = Harness::new().await;
    let answer = api.ask("HEAD", "/sessions", None).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
}

#[tokio::test]
async fn the_document_and_its_page_are_open() {
    let api = Harness::new().await;
    let document = api.call(request("GET", "/openapi.json", None, None)).await;
    assert_eq!(document.header("content-type"), Some("application/json"));
    assert!(document.expect(200)["paths"]["/messages/send"].is_object());
    for path in ["/docs", "/docs/"] {
        let page = api.call(request("GET", path, None, None)).await;
        assert_eq!(page.status, 200);
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'unsafe-inline'"), "{policy}");
        let page = String::from_utf8(page.body).unwrap();
        assert!(page.contains("SwaggerUIBundle") && page.contains("\"send_message\""));
        assert!(
            page.contains("\"WWW-Authenticate\""),
            "the page shows the document as it is served"
        );
    }
}

#[tokio::test]
async fn every_kind_of_problem_has_a_page_at_its_type() {
    let api = Harness::new().await;
    for each in kind::ALL {
        let page = api.call(request("GET", &format!("/problems/{}", each.code), None, None)).await;
        assert_eq!(page.status, 200, "{}", each.code);
        let page = String::from_utf8(page.body).unwrap();
        assert!(page.starts_with(&format!("## {}\n", each.code)));
        assert_eq!(page.matches("\n## ").count(), 0);
    }
    api.get("/problems/nothing").await.refused(404, "not-found");
}

#[tokio::test]
async fn an_answer_knows_its_route_by_the_name_in_the_document() {
    let api = Harness::new().await;
    for (path, route) in [
        ("/messages/5d3f", Some("/messages/{id}")),
        ("/sessions/main", Some("/sessions/{id}")),
        ("/messages?page=0", Some("/messages")),
        ("/problems/queue-full", Some("/problems/{code}")),
        ("/+5511988887777", None),
    ] {
        assert_eq!(api.get(path).await.route.as_deref(), route, "{path}");
    }
}
