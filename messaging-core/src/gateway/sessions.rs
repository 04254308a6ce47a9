//! The tenant's accounts: making, adopting, pairing and ending them.

use std::time::Duration;

use crate::domain::id::{SessionId, TenantId};
use crate::domain::new_chats::{NewChats, NewChatsPatch};
use crate::domain::phone::PhoneNumber;
use crate::domain::server::{Placing, Room};
use crate::domain::session::{
    OnRateLimit, ProviderSession, Session, SessionHealth, SessionPatch, SessionStatus,
};
use crate::domain::text_safety::TextUse;
use crate::domain::webhook_secret::{WebhookSecret, WebhookSecrets};
use crate::gateway::error::GatewayError;
use crate::gateway::tenants::MAX_NAME_CHARS;
use crate::gateway::{Gateway, SessionRef, new_chats, placement, validation};
use crate::ports::observer::Observation;
use crate::ports::queue::{HeldBy, Pause, PauseScope};
use crate::ports::session_control::{ProviderError, ProviderState, QrCode, WebhookTarget};

/// How long a session that is not connected is left alone before it is looked at again, should no
/// webhook tell of it before.
pub(crate) const RECHECK_AFTER: Duration = Duration::from_secs(15);

/// How long what a session's webhooks were signed with before is believed once it was replaced:
/// longer than the provider repeats a webhook.
pub const OLD_SECRET_FOR: Duration = Duration::from_secs(24 * 3600);

/// An account to be made or adopted.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The tenant's name for it.
    pub name: String,
    /// Its name at the provider; `None` lets the gateway choose one (not when adopting).
    pub provider_name: Option<String>,
    /// On which of the provider's servers; `None` lets the gateway choose the one with the most
    /// room, or find the one that has the account to adopt.
    pub server: Option<String>,
    /// Take over an account that is there already, instead of making one.
    pub adopt: bool,
    /// What becomes of single messages over the quota.
    pub on_rate_limit: OnRateLimit,
}

/// What to do with an account's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionCommand {
    /// Start it.
    Start,
    /// Stop it and keep its pairing.
    Stop,
    /// Stop and start it.
    Restart,
    /// End its pairing.
    Logout,
}

impl Gateway {
    /// Makes an account at the provider, or adopts one that is there.
    ///
    /// # Errors
    /// - [`GatewayError::Invalid`] of `/name`, `/wahaSession` or `/wahaServer`.
    /// - [`GatewayError::NoRoom`] where no server takes another account; [`GatewayError::ServerFull`],
    ///   [`GatewayError::ServerDraining`] of the one that is asked for.
    /// - [`GatewayError::Taken`] where the name, or the account, is taken, by whomever.
    /// - [`GatewayError::ProviderUnavailable`], [`GatewayError::ProviderRefused`].
    pub async fn create_session(
        &self,
        tenant: TenantId,
        new: NewSession,
    ) -> Result<Session, GatewayError> {
        check_name("/name", &new.name, MAX_NAME_CHARS)?;
        let (created_at, id) = self.inner.ids.draw();
        let provider_name = match (new.provider_name, new.adopt) {
            (Some(name), _) => name,
            (None, false) => format!("gw_{}", id.simple()),
            (None, true) => {
                return Err(GatewayError::invalid("/wahaSession", "is needed to adopt a session"));
            }
        };
        check_provider_name(&provider_name)?;
        let server = new.server.as_deref();
        let place = ProviderSession { server: String::new(), name: provider_name };
        let mut session = Session {
            id: SessionId(id),
            tenant,
            name: new.name,
            place,
            adopted: new.adopt,
            status: SessionStatus::Unknown,
            status_at: created_at,
            own_address: None,
            on_rate_limit: new.on_rate_limit,
            new_chats: NewChats::default(),
            health: SessionHealth::Ok,
            health_since: None,
            suspension: None,
            tenant_suspension: None,
            webhook_secrets: (!new.adopt).then(|| WebhookSecrets::new(self.draw_webhook_secret())),
            created_at,
            updated_at: created_at,
        };
        if new.adopt {
            let (place, state, room) = self.find_place(&session.place.name, server).await?;
            session.place = place;
            (session.status, session.own_address) = (state.status, state.own_address);
            let placing = self.insert_session(&session, room).await?;
            return placement::refused(placing).map_or(Ok(session), Err);
        }
        let mut failed = GatewayError::NoRoom;
        for berth in self.servers_with_room(server).await? {
            session.place.server = berth.name;
            let placing = self.insert_session(&session, berth.room).await?;
            if let Some(refused) = placement::refused(placing) {
                // Somebody was faster; another may have room.
                if server.is_some() {
                    return Err(refused);
                }
                continue;
            }
            match self.create_at(&session).await? {
                Ok(state) => return self.record_state(session, &state).await,
                // Another may answer.
                Err(ProviderError::Unavailable) => failed = GatewayError::ProviderUnavailable,
                Err(error) => return Err(error.into()),
            }
        }
        Err(failed)
    }

    /// Makes an account where the session says, which is kept already, or leaves nothing of it.
    async fn create_at(
        &self,
        session: &Session,
    ) -> Result<Result<ProviderState, ProviderError>, GatewayError> {
        // It is kept first: an account's first webhooks find their session, and of two requests for one
        // name, or for the last place on a server, only one gets as far as the provider.
        let webhook = self.webhook_target(session);
        let created = self.ports().control.create(&session.place, webhook).await;
        if created.is_err() {
            self.forget_session(session).await?;
        }
        Ok(created)
    }

    async fn insert_session(&self, session: &Session, room: Room) -> Result<Placing, GatewayError> {
        let placing = self.ports().sessions.place(session, room).await?;
        // Two of one name at the provider: neither is meant by it any more.
        self.inner.directory.forget(|known| known.place.name == session.place.name);
        Ok(placing)
    }

    async fn forget_session(&self, session: &Session) -> Result<(), GatewayError> {
        self.ports().sessions.delete(session.tenant, session.id).await?;
        self.inner.directory.forget(|known| known.id == session.id);
        Ok(())
    }

    /// Where the provider is to send a session's webhooks; `None` where the gateway does not know
    /// its own address.
    pub fn webhook_url(&self, session: SessionId) -> Option<String> {
        let base = self.settings().public_url.as_ref()?;
        Some(format!("{base}/webhooks/waha/{session}"))
    }

    fn webhook_target(&self, session: &Session) -> Option<WebhookTarget> {
        let own = session.webhook_secrets.as_ref().map(|secrets| &secrets.current);
        let secret = own.or(self.settings().webhook_secret.as_ref());
        let secret = secret.map(|secret| secret.0.clone());
        Some(WebhookTarget { url: self.webhook_url(session.id)?, secret })
    }

    fn draw_webhook_secret(&self) -> WebhookSecret {
        WebhookSecret::of(std::array::from_fn(|_| self.ports().entropy.next_u64()))
    }

    /// Has the provider sign a session's webhooks with a new secret. What it signed with before is
    /// believed for [`OLD_SECRET_FOR`] more, so that no webhook is lost. Where the provider cannot
    /// be told, both are believed until this is asked for again, which goes on where it stopped.
    ///
    /// # Errors
    /// [`GatewayError::SessionNotFound`]; [`GatewayError::WrongSessionState`] of one that was
    /// adopted, whose webhooks are not ours to set, or where the gateway does not know its own
    /// address; [`GatewayError::ProviderUnavailable`], [`GatewayError::ProviderRefused`].
    pub async fn rotate_webhook_secret(
        &self,
        tenant: TenantId,
        session: &SessionRef,
    ) -> Result<Session, GatewayError> {
        let mut session = self.session(tenant, session).await?;
        if session.adopted || self.settings().public_url.is_none() {
            return Err(GatewayError::WrongSessionState);
        }
        let next = self.draw_webhook_secret();
        let secrets = match session.webhook_secrets.take() {
            Some(secrets) => secrets.replaced_by(next),
            // It was made before sessions had secrets of their own.
            None => match &self.settings().webhook_secret {
                Some(of_all) => WebhookSecrets::new(of_all.clone()).replaced_by(next),
                None => WebhookSecrets::new(next),
            },
        };
        session = self.keep_secrets(&session, &secrets).await?;
        // Should somebody else do the same meanwhile, what the store has in the end is what the
        // provider is told in the end.
        loop {
            let told = session.webhook_secrets.as_ref().map(|secrets| secrets.current.clone());
            let target = self.webhook_target(&session).ok_or(GatewayError::WrongSessionState)?;
            self.ports().control.report_to(&session.place, target).await?;
            session = self.session(tenant, &session.id.into()).await?;
            let Some(kept) = session.webhook_secrets.clone() else { return Ok(session) };
            if told.as_ref() == Some(&kept.current) {
                let until = self.ports().clock.now().plus(OLD_SECRET_FOR);
                return self.keep_secrets(&session, &kept.taken(until)).await;
            }
        }
    }

    async fn keep_secrets(
        &self,
        session: &Session,
        secrets: &WebhookSecrets,
    ) -> Result<Session, GatewayError> {
        let sessions = &self.ports().sessions;
        let kept = sessions.set_webhook_secrets(session.tenant, session.id, secrets).await?;
        self.inner.directory.forget(|known| known.id == session.id);
        kept.ok_or(GatewayError::SessionNotFound)
    }

    /// One session.
    ///
    /// # Errors
    /// [`GatewayError::SessionNotFound`], also for another tenant's.
    pub async fn find_session(
        &self,
        tenant: TenantId,
        session: &SessionRef,
    ) -> Result<Session, GatewayError> {
        self.session(tenant, session).await
    }

    /// All of the tenant's sessions, oldest first.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`].
    pub async fn list_sessions(&self, tenant: TenantId) -> Result<Vec<Session>, GatewayError> {
        Ok(self.ports().sessions.list(tenant).await?)
    }

    /// Changes a session.
    ///
    /// # Errors
    /// [`GatewayError::SessionNotFound`]; [`GatewayError::Invalid`] of `/name`;
    /// [`GatewayError::Taken`] where the name is taken.
    pub async fn patch_session(
        &self,
        tenant: TenantId,
        session: &SessionRef,
        patch: SessionPatch,
    ) -> Result<Session, GatewayError> {
        if let Some(name) = &patch.name {
            check_name("/name", name, MAX_NAME_CHARS)?;
        }
        new_chats::check(&patch.new_chats)?;
        let id = self.session(tenant, session).await?.id;
        let now = self.ports().clock.now();
        let patched = self.ports().sessions.patch(tenant, id, &patch, now).await?;
        self.inner.directory.forget(|known| known.id == id);
        if patch.new_chats != NewChatsPatch::default() {
            // Whoever waits for the limits before is judged by those of now.
            self.queued(self.ports().queue.resume(id, PauseScope::NewChats).await);
        }
        patched.ok_or(GatewayError::SessionNotFound)
    }

    /// Forgets a session. One that was made here is removed at the provider too; one that was
    /// adopted is left there unless `purge` is set. Its messages stay; those that wait fail.
    ///
    /// # Errors
    /// [`GatewayError::SessionNotFound`]; [`GatewayError::ProviderUnavailable`] where the account
    /// could not be removed, and then the session is kept.
    pub async fn delete_session(
        &self,
        tenant: TenantId,
        session: &SessionRef,
        purge: bool,
    ) -> Result<(), GatewayError> {
        let session = self.session(tenant, session).await?;
        if purge || !session.adopted {
            self.ports().control.delete(&session.place).await?;
        }
        self.forget_session(&session).await?;
        // What waits is taken up, found to have no session, and failed.
        self.queued(self.ports().queue.resume(session.id, PauseScope::Session).await);
        Ok(())
    }

    /// Starts, stops, restarts or unpairs a session. Gives it as the provider says it is then.
    ///
    /// # Errors
    /// [`GatewayError::SessionNotFound`]; what the provider says.
    pub async fn command_session(
        &self,
        tenant: TenantId,
        session: &SessionRef,
        command: SessionCommand,
    ) -> Result<Session, GatewayError> {
        let session = self.session(tenant, session).await?;
        let (control, place) = (&self.ports().control, &session.place);
        let state = match command {
            SessionCommand::Start => control.start(place).await?,
            SessionCommand::Stop => control.stop(place).await?,
            SessionCommand::Restart => control.restart(place).await?,
            SessionCommand::Logout => control.logout(place).await?,
        };
        self.record_state(session, &state).await
    }

    /// What to scan to pair a telephone.
    ///
    /// # Errors
    /// [`GatewayError::SessionNotFound`]; [`GatewayError::WrongSessionState`] unless the session
    /// waits for it; [`GatewayError::ProviderUnavailable`].
    pub async fn session_qr(
        &self,
        tenant: TenantId,
        session: &SessionRef,
    ) -> Result<QrCode, GatewayError> {
        let session = self.session(tenant, session).await?;
        Ok(self.ports().control.qr(&session.place).await?)
    }

    /// A code to type into a telephone instead of scanning.
    ///
    /// # Errors
    /// As [`Gateway::session_qr`]; [`GatewayError::Invalid`] of `/phoneNumber`.
    pub async fn session_pairing_code(
        &self,
        tenant: TenantId,
        session: &SessionRef,
        phone: &str,
    ) -> Result<String, GatewayError> {
        let phone = PhoneNumber::parse(phone, self.settings().phone_validation)
            .map_err(|error| GatewayError::invalid("/phoneNumber", error.to_string()))?;
        let session = self.session(tenant, session).await?;
        Ok(self.ports().control.pairing_code(&session.place, &phone).await?)
    }

    async fn record_state(
        &self,
        session: Session,
        state: &ProviderState,
    ) -> Result<Session, GatewayError> {
        let now = self.ports().clock.now();
        let own = state.own_address.clone();
        if let Some(until) = state.new_chats_barred_until {
            self.new_chats_barred(&session, until).await?;
        }
        let changed =
            self.ports().sessions.record_status(session.id, state.status, now, own).await?;
        self.inner.directory.forget(|known| known.id == session.id);
        let Some(changed) = changed else {
            return self.session(session.tenant, &session.id.into()).await;
        };
        self.follow_status(&changed).await;
        Ok(changed)
    }

    /// Lets a session's messages go, or holds them, as its new state asks for.
    pub(crate) async fn follow_status(&self, session: &Session) {
        tracing::info!(
            session.id = %session.id,
            session.status = %session.status,
            "session {} is {}", session.id, session.status
        );
        self.observe(Observation::Session { status: session.status });
        let queue = &self.ports().queue;
        let told = if session.status == SessionStatus::Working {
            queue.resume(session.id, PauseScope::Session).await
        } else {
            let until = self.ports().clock.now().plus(RECHECK_AFTER);
            queue
                .pause(session.id, PauseScope::Session, Pause { until, why: HeldBy::Session })
                .await
        };
        self.queued(told);
    }

    /// Asks the provider about one session and records what it says.
    pub(crate) async fn refresh_session(&self, session: Session) -> Result<Session, GatewayError> {
        let state = match self.ports().control.state(&session.place).await {
            Ok(state) => state,
            Err(ProviderError::NotFound) => ProviderState::of(SessionStatus::Stopped),
            Err(error) => return Err(error.into()),
        };
        self.record_state(session, &state).await
    }
}

fn check_name(pointer: &str, name: &str, max: usize) -> Result<(), GatewayError> {
    if name.trim().is_empty() || name.chars().count() > max {
        return Err(GatewayError::invalid(pointer, format!("must have 1 to {max} characters")));
    }
    let wrong = validation::text_field(pointer, name, TextUse::Name);
    wrong.map_or(Ok(()), |wrong| Err(GatewayError::Invalid(vec![wrong])))
}

/// WAHA's own rule for session names.
fn check_provider_name(name: &str) -> Result<(), GatewayError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=54).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let detail = "must have 1 to 54 characters: letters, digits, _ and - only";
    Err(GatewayError::invalid("/wahaSession", detail))
}
