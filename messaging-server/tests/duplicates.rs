//! The same, sent again at once, is refused over HTTP.

mod harness;

use std::time::Duration;

use futures::future::join_all;
use harness::Harness;
use serde_json::json;

const SEND: &str = "/messages/send";

#[tokio::test]
async fn the_same_sent_again_at_once_is_refused_and_names_the_first() {
    let api = Harness::new().await;
    let text = json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" });
    let first = api.post(SEND, text.clone()).await.expect(202)["id"].clone();
    // By whatever name the session goes.
    let mut by_id = text.clone();
    by_id["sessionId"] = harness::main_session(1).into();
    for repeat in [&text, &by_id] {
        let answer = api.post(SEND, repeat.clone()).await;
        assert_eq!(answer.refused(409, "duplicate-message")["messageId"], first);
    }
    // What became of the first does not matter.
    api.delete(&format!("/messages/{}", first.as_str().unwrap())).await.expect(200);
    api.post(SEND, text.clone()).await.refused(409, "duplicate-message");
    assert_eq!(api.get("/messages").await.expect(200)["total"], 1);
    api.clock.advance(Duration::from_secs(10));
    api.post(SEND, text).await.expect(202);
}

#[tokio::test]
async fn of_many_that_say_the_same_at_once_one_is_accepted_and_counts() {
    let api = Harness::new().await;
    let text = json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" });
    let answers = join_all((0..15).map(|_| api.post(SEND, text.clone()))).await;
    let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == 202).collect();
    let [accepted] = accepted[..] else { panic!("{} are accepted", accepted.len()) };
    for refused in answers.iter().filter(|answer| answer.status != 202) {
        let refused = refused.refused(409, "duplicate-message");
        assert_eq!(refused["messageId"], accepted.json()["id"]);
    }
    let other = json!({ "sessionId": "main", "to": "+5511988887777", "body": "Another" });
    let answer = api.post(SEND, other).await;
    assert_eq!(answer.header("ratelimit"), Some("\"session\";r=18;t=60"));
}

#[tokio::test]
async fn who_wants_to_says_the_same_again() {
    let api = Harness::new().await;
    let mut text = json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" });
    api.post(SEND, text.clone()).await.expect(202);
    text["allowDuplicate"] = json!(true);
    api.post(SEND, text.clone()).await.expect(202);
    text["allowDuplicate"] = json!(false);
    api.post(SEND, text).await.refused(409, "duplicate-message");
}

#[tokio::test]
async fn files_and_places_are_told_apart_by_all_they_are() {
    let api = Harness::new().await;
    let to = "+5511988887777";
    let picture = |url: &str, caption: &str| {
        json!({
            "sessionId": "main", "to": to, "body": caption,
            "media": { "kind": "image", "url": url },
        })
    };
    let place = |latitude: f64| {
        let location = json!({ "latitude": latitude, "longitude": 13.4 });
        json!({ "sessionId": "main", "to": to, "location": location })
    };
    let different = [
        picture("https://example.com/a.png", "Look"),
        picture("https://example.com/b.png", "Look"),
        picture("https://example.com/a.png", "Look there"),
        place(52.5),
        place(52.6),
    ];
    for content in different.clone() {
        api.post(SEND, content).await.expect(202);
    }
    for content in different {
        api.post(SEND, content).await.refused(409, "duplicate-message");
    }
}

#[tokio::test]
async fn a_bulk_request_may_say_what_was_said() {
    let api = Harness::new().await;
    let to = "+5511988887777";
    api.post(SEND, json!({ "sessionId": "main", "to": to, "body": "Hello" })).await.expect(202);
    let bulk = json!({ "sessionId": "main", "recipients": [to], "body": "Hello" });
    for _ in 0..2 {
        api.post("/messages/bulk", bulk.clone()).await.expect(202);
    }
}
