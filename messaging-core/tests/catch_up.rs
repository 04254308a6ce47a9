//! What webhooks did not tell is read from the provider, and has its effect once.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::time::Duration;

use messaging_core::conformance::build::{at, session, session_id, tenant_id};
use messaging_core::delivery::catch_up::CaughtUp;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::id::ProviderMessageId;
use messaging_core::domain::message::{Direction, Message};
use messaging_core::domain::session::{ProviderSession, Session, SessionHealth, SessionStatus};
use messaging_core::domain::status::{Status, StatusEvent};
use messaging_core::ports::session_store::SessionStore;

use world::{READ_EVERY, World};

/// After so long what was written is no longer left to its webhook.
const SETTLED: Duration = Duration::from_secs(30);

fn place() -> ProviderSession {
    session(1).place
}

async fn received(world: &World) -> Vec<String> {
    let filter = MessageFilter { direction: Some(Direction::Inbound), ..Default::default() };
    let portion = Portion::Page { page: 1, limit: 100 };
    let listed = world.gateway.list_messages(tenant_id(1), None, filter, portion).await.unwrap();
    listed.messages.into_iter().map(|message| message.content.body).rev().collect()
}

async fn sent(world: &World, to: u64, body: &str) -> (Message, ProviderMessageId) {
    let message = world.send(to, body).await;
    world.work().await;
    let message = world.message(message.id).await;
    let id = message.provider_message_id.clone().unwrap();
    (message, id)
}

/// Reads once, and applies what was read.
async fn catch_up(world: &mut World) -> CaughtUp {
    let done = world.catch_up.run_once().await.unwrap();
    while world.inbox.run_once().await.unwrap() > 0 {}
    done
}

/// Reads when it is time to.
async fn catch_up_later(world: &mut World) -> CaughtUp {
    world.clock.advance(READ_EVERY);
    catch_up(world).await
}

async fn health(world: &World) -> (SessionHealth, bool) {
    let found = SessionStore::find_any(&*world.store, session_id(1)).await.unwrap().unwrap();
    (found.health, found.health_since.is_some())
}

async fn read_until(world: &World) -> Option<u64> {
    let watched = world.store.watched().await.unwrap();
    let since_start = |until: messaging_core::domain::timestamp::Timestamp| until.since(at(0));
    watched[0].read_until.map(|until| since_start(until).as_millis() as u64)
}

#[tokio::test]
async fn what_came_in_and_was_acknowledged_while_the_program_was_down_is_there_once() {
    let world = World::new().await;
    let (message, id) = sent(&world, 1, "hello").await;
    world.provider.receive(&place(), "3A01", "one");
    world.clock.advance(Duration::from_secs(1));
    world.provider.receive(&place(), "3A02", "two");
    world.provider.acknowledge(&id, StatusEvent::Deliver);
    world.clock.advance(Duration::from_secs(3600));
    let mut world = world.restart();
    let done = catch_up(&mut world).await;
    assert_eq!((done.messages, done.receipts, done.failures), (2, 1, 0));
    assert_eq!(received(&world).await.len(), 2);
    assert_eq!(world.status(message.id).await, Status::Delivered);
    for _ in 0..3 {
        assert_eq!(catch_up_later(&mut world).await, CaughtUp::default());
    }
    assert_eq!(received(&world).await.len(), 2);
}

#[tokio::test]
async fn a_message_and_its_ack_have_one_effect_by_webhook_and_by_reading_in_whatever_order() {
    for is_webhook_first in [true, false] {
        let mut world = World::new().await;
        let (message, id) = sent(&world, 1, "hello").await;
        world.provider.receive(&place(), "3A01", "one");
        world.provider.acknowledge(&id, StatusEvent::Deliver);
        world.clock.advance(SETTLED);
        let (text, ack) = (
            format!("k1 {} text 3A01 one", place().name),
            format!("k2 {} delivered {id}", place().name),
        );
        if !is_webhook_first {
            assert_eq!(catch_up(&mut world).await.messages, 1);
        }
        world.webhook(&text).await.unwrap();
        world.webhook(&ack).await.unwrap();
        let done = catch_up_later(&mut world).await;
        assert_eq!((done.messages, done.receipts), (0, 0));
        assert_eq!(received(&world).await, ["one"]);
        assert_eq!(world.status(message.id).await, Status::Delivered);
        let moves = |events: Vec<messaging_core::domain::message::MessageEvent>| {
            events.iter().filter(|line| line.event == Some(StatusEvent::Deliver)).count()
        };
        let events = world.gateway.message_events(tenant_id(1), message.id).await.unwrap();
        // An ack that comes late is recorded, and moves nothing.
        assert_eq!(moves(events), if is_webhook_first { 1 } else { 2 });
    }
}

#[tokio::test]
async fn what_may_still_come_as_a_webhook_is_left_to_it() {
    let mut world = World::new().await;
    world.clock.advance(Duration::from_secs(600));
    catch_up(&mut world).await;
    world.clock.advance(READ_EVERY);
    world.provider.receive(&place(), "3A01", "one");
    assert_eq!(catch_up(&mut world).await, CaughtUp::default());
    assert_eq!(read_until(&world).await, None);
    assert_eq!(catch_up_later(&mut world).await.messages, 1);
    assert_eq!(received(&world).await, ["one"]);
}

#[tokio::test]
async fn an_ack_that_is_lost_is_found_and_one_that_is_an_error_fails_the_message() {
    let mut world = World::new().await;
    let (read, id) = sent(&world, 1, "hello").await;
    let (bounced, other) = sent(&world, 2, "hello").await;
    catch_up(&mut world).await;
    world.provider.acknowledge(&id, StatusEvent::Read);
    world.provider.acknowledge(&other, StatusEvent::Bounce);
    assert_eq!(catch_up_later(&mut world).await.receipts, 2);
    assert_eq!(world.status(read.id).await, Status::Read);
    assert_eq!(world.status(bounced.id).await, Status::Failed);
}

#[tokio::test]
async fn a_session_that_works_again_is_read_at_once_and_so_are_all_of_a_server_that_was_restarted()
{
    let mut world = World::new().await;
    let (message, id) = sent(&world, 1, "hello").await;
    let name = place().name;
    world.clock.advance(SETTLED);
    catch_up(&mut world).await;
    world.clock.advance(Duration::from_secs(1));
    world.webhook(&format!("k1 {name} status starting")).await.unwrap();
    world.provider.was_read();
    catch_up(&mut world).await;
    assert_eq!(world.provider.was_read(), []);
    // Long enough for what was sent to be out of the reading of all that is new.
    world.clock.advance(Duration::from_secs(7200));
    world.provider.receive(&place(), "3A01", "one");
    world.provider.acknowledge(&id, StatusEvent::Read);
    world.clock.advance(SETTLED);
    world.webhook(&format!("k2 {name} status working")).await.unwrap();
    let done = catch_up(&mut world).await;
    assert_eq!((done.messages, done.receipts), (1, 1));
    assert_eq!(world.status(message.id).await, Status::Read);

    world.provider.receive(&place(), "3A02", "two");
    world.clock.advance(SETTLED);
    assert_eq!(catch_up(&mut world).await, CaughtUp::default(), "it is not time to");
    world.provider.restart_server(&place().server);
    assert_eq!(catch_up(&mut world).await.messages, 1);
    assert_eq!(received(&world).await, ["one", "two"]);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_leaves_what_was_read_where_it_was() {
    let mut world = World::new().await;
    world.provider.receive(&place(), "3A01", "one");
    world.clock.advance(SETTLED);
    world.provider.set_unreachable(true);
    assert_eq!(catch_up(&mut world).await.failures, 1);
    assert_eq!(world.witness.faults(), ["provider"]);
    assert_eq!((received(&world).await, read_until(&world).await), (vec![], None));
    world.provider.set_unreachable(false);
    // It is left alone for a while.
    assert_eq!(catch_up(&mut world).await, CaughtUp::default());
    world.clock.advance(Duration::from_secs(15));
    assert_eq!(catch_up(&mut world).await.messages, 1);
    assert_eq!(read_until(&world).await, Some(10_000));
}

#[tokio::test]
async fn what_is_written_in_a_chat_that_was_read_while_a_reading_goes_on_is_read_next() {
    let mut world = World::new().await;
    world.provider.tell_chat_by_chat();
    world.provider.set_page(2);
    for n in 0..10 {
        world.provider.receive(&place(), &format!("3A{n:02}"), "early");
    }
    world.clock.advance(SETTLED);
    assert!(catch_up(&mut world).await.has_more);
    // The network breaks in the middle; the session does not.
    world.provider.set_unreachable(true);
    catch_up(&mut world).await;
    world.clock.advance(Duration::from_secs(1800));
    world.provider.receive(&place(), "3A00B", "passed");
    world.clock.advance(Duration::from_secs(1800));
    world.provider.receive(&place(), "3B00", "ahead");
    world.clock.advance(SETTLED);
    world.provider.set_unreachable(false);
    while catch_up(&mut world).await.has_more {}
    let has = |received: &[String], body: &str| received.iter().any(|it| it == body);
    let first = received(&world).await;
    assert!(has(&first, "ahead") && !has(&first, "passed"), "{first:?}");
    while catch_up_later(&mut world).await.has_more {}
    assert!(has(&received(&world).await, "passed"));
}

#[tokio::test]
async fn a_provider_that_remembers_nothing_harms_nobody() {
    let mut world = World::new().await;
    world.provider.remember_nothing();
    let done = catch_up(&mut world).await;
    assert_eq!((done.failures, done.messages), (1, 0));
    assert_eq!(world.witness.faults(), [""; 0]);
}

#[tokio::test]
async fn a_long_history_holds_up_no_other_session_and_is_not_done_before_its_end() {
    let mut world = World::new().await;
    let other = Session { created_at: at(1), ..session(2) };
    SessionStore::insert(&*world.store, &other).await.unwrap();
    world.provider.set_session(&other.place, SessionStatus::Working);
    world.provider.set_page(2);
    for n in 0..30 {
        world.provider.receive(&place(), &format!("3A{n:02}"), &format!("{n}"));
    }
    world.provider.receive(&other.place, "3B01", "other");
    world.clock.advance(SETTLED);
    let done = catch_up(&mut world).await;
    assert!(done.has_more);
    assert_eq!(done.messages, 8 + 1);
    assert_eq!(read_until(&world).await, None);
    // Killed now, it begins anew, and takes nothing in twice.
    let mut world = world.restart();
    let mut passes = 0;
    while catch_up(&mut world).await.has_more {
        passes += 1;
        assert!(passes < 20, "it does not end");
    }
    assert_eq!(received(&world).await.len(), 31);
    assert_eq!(read_until(&world).await, Some(10_000));
}

#[tokio::test]
async fn what_was_there_before_the_session_was_ours_is_not_taken_in() {
    let mut world = World::new().await;
    world.provider.receive(&place(), "3A01", "before");
    let later = Session { created_at: at(20_000), ..session(2) };
    world.provider.receive(&later.place, "3B01", "of somebody else's");
    world.clock.advance(Duration::from_secs(10));
    SessionStore::insert(&*world.store, &later).await.unwrap();
    world.provider.set_session(&later.place, SessionStatus::Working);
    world.provider.receive(&later.place, "3B02", "ours");
    world.clock.advance(SETTLED);
    catch_up(&mut world).await;
    assert_eq!(received(&world).await, ["before", "ours"]);
}

#[tokio::test]
async fn what_was_sent_from_the_telephone_itself_changes_nothing() {
    let world = World::new().await;
    // By another node that shares the account, say: nothing here knows it.
    let (_, id) = sent(&world, 1, "hello").await;
    world.provider.acknowledge(&id, StatusEvent::Read);
    world.clock.advance(SETTLED);
    let mut world = world.elsewhere().await;
    assert_eq!(catch_up(&mut world).await, CaughtUp::default());
    assert_eq!(world.provider.was_read().len(), 2);
}

#[tokio::test]
async fn a_message_that_nobody_acknowledges_is_asked_about_later() {
    let mut world = World::new().await;
    let (message, id) = sent(&world, 1, "hello").await;
    let mut others = 0;
    let mut minutes = 0;
    loop {
        // Others move on where reading begins.
        others += 1;
        let words = format!("k{others} {} text 3A{others:04} hi", place().name);
        world.provider.receive(&place(), &format!("3A{others:04}"), "hi");
        world.webhook(&words).await.unwrap();
        minutes += 1;
        catch_up_later(&mut world).await;
        if minutes == 40 {
            world.provider.acknowledge(&id, StatusEvent::Read);
        }
        match world.status(message.id).await {
            Status::Read => break,
            status => assert_eq!(status, Status::Sent),
        }
        assert!(minutes < 120, "it is not asked about");
    }
    assert!(minutes > 50, "it was asked about after {minutes} minutes");
}

#[tokio::test]
async fn a_session_whose_webhooks_do_not_come_is_deaf_until_one_does() {
    let mut world = World::new().await;
    world.clock.advance(Duration::from_secs(600));
    catch_up(&mut world).await;
    for n in 0..3 {
        assert_eq!(health(&world).await, (SessionHealth::Ok, false));
        world.provider.receive(&place(), &format!("3A{n:02}"), "hi");
        catch_up_later(&mut world).await;
        catch_up_later(&mut world).await;
    }
    assert_eq!(health(&world).await, (SessionHealth::Deaf, true));
    let words = format!("k1 {} text 3B01 hi", place().name);
    world.provider.receive(&place(), "3B01", "hi");
    world.webhook(&words).await.unwrap();
    catch_up_later(&mut world).await;
    assert_eq!(health(&world).await, (SessionHealth::Ok, false));
}

#[tokio::test]
async fn what_was_missed_in_an_outage_makes_no_session_deaf() {
    let mut world = World::new().await;
    world.clock.advance(Duration::from_secs(600));
    catch_up(&mut world).await;
    for n in 0..5 {
        world.provider.receive(&place(), &format!("3A{n:02}"), "hi");
    }
    world.provider.restart_server(&place().server);
    for _ in 0..3 {
        catch_up_later(&mut world).await;
    }
    assert_eq!(received(&world).await.len(), 5);
    assert_eq!(health(&world).await, (SessionHealth::Ok, false));
}

#[tokio::test]
async fn a_session_whose_messages_nobody_acknowledges_is_silent_until_somebody_does() {
    let mut world = World::new().await;
    let mut ids = Vec::new();
    for to in 1..=5 {
        ids.push(sent(&world, to, "hello").await);
    }
    let mut minutes = 0;
    while health(&world).await.0 == SessionHealth::Ok {
        catch_up_later(&mut world).await;
        minutes += 1;
        assert!(minutes < 30, "nobody notices");
    }
    assert!(minutes > 5, "an ack may take a while");
    assert_eq!(health(&world).await, (SessionHealth::Silent, true));
    let shown = world.gateway.health().await;
    assert_eq!(shown.ailing_sessions.get(&SessionHealth::Silent), Some(&1));

    let words = format!("k1 {} delivered {}", place().name, ids[4].1);
    world.webhook(&words).await.unwrap();
    for _ in 0..10 {
        catch_up_later(&mut world).await;
    }
    assert_eq!(health(&world).await, (SessionHealth::Ok, false));
}

#[tokio::test]
async fn a_session_that_is_not_connected_is_not_said_to_be_ill_as_well() {
    let mut world = World::new().await;
    world.store.record_health(session_id(1), SessionHealth::Silent, at(5)).await.unwrap();
    catch_up(&mut world).await;
    assert_eq!(health(&world).await, (SessionHealth::Silent, true));
    world.webhook(&format!("k1 {} status failed", place().name)).await.unwrap();
    catch_up(&mut world).await;
    assert_eq!(health(&world).await, (SessionHealth::Ok, false));
}
