//! Gives kept webhooks their effects, in the transaction that records that they have them.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use messaging_core::domain::id::{InboxId, MessageId, ProviderMessageId, SessionId};
use messaging_core::domain::inbox::{Applied, InboxEffect};
use messaging_core::domain::message::{ChangeOutcome, Message};
use messaging_core::domain::opt_out::Wish;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::message_store::change::Opened;
use crate::message_store::row::NewMessages;
use crate::opt_out_store;
use crate::session_store::record_status;
use crate::text;
use crate::together::{Fault, Work};

/// Effects of webhooks of many callers.
pub(crate) struct Applies;

#[async_trait]
impl Work for Applies {
    type Request = Vec<(InboxId, InboxEffect)>;
    type Answer = Vec<Applied>;

    async fn run(
        connection: &mut PgConnection,
        requests: &[Vec<(InboxId, InboxEffect)>],
    ) -> Result<(Vec<Vec<Applied>>, u64), Fault> {
        let mut transaction = connection.begin().await?;
        let mut under_way = UnderWay::open(&mut transaction, requests).await?;
        let mut answers = Vec::with_capacity(requests.len());
        for effects in requests {
            let mut applied = Vec::with_capacity(effects.len());
            for (id, effect) in effects {
                applied.push(under_way.apply(&mut transaction, *id, effect).await?);
            }
            answers.push(applied);
        }
        let statements = under_way.write(&mut transaction).await?;
        transaction.commit().await?;
        Ok((answers, statements + 2))
    }
}

/// What one transaction has locked, found out and changed so far.
struct UnderWay {
    /// The entries that are not applied, and their sessions.
    standing: HashMap<InboxId, SessionId>,
    opened: Opened,
    known: Known,
    applied: Vec<Uuid>,
    new: NewMessages,
    wishes: Vec<Wish>,
    statements: u64,
}

/// Messages that are kept already: nothing is received twice.
#[derive(Default)]
struct Known {
    ids: HashSet<MessageId>,
    at_provider: HashSet<(SessionId, ProviderMessageId)>,
}

impl UnderWay {
    /// Locks entries, messages and sessions, in this order and each in order of id, so that two
    /// transactions never wait for one another.
    async fn open(
        connection: &mut PgConnection,
        requests: &[Vec<(InboxId, InboxEffect)>],
    ) -> Result<Self, Fault> {
        let effects = || requests.iter().flatten().map(|(_, effect)| effect);
        let ids: Vec<Uuid> = requests.iter().flatten().map(|(id, _)| id.0).collect();
        let standing = sqlx::query!(
            "SELECT id, session FROM inbox
             WHERE id = ANY($1::uuid[]) AND status <> 'applied' ORDER BY id FOR UPDATE",
            &ids,
        )
        .fetch_all(&mut *connection)
        .await?;
        let standing: HashMap<_, _> =
            standing.iter().map(|row| (InboxId(row.id), SessionId(row.session))).collect();
        let changes = effects().filter_map(|effect| match effect {
            InboxEffect::Change(change) => Some(change),
            _ => None,
        });
        let (opened, mut statements) = Opened::open(connection, changes).await?;
        let received: Vec<&Message> =
            effects().filter_map(|effect| Some(effect.received()?.0)).collect();
        let known = if received.is_empty() {
            Known::default()
        } else {
            statements += 1;
            Known::of(connection, &received).await?
        };
        let has_state = |(id, effect): &&(InboxId, InboxEffect)| {
            matches!(effect, InboxEffect::Session { .. }) && standing.contains_key(id)
        };
        let sessions = requests.iter().flatten().filter(has_state);
        let sessions: Vec<Uuid> =
            sessions.filter_map(|(id, _)| Some(standing.get(id)?.0)).collect();
        if !sessions.is_empty() {
            sqlx::query!(
                "SELECT id FROM sessions WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE",
                &sessions,
            )
            .fetch_all(connection)
            .await?;
            statements += 1;
        }
        Ok(Self {
            standing,
            opened,
            known,
            applied: Vec::new(),
            new: NewMessages::default(),
            wishes: Vec::new(),
            statements: statements + 1,
        })
    }

    async fn apply(
        &mut self,
        connection: &mut PgConnection,
        id: InboxId,
        effect: &InboxEffect,
    ) -> Result<Applied, Fault> {
        let Some(session) = self.standing.get(&id).copied() else { return Ok(Applied::Known) };
        let applied = match effect {
            InboxEffect::Receive(message) | InboxEffect::ReceiveWish(message, _) => {
                if self.known.add(message) {
                    self.new.extend(&NewMessages::of([&**message])?);
                    let wish = effect.received().and_then(|(_, wish)| wish);
                    self.wishes.extend(wish.cloned());
                    Applied::Done(None)
                } else {
                    Applied::Known
                }
            }
            InboxEffect::Change(change) => match self.opened.apply(change) {
                ChangeOutcome::Moved { message, .. } => Applied::Done(Some(message)),
                ChangeOutcome::Kept => Applied::Done(None),
                ChangeOutcome::Refused(_) => Applied::Known,
                ChangeOutcome::NotFound => return Ok(Applied::Unmatched),
            },
            InboxEffect::Session { status, at, own_address } => {
                self.statements += 1;
                let before =
                    record_status(connection, session, *status, *at, own_address.as_ref()).await?;
                if before.is_some() { Applied::Done(None) } else { Applied::Known }
            }
            InboxEffect::Nothing => Applied::Done(None),
        };
        self.standing.remove(&id);
        self.applied.push(id.0);
        Ok(applied)
    }

    async fn write(mut self, connection: &mut PgConnection) -> Result<u64, Fault> {
        self.statements += self.opened.write(connection).await?;
        if !self.new.is_empty() {
            self.new.insert(connection).await?;
            self.statements += 1;
        }
        self.statements += opt_out_store::follow(connection, self.wishes).await?;
        if !self.applied.is_empty() {
            sqlx::query!(
                "UPDATE inbox SET status = 'applied' WHERE id = ANY($1::uuid[])",
                &self.applied,
            )
            .execute(connection)
            .await?;
            self.statements += 1;
        }
        Ok(self.statements)
    }
}

impl Known {
    async fn of(connection: &mut PgConnection, messages: &[&Message]) -> Result<Self, sqlx::Error> {
        let ids: Vec<Uuid> = messages.iter().map(|message| message.id.0).collect();
        let named = messages.iter().filter_map(|message| {
            let id = message.provider_message_id.as_ref()?;
            Some((message.session.0, text::kept(&id.0).into_owned()))
        });
        let (sessions, names): (Vec<Uuid>, Vec<String>) = named.unzip();
        let known = sqlx::query!(
            r#"
            SELECT id AS "message?", NULL::uuid AS session, NULL AS name FROM messages
            WHERE id = ANY($1::uuid[])
            UNION ALL
            SELECT NULL, p.session, p.provider_message_id
            FROM unnest($2::uuid[], $3::text[]) AS asked (session, provider_message_id)
            JOIN provider_ids p USING (session, provider_message_id)
            "#,
            &ids,
            &sessions,
            &names,
        )
        .fetch_all(connection)
        .await?;
        let mut all = Self::default();
        for row in known {
            all.ids.extend(row.message.map(MessageId));
            let name = row.name.map(|name| ProviderMessageId(text::given(name)));
            all.at_provider.extend(row.session.map(SessionId).zip(name));
        }
        Ok(all)
    }

    /// Whether a message is new; it is known from now on.
    fn add(&mut self, message: &Message) -> bool {
        let named = message.provider_message_id.clone().map(|id| (message.session, id));
        let is_known = self.ids.contains(&message.id)
            || named.as_ref().is_some_and(|named| self.at_provider.contains(named));
        self.ids.insert(message.id);
        self.at_provider.extend(named);
        !is_known
    }
}
