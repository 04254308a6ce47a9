//! Several servers of the provider: where accounts are put, and what becomes of them when one dies.
#![allow(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::sync::Arc;

use messaging_core::conformance::build::{server, session, tenant_id};
use messaging_core::conformance::entropy::SeededEntropy;
use messaging_core::domain::breaker::BreakerState;
use messaging_core::domain::server::{KeptServer, ServerKey, ServerPatch};
use messaging_core::domain::session::{OnRateLimit, ProviderSession, Session, SessionStatus};
use messaging_core::domain::status::Status;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::servers::{NewServer, Server};
use messaging_core::gateway::sessions::NewSession;
use messaging_core::gateway::{Gateway, Ports, Settings};
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
    assert!(matches!(put(&world, on_b("two")).await, Err(GatewayError::ServerFull)));
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

fn kept(n: u64, capacity: Option<u64>) -> NewServer {
    let KeptServer { name, url, api_key, .. } = server(n);
    NewServer { name, url, api_key, capacity, draining: false }
}

async fn add(world: &World, n: u64, capacity: Option<u64>) -> String {
    world.gateway.add_server(kept(n, capacity)).await.unwrap().name
}

async fn drain(world: &World, name: &str, draining: bool) {
    let patch = ServerPatch { draining: Some(draining), ..ServerPatch::default() };
    assert_eq!(world.gateway.patch_server(name, patch).await.unwrap().draining, draining);
}

#[tokio::test]
async fn sessions_go_to_servers_that_were_added_as_to_those_of_the_settings() {
    let world = World::new().await;
    world.provider.set_servers([("configured", Some(4))]);
    add(&world, 1, Some(2)).await;
    let mut servers = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        servers.push(put(&world, new(name)).await.unwrap());
    }
    servers.sort();
    let (one, other) = ("configured".to_owned(), "server-1".to_owned());
    let expected = [&one, &one, &one, &one, &other, &other].map(String::clone);
    assert_eq!(servers, expected);
    assert!(matches!(put(&world, new("g")).await, Err(GatewayError::NoRoom)));
    let shown = world.gateway.server("server-1").await.unwrap();
    assert_eq!((shown.sessions, shown.capacity), (2, Some(2)));
}

#[tokio::test]
async fn a_server_that_drains_takes_no_sessions_and_keeps_those_it_has() {
    let world = World::new().await;
    world.provider.set_servers([]);
    let name = add(&world, 1, None).await;
    assert_eq!(put(&world, new("a")).await.unwrap(), name);
    world.provider.set_session(&place(&name, "there"), SessionStatus::Working);
    drain(&world, &name, true).await;
    assert!(matches!(put(&world, new("b")).await, Err(GatewayError::NoRoom)));
    let asked = |session: NewSession| NewSession { server: Some(name.clone()), ..session };
    assert!(matches!(put(&world, asked(new("b"))).await, Err(GatewayError::ServerDraining)));
    let adopted = NewSession { adopt: true, ..asked(new("there")) };
    assert!(matches!(put(&world, adopted).await, Err(GatewayError::ServerDraining)));
    assert_eq!(world.gateway.server(&name).await.unwrap().sessions, 1);
    drain(&world, &name, false).await;
    assert_eq!(put(&world, new("b")).await.unwrap(), name);
}

#[tokio::test]
async fn a_server_that_is_left_alone_takes_no_session_unless_it_is_asked_for() {
    let world = World::new().await;
    world.provider.set_servers([("ill", None), ("well", Some(1))]);
    let there = Session { place: place("ill", "first"), tenant: tenant_id(1), ..session(2) };
    SessionStore::insert(&*world.store, &there).await.unwrap();
    world.provider.set_session(&there.place, SessionStatus::Working);
    world.provider.set_silent("ill", true);
    let mut through_ill = request(2, "waits");
    through_ill.session = there.id.into();
    world.try_send(through_ill).await.unwrap();
    world.work_for(std::time::Duration::from_secs(300)).await;
    let breaker = |servers: Vec<Server>| servers[0].breaker;
    assert_eq!(breaker(world.gateway.servers().await.unwrap()), BreakerState::Open);
    world.provider.set_silent("ill", false);

    // It would have the larger share of room.
    assert_eq!(put(&world, new("a")).await.unwrap(), "well");
    assert!(matches!(put(&world, new("b")).await, Err(GatewayError::ProviderUnavailable)));
    let asked = NewSession { server: Some("ill".into()), ..new("b") };
    assert_eq!(put(&world, asked).await.unwrap(), "ill");
}

#[tokio::test]
async fn two_nodes_put_one_session_on_the_last_place() {
    let world = World::new().await;
    world.provider.set_servers([("configured", Some(0))]);
    let name = add(&world, 1, Some(1)).await;
    let ports = Ports { entropy: Arc::new(SeededEntropy::new(99)), ..world.ports.clone() };
    let other = Gateway::new(ports, Settings::default());
    let named = |session: &str, server| NewSession { server, ..new(session) };
    for (first, second) in [(None, None), (Some(name.clone()), Some(name.clone()))] {
        let one = world.gateway.create_session(tenant_id(1), named("a", first));
        let two = other.create_session(tenant_id(1), named("b", second.clone()));
        let (one, two) = futures::future::join(one, two).await;
        let (put, refused) = if one.is_ok() { (one, two) } else { (two, one) };
        match refused.unwrap_err() {
            GatewayError::NoRoom => assert_eq!(second, None),
            GatewayError::ServerFull => assert!(second.is_some()),
            error => panic!("{error:?}"),
        }
        let put = put.unwrap();
        assert_eq!(world.gateway.server(&name).await.unwrap().sessions, 1);
        world.gateway.delete_session(tenant_id(1), &put.id.into(), false).await.unwrap();
    }
}

#[tokio::test]
async fn another_node_knows_an_added_server_within_two_seconds_and_forgets_its_breaker() {
    let world = World::new().await;
    world.provider.set_servers([("configured", None)]);
    let ports = Ports { entropy: Arc::new(SeededEntropy::new(99)), ..world.ports.clone() };
    let other = Gateway::new(ports, Settings::default());
    let names = async || {
        let states = other.breaker_states().await;
        states.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["configured"]);
    let name = add(&world, 1, None).await;
    world.clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(names().await, ["configured", name.as_str()]);
    world.gateway.delete_server(&name).await.unwrap();
    world.clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(names().await, ["configured"]);
}

#[tokio::test]
async fn servers_are_added_changed_and_forgotten_unless_that_would_hurt() {
    let world = World::new().await;
    world.provider.set_servers([("configured", Some(3))]);
    let gateway = &world.gateway;
    let name = add(&world, 1, Some(1)).await;
    for taken in [name.as_str(), "configured"] {
        let again = NewServer { name: taken.into(), ..kept(2, None) };
        let refused = gateway.add_server(again).await.unwrap_err();
        assert_eq!(refused.code(), "server-conflict");
    }
    let many = NewServer {
        name: "a b".into(),
        url: "http://me:secret@waha".into(),
        api_key: Some(ServerKey("two words".into())),
        capacity: Some(u64::MAX),
        draining: false,
    };
    let Err(GatewayError::Invalid(fields)) = gateway.add_server(many).await else { panic!() };
    let pointers: Vec<_> = fields.iter().map(|field| field.pointer.as_str()).collect();
    assert_eq!(pointers, ["/name", "/url", "/apiKey", "/capacity"]);
    assert!(!format!("{fields:?}").contains("secret"));

    let patch = ServerPatch { url: Some("ftp://waha".into()), ..ServerPatch::default() };
    let Err(GatewayError::Invalid(fields)) = gateway.patch_server(&name, patch.clone()).await
    else {
        panic!()
    };
    assert_eq!(fields[0].pointer, "/url");
    for (name, code) in [("configured", "server-read-only"), ("nobody", "server-not-found")] {
        let patch = ServerPatch::default();
        assert_eq!(gateway.patch_server(name, patch).await.unwrap_err().code(), code);
        assert_eq!(gateway.delete_server(name).await.unwrap_err().code(), code);
    }
    let patch = ServerPatch { url: Some("http://elsewhere:1/".into()), ..ServerPatch::default() };
    assert_eq!(gateway.patch_server(&name, patch).await.unwrap().url, "http://elsewhere:1");

    let there = NewSession { server: Some(name.clone()), ..new("there") };
    let session = gateway.create_session(tenant_id(1), there).await.unwrap();
    assert_eq!(gateway.delete_server(&name).await.unwrap_err().code(), "server-in-use");
    gateway.delete_session(tenant_id(1), &session.id.into(), false).await.unwrap();
    gateway.delete_server(&name).await.unwrap();
    assert_eq!(gateway.server(&name).await.unwrap_err().code(), "server-not-found");
}
