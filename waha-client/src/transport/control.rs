//! WAHA's sessions behind [`SessionControl`].

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use messaging_core::domain::address::Address;
use messaging_core::domain::phone::PhoneNumber;
use messaging_core::domain::session::{ProviderSession, SessionStatus};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::session_control::{
    ProviderError, ProviderServer, ProviderState, QrCode, SessionControl, WebhookTarget,
};

use super::{Server, WahaProvider};
use crate::ids::ChatId;
use crate::wire::{
    HmacConfig, IgnoreConfig, NowebConfig, NowebStoreConfig, RetriesConfig, RetryPolicy,
    SessionConfig, SessionCreateRequest, SessionInfo, SessionUpdateRequest, WebhookConfig,
};
use crate::{WahaClient, WahaError, wire};

impl WahaProvider {
    async fn client(&self, place: &ProviderSession) -> Result<WahaClient, ProviderError> {
        Ok(self.server(&place.server).await.map_err(refusal)?.client.clone())
    }

    async fn state_of(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        let info = self.client(place).await?.session(&place.name).await.map_err(refusal)?;
        info.map(|info| state(&info)).ok_or(ProviderError::NotFound)
    }
}

#[async_trait]
impl SessionControl for WahaProvider {
    fn servers(&self) -> Vec<ProviderServer> {
        let of = |server: &Server| ProviderServer {
            name: server.name.clone(),
            capacity: server.capacity,
            url: server.client.shown_url(),
            has_key: server.client.has_key(),
        };
        self.servers.given().map(of).collect()
    }

    async fn create(
        &self,
        place: &ProviderSession,
        webhook: Option<WebhookTarget>,
    ) -> Result<ProviderState, ProviderError> {
        let request = SessionCreateRequest {
            name: place.name.clone(),
            start: true,
            config: Some(config(webhook)),
        };
        let info = self.client(place).await?.create_session(&request).await.map_err(refusal)?;
        Ok(state(&info))
    }

    async fn report_to(
        &self,
        place: &ProviderSession,
        webhook: WebhookTarget,
    ) -> Result<(), ProviderError> {
        // WAHA replaces a configuration wholly, so it is what a new session's is. Unless this is
        // said, it would be taken for a change of nothing.
        let request = SessionUpdateRequest { config: Some(config(Some(webhook))) };
        let updated = self.client(place).await?.update_session(&place.name, &request).await;
        updated.map(|_| ()).map_err(refusal)
    }

    async fn state(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.state_of(place).await
    }

    async fn states(&self, server: &str) -> Result<Vec<(String, ProviderState)>, ProviderError> {
        let server = self.server(server).await.map_err(refusal)?;
        let sessions = server.client.sessions().await.map_err(refusal)?;
        Ok(sessions.into_iter().map(|info| (info.name.clone(), state(&info))).collect())
    }

    async fn start(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        match self.client(place).await?.start_session(&place.name).await {
            Ok(()) => {}
            Err(error) if error.reason() == "session-already-started" => {}
            Err(error) => return Err(refusal(error)),
        }
        self.state_of(place).await
    }

    async fn stop(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.client(place).await?.stop_session(&place.name).await.map_err(refusal)?;
        self.state_of(place).await
    }

    async fn restart(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.client(place).await?.restart_session(&place.name).await.map_err(refusal)?;
        self.state_of(place).await
    }

    async fn logout(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.client(place).await?.logout_session(&place.name).await.map_err(refusal)?;
        self.state_of(place).await
    }

    async fn delete(&self, place: &ProviderSession) -> Result<(), ProviderError> {
        self.client(place).await?.delete_session(&place.name).await.map_err(refusal)
    }

    async fn qr(&self, place: &ProviderSession) -> Result<QrCode, ProviderError> {
        let client = self.client(place).await?;
        let image = client.qr_image(&place.name).await.map_err(refusal)?;
        let image = STANDARD.decode(image.data).map_err(|_| ProviderError::Unavailable)?;
        // The picture is what is asked for; engines that give no text still give it.
        let value = client.qr_value(&place.name).await.ok().map(|raw| raw.value);
        Ok(QrCode { value, image })
    }

    async fn pairing_code(
        &self,
        place: &ProviderSession,
        phone: &PhoneNumber,
    ) -> Result<String, ProviderError> {
        let client = self.client(place).await?;
        let code = client.request_pairing_code(&place.name, phone.digits()).await;
        Ok(code.map_err(refusal)?.code)
    }

    async fn ping(&self, server: &str) -> Result<(), ProviderError> {
        // Asks with the key: a server that refuses it is of no more use than one that is down.
        let server = self.server(server).await.map_err(refusal)?;
        let version = server.client.version().await;
        version.map(|_| ()).map_err(refusal)
    }
}

fn config(webhook: Option<WebhookTarget>) -> SessionConfig {
    let webhooks = webhook.map(|target| {
        vec![WebhookConfig {
            url: target.url,
            // `message` is left out: `message.any` tells of the same and of what goes out.
            events: ["message.any", "message.ack", "session.status"].map(str::to_owned).into(),
            hmac: target.secret.map(|key| HmacConfig { key: Some(key) }),
            // Half an hour rather than WAHA's half a minute: events live in its memory only.
            retries: Some(RetriesConfig {
                policy: Some(RetryPolicy::Exponential),
                delay_seconds: Some(2),
                attempts: Some(10),
            }),
            ..WebhookConfig::default()
        }]
    });
    SessionConfig {
        webhooks,
        ignore: Some(IgnoreConfig {
            status: Some(true),
            groups: None,
            channels: Some(true),
            broadcast: Some(true),
        }),
        // Without its store a NOWEB session cannot tell whether a message went out.
        noweb: Some(NowebConfig {
            mark_online: Some(false),
            store: Some(NowebStoreConfig { enabled: true, full_sync: false }),
            ..NowebConfig::default()
        }),
        ..SessionConfig::default()
    }
}

fn state(info: &SessionInfo) -> ProviderState {
    let own_address = info.me.as_ref().and_then(|me| ChatId::parse(&me.id).ok());
    ProviderState {
        status: status(info.status),
        own_address: own_address.as_ref().map(address),
        new_chats_barred_until: info.me.as_ref().and_then(new_chats_barred_until),
    }
}

/// Until when an account may open no chats, where WAHA knows: WhatsApp has locked it, or it has used
/// what it may open in a cycle.
fn new_chats_barred_until(me: &wire::Me) -> Option<Timestamp> {
    let lock = me.reachout_timelock.as_ref().filter(|lock| lock.is_active);
    let locked = lock.and_then(|lock| instant(lock.ends.as_ref()?));
    let capping = me.message_capping.as_ref().filter(|capping| {
        let (total, used) = (capping.total.unwrap_or_default(), capping.used.unwrap_or_default());
        total > 0 && used >= total
    });
    let capped = capping.and_then(|capping| instant(capping.ends.as_ref()?));
    locked.max(capped)
}

/// What engines write for an instant: seconds, milliseconds, either as a text, or RFC 3339.
fn instant(value: &serde_json::Value) -> Option<Timestamp> {
    let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    match number {
        // In seconds that would be the year 5138.
        Some(millis) if millis >= 100_000_000_000 => Some(Timestamp::from_millis(millis)),
        Some(seconds) if seconds > 0 => Some(Timestamp::from_millis(seconds.saturating_mul(1000))),
        Some(_) => None,
        None => Timestamp::parse(value.as_str()?).ok(),
    }
}

/// WAHA's status in the core's words.
pub(super) fn status(status: wire::SessionStatus) -> SessionStatus {
    match status {
        wire::SessionStatus::Stopped => SessionStatus::Stopped,
        wire::SessionStatus::Starting => SessionStatus::Starting,
        wire::SessionStatus::ScanQrCode => SessionStatus::ScanQr,
        wire::SessionStatus::PasskeyRequired => SessionStatus::PasskeyRequired,
        wire::SessionStatus::PasskeyConfirmationRequired => {
            SessionStatus::PasskeyConfirmationRequired
        }
        wire::SessionStatus::Working => SessionStatus::Working,
        wire::SessionStatus::Failed => SessionStatus::Failed,
        wire::SessionStatus::Unknown => SessionStatus::Unknown,
    }
}

/// A chat as an address: a person's number where the id holds one.
pub(super) fn address(chat: &ChatId) -> Address {
    chat.phone()
        .and_then(PhoneNumber::from_digits)
        .map_or_else(|| Address::Chat(chat.as_str().to_owned()), Address::Phone)
}

#[expect(clippy::needless_pass_by_value, reason = "reads as the function to map errors with")]
pub(super) fn refusal(error: WahaError) -> ProviderError {
    match &error {
        WahaError::Hold { .. } => ProviderError::WrongState,
        WahaError::Permanent { reason, .. } => match *reason {
            "session-unknown" | "not-found" => ProviderError::NotFound,
            "session-exists" => ProviderError::AlreadyExists,
            // A wrong key is the operator's to mend, nothing the caller did.
            "unauthorized" | "forbidden" => {
                tracing::error!(
                    "WAHA refuses our key: check WAHA_API_KEY, or the key of a server that was added"
                );
                ProviderError::Unavailable
            }
            reason => ProviderError::Refused { reason },
        },
        _ => ProviderError::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(me: serde_json::Value, expected: Option<i64>) {
        let mut me = me;
        me["id"] = json!("5511900001111@c.us");
        let me: wire::Me = serde_json::from_value(me).unwrap();
        assert_eq!(new_chats_barred_until(&me), expected.map(Timestamp::from_millis));
    }

    #[test]
    fn what_whatsapp_bars_is_read_in_whatever_form_engines_tell_it() {
        let at = Some(1_786_218_427_000);
        let lock =
            |ends| json!({"reachoutTimelock": {"isActive": true, "timeEnforcementEnds": ends}});
        check(lock(json!(1_786_218_427)), at);
        check(lock(json!("1786218427")), at);
        check(lock(json!(1_786_218_427_000_i64)), at);
        check(lock(json!("2026-08-08T19:47:07Z")), at);
        let ends = json!("1786218427");
        check(json!({"reachoutTimelock": {"is_active": true, "time_enforcement_ends": ends}}), at);
        let full = json!({"totalQuota": 30, "usedQuota": 30, "cycleEndTimestamp": "1786218427"});
        check(json!({"messageCapping": full}), at);
        let full = json!({"total_quota": "30", "used_quota": 31, "cycle_end_timestamp": ends});
        check(json!({"messageCapping": full}), at);
    }

    #[test]
    fn what_bars_nothing_or_cannot_be_read_is_nothing() {
        for me in [
            json!({}),
            json!({"reachoutTimelock": null, "messageCapping": null}),
            json!({"reachoutTimelock": "no", "messageCapping": [1]}),
            json!({"reachoutTimelock": {"isActive": false, "timeEnforcementEnds": 1_786_218_427}}),
            json!({"reachoutTimelock": {"isActive": true}}),
            json!({"reachoutTimelock": {"isActive": true, "timeEnforcementEnds": "soon"}}),
            json!({"reachoutTimelock": {"isActive": true, "timeEnforcementEnds": 0}}),
            json!({"messageCapping": {"totalQuota": 30, "usedQuota": 29, "cycleEndTimestamp": 9}}),
            json!({"messageCapping": {"totalQuota": 0, "usedQuota": 0, "cycleEndTimestamp": 9}}),
        ] {
            check(me, None);
        }
    }
}
