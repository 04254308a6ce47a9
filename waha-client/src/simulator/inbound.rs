//! Messages that come in: from people, or from the account's own phone.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::content::{Attachment, Content, ContentKind};
use super::directory;
use super::events::Event;
use super::media::MediaFile;
use super::messages::StoredMessage;
use super::picture;
use super::sending::raw_id_of;
use super::world::World;
use crate::redaction::debug_shows;
use crate::wire::{IgnoreConfig, Location, SessionStatus, Source};

/// A message to let come in. `{"from":"12025550123","text":"Hello"}` is enough.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Inbound {
    /// Whose chat: digits of a number, or any chat id.
    pub from: String,
    /// Who wrote it, in groups.
    pub participant: Option<String>,
    /// What kind of message it is.
    pub kind: ContentKind,
    /// The text or caption.
    pub text: Option<String>,
    /// Bytes of the file in base64; made up for media if left out.
    pub data: Option<String>,
    /// MIME type of the file.
    pub mimetype: Option<String>,
    /// Name of the file.
    pub filename: Option<String>,
    /// Degrees north, of a place.
    pub latitude: Option<f64>,
    /// Degrees east, of a place.
    pub longitude: Option<f64>,
    /// vCards, of contacts.
    pub v_cards: Vec<String>,
    /// Id of the message it answers, in any form.
    pub reply_to: Option<String>,
    /// Its raw id; drawn if left out.
    pub raw_id: Option<String>,
    /// When it was written, Unix time in milliseconds; now if left out.
    pub at_ms: Option<i64>,
    /// Whether the account itself wrote it, on its phone.
    pub from_me: bool,
    /// Whether no event tells of it, so that only reading the chat finds it.
    pub silent: bool,
}

debug_shows!(Inbound { kind, raw_id, at_ms, from_me, silent });

impl Inbound {
    /// A text from somebody.
    pub fn text(from: impl Into<String>, text: impl Into<String>) -> Self {
        Self { from: from.into(), text: Some(text.into()), ..Self::default() }
    }

    /// A made-up file from somebody: an image, document, voice message or video.
    pub fn media(from: impl Into<String>, kind: ContentKind) -> Self {
        Self { from: from.into(), kind, ..Self::default() }
    }

    /// The same, known to the chat but told by no event.
    #[must_use]
    pub fn silently(mut self) -> Self {
        self.silent = true;
        self
    }
}

/// A message that came in.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboundReceipt {
    /// The full id.
    pub id: String,
    /// The raw id.
    pub raw_id: String,
}

debug_shows!(InboundReceipt { raw_id });

impl World {
    /// Lets a message come in. `None` if there is no such session, or it ignores such chats.
    pub(super) fn inject(
        self: &Arc<Self>,
        name: &str,
        inbound: &Inbound,
    ) -> Option<InboundReceipt> {
        let raw_id = inbound.raw_id.clone().unwrap_or_else(|| self.dice.phone_raw_id());
        let (content, file) = self.inbound_content(name, inbound, &raw_id);
        let mut guard = self.state();
        let state = &mut *guard;
        let session = state.sessions.get_mut(name)?;
        let chat = directory::canonical_chat(&state.knobs, &inbound.from);
        if session.config.ignore.as_ref().is_some_and(|ignore| ignores(*ignore, &chat)) {
            return None;
        }
        let now_ms = self.clock.now_ms();
        session.active_at_ms = Some(now_ms);
        let me = session.me.clone();
        let is_working = session.status() == SessionStatus::Working;
        let mut status = session.status.subscribe();
        let session_name = Arc::clone(&session.name);
        if let (Some(path), Some(file)) =
            (content.attachment.as_ref().and_then(|it| it.path.clone()), file)
        {
            state.media.insert(path, file);
        }
        let participant = inbound
            .participant
            .as_deref()
            .map(|participant| directory::canonical_chat(&state.knobs, participant));
        let message = state.messages.insert(StoredMessage {
            sequence: 0,
            session: session_name,
            chat,
            raw_id,
            from_me: inbound.from_me,
            source: Some(Source::App),
            participant,
            at_ms: inbound.at_ms.unwrap_or(now_ms),
            content,
            ack: if inbound.from_me { 1 } else { 2 },
            reaches: true,
            reply_to: inbound.reply_to.as_deref().and_then(raw_id_of),
        });
        let view = self.view(state, me);
        drop(guard);

        let receipt = InboundReceipt { id: view.full_id(&message), raw_id: message.raw_id.clone() };
        if inbound.silent {
            return Some(receipt);
        }
        let world = Arc::clone(self);
        let tell = move || {
            let origin = world.state().origin(&message.session);
            if let Some(origin) = origin {
                world.emit(&origin, &Event::of_message(&view, &message));
            }
        };
        if is_working {
            tell();
        } else {
            // WhatsApp keeps it until the session is back.
            let shutdown = self.shutdown.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    back = status.wait_for(|status| *status == SessionStatus::Working) => {
                        if back.is_ok() {
                            tell();
                        }
                    }
                }
            });
        }
        Some(receipt)
    }

    fn inbound_content(
        &self,
        session: &str,
        inbound: &Inbound,
        raw_id: &str,
    ) -> (Content, Option<MediaFile>) {
        let mut content = Content {
            kind: inbound.kind,
            text: inbound.text.clone(),
            v_cards: inbound.v_cards.clone(),
            ..Content::default()
        };
        if inbound.kind == ContentKind::Location {
            content.location = Some(Location {
                latitude: Some(inbound.latitude.unwrap_or(0.0)),
                longitude: Some(inbound.longitude.unwrap_or(0.0)),
                name: inbound.text.clone(),
                ..Location::default()
            });
        }
        if !inbound.kind.is_media() {
            return (content, None);
        }
        let given = inbound.data.as_deref().and_then(|data| STANDARD.decode(data).ok());
        let is_made_up_picture = given.is_none() && inbound.kind == ContentKind::Image;
        let bytes = given.unwrap_or_else(|| match inbound.kind {
            ContentKind::Image => picture::png_of(raw_id),
            _ => format!("made up by the simulator: {raw_id}").into_bytes(),
        });
        let default_type = if is_made_up_picture { "image/png" } else { inbound.kind.mimetype() };
        let mimetype = inbound.mimetype.clone().unwrap_or_else(|| default_type.to_owned());
        let extension = match inbound.filename.as_deref().and_then(|name| name.rsplit_once('.')) {
            Some((_, extension)) if extension.bytes().all(|it| it.is_ascii_alphanumeric()) => {
                extension
            }
            _ if is_made_up_picture => "png",
            _ => inbound.kind.extension(),
        };
        let path = format!("/api/files/{session}/{raw_id}.{extension}");
        let lifetime = i64::try_from(self.config.times.media_lifetime.as_millis());
        let expires_at_ms = self.clock.now_ms().saturating_add(lifetime.unwrap_or(i64::MAX));
        content.attachment = Some(Attachment {
            mimetype: mimetype.clone(),
            filename: inbound.filename.clone(),
            path: Some(path),
        });
        (content, Some(MediaFile { bytes: bytes.into(), mimetype, expires_at_ms }))
    }
}

fn ignores(ignore: IgnoreConfig, chat: &str) -> bool {
    let kind = match chat.split_once('@').map(|(_, server)| server) {
        _ if chat == "status@broadcast" => ignore.status,
        Some("g.us") => ignore.groups,
        Some("newsletter") => ignore.channels,
        Some("broadcast") => ignore.broadcast,
        _ => None,
    };
    kind == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kinds_named_are_ignored() {
        let ignore = IgnoreConfig { groups: Some(true), ..IgnoreConfig::default() };
        assert!(ignores(ignore, "1@g.us"));
        assert!(!ignores(ignore, "1@c.us"));
        assert!(!ignores(ignore, "status@broadcast"));
    }

    #[test]
    fn a_sender_and_a_text_are_enough() {
        let inbound: Inbound =
            serde_json::from_str(r#"{"from":"12025550123","text":"Hello"}"#).unwrap();
        assert_eq!(inbound, Inbound::text("12025550123", "Hello"));
    }
}
