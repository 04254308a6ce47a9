//! Signing a session in: QR codes and pairing codes. Whoever holds one can take the account.

use serde::{Deserialize, Serialize};

use crate::redaction::debug_shows;

/// Answer of `GET /api/{session}/auth/qr` with `Accept: application/json`: a picture.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Base64File {
    /// `image/png`.
    pub mimetype: String,
    /// The picture in base64.
    pub data: String,
}

debug_shows!(Base64File { mimetype });

/// Answer of `GET /api/{session}/auth/qr?format=raw`: the text inside the QR code.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QrValue {
    /// The text to draw as a QR code.
    pub value: String,
}

debug_shows!(QrValue {});

/// Body of `POST /api/{session}/auth/request-code`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PairingCodeRequest {
    /// Digits of the phone number to pair with.
    #[serde(rename = "phoneNumber")]
    pub phone_number: String,
}

debug_shows!(PairingCodeRequest {});

/// Answer of `POST /api/{session}/auth/request-code`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PairingCode {
    /// What is typed into the phone, `ABCD-EFGH`.
    pub code: String,
}

debug_shows!(PairingCode {});
