//! Several servers of the provider: where accounts are put, and what becomes of them when one dies.

mod world;

use messaging_core::conformance::build::{session, tenant_id};
use messaging_core::domain::session::{OnRateLimit, ProviderSession, Session, SessionStatus};
use messaging_core::domain::status::Status;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::sessions::NewSession;
use messaging_core::ports::session_store::SessionStore;

use world::{World, request};

fn new(name: &str) -> NewSession {
    NewSession {
        name: name.into(),
        provider_name: Some(name.into()),
        server: None,
        adopt: false,
        on_rate_limit: OnRateLimit::Reject,
    }
}

async fn put(world: &World, new: NewSession) -> Result<String, GatewayError> {
    let session = world.gateway.create_session(tenant_id(1), new).await?;
    Ok(session.place.server)
}

fn place(server: &str, name: &str) -> ProviderSession {
    ProviderSession { server: server.into(), name: name.into() }
}

#[tokio::test]
async fn sessions_go_where_there_is_most_room() {
    let world = World::new().await;
    world.provider.set_servers([("small", Some(1)), ("large", Some(4))]);
    let mut servers = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        servers.push(put(&world, new(name)).await.unwrap());
    }
    assert_eq!(servers, ["small", "large", "large", "large", "large"]);
    assert!(matches!(put(&world, new("f")).await, Err(GatewayError::NoRoom)));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_passed_over() {
    let world = World::new().await;
    world.provider.set_servers([("dead", None), ("alive", None)]);
    world.provider.set_silent("dead", true);
    assert_eq!(put(&world, new("a")).await.unwrap(), "alive");
    world.provider.set_silent("alive", true);
    assert!(matches!(put(&world, new("b")).await, Err(GatewayError::ProviderUnavailable)));
    let named = SessionStore::find_named(&*world.store, tenant_id(1), "b").await.unwrap();
    assert_eq!(named, None, "nothing is left of a session that could not be made");
}

#[tokio::test]
async fn a_server_can_be_asked_for() {
    let world = World::new().await;
    world.provider.set_servers([("a", Some(9)), ("b", Some(1))]);
    let on_b = |name: &str| NewSession { server: Some("b".into()), ..new(name) };
    assert_eq!(put(&world, on_b("one")).await.unwrap(), "b");
    assert!(matches!(put(&world, on_b("two")).await, Err(GatewayError::NoRoom)));
    let nowhere = NewSession { server: Some("c".into()), ..new("three") };
    let Err(GatewayError::Invalid(fields)) = put(&world, nowhere).await else { panic!("taken") };
    assert_eq!(fields[0].pointer, "/wahaServer");
}

#[tokio::test]
async fn an_account_to_adopt_is_found_on_whichever_server_has_it() {
    let world = World::new().await;
    world.provider.set_servers([("a", Some(0)), ("b", Some(0))]);
    world.provider.set_session(&place("b", "mine"), SessionStatus::Working);
    world.provider.set_session(&place("a", "both"), SessionStatus::Working);
    world.provider.set_session(&place("b", "both"), SessionStatus::Working);
    let adopt = |name: &str| NewSession { adopt: true, ..new(name) };
    assert_eq!(put(&world, adopt("mine")).await.unwrap(), "b");
    let Err(GatewayError::Invalid(fields)) = put(&world, adopt("both")).await else {
        panic!("one of two was taken")
    };
    assert_eq!(fields[0].pointer, "/wahaServer");
    let on_a = NewSession { server: Some("a".into()), ..adopt("both") };
    assert_eq!(put(&world, on_a).await.unwrap(), "a");
    let absent = put(&world, adopt("absent")).await;
    assert!(matches!(absent, Err(GatewayError::ProviderRefused { .. })));
    world.provider.set_silent("a", true);
    let unknown = put(&world, adopt("absent")).await;
    assert!(matches!(unknown, Err(GatewayError::ProviderUnavailable)));
}

#[tokio::test]
async fn one_servers_death_is_felt_by_its_own_sessions_alone() {
    let world = World::new().await;
    world.provider.set_servers([("default", None), ("other", None)]);
    let elsewhere = Session { place: place("other", "second"), tenant: tenant_id(1), ..session(2) };
    SessionStore::insert(&*world.store, &elsewhere).await.unwrap();
    world.provider.set_session(&elsewhere.place, SessionStatus::Working);
    world.provider.set_silent("default", true);

    let stuck = world.send(1, "stuck").await;
    let mut through_other = request(2, "goes");
    through_other.session = elsewhere.id.into();
    let goes = world.try_send(through_other).await.unwrap();
    world.watch.run_once().await.unwrap();
    world.work().await;
    assert_eq!(world.status(goes.id).await, Status::Sent);
    assert_eq!(world.message(stuck.id).await.attempts, 0);

    world.provider.set_silent("default", false);
    world.work_for(std::time::Duration::from_secs(30)).await;
    assert_eq!(world.status(stuck.id).await, Status::Sent);
}
