//! Who wants no messages, on SQLite.

use async_trait::async_trait;
use messaging_core::domain::address::Address;
use messaging_core::domain::id::{OptOutId, TenantId};
use messaging_core::domain::opt_out::{OptOut, OptOutRef, OptOutSource, Wish};
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::store_error::{BoxError, StoreError};
use rusqlite::{Connection, Row};

use crate::column::{
    self, Id, Stored, decode_all, decode_first, instant, named, optional_id, optional_named,
};
use crate::error::Fault;
use crate::store::SqliteStore;

/// What [`OptOut`] is read from, in the order of [`Stored::read`].
macro_rules! opt_out_columns {
    () => {
        "id, tenant, address, since, source, words, message, note"
    };
}

impl Stored for OptOut {
    const ENTITY: &'static str = "opt-out";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self {
            id: column::id(row, 0)?,
            tenant: column::id(row, 1)?,
            address: Address::from_stored(row.get_ref(2)?.as_str()?),
            since: instant(row, 3)?,
            source: named(row, 4)?,
            words: optional_named(row, 5)?,
            message: optional_id(row, 6)?,
            note: row.get(7)?,
        })
    }
}

fn find(
    connection: &Connection,
    tenant: TenantId,
    entry: &OptOutRef,
) -> Result<Option<OptOut>, Fault> {
    match entry {
        OptOutRef::Id(id) => {
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                opt_out_columns!(),
                " FROM opt_outs WHERE tenant = ?1 AND id = ?2"
            ))?;
            decode_first(statement.query((tenant.bytes(), id.bytes()))?)
        }
        OptOutRef::Address(address) => {
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                opt_out_columns!(),
                " FROM opt_outs WHERE tenant = ?1 AND address = ?2"
            ))?;
            decode_first(statement.query((tenant.bytes(), address.as_str()))?)
        }
    }
}

fn add(connection: &Connection, opt_out: &OptOut) -> Result<bool, Fault> {
    let added = connection
        .prepare_cached(concat!(
            "INSERT INTO opt_outs (",
            opt_out_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (tenant, address) DO NOTHING"
        ))?
        .execute((
            opt_out.id.bytes(),
            opt_out.tenant.bytes(),
            opt_out.address.as_str(),
            opt_out.since.as_micros(),
            opt_out.source.as_str(),
            opt_out.words.map(|words| words.as_str()),
            opt_out.message.as_ref().map(|message| message.bytes()),
            opt_out.note.as_deref(),
        ))?;
    Ok(added > 0)
}

/// Does what somebody wishes.
pub(crate) fn follow(connection: &Connection, wish: &Wish) -> Result<(), Fault> {
    match wish {
        Wish::Leave(opt_out) => {
            add(connection, opt_out)?;
        }
        // As `Return::ends` says.
        Wish::Return(back) => {
            connection
                .prepare_cached(
                    "DELETE FROM opt_outs
                     WHERE tenant = ?1 AND address = ?2 AND source = ?3 AND since <= ?4",
                )?
                .execute((
                    back.tenant.bytes(),
                    back.address.as_str(),
                    OptOutSource::Reply.as_str(),
                    back.at.as_micros(),
                ))?;
        }
    }
    Ok(())
}

#[async_trait]
impl OptOutStore for SqliteStore {
    async fn add(&self, opt_out: &OptOut) -> Result<(OptOut, bool), StoreError> {
        let opt_out = opt_out.clone();
        self.write(move |connection| {
            if add(connection, &opt_out)? {
                return Ok((opt_out.clone(), true));
            }
            let entry = OptOutRef::Address(opt_out.address.clone());
            // It is there: nobody else writes meanwhile.
            let kept = find(connection, opt_out.tenant, &entry)?;
            Ok((kept.unwrap_or_else(|| opt_out.clone()), false))
        })
        .await
    }

    async fn remove(
        &self,
        tenant: TenantId,
        entry: &OptOutRef,
    ) -> Result<Option<OptOut>, StoreError> {
        let entry = entry.clone();
        self.write(move |connection| {
            let found = find(connection, tenant, &entry)?;
            if let Some(found) = &found {
                connection
                    .prepare_cached("DELETE FROM opt_outs WHERE tenant = ?1 AND address = ?2")?
                    .execute((tenant.bytes(), found.address.as_str()))?;
            }
            Ok(found)
        })
        .await
    }

    async fn find(
        &self,
        tenant: TenantId,
        entry: &OptOutRef,
    ) -> Result<Option<OptOut>, StoreError> {
        let entry = entry.clone();
        self.read(move |connection| find(connection, tenant, &entry)).await
    }

    async fn opted_out(
        &self,
        tenant: TenantId,
        addresses: &[Address],
    ) -> Result<Vec<bool>, StoreError> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let addresses = addresses.to_vec();
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT 1 FROM opt_outs WHERE tenant = ?1 AND address = ?2")?;
            let mut is_listed =
                |address: &Address| Ok(statement.exists((tenant.bytes(), address.as_str()))?);
            addresses.iter().map(&mut is_listed).collect()
        })
        .await
    }

    async fn reseal(&self, opt_out: &OptOut) -> Result<bool, StoreError> {
        let opt_out = opt_out.clone();
        self.write(move |connection| {
            let changed = connection
                .prepare_cached(
                    "UPDATE opt_outs SET address = ?3, note = ?4 WHERE tenant = ?1 AND id = ?2",
                )?
                .execute((
                    opt_out.tenant.bytes(),
                    opt_out.id.bytes(),
                    opt_out.address.as_str(),
                    opt_out.note.as_deref(),
                ))?;
            Ok(changed > 0)
        })
        .await
    }

    async fn list(
        &self,
        tenant: TenantId,
        portion: PortionBy<OptOutId>,
    ) -> Result<Page<OptOut>, StoreError> {
        self.read(move |connection| {
            let total: i64 = connection
                .prepare_cached("SELECT count(*) FROM opt_outs WHERE tenant = ?1")?
                .query_row([tenant.bytes()], |row| row.get(0))?;
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                opt_out_columns!(),
                " FROM opt_outs WHERE tenant = ?1 AND id < ?2
                 ORDER BY id DESC LIMIT ?3 OFFSET ?4"
            ))?;
            let (limit, skipped) = column::bounds(&portion);
            let last = portion.last().map_or(&column::LAST, |last| last.bytes());
            let found = decode_all(statement.query((tenant.bytes(), last, limit, skipped))?)?;
            Ok(Page::of(found, total.unsigned_abs(), portion.limit()))
        })
        .await
    }
}
