//! What tenants want of personal data in texts: nothing, that it is not shown, or that it is not sent.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use messaging_core::conformance::build::{address, message, message_id, session, tenant_id};
use messaging_core::domain::content::Content;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::id::MessageId;
use messaging_core::domain::message::{Message, Priority, Redaction};
use messaging_core::domain::pii::{PiiKind, PiiPolicy};
use messaging_core::domain::status::Status;
use messaging_core::gateway::bulk::{BulkRecipient, BulkRequest};
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::send::Timing;
use messaging_core::ports::message_store::MessageStore;

use world::{World, request};

const TEXT: &str = "write to jo@example.com or +14155550123";
const MASKED: &str = "write to [email] or [phone]";

async fn wanting(policy: PiiPolicy) -> World {
    let world = World::new().await;
    world.gateway.set_pii(tenant_id(1), policy).await.unwrap();
    world
}

async fn shown(world: &World) -> Vec<String> {
    let portion = Portion::Page { page: 1, limit: 100 };
    let filter = MessageFilter::default();
    let page = world.gateway.list_messages(tenant_id(1), None, filter, portion).await.unwrap();
    page.messages.into_iter().map(|message| message.content.body).collect()
}

#[tokio::test]
async fn by_default_nothing_is_done() {
    let world = World::new().await;
    assert_eq!(world.send(1, TEXT).await.content.body, TEXT);
    assert_eq!(shown(&world).await, [TEXT]);
}

#[tokio::test]
async fn what_is_masked_is_sent_in_full_and_shown_without() {
    let world = wanting(PiiPolicy::Mask).await;
    let message = world.send(1, TEXT).await;
    assert_eq!(message.content.body, MASKED);
    world.work().await;
    assert_eq!(world.delivered(), [TEXT]);
    let (found, _) = world.gateway.find_message(tenant_id(1), message.id).await.unwrap();
    assert_eq!(found.content.body, MASKED);
    let place = session(1).place.name;
    world.webhook(&format!("1 {place} from 7 id jo@example.com")).await.unwrap();
    let mut bodies = shown(&world).await;
    bodies.sort();
    assert_eq!(bodies, ["[email]", MASKED]);
    // The choice is about what is shown: taken back, all of it is.
    world.gateway.set_pii(tenant_id(1), PiiPolicy::Off).await.unwrap();
    let mut bodies = shown(&world).await;
    bodies.sort();
    assert_eq!(bodies, ["jo@example.com", TEXT]);
}

/// The text as the store has it.
async fn kept(world: &World, id: MessageId) -> String {
    let found = MessageStore::find(&*world.store, tenant_id(1), id).await.unwrap().unwrap();
    found.content.body
}

#[tokio::test]
async fn what_is_redacted_is_sent_in_full_and_then_kept_without() {
    let world = wanting(PiiPolicy::Redact).await;
    let message = world.send(1, TEXT).await;
    let plain = world.send(2, "nothing of anybody").await;
    assert_eq!(message.content.body, MASKED);
    // It is still to be sent.
    assert_eq!(world.gateway.redact_said().await.unwrap(), 0);
    assert_eq!(kept(&world, message.id).await, TEXT);
    world.work().await;
    assert_eq!(world.delivered(), [TEXT, "nothing of anybody"]);
    assert_eq!(world.gateway.redact_said().await.unwrap(), 1);
    assert_eq!(kept(&world, message.id).await, MASKED);
    assert_eq!(kept(&world, plain.id).await, "nothing of anybody");
    // Taken back, the choice brings nothing back.
    world.gateway.set_pii(tenant_id(1), PiiPolicy::Off).await.unwrap();
    let (found, _) = world.gateway.find_message(tenant_id(1), message.id).await.unwrap();
    assert_eq!(found.content.body, MASKED);
}

#[tokio::test]
async fn what_comes_in_is_kept_redacted() {
    let world = wanting(PiiPolicy::Redact).await;
    let place = session(1).place.name;
    world.webhook(&format!("1 {place} from 7 id jo@example.com")).await.unwrap();
    world.inbox.run_once().await.unwrap();
    let filter = MessageFilter::default();
    let all = Portion::Page { page: 1, limit: 100 };
    let found = MessageStore::list(&*world.store, tenant_id(1), &filter, all).await.unwrap();
    let bodies: Vec<_> = found.messages.iter().map(|it| it.content.body.as_str()).collect();
    assert_eq!(bodies, ["[email]"]);
}

#[tokio::test]
async fn of_many_messages_all_are_redacted() {
    let world = wanting(PiiPolicy::Redact).await;
    let due = (1..=450).map(|n| Message {
        content: Content::text(TEXT),
        redaction: Some(Redaction::Due),
        status: Status::Delivered,
        ..message(n)
    });
    MessageStore::insert(&*world.store, &due.collect::<Vec<_>>()).await.unwrap();
    assert_eq!(world.gateway.redact_said().await.unwrap(), 450);
    assert_eq!(kept(&world, message_id(450)).await, MASKED);
}

#[tokio::test]
async fn what_is_refused_is_told_by_kind_and_kept_nowhere() {
    let world = wanting(PiiPolicy::Refuse).await;
    let refused = world.try_send(request(1, TEXT)).await;
    let Err(error @ GatewayError::PiiRefused { .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(error.to_string(), "the text has personal data in it: email, phone");
    let GatewayError::PiiRefused { kinds } = error else { return };
    assert_eq!(kinds, [PiiKind::Email, PiiKind::Phone]);
    assert!(shown(&world).await.is_empty());
    world.send(1, "nothing of anybody").await;
}

#[tokio::test]
async fn of_a_bulk_request_those_are_refused_whose_text_has_any() {
    let world = wanting(PiiPolicy::Refuse).await;
    let named = |n, name: &str| BulkRecipient {
        to: address(n).as_str().to_owned(),
        variables: [("name".to_owned(), name.to_owned())].into(),
    };
    let bulk = BulkRequest {
        session: session(1).id.into(),
        recipients: vec![named(1, "jo@example.com"), named(2, "Jo")],
        content: Content::text("Hi {{name}}"),
        batch_size: 10,
        priority: Priority::Normal,
        metadata: None,
        timing: Timing::default(),
        idempotency_key: None,
    };
    let accepted = world.gateway.send_bulk(tenant_id(1), bulk).await.unwrap();
    assert_eq!(accepted.batch.accepted, 1);
    assert_eq!(accepted.rejected.len(), 1);
    assert_eq!((accepted.rejected[0].index, &*accepted.rejected[0].code), (0, "pii-refused"));
    assert!(!accepted.rejected[0].detail.contains("jo@"));
}
