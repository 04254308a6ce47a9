//! What happens to a send: it arrives, waits for its session, becomes a message, is answered.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::arrivals::{Arrival, Outcome};
use super::clock::pause;
use super::content::{self, Content, ContentKind};
use super::directory;
use super::events::Event;
use super::faults::{Fault, take_fault};
use super::knobs::{AckStep, Knobs};
use super::latency::Latency;
use super::messages::StoredMessage;
use super::refusal::Refusal;
use super::view::View;
use super::world::World;
use crate::ids::MessageKey;
use crate::wire::{ErrorBody, SessionStatus, Source};

/// How long after its acceptance a message to a number that is not there fails.
const MISSING_FAILS_AFTER: Latency = Latency::millis(500);

/// A send that was accepted.
struct Accepted {
    answer: Value,
    raw_id: String,
    outcome: Outcome,
    fault: Option<Fault>,
    answer_latency: Latency,
}

/// Counts a send as under way in its session for as long as it exists. If it ends undecided, as
/// when the process dies, the send is known to be dropped.
struct UnderWay<'world> {
    world: &'world World,
    session: &'world str,
    sequence: u64,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.world.state();
        state.arrivals.settle_undecided(self.sequence, Outcome::Dropped);
        if let Some(session) = state.sessions.get_mut(self.session) {
            session.sends_under_way = session.sends_under_way.saturating_sub(1);
        }
    }
}

/// The session a body names.
pub(super) fn session_of(body: &Value) -> Result<String, Refusal> {
    match body.get("session").and_then(Value::as_str).map(str::trim) {
        None | Some("") => Err(ErrorBody::session_name_required().into()),
        Some(session) => Ok(session.to_owned()),
    }
}

/// The chat a body names.
pub(super) fn chat_of(body: &Value) -> Result<String, Refusal> {
    match body.get("chatId").and_then(Value::as_str) {
        None | Some("") => {
            Err(Refusal::thrown("Cannot read properties of undefined (reading 'endsWith')"))
        }
        Some(chat) => Ok(chat.to_owned()),
    }
}

impl World {
    /// Waits a while for a session to be in a status.
    pub(super) async fn ready(
        &self,
        session: &str,
        expected: SessionStatus,
    ) -> Result<(), Refusal> {
        let mut status = match self.state().sessions.get(session) {
            None => return Err(ErrorBody::session_does_not_exist(session).into()),
            Some(found) if found.status() == expected => return Ok(()),
            Some(found) => found.status.subscribe(),
        };
        let arrives = status.wait_for(|status| *status == expected);
        match tokio::time::timeout(self.config.times.ready_wait, arrives).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(_deleted)) => return Err(ErrorBody::session_does_not_exist(session).into()),
            Err(_too_late) => {}
        }
        let now = *status.borrow();
        Err(ErrorBody::session_status(session, now, vec![expected]).into())
    }

    /// Handles one send from its arrival to its answer.
    pub(super) async fn send(
        self: &Arc<Self>,
        kind: ContentKind,
        body: &Value,
    ) -> Result<Value, Refusal> {
        let session = session_of(body)?;
        let sequence = self.record_arrival(kind, &session, body);
        let _under_way = UnderWay { world: self, session: &session, sequence };
        let accepted = match self.accept(kind, &session, body).await {
            Ok(accepted) => accepted,
            Err(refusal) => {
                let outcome = match refusal.status() {
                    0 => Outcome::Dropped,
                    status => Outcome::Refused(status),
                };
                self.state().arrivals.settle(sequence, outcome, None);
                return Err(refusal);
            }
        };
        let raw_id = Some(accepted.raw_id);
        self.state().arrivals.settle(sequence, accepted.outcome, raw_id);
        pause(self.dice.delay(accepted.answer_latency)).await;
        match accepted.fault {
            Some(Fault::AnswerLost) => return Err(Refusal::Dropped),
            Some(Fault::AnswerLate { after_ms }) => {
                pause(Duration::from_millis(after_ms)).await;
            }
            _ => {}
        }
        Ok(accepted.answer)
    }

    fn record_arrival(&self, kind: ContentKind, session: &str, body: &Value) -> u64 {
        let text = |field: &str| body.get(field).and_then(Value::as_str).map(str::to_owned);
        let question = || body.get("poll")?.get("name")?.as_str().map(str::to_owned);
        let mut state = self.state();
        let under_way = state.sessions.get_mut(session).map_or(1, |session| {
            session.sends_under_way += 1;
            session.sends_under_way
        });
        state.arrivals.record(Arrival {
            sequence: 0,
            at_ms: self.clock.now_ms(),
            since_start: self.clock.elapsed(),
            session: session.to_owned(),
            chat_id: text("chatId").unwrap_or_default(),
            kind,
            text: ["text", "caption", "title"].into_iter().find_map(text).or_else(question),
            preset_id: text("id"),
            raw_id: None,
            under_way,
            outcome: Outcome::Pending,
        })
    }

    async fn accept(
        self: &Arc<Self>,
        kind: ContentKind,
        session: &str,
        body: &Value,
    ) -> Result<Accepted, Refusal> {
        self.ready(session, SessionStatus::Working).await?;
        let chat_id = chat_of(body)?;
        let (content, file) = content::read(kind, body).map_err(Refusal::thrown)?;
        if let Some(file) = &file
            && let Some(url) = content::source_url(file).map_err(Refusal::thrown)?
            && self.config.fetches_media
        {
            self.fetch(url).await?;
        }
        let latency = self.knobs().latency;
        pause(self.dice.delay(latency)).await;
        let preset_id = body.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let reply_to = body.get("reply_to").and_then(Value::as_str).and_then(raw_id_of);
        self.become_message(session, &chat_id, content, preset_id, reply_to)
    }

    /// WAHA fetches media by URL itself, and throws when it cannot.
    async fn fetch(&self, url: &str) -> Result<(), Refusal> {
        let answer = self.http().get(url).send().await;
        match answer.and_then(reqwest::Response::error_for_status) {
            Ok(answer) => answer.bytes().await.map(drop),
            Err(error) => Err(error),
        }
        .map_err(|_| Refusal::thrown("Request failed while fetching the media"))
    }

    /// The moment in which a send becomes a message, or does not.
    fn become_message(
        self: &Arc<Self>,
        session: &str,
        chat_id: &str,
        content: Content,
        preset_id: Option<&str>,
        reply_to: Option<String>,
    ) -> Result<Accepted, Refusal> {
        let mut guard = self.state();
        let state = &mut *guard;
        let fault = take_fault(&mut state.knobs, session, chat_id, &self.dice);
        let knobs = Arc::clone(&state.knobs);
        if let Some(refusal) =
            fault.as_ref().and_then(|fault| Refusal::of_fault(fault, session, knobs.engine))
        {
            return Err(refusal);
        }
        let Some(sender) = state.sessions.get_mut(session) else {
            return Err(ErrorBody::session_does_not_exist(session).into());
        };
        if sender.status() != SessionStatus::Working {
            let expected = vec![SessionStatus::Working];
            return Err(ErrorBody::session_status(session, sender.status(), expected).into());
        }
        let now_ms = self.clock.now_ms();
        sender.active_at_ms = Some(now_ms);
        let me = sender.me.clone();
        let name = Arc::clone(&sender.name);
        let may_not_start_chats = knobs.restricts_new_chats || sender.may_not_start_chats;
        let chat = directory::canonical_chat(&knobs, chat_id);
        if may_not_start_chats
            && chat.ends_with("@c.us")
            && !state.messages.has_chat(session, &chat)
        {
            return Err(Refusal::restricted());
        }
        let is_missing = chat.ends_with("@c.us") && !directory::look_up(&knobs, &chat).exists;
        if is_missing && !knobs.engine.takes_message_id() {
            return Err(Refusal::thrown("No LID for user"));
        }
        let preset_id = preset_id.filter(|_| content::takes_message_id(knobs.engine, content.kind));
        let view = self.view(state, me);
        if let Some(earlier) = preset_id
            .filter(|_| knobs.collapses_same_id)
            .and_then(|id| state.messages.find(session, id))
        {
            let outcome = Outcome::Collapsed;
            return Ok(accepted(&view, earlier, chat_id, outcome, fault));
        }
        let message = state.messages.insert(StoredMessage {
            sequence: 0,
            session: name,
            chat,
            raw_id: preset_id.map_or_else(|| self.dice.raw_id(), str::to_owned),
            from_me: true,
            source: Some(Source::Api),
            participant: None,
            at_ms: now_ms,
            content,
            ack: 0,
            reaches: !is_missing && !matches!(fault, Some(Fault::FailsLate { .. })),
            reply_to,
        });
        let origin = state.origin(session).filter(|_| knobs.echoes_sends);
        drop(guard);

        let outcome = match fault {
            Some(Fault::AnswerLost) => Outcome::AnswerLost,
            _ => Outcome::Accepted,
        };
        let script = ack_script(&knobs, chat_id, fault.as_ref(), is_missing);
        let accepted = accepted(&view, &message, chat_id, outcome, fault);
        if let Some(origin) = origin {
            self.emit(&origin, &Event::of_message(&view, &message));
        }
        self.follow(&message, script);
        Ok(accepted)
    }
}

fn accepted(
    view: &View,
    message: &StoredMessage,
    chat_id: &str,
    outcome: Outcome,
    fault: Option<Fault>,
) -> Accepted {
    let answer = if view.knobs.answers_empty { Value::Null } else { view.answer(message, chat_id) };
    Accepted {
        answer,
        raw_id: message.raw_id.clone(),
        outcome,
        fault,
        answer_latency: view.knobs.answer_latency,
    }
}

/// The steps that follow an acceptance.
fn ack_script(knobs: &Knobs, chat: &str, fault: Option<&Fault>, is_missing: bool) -> Vec<AckStep> {
    match fault {
        Some(Fault::FailsLate { after_ms }) => {
            vec![AckStep::new(-1, Latency::millis(*after_ms))]
        }
        Some(Fault::NeverAcked) => Vec::new(),
        _ if is_missing => vec![AckStep::new(-1, MISSING_FAILS_AFTER)],
        _ => knobs
            .recipient(chat)
            .and_then(|script| script.ack_script.clone())
            .unwrap_or_else(|| knobs.ack_script.clone()),
    }
}

/// The raw id in a message's id, which callers give in any of its forms.
pub(super) fn raw_id_of(id: &str) -> Option<String> {
    MessageKey::parse(id).ok().map(|key| key.raw_id.as_str().to_owned())
}
