//! What happens in one simulation: what clients ask for, what goes wrong meanwhile, and the calm
//! in which everything must come to its end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use messaging_core::conformance::build::{address, session, session_id, tenant, tenant_id};
use messaging_core::domain::content::Content;
use messaging_core::domain::id::{MessageId, SessionId, TenantId};
use messaging_core::domain::idempotency::IdempotencyKey;
use messaging_core::domain::message::Priority;
use messaging_core::domain::session::{
    OnRateLimit, OnUnavailable, ProviderSession, Session, SessionStatus,
};
use messaging_core::domain::statistics::StatisticsRange;
use messaging_core::domain::status::Status;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::receive_webhook::Webhook;
use messaging_core::gateway::send::{SendRequest, Timing};
use messaging_core::gateway::suspension::Stop;
use messaging_core::ports::inbox_store::InboxStore;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::queue::Queue;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::tenant_store::TenantStore;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::backend::Backend;
use crate::fleet::Fleet;
use crate::judge::caught_up;
use crate::sim::Sim;
use crate::waha::{Report, Waha};

/// For how long things go wrong, in milliseconds.
const STORMY: u64 = 90_000;

/// How long everything may take to come to its end when nothing goes wrong any more.
const CALM: Duration = Duration::from_secs(2 * 3600);

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a client asks that may.
const ASKS: usize = 12;

/// Everything there is in one simulation.
pub(crate) struct World {
    pub(crate) sim: Arc<Sim>,
    pub(crate) backend: Arc<Backend>,
    pub(crate) waha: Arc<Waha>,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) promised: Mutex<Promised>,
    /// How many clients wait to be told what became of their request.
    asking: AtomicUsize,
}

/// What was promised to those outside.
#[derive(Default)]
pub(crate) struct Promised {
    pub(crate) accepted: Vec<Accepted>,
    /// Requests that were answered with one message's id, and then with another's.
    pub(crate) renamed: Vec<(MessageId, MessageId)>,
    /// When a session was to send nothing.
    pub(crate) stops: Vec<Stopped>,
    /// When somebody asked to stop a session or to let it go on, and when that was over.
    pub(crate) asked: Vec<(SessionId, Timestamp, Option<Timestamp>)>,
    /// Bodies of inbound messages whose webhook was answered as kept.
    pub(crate) taken_in: Vec<String>,
}

/// A session that was stopped, and for how long that was certain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopped {
    pub(crate) session: SessionId,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// A message that a client was told is accepted.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) id: MessageId,
    pub(crate) tenant: TenantId,
    pub(crate) session: SessionId,
    pub(crate) to: String,
    pub(crate) body: String,
    pub(crate) priority: Priority,
    pub(crate) timing: Timing,
    pub(crate) asked_at: Timestamp,
    pub(crate) answered_at: Timestamp,
}

/// Lets a simulation happen, to its end.
pub(crate) async fn play(seed: u64, told: bool) -> World {
    let sim = Arc::new(Sim::new(seed, told));
    sim.note(|| format!("{:#?}", sim.plan));
    let (reports, posted) = mpsc::unbounded_channel();
    let backend = Arc::new(Backend::new(sim.plan.embedded));
    let waha = Arc::new(Waha::new(Arc::clone(&sim), reports));
    let sessions = found(&sim, &backend, &waha).await;
    let fleet = Fleet::new(Arc::clone(&sim), Arc::clone(&backend), Arc::clone(&waha));
    let world = World {
        sim,
        backend,
        waha,
        fleet,
        sessions,
        promised: Mutex::default(),
        asking: AtomicUsize::new(0),
    };
    let world = Arc::new(world);
    world.fleet.start();
    tokio::spawn(post(Arc::clone(&world), posted));
    for n in 0..world.sim.plan.messages {
        tokio::spawn(Arc::clone(&world).client(n));
    }
    for n in 0..world.sim.dice.below(4) {
        tokio::spawn(Arc::clone(&world).correspondent(n));
    }
    tokio::spawn(Arc::clone(&world).misfortunes());
    tokio::time::sleep(Duration::from_millis(STORMY)).await;
    world.calm_down();
    world.settle().await;
    let World { sim, backend, waha, fleet, sessions, promised, asking: _ } = &*world;
    World {
        sim: Arc::clone(sim),
        backend: Arc::clone(backend),
        waha: Arc::clone(waha),
        fleet: Arc::clone(fleet),
        sessions: sessions.clone(),
        promised: Mutex::new(std::mem::take(&mut *promised.lock().unwrap())),
        asking: AtomicUsize::new(0),
    }
}

/// Tenants and their sessions, all connected.
async fn found(sim: &Sim, backend: &Backend, waha: &Waha) -> Vec<Session> {
    let mut sessions = Vec::new();
    for owner in 1..=sim.plan.tenants {
        TenantStore::insert(&*backend.store, &tenant(owner)).await.unwrap();
        for _ in 0..sim.plan.sessions {
            let n = sessions.len() as u64 + 1;
            let server = format!("waha-{}", sim.dice.within(1, sim.plan.servers));
            let place = ProviderSession { server, name: format!("s{n}") };
            let own = Session {
                id: session_id(n),
                tenant: tenant_id(owner),
                place,
                on_rate_limit: OnRateLimit::Queue,
                ..session(n)
            };
            SessionStore::insert(&*backend.store, &own).await.unwrap();
            waha.add_account(&own.place);
            sessions.push(own);
        }
    }
    sessions
}

/// Delivers the provider's webhooks, each by itself and in whatever order.
async fn post(world: Arc<World>, mut posted: mpsc::UnboundedReceiver<Report>) {
    while let Some(report) = posted.recv().await {
        tokio::spawn(Arc::clone(&world).deliver(report));
    }
}

impl World {
    async fn deliver(self: Arc<Self>, report: Report) {
        let (sim, plan) = (&self.sim, &self.sim.plan);
        tokio::time::sleep(sim.dice.millis(1, plan.webhook_delay.as_millis() as u64)).await;
        let mut deliveries = if sim.goes_wrong(plan.webhook_twice) { 2 } else { 1 };
        for _ in 0..16 {
            // What the provider has in memory is lost with it.
            if !self.waha.lives(&report.server, report.life) || sim.goes_wrong(plan.webhook_lost) {
                return;
            }
            if self.hand_over(&report.words).await {
                deliveries -= 1;
                if deliveries == 0 {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    /// Tells whether it was answered as kept.
    async fn hand_over(&self, words: &str) -> bool {
        let Some(node) = self.fleet.any() else { return false };
        let headers: &[(&str, &str)] = &[("password", "open sesame")];
        let body = words.as_bytes();
        let handed_over = async {
            let admitted = node.gateway.admit_webhook(1).await?;
            let webhook = Webhook { admitted, session: None, headers: &headers, body };
            node.gateway.receive_webhook(webhook).await
        };
        let answer = timeout(self.patience(), handed_over).await;
        if !matches!(answer, Ok(Ok(_))) {
            return false;
        }
        if let [_, _, "text", _, body] = words.split(' ').collect::<Vec<_>>()[..] {
            self.promised.lock().unwrap().taken_in.push(body.to_owned());
        }
        true
    }

    /// Asks for one message: once, or, where it names the request, until it knows the answer.
    async fn client(self: Arc<Self>, n: u64) {
        let (sim, plan) = (&self.sim, &self.sim.plan);
        let Some(session) = sim.dice.pick(&self.sessions).cloned() else { return };
        let to = address(sim.dice.within(1, plan.people));
        let priorities = [Priority::High, Priority::Normal, Priority::Normal, Priority::Low];
        let priority = *sim.dice.pick(&priorities).unwrap_or(&Priority::Normal);
        let body = format!("m{n}");
        let key = sim.dice.chance(0.5).then(|| IdempotencyKey::parse(format!("k{n}")).unwrap());
        sim.wait(0, STORMY).await;
        let in_time = |chance| sim.dice.chance(chance).then(|| sim.dice.millis(1, 60_000));
        let send_at = in_time(plan.scheduled).map(|wait| sim.now().plus(wait));
        let expires_at = in_time(plan.expiring).map(|wait| send_at.unwrap_or(sim.now()).plus(wait));
        let timing = Timing { send_at, expires_at };
        let request = SendRequest {
            session: session.id.into(),
            to: to.as_str().to_owned(),
            content: Content::text(&body),
            priority,
            metadata: None,
            on_rate_limit: None,
            on_unavailable: OnUnavailable::Accept,
            timing,
            allow_duplicate: false,
            idempotency_key: key,
        };
        let asked_at = sim.now();
        let Some(id) = self.ask(session.tenant, &request).await else { return };
        let accepted = Accepted {
            id,
            tenant: session.tenant,
            session: session.id,
            to: to.as_str().to_owned(),
            body,
            priority,
            timing,
            asked_at,
            answered_at: sim.now(),
        };
        self.promised.lock().unwrap().accepted.push(accepted);
        if request.idempotency_key.is_some() && sim.dice.chance(0.3) {
            sim.wait(0, 60_000).await;
            if let Some(again) = self.ask(session.tenant, &request).await
                && again != id
            {
                self.promised.lock().unwrap().renamed.push((id, again));
            }
        }
        if sim.dice.chance(0.1) {
            sim.wait(0, 10_000).await;
            if let Some(node) = self.fleet.any() {
                let answer = timeout(PATIENCE, node.gateway.cancel(session.tenant, id)).await;
                sim.note(|| format!("m{n} is taken back: {}", matches!(answer, Ok(Ok(_)))));
            }
        }
    }

    /// Asks until it is told the message's id, through whichever node, where asking again does no
    /// harm; else once.
    async fn ask(&self, tenant: TenantId, request: &SendRequest) -> Option<MessageId> {
        self.asking.fetch_add(1, Ordering::Relaxed);
        let told = self.ask_until_told(tenant, request).await;
        self.asking.fetch_sub(1, Ordering::Relaxed);
        told
    }

    async fn ask_until_told(&self, tenant: TenantId, request: &SendRequest) -> Option<MessageId> {
        let (sim, body) = (&self.sim, &request.content.body);
        for _ in 0..ASKS {
            let Some(node) = self.fleet.any() else {
                sim.wait(500, 5_000).await;
                continue;
            };
            let asked = node.gateway.send(tenant, request.clone());
            let answer = timeout(self.patience(), asked).await;
            match answer {
                Ok(Ok(accepted)) => {
                    let name = &node.host.name;
                    let again = if accepted.is_replay { " again" } else { "" };
                    sim.note(|| format!("{body} is accepted{again} by {name}"));
                    return Some(accepted.message.id);
                }
                answer => {
                    sim.note(|| format!("{body} is not accepted: {answer:?}"));
                    let may_be_kept = matches!(
                        answer,
                        Err(_)
                            | Ok(Err(GatewayError::Unavailable(_)
                                | GatewayError::ClockWrong
                                | GatewayError::IdempotencyInFlight { .. }))
                    );
                    if request.idempotency_key.is_none() || !may_be_kept {
                        return None;
                    }
                }
            }
            sim.wait(100, 20_000).await;
        }
        None
    }

    /// How long somebody waits for an answer. Whoever breaks off before leaves the work where it
    /// stands.
    fn patience(&self) -> Duration {
        if self.sim.goes_wrong(self.sim.plan.broken_off) {
            self.sim.dice.millis(0, 100)
        } else {
            PATIENCE
        }
    }

    /// Writes to one of the sessions.
    async fn correspondent(self: Arc<Self>, n: u64) {
        self.sim.wait(0, STORMY).await;
        if let Some(session) = self.sim.dice.pick(&self.sessions) {
            self.waha.write_to(&session.place, n);
        }
    }

    /// What goes wrong at some instant rather than at some call.
    async fn misfortunes(self: Arc<Self>) {
        let plan = &self.sim.plan;
        let all = [
            (plan.losses, Misfortune::Loss),
            (plan.absences, Misfortune::Absence),
            (plan.clock_steps, Misfortune::ClockStep),
            (plan.clock_leaps, Misfortune::ClockLeap),
            (plan.restarts, Misfortune::Restart),
            (plan.flaps, Misfortune::Flap),
            (plan.stops, Misfortune::Stop),
            (plan.leaves, Misfortune::Leave),
        ];
        for (times, misfortune) in all {
            for _ in 0..times {
                let world = Arc::clone(&self);
                tokio::spawn(async move {
                    world.sim.wait(0, STORMY).await;
                    if !world.sim.is_calm() {
                        world.befall(misfortune).await;
                    }
                });
            }
        }
    }

    async fn befall(&self, misfortune: Misfortune) {
        let (sim, dice) = (&self.sim, &self.sim.dice);
        match misfortune {
            Misfortune::Loss => {
                sim.note(|| "queue and limiter forget everything".into());
                self.backend.forget();
            }
            Misfortune::Absence => {
                let store = dice.chance(0.5);
                let set = |away| match store {
                    true => self.backend.set_store_away(away),
                    false => self.backend.set_queue_away(away),
                };
                sim.note(|| format!("{} is away", if store { "the store" } else { "the queue" }));
                set(true);
                sim.wait(500, 20_000).await;
                set(false);
            }
            Misfortune::ClockStep | Misfortune::ClockLeap => {
                let Some(node) = self.fleet.any() else { return };
                let far = if matches!(misfortune, Misfortune::ClockLeap) { 120_000 } else { 120 };
                node.host.set_clock(dice.below(2 * far) as i64 - far as i64);
                if far > 1000 {
                    sim.wait(1000, 20_000).await;
                    node.host.set_clock(0);
                }
            }
            Misfortune::Restart => {
                let names = self.waha.server_names();
                let Some(server) = dice.pick(&names) else { return };
                self.waha.stop(server);
                sim.wait(100, 30_000).await;
                self.waha.start(server);
            }
            Misfortune::Flap => {
                let accounts = self.waha.accounts();
                let Some(place) = dice.pick(&accounts) else { return };
                let statuses =
                    [SessionStatus::Failed, SessionStatus::Starting, SessionStatus::ScanQr];
                let status = *dice.pick(&statuses).unwrap_or(&SessionStatus::Failed);
                self.waha.set_status(place, status);
                sim.wait(100, 30_000).await;
                self.waha.set_status(place, SessionStatus::Working);
            }
            Misfortune::Leave => {
                if let Some(node) = self.fleet.any() {
                    node.host.asked_to_leave.notify_one();
                }
            }
            Misfortune::Stop => {
                let (Some(session), Some(node)) = (dice.pick(&self.sessions), self.fleet.any())
                else {
                    return;
                };
                let lasting = dice.millis(100, 60_000);
                let until = Some(sim.now().plus(lasting));
                let stop = Stop { until, reason: None };
                let (tenant, id) = (session.tenant, session.id.into());
                let asked_at = sim.now();
                let asking = self.asks(session.id, asked_at);
                let stopped = node.gateway.suspend_session(tenant, &id, stop);
                let is_stopped = matches!(timeout(PATIENCE, stopped).await, Ok(Ok(_)));
                sim.note(|| format!("{} is stopped: {is_stopped}", session.place.name));
                let is_alone = self.is_told(asking);
                if let (true, true, Some(to)) = (is_stopped, is_alone, until) {
                    let stopped = Stopped { session: session.id, from: sim.now(), to };
                    self.promised.lock().unwrap().stops.push(stopped);
                }
                if dice.chance(0.5) {
                    tokio::time::sleep(lasting / 2).await;
                    let asked_at = sim.now();
                    let asking = self.asks(session.id, asked_at);
                    let resumed = node.gateway.resume_session(tenant, &id);
                    let is_resumed = matches!(timeout(PATIENCE, resumed).await, Ok(Ok(_)));
                    self.is_told(asking);
                    sim.note(|| format!("{} is resumed: {is_resumed}", session.place.name));
                }
            }
        }
    }

    /// Somebody asks to stop it for another time, or to let it go on: from then on it may go on.
    fn asks(&self, session: SessionId, at: Timestamp) -> usize {
        let promised = &mut *self.promised.lock().unwrap();
        for stop in promised.stops.iter_mut().filter(|stop| stop.session == session) {
            stop.to = stop.to.min(at);
        }
        promised.asked.push((session, at, None));
        promised.asked.len() - 1
    }

    /// Whoever asked has an answer, or waits no more. Tells whether nobody else asked meanwhile: of
    /// two that ask at once, nobody outside knows who came last.
    fn is_told(&self, asking: usize) -> bool {
        let promised = &mut *self.promised.lock().unwrap();
        let (session, since, _) = promised.asked[asking];
        promised.asked[asking].2 = Some(self.sim.now());
        !promised.asked.iter().enumerate().any(|(other, (of, _, until))| {
            other != asking && *of == session && until.is_none_or(|until| until >= since)
        })
    }

    /// Everything works again.
    fn calm_down(&self) {
        self.sim.calm_down();
        self.sim.note(|| "calm".into());
        self.backend.set_store_away(false);
        self.backend.set_queue_away(false);
        for node in self.fleet.living() {
            node.host.set_clock(0);
        }
        for server in self.waha.server_names() {
            self.waha.start(&server);
        }
        for place in self.waha.accounts() {
            self.waha.set_status(&place, SessionStatus::Working);
        }
    }

    /// Waits until nothing is left to do, or for as long as that may take at the most.
    async fn settle(&self) {
        let end = self.sim.now().plus(CALM);
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let store = &self.backend.store;
            let waiting = self.count_waiting().await;
            let queued = self.backend.queue().depth().await.unwrap();
            let to_apply = store.depth().await.unwrap().pending;
            let asking = self.asking.load(Ordering::Relaxed);
            let is_idle = waiting == 0 && queued == 0 && to_apply == 0 && asking == 0;
            if (is_idle && caught_up(self).await.is_ok()) || self.sim.now() > end {
                return;
            }
        }
    }
}

impl World {
    /// How many messages are to be sent still, held or not.
    async fn count_waiting(&self) -> u64 {
        let mut waiting = 0;
        for n in 1..=self.sim.plan.tenants {
            let all = StatisticsRange::default();
            let counted = self.backend.store.statistics(tenant_id(n), &all).await.unwrap();
            let of = |status| counted.by_status.get(&status).copied().unwrap_or_default();
            waiting += of(Status::Queued) + of(Status::Retry) + of(Status::Sending);
        }
        waiting
    }
}

#[derive(Clone, Copy)]
enum Misfortune {
    Loss,
    Absence,
    ClockStep,
    ClockLeap,
    Restart,
    Flap,
    Stop,
    Leave,
}
