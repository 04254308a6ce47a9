//! Events, and the envelopes they travel in, in both dialects.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::knobs::{Knobs, WebhookDialect};
use super::messages::StoredMessage;
use super::session::Session;
use super::view::View;
use super::world::{State, World};
use crate::engine::Engine;
use crate::wire::{
    Environment, Me, SessionStatus, SessionStatusPayload, WebhookConfig, WebhookEnvelope, Worker,
};

/// Every event WAHA knows; any other name is refused when a webhook is configured.
pub(super) const KNOWN_EVENTS: [&str; 30] = [
    "session.status",
    "message",
    "message.reaction",
    "message.any",
    "message.ack",
    "message.ack.group",
    "message.waiting",
    "message.revoked",
    "message.edited",
    "state.change",
    "group.join",
    "group.leave",
    "group.v2.join",
    "group.v2.leave",
    "group.v2.update",
    "group.v2.participants",
    "presence.update",
    "poll.vote",
    "poll.vote.failed",
    "chat.archive",
    "call.received",
    "call.accepted",
    "call.rejected",
    "label.upsert",
    "label.deleted",
    "label.chat.added",
    "label.chat.deleted",
    "event.response",
    "event.response.failed",
    "engine.event",
];

/// One event under the names and shapes of both dialects.
#[derive(Clone)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) payload: Value,
    /// Name and payload in the simple dialect, where they differ.
    pub(super) simple: Option<(String, Value)>,
}

impl Event {
    pub(super) fn new(name: impl Into<String>, payload: Value) -> Self {
        Self { name: name.into(), payload, simple: None }
    }

    /// `message.any` and, where it came in, `message`.
    pub(super) fn of_message(view: &View, message: &StoredMessage) -> Vec<Self> {
        let payload = view.message(message);
        let simple_name = match message.content.kind {
            _ if message.from_me => "message.any",
            super::ContentKind::Text => "message.text",
            super::ContentKind::Image => "message.image",
            super::ContentKind::Document => "message.document",
            _ => "message.any",
        };
        let simple = Some((simple_name.to_owned(), view.simple_message(message)));
        let mut events =
            vec![Self { name: "message.any".to_owned(), payload: payload.clone(), simple }];
        if !message.from_me {
            events.push(Self::new("message", payload));
        }
        events
    }

    pub(super) fn of_ack(view: &View, message: &StoredMessage, level: i64, now_ms: i64) -> Self {
        let is_group = super::directory::is_group(&message.chat);
        let name = if is_group && message.participant.is_some() {
            "message.ack.group"
        } else {
            "message.ack"
        };
        let word = match level {
            ..0 => "failed",
            0 => "queued",
            1 => "sent",
            2 => "delivered",
            _ => "read",
        };
        let simple = json!({"id": view.full_id(message), "status": word, "timestamp": now_ms});
        Self {
            simple: Some(("message.status".to_owned(), simple)),
            ..Self::new(name, view.ack(message, level))
        }
    }

    pub(super) fn of_status(session: &Session) -> Self {
        let status = session.status();
        let payload = SessionStatusPayload {
            name: session.name.to_string(),
            status,
            statuses: session.history.iter().copied().collect(),
            data: None,
        };
        let simple = match status {
            SessionStatus::ScanQrCode => Some(("session.qr", json!({"qr": session.qr}))),
            SessionStatus::Failed => Some(("session.failed", json!({"reason": "session failed"}))),
            _ => None,
        };
        Self {
            simple: simple.map(|(name, payload)| (name.to_owned(), payload)),
            ..Self::new("session.status", json!(payload))
        }
    }

    /// Whether a webhook that subscribed to these names gets the event.
    pub(super) fn is_wanted_by(&self, subscribed: &[String], dialect: WebhookDialect) -> bool {
        let for_all = !matches!(self.name.as_str(), "engine.event" | "state.change");
        // The simple dialect tells a message once, under the name of its kind.
        let is_said_otherwise = dialect == WebhookDialect::Simple && self.name == "message";
        !is_said_otherwise
            && subscribed.iter().any(|name| {
                *name == self.name
                    || (name == "*" && for_all)
                    || self.simple.as_ref().is_some_and(|(simple, _)| simple == name)
            })
    }
}

/// What an event needs to know of its session, taken while the state was at hand.
pub(super) struct Origin {
    pub(super) session: Arc<str>,
    pub(super) knobs: Arc<Knobs>,
    pub(super) webhooks: Arc<[WebhookConfig]>,
    metadata: Option<Arc<BTreeMap<String, String>>>,
    me: Option<Me>,
}

impl State {
    /// Where a session's events come from; `None` if it has none, like one that is dead inside.
    pub(super) fn origin(&self, session: &str) -> Option<Origin> {
        let session = self.sessions.get(session).filter(|session| !session.is_zombie)?;
        Some(Origin {
            session: Arc::clone(&session.name),
            knobs: Arc::clone(&self.knobs),
            webhooks: Arc::clone(&session.webhooks),
            metadata: session.metadata.clone(),
            me: session.account().cloned(),
        })
    }
}

impl World {
    /// The eyes of a session's engine.
    pub(super) fn view(&self, state: &State, me: Me) -> View {
        View { knobs: Arc::clone(&state.knobs), me, media_base: self.advertised_url().to_owned() }
    }

    pub(super) fn environment(&self, engine: Engine) -> Environment {
        let in_browser = matches!(engine, Engine::Webjs | Engine::Wpp);
        Environment {
            version: self.config.version.clone(),
            engine,
            tier: Some("CORE".to_owned()),
            browser: in_browser.then(|| "/usr/bin/google-chrome-stable".to_owned()),
            platform: Some("linux/x64".to_owned()),
            worker: Some(Worker { id: Some(self.config.worker_id.clone()) }),
        }
    }

    /// The body of a webhook post.
    pub(super) fn envelope(&self, origin: &Origin, event: &Event, id: &str, at_ms: i64) -> Value {
        if origin.knobs.webhooks.dialect == WebhookDialect::Simple {
            let (name, payload) = match &event.simple {
                Some((name, payload)) => (name, payload),
                None => (&event.name, &event.payload),
            };
            return json!({"event": name, "session": &*origin.session, "payload": payload});
        }
        json!(WebhookEnvelope {
            id: id.to_owned(),
            timestamp: at_ms,
            event: event.name.clone(),
            session: origin.session.to_string(),
            metadata: origin.metadata.as_deref().cloned(),
            me: origin.me.clone(),
            payload: &event.payload,
            engine: origin.knobs.engine,
            environment: Some(self.environment(origin.knobs.engine)),
        })
    }
}
