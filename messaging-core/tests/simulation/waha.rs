//! The provider and the people behind it: what it is told, what it does, what it tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use messaging_core::conformance::build::{address, at};
use messaging_core::domain::address::Address;
use messaging_core::domain::failure::{Failure, FailureCode};
use messaging_core::domain::id::{ProviderMessageId, provider_message_id};
use messaging_core::domain::phone::PhoneNumber;
use messaging_core::domain::session::{ProviderSession, SessionStatus};
use messaging_core::domain::status::StatusEvent;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::provider_history::{
    self, HistoryCursor, HistoryPage, HistoryQuery, HistoryRecord, ProviderHistory, Remembered,
};
use messaging_core::ports::session_control::{
    ProviderError, ProviderServer, ProviderState, QrCode, SessionControl, WebhookTarget,
};
use messaging_core::ports::transport::{
    Envelope, Found, Later, LaterReason, Lookup, Preparation, Route, SendOutcome, Transport,
};
use tokio::sync::{mpsc, oneshot};

use crate::host::Host;
use crate::sim::Sim;

/// What a sender gives up after.
const PATIENCE: Duration = Duration::from_secs(20);

/// A message that reached somebody.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) chat: String,
    pub(crate) body: String,
    pub(crate) id: ProviderMessageId,
    pub(crate) at: Timestamp,
    /// Whether its sender stood still between its last look at its lease and its request, which a
    /// provider without fencing cannot keep out, or the provider let it lie.
    pub(crate) is_stray: bool,
}

/// A webhook on its way, in the words of [`Words`](crate::words::Words).
pub(crate) struct Report {
    pub(crate) server: String,
    pub(crate) life: u64,
    pub(crate) words: String,
}

/// The provider.
pub(crate) struct Waha {
    sim: Arc<Sim>,
    state: Mutex<State>,
    reports: mpsc::UnboundedSender<Report>,
}

#[derive(Default)]
struct State {
    servers: BTreeMap<String, Server>,
    accounts: BTreeMap<ProviderSession, Account>,
    arrivals: Vec<Arrival>,
    requests: Vec<(ProviderSession, Timestamp)>,
    letters: Vec<Handled>,
    drawn: u64,
}

/// One of the provider's servers.
struct Server {
    is_up: bool,
    /// How often it was started: what it had in memory before is gone.
    life: u64,
    /// Whether its engine takes ids chosen by the sender.
    takes_ids: bool,
    /// Whether it can say what was sent.
    remembers: bool,
    /// Whether a second request with one id becomes no second message. Nobody promises that; where it
    /// does not, and it can say what was sent, it is up to the gateway to look.
    collapses: bool,
}

struct Account {
    status: SessionStatus,
    sent: BTreeMap<ProviderMessageId, Arrival>,
    /// Who has written to it.
    heard: BTreeSet<String>,
    /// The last that happened to what was sent.
    fates: BTreeMap<ProviderMessageId, StatusEvent>,
    /// What somebody wrote to it, and when, in order.
    inbound: Vec<(u64, Timestamp)>,
}

/// How many messages it tells of at a time.
const PAGE: usize = 3;

/// The id of what the `n`th correspondent wrote.
fn inbound_id(n: u64) -> ProviderMessageId {
    provider_message_id([n, u64::MAX])
}

/// What there is to say of a message that somebody wrote.
fn inbound_words(n: u64) -> String {
    format!("text {} inbound-{n}", inbound_id(n).0)
}

/// A request to send that was handled, by an account that was there.
#[derive(Clone)]
pub(crate) struct Handled {
    pub(crate) place: ProviderSession,
    pub(crate) chat: String,
    pub(crate) at: Timestamp,
    /// Whether nothing was said in the chat before.
    pub(crate) is_cold: bool,
    /// Whether it was refused for that.
    pub(crate) is_refused: bool,
    pub(crate) is_stray: bool,
}

/// What somebody asks to be sent.
#[derive(Clone)]
struct Letter {
    place: ProviderSession,
    chat: String,
    body: String,
    id: Option<ProviderMessageId>,
    is_stray: bool,
}

impl Waha {
    pub(crate) fn new(sim: Arc<Sim>, reports: mpsc::UnboundedSender<Report>) -> Self {
        let mut servers = BTreeMap::new();
        for n in 1..=sim.plan.servers {
            let takes_ids = sim.dice.chance(0.6);
            let remembers = sim.dice.chance(0.7);
            let collapses = sim.dice.chance(0.5) || !remembers;
            let server = Server { is_up: true, life: 1, takes_ids, remembers, collapses };
            servers.insert(format!("waha-{n}"), server);
        }
        Self { sim, state: Mutex::new(State { servers, ..State::default() }), reports }
    }

    pub(crate) fn add_account(&self, place: &ProviderSession) {
        let account = Account {
            status: SessionStatus::Working,
            sent: BTreeMap::new(),
            heard: BTreeSet::new(),
            fates: BTreeMap::new(),
            inbound: Vec::new(),
        };
        self.state().accounts.insert(place.clone(), account);
    }

    /// Everything that reached somebody, in order.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.state().arrivals.clone()
    }

    /// When requests to send reached the provider through this account.
    pub(crate) fn requests(&self, place: &ProviderSession) -> Vec<Timestamp> {
        let state = self.state();
        state.requests.iter().filter(|(it, _)| it == place).map(|(_, at)| *at).collect()
    }

    pub(crate) fn server_names(&self) -> Vec<String> {
        self.state().servers.keys().cloned().collect()
    }

    pub(crate) fn accounts(&self) -> Vec<ProviderSession> {
        self.state().accounts.keys().cloned().collect()
    }

    pub(crate) fn stop(&self, server: &str) {
        self.sim.note(|| format!("{server} stops"));
        if let Some(server) = self.state().servers.get_mut(server) {
            server.is_up = false;
        }
    }

    /// Starts it anew, if it is stopped.
    pub(crate) fn start(&self, server: &str) {
        let mut state = self.state();
        if let Some(server) = state.servers.get_mut(server).filter(|server| !server.is_up) {
            server.is_up = true;
            server.life += 1;
        }
    }

    /// An account loses its connection, or has it again.
    pub(crate) fn set_status(&self, place: &ProviderSession, status: SessionStatus) {
        self.sim.note(|| format!("{} is {status}", place.name));
        if let Some(account) = self.state().accounts.get_mut(place) {
            account.status = status;
        }
        self.report(place, |_| format!("status {status}"));
    }

    /// Whether the server is still in this life of its.
    pub(crate) fn lives(&self, server: &str, life: u64) -> bool {
        self.state().servers.get(server).is_some_and(|it| it.is_up && it.life == life)
    }

    /// Somebody writes to an account.
    pub(crate) fn write_to(&self, place: &ProviderSession, n: u64) {
        let at = self.sim.now();
        self.sim.note(|| format!("somebody writes inbound-{n}"));
        if let Some(account) = self.state().accounts.get_mut(place) {
            account.inbound.push((n, at));
            // As the words of a webhook say.
            account.heard.insert(address(1).as_str().to_owned());
        }
        self.report(place, |_| inbound_words(n));
    }

    /// What was written to those accounts whose messages can be read.
    pub(crate) fn readable_inbound(&self) -> Vec<String> {
        let state = self.state();
        let readable = state.accounts.iter().filter(|(place, _)| state.remembers(&place.server));
        readable
            .flat_map(|(_, account)| account.inbound.iter().map(|(n, _)| format!("inbound-{n}")))
            .collect()
    }

    /// What became last of the messages of those accounts that can be read, by their ids.
    pub(crate) fn readable_fates(&self) -> BTreeMap<ProviderMessageId, StatusEvent> {
        let state = self.state();
        let readable = state.accounts.iter().filter(|(place, _)| state.remembers(&place.server));
        readable.flat_map(|(_, account)| account.fates.clone()).collect()
    }

    /// Of two messages under one id, what got further counts.
    fn befell(&self, place: &ProviderSession, id: &ProviderMessageId, event: StatusEvent) {
        let rank = |event| match event {
            StatusEvent::Read => 3,
            StatusEvent::Deliver => 2,
            StatusEvent::Bounce => 1,
            _ => 0,
        };
        if let Some(account) = self.state().accounts.get_mut(place) {
            let fate = account.fates.entry(id.clone()).or_insert(event);
            if rank(event) > rank(*fate) {
                *fate = event;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn report(&self, place: &ProviderSession, words: impl FnOnce(u64) -> String) {
        let mut state = self.state();
        state.drawn += 1;
        let key = state.drawn;
        let Some(server) = state.servers.get(&place.server).filter(|it| it.is_up) else { return };
        let words = format!("{key} {} {}", place.name, words(key));
        // Whoever is to take it lives as long as the simulation.
        let _ =
            self.reports.send(Report { server: place.server.clone(), life: server.life, words });
    }

    fn later(&self, place: &ProviderSession) -> Result<u64, Later> {
        let state = self.state();
        let server = state.servers.get(&place.server).filter(|it| it.is_up);
        let is_working = state
            .accounts
            .get(place)
            .is_some_and(|account| account.status == SessionStatus::Working);
        let reason = match server {
            None => LaterReason::Unreachable,
            Some(_) if !is_working => LaterReason::SessionNotWorking,
            Some(server) => return Ok(server.life),
        };
        Err(Later { reason, after: None })
    }

    /// What becomes of a request to send, whether or not anybody waits for the answer.
    async fn handle(self: Arc<Self>, letter: Letter) -> SendOutcome {
        let (sim, plan) = (&self.sim, &self.sim.plan);
        sim.wait(0, 30).await;
        let life = match self.later(&letter.place) {
            Ok(life) => life,
            Err(later) => return SendOutcome::TryLater(later),
        };
        if sim.goes_wrong(plan.request_lost) {
            return SendOutcome::Unknown;
        }
        if !letter.is_stray {
            self.state().requests.push((letter.place.clone(), sim.now()));
        }
        if sim.goes_wrong(plan.overloaded) {
            let after = sim.dice.chance(0.5).then(|| sim.dice.millis(100, 10_000));
            let reason = LaterReason::Overloaded;
            return SendOutcome::TryLater(Later { reason, after });
        }
        if sim.goes_wrong(plan.error) {
            return SendOutcome::Unknown;
        }
        if sim.goes_wrong(plan.late_effect) {
            let late = PATIENCE + sim.dice.millis(0, 40_000);
            let waha = Arc::clone(&self);
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                if waha.lives(&letter.place.server, life) {
                    waha.take(&Letter { is_stray: true, ..letter });
                }
            });
            tokio::time::sleep(PATIENCE).await;
            return SendOutcome::Unknown;
        }
        if let Some(refused) = self.refuse_cold(&letter) {
            return refused;
        }
        let id = self.take(&letter);
        sim.wait(0, 30).await;
        if sim.goes_wrong(plan.answer_lost) || !self.lives(&letter.place.server, life) {
            return SendOutcome::Unknown;
        }
        let id = (!sim.goes_wrong(plan.empty_answer)).then_some(id);
        SendOutcome::Accepted { id }
    }

    /// Refuses what would open a chat, where the account may not.
    fn refuse_cold(&self, letter: &Letter) -> Option<SendOutcome> {
        let is_restricted = self.sim.goes_wrong(self.sim.plan.restricted);
        let mut state = self.state();
        let account = state.accounts.get(&letter.place)?;
        let is_cold = !account.heard.contains(&letter.chat)
            && account.sent.values().all(|sent| sent.chat != letter.chat);
        let is_refused = is_cold && is_restricted;
        state.letters.push(Handled {
            place: letter.place.clone(),
            chat: letter.chat.clone(),
            at: self.sim.now(),
            is_cold,
            is_refused,
            is_stray: letter.is_stray,
        });
        let refusal = || Failure::new(FailureCode::AccountRestricted);
        is_refused.then(|| SendOutcome::Rejected(refusal()))
    }

    /// Every request to send that was handled, in order.
    pub(crate) fn letters(&self) -> Vec<Handled> {
        self.state().letters.clone()
    }

    /// The message reaches its recipient, unless one of its id has before.
    fn take(&self, letter: &Letter) -> ProviderMessageId {
        let at = self.sim.now();
        let id = {
            let mut state = self.state();
            state.drawn += 1;
            let id = letter.id.clone().unwrap_or_else(|| provider_message_id([state.drawn, 7]));
            let server = state.servers.get(&letter.place.server);
            let collapses = server.is_none_or(|server| server.collapses);
            let Some(account) = state.accounts.get_mut(&letter.place) else { return id };
            if collapses && account.sent.contains_key(&id) {
                return id;
            }
            let Letter { chat, body, is_stray, .. } = letter.clone();
            let arrival = Arrival { chat, body, id: id.clone(), at, is_stray };
            account.sent.insert(id.clone(), arrival.clone());
            state.arrivals.push(arrival);
            id
        };
        self.sim.note(|| format!("{} arrives as {}", letter.body, id.0));
        self.report(&letter.place, |_| format!("echo {} {}", id.0, letter.body));
        if self.sim.goes_wrong(self.sim.plan.bounced) {
            self.befell(&letter.place, &id, StatusEvent::Bounce);
            self.report(&letter.place, |_| format!("error {}", id.0));
            return id;
        }
        let acks = [
            ("accepted", StatusEvent::Accept),
            ("delivered", StatusEvent::Deliver),
            ("read", StatusEvent::Read),
        ];
        for (ack, event) in acks {
            if self.sim.dice.chance(0.7) {
                self.befell(&letter.place, &id, event);
                self.report(&letter.place, |_| format!("{ack} {}", id.0));
            }
        }
        id
    }
}

/// One node's connection to the provider.
pub(crate) struct Line {
    pub(crate) host: Arc<Host>,
    pub(crate) waha: Arc<Waha>,
}

impl Line {
    async fn of_account(
        &self,
        place: &ProviderSession,
        becomes: Option<SessionStatus>,
    ) -> Result<ProviderState, ProviderError> {
        self.host.pass().await;
        self.host.sim.wait(0, 30).await;
        let answer = {
            let mut state = self.waha.state();
            if state.servers.get(&place.server).is_none_or(|server| !server.is_up) {
                Err(ProviderError::Unavailable)
            } else if let Some(account) = state.accounts.get_mut(place) {
                account.status = becomes.unwrap_or(account.status);
                Ok(ProviderState::of(account.status))
            } else {
                Err(ProviderError::NotFound)
            }
        };
        self.host.pass().await;
        answer
    }
}

#[async_trait]
impl Transport for Line {
    async fn prepare<'a>(&self, envelope: Envelope<'a>) -> Preparation {
        self.host.pass().await;
        self.host.sim.wait(0, 30).await;
        let prepared = match self.waha.later(envelope.session) {
            Err(later) => Preparation::TryLater(later),
            // It stumbles over a question as it does over a message.
            Ok(_) if self.host.sim.goes_wrong(self.host.sim.plan.put_off) => {
                let reason = match self.host.sim.dice.chance(0.5) {
                    true => LaterReason::Overloaded,
                    false => LaterReason::Failed,
                };
                Preparation::TryLater(Later { reason, after: None })
            }
            Ok(_) => {
                let state = self.waha.state();
                let server = state.servers.get(&envelope.session.server);
                let takes_id = server.is_some_and(|server| server.takes_ids);
                Preparation::Ready(Route { chat: envelope.to.as_str().to_owned(), takes_id })
            }
        };
        self.host.pass().await;
        prepared
    }

    async fn send<'a>(
        &self,
        envelope: Envelope<'a>,
        route: &Route,
        id: Option<&'a ProviderMessageId>,
    ) -> SendOutcome {
        let called_at = self.host.sim.now();
        self.host.pass().await;
        let letter = Letter {
            place: envelope.session.clone(),
            chat: route.chat.clone(),
            body: envelope.content.body.clone(),
            id: id.cloned(),
            is_stray: self.host.sim.now().since(called_at) > Duration::from_secs(1),
        };
        let (answer, answered) = oneshot::channel();
        let waha = Arc::clone(&self.waha);
        tokio::spawn(async move { answer.send(waha.handle(letter).await) });
        let outcome = answered.await.unwrap_or(SendOutcome::Unknown);
        self.host.pass().await;
        outcome
    }

    async fn find_sent<'a>(&self, lookup: Lookup<'a>) -> Found {
        self.host.pass().await;
        self.host.sim.wait(0, 30).await;
        let found = match self.waha.later(lookup.envelope.session) {
            Err(later) => Found::TryLater(later),
            Ok(_) => self.waha.look(&lookup),
        };
        self.host.pass().await;
        found
    }

    fn longest_attempt(&self) -> Duration {
        PATIENCE + Duration::from_secs(5)
    }
}

impl Waha {
    fn look(&self, lookup: &Lookup<'_>) -> Found {
        let state = self.state();
        let place = lookup.envelope.session;
        if state.servers.get(&place.server).is_none_or(|server| !server.remembers) {
            return Found::CannotTell;
        }
        let sent = state.accounts.get(place).map(|account| &account.sent);
        let mut sent = sent.into_iter().flatten().map(|(_, sent)| sent);
        let found = sent.find(|sent| match lookup.id {
            Some(id) => sent.id == *id,
            None => {
                sent.chat == lookup.route.chat
                    && sent.body == lookup.envelope.content.body
                    && sent.at >= lookup.since
            }
        });
        found.map_or(Found::Absent, |sent| Found::Sent(sent.id.clone()))
    }
}

impl State {
    fn remembers(&self, server: &str) -> bool {
        self.servers.get(server).is_some_and(|server| server.remembers)
    }

    /// Everything that an account has, newest first.
    fn history(&self, place: &ProviderSession) -> Result<Vec<HistoryRecord>, ProviderError> {
        let server = self.servers.get(&place.server).filter(|server| server.is_up);
        let server = server.ok_or(ProviderError::Unavailable)?;
        let account = self.accounts.get(place).ok_or(ProviderError::NotFound)?;
        if account.status != SessionStatus::Working {
            return Err(ProviderError::WrongState);
        }
        if !server.remembers {
            return Err(ProviderError::Refused { reason: "no-store" });
        }
        let record = |id: &ProviderMessageId, at, what, words: String| HistoryRecord {
            id: id.clone(),
            at,
            what,
            report: provider_history::Report {
                event: "read".to_owned(),
                body: format!("read {} {words}", place.name).into_bytes(),
            },
        };
        let sent = account.sent.values().map(|sent| {
            let fate = account.fates.get(&sent.id).copied();
            let word = match fate {
                Some(StatusEvent::Bounce) => "error",
                Some(StatusEvent::Deliver) => "delivered",
                Some(StatusEvent::Read) => "read",
                _ => "accepted",
            };
            let words = format!("{word} {}", sent.id.0);
            record(&sent.id, sent.at, Remembered::Sent(fate), words)
        });
        let inbound = account
            .inbound
            .iter()
            .map(|(n, at)| record(&inbound_id(*n), *at, Remembered::Received, inbound_words(*n)));
        let mut all: Vec<HistoryRecord> = sent.chain(inbound).collect();
        all.sort_by(|one, other| (other.at, &other.id).cmp(&(one.at, &one.id)));
        Ok(all)
    }
}

#[async_trait]
impl ProviderHistory for Line {
    async fn started_at(&self, server: &str) -> Result<Timestamp, ProviderError> {
        self.host.pass().await;
        let life = {
            let state = self.waha.state();
            state.servers.get(server).filter(|server| server.is_up).map(|server| server.life)
        };
        self.host.pass().await;
        life.map(at).ok_or(ProviderError::Unavailable)
    }

    async fn read<'a>(
        &self,
        place: &ProviderSession,
        query: HistoryQuery<'a>,
    ) -> Result<HistoryPage, ProviderError> {
        self.host.pass().await;
        self.host.sim.wait(0, 30).await;
        let history = self.waha.state().history(place);
        self.host.pass().await;
        if self.host.sim.goes_wrong(self.host.sim.plan.error) {
            return Err(ProviderError::Unavailable);
        }
        let skipped = query.after.and_then(|cursor| cursor.0.parse().ok()).unwrap_or(0);
        let is_asked = |record: &HistoryRecord| {
            record.at >= query.since && (!query.own_only || record.what != Remembered::Received)
        };
        let mut rest = history?.into_iter().filter(is_asked).skip(skipped);
        let records: Vec<HistoryRecord> = rest.by_ref().take(PAGE).collect();
        let next = rest.next().map(|_| HistoryCursor((skipped + records.len()).to_string()));
        Ok(HistoryPage { records, unreadable: 0, next })
    }

    async fn recall(
        &self,
        place: &ProviderSession,
        _to: &Address,
        id: &ProviderMessageId,
    ) -> Result<Option<HistoryRecord>, ProviderError> {
        self.host.pass().await;
        self.host.sim.wait(0, 30).await;
        let history = self.waha.state().history(place);
        self.host.pass().await;
        Ok(history?.into_iter().find(|record| record.id == *id))
    }
}

#[async_trait]
impl SessionControl for Line {
    fn servers(&self) -> Vec<ProviderServer> {
        let names = self.waha.server_names().into_iter();
        names.map(ProviderServer::named).collect()
    }

    async fn create(
        &self,
        place: &ProviderSession,
        _webhook: Option<WebhookTarget>,
    ) -> Result<ProviderState, ProviderError> {
        self.of_account(place, None).await
    }

    async fn report_to(
        &self,
        place: &ProviderSession,
        _webhook: WebhookTarget,
    ) -> Result<(), ProviderError> {
        self.of_account(place, None).await.map(|_| ())
    }

    async fn state(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.of_account(place, None).await
    }

    async fn states(&self, server: &str) -> Result<Vec<(String, ProviderState)>, ProviderError> {
        self.host.pass().await;
        self.host.sim.wait(0, 30).await;
        let answer = {
            let state = self.waha.state();
            if state.servers.get(server).is_none_or(|server| !server.is_up) {
                Err(ProviderError::Unavailable)
            } else {
                let here = state.accounts.iter().filter(|(place, _)| place.server == server);
                let told = |account: &Account| ProviderState::of(account.status);
                Ok(here.map(|(place, account)| (place.name.clone(), told(account))).collect())
            }
        };
        self.host.pass().await;
        answer
    }

    async fn start(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.of_account(place, Some(SessionStatus::Working)).await
    }

    async fn stop(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.of_account(place, Some(SessionStatus::Stopped)).await
    }

    async fn restart(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.of_account(place, Some(SessionStatus::Working)).await
    }

    async fn logout(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.of_account(place, Some(SessionStatus::ScanQr)).await
    }

    async fn delete(&self, place: &ProviderSession) -> Result<(), ProviderError> {
        self.of_account(place, None).await.map(|_| ())
    }

    async fn qr(&self, _place: &ProviderSession) -> Result<QrCode, ProviderError> {
        Err(ProviderError::WrongState)
    }

    async fn pairing_code(
        &self,
        _place: &ProviderSession,
        _phone: &PhoneNumber,
    ) -> Result<String, ProviderError> {
        Err(ProviderError::WrongState)
    }

    async fn ping(&self, server: &str) -> Result<(), ProviderError> {
        let is_up = self.waha.state().servers.get(server).is_some_and(|server| server.is_up);
        if is_up { Ok(()) } else { Err(ProviderError::Unavailable) }
    }
}
