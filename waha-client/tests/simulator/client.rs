//! The typed client and the simulator understand each other.

use std::time::Duration;

use waha_client::client::{ChatScope, MessageQuery};
use waha_client::ids::ChatId;
use waha_client::simulator::{DEFAULT_API_KEY, Fault, FaultRule, Inbound, SeededSession};
use waha_client::wire::{SessionStatus, TextRequest};
use waha_client::{Engine, WahaClient, WahaError};

use crate::harness::{CHAT, MAIN, Rig, config};

fn client_of(rig: &Rig) -> WahaClient {
    WahaClient::new(rig.simulator.base_url(), DEFAULT_API_KEY.to_owned().into()).unwrap()
}

fn text(text: &str) -> TextRequest {
    TextRequest {
        session: MAIN.to_owned(),
        chat_id: CHAT.to_owned(),
        text: text.to_owned(),
        ..TextRequest::default()
    }
}

#[tokio::test]
async fn a_text_goes_out_on_every_engine() {
    for engine in [Engine::Webjs, Engine::Noweb, Engine::Gows] {
        let rig = Rig::of(engine).await;
        let receipt = client_of(&rig).send_text(&text("Hi")).await.unwrap();
        let delivered = rig.simulator.deliveries();
        assert_eq!(receipt.raw_id().unwrap().as_str(), delivered[0].raw_id, "{engine}");
        assert_eq!(delivered[0].text.as_deref(), Some("Hi"));
    }
}

#[tokio::test]
async fn messages_are_read_back() {
    let rig = Rig::of(Engine::Gows).await;
    let client = client_of(&rig);
    rig.simulator.receive(MAIN, &Inbound::text("12025550123", "Hello")).unwrap();
    let page = client.messages(MAIN, ChatScope::All, &MessageQuery::default()).await.unwrap();
    assert_eq!((page.messages.len(), page.unreadable), (1, 0));
    assert_eq!(page.messages[0].body.as_deref(), Some("Hello"));
    let overview = client.chats_overview(MAIN, 10, 0).await.unwrap();
    assert_eq!(overview.len(), 1);
}

#[tokio::test]
async fn numbers_and_hidden_ids_are_looked_up() {
    let rig = Rig::of(Engine::Gows).await;
    let client = client_of(&rig);
    let brazilian = client.check_exists(MAIN, "+5511988887777").await.unwrap();
    assert_eq!(brazilian.chat(), ChatId::parse("551188887777@c.us").ok());
    let mapping = client.lid_of_phone(MAIN, "+12025550123").await.unwrap();
    let back = client.phone_of_lid(MAIN, &mapping.lid_chat().unwrap()).await.unwrap();
    assert_eq!(back.phone_chat(), ChatId::parse(CHAT).ok());
}

#[tokio::test]
async fn a_session_is_paired() {
    let session = SeededSession::in_status("new", SessionStatus::ScanQrCode);
    let rig = Rig::start(config(Engine::Gows).with_session(session)).await;
    let client = client_of(&rig);
    let wait = rig.simulator.wait_for_status("new", SessionStatus::ScanQrCode);
    assert!(tokio::time::timeout(Duration::from_secs(5), wait).await.unwrap());
    assert_eq!(client.qr_image("new").await.unwrap().mimetype, "image/png");
    assert!(client.qr_value("new").await.unwrap().value.starts_with("2@"));
    client.request_pairing_code("new", "12025550123").await.unwrap();
    rig.simulator.scan("new");
    let session = client.session("new").await.unwrap().unwrap();
    assert_eq!(session.status, SessionStatus::Working);
    assert!(session.me.is_some());
}

#[tokio::test]
async fn failures_are_told_apart() {
    let rig = Rig::of(Engine::Gows).await;
    let client = client_of(&rig);
    let fail = async |fault: Fault| {
        rig.simulator.add_fault(FaultRule::next(1, fault));
        client.send_text(&text("Hi")).await.unwrap_err()
    };
    assert!(matches!(fail(Fault::NotWorking).await, WahaError::Hold { .. }));
    assert!(matches!(fail(Fault::Invalid).await, WahaError::Permanent { .. }));
    assert!(matches!(fail(Fault::Restricted).await, WahaError::Restricted { .. }));
    assert!(matches!(fail(Fault::RateOverlimit).await, WahaError::BackOff { .. }));
    assert!(matches!(fail(Fault::thrown("no")).await, WahaError::UnknownOutcome { .. }));
    assert!(matches!(fail(Fault::AnswerLost).await, WahaError::UnknownOutcome { .. }));
    rig.simulator.stop_listening().await;
    let error = client.send_text(&text("Hi")).await.unwrap_err();
    assert!(matches!(error, WahaError::SafeRetry { .. }));
}
