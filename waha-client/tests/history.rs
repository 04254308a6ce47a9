//! What WAHA has of its sessions' chats is read to the last message, whatever engine it runs on.
#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, to fail is to tell")]

use std::collections::BTreeMap;
use std::time::Duration;

use messaging_core::domain::address::Address;
use messaging_core::domain::content::Content;
use messaging_core::domain::id::ProviderMessageId;
use messaging_core::domain::inbox::ProviderEvent;
use messaging_core::domain::session::ProviderSession;
use messaging_core::domain::status::StatusEvent;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::provider_history::{
    HistoryPage, HistoryQuery, HistoryRecord, ProviderHistory, Remembered,
};
use messaging_core::ports::session_control::ProviderError;
use messaging_core::ports::transport::{Envelope, Preparation, SendOutcome, Transport};
use messaging_core::ports::webhook_decoder::WebhookDecoder;
use secrecy::SecretString;
use waha_client::client::{ClientConfig, Timeouts};
use waha_client::simulator::{DEFAULT_API_KEY, Inbound, SeededSession, Simulator, SimulatorConfig};
use waha_client::transport::{WahaDecoder, WahaProvider, WahaServer};
use waha_client::wire::SessionStatus;
use waha_client::{Engine, WahaClient};

const SESSION: &str = "main";

/// When the oldest message was written, Unix time in milliseconds; each is a second later.
const BEGAN: i64 = 1_785_000_000_000;

struct Waha {
    simulator: Simulator,
    provider: WahaProvider,
}

fn place() -> ProviderSession {
    ProviderSession { server: "default".into(), name: SESSION.into() }
}

impl Waha {
    async fn new(engine: Engine) -> Self {
        let mut config = SimulatorConfig::default().with_session(SeededSession::working(SESSION));
        config.knobs.engine = engine;
        config.knobs.ack_script = Vec::new();
        config.times.ready_wait = Duration::from_millis(50);
        let simulator = Simulator::start(config).await.unwrap();
        let timeouts = Timeouts { connect: Duration::from_secs(1), ..Timeouts::default() };
        let client = WahaClient::with_config(
            simulator.base_url(),
            SecretString::from(DEFAULT_API_KEY),
            ClientConfig { timeouts, ..ClientConfig::default() },
        );
        let provider = WahaProvider::new([WahaServer::new("default", client.unwrap())]);
        Self { simulator, provider }
    }

    /// Lets a message come in, the `n`th, from one of a few people.
    fn receive(&self, n: i64, people: i64) {
        let from = format!("12025550{:03}", n % people);
        let at_ms = Some(BEGAN + 1000 * n);
        let text = Inbound { at_ms, ..Inbound::text(from, format!("text {n}")).silently() };
        self.simulator.receive(SESSION, &text).unwrap();
    }

    /// Everything since the `n`th message, page by page.
    async fn read(&self, n: i64, own_only: bool) -> (Vec<HistoryRecord>, usize) {
        let since = Timestamp::from_millis(BEGAN + 1000 * n);
        let (mut records, mut pages, mut after) = (Vec::new(), 0, None);
        loop {
            let query = HistoryQuery { since, own_only, after: after.as_ref() };
            let HistoryPage { records: more, unreadable, next } =
                self.provider.read(&place(), query).await.unwrap();
            assert_eq!(unreadable, 0);
            records.extend(more);
            pages += 1;
            match next {
                Some(next) => after = Some(next),
                None => return (records, pages),
            }
        }
    }

    async fn send(&self, to: &Address, body: &str) -> ProviderMessageId {
        let (place, content) = (place(), Content::text(body));
        let envelope = Envelope { session: &place, to, content: &content };
        let Preparation::Ready(route) = self.provider.prepare(envelope).await else {
            panic!("it cannot be sent")
        };
        match self.provider.send(envelope, &route, None).await {
            SendOutcome::Accepted { id } => id.unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

fn bodies(records: &[HistoryRecord]) -> BTreeMap<String, usize> {
    let mut bodies = BTreeMap::new();
    for record in records {
        match WahaDecoder.decode(&record.report.body).unwrap() {
            ProviderEvent::Message(message) => {
                assert_eq!((&message.id, message.at), (&record.id, Some(record.at)));
                *bodies.entry(message.content.body).or_default() += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    bodies
}

async fn check(engine: Engine) {
    let waha = Waha::new(engine).await;
    for n in 0..350 {
        waha.receive(n, 130);
    }
    // All of it, of more chats and messages than fit on a page, once each.
    let (all, pages) = waha.read(0, false).await;
    let told = bodies(&all);
    assert_eq!((all.len(), told.len()), (350, 350), "of {engine}");
    assert!(pages > 3, "in {pages} pages");
    assert!(all.iter().all(|record| record.what == Remembered::Received));
    let (latest, _) = waha.read(300, false).await;
    let told = bodies(&latest);
    assert_eq!((latest.len(), told.contains_key("text 299")), (50, false));
    assert_eq!(waha.read(400, false).await.0, []);
    assert_eq!(waha.read(0, true).await.0, []);

    // What was sent says how far it got, in the list and by itself.
    let to = Address::from_stored("+12025550001");
    let (one, other) = (waha.send(&to, "one").await, waha.send(&to, "other").await);
    assert!(waha.simulator.acknowledge(SESSION, one.as_str(), 3));
    let (own, _) = waha.read(0, true).await;
    let fates: BTreeMap<_, _> = own.iter().map(|record| (&record.id, record.what)).collect();
    let read = Remembered::Sent(Some(StatusEvent::Read));
    let expected = [(&one, read), (&other, Remembered::Sent(None))];
    assert_eq!(fates, expected.into());
    let recalled = waha.provider.recall(&place(), &to, &one).await.unwrap().unwrap();
    assert_eq!((&recalled.id, recalled.what), (&one, read));
    match WahaDecoder.decode(&recalled.report.body).unwrap() {
        ProviderEvent::Receipt { id, event } => assert_eq!((id, event), (one, StatusEvent::Read)),
        other => panic!("{other:?}"),
    }
    let nobody = ProviderMessageId("3EB0000000000000000000".to_owned());
    assert_eq!(waha.provider.recall(&place(), &to, &nobody).await.unwrap(), None);
    waha.simulator.shutdown().await;
}

#[tokio::test]
async fn gows_is_read_to_the_last_message() {
    check(Engine::Gows).await;
}

#[tokio::test]
async fn noweb_is_read_to_the_last_message() {
    check(Engine::Noweb).await;
}

#[tokio::test]
async fn webjs_is_read_chat_by_chat_to_the_last_message() {
    check(Engine::Webjs).await;
}

#[tokio::test]
async fn a_restart_is_another_instant_and_a_session_that_does_not_work_is_not_read() {
    let waha = Waha::new(Engine::Gows).await;
    let before = waha.provider.started_at("default").await.unwrap();
    assert_eq!(waha.provider.started_at("default").await.unwrap(), before);
    waha.simulator.restart(Duration::from_millis(20)).await;
    assert_ne!(waha.provider.started_at("default").await.unwrap(), before);
    assert!(waha.simulator.set_status(SESSION, SessionStatus::Failed));
    let query = HistoryQuery { since: before, own_only: false, after: None };
    let refused = waha.provider.read(&place(), query).await;
    assert_eq!(refused, Err(ProviderError::WrongState));
    waha.simulator.stop_listening().await;
    let silent = waha.provider.started_at("default").await;
    assert_eq!(silent, Err(ProviderError::Unavailable));
    waha.simulator.shutdown().await;
}
