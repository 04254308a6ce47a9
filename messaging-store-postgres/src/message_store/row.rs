//! A message as a row, and back.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use messaging_core::domain::address::{Address, Alias, PersonKey, RecipientKey};
use messaging_core::domain::content::Content;
use messaging_core::domain::id::{BatchId, MessageId, ProviderMessageId, SessionId, TenantId};
use messaging_core::domain::insertion::{Distinct, Inserted, Insertion};
use messaging_core::domain::message::{Direction, Message, Redaction};
use messaging_core::domain::sealed::{Sealed, Terms};
use messaging_core::ports::store_error::{BoxError, StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::message_store::chats::{OpenChats, rename as rename_chat};
use crate::named::{
    BadColumn, Stored, decode_all, failure, instant, json, named, optional_instant, small,
};
use crate::text;
use crate::together::Fault;

/// A message's row, as every query that gives messages selects it.
pub(crate) struct MessageRow {
    pub(crate) id: Uuid,
    pub(crate) tenant: Uuid,
    pub(crate) session: Uuid,
    pub(crate) batch: Option<Uuid>,
    pub(crate) direction: String,
    pub(crate) sender: Option<String>,
    pub(crate) recipient: Option<String>,
    pub(crate) recipient_key: Option<i64>,
    pub(crate) priority: String,
    pub(crate) status: String,
    pub(crate) attempts: i32,
    pub(crate) generation: i32,
    pub(crate) held_by_batch: bool,
    pub(crate) due_at: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) failure_code: Option<String>,
    pub(crate) failure_detail: Option<String>,
    pub(crate) provider_message_id: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) sent_at: Option<i64>,
    pub(crate) delivered_at: Option<i64>,
    pub(crate) read_at: Option<i64>,
    pub(crate) failed_at: Option<i64>,
    pub(crate) lines: i32,
    pub(crate) body: String,
    pub(crate) metadata: Option<String>,
    pub(crate) attachment: Option<String>,
    pub(crate) sealed_under: Option<i32>,
    pub(crate) terms: Option<Vec<u8>>,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) person: Option<i64>,
    pub(crate) redaction: Option<String>,
}

/// `sqlx::query_as!` of whole messages, from `messages m` and `message_contents c`: the columns are
/// named once.
macro_rules! query_messages {
    ($tail:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            crate::message_store::row::MessageRow,
            "SELECT m.id, m.tenant, m.session, m.batch, m.direction, c.sender, c.recipient, \
             m.recipient_key, \
             m.priority, m.status, m.attempts, m.generation, m.held_by_batch, m.due_at, \
             m.expires_at, \
             m.failure_code, m.failure_detail, m.provider_message_id, m.created_at, m.updated_at, \
             m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.lines, c.body, c.metadata, \
             c.attachment, c.sealed_under, c.terms, c.sealed, m.person, m.redaction " + $tail
            $(, $argument)*
        )
    };
}
pub(crate) use query_messages;

fn sealed(
    key: Option<i32>,
    terms: Option<Vec<u8>>,
    bytes: Option<Vec<u8>>,
    person: Option<i64>,
) -> Result<Option<Sealed>, BoxError> {
    let Some(key) = key else { return Ok(None) };
    let key = u32::try_from(key).map_err(|_| BadColumn("sealed_under"))?;
    let terms = Terms::from_bytes(terms.ok_or(BadColumn("terms"))?);
    let person = person.map(|key| PersonKey(key.cast_unsigned()));
    Ok(Some(Sealed { key, bytes: bytes.ok_or(BadColumn("sealed"))?, terms, person }))
}

fn address(kept: Option<String>) -> Option<Address> {
    kept.map(|kept| Address::from_stored(&text::given(kept)))
}

impl Stored for MessageRow {
    type Value = Message;
    const ENTITY: &'static str = "message";

    fn id(&self) -> Uuid {
        self.id
    }

    fn read(self) -> Result<Message, BoxError> {
        let (mut from, mut to) = (address(self.sender), address(self.recipient));
        let direction = named(&self.direction)?;
        if self.sealed_under.is_some() {
            let alias = self.recipient_key.map(|key| Alias::new(key.cast_unsigned(), ""));
            let peer = match direction {
                Direction::Inbound => &mut from,
                Direction::Outbound => &mut to,
            };
            *peer = alias.map(Address::Sealed);
        }
        let number = |number: i32, column| u32::try_from(number).map_err(|_| BadColumn(column));
        Ok(Message {
            id: MessageId(self.id),
            tenant: TenantId(self.tenant),
            session: SessionId(self.session),
            batch: self.batch.map(BatchId),
            direction,
            from,
            to,
            alias: None,
            sealed: sealed(self.sealed_under, self.terms, self.sealed, self.person)?,
            redaction: self.redaction.as_deref().map(named).transpose()?,
            priority: named(&self.priority)?,
            status: named(&self.status)?,
            attempts: number(self.attempts, "attempts")?,
            generation: number(self.generation, "generation")?,
            held: self.held_by_batch,
            due_at: instant(self.due_at)?,
            expires_at: optional_instant(self.expires_at)?,
            failure: failure(self.failure_code, self.failure_detail)?,
            provider_message_id: self
                .provider_message_id
                .map(|id| ProviderMessageId(text::given(id))),
            created_at: instant(self.created_at)?,
            updated_at: instant(self.updated_at)?,
            sent_at: optional_instant(self.sent_at)?,
            delivered_at: optional_instant(self.delivered_at)?,
            read_at: optional_instant(self.read_at)?,
            failed_at: optional_instant(self.failed_at)?,
            content: Content {
                body: text::given(self.body),
                attachment: json(self.attachment, "attachment")?,
            },
            metadata: json(self.metadata, "metadata")?,
        })
    }
}

/// New messages on their way to becoming rows, column by column.
#[derive(Default)]
pub(crate) struct NewMessages {
    ids: Vec<Uuid>,
    tenants: Vec<Uuid>,
    sessions: Vec<Uuid>,
    batches: Vec<Option<Uuid>>,
    directions: Vec<&'static str>,
    senders: Vec<Option<String>>,
    recipients: Vec<Option<String>>,
    recipient_keys: Vec<Option<i64>>,
    persons: Vec<Option<i64>>,
    priorities: Vec<&'static str>,
    statuses: Vec<&'static str>,
    attempts: Vec<i32>,
    generations: Vec<i32>,
    held: Vec<bool>,
    due_at: Vec<i64>,
    expires_at: Vec<Option<i64>>,
    failure_codes: Vec<Option<&'static str>>,
    failure_details: Vec<Option<String>>,
    provider_ids: Vec<Option<String>>,
    created_at: Vec<i64>,
    updated_at: Vec<i64>,
    sent_at: Vec<Option<i64>>,
    delivered_at: Vec<Option<i64>>,
    read_at: Vec<Option<i64>>,
    failed_at: Vec<Option<i64>>,
    kinds: Vec<&'static str>,
    campaigns: Vec<Option<String>>,
    bodies: Vec<String>,
    metadata: Vec<Option<String>>,
    attachments: Vec<Option<String>>,
    sealed_under: Vec<Option<i32>>,
    terms: Vec<Option<Vec<u8>>>,
    sealed: Vec<Option<Vec<u8>>>,
    redactions: Vec<Option<&'static str>>,
    fingerprints: Vec<Option<Uuid>>,
    said_at: Vec<i64>,
    said_until: Vec<i64>,
    /// Whether nobody before it in these messages says the same.
    is_first: Vec<bool>,
}

impl NewMessages {
    /// Of these messages.
    pub(crate) fn of<'a>(
        messages: impl IntoIterator<Item = &'a Message>,
    ) -> Result<Self, StoreError> {
        let mut new = Self::default();
        for message in messages {
            new.add(message)?;
        }
        Ok(new)
    }

    /// Of these messages, which may repeat others.
    pub(crate) fn of_insertions(insertions: &[Insertion]) -> Result<Self, StoreError> {
        let mut new = Self::of(insertions.iter().map(|insertion| &insertion.message))?;
        for (index, insertion) in insertions.iter().enumerate() {
            if let Some(Distinct { fingerprint, at, until }) = insertion.distinct {
                new.fingerprints[index] = Some(Uuid::from_bytes(fingerprint.0));
                new.said_at[index] = at.as_micros();
                new.said_until[index] = until.as_micros();
            }
        }
        Ok(new)
    }

    /// Finds out which of them say what one before them says.
    pub(crate) fn find_firsts(&mut self) {
        let mut said = HashMap::new();
        for (index, id) in self.ids.iter().enumerate() {
            let Some(fingerprint) = self.fingerprints[index] else { continue };
            match said.entry(fingerprint) {
                Entry::Vacant(first) => {
                    first.insert(*id);
                }
                // The same message twice is no repeat but a conflict.
                Entry::Occupied(first) if first.get() == id => self.fingerprints[index] = None,
                Entry::Occupied(_) => self.is_first[index] = false,
            }
        }
    }

    /// What became of each, of which some repeat others.
    pub(crate) fn inserted(&self, repeats: &HashMap<Uuid, Uuid>) -> Vec<Inserted> {
        let inserted = |id| match repeats.get(id) {
            Some(first) => Inserted::Repeats(MessageId(*first)),
            None => Inserted::Kept,
        };
        self.ids.iter().map(inserted).collect()
    }

    /// Adds all of another.
    pub(crate) fn extend(&mut self, other: &Self) {
        macro_rules! extend {
            ($($column:ident)*) => { $(self.$column.extend_from_slice(&other.$column);)* };
        }
        extend!(
            ids tenants sessions batches directions senders recipients recipient_keys persons priorities
            statuses attempts generations held due_at expires_at failure_codes failure_details provider_ids
            created_at updated_at sent_at delivered_at read_at failed_at kinds campaigns bodies
            metadata attachments sealed_under terms sealed redactions fingerprints said_at said_until
            is_first
        );
    }

    fn add(&mut self, message: &Message) -> Result<(), StoreError> {
        let attachment = message.content.attachment.as_ref().map(serde_json::to_string);
        let attachment = attachment.transpose().map_err(|_| {
            StoreError::corrupt(MessageRow::ENTITY, message.id, BadColumn("attachment"))
        })?;
        let campaign = message.metadata.as_ref().and_then(|data| data.get("campaignId")?.as_str());
        let owned = |value: &str| text::kept(value).into_owned();
        let failure = message.failure.as_ref();
        self.ids.push(message.id.0);
        self.tenants.push(message.tenant.0);
        self.sessions.push(message.session.0);
        self.batches.push(message.batch.map(|batch| batch.0));
        self.directions.push(message.direction.as_str());
        self.senders.push(address_text(message.from.as_ref()));
        self.recipients.push(address_text(message.to.as_ref()));
        self.recipient_keys.push(message.peer_key().map(key));
        self.persons.push(message.person_key().map(|key| key.0.cast_signed()));
        self.priorities.push(message.priority.as_str());
        self.statuses.push(message.status.as_str());
        self.attempts.push(small(message.attempts));
        self.generations.push(small(message.generation));
        self.held.push(message.held);
        self.due_at.push(message.due_at.as_micros());
        self.expires_at.push(message.expires_at.map(|at| at.as_micros()));
        self.failure_codes.push(failure.map(|failure| failure.code.as_str()));
        self.failure_details.push(failure.and_then(|failure| failure.detail.as_deref()).map(owned));
        self.provider_ids.push(message.provider_message_id.as_ref().map(|id| owned(id.as_str())));
        self.created_at.push(message.created_at.as_micros());
        self.updated_at.push(message.updated_at.as_micros());
        self.sent_at.push(message.sent_at.map(|at| at.as_micros()));
        self.delivered_at.push(message.delivered_at.map(|at| at.as_micros()));
        self.read_at.push(message.read_at.map(|at| at.as_micros()));
        self.failed_at.push(message.failed_at.map(|at| at.as_micros()));
        self.kinds.push(message.content.kind().as_str());
        self.campaigns.push(campaign.map(owned));
        self.bodies.push(owned(&message.content.body));
        self.metadata.push(message.metadata.as_ref().map(ToString::to_string));
        self.attachments.push(attachment);
        let sealed = message.sealed.as_ref();
        self.sealed_under.push(sealed.map(|sealed| small(sealed.key)));
        self.terms.push(sealed.map(|sealed| sealed.terms.as_bytes().to_vec()));
        self.sealed.push(sealed.map(|sealed| sealed.bytes.clone()));
        self.redactions.push(message.redaction.map(Redaction::as_str));
        self.fingerprints.push(None);
        self.said_at.push(0);
        self.said_until.push(0);
        self.is_first.push(true);
        Ok(())
    }

    /// Their ids, with whom they were exchanged, and what is attached.
    #[expect(clippy::type_complexity, reason = "columns, as a statement takes them")]
    pub(crate) fn said(
        self,
    ) -> (Vec<Uuid>, Vec<Option<String>>, Vec<Option<String>>, Vec<Option<String>>) {
        (self.ids, self.senders, self.recipients, self.attachments)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Writes all but those that repeat another, in one statement. Gives the repeats, each with what
    /// it repeats. The first line of each one's history follows with the second.
    pub(crate) async fn insert(
        &self,
        connection: &mut PgConnection,
    ) -> Result<HashMap<Uuid, Uuid>, sqlx::Error> {
        // Fingerprints in their order, so that two transactions never wait for one another. Whoever
        // meets a fingerprint that still counts writes it as it was, to learn whose it is.
        let repeats = sqlx::query!(
            r#"
            WITH given AS (
                SELECT * FROM unnest(
                    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[],
                    $7::text[], $8::bigint[], $9::text[], $10::text[], $11::int[], $12::int[],
                    $13::bool[], $14::bigint[], $15::text[], $16::text[], $17::text[],
                    $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[],
                    $23::bigint[], $24::text[], $25::text[], $26::text[], $27::text[], $28::text[],
                    $29::bigint[], $30::uuid[], $31::bigint[], $32::bigint[], $33::bool[],
                    $34::bigint[], $35::int[], $36::bytea[], $37::bytea[], $38::text[]
                ) AS row (
                    id, tenant, session, batch, direction, sender, recipient, recipient_key,
                    priority, status, attempts, generation, held_by_batch, due_at, failure_code,
                    failure_detail, provider_message_id, created_at, updated_at, sent_at,
                    delivered_at, read_at, failed_at, kind, campaign, body, metadata, attachment,
                    expires_at, fingerprint, said_at, said_until, is_first, person, sealed_under,
                    terms, sealed, redaction
                )
            ), claimed AS (
                INSERT INTO recent_contents AS kept (fingerprint, message, at, until)
                SELECT fingerprint, id, said_at, said_until FROM given
                WHERE fingerprint IS NOT NULL AND is_first ORDER BY fingerprint
                ON CONFLICT (fingerprint) DO UPDATE SET
                    message = CASE WHEN kept.until > EXCLUDED.at
                        THEN kept.message ELSE EXCLUDED.message END,
                    at = CASE WHEN kept.until > EXCLUDED.at THEN kept.at ELSE EXCLUDED.at END,
                    until = CASE WHEN kept.until > EXCLUDED.at
                        THEN kept.until ELSE EXCLUDED.until END
                RETURNING fingerprint, message
            ), new AS (
                SELECT given.* FROM given LEFT JOIN claimed USING (fingerprint)
                WHERE given.fingerprint IS NULL OR claimed.message = given.id
            ), named AS (
                INSERT INTO provider_ids (session, provider_message_id, message, inbound)
                SELECT session, provider_message_id, id, direction = 'inbound' FROM new
                WHERE provider_message_id IS NOT NULL
            ), said AS (
                INSERT INTO message_contents (
                    message, tenant, sender, recipient, body, metadata, attachment, sealed_under,
                    terms, sealed
                )
                SELECT id, tenant, sender, recipient, body, metadata, attachment, sealed_under,
                    terms, sealed
                FROM new
            ), counted AS (
                INSERT INTO message_count_changes (
                    tenant, hour, session, direction, kind, status, messages
                )
                SELECT tenant, created_at - created_at % 3600000000, session, direction, kind,
                    status, count(*)
                FROM new GROUP BY 1, 2, 3, 4, 5, 6
            ), written AS (
                INSERT INTO messages (
                    id, tenant, session, batch, direction, recipient_key, priority, kind, campaign,
                    status, attempts, generation, held_by_batch, due_at, failure_code, failure_detail,
                    provider_message_id, created_at, updated_at, sent_at, delivered_at, read_at,
                    failed_at, expires_at, person, redaction
                )
                SELECT id, tenant, session, batch, direction, recipient_key, priority, kind, campaign,
                    status, attempts, generation, held_by_batch, due_at, failure_code, failure_detail,
                    provider_message_id, created_at, updated_at, sent_at, delivered_at, read_at,
                    failed_at, expires_at, person, redaction
                FROM new
            )
            SELECT given.id AS "id!", claimed.message AS "first!"
            FROM given JOIN claimed USING (fingerprint) WHERE claimed.message <> given.id
            "#,
            &self.ids,
            &self.tenants,
            &self.sessions,
            &self.batches as &[Option<Uuid>],
            &self.directions as &[&str],
            &self.senders as &[Option<String>],
            &self.recipients as &[Option<String>],
            &self.recipient_keys as &[Option<i64>],
            &self.priorities as &[&str],
            &self.statuses as &[&str],
            &self.attempts,
            &self.generations,
            &self.held,
            &self.due_at,
            &self.failure_codes as &[Option<&str>],
            &self.failure_details as &[Option<String>],
            &self.provider_ids as &[Option<String>],
            &self.created_at,
            &self.updated_at,
            &self.sent_at as &[Option<i64>],
            &self.delivered_at as &[Option<i64>],
            &self.read_at as &[Option<i64>],
            &self.failed_at as &[Option<i64>],
            &self.kinds as &[&str],
            &self.campaigns as &[Option<String>],
            &self.bodies,
            &self.metadata as &[Option<String>],
            &self.attachments as &[Option<String>],
            &self.expires_at as &[Option<i64>],
            &self.fingerprints as &[Option<Uuid>],
            &self.said_at,
            &self.said_until,
            &self.is_first,
            &self.persons as &[Option<i64>],
            &self.sealed_under as &[Option<i32>],
            &self.terms as &[Option<Vec<u8>>],
            &self.sealed as &[Option<Vec<u8>>],
            &self.redactions as &[Option<&str>],
        )
        .fetch_all(connection)
        .await?;
        Ok(repeats.into_iter().map(|row| (row.id, row.first)).collect())
    }
}

/// A recipient's key as its column holds it: PostgreSQL's numbers have a sign.
pub(crate) fn key(key: RecipientKey) -> i64 {
    key.0.cast_signed()
}

/// An address as its column holds it: an alias stands in the message's key already.
fn address_text(address: Option<&Address>) -> Option<String> {
    let address = address.filter(|address| !matches!(address, Address::Sealed(_)))?;
    Some(text::kept(address.as_str()).into_owned())
}

/// Writes what these messages say in the place of what they said, of each that is to be redacted still,
/// and that it was. Gives how many there were.
pub(crate) async fn redact(
    connection: &mut PgConnection,
    messages: &[Message],
) -> Result<u64, Fault> {
    let new = NewMessages::of(messages)?;
    let changed = sqlx::query!(
        "WITH given AS (
             SELECT * FROM unnest(
                 $1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bytea[], $7::bytea[]
             ) AS row (id, body, metadata, attachment, sealed_under, terms, sealed)
         ), due AS (
             SELECT id FROM messages
             WHERE id = ANY($1) AND redaction = 'due'
                 AND status IN ('sent', 'delivered', 'read', 'discarded', 'cancelled', 'expired')
             ORDER BY id FOR UPDATE
         ), said AS (
             UPDATE message_contents c SET body = given.body, metadata = given.metadata,
                 attachment = given.attachment, sealed_under = given.sealed_under,
                 terms = given.terms, sealed = given.sealed
             FROM given JOIN due USING (id)
             WHERE c.message = given.id AND c.message = ANY($1)
         )
         UPDATE messages SET redaction = 'done' FROM due
         WHERE messages.id = due.id AND messages.id = ANY($1)",
        &new.ids,
        &new.bodies,
        &new.metadata as &[Option<String>],
        &new.attachments as &[Option<String>],
        &new.sealed_under as &[Option<i32>],
        &new.terms as &[Option<Vec<u8>>],
        &new.sealed as &[Option<Vec<u8>>],
    )
    .execute(connection)
    .await?;
    Ok(changed.rows_affected())
}

/// The messages to be redacted now.
pub(crate) async fn redactable(
    connection: &mut PgConnection,
    limit: u32,
) -> Result<Vec<Message>, Fault> {
    let rows: Vec<MessageRow> = query_messages!(
        "FROM messages m JOIN message_contents c ON c.message = m.id \
         WHERE m.redaction = 'due' \
             AND m.status IN ('sent', 'delivered', 'read', 'discarded', 'cancelled', 'expired') \
         ORDER BY m.id LIMIT $1",
        i64::from(limit),
    )
    .fetch_all(connection)
    .await?;
    Ok(decode_all(rows)?)
}

/// Writes what is sealed in the place of what messages say, each where it is kept under the key given
/// with it still and was not redacted since. Gives how many there were.
pub(crate) async fn reseal(
    connection: &mut PgConnection,
    messages: &[(Option<u32>, Message)],
) -> Result<u64, Fault> {
    let mut changed = 0;
    let mut chats = OpenChats::default();
    for (before, message) in messages {
        let new = NewMessages::of([message])?;
        let id = message.id.0;
        let row: Option<MessageRow> = query_messages!(
            "FROM messages m JOIN message_contents c ON c.message = m.id \
             WHERE m.id = $1 AND c.message = $1 \
                 AND c.sealed_under IS NOT DISTINCT FROM $2::int AND m.person IS NOT NULL \
                 AND m.redaction IS NOT DISTINCT FROM $3::text \
             FOR UPDATE",
            id,
            before.map(small),
            message.redaction.map(Redaction::as_str),
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { continue };
        let kept = row.decode()?;
        sqlx::query!(
            "UPDATE message_contents SET sender = $2, recipient = $3, body = $4, metadata = $5, \
                 attachment = $6, sealed_under = $7, terms = $8, sealed = $9
             WHERE message = $1",
            id,
            new.senders[0].as_deref(),
            new.recipients[0].as_deref(),
            &new.bodies[0],
            new.metadata[0].as_deref(),
            new.attachments[0].as_deref(),
            new.sealed_under[0],
            new.terms[0].as_deref(),
            new.sealed[0].as_deref(),
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query!(
            "UPDATE messages SET recipient_key = $2, campaign = $3, person = $4 WHERE id = $1",
            id,
            new.recipient_keys[0],
            new.campaigns[0].as_deref(),
            new.persons[0],
        )
        .execute(&mut *connection)
        .await?;
        let before = kept.peer_key();
        let Message { from, to, alias, sealed, .. } = message.clone();
        let now = Message { from, to, alias, sealed, ..kept };
        if let (Some(before), Some(after)) = (before, now.peer_key()) {
            rename_chat(connection, now.session, before, after).await?;
        }
        chats.add(now.open_chat(), now.created_at);
        changed += 1;
    }
    chats.write(connection).await?;
    Ok(changed)
}

/// Whether a message came in.
pub(crate) fn is_inbound(message: &Message) -> bool {
    message.direction == Direction::Inbound
}
