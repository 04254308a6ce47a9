//! Changing what was sent: editing, deleting, reacting.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Answer;
use super::call::Call;
use super::no_route;
use crate::simulator::events::{Event, Origin};
use crate::simulator::messages::StoredMessage;
use crate::simulator::refusal::Refusal;
use crate::simulator::sending::{raw_id_of, session_of};
use crate::simulator::view::View;
use crate::simulator::world::World;
use crate::wire::{ErrorBody, SessionStatus};

/// Edits or deletes a message of the session's own. The id alone finds it, whatever form of its
/// chat the path names.
pub(super) async fn change(
    world: &Arc<World>,
    call: &Call,
    session: &str,
    id: &str,
) -> Result<Answer, Refusal> {
    world.ready(session, SessionStatus::Working).await?;
    let raw_id = raw_id_of(id).unwrap_or_default();
    let (payload, name) = match call.method.as_str() {
        "PUT" => {
            let text = call.text("text").map(str::to_owned);
            let Some(text) = text else {
                return Err(Refusal::thrown(
                    "Cannot read properties of undefined (reading 'text')",
                ));
            };
            let (message, view, origin) =
                update(world, session, &raw_id, |message| message.content.text = Some(text))?;
            let mut payload = view.message(&message);
            payload["editedMessageId"] = json!(raw_id);
            ((payload, origin), "message.edited")
        }
        "DELETE" => {
            let (message, view, origin) =
                update(world, session, &raw_id, |message| message.content.text = None)?;
            let after = view.message(&message);
            let payload = json!({"after": after, "before": null, "revokedMessageId": raw_id});
            ((payload, origin), "message.revoked")
        }
        _ => return Err(no_route(call)),
    };
    if let (payload, Some(origin)) = payload {
        world.emit(&origin, &[Event::new(name, payload)]);
    }
    Ok(Answer::ok(Value::Null))
}

/// Reacts to a message; an empty reaction takes an earlier one back.
pub(super) async fn react(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let session = session_of(&call.body)?;
    world.ready(&session, SessionStatus::Working).await?;
    let (Some(id), Some(text)) = (call.text("messageId"), call.text("reaction")) else {
        return Err(Refusal::thrown("Cannot read properties of undefined (reading 'messageId')"));
    };
    let raw_id = raw_id_of(id).unwrap_or_default();
    let mut state = world.state();
    let Some(message) = state.messages.find_mut(&session, &raw_id).cloned() else {
        return Err(ErrorBody::message_not_found().into());
    };
    let Some(owner) = state.sessions.get(&session) else {
        return Err(ErrorBody::session_does_not_exist(&session).into());
    };
    let view = world.view(&state, owner.me.clone());
    let origin = state.origin(&session);
    drop(state);
    let reaction_id = format!("true_{}_{}", view.chat(&message.chat), world.dice.raw_id());
    if let Some(origin) = origin {
        let payload = json!({
            "id": reaction_id,
            "timestamp": world.clock.now_ms() / 1_000,
            "from": view.me.id,
            "fromMe": true,
            "source": "api",
            "to": view.chat(&message.chat),
            "participant": null,
            "reaction": {"text": text, "messageId": view.full_id(&message)},
        });
        world.emit(&origin, &[Event::new("message.reaction", payload)]);
    }
    Ok(Answer::ok(json!({"id": reaction_id})))
}

type Changed = (StoredMessage, View, Option<Origin>);

fn update(
    world: &World,
    session: &str,
    raw_id: &str,
    change: impl FnOnce(&mut StoredMessage),
) -> Result<Changed, Refusal> {
    let mut state = world.state();
    let Some(me) = state.sessions.get(session).map(|session| session.me.clone()) else {
        return Err(ErrorBody::session_does_not_exist(session).into());
    };
    let found = state.messages.find_mut(session, raw_id).filter(|message| message.from_me);
    let Some(message) = found else { return Err(ErrorBody::message_not_found().into()) };
    change(message);
    let message = message.clone();
    Ok((message, world.view(&state, me), state.origin(session)))
}
