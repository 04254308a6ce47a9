//! Who has opted out gets no message, by whichever way it was to come.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::time::Duration;

use messaging_core::conformance::build::{
    address, at, inbound, message_id, opt_out, session, session_id, tenant_id,
};
use messaging_core::conformance::provider::Script;
use messaging_core::domain::content::Content;
use messaging_core::domain::failure::FailureCode;
use messaging_core::domain::inbox::{InboxEffect, Kept};
use messaging_core::domain::message::{Message, Priority};
use messaging_core::domain::opt_out::words::{OptOutWords, WordList};
use messaging_core::domain::opt_out::{OptOut, OptOutRef, OptOutSource, Wish};
use messaging_core::domain::portion::PortionBy;
use messaging_core::domain::status::Status;
use messaging_core::gateway::Settings;
use messaging_core::gateway::bulk::BulkRequest;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::send::{SendRequest, Timing};
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::transport::{Later, LaterReason, SendOutcome};

use world::{World, request};

async fn opts_out(world: &World, person: u64) -> OptOut {
    let number = address(person);
    world.gateway.opt_out(tenant_id(1), number.as_str(), None).await.unwrap().0
}

async fn is_listed(world: &World, person: u64) -> bool {
    world.store.opted_out(tenant_id(1), &[address(person)]).await.unwrap()[0]
}

async fn assert_ended(world: &World, message: &Message) {
    let ended = world.message(message.id).await;
    let code = ended.failure.as_ref().map(|failure| failure.code);
    assert_eq!((ended.status, code), (Status::Failed, Some(FailureCode::OptedOut)));
}

fn bulk(people: &[u64], batch_size: u32) -> BulkRequest {
    BulkRequest {
        session: session_id(1).into(),
        recipients: people.iter().map(|n| address(*n).as_str().into()).collect(),
        content: Content::text("hello all"),
        batch_size,
        priority: Priority::Normal,
        metadata: None,
        timing: Timing::default(),
        idempotency_key: None,
    }
}

#[tokio::test]
async fn nothing_is_accepted_for_somebody_who_opted_out() {
    let world = World::new().await;
    opts_out(&world, 1).await;
    let refused = world.try_send(request(1, "hello")).await;
    assert!(matches!(refused, Err(GatewayError::OptedOut)), "{refused:?}");
    world.send(2, "hello").await;
    world.work().await;
    assert_eq!(world.provider.arrivals().len(), 1);
}

/// WhatsApp names an account by one spelling of its number, and the tenant may write the other.
#[tokio::test]
async fn however_a_number_is_written_it_is_the_same_person() {
    let to = |number: &str| SendRequest::text(session_id(1), number, "hello");
    let (long, short) = ("+5511988887700", "+551188887700");
    for (listed, written) in [(long, short), (short, long), (short, short)] {
        let world = World::new().await;
        let waiting = world.try_send(to(written)).await.unwrap();
        world.gateway.opt_out(tenant_id(1), listed, None).await.unwrap();
        assert_ended(&world, &waiting).await;
        let refused = world.try_send(to(written)).await;
        assert!(matches!(refused, Err(GatewayError::OptedOut)), "{refused:?}");
        world.gateway.take_opt_out_back(tenant_id(1), written).await.unwrap();
        let again = SendRequest { content: Content::text("hello again"), ..to(written) };
        world.try_send(again).await.unwrap();
    }
    let world = World::new().await;
    let mut twice = bulk(&[1], 10);
    twice.recipients = vec![long.into(), short.into()];
    let accepted = world.gateway.send_bulk(tenant_id(1), twice).await.unwrap();
    assert_eq!((accepted.batch.accepted, &*accepted.rejected[0].code), (1, "duplicate-recipient"));
}

#[tokio::test]
async fn what_is_refused_uses_nothing_of_the_quota() {
    let world = World::with(world::quota(1, Duration::from_secs(60))).await;
    opts_out(&world, 1).await;
    for _ in 0..3 {
        world.try_send(request(1, "hello")).await.unwrap_err();
    }
    world.send(2, "hello").await;
}

#[tokio::test]
async fn another_tenants_list_says_nothing() {
    let world = World::new().await;
    let theirs = OptOut { tenant: tenant_id(2), ..opt_out(1) };
    world.store.add(&theirs).await.unwrap();
    world.send(1, "hello").await;
    world.work().await;
    assert_eq!(world.delivered(), ["hello"]);
}

#[tokio::test]
async fn a_bulk_request_lists_them_among_the_refused_in_order() {
    let world = World::new().await;
    opts_out(&world, 2).await;
    let mut request = bulk(&[1, 2, 3, 1], 10);
    request.recipients.insert(0, "123".into());
    let accepted = world.gateway.send_bulk(tenant_id(1), request).await.unwrap();
    let rejected: Vec<_> = accepted.rejected.iter().map(|it| (it.index, &*it.code)).collect();
    assert_eq!(rejected, [(0, "invalid-phone"), (2, "opted-out"), (4, "duplicate-recipient")]);
    assert_eq!((accepted.batch.accepted, accepted.batch.rejected), (2, 3));
    let only = world.gateway.send_bulk(tenant_id(1), bulk(&[2], 10)).await.unwrap_err();
    assert_eq!(only.code(), "opted-out");
}

#[tokio::test]
async fn what_waits_ends_at_once_through_all_sessions_and_however_it_is_held() {
    let world = World::new().await;
    SessionStore::insert(&*world.store, &session(2)).await.unwrap();
    let later = Later { reason: LaterReason::Failed, after: Some(Duration::from_secs(600)) };
    world.provider.script([Script::Answer(SendOutcome::TryLater(later))]);
    let retried = world.send(1, "to be tried again").await;
    world.work().await;
    assert_eq!(world.status(retried.id).await, Status::Retry);
    let queued = world.send(1, "behind it").await;
    let elsewhere = SendRequest::text(session_id(2), address(1).as_str(), "elsewhere");
    let elsewhere = world.try_send(elsewhere).await.unwrap();
    let timing = Timing { send_at: Some(at(9_000_000)), expires_at: None };
    let scheduled = world.try_send(SendRequest { timing, ..request(1, "later") }).await.unwrap();
    let another = world.send(2, "to another").await;
    let accepted = world.gateway.send_bulk(tenant_id(1), bulk(&[3, 1, 4], 1)).await.unwrap();

    opts_out(&world, 1).await;
    for message in [&retried, &queued, &elsewhere, &scheduled] {
        assert_ended(&world, message).await;
    }
    let progress = world.gateway.find_bulk(tenant_id(1), accepted.batch.id).await.unwrap();
    assert_eq!(progress.by_status, [(Status::Queued, 2), (Status::Failed, 1)].into());
    assert_eq!(progress.failures, [(FailureCode::OptedOut, 1)].into());
    assert_eq!(world.status(another.id).await, Status::Queued);
    world.work_for(Duration::from_secs(10_000)).await;
    let progress = world.gateway.find_bulk(tenant_id(1), accepted.batch.id).await.unwrap();
    assert_eq!(progress.by_status, [(Status::Sent, 2), (Status::Failed, 1)].into());
    let arrivals = world.provider.arrivals();
    let to_one = arrivals.iter().filter(|it| it.chat == address(1).as_str()).count();
    // The attempt that was made before.
    assert!(to_one <= 1, "{to_one}");
    assert!(!world.delivered().contains(&"behind it".to_owned()));
}

#[tokio::test]
async fn more_than_one_portion_ends() {
    let world = World::with(world::quota(100_000, Duration::from_secs(60))).await;
    let mut sent = Vec::new();
    for n in 0..1201 {
        sent.push(world.send(1, &format!("text {n}")).await.id);
    }
    opts_out(&world, 1).await;
    for id in sent {
        assert_eq!(world.status(id).await, Status::Failed);
    }
    assert_eq!(world.gateway.health().await.queue_depth, Some(0));
}

/// As when both happen in one moment: the list was looked at before the entry came to it, and what
/// waits was ended before the message was there.
#[tokio::test]
async fn a_message_accepted_in_the_very_moment_is_not_sent() {
    let world = World::new().await;
    let message = world.send(1, "hello").await;
    world.store.add(&opt_out(1)).await.unwrap();
    world.work().await;
    assert_ended(&world, &message).await;
    assert_eq!(world.provider.arrivals().len(), 0);
    // And no permit is used up by it.
    world.send(2, "hello").await;
    world.work().await;
    assert_eq!(world.provider.arrivals().len(), 1);
}

#[tokio::test]
async fn what_another_node_put_on_an_empty_list_is_seen_a_second_later() {
    let world = World::new().await;
    world.send(2, "hello").await;
    world.store.add(&opt_out(1)).await.unwrap();
    // Accepted as by a node that does not know it yet; but not sent.
    let message = world.send(1, "hello").await;
    world.work().await;
    assert_ended(&world, &message).await;
    world.clock.advance(Duration::from_secs(1));
    let refused = world.gateway.send(tenant_id(1), request(1, "again")).await;
    assert!(matches!(refused, Err(GatewayError::OptedOut)));
}

#[tokio::test]
async fn a_bulk_request_goes_on_past_those_who_opt_out_meanwhile() {
    let world = World::with(world::quota(1000, Duration::from_secs(60))).await;
    let people: Vec<u64> = (1..=9).collect();
    let accepted = world.gateway.send_bulk(tenant_id(1), bulk(&people, 2)).await.unwrap();
    for n in [2, 3, 4, 9] {
        world.store.add(&opt_out(n)).await.unwrap();
    }
    world.work().await;
    let progress = world.gateway.find_bulk(tenant_id(1), accepted.batch.id).await.unwrap();
    assert_eq!(progress.by_status, [(Status::Sent, 5), (Status::Failed, 4)].into());
    assert_eq!(progress.failures, [(FailureCode::OptedOut, 4)].into());
}

#[tokio::test]
async fn what_may_have_been_sent_says_so_still() {
    let world = World::new().await;
    world.provider.script([Script::Answer(SendOutcome::Unknown)]);
    let message = world.send(1, "hello").await;
    world.work().await;
    assert_eq!(world.status(message.id).await, Status::Retry);
    opts_out(&world, 1).await;
    let ended = world.message(message.id).await;
    let failure = ended.failure.unwrap();
    assert_eq!((ended.status, failure.code), (Status::Failed, FailureCode::OutcomeUnknown));
    assert!(failure.detail.unwrap().contains("opted-out"));
}

#[tokio::test]
async fn a_dead_letter_is_not_tried_again_until_its_recipient_is_taken_from_the_list() {
    let world = World::new().await;
    let message = world.send(1, "hello").await;
    opts_out(&world, 1).await;
    let refused = world.gateway.replay(tenant_id(1), message.id).await;
    assert!(matches!(refused, Err(GatewayError::OptedOut)), "{refused:?}");
    world.gateway.take_opt_out_back(tenant_id(1), address(1).as_str()).await.unwrap();
    world.gateway.replay(tenant_id(1), message.id).await.unwrap();
    world.work().await;
    assert_eq!(world.delivered(), ["hello"]);
}

#[tokio::test]
async fn to_opt_out_twice_changes_nothing_but_ends_what_waits() {
    let world = World::new().await;
    let first = opts_out(&world, 1).await;
    // Whoever put it there did not come to the end.
    world.store.remove(tenant_id(1), &OptOutRef::Id(first.id)).await.unwrap();
    let message = world.send(1, "hello").await;
    world.store.add(&first).await.unwrap();
    let number = address(1);
    let note = Some("again".to_owned());
    let again = world.gateway.opt_out(tenant_id(1), number.as_str(), note).await.unwrap();
    assert_eq!(again, (first, false));
    assert_ended(&world, &message).await;
}

#[tokio::test]
async fn an_answer_that_says_stop_puts_its_sender_on_the_list() {
    let world = World::new().await;
    let waiting = world.send(1, "an offer").await;
    world.webhook("a waha-1 text 3A01 STOP!").await.unwrap();
    assert_ended(&world, &waiting).await;
    let refused = world.try_send(request(1, "another offer")).await;
    assert!(matches!(refused, Err(GatewayError::OptedOut)), "{refused:?}");
    let listed = world.gateway.find_opt_out(tenant_id(1), address(1).as_str()).await.unwrap();
    assert_eq!((listed.source, listed.note), (OptOutSource::Reply, None));
    assert!(listed.words.is_some());
    let said = world.message(listed.message.unwrap()).await;
    assert_eq!((said.content.body.as_str(), said.status), ("STOP!", Status::Received));

    world.webhook("b waha-1 text 3A02 start").await.unwrap();
    world.send(1, "welcome back").await;
}

/// Webhooks overtake one another: what was said last counts, not what was heard last.
#[tokio::test]
async fn an_earlier_start_that_comes_later_does_not_take_back_a_stop() {
    let world = World::new().await;
    let place = session(1).place.name;
    world.clock.advance(Duration::from_secs(60));
    let said = |key: &str, at: u64, word: &str| format!("{key} {place} at {at} 7 {key} {word}");
    world.webhook(&said("a", 65_000, "STOP")).await.unwrap();
    world.webhook(&said("b", 35_000, "START")).await.unwrap();
    assert!(is_listed(&world, 7).await);
    world.webhook(&said("c", 66_000, "START")).await.unwrap();
    assert!(!is_listed(&world, 7).await);
}

#[tokio::test]
async fn a_repeated_webhook_does_not_bring_back_who_was_taken_from_the_list() {
    let world = World::new().await;
    world.webhook("a waha-1 text 3A01 stop").await.unwrap();
    world.gateway.take_opt_out_back(tenant_id(1), address(1).as_str()).await.unwrap();
    assert_eq!(world.webhook("a waha-1 text 3A01 stop").await.unwrap(), Kept::Repeat);
    world.webhook("b waha-1 text 3A01 stop").await.unwrap();
    assert!(!is_listed(&world, 1).await);
}

#[tokio::test]
async fn what_one_writes_oneself_or_says_besides_is_no_wish() {
    let world = World::new().await;
    world.webhook("a waha-1 echo 3A01 stop").await.unwrap();
    world.webhook("b waha-1 text 3A02 nonstop").await.unwrap();
    assert!(!is_listed(&world, 1).await);
}

#[tokio::test]
async fn a_crash_between_list_and_end_loses_nothing() {
    let world = World::new().await;
    let message = world.send(1, "hello").await;
    world.keep("a waha-1 text 3A01 stop").await.unwrap();
    // It is applied, and the process ends before what waits is ended.
    let entry = world.store.due(at(1_000_000), 10).await.unwrap().pop().unwrap();
    let wish = Wish::Leave(Box::new(opt_out(1)));
    let effect = InboxEffect::ReceiveWish(Box::new(inbound(7)), wish);
    world.store.apply(&[(entry.id, effect)]).await.unwrap();
    assert!(is_listed(&world, 1).await);
    assert_eq!(world.status(message.id).await, Status::Queued);
    let mut world = world.restart();
    world.recovery.run_once().await.unwrap();
    world.work().await;
    assert_ended(&world, &message).await;
    assert_eq!(world.provider.arrivals().len(), 0);
}

#[tokio::test]
async fn words_may_be_chosen() {
    let own = ["genug".to_owned()];
    let opt_out_words = OptOutWords::new(&[WordList::German], &own, &[]);
    let world = World::with(Settings { opt_out_words, ..Settings::default() }).await;
    world.webhook("a waha-1 text 3A01 unsubscribe").await.unwrap();
    assert!(!is_listed(&world, 1).await);
    world.webhook("b waha-1 text 3A02 Genug!").await.unwrap();
    let listed = world.gateway.find_opt_out(tenant_id(1), address(1).as_str()).await.unwrap();
    assert_eq!(listed.words, Some(WordList::Own));
}

#[tokio::test]
async fn a_list_is_read_by_portions_or_by_number() {
    let world = World::new().await;
    for n in 1..=3 {
        opts_out(&world, n).await;
    }
    let page = |page, limit| PortionBy::Page { page, limit };
    let found = world.gateway.list_opt_outs(tenant_id(1), None, page(2, 2)).await.unwrap();
    assert_eq!((found.items.len(), found.total, found.has_more), (1, 3, false));
    let number = address(2);
    let number = Some(number.as_str());
    let found = world.gateway.list_opt_outs(tenant_id(1), number, page(1, 2)).await.unwrap();
    assert_eq!((found.items[0].address.clone(), found.total), (address(2), 1));
    let last = found.items[0].id;
    for beyond in [page(2, 2), PortionBy::OlderThan { last, limit: 2 }] {
        let found = world.gateway.list_opt_outs(tenant_id(1), number, beyond).await.unwrap();
        assert_eq!((found.items, found.total), (vec![], 1));
    }
    for (portion, pointer) in
        [(page(0, 2), "/page"), (page(1, 0), "/limit"), (page(1, 101), "/limit")]
    {
        match world.gateway.list_opt_outs(tenant_id(1), None, portion).await {
            Err(GatewayError::Invalid(fields)) => assert_eq!(fields[0].pointer, pointer),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = World::new().await;
    let long = Some("x".repeat(501));
    match world.gateway.opt_out(tenant_id(1), "123", long).await {
        Err(GatewayError::Invalid(fields)) => {
            let pointers: Vec<_> = fields.iter().map(|field| field.pointer.as_str()).collect();
            assert_eq!(pointers, ["/number", "/note"]);
        }
        other => panic!("{other:?}"),
    }
    let unknown = message_id(9).to_string();
    for entry in [unknown.as_str(), address(5).as_str()] {
        let refused = world.gateway.take_opt_out_back(tenant_id(1), entry).await;
        assert!(matches!(refused, Err(GatewayError::OptOutNotFound)), "{refused:?}");
    }
    let wrong = world.gateway.take_opt_out_back(tenant_id(1), "abc").await;
    assert!(matches!(wrong, Err(GatewayError::Invalid(_))), "{wrong:?}");
}
