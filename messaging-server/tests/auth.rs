//! Who may do what: tokens that are not believed, and roles against operations.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::sync::Arc;
use std::time::Duration;

use harness::{Answer, Harness, SECRET, document, request};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use messaging_core::conformance::build::{at, message_id, tenant_id};
use messaging_core::conformance::entropy::SeededEntropy;
use messaging_core::domain::quota::Decision;
use messaging_core::domain::tenant::{Permission, Role};
use messaging_core::ports::entropy::Entropy;
use messaging_core::ports::rate_limiter::{MockRateLimiter, RateKey};
use messaging_server::api::openapi_document;
use messaging_server::auth::{TokenIssuer, TokenVerifier};
use serde_json::{Value, json};
use uuid::Uuid;

/// The operations that need no token. Everything else does.
const PUBLIC: &[&str] = &[
    "create_token",
    "refresh_token",
    "revoke_token",
    "receive_webhook",
    "receive_session_webhook",
    "get_webhook_health",
    "get_health",
    "get_liveness",
    "get_readiness",
    "get_metrics",
];

/// What each operation needs.
const NEEDS: &[(&str, Permission)] = &[
    ("send_message", Permission::SendMessages),
    ("list_messages", Permission::ReadMessages),
    ("get_message_statistics", Permission::ReadMessages),
    ("get_message", Permission::ReadMessages),
    ("cancel_message", Permission::SendMessages),
    ("list_message_events", Permission::ReadMessages),
    ("retry_message", Permission::SendMessages),
    ("send_bulk", Permission::SendMessages),
    ("get_bulk", Permission::ReadMessages),
    ("cancel_bulk", Permission::SendMessages),
    ("pause_bulk", Permission::SendMessages),
    ("resume_bulk", Permission::SendMessages),
    ("discard_message", Permission::SendMessages),
    ("list_dead_letters", Permission::ReadMessages),
    ("retry_dead_letters", Permission::SendMessages),
    ("discard_dead_letters", Permission::SendMessages),
    ("list_bulks", Permission::ReadMessages),
    ("add_opt_out", Permission::SendMessages),
    ("list_opt_outs", Permission::ReadMessages),
    ("get_opt_out", Permission::ReadMessages),
    ("remove_opt_out", Permission::SendMessages),
    ("get_queue", Permission::ReadMessages),
    ("create_api_key", Permission::ManageApiKeys),
    ("list_api_keys", Permission::ManageApiKeys),
    ("get_api_key", Permission::ManageApiKeys),
    ("revoke_api_key", Permission::ManageApiKeys),
    ("create_session", Permission::ManageSessions),
    ("list_sessions", Permission::ReadSessions),
    ("get_session", Permission::ReadSessions),
    ("update_session", Permission::ManageSessions),
    ("delete_session", Permission::ManageSessions),
    ("start_session", Permission::ManageSessions),
    ("stop_session", Permission::ManageSessions),
    ("restart_session", Permission::ManageSessions),
    ("suspend_session", Permission::ManageSessions),
    ("resume_session", Permission::ManageSessions),
    ("resume_new_chats", Permission::ManageSessions),
    ("logout_session", Permission::ManageSessions),
    ("rotate_webhook_secret", Permission::ManageSessions),
    ("get_session_qr", Permission::ManageSessions),
    ("request_pairing_code", Permission::ManageSessions),
    ("create_tenant", Permission::ManageTenants),
    ("list_tenants", Permission::ManageTenants),
    ("get_tenant", Permission::ManageTenants),
    ("update_tenant", Permission::ManageTenants),
    ("suspend_tenant", Permission::ManageTenants),
    ("resume_tenant", Permission::ManageTenants),
    ("delete_tenant", Permission::ManageTenants),
    ("create_tenant_api_key", Permission::ManageTenants),
    ("create_server", Permission::ManageServers),
    ("list_servers", Permission::ManageServers),
    ("get_server", Permission::ManageServers),
    ("update_server", Permission::ManageServers),
    ("delete_server", Permission::ManageServers),
    ("list_audit", Permission::ReadAudit),
    ("export_audit", Permission::ReadAudit),
    ("verify_audit", Permission::ReadAudit),
    ("export_person", Permission::ExportData),
    ("erase_person", Permission::EraseData),
];

/// Every operation of the document: its id, method and path.
fn operations() -> Vec<(String, String, String)> {
    let document: Value = serde_json::from_str(&openapi_document()).unwrap();
    let mut operations = vec![];
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{sessionId}", &message_id(99).to_string());
        let path = path.replace("{id}", &message_id(99).to_string());
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            operations.push((id, method.to_uppercase(), path.clone()));
        }
    }
    operations
}

#[tokio::test]
async fn every_operation_but_the_public_ones_asks_for_a_token() {
    let api = Harness::new().await;
    let mut public = vec![];
    for (id, method, path) in operations() {
        let answer = api.call(request(&method, &path, None, None)).await;
        if PUBLIC.contains(&id.as_str()) {
            assert_ne!(answer.header("www-authenticate"), Some("Bearer"), "{id}");
            public.push(id);
            continue;
        }
        answer.refused(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{id}");
    }
    public.sort_unstable();
    let mut expected = PUBLIC.to_vec();
    expected.sort_unstable();
    assert_eq!(public, expected);
}

/// The document says it from the type of the operation's caller; its words are written by hand.
#[test]
fn every_operation_says_in_the_document_what_it_needs() {
    for methods in document()["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            let declared = operation["x-permission"].as_str();
            if PUBLIC.contains(&id) {
                assert_eq!((declared, operation["security"].is_null()), (None, true), "{id}");
                continue;
            }
            let permission = declared.unwrap_or_else(|| panic!("{id} declares no permission"));
            let (_, needed) = NEEDS.iter().find(|(each, _)| *each == id).unwrap();
            assert_eq!(permission, needed.as_str(), "{id}");
            assert_eq!(operation["security"], json!([{ "bearer": [] }]), "{id}");
            let words = operation["description"].as_str().unwrap();
            assert!(words.starts_with(&format!("Needs `{permission}`.")), "{id}: {words}");
        }
    }
}

#[tokio::test]
async fn every_role_may_do_what_its_permissions_say_and_nothing_else() {
    let api = Harness::new().await;
    let mut seen = 0;
    for (id, method, path) in operations() {
        let Some((_, permission)) = NEEDS.iter().find(|(each, _)| *each == id) else {
            assert!(PUBLIC.contains(&id.as_str()), "{id} is in neither list");
            continue;
        };
        seen += 1;
        for role in Role::ALL {
            let token = api.token(1, *role);
            let answer = api.call(request(&method, &path, Some(&token), None)).await;
            if role.allows(*permission) {
                assert!(![401, 403].contains(&answer.status.as_u16()), "{role} {id}");
                continue;
            }
            let refused = answer.refused(403, "forbidden");
            assert!(refused["detail"].as_str().unwrap().contains(permission.as_str()));
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer error=\"insufficient_scope\""), "{challenge}");
        }
    }
    assert_eq!(seen, NEEDS.len());
}

#[tokio::test]
async fn a_token_that_is_not_believed_is_refused_before_anything_is_read() {
    let api = Harness::new().await;
    let good = api.token(1, Role::Owner);
    let (head, rest) = good.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let encode = |json: Value| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string())
    };
    let none = encode(json!({ "alg": "none", "typ": "at+jwt" }));
    let without_tenant = encode(json!({
        "iss": "messaging-server", "sub": "a", "role": "owner", "exp": 9_999_999_999_u64
    }));
    let other = TokenIssuer::new(&"another secret of thirty-two bytes".to_owned().into())
        .issue(tenant_id(1), Role::Owner, Duration::from_secs(60), at(0), Uuid::nil())
        .unwrap();
    for token in [
        "garbage",
        "a.b.c",
        &format!("{none}.{claims}."),
        &format!("{none}.{claims}.{signature}"),
        &format!("{head}.{without_tenant}.{signature}"),
        &format!("{head}.{claims}."),
        &format!("{head}.{claims}.{}", signature.to_uppercase()),
        &other,
    ] {
        let body = Some(b"not even JSON".to_vec());
        let answer = api.call(request("POST", "/messages/send", Some(token), body)).await;
        answer.refused(401, "invalid-token");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    }
}

#[tokio::test]
async fn no_part_of_a_token_and_nothing_like_it_is_believed() {
    let api = Harness::patient().await;
    let good = api.token(1, Role::Owner);
    let refused = async |token: &str| {
        let answer = api.call(request("GET", "/sessions", Some(token), None)).await;
        answer.refused(401, "invalid-token");
    };
    for end in 1..good.len() {
        refused(&good[..end]).await;
    }
    let megabyte = "a".repeat(1 << 20);
    for token in [
        good.to_lowercase(),
        format!("{good}."),
        format!("{good}.{good}"),
        format!(".{good}"),
        good.replace('.', ".."),
        format!("{good}{megabyte}"),
        ".".repeat(1 << 20),
        megabyte,
    ] {
        refused(&token).await;
    }
    assert_eq!(api.call(request("GET", "/sessions", Some(&good), None)).await.status, 200);
}

/// What may be known to all is no secret: neither the key that others check signatures with, nor what
/// stands in an example, nor nothing.
#[tokio::test]
async fn a_token_signed_with_what_anybody_may_know_is_not_believed() {
    let api = Harness::new().await;
    let public = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";
    let claims = json!({
        "iss": "messaging-server", "sub": "a", "tenant_id": tenant_id(1), "role": "owner",
        "exp": 9_999_999_999_u64
    });
    let signed = |secret: &[u8], kid: Option<&str>| {
        let (typ, kid) = (Some("at+jwt".to_owned()), kid.map(str::to_owned));
        let header = Header { typ, kid, ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    for (secret, kid) in [
        (public.as_bytes(), None),
        (public.trim().as_bytes(), Some("public")),
        (b"".as_slice(), Some("../../../../dev/null")),
        (b"key".as_slice(), Some("' UNION SELECT 'key' --")),
        (b"messaging-server".as_slice(), None),
        (b"msk_live_".as_slice(), None),
        (b"your-jwt-secret".as_slice(), None),
    ] {
        let asked = request("GET", "/sessions", Some(&signed(secret, kid)), None);
        api.call(asked).await.refused(401, "invalid-token");
    }
    let right = signed(SECRET.as_bytes(), Some("' UNION SELECT 'key' --"));
    assert_eq!(api.call(request("GET", "/sessions", Some(&right), None)).await.status, 200);
}

#[tokio::test]
async fn an_expired_token_says_so() {
    let api = Harness::new().await;
    let token = api.token(1, Role::Owner);
    api.clock.advance(Duration::from_secs(3599));
    assert_eq!(api.call(request("GET", "/sessions", Some(&token), None)).await.status, 200);
    api.clock.advance(Duration::from_secs(1));
    let answer = api.call(request("GET", "/sessions", Some(&token), None)).await;
    assert_eq!(answer.refused(401, "invalid-token")["detail"], "the token has expired");
}

#[tokio::test]
async fn another_way_to_authorize_is_none() {
    let api = Harness::new().await;
    let token = api.token(1, Role::Owner);
    for value in [format!("Basic {token}"), token.clone(), "Bearer".to_owned()] {
        let mut asked = request("GET", "/sessions", None, None);
        asked.headers_mut().insert("authorization", value.parse().unwrap());
        api.call(asked).await.refused(401, "unauthenticated");
    }
    let mut asked = request("GET", "/sessions", None, None);
    asked.headers_mut().insert("authorization", format!("bearer {token}").parse().unwrap());
    assert_eq!(api.call(asked).await.status, 200);
}

/// Whatever is done to a token by chance: nothing of it is believed, and nothing panics.
#[test]
fn a_token_that_was_changed_anywhere_is_not_believed() {
    let secret = SECRET.to_owned().into();
    let ttl = Duration::from_secs(60);
    let good = TokenIssuer::new(&secret)
        .issue(tenant_id(1), Role::Owner, ttl, at(0), Uuid::nil())
        .unwrap();
    let verifier = TokenVerifier::new(&secret);
    assert!(verifier.verify(&good, at(0)).is_ok());
    let chance = SeededEntropy::new(11);
    let below = |limit: usize| usize::try_from(chance.next_u64() % limit as u64).unwrap();
    let alphabet: Vec<char> = "ABab01-_.=+/ \u{0}é".chars().collect();
    for _ in 0..20_000 {
        let mut token: Vec<char> = good.chars().collect();
        for _ in 0..=below(3) {
            let place = below(token.len());
            let new = alphabet[below(alphabet.len())];
            match below(4) {
                0 => token.insert(place, new),
                1 => drop(token.remove(place)),
                2 => token.truncate(place.max(1)),
                _ => token[place] = new,
            }
        }
        let token: String = token.into_iter().collect();
        if token != good {
            assert!(verifier.verify(&token, at(0)).is_err(), "{token}");
        }
    }
}

async fn show(api: &Harness, token: &str) -> Answer {
    api.call(request("GET", "/sessions", Some(token), None)).await
}

/// Nobody is shut out by a stranger behind the same proxy: what is good is let in.
#[tokio::test]
async fn a_source_whose_tokens_are_not_believed_has_to_wait_and_what_is_good_is_let_in() {
    let api = Harness::new().await;
    let key = format!("msk_live_{}_{}", "0".repeat(32), "0".repeat(64));
    for n in 0..21 {
        show(&api, if n % 2 == 0 { "guess" } else { &key }).await.refused(401, "invalid-token");
    }
    for token in ["guess", &key] {
        show(&api, token).await.refused(429, "rate-limited");
    }
    assert_eq!(show(&api, &api.token(1, Role::Viewer)).await.status, 200);
    // It is one count, wherever somebody guesses.
    let shown = Some(json!({ "apiKey": key }).to_string().into_bytes());
    let shown = api.call(request("POST", "/auth/token", None, shown)).await;
    shown.refused(429, "rate-limited");
    api.clock.advance(Duration::from_secs(3));
    show(&api, "guess").await.refused(401, "invalid-token");
}

/// A client whose token has run out asks many times at once, and is to renew it then.
#[tokio::test]
async fn a_token_that_was_good_once_is_no_guess() {
    let api = Harness::new().await;
    let token = api.token(1, Role::Owner);
    api.clock.advance(Duration::from_secs(3600));
    for _ in 0..50 {
        show(&api, &token).await.refused(401, "invalid-token");
        api.call(request("GET", "/sessions", None, None)).await.refused(401, "unauthenticated");
    }
    show(&api, "guess").await.refused(401, "invalid-token");
}

/// A limiter may be a round trip away.
#[tokio::test]
async fn the_limiter_is_asked_once_for_each_failure_and_never_for_what_is_good() {
    let api = Harness::with(|parts| {
        let mut limiter = MockRateLimiter::new();
        let retry_after = Duration::from_secs(7);
        limiter.expect_admit().times(1).returning(move |key, _, _| {
            assert!(matches!(key, RateKey::AuthSource(_)));
            Ok(Decision::Limited { retry_after })
        });
        parts.ports.limiter = Arc::new(limiter);
    })
    .await;
    let good = api.token(1, Role::Viewer);
    for status in [200, 401, 429, 429, 200] {
        let token = if status == 200 { good.as_str() } else { "guess" };
        assert_eq!(show(&api, token).await.status, status);
    }
}
