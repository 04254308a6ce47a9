//! Messages as each engine shows them: in events, when read, and in the answers of sends.

use std::sync::Arc;

use serde_json::{Value, json};

use super::content;
use super::directory;
use super::knobs::Knobs;
use super::messages::StoredMessage;
use crate::ack::AckLevel;
use crate::engine::Engine;
use crate::wire::{
    AckPayload, ChatMessage, GowsAnswer, Me, Media, NowebAnswer, NowebKey, ReplyTo, WebjsAnswer,
    WebjsKey,
};

/// The eyes of one session's engine.
pub(super) struct View {
    pub(super) knobs: Arc<Knobs>,
    pub(super) me: Me,
    pub(super) media_base: String,
}

impl View {
    fn is_webjs(&self) -> bool {
        !self.knobs.engine.takes_message_id()
    }

    /// A chat under the kind of id that people have at present.
    pub(super) fn chat(&self, chat: &str) -> String {
        if self.knobs.shows_lids { directory::lid_chat(&self.knobs, chat) } else { chat.to_owned() }
    }

    pub(super) fn full_id(&self, message: &StoredMessage) -> String {
        let id = format!("{}_{}_{}", message.from_me, self.chat(&message.chat), message.raw_id);
        match &message.participant {
            Some(participant) => format!("{id}_{}", self.chat(participant)),
            None => id,
        }
    }

    /// Who a message is from and to: the web socket engines say the chat whoever wrote it, and
    /// leave the other side out.
    fn ends(&self, message: &StoredMessage) -> (String, Option<String>) {
        let chat = self.chat(&message.chat);
        match (self.is_webjs(), message.from_me) {
            (true, true) => (self.me.id.clone(), Some(chat)),
            (true, false) => (chat, Some(self.me.id.clone())),
            (false, _) => (chat, None),
        }
    }

    /// A message as events and reading show it.
    pub(super) fn message(&self, message: &StoredMessage) -> Value {
        let (from, to) = self.ends(message);
        let content = &message.content;
        let media = content.attachment.as_ref().map(|attachment| Media {
            url: attachment.path.as_ref().map(|path| format!("{}{path}", self.media_base)),
            mimetype: Some(attachment.mimetype.clone()),
            filename: attachment.filename.clone(),
            ..Media::default()
        });
        let media_url = media.as_ref().and_then(|media| media.url.clone());
        let has_own_text = content.location.is_none() && content.v_cards.is_empty();
        let shown = ChatMessage {
            id: self.full_id(message),
            timestamp: message.at_ms / 1_000,
            from,
            from_me: message.from_me,
            source: message.source,
            to,
            participant: message.participant.as_deref().map(|it| self.chat(it)),
            body: content.text.clone().filter(|_| has_own_text),
            has_media: media.is_some(),
            media,
            ack: Some(message.ack),
            ack_name: Some(ack_name(message.ack)),
            location: content.location.clone(),
            v_cards: content.v_cards.clone(),
            reply_to: message
                .reply_to
                .as_ref()
                .map(|id| ReplyTo { id: id.clone(), ..ReplyTo::default() }),
            kind: None,
            data: Some(json!({})),
        };
        let mut shown = json!(shown);
        // Deprecated in WAHA and read by nobody, but still sent.
        shown["mediaUrl"] = json!(media_url);
        if let Some(media) = shown["media"].as_object_mut() {
            media.insert("s3".to_owned(), Value::Null);
            media.insert("error".to_owned(), Value::Null);
        }
        if let (Some(place), Engine::Gows) = (&content.location, self.knobs.engine) {
            // This engine writes degrees as text, the others as numbers.
            let degrees = |it: Option<f64>| it.map(|it| it.to_string());
            shown["location"]["latitude"] = json!(degrees(place.latitude));
            shown["location"]["longitude"] = json!(degrees(place.longitude));
        }
        shown
    }

    /// A message in the simple webhook dialect.
    pub(super) fn simple_message(&self, message: &StoredMessage) -> Value {
        let person = |chat: &str| match chat.strip_suffix("@c.us") {
            Some(number) => format!("+{number}"),
            None => chat.to_owned(),
        };
        let (peer, me) = (person(&message.chat), person(&self.me.id));
        let (from, to) = if message.from_me { (me, peer) } else { (peer, me) };
        let mut shown = json!({
            "id": self.full_id(message),
            "from": from,
            "to": to,
            "fromMe": message.from_me,
            "body": message.content.text,
            "timestamp": message.at_ms,
            "type": message.content.kind.simple_type(),
        });
        if message.content.attachment.is_some() {
            shown["media"] = self.message(message)["media"].take();
        }
        shown
    }

    pub(super) fn ack(&self, message: &StoredMessage, level: i64) -> Value {
        let (from, to) = self.ends(message);
        json!(AckPayload {
            id: self.full_id(message),
            from: Some(from),
            to,
            participant: message.participant.as_deref().map(|it| self.chat(it)),
            from_me: Some(message.from_me),
            ack: Some(level),
            ack_name: Some(ack_name(level)),
            data: Some(json!({})),
        })
    }

    /// The answer of a send. It names the chat as the caller did.
    pub(super) fn answer(&self, message: &StoredMessage, asked_chat: &str) -> Value {
        let content = &message.content;
        let serialized = format!("true_{asked_chat}_{}", message.raw_id);
        match self.knobs.engine {
            Engine::Noweb if content.kind == super::ContentKind::Poll => {
                let mut shown = self.message(message);
                shown["id"] = json!(serialized);
                shown
            }
            Engine::Noweb => json!(NowebAnswer {
                key: NowebKey {
                    remote_jid: directory::internal_jid(asked_chat),
                    from_me: true,
                    id: message.raw_id.clone(),
                },
                message: content::whatsapp_form(content),
                message_timestamp: (message.at_ms / 1_000).to_string(),
                status: "PENDING".to_owned(),
            }),
            Engine::Gows => json!(GowsAnswer { id: serialized, data: Value::Null }),
            _ => json!(WebjsAnswer {
                id: WebjsKey {
                    from_me: true,
                    remote: asked_chat.to_owned(),
                    id: message.raw_id.clone(),
                    serialized,
                },
                ack: 0,
                body: content.text.clone().unwrap_or_default(),
                kind: content.kind.webjs_type().to_owned(),
                timestamp: message.at_ms / 1_000,
                from: self.me.id.clone(),
                to: asked_chat.to_owned(),
                from_me: true,
                data: json!({}),
            }),
        }
    }
}

pub(super) fn ack_name(level: i64) -> String {
    AckLevel::from_number(level).map_or("UNKNOWN", AckLevel::name).to_owned()
}
