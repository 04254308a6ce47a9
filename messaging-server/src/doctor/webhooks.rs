//! Whether this service is where WAHA is told to report to.

use std::net::IpAddr;

use crate::api::VERSION;
use crate::config::Config;
use crate::doctor::health::{self, Health};
use crate::doctor::report::Findings;

/// Asks for the health of the service as WAHA would reach it.
pub(super) async fn check(config: &Config) -> Findings {
    let mut findings = Findings::about("webhooks");
    let Some(url) = public_url(config) else {
        findings.ok("where WAHA reaches this service is known when it runs: PORT is 0");
        return findings;
    };
    match health::ask(&url).await {
        Health::Ours { version } if version == VERSION => {
            findings.ok(format!("this service answers at {url}"));
        }
        Health::Ours { version } => findings.warning(format!(
            "at {url} version {version} answers and this is {VERSION}: well during an update, else \
             update what runs there"
        )),
        Health::Another(status) => findings.warning(format!(
            "what answers at {url}/health/live (status {status}) is not this service: correct \
             PUBLIC_URL or what forwards it, else messages stay `sent`"
        )),
        Health::Nothing(why) => findings.warning(format!(
            "nothing answers at {url} from here ({why}): well while no service runs; else WAHA must \
             reach it by another way than this machine, or messages stay `sent`"
        )),
    }
    findings
}

/// Where WAHA is told to report to; `None` where that is known only to a service that runs.
pub(super) fn public_url(config: &Config) -> Option<String> {
    let listens = || (config.port != 0).then(|| local_url(config));
    config.public_url.clone().or_else(listens)
}

/// Where the service is reached from the machine it runs on.
pub(super) fn local_url(config: &Config) -> String {
    let host = match config.host.parse::<IpAddr>() {
        // Nobody can be reached at "any address".
        Ok(address) if address.is_unspecified() => "localhost".to_owned(),
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => config.host.clone(),
    };
    format!("{}://{host}:{}", config.scheme(), config.port)
}
