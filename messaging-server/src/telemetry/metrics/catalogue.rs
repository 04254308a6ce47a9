//! Every metric with its name, labels and meaning.

use prometheus::{Error, Gauge, GaugeVec, HistogramVec, IntCounterVec};

use crate::telemetry::metrics::family::FamilyRegistry;

/// Seconds that a request, a call or a webhook takes.
const CALL_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Seconds that a message waits: pacing and retries make them minutes and hours.
const WAIT_SECONDS: &[f64] =
    &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];
/// Sizes of webhooks.
const BYTES: &[f64] = &[256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0];
/// Shares of a quota.
const SHARES: &[f64] = &[0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0];

/// Declares the metrics as a struct and registers them: one line a metric, with its labels and,
/// for histograms, its buckets.
macro_rules! catalogue {
    ($($field:ident: $type:ty = $make:ident($name:literal, $help:literal $(, $argument:expr)*);)*) => {
        /// Every metric.
        pub(super) struct Catalogue {
            $(pub(super) $field: $type,)*
        }

        impl Catalogue {
            /// Makes all of them and has the registry give them out.
            pub(super) fn register(registry: &mut FamilyRegistry) -> Result<Self, Error> {
                Ok(Self { $($field: registry.$make($name, $help $(, $argument)*)?,)* })
            }
        }
    };
}

catalogue! {
    messages: IntCounterVec = counters("messaging_messages_total",
        "Messages accepted from tenants (outbound) or received (inbound).",
        &["direction", "type", "priority"]);
    messages_by_country: IntCounterVec = counters("messaging_messages_by_country_total",
        "The same by the other side's country calling code; `none` for chats without a number.",
        &["direction", "calling_code"]);
    refused: IntCounterVec = counters("messaging_refused_total",
        "Requests to send that were refused, by the code of the refusal.",
        &["code"]);
    opt_outs: IntCounterVec = counters("messaging_opt_outs_total",
        "People who opted out (`added`) or took that back (`removed`), by an answer or by a tenant's program.",
        &["change", "source"]);
    transitions: IntCounterVec = counters("messaging_transitions_total",
        "Messages that reached a status; what was read without a receipt before is not `delivered`.",
        &["direction", "status"]);
    failures: IntCounterVec = counters("messaging_failures_total",
        "Messages that failed, by reason.",
        &["code"]);
    time_to_sent: HistogramVec = histograms("messaging_time_to_sent_seconds",
        "From a message's acceptance until WAHA had it.",
        &[], WAIT_SECONDS);
    time_to_delivered: HistogramVec = histograms("messaging_time_to_delivered_seconds",
        "From a message's acceptance until it reached the device.",
        &[], WAIT_SECONDS);
    attempts: HistogramVec = histograms("messaging_attempt_duration_seconds",
        "Calls that send a message, by how they ended; the count is the number of attempts.",
        &["outcome"], CALL_SECONDS);
    held: IntCounterVec = counters("messaging_held_total",
        "Times a session was held back, by reason.",
        &["reason"]);
    quota_used: HistogramVec = histograms("messaging_session_quota_used_ratio",
        "The share of its quota a session had in use each time it was asked for.",
        &[], SHARES);
    webhooks: IntCounterVec = counters("messaging_webhooks_total",
        "Webhooks that came in, by what became of them and, where not believed, why.",
        &["result", "reason"]);
    webhook_seconds: HistogramVec = histograms("messaging_webhook_duration_seconds",
        "From a webhook's arrival to its answer.",
        &["result"], CALL_SECONDS);
    webhook_bytes: HistogramVec = histograms("messaging_webhook_payload_bytes",
        "Sizes of webhooks' bodies.",
        &[], BYTES);
    inbox: IntCounterVec = counters("messaging_inbox_total",
        "Kept webhooks that were looked at, by what became of them.",
        &["result"]);
    inbox_seconds: HistogramVec = histograms("messaging_inbox_duration_seconds",
        "From a webhook's arrival until it had been dealt with.",
        &["result"], CALL_SECONDS);
    session_changes: IntCounterVec = counters("messaging_session_changes_total",
        "Changes of sessions, by the status they came to.",
        &["status"]);
    health_changes: IntCounterVec = counters("messaging_session_health_changes_total",
        "Changes of connected sessions, by the health they came to.",
        &["health"]);
    caught_up: IntCounterVec = counters("messaging_caught_up_total",
        "What no webhook had told and was read from WAHA: messages that came in (`message`), and how far messages of ours had got (`receipt`).",
        &["what"]);
    provider_errors: IntCounterVec = counters("messaging_provider_errors_total",
        "Errors that WAHA reported of its own accord.",
        &[]);
    audit_unrecorded: IntCounterVec = counters("messaging_audit_unrecorded_total",
        "Refused requests of callers that nobody knows which left no entry in the audit log, because their source had left enough of them.",
        &[]);
    identity_keys: IntCounterVec = counters("messaging_identity_key_fetches_total",
        "Times that the identity provider's keys were fetched, or their file read, by how it ended.",
        &["result"]);
    faults: IntCounterVec = counters("messaging_faults_total",
        "Failures of what the gateway depends on.",
        &["component"]);
    http_requests: IntCounterVec = counters("messaging_http_requests_total",
        "HTTP requests, by route and status; `(none)` for paths without a route.",
        &["method", "route", "status"]);
    http_seconds: HistogramVec = histograms("messaging_http_request_duration_seconds",
        "From an HTTP request to its answer.",
        &["method", "route"], CALL_SECONDS);
    queue: Gauge = gauge("messaging_queue_messages",
        "Messages that wait in the queue or are being sent; NaN while it does not answer.");
    queue_oldest: Gauge = gauge("messaging_queue_oldest_seconds",
        "How old the oldest message is that waits or is being sent; NaN while the store does not answer.");
    inbox_events: GaugeVec = gauges("messaging_inbox_events",
        "Kept webhooks to be applied (`pending`) or left for somebody to look at (`dead`).",
        &["state"]);
    sessions: GaugeVec = gauges("messaging_sessions",
        "Sessions by status; NaN while the store does not answer.",
        &["status"]);
    breakers: GaugeVec = gauges("messaging_waha_breaker",
        "1 for the state that each WAHA server's breaker has on this node (`closed`, `open`, `half-open`), 0 for others.",
        &["server", "state"]);
    session_health: GaugeVec = gauges("messaging_session_health",
        "Sessions by health: `ok`, `silent` (connected, and nothing that it sends is acknowledged) or `deaf` (its webhooks do not come); NaN while the store does not answer.",
        &["health"]);
}
