//! How every session store must behave.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::time::Duration;

use crate::conformance::build::{address, at, session, session_id, tenant, tenant_id};
use crate::domain::address::Address;
use crate::domain::new_chats::{NewChats, NewChatsPatch, Restriction, Spacing};
use crate::domain::session::{
    Census, OnRateLimit, ProviderSession, Session, SessionHealth, SessionPatch, SessionStatus,
    WatchedSession,
};
use crate::domain::suspension::Suspension;
use crate::domain::webhook_secret::{WebhookSecret, WebhookSecrets};
use crate::ports::session_store::SessionStore;
use crate::ports::store_error::StoreError;
use crate::ports::tenant_store::TenantStore;

/// Calls the given macro with the name of every behavior of
/// [`SessionStore`](crate::ports::session_store::SessionStore). Each is a function of this module
/// that takes an empty store.
#[macro_export]
macro_rules! for_each_session_store_behavior {
    ($test:ident) => {
        $test!(gives_back_a_session_as_it_was_inserted);
        $test!(finds_no_session_where_none_is);
        $test!(finds_a_session_by_its_whole_name);
        $test!(hides_a_session_from_other_tenants);
        $test!(lists_a_tenants_sessions_in_order_of_id);
        $test!(refuses_a_session_whose_name_is_taken);
        $test!(lets_two_tenants_use_the_same_name);
        $test!(refuses_a_session_whose_place_is_taken_by_whomever);
        $test!(tells_places_apart_by_server_and_name);
        $test!(refuses_a_session_whose_id_is_taken);
        $test!(adopts_a_place_once_however_many_try);
        $test!(patches_what_is_given_and_nothing_else);
        $test!(renames_a_session);
        $test!(refuses_to_rename_to_a_name_that_is_taken);
        $test!(patches_only_the_tenants_own_session);
        $test!(frees_name_and_place_of_a_deleted_session);
        $test!(deletes_only_the_tenants_own_session);
        $test!(finds_sessions_by_their_name_at_the_provider);
        $test!(tells_the_places_of_all_sessions);
        $test!(counts_the_sessions_of_each_server_and_status);
        $test!(records_every_status);
        $test!(records_the_own_address_where_it_is_told);
        $test!(ignores_a_status_older_than_the_one_known);
        $test!(gives_a_session_only_where_its_status_changed);
        $test!(records_no_status_of_an_unknown_session);
        $test!(ends_with_the_latest_status_in_whatever_order_they_come);
        $test!(suspends_and_resumes_a_session);
        $test!(suspends_only_the_tenants_own_session);
        $test!(keeps_what_limits_new_chats);
        $test!(restricts_new_chats_and_lets_them_go);
        $test!(records_up_to_when_a_session_was_read_and_never_back);
        $test!(records_how_a_session_is_and_since_when);
        $test!(counts_how_the_sessions_are);
        $test!(shows_every_session_to_whoever_catches_up);
        $test!(keeps_what_webhooks_are_signed_with);
        $test!(sets_the_secrets_of_the_tenants_own_session_alone);
        $test!(replaces_the_secrets_that_nobody_replaced_meanwhile);
    };
}

fn secrets(text: &str) -> WebhookSecrets {
    WebhookSecrets::new(WebhookSecret(text.to_owned()))
}

/// What webhooks are signed with is kept from the beginning, and stays when other things change.
pub async fn keeps_what_webhooks_are_signed_with(store: &dyn SessionStore) {
    let own = Session { webhook_secrets: Some(secrets("first")), ..session(1) };
    for each in [&own, &session(2)] {
        store.insert(each).await.unwrap();
        assert_eq!(store.find_any(each.id).await.unwrap().as_ref(), Some(each));
    }
    let next = secrets("first").replaced_by(WebhookSecret("second".into()));
    let pending = next.clone();
    for secrets in [pending, next.taken(at(70))] {
        let expected = Session { webhook_secrets: Some(secrets.clone()), ..session(1) };
        let set = store.set_webhook_secrets(tenant_id(1), session_id(1), &secrets).await.unwrap();
        assert_eq!(set.as_ref(), Some(&expected));
        assert_eq!(store.find(tenant_id(1), session_id(1)).await.unwrap(), Some(expected));
    }
    let before = store.find_any(session_id(1)).await.unwrap().unwrap();
    let patch = SessionPatch { name: Some("renamed".into()), ..SessionPatch::default() };
    store.patch(tenant_id(1), session_id(1), &patch, at(80)).await.unwrap();
    store.record_status(session_id(1), SessionStatus::Failed, at(81), None).await.unwrap();
    let after = store.find_any(session_id(1)).await.unwrap().unwrap();
    assert_eq!(after.webhook_secrets, before.webhook_secrets);
    assert_eq!(store.find_any(session_id(2)).await.unwrap(), Some(session(2)));
}

/// Another tenant's session, or none, is left as it is.
pub async fn sets_the_secrets_of_the_tenants_own_session_alone(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    for (tenant, id) in [(tenant_id(2), session_id(1)), (tenant_id(1), session_id(9))] {
        let set = store.set_webhook_secrets(tenant, id, &secrets("theirs")).await.unwrap();
        assert_eq!(set, None);
    }
    assert_eq!(store.find_any(session_id(1)).await.unwrap(), Some(session(1)));
}

/// Who writes anew what they read before leaves alone what somebody set since.
pub async fn replaces_the_secrets_that_nobody_replaced_meanwhile(store: &dyn SessionStore) {
    let (first, second) = (secrets("first"), secrets("second"));
    let own = Session { webhook_secrets: Some(first.clone()), ..session(1) };
    for each in [&own, &session(2)] {
        store.insert(each).await.unwrap();
    }
    let replace = async |n, before, after| {
        store.replace_webhook_secrets(session_id(n), before, after).await.unwrap()
    };
    assert!(!replace(2, &first, &second).await);
    assert!(!replace(9, &first, &second).await);
    assert!(replace(1, &first, &second).await);
    assert!(!replace(1, &first, &secrets("third")).await);
    let replaced = Session { webhook_secrets: Some(second), ..own };
    assert_eq!(store.find_any(session_id(1)).await.unwrap(), Some(replaced));
    assert_eq!(store.find_any(session_id(2)).await.unwrap(), Some(session(2)));
}

/// Up to when a session was read only goes forward, and is forgotten with the session.
pub async fn records_up_to_when_a_session_was_read_and_never_back(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    store.insert(&session(2)).await.unwrap();
    for (until, expected) in [(50, 50), (40, 50), (60, 60)] {
        store.record_read(session_id(1), at(until)).await.unwrap();
        let watched = store.watched().await.unwrap();
        assert_eq!(watched[0].read_until, Some(at(expected)));
        assert_eq!(watched[1].read_until, None);
    }
    assert_eq!(store.find_any(session_id(1)).await.unwrap(), Some(session(1)));
    assert!(store.delete(tenant_id(1), session_id(1)).await.unwrap());
    store.record_read(session_id(1), at(70)).await.unwrap();
    store.insert(&session(1)).await.unwrap();
    assert_eq!(store.watched().await.unwrap()[0].read_until, None);
}

/// A session is ill since somebody noticed first, and well without an instant; others are as they
/// were.
pub async fn records_how_a_session_is_and_since_when(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    store.insert(&session(2)).await.unwrap();
    let record = async |health, millis| {
        store.record_health(session_id(1), health, at(millis)).await.unwrap()
    };
    for (health, millis, changes, since) in [
        (SessionHealth::Ok, 10, false, None),
        (SessionHealth::Deaf, 20, true, Some(20)),
        (SessionHealth::Deaf, 30, false, Some(20)),
        (SessionHealth::Silent, 40, true, Some(40)),
        (SessionHealth::Ok, 50, true, None),
    ] {
        assert_eq!(record(health, millis).await, changes, "{health} at {millis}");
        let expected = Session { health, health_since: since.map(at), ..session(1) };
        assert_eq!(store.find_any(session_id(1)).await.unwrap(), Some(expected.clone()));
        assert_eq!(store.list(tenant_id(1)).await.unwrap(), [expected, session(2)]);
    }
    let unknown = store.record_health(session_id(3), SessionHealth::Deaf, at(1)).await.unwrap();
    assert!(!unknown);
}

/// Sessions are counted by how they are.
pub async fn counts_how_the_sessions_are(store: &dyn SessionStore) {
    assert!(store.health_census().await.unwrap().is_empty());
    for n in 1..=4 {
        store.insert(&session(n)).await.unwrap();
    }
    for (n, health) in [(1, SessionHealth::Deaf), (2, SessionHealth::Silent)] {
        assert!(store.record_health(session_id(n), health, at(1)).await.unwrap());
    }
    let expected = [(SessionHealth::Ok, 2), (SessionHealth::Silent, 1), (SessionHealth::Deaf, 1)];
    assert_eq!(store.health_census().await.unwrap(), expected.into());
}

/// Whoever catches up sees all sessions, in order of id, as they are.
pub async fn shows_every_session_to_whoever_catches_up(store: &dyn SessionStore) {
    assert_eq!(store.watched().await.unwrap(), []);
    let theirs = Session { tenant: tenant_id(2), ..session(2) };
    for each in [&session(3), &theirs, &session(1)] {
        store.insert(each).await.unwrap();
    }
    store.record_status(session_id(3), SessionStatus::Failed, at(9), None).await.unwrap();
    store.record_health(session_id(2), SessionHealth::Deaf, at(9)).await.unwrap();
    let watched = |session: Session| WatchedSession {
        id: session.id,
        tenant: session.tenant,
        place: session.place,
        status: session.status,
        health: session.health,
        read_until: None,
        created_at: session.created_at,
    };
    let expected = [
        session(1),
        Session { health: SessionHealth::Deaf, ..theirs },
        Session { status: SessionStatus::Failed, ..session(3) },
    ];
    assert_eq!(store.watched().await.unwrap(), expected.map(watched));
}

/// Calls the given macro with the name of every behavior of a store that keeps tenants and their
/// sessions. Each is a function of this module that takes an empty store.
#[macro_export]
macro_rules! for_each_tenants_session_behavior {
    ($test:ident) => {
        $test!(shows_a_session_that_its_tenant_is_stopped);
    };
}

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(result: &Result<T, StoreError>, of: &str) {
    let entity = match result {
        Err(StoreError::Conflict { entity }) => Some(*entity),
        _ => None,
    };
    assert_eq!(entity, Some(of), "{result:?}");
}

async fn found(store: &dyn SessionStore, n: u64) -> Session {
    store.find_any(session_id(n)).await.unwrap().unwrap()
}

/// Every field of a session is kept, whoever looks.
pub async fn gives_back_a_session_as_it_was_inserted(store: &dyn SessionStore) {
    let odd = Session {
        name: "Filiale 'Süd' 100%".into(),
        place: ProviderSession { server: "waha-2".into(), name: "süd".into() },
        adopted: true,
        status: SessionStatus::ScanQr,
        status_at: at(7),
        own_address: None,
        on_rate_limit: OnRateLimit::Queue,
        updated_at: at(9),
        ..session(2)
    };
    let hidden = Session { own_address: Some(Address::from_stored("199@lid")), ..session(3) };
    for each in [session(1), odd, hidden] {
        store.insert(&each).await.unwrap();
        assert_eq!(store.find(each.tenant, each.id).await.unwrap().as_ref(), Some(&each));
        let named = store.find_named(each.tenant, &each.name).await.unwrap();
        assert_eq!(named.as_ref(), Some(&each));
        assert_eq!(store.find_any(each.id).await.unwrap(), Some(each));
    }
}

/// What is not there is not found, and that is no error.
pub async fn finds_no_session_where_none_is(store: &dyn SessionStore) {
    assert_eq!(store.find(tenant_id(1), session_id(1)).await.unwrap(), None);
    assert_eq!(store.find_named(tenant_id(1), "session-1").await.unwrap(), None);
    assert_eq!(store.find_any(session_id(1)).await.unwrap(), None);
    assert_eq!(store.list(tenant_id(1)).await.unwrap(), []);
    assert_eq!(store.find_placed("waha-1").await.unwrap(), []);
    assert_eq!(store.all_places().await.unwrap(), []);
}

/// A name is found as a whole and as it is written.
pub async fn finds_a_session_by_its_whole_name(store: &dyn SessionStore) {
    store.insert(&session(11)).await.unwrap();
    for name in ["", "session-1", "session-111", "session-__", "session-%", "SESSION-11"] {
        assert_eq!(store.find_named(tenant_id(1), name).await.unwrap(), None, "{name}");
    }
}

/// No tenant finds another's session, though it know id and name.
pub async fn hides_a_session_from_other_tenants(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    let other = tenant_id(2);
    assert_eq!(store.find(other, session_id(1)).await.unwrap(), None);
    assert_eq!(store.find_named(other, "session-1").await.unwrap(), None);
    assert_eq!(store.list(other).await.unwrap(), []);
    assert_eq!(store.find_any(session_id(1)).await.unwrap(), Some(session(1)));
}

/// A tenant's sessions are listed in order of id, whenever they were inserted.
pub async fn lists_a_tenants_sessions_in_order_of_id(store: &dyn SessionStore) {
    let of_another = Session { tenant: tenant_id(2), ..session(2) };
    for each in [session(4), session(1), of_another.clone(), session(3)] {
        store.insert(&each).await.unwrap();
    }
    assert_eq!(store.list(tenant_id(1)).await.unwrap(), [1, 3, 4].map(session));
    assert_eq!(store.list(tenant_id(2)).await.unwrap(), [of_another]);
}

/// A tenant has one session of a name.
pub async fn refuses_a_session_whose_name_is_taken(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    let other = Session { name: session(1).name, ..session(2) };
    assert_conflict(&store.insert(&other).await, "session name");
    assert_eq!(store.find_any(session_id(2)).await.unwrap(), None);
    assert_eq!(store.find_placed("waha-2").await.unwrap(), []);
    store.insert(&session(2)).await.unwrap();
}

/// Names are each tenant's own.
pub async fn lets_two_tenants_use_the_same_name(store: &dyn SessionStore) {
    let of_another = Session { tenant: tenant_id(2), name: session(1).name, ..session(2) };
    store.insert(&session(1)).await.unwrap();
    store.insert(&of_another).await.unwrap();
    let named = |tenant| store.find_named(tenant_id(tenant), "session-1");
    assert_eq!(named(1).await.unwrap(), Some(session(1)));
    assert_eq!(named(2).await.unwrap(), Some(of_another));
}

/// A place at the provider is one session's, also across tenants.
pub async fn refuses_a_session_whose_place_is_taken_by_whomever(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    for tenant in [1, 2] {
        let other = Session { tenant: tenant_id(tenant), place: session(1).place, ..session(2) };
        assert_conflict(&store.insert(&other).await, "session place");
        assert_eq!(store.find_any(session_id(2)).await.unwrap(), None);
        assert_eq!(store.find_named(tenant_id(tenant), "session-2").await.unwrap(), None);
    }
}

/// The same name on two servers is two places.
pub async fn tells_places_apart_by_server_and_name(store: &dyn SessionStore) {
    let place = ProviderSession { server: "other".into(), name: session(1).place.name };
    store.insert(&session(1)).await.unwrap();
    store.insert(&Session { place, ..session(2) }).await.unwrap();
}

/// Of two sessions of one id the first stays.
pub async fn refuses_a_session_whose_id_is_taken(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    let other = Session { id: session_id(1), tenant: tenant_id(2), ..session(2) };
    assert_conflict(&store.insert(&other).await, "session");
    assert_eq!(store.find_any(session_id(1)).await.unwrap(), Some(session(1)));
    assert_eq!(store.find_named(tenant_id(2), "session-2").await.unwrap(), None);
}

/// Of tenants that adopt the same place at once one succeeds.
pub async fn adopts_a_place_once_however_many_try(store: &dyn SessionStore) {
    let sessions: Vec<Session> = (1..=16)
        .map(|n| Session { tenant: tenant_id(n), place: session(1).place, ..session(n) })
        .collect();
    let tries = futures::future::join_all(sessions.iter().map(|each| store.insert(each))).await;
    assert_eq!(tries.iter().filter(|each| each.is_ok()).count(), 1);
    for failed in tries.into_iter().filter(Result::is_err) {
        assert_conflict(&failed, "session place");
    }
    assert_eq!(store.find_placed("waha-1").await.unwrap().len(), 1);
}

/// A patch changes what it names, and the rest stays.
pub async fn patches_what_is_given_and_nothing_else(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    store.insert(&session(2)).await.unwrap();
    let patch = SessionPatch { on_rate_limit: Some(OnRateLimit::Queue), ..SessionPatch::default() };
    let expected = Session { on_rate_limit: OnRateLimit::Queue, updated_at: at(50), ..session(1) };
    let patched = store.patch(tenant_id(1), session_id(1), &patch, at(50)).await.unwrap();
    assert_eq!(patched.as_ref(), Some(&expected));
    assert_eq!(found(store, 1).await, expected);
    assert_eq!(found(store, 2).await, session(2));
}

/// A renamed session is found by its new name, and the former is free.
pub async fn renames_a_session(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    let rename = |name: &str| SessionPatch { name: Some(name.into()), ..SessionPatch::default() };
    let expected = Session { name: "sales".into(), updated_at: at(50), ..session(1) };
    let patched = store.patch(tenant_id(1), session_id(1), &rename("sales"), at(50)).await;
    assert_eq!(patched.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.find_named(tenant_id(1), "sales").await.unwrap(), Some(expected));
    assert_eq!(store.find_named(tenant_id(1), "session-1").await.unwrap(), None);
    store.insert(&Session { name: "session-1".into(), ..session(2) }).await.unwrap();
    // Its own name is not taken.
    let same = store.patch(tenant_id(1), session_id(1), &rename("sales"), at(60)).await.unwrap();
    assert_eq!(same.unwrap().name, "sales");
}

/// A session cannot take another's name, but that of another tenant's.
pub async fn refuses_to_rename_to_a_name_that_is_taken(store: &dyn SessionStore) {
    let of_another = Session { tenant: tenant_id(2), ..session(3) };
    for each in [session(1), session(2), of_another] {
        store.insert(&each).await.unwrap();
    }
    let on_rate_limit = Some(OnRateLimit::Queue);
    let taken =
        SessionPatch { name: Some("session-2".into()), on_rate_limit, ..SessionPatch::default() };
    let patched = store.patch(tenant_id(1), session_id(1), &taken, at(50)).await;
    assert_conflict(&patched, "session name");
    assert_eq!(found(store, 1).await, session(1));
    let elsewhere =
        SessionPatch { name: Some("session-3".into()), on_rate_limit, ..SessionPatch::default() };
    let patched = store.patch(tenant_id(1), session_id(1), &elsewhere, at(50)).await.unwrap();
    assert_eq!(patched.unwrap().name, "session-3");
}

/// No tenant changes another's session.
pub async fn patches_only_the_tenants_own_session(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    let patch = SessionPatch { name: Some("mine".into()), ..SessionPatch::default() };
    for (tenant, id) in [(2, 1), (1, 2)] {
        let patched = store.patch(tenant_id(tenant), session_id(id), &patch, at(50)).await;
        assert_eq!(patched.unwrap(), None);
    }
    assert_eq!(found(store, 1).await, session(1));
}

/// A deleted session is gone for everybody, and what it took is free.
pub async fn frees_name_and_place_of_a_deleted_session(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    store.insert(&session(2)).await.unwrap();
    assert!(store.delete(tenant_id(1), session_id(1)).await.unwrap());
    assert!(!store.delete(tenant_id(1), session_id(1)).await.unwrap());
    assert_eq!(store.find(tenant_id(1), session_id(1)).await.unwrap(), None);
    assert_eq!(store.find_any(session_id(1)).await.unwrap(), None);
    assert_eq!(store.find_named(tenant_id(1), "session-1").await.unwrap(), None);
    assert_eq!(store.find_placed("waha-1").await.unwrap(), []);
    assert_eq!(store.list(tenant_id(1)).await.unwrap(), [session(2)]);
    assert_eq!(store.all_places().await.unwrap().len(), 1);
    let again = Session { name: session(1).name, place: session(1).place, ..session(3) };
    store.insert(&again).await.unwrap();
}

/// No tenant deletes another's session.
pub async fn deletes_only_the_tenants_own_session(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    assert!(!store.delete(tenant_id(2), session_id(1)).await.unwrap());
    assert_eq!(found(store, 1).await, session(1));
}

/// A webhook names a session as the provider does: on any server, whoever owns it.
pub async fn finds_sessions_by_their_name_at_the_provider(store: &dyn SessionStore) {
    let placed = |n, server: &str, name: &str| Session {
        tenant: tenant_id(n),
        place: ProviderSession { server: server.into(), name: name.into() },
        ..session(n)
    };
    let (here, there) = (placed(1, "a", "main"), placed(2, "b", "main"));
    for each in [&there, &placed(3, "a", "main-2"), &here] {
        store.insert(each).await.unwrap();
    }
    assert_eq!(store.find_placed("main").await.unwrap(), [here, there]);
    assert_eq!(store.find_placed("mai_").await.unwrap(), []);
    assert_eq!(store.find_placed("session-1").await.unwrap(), []);
}

/// A worker learns of all sessions where they are, in order of id.
pub async fn tells_the_places_of_all_sessions(store: &dyn SessionStore) {
    for n in [2, 3, 1] {
        store.insert(&Session { tenant: tenant_id(n), ..session(n) }).await.unwrap();
    }
    let expected = [1, 2, 3].map(|n| (session_id(n), session(n).place));
    assert_eq!(store.all_places().await.unwrap(), expected);
}

/// How full each server is, and how its sessions are, whoever owns them.
pub async fn counts_the_sessions_of_each_server_and_status(store: &dyn SessionStore) {
    let (working, stopped) = (SessionStatus::Working, SessionStatus::Stopped);
    assert_eq!(store.census().await.unwrap(), Census::new());
    for (n, server, status) in
        [(1, "a", working), (2, "b", stopped), (3, "a", working), (4, "a", stopped)]
    {
        let place = ProviderSession { server: server.into(), ..session(n).place };
        let placed = Session { tenant: tenant_id(n), place, status, ..session(n) };
        store.insert(&placed).await.unwrap();
    }
    let expected = |lines: &[(&str, SessionStatus, u64)]| -> Census {
        lines.iter().map(|(server, status, n)| (((*server).to_owned(), *status), *n)).collect()
    };
    assert_eq!(
        store.census().await.unwrap(),
        expected(&[("a", working, 2), ("a", stopped, 1), ("b", stopped, 1)])
    );
    store.delete(tenant_id(2), session_id(2)).await.unwrap();
    assert_eq!(store.census().await.unwrap(), expected(&[("a", working, 2), ("a", stopped, 1)]));
}

/// Whatever the provider says of a session is kept.
pub async fn records_every_status(store: &dyn SessionStore) {
    store.insert(&Session { status: SessionStatus::Failed, ..session(1) }).await.unwrap();
    store.insert(&session(2)).await.unwrap();
    for (n, status) in (1..).zip(SessionStatus::ALL) {
        let told = store.record_status(session_id(1), *status, at(n * 100), None).await.unwrap();
        let expected = Session {
            status: *status,
            status_at: at(n * 100),
            updated_at: at(n * 100),
            ..session(1)
        };
        assert_eq!(told.as_ref(), Some(&expected));
        assert_eq!(found(store, 1).await, expected);
    }
    assert_eq!(found(store, 2).await, session(2));
}

/// The account's own address is kept where it is told, and stays where it is not.
pub async fn records_the_own_address_where_it_is_told(store: &dyn SessionStore) {
    let unknown = Session { status: SessionStatus::ScanQr, own_address: None, ..session(1) };
    store.insert(&unknown).await.unwrap();
    let told = [
        (SessionStatus::Working, 100, Some(address(1))),
        (SessionStatus::Stopped, 200, None),
        // Also while the status stays the same.
        (SessionStatus::Stopped, 300, Some(address(2))),
    ];
    let mut expected = None;
    for (status, millis, own) in told {
        store.record_status(session_id(1), status, at(millis), own.clone()).await.unwrap();
        expected = own.or(expected);
        assert_eq!(found(store, 1).await.own_address, expected);
    }
    assert_eq!(expected, Some(address(2)));
}

/// What was true before what is known changes nothing, the own address included.
pub async fn ignores_a_status_older_than_the_one_known(store: &dyn SessionStore) {
    store.insert(&Session { status_at: at(100), ..session(1) }).await.unwrap();
    let before = found(store, 1).await;
    let late = |millis| {
        store.record_status(session_id(1), SessionStatus::Failed, at(millis), Some(address(1)))
    };
    assert_eq!(late(99).await.unwrap(), None);
    assert_eq!(found(store, 1).await, before);
    // Of two at the same instant the one told last stands.
    assert_eq!(late(100).await.unwrap().unwrap().status, SessionStatus::Failed);
}

/// A status told again changes nothing that somebody would act upon, but it is newer.
pub async fn gives_a_session_only_where_its_status_changed(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    let tell = |status, millis| store.record_status(session_id(1), status, at(millis), None);
    assert_eq!(tell(SessionStatus::Working, 200).await.unwrap(), None);
    assert_eq!(found(store, 1).await.status_at, at(200));
    assert_eq!(tell(SessionStatus::Failed, 150).await.unwrap(), None);
    assert_eq!(found(store, 1).await.status, SessionStatus::Working);
    assert!(tell(SessionStatus::Failed, 300).await.unwrap().is_some());
}

/// Of a session that is gone nothing is recorded, and that is no error.
pub async fn records_no_status_of_an_unknown_session(store: &dyn SessionStore) {
    let told = store.record_status(session_id(1), SessionStatus::Working, at(9), None).await;
    assert_eq!(told.unwrap(), None);
    assert_eq!(store.find_any(session_id(1)).await.unwrap(), None);
}

/// States that come at once leave the one that was true last.
pub async fn ends_with_the_latest_status_in_whatever_order_they_come(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    let told = SessionStatus::ALL.iter().enumerate().map(|(step, status)| {
        // Out of order: 0, 5, 2, 7, 4, 1, 6, 3.
        let millis = 100 * (step as u64 * 5 % 8 + 1);
        (millis, *status)
    });
    let told: Vec<(u64, SessionStatus)> = told.collect();
    let calls = told
        .iter()
        .map(|(millis, status)| store.record_status(session_id(1), *status, at(*millis), None));
    for result in futures::future::join_all(calls).await {
        result.unwrap();
    }
    let latest = told.iter().max_by_key(|(millis, _)| *millis).unwrap();
    let after = found(store, 1).await;
    assert_eq!((after.status, after.status_at), (latest.1, at(latest.0)));
}

fn suspension(until: Option<u64>) -> Suspension {
    Suspension { since: at(50), until: until.map(at), reason: Some("why".into()) }
}

/// A session is stopped, for another time, and goes on; nothing else about it changes.
pub async fn suspends_and_resumes_a_session(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    for suspension in [Some(suspension(None)), Some(suspension(Some(900))), None] {
        let expected = Session { suspension: suspension.clone(), ..session(1) };
        let told = store.suspend(tenant_id(1), session_id(1), suspension).await.unwrap();
        assert_eq!(told.as_ref(), Some(&expected));
        assert_eq!(found(store, 1).await, expected);
        store.record_status(session_id(1), SessionStatus::Working, at(0), None).await.unwrap();
        assert_eq!(found(store, 1).await, expected);
    }
}

/// Another tenant's session is not there to be stopped.
pub async fn suspends_only_the_tenants_own_session(store: &dyn SessionStore) {
    store.insert(&session(1)).await.unwrap();
    let told = store.suspend(tenant_id(2), session_id(1), Some(suspension(None))).await.unwrap();
    assert_eq!(told, None);
    assert_eq!(found(store, 1).await, session(1));
}

/// What is given is changed or made as for all; the rest stays.
pub async fn keeps_what_limits_new_chats(store: &dyn SessionStore) {
    let spacing = Spacing { least: Duration::from_millis(1500), most: Duration::from_secs(60) };
    let restriction = Some(Restriction { since: at(5), until: at(5000), times: 3 });
    let new_chats = NewChats { per_day: Some(0), spacing: Some(spacing), restriction };
    store.insert(&Session { new_chats, ..session(1) }).await.unwrap();
    assert_eq!(found(store, 1).await.new_chats, new_chats);
    let patched = async |new_chats: NewChatsPatch| {
        let patch = SessionPatch { new_chats, ..SessionPatch::default() };
        let told = store.patch(tenant_id(1), session_id(1), &patch, at(9)).await.unwrap().unwrap();
        assert_eq!(found(store, 1).await, told);
        told.new_chats
    };
    assert_eq!(patched(NewChatsPatch::default()).await, new_chats);
    let fifty = NewChatsPatch { per_day: Some(Some(50)), spacing: None };
    assert_eq!(patched(fifty).await, NewChats { per_day: Some(50), ..new_chats });
    let usual = NewChatsPatch { per_day: None, spacing: Some(None) };
    let expected = NewChats { per_day: Some(50), spacing: None, restriction };
    assert_eq!(patched(usual).await, expected);
    let usual = NewChatsPatch { per_day: Some(None), spacing: Some(Some(Spacing::NONE)) };
    let expected = NewChats { per_day: None, spacing: Some(Spacing::NONE), restriction };
    assert_eq!(patched(usual).await, expected);
}

/// Nothing else about the session changes, and what it is restricted to outlives what changes it.
pub async fn restricts_new_chats_and_lets_them_go(store: &dyn SessionStore) {
    let restriction = Some(Restriction { since: at(5), until: at(5000), times: 2 });
    assert_eq!(store.restrict(session_id(1), restriction).await.unwrap(), None);
    let new_chats = NewChats { per_day: Some(7), ..NewChats::default() };
    store.insert(&Session { new_chats, ..session(1) }).await.unwrap();
    for restriction in [restriction, None] {
        let new_chats = NewChats { restriction, ..new_chats };
        let expected = Session { new_chats, ..session(1) };
        let told = store.restrict(session_id(1), restriction).await.unwrap();
        assert_eq!(told.as_ref(), Some(&expected));
        store.record_status(session_id(1), SessionStatus::Working, at(0), None).await.unwrap();
        assert_eq!(found(store, 1).await, expected);
    }
}

/// However a session is found, it shows that its tenant is stopped, for as long as that is so.
pub async fn shows_a_session_that_its_tenant_is_stopped<S: SessionStore + TenantStore>(store: &S) {
    for n in [1, 2] {
        TenantStore::insert(store, &tenant(n)).await.unwrap();
    }
    let other = Session { tenant: tenant_id(2), ..session(2) };
    for each in [session(1), other.clone()] {
        SessionStore::insert(store, &each).await.unwrap();
    }
    for tenant_suspension in [Some(suspension(Some(900))), None] {
        TenantStore::suspend(store, tenant_id(1), tenant_suspension.clone()).await.unwrap();
        let expected = Session { tenant_suspension, ..session(1) };
        let by_name = SessionStore::find_named(store, tenant_id(1), "session-1").await.unwrap();
        let own = SessionStore::find(store, tenant_id(1), session_id(1)).await.unwrap();
        let placed = store.find_placed("waha-1").await.unwrap().pop();
        let listed = SessionStore::list(store, tenant_id(1)).await.unwrap().pop();
        for found in [by_name, own, placed, listed, store.find_any(session_id(1)).await.unwrap()] {
            assert_eq!(found.as_ref(), Some(&expected));
        }
        assert_eq!(store.find_any(session_id(2)).await.unwrap().as_ref(), Some(&other));
    }
}
