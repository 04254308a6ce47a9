//! Stopping something for a time, as requests and answers write it.

use messaging_core::domain::suspension;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::suspension::Stop;
use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::Deserialize;

use crate::api::body::RequestJson;
use crate::api::named::DateTime;

/// For how long to stop something, and why.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Suspend {
    /// Until when; until it is resumed, where it is left out.
    pub until: Option<DateTime>,
    /// Why, for people: at most 500 characters.
    #[oai(validator(max_length = 500))]
    pub reason: Option<String>,
}

impl RequestJson for Suspend {}

impl From<Suspend> for Stop {
    fn from(request: Suspend) -> Self {
        Self { until: request.until.map(|at| at.0), reason: request.reason }
    }
}

impl Example for Suspend {
    fn example() -> Self {
        let until = DateTime(Timestamp::from_millis(4_102_444_800_000));
        Self { until: Some(until), reason: Some("Complaints from recipients".to_owned()) }
    }
}

/// Since when something is stopped, until when, and why.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct Suspension {
    /// Since when.
    pub since: DateTime,
    /// Until when; absent for until it is resumed.
    pub until: Option<DateTime>,
    /// Why, for people.
    pub reason: Option<String>,
}

impl From<suspension::Suspension> for Suspension {
    fn from(suspension: suspension::Suspension) -> Self {
        Self {
            since: DateTime(suspension.since),
            until: suspension.until.map(DateTime),
            reason: suspension.reason,
        }
    }
}
