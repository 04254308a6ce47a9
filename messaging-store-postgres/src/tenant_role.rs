//! The role under which what a tenant asks for is asked: its row-level security sees the rows of
//! one tenant.

use messaging_core::domain::id::TenantId;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::error::has_code;
use crate::open_error::OpenError;
use crate::schema_name::quoted;

/// What of the schema the role may touch.
const GRANTS: &str = "
    GRANT USAGE ON SCHEMA {schema} TO {role};
    GRANT SELECT ON {schema}.messages, {schema}.message_contents, {schema}.message_events,
        {schema}.message_counts, {schema}.message_count_changes, {schema}.batches,
        {schema}.opt_outs, {schema}.audit_entries, {schema}.audit_chains, {schema}.api_keys TO {role};
    GRANT SELECT, UPDATE, DELETE ON {schema}.sessions TO {role};
";

pub(crate) fn name(schema: &str) -> String {
    format!("{schema}_tenant")
}

/// Makes the role where there is none, and lets it see what it must.
///
/// Roles are the whole server's, so that of a schema is named after it.
pub(crate) async fn make(connection: &mut PgConnection, schema: &str) -> Result<(), OpenError> {
    let role = name(schema);
    let can_act: Option<bool> = sqlx::query_scalar(
        "SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = $1",
    )
    .bind(&role)
    .fetch_optional(&mut *connection)
    .await
    .map_err(OpenError::of)?;
    let us: String = sqlx::query_scalar("SELECT quote_ident(current_user)")
        .fetch_one(&mut *connection)
        .await
        .map_err(OpenError::of)?;
    let statements = match can_act {
        Some(true) => None,
        Some(false) => Some(format!("GRANT {role} TO {us}")),
        None => Some(format!("CREATE ROLE {role} NOLOGIN; GRANT {role} TO {us}")),
    };
    if let Some(statements) = statements {
        // Of names that were checked to be plain, or quoted by the server.
        let made = sqlx::raw_sql(AssertSqlSafe(statements.clone())).execute(&mut *connection).await;
        match made {
            Err(error) if is_there(&error) => {}
            Err(error) => match OpenError::of(error) {
                OpenError::Refused { .. } => return Err(OpenError::Role { role, statements }),
                other => return Err(other),
            },
            Ok(_) => {}
        }
    }
    let grants = GRANTS.replace("{schema}", &quoted(schema)).replace("{role}", &role);
    sqlx::raw_sql(AssertSqlSafe(grants)).execute(connection).await.map_err(OpenError::of)?;
    Ok(())
}

/// Whether somebody has made it meanwhile, for another database of this server.
fn is_there(error: &sqlx::Error) -> bool {
    // duplicate_object; unique_violation, where both were about to
    has_code(error, &["42710", "23505"])
}

/// How to connect under the role.
pub(crate) fn options(connect: PgConnectOptions, schema: &str) -> PgConnectOptions {
    connect.options([
        ("role", name(schema)),
        // Which conditions a filter has is known only when it is asked for.
        ("plan_cache_mode", "force_custom_plan".to_owned()),
    ])
}

/// Sees this tenant's rows from now on, and no others.
pub(crate) async fn see_only(
    connection: &mut PgConnection,
    tenant: TenantId,
) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!("SELECT set_config('messaging.tenant', $1, false)", tenant.0.to_string())
        .fetch_one(connection)
        .await?;
    Ok(())
}
