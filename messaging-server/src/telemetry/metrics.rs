//! The numbers at `/metrics`: what is counted, and when.
//!
//! Labels take their values from enums and short lists of our own. None is ever a telephone
//! number, a text, an id or anything else a caller chooses.

mod catalogue;
pub mod family;
pub mod sampler;

use std::time::Duration;

use messaging_core::domain::content::ContentKind;
use messaging_core::domain::failure::FailureCode;
use messaging_core::domain::message::{Direction, Priority};
use messaging_core::domain::opt_out::OptOutSource;
use messaging_core::domain::phone::PhoneNumber;
use messaging_core::domain::session::{SessionHealth, SessionStatus};
use messaging_core::domain::status::Status;
use messaging_core::ports::observer::{
    InboxResult, ListChange, Observation, Observer, WebhookResult,
};
use messaging_core::ports::queue::HeldBy;
use messaging_core::ports::webhook_verifier::SignatureError;
use poem::http::StatusCode;
use prometheus::TextEncoder;

use crate::auth::identity_provider::FetchResult;
use crate::telemetry::metrics::catalogue::Catalogue;
use crate::telemetry::metrics::family::{Family, FamilyRegistry};

/// The label of a webhook that was not refused for its signature.
const NO_REASON: &str = "";

/// For metrics without labels.
const NONE: &[&str] = &[];

/// The numbers of one gateway, in a registry of their own: several may run in one process.
pub struct Metrics {
    registry: FamilyRegistry,
    all: Catalogue,
}

impl Metrics {
    /// All numbers, at zero.
    ///
    /// # Errors
    /// [`prometheus::Error`] where two of them had one name, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let mut registry = FamilyRegistry::default();
        let all = Catalogue::register(&mut registry)?;
        let metrics = Self { registry, all };
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// A rate over a series that appears with its first event misses that event, so whatever can
    /// be foretold is there from the start.
    fn start_at_zero(&self) {
        let all = &self.all;
        for direction in Direction::ALL {
            let (kind, priority) = (ContentKind::Text.as_str(), Priority::Normal.as_str());
            all.messages.with_label_values(&[direction.as_str(), kind, priority]);
        }
        for change in ListChange::ALL {
            for source in OptOutSource::ALL {
                all.opt_outs.with_label_values(&[change.as_str(), source.as_str()]);
            }
        }
        for status in Status::ALL {
            all.transitions.with_label_values(&[Direction::Outbound.as_str(), status.as_str()]);
        }
        for code in FailureCode::ALL {
            all.failures.with_label_values(&[code.as_str()]);
        }
        for outcome in ["accepted", "rejected", "try_later", "unknown"] {
            all.attempts.with_label_values(&[outcome]);
        }
        for why in HeldBy::ALL {
            all.held.with_label_values(&[why.as_str()]);
        }
        for result in WebhookResult::ALL.iter().filter(|it| **it != WebhookResult::BadSignature) {
            all.webhooks.with_label_values(&[result.as_str(), NO_REASON]);
        }
        for reason in SignatureError::ALL {
            let result = WebhookResult::BadSignature.as_str();
            all.webhooks.with_label_values(&[result, reason.as_str()]);
        }
        for result in InboxResult::ALL {
            all.inbox.with_label_values(&[result.as_str()]);
        }
        for status in SessionStatus::ALL {
            all.session_changes.with_label_values(&[status.as_str()]);
        }
        for health in SessionHealth::ALL {
            all.health_changes.with_label_values(&[health.as_str()]);
        }
        for what in ["message", "receipt"] {
            all.caught_up.with_label_values(&[what]);
        }
        for component in ["store", "queue", "limiter", "clock", "provider"] {
            all.faults.with_label_values(&[component]);
        }
        for result in FetchResult::ALL {
            all.identity_keys.with_label_values(&[result.as_str()]);
        }
        all.provider_errors.with_label_values(NONE);
        all.audit_unrecorded.with_label_values(NONE);
        let unlabelled =
            [&all.time_to_sent, &all.time_to_delivered, &all.quota_used, &all.webhook_bytes];
        for histogram in unlabelled {
            histogram.with_label_values(NONE);
        }
    }

    /// All numbers in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics cannot be written");
        }
        text
    }

    /// What is counted, for the documentation.
    pub fn families(&self) -> &[Family] {
        self.registry.families()
    }

    /// Counts and measures one HTTP request.
    pub(crate) fn http_request(
        &self,
        method: &'static str,
        route: &str,
        status: StatusCode,
        took: Duration,
    ) {
        self.all.http_requests.with_label_values(&[method, route, status.as_str()]).inc();
        self.all.http_seconds.with_label_values(&[method, route]).observe(took.as_secs_f64());
    }

    /// Counts one fetch of the identity provider's keys.
    pub fn identity_keys(&self, result: FetchResult) {
        self.all.identity_keys.with_label_values(&[result.as_str()]).inc();
    }

    /// A message reached a status.
    fn reached(
        &self,
        direction: Direction,
        status: Status,
        since_accepted: Duration,
        failure: Option<FailureCode>,
    ) {
        let all = &self.all;
        all.transitions.with_label_values(&[direction.as_str(), status.as_str()]).inc();
        let seconds = since_accepted.as_secs_f64();
        match status {
            Status::Sent => all.time_to_sent.with_label_values(NONE).observe(seconds),
            Status::Delivered => all.time_to_delivered.with_label_values(NONE).observe(seconds),
            // A message that is tried again has a reason too, but has not failed.
            Status::Failed => {
                let code = failure.map_or("none", FailureCode::as_str);
                all.failures.with_label_values(&[code]).inc();
            }
            _ => {}
        }
    }
}

impl Observer for Metrics {
    fn observe(&self, observation: &Observation) {
        let all = &self.all;
        match *observation {
            Observation::Accepted { direction, kind, priority, calling_code } => {
                let direction = direction.as_str();
                let labels = [direction, kind.as_str(), priority.as_str()];
                all.messages.with_label_values(&labels).inc();
                let country = country(calling_code);
                all.messages_by_country.with_label_values(&[direction, &country]).inc();
            }
            Observation::Refused { code } => all.refused.with_label_values(&[code]).inc(),
            Observation::OptOut { change, source } => {
                all.opt_outs.with_label_values(&[change.as_str(), source.as_str()]).inc();
            }
            Observation::AuditUnrecorded => all.audit_unrecorded.with_label_values(NONE).inc(),
            Observation::Attempt { outcome, took } => {
                all.attempts.with_label_values(&[outcome]).observe(took.as_secs_f64());
            }
            Observation::Moved { to, direction, since_accepted, failure, .. } => {
                self.reached(direction, to, since_accepted, failure);
            }
            Observation::Receipt { event, since_accepted } => {
                let failure = Some(FailureCode::DeliveryError);
                self.reached(Direction::Outbound, event.target(), since_accepted, failure);
            }
            Observation::Held { why } => all.held.with_label_values(&[why.as_str()]).inc(),
            Observation::QuotaUsed { share } => {
                all.quota_used.with_label_values(NONE).observe(share);
            }
            Observation::Webhook { result, reason, size_bytes, took } => {
                let reason = reason.map_or(NO_REASON, SignatureError::as_str);
                let result = result.as_str();
                all.webhooks.with_label_values(&[result, reason]).inc();
                all.webhook_seconds.with_label_values(&[result]).observe(took.as_secs_f64());
                // Exact below 2^53 bytes.
                all.webhook_bytes.with_label_values(NONE).observe(size_bytes as f64);
            }
            Observation::Inbox { result, since_received } => {
                let result = result.as_str();
                all.inbox.with_label_values(&[result]).inc();
                let seconds = since_received.as_secs_f64();
                all.inbox_seconds.with_label_values(&[result]).observe(seconds);
            }
            Observation::Session { status } => {
                all.session_changes.with_label_values(&[status.as_str()]).inc();
            }
            Observation::Health { health } => {
                all.health_changes.with_label_values(&[health.as_str()]).inc();
            }
            Observation::CaughtUp { messages, receipts } => {
                all.caught_up.with_label_values(&["message"]).inc_by(messages);
                all.caught_up.with_label_values(&["receipt"]).inc_by(receipts);
            }
            Observation::ProviderReportedError => {
                all.provider_errors.with_label_values(NONE).inc();
            }
            Observation::Fault { what } => all.faults.with_label_values(&[what]).inc(),
        }
    }
}

/// The label of a country: a calling code that is in use, so that there are some two hundred.
fn country(calling_code: Option<u16>) -> String {
    let Some(code) = calling_code else { return "none".to_owned() };
    let in_use = PhoneNumber::from_digits(&format!("{code}0000000"))
        .is_some_and(|number| number.calling_code() == Some(code));
    if in_use { code.to_string() } else { "other".to_owned() }
}
