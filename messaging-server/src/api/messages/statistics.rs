//! Counts over messages, as answers write them.

use std::collections::BTreeMap;
use std::fmt::Display;

use messaging_core::domain::statistics;
use poem_openapi::Object;
use poem_openapi::types::Example;

/// Counts over the messages created in a range.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
pub struct Statistics {
    /// All messages.
    pub total: u64,
    /// By status; those without any are left out, here and below.
    pub by_status: BTreeMap<String, u64>,
    /// By direction.
    pub by_direction: BTreeMap<String, u64>,
    /// By type.
    pub by_type: BTreeMap<String, u64>,
    /// By the session's id.
    pub by_session: BTreeMap<String, u64>,
    /// Of the outbound messages that have an outcome (sent, delivered, read or failed) the share
    /// that was delivered or read, from 0 to 1; absent while there are none.
    pub success_rate: Option<f64>,
    /// Of the same messages the share that failed.
    pub failure_rate: Option<f64>,
    /// From acceptance here to acceptance by WhatsApp, in seconds; absent while none was sent.
    pub time_to_sent: Option<Percentiles>,
}

/// Two points of a distribution, in seconds.
#[derive(Clone, Copy, PartialEq, Object)]
#[oai(rename_all = "camelCase")]
pub struct Percentiles {
    /// Half take no longer.
    pub p50: f64,
    /// Of twenty, nineteen take no longer.
    pub p95: f64,
}

impl From<statistics::Statistics> for Statistics {
    fn from(counted: statistics::Statistics) -> Self {
        Self {
            success_rate: counted.success_rate(),
            failure_rate: counted.failure_rate(),
            total: counted.total,
            by_status: by_name(&counted.by_status),
            by_direction: by_name(&counted.by_direction),
            by_type: by_name(&counted.by_kind),
            by_session: by_name(&counted.by_session),
            time_to_sent: counted
                .time_to_sent
                .map(|statistics::Percentiles { p50, p95 }| Percentiles { p50, p95 }),
        }
    }
}

fn by_name<K: Display>(counts: &BTreeMap<K, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(key, count)| (key.to_string(), *count)).collect()
}

impl Example for Statistics {
    fn example() -> Self {
        let counts = |counts: &[(&str, u64)]| {
            counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        Self {
            total: 5,
            by_status: counts(&[("delivered", 3), ("failed", 1), ("received", 1)]),
            by_direction: counts(&[("inbound", 1), ("outbound", 4)]),
            by_type: counts(&[("text", 5)]),
            by_session: counts(&[("019b7700-0000-7000-8000-000000000002", 5)]),
            success_rate: Some(0.75),
            failure_rate: Some(0.25),
            time_to_sent: Some(Percentiles { p50: 0.34, p95: 2.1 }),
        }
    }
}
