//! Gives a kept webhook its effect, in the transaction that records that it has it.

use messaging_core::domain::id::{InboxId, ProviderMessageId, SessionId};
use messaging_core::domain::inbox::{Applied, InboxEffect};
use messaging_core::domain::message::{ChangeOutcome, Message};
use messaging_core::domain::opt_out::Wish;
use messaging_core::ports::store_error::{BoxError, StoreError};
use rusqlite::{Connection, Row};

use crate::column::{self, BadColumn, Id, Stored, decode_first};
use crate::error::Fault;
use crate::message_store::row::NewMessage;
use crate::message_store::{change, row};
use crate::opt_out_store;
use crate::session_store::row::{Recorded, record_status};

/// An effect whose message, where it brings one, is ready to be written.
pub(super) enum Prepared {
    Receive(Box<(Message, NewMessage)>, Option<Wish>),
    Other(InboxEffect),
}

impl Prepared {
    pub(super) fn new(effect: InboxEffect) -> Result<Self, StoreError> {
        Ok(match effect {
            InboxEffect::Receive(message) => Self::receive(message, None)?,
            InboxEffect::ReceiveWish(message, wish) => Self::receive(message, Some(wish))?,
            other => Self::Other(other),
        })
    }
}

impl Prepared {
    fn receive(message: Box<Message>, wish: Option<Wish>) -> Result<Self, StoreError> {
        let new = NewMessage::new((*message).clone())?;
        Ok(Self::Receive(Box::new((*message, new)), wish))
    }
}

/// What of an entry decides whether its effect is still wanted.
struct Standing {
    session: SessionId,
    is_applied: bool,
}

impl Stored for Standing {
    const ENTITY: &'static str = "inbox entry";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        let status = row.get_ref(2)?.as_str().map_err(|_| BadColumn("status"))?;
        Ok(Self { session: column::id(row, 1)?, is_applied: status == "applied" })
    }
}

/// Gives one entry its effect.
pub(super) fn apply(
    connection: &Connection,
    id: InboxId,
    effect: &Prepared,
) -> Result<Applied, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT id, session, status FROM inbox WHERE id = ?1")?;
    let standing: Option<Standing> = decode_first(statement.query([id.bytes()])?)?;
    let Some(standing) = standing.filter(|standing| !standing.is_applied) else {
        return Ok(Applied::Known);
    };
    let applied = match effect {
        Prepared::Receive(both, wish) => {
            let applied = receive(connection, &both.0, &both.1)?;
            if let (Applied::Done(_), Some(wish)) = (&applied, wish) {
                opt_out_store::follow(connection, wish)?;
            }
            applied
        }
        Prepared::Other(effect) => take_effect(connection, standing.session, effect)?,
    };
    if applied != Applied::Unmatched {
        connection
            .prepare_cached("UPDATE inbox SET status = 'applied' WHERE id = ?1")?
            .execute([id.bytes()])?;
    }
    Ok(applied)
}

/// Keeps a message that came in, once for each (session, provider message id), whichever way the
/// one that is kept already goes.
fn receive(connection: &Connection, message: &Message, new: &NewMessage) -> Result<Applied, Fault> {
    // Each direction has an index of its own, so each is asked for by name.
    let is_known = connection
        .prepare_cached(
            "SELECT 1 FROM messages WHERE id = ?1
             UNION ALL
             SELECT 1 FROM messages
             WHERE session = ?2 AND provider_message_id = ?3 AND direction = 'inbound'
             UNION ALL
             SELECT 1 FROM messages
             WHERE session = ?2 AND provider_message_id = ?3 AND direction = 'outbound'",
        )?
        .exists((
            message.id.bytes(),
            message.session.bytes(),
            message.provider_message_id.as_ref().map(ProviderMessageId::as_str),
        ))?;
    if is_known {
        return Ok(Applied::Known);
    }
    row::insert(connection, new)?;
    Ok(Applied::Done(None))
}

fn take_effect(
    connection: &Connection,
    session: SessionId,
    effect: &InboxEffect,
) -> Result<Applied, Fault> {
    Ok(match effect {
        InboxEffect::Change(change) => match change::change(connection, change)? {
            ChangeOutcome::Moved { message, .. } => Applied::Done(Some(message)),
            ChangeOutcome::Kept => Applied::Done(None),
            ChangeOutcome::Refused(_) => Applied::Known,
            ChangeOutcome::NotFound => Applied::Unmatched,
        },
        InboxEffect::Session { status, at, own_address } => {
            match record_status(connection, session, *status, *at, own_address.as_ref())? {
                Recorded::Changed(_) | Recorded::Same => Applied::Done(None),
                Recorded::Outdated | Recorded::NotFound => Applied::Known,
            }
        }
        InboxEffect::Nothing | InboxEffect::Receive(_) | InboxEffect::ReceiveWish(..) => {
            Applied::Done(None)
        }
    })
}
