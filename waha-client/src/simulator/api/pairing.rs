//! Signing in: QR codes as pictures and as text, pairing codes, and the browser's screen.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::answer::Answer;
use super::call::Call;
use super::no_route;
use crate::simulator::picture;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use crate::wire::{Base64File, ErrorBody, PairingCode, QrValue, SessionStatus};

pub(super) async fn route(
    world: &Arc<World>,
    call: &Call,
    session: &str,
    path: &[&str],
) -> Result<Answer, Refusal> {
    match (call.method.as_str(), path) {
        ("GET", ["qr"]) => {
            world.ready(session, SessionStatus::ScanQrCode).await?;
            let value = {
                let state = world.state();
                state.sessions.get(session).and_then(|session| session.qr.clone())
            };
            let value = value.unwrap_or_default();
            if call.query("format") == Some("raw") {
                return Ok(Answer::ok(QrValue { value }));
            }
            Ok(picture_answer(call, &value))
        }
        ("POST", ["request-code"]) => {
            world.ready(session, SessionStatus::ScanQrCode).await?;
            if call.text("phoneNumber").is_none_or(str::is_empty) {
                let sentence = "Cannot read properties of undefined (reading 'phoneNumber')";
                return Err(Refusal::thrown(sentence));
            }
            Ok(Answer::created(PairingCode { code: world.dice.pairing_code() }))
        }
        _ => Err(no_route(call)),
    }
}

/// What the browser shows; only engines that run in one can tell.
pub(super) async fn screenshot(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let engine = world.knobs().engine;
    if engine.takes_message_id() {
        return Err(ErrorBody::not_implemented(engine).into());
    }
    let session = call.query("session").ok_or_else(ErrorBody::session_name_required)?;
    if world.summary(session).is_none() {
        return Err(ErrorBody::session_does_not_exist(session).into());
    }
    Ok(picture_answer(call, session))
}

fn picture_answer(call: &Call, text: &str) -> Answer {
    let (mimetype, png) = ("image/png".to_owned(), picture::png_of(text));
    if call.accepts_json_only {
        return Answer::ok(Base64File { mimetype, data: STANDARD.encode(png) });
    }
    Answer::Bytes(mimetype, png)
}
