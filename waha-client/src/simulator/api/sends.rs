//! The calls that send, and the small gestures around sending.

use std::sync::Arc;

use serde_json::json;

use super::answer::Answer;
use super::call::Call;
use crate::simulator::ContentKind;
use crate::simulator::refusal::Refusal;
use crate::simulator::sending::{chat_of, session_of};
use crate::simulator::world::World;
use crate::wire::{ErrorBody, NewMessageId, SessionStatus};

/// What an endpoint sends; `None` for those that do not.
pub(super) fn kind_of(path: &[&str]) -> Option<ContentKind> {
    match *path {
        ["sendText"] => Some(ContentKind::Text),
        ["sendImage"] => Some(ContentKind::Image),
        ["sendFile"] => Some(ContentKind::Document),
        ["sendVoice"] => Some(ContentKind::Voice),
        ["sendVideo"] => Some(ContentKind::Video),
        ["sendLocation"] => Some(ContentKind::Location),
        ["sendContactVcard"] => Some(ContentKind::Contact),
        ["sendPoll"] => Some(ContentKind::Poll),
        _ => None,
    }
}

pub(super) async fn send(
    world: &Arc<World>,
    call: &Call,
    kind: ContentKind,
) -> Result<Answer, Refusal> {
    world.send(kind, &call.body).await.map(Answer::created)
}

/// A raw id for a later send; only for engines that take one.
pub(super) async fn new_message_id(world: &World, session: &str) -> Result<Answer, Refusal> {
    let engine = world.knobs().engine;
    if !engine.takes_message_id() {
        return Err(ErrorBody::not_implemented(engine).into());
    }
    world.ready(session, SessionStatus::Working).await?;
    Ok(Answer::ok(NewMessageId { id: world.dice.raw_id() }))
}

/// Seen and typing: nobody sees them here, but they need a session and a chat.
pub(super) async fn gesture(world: &World, call: &Call, path: &[&str]) -> Result<Answer, Refusal> {
    let session = session_of(&call.body)?;
    world.ready(&session, SessionStatus::Working).await?;
    chat_of(&call.body)?;
    Ok(match path {
        ["sendSeen"] => Answer::created(json!({"success": true})),
        _ => Answer::created(json!({"result": true})),
    })
}

pub(super) async fn presence(world: &World, call: &Call, session: &str) -> Result<Answer, Refusal> {
    world.ready(session, SessionStatus::Working).await?;
    let Some(presence) = call.text("presence") else {
        return Err(Refusal::thrown("Cannot read properties of undefined (reading 'presence')"));
    };
    if matches!(presence, "online" | "offline")
        && let Some(session) = world.state().sessions.get_mut(session)
    {
        session.presence = Some(presence.to_owned());
    }
    Ok(Answer::created(json!(null)))
}
