//! Tenants and tokens: what an operator needs before anybody can call the API. Works on the store
//! itself, whether a service runs on it or not.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use messaging_core::domain::audit::{Chain, settings_changed};
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::tenant::{OnUnknown, Rights, Role};
use messaging_core::domain::tenant_life::TenantStatus;
use messaging_core::gateway::access::NewApiKey;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::suspension::Stop;
use messaging_core::gateway::tenants::TenantPatch;
use messaging_core::ports::clock::{Clock, SystemClock};

use crate::audit::tenant_settings::TenantSettings;
use crate::cli::{CliError, audit, configure};
use crate::wiring::Service;

/// Makes a tenant and writes its id.
pub(super) async fn create<W: Write>(dir: &Path, name: &str, out: &mut W) -> Result<(), CliError> {
    let service = Service::build(configure(dir)?).await?;
    let tenant = service.gateway().create_tenant(name).await.map_err(|error| match error {
        // On the command line there is one field, so a pointer to it says nothing.
        GatewayError::Invalid(mut fields) if fields.len() == 1 => {
            CliError::TenantName(fields.remove(0).detail)
        }
        error => error.into(),
    })?;
    audit::leave(service.gateway(), Chain::Platform, "tenant create", tenant.id).await?;
    service.close().await;
    Ok(writeln!(out, "{}", tenant.id)?)
}

/// Writes the ids and names of all tenants, and what they want that is not the default.
pub(super) async fn list<W: Write>(dir: &Path, out: &mut W) -> Result<(), CliError> {
    let service = Service::build(configure(dir)?).await?;
    let tenants = service.tenants().await?;
    for tenant in tenants {
        write!(out, "{}  {}", tenant.id, tenant.name)?;
        let status = service.gateway().tenant_status(&tenant);
        if status != TenantStatus::Active {
            write!(out, "  {status}")?;
        }
        if let Some(limit) = tenant.limits.requests_per_minute {
            write!(out, "  requests-per-minute={limit}")?;
        }
        if let Some(limit) = tenant.limits.max_waiting {
            write!(out, "  max-waiting={limit}")?;
        }
        if tenant.on_unknown != OnUnknown::DeadLetter {
            write!(out, "  on-unknown={}", tenant.on_unknown)?;
        }
        if tenant.pii != PiiPolicy::Off {
            write!(out, "  pii={}", tenant.pii)?;
        }
        let rules = service.gateway().retention(tenant.id).await?;
        for (kind, time) in
            [("messages", rules.messages), ("webhooks", rules.webhooks), ("audit", rules.audit)]
        {
            if let Some(time) = time {
                write!(out, "  retention-{kind}={}", humantime::format_duration(time))?;
            }
        }
        writeln!(out)?;
    }
    service.close().await;
    Ok(())
}

/// Changes what is done for a tenant: what becomes of its messages of which nobody can tell whether they
/// were sent, and of personal data in its texts, how much it may do, and how long its messages, webhooks
/// and entries of the audit log are kept. What is not said stays.
pub(super) async fn set(dir: &Path, tenant: &str, patch: TenantPatch) -> Result<(), CliError> {
    let service = Service::build(configure(dir)?).await?;
    let gateway = service.gateway();
    let found = gateway.find_tenant(tenant).await?;
    let tenant = found.id;
    let before = TenantSettings::of(gateway, &found).await?;
    let patched = gateway.patch_tenant(tenant, patch).await?;
    let changes = before.changes_to(&TenantSettings::of(gateway, &patched).await?);
    let target = Some(("tenant", tenant.to_string()));
    let set = audit::event(Chain::Tenant(tenant), "tenant set", target);
    let mut entries = settings_changed(&set, tenant, &changes);
    entries.insert(0, set);
    gateway.record(entries).await?;
    service.close().await;
    Ok(())
}

/// Stops sending for a tenant, for as long as said or until it is resumed.
pub(super) async fn suspend(
    dir: &Path,
    tenant: &str,
    reason: Option<String>,
    lasting: Option<Duration>,
) -> Result<(), CliError> {
    let service = Service::build(configure(dir)?).await?;
    let until = lasting.map(|lasting| SystemClock.now().plus(lasting));
    let tenant = service.gateway().find_tenant(tenant).await?.id;
    service.gateway().suspend_tenant(tenant, Stop { until, reason }).await?;
    audit::leave(service.gateway(), Chain::Tenant(tenant), "tenant suspend", tenant).await?;
    service.close().await;
    Ok(())
}

/// Lets a tenant go on.
pub(super) async fn resume(dir: &Path, tenant: &str) -> Result<(), CliError> {
    let service = Service::build(configure(dir)?).await?;
    let tenant = service.gateway().find_tenant(tenant).await?.id;
    service.gateway().resume_tenant(tenant).await?;
    audit::leave(service.gateway(), Chain::Tenant(tenant), "tenant resume", tenant).await?;
    service.close().await;
    Ok(())
}

/// Has a tenant deleted, by whatever service runs on the store.
pub(super) async fn delete(dir: &Path, tenant: &str, confirm: &str) -> Result<(), CliError> {
    let service = Service::build(configure(dir)?).await?;
    let tenant = service.gateway().find_tenant(tenant).await?.id;
    service.gateway().delete_tenant(tenant, confirm).await.map_err(|error| match error {
        GatewayError::Invalid(_) => CliError::NotConfirmed,
        error => error.into(),
    })?;
    audit::leave(service.gateway(), Chain::Platform, "tenant delete", tenant).await?;
    service.close().await;
    Ok(())
}

/// Writes an access token.
pub(super) async fn token<W: Write>(
    dir: &Path,
    tenant: &str,
    role: Role,
    ttl: Option<Duration>,
    out: &mut W,
) -> Result<(), CliError> {
    let service = Service::build(configure(dir)?).await?;
    let tenant = service.gateway().find_tenant(tenant).await?;
    let token = service.issue_token(tenant.id, role, ttl)?;
    audit::leave(service.gateway(), Chain::Tenant(tenant.id), "token", tenant.id).await?;
    service.close().await;
    Ok(writeln!(out, "{token}")?)
}

/// Makes an API key, of whatever rights, and writes it.
pub(super) async fn api_key<W: Write>(
    dir: &Path,
    tenant: &str,
    wanted: NewApiKey,
    out: &mut W,
) -> Result<(), CliError> {
    let service = Service::build(configure(dir)?).await?;
    let tenant = service.gateway().find_tenant(tenant).await?;
    let operator = Rights::of(Role::PlatformAdmin);
    let (key, text) = service.gateway().create_api_key(tenant.id, &operator, wanted).await?;
    let made = ("api-key", key.id.to_string());
    let chain = Chain::Tenant(tenant.id);
    audit::leave_about(service.gateway(), chain, "api-key create", Some(made)).await?;
    service.close().await;
    Ok(writeln!(out, "{}", text.expose())?)
}
