//! One WAHA of each dialect, on which everything goes wrong that is theirs to do wrong.

use std::time::Duration;

use serde_json::json;
use waha_client::Engine;
use waha_client::simulator::{
    DEFAULT_API_KEY, Fault, FaultRule, Latency, Simulator, SimulatorConfig,
};

use crate::scale::Scale;

/// The share of sends that go wrong in each of the ways there are.
const SHARE: f64 = 0.05;

/// The share of webhooks that come twice.
const TWICE: f64 = 0.3;

/// A WAHA of one dialect.
pub(crate) struct Waha {
    pub(crate) name: &'static str,
    pub(crate) engine: Engine,
    pub(crate) simulator: Simulator,
}

/// Starts one of each.
pub(crate) async fn start(scale: &Scale) -> Vec<Waha> {
    let mut wahas = Vec::new();
    for (name, engine) in
        [("noweb", Engine::Noweb), ("gows", Engine::Gows), ("webjs", Engine::Webjs)]
    {
        let seed = scale.dice(1000 + wahas.len() as u64).number();
        let mut config = SimulatorConfig { seed, ..SimulatorConfig::default() };
        config.times.starting = Duration::from_millis(10);
        let knobs = &mut config.knobs;
        knobs.engine = engine;
        knobs.auto_scan_ms = Some(10);
        knobs.latency = Latency::range(Duration::from_millis(5), Duration::from_millis(60));
        knobs.answer_latency = Latency::range(Duration::ZERO, Duration::from_millis(50));
        // WAHA does not promise that a repeat with the same id becomes no second message.
        knobs.collapses_same_id = engine != Engine::Noweb;
        let rule = |fault| FaultRule { chance: SHARE, ..FaultRule::always(fault) };
        knobs.faults.push(rule(Fault::AnswerLost));
        knobs.faults.push(rule(Fault::Dropped));
        knobs.faults.push(rule(Fault::thrown("Evaluation failed: something broke")));
        // Acks overtake one another, and the answers of their sends.
        knobs.webhooks.latency = Latency::range(Duration::ZERO, Duration::from_secs(2));
        knobs.webhooks.duplicate_chance = TWICE;
        knobs.webhooks.duplicates_have_new_ids = engine == Engine::Webjs;
        knobs.webhooks.retry_scale = 0.05;
        let simulator = Simulator::start(config).await.unwrap();
        wahas.push(Waha { name, engine, simulator });
    }
    wahas
}

/// What every server is told of the trial, wherever it keeps its messages.
pub(crate) fn settings(scale: &Scale, wahas: &[Waha]) -> Vec<(&'static str, String)> {
    let servers: Vec<_> = wahas
        .iter()
        .map(|waha| {
            let url = waha.simulator.base_url();
            json!({"name": waha.name, "url": url, "apiKey": DEFAULT_API_KEY})
        })
        .collect();
    vec![
        ("WAHA_SERVERS", json!(servers).to_string()),
        ("SESSION_RATE_LIMIT", scale.limit().to_string()),
        ("SESSION_RATE_WINDOW", format!("{}s", scale.window.as_secs())),
        // What goes wrong 15 % of the time is not to go wrong for good.
        ("RETRY_ATTEMPTS", ATTEMPTS.to_string()),
    ]
}

/// How often a message is tried.
pub(crate) const ATTEMPTS: u64 = 10;
