//! What limits the chats that a session opens, and what WhatsApp restricts it to.

use crate::domain::id::TenantId;
use crate::domain::new_chats::{DAY, NewChatLimits, NewChatsPatch, Restriction};
use crate::domain::session::Session;
use crate::domain::timestamp::Timestamp;
use crate::gateway::error::{GatewayError, InvalidField};
use crate::gateway::{Gateway, SessionRef};
use crate::ports::observer::Observation;
use crate::ports::queue::{HeldBy, Pause, PauseScope};

/// The most new chats in a day that can be asked for.
const MOST_PER_DAY: u32 = 1_000_000;

impl Gateway {
    /// What limits the chats that a session opens: what it says itself, and else what holds for all.
    pub fn new_chat_limits(&self, session: &Session) -> NewChatLimits {
        session.new_chats.limits(self.settings().new_chats)
    }

    /// What WhatsApp restricts a session's new chats to at present.
    pub fn new_chat_restriction(&self, session: &Session) -> Option<Restriction> {
        session.new_chats.restricted(self.ports().clock.now()).copied()
    }

    /// Lets a session open chats again that WhatsApp was taken to restrict.
    ///
    /// # Errors
    /// [`GatewayError::SessionNotFound`], also for another tenant's.
    pub async fn resume_new_chats(
        &self,
        tenant: TenantId,
        session: &SessionRef,
    ) -> Result<Session, GatewayError> {
        let id = self.session(tenant, session).await?.id;
        let session = self.ports().sessions.restrict(id, None).await?;
        self.inner.directory.forget(|known| known.id == id);
        self.queued(self.ports().queue.resume(id, PauseScope::NewChats).await);
        session.ok_or(GatewayError::SessionNotFound)
    }

    /// WhatsApp refused to let a session open a chat.
    pub(crate) async fn new_chat_refused(&self, session: &Session) -> Result<(), GatewayError> {
        let now = self.ports().clock.now();
        // What is remembered of the session may be a moment old.
        let Some(known) = self.ports().sessions.find_any(session.id).await? else { return Ok(()) };
        let before = known.new_chats.restriction.as_ref();
        let told = Restriction::told(before, self.settings().restriction, now);
        self.restrict_new_chats(&known, told).await
    }

    /// WhatsApp says until when a session may open no chats.
    pub(crate) async fn new_chats_barred(
        &self,
        session: &Session,
        until: Timestamp,
    ) -> Result<(), GatewayError> {
        let now = self.ports().clock.now();
        let before = session.new_chats.restriction.as_ref();
        match Restriction::announced(before, until, now) {
            Some(announced) => self.restrict_new_chats(session, announced).await,
            None => Ok(()),
        }
    }

    async fn restrict_new_chats(
        &self,
        session: &Session,
        restriction: Restriction,
    ) -> Result<(), GatewayError> {
        let id = session.id;
        if session.new_chats.restriction != Some(restriction) {
            tracing::warn!(
                session.id = %id, until = %restriction.until, times = restriction.times,
                "WhatsApp lets session {id} open no new chats: those that wait are held until {}",
                restriction.until
            );
            self.ports().sessions.restrict(id, Some(restriction)).await?;
            self.inner.directory.forget(|known| known.id == id);
        }
        let why = HeldBy::Restricted;
        self.observe(Observation::Held { why });
        let pause = Pause { until: restriction.until, why };
        self.queued(self.ports().queue.pause(id, PauseScope::NewChats, pause).await);
        Ok(())
    }
}

/// What is wrong with limits that somebody asks for.
pub(super) fn check(patch: &NewChatsPatch) -> Result<(), GatewayError> {
    let mut wrong = Vec::new();
    if patch.per_day.flatten().is_some_and(|limit| limit > MOST_PER_DAY) {
        let detail = format!("must be at most {MOST_PER_DAY}");
        wrong.push(InvalidField::new("/newChatsPerDay", "invalid-request", detail));
    }
    let is_bad = |spacing: crate::domain::new_chats::Spacing| {
        spacing.least > spacing.most || spacing.most > DAY
    };
    if patch.spacing.flatten().is_some_and(is_bad) {
        let detail = "must end no earlier than it begins, and after a day at the latest";
        wrong.push(InvalidField::new("/newChatSpacing", "invalid-request", detail));
    }
    if wrong.is_empty() { Ok(()) } else { Err(GatewayError::Invalid(wrong)) }
}
