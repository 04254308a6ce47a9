//! Taking in a webhook: verify, keep, answer. What it means is found out later.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::domain::fingerprint::RequestHash;
use crate::domain::id::{InboxId, SessionId};
use crate::domain::inbox::{InboxEntry, Kept};
use crate::domain::pii::PiiPolicy;
use crate::domain::quota::Decision;
use crate::domain::session::{Session, WatchedSession};
use crate::gateway::Gateway;
use crate::gateway::directory::Asked;
use crate::gateway::error::GatewayError;
use crate::ports::observer::{InboxResult, Observation, WebhookResult};
use crate::ports::provider_history::Report;
use crate::ports::rate_limiter::RateKey;
use crate::ports::webhook_verifier::Headers;

/// How long a webhook is left to the node that kept it. Then whoever looks after the others applies
/// it: its node may be gone.
const OURS_FOR: Duration = Duration::from_secs(5);

/// That a source may send one more webhook: see [`Gateway::admit_webhook`].
#[derive(Debug)]
pub struct Admitted(());

/// A webhook as it came in.
pub struct Webhook<'a> {
    /// That its source may send it.
    pub admitted: Admitted,
    /// The session its address names; `None` for the address all sessions share, where the body
    /// tells which.
    pub session: Option<SessionId>,
    /// Its headers.
    pub headers: &'a dyn Headers,
    /// Its body, byte for byte.
    pub body: &'a [u8],
}

impl Gateway {
    /// Counts a webhook to its source, before anything of its body is read: whoever sends too many has
    /// nothing of them held in memory. A source is any number that stands for where it comes from.
    ///
    /// # Errors
    /// [`GatewayError::WebhookRateLimited`] where the source sends too many.
    pub async fn admit_webhook(&self, source: u64) -> Result<Admitted, GatewayError> {
        let quota = self.settings().webhook_quota;
        match self.admit(RateKey::WebhookSource(source), quota).await {
            Decision::Limited { retry_after } => {
                self.observe_unread(WebhookResult::RateLimited);
                Err(GatewayError::WebhookRateLimited { quota, retry_after })
            }
            _ => Ok(Admitted(())),
        }
    }

    /// Takes in a webhook. When this returns `Ok`, it is on durable storage and will take effect
    /// once, however often it is repeated.
    ///
    /// # Errors
    /// - [`GatewayError::SessionWebhooksLimited`] where its session has too many.
    /// - [`GatewayError::Signature`] where it is not believed.
    /// - [`GatewayError::Malformed`] where it is not what the provider sends.
    /// - [`GatewayError::SessionNotFound`] where nobody has the session it is about.
    /// - [`GatewayError::Unavailable`] where it cannot be kept: the provider will repeat it.
    pub async fn receive_webhook(&self, webhook: Webhook<'_>) -> Result<Kept, GatewayError> {
        let began = self.ports().clock.now();
        let size_bytes = webhook.body.len();
        let result = self.try_receive(webhook).await;
        let (what, reason) = match &result {
            Ok(Kept::New) => (WebhookResult::Kept, None),
            Ok(Kept::Repeat) => (WebhookResult::Repeat, None),
            Err(GatewayError::Signature(reason)) => (WebhookResult::BadSignature, Some(*reason)),
            Err(GatewayError::Malformed(_)) => (WebhookResult::Malformed, None),
            Err(GatewayError::SessionNotFound) => (WebhookResult::UnknownSession, None),
            Err(GatewayError::SessionWebhooksLimited { .. }) => (WebhookResult::RateLimited, None),
            Err(_) => (WebhookResult::Unavailable, None),
        };
        self.observe(Observation::Webhook {
            result: what,
            reason,
            size_bytes,
            took: self.ports().clock.now().since(began),
        });
        result
    }

    async fn try_receive(&self, webhook: Webhook<'_>) -> Result<Kept, GatewayError> {
        let ports = self.ports();
        self.believe(&webhook).await?;
        let head = ports.decoder.head(webhook.body)?;
        let session = self.webhook_session(webhook.session, &head.session).await?;
        // Counted once it is believed: nobody uses up what is another's. By each node for itself: it is
        // the node that a flood would drown.
        let quota = self.settings().session_webhook_quota;
        let key = RateKey::WebhookSession(session.id);
        let now = ports.clock.now();
        if let Decision::Limited { retry_after } = self.inner.flood.admit_now(key, quota, now) {
            return Err(GatewayError::SessionWebhooksLimited { quota, retry_after });
        }
        // It is not looked at again, and may hold anything.
        let is_kept_empty =
            !head.has_effect && self.pii_policy(session.tenant).await? == PiiPolicy::Redact;
        let payload = if is_kept_empty { Vec::new() } else { webhook.body.to_vec() };
        let (received_at, id) = self.inner.ids.draw();
        let entry = InboxEntry {
            id: InboxId(id),
            tenant: session.tenant,
            session: session.id,
            event: head.event,
            key: head.key,
            payload,
            received_at,
            attempts: 0,
            // For others. Not the id's instant, which runs ahead of a clock that was set back.
            due_at: ports.clock.now().plus(OURS_FOR),
            has_effect: head.has_effect,
        };
        let kept = self.keep(vec![entry]).await?;
        Ok(kept.first().copied().unwrap_or(Kept::New))
    }

    /// Believes a webhook or says why not. At a session's own address what counts are the secrets of
    /// that session, where it has any: whoever knows another session's speaks for that one alone.
    async fn believe(&self, webhook: &Webhook<'_>) -> Result<(), GatewayError> {
        let ports = self.ports();
        let session = match webhook.session {
            Some(id) => self.look_up(Asked::Any(id)).await?,
            None => None,
        };
        let secrets = session.as_ref().and_then(|session| session.webhook_secrets.as_ref());
        let believed = match secrets {
            Some(secrets) => {
                let live: Vec<_> = secrets.live(ports.clock.now()).collect();
                ports.verifier.verify_with(&live, webhook.headers, webhook.body)
            }
            None => ports.verifier.verify(webhook.headers, webhook.body),
        };
        believed.map_err(GatewayError::Signature)
    }

    /// Refuses a webhook for where it comes from, before anything of it is read.
    pub fn refuse_webhook_source(&self) -> GatewayError {
        self.observe_unread(WebhookResult::SourceNotAllowed);
        GatewayError::SourceNotAllowed
    }

    fn observe_unread(&self, result: WebhookResult) {
        let took = Duration::ZERO;
        self.observe(Observation::Webhook { result, reason: None, size_bytes: 0, took });
    }

    /// Keeps what was told, and has this node apply it soon. Tells of each whether it was new.
    async fn keep(&self, mut entries: Vec<InboxEntry>) -> Result<Vec<Kept>, GatewayError> {
        for entry in &mut entries {
            let key = std::mem::take(&mut entry.key);
            entry.key = self.repeats_by(key);
        }
        let kept = self.ports().inbox.keep(&entries).await?;
        for (entry, kept) in entries.into_iter().zip(&kept) {
            match kept {
                Kept::New if entry.has_effect => self.inner.fresh.add(entry),
                Kept::New => {
                    let since_received = self.ports().clock.now().since(entry.received_at);
                    let result = InboxResult::Ignored;
                    self.observe(Observation::Inbox { result, since_received });
                }
                Kept::Repeat => {}
            }
        }
        Ok(kept)
    }

    /// What tells repeats as it is kept: it may be made of a number, or of what everybody can try through.
    fn repeats_by(&self, key: String) -> String {
        let digest = Sha256::new().chain_update(b"webhook\0").chain_update(&key).finalize();
        let plain = RequestHash(digest.into());
        let keyed = self.settings().pseudonyms.request(plain);
        if keyed == plain {
            return key;
        }
        keyed.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Takes in what a provider remembers and no webhook told, each under its key: as if a webhook
    /// had. Gives how many were not taken in so before.
    pub(crate) async fn take_in(
        &self,
        session: &WatchedSession,
        told: Vec<(String, Report)>,
    ) -> Result<usize, GatewayError> {
        let entry = |(key, Report { event, body }): (String, Report)| {
            let (received_at, id) = self.inner.ids.draw();
            InboxEntry {
                id: InboxId(id),
                tenant: session.tenant,
                session: session.id,
                event,
                key,
                payload: body,
                received_at,
                attempts: 0,
                due_at: self.ports().clock.now().plus(OURS_FOR),
                has_effect: true,
            }
        };
        let kept = self.keep(told.into_iter().map(entry).collect()).await?;
        Ok(kept.into_iter().filter(|kept| *kept == Kept::New).count())
    }

    async fn webhook_session(
        &self,
        addressed: Option<SessionId>,
        name: &str,
    ) -> Result<Arc<Session>, GatewayError> {
        let found = match addressed {
            Some(id) => self.look_up(Asked::Any(id)).await?.filter(|each| each.place.name == name),
            None => self.look_up(Asked::Placed(name.to_owned())).await?,
        };
        found.ok_or(GatewayError::SessionNotFound)
    }
}
