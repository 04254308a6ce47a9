//! Signing a session in.

use reqwest::Method;

use super::{WahaClient, json, required};
use crate::error::WahaError;
use crate::wire::{Base64File, PairingCode, PairingCodeRequest, QrValue};

impl WahaClient {
    /// The QR code as a PNG in base64: `GET /api/{session}/auth/qr`.
    ///
    /// The first code lasts 60 s, later ones 20 s; after six the session fails.
    ///
    /// # Errors
    /// [`WahaError::Hold`] unless the session is in `SCAN_QR_CODE`.
    pub async fn qr_image(&self, session: &str) -> Result<Base64File, WahaError> {
        let query = vec![("format", "image".to_owned())];
        required(self.read(&["api", session, "auth", "qr"], query).await?)
    }

    /// The text inside the QR code: `GET /api/{session}/auth/qr?format=raw`.
    ///
    /// # Errors
    /// [`WahaError::Hold`] unless the session is in `SCAN_QR_CODE`.
    pub async fn qr_value(&self, session: &str) -> Result<QrValue, WahaError> {
        let query = vec![("format", "raw".to_owned())];
        required(self.read(&["api", session, "auth", "qr"], query).await?)
    }

    /// A code to type into the phone of `phone_number` (digits of E.164, with or without `+`):
    /// `POST /api/{session}/auth/request-code`.
    ///
    /// # Errors
    /// [`WahaError::Hold`] unless the session is in `SCAN_QR_CODE`.
    pub async fn request_pairing_code(
        &self,
        session: &str,
        phone_number: &str,
    ) -> Result<PairingCode, WahaError> {
        let phone_number = phone_number.trim_start_matches('+').to_owned();
        let body = Some(json(&PairingCodeRequest { phone_number })?);
        let segments = ["api", session, "auth", "request-code"];
        required(self.change(Method::POST, &segments, body).await?)
    }
}
