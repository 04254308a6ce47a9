//! Looks at everything the service depends on, and says in words what is wrong and what to do about
//! it. Changes nothing, and shows no secret.

mod configuration;
mod data_dir;
mod health;
mod postgres;
mod redis;
mod report;
mod sqlite;
mod waha;
mod webhooks;

use std::path::Path;
use std::time::Duration;

use futures::join;
use messaging_core::domain::session::ProviderSession;

use crate::config::{Config, environment};

pub use report::{Finding, Report, Verdict};

use report::Findings;

/// How long any one thing may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the sessions live that a store knows; nothing where it could not be read.
type Places = Vec<ProviderSession>;

/// Looks at everything that the environment, and `.env` in `dir`, tell the service to use. All checks
/// are made, whatever the others find, and reported in the same order always.
pub async fn examine(dir: &Path) -> Report {
    let mut report = Report::default();
    let config = match environment::variables(dir).and_then(Config::from_vars) {
        Ok(config) => config,
        Err(error) => {
            report.add(configuration::unreadable(&error));
            return report;
        }
    };
    report.add(configuration::check(&config));
    let (address, data_dir, (store, places), redis, webhooks) = join!(
        configuration::check_address(&config),
        data_dir::check(&config),
        check_store(&config),
        redis::check(&config),
        webhooks::check(&config),
    );
    for findings in [address, data_dir, store, redis] {
        report.add(findings);
    }
    for findings in waha::check(&config, &places).await {
        report.add(findings);
    }
    report.add(webhooks);
    report
}

/// The sessions that are not on a server which the store keeps, and knows the address and key of.
fn kept_elsewhere(mut places: Places, servers: &[String]) -> Places {
    places.retain(|place| !servers.contains(&place.server));
    places
}

async fn check_store(config: &Config) -> (Findings, Places) {
    match &config.postgres {
        Some(postgres) => postgres::check(postgres, config.redis.is_some()).await,
        None => sqlite::check(config).await,
    }
}
