//! What happens to sessions and messages, a line for each step, as it happens.

use std::collections::HashMap;
use std::io::Write;

use messaging_core::domain::filter::{MAX_PAGE_LIMIT, MessageFilter, Portion};
use messaging_core::domain::id::{MessageId, SessionId, TenantId};
use messaging_core::domain::message::{Direction, Message, MessageEvent, Priority};
use messaging_core::domain::session::{Session, SessionStatus};
use messaging_core::domain::status::Status;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::Gateway;

use crate::demo::DemoError;
use crate::demo::paint::{Paint, excerpt, masked};

/// How much of a text is shown.
const TEXT_WIDTH: usize = 24;

/// Follows one tenant's sessions and newest messages.
pub(super) struct Timeline {
    gateway: Gateway,
    tenant: TenantId,
    paint: Paint,
    /// How many lines of each message's history were shown.
    shown: HashMap<MessageId, usize>,
    sessions: HashMap<SessionId, SessionStatus>,
    /// The messages as they stood at the last look, newest first.
    messages: Vec<Message>,
}

impl Timeline {
    pub(super) fn new(gateway: Gateway, tenant: TenantId, paint: Paint) -> Self {
        let (shown, sessions) = (HashMap::new(), HashMap::new());
        Self { gateway, tenant, paint, shown, sessions, messages: Vec::new() }
    }

    /// The newest messages as they stood at the last look.
    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Whether a session was seen in this status at the last look.
    pub(super) fn has_session(&self, status: SessionStatus) -> bool {
        self.sessions.values().any(|each| *each == status)
    }

    /// Looks, and writes what has changed since the last look.
    pub(super) async fn catch_up<W: Write>(&mut self, out: &mut W) -> Result<(), DemoError> {
        let mut steps = Vec::new();
        for session in self.gateway.list_sessions(self.tenant).await? {
            let before = self.sessions.insert(session.id, session.status);
            if before != Some(session.status) {
                steps.push((session.status_at, self.session_line(&session, before)));
            }
        }
        let newest = Portion::Page { page: 1, limit: MAX_PAGE_LIMIT };
        let page = self.gateway.list_messages(self.tenant, None, MessageFilter::default(), newest);
        let messages = page.await?.messages;
        for message in &messages {
            let known = self.messages.iter().find(|known| known.id == message.id);
            if known.is_some_and(|known| known.updated_at == message.updated_at) {
                continue;
            }
            let events = self.gateway.message_events(self.tenant, message.id).await?;
            let shown = self.shown.insert(message.id, events.len()).unwrap_or(0);
            if let Some(last) = events.last().filter(|_| events.len() > shown) {
                steps.push((last.at, self.message_line(message, &events, shown)));
            }
        }
        self.messages = messages;
        steps.sort_by_key(|(at, _)| *at);
        for (at, line) in steps {
            writeln!(out, "{}  {line}", self.paint.dim(&time_of_day(at)))?;
        }
        out.flush()?;
        Ok(())
    }

    fn session_line(&self, session: &Session, before: Option<SessionStatus>) -> String {
        let name = self.paint.bold(&excerpt(&session.name, TEXT_WIDTH));
        let status = session.status.as_str();
        let status = match session.status {
            SessionStatus::Working => self.paint.good(status),
            SessionStatus::Failed => self.paint.bad(status),
            _ => self.paint.waiting(status),
        };
        match before {
            Some(before) => format!("session {name}  {before} → {status}"),
            None => format!("session {name}  {status}"),
        }
    }

    fn message_line(&self, message: &Message, events: &[MessageEvent], shown: usize) -> String {
        let (arrow, other) = match message.direction {
            Direction::Outbound => ("→", &message.to),
            Direction::Inbound => ("←", &message.from),
        };
        let other = other.as_ref().map_or_else(|| "…".to_owned(), |it| masked(it.as_str()));
        let urgency = match message.priority {
            Priority::High => "high",
            Priority::Normal => "",
            Priority::Low => "low",
        };
        let kind = message.content.kind().as_str();
        let text = format!("\"{}\"", excerpt(&message.content.body, TEXT_WIDTH));
        let width = TEXT_WIDTH + 2;
        let path = self.path(events, shown);
        format!("{arrow} {other:<6}  {urgency:<4}  {kind:<8}  {text:<width$}  {path}")
    }

    /// The steps that were not shown before, behind the last one that was, so that each line reads
    /// alone.
    fn path(&self, events: &[MessageEvent], shown: usize) -> String {
        let mut steps = Vec::new();
        let mut last = None;
        for (index, event) in events.iter().enumerate().skip(shown.saturating_sub(1)) {
            if last == Some(event.status) {
                continue;
            }
            last = Some(event.status);
            let is_old = index < shown;
            let old = || self.paint.dim(event.status.as_str());
            steps.push(if is_old { old() } else { self.step(event) });
        }
        steps.join(" → ")
    }

    fn step(&self, event: &MessageEvent) -> String {
        let mut text = event.status.to_string();
        if let (Status::Retry | Status::Failed, Some(failure)) = (event.status, &event.failure) {
            text = format!("{text} ({})", failure.code);
        }
        match event.status {
            Status::Retry => self.paint.waiting(&text),
            Status::Failed => self.paint.bad(&text),
            Status::Delivered | Status::Read | Status::Received => self.paint.good(&text),
            _ => self.paint.plain(&text),
        }
    }
}

/// In UTC: which zone the terminal stands in is not ours to know.
fn time_of_day(at: Timestamp) -> String {
    let millis = at.as_millis() % 86_400_000;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{millis:03}")
}
