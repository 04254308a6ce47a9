//! Bulk requests over HTTP.

mod harness;

use harness::{Harness, main_session};
use messaging_core::conformance::build::batch_id;
use serde_json::{Value, json};

fn bulk(recipients: &[&str]) -> Value {
    json!({ "sessionId": "main", "recipients": recipients, "body": "Hello all" })
}

#[tokio::test]
async fn the_good_recipients_are_accepted_and_the_others_listed() {
    let api = Harness::new().await;
    let body =
        bulk(&["+5511988887777", "123", "+5511988887777", "+5511988886666", "me@example.com"]);
    let answer = api.post("/messages/bulk", body).await;
    let accepted = answer.expect(202);
    assert_eq!(accepted["accepted"], 2);
    let rejected: Vec<_> = accepted["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| (each["index"].clone(), each["to"].clone(), each["code"].clone()))
        .collect();
    let expected = [
        (1, "123", "invalid-phone"),
        (2, "+5511988887777", "duplicate-recipient"),
        (4, "me@example.com", "invalid-request"),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(i, to, code)| (json!(i), json!(to), json!(code))).collect();
    assert_eq!(rejected, expected);

    let location = answer.header("location").unwrap();
    let id = accepted["id"].as_str().unwrap();
    assert_eq!(location, format!("/messages/bulk/{id}"));
    let found = api.get(location).await.expect(200);
    assert_eq!(found["sessionId"], main_session(1));
    assert_eq!(found["batchSize"], 10);
    assert_eq!(found["rejected"], 3);
    assert_eq!(found["byStatus"], json!({ "queued": 2 }));
    assert_eq!(api.get(&format!("/messages?bulkId={id}")).await.expect(200)["total"], 2);
}

#[tokio::test]
async fn a_bulk_request_is_cancelled_once_and_stays_so() {
    let api = Harness::new().await;
    let answer = api.post("/messages/bulk", bulk(&["+5511988887777", "+5511988886666"])).await;
    let location = answer.header("location").unwrap();
    for _ in 0..2 {
        let cancelled = api.delete(location).await.expect(200);
        assert_eq!(cancelled["byStatus"], json!({ "cancelled": 2 }));
        assert_eq!(cancelled["cancelledAt"], "2026-01-01T00:00:00Z");
    }
}

#[tokio::test]
async fn a_message_of_a_bulk_request_says_that_it_holds_it() {
    let api = Harness::new().await;
    let mut body = bulk(&["+5511988887777", "+5511988886666"]);
    body["batchSize"] = 1.into();
    let accepted = api.post("/messages/bulk", body).await.expect(202);
    let id = accepted["id"].as_str().unwrap();
    let listed = api.get(&format!("/messages?bulkId={id}")).await.expect(200);
    let last = listed["data"][0]["id"].as_str().unwrap();
    let found = api.get(&format!("/messages/{last}")).await.expect(200);
    let expected = json!({
        "heldBy": "bulk", "ahead": 1, "estimatedSendAt": "2026-01-01T00:00:00Z",
    });
    assert_eq!(found["pacing"], expected);
    let pause = format!("/messages/bulk/{id}/pause");
    let until = "2026-01-01T01:00:00Z";
    api.post(&pause, json!({ "until": until })).await.expect(200);
    let pacing = api.get(&format!("/messages/{last}")).await.expect(200)["pacing"].clone();
    assert_eq!(
        (&pacing["heldBy"], &pacing["estimatedSendAt"]),
        (&"suspended".into(), &until.into())
    );
    api.post(&pause, json!({})).await.expect(200);
    let pacing = api.get(&format!("/messages/{last}")).await.expect(200)["pacing"].clone();
    assert!(pacing.get("estimatedSendAt").is_none(), "nobody knows");
}

#[tokio::test]
async fn bounds_are_kept() {
    let api = Harness::new().await;
    let with_size = |size: Value| {
        let mut body = bulk(&["+5511988887777"]);
        body["batchSize"] = size;
        body
    };
    for size in [1, 100] {
        api.post("/messages/bulk", with_size(size.into())).await.expect(202);
    }
    for size in [json!(0), json!(101), json!(-1), json!("10"), json!(1e30)] {
        let answer = api.post("/messages/bulk", with_size(size)).await;
        answer.refused_field("invalid-request", "#/batchSize");
    }
    let answer = api.post("/messages/bulk", bulk(&[])).await;
    answer.refused_field("invalid-request", "#/recipients");
    let many: Vec<String> = (0..10_001).map(|n| format!("+55119{n:08}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answer = api.post("/messages/bulk", bulk(&many)).await;
    answer.refused_field("invalid-request", "#/recipients");
    let accepted = api.post("/messages/bulk", bulk(&many[..10_000])).await.expect(202);
    assert_eq!(accepted["accepted"], 10_000);
}

#[tokio::test]
async fn where_nobody_is_left_to_send_to_everybody_is_named() {
    let api = Harness::new().await;
    let refused = api.post("/messages/bulk", bulk(&["123", "+1"])).await;
    let refused = refused.refused(400, "invalid-request");
    assert_eq!(refused["errors"][1]["pointer"], "#/recipients/1");
    assert_eq!(refused["errors"][1]["code"], "invalid-phone");
    let only = api.post("/messages/bulk", bulk(&["123"])).await;
    only.refused_field("invalid-phone", "#/recipients/0");
}

#[tokio::test]
async fn a_recipient_of_a_wrong_type_is_named() {
    let api = Harness::new().await;
    let mut body = bulk(&["+5511988887777", "+5511988886666", "+5511988885555"]);
    body["recipients"].as_array_mut().unwrap().push(5.into());
    let answer = api.post("/messages/bulk", body).await;
    answer.refused_field("invalid-request", "#/recipients/3");
}

#[tokio::test]
async fn what_is_no_id_is_named_and_what_is_unknown_is_not_found() {
    let api = Harness::new().await;
    for method in ["GET", "DELETE"] {
        api.ask(method, "/messages/bulk/abc", None).await.refused_parameter("id");
        let unknown = api.ask(method, &format!("/messages/bulk/{}", batch_id(99)), None).await;
        unknown.refused(404, "bulk-not-found");
    }
}

#[tokio::test]
async fn each_recipient_may_have_variables_of_its_own() {
    let api = Harness::new().await;
    let body = json!({
        "sessionId": "main",
        "recipients": [
            { "to": "+5511988887777", "variables": { "name": "Ann", "unused": "" } },
            "+5511988886666",
            { "to": "+5511988885555" },
        ],
        "body": "Dear {{name}}",
    });
    let accepted = api.post("/messages/bulk", body).await.expect(202);
    let rejected: Vec<_> =
        accepted["rejected"].as_array().unwrap().iter().map(|it| &it["code"]).collect();
    assert_eq!(rejected, ["missing-variable", "missing-variable"]);
    let path = format!("/messages?bulkId={}", accepted["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await.expect(200)["data"][0]["body"], "Dear Ann");
}

#[tokio::test]
async fn a_recipient_that_is_none_is_refused_by_name() {
    let api = Harness::new().await;
    for (recipient, pointer) in [
        (json!(12), "#/recipients/0"),
        (json!({ "variables": {} }), "#/recipients/0/to"),
        (json!({ "to": "+5511988887777", "variables": { "n": 1 } }), "#/recipients/0/variables/n"),
        (json!({ "to": "+5511988887777", "name": "Ann" }), "#/recipients/0/name"),
    ] {
        let body = json!({ "sessionId": "main", "recipients": [recipient], "body": "x" });
        api.post("/messages/bulk", body).await.refused_field("invalid-request", pointer);
    }
}

#[tokio::test]
async fn ten_thousand_recipients_are_accepted_and_followed() {
    let api = Harness::new().await;
    let many: Vec<String> = (0..10_000).map(|n| format!("+55119{n:08}")).collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    api.post("/opt-outs", json!({ "number": many[7] })).await.expect(201);
    many[9999] = many[3];
    let accepted = api.post("/messages/bulk", bulk(&many)).await.expect(202);
    assert_eq!(accepted["accepted"], 9998);
    let rejected: Vec<_> = accepted["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["index"].as_u64().unwrap(), it["code"].as_str().unwrap()))
        .collect();
    assert_eq!(rejected, [(7, "opted-out"), (9999, "duplicate-recipient")]);
    let path = format!("/messages/bulk/{}", accepted["id"].as_str().unwrap());
    let found = api.get(&path).await.expect(200);
    assert_eq!(found["byStatus"], json!({ "queued": 9998 }));
    assert_eq!(found["failures"], json!({}));
    assert_eq!(found["pacing"]["waiting"], 9998);
}

#[tokio::test]
async fn bulk_requests_are_listed_by_page_and_by_cursor() {
    let api = Harness::new().await;
    let mut ids = vec![];
    for n in 0..5 {
        let accepted = api.post("/messages/bulk", bulk(&[&format!("+551198888777{n}")])).await;
        ids.push(accepted.expect(202)["id"].clone());
    }
    ids.reverse();
    let of = |list: &Value| -> Vec<Value> {
        list["data"].as_array().unwrap().iter().map(|each| each["id"].clone()).collect()
    };
    let first = api.get("/messages/bulk?limit=2").await.expect(200);
    assert_eq!(
        (of(&first), &first["total"], &first["page"]),
        (ids[..2].to_vec(), &json!(5), &json!(1))
    );
    assert_eq!(first["data"][0]["byStatus"], json!({ "queued": 1 }));
    let second = api.get("/messages/bulk?limit=2&page=2").await.expect(200);
    assert_eq!(of(&second), ids[2..4]);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = api.get(&format!("/messages/bulk?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!((of(&second), second.get("page")), (ids[2..4].to_vec(), None));
    let cursor = second["nextCursor"].as_str().unwrap();
    let last = api.get(&format!("/messages/bulk?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!((of(&last), last.get("nextCursor")), (ids[4..].to_vec(), None));
    for (query, name) in [("limit=0", "limit"), ("limit=101", "limit"), ("page=0", "page")] {
        api.get(&format!("/messages/bulk?{query}")).await.refused_parameter(name);
    }
}

#[tokio::test]
async fn a_paused_bulk_request_says_until_when() {
    let api = Harness::new().await;
    let answer = api.post("/messages/bulk", bulk(&["+5511988887777", "+5511988886666"])).await;
    let location = answer.header("location").unwrap();
    assert_eq!(api.get(location).await.expect(200)["pacing"]["heldBy"], "ready");
    let until = "2026-01-01T01:00:00Z";
    let pause = json!({ "until": until });
    api.post(&format!("{location}/pause"), pause).await.expect(200);
    let pacing = api.get(location).await.expect(200)["pacing"].clone();
    let expected = json!({
        "heldBy": "suspended", "until": until, "waiting": 2, "estimatedEndAt": until,
    });
    assert_eq!(pacing, expected);
    api.delete(location).await.expect(200);
    assert_eq!(api.get(location).await.expect(200).get("pacing"), None);
}
