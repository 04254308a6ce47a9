//! What is counted, what it is called, and that no label can grow without bound.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use messaging_core::conformance::build;
use messaging_core::domain::content::ContentKind;
use messaging_core::domain::failure::FailureCode;
use messaging_core::domain::message::{Direction, Priority};
use messaging_core::domain::opt_out::OptOutSource;
use messaging_core::domain::session::SessionStatus;
use messaging_core::domain::status::{Status, StatusEvent};
use messaging_core::ports::clock::SystemClock;
use messaging_core::ports::observer::{
    InboxResult, ListChange, Observation, Observer, WebhookResult,
};
use messaging_core::ports::queue::HeldBy;
use messaging_core::ports::webhook_verifier::SignatureError;
use messaging_server::telemetry::http_metrics::http_metrics;
use messaging_server::telemetry::metrics::Metrics;
use poem::http::StatusCode;
use poem::test::TestClient;
use poem::{EndpointExt, Route, endpoint::make_sync};

const DOCUMENT: &str = include_str!("../../docs/metrics.md");

fn accepted(calling_code: Option<u16>) -> Observation {
    Observation::Accepted {
        direction: Direction::Outbound,
        kind: ContentKind::Text,
        priority: Priority::Normal,
        calling_code,
    }
}

fn moved(to: Status, failure: Option<FailureCode>) -> Observation {
    Observation::Moved {
        from: Status::Sending,
        to,
        direction: Direction::Outbound,
        since_accepted: Duration::from_secs(2),
        failure,
    }
}

/// One of everything that can be observed.
fn everything() -> Vec<Observation> {
    let took = Duration::from_millis(30);
    vec![
        accepted(Some(49)),
        Observation::Refused { code: "rate-limited" },
        Observation::OptOut { change: ListChange::Added, source: OptOutSource::Reply },
        Observation::Attempt { outcome: "accepted", took },
        moved(Status::Sent, None),
        Observation::Receipt {
            event: StatusEvent::Deliver,
            since_accepted: Duration::from_secs(2),
        },
        moved(Status::Failed, Some(FailureCode::NotOnWhatsapp)),
        Observation::Held { why: HeldBy::Rate },
        Observation::QuotaUsed { share: 0.5 },
        Observation::Webhook {
            result: WebhookResult::BadSignature,
            reason: Some(SignatureError::Mismatch),
            size_bytes: 300,
            took,
        },
        Observation::Inbox { result: InboxResult::Applied, since_received: took },
        Observation::Session { status: SessionStatus::Working },
        Observation::ProviderReportedError,
        Observation::Fault { what: "store" },
    ]
}

fn observed(observations: impl IntoIterator<Item = Observation>) -> Metrics {
    let metrics = Metrics::new().unwrap();
    for observation in observations {
        metrics.observe(&observation);
    }
    metrics
}

#[track_caller]
fn check(metrics: &Metrics, line: &str) {
    let text = metrics.text();
    assert!(text.lines().any(|each| each == line), "no line {line:?} in\n{text}");
}

#[test]
fn the_documentation_lists_every_metric_and_no_other() {
    let documented: BTreeSet<String> = DOCUMENT
        .lines()
        .filter(|line| line.starts_with("| `messaging_"))
        .map(str::to_owned)
        .collect();
    let metrics = Metrics::new().unwrap();
    let counted: BTreeSet<String> = metrics.families().iter().map(|each| each.markdown()).collect();
    assert_eq!(documented, counted);
}

#[test]
fn every_query_in_the_documentation_names_a_metric_that_exists() {
    let metrics = Metrics::new().unwrap();
    let names: Vec<&str> = metrics.families().iter().map(|family| family.name).collect();
    let words = DOCUMENT.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    for word in words.filter(|word| word.starts_with("messaging_")) {
        let series = ["_bucket", "_sum", "_count"];
        let name = series.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
        assert!(names.contains(&name), "{word}");
    }
}

#[test]
fn names_say_their_unit_or_that_they_count() {
    for family in Metrics::new().unwrap().families() {
        let units = ["_seconds", "_bytes", "_ratio"];
        assert!(family.name.starts_with("messaging_"), "{}", family.name);
        match family.kind {
            "counter" => assert!(family.name.ends_with("_total"), "{}", family.name),
            "histogram" => {
                assert!(units.iter().any(|it| family.name.ends_with(it)), "{}", family.name);
            }
            _ => assert!(!family.name.ends_with("_total"), "{}", family.name),
        }
        assert!(family.help.ends_with('.'), "{}", family.name);
    }
}

#[test]
fn what_happens_is_counted() {
    let metrics = observed(everything());
    check(
        &metrics,
        r#"messaging_messages_total{direction="outbound",priority="normal",type="text"} 1"#,
    );
    check(
        &metrics,
        r#"messaging_messages_by_country_total{calling_code="49",direction="outbound"} 1"#,
    );
    check(&metrics, r#"messaging_refused_total{code="rate-limited"} 1"#);
    check(&metrics, r#"messaging_opt_outs_total{change="added",source="reply"} 1"#);
    check(&metrics, r#"messaging_opt_outs_total{change="removed",source="api"} 0"#);
    check(&metrics, r#"messaging_attempt_duration_seconds_count{outcome="accepted"} 1"#);
    check(&metrics, r#"messaging_transitions_total{direction="outbound",status="sent"} 1"#);
    check(&metrics, r#"messaging_time_to_sent_seconds_count 1"#);
    check(&metrics, r#"messaging_time_to_delivered_seconds_sum 2"#);
    check(&metrics, r#"messaging_transitions_total{direction="outbound",status="delivered"} 1"#);
    check(&metrics, r#"messaging_failures_total{code="not-on-whatsapp"} 1"#);
    check(&metrics, r#"messaging_held_total{reason="rate"} 1"#);
    check(&metrics, r#"messaging_session_quota_used_ratio_bucket{le="0.5"} 1"#);
    check(&metrics, r#"messaging_webhooks_total{reason="mismatch",result="bad_signature"} 1"#);
    check(&metrics, r#"messaging_webhook_payload_bytes_sum 300"#);
    check(&metrics, r#"messaging_inbox_total{result="applied"} 1"#);
    check(&metrics, r#"messaging_session_changes_total{status="working"} 1"#);
    check(&metrics, r#"messaging_provider_errors_total 1"#);
    check(&metrics, r#"messaging_faults_total{component="store"} 1"#);
}

#[test]
fn a_message_that_is_tried_again_has_not_failed() {
    let metrics = observed([moved(Status::Retry, Some(FailureCode::ProviderOverloaded))]);
    check(&metrics, r#"messaging_failures_total{code="provider-overloaded"} 0"#);
    check(&metrics, r#"messaging_transitions_total{direction="outbound",status="retry"} 1"#);
}

#[test]
fn only_calling_codes_that_are_in_use_become_labels() {
    let metrics = observed((0..=u16::MAX).map(|code| accepted(Some(code))).chain([accepted(None)]));
    let text = metrics.text();
    let lines =
        text.lines().filter(|line| line.starts_with("messaging_messages_by_country_total{"));
    assert!((200..300).contains(&lines.count()));
    check(
        &metrics,
        r#"messaging_messages_by_country_total{calling_code="1",direction="outbound"} 1"#,
    );
    check(
        &metrics,
        r#"messaging_messages_by_country_total{calling_code="none",direction="outbound"} 1"#,
    );
}

#[test]
fn rates_can_be_read_from_the_first_event_on() {
    let metrics = Metrics::new().unwrap();
    check(&metrics, r#"messaging_failures_total{code="outcome-unknown"} 0"#);
    check(&metrics, r#"messaging_webhooks_total{reason="missing",result="bad_signature"} 0"#);
    check(&metrics, r#"messaging_faults_total{component="queue"} 0"#);
}

#[test]
fn several_gateways_in_one_process_count_apart() {
    let (busy, idle) = (observed(everything()), Metrics::new().unwrap());
    check(&busy, "messaging_provider_errors_total 1");
    check(&idle, "messaging_provider_errors_total 0");
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_path() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let routes = Route::new().at("/messages/:id", make_sync(|_| StatusCode::NOT_FOUND));
    let client =
        TestClient::new(routes.with(http_metrics(Arc::clone(&metrics), Arc::new(SystemClock))));
    for n in 1..=3 {
        client.get(format!("/messages/{}", build::message_id(n))).send().await;
        client.get(format!("/nowhere/{n}")).send().await;
    }
    check(
        &metrics,
        r#"messaging_http_requests_total{method="GET",route="/messages/:id",status="404"} 3"#,
    );
    check(&metrics, r#"messaging_http_requests_total{method="GET",route="(none)",status="404"} 3"#);
    check(
        &metrics,
        r#"messaging_http_request_duration_seconds_count{method="GET",route="(none)"} 3"#,
    );
}
