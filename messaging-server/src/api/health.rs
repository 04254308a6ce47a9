//! Health over HTTP (draft-inadarei-api-health-check): what works, what does not, and whether to
//! send requests here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use messaging_core::domain::breaker::BreakerState;
use messaging_core::domain::session::SessionHealth;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::health::{self, Check};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};
use tokio::sync::Mutex;

use crate::api::named::{DateTime, Named};
use crate::api::{ApiState, Tag, VERSION};

/// In how many seconds to look again.
const LOOK_AGAIN_SECONDS: u64 = 5;

/// For how long an answer is given again: anybody may ask, and each question goes to all that the
/// service depends on.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// Health.
pub struct HealthApi {
    state: Arc<ApiState>,
    /// What was found last, and when.
    last: Mutex<Option<(Timestamp, Health)>>,
}

impl HealthApi {
    /// Of what the API is made of.
    pub fn new(state: Arc<ApiState>) -> Self {
        Self { state, last: Mutex::default() }
    }

    /// How everything is. Those who ask at once wait for one answer.
    async fn found(&self) -> Health {
        let mut last = self.last.lock().await;
        let now = self.state.clock.now();
        match &*last {
            // A clock that was set back makes nothing young again.
            Some((at, health)) if *at <= now && now.since(*at) < GOOD_FOR => health.clone(),
            _ => {
                let found = self.state.gateway.health().await;
                let at = self.state.clock.now();
                let health = Health::of(&found, DateTime(at));
                *last = Some((at, health.clone()));
                health
            }
        }
    }
}

#[OpenApi(tag = "Tag::Health")]
impl HealthApi {
    /// Tell how everything is
    ///
    /// Needs no token; an answer is given again for a second. `warn` where messages are accepted but wait: WAHA, the queue or the rate
    /// limiter does not answer, WAHA fails and is left alone, or this node's clock is wrong; also where a
    /// connected session is `silent` or `deaf`; `fail`, with 503, where nothing can be accepted.
    #[oai(path = "/health", method = "get", operation_id = "get_health")]
    async fn health(&self) -> HealthAnswer {
        HealthAnswer::of(self.found().await)
    }

    /// Tell whether the process lives
    ///
    /// Needs no token and asks nothing of anybody.
    #[oai(path = "/health/live", method = "get", operation_id = "get_liveness")]
    async fn live(&self) -> HealthAnswer {
        HealthAnswer::of(Health::alone(PASS))
    }

    /// Tell whether requests can be sent here
    ///
    /// Needs no token. 503 while the store cannot be written; WAHA is not asked, for messages are
    /// accepted without it.
    #[oai(path = "/health/ready", method = "get", operation_id = "get_readiness")]
    async fn ready(&self) -> HealthAnswer {
        let ready = self.state.gateway.is_ready().await;
        HealthAnswer::of(Health::alone(if ready { PASS } else { FAIL }))
    }
}

const PASS: &str = "pass";
const WARN: &str = "warn";
const FAIL: &str = "fail";

/// How everything is.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
pub struct Health {
    /// `pass`, `warn` or `fail`.
    pub status: String,
    /// The version of the service.
    pub version: String,
    /// What is wrong, in a sentence.
    pub output: Option<String>,
    /// Each thing the service depends on.
    pub checks: Option<BTreeMap<String, Vec<HealthCheck>>>,
}

/// How one thing is.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct HealthCheck {
    /// Which of several.
    pub component_id: Option<String>,
    /// What it is: `datastore` or `component`.
    pub component_type: String,
    /// What was measured.
    pub observed_value: Option<u64>,
    /// Of a WAHA server, whether this node sends through it: `closed` (it does), `open` (it fails and
    /// is left alone for a while) or `half-open` (one message at a time tries it).
    pub breaker: Option<Named<BreakerState>>,
    /// In what unit.
    pub observed_unit: Option<String>,
    /// `pass`, `warn` or `fail`.
    pub status: String,
    /// When.
    pub time: DateTime,
}

impl Health {
    fn alone(status: &str) -> Self {
        let (status, version) = (status.to_owned(), VERSION.to_owned());
        Self { status, version, output: None, checks: None }
    }

    fn of(found: &health::Health, now: DateTime) -> Self {
        let measured = |check: &Check, id: Option<&str>, kind: &str, bad: &str| HealthCheck {
            component_id: id.map(str::to_owned),
            component_type: kind.to_owned(),
            observed_value: Some(u64::try_from(check.took.as_millis()).unwrap_or(u64::MAX)),
            breaker: None,
            observed_unit: Some("ms".to_owned()),
            status: if check.healthy { PASS } else { bad }.to_owned(),
            time: now,
        };
        let store = vec![measured(&found.store, None, "datastore", FAIL)];
        let servers: Vec<_> = found
            .servers
            .iter()
            .map(|server| {
                let breaker = Some(Named(server.breaker));
                let check = measured(&server.check, Some(&server.name), "component", WARN);
                match server.breaker {
                    BreakerState::Closed => HealthCheck { breaker, ..check },
                    _ => HealthCheck { breaker, status: WARN.to_owned(), ..check },
                }
            })
            .collect();
        let limiter = vec![measured(&found.limiter, None, "component", WARN)];
        let queue = HealthCheck {
            component_id: None,
            component_type: "component".to_owned(),
            observed_value: found.queue_depth,
            breaker: None,
            observed_unit: found.queue_depth.map(|_| "messages".to_owned()),
            status: if found.queue_depth.is_some() { PASS } else { WARN }.to_owned(),
            time: now,
        };
        let ailing = SessionHealth::ALL.iter().filter(|health| **health != SessionHealth::Ok);
        let ailing: Vec<_> = ailing
            .map(|health| {
                let count = found.ailing_sessions.get(health).copied().unwrap_or(0);
                HealthCheck {
                    component_id: Some(health.as_str().to_owned()),
                    component_type: "component".to_owned(),
                    observed_value: Some(count),
                    breaker: None,
                    observed_unit: Some("sessions".to_owned()),
                    status: if count == 0 { PASS } else { WARN }.to_owned(),
                    time: now,
                }
            })
            .collect();
        let those = |are: fn(&health::ServerHealth) -> bool| {
            let names = found.servers.iter().filter(|server| are(server));
            names.map(|server| server.name.as_str()).collect::<Vec<_>>()
        };
        let down = those(|server| !server.check.healthy);
        let left_alone = those(|server| server.breaker != BreakerState::Closed);
        let (status, output) = if !found.store.healthy {
            (FAIL, Some("the store cannot be written: nothing is accepted".to_owned()))
        } else if !found.clock_agrees {
            let output = "this node's clock is wrong: it accepts and sends no messages";
            (FAIL, Some(output.to_owned()))
        } else if !down.is_empty() {
            let down = down.join(", ");
            (WARN, Some(format!("WAHA does not answer: {down}; messages are accepted and wait")))
        } else if !left_alone.is_empty() {
            let names = left_alone.join(", ");
            (WARN, Some(format!("WAHA fails to send: {names}; messages are accepted and wait")))
        } else if found.queue_depth.is_none() {
            (WARN, Some("the queue does not answer; messages are accepted and wait".to_owned()))
        } else if !found.limiter.healthy {
            let output = "the rate limiter cannot count; messages are accepted and wait";
            (WARN, Some(output.to_owned()))
        } else if !found.ailing_sessions.is_empty() {
            let counted: Vec<_> = found
                .ailing_sessions
                .iter()
                .map(|(health, count)| format!("{count} {health}"))
                .collect();
            let output =
                format!("connected sessions do not do what they should: {}", counted.join(", "));
            (WARN, Some(output))
        } else {
            (PASS, None)
        };
        let checks = [
            ("store:responseTime".to_owned(), store),
            ("waha:responseTime".to_owned(), servers),
            ("queue:depth".to_owned(), vec![queue]),
            ("limiter:responseTime".to_owned(), limiter),
            ("sessions:ailing".to_owned(), ailing),
        ];
        Self { output, checks: Some(checks.into()), ..Self::alone(status) }
    }
}

impl Example for Health {
    fn example() -> Self {
        Self::alone(PASS)
    }
}

/// The answer to a question for health.
#[derive(ApiResponse)]
pub enum HealthAnswer {
    /// Requests can be sent here (`pass` or `warn`).
    #[oai(status = 200, content_type = "application/health+json")]
    Well(Json<Health>),
    /// Nothing can be accepted (`fail`).
    #[oai(status = 503, content_type = "application/health+json")]
    Fail(
        Json<Health>,
        /// In how many seconds to look again.
        #[oai(header = "Retry-After")]
        u64,
    ),
}

impl HealthAnswer {
    fn of(health: Health) -> Self {
        if health.status == FAIL {
            Self::Fail(Json(health), LOOK_AGAIN_SECONDS)
        } else {
            Self::Well(Json(health))
        }
    }
}
