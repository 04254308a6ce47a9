//! Whether anybody changed the audit log, and what commands leave in it.

use std::io::Write;
use std::path::Path;

use messaging_core::domain::audit::{ActorKind, AuditEvent, Chain, Link};
use messaging_core::domain::id::TenantId;
use messaging_core::gateway::Gateway;
use messaging_core::gateway::error::GatewayError;
use messaging_core::ports::clock::{Clock, SystemClock};

use crate::cli::{CliError, configure};
use crate::wiring::Service;

/// Looks at every entry of a tenant's chain, the platform's or all, and writes where each ends and what
/// is wrong with it.
pub(super) async fn verify<W: Write>(
    dir: &Path,
    tenant: Option<&str>,
    platform: bool,
    expected: Option<Link>,
    out: &mut W,
) -> Result<(), CliError> {
    let service = Service::build(configure(dir)?).await?;
    let gateway = service.gateway();
    let chains = match tenant {
        Some(tenant) => vec![Chain::Tenant(gateway.find_tenant(tenant).await?.id)],
        None if platform => vec![Chain::Platform],
        None => gateway.audit_chains().await?,
    };
    let mut broken = 0;
    for chain in chains {
        let report = gateway.verify_audit(chain, expected).await?;
        let word = if report.findings.is_empty() { "whole" } else { "BROKEN" };
        writeln!(out, "{chain}  {word}  entries={}  head={}", report.checked, report.head)?;
        if report.anchor.seq > 0 {
            writeln!(out, "  entries up to {} are kept no longer", report.anchor.seq)?;
        }
        for finding in &report.findings {
            writeln!(out, "  {finding}")?;
        }
        broken += usize::from(!report.findings.is_empty());
    }
    service.close().await;
    if broken > 0 { Err(CliError::AuditBroken(broken)) } else { Ok(()) }
}

/// Leaves an entry about a command. Where it cannot be kept, the command does not count as done.
pub(super) async fn leave(
    gateway: &Gateway,
    chain: Chain,
    action: &str,
    tenant: TenantId,
) -> Result<(), GatewayError> {
    leave_about(gateway, chain, action, Some(("tenant", tenant.to_string()))).await
}

/// Leaves an entry about a command that is about all tenants.
pub(super) async fn leave_for_all(gateway: &Gateway, action: &str) -> Result<(), GatewayError> {
    leave_about(gateway, Chain::Platform, action, None).await
}

/// The same of anything else: its kind, and its id.
pub(super) async fn leave_about(
    gateway: &Gateway,
    chain: Chain,
    action: &str,
    target: Option<(&str, String)>,
) -> Result<(), GatewayError> {
    gateway.record(vec![event(chain, action, target)]).await
}

/// An entry about a command.
pub(super) fn event(chain: Chain, action: &str, target: Option<(&str, String)>) -> AuditEvent {
    AuditEvent {
        chain,
        at: SystemClock.now(),
        actor_kind: ActorKind::Cli,
        actor: String::new(),
        role: None,
        action: action.to_owned(),
        target_kind: target.as_ref().map(|(kind, _)| (*kind).to_owned()),
        target: target.map(|(_, target)| target),
        source: None,
        status: 200,
        code: None,
        request: None,
    }
}
