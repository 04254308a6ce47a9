//! Finds messages, applies what happened to them, and writes them back: all that many callers ask
//! for in one transaction, whose number of statements does not depend on how many they are.

use std::collections::HashMap;

use messaging_core::domain::id::{MessageId, ProviderMessageId, SessionId};
use messaging_core::domain::message::applied::ChangeEffect;
use messaging_core::domain::message::{
    ChangeOutcome, Message, MessageEvent, MessageRef, StatusChange,
};
use messaging_core::ports::store_error::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::message_store::row::{MessageRow, is_inbound, query_messages};
use crate::named::{Stored, small};
use crate::text;
use crate::together::Fault;

/// How many statements [`Opened::open`] and [`Opened::write`] send.
pub(crate) const STATEMENTS: u64 = 3;

/// Messages that are locked, to be changed and written back.
#[derive(Default)]
pub(crate) struct Opened {
    messages: HashMap<MessageId, Open>,
    at_provider: HashMap<(SessionId, ProviderMessageId), MessageId>,
    lines: Vec<Line>,
    attempts: Vec<(SessionId, i64)>,
    names: Vec<(SessionId, ProviderMessageId, MessageId)>,
}

struct Open {
    message: Message,
    lines: i32,
    is_touched: bool,
}

struct Line {
    message: MessageId,
    number: i32,
    event: MessageEvent,
}

impl Opened {
    /// Locks every message that a change names, in order of id, so that two transactions never
    /// wait for one another.
    pub(crate) async fn open(
        connection: &mut PgConnection,
        changes: impl Iterator<Item = &StatusChange> + Clone,
    ) -> Result<Self, Fault> {
        let mut opened = Self::default();
        let named = changes.clone().filter_map(|change| match &change.message {
            MessageRef::Provider(session, id) => Some((session.0, text::kept(&id.0).into_owned())),
            _ => None,
        });
        let (sessions, names): (Vec<Uuid>, Vec<String>) = named.unzip();
        let mut ids: Vec<Uuid> = changes
            .filter_map(|change| match &change.message {
                MessageRef::Id(id) | MessageRef::Owned(_, id) => Some(id.0),
                MessageRef::Provider(..) => None,
            })
            .collect();
        if !names.is_empty() {
            // Should the provider have given one id twice, the newer message.
            let found = sqlx::query!(
                r#"
                SELECT DISTINCT ON (p.session, p.provider_message_id)
                    p.session, p.provider_message_id, p.message
                FROM unnest($1::uuid[], $2::text[]) AS asked (session, provider_message_id)
                JOIN provider_ids p USING (session, provider_message_id)
                WHERE NOT p.inbound
                ORDER BY p.session, p.provider_message_id, p.message DESC
                "#,
                &sessions,
                &names,
            )
            .fetch_all(&mut *connection)
            .await?;
            for row in found {
                let name = ProviderMessageId(text::given(row.provider_message_id));
                ids.push(row.message);
                opened
                    .at_provider
                    .insert((SessionId(row.session), name), MessageId(row.message));
            }
        }
        opened.lock(connection, ids).await?;
        Ok(opened)
    }

    async fn lock(
        &mut self,
        connection: &mut PgConnection,
        mut ids: Vec<Uuid>,
    ) -> Result<(), Fault> {
        ids.sort_unstable();
        ids.dedup();
        let rows: Vec<MessageRow> = query_messages!(
            "FROM messages m WHERE m.id = ANY($1::uuid[]) ORDER BY m.id FOR UPDATE",
            &ids
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let lines = row.lines;
            let message = row.decode()?;
            self.messages.insert(message.id, Open { message, lines, is_touched: false });
        }
        Ok(())
    }

    /// Takes messages that are locked already.
    pub(crate) fn take(&mut self, rows: Vec<MessageRow>) -> Result<(), StoreError> {
        for row in rows {
            let lines = row.lines;
            let message = row.decode()?;
            self.messages.insert(message.id, Open { message, lines, is_touched: false });
        }
        Ok(())
    }

    /// Applies one change.
    pub(crate) fn apply(&mut self, change: &StatusChange) -> ChangeOutcome {
        let found = match &change.message {
            MessageRef::Id(id) => self.messages.get_mut(id),
            MessageRef::Owned(tenant, id) => {
                self.messages.get_mut(id).filter(|open| open.message.tenant == *tenant)
            }
            MessageRef::Provider(session, id) => {
                let id = self.at_provider.get(&(*session, id.clone()));
                id.and_then(|id| self.messages.get_mut(id))
            }
        };
        let Some(open) = found else { return ChangeOutcome::NotFound };
        let id = open.message.id;
        let first = MessageEvent::first_of(&open.message);
        let known = open.message.provider_message_id.clone();
        let effect = open.message.apply(change);
        let (line, ends_attempt) = match &effect {
            ChangeEffect::Moved { ends_attempt, line, .. } => (line, *ends_attempt),
            ChangeEffect::Kept { line } => (line, false),
            ChangeEffect::Refused(status) => return ChangeOutcome::Refused(*status),
        };
        if open.lines == 0 {
            open.lines = 1;
            self.lines.push(Line { message: id, number: 1, event: first });
        }
        open.lines += 1;
        open.is_touched = true;
        self.lines.push(Line { message: id, number: open.lines, event: line.clone() });
        let session = open.message.session;
        if ends_attempt {
            self.attempts.push((session, line.at.as_micros()));
        }
        if let Some(learnt) = &open.message.provider_message_id
            && open.message.provider_message_id != known
        {
            self.names.push((session, learnt.clone(), id));
            if !is_inbound(&open.message) {
                self.at_provider.insert((session, learnt.clone()), id);
            }
        }
        match effect {
            ChangeEffect::Moved { from, .. } => {
                ChangeOutcome::Moved { from, message: Box::new(open.message.clone()) }
            }
            _ => ChangeOutcome::Kept,
        }
    }

    /// Writes back what was changed.
    pub(crate) async fn write(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let mut to = Touched::default();
        for open in self.messages.into_values().filter(|open| open.is_touched) {
            to.add(&open.message, open.lines);
        }
        let mut lines = Lines::default();
        for line in self.lines {
            lines.add(&line);
        }
        let (attempt_sessions, attempt_instants): (Vec<Uuid>, Vec<i64>) =
            self.attempts.into_iter().map(|(session, at)| (session.0, at)).unzip();
        let mut names = Names::default();
        for (session, name, message) in self.names {
            names.sessions.push(session.0);
            names.names.push(text::kept(&name.0).into_owned());
            names.messages.push(message.0);
        }
        sqlx::query!(
            r#"
            WITH history AS (
                INSERT INTO message_events (
                    message, number, at, event, status, attempts, failure_code, failure_detail
                )
                SELECT * FROM unnest(
                    $14::uuid[], $15::int[], $16::bigint[], $17::text[], $18::text[], $19::int[],
                    $20::text[], $21::text[]
                )
            ), ended AS (
                INSERT INTO attempts (session, at)
                SELECT * FROM unnest($22::uuid[], $23::bigint[])
            ), named AS (
                INSERT INTO provider_ids (session, provider_message_id, message, inbound)
                SELECT session, name, message, false
                FROM unnest($24::uuid[], $25::text[], $26::uuid[]) AS row (session, name, message)
                ON CONFLICT DO NOTHING
            )
            UPDATE messages m SET
                status = row.status, attempts = row.attempts, generation = row.generation,
                held_by_batch = row.held_by_batch, due_at = row.due_at,
                failure_code = row.failure_code, failure_detail = row.failure_detail,
                updated_at = row.updated_at, sent_at = row.sent_at,
                delivered_at = row.delivered_at, read_at = row.read_at,
                failed_at = row.failed_at, provider_message_id = row.provider_message_id,
                lines = row.lines
            FROM unnest(
                $1::uuid[], $2::text[], $3::int[], $4::int[], $5::bool[], $6::bigint[],
                $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[],
                $12::bigint[], $13::bigint[], $27::text[], $28::int[]
            ) AS row (
                id, status, attempts, generation, held_by_batch, due_at, failure_code,
                failure_detail, updated_at, sent_at, delivered_at, read_at, failed_at,
                provider_message_id, lines
            )
            WHERE m.id = row.id
            "#,
            &to.ids,
            &to.statuses as &[&str],
            &to.attempts,
            &to.generations,
            &to.held,
            &to.due_at,
            &to.failure_codes as &[Option<&str>],
            &to.failure_details as &[Option<String>],
            &to.updated_at,
            &to.sent_at as &[Option<i64>],
            &to.delivered_at as &[Option<i64>],
            &to.read_at as &[Option<i64>],
            &to.failed_at as &[Option<i64>],
            &lines.messages,
            &lines.numbers,
            &lines.at,
            &lines.events as &[Option<&str>],
            &lines.statuses as &[&str],
            &lines.attempts,
            &lines.failure_codes as &[Option<&str>],
            &lines.failure_details as &[Option<String>],
            &attempt_sessions,
            &attempt_instants,
            &names.sessions,
            &names.names,
            &names.messages,
            &to.provider_ids as &[Option<String>],
            &to.lines,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// What a change can change, column by column.
#[derive(Default)]
struct Touched {
    ids: Vec<Uuid>,
    statuses: Vec<&'static str>,
    attempts: Vec<i32>,
    generations: Vec<i32>,
    held: Vec<bool>,
    due_at: Vec<i64>,
    failure_codes: Vec<Option<&'static str>>,
    failure_details: Vec<Option<String>>,
    updated_at: Vec<i64>,
    sent_at: Vec<Option<i64>>,
    delivered_at: Vec<Option<i64>>,
    read_at: Vec<Option<i64>>,
    failed_at: Vec<Option<i64>>,
    provider_ids: Vec<Option<String>>,
    lines: Vec<i32>,
}

impl Touched {
    fn add(&mut self, message: &Message, lines: i32) {
        let failure = message.failure.as_ref();
        let owned = |value: &str| text::kept(value).into_owned();
        self.ids.push(message.id.0);
        self.statuses.push(message.status.as_str());
        self.attempts.push(small(message.attempts));
        self.generations.push(small(message.generation));
        self.held.push(message.held_by_batch);
        self.due_at.push(message.due_at.as_micros());
        self.failure_codes.push(failure.map(|failure| failure.code.as_str()));
        self.failure_details.push(failure.and_then(|failure| failure.detail.as_deref()).map(owned));
        self.updated_at.push(message.updated_at.as_micros());
        self.sent_at.push(message.sent_at.map(|at| at.as_micros()));
        self.delivered_at.push(message.delivered_at.map(|at| at.as_micros()));
        self.read_at.push(message.read_at.map(|at| at.as_micros()));
        self.failed_at.push(message.failed_at.map(|at| at.as_micros()));
        self.provider_ids.push(message.provider_message_id.as_ref().map(|id| owned(id.as_str())));
        self.lines.push(lines);
    }
}

#[derive(Default)]
struct Lines {
    messages: Vec<Uuid>,
    numbers: Vec<i32>,
    at: Vec<i64>,
    events: Vec<Option<&'static str>>,
    statuses: Vec<&'static str>,
    attempts: Vec<i32>,
    failure_codes: Vec<Option<&'static str>>,
    failure_details: Vec<Option<String>>,
}

impl Lines {
    fn add(&mut self, line: &Line) {
        let failure = line.event.failure.as_ref();
        let detail = failure.and_then(|failure| failure.detail.as_deref());
        self.messages.push(line.message.0);
        self.numbers.push(line.number);
        self.at.push(line.event.at.as_micros());
        self.events.push(line.event.event.map(|event| event.as_str()));
        self.statuses.push(line.event.status.as_str());
        self.attempts.push(small(line.event.attempts));
        self.failure_codes.push(failure.map(|failure| failure.code.as_str()));
        self.failure_details.push(detail.map(|detail| text::kept(detail).into_owned()));
    }
}

#[derive(Default)]
struct Names {
    sessions: Vec<Uuid>,
    names: Vec<String>,
    messages: Vec<Uuid>,
}
