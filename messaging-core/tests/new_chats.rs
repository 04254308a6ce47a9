//! What a session may write to people it has no chat with, and how fast to one person.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::time::Duration;

use messaging_core::conformance::build::{at, session, tenant_id};
use messaging_core::conformance::provider::Script;
use messaging_core::domain::failure::{Failure, FailureCode};
use messaging_core::domain::id::{MessageId, SessionId};
use messaging_core::domain::message::{Message, Priority};
use messaging_core::domain::new_chats::{DAY, NewChatLimits, NewChatsPatch, Spacing};
use messaging_core::domain::quota::Quota;
use messaging_core::domain::session::{OnRateLimit, SessionPatch, SessionStatus};
use messaging_core::domain::status::Status;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::Settings;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::pacing::Pacing;
use messaging_core::gateway::send::SendRequest;
use messaging_core::ports::clock::Clock;
use messaging_core::ports::queue::HeldBy;
use messaging_core::ports::transport::SendOutcome;

use world::{World, request};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn refused() -> Script {
    Script::Answer(SendOutcome::Rejected(Failure::new(FailureCode::AccountRestricted)))
}

fn session_id() -> SessionId {
    session(1).id
}

async fn limited(per_day: Option<u32>, spacing: Option<Spacing>) -> World {
    let new_chats = NewChatLimits { per_day, spacing };
    World::with(Settings { new_chats, ..Settings::default() }).await
}

async fn send(world: &World, to: u64, body: &str) -> Message {
    let on_rate_limit = Some(OnRateLimit::Queue);
    world.try_send(SendRequest { on_rate_limit, ..request(to, body) }).await.unwrap()
}

async fn pacing(world: &World, id: MessageId) -> Pacing {
    world.gateway.find_message(tenant_id(1), id).await.unwrap().1.unwrap()
}

async fn restricted_until(world: &World) -> Option<Timestamp> {
    let found = world.gateway.find_session(tenant_id(1), &session_id().into()).await.unwrap();
    world.gateway.new_chat_restriction(&found).map(|restriction| restriction.until)
}

/// Has person `n` write to session 1.
async fn hear_from(world: &World, n: u64) {
    world.webhook(&format!("w{n} waha-1 from {n} 3A{n:018X} hello")).await.unwrap();
}

#[tokio::test]
async fn without_limits_new_chats_are_opened_as_they_come() {
    let world = World::new().await;
    for person in 1..=20 {
        send(&world, person, "hello").await;
    }
    world.work().await;
    assert_eq!(world.delivered().len(), 20);
}

#[tokio::test]
async fn a_refused_new_chat_fails_and_holds_new_chats_alone() {
    let world = World::new().await;
    let known = send(&world, 1, "opens the chat").await;
    world.work().await;
    world.provider.script([refused()]);
    let cold = send(&world, 2, "cold").await;
    world.work().await;
    let failed = world.message(cold.id).await;
    assert_eq!((failed.status, failed.attempts), (Status::Failed, 1));
    assert_eq!(failed.failure, Some(Failure::new(FailureCode::AccountRestricted)));
    assert_eq!(world.status(known.id).await, Status::Sent);

    let until = restricted_until(&world).await.unwrap();
    assert_eq!(until, world.clock.now().plus(HOUR));
    let waiting = send(&world, 3, "also cold").await;
    let reply = send(&world, 1, "goes on").await;
    world.work_for(30 * MINUTE).await;
    assert_eq!(world.status(reply.id).await, Status::Sent);
    let held = world.message(waiting.id).await;
    assert_eq!((held.status, held.attempts), (Status::Queued, 0));
    let pacing = pacing(&world, waiting.id).await;
    assert_eq!((pacing.held_by, pacing.until), (HeldBy::Restricted, Some(until)));

    world.work_for(HOUR).await;
    assert_eq!(world.status(waiting.id).await, Status::Sent);
    assert_eq!(restricted_until(&world).await, None);
}

#[tokio::test]
async fn who_wrote_first_is_answered_while_new_chats_are_held() {
    let world = World::new().await;
    world.provider.script([refused()]);
    send(&world, 1, "cold").await;
    world.work().await;
    hear_from(&world, 2).await;
    let reply = send(&world, 2, "an answer").await;
    // One that waited before they wrote goes on with it.
    let waited = send(&world, 3, "waits").await;
    world.work_for(SECOND).await;
    assert_eq!(world.status(reply.id).await, Status::Sent);
    assert_eq!(world.status(waited.id).await, Status::Queued);
    hear_from(&world, 3).await;
    world.work_for(SECOND).await;
    assert_eq!(world.status(waited.id).await, Status::Sent);
}

#[tokio::test]
async fn a_restriction_outlives_the_process_and_grows() {
    let mut world = World::new().await;
    let mut spans = Vec::new();
    for n in 0..4 {
        world.provider.script([refused()]);
        send(&world, 10 + n, "cold").await;
        world.work().await;
        let until = restricted_until(&world).await.unwrap();
        spans.push(until.since(world.clock.now()));
        world = world.restart();
        assert_eq!(restricted_until(&world).await, Some(until));
        let waiting = send(&world, 20 + n, "waits").await;
        world.work().await;
        assert_eq!(world.status(waiting.id).await, Status::Queued);
        world.gateway.cancel(tenant_id(1), waiting.id).await.unwrap();
        world.clock.set(until);
    }
    assert_eq!(spans, [HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR]);
}

#[tokio::test]
async fn a_restriction_can_be_lifted_early() {
    let world = World::new().await;
    world.provider.script([refused()]);
    send(&world, 1, "cold").await;
    let waiting = send(&world, 2, "waits").await;
    world.work().await;
    assert_eq!(world.status(waiting.id).await, Status::Queued);
    let lifted = world.gateway.resume_new_chats(tenant_id(1), &session_id().into()).await.unwrap();
    assert_eq!(lifted.new_chats.restriction, None);
    world.work().await;
    assert_eq!(world.status(waiting.id).await, Status::Sent);
    let anothers = world.gateway.resume_new_chats(tenant_id(2), &session_id().into()).await;
    assert!(matches!(anothers, Err(GatewayError::SessionNotFound)));
}

#[tokio::test]
async fn what_the_provider_says_of_a_lock_is_obeyed() {
    let world = World::new().await;
    let until = world.clock.now().plus(3 * HOUR);
    world.provider.bar_new_chats(&session(1).place, Some(until));
    world.watch.run_once().await.unwrap();
    assert_eq!(restricted_until(&world).await, Some(until));
    let waiting = send(&world, 1, "cold").await;
    world.work_for(2 * HOUR).await;
    assert_eq!(pacing(&world, waiting.id).await.held_by, HeldBy::Restricted);
    assert_eq!(world.provider.arrivals().len(), 0);
    world.provider.bar_new_chats(&session(1).place, None);
    world.work_for(HOUR).await;
    assert_eq!(world.status(waiting.id).await, Status::Sent);
}

#[tokio::test]
async fn no_more_chats_are_opened_in_a_day_than_the_session_may() {
    let world = limited(Some(3), None).await;
    let began = world.clock.now();
    for person in 1..=8 {
        send(&world, person, "cold").await;
        world.work_for(MINUTE).await;
    }
    assert_eq!(world.delivered().len(), 3);
    // What is known already is no new chat.
    for person in 1..=3 {
        send(&world, person, "again").await;
    }
    world.work_for(MINUTE).await;
    assert_eq!(world.delivered().len(), 6);
    world.work_for(3 * DAY).await;
    let cold: Vec<Timestamp> = world
        .provider
        .arrivals()
        .into_iter()
        .filter(|arrival| arrival.content.body == "cold")
        .map(|arrival| arrival.at)
        .collect();
    assert_eq!(cold.len(), 8);
    for window in cold.windows(4) {
        assert!(window[3].since(window[0]) >= DAY, "{window:?}");
    }
    // And no later than need be: the fourth a day after the first.
    assert!(cold[3].since(began) <= DAY + SECOND, "{:?}", cold[3]);
}

#[tokio::test]
async fn a_message_held_by_the_daily_limit_says_until_when() {
    let world = limited(Some(1), None).await;
    let first = send(&world, 1, "cold").await;
    world.work().await;
    let waiting = send(&world, 2, "cold").await;
    world.work().await;
    let opened = world.message(first.id).await.sent_at.unwrap();
    let pacing = pacing(&world, waiting.id).await;
    assert_eq!(pacing.held_by, HeldBy::NewChats);
    assert!(pacing.until.unwrap().since(opened) - DAY <= SECOND);
    assert_eq!(world.message(waiting.id).await.attempts, 0);
}

#[tokio::test]
async fn new_chats_keep_their_distance_and_others_do_not() {
    let spacing = Spacing { least: 30 * SECOND, most: 60 * SECOND };
    let world = limited(None, Some(spacing)).await;
    hear_from(&world, 100).await;
    for person in 1..=5 {
        send(&world, person, "cold").await;
    }
    let began = world.clock.now();
    world.work().await;
    for n in 0..5 {
        send(&world, 100, &format!("answer {n}")).await;
    }
    world.work_for(SECOND).await;
    assert_eq!(world.delivered().len(), 6);
    world.work_for(10 * MINUTE).await;
    let arrivals = world.provider.arrivals();
    let cold: Vec<_> = arrivals.iter().filter(|it| it.content.body == "cold").collect();
    assert_eq!((cold.len(), cold[0].at), (5, began));
    let distances: Vec<Duration> =
        cold.windows(2).map(|pair| pair[1].at.since(pair[0].at)).collect();
    assert!(distances.iter().all(|it| (30 * SECOND..61 * SECOND).contains(it)), "{distances:?}");
    assert!(distances.windows(2).any(|pair| pair[0] != pair[1]), "{distances:?}");
}

#[tokio::test]
async fn an_attempt_of_unknown_outcome_counts_as_a_new_chat() {
    let world = limited(Some(1), None).await;
    world.provider.take_no_ids();
    world.provider.script([Script::LoseAnswer]);
    let first = send(&world, 1, "cold").await;
    // Found, by what it says.
    world.work().await;
    assert_eq!(world.status(first.id).await, Status::Sent);
    let second = send(&world, 2, "cold").await;
    world.work().await;
    assert_eq!(world.status(second.id).await, Status::Queued);

    let world = limited(Some(1), None).await;
    world.provider.take_no_ids();
    world.provider.script([Script::LoseRequest]);
    let first = send(&world, 1, "cold").await;
    world.work().await;
    let failed = world.message(first.id).await;
    assert_eq!(failed.failure.map(|it| it.code), Some(FailureCode::OutcomeUnknown));
    let second = send(&world, 2, "cold").await;
    world.work().await;
    assert_eq!(world.status(second.id).await, Status::Queued);
}

#[tokio::test]
async fn a_session_may_have_limits_of_its_own() {
    let world = limited(Some(1), None).await;
    for person in 1..=4 {
        send(&world, person, "cold").await;
    }
    world.work().await;
    assert_eq!(world.delivered().len(), 1);
    let patch = async |per_day| {
        let new_chats = NewChatsPatch { per_day: Some(per_day), spacing: None };
        let patch = SessionPatch { new_chats, ..SessionPatch::default() };
        world.gateway.patch_session(tenant_id(1), &session_id().into(), patch).await
    };
    // What waits for the limit before is judged by that of now.
    patch(Some(2)).await.unwrap();
    world.work().await;
    assert_eq!(world.delivered().len(), 2);
    patch(Some(0)).await.unwrap();
    world.work().await;
    assert_eq!(world.delivered().len(), 4);
    let too_many = patch(Some(1_000_001)).await;
    assert!(matches!(too_many, Err(GatewayError::Invalid(fields))
        if fields[0].pointer == "/newChatsPerDay"));
}

#[tokio::test]
async fn messages_to_one_recipient_keep_their_distance_and_hold_up_nobody_else() {
    let settings = Settings { recipient_spacing: SECOND, ..Settings::default() };
    let world = World::with(settings).await;
    for n in 0..4 {
        send(&world, 1, &format!("to one {n}")).await;
    }
    let last = send(&world, 1, "the last to one").await;
    for person in 2..=5 {
        send(&world, person, "to others").await;
    }
    world.work().await;
    let mut at_once = world.delivered();
    at_once.sort_unstable();
    assert_eq!(at_once, ["to one 0", "to others", "to others", "to others", "to others"]);
    world.work_for(10 * SECOND).await;
    let arrivals = world.provider.arrivals();
    let to_one: Vec<_> = arrivals.iter().filter(|it| it.content.body.contains("to one")).collect();
    let bodies: Vec<&str> = to_one.iter().map(|it| it.content.body.as_str()).collect();
    assert_eq!(bodies, ["to one 0", "to one 1", "to one 2", "to one 3", "the last to one"]);
    for pair in to_one.windows(2) {
        assert_eq!(pair[1].at.since(pair[0].at), SECOND);
    }
    assert_eq!(world.message(last.id).await.attempts, 1);
}

#[tokio::test]
async fn what_its_session_holds_back_does_not_count_as_sent_to_its_recipient() {
    let window = Duration::from_millis(500);
    let settings = Settings {
        session_quota: Quota { limit: 1, window },
        clock_skew: Duration::ZERO,
        recipient_spacing: SECOND,
        ..Settings::default()
    };
    let world = World::with(settings).await;
    send(&world, 1, "takes the quota").await;
    world.work().await;
    let usual = send(&world, 2, "usual").await;
    let on_rate_limit = Some(OnRateLimit::Queue);
    let urgent = SendRequest { on_rate_limit, priority: Priority::High, ..request(3, "urgent") };
    world.try_send(urgent).await.unwrap();
    world.work().await;
    world.clock.advance(window);
    world.work().await;
    assert_eq!(world.delivered(), ["takes the quota", "urgent"]);
    assert_eq!(world.status(usual.id).await, Status::Queued);
}

#[tokio::test]
async fn a_message_that_waits_for_its_recipient_says_so() {
    let settings = Settings { recipient_spacing: MINUTE, ..Settings::default() };
    let world = World::with(settings).await;
    send(&world, 1, "first").await;
    let second = send(&world, 1, "second").await;
    world.work().await;
    let expected = world.clock.now().plus(MINUTE);
    let pacing = pacing(&world, second.id).await;
    assert_eq!((pacing.held_by, pacing.until), (HeldBy::Recipient, Some(expected)));
    assert_eq!(world.message(second.id).await.attempts, 0);
}

#[tokio::test]
async fn the_distance_to_a_recipient_is_measured_from_the_answer() {
    let settings = Settings { recipient_spacing: SECOND, ..Settings::default() };
    let world = World::with(settings).await;
    send(&world, 1, "slow").await;
    let clock = std::sync::Arc::clone(&world.clock);
    world.provider.meanwhile(move || clock.advance(5 * SECOND));
    world.work().await;
    let answered = world.clock.now();
    assert_eq!(answered, at(15_000));
    send(&world, 1, "next").await;
    world.work_for(2 * SECOND).await;
    let arrivals = world.provider.arrivals();
    assert_eq!(arrivals[1].at.since(arrivals[0].at), SECOND);
}

#[tokio::test]
async fn a_session_that_is_not_connected_is_held_as_before() {
    let world = limited(Some(1), None).await;
    world.provider.set_session(&session(1).place, SessionStatus::Starting);
    let message = send(&world, 1, "cold").await;
    world.work().await;
    assert_eq!(pacing(&world, message.id).await.held_by, HeldBy::Session);
}
