//! Sessions over HTTP: making, adopting, pairing, starting, stopping and ending them.

pub mod qr;
pub mod session;

use messaging_core::domain::session::SessionPatch;
use messaging_core::domain::tenant::Permission;
use messaging_core::gateway::sessions::SessionCommand;
use messaging_core::gateway::{Gateway, SessionRef};
use poem::web::Accept;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;

use self::qr::{PairingCode, Qr, QrAnswer, RequestPairingCode};
use self::session::{
    CreateSession, CreateSessionAnswer, DeleteSessionAnswer, PatchSession, Session, SessionList,
};
use crate::api::Tag;
use crate::api::authorized::{Authorized, ManageSessions, ReadSessions};
use crate::api::body::JsonBody;
use crate::api::problem::{BODY, CALLER, CONFLICT, INVALID, NOT_FOUND, PROVIDER, Problem, Refusal};
use crate::api::sight::Sight;
use crate::api::suspension::Suspend;

/// Sessions.
pub struct SessionsApi {
    /// The one door to everything.
    pub gateway: Gateway,
    /// What whoever adopts a session needs to be allowed.
    pub adopting_needs: Permission,
}

/// What a command to a session may be refused for.
type CommandRefusal = Refusal<{ CALLER | NOT_FOUND | CONFLICT | PROVIDER }>;

#[OpenApi(tag = "Tag::Sessions")]
impl SessionsApi {
    /// Create or adopt a session
    ///
    /// Needs `sessions:manage`. Makes a session in WAHA, with webhooks and secret set, and starts
    /// it. With `adopt` it takes over one that is in WAHA already, and changes nothing there; one
    /// that another tenant has is refused with 409. Where `SESSION_ADOPTION` is `platform`, that needs
    /// `servers:manage`, too.
    #[oai(path = "/sessions", method = "post", operation_id = "create_session")]
    async fn create(
        &self,
        caller: Authorized<ManageSessions>,
        body: JsonBody<CreateSession>,
    ) -> Result<CreateSessionAnswer, Refusal<{ CALLER | BODY | CONFLICT | PROVIDER }>> {
        if body.0.adopt == Some(true) && !caller.may(self.adopting_needs) {
            return Err(Problem::lacking(self.adopting_needs, "to adopt a session needs").into());
        }
        let created = self.gateway.create_session(caller.tenant(), body.0.into()).await?;
        Ok(CreateSessionAnswer::seen(created, caller.sight()))
    }

    /// List sessions
    ///
    /// Needs `sessions:read`. All of the tenant's, oldest first.
    #[oai(path = "/sessions", method = "get", operation_id = "list_sessions")]
    async fn list(
        &self,
        caller: Authorized<ReadSessions>,
    ) -> Result<Json<SessionList>, Refusal<CALLER>> {
        let sessions = self.gateway.list_sessions(caller.tenant()).await?;
        let seen = |each| self.shown(each, caller.sight());
        Ok(Json(SessionList { data: sessions.into_iter().map(seen).collect() }))
    }

    /// Look a session up
    ///
    /// Needs `sessions:read`.
    #[oai(path = "/sessions/:id", method = "get", operation_id = "get_session")]
    async fn get(
        &self,
        caller: Authorized<ReadSessions>,
        /// The session's id or name.
        id: Path<String>,
    ) -> Result<Json<Session>, Refusal<{ CALLER | NOT_FOUND }>> {
        let found = self.gateway.find_session(caller.tenant(), &named(&id)).await?;
        Ok(Json(self.shown(found, caller.sight())))
    }

    /// Change a session
    ///
    /// Needs `sessions:manage`. What is left out stays as it is.
    #[oai(path = "/sessions/:id", method = "patch", operation_id = "update_session")]
    async fn patch(
        &self,
        caller: Authorized<ManageSessions>,
        /// The session's id or name.
        id: Path<String>,
        body: JsonBody<PatchSession>,
    ) -> Result<Json<Session>, Refusal<{ CALLER | BODY | NOT_FOUND | CONFLICT }>> {
        let patch = SessionPatch::try_from(body.0)?;
        let patched = self.gateway.patch_session(caller.tenant(), &named(&id), patch).await?;
        Ok(Json(self.shown(patched, caller.sight())))
    }

    /// Delete a session
    ///
    /// Needs `sessions:manage`. One that was created here is removed from WAHA too; one that was
    /// adopted stays there, unless `purge` is set. Its messages can still be looked at; those that
    /// wait fail.
    #[oai(path = "/sessions/:id", method = "delete", operation_id = "delete_session")]
    async fn delete(
        &self,
        caller: Authorized<ManageSessions>,
        /// The session's id or name.
        id: Path<String>,
        /// Whether an adopted session is removed from WAHA too.
        #[oai(default)]
        purge: Query<bool>,
    ) -> Result<DeleteSessionAnswer, Refusal<{ CALLER | INVALID | NOT_FOUND | PROVIDER }>> {
        self.gateway.delete_session(caller.tenant(), &named(&id), purge.0).await?;
        Ok(DeleteSessionAnswer::Deleted)
    }

    /// Start a session
    ///
    /// Needs `sessions:manage`. One that runs is left running.
    #[oai(path = "/sessions/:id/start", method = "post", operation_id = "start_session")]
    async fn start(
        &self,
        caller: Authorized<ManageSessions>,
        /// The session's id or name.
        id: Path<String>,
    ) -> Result<Json<Session>, CommandRefusal> {
        self.command(&caller, &id, SessionCommand::Start).await
    }

    /// Stop a session
    ///
    /// Needs `sessions:manage`. Its pairing is kept.
    #[oai(path = "/sessions/:id/stop", method = "post", operation_id = "stop_session")]
    async fn stop(
        &self,
        caller: Authorized<ManageSessions>,
        /// The session's id or name.
        id: Path<String>,
    ) -> Result<Json<Session>, CommandRefusal> {
        self.command(&caller, &id, SessionCommand::Stop).await
    }

    /// Restart a session
    ///
    /// Needs `sessions:manage`.
    #[oai(path = "/sessions/:id/restart", method = "post", operation_id = "restart_session")]
    async fn restart(
        &self,
        caller: Authorized<ManageSessions>,
        /// The session's id or name.
        id: Path<String>,
    ) -> Result<Json<Session>, CommandRefusal> {
        self.command(&caller, &id, SessionCommand::Restart).await
    }

    /// Log a session out
    ///
    /// Needs `sessions:manage`. Ends its pairing: a telephone has to be paired again.
    #[oai(path = "/sessions/:id/logout", method = "post", operation_id = "logout_session")]
    async fn logout(
        &self,
        caller: Authorized<ManageSessions>,
        /// The session's id or name.
        id: Path<String>,
    ) -> Result<Json<Session>, CommandRefusal> {
        self.command(&caller, &id, SessionCommand::Logout).await
    }

    /// Suspend a session
    ///
    /// Needs `sessions:manage`. Nothing is sent through it until then, or until it is resumed; what is
    /// accepted meanwhile waits, and what is under way goes on to its end. Its connection stays.
    #[oai(path = "/sessions/:id/suspend", method = "post", operation_id = "suspend_session")]
    async fn suspend(
        &self,
        caller: Authorized<ManageSessions>,
        /// The session's id or name.
        id: Path<String>,
        body: JsonBody<Suspend>,
    ) -> Result<Json<Session>, Refusal<{ CALLER | BODY | NOT_FOUND }>> {
        let stop = body.0.into();
        let suspended = self.gateway.suspend_session(caller.tenant(), &named(&id), stop).await?;
        Ok(Json(self.shown(suspended, caller.sight())))
    }

    /// Resume a session
    ///
    /// Needs `sessions:manage`. Ends its suspension, if there is one.
    #[oai(path = "/sessions/:id/resume", method = "post", operation_id = "resume_session")]
    async fn resume(
        &self,
        caller: Authorized<ManageSessions>,
        /// The session's id or name.
        id: Path<String>,
    ) -> Result<Json<Session>, Refusal<{ CALLER | NOT_FOUND }>> {
        let resumed = self.gateway.resume_session(caller.tenant(), &named(&id)).await?;
        Ok(Json(self.shown(resumed, caller.sight())))
    }

    /// Let new chats go on
    ///
    /// Needs `sessions:manage`. Ends what WhatsApp was taken to restrict the session's new chats to:
    /// those that wait are tried again. Where WAHA says that the account is locked, that holds again
    /// within seconds.
    #[oai(
        path = "/sessions/:id/new-chats/resume",
        method = "post",
        operation_id = "resume_new_chats"
    )]
    async fn resume_new_chats(
        &self,
        caller: Authorized<ManageSessions>,
        /// The session's id or name.
        id: Path<String>,
    ) -> Result<Json<Session>, Refusal<{ CALLER | NOT_FOUND }>> {
        let resumed = self.gateway.resume_new_chats(caller.tenant(), &named(&id)).await?;
        Ok(Json(self.shown(resumed, caller.sight())))
    }

    /// Replace the secret of a session's webhooks
    ///
    /// Needs `sessions:manage`. WAHA is told to sign the session's webhooks with a new secret, for which
    /// it restarts the session; what it signed with before is believed for a day more. The secret is
    /// shown to nobody. A session that was adopted has none of its own: 409. Where WAHA cannot be told,
    /// both stay valid, and the same request goes on from there.
    #[oai(
        path = "/sessions/:id/webhook-secret/rotate",
        method = "post",
        operation_id = "rotate_webhook_secret"
    )]
    async fn rotate_webhook_secret(
        &self,
        caller: Authorized<ManageSessions>,
        /// The session's id or name.
        id: Path<String>,
    ) -> Result<Json<Session>, CommandRefusal> {
        let session = self.gateway.rotate_webhook_secret(caller.tenant(), &named(&id)).await?;
        Ok(Json(self.shown(session, caller.sight())))
    }

    /// Show the QR code
    ///
    /// Needs `sessions:manage`. What to scan with a telephone to pair it, while the session is
    /// `scan_qr_code`: a picture, or JSON where `Accept` asks for `application/json`.
    #[oai(path = "/sessions/:id/qr", method = "get", operation_id = "get_session_qr")]
    async fn qr(
        &self,
        caller: Authorized<ManageSessions>,
        /// The session's id or name.
        id: Path<String>,
        accept: Accept,
    ) -> Result<QrAnswer, CommandRefusal> {
        let code = self.gateway.session_qr(caller.tenant(), &named(&id)).await?;
        Ok(QrAnswer::Shown(Qr::as_accepted(code, &accept)))
    }

    /// Ask for a pairing code
    ///
    /// Needs `sessions:manage`. What to type into the telephone instead of scanning, while the
    /// session is `scan_qr_code`.
    #[oai(
        path = "/sessions/:id/pairing-code",
        method = "post",
        operation_id = "request_pairing_code"
    )]
    async fn pairing_code(
        &self,
        caller: Authorized<ManageSessions>,
        /// The session's id or name.
        id: Path<String>,
        body: JsonBody<RequestPairingCode>,
    ) -> Result<Json<PairingCode>, Refusal<{ CALLER | BODY | NOT_FOUND | CONFLICT | PROVIDER }>>
    {
        let phone = body.0.phone_number;
        let code = self.gateway.session_pairing_code(caller.tenant(), &named(&id), &phone).await?;
        Ok(Json(PairingCode { code }))
    }
}

impl SessionsApi {
    fn shown(&self, session: messaging_core::domain::session::Session, sight: Sight) -> Session {
        let restriction = self.gateway.new_chat_restriction(&session);
        Session::seen(session, restriction, sight)
    }

    async fn command(
        &self,
        caller: &Authorized<ManageSessions>,
        id: &Path<String>,
        command: SessionCommand,
    ) -> Result<Json<Session>, CommandRefusal> {
        let session = self.gateway.command_session(caller.tenant(), &named(id), command).await?;
        Ok(Json(self.shown(session, caller.sight())))
    }
}

fn named(id: &Path<String>) -> SessionRef {
    id.0.as_str().into()
}
