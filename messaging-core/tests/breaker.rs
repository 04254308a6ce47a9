//! A server that fails is left alone, and whoever waits for it goes on once it works again.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::time::Duration;

use messaging_core::conformance::build::{address, session, tenant_id};
use messaging_core::conformance::provider::Script;
use messaging_core::domain::breaker::BreakerState;
use messaging_core::domain::id::MessageId;
use messaging_core::domain::session::{OnUnavailable, ProviderSession, Session, SessionStatus};
use messaging_core::domain::status::Status;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::pacing::Pacing;
use messaging_core::gateway::send::SendRequest;
use messaging_core::gateway::suspension::Stop;
use messaging_core::ports::clock::Clock;
use messaging_core::ports::queue::{HeldBy, PauseScope, Queue};
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::transport::SendOutcome;

use world::{World, request};

const MINUTE: Duration = Duration::from_secs(60);

/// Session 1 on server `well`, and sessions from 2 to `last` on server `ill`.
async fn two_servers(last: u64) -> World {
    let world = World::new().await;
    world.provider.set_servers([("default", None), ("ill", None)]);
    for n in 2..=last {
        let place = ProviderSession { server: "ill".into(), name: format!("waha-{n}") };
        world.provider.set_session(&place, SessionStatus::Working);
        let own = Session { place, ..session(n) };
        SessionStore::insert(&*world.store, &own).await.unwrap();
    }
    world
}

/// Accepts a text through each of these sessions.
async fn one_each(world: &World, sessions: impl Iterator<Item = u64>) -> Vec<MessageId> {
    let mut accepted = Vec::new();
    for n in sessions {
        let request = SendRequest::text(session(n).id, address(n).as_str(), format!("text {n}"));
        accepted.push(world.try_send(request).await.unwrap().id);
    }
    accepted
}

async fn pacing(world: &World, id: MessageId) -> Pacing {
    world.gateway.find_message(tenant_id(1), id).await.unwrap().1.unwrap()
}

async fn state(world: &World, server: &str) -> BreakerState {
    let states = world.gateway.breaker_states().await;
    states.iter().find(|(name, _)| name == server).unwrap().1
}

#[tokio::test]
async fn a_dead_server_is_not_called_by_each_of_its_sessions() {
    let world = two_servers(201).await;
    world.provider.set_silent("ill", true);
    let waiting = one_each(&world, 2..=201).await;
    let other = world.send(1, "through a server that is well").await;
    world.work_for(10 * MINUTE).await;

    // Sixty-four are handed out at a time, before the first of them has failed.
    let calls = world.provider.calls("ill");
    assert!((5..=64).contains(&calls), "{calls} calls");
    assert_eq!(state(&world, "ill").await, BreakerState::Open);
    for id in &waiting {
        let message = world.message(*id).await;
        assert_eq!((message.status, message.attempts), (Status::Queued, 0));
        let pacing = pacing(&world, *id).await;
        assert_eq!(pacing.held_by, HeldBy::Breaker);
        assert!(pacing.until.is_some());
    }
    assert_eq!(world.status(other.id).await, Status::Sent);
    assert_eq!(state(&world, "default").await, BreakerState::Closed);
}

#[tokio::test]
async fn when_the_server_works_again_all_go_on_at_once() {
    let world = two_servers(101).await;
    world.provider.set_silent("ill", true);
    let waiting = one_each(&world, 2..=101).await;
    world.work_for(5 * MINUTE).await;
    world.provider.set_silent("ill", false);
    let back = world.clock.now();
    world.work_for(MINUTE).await;

    assert_eq!(state(&world, "ill").await, BreakerState::Closed);
    let mut sent = Vec::new();
    for id in waiting {
        sent.push(world.message(id).await.sent_at.unwrap());
    }
    let (first, last) = (sent.iter().min().unwrap(), sent.iter().max().unwrap());
    assert!(first.since(back) <= Duration::from_secs(30), "{:?}", first.since(back));
    assert_eq!(first, last);
}

#[tokio::test]
async fn a_server_that_gives_signs_of_life_is_tried_with_one_message_at_a_time() {
    let world = two_servers(41).await;
    world.provider.script(std::iter::repeat_n(Script::LoseRequest, 1000));
    one_each(&world, 2..=41).await;
    world.work().await;
    assert_eq!(state(&world, "ill").await, BreakerState::Open);
    let mut calls = world.provider.calls("ill");
    let mut openings = 0;
    let end = world.clock.now().plus(5 * MINUTE);
    while world.clock.now() < end {
        let due = world.breakers.run_once().await;
        world.worker.run_once(64).await.unwrap();
        // To find out by which way, to send, and to look for what perhaps was sent.
        let now = world.provider.calls("ill");
        assert!(now - calls <= 3, "{} calls at once", now - calls);
        openings += u64::from(now > calls);
        calls = now;
        world.clock.set(due.unwrap().max(world.clock.now().plus(Duration::from_millis(100))));
    }
    // Half a minute apart at the most, fifteen seconds at the least.
    assert!((8..=30).contains(&openings), "tried {openings} times");
}

#[tokio::test]
async fn what_a_server_stumbles_over_does_not_stop_the_others() {
    let world = two_servers(3).await;
    let [stumbling, other] = one_each(&world, 2..=3).await[..] else { unreachable!() };
    world.work().await;
    assert_eq!(world.status(other).await, Status::Sent);
    assert_eq!(world.status(stumbling).await, Status::Sent);
    world.provider.script(std::iter::repeat_n(Script::LoseRequest, 5));
    let through_2 = SendRequest::text(session(2).id, address(2).as_str(), "again");
    let stumbling = world.try_send(through_2).await.unwrap().id;
    world.work_for(5 * MINUTE).await;
    assert_eq!(world.status(stumbling).await, Status::Failed);
    assert_eq!(state(&world, "ill").await, BreakerState::Closed);
}

#[tokio::test]
async fn a_message_that_no_probe_comes_to_leaves_the_place_to_another() {
    let world = two_servers(4).await;
    world.provider.set_silent("ill", true);
    let waiting = one_each(&world, 2..=4).await;
    world.work_for(5 * MINUTE).await;
    assert_eq!(state(&world, "ill").await, BreakerState::Open);
    // Two of the three need no sending any more.
    for id in &waiting[..2] {
        world.gateway.cancel(tenant_id(1), *id).await.unwrap();
    }
    world.provider.set_silent("ill", false);
    world.work_for(MINUTE).await;
    assert_eq!(world.status(waiting[2]).await, Status::Sent);
    assert_eq!(state(&world, "ill").await, BreakerState::Closed);
}

#[tokio::test]
async fn a_server_that_nobody_waits_for_any_more_is_closed_by_a_sign_of_life() {
    let world = two_servers(2).await;
    world.provider.set_silent("ill", true);
    let waiting = one_each(&world, 2..=2).await;
    world.work_for(5 * MINUTE).await;
    world.gateway.cancel(tenant_id(1), waiting[0]).await.unwrap();
    world.queue.resume(session(2).id, PauseScope::Session).await.unwrap();
    world.provider.set_silent("ill", false);
    world.work_for(2 * MINUTE).await;
    let request = SendRequest::text(session(2).id, address(9).as_str(), "after");
    let message = world.try_send(request).await.unwrap();
    world.work_for(MINUTE).await;
    assert_eq!(world.status(message.id).await, Status::Sent);
    assert_eq!(state(&world, "ill").await, BreakerState::Closed);
}

#[tokio::test]
async fn a_node_without_the_watch_goes_on_all_the_same() {
    let world = two_servers(2).await;
    world.provider.set_silent("ill", true);
    let waiting = one_each(&world, 2..=2).await;
    let mut pass = world.worker.run_once(64).await.unwrap();
    for _ in 0..20 {
        world.clock.set(pass.next_due.unwrap().max(world.clock.now()));
        pass = world.worker.run_once(64).await.unwrap();
    }
    world.provider.set_silent("ill", false);
    for _ in 0..5 {
        let Some(due) = pass.next_due else { break };
        world.clock.set(due.max(world.clock.now()));
        pass = world.worker.run_once(64).await.unwrap();
    }
    assert_eq!(world.status(waiting[0]).await, Status::Sent);
}

#[tokio::test]
async fn a_server_that_nobody_waits_for_any_more_is_left_alone_no_longer() {
    let world = two_servers(4).await;
    world.provider.set_silent("ill", true);
    let waiting = one_each(&world, 2..=4).await;
    world.work_for(5 * MINUTE).await;
    assert_eq!(state(&world, "ill").await, BreakerState::Open);
    // Two need no sending any more, and one may not be sent.
    for id in &waiting[..2] {
        world.gateway.cancel(tenant_id(1), *id).await.unwrap();
    }
    let suspended = session(4).id.into();
    let stop = Stop { reason: None, until: None };
    world.gateway.suspend_session(tenant_id(1), &suspended, stop).await.unwrap();
    world.provider.set_silent("ill", false);
    world.work_for(2 * MINUTE).await;
    assert_eq!(state(&world, "ill").await, BreakerState::Closed);
    assert_eq!(world.status(waiting[2]).await, Status::Queued);

    world.gateway.resume_session(tenant_id(1), &suspended).await.unwrap();
    world.work().await;
    assert_eq!(world.status(waiting[2]).await, Status::Sent);
}

#[tokio::test]
async fn a_request_may_ask_not_to_wait_for_a_server_that_fails() {
    let world = World::new().await;
    let reject =
        |body: &str| SendRequest { on_unavailable: OnUnavailable::Reject, ..request(1, body) };
    world.try_send(reject("while it works")).await.unwrap();
    world.work().await;

    world.provider.set_unreachable(true);
    // Nobody has called it since: it is asked.
    world.clock.advance(Duration::from_secs(10));
    let refused = world.try_send(reject("before anybody noticed")).await;
    assert!(matches!(refused, Err(GatewayError::ServerUnavailable { .. })), "{refused:?}");

    let waiting = world.send(1, "waits").await;
    world.work_for(MINUTE).await;
    assert_eq!(state(&world, "default").await, BreakerState::Open);
    let refused = world.try_send(reject("while it is open")).await;
    let Err(GatewayError::ServerUnavailable { retry_after }) = refused else {
        panic!("{refused:?}");
    };
    assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(30));

    world.provider.set_unreachable(false);
    world.work_for(MINUTE).await;
    assert_eq!(world.status(waiting.id).await, Status::Sent);
    world.try_send(reject("when it works again")).await.unwrap();
}

#[tokio::test]
async fn the_outcome_of_a_lost_answer_counts_against_the_server() {
    let world = two_servers(7).await;
    let unknown = Script::Answer(SendOutcome::Unknown);
    world.provider.script(std::iter::repeat_n(unknown, 5));
    one_each(&world, 2..=6).await;
    world.worker.run_once(64).await.unwrap();
    // That the server then says that it knows none of them is no sign that it can send.
    assert_eq!(state(&world, "ill").await, BreakerState::Open);
    assert_eq!(world.provider.arrivals().len(), 0);
}
