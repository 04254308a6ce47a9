//! The nodes: each dies and is started again on what it left.

use std::sync::{Arc, Mutex};

use messaging_core::conformance::entropy::SeededEntropy;
use messaging_core::delivery::{Delivery, DeliverySettings};
use messaging_core::domain::quota::Quota;
use messaging_core::gateway::{Gateway, Ports, Settings};
use messaging_core::ports::observer::NoObserver;
use std::time::Duration;

use crate::backend::{Backend, Connection};
use crate::host::Host;
use crate::sim::Sim;
use crate::waha::{Line, Waha};
use crate::words::{Password, Words};

/// How often each session's messages are read.
const READ_EVERY: Duration = Duration::from_secs(20);

/// The nodes, those of them that live.
pub(crate) struct Fleet {
    sim: Arc<Sim>,
    backend: Arc<Backend>,
    waha: Arc<Waha>,
    nodes: Mutex<Vec<Option<Node>>>,
}

/// One life of a node.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) host: Arc<Host>,
    pub(crate) gateway: Gateway,
}

impl Fleet {
    pub(crate) fn new(sim: Arc<Sim>, backend: Arc<Backend>, waha: Arc<Waha>) -> Arc<Self> {
        let nodes = Mutex::new(vec![None; sim.plan.nodes]);
        Arc::new(Self { sim, backend, waha, nodes })
    }

    /// Starts all nodes, and each again whenever it has died.
    pub(crate) fn start(self: &Arc<Self>) {
        for n in 0..self.sim.plan.nodes {
            let fleet = Arc::clone(self);
            tokio::spawn(async move {
                for life in 1.. {
                    let (node, delivery) = fleet.node(n, life);
                    fleet.nodes.lock().unwrap()[n] = Some(node.clone());
                    node.host.died.notified().await;
                    fleet.nodes.lock().unwrap()[n] = None;
                    // Its tasks stand still for ever wherever they were.
                    drop(delivery);
                    fleet.sim.wait(200, 20_000).await;
                    if fleet.sim.plan.embedded {
                        fleet.backend.forget();
                    }
                }
            });
        }
    }

    fn node(&self, n: usize, life: u64) -> (Node, Delivery) {
        let (sim, backend) = (&self.sim, &self.backend);
        let host = Arc::new(Host::new(format!("node {n}.{life}"), Arc::clone(sim)));
        if sim.plan.clock_steps > 0 {
            host.set_clock(sim.dice.below(240) as i64 - 120);
        }
        let connection =
            Arc::new(Connection { host: Arc::clone(&host), backend: Arc::clone(backend) });
        let line = Arc::new(Line { host: Arc::clone(&host), waha: Arc::clone(&self.waha) });
        let ports = Ports {
            messages: Arc::clone(&connection) as _,
            sessions: Arc::clone(&connection) as _,
            tenants: Arc::clone(&connection) as _,
            inbox: Arc::clone(&connection) as _,
            idempotency: Arc::clone(&connection) as _,
            opt_outs: Arc::clone(&connection) as _,
            upkeep: Arc::clone(&connection) as _,
            queue: Arc::clone(&connection) as _,
            limiter: Arc::clone(&connection) as _,
            duties: Arc::clone(&connection) as _,
            transport: Arc::clone(&line) as _,
            control: Arc::clone(&line) as _,
            history: line,
            verifier: Arc::new(Password),
            decoder: Arc::new(Words),
            observer: Arc::new(NoObserver),
            clock: Arc::clone(&host) as _,
            entropy: Arc::new(SeededEntropy::new(sim.dice.seed())),
        };
        let session_quota = Quota { limit: sim.plan.quota, window: Duration::from_secs(60) };
        let gateway = Gateway::new(ports, Settings { session_quota, ..Settings::default() });
        let settings =
            DeliverySettings { catch_up_interval: READ_EVERY, ..DeliverySettings::default() };
        let delivery = Delivery::start(&gateway, &settings);
        sim.note(|| format!("{} starts", host.name));
        (Node { host, gateway }, delivery)
    }

    /// Those that live.
    pub(crate) fn living(&self) -> Vec<Node> {
        self.nodes.lock().unwrap().iter().flatten().cloned().collect()
    }

    /// One of those that live.
    pub(crate) fn any(&self) -> Option<Node> {
        let living = self.living();
        self.sim.dice.pick(&living).cloned()
    }
}
