//! Looks at a database without changing anything, for a command that tells what is wrong.

use messaging_core::domain::clock_offset::ClockOffset;
use messaging_core::domain::session::ProviderSession;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::clock::Clock;
use sqlx::{Connection, PgConnection};

use crate::migrate::{newest_version, version};
use crate::open_error::OpenError;
use crate::options::PostgresOptions;
use crate::room::Room;
use crate::tenant_role;

/// The oldest PostgreSQL that works, as `server_version_num` has it.
pub const MINIMUM_VERSION: u32 = 150_000;

/// How often the server's clock is read: of several answers the fastest tells most.
const CLOCK_READINGS: usize = 3;

/// What [`inspect`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The version of the server, for people.
    pub server: String,
    /// The same as a number: 150004 is 15.4. See [`MINIMUM_VERSION`].
    pub server_number: u32,
    /// Whether it only follows another server and takes no changes.
    pub is_standby: bool,
    /// The version of the schema; 0 where there is none.
    pub version: i64,
    /// The newest version this program knows.
    pub known: i64,
    /// Whether the schema is there, or may be made.
    pub schema: Presence,
    /// The role that tenants are served under.
    pub role: (String, Presence),
    /// Settings that are off, and without which what was answered may be lost.
    pub not_durable: Vec<&'static str>,
    /// How many connections the server has for the user.
    pub connections: u32,
    /// About how many of these nobody has.
    pub free_connections: u32,
    /// Its clock.
    pub clock: ClockOffset,
    /// Where sessions live, in order.
    pub places: Vec<ProviderSession>,
    /// The names of the provider's servers that it keeps, in order.
    pub servers: Vec<String>,
}

/// Whether something is there that the store needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is, and may be used.
    There,
    /// It is not, and the user may make it.
    ToBeMade,
    /// It is not (or is somebody else's), and the user may not make it.
    Forbidden,
}

impl Presence {
    fn of(is_there: bool, may_be_made: bool) -> Self {
        match (is_there, may_be_made) {
            (true, _) => Self::There,
            (false, true) => Self::ToBeMade,
            (false, false) => Self::Forbidden,
        }
    }
}

/// Looks at what [`PostgresStore::open`](crate::PostgresStore::open) would find, and changes
/// nothing.
///
/// # Errors
/// [`OpenError`] where the server cannot be reached or refuses.
pub async fn inspect(
    url: &str,
    options: &PostgresOptions,
    clock: &dyn Clock,
) -> Result<Inspection, OpenError> {
    let connect = options.connect(url)?;
    let mut connection = PgConnection::connect_with(&connect).await.map_err(OpenError::of)?;
    let found = look(&mut connection, &options.schema, clock).await;
    // It has been of use, or has failed for a better reason.
    let _ = connection.close().await;
    found
}

async fn look(
    connection: &mut PgConnection,
    schema: &str,
    clock: &dyn Clock,
) -> Result<Inspection, OpenError> {
    let server = Server::ask(connection).await.map_err(OpenError::of)?;
    let room = Room::ask(connection).await.map_err(OpenError::of)?;
    let offset = clock_offset(connection, clock).await.map_err(OpenError::of)?;
    let may_use = may_use(connection, schema).await.map_err(OpenError::of)?;
    // Whoever may not look into the schema is refused even its version.
    let version = if may_use == Some(true) { version(connection, schema).await? } else { 0 };
    let places =
        if version > 0 { places(connection).await.map_err(OpenError::of)? } else { vec![] };
    let servers =
        if version > 0 { servers(connection).await.map_err(OpenError::of)? } else { vec![] };
    let role = role(connection, schema, &server).await.map_err(OpenError::of)?;
    Ok(Inspection {
        schema: match may_use {
            Some(may_use) => Presence::of(may_use, false),
            None => Presence::of(false, server.may_create),
        },
        server: server.name,
        server_number: server.number,
        is_standby: server.is_standby,
        version,
        known: newest_version(),
        role,
        not_durable: server.not_durable,
        connections: room.connections,
        // The one that this was asked on is given back.
        free_connections: room.free + 1,
        clock: offset,
        places,
        servers,
    })
}

/// What the server and the user are.
struct Server {
    name: String,
    number: u32,
    is_standby: bool,
    not_durable: Vec<&'static str>,
    may_create: bool,
    is_superuser: bool,
    makes_roles: bool,
}

impl Server {
    async fn ask(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let row = sqlx::query!(
            r#"SELECT split_part(current_setting('server_version'), ' ', 1) AS "name!",
                      current_setting('server_version_num')::int AS "number!",
                      pg_is_in_recovery() AS "is_standby!",
                      current_setting('fsync') AS "fsync!",
                      current_setting('full_page_writes') AS "full_page_writes!",
                      current_setting('synchronous_commit') AS "synchronous_commit!",
                      has_database_privilege(current_database(), 'CREATE') AS "may_create!",
                      rolsuper AS "is_superuser!",
                      rolcreaterole AS "makes_roles!"
               FROM pg_roles
               WHERE rolname = current_user"#
        )
        .fetch_one(connection)
        .await?;
        let settings = [
            ("fsync", row.fsync),
            ("full_page_writes", row.full_page_writes),
            ("synchronous_commit", row.synchronous_commit),
        ];
        let off = settings.into_iter().filter(|(_, value)| value == "off");
        Ok(Self {
            name: row.name,
            number: u32::try_from(row.number).unwrap_or(0),
            is_standby: row.is_standby,
            not_durable: off.map(|(name, _)| name).collect(),
            may_create: row.may_create,
            is_superuser: row.is_superuser,
            makes_roles: row.makes_roles || row.is_superuser,
        })
    }
}

async fn clock_offset(
    connection: &mut PgConnection,
    clock: &dyn Clock,
) -> Result<ClockOffset, sqlx::Error> {
    let mut best = clock_reading(connection, clock).await?;
    for _ in 1..CLOCK_READINGS {
        let next = clock_reading(connection, clock).await?;
        if next.round_trip() < best.round_trip() {
            best = next;
        }
    }
    Ok(best)
}

async fn clock_reading(
    connection: &mut PgConnection,
    clock: &dyn Clock,
) -> Result<ClockOffset, sqlx::Error> {
    let asked = clock.now();
    let shown = sqlx::query_scalar!(
        r#"SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS "now!""#
    )
    .fetch_one(connection)
    .await?;
    Ok(ClockOffset::measured(asked, Timestamp::from_micros(shown), clock.now()))
}

/// Whether things may be made in the schema; `None` where there is none.
async fn may_use(connection: &mut PgConnection, schema: &str) -> Result<Option<bool>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE')
               AS "may_use!"
           FROM pg_namespace
           WHERE nspname = $1"#,
        schema,
    )
    .fetch_optional(connection)
    .await
}

async fn places(connection: &mut PgConnection) -> Result<Vec<ProviderSession>, sqlx::Error> {
    let rows = sqlx::query!("SELECT server, server_name FROM sessions ORDER BY 1, 2")
        .fetch_all(connection)
        .await?;
    let place = |server, name| ProviderSession { server, name };
    Ok(rows.into_iter().map(|row| place(row.server, row.server_name)).collect())
}

async fn servers(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    // An older schema has no table of them.
    let is_there =
        sqlx::query_scalar!(r#"SELECT to_regclass('servers') IS NOT NULL AS "is_there!""#)
            .fetch_one(&mut *connection)
            .await?;
    if !is_there {
        return Ok(Vec::new());
    }
    sqlx::query_scalar!("SELECT name FROM servers ORDER BY name").fetch_all(connection).await
}

async fn role(
    connection: &mut PgConnection,
    schema: &str,
    server: &Server,
) -> Result<(String, Presence), sqlx::Error> {
    let name = tenant_role::name(schema);
    let is_member = sqlx::query_scalar!(
        r#"SELECT pg_has_role(current_user, oid, 'MEMBER') AS "is_member!"
           FROM pg_roles
           WHERE rolname = $1"#,
        name,
    )
    .fetch_optional(connection)
    .await?;
    let presence = match is_member {
        // Since 16 whoever makes roles may join only those of their own making.
        Some(is_member) => {
            let may_join = server.is_superuser || (server.makes_roles && server.number < 160_000);
            Presence::of(is_member, may_join)
        }
        None => Presence::of(false, server.makes_roles),
    };
    Ok((name, presence))
}
