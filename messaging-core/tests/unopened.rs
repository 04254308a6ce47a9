//! What cannot be opened, since a key is missing or a row was damaged: it waits, is never lost, and keeps
//! nothing else from going on. And what a vault's keyed hashes stand for.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::sync::Arc;
use std::time::Duration;

use messaging_core::conformance::build::{
    address, at, inbox_entry, message, message_id, opt_out, session, tenant_id,
};
use messaging_core::domain::address::{Address, Alias, PersonKey, RecipientKey};
use messaging_core::domain::content::Content;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::inbox::{InboxEntry, Kept};
use messaging_core::domain::message::{Direction, Message, Redaction};
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::portion::Page;
use messaging_core::domain::pseudonym::Pseudonyms;
use messaging_core::domain::sealed::{Sealed, Terms};
use messaging_core::domain::status::Status;
use messaging_core::gateway::{Gateway, Ports, Settings};
use messaging_core::ports::inbox_store::InboxStore;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::opt_out_store::MockOptOutStore;

use world::{World, request};

fn place() -> String {
    session(1).place.name
}

async fn received(world: &World) -> u64 {
    let filter = MessageFilter { direction: Some(Direction::Inbound), ..Default::default() };
    let portion = Portion::Page { page: 1, limit: 100 };
    world.gateway.list_messages(tenant_id(1), None, filter, portion).await.unwrap().total
}

/// As a vault gives it that lacks the key.
fn sealed(message: Message) -> Message {
    let key = RecipientKey::of(message.session, &address(1)).0;
    let bytes = vec![7; 40];
    Message {
        from: None,
        to: Some(Address::Sealed(Alias::new(key, ""))),
        content: Content::text(""),
        sealed: Some(Sealed { key: 1, bytes, terms: Terms::default(), person: Some(PersonKey(7)) }),
        ..message
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_opened_waits_and_those_behind_it_wait_quietly() {
    let world = World::new().await;
    MessageStore::insert(&*world.store, &[sealed(message(1))]).await.unwrap();
    world.send(1, "behind it").await;
    world.send(2, "beside it").await;
    let mut claimed = 0;
    loop {
        let pass = world.worker.run_once(64).await.unwrap();
        claimed += pass.claimed;
        assert!(claimed < 10, "it is taken again and again");
        if pass.claimed == 0 {
            break;
        }
    }
    assert_eq!(world.delivered(), ["beside it"]);
    assert_eq!(world.witness.faults(), ["key"]);
    assert_eq!(world.status(message_id(1)).await, Status::Queued);
    // Nobody wears themselves out over it.
    let mut tries = 0;
    for _ in 0..60 {
        world.clock.advance(Duration::from_secs(1));
        tries += world.worker.run_once(64).await.unwrap().claimed;
    }
    assert!((1..=8).contains(&tries), "{tries} times in a minute");
    // Once it opens, both go, in order.
    assert_eq!(MessageStore::reseal(&*world.store, &[(Some(1), message(1))]).await.unwrap(), 1);
    world.work_for(Duration::from_secs(17)).await;
    assert_eq!(world.delivered(), ["beside it", "text 1", "behind it"]);
}

#[tokio::test]
async fn a_message_that_cannot_be_opened_expires_as_any_other() {
    let mut world = World::new().await;
    let due = Message { expires_at: Some(at(20_000)), ..message(1) };
    MessageStore::insert(&*world.store, &[sealed(due)]).await.unwrap();
    world.recovery.run_once().await.unwrap();
    world.work_for(Duration::from_secs(20)).await;
    assert_eq!(world.status(message_id(1)).await, Status::Expired);
}

#[tokio::test]
async fn a_webhook_that_cannot_be_opened_waits_and_loses_nothing() {
    let world = World::new().await;
    world.gateway.set_pii(tenant_id(1), PiiPolicy::Redact).await.unwrap();
    let sealed = InboxEntry { payload: vec![1, 2, 3], ..inbox_entry(1) };
    InboxStore::keep(&*world.store, std::slice::from_ref(&sealed)).await.unwrap();
    world.webhook(&format!("k2 {} text 3A02 beside", place())).await.unwrap();
    assert_eq!(received(&world).await, 1);
    for _ in 0..20 {
        world.clock.advance(Duration::from_secs(120));
        world.inbox.run_once().await.unwrap();
        let depth = world.store.depth().await.unwrap();
        assert_eq!((depth.pending, depth.dead), (1, 0));
    }
    assert_eq!(world.witness.faults(), ["key"]);
    let kept = world.store.webhooks(tenant_id(1), None, 1).await.unwrap().entries;
    assert_eq!(kept[0].payload, sealed.payload);
    // Once it opens, it is applied.
    let body = format!("k1 {} text 3A01 hi", place()).into_bytes();
    InboxStore::reseal(&*world.store, &[(sealed.id, body)]).await.unwrap();
    world.clock.advance(Duration::from_secs(120));
    world.inbox.run_once().await.unwrap();
    assert_eq!(received(&world).await, 2);
}

#[tokio::test]
async fn what_somebody_must_look_at_keeps_its_body_though_others_lose_theirs() {
    let world = World::new().await;
    world.gateway.set_pii(tenant_id(1), PiiPolicy::Redact).await.unwrap();
    world.keep(&format!("k1 {} poison", place())).await.unwrap();
    world.keep(&format!("k2 {} text 3A01 hi", place())).await.unwrap();
    world.inbox.run_once().await.unwrap();
    assert_eq!(world.store.depth().await.unwrap().dead, 1);
    let kept = world.store.webhooks(tenant_id(1), None, 9).await.unwrap().entries;
    assert!(kept.iter().any(|entry| entry.payload.ends_with(b"poison")));
    assert!(kept.iter().all(|entry| !entry.payload.ends_with(b"hi")));
}

#[tokio::test]
async fn what_tells_repeats_cannot_be_tried_through_without_the_key() {
    let pseudonyms = Pseudonyms::keyed([7; 32]);
    let world = World::with(Settings { pseudonyms, ..Settings::default() }).await;
    let words = format!("fields:5511988887777 {} text 3A01 hi", place());
    assert_eq!(world.keep(&words).await.unwrap(), Kept::New);
    assert_eq!(world.keep(&words).await.unwrap(), Kept::Repeat);
    let other = format!("fields:5511988887778 {} text 3A02 hi", place());
    assert_eq!(world.keep(&other).await.unwrap(), Kept::New);
    let kept = world.store.webhooks(tenant_id(1), None, 9).await.unwrap().entries;
    let is_keyed = |key: &str| key.len() == 64 && key.bytes().all(|it| it.is_ascii_hexdigit());
    assert!(kept.len() == 2 && kept.iter().all(|entry| is_keyed(&entry.key)), "{kept:?}");
    let unkeyed = World::new().await;
    unkeyed.keep(&words).await.unwrap();
    let kept = unkeyed.store.webhooks(tenant_id(1), None, 9).await.unwrap().entries;
    assert_eq!(kept[0].key, "fields:5511988887777");
}

#[tokio::test]
async fn a_list_is_counted_once_for_many_messages() {
    let world = World::new().await;
    let mut list = MockOptOutStore::new();
    list.expect_opted_out().times(5).returning(|_, of| Ok(vec![false; of.len()]));
    list.expect_list()
        .times(1)
        .returning(|_, _| Ok(Page { items: vec![opt_out(9)], total: 1, has_more: false }));
    let ports = Ports { opt_outs: Arc::new(list), ..world.ports.clone() };
    let gateway = Gateway::new(ports, Settings::default());
    for n in 1..=5 {
        gateway.send(tenant_id(1), request(n, "hello")).await.unwrap();
    }
}

#[tokio::test]
async fn an_empty_list_is_not_looked_at_for_each_message() {
    let world = World::new().await;
    let mut list = MockOptOutStore::new();
    list.expect_opted_out().times(1).returning(|_, of| Ok(vec![false; of.len()]));
    list.expect_list()
        .times(1)
        .returning(|_, _| Ok(Page { items: Vec::new(), total: 0, has_more: false }));
    let ports = Ports { opt_outs: Arc::new(list), ..world.ports.clone() };
    let gateway = Gateway::new(ports, Settings::default());
    for n in 1..=5 {
        gateway.send(tenant_id(1), request(n, "hello")).await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_left_and_keeps_no_others_from_being_redacted() {
    let world = World::new().await;
    let text = "write to jo@example.com";
    let due = |n| Message {
        content: Content::text(text),
        redaction: Some(Redaction::Due),
        status: Status::Delivered,
        ..message(n)
    };
    let sealed = |n| Message {
        sealed: Some(Sealed { key: 1, bytes: vec![7], terms: Terms::default(), person: None }),
        content: Content::text(""),
        ..due(n)
    };
    let kept_sealed: Vec<_> = (1..=450).map(sealed).collect();
    MessageStore::insert(&*world.store, &kept_sealed).await.unwrap();
    MessageStore::insert(&*world.store, &[due(500), due(501)]).await.unwrap();
    assert_eq!(world.gateway.redact_said().await.unwrap(), 2);
    assert_eq!(world.message(message_id(501)).await.content.body, "write to [email]");
    assert_eq!(world.witness.faults(), ["key"]);
    assert_eq!(world.message(message_id(1)).await, kept_sealed[0]);
}
