//! Who did what, over HTTP.

use std::time::Duration;

use futures::stream;
use messaging_core::domain::audit::{self, ActorKind, AuditFilter, Chain};
use messaging_core::domain::tenant::Permission;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::Gateway;
use poem::Body;
use poem_openapi::param::Query;
use poem_openapi::payload::{Binary, Json};
use poem_openapi::types::{Example, ToJSON};
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use serde_json::Value;

use crate::api::Tag;
use crate::api::authorized::{Authorized, ReadAudit};
use crate::api::named::{DateBound, DateTime, Named};
use crate::api::problem::{CALLER, FieldProblem, INVALID, Problem, Refusal, kind};

/// How many entries are read together for an export.
const PORTION: u32 = 500;

/// Whose entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase")]
pub enum AuditChain {
    /// The tenant's.
    #[default]
    Tenant,
    /// Those that are about no tenant; needs `tenants:manage`, too.
    Platform,
}

/// Something that somebody did.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
pub struct AuditEntry {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: DateTime,
    /// What kind of somebody: the bearer of a token, or who else.
    pub actor_kind: Named<ActorKind>,
    /// Who, as the token says.
    pub actor: Option<String>,
    /// As what.
    pub role: Option<String>,
    /// What: the id of an operation, or a command.
    pub action: String,
    /// What kind of thing it was done to.
    pub target_kind: Option<String>,
    /// To which; `hidden` where it was named by a number.
    pub target: Option<String>,
    /// From which address.
    pub source: Option<String>,
    /// How it was answered.
    pub status: u16,
    /// Why it was refused: a problem's code.
    pub code: Option<String>,
    /// The `X-Request-Id` of the answer.
    pub request_id: Option<String>,
    /// The hash of the entry before, in hexadecimal.
    pub previous: String,
    /// The hash over all of this one.
    pub hash: String,
}

impl From<audit::AuditEntry> for AuditEntry {
    fn from(entry: audit::AuditEntry) -> Self {
        let event = entry.event;
        Self {
            seq: entry.seq,
            at: DateTime(event.at),
            actor_kind: Named(event.actor_kind),
            actor: Some(event.actor).filter(|actor| !actor.is_empty()),
            role: event.role,
            action: event.action,
            target_kind: event.target_kind,
            target: event.target,
            source: event.source,
            status: event.status,
            code: event.code,
            request_id: event.request,
            previous: entry.previous.to_string(),
            hash: entry.hash.to_string(),
        }
    }
}

impl Example for AuditEntry {
    fn example() -> Self {
        let id = "019b7700-0000-7000-8000-000000000004";
        Self {
            seq: 42,
            at: DateTime(Timestamp::from_millis(1_767_225_600_000)),
            actor_kind: Named(ActorKind::Token),
            actor: Some(format!("owner@{id}")),
            role: Some("owner".to_owned()),
            action: "delete_session".to_owned(),
            target_kind: Some("session".to_owned()),
            target: Some(id.to_owned()),
            source: Some("192.0.2.7".to_owned()),
            status: 200,
            code: None,
            request_id: Some(id.to_owned()),
            previous: "5c".repeat(32),
            hash: "a7".repeat(32),
        }
    }
}

/// A portion of the log, newest first.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct AuditList {
    /// The entries.
    pub data: Vec<AuditEntry>,
    /// How many a portion has at the most.
    pub limit: u32,
    /// Where the list goes on; absent at its end.
    pub next_cursor: Option<String>,
}

/// What was found of a chain of entries.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct AuditReport {
    /// Whether nothing is wrong.
    pub whole: bool,
    /// How many entries were looked at.
    pub entries: u64,
    /// The last entry: its number, a colon and its hash. Kept elsewhere, it shows later that nobody
    /// cut the end off and made a new one.
    pub head: String,
    /// The last entry that is kept no longer, in the same form.
    pub anchor: String,
    /// What is wrong, at most twenty.
    pub findings: Vec<String>,
}

/// The log as lines of JSON.
#[derive(ApiResponse)]
pub enum AuditExport {
    /// One entry a line, as in lists, oldest first.
    #[oai(status = 200, content_type = "application/x-ndjson")]
    Lines(Binary<Body>),
}

/// Who did what.
pub struct AuditApi {
    /// The one door to everything.
    pub gateway: Gateway,
}

type AuditRefusal = Refusal<{ CALLER | INVALID }>;

#[OpenApi(tag = "Tag::Audit")]
impl AuditApi {
    /// List who did what
    ///
    /// Needs `audit:read`. Newest first.
    #[oai(path = "/audit", method = "get", operation_id = "list_audit")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the address")]
    async fn list(
        &self,
        caller: Authorized<ReadAudit>,
        /// From this instant on, or from the beginning of this day in UTC.
        #[oai(name = "fromDate")]
        from_date: Query<Option<DateBound>>,
        /// Until this instant, or until the end of this day in UTC.
        #[oai(name = "toDate")]
        to_date: Query<Option<DateBound>>,
        /// Only this operation or command.
        action: Query<Option<String>>,
        /// Only this actor.
        actor: Query<Option<String>>,
        /// Only what was done to this.
        target: Query<Option<String>>,
        /// Whose entries; the tenant's by default.
        chain: Query<Option<AuditChain>>,
        /// How many at the most: 1 to 500.
        #[oai(default = "default_limit")]
        limit: Query<u32>,
        /// The `nextCursor` of an earlier answer.
        cursor: Query<Option<String>>,
    ) -> Result<Json<AuditList>, AuditRefusal> {
        let chain = chain_of(&caller, chain.0)?;
        let before = cursor.0.map(|cursor| number(&cursor)).transpose();
        let before = before.map_err(Refusal::from)?;
        let filter = AuditFilter {
            from: from_date.0.map(|from| from.first),
            to: to_date.0.map(|to| to.last.plus(Duration::from_micros(1))),
            action: action.0,
            actor: actor.0,
            target: target.0,
        };
        let found = self.gateway.list_audit(chain, &filter, before, limit.0).await;
        let (entries, has_more) = found.map_err(Refusal::in_address)?;
        let last = entries.last().filter(|_| has_more);
        Ok(Json(AuditList {
            next_cursor: last.map(|last| last.seq.to_string()),
            limit: limit.0,
            data: entries.into_iter().map(AuditEntry::from).collect(),
        }))
    }

    /// Export who did what
    ///
    /// Needs `audit:read`. All entries behind `after`, oldest first, one a line. An answer that breaks
    /// off can be gone on with behind the last entry that came.
    #[oai(path = "/audit/export", method = "get", operation_id = "export_audit")]
    async fn export(
        &self,
        caller: Authorized<ReadAudit>,
        /// The number of an entry; 0, which is before the first, by default.
        after: Query<Option<u64>>,
        /// Whose entries; the tenant's by default.
        chain: Query<Option<AuditChain>>,
    ) -> Result<AuditExport, AuditRefusal> {
        let chain = chain_of(&caller, chain.0)?;
        let gateway = self.gateway.clone();
        // The first portion before the answer begins, so that a store that is away is told as such.
        let after = after.0.unwrap_or(0);
        let first = gateway.walk_audit(chain, after, PORTION).await?;
        let lines = stream::try_unfold((after, Some(first)), move |(after, portion)| {
            let gateway = gateway.clone();
            async move {
                let entries = match portion {
                    Some(first) => first,
                    None => {
                        let next = gateway.walk_audit(chain, after, PORTION).await;
                        next.map_err(std::io::Error::other)?
                    }
                };
                let Some(last) = entries.last().map(|last| last.seq) else { return Ok(None) };
                let lines: String = entries.into_iter().map(line).collect();
                Ok::<_, std::io::Error>(Some((lines.into_bytes(), (last, None))))
            }
        });
        Ok(AuditExport::Lines(Binary(Body::from_bytes_stream(lines))))
    }

    /// Check that nobody changed the log
    ///
    /// Needs `audit:read`. Looks at every entry: of a long log this takes a while.
    #[oai(path = "/audit/verify", method = "get", operation_id = "verify_audit")]
    async fn verify(
        &self,
        caller: Authorized<ReadAudit>,
        /// The `head` of an earlier answer, kept elsewhere.
        expect: Query<Option<String>>,
        /// Whose entries; the tenant's by default.
        chain: Query<Option<AuditChain>>,
    ) -> Result<Json<AuditReport>, AuditRefusal> {
        let chain = chain_of(&caller, chain.0)?;
        let expected = expect
            .0
            .map(|text| text.parse())
            .transpose()
            .map_err(|bad: audit::BadLink| Refusal::from(wrong("expect", &bad.to_string())))?;
        let report = self.gateway.verify_audit(chain, expected).await?;
        Ok(Json(AuditReport {
            whole: report.findings.is_empty(),
            entries: report.checked,
            head: report.head.to_string(),
            anchor: report.anchor.to_string(),
            findings: report.findings.iter().map(ToString::to_string).collect(),
        }))
    }
}

fn default_limit() -> u32 {
    50
}

fn wrong(parameter: &str, detail: &str) -> Problem {
    let field = FieldProblem::in_address(parameter, detail);
    Problem::new(&kind::INVALID_REQUEST).with_errors(vec![field])
}

fn number(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| wrong("cursor", "must be a nextCursor that an earlier answer gave"))
}

fn line(entry: audit::AuditEntry) -> String {
    let json = AuditEntry::from(entry).to_json().unwrap_or(Value::Null);
    format!("{json}\n")
}

fn chain_of(caller: &Authorized<ReadAudit>, asked: Option<AuditChain>) -> Result<Chain, Problem> {
    match asked.unwrap_or_default() {
        AuditChain::Tenant => Ok(Chain::Tenant(caller.tenant())),
        AuditChain::Platform if caller.runs_the_platform() => Ok(Chain::Platform),
        AuditChain::Platform => {
            Err(Problem::lacking(Permission::ManageTenants, "the platform's entries need"))
        }
    }
}
