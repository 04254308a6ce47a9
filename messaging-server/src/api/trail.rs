//! What of a request and its answer stands in the audit log.

use std::sync::{Arc, OnceLock};

use messaging_core::domain::audit::{
    ActorKind, AuditEvent, Chain, SettingChange, settings_changed,
};
use messaging_core::domain::id::TenantId;
use messaging_core::domain::tenant::Permission;
use messaging_core::domain::timestamp::Timestamp;
use poem::error::ReadBodyError;
use poem::http::{Method, StatusCode};
use poem::{Request, Response};
use serde::Deserialize;
use uuid::Uuid;

use crate::api::exchange::RouteInfo;
use crate::api::problem::{PROBLEM_JSON, Problem, kind};
use crate::api::source::ClientAddress;
use crate::audit::AuditTrail;
use crate::auth::Caller;

/// The largest answer that is looked into for an entry, in bytes.
const LARGEST_TOLD: usize = 4 * 1024 * 1024;

/// Reads that give something out of hand.
const READS: &[&str] = &["export_audit", "get_session_qr"];

/// What comes many times a second: written behind the answer.
const SENDS: &[&str] = &["send_message", "send_bulk"];

/// What is kept in the inbox where it is taken in.
const WEBHOOKS: &[&str] = &["receive_webhook", "receive_session_webhook"];

/// What is found out about a request while it is answered, for the entries about it. Clones are one.
#[derive(Clone, Default)]
pub(super) struct Noted(Arc<Notes>);

#[derive(Default)]
struct Notes {
    caller: OnceLock<Caller>,
    changes: OnceLock<(TenantId, Vec<SettingChange>)>,
}

impl Noted {
    /// What is noted of a request.
    pub(super) fn of(request: &Request) -> Self {
        request.data::<Self>().cloned().unwrap_or_default()
    }

    /// Remembers who calls. A request has one caller.
    pub(super) fn caller(&self, caller: &Caller) {
        let _ = self.0.caller.set(caller.clone());
    }

    /// Whether somebody calls who was believed.
    pub(super) fn has_caller(&self) -> bool {
        self.0.caller.get().is_some()
    }

    /// Remembers what of a tenant's settings was changed. A request changes those of one.
    pub(super) fn changes(&self, tenant: TenantId, changes: Vec<SettingChange>) {
        let _ = self.0.changes.set((tenant, changes));
    }
}

/// A request that leaves an entry.
pub(super) struct Traced {
    pub(super) noted: Noted,
    pub(super) client: ClientAddress,
    pub(super) path: String,
    pub(super) method: Method,
    pub(super) id: String,
    pub(super) at: Timestamp,
}

/// The members of an answer that an entry is made of.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    id: Option<serde_json::Value>,
    code: Option<serde_json::Value>,
    #[serde(rename = "apiKey")]
    api_key: Option<serde_json::Value>,
    name: Option<serde_json::Value>,
}

impl Told {
    /// The id of what the answer is about.
    fn answered(&self) -> Option<&str> {
        let of_key = || self.api_key.as_ref()?.get("id");
        self.id.as_ref().or_else(of_key)?.as_str()
    }

    /// The name of what it is about, where that is all that it is called.
    fn named(&self) -> Option<&str> {
        self.name.as_ref()?.as_str()
    }
}

impl Traced {
    /// Leaves the entry about a request that was answered; gives the answer, or another where the
    /// entry cannot be kept and must be.
    pub(super) async fn leave(
        self,
        trail: &AuditTrail,
        route: &RouteInfo,
        mut response: Response,
    ) -> Response {
        let Some(operation) = route.operation(&self.method) else { return response };
        let is_read = self.method == Method::GET || self.method == Method::HEAD;
        let status = response.status();
        let is_refused = status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN;
        if is_read && !is_refused && !READS.contains(&operation) {
            return response;
        }
        let is_webhook = WEBHOOKS.contains(&operation);
        if is_webhook && !status.is_client_error() {
            return response;
        }
        let told = match told(&mut response).await {
            Ok(told) => told,
            Err(error) => {
                tracing::error!(%error, "an answer cannot be read");
                response = Problem::new(&kind::INTERNAL_ERROR).into_response_to(&self.path);
                Told::default()
            }
        };
        let Notes { caller, changes } = &*self.noted.0;
        let caller = caller.get();
        let answered = told.answered().filter(|_| status.is_success());
        let target = target(route, &self.path, answered);
        let is_of_servers = route.template == "/admin/servers" && status.is_success();
        let named = told.named().filter(|_| is_of_servers);
        let target = target.or_else(|| named.map(str::to_owned));
        let event = AuditEvent {
            chain: chain(&route.template, caller),
            at: self.at,
            actor_kind: match caller {
                Some(_) => ActorKind::Token,
                None if is_webhook => ActorKind::Webhook,
                None => ActorKind::Unknown,
            },
            actor: caller.map(|caller| caller.subject.clone()).unwrap_or_default(),
            role: caller.map(|caller| caller.rights.role.to_string()),
            action: operation.to_owned(),
            target_kind: Some(kind_of(&route.template).to_owned()),
            target,
            source: self.client.0.map(|client| client.to_canonical().to_string()),
            status: response.status().as_u16(),
            code: told.code.and_then(|code| code.as_str().map(str::to_owned)),
            request: Some(self.id),
        };
        if caller.is_none() {
            trail.record_stranger(self.client.number(), event).await;
        } else if SENDS.contains(&operation) || (is_read && is_refused) {
            trail.record_behind(event).await;
        } else {
            let changes = changes.get().map(|(of, changes)| settings_changed(&event, *of, changes));
            let events = [event].into_iter().chain(changes.into_iter().flatten()).collect();
            let Err(error) = trail.record(events).await else { return response };
            // What nobody can tell of later does not count as done.
            return Problem::from(error).into_response_to(&self.path);
        }
        response
    }
}

/// Reads an answer that is one value in JSON, and leaves it as it was. What comes line by line is not
/// waited for.
async fn told(response: &mut Response) -> Result<Told, ReadBodyError> {
    let is_one = response.content_type().is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind == "application/json" || kind == PROBLEM_JSON
    });
    if !is_one || response.status() == StatusCode::NO_CONTENT {
        return Ok(Told::default());
    }
    let bytes = response.take_body().into_bytes().await?;
    let is_small = bytes.len() <= LARGEST_TOLD;
    let told = is_small.then(|| serde_json::from_slice(&bytes).unwrap_or_default());
    response.set_body(bytes);
    Ok(told.unwrap_or_default())
}

/// On whose chain it stands: what is done to the deployment by whoever runs it is no tenant's matter.
fn chain(template: &str, caller: Option<&Caller>) -> Chain {
    let runs_it = |caller: &Caller| {
        caller.may(Permission::ManageTenants) || caller.may(Permission::ManageServers)
    };
    let is_admin = template.starts_with("/admin/");
    // Whoever may not, tried it in its own tenant's name.
    let tenant = caller.filter(|caller| !(is_admin && runs_it(caller)));
    tenant.map_or(Chain::Platform, |caller| Chain::Tenant(caller.tenant))
}

/// What kind of thing an address is about.
fn kind_of(template: &str) -> &str {
    if template.starts_with("/messages/bulk") {
        return "bulk";
    }
    let template = template.strip_prefix("/admin").unwrap_or(template);
    let first = template.trim_start_matches('/').split('/').next().unwrap_or_default();
    first.strip_suffix('s').unwrap_or(first)
}

/// What it was done to: what the path names, or else what the answer does. A number, or what may be
/// one, is never said.
fn target(route: &RouteInfo, path: &str, answered: Option<&str>) -> Option<String> {
    let answered = answered.filter(|id| is_id(id)).map(str::to_owned);
    let parts = route.template.split('/').zip(path.split('/'));
    let Some((_, named)) = parts.filter(|(part, _)| part.starts_with('{')).last() else {
        return answered;
    };
    if is_id(named) {
        return Some(named.to_owned());
    }
    if answered.is_some() {
        return answered;
    }
    let digits = named.bytes().filter(u8::is_ascii_digit).count();
    let is_shown = digits < 6 && !route.template.starts_with("/opt-outs/");
    Some(if is_shown { named } else { "hidden" }.to_owned())
}

fn is_id(text: &str) -> bool {
    Uuid::try_parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, path: &str, answered: Option<&str>, expected: Option<&str>) {
        let route = RouteInfo::new(template.to_owned(), String::new());
        assert_eq!(target(&route, path, answered).as_deref(), expected, "{path}");
    }

    #[test]
    fn what_it_was_done_to_is_named_by_path_or_answer_and_never_by_number() {
        let id = "019b7700-0000-7000-8000-000000000004";
        check("/sessions", "/sessions", Some(id), Some(id));
        check("/sessions", "/sessions", Some("+5511988887777"), None);
        check("/sessions/{id}", "/sessions/main", None, Some("main"));
        check("/sessions/{id}", "/sessions/main", Some(id), Some(id));
        check("/sessions/{id}/stop", &format!("/sessions/{id}/stop"), None, Some(id));
        for number in ["+5511988887777", "%2B5511988887777", "5511988887777@c.us", "%35%35%31"] {
            check("/opt-outs/{id}", &format!("/opt-outs/{number}"), None, Some("hidden"));
            check("/sessions/{id}", &format!("/sessions/{number}"), None, Some("hidden"));
        }
        check("/opt-outs/{id}", "/opt-outs/%2B5511988887777", Some(id), Some(id));
    }

    #[test]
    fn an_address_says_what_kind_of_thing_it_is_about() {
        for (template, expected) in [
            ("/messages/send", "message"),
            ("/messages/bulk/{id}/pause", "bulk"),
            ("/opt-outs/{id}", "opt-out"),
            ("/queue", "queue"),
            ("/admin/tenants/{id}", "tenant"),
            ("/admin/servers/{name}", "server"),
        ] {
            assert_eq!(kind_of(template), expected);
        }
    }
}
