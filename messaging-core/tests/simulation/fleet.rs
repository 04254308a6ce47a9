//! The nodes: each dies and is started again on what it left.

use std::sync::{Arc, Mutex};

use messaging_core::conformance::entropy::SeededEntropy;
use messaging_core::delivery::{Delivery, DeliverySettings};
use messaging_core::domain::new_chats::NewChatLimits;
use messaging_core::domain::quota::Quota;
use messaging_core::domain::retry::RetryPolicy;
use messaging_core::gateway::{Gateway, Ports, Settings};
use messaging_core::memory::store::MemoryStore;
use messaging_core::ports::observer::NoObserver;
use std::time::Duration;
use tokio::time::timeout;

use crate::backend::{Backend, Connection};
use crate::host::Host;
use crate::sim::Sim;
use crate::waha::{Line, Waha};
use crate::words::{Password, Words};

/// How long an account is taken to be restricted, the first time.
pub(crate) const RESTRICTION: Duration = Duration::from_secs(30);

/// How often each session's messages are read.
const READ_EVERY: Duration = Duration::from_secs(20);
/// How long a node that is to leave may take for what is under way.
const MOST_TO_LEAVE: Duration = Duration::from_secs(30);

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
                    let is_leaving = tokio::select! {
                        biased;
                        () = node.host.died.notified() => false,
                        () = node.host.asked_to_leave.notified() => true,
                    };
                    fleet.nodes.lock().unwrap()[n] = None;
                    if is_leaving {
                        let has_left = timeout(MOST_TO_LEAVE, delivery.stop()).await.is_ok();
                        fleet.sim.note(|| format!("{} leaves: {has_left}", node.host.name));
                    }
                    // Its tasks stand still for ever wherever they were.
                    node.host.kill();
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
            // Nothing of what goes on by itself is recorded.
            audit: Arc::new(MemoryStore::new()),
            persons: Arc::new(MemoryStore::new()),
            retention: Arc::new(MemoryStore::new()),
            // All servers stand in the settings.
            servers: Arc::new(MemoryStore::new()),
            // Nobody authenticates here.
            access: Arc::new(MemoryStore::new()),
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
        let settings = Settings {
            session_quota,
            recipient_spacing: sim.plan.recipient_spacing,
            new_chats: NewChatLimits { per_day: None, spacing: sim.plan.new_chat_spacing },
            restriction: RetryPolicy {
                base: RESTRICTION,
                factor: 2.0,
                cap: 4 * RESTRICTION,
                max_attempts: u32::MAX,
            },
            ..Settings::default()
        };
        let gateway = Gateway::new(ports, settings);
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
