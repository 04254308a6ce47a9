//! Who wants no messages, on PostgreSQL.

use async_trait::async_trait;
use messaging_core::domain::address::Address;
use messaging_core::domain::id::{MessageId, OptOutId, TenantId};
use messaging_core::domain::opt_out::{OptOut, OptOutRef, OptOutSource, Wish};
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::store_error::{BoxError, StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::store_error;
use crate::named::{Stored, bounds, count, decode_all, instant, named};
use crate::store::PostgresStore;
use crate::text;
use crate::together::{Fault, Work};

struct OptOutRow {
    id: Uuid,
    tenant: Uuid,
    address: String,
    since: i64,
    source: String,
    words: Option<String>,
    message: Option<Uuid>,
    note: Option<String>,
}

impl Stored for OptOutRow {
    type Value = OptOut;
    const ENTITY: &'static str = "opt-out";

    fn id(&self) -> Uuid {
        self.id
    }

    fn read(self) -> Result<OptOut, BoxError> {
        Ok(OptOut {
            id: OptOutId(self.id),
            tenant: TenantId(self.tenant),
            address: Address::from_stored(&text::given(self.address)),
            since: instant(self.since)?,
            source: named(&self.source)?,
            words: self.words.as_deref().map(named).transpose()?,
            message: self.message.map(MessageId),
            note: self.note.map(text::given),
        })
    }
}

/// Whether recipients of many callers are on lists.
pub(crate) struct Looks;

#[async_trait]
impl Work for Looks {
    type Request = (TenantId, Vec<Address>);
    type Answer = Vec<bool>;

    async fn run(
        connection: &mut PgConnection,
        requests: &[(TenantId, Vec<Address>)],
    ) -> Result<(Vec<Vec<bool>>, u64), Fault> {
        let (mut tenants, mut addresses) = (Vec::new(), Vec::new());
        for (tenant, asked) in requests {
            tenants.extend(asked.iter().map(|_| tenant.0));
            addresses.extend(asked.iter().map(|it| text::kept(it.as_str()).into_owned()));
        }
        let listed = sqlx::query_scalar!(
            r#"
            SELECT asked.place AS "place!"
            FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS asked (tenant, address, place)
            JOIN opt_outs USING (tenant, address)
            "#,
            &tenants,
            &addresses,
        )
        .fetch_all(connection)
        .await?;
        let mut told = vec![false; addresses.len()];
        for place in listed {
            // Places are counted from one.
            let told = usize::try_from(place - 1).ok().and_then(|place| told.get_mut(place));
            told.into_iter().for_each(|told| *told = true);
        }
        let mut told = told.into_iter();
        let answer = |(_, asked): &(_, Vec<Address>)| told.by_ref().take(asked.len()).collect();
        Ok((requests.iter().map(answer).collect(), 1))
    }
}

async fn find(
    connection: &mut PgConnection,
    tenant: TenantId,
    entry: &OptOutRef,
) -> Result<Option<OptOut>, StoreError> {
    let found = match entry {
        OptOutRef::Id(id) => {
            sqlx::query_as!(
                OptOutRow,
                "SELECT id, tenant, address, since, source, words, message, note
                 FROM opt_outs WHERE tenant = $1 AND id = $2",
                tenant.0,
                id.0,
            )
            .fetch_optional(connection)
            .await
        }
        OptOutRef::Address(address) => {
            sqlx::query_as!(
                OptOutRow,
                "SELECT id, tenant, address, since, source, words, message, note
                 FROM opt_outs WHERE tenant = $1 AND address = $2",
                tenant.0,
                &*text::kept(address.as_str()),
            )
            .fetch_optional(connection)
            .await
        }
    };
    found.map_err(store_error)?.map(Stored::decode).transpose()
}

/// Whether it is kept now.
async fn add(connection: &mut PgConnection, opt_out: &OptOut) -> Result<bool, sqlx::Error> {
    let note = opt_out.note.as_deref().map(text::kept);
    let added = sqlx::query!(
        "INSERT INTO opt_outs (id, tenant, address, since, source, words, message, note)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (tenant, address) DO NOTHING",
        opt_out.id.0,
        opt_out.tenant.0,
        &*text::kept(opt_out.address.as_str()),
        opt_out.since.as_micros(),
        opt_out.source.as_str(),
        opt_out.words.map(|words| words.as_str()),
        opt_out.message.map(|message| message.0),
        note.as_deref(),
    )
    .execute(connection)
    .await?;
    Ok(added.rows_affected() > 0)
}

/// Does what people wish, each after the one before that is about the same person. Tells how many
/// statements it took: people seldom speak of this, and never many at once.
pub(crate) async fn follow(
    connection: &mut PgConnection,
    mut wishes: Vec<Wish>,
) -> Result<u64, sqlx::Error> {
    // Addresses in their order, so that two transactions never wait for one another.
    wishes.sort_by(|one, other| whose(one).cmp(&whose(other)));
    for wish in &wishes {
        match wish {
            Wish::Leave(opt_out) => {
                add(connection, opt_out).await?;
            }
            // As `Return::ends` says.
            Wish::Return(back) => {
                sqlx::query!(
                    "DELETE FROM opt_outs
                     WHERE tenant = $1 AND address = $2 AND source = $3 AND since <= $4",
                    back.tenant.0,
                    &*text::kept(back.address.as_str()),
                    OptOutSource::Reply.as_str(),
                    back.at.as_micros(),
                )
                .execute(&mut *connection)
                .await?;
            }
        }
    }
    Ok(wishes.len() as u64)
}

fn whose(wish: &Wish) -> (TenantId, &str) {
    match wish {
        Wish::Leave(opt_out) => (opt_out.tenant, opt_out.address.as_str()),
        Wish::Return(back) => (back.tenant, back.address.as_str()),
    }
}

#[async_trait]
impl OptOutStore for PostgresStore {
    async fn add(&self, opt_out: &OptOut) -> Result<(OptOut, bool), StoreError> {
        let entry = OptOutRef::Address(opt_out.address.clone());
        let mut connection = self.connections().acquire().await?;
        loop {
            if add(&mut connection, opt_out).await.map_err(store_error)? {
                return Ok((opt_out.clone(), true));
            }
            // In a statement of its own, which sees what was in the way of the one before.
            if let Some(kept) = find(&mut connection, opt_out.tenant, &entry).await? {
                return Ok((kept, false));
            }
            // It has been removed meanwhile.
        }
    }

    async fn remove(
        &self,
        tenant: TenantId,
        entry: &OptOutRef,
    ) -> Result<Option<OptOut>, StoreError> {
        let (id, address) = match entry {
            OptOutRef::Id(id) => (Some(id.0), None),
            OptOutRef::Address(address) => (None, Some(text::kept(address.as_str()))),
        };
        let removed = sqlx::query_as!(
            OptOutRow,
            "DELETE FROM opt_outs WHERE tenant = $1 AND (id = $2 OR address = $3)
             RETURNING id, tenant, address, since, source, words, message, note",
            tenant.0,
            id,
            address.as_deref(),
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        removed.map(Stored::decode).transpose()
    }

    async fn find(
        &self,
        tenant: TenantId,
        entry: &OptOutRef,
    ) -> Result<Option<OptOut>, StoreError> {
        find(&mut *self.of_tenant(tenant).await?, tenant, entry).await
    }

    async fn opted_out(
        &self,
        tenant: TenantId,
        addresses: &[Address],
    ) -> Result<Vec<bool>, StoreError> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        self.looks().ask((tenant, addresses.to_vec())).await
    }

    async fn reseal(&self, opt_out: &OptOut) -> Result<bool, StoreError> {
        let note = opt_out.note.as_deref().map(text::kept);
        let changed = sqlx::query!(
            "UPDATE opt_outs SET address = $3, note = $4 WHERE tenant = $1 AND id = $2",
            opt_out.tenant.0,
            opt_out.id.0,
            &*text::kept(opt_out.address.as_str()),
            note.as_deref(),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(changed.rows_affected() > 0)
    }

    async fn list(
        &self,
        tenant: TenantId,
        portion: PortionBy<OptOutId>,
    ) -> Result<Page<OptOut>, StoreError> {
        let mut connection = self.of_tenant(tenant).await?;
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "entries!" FROM opt_outs WHERE tenant = $1"#,
            tenant.0,
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(store_error)?;
        let (limit, skipped) = bounds(&portion);
        let rows = sqlx::query_as!(
            OptOutRow,
            "SELECT id, tenant, address, since, source, words, message, note
             FROM opt_outs WHERE tenant = $1 AND id < $2
             ORDER BY id DESC LIMIT $3 OFFSET $4",
            tenant.0,
            portion.last().map_or(Uuid::max(), |last| last.0),
            limit,
            skipped,
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
        let total = count(total, "entries")
            .map_err(|source| StoreError::corrupt(OptOutRow::ENTITY, tenant, source))?;
        Ok(Page::of(decode_all(rows)?, total, portion.limit()))
    }
}
