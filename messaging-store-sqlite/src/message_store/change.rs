//! Finds a message, applies what happened to it, and writes it back.

use messaging_core::domain::message::applied::ChangeEffect;
use messaging_core::domain::message::{
    ChangeOutcome, Message, MessageEvent, MessageRef, StatusChange,
};
use rusqlite::Connection;

use crate::error::Fault;
use crate::message_store::{chats, history, row};

/// Applies one change.
pub(crate) fn change(
    connection: &Connection,
    change: &StatusChange,
) -> Result<ChangeOutcome, Fault> {
    let found = match &change.message {
        MessageRef::Id(id) => row::find(connection, *id)?,
        MessageRef::Owned(tenant, id) => row::find_owned(connection, *tenant, *id)?,
        MessageRef::Provider(session, id) => row::find_at_provider(connection, *session, id)?,
    };
    match found {
        Some(message) => change_found(connection, &message, change),
        None => Ok(ChangeOutcome::NotFound),
    }
}

/// Applies a change to the message it is about.
pub(super) fn change_found(
    connection: &Connection,
    before: &Message,
    change: &StatusChange,
) -> Result<ChangeOutcome, Fault> {
    let first = MessageEvent::first_of(before);
    let mut message = before.clone();
    let effect = message.apply(change);
    let (line, attempt_of, opens) = match &effect {
        ChangeEffect::Moved { ends_attempt, opens, line, .. } => {
            (line, ends_attempt.then_some(message.session), opens)
        }
        ChangeEffect::Kept { opens, line } => (line, None, opens),
        ChangeEffect::Refused(status) => return Ok(ChangeOutcome::Refused(*status)),
    };
    history::add(connection, message.id, &first, line, attempt_of)?;
    if let Some(chat) = opens {
        chats::open(connection, *chat, change.at)?;
    }
    row::update(connection, before, &message)?;
    Ok(match effect {
        ChangeEffect::Moved { from, .. } => {
            ChangeOutcome::Moved { from, message: Box::new(message) }
        }
        _ => ChangeOutcome::Kept,
    })
}
