//! What pairs a telephone with a session.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use messaging_core::ports::session_control::QrCode;
use poem::web::Accept;
use poem_openapi::payload::{Binary, Json};
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, ResponseContent};
use serde::Deserialize;

use crate::api::body::RequestJson;

/// A QR code as JSON.
#[derive(Clone, PartialEq, Object)]
#[oai(rename = "QrCode", rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct QrJson {
    /// The text the code stands for, where WAHA tells.
    pub value: Option<String>,
    /// The media type of `data`.
    pub mimetype: String,
    /// A picture of the code in base64.
    pub data: String,
}

/// A QR code in the form that was asked for.
#[derive(ResponseContent)]
pub enum Qr {
    /// As a picture.
    #[oai(content_type = "image/png")]
    Picture(Binary<Vec<u8>>),
    /// As JSON.
    Json(Json<QrJson>),
}

impl Qr {
    /// The code as JSON where that is asked for before a picture.
    pub(super) fn as_accepted(code: QrCode, accept: &Accept) -> Self {
        const PNG: &str = "image/png";
        let first = accept.0.iter().find_map(|each| match each.essence_str() {
            "application/json" => Some(true),
            PNG | "image/*" | "*/*" => Some(false),
            _ => None,
        });
        if first == Some(true) {
            let data = STANDARD.encode(&code.image);
            return Self::Json(Json(QrJson { value: code.value, mimetype: PNG.to_owned(), data }));
        }
        Self::Picture(Binary(code.image))
    }
}

/// The answer to a request for a QR code.
#[derive(ApiResponse)]
pub enum QrAnswer {
    /// The code, as a picture or as JSON.
    #[oai(status = 200)]
    Shown(Qr),
}

/// The telephone to be paired.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestPairingCode {
    /// Its number in international form (E.164).
    pub phone_number: String,
}

impl RequestJson for RequestPairingCode {}

impl Example for RequestPairingCode {
    fn example() -> Self {
        Self { phone_number: "+5511988887777".to_owned() }
    }
}

/// A code to type into the telephone.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", example)]
pub struct PairingCode {
    /// The code.
    pub code: String,
}

impl Example for PairingCode {
    fn example() -> Self {
        Self { code: "ABCD-EFGH".to_owned() }
    }
}
