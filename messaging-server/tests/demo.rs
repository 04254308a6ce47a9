//! The demo, run as a newcomer runs it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "command/mod.rs"]
mod command;

use command::Place;
use serde_json::Value;
use tokio::process::Command;

/// A place whose temporary directories can be looked into.
fn place() -> Place {
    let place = Place::new();
    let temporary = place.dir.path().to_str().unwrap().to_owned();
    place.with("TMPDIR", &temporary)
}

#[track_caller]
fn check_nothing_is_left(place: &Place) {
    let left: Vec<_> = place.dir.path().read_dir().unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn the_story_goes_as_it_should_and_leaves_nothing_behind() {
    let place = place();
    let outcome = place.run(&["demo", "--exit-after-story", "--port", "0"]).await;
    assert_eq!(outcome.code, Some(0), "{}\n{}", outcome.out, outcome.err);
    for part in [
        "scan_qr_code → working",
        "→ +12…42        text      \"Third time lucky\"",
        "retry (provider-overloaded)",
        "failed (not-on-whatsapp)",
        "failed (provider-rejected)",
        "← +34…78        text      \"Hello back!\"",
        "export TOKEN=",
        "/docs",
    ] {
        assert!(outcome.out.contains(part), "no {part:?} in {}", outcome.out);
    }
    assert!(!outcome.out.contains('\x1b'), "colours are for terminals");
    assert_eq!(outcome.err, "", "what goes wrong in the story is part of it");
    check_nothing_is_left(&place);
}

#[tokio::test]
async fn the_lines_to_copy_work_and_what_they_send_is_shown() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let place = place();
    let mut demo = place.start(&["demo", "--port", &port]);
    demo.printed("(the port before was taken)").await;

    let token = demo.printed("export TOKEN=").await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        let line = demo.printed("curl -sS ").await;
        let script = format!("{token}\n{line}");
        let output = Command::new("sh").args(["-c", &script]).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let answer: Value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{line}: {text}"));
        answers.push(answer);
    }
    assert_eq!(answers[0]["status"], "queued", "{}", answers[0]);
    assert_eq!(answers[1]["data"].as_array().unwrap().len(), 5);
    assert!(answers[2]["total"].as_u64().unwrap() >= 14);
    demo.printed("\"Hello from curl\"").await;

    demo.signal("INT").await;
    assert_eq!(demo.left().await, Some(0));
    check_nothing_is_left(&place);
}
