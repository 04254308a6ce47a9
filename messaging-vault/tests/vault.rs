//! What a vault promises: who has the store alone learns nothing, and nothing is lost by its keys.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use messaging_core::conformance::build::{
    address, at, inbound, inbox_entry, inbox_id, message, message_id, opt_out, server, session,
    session_id, tenant, tenant_id,
};
use messaging_core::conformance::clock::FakeClock;
use messaging_core::domain::address::{Address, Alias, RecipientKey};
use messaging_core::domain::content::{
    Attachment, ContactCard, Content, Media, MediaKind, MediaSource,
};
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::id::{MessageId, ProviderMessageId, TenantId};
use messaging_core::domain::inbox::{Applied, InboxEffect, InboxEntry, InboxVerdict};
use messaging_core::domain::message::{ChangeOutcome, Message, MessageRef, StatusChange};
use messaging_core::domain::opt_out::words::WordList;
use messaging_core::domain::opt_out::{OptOut, OptOutRef, OptOutSource, Return, Wish};
use messaging_core::domain::portion::PortionBy;
use messaging_core::domain::server::{KeptServer, ServerKey};
use messaging_core::domain::session::Session;
use messaging_core::domain::status::{Status, StatusEvent};
use messaging_core::domain::webhook_secret::{WebhookSecret, WebhookSecrets};
use messaging_core::memory::store::MemoryStore;
use messaging_core::ports::entropy::SystemEntropy;
use messaging_core::ports::inbox_store::InboxStore;
use messaging_core::ports::key_provider::{KeyError, SecretKey};
use messaging_core::ports::key_store::{KeptKey, KeyStore, MockKeyStore, Wrapping};
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::person_store::PersonStore;
use messaging_core::ports::server_store::MockServerStore;
use messaging_core::ports::session_store::{MockSessionStore, SessionStore};
use messaging_core::ports::store_error::StoreError;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use messaging_vault::{
    KEYS_BELIEVED_FOR, LocalKeys, Mode, Parts, Progress, SealedInbox, SealedMessages,
    SealedOptOuts, SealedPersons, SealedSessions, Sealer, ShreddedTenants, Stores, Vault,
    VaultError, parse_key,
};
use serde_json::json;

const ALL: Portion = Portion::Page { page: 1, limit: 100 };

fn key(byte: u8) -> SecretKey {
    SecretKey::new(Box::new([byte; 32]))
}

/// A deployment: a store, a clock, and whoever has the wrapping keys.
struct World {
    store: Arc<MemoryStore>,
    clock: Arc<FakeClock>,
}

impl World {
    fn new() -> Self {
        Self { store: Arc::new(MemoryStore::new()), clock: Arc::new(FakeClock::new(at(0))) }
    }

    async fn try_open(&self, mode: Mode, keys: &[u8]) -> Result<Arc<Vault>, VaultError> {
        let keys: Vec<_> = keys.iter().map(|byte| key(*byte)).collect();
        let (current, previous) = keys.split_first().unwrap();
        let parts = Parts {
            keys: self.store.clone(),
            provider: Arc::new(LocalKeys::new(current, previous, SystemEntropy).unwrap()),
            clock: self.clock.clone(),
            entropy: Arc::new(SystemEntropy),
        };
        Vault::open(parts, mode).await
    }

    async fn vault(&self, mode: Mode) -> Arc<Vault> {
        self.try_open(mode, &[1]).await.unwrap()
    }

    fn messages(&self, vault: &Arc<Vault>) -> SealedMessages {
        SealedMessages::new(self.store.clone(), vault.clone())
    }

    fn opt_outs(&self, vault: &Arc<Vault>) -> SealedOptOuts {
        SealedOptOuts::new(self.store.clone(), vault.clone())
    }

    fn stores(&self) -> Stores {
        Stores {
            messages: self.store.clone(),
            opt_outs: self.store.clone(),
            inbox: self.store.clone(),
            persons: self.store.clone(),
            sessions: self.store.clone(),
            servers: self.store.clone(),
        }
    }

    fn sealer(&self, vault: &Arc<Vault>) -> Sealer {
        Sealer::new(vault.clone(), self.stores())
    }

    async fn seal_all(&self, vault: &Arc<Vault>) -> Progress {
        let sealer = self.sealer(vault);
        let mut progress = sealer.step(tenant_id(1), None).await.unwrap();
        while progress.next.is_some() {
            progress = sealer.step(tenant_id(1), Some(progress)).await.unwrap();
        }
        sealer.seal_opt_outs(tenant_id(1)).await.unwrap();
        progress
    }

    /// What whoever has the store alone sees.
    fn raw(&self) -> &dyn MessageStore {
        self.store.as_ref()
    }

    async fn kept(&self, n: u64) -> Message {
        self.raw().find(tenant_id(1), message_id(n)).await.unwrap().unwrap()
    }
}

/// As the gateway makes them.
fn accepted(vault: &Vault, n: u64, text: &str) -> Message {
    let alias = vault.pseudonyms().recipient(session_id(1), &address(1));
    Message { content: Content::text(text), alias, ..message(n) }
}

async fn found(store: &dyn MessageStore, search: &str) -> Vec<MessageId> {
    let filter = MessageFilter { search: Some(search.to_owned()), ..MessageFilter::default() };
    let page = store.list(tenant_id(1), &filter, ALL).await.unwrap();
    assert_eq!(page.total.min(100), page.messages.len() as u64);
    page.messages.iter().map(|message| message.id).collect()
}

fn ids(ns: &[u64]) -> Vec<MessageId> {
    ns.iter().map(|n| message_id(*n)).collect()
}

#[tokio::test]
async fn who_has_the_file_learns_no_text_number_or_name() {
    let directory = tempfile::tempdir().unwrap();
    let store =
        SqliteStore::open(directory.path().join("store.db"), SqliteOptions::default()).unwrap();
    let store = Arc::new(store);
    let parts = Parts {
        keys: store.clone(),
        provider: Arc::new(LocalKeys::new(&key(1), &[], SystemEntropy).unwrap()),
        clock: Arc::new(FakeClock::new(at(0))),
        entropy: Arc::new(SystemEntropy),
    };
    let vault = Vault::open(parts, Mode::Words).await.unwrap();
    let number = Address::from_stored("+5511987651234");
    let media = Attachment::Media(Media {
        kind: MediaKind::Document,
        source: MediaSource::Url("https://example.com/secretaddress".into()),
        mimetype: Some("secret/mimetype".into()),
        filename: Some("secretname.pdf".into()),
    });
    let card = Attachment::Contact(ContactCard { name: "secretcard".into(), phone: None });
    let said = |n, attachment| Message {
        from: Some(number.clone()),
        to: Some(number.clone()),
        content: Content { body: "secrettext".into(), attachment },
        metadata: Some(json!({"campaignId": "secretcampaign", "secretkey": "secretvalue"})),
        ..message(n)
    };
    let messages = SealedMessages::new(store.clone(), vault.clone());
    messages.insert(&[said(1, None), said(2, Some(media)), said(3, Some(card))]).await.unwrap();
    let inbox = SealedInbox::new(store.clone(), store.clone(), vault.clone());
    let mut webhook = inbox_entry(1);
    webhook.payload = br#"{"from":"5511987651234@c.us","body":"secrethook"}"#.to_vec();
    inbox.keep(&[webhook.clone()]).await.unwrap();
    let sessions = SealedSessions::new(store.clone(), vault.clone());
    let mut account = session(1);
    account.own_address = Some(number.clone());
    account.webhook_secrets = Some(WebhookSecrets::new(WebhookSecret("secretshared".into())));
    sessions.insert(&account).await.unwrap();
    let opt_outs = SealedOptOuts::new(store.clone(), vault);
    let mut entry = opt_out(1);
    entry.address = number.clone();
    entry.note = Some("secretnote".into());
    opt_outs.add(&entry).await.unwrap();

    let mut files = Vec::new();
    for file in std::fs::read_dir(directory.path()).unwrap() {
        files.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let holds = |mark: &str| files.windows(mark.len()).any(|bytes| bytes == mark.as_bytes());
    assert!(holds("document"), "what is looked into is what was written");
    let marks = [
        "text",
        "address",
        "/mimetype",
        "name",
        "card",
        "campaign",
        "key",
        "value",
        "hook",
        "note",
        "shared",
    ];
    for mark in marks {
        assert!(!holds(&format!("secret{mark}")), "{mark}");
    }
    for number in ["5511987651234", "87651234"] {
        assert!(!holds(number), "{number}");
    }
    // And who has the key as well, all.
    assert_eq!(messages.find(tenant_id(1), message_id(1)).await.unwrap(), Some(said(1, None)));
    assert_eq!(inbox.due(at(99), 10).await.unwrap(), [webhook]);
    assert_eq!(sessions.find(tenant_id(1), account.id).await.unwrap(), Some(account));
    let by_id = OptOutRef::Id(entry.id);
    assert_eq!(opt_outs.find(tenant_id(1), &by_id).await.unwrap(), Some(entry));
}

#[tokio::test]
async fn what_is_moved_to_another_row_does_not_open() {
    let world = World::new();
    let vault = world.vault(Mode::Words).await;
    let messages = world.messages(&vault);
    messages.insert(&[message(1), message(2)]).await.unwrap();
    let (one, two) = (world.kept(1).await, world.kept(2).await);
    let swapped = Message { sealed: one.sealed, ..two };
    assert_eq!(world.raw().reseal(&[(Some(1), swapped)]).await.unwrap(), 1);
    let find = async |n| messages.find(tenant_id(1), message_id(n)).await.unwrap().unwrap();
    let moved = find(2).await;
    assert!(moved.is_sealed() && moved.content.body.is_empty());
    assert!(!find(1).await.is_sealed());
}

#[tokio::test]
async fn messages_are_found_by_words_and_numbers_as_the_mode_says() {
    for (mode, by_word) in [(Mode::Words, ids(&[2, 1])), (Mode::Numbers, ids(&[]))] {
        let world = World::new();
        let vault = world.vault(mode).await;
        let messages = world.messages(&vault);
        let to = |n, number| Message {
            to: Some(Address::from_stored(number)),
            ..accepted(&vault, n, "Your Order 4711 is on its WAY")
        };
        messages.insert(&[to(1, "+5511987651234"), to(2, "+491512224711")]).await.unwrap();
        assert_eq!(found(&messages, "order way").await, by_word, "{mode:?}");
        assert_eq!(found(&messages, "ordér").await, by_word, "{mode:?}");
        assert_eq!(found(&messages, "ord").await, [], "{mode:?}");
        assert_eq!(found(&messages, "order nowhere").await, [], "{mode:?}");
        assert_eq!(found(&messages, "1234").await, ids(&[1]), "{mode:?}");
        assert_eq!(found(&messages, "+55 (11) 98765-1234").await, ids(&[1]), "{mode:?}");
        assert_eq!(found(&messages, "9876").await, [], "{mode:?}");
        let both = if mode == Mode::Words { ids(&[2, 1]) } else { ids(&[2]) };
        assert_eq!(found(&messages, "4711").await, both, "{mode:?}");
    }
}

#[tokio::test]
async fn two_messages_with_one_word_have_no_mark_in_common() {
    let world = World::new();
    let vault = world.vault(Mode::Words).await;
    world
        .messages(&vault)
        .insert(&[accepted(&vault, 1, "hello"), accepted(&vault, 2, "hello")])
        .await
        .unwrap();
    let marks = |message: &Message| {
        let terms = message.sealed.as_ref().unwrap().terms.as_bytes().to_vec();
        terms.chunks(8).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let (one, two) = (marks(&world.kept(1).await), marks(&world.kept(2).await));
    assert!(one.len() > 5 && one.iter().all(|mark| !two.contains(mark)));
}

#[tokio::test]
async fn what_was_kept_before_anything_was_sealed_is_read_and_found_beside_it() {
    let world = World::new();
    world
        .raw()
        .insert(&[Message { content: Content::text("plain words"), ..message(1) }])
        .await
        .unwrap();
    let was_on_the_list = opt_out(1);
    world.store.add(&was_on_the_list).await.unwrap();
    let vault = world.vault(Mode::Words).await;
    let messages = world.messages(&vault);
    messages.insert(&[accepted(&vault, 2, "sealed words")]).await.unwrap();
    assert_eq!(found(&messages, "words").await, ids(&[2, 1]));
    let waiting = messages.waiting_to(&[session_id(1)], &address(1), 10).await.unwrap();
    assert_eq!(waiting.len(), 2);
    let opt_outs = world.opt_outs(&vault);
    assert_eq!(
        opt_outs.opted_out(tenant_id(1), &[address(1), address(2)]).await.unwrap(),
        [true, false]
    );
    let again = OptOut { address: address(1), ..opt_out(7) };
    assert_eq!(opt_outs.add(&again).await.unwrap(), (was_on_the_list.clone(), false));

    let progress = world.seal_all(&vault).await;
    assert_eq!(progress, Progress { seen: 2, sealed: 1, total: 2, next: None });
    let kept = world.kept(1).await;
    assert!(kept.sealed.is_some() && kept.content.body.is_empty());
    // Both are to the same person, and go by the same name from now on.
    assert_eq!(kept.peer_key(), world.kept(2).await.peer_key());
    assert_ne!(kept.peer_key(), Some(RecipientKey::of(session_id(1), &address(1))));
    assert_eq!(found(&messages, "plain words").await, ids(&[1]));
    let by_address = OptOutRef::Address(address(1));
    assert_eq!(opt_outs.find(tenant_id(1), &by_address).await.unwrap(), Some(was_on_the_list));
    assert_eq!(world.store.opted_out(tenant_id(1), &[address(1)]).await.unwrap(), [false]);
}

#[tokio::test]
async fn what_was_sealed_is_read_where_nothing_is_sealed_any_more() {
    let world = World::new();
    let sealing = world.vault(Mode::Words).await;
    world.messages(&sealing).insert(&[accepted(&sealing, 1, "hello")]).await.unwrap();
    let plain = world.vault(Mode::Plain).await;
    let messages = world.messages(&plain);
    messages.insert(&[accepted(&plain, 2, "hello")]).await.unwrap();
    assert_eq!(world.kept(2).await.sealed, None);
    assert_eq!(found(&messages, "hello").await, ids(&[2, 1]));
}

#[tokio::test]
async fn who_is_on_the_list_is_found_and_goes_whatever_the_mode_was() {
    for (first, then) in [(Mode::Plain, Mode::Words), (Mode::Words, Mode::Plain)] {
        let world = World::new();
        let kept = |n| OptOut {
            source: OptOutSource::Reply,
            words: Some(WordList::English),
            message: Some(message_id(n)),
            address: address(1),
            ..opt_out(n)
        };
        let before = world.opt_outs(&world.vault(first).await);
        before.add(&kept(1)).await.unwrap();
        let vault = world.vault(then).await;
        let list = world.opt_outs(&vault);
        let inbox = SealedInbox::new(world.store.clone(), world.store.clone(), vault);
        assert_eq!(list.opted_out(tenant_id(1), &[address(1)]).await.unwrap(), [true]);
        assert_eq!(list.add(&kept(2)).await.unwrap(), (kept(1), false));
        // Who says so again stays as they are, once.
        inbox.keep(&[inbox_entry(5), inbox_entry(6)]).await.unwrap();
        let leave = Wish::Leave(Box::new(kept(5)));
        let said = InboxEffect::ReceiveWish(Box::new(inbound(5)), leave);
        inbox.apply(&[(inbox_id(5), said)]).await.unwrap();
        let page = PortionBy::Page { page: 1, limit: 9 };
        assert_eq!(list.list(tenant_id(1), page).await.unwrap().items, [kept(1)]);
        let back = Return { tenant: tenant_id(1), address: address(1), at: at(99) };
        let said = InboxEffect::ReceiveWish(Box::new(inbound(6)), Wish::Return(back));
        inbox.apply(&[(inbox_id(6), said)]).await.unwrap();
        assert_eq!(list.opted_out(tenant_id(1), &[address(1)]).await.unwrap(), [false], "{then:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_opened_keeps_nothing_else_from_going_on() {
    let world = World::new();
    let vault = world.vault(Mode::Words).await;
    let inbox = SealedInbox::new(world.store.clone(), world.store.clone(), vault.clone());
    let theirs = InboxEntry { tenant: tenant_id(2), ..inbox_entry(2) };
    inbox.keep(&[inbox_entry(1), theirs.clone()]).await.unwrap();
    let messages = world.messages(&vault);
    let other = Message { tenant: tenant_id(2), session: session_id(2), ..message(2) };
    messages.insert(&[message(1), other.clone()]).await.unwrap();
    vault.shred(tenant_id(1)).await.unwrap();
    let due = inbox.due(at(99), 9).await.unwrap();
    assert_eq!(due[1], theirs);
    assert_eq!((due[0].id, due[0].is_sealed()), (inbox_id(1), true));
    let mut loaded = messages.load(&[message_id(1), message_id(2)]).await.unwrap();
    loaded.sort_unstable_by_key(|message| message.id);
    assert_eq!(loaded[1], other);
    assert_eq!((loaded[0].id, loaded[0].is_sealed()), (message_id(1), true));
    assert!(loaded[0].content.body.is_empty());
}

/// As where a row was damaged.
async fn damage(world: &World, n: u64) {
    let mut kept = world.kept(n).await;
    let sealed = kept.sealed.as_mut().unwrap();
    let key = sealed.key;
    *sealed.bytes.last_mut().unwrap() ^= 1;
    assert_eq!(world.raw().reseal(&[(Some(key), kept)]).await.unwrap(), 1);
}

#[tokio::test]
async fn one_damaged_message_keeps_no_others_from_being_seen_sealed_and_erased() {
    let world = World::new();
    let vault = world.vault(Mode::Words).await;
    let messages = world.messages(&vault);
    let sent = |n| Message {
        provider_message_id: Some(ProviderMessageId(format!("3A{n}"))),
        ..accepted(&vault, n, "hello")
    };
    messages.insert(&[sent(1), sent(2), sent(3)]).await.unwrap();
    damage(&world, 2).await;
    let filter = MessageFilter::default();
    let page = messages.list(tenant_id(1), &filter, ALL).await.unwrap();
    let seen = |found: &[Message]| {
        let mut seen: Vec<_> = found
            .iter()
            .map(|message| (message.id, message.is_sealed(), message.content.body.clone()))
            .collect();
        seen.sort_unstable();
        seen
    };
    let expected = [
        (message_id(1), false, "hello".to_owned()),
        (message_id(2), true, String::new()),
        (message_id(3), false, "hello".to_owned()),
    ];
    assert_eq!(seen(&page.messages), expected);
    let known = [1, 2, 3].map(|n| ProviderMessageId(format!("3A{n}")));
    let known = messages.known_at_provider(session_id(1), &known).await.unwrap();
    assert_eq!(seen(&known), expected);
    let waiting = messages.waiting_to(&[session_id(1)], &address(1), 10).await.unwrap();
    assert_eq!(waiting.len(), 2);
    let persons = SealedPersons::new(world.store.clone(), vault.clone());
    let theirs = persons.messages_with(tenant_id(1), &address(1), None, 9).await.unwrap();
    assert_eq!(seen(&theirs), expected, "it is theirs, and is erased with the others");
    assert_eq!(vault.rotate(tenant_id(1)).await.unwrap(), 2);
    let sealer = world.sealer(&vault);
    let progress = sealer.step(tenant_id(1), None).await.unwrap();
    assert_eq!((progress.seen, progress.sealed, sealer.unreadable()), (3, 2, 1));
}

#[tokio::test]
async fn what_is_done_to_a_message_that_does_not_open_is_told_as_done() {
    let world = World::new();
    let vault = world.vault(Mode::Words).await;
    let messages = world.messages(&vault);
    let inbox = SealedInbox::new(world.store.clone(), world.store.clone(), vault.clone());
    let sent = ProviderMessageId("3A".into());
    let out = Message { provider_message_id: Some(sent.clone()), ..accepted(&vault, 1, "hello") };
    messages.insert(&[out]).await.unwrap();
    damage(&world, 1).await;
    let change = StatusChange::new(MessageRef::Id(message_id(1)), StatusEvent::Begin, at(5));
    let outcomes = messages.change(&[change]).await.unwrap();
    assert!(
        matches!(&outcomes[..], [ChangeOutcome::Moved { message, .. }]
            if message.status == Status::Sending && message.is_sealed()),
        "{outcomes:?}"
    );
    inbox.keep(&[inbox_entry(1)]).await.unwrap();
    let by_id = MessageRef::Provider(session_id(1), sent);
    let ack = InboxEffect::Change(StatusChange::new(by_id, StatusEvent::Deliver, at(6)));
    let applied = inbox.apply(&[(inbox_id(1), ack)]).await.unwrap();
    assert!(
        matches!(&applied[..], [Applied::Done(Some(message))]
            if message.status == Status::Delivered),
        "{applied:?}"
    );
}

#[tokio::test]
async fn one_damaged_entry_keeps_no_others_of_a_list_from_being_seen_sealed_and_removed() {
    let world = World::new();
    let vault = world.vault(Mode::Words).await;
    let list = world.opt_outs(&vault);
    for n in 1..=3 {
        list.add(&opt_out(n)).await.unwrap();
    }
    let by_id = |n| OptOutRef::Id(opt_out(n).id);
    let raw: &dyn OptOutStore = world.store.as_ref();
    let kept = raw.find(tenant_id(1), &by_id(3)).await.unwrap().unwrap();
    assert!(raw.reseal(&OptOut { note: Some("damaged".into()), ..kept }).await.unwrap());
    let page = PortionBy::Page { page: 1, limit: 9 };
    let items = list.list(tenant_id(1), page).await.unwrap().items;
    assert_eq!(items[1..], [opt_out(2), opt_out(1)]);
    assert!(matches!(items[0].address, Address::Sealed(_)) && items[0].note.is_none());
    let sealer = world.sealer(&vault);
    assert_eq!(sealer.seal_opt_outs(tenant_id(1)).await.unwrap(), 3);
    assert_eq!(sealer.unreadable(), 1);
    // They stay on the list as long as nobody takes them away.
    assert_eq!(list.opted_out(tenant_id(1), &[address(3)]).await.unwrap(), [true]);
    assert!(list.remove(tenant_id(1), &by_id(3)).await.unwrap().is_some());
    assert_eq!(list.opted_out(tenant_id(1), &[address(3)]).await.unwrap(), [false]);
}

#[tokio::test]
async fn one_damaged_webhook_keeps_no_others_from_being_found_and_sealed() {
    let world = World::new();
    let vault = world.vault(Mode::Words).await;
    let inbox = SealedInbox::new(world.store.clone(), world.store.clone(), vault.clone());
    inbox.keep(&[inbox_entry(1), inbox_entry(2)]).await.unwrap();
    let mut body =
        world.store.webhooks(tenant_id(1), None, 1).await.unwrap().entries.remove(0).payload;
    *body.last_mut().unwrap() ^= 1;
    InboxStore::reseal(world.store.as_ref(), &[(inbox_id(1), body)]).await.unwrap();
    let persons = SealedPersons::new(world.store.clone(), vault.clone());
    let seen = persons.webhooks(tenant_id(1), None, 9).await.unwrap().entries;
    assert_eq!(seen[1], inbox_entry(2));
    assert!(seen[0].is_sealed());
    vault.rotate(tenant_id(1)).await.unwrap();
    let sealer = world.sealer(&vault);
    let (_, sealed) = sealer.seal_webhooks(tenant_id(1), None).await.unwrap();
    assert_eq!((sealed, sealer.unreadable()), (1, 1));
}

#[tokio::test]
async fn who_stands_on_the_list_under_both_names_stays_there_under_one_from_the_earlier_on() {
    for (plain_since, sealed_since) in [(1, 2), (2, 1)] {
        let world = World::new();
        let vault = world.vault(Mode::Words).await;
        let entry = |n, since| OptOut { address: address(7), since: at(since), ..opt_out(n) };
        world.opt_outs(&vault).add(&entry(2, sealed_since)).await.unwrap();
        // By a node that did not seal yet.
        world.store.add(&entry(1, plain_since)).await.unwrap();
        world.sealer(&vault).seal_opt_outs(tenant_id(1)).await.unwrap();
        let page = PortionBy::Page { page: 1, limit: 9 };
        let raw: &dyn OptOutStore = world.store.as_ref();
        let kept = raw.list(tenant_id(1), page).await.unwrap().items;
        assert!(matches!(kept[..], [OptOut { address: Address::Sealed(_), .. }]));
        let shown = world.opt_outs(&vault).list(tenant_id(1), page).await.unwrap().items;
        assert_eq!((shown[0].since, &shown[0].address), (at(1), &address(7)));
    }
}

#[tokio::test]
async fn webhooks_and_sessions_are_sealed_and_opened_again() {
    let world = World::new();
    let store = &world.store;
    let secrets = WebhookSecrets::new(WebhookSecret("a secret".into()));
    let account =
        Session { own_address: Some(address(9)), webhook_secrets: Some(secrets), ..session(1) };
    SessionStore::insert(store.as_ref(), &account).await.unwrap();
    let aside = [(inbox_id(2), InboxVerdict::Dead)];
    store.keep(&[inbox_entry(1), inbox_entry(2)]).await.unwrap();
    store.defer(&aside).await.unwrap();
    let raw = async || {
        let seen = store.webhooks(tenant_id(1), None, 9).await.unwrap();
        let payloads: Vec<_> = seen.entries.into_iter().map(|entry| entry.payload).collect();
        let kept = SessionStore::find(store.as_ref(), tenant_id(1), account.id).await.unwrap();
        (payloads, kept.unwrap())
    };
    let plain = raw().await;
    for (mode, is_sealed) in [(Mode::Words, true), (Mode::Plain, false)] {
        let vault = world.vault(mode).await;
        let sealer = world.sealer(&vault);
        assert_eq!(sealer.seal_sessions(tenant_id(1)).await.unwrap(), 1);
        let (reached, sealed) = sealer.seal_webhooks(tenant_id(1), None).await.unwrap();
        assert_eq!((reached, sealed), (Some(inbox_id(2)), 2));
        assert_eq!(sealer.seal_webhooks(tenant_id(1), reached).await.unwrap(), (None, 0));
        // A second time there is nothing to do.
        assert_eq!(sealer.seal_webhooks(tenant_id(1), None).await.unwrap().1, 0);
        let kept = raw().await;
        assert_eq!(kept == plain, !is_sealed, "{mode:?}");
        assert!(kept.0.iter().zip(&plain.0).all(|(now, before)| (now != before) == is_sealed));
        let sessions = SealedSessions::new(store.clone(), vault.clone());
        let found = sessions.find(tenant_id(1), account.id).await.unwrap();
        assert_eq!(found, Some(account.clone()));
        let persons = SealedPersons::new(store.clone(), vault);
        let seen = persons.webhooks(tenant_id(1), None, 9).await.unwrap();
        assert!(seen.entries.iter().map(|it| &it.payload).eq(&plain.0));
    }
}

#[tokio::test]
async fn what_was_replaced_while_it_was_to_be_sealed_stays_replaced() {
    let world = World::new();
    let vault = world.vault(Mode::Words).await;
    let secrets = WebhookSecrets::new(WebhookSecret("read before".into()));
    let account =
        Session { webhook_secrets: Some(secrets.clone()), own_address: None, ..session(1) };
    let key = ServerKey("read before".into());
    let added = KeptServer { api_key: Some(key.clone()), ..server(1) };
    // Stores in which somebody was faster: nothing but this is asked of them.
    let mut sessions = MockSessionStore::new();
    sessions.expect_list().return_once(move |_| Ok(vec![account]));
    let replace = sessions.expect_replace_webhook_secrets().times(1);
    replace.withf(move |_, before, _| *before == secrets).return_once(|_, _, _| Ok(false));
    let mut servers = MockServerStore::new();
    servers.expect_list().return_once(move || Ok(vec![added]));
    let replace = servers.expect_replace_key().times(1);
    replace.withf(move |_, before, _| *before == key).return_once(|_, _, _| Ok(false));
    let stores =
        Stores { sessions: Arc::new(sessions), servers: Arc::new(servers), ..world.stores() };
    let sealer = Sealer::new(vault, stores);
    assert_eq!(sealer.seal_sessions(tenant_id(1)).await.unwrap(), 1);
    assert_eq!(sealer.seal_servers().await.unwrap(), 1);
}

#[tokio::test]
async fn a_persons_messages_are_found_sealed_and_not_in_order() {
    let world = World::new();
    let vault = world.vault(Mode::Words).await;
    let (sealed, plain) = (world.messages(&vault), world.raw());
    for n in 1..=6 {
        let kept = [message(n)];
        if n % 2 == 0 {
            sealed.insert(&kept).await.unwrap();
        } else {
            plain.insert(&kept).await.unwrap();
        }
    }
    for mode in [Mode::Words, Mode::Plain] {
        let persons = SealedPersons::new(world.store.clone(), world.vault(mode).await);
        let mut found = Vec::new();
        loop {
            let after = found.last().copied();
            let page = persons.messages_with(tenant_id(1), &address(1), after, 2).await.unwrap();
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= 2 && page.iter().all(|message| message.sealed.is_none()));
            found.extend(page.iter().map(|message| message.id));
        }
        assert_eq!(found, ids(&[1, 2, 3, 4, 5, 6]), "{mode:?}");
    }
}

#[tokio::test]
async fn a_new_key_seals_from_now_on_and_what_is_kept_can_be_sealed_anew() {
    let world = World::new();
    let (one, other) = (world.vault(Mode::Words).await, world.vault(Mode::Words).await);
    let messages = world.messages(&one);
    let many: Vec<_> = (1..=250).map(|n| accepted(&one, n, "before")).collect();
    messages.insert(&many).await.unwrap();
    let elsewhere = world.messages(&other);
    assert_eq!(found(&elsewhere, "before").await.len(), 100);

    assert_eq!(one.rotate(tenant_id(1)).await.unwrap(), 2);
    messages.insert(&[accepted(&one, 300, "after")]).await.unwrap();
    assert_eq!(world.kept(300).await.sealed.unwrap().key, 2);
    // Another node reads it at once, and seals with the new key once it looks again.
    assert_eq!(found(&elsewhere, "after").await, ids(&[300]));
    world.clock.advance(KEYS_BELIEVED_FOR + Duration::from_secs(1));
    elsewhere.insert(&[accepted(&other, 301, "after")]).await.unwrap();
    assert_eq!(world.kept(301).await.sealed.unwrap().key, 2);

    let progress = world.seal_all(&one).await;
    assert_eq!(progress, Progress { seen: 252, sealed: 250, total: 252, next: None });
    assert_eq!(world.kept(1).await.sealed.unwrap().key, 2);
    assert_eq!(elsewhere.find(tenant_id(1), message_id(1)).await.unwrap(), Some(many[0].clone()));
    assert_eq!(world.seal_all(&one).await.sealed, 0);
}

#[tokio::test]
async fn keys_are_wrapped_anew_while_all_goes_on() {
    let world = World::new();
    let before = world.vault(Mode::Words).await;
    world.messages(&before).insert(&[accepted(&before, 1, "hello")]).await.unwrap();
    let vault = world.try_open(Mode::Words, &[2, 1]).await.unwrap();
    // Two of the deployment's, two of the tenant's.
    assert_eq!(world.sealer(&vault).rewrap_keys().await.unwrap(), Wrapping { done: 4, total: 4 });
    let after = world.try_open(Mode::Words, &[2]).await.unwrap();
    assert_eq!(found(&world.messages(&after), "hello").await, ids(&[1]));
    assert_eq!(found(&world.messages(&before), "hello").await, ids(&[1]));
    // And as long as they run, nodes that were not told of the new one.
    world.clock.advance(KEYS_BELIEVED_FOR * 2);
    assert_eq!(found(&world.messages(&before), "hello").await, ids(&[1]));
    world.messages(&before).insert(&[accepted(&before, 2, "hello")]).await.unwrap();
    assert_eq!(found(&world.messages(&after), "hello").await, ids(&[2, 1]));
    let refused = world.try_open(Mode::Words, &[1]).await.unwrap_err();
    assert!(matches!(refused, VaultError::Key(KeyError::Unknown { .. })), "{refused}");
}

#[tokio::test]
async fn a_key_that_any_tenants_keys_are_wrapped_in_is_wanted_at_the_start() {
    let world = World::new();
    let before = world.vault(Mode::Words).await;
    let with_both = world.try_open(Mode::Words, &[2, 1]).await.unwrap();
    world.messages(&with_both).insert(&[accepted(&with_both, 1, "hello")]).await.unwrap();
    // One that was not told of the new key cannot read it now, which is not to say that nobody can.
    let error = world.messages(&before).find(tenant_id(1), message_id(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    for keys in [[1].as_slice(), &[2], &[3, 1]] {
        let refused = world.try_open(Mode::Words, keys).await;
        assert!(matches!(refused, Err(VaultError::Key(KeyError::Unknown { .. }))), "{keys:?}");
    }
    for keys in [[1, 2], [2, 1]] {
        assert!(world.try_open(Mode::Words, &keys).await.is_ok(), "{keys:?}");
    }
}

/// Keys in memory that cannot be read at times.
struct Absent {
    keys: Arc<MemoryStore>,
    away: AtomicBool,
}

#[async_trait]
impl KeyStore for Absent {
    async fn keys(&self, tenant: Option<TenantId>) -> Result<Vec<KeptKey>, StoreError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(StoreError::unavailable("away"));
        }
        self.keys.keys(tenant).await
    }

    async fn add_key(&self, key: &KeptKey) -> Result<bool, StoreError> {
        self.keys.add_key(key).await
    }

    async fn keys_wrapped_otherwise(
        &self,
        by: &str,
        limit: u32,
    ) -> Result<Vec<KeptKey>, StoreError> {
        self.keys.keys_wrapped_otherwise(by, limit).await
    }

    async fn wrapping(&self, by: &str) -> Result<Wrapping, StoreError> {
        self.keys.wrapping(by).await
    }

    async fn rewrap_key(&self, key: &KeptKey, before: &str) -> Result<bool, StoreError> {
        self.keys.rewrap_key(key, before).await
    }

    async fn shred_keys(&self, tenant: TenantId) -> Result<u64, StoreError> {
        self.keys.shred_keys(tenant).await
    }
}

#[tokio::test]
async fn keys_that_were_seen_to_be_shredded_do_not_come_back_when_none_can_be_read() {
    let world = World::new();
    let keys = Arc::new(Absent { keys: world.store.clone(), away: AtomicBool::new(false) });
    let parts = Parts {
        keys: keys.clone(),
        provider: Arc::new(LocalKeys::new(&key(1), &[], SystemEntropy).unwrap()),
        clock: world.clock.clone(),
        entropy: Arc::new(SystemEntropy),
    };
    let vault = Vault::open(parts, Mode::Words).await.unwrap();
    let messages = world.messages(&vault);
    messages.insert(&[accepted(&vault, 1, "hello")]).await.unwrap();
    let read = async || {
        let found = messages.find(tenant_id(1), message_id(1)).await?;
        Ok::<_, StoreError>(found.is_some_and(|message| !message.is_sealed()))
    };
    // What is known serves while none can be read, and is looked for again soon.
    world.clock.advance(KEYS_BELIEVED_FOR * 2);
    keys.away.store(true, Ordering::Relaxed);
    assert!(read().await.unwrap());
    keys.away.store(false, Ordering::Relaxed);
    world.store.shred_keys(tenant_id(1)).await.unwrap();
    world.clock.advance(KEYS_BELIEVED_FOR / 2);
    assert!(!read().await.unwrap());
    keys.away.store(true, Ordering::Relaxed);
    assert!(matches!(read().await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn dates_and_grouped_numbers_are_found_as_they_are_written() {
    let world = World::new();
    let vault = world.vault(Mode::Words).await;
    let messages = world.messages(&vault);
    let texts =
        ["due 2024-05-01, or else", "10 000 pieces on 2024-05-02", "call +55 (11) 98765-1234"];
    for (n, text) in (1..).zip(texts) {
        messages.insert(&[accepted(&vault, n, text)]).await.unwrap();
    }
    for (search, n) in [
        ("2024-05-01", 1),
        ("due 2024", 1),
        ("10 000", 2),
        ("10000", 2),
        ("2024-05-02", 2),
        ("+55 (11) 98765-1234", 3),
    ] {
        assert_eq!(found(&messages, search).await, ids(&[n]), "{search}");
    }
    assert_eq!(found(&messages, "2024-05-03").await, []);
}

/// It is shown, and nothing else: other sessions must not be hidden with it.
#[tokio::test]
async fn an_account_whose_number_does_not_open_is_shown_without() {
    let world = World::new();
    let vault = world.vault(Mode::Words).await;
    let sessions = SealedSessions::new(world.store.clone(), vault);
    let damaged = Address::Sealed(Alias::new(0, "AAAA"));
    let account = |n, own| Session { own_address: Some(own), ..session(n) };
    SessionStore::insert(world.store.as_ref(), &account(1, damaged)).await.unwrap();
    sessions.insert(&account(2, address(9))).await.unwrap();
    let listed = sessions.list(tenant_id(1)).await.unwrap();
    let shown: Vec<_> = listed.into_iter().map(|session| session.own_address).collect();
    assert_eq!(shown, [None, Some(address(9))]);
}

#[tokio::test]
async fn a_wrong_key_is_noticed_when_it_is_opened() {
    let world = World::new();
    assert!(!Vault::is_in_use(world.store.as_ref()).await.unwrap());
    world.vault(Mode::Words).await;
    assert!(Vault::is_in_use(world.store.as_ref()).await.unwrap());
    let refused = world.try_open(Mode::Words, &[9]).await.unwrap_err();
    assert!(matches!(&refused, VaultError::Key(KeyError::Unknown { .. })), "{refused}");
    assert!(!format!("{refused}{refused:?}").contains("9, 9"));
}

#[tokio::test]
async fn without_its_keys_nobody_reads_what_a_tenant_had() {
    let world = World::new();
    let vault = world.vault(Mode::Words).await;
    let messages = world.messages(&vault);
    let theirs = Message { tenant: tenant_id(2), session: session_id(2), ..message(2) };
    messages.insert(&[message(1), theirs.clone()]).await.unwrap();
    vault.shred(tenant_id(1)).await.unwrap();
    let sealed = messages.find(tenant_id(1), message_id(1)).await.unwrap().unwrap();
    assert!(sealed.is_sealed() && sealed.content.body.is_empty());
    assert_eq!(messages.find(tenant_id(2), message_id(2)).await.unwrap(), Some(theirs));
}

#[tokio::test]
async fn a_tenant_that_is_deleted_is_read_by_no_node_any_more() {
    let world = World::new();
    let here = world.vault(Mode::Words).await;
    let elsewhere = world.vault(Mode::Words).await;
    let tenants = ShreddedTenants::new(world.store.clone(), here.clone());
    tenants.insert(&tenant(1)).await.unwrap();
    let theirs = Message { tenant: tenant_id(2), session: session_id(2), ..message(2) };
    world.messages(&here).insert(&[message(1), theirs.clone()]).await.unwrap();
    let read = async |vault: &Arc<Vault>| {
        let found = world.messages(vault).find(tenant_id(1), message_id(1)).await.unwrap();
        !found.unwrap().is_sealed()
    };
    assert!(read(&here).await && read(&elsewhere).await);

    tenants.begin_deletion(tenant_id(1), at(1)).await.unwrap();
    tenants.shred(tenant_id(1)).await.unwrap();
    assert_eq!(world.store.keys(Some(tenant_id(1))).await.unwrap(), []);
    assert!(!read(&here).await);
    world.clock.advance(KEYS_BELIEVED_FOR);
    assert!(!read(&elsewhere).await);

    // What was under way may have made new ones, which go with the tenant.
    world.messages(&elsewhere).insert(&[message(3)]).await.unwrap();
    assert_eq!(world.store.keys(Some(tenant_id(1))).await.unwrap().len(), 2);
    while tenants.erase(tenant_id(1), 9).await.unwrap() > 0 {}
    assert!(tenants.let_go(tenant_id(1)).await.unwrap());
    assert_eq!(world.store.keys(Some(tenant_id(1))).await.unwrap(), []);
    let kept = world.messages(&here).find(tenant_id(2), message_id(2)).await.unwrap();
    assert_eq!(kept, Some(theirs));
}

#[tokio::test]
async fn nodes_that_begin_at_once_have_the_same_keys() {
    let world = World::new();
    let vaults = join_all((0..8).map(|_| world.vault(Mode::Words))).await;
    let stores: Vec<_> = vaults.iter().map(|vault| world.messages(vault)).collect();
    let many: Vec<_> = (1..=8).zip(&vaults).map(|(n, vault)| accepted(vault, n, "hello")).collect();
    let inserts =
        stores.iter().zip(&many).map(|(store, one)| store.insert(std::slice::from_ref(one)));
    for inserted in join_all(inserts).await {
        inserted.unwrap();
    }
    for store in &stores {
        assert_eq!(found(store, "hello").await.len(), 8);
    }
    let aliases: std::collections::BTreeSet<_> = many.iter().map(|one| one.alias).collect();
    assert_eq!(aliases.len(), 1);
    assert_eq!(world.store.keys(Some(tenant_id(1))).await.unwrap().len(), 2);
}

#[tokio::test]
async fn keys_that_cannot_be_read_at_the_start_are_told_of() {
    let mut keys = MockKeyStore::new();
    keys.expect_keys().returning(|_| Err(StoreError::unavailable("away")));
    let parts = Parts {
        keys: Arc::new(keys),
        provider: Arc::new(LocalKeys::new(&key(1), &[], SystemEntropy).unwrap()),
        clock: Arc::new(FakeClock::new(at(0))),
        entropy: Arc::new(SystemEntropy),
    };
    let error = Vault::open(parts, Mode::Words).await.unwrap_err();
    assert!(matches!(error, VaultError::Store(StoreError::Unavailable(_))), "{error}");
}

#[test]
fn a_key_is_read_in_either_spelling() {
    let hex = "07".repeat(32);
    let base64 = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    for text in [hex.as_str(), base64, &format!(" {base64}\n")] {
        assert!(parse_key(text).is_some(), "{text}");
    }
    for text in ["", "short", &hex[2..], "not base64 at all, of some length", "BwcHBwcH"] {
        assert!(parse_key(text).is_none(), "{text}");
    }
}
