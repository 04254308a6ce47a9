//! Whether each WAHA can be used, and knows the sessions that are kept here.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use messaging_core::domain::clock_offset::ClockOffset;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::clock::{Clock, SystemClock};
use tokio::time::timeout;
use waha_client::client::{ClientConfig, ClientConfigError, Timeouts};
use waha_client::{MINIMUM_VERSION, WahaClient, WahaError};

use crate::config::{Config, WahaServerConfig};
use crate::doctor::report::{Findings, at_bottom, in_full};
use crate::doctor::{PATIENCE, Places};

/// HTTP tells the time in whole seconds, and nothing depends on less.
const CLOCK_WARNING: Duration = Duration::from_secs(5);

/// How many sessions are named.
const NAMED: usize = 5;

/// Looks at each server.
pub(super) async fn check(config: &Config, places: &Places) -> Vec<Findings> {
    let servers = config.waha_servers();
    let checks = servers.iter().map(|server| async move {
        let mut findings = Findings::about(format!("WAHA {}", server.name));
        // Of several questions each may take its time.
        if timeout(PATIENCE * 3, look(&mut findings, server, places)).await.is_err() {
            findings.problem(format!("{} does not answer in time", server.url));
        }
        findings
    });
    let mut all = join_all(checks).await;
    let is_configured = |name: &str| servers.iter().any(|server| server.name == name);
    let lost: BTreeSet<&str> = places.iter().map(|place| place.server.as_str()).collect();
    for name in lost.into_iter().filter(|name| !is_configured(name)) {
        let count = places.iter().filter(|place| place.server == name).count();
        let mut findings = Findings::about(format!("WAHA {name}"));
        findings.warning(format!(
            "{count} of the sessions kept here are on this server, which is not configured: add it \
             to WAHA_SERVERS, or by POST /admin/servers"
        ));
        all.push(findings);
    }
    all
}

async fn look(findings: &mut Findings, server: &WahaServerConfig, places: &Places) {
    let url = &server.url;
    let client = match client(server) {
        Ok(client) => client,
        Err(error) => return findings.problem(format!("{}; correct it", in_full(&error))),
    };
    let asked = SystemClock.now();
    let shown = match client.server_time().await {
        Ok(shown) => shown,
        Err(error) => return findings.problem(unreachable(url, &error)),
    };
    let answered = SystemClock.now();
    match client.version().await {
        Ok(found) => {
            let (version, engine) = (&found.version, &found.engine);
            if found.is_supported() == Some(false) {
                findings.warning(format!(
                    "{url} is version {version}: {MINIMUM_VERSION} or later is known to work"
                ));
            } else {
                findings.ok(format!("{url} answers (version {version}, engine {engine})"));
            }
        }
        Err(error) => return findings.problem(refused(url, server.api_key.is_some(), &error)),
    }
    if let Some(shown) = shown {
        let offset = ClockOffset::measured(asked, instant(shown), answered);
        let offset = offset.in_steps_of(Duration::from_secs(1));
        // WAHA's clock is read by nobody but people: it is never a problem.
        findings.clock("WAHA", offset, CLOCK_WARNING, Duration::MAX);
    }
    let own: Vec<&str> = places
        .iter()
        .filter(|place| place.server == server.name)
        .map(|place| place.name.as_str())
        .collect();
    match client.sessions().await {
        Ok(sessions) => {
            let known: BTreeSet<_> = sessions.iter().map(|session| session.name.as_str()).collect();
            judge_sessions(findings, &own, &known);
        }
        Err(error) => findings.warning(format!(
            "its sessions cannot be listed ({}): give it a key for all of them",
            error.reason()
        )),
    }
}

fn client(server: &WahaServerConfig) -> Result<WahaClient, ClientConfigError> {
    let timeouts = Timeouts { connect: PATIENCE, read: PATIENCE, ..Timeouts::default() };
    let config = ClientConfig { timeouts, ..ClientConfig::default() };
    WahaClient::with_config(&server.url, server.api_key.clone().unwrap_or_default(), config)
}

fn instant(time: SystemTime) -> Timestamp {
    Timestamp::EPOCH.plus(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn unreachable(url: &str, error: &WahaError) -> String {
    match error {
        WahaError::SafeRetry { .. } => format!(
            "nothing answers at {url}: start it, or correct WAHA_BASE_URL or WAHA_SERVERS; messages \
             are accepted and wait ({})",
            at_bottom(error)
        ),
        _ if matches!(error.reason(), "timeout" | "connection-lost") => {
            format!("{url} does not answer in time: see its log; messages are accepted and wait")
        }
        _ => format!(
            "what answers at {url} is no WAHA ({}): correct WAHA_BASE_URL or WAHA_SERVERS",
            error.reason()
        ),
    }
}

fn refused(url: &str, has_key: bool, error: &WahaError) -> String {
    match error.reason() {
        "unauthorized" | "forbidden" if has_key => {
            format!("{url} refuses the key: correct WAHA_API_KEY, or apiKey in WAHA_SERVERS")
        }
        "unauthorized" | "forbidden" => {
            format!("{url} asks for a key: set WAHA_API_KEY, or apiKey in WAHA_SERVERS")
        }
        reason => format!("{url} answers, but does not tell its version ({reason}): see its log"),
    }
}

fn judge_sessions(findings: &mut Findings, own: &[&str], known: &BTreeSet<&str>) {
    let unknown: Vec<_> = own.iter().filter(|name| !known.contains(**name)).collect();
    if unknown.is_empty() {
        findings.ok(format!("knows all {} of the sessions kept here", own.len()));
        return;
    }
    let names = unknown.iter().take(NAMED).map(|name| name.escape_debug().to_string());
    let names = names.collect::<Vec<_>>().join(", ");
    let more = if unknown.len() > NAMED { ", …" } else { "" };
    findings.warning(format!(
        "does not know {} of {} sessions kept here ({names}{more}): make them there again by that \
         name, or delete them here",
        unknown.len(),
        own.len()
    ));
}
