//! Input as no client should send it, and each time an answer that says what is wrong.

mod harness;

use futures::future::join_all;
use harness::{Harness, request};
use messaging_core::domain::tenant::Role;
use serde_json::{Value, json};

const SEND: &str = "/messages/send";

fn text(body: &str) -> Value {
    json!({ "sessionId": "main", "to": "+5511988887777", "body": body })
}

#[tokio::test]
async fn an_empty_body_is_refused() {
    let api = Harness::new().await;
    for path in [SEND, "/messages/bulk", "/sessions", "/sessions/main/pairing-code"] {
        api.post_raw(path, "").await.refused_field("invalid-request", "#");
    }
}

#[tokio::test]
async fn a_large_body_is_refused_unread() {
    let api = Harness::new().await;
    let ten_megabytes = text(&"x".repeat(10_000_000));
    // Within the limit for files, and yet far too long a text.
    let refused = api.post(SEND, ten_megabytes).await;
    refused.refused_field("message-too-long", "#/body");
    let twenty_megabytes = text(&"x".repeat(20_000_000));
    let refused = api.post(SEND, twenty_megabytes).await;
    let detail = refused.refused(413, "payload-too-large")["detail"].clone();
    assert_eq!(detail, "the body may have at most 16777216 bytes");
    let refused = api.post_raw("/sessions", vec![b' '; 2_000_000]).await;
    refused.refused(413, "payload-too-large");

    let token = api.token(1, Role::Owner);
    let mut announced = request("POST", SEND, Some(&token), Some(vec![]));
    announced.headers_mut().insert("content-length", "99999999999".parse().unwrap());
    api.call(announced).await.refused(413, "payload-too-large");
}

#[tokio::test]
async fn what_is_no_utf8_or_no_json_is_refused() {
    let api = Harness::new().await;
    for body in [
        &b"\xff\xfe\xfd"[..],
        b"{\"sessionId\":\"main\",\"to\":\"+5511988887777\",\"body\":\"\xc3\x28\"}",
        b"{",
        b"{\"to\":",
        b"nonsense",
        b"\"text\"",
        b"null",
        b"[]",
        b"{} {}",
        b"{\"to\": NaN}",
        b"{'to': 1}",
    ] {
        let refused = api.post_raw(SEND, body).await;
        let refused = refused.refused(400, "invalid-request");
        assert!(refused["errors"][0]["pointer"].is_string(), "{refused}");
    }
    let deep = "[".repeat(100_000);
    let deep = format!("{{\"sessionId\":\"main\",\"to\":\"+1\",\"metadata\":{{\"a\":{deep}");
    api.post_raw(SEND, deep).await.refused(400, "invalid-request");
    let lone = br#"{"sessionId":"main","to":"+5511988887777","body":"\ud800"}"#;
    api.post_raw(SEND, &lone[..]).await.refused(400, "invalid-request");
}

#[tokio::test]
async fn another_kind_of_body_is_refused() {
    let api = Harness::new().await;
    let token = api.token(1, Role::Owner);
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", ""]
    {
        let mut asked =
            request("POST", SEND, Some(&token), Some(text("a").to_string().into_bytes()));
        asked.headers_mut().insert("content-type", kind.parse().unwrap());
        api.call(asked).await.refused(415, "unsupported-media-type");
    }
    for kind in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.a+json"] {
        let mut asked =
            request("POST", SEND, Some(&token), Some(text(kind).to_string().into_bytes()));
        asked.headers_mut().insert("content-type", kind.parse().unwrap());
        api.call(asked).await.expect(202);
    }
}

#[tokio::test]
async fn fields_that_are_missing_unknown_or_of_a_wrong_type_are_named() {
    let api = Harness::new().await;
    let change = |field: &str, value: Value| {
        let mut body = text("a");
        body[field] = value;
        body
    };
    for (body, pointer) in [
        (json!({}), "#/sessionId"),
        (json!({ "sessionId": "main" }), "#/to"),
        (change("to", json!(5_511_988_887_777_u64)), "#/to"),
        (change("to", Value::Null), "#/to"),
        (change("body", json!({ "text": "a" })), "#/body"),
        (change("sessionid", json!("main")), "#/sessionid"),
        (change("priority", json!("urgent")), "#/priority"),
        (change("priority", json!(1)), "#/priority"),
        (change("onRateLimit", json!("explode")), "#/onRateLimit"),
        (change("metadata", json!("text")), "#/metadata"),
        (change("metadata", json!([1])), "#/metadata"),
        (change("metadata", json!({ "a": "x".repeat(20_000) })), "#/metadata"),
        (change("media", json!({ "kind": "hologram", "url": "https://a.b" })), "#/media/kind"),
        (change("media", json!({ "kind": "image" })), "#/media"),
        (change("media", json!({ "kind": "image", "url": "file:///etc/passwd" })), "#/media/url"),
        (change("media", json!({ "kind": "image", "data": "%%%" })), "#/media/data"),
        (change("media", json!({ "kind": "image", "uri": "https://a.b" })), "#/media/uri"),
    ] {
        api.post(SEND, body).await.refused_field("invalid-request", pointer);
    }
    let twice = r#"{"sessionId":"main","to":"+1","to":"+2","body":"a"}"#;
    api.post_raw(SEND, twice).await.refused_field("invalid-request", "#/to");
}

#[tokio::test]
async fn numbers_that_are_none_are_refused_and_not_repeated() {
    let api = Harness::new().await;
    for number in [
        "",
        "+",
        "+1",
        "123",
        "5511988887777",
        "+1 (234) 567-8900",
        "+55 11 98888-7777",
        "+0987654321",
        "+5511988887777123",
        "+٥٥١١٩٨٨٨٨٧٧٧٧",
        "+5511988887777\n",
        " +5511988887777",
        "+999123456789",
    ] {
        let mut body = text("a");
        body["to"] = number.into();
        let refused = api.post(SEND, body).await.refused_field("invalid-phone", "#/to");
        if number.len() > 4 {
            assert!(!refused.to_string().contains(number), "{refused}");
        }
    }
    let mut body = text("a");
    body["to"] = "somebody@example.com".into();
    api.post(SEND, body).await.refused_field("invalid-request", "#/to");
    for number in ["+1234567890", "120363041234567890@g.us"] {
        let mut body = text("a");
        body["to"] = number.into();
        api.post(SEND, body).await.expect(202);
    }
}

#[tokio::test]
async fn a_text_has_4096_characters_in_whatever_script() {
    let api = Harness::new().await;
    for letter in ["a", "ü", "א", "م", "漢", "😀", "\u{200d}"] {
        api.post(SEND, text(&letter.repeat(4096))).await.expect(202);
        let refused = api.post(SEND, text(&letter.repeat(4097))).await;
        let refused = refused.refused_field("message-too-long", "#/body");
        assert!(refused["detail"].as_str().unwrap().contains("4096"));
    }
    // A family of four is seven code points, and counts as seven.
    let family = "👨‍👩‍👧‍👦";
    api.post(SEND, text(&family.repeat(585))).await.expect(202);
    api.post(SEND, text(&family.repeat(586))).await.refused_field("message-too-long", "#/body");
}

#[tokio::test]
async fn a_text_is_kept_byte_for_byte() {
    let api = Harness::new().await;
    for body in [
        "\u{200d}\u{feff}",
        "  a\r\n\tb  ",
        "e\u{301}",
        "<script>alert(1)</script>",
        "'; DROP TABLE",
    ] {
        let sent = api.post(SEND, text(body)).await;
        sent.expect(202);
        let found = api.get(sent.header("location").unwrap()).await.expect(200);
        assert_eq!(found["body"], body);
    }
}

#[tokio::test]
async fn an_address_that_holds_no_text_is_refused_with_the_parameter() {
    let api = Harness::new().await;
    for list in ["/messages", "/dead-letters"] {
        for name in ["search", "campaignId", "sessionId"] {
            for value in ["%ff", "a%C3%28", "%ED%A0%80", "%00", "a%00b"] {
                let address = format!("{list}?limit=1&{name}={value}");
                api.get(&address).await.refused_parameter(name);
            }
        }
        // Whoever is not let in is told so first.
        api.call(request("GET", &format!("{list}?search=%ff"), None, None)).await.expect(401);
        for value in ["%EF%BF%BD", "100%25", "a+b", "%C3%A9", "%1", "%zz", "%01", "é"] {
            let value = value.replace('é', "%c3%a9");
            api.get(&format!("{list}?search={value}")).await.expect(200);
        }
    }
    api.get("/messages?se%61rch=%ff").await.refused_parameter("search");
}

#[tokio::test]
async fn nothing_of_a_refused_request_is_repeated() {
    let api = Harness::new().await;
    let secret = "s3cr3t words 5511977776666";
    for body in [
        json!({ "sessionId": "main", "to": secret, "body": secret }),
        json!({ "sessionId": "main", "to": [secret], "body": secret }),
        json!({ "sessionId": "main", "to": "+5511988887777", "body": "a", "priority": secret }),
        json!({ "sessionId": "main", "to": "+5511988887777", "body": { "a": secret } }),
        json!({ "sessionId": "main", "to": "+5511988887777", "body": "a", "metadata": secret }),
        json!({ "sessionId": secret, "to": "+5511988887777", "body": secret }),
    ] {
        let answer = api.post(SEND, body).await;
        assert!(answer.status.is_client_error());
        assert!(!String::from_utf8_lossy(&answer.body).contains("s3cr3t"), "{answer:?}");
    }
    for query in ["page", "limit", "status", "fromDate", "bulkId", "cursor"] {
        let answer = api.get(&format!("/messages?{query}=s3cr3t")).await;
        answer.refused_parameter(query);
        assert!(!String::from_utf8_lossy(&answer.body).contains("s3cr3t"), "{answer:?}");
    }
}

#[tokio::test]
async fn concurrent_identical_requests_are_all_accepted_up_to_the_quota() {
    let api = Harness::new().await;
    let mut text = text("a");
    text["allowDuplicate"] = true.into();
    let answers = join_all((0..40).map(|_| api.post(SEND, text.clone()))).await;
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!(accepted, 20);
    for answer in answers.iter().filter(|answer| answer.status != 202) {
        answer.refused(429, "rate-limited");
    }
    let mut ids: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 202)
        .map(|answer| answer.json()["id"].to_string())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20);
    assert_eq!(api.get("/messages").await.expect(200)["total"], 20);
}
