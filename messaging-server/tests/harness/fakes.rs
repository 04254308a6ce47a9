//! Ports with nothing behind them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use messaging_core::domain::id::{MessageId, SessionId};
use messaging_core::domain::message::QueueItem;
use messaging_core::domain::phone::PhoneNumber;
use messaging_core::domain::quota::{Decision, Quota, SlidingWindow};
use messaging_core::domain::session::{ProviderSession, SessionStatus};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::queue::{Claim, Claims, Pause, Position, Queue, QueueError};
use messaging_core::ports::rate_limiter::{
    Permit, RateKey, RateLimiter, RateLimiterError, Reservation,
};
use messaging_core::ports::session_control::{
    ProviderError, ProviderState, QrCode, SessionControl, WebhookTarget,
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
        Ok(ProviderState { status, own_address: None })
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
    fn servers(&self) -> Vec<String> {
        vec!["waha".to_owned()]
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
        Ok(ProviderState { status: SessionStatus::ScanQr, own_address: None })
    }

    async fn state(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError> {
        self.answer()?;
        let status = self.status(&place.name).ok_or(ProviderError::NotFound)?;
        Ok(ProviderState { status, own_address: None })
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

/// A queue that takes everything and hands out nothing.
pub(crate) struct QuietQueue;

#[async_trait]
impl Queue for QuietQueue {
    async fn push(&self, _: &[QueueItem]) -> Result<(), QueueError> {
        Ok(())
    }
    async fn claim(&self, _: usize, _: Duration, _: Timestamp) -> Result<Claims, QueueError> {
        Ok(Claims::default())
    }
    async fn complete(&self, _: &Claim) -> Result<bool, QueueError> {
        Ok(false)
    }
    async fn retry_at(&self, _: &Claim, _: Timestamp) -> Result<bool, QueueError> {
        Ok(false)
    }
    async fn pause(&self, _: SessionId, _: Pause) -> Result<(), QueueError> {
        Ok(())
    }
    async fn resume(&self, _: SessionId) -> Result<(), QueueError> {
        Ok(())
    }
    async fn forget(&self, _: &[MessageId]) -> Result<(), QueueError> {
        Ok(())
    }
    async fn position(&self, _: &QueueItem) -> Result<Option<Position>, QueueError> {
        Ok(None)
    }
    async fn session_depth(&self, _: SessionId) -> Result<u64, QueueError> {
        Ok(0)
    }
    async fn depth(&self) -> Result<u64, QueueError> {
        Ok(0)
    }
    async fn changed(&self, _: u64) {
        std::future::pending().await
    }
}

/// A limiter that counts everything in sliding windows.
#[derive(Default)]
pub(crate) struct WindowLimiter {
    windows: Mutex<BTreeMap<RateKey, SlidingWindow>>,
    permits: AtomicU64,
}

impl WindowLimiter {
    fn with<T>(&self, key: RateKey, act: impl FnOnce(&mut SlidingWindow) -> T) -> T {
        act(self.windows.lock().unwrap().entry(key).or_default())
    }
}

#[async_trait]
impl RateLimiter for WindowLimiter {
    async fn reserve(
        &self,
        key: RateKey,
        quota: Quota,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Reservation, RateLimiterError> {
        let id = self.permits.fetch_add(1, Ordering::SeqCst);
        Ok(match self.with(key, |window| window.reserve(quota, id, until, now)) {
            Decision::Allowed { remaining } => {
                Reservation::Granted { permit: Permit { key, id }, remaining }
            }
            Decision::Limited { retry_after } => Reservation::Limited { retry_after },
        })
    }

    async fn settle(&self, permit: Permit, at: Timestamp) -> Result<(), RateLimiterError> {
        self.with(permit.key, |window| window.settle(permit.id, at));
        Ok(())
    }

    async fn release(&self, permit: Permit) -> Result<(), RateLimiterError> {
        self.with(permit.key, |window| window.release(permit.id));
        Ok(())
    }

    async fn prime(&self, _: RateKey, _: &[Timestamp]) -> Result<(), RateLimiterError> {
        Ok(())
    }

    async fn admit(
        &self,
        key: RateKey,
        quota: Quota,
        now: Timestamp,
    ) -> Result<Decision, RateLimiterError> {
        let id = self.permits.fetch_add(1, Ordering::SeqCst);
        Ok(self.with(key, |window| {
            let decision = window.reserve(quota, id, now, now);
            window.settle(id, now);
            decision
        }))
    }
}
