//! What sessions' webhooks are signed with: each session's own, replaced without losing any.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::time::Duration;

use messaging_core::conformance::build::{session, tenant_id};
use messaging_core::domain::quota::Quota;
use messaging_core::domain::session::{OnRateLimit, Session};
use messaging_core::domain::webhook_secret::WebhookSecret;
use messaging_core::gateway::Settings;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::receive_webhook::Webhook;
use messaging_core::gateway::sessions::{NewSession, OLD_SECRET_FOR};
use messaging_core::ports::webhook_verifier::SignatureError;

use world::World;

async fn world() -> World {
    let world = World::with(Settings {
        public_url: Some("http://gateway".into()),
        webhook_secret: Some(WebhookSecret("open sesame".into())),
        ..Settings::default()
    })
    .await;
    world.provider.set_servers([("default", None)]);
    world
}

async fn made(world: &World, name: &str) -> Session {
    let new = NewSession {
        name: name.into(),
        provider_name: Some(name.into()),
        server: None,
        adopt: false,
        on_rate_limit: OnRateLimit::Reject,
    };
    world.gateway.create_session(tenant_id(1), new).await.unwrap()
}

/// What the provider signs a session's webhooks with.
fn signs_with(world: &World, session: &Session) -> String {
    world.provider.webhook_target(&session.place).unwrap().secret.unwrap()
}

/// What becomes of a webhook of a session, at its own address, signed with this.
async fn told(
    world: &World,
    session: &Session,
    secret: &str,
    key: &str,
) -> Result<(), GatewayError> {
    let headers: &[(&str, &str)] = &[("password", secret)];
    let body = format!("{key} {} other", session.place.name);
    let admitted = world.gateway.admit_webhook(1).await?;
    let webhook =
        Webhook { admitted, session: Some(session.id), headers: &headers, body: body.as_bytes() };
    world.gateway.receive_webhook(webhook).await.map(|_| ())
}

#[track_caller]
fn mismatch(result: &Result<(), GatewayError>) {
    assert!(matches!(result, Err(GatewayError::Signature(SignatureError::Mismatch))), "{result:?}");
}

#[tokio::test]
async fn a_session_that_is_made_has_a_secret_of_its_own() {
    let world = world().await;
    let (a, b) = (made(&world, "a").await, made(&world, "b").await);
    let (of_a, of_b) = (signs_with(&world, &a), signs_with(&world, &b));
    assert!(of_a != of_b && of_a.len() == 64);
    told(&world, &a, &of_a, "1").await.unwrap();
    told(&world, &b, &of_b, "2").await.unwrap();
    // Neither another session's, nor that of all.
    mismatch(&told(&world, &b, &of_a, "3").await);
    mismatch(&told(&world, &a, &of_b, "4").await);
    mismatch(&told(&world, &a, "open sesame", "5").await);
}

#[tokio::test]
async fn a_session_that_has_none_is_told_of_with_that_of_all() {
    let world = world().await;
    told(&world, &session(1), "open sesame", "1").await.unwrap();
    mismatch(&told(&world, &session(1), "another", "2").await);
    let rotated = world.gateway.rotate_webhook_secret(tenant_id(1), &"nobody".into()).await;
    assert!(matches!(rotated, Err(GatewayError::SessionNotFound)));
}

#[tokio::test]
async fn a_secret_is_replaced_and_the_old_one_counts_for_a_day() {
    let world = world().await;
    let a = made(&world, "a").await;
    let before = signs_with(&world, &a);
    world.gateway.rotate_webhook_secret(tenant_id(1), &a.id.into()).await.unwrap();
    let after = signs_with(&world, &a);
    assert_ne!(before, after);
    told(&world, &a, &before, "1").await.unwrap();
    told(&world, &a, &after, "2").await.unwrap();
    world.clock.advance(OLD_SECRET_FOR);
    mismatch(&told(&world, &a, &before, "3").await);
    told(&world, &a, &after, "4").await.unwrap();
}

#[tokio::test]
async fn where_the_provider_cannot_be_told_both_count_until_it_can() {
    let world = world().await;
    let a = made(&world, "a").await;
    let before = signs_with(&world, &a);
    world.provider.set_silent("default", true);
    for _ in 0..2 {
        let rotated = world.gateway.rotate_webhook_secret(tenant_id(1), &a.id.into()).await;
        assert!(matches!(rotated, Err(GatewayError::ProviderUnavailable)));
    }
    world.clock.advance(OLD_SECRET_FOR * 2);
    told(&world, &a, &before, "1").await.unwrap();
    world.provider.set_silent("default", false);
    world.gateway.rotate_webhook_secret(tenant_id(1), &a.id.into()).await.unwrap();
    let after = signs_with(&world, &a);
    told(&world, &a, &before, "2").await.unwrap();
    told(&world, &a, &after, "3").await.unwrap();
    world.clock.advance(OLD_SECRET_FOR);
    mismatch(&told(&world, &a, &before, "4").await);
}

#[tokio::test]
async fn two_who_replace_it_at_once_leave_what_the_provider_signs_with() {
    let world = world().await;
    let a = made(&world, "a").await;
    let named = a.id.into();
    let rotate = || world.gateway.rotate_webhook_secret(tenant_id(1), &named);
    let (first, second) = tokio::join!(rotate(), rotate());
    first.unwrap();
    second.unwrap();
    told(&world, &a, &signs_with(&world, &a), "1").await.unwrap();
}

#[tokio::test]
async fn a_session_that_was_adopted_keeps_what_its_owner_set() {
    let world = world().await;
    let adopted = NewSession {
        name: "adopted".into(),
        provider_name: Some("theirs".into()),
        server: None,
        adopt: true,
        on_rate_limit: OnRateLimit::Reject,
    };
    let place = messaging_core::domain::session::ProviderSession {
        server: "default".into(),
        name: "theirs".into(),
    };
    world.provider.set_session(&place, messaging_core::domain::session::SessionStatus::Working);
    let adopted = world.gateway.create_session(tenant_id(1), adopted).await.unwrap();
    assert_eq!(adopted.webhook_secrets, None);
    let rotated = world.gateway.rotate_webhook_secret(tenant_id(1), &adopted.id.into()).await;
    assert!(matches!(rotated, Err(GatewayError::WrongSessionState)));
    told(&world, &adopted, "open sesame", "1").await.unwrap();
}

#[tokio::test]
async fn one_session_has_only_so_many_and_what_is_forged_uses_up_none() {
    let minute = Duration::from_secs(60);
    let world = World::with(Settings {
        session_webhook_quota: Quota { limit: 2, window: minute },
        ..Settings::default()
    })
    .await;
    for key in ["1", "2", "3"] {
        mismatch(&told(&world, &session(1), "forged", key).await);
    }
    for key in ["4", "5"] {
        told(&world, &session(1), "open sesame", key).await.unwrap();
    }
    let limited = told(&world, &session(1), "open sesame", "6").await;
    assert!(matches!(limited, Err(GatewayError::SessionWebhooksLimited { .. })), "{limited:?}");
    world.clock.advance(minute);
    told(&world, &session(1), "open sesame", "7").await.unwrap();
}
