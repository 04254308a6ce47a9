//! Whether PostgreSQL can be used.

use std::cmp::Ordering;
use std::time::Duration;

use messaging_core::ports::clock::SystemClock;
use messaging_store_postgres::{Inspection, MINIMUM_VERSION, OpenError, Presence, inspect};
use reqwest::Url;
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::config::PostgresConfig;
use crate::doctor::report::{Findings, in_full};
use crate::doctor::{PATIENCE, Places, kept_elsewhere};
use crate::wiring::storage::postgres_options;

/// What the rate limiter allows for.
pub(super) const CLOCK_WARNING: Duration = Duration::from_millis(250);
/// From here on terms, leases and windows are wrong.
pub(super) const CLOCK_LIMIT: Duration = Duration::from_secs(5);

/// Looks at the database.
pub(super) async fn check(config: &PostgresConfig, has_redis: bool) -> (Findings, Places) {
    let mut findings = Findings::about("PostgreSQL");
    let url = config.url.expose_secret();
    let options = postgres_options(config);
    let place = place(url);
    let mut places = Places::new();
    match timeout(PATIENCE, inspect(url, &options, &SystemClock)).await {
        Err(_) => findings.problem(format!(
            "{place} does not answer within {} s: see whether it runs, and whether a firewall is in \
             the way",
            PATIENCE.as_secs()
        )),
        Ok(Err(error)) => {
            findings.problem(format!("{place}: {}; {}", in_full(&error), advice(&error)));
        }
        Ok(Ok(found)) => {
            judge_server(&mut findings, &place, &found);
            judge_schema(&mut findings, &config.schema, &found);
            judge_connections(&mut findings, config.connections, &found, has_redis);
            findings.clock("PostgreSQL", found.clock, CLOCK_WARNING, CLOCK_LIMIT);
            places = kept_elsewhere(found.places, &found.servers);
        }
    }
    if !has_redis {
        findings.warning(
            "without Redis exactly one node may run, for it keeps queue and limits in its memory: \
             set REDIS_URL before a second is started",
        );
    }
    (findings, places)
}

/// Host, port and database; the rest of an address is secret.
fn place(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return "the address".to_owned() };
    let host = url.host_str().unwrap_or("localhost");
    format!("{host}:{}{}", url.port().unwrap_or(5432), url.path())
}

fn advice(error: &OpenError) -> &'static str {
    match error {
        OpenError::Address => "correct DATABASE_URL",
        OpenError::Schema(_) => "correct DB_SCHEMA",
        OpenError::Unreachable(_) => "see whether it runs, and correct DATABASE_URL or DB_HOST",
        OpenError::Refused { code, .. } => match code.as_str() {
            "28P01" | "28000" => "correct DATABASE_URL, or DB_USERNAME and DB_PASSWORD",
            "3D000" => "make it by `createdb`, or correct DATABASE_URL or DB_DATABASE",
            "53300" => "raise max_connections, or lower DB_CONNECTIONS",
            "57P03" => "wait, and ask again",
            _ => "grant the user what it lacks",
        },
        _ => "see docs/deployment.md",
    }
}

fn judge_server(findings: &mut Findings, place: &str, found: &Inspection) {
    let version = &found.server;
    if found.server_number < MINIMUM_VERSION {
        let needed = MINIMUM_VERSION / 10_000;
        findings.problem(format!("{place} is version {version}: {needed} or later is needed"));
    } else {
        findings.ok(format!("{place} answers (version {version})"));
    }
    if found.is_standby {
        findings.problem("the server is a standby and keeps nothing: name the primary");
    }
    if found.not_durable.is_empty() {
        findings.ok("what is accepted is on disk (fsync, full_page_writes, synchronous_commit)");
    } else {
        let off = found.not_durable.join(", ");
        findings.problem(format!("{off} is off: what is accepted may be lost; turn it on"));
    }
}

fn judge_schema(findings: &mut Findings, schema: &str, found: &Inspection) {
    let Inspection { version, known, .. } = *found;
    match (found.schema, version.cmp(&known)) {
        (Presence::Forbidden, _) => findings.problem(format!(
            "the user may not make tables in schema {schema}, or not make the schema: run `CREATE \
             SCHEMA \"{schema}\" AUTHORIZATION` for it, or make it the schema's owner"
        )),
        (Presence::ToBeMade, _) => findings.warning(format!(
            "there is no schema {schema} yet: `migrate`, or the first start, makes it; if there \
             should be one, this is another database"
        )),
        (Presence::There, _) if version == 0 => findings.warning(format!(
            "schema {schema} is empty: `migrate`, or the first start, fills it"
        )),
        (Presence::There, Ordering::Equal) => {
            findings.ok(format!("schema {schema} has this program's version, {version}"));
        }
        (Presence::There, Ordering::Less) => findings.warning(format!(
            "schema {schema} has version {version} and this program {known}: `migrate`, or the next \
             start, brings it there"
        )),
        (Presence::There, Ordering::Greater) => findings.warning(format!(
            "schema {schema} has version {version} and this program only {known}: this works \
             during an update, so finish it"
        )),
    }
    let (role, presence) = &found.role;
    match presence {
        Presence::There => findings.ok(format!("the role {role} is there")),
        Presence::ToBeMade => findings.ok(format!("the role {role} can be made")),
        Presence::Forbidden => findings.problem(format!(
            "the role {role} is missing, or not granted to the user, who may not change that: have \
             a superuser run `CREATE ROLE {role} NOLOGIN` and `GRANT {role} TO` the user"
        )),
    }
}

fn judge_connections(findings: &mut Findings, wanted: u32, found: &Inspection, has_redis: bool) {
    let available = found.connections;
    let nodes = available / wanted.max(1);
    let says = format!("{available} connections, of which a node takes {wanted} (DB_CONNECTIONS)");
    let advice = "raise max_connections, or lower DB_CONNECTIONS";
    let free = found.free_connections;
    match nodes {
        1.. if free < wanted => findings.warning(format!(
            "only {free} of {says} are free: a node that starts now may have to do with fewer; \
             {advice}"
        )),
        0 => findings.problem(format!("{says}: not enough for one; {advice}")),
        1 if has_redis => findings.warning(format!("{says}: not enough for two; {advice}")),
        _ => findings.ok(format!("{says}: room for {nodes}")),
    }
}

#[cfg(test)]
mod tests {
    use messaging_core::domain::clock_offset::ClockOffset;
    use messaging_core::domain::timestamp::Timestamp;

    use super::*;
    use crate::doctor::Report;

    fn well() -> Inspection {
        let at = Timestamp::EPOCH;
        Inspection {
            server: "15.4".into(),
            server_number: 150_004,
            is_standby: false,
            version: 5,
            known: 5,
            schema: Presence::There,
            role: ("messaging_tenant".into(), Presence::There),
            not_durable: Vec::new(),
            connections: 97,
            free_connections: 97,
            clock: ClockOffset::measured(at, at, at),
            places: Vec::new(),
            servers: Vec::new(),
        }
    }

    /// The worst of what is said, where it is not well.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Inspection), expected: &str) {
        let mut found = well();
        change(&mut found);
        let mut findings = Findings::about("PostgreSQL");
        judge_server(&mut findings, "db:5432/messaging", &found);
        judge_schema(&mut findings, "messaging", &found);
        judge_connections(&mut findings, 16, &found, true);
        let mut report = Report::default();
        report.add(findings);
        let worst = report.findings.iter().max_by_key(|finding| finding.verdict).unwrap();
        let worst = format!("{} {}", worst.verdict, worst.says);
        assert!(worst.starts_with(expected), "{worst}");
    }

    #[test]
    fn each_thing_that_is_wrong_is_said() {
        check(|_| {}, "ok ");
        check(|it| it.server_number = 140_009, "problem db:5432/messaging is version");
        check(|it| it.is_standby = true, "problem the server is a standby");
        check(|it| it.not_durable = vec!["fsync"], "problem fsync is off: what is accepted may be");
        check(|it| it.version = 4, "warning schema messaging has version 4 and this program 5");
        check(|it| it.version = 6, "warning schema messaging has version 6 and this program only");
        check(|it| it.version = 0, "warning schema messaging is empty");
        check(|it| it.schema = Presence::ToBeMade, "warning there is no schema messaging yet");
        check(|it| it.schema = Presence::Forbidden, "problem the user may not make tables");
        check(|it| it.role.1 = Presence::ToBeMade, "ok ");
        check(|it| it.role.1 = Presence::Forbidden, "problem the role messaging_tenant is missing");
        check(|it| it.connections = 31, "warning 31 connections");
        check(|it| it.connections = 15, "problem 15 connections");
        check(|it| it.free_connections = 15, "warning only 15 of 97 connections");
    }

    #[test]
    fn of_an_address_only_the_place_is_shown() {
        let url = "postgres://me:hunter2@db/messaging?password=hunter3";
        assert_eq!(place(url), "db:5432/messaging");
    }
}
