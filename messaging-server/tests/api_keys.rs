//! API keys and the tokens given for them: what they open, for how long, and what attackers get.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::{Answer, Harness, REFRESH_SECRET, SECRET, request};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use messaging_core::conformance::build::tenant_id;
use messaging_core::domain::tenant::Role;
use messaging_core::ports::access_store::{AccessStore, MockAccessStore};
use messaging_core::ports::clock::Clock;
use messaging_core::ports::store_error::StoreError;
use messaging_server::auth::{Caller, TokenIssuer, TokenVerifier};
use poem::Body;
use serde_json::{Value, json};
use uuid::Uuid;

async fn made(api: &Harness, wanted: Value) -> Value {
    api.post("/api-keys", wanted).await.expect(201)
}

/// A sender's key, whole.
async fn key(api: &Harness) -> String {
    let made = made(api, json!({ "name": "shop", "role": "sender" })).await;
    made["key"].as_str().unwrap().to_owned()
}

async fn show(api: &Harness, bearer: &str) -> Answer {
    api.call(request("GET", "/messages", Some(bearer), None)).await
}

async fn auth(api: &Harness, what: &str, body: Value) -> Answer {
    let body = Some(body.to_string().into_bytes());
    api.call(request("POST", &format!("/auth/{what}"), None, body)).await
}

/// An access token and a refresh token.
async fn tokens(api: &Harness, key: &str) -> (String, String) {
    both(&auth(api, "token", json!({ "apiKey": key })).await.expect(200))
}

fn both(given: &Value) -> (String, String) {
    let text = |name: &str| given[name].as_str().unwrap().to_owned();
    (text("accessToken"), text("refreshToken"))
}

async fn refresh(api: &Harness, token: &str) -> Answer {
    auth(api, "refresh", json!({ "refreshToken": token })).await
}

#[tokio::test]
async fn a_key_opens_what_its_role_and_scope_allow() {
    let api = Harness::new().await;
    let wanted = json!({ "name": " shop ", "role": "sender", "scope": ["messages:read"] });
    let made = made(&api, wanted).await;
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with(made["apiKey"]["prefix"].as_str().unwrap()));
    assert_eq!(made["apiKey"]["name"], "shop");
    assert_eq!(show(&api, key).await.status, 200);
    let send = api.call(request("POST", "/messages/send", Some(key), None)).await;
    send.refused(403, "forbidden");
    // In its tenant's name alone.
    let send = json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" });
    api.ask_as(2, "POST", "/messages/send", Some(send)).await.expect(202);
    assert_eq!(show(&api, key).await.expect(200)["total"], 0);
}

#[tokio::test]
async fn the_secret_of_a_key_is_shown_once() {
    let api = Harness::new().await;
    let made = made(&api, json!({ "name": "shop", "role": "sender" })).await;
    let id = made["apiKey"]["id"].as_str().unwrap();
    let secret = made["key"].as_str().unwrap().rsplit_once('_').unwrap().1;
    for path in ["/api-keys", &format!("/api-keys/{id}")] {
        let shown = api.get(path).await.expect(200).to_string();
        assert!(shown.contains(id) && !shown.contains(secret));
    }
}

#[tokio::test]
async fn a_key_is_good_for_nothing_once_it_is_revoked_or_has_expired() {
    let api = Harness::new().await;
    let brief = json!({ "name": "brief", "role": "sender", "expiresIn": "1h" });
    let brief = made(&api, brief).await["key"].as_str().unwrap().to_owned();
    let key = key(&api).await;
    let (access, _) = tokens(&api, &brief).await;
    for bearer in [&key, &brief, &access] {
        assert_eq!(show(&api, bearer).await.status, 200);
    }
    let list = api.get("/api-keys").await.expect(200);
    let id = list["data"][0]["id"].as_str().unwrap();
    let revoked = api.delete(&format!("/api-keys/{id}")).await.expect(200);
    assert!(revoked["revokedAt"].is_string());
    assert_eq!(api.delete(&format!("/api-keys/{id}")).await.expect(200), revoked);
    show(&api, &key).await.refused(401, "invalid-token");
    api.clock.advance(Duration::from_secs(3601));
    for bearer in [&brief, &access] {
        show(&api, bearer).await.refused(401, "invalid-token");
    }
}

/// What another node revokes is believed for a second, and no longer.
#[tokio::test]
async fn a_key_that_another_node_revoked_is_refused_a_second_later() {
    let api = Harness::new().await;
    let key = key(&api).await;
    let (access, _) = tokens(&api, &key).await;
    assert_eq!(show(&api, &key).await.status, 200);
    let shown = messaging_core::domain::access::ApiKeyText::parse(&key).unwrap();
    api.store.revoke_key(tenant_id(1), shown.id, api.clock.now()).await.unwrap().unwrap();
    api.clock.advance(Duration::from_secs(1));
    show(&api, &key).await.refused(401, "invalid-token");
    show(&api, &access).await.refused(401, "invalid-token");
}

#[tokio::test]
async fn a_key_that_is_revoked_while_its_bearer_sends_does_nothing_more() {
    let api = Harness::new().await;
    let owner = made(&api, json!({ "name": "owner", "role": "owner" })).await;
    let owner = owner["key"].as_str().unwrap();
    let shown = messaging_core::domain::access::ApiKeyText::parse(owner).unwrap();
    let (store, clock) = (Arc::clone(&api.store), Arc::clone(&api.clock));
    let slowly = async move {
        store.revoke_key(tenant_id(1), shown.id, clock.now()).await.unwrap().unwrap();
        clock.advance(Duration::from_secs(1));
        Ok::<_, std::io::Error>(json!({ "name": "another", "role": "owner" }).to_string())
    };
    let mut asked = request("POST", "/api-keys", Some(owner), Some(Vec::new()));
    asked.set_body(Body::from_bytes_stream(futures::stream::once(slowly)));
    api.call(asked).await.refused(401, "invalid-token");
    let list = api.get("/api-keys").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_makes_a_key_with_more_rights_than_their_own() {
    let api = Harness::new().await;
    let ask = async |role, wanted: Value| {
        let token = api.token(1, role);
        let body = Some(wanted.to_string().into_bytes());
        api.call(request("POST", "/api-keys", Some(&token), body)).await
    };
    let owner = json!({ "name": "a", "role": "owner" });
    let refused = ask(Role::Admin, owner.clone()).await.refused(403, "forbidden");
    assert!(refused["detail"].as_str().unwrap().contains("data:erase"));
    ask(Role::Owner, owner).await.expect(201);
    ask(Role::Admin, json!({ "name": "a", "role": "admin" })).await.expect(201);
    // Nor with a role above their own, however it is narrowed: its entries would name that role.
    for role in ["owner", "platform-admin"] {
        let little = json!({ "name": "a", "role": role, "scope": ["messages:read"] });
        let refused = ask(Role::Admin, little).await.refused(403, "forbidden");
        assert!(refused["detail"].as_str().unwrap().contains(role), "{refused}");
    }
    let little = json!({ "name": "a", "role": "admin", "scope": ["messages:read"] });
    ask(Role::Admin, little).await.expect(201);
    for role in [Role::Operator, Role::Sender, Role::Viewer] {
        ask(role, json!({ "name": "a", "role": "viewer" })).await.refused(403, "forbidden");
    }
    // A key that may make keys makes none that may do more.
    let wanted = json!({ "name": "a", "role": "owner", "scope": ["api-keys:manage"] });
    let made = made(&api, wanted).await["key"].as_str().unwrap().to_owned();
    let body = Some(json!({ "name": "a", "role": "viewer" }).to_string().into_bytes());
    let answer = api.call(request("POST", "/api-keys", Some(&made), body)).await;
    answer.refused(403, "forbidden");
}

#[tokio::test]
async fn what_is_wrong_with_a_wanted_key_is_named() {
    let api = Harness::new().await;
    for (wanted, pointer) in [
        (json!({ "name": " ", "role": "viewer" }), "#/name"),
        (json!({ "name": "a", "role": "god" }), "#/role"),
        (json!({ "name": "a", "role": "viewer", "scope": ["messages:send"] }), "#/scope/0"),
        (json!({ "name": "a", "role": "viewer", "scope": ["x"] }), "#/scope/0"),
        (json!({ "name": "a", "role": "viewer", "expiresIn": "soon" }), "#/expiresIn"),
    ] {
        api.post("/api-keys", wanted).await.refused_field("invalid-request", pointer);
    }
}

#[tokio::test]
async fn the_use_of_a_key_is_written_down_once_a_minute() {
    let api = Harness::new().await;
    let key = key(&api).await;
    let used = async || api.get("/api-keys").await.expect(200)["data"][0]["lastUsedAt"].clone();
    assert_eq!(used().await, Value::Null);
    for (seconds, expected) in
        [(0, "2026-01-01T00:00:00Z"), (59, "2026-01-01T00:00:00Z"), (1, "2026-01-01T00:01:00Z")]
    {
        api.clock.advance(Duration::from_secs(seconds));
        assert_eq!(show(&api, &key).await.status, 200);
        assert_eq!(used().await, expected);
    }
}

#[tokio::test]
async fn tokens_are_given_for_a_key_and_end_when_it_is_revoked() {
    let api = Harness::new().await;
    let key = key(&api).await;
    let given = auth(&api, "token", json!({ "apiKey": key })).await;
    assert_eq!(given.header("cache-control"), Some("no-store"));
    let body = given.expect(200);
    assert_eq!((&body["tokenType"], &body["expiresIn"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(body["refreshExpiresIn"], 604_800);
    let scope = "messages:read messages:read:content messages:send sessions:read";
    assert_eq!(body["scope"], scope);
    let (access, refresh_token) = both(&body);
    assert_eq!(show(&api, &access).await.status, 200);
    let id = api.get("/api-keys").await.expect(200)["data"][0]["id"].clone();
    api.delete(&format!("/api-keys/{}", id.as_str().unwrap())).await.expect(200);
    show(&api, &access).await.refused(401, "invalid-token");
    refresh(&api, &refresh_token).await.refused(401, "invalid-token");
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_a_replay_ends_its_family() {
    let api = Harness::new().await;
    let key = key(&api).await;
    let (first_access, first) = tokens(&api, &key).await;
    let (_, other) = tokens(&api, &key).await;
    let (second_access, second) = both(&refresh(&api, &first).await.expect(200));
    for access in [&first_access, &second_access] {
        assert_eq!(show(&api, access).await.status, 200);
    }
    refresh(&api, &first).await.refused(401, "invalid-token");
    refresh(&api, &second).await.refused(401, "invalid-token");
    for access in [&first_access, &second_access] {
        show(&api, access).await.refused(401, "invalid-token");
    }
    // Another family of the same key goes on, and the key itself.
    refresh(&api, &other).await.expect(200);
    assert_eq!(show(&api, &key).await.status, 200);
}

#[tokio::test]
async fn of_two_that_refresh_at_once_one_wins() {
    let api = Harness::new().await;
    let key = key(&api).await;
    let (_, token) = tokens(&api, &key).await;
    let answers = futures::future::join_all((0..8).map(|_| refresh(&api, &token))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 7);
}

#[tokio::test]
async fn a_refresh_token_expires_and_each_one_anew() {
    let api = Harness::new().await;
    let key = key(&api).await;
    let (_, token) = tokens(&api, &key).await;
    let week = Duration::from_secs(7 * 24 * 3600);
    api.clock.advance(week - Duration::from_secs(1));
    let (_, token) = both(&refresh(&api, &token).await.expect(200));
    api.clock.advance(week - Duration::from_secs(1));
    let (_, token) = both(&refresh(&api, &token).await.expect(200));
    api.clock.advance(week);
    refresh(&api, &token).await.refused(401, "invalid-token");
}

#[tokio::test]
async fn whoever_revokes_a_token_ends_all_that_was_given_with_it() {
    let api = Harness::new().await;
    let key = key(&api).await;
    for by_access in [true, false] {
        let (access, token) = tokens(&api, &key).await;
        assert_eq!(show(&api, &access).await.status, 200);
        let shown = if by_access { &access } else { &token };
        assert_eq!(auth(&api, "revoke", json!({ "token": shown })).await.status, 204);
        show(&api, &access).await.refused(401, "invalid-token");
        refresh(&api, &token).await.refused(401, "invalid-token");
    }
    assert_eq!(auth(&api, "revoke", json!({ "token": "nonsense" })).await.status, 204);
}

#[tokio::test]
async fn neither_kind_of_token_passes_for_the_other() {
    let api = Harness::new().await;
    let (access, token) = tokens(&api, &key(&api).await).await;
    show(&api, &token).await.refused(401, "invalid-token");
    refresh(&api, &access).await.refused(401, "invalid-token");
    refresh(&api, &api.token(1, Role::Owner)).await.refused(401, "invalid-token");
    // Not even where the secrets are the same, or somebody has one of them.
    for (typ, secret) in [("at+jwt", REFRESH_SECRET), ("rt+jwt", SECRET), ("JWT", REFRESH_SECRET)] {
        let claims: Value = {
            let part = token.split('.').nth(1).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        let header = Header { typ: Some(typ.into()), ..Header::new(Algorithm::HS256) };
        let signed = EncodingKey::from_secret(secret.as_bytes());
        let forged = jsonwebtoken::encode(&header, &claims, &signed).unwrap();
        refresh(&api, &forged).await.refused(401, "invalid-token");
        show(&api, &forged).await.refused(401, "invalid-token");
    }
    refresh(&api, &token).await.expect(200);
}

/// Even whoever can sign: what a token says of its tenant has to be what was given.
#[tokio::test]
async fn a_token_given_with_one_tenants_key_is_not_believed_in_anothers_name() {
    let api = Harness::new().await;
    let (access, _) = tokens(&api, &key(&api).await).await;
    let own = TokenVerifier::new(&SECRET.to_owned().into()).verify(&access, api.clock.now());
    let own = own.unwrap();
    let issuer = TokenIssuer::new(&SECRET.to_owned().into());
    let now = api.clock.now();
    let end = now.plus(Duration::from_secs(60));
    for (tenant, status) in [(1, 200), (2, 401)] {
        let caller = Caller { tenant: tenant_id(tenant), ..own.clone() };
        let token = issuer.issue_for(&caller, end, now, Uuid::nil()).unwrap();
        assert_eq!(show(&api, &token).await.status, status, "{tenant}");
    }
}

#[tokio::test]
async fn a_refresh_token_with_a_critical_header_is_refused() {
    let api = Harness::new().await;
    let (_, token) = tokens(&api, &key(&api).await).await;
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let signed = |crit: Option<Vec<String>>| {
        let header = Header { typ: Some("rt+jwt".into()), crit, ..Header::new(Algorithm::HS256) };
        let key = EncodingKey::from_secret(REFRESH_SECRET.as_bytes());
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    };
    refresh(&api, &signed(Some(vec!["exp".into()]))).await.refused(401, "invalid-token");
    refresh(&api, &signed(None)).await.expect(200);
}

#[tokio::test]
async fn what_attackers_show_is_not_believed() {
    let api = Harness::patient().await;
    let key = key(&api).await;
    let (access, token) = tokens(&api, &key).await;
    let head = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let (_, rest) = access.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let other_end = if key.ends_with('0') { "1" } else { "0" };
    let mut shown = vec![
        format!("{}{other_end}", &key[..key.len() - 1]),
        key[..key.len() - 1].to_owned(),
        key.to_uppercase(),
        format!("{key} "),
        format!("msk_live_{}_{}", "0".repeat(32), "0".repeat(64)),
        "msk_live_".to_owned(),
        "x".repeat(1 << 20),
        format!("msk_live_{}", "0".repeat(1 << 20)),
        format!("{}.{claims}.", head(json!({ "alg": "none", "typ": "at+jwt" }))),
        format!("{}.{claims}.{signature}", head(json!({ "alg": "none", "typ": "at+jwt" }))),
        format!(
            "{}.{claims}.{signature}",
            head(json!({ "alg": "HS256", "typ": "at+jwt", "kid": "../../x" }))
        ),
        format!("{}.{claims}.{signature}", head(json!({ "alg": "RS256", "typ": "at+jwt" }))),
    ];
    for end in (0..access.len()).step_by(7) {
        shown.push(access[..end].to_owned());
    }
    for bearer in shown.iter().filter(|bearer| !bearer.trim().is_empty() && bearer.trim() != key) {
        show(&api, bearer).await.refused(401, "invalid-token");
    }
    for end in (0..token.len()).step_by(13).take(15) {
        refresh(&api, &token[..end]).await.refused(401, "invalid-token");
    }
    // All that left what is good as it was.
    assert_eq!(show(&api, &access).await.status, 200);
}

#[tokio::test]
async fn a_source_that_fails_often_is_not_listened_to_for_a_while() {
    let api = Harness::new().await;
    let key = key(&api).await;
    for _ in 0..21 {
        auth(&api, "token", json!({ "apiKey": "guess" })).await.refused(401, "invalid-token");
    }
    // Whatever it shows then.
    for (what, body) in [
        ("token", json!({ "apiKey": key })),
        ("refresh", json!({ "refreshToken": "x" })),
        ("revoke", json!({ "token": "x" })),
    ] {
        auth(&api, what, body).await.refused(429, "rate-limited");
    }
    api.clock.advance(Duration::from_secs(3));
    auth(&api, "token", json!({ "apiKey": key })).await.expect(200);
}

#[tokio::test]
async fn a_store_that_is_away_lets_nobody_in_and_says_why() {
    let api = Harness::with(|parts| {
        let mut away = MockAccessStore::new();
        away.expect_key().returning(|_| Err(StoreError::unavailable("away")));
        parts.ports.access = Arc::new(away);
    })
    .await;
    let key = format!("msk_live_{}_{}", "0".repeat(32), "0".repeat(64));
    show(&api, &key).await.refused(503, "service-unavailable");
    // Whose token says it all needs no store.
    assert_eq!(show(&api, &api.token(1, Role::Viewer)).await.status, 200);
}

/// Else whoever gets hold of a key for an hour has one for ever.
#[tokio::test]
async fn a_key_made_by_a_key_ends_with_it_at_the_latest() {
    let api = Harness::new().await;
    let maker = made(&api, json!({ "name": "a", "role": "admin", "expiresIn": "1h" })).await;
    let end = maker["apiKey"]["expiresAt"].clone();
    let maker = maker["key"].as_str().unwrap();
    let (access, _) = tokens(&api, maker).await;
    api.clock.advance(Duration::from_secs(60));
    for bearer in [maker, &access] {
        let make = async |expires_in: Option<&str>| {
            let wanted = json!({ "name": "b", "role": "viewer", "expiresIn": expires_in });
            let body = Some(wanted.to_string().into_bytes());
            api.call(request("POST", "/api-keys", Some(bearer), body)).await
        };
        assert_eq!(make(None).await.expect(201)["apiKey"]["expiresAt"], end);
        let sooner = make(Some("58m")).await.expect(201)["apiKey"]["expiresAt"].clone();
        assert!(sooner.as_str() < end.as_str(), "{sooner}");
        make(Some("1h")).await.refused_field("invalid-request", "#/expiresIn");
    }
    // One that does not end makes those that do not.
    let maker = made(&api, json!({ "name": "a", "role": "admin" })).await;
    let body = Some(json!({ "name": "b", "role": "viewer" }).to_string().into_bytes());
    let answer = api.call(request("POST", "/api-keys", maker["key"].as_str(), body)).await;
    assert!(answer.expect(201)["apiKey"].get("expiresAt").is_none());
}

/// 204 says that a token is good for nothing; so it is not said of one that stays good.
#[tokio::test]
async fn what_cannot_be_revoked_so_is_not_said_to_be() {
    let api = Harness::new().await;
    let key = key(&api).await;
    for token in [key.clone(), api.token(1, Role::Owner)] {
        let refused = auth(&api, "revoke", json!({ "token": token })).await;
        refused.refused(400, "unsupported-token-type");
        assert_eq!(show(&api, &token).await.status, 200);
    }
    // Nobody learns which keys there are.
    let unknown = format!("msk_live_{}_{}", "0".repeat(32), "0".repeat(64));
    let guessed = format!("{}_{}", key.rsplit_once('_').unwrap().0, "0".repeat(64));
    for token in [unknown, guessed] {
        assert_eq!(auth(&api, "revoke", json!({ "token": token })).await.status, 204);
    }
}
