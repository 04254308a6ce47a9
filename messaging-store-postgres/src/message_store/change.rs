//! Finds messages, applies what happened to them, and writes them back: all that many callers ask
//! for in one transaction, whose number of statements does not depend on how many they are.

use std::collections::{BTreeMap, HashMap};

use messaging_core::domain::id::{MessageId, ProviderMessageId, SessionId};
use messaging_core::domain::message::applied::ChangeEffect;
use messaging_core::domain::message::{
    ChangeOutcome, Message, MessageEvent, MessageRef, StatusChange,
};
use messaging_core::domain::status::Status;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::message_store::chats::OpenChats;
use crate::message_store::row::{MessageRow, is_inbound, query_messages};
use crate::named::{Stored, small};
use crate::text;
use crate::together::Fault;

/// Messages are counted by the hour of their creation.
pub(crate) const HOUR_MICROS: i64 = 3_600_000_000;

/// Messages that are locked, to be changed and written back.
#[derive(Default)]
pub(crate) struct Opened {
    messages: HashMap<MessageId, Open>,
    at_provider: HashMap<(SessionId, ProviderMessageId), MessageId>,
    lines: Vec<Line>,
    attempts: Vec<(SessionId, i64)>,
    chats: OpenChats,
    counts: CountChanges,
}

struct Open {
    message: Message,
    /// Its id at the provider when it was locked.
    name: Option<ProviderMessageId>,
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
    /// wait for one another. Tells how many statements it took.
    pub(crate) async fn open<'a>(
        connection: &mut PgConnection,
        changes: impl Iterator<Item = &'a StatusChange> + Clone,
    ) -> Result<(Self, u64), Fault> {
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
        let mut statements = 0;
        if !names.is_empty() {
            statements += 1;
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
                opened.at_provider.insert((SessionId(row.session), name), MessageId(row.message));
            }
        }
        if !ids.is_empty() {
            statements += 1;
            opened.lock(connection, ids).await?;
        }
        Ok((opened, statements))
    }

    async fn lock(
        &mut self,
        connection: &mut PgConnection,
        mut ids: Vec<Uuid>,
    ) -> Result<(), Fault> {
        ids.sort_unstable();
        ids.dedup();
        let rows: Vec<MessageRow> = query_messages!(
            "FROM messages m JOIN message_contents c ON c.message = m.id \
             WHERE m.id = ANY($1::uuid[]) AND c.message = ANY($1) ORDER BY m.id FOR UPDATE OF m",
            &ids
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let lines = row.lines;
            let message = row.decode()?;
            let name = message.provider_message_id.clone();
            self.messages.insert(message.id, Open { message, name, lines, is_touched: false });
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
        let (line, ends_attempt, opens) = match &effect {
            ChangeEffect::Moved { ends_attempt, opens, line, .. } => (line, *ends_attempt, *opens),
            ChangeEffect::Kept { opens, line } => (line, false, *opens),
            ChangeEffect::Refused(status) => return ChangeOutcome::Refused(*status),
        };
        if open.lines == 0 {
            open.lines = 1;
            self.lines.push(Line { message: id, number: 1, event: first });
        }
        self.chats.add(opens, change.at);
        open.lines += 1;
        open.is_touched = true;
        self.lines.push(Line { message: id, number: open.lines, event: line.clone() });
        let session = open.message.session;
        if ends_attempt {
            self.attempts.push((session, line.at.as_micros()));
        }
        if open.message.provider_message_id != known && !is_inbound(&open.message) {
            if let Some(known) = known {
                self.at_provider.remove(&(session, known));
            }
            if let Some(learnt) = &open.message.provider_message_id {
                self.at_provider.insert((session, learnt.clone()), id);
            }
        }
        match effect {
            ChangeEffect::Moved { from, .. } => {
                self.counts.add(&open.message, from, -1);
                self.counts.add(&open.message, open.message.status, 1);
                ChangeOutcome::Moved { from, message: Box::new(open.message.clone()) }
            }
            _ => ChangeOutcome::Kept,
        }
    }

    /// Writes back what was changed. Tells how many statements it took.
    pub(crate) async fn write(self, connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
        if self.lines.is_empty() {
            return Ok(0);
        }
        let mut to = Touched::default();
        let (mut names, mut old_names) = (Names::default(), Names::default());
        for open in self.messages.into_values().filter(|open| open.is_touched) {
            to.add(&open.message, open.lines);
            if open.message.provider_message_id != open.name {
                names.add(&open.message, open.message.provider_message_id.as_ref());
                old_names.add(&open.message, open.name.as_ref());
            }
        }
        let mut lines = Lines::default();
        for line in self.lines {
            lines.add(&line);
        }
        let (attempt_sessions, attempt_instants): (Vec<Uuid>, Vec<i64>) =
            self.attempts.into_iter().map(|(session, at)| (session.0, at)).unzip();
        let counts = self.counts.columns();
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
            ), renamed AS (
                DELETE FROM provider_ids p
                USING unnest($36::uuid[], $37::text[], $38::uuid[]) AS row (session, name, message)
                WHERE p.session = row.session AND p.provider_message_id = row.name
                    AND p.message = row.message
            ), opened AS (
                -- In order, so that two transactions never wait for one another; of two of one chat
                -- the first.
                INSERT INTO chats (session, recipient, opened_at, by_us)
                SELECT * FROM unnest($39::uuid[], $40::bigint[], $41::bigint[], $42::bool[])
                    AS row (session, recipient, opened_at, by_us)
                ORDER BY session, recipient, opened_at
                ON CONFLICT DO NOTHING
            ), counted AS (
                INSERT INTO message_count_changes (
                    tenant, hour, session, direction, kind, status, messages
                )
                SELECT * FROM unnest(
                    $29::uuid[], $30::bigint[], $31::uuid[], $32::text[], $33::text[], $34::text[],
                    $35::bigint[]
                )
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
            -- The second says the same once more, where it lets months be passed over.
            WHERE m.id = row.id AND m.id = ANY($1)
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
            &counts.tenants,
            &counts.hours,
            &counts.sessions,
            &counts.directions as &[&str],
            &counts.kinds as &[&str],
            &counts.statuses as &[&str],
            &counts.messages,
            &old_names.sessions,
            &old_names.names,
            &old_names.messages,
            &self.chats.sessions,
            &self.chats.recipients,
            &self.chats.opened_at,
            &self.chats.by_us,
        )
        .execute(connection)
        .await?;
        Ok(1)
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
        self.held.push(message.held);
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

/// By how much the number of messages of each sort has changed.
#[derive(Default)]
struct CountChanges(BTreeMap<Sort, i64>);

/// A sort of messages that is counted by itself.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Sort {
    tenant: Uuid,
    hour: i64,
    session: Uuid,
    direction: &'static str,
    kind: &'static str,
    status: &'static str,
}

#[derive(Default)]
struct CountColumns {
    tenants: Vec<Uuid>,
    hours: Vec<i64>,
    sessions: Vec<Uuid>,
    directions: Vec<&'static str>,
    kinds: Vec<&'static str>,
    statuses: Vec<&'static str>,
    messages: Vec<i64>,
}

impl CountChanges {
    fn add(&mut self, message: &Message, status: Status, by: i64) {
        let created_at = message.created_at.as_micros();
        let sort = Sort {
            tenant: message.tenant.0,
            hour: created_at - created_at % HOUR_MICROS,
            session: message.session.0,
            direction: message.direction.as_str(),
            kind: message.content.kind().as_str(),
            status: status.as_str(),
        };
        *self.0.entry(sort).or_default() += by;
    }

    fn columns(self) -> CountColumns {
        let mut columns = CountColumns::default();
        for (sort, messages) in self.0.into_iter().filter(|(_, messages)| *messages != 0) {
            columns.tenants.push(sort.tenant);
            columns.hours.push(sort.hour);
            columns.sessions.push(sort.session);
            columns.directions.push(sort.direction);
            columns.kinds.push(sort.kind);
            columns.statuses.push(sort.status);
            columns.messages.push(messages);
        }
        columns
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

/// Messages' ids at the provider.
#[derive(Default)]
struct Names {
    sessions: Vec<Uuid>,
    names: Vec<String>,
    messages: Vec<Uuid>,
}

impl Names {
    fn add(&mut self, message: &Message, name: Option<&ProviderMessageId>) {
        let Some(name) = name else { return };
        self.sessions.push(message.session.0);
        self.names.push(text::kept(name.as_str()).into_owned());
        self.messages.push(message.id.0);
    }
}
