//! Encryption at rest: where it stands, and what is done to bring all that is kept to it.

use std::io::Write;
use std::path::Path;

use messaging_core::domain::audit::Chain;
use messaging_core::domain::tenant::Tenant;
use messaging_core::ports::store_error::StoreError;
use messaging_vault::{Mode, Sealer, Vault};

use crate::cli::{CliError, audit, configure};
use crate::config::encryption::name;
use crate::wiring::Service;

/// After so many steps of work, how far it has come is written.
const TELL_EVERY: u64 = 25;

/// Writes what is encrypted, in which key all keys are wrapped, and for each tenant the versions of its
/// key with how many messages are sealed with each.
pub(super) async fn status<W: Write>(dir: &Path, out: &mut W) -> Result<(), CliError> {
    let service = Service::build(configure(dir)?).await?;
    let Some(vault) = service.vault() else {
        service.close().await;
        return Ok(writeln!(out, "mode=plain  nothing is encrypted, and nothing was")?);
    };
    let wrapping = vault.wrapping().await?;
    writeln!(
        out,
        "mode={}  key={}  wrapped={}/{}",
        name(vault.mode()),
        vault.wrapping_key(),
        wrapping.done,
        wrapping.total
    )?;
    for tenant in service.tenants().await? {
        let counts = service.stored_messages().sealed_under(tenant.id).await?;
        let plain = counts.get(&None).copied().unwrap_or_default();
        write!(out, "{}  {}  messages: plain={plain}", tenant.id, tenant.name)?;
        for version in vault.versions(tenant.id).await? {
            write!(out, " v{version}={}", counts.get(&Some(version)).copied().unwrap_or_default())?;
        }
        writeln!(out)?;
    }
    service.close().await;
    Ok(())
}

/// Brings all that is kept, or what one tenant has, to what the configuration says: sealed with the
/// tenant's newest key or, with `plain`, opened. Can be stopped and begun anew at any time.
pub(super) async fn seal<W: Write>(
    dir: &Path,
    tenant: Option<&str>,
    all: bool,
    out: &mut W,
) -> Result<(), CliError> {
    let service = Service::build(configure(dir)?).await?;
    let Some(sealer) = service.sealer() else {
        service.close().await;
        return Ok(writeln!(out, "nothing is encrypted, and nothing was")?);
    };
    let sealer = if all { sealer.sealing_all() } else { sealer };
    if tenant.is_none() {
        let servers = sealer.seal_servers().await?;
        if servers > 0 {
            writeln!(out, "{servers} WAHA servers looked at")?;
        }
    }
    let mut trouble = None;
    for tenant in chosen(&service, tenant).await? {
        match seal_tenant(&sealer, &tenant, out).await {
            // Its own trouble: others must not stay in the clear for it.
            Err(CliError::Store(error @ StoreError::Corrupt { .. })) => {
                writeln!(out, "{}  stays as it is: {error}", tenant.name)?;
                trouble = Some(error);
                continue;
            }
            sealed => sealed?,
        }
        audit::leave(service.gateway(), Chain::Tenant(tenant.id), "encryption seal", tenant.id)
            .await?;
    }
    if sealer.unreadable() > 0 {
        writeln!(out, "{} do not open, and stay as they are: see the log", sealer.unreadable())?;
    }
    service.close().await;
    trouble.map_or(Ok(()), |error| Err(error.into()))
}

async fn seal_tenant<W: Write>(
    sealer: &Sealer,
    tenant: &Tenant,
    out: &mut W,
) -> Result<(), CliError> {
    let mut steps = 0_u64;
    let mut messages = sealer.step(tenant.id, None).await?;
    while messages.next.is_some() {
        steps += 1;
        if steps.is_multiple_of(TELL_EVERY) {
            writeln!(out, "{}  messages {}/{}", tenant.name, messages.seen, messages.total)?;
            out.flush()?;
        }
        messages = sealer.step(tenant.id, Some(messages)).await?;
    }
    let opt_outs = sealer.seal_opt_outs(tenant.id).await?;
    let sessions = sealer.seal_sessions(tenant.id).await?;
    let (mut reached, mut webhooks) = sealer.seal_webhooks(tenant.id, None).await?;
    while reached.is_some() {
        let (next, more) = sealer.seal_webhooks(tenant.id, reached).await?;
        (reached, webhooks) = (next, webhooks + more);
    }
    Ok(writeln!(
        out,
        "{}  done: {} of {} messages changed, {webhooks} webhooks; {opt_outs} opt-outs and {sessions} \
         sessions looked at",
        tenant.name, messages.sealed, messages.seen
    )?)
}

/// Gives a tenant, or each, a new data key, which seals from now on.
pub(super) async fn rotate<W: Write>(
    dir: &Path,
    tenant: Option<&str>,
    out: &mut W,
) -> Result<(), CliError> {
    let service = Service::build(configure(dir)?).await?;
    let vault = sealing(&service)?;
    for tenant in chosen(&service, tenant).await? {
        let version = vault.rotate(tenant.id).await?;
        audit::leave(service.gateway(), Chain::Tenant(tenant.id), "encryption rotate", tenant.id)
            .await?;
        writeln!(out, "{}  key v{version}", tenant.name)?;
    }
    service.close().await;
    Ok(())
}

/// Wraps all keys in `ENCRYPTION_KEY`, so that earlier ones are needed no more.
pub(super) async fn rewrap<W: Write>(dir: &Path, out: &mut W) -> Result<(), CliError> {
    let service = Service::build(configure(dir)?).await?;
    let Some((vault, sealer)) = service.vault().zip(service.sealer()) else {
        service.close().await;
        return Err(CliError::NotEncrypted);
    };
    loop {
        let wrapping = sealer.rewrap_keys().await?;
        writeln!(out, "wrapped in {}: {}/{}", vault.wrapping_key(), wrapping.done, wrapping.total)?;
        out.flush()?;
        if wrapping.done >= wrapping.total {
            break;
        }
    }
    audit::leave_for_all(service.gateway(), "encryption rewrap").await?;
    service.close().await;
    Ok(())
}

/// The vault of a deployment that encrypts.
fn sealing(service: &Service) -> Result<&Vault, CliError> {
    let vault = service.vault().filter(|vault| vault.mode() != Mode::Plain);
    vault.ok_or(CliError::NotEncrypted)
}

async fn chosen(service: &Service, tenant: Option<&str>) -> Result<Vec<Tenant>, CliError> {
    match tenant {
        Some(tenant) => Ok(vec![service.gateway().find_tenant(tenant).await?]),
        None => Ok(service.tenants().await?),
    }
}
