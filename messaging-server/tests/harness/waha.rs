//! WAHA as far as sessions go.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use messaging_core::domain::phone::PhoneNumber;
use messaging_core::domain::session::{ProviderSession, SessionStatus};
use messaging_core::ports::session_control::{
    ProviderError, ProviderServer, ProviderState, QrCode, SessionControl, WebhookTarget,
};

/// WAHA as far as sessions go: one server, with the sessions it is told of.
#[derive(Default)]
pub(crate) struct FakeWaha {
    sessions: Mutex<BTreeMap<String, SessionStatus>>,
    down: AtomicBool,
}

impl FakeWaha {
    /// Has a session in this state.
    pub(crate) fn has(&self, name: &str, status: SessionStatus) {
        self.sessions.lock().unwrap().insert(name.to_owned(), status);
    }

    /// The state of a session, where there is one.
    pub(crate) fn status(&self, name: &str) -> Option<SessionStatus> {
        self.sessions.lock().unwrap().get(name).copied()
    }

    /// Answers nothing any more.
    pub(crate) fn go_down(&self) {
        self.down.store(true, Ordering::SeqCst);
    }

    fn answer(&self) -> Result<(), ProviderError> {
        if self.down.load(Ordering::SeqCst) { Err(ProviderError::Unavailable) } else { Ok(()) }
    }

    fn put(
        &self,
        place: &ProviderSession,
        status: SessionStatus,
    ) -> Result<ProviderState, ProviderError> {
        self.answer()?;
        let mut sessions = self.sessions.lock().unwrap();
        *sessions.get_mut(&place.name).ok_or(ProviderError::NotFound)? = status;
        Ok(ProviderState::of(status))
    }

    fn pairing(&self, place: &ProviderSession) -> Result<(), ProviderError> {
        self.answer()?;
        match self.status(&place.name) {
            Some(SessionStatus::ScanQr) => Ok(()),
            Some(_) => Err(ProviderError::WrongState),
            None => Err(ProviderError::NotFound),
        }
    }
}

#[async_trait]
impl SessionControl for FakeWaha {
    fn servers(&self) -> Vec<ProviderServer> {
        vec![ProviderServer::named("waha")]
    }

    async fn create(
        &self,
        place: &ProviderSession,
        _: Option<WebhookTarget>,
    ) -> Result<ProviderState, ProviderError> {
        self.answer()?;
        if self.status(&place.name).is_some() {
            return Err(ProviderError::AlreadyExists);
        }
        self.has(&place.name, SessionStatus::ScanQr);
        Ok(ProviderState::of(SessionStatus::ScanQr))
    }

    async fn report_to(
        &self,
        place: &ProviderSession,
        _: WebhookTarget,
    ) -> Result<(), ProviderError> {
        self.answer()?;
        self.status(&place.name).map(|_| ()).ok_or(ProviderError::NotFound)
    }

    async fn state(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.answer()?;
        let status = self.status(&place.name).ok_or(ProviderError::NotFound)?;
        Ok(ProviderState::of(status))
    }

    async fn states(&self, _: &str) -> Result<Vec<(String, ProviderState)>, ProviderError> {
        self.answer()?;
        Ok(vec![])
    }

    async fn start(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.put(place, SessionStatus::Working)
    }

    async fn stop(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.put(place, SessionStatus::Stopped)
    }

    async fn restart(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.put(place, SessionStatus::Starting)
    }

    async fn logout(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.put(place, SessionStatus::ScanQr)
    }

    async fn delete(&self, place: &ProviderSession) -> Result<(), ProviderError> {
        self.answer()?;
        self.sessions.lock().unwrap().remove(&place.name);
        Ok(())
    }

    async fn qr(&self, place: &ProviderSession) -> Result<QrCode, ProviderError> {
        self.pairing(place)?;
        Ok(QrCode { value: Some("2@code".to_owned()), image: b"\x89PNG picture".to_vec() })
    }

    async fn pairing_code(
        &self,
        place: &ProviderSession,
        _: &PhoneNumber,
    ) -> Result<String, ProviderError> {
        self.pairing(place)?;
        Ok("ABCD-EFGH".to_owned())
    }

    async fn ping(&self, _: &str) -> Result<(), ProviderError> {
        self.answer()
    }
}
