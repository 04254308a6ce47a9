//! The life of sessions.

use reqwest::Method;
use serde::de::IgnoredAny;

use super::{WahaClient, found, json, required};
use crate::error::WahaError;
use crate::wire::{Me, SessionCreateRequest, SessionInfo, SessionUpdateRequest};

impl WahaClient {
    /// Creates a session: `POST /api/sessions`.
    ///
    /// # Errors
    /// [`WahaError::Permanent`] `session-exists` where the name is taken, `invalid-request` for a
    /// bad name or an unknown event name.
    pub async fn create_session(
        &self,
        request: &SessionCreateRequest,
    ) -> Result<SessionInfo, WahaError> {
        let body = Some(json(request)?);
        required(self.change(Method::POST, &["api", "sessions"], body).await?)
    }

    /// All sessions, stopped ones too: `GET /api/sessions?all=true`.
    ///
    /// # Errors
    /// As any read.
    pub async fn sessions(&self) -> Result<Vec<SessionInfo>, WahaError> {
        let query = vec![("all", "true".to_owned())];
        Ok(self.read(&["api", "sessions"], query).await?.unwrap_or_default())
    }

    /// One session, `None` where there is none of that name: `GET /api/sessions/{session}`.
    ///
    /// # Errors
    /// As any read.
    pub async fn session(&self, session: &str) -> Result<Option<SessionInfo>, WahaError> {
        found(self.read(&["api", "sessions", session], Vec::new()).await, "session-unknown")
    }

    /// Replaces a session's configuration wholly: `PUT /api/sessions/{session}`. A running
    /// session restarts.
    ///
    /// # Errors
    /// [`WahaError::Permanent`] `session-unknown` where there is none of that name.
    pub async fn update_session(
        &self,
        session: &str,
        request: &SessionUpdateRequest,
    ) -> Result<SessionInfo, WahaError> {
        let body = Some(json(request)?);
        required(self.change(Method::PUT, &["api", "sessions", session], body).await?)
    }

    /// Stops, signs out and deletes a session: `DELETE /api/sessions/{session}`. Deleting one
    /// that is not there is a success.
    ///
    /// # Errors
    /// As any change that may be repeated.
    pub async fn delete_session(&self, session: &str) -> Result<(), WahaError> {
        let segments = ["api", "sessions", session];
        let result = self.change::<IgnoredAny>(Method::DELETE, &segments, None).await;
        found(result, "session-unknown").map(drop)
    }

    /// Starts a session: `POST /api/sessions/{session}/start`. Starting one that runs is a
    /// success.
    ///
    /// # Errors
    /// [`WahaError::Permanent`] `session-unknown` where there is none of that name.
    pub async fn start_session(&self, session: &str) -> Result<(), WahaError> {
        match self.step(session, "start").await {
            Err(WahaError::Permanent { reason: "session-already-started", .. }) => Ok(()),
            result => result,
        }
    }

    /// Stops a session; it stays signed in: `POST /api/sessions/{session}/stop`.
    ///
    /// # Errors
    /// [`WahaError::Permanent`] `session-unknown` where there is none of that name.
    pub async fn stop_session(&self, session: &str) -> Result<(), WahaError> {
        self.step(session, "stop").await
    }

    /// Stops and starts a session: `POST /api/sessions/{session}/restart`.
    ///
    /// # Errors
    /// [`WahaError::Permanent`] `session-unknown` where there is none of that name.
    pub async fn restart_session(&self, session: &str) -> Result<(), WahaError> {
        self.step(session, "restart").await
    }

    /// Signs a session out of its account: `POST /api/sessions/{session}/logout`.
    ///
    /// # Errors
    /// [`WahaError::Permanent`] `session-unknown` where there is none of that name.
    pub async fn logout_session(&self, session: &str) -> Result<(), WahaError> {
        self.step(session, "logout").await
    }

    /// The account a session is signed in with, `None` while it is not:
    /// `GET /api/sessions/{session}/me`.
    ///
    /// # Errors
    /// [`WahaError::Permanent`] `session-unknown` where there is none of that name.
    pub async fn session_account(&self, session: &str) -> Result<Option<Me>, WahaError> {
        self.read(&["api", "sessions", session, "me"], Vec::new()).await
    }

    async fn step(&self, session: &str, step: &str) -> Result<(), WahaError> {
        let segments = ["api", "sessions", session, step];
        self.change::<IgnoredAny>(Method::POST, &segments, None).await.map(drop)
    }
}
