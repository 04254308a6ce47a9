//! A tenant's messages, filtered, in portions.

use messaging_core::domain::filter::{MessageFilter, MessagePage, Portion};
use messaging_core::domain::id::TenantId;
use messaging_core::domain::message::Message;
use messaging_core::domain::status::Status;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::column::{Id, decode_all};
use crate::error::Fault;
use crate::message_store::row::message_columns;

/// Conditions that must all hold, and the values they ask for.
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn of(tenant: TenantId, filter: &MessageFilter) -> Self {
        let mut all = Self { sql: String::new(), values: Vec::new() };
        all.and("tenant = ?", [blob(&tenant)]);
        if let Some(session) = &filter.session {
            all.and("session = ?", [blob(session)]);
        }
        if let Some(batch) = &filter.batch {
            all.and("batch = ?", [blob(batch)]);
        }
        if let Some(direction) = filter.direction {
            all.and("direction = ?", [text(direction.as_str())]);
        }
        if let Some(status) = filter.status {
            // In the text itself: only so does SQLite see that the index of one status has it.
            all.and(&format!("status = '{status}'"), []);
        }
        if let Some(code) = filter.failure {
            all.and("failure_code = ?", [text(code.as_str())]);
        }
        if let Some(from) = filter.from {
            all.and("created_at >= ?", [Value::Integer(from.as_micros())]);
        }
        if let Some(to) = filter.to {
            all.and("created_at <= ?", [Value::Integer(to.as_micros())]);
        }
        if let Some(campaign) = &filter.campaign {
            all.and("campaign = ?", [text(campaign)]);
        }
        if let Some(search) = &filter.search {
            // `instr` takes every character as it is, where LIKE would have to be kept from
            // reading some; `lower` knows the letters of ASCII, as promised, and no others.
            let search = text(&search.to_ascii_lowercase());
            let mut sql = String::from(
                "((sealed_under IS NULL AND (instr(lower(body), ?) \
                 OR instr(lower(sender), ?) OR instr(lower(recipient), ?)))",
            );
            all.values.extend([search.clone(), search.clone(), search]);
            for (index, word) in filter.words.iter().enumerate() {
                sql.push_str(if index == 0 { " OR (" } else { " AND " });
                sql.push_str("is_marked(terms, id, ?)");
                all.values.push(Value::Blob(word.0.to_vec()));
            }
            sql.push_str(if filter.words.is_empty() { ")" } else { "))" });
            all.and(&sql, []);
        }
        all
    }

    /// The index that narrows the search most. Named, because without statistics about the tenant
    /// at hand SQLite can only guess.
    fn index(filter: &MessageFilter) -> &'static str {
        if filter.batch.is_some() {
            "messages_of_batch"
        } else if filter.campaign.is_some() {
            "messages_of_campaign"
        } else if filter.status == Some(Status::Failed) {
            "messages_failed"
        } else {
            "messages_of_tenant"
        }
    }

    fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(condition);
        self.values.extend(values);
    }
}

fn blob(id: &impl Id) -> Value {
    Value::Blob(id.bytes().to_vec())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// One portion of a tenant's messages, newest first, and how many there are in all.
pub(super) fn list(
    connection: &Connection,
    tenant: TenantId,
    filter: &MessageFilter,
    portion: Portion,
) -> Result<MessagePage, Fault> {
    let index = Conditions::index(filter);
    let mut conditions = Conditions::of(tenant, filter);
    let total: i64 = connection
        .prepare_cached(&format!(
            "SELECT count(*) FROM messages INDEXED BY {index}{}",
            conditions.sql
        ))?
        .query_row(params_from_iter(&conditions.values), |row| row.get(0))?;
    let (limit, offset) = match portion {
        Portion::Page { page, limit } => {
            (limit, i64::from(page.saturating_sub(1)) * i64::from(limit))
        }
        Portion::OlderThan { message, limit } => {
            conditions.and("id < ?", [blob(&message)]);
            (limit, 0)
        }
    };
    // One more than asked for tells whether there are older ones.
    conditions.values.push(Value::Integer(i64::from(limit) + 1));
    conditions.values.push(Value::Integer(offset));
    let mut statement = connection.prepare_cached(&format!(
        concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages INDEXED BY {}{} ORDER BY id DESC LIMIT ? OFFSET ?"
        ),
        index, conditions.sql
    ))?;
    let mut messages: Vec<Message> =
        decode_all(statement.query(params_from_iter(&conditions.values))?)?;
    let has_more = messages.len() > limit as usize;
    messages.truncate(limit as usize);
    Ok(MessagePage { messages, total: u64::try_from(total).unwrap_or(0), has_more })
}
