//! How every store of the provider's servers must behave, and how it sees to the room on them.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use crate::conformance::build::{at, server, session, session_id, tenant_id};
use crate::domain::server::{KeptServer, Placing, Removal, Room, ServerKey, ServerPatch};
use crate::domain::session::{ProviderSession, Session};
use crate::ports::server_store::ServerStore;
use crate::ports::session_store::SessionStore;
use crate::ports::store_error::StoreError;

/// Calls the given macro with the name of every behavior of
/// [`ServerStore`](crate::ports::server_store::ServerStore). Each is a function of this module that
/// takes an empty store, and that of the sessions which belong to it.
#[macro_export]
macro_rules! for_each_server_store_behavior {
    ($test:ident) => {
        $test!(gives_back_a_server_as_it_was_given);
        $test!(finds_a_server_by_its_whole_name);
        $test!(refuses_a_second_server_of_one_name);
        $test!(lists_servers_in_order_of_their_names_bytes);
        $test!(patches_of_a_server_what_is_given_and_nothing_else);
        $test!(changes_no_server_that_is_not_there);
        $test!(replaces_the_key_that_nobody_replaced_meanwhile);
        $test!(forgets_a_server_without_sessions_alone);
        $test!(puts_no_more_sessions_on_a_server_than_it_may_hold);
        $test!(puts_no_session_on_a_server_that_drains_or_is_not_there);
        $test!(holds_an_account_that_is_there_already_however_full_it_is);
        $test!(counts_the_sessions_of_a_server_it_does_not_keep);
        $test!(keeps_nothing_of_a_session_without_room);
        $test!(refuses_a_session_whose_name_or_place_is_taken_though_there_is_room);
        $test!(puts_one_of_many_that_come_at_once_on_the_last_place);
        $test!(forgets_no_server_that_a_session_is_put_on_meanwhile);
        $test!(puts_no_session_on_a_server_that_drains_meanwhile);
    };
}

fn on(name: &str, n: u64) -> Session {
    let place = ProviderSession { server: name.to_owned(), name: format!("account-{n}") };
    Session { place, ..session(n) }
}

fn of(n: u64, capacity: Option<u64>) -> KeptServer {
    KeptServer { capacity, ..server(n) }
}

async fn placed(sessions: &dyn SessionStore) -> u64 {
    sessions.census().await.unwrap().values().sum()
}

/// With everything that is known of it, or with as little as there may be.
pub async fn gives_back_a_server_as_it_was_given(servers: &dyn ServerStore, _: &dyn SessionStore) {
    let full = KeptServer {
        api_key: Some(ServerKey("!~ a key: é\u{1F600}\0".into())),
        capacity: Some(1_000_000),
        draining: true,
        updated_at: at(99),
        ..server(1)
    };
    let none = KeptServer { api_key: None, capacity: None, ..server(2) };
    let odd = KeptServer { api_key: Some(ServerKey("sealed:AAAA".into())), ..of(3, Some(0)) };
    for given in [full, none, odd] {
        servers.insert(&given).await.unwrap();
        assert_eq!(servers.find(&given.name).await.unwrap(), Some(given));
    }
}

/// In the same case, and not by a part of it.
pub async fn finds_a_server_by_its_whole_name(servers: &dyn ServerStore, _: &dyn SessionStore) {
    servers.insert(&KeptServer { name: "Eu_1".into(), ..server(1) }).await.unwrap();
    for other in ["eu_1", "EuX1", "Eu_", "Eu_1 ", "", "%", "\0"] {
        assert_eq!(servers.find(other).await.unwrap(), None, "{other}");
    }
    assert!(servers.find("Eu_1").await.unwrap().is_some());
}

/// The first stays as it is.
pub async fn refuses_a_second_server_of_one_name(servers: &dyn ServerStore, _: &dyn SessionStore) {
    servers.insert(&server(1)).await.unwrap();
    let second = KeptServer { url: "http://other".into(), created_at: at(99), ..server(1) };
    let refused = servers.insert(&second).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { entity: "server name" }), "{refused:?}");
    assert_eq!(servers.list().await.unwrap(), [server(1)]);
}

/// Whatever a language's order would be.
pub async fn lists_servers_in_order_of_their_names_bytes(
    servers: &dyn ServerStore,
    _: &dyn SessionStore,
) {
    assert_eq!(servers.list().await.unwrap(), []);
    for name in ["b", "a-2", "a.2", "B", "a2", "_"] {
        servers.insert(&KeptServer { name: name.into(), ..server(1) }).await.unwrap();
    }
    let names: Vec<_> = servers.list().await.unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["B", "_", "a-2", "a.2", "a2", "b"]);
}

/// A key and a capacity can be taken away.
pub async fn patches_of_a_server_what_is_given_and_nothing_else(
    servers: &dyn ServerStore,
    _: &dyn SessionStore,
) {
    for n in [1, 2] {
        servers.insert(&server(n)).await.unwrap();
    }
    let mut expected = server(1);
    for (n, patch) in [
        ServerPatch { url: Some("https://elsewhere/waha".into()), ..ServerPatch::default() },
        ServerPatch { api_key: Some(Some(ServerKey("another".into()))), ..ServerPatch::default() },
        ServerPatch { capacity: Some(Some(9)), ..ServerPatch::default() },
        ServerPatch { draining: Some(true), ..ServerPatch::default() },
        ServerPatch { api_key: Some(None), capacity: Some(None), ..ServerPatch::default() },
        ServerPatch { draining: Some(false), ..ServerPatch::default() },
        ServerPatch::default(),
    ]
    .into_iter()
    .enumerate()
    {
        let now = at(100 + n as u64);
        expected = expected.patched(&patch, now);
        assert_eq!(expected.updated_at, now);
        let name = server(1).name;
        let patched = servers.patch(&name, &patch, now).await.unwrap();
        assert_eq!(patched.as_ref(), Some(&expected));
        assert_eq!(servers.find(&name).await.unwrap().as_ref(), Some(&expected));
    }
    assert_eq!(servers.find(&server(2).name).await.unwrap(), Some(server(2)));
}

/// Nor makes one.
pub async fn changes_no_server_that_is_not_there(servers: &dyn ServerStore, _: &dyn SessionStore) {
    let patch = ServerPatch { draining: Some(true), ..ServerPatch::default() };
    assert_eq!(servers.patch("nobody", &patch, at(9)).await.unwrap(), None);
    assert_eq!(servers.delete("nobody").await.unwrap(), Removal::NotThere);
    assert_eq!(servers.list().await.unwrap(), []);
}

/// Sessions of others do not count.
pub async fn forgets_a_server_without_sessions_alone(
    servers: &dyn ServerStore,
    sessions: &dyn SessionStore,
) {
    let (used, unused) = (server(1), server(2));
    for each in [&used, &unused] {
        servers.insert(each).await.unwrap();
    }
    for n in [1, 2] {
        sessions.insert(&on(&used.name, n)).await.unwrap();
    }
    assert_eq!(servers.delete(&used.name).await.unwrap(), Removal::InUse(2));
    assert_eq!(servers.delete(&unused.name).await.unwrap(), Removal::Removed);
    assert_eq!(servers.delete(&unused.name).await.unwrap(), Removal::NotThere);
    assert_eq!(servers.list().await.unwrap(), std::slice::from_ref(&used));
    for n in [1, 2] {
        sessions.delete(session(n).tenant, session_id(n)).await.unwrap();
    }
    assert_eq!(servers.delete(&used.name).await.unwrap(), Removal::Removed);
    // The name is free.
    servers.insert(&unused).await.unwrap();
}

/// What it may hold is what it may hold now.
pub async fn puts_no_more_sessions_on_a_server_than_it_may_hold(
    servers: &dyn ServerStore,
    sessions: &dyn SessionStore,
) {
    let small = of(1, Some(2));
    servers.insert(&small).await.unwrap();
    let put = async |n| sessions.place(&on(&small.name, n), Room::AsKept).await.unwrap();
    for (n, expected) in [(1, Placing::Placed), (2, Placing::Placed), (3, Placing::Full)] {
        assert_eq!(put(n).await, expected);
    }
    let whole = sessions.find_any(session_id(1)).await.unwrap();
    assert_eq!(whole, Some(on(&small.name, 1)), "it is kept as any other");
    let hold = async |capacity| {
        let patch = ServerPatch { capacity: Some(capacity), ..ServerPatch::default() };
        servers.patch(&small.name, &patch, at(9)).await.unwrap().unwrap();
    };
    hold(Some(3)).await;
    assert_eq!(put(3).await, Placing::Placed);
    hold(Some(1)).await;
    assert_eq!(placed(sessions).await, 3, "what is there stays");
    sessions.delete(session(1).tenant, session_id(1)).await.unwrap();
    assert_eq!(put(4).await, Placing::Full);
    hold(None).await;
    assert_eq!(put(4).await, Placing::Placed);
}

/// Whatever room it has.
pub async fn puts_no_session_on_a_server_that_drains_or_is_not_there(
    servers: &dyn ServerStore,
    sessions: &dyn SessionStore,
) {
    let drains = KeptServer { draining: true, ..of(1, None) };
    servers.insert(&drains).await.unwrap();
    for room in [Room::AsKept, Room::Held] {
        let put = async |name: &str| sessions.place(&on(name, 1), room).await.unwrap();
        assert_eq!(put(&drains.name).await, Placing::Draining);
        assert_eq!(put("nobody").await, Placing::NoServer);
    }
    assert_eq!(placed(sessions).await, 0);
}

/// It takes up the room that it has.
pub async fn holds_an_account_that_is_there_already_however_full_it_is(
    servers: &dyn ServerStore,
    sessions: &dyn SessionStore,
) {
    let small = of(1, Some(1));
    servers.insert(&small).await.unwrap();
    for n in [1, 2] {
        let put = sessions.place(&on(&small.name, n), Room::Held).await.unwrap();
        assert_eq!(put, Placing::Placed);
    }
    let put = sessions.place(&on(&small.name, 3), Room::AsKept).await.unwrap();
    assert_eq!(put, Placing::Full);
}

/// By what it is told of it; the sessions of other servers do not count.
pub async fn counts_the_sessions_of_a_server_it_does_not_keep(
    servers: &dyn ServerStore,
    sessions: &dyn SessionStore,
) {
    servers.insert(&server(1)).await.unwrap();
    sessions.insert(&on(&server(1).name, 9)).await.unwrap();
    let put = async |n, capacity| {
        sessions.place(&on("of-the-settings", n), Room::Below(capacity)).await.unwrap()
    };
    assert_eq!(put(1, Some(0)).await, Placing::Full);
    assert_eq!(put(1, Some(1)).await, Placing::Placed);
    assert_eq!(put(2, Some(1)).await, Placing::Full);
    assert_eq!(put(2, None).await, Placing::Placed);
}

/// Its name and its place stay free.
pub async fn keeps_nothing_of_a_session_without_room(
    servers: &dyn ServerStore,
    sessions: &dyn SessionStore,
) {
    let full = of(1, Some(0));
    servers.insert(&full).await.unwrap();
    let refused = on(&full.name, 1);
    assert_eq!(sessions.place(&refused, Room::AsKept).await.unwrap(), Placing::Full);
    assert_eq!(sessions.find_any(refused.id).await.unwrap(), None);
    sessions.insert(&refused).await.unwrap();
}

/// As any session is.
pub async fn refuses_a_session_whose_name_or_place_is_taken_though_there_is_room(
    servers: &dyn ServerStore,
    sessions: &dyn SessionStore,
) {
    servers.insert(&of(1, None)).await.unwrap();
    let first = on(&server(1).name, 1);
    assert_eq!(sessions.place(&first, Room::AsKept).await.unwrap(), Placing::Placed);
    let same_name = Session { name: first.name.clone(), tenant: first.tenant, ..on("x", 2) };
    let same_place = Session { place: first.place.clone(), tenant: tenant_id(2), ..session(3) };
    let same_name = Session { place: on(&server(1).name, 2).place, ..same_name };
    for (taken, what) in [(same_name, "session name"), (same_place, "session place")] {
        let refused = sessions.place(&taken, Room::AsKept).await.unwrap_err();
        assert!(matches!(refused, StoreError::Conflict { entity } if entity == what), "{what}");
    }
    assert_eq!(placed(sessions).await, 1);
}

/// Whether the store keeps the server or not.
pub async fn puts_one_of_many_that_come_at_once_on_the_last_place(
    servers: &dyn ServerStore,
    sessions: &dyn SessionStore,
) {
    servers.insert(&of(1, Some(1))).await.unwrap();
    let name = server(1).name;
    for (name, room, first) in
        [(name.as_str(), Room::AsKept, 1), ("of-the-settings", Room::Below(Some(1)), 11)]
    {
        let those = (first..first + 8).map(|n| on(name, n));
        let puts = those.map(|session| async move { sessions.place(&session, room).await });
        let told = futures::future::try_join_all(puts).await.unwrap();
        let count = |placing| told.iter().filter(|told| **told == placing).count();
        assert_eq!((count(Placing::Placed), count(Placing::Full)), (1, 7), "{told:?}");
    }
    assert_eq!(placed(sessions).await, 2);
}

/// Either is first; never is there a session on a server that is not there.
pub async fn forgets_no_server_that_a_session_is_put_on_meanwhile(
    servers: &dyn ServerStore,
    sessions: &dyn SessionStore,
) {
    for n in 1..=8 {
        let server = of(n, None);
        servers.insert(&server).await.unwrap();
        let session = on(&server.name, n);
        let put = sessions.place(&session, Room::AsKept);
        let (put, removed) = futures::future::join(put, servers.delete(&server.name)).await;
        let (put, removed) = (put.unwrap(), removed.unwrap());
        let is_first = put == Placing::Placed;
        let expected = if is_first { Removal::InUse(1) } else { Removal::Removed };
        assert!(is_first || put == Placing::NoServer, "{put:?}");
        assert_eq!(removed, expected);
        assert_eq!(servers.find(&server.name).await.unwrap().is_some(), is_first);
        assert_eq!(sessions.find_any(session.id).await.unwrap().is_some(), is_first);
    }
}

/// Once it is known to drain, no session comes.
pub async fn puts_no_session_on_a_server_that_drains_meanwhile(
    servers: &dyn ServerStore,
    sessions: &dyn SessionStore,
) {
    servers.insert(&of(1, None)).await.unwrap();
    let name = server(1).name;
    let patch = ServerPatch { draining: Some(true), ..ServerPatch::default() };
    let first = on(&name, 1);
    let put = sessions.place(&first, Room::AsKept);
    let (put, patched) = futures::future::join(put, servers.patch(&name, &patch, at(9))).await;
    assert!(patched.unwrap().unwrap().draining);
    assert!(matches!(put.unwrap(), Placing::Placed | Placing::Draining));
    let after = sessions.place(&on(&name, 2), Room::AsKept).await.unwrap();
    assert_eq!(after, Placing::Draining);
}

/// Who writes anew what they read before leaves alone what somebody set since.
pub async fn replaces_the_key_that_nobody_replaced_meanwhile(
    servers: &dyn ServerStore,
    _: &dyn SessionStore,
) {
    let key = |text: &str| ServerKey(text.to_owned());
    let own = KeptServer { api_key: Some(key("first")), ..server(1) };
    let open = KeptServer { api_key: None, ..server(2) };
    for each in [&own, &open] {
        servers.insert(each).await.unwrap();
    }
    let (first, second) = (key("first"), key("second"));
    assert!(!servers.replace_key(&open.name, &first, &second).await.unwrap());
    assert!(!servers.replace_key("none", &first, &second).await.unwrap());
    assert!(servers.replace_key(&own.name, &first, &second).await.unwrap());
    assert!(!servers.replace_key(&own.name, &first, &key("third")).await.unwrap());
    let replaced = KeptServer { api_key: Some(second), ..own };
    assert_eq!(servers.list().await.unwrap(), [replaced, open]);
}
