//! Whether the settings can be used, and go with each other and this machine.

use std::io;
use std::net::IpAddr;

use messaging_vault::Mode;
use reqwest::Url;
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::config::problem::ConfigError;
use crate::config::{Config, WahaServerConfig};
use crate::doctor::health::{self, Health};
use crate::doctor::report::{Findings, in_full};
use crate::doctor::{PATIENCE, webhooks};
use crate::wiring;

const ABOUT: &str = "configuration";

/// What is wrong with a configuration that cannot even be read.
pub(super) fn unreadable(error: &ConfigError) -> Findings {
    let mut findings = Findings::about(ABOUT);
    for problem in &error.problems {
        findings.problem(problem.to_string());
    }
    findings.warning("nothing else was looked at; correct this and ask again");
    findings
}

/// What can be said of a configuration without asking anybody.
pub(super) fn check(config: &Config) -> Findings {
    let mut findings = Findings::about(ABOUT);
    match config.check_usable() {
        Ok(()) => findings.ok("can be used"),
        Err(error) => {
            for problem in &error.problems {
                findings.problem(problem.to_string());
            }
        }
    }
    // Where the port is not known yet, the host is all the same.
    let public_url = webhooks::public_url(config).unwrap_or_else(|| webhooks::local_url(config));
    let servers = config.waha_servers();
    // The simulator restricts nobody.
    let is_real = |server: &WahaServerConfig| {
        let key = server.api_key.as_ref().map(ExposeSecret::expose_secret);
        key != Some(waha_client::simulator::DEFAULT_API_KEY)
    };
    if !config.new_chats.any() && servers.iter().any(is_real) {
        findings.warning(
            "new chats are not limited, and WhatsApp restricts accounts that write to many \
             strangers: set NEW_CHATS_PER_DAY (50 at first) and NEW_CHAT_SPACING (30s-60s)",
        );
    }
    if config.encryption.mode == Mode::Plain {
        findings.warning(
            "ENCRYPTION is plain: whoever has a copy of the database reads every text and number",
        );
    }
    let remote = servers.iter().find(|server| !is_this_machine(&server.url));
    if let Some(remote) = remote.filter(|_| is_this_machine(&public_url)) {
        findings.warning(format!(
            "WAHA at {} cannot deliver webhooks to {public_url}, which every machine takes for \
             itself: set PUBLIC_URL to where WAHA reaches this service",
            remote.url
        ));
    }
    findings
}

/// Whether the address can be listened on, or the service does so already.
pub(super) async fn check_address(config: &Config) -> Findings {
    let place = format!("{}:{}", config.host, config.port);
    let mut findings = Findings::about("address");
    let Ok(bound) = timeout(PATIENCE, wiring::bind(config)).await else {
        findings.problem(format!("{place} cannot be looked up in time: HOST should be an address"));
        return findings;
    };
    match bound {
        Ok(_) if config.port == 0 => findings.ok(format!("any free port of {}", config.host)),
        Ok(_) => findings.ok(format!("{place} is free")),
        Err(error) if error.is_taken() => match health::ask(&webhooks::local_url(config)).await {
            Health::Ours { version } => {
                findings.ok(format!("the service runs at {place} (version {version})"));
            }
            _ => findings.problem(format!(
                "{place} is taken by another program: stop that, or choose another PORT"
            )),
        },
        Err(error) => {
            let advice = match error.kind() {
                io::ErrorKind::PermissionDenied => "choose a PORT from 1024 on",
                _ => "HOST must be an address of this machine, or 0.0.0.0 for all of them",
            };
            findings.problem(format!("{}; {advice}", in_full(&error)));
        }
    }
    findings
}

/// Whether an address means the machine that uses it, whichever that is.
fn is_this_machine(url: &str) -> bool {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(variables: &[(&str, &str)]) -> String {
        let config = Config::from_vars(variables.iter().copied()).unwrap();
        let mut report = crate::doctor::Report::default();
        report.add(check(&config));
        report.to_string()
    }

    #[test]
    fn a_waha_elsewhere_cannot_reach_this_machine_by_localhost() {
        let elsewhere = ("WAHA_BASE_URL", "http://waha:3000");
        let warned = |variables: &[(&str, &str)]| {
            said(variables).contains("warning  configuration: WAHA at http://waha:3000 cannot")
        };
        assert!(warned(&[elsewhere]));
        assert!(warned(&[elsewhere, ("HOST", "0.0.0.0")]));
        assert!(warned(&[elsewhere, ("PORT", "0")]));
        assert!(warned(&[elsewhere, ("PUBLIC_URL", "http://[::1]:8080")]));
        assert!(!warned(&[elsewhere, ("PUBLIC_URL", "https://messages.example")]));
        assert!(!warned(&[elsewhere, ("HOST", "10.1.2.3")]));
        assert!(!warned(&[("WAHA_BASE_URL", "http://127.0.0.1:3000")]));
    }

    #[test]
    fn a_real_account_without_limits_is_warned_of() {
        let warned = |variables: &[(&str, &str)]| {
            said(variables).contains("warning  configuration: new chats are not limited")
        };
        assert!(warned(&[("WAHA_API_KEY", "a-key-of-ones-own")]));
        assert!(warned(&[]));
        assert!(!warned(&[("WAHA_API_KEY", "simulator")]));
        assert!(!warned(&[("NEW_CHATS_PER_DAY", "50")]));
        assert!(!warned(&[("NEW_CHAT_SPACING", "30s-60s")]));
        assert!(warned(&[("NEW_CHAT_SPACING", "0")]));
    }

    #[test]
    fn who_encrypts_nothing_is_told_so() {
        let line = "warning  configuration: ENCRYPTION is plain";
        assert!(said(&[("ENCRYPTION", "plain")]).contains(line));
        assert!(!said(&[]).contains(line) && !said(&[("ENCRYPTION", "numbers")]).contains(line));
    }

    #[test]
    fn every_problem_is_a_line() {
        let said = said(&[("ROLE", "api"), ("METRICS_TOKEN", "changeme")]);
        assert!(
            said.contains("problem  configuration: METRICS_TOKEN holds a placeholder"),
            "{said}"
        );
        assert!(said.contains("problem  configuration: ROLE is api"), "{said}");
    }
}
