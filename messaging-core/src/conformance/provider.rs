//! A provider in memory, whose answers tests choose.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::address::Address;
use crate::domain::content::{Content, ContentKind};
use crate::domain::failure::{Failure, FailureCode};
use crate::domain::id::{ProviderMessageId, provider_message_id};
use crate::domain::message::Message;
use crate::domain::phone::PhoneNumber;
use crate::domain::session::{ProviderSession, SessionStatus};
use crate::domain::status::StatusEvent;
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::provider_history::{
    HistoryCursor, HistoryPage, HistoryQuery, HistoryRecord, ProviderHistory, Remembered, Report,
};
use crate::ports::session_control::{
    ProviderError, ProviderServer, ProviderState, QrCode, SessionControl, WebhookTarget,
};
use crate::ports::transport::{
    Envelope, Found, Later, LaterReason, Lookup, Preparation, Route, SendOutcome, Transport,
};

/// What a provider in memory does with a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// Answers so, and nothing is sent.
    Answer(SendOutcome),
    /// Sends it, and the answer is lost.
    LoseAnswer,
    /// Sends it, and answers so without its id.
    AnswerEmpty,
    /// The request is lost on the way, and nobody can tell.
    LoseRequest,
    /// Never comes back; for tests that end whoever waits for it.
    Hang {
        /// Whether the message is sent.
        sent: bool,
    },
}

/// One send that arrived at the provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// When.
    pub at: Timestamp,
    /// Through which account.
    pub session: ProviderSession,
    /// To which chat.
    pub chat: String,
    /// What.
    pub content: Content,
    /// Under which id.
    pub id: ProviderMessageId,
    /// Whether a message of this id was there already.
    pub repeat: bool,
}

#[derive(Default)]
struct State {
    sessions: BTreeMap<ProviderSession, ProviderState>,
    absent: BTreeSet<String>,
    scripts: VecDeque<Script>,
    put_off: VecDeque<Later>,
    arrivals: Vec<Arrival>,
    unreachable: bool,
    silent: BTreeSet<String>,
    /// How often each server was called about a message, whether or not it was silent.
    calls: BTreeMap<String, u64>,
    takes_no_ids: bool,
    drawn: u64,
    servers: Vec<ProviderServer>,
    meanwhile: Option<Box<dyn FnOnce() + Send>>,
    remembered: Vec<(ProviderSession, Memory)>,
    started: BTreeMap<String, Timestamp>,
    page: usize,
    chat_by_chat: bool,
    read: Vec<ProviderSession>,
    forgetful: bool,
    targets: BTreeMap<ProviderSession, WebhookTarget>,
}

/// A message that a provider remembers.
#[derive(Clone)]
struct Memory {
    id: ProviderMessageId,
    at: Timestamp,
    is_own: bool,
    body: String,
    /// What happened to it last.
    fate: Option<StatusEvent>,
}

impl Memory {
    /// As a webhook says it in the words that tests read: `KEY SESSION EVENT ID`, and a text's body.
    fn record(&self, place: &ProviderSession) -> HistoryRecord {
        let Self { id, at, is_own, body, fate } = self;
        let what = if *is_own { Remembered::Sent(*fate) } else { Remembered::Received };
        let event = match fate.filter(|_| *is_own) {
            None => "text",
            Some(StatusEvent::Deliver) => "delivered",
            Some(StatusEvent::Read) => "read",
            Some(StatusEvent::Bounce) => "error",
            Some(_) => "accepted",
        };
        let words = format!("read {} {event} {id}", place.name);
        let words = if *is_own { words } else { format!("{words} {body}") };
        let report = Report { event: event.to_owned(), body: words.into_bytes() };
        HistoryRecord { id: id.clone(), at: *at, what, report }
    }
}

impl State {
    /// A portion of what is remembered, in the order of ids.
    fn next_chats(&self, place: &ProviderSession, query: HistoryQuery<'_>) -> HistoryPage {
        let HistoryQuery { since, own_only, after } = query;
        let asked = self.remembered.iter().filter(|(at, memory)| {
            at == place
                && memory.at >= since
                && (memory.is_own || !own_only)
                && after.is_none_or(|after| memory.id.0 > after.0)
        });
        let mut rest: Vec<&Memory> = asked.map(|(_, memory)| memory).collect();
        rest.sort_by(|one, other| one.id.cmp(&other.id));
        let page = &rest[..rest.len().min(self.page)];
        let records = page.iter().map(|memory| memory.record(place)).collect();
        let last = page.last().filter(|_| page.len() < rest.len());
        let next = last.map(|memory| HistoryCursor(memory.id.0.clone()));
        HistoryPage { records, unreadable: 0, next }
    }

    fn is_silent(&self, server: &str) -> bool {
        self.unreachable || self.silent.contains(server)
    }
}

/// A provider in memory: what is sent through it arrives at once, unless a test says otherwise.
/// It takes ids chosen by the sender for all but files, and makes one message of all sends with the
/// same id.
pub struct FakeProvider {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl FakeProvider {
    /// Where an account was told to report last, and what it signs with.
    pub fn webhook_target(&self, place: &ProviderSession) -> Option<WebhookTarget> {
        self.state().targets.get(place).cloned()
    }

    /// A provider without any session.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let provider = Self { clock, state: Mutex::default() };
        provider.set_page(100);
        provider.set_servers([("default", None)]);
        provider
    }

    /// What servers there are, and how many sessions each is to have.
    pub fn set_servers<'a>(&self, servers: impl IntoIterator<Item = (&'a str, Option<u64>)>) {
        let server = |(name, capacity): (&str, _)| ProviderServer {
            capacity,
            ..ProviderServer::named(name)
        };
        self.state().servers = servers.into_iter().map(server).collect();
    }

    /// Makes one server silent, or heard again.
    pub fn set_silent(&self, server: &str, silent: bool) {
        let mut state = self.state();
        if silent {
            state.silent.insert(server.to_owned());
        } else {
            state.silent.remove(server);
        }
    }

    /// Adds a session, or changes its state.
    pub fn set_session(&self, place: &ProviderSession, status: SessionStatus) {
        self.state().sessions.insert(place.clone(), ProviderState::of(status));
    }

    /// Says of a session until when it may open no chats.
    pub fn bar_new_chats(&self, place: &ProviderSession, until: Option<Timestamp>) {
        if let Some(state) = self.state().sessions.get_mut(place) {
            state.new_chats_barred_until = until;
        }
    }

    /// What the next sends come to, in this order; those behind are accepted.
    pub fn script(&self, scripts: impl IntoIterator<Item = Script>) {
        self.state().scripts.extend(scripts);
    }

    /// Puts the next messages off, each for this reason, when it is asked how they will go.
    pub fn put_off(&self, reasons: impl IntoIterator<Item = LaterReason>) {
        let later = reasons.into_iter().map(|reason| Later { reason, after: None });
        self.state().put_off.extend(later);
    }

    /// Makes the provider unreachable, or reachable again.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.state().unreachable = unreachable;
    }

    /// Makes the provider choose all ids itself, as some engines do.
    pub fn take_no_ids(&self) {
        self.state().takes_no_ids = true;
    }

    /// Has this person no account.
    pub fn set_absent(&self, person: &Address) {
        self.state().absent.insert(person.as_str().to_owned());
    }

    /// How often a server was called about messages, whether or not it was silent.
    pub fn calls(&self, server: &str) -> u64 {
        self.state().calls.get(server).copied().unwrap_or_default()
    }

    /// What happens while the next send is prepared, such as time passing.
    pub fn meanwhile(&self, happens: impl FnOnce() + Send + 'static) {
        self.state().meanwhile = Some(Box::new(happens));
    }

    /// Has an earlier request to send this message, lost until now, arrive through the account of
    /// session 1.
    pub fn arrive_late(&self, message: &Message) {
        let Some(to) = &message.to else { return };
        let place = crate::conformance::build::session(1).place;
        let route = Route { chat: to.as_str().to_owned(), takes_id: false };
        self.arrive(Envelope { session: &place, to, content: &message.content }, &route, None);
    }

    /// Has somebody write to an account. No webhook tells of it: that is the test's part.
    pub fn receive(&self, place: &ProviderSession, id: &str, body: &str) {
        let id = ProviderMessageId(id.to_owned());
        let at = self.clock.now();
        let memory = Memory { id, at, is_own: false, body: body.to_owned(), fate: None };
        self.state().remembered.push((place.clone(), memory));
    }

    /// Has something happen to a message that an account sent, and no webhook tell of it.
    pub fn acknowledge(&self, id: &ProviderMessageId, event: StatusEvent) {
        let mut state = self.state();
        let own = state.remembered.iter_mut().filter(|(_, it)| it.is_own && it.id == *id);
        own.for_each(|(_, it)| it.fate = Some(event));
    }

    /// Starts one server anew: webhooks that it had still to send are lost.
    pub fn restart_server(&self, server: &str) {
        let now = self.clock.now();
        self.state().started.insert(server.to_owned(), now);
    }

    /// How many messages it tells of at a time.
    pub fn set_page(&self, page: usize) {
        self.state().page = page;
    }

    /// Has it tell of one chat after another, as some engines do: of what is written while somebody
    /// reads, what is in a chat that was read before is not told. Here ids stand for chats, in order.
    pub fn tell_chat_by_chat(&self) {
        self.state().chat_by_chat = true;
    }

    /// Has it remember nothing, as an engine without a store.
    pub fn remember_nothing(&self) {
        self.state().forgetful = true;
    }

    /// Whose messages were read since this was asked last, in order.
    pub fn was_read(&self) -> Vec<ProviderSession> {
        std::mem::take(&mut self.state().read)
    }

    /// Every send that arrived, in order.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.state().arrivals.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, place: &ProviderSession) -> Option<Later> {
        let mut state = self.state();
        *state.calls.entry(place.server.clone()).or_default() += 1;
        let reason = if state.is_silent(&place.server) {
            LaterReason::Unreachable
        } else if state.sessions.get(place).map(|it| it.status) == Some(SessionStatus::Working) {
            return None;
        } else {
            LaterReason::SessionNotWorking
        };
        Some(Later { reason, after: None })
    }

    fn arrive(
        &self,
        envelope: Envelope<'_>,
        route: &Route,
        id: Option<&ProviderMessageId>,
    ) -> ProviderMessageId {
        let mut state = self.state();
        state.drawn += 1;
        let id = id.cloned().unwrap_or_else(|| provider_message_id([state.drawn, 0]));
        let repeat = state.arrivals.iter().any(|it| it.id == id && it.session == *envelope.session);
        state.arrivals.push(Arrival {
            at: self.clock.now(),
            session: envelope.session.clone(),
            chat: route.chat.clone(),
            content: envelope.content.clone(),
            id: id.clone(),
            repeat,
        });
        if !repeat {
            let (at, body) = (self.clock.now(), envelope.content.body.clone());
            let memory = Memory { id: id.clone(), at, is_own: true, body, fate: None };
            state.remembered.push((envelope.session.clone(), memory));
        }
        id
    }

    fn of_session(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        let state = self.state();
        if state.is_silent(&place.server) {
            return Err(ProviderError::Unavailable);
        }
        state.sessions.get(place).cloned().ok_or(ProviderError::NotFound)
    }

    fn change(
        &self,
        place: &ProviderSession,
        status: SessionStatus,
    ) -> Result<ProviderState, ProviderError> {
        let mut changed = self.of_session(place)?;
        changed.status = status;
        self.state().sessions.insert(place.clone(), changed.clone());
        Ok(changed)
    }
}

#[async_trait]
impl Transport for FakeProvider {
    async fn prepare<'a>(&self, envelope: Envelope<'a>) -> Preparation {
        let meanwhile = self.state().meanwhile.take();
        if let Some(happens) = meanwhile {
            happens();
        }
        if let Some(later) = self.refuse(envelope.session) {
            return Preparation::TryLater(later);
        }
        let mut state = self.state();
        if let Some(later) = state.put_off.pop_front() {
            return Preparation::TryLater(later);
        }
        if state.absent.contains(envelope.to.as_str()) {
            return Preparation::Rejected(Failure::new(FailureCode::NotOnWhatsapp));
        }
        let is_file = matches!(
            envelope.content.kind(),
            ContentKind::Image
                | ContentKind::Document
                | ContentKind::Voice
                | ContentKind::Video
                | ContentKind::Sticker
        );
        let takes_id = !is_file && !state.takes_no_ids;
        Preparation::Ready(Route { chat: envelope.to.as_str().to_owned(), takes_id })
    }

    async fn send<'a>(
        &self,
        envelope: Envelope<'a>,
        route: &Route,
        id: Option<&'a ProviderMessageId>,
    ) -> SendOutcome {
        if let Some(later) = self.refuse(envelope.session) {
            return SendOutcome::TryLater(later);
        }
        let script = self.state().scripts.pop_front();
        match script {
            Some(Script::Answer(outcome)) => outcome,
            Some(Script::LoseRequest) => SendOutcome::Unknown,
            Some(Script::LoseAnswer) => {
                self.arrive(envelope, route, id);
                SendOutcome::Unknown
            }
            Some(Script::AnswerEmpty) => {
                self.arrive(envelope, route, id);
                SendOutcome::Accepted { id: None }
            }
            Some(Script::Hang { sent }) => {
                if sent {
                    self.arrive(envelope, route, id);
                }
                std::future::pending().await
            }
            None => SendOutcome::Accepted { id: Some(self.arrive(envelope, route, id)) },
        }
    }

    async fn find_sent<'a>(&self, lookup: Lookup<'a>) -> Found {
        if let Some(later) = self.refuse(lookup.envelope.session) {
            return Found::TryLater(later);
        }
        let state = self.state();
        let found = state.arrivals.iter().find(|it| {
            it.session == *lookup.envelope.session
                && match lookup.id {
                    Some(id) => it.id == *id,
                    None => {
                        it.chat == lookup.route.chat
                            && it.content == *lookup.envelope.content
                            && it.at >= lookup.since
                    }
                }
        });
        found.map_or(Found::Absent, |it| Found::Sent(it.id.clone()))
    }

    fn longest_attempt(&self) -> Duration {
        Duration::from_secs(60)
    }
}

#[async_trait]
impl SessionControl for FakeProvider {
    fn servers(&self) -> Vec<ProviderServer> {
        self.state().servers.clone()
    }

    async fn create(
        &self,
        place: &ProviderSession,
        webhook: Option<WebhookTarget>,
    ) -> Result<ProviderState, ProviderError> {
        match self.of_session(place) {
            Ok(_) => Err(ProviderError::AlreadyExists),
            Err(ProviderError::NotFound) => {
                self.set_session(place, SessionStatus::ScanQr);
                self.state().targets.extend(webhook.map(|target| (place.clone(), target)));
                self.of_session(place)
            }
            Err(error) => Err(error),
        }
    }

    async fn report_to(
        &self,
        place: &ProviderSession,
        webhook: WebhookTarget,
    ) -> Result<(), ProviderError> {
        self.of_session(place)?;
        self.state().targets.insert(place.clone(), webhook);
        Ok(())
    }

    async fn state(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.of_session(place)
    }

    async fn states(&self, server: &str) -> Result<Vec<(String, ProviderState)>, ProviderError> {
        let state = self.state();
        if state.is_silent(server) {
            return Err(ProviderError::Unavailable);
        }
        let here = state.sessions.iter().filter(|(place, _)| place.server == server);
        Ok(here.map(|(place, state)| (place.name.clone(), state.clone())).collect())
    }

    async fn start(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.change(place, SessionStatus::Working)
    }

    async fn stop(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.change(place, SessionStatus::Stopped)
    }

    async fn restart(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.change(place, SessionStatus::Starting)
    }

    async fn logout(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.change(place, SessionStatus::ScanQr)
    }

    async fn delete(&self, place: &ProviderSession) -> Result<(), ProviderError> {
        if self.state().is_silent(&place.server) {
            return Err(ProviderError::Unavailable);
        }
        self.state().sessions.remove(place);
        Ok(())
    }

    async fn qr(&self, place: &ProviderSession) -> Result<QrCode, ProviderError> {
        match self.of_session(place)?.status {
            SessionStatus::ScanQr => {
                Ok(QrCode { value: Some("2@scan-me".into()), image: b"\x89PNG".to_vec() })
            }
            _ => Err(ProviderError::WrongState),
        }
    }

    async fn pairing_code(
        &self,
        place: &ProviderSession,
        _phone: &PhoneNumber,
    ) -> Result<String, ProviderError> {
        match self.of_session(place)?.status {
            SessionStatus::ScanQr => Ok("ABCD-EFGH".to_owned()),
            _ => Err(ProviderError::WrongState),
        }
    }

    async fn ping(&self, server: &str) -> Result<(), ProviderError> {
        if self.state().is_silent(server) { Err(ProviderError::Unavailable) } else { Ok(()) }
    }
}

impl FakeProvider {
    /// Whether an account can be read.
    fn readable(&self, place: &ProviderSession) -> Result<(), ProviderError> {
        match self.of_session(place)?.status {
            _ if self.state().forgetful => Err(ProviderError::Refused { reason: "no-store" }),
            SessionStatus::Working => Ok(()),
            _ => Err(ProviderError::WrongState),
        }
    }
}

#[async_trait]
impl ProviderHistory for FakeProvider {
    async fn started_at(&self, server: &str) -> Result<Timestamp, ProviderError> {
        let state = self.state();
        if state.is_silent(server) {
            return Err(ProviderError::Unavailable);
        }
        Ok(state.started.get(server).copied().unwrap_or(Timestamp::EPOCH))
    }

    async fn read<'a>(
        &self,
        place: &ProviderSession,
        query: HistoryQuery<'a>,
    ) -> Result<HistoryPage, ProviderError> {
        self.readable(place)?;
        let mut state = self.state();
        state.read.push(place.clone());
        if state.chat_by_chat {
            return Ok(state.next_chats(place, query));
        }
        let skipped = query.after.and_then(|cursor| cursor.0.parse().ok()).unwrap_or(0);
        // Newest first, so that what comes meanwhile moves the rest behind.
        let asked = state.remembered.iter().rev().filter(|(at, memory)| {
            at == place && memory.at >= query.since && (memory.is_own || !query.own_only)
        });
        let mut rest = asked.skip(skipped);
        let page = rest.by_ref().take(state.page).map(|(_, memory)| memory.record(place));
        let records: Vec<_> = page.collect();
        let next = rest.next().map(|_| HistoryCursor((skipped + records.len()).to_string()));
        Ok(HistoryPage { records, unreadable: 0, next })
    }

    async fn recall(
        &self,
        place: &ProviderSession,
        _to: &Address,
        id: &ProviderMessageId,
    ) -> Result<Option<HistoryRecord>, ProviderError> {
        self.readable(place)?;
        let state = self.state();
        let own = state.remembered.iter().find(|(at, it)| at == place && it.is_own && it.id == *id);
        Ok(own.map(|(_, memory)| memory.record(place)))
    }
}
