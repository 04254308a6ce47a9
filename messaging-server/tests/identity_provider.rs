//! Tokens of an outside identity provider: which are believed, as whom, and by which keys.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;
#[path = "identity_provider/provider.rs"]
mod provider;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::{Answer as Answered, Harness, SECRET, request};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use messaging_core::conformance::build::{at, tenant_id};
use messaging_core::conformance::entropy::SeededEntropy;
use messaging_core::domain::audit::{ActorKind, Chain};
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::tenant::{Permission, Role};
use messaging_core::ports::audit_log::AuditLog;
use messaging_core::ports::clock::Clock;
use messaging_core::ports::entropy::Entropy;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_server::auth::identity_provider::{
    ClaimRules, FetchCount, FetchResult, IdentityProvider, IdentityProviderConfig, KeysError,
    KeysPlace, uncounted,
};
use poem::Request;
use provider::{Answer, EC, ED, OTHER_RSA, Provider, RSA, SigningKey, ec, set};
use serde_json::{Value, json};
use tokio::sync::watch;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

fn config(issuer: &str, place: KeysPlace) -> IdentityProviderConfig {
    IdentityProviderConfig {
        rules: ClaimRules {
            issuer: issuer.to_owned(),
            audiences: vec!["gateway".to_owned()],
            tenant: "tenant".to_owned(),
            role: "role".to_owned(),
            platform_admin: false,
            leeway: Duration::from_secs(30),
        },
        algorithms: ALGORITHMS.to_vec(),
        place,
        refresh: Duration::from_secs(600),
        kept: Duration::from_secs(3600),
        timeout: Duration::from_secs(20),
    }
}

fn at_url(provider: &Provider) -> IdentityProviderConfig {
    let url = format!("{}/keys", provider.url);
    config(&provider.url, KeysPlace::Url { url, plain: false })
}

/// The API, which believes a provider's tokens. There are two tenants.
async fn gateway(config: IdentityProviderConfig) -> Harness {
    counting_gateway(config, uncounted()).await
}

async fn counting_gateway(config: IdentityProviderConfig, count: FetchCount) -> Harness {
    let provider = IdentityProvider::open(config, count, at(0)).unwrap();
    Harness::with(|parts| {
        parts.identity_provider = Some(Arc::new(provider));
        parts.settings.auth_failures.limit = u32::MAX;
    })
    .await
}

/// A provider with all keys, and the API that believes it.
async fn both() -> (Provider, Harness) {
    let provider = Provider::new(Answer::Keys(set(&[&RSA, &EC, &ED]))).await;
    let api = gateway(at_url(&provider)).await;
    (provider, api)
}

fn now(api: &Harness) -> i64 {
    api.clock.now().as_millis() / 1000
}

/// Good claims, some of which are others. One that is to be `null` is left out.
fn claims(api: &Harness, provider: &Provider, changes: Value) -> Value {
    let mut claims = json!({
        "iss": provider.url, "aud": ["account", "gateway"], "sub": "alice",
        "iat": now(api), "exp": now(api) + 3600, "tenant": "tenant-1", "role": "owner",
    });
    let map = claims.as_object_mut().unwrap();
    if let Value::Object(changes) = changes {
        map.extend(changes);
    }
    map.retain(|_, value| !value.is_null());
    claims
}

/// Counts fetches that have ended, for whoever waits for some.
fn landing() -> (FetchCount, watch::Receiver<Vec<FetchResult>>) {
    let (sender, landed) = watch::channel(vec![]);
    (Arc::new(move |result| sender.send_modify(|all| all.push(result))), landed)
}

async fn landed(fetches: &mut watch::Receiver<Vec<FetchResult>>, times: usize) {
    let enough = fetches.wait_for(|all| all.len() >= times);
    tokio::time::timeout(Duration::from_secs(30), enough).await.unwrap().unwrap();
}

async fn ask(api: &Harness, token: &str) -> Answered {
    api.call(request("GET", "/sessions", Some(token), None)).await
}

#[track_caller]
fn not_believed(answer: &Answered) {
    answer.refused(401, "invalid-token");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
}

#[tokio::test]
async fn tokens_signed_by_each_algorithm_are_believed_beside_ours() {
    let (provider, api) = both().await;
    for key in [&*RSA, &EC, &ED] {
        let token = key.sign(&claims(&api, &provider, json!({})));
        let sessions = ask(&api, &token).await.expect(200);
        assert_eq!(sessions["data"][0]["id"], harness::main_session(1), "{sessions}");
    }
    assert_eq!(provider.fetches(), 1);
    assert_eq!(ask(&api, &api.token(1, Role::Viewer)).await.status, 200);
    // Of another tenant only that tenant's.
    let token = RSA.sign(&claims(&api, &provider, json!({ "tenant": tenant_id(2) })));
    let sessions = ask(&api, &token).await.expect(200);
    assert_eq!(sessions["data"].as_array().unwrap().len(), 1);
    assert_eq!(sessions["data"][0]["id"], harness::main_session(2));
}

#[tokio::test]
async fn without_a_provider_its_tokens_are_strangers() {
    let (provider, api) = both().await;
    let token = RSA.sign(&claims(&api, &provider, json!({})));
    not_believed(&ask(&Harness::new().await, &token).await);
}

#[tokio::test]
async fn a_secret_is_never_made_of_a_public_key() {
    let (provider, api) = both().await;
    let claims = claims(&api, &provider, json!({}));
    let jwk = RSA.public.to_string().into_bytes();
    let modulus = RSA.public["n"].as_str().unwrap().as_bytes().to_vec();
    let secrets = [
        RSA.der.clone(),
        RSA.pem.clone().into_bytes(),
        jwk,
        modulus,
        EC.der.clone(),
        ED.der.clone(),
        SECRET.as_bytes().to_vec(),
        vec![],
    ];
    for secret in secrets {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            for kid in [Some(RSA.id.to_owned()), None] {
                let header = Header { kid, ..Header::new(algorithm) };
                let key = EncodingKey::from_secret(&secret);
                let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
                not_believed(&ask(&api, &token).await);
            }
        }
    }
    // Nor does a secret in the set become one: it is none of the keys.
    let secret =
        json!({ "kty": "oct", "kid": "s", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(SECRET) });
    provider.answers(Answer::Keys(json!({ "keys": [secret, RSA.public] }).to_string()));
    api.clock.advance(Duration::from_secs(1200));
    let header = Header { kid: Some("s".to_owned()), ..Header::new(Algorithm::HS256) };
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    not_believed(&ask(&api, &token).await);
}

#[tokio::test]
async fn a_provider_makes_no_tokens_of_ours_and_we_none_of_its() {
    let (provider, api) = both().await;
    let now = now(&api);
    // As ours, but signed by the provider.
    let ours = json!({ "iss": "messaging-server", "sub": "a", "tenant_id": tenant_id(1),
        "role": "owner", "iat": now, "exp": now + 60, "jti": "1", "aud": "gateway", "tenant": "tenant-1" });
    for key in [&*RSA, &EC, &ED] {
        let header = Header { typ: Some("at+jwt".to_owned()), ..key.header() };
        not_believed(&ask(&api, &key.sign_as(&header, &ours)).await);
    }
    // As the provider's, but signed by us.
    let theirs = claims(&api, &provider, json!({ "tenant_id": tenant_id(1), "role": "owner" }));
    let header = Header { typ: Some("at+jwt".to_owned()), ..Header::new(Algorithm::HS256) };
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    not_believed(&ask(&api, &jsonwebtoken::encode(&header, &theirs, &key).unwrap()).await);
}

#[tokio::test]
async fn a_token_is_judged_by_the_key_it_names_and_the_algorithm_of_that_key() {
    let (provider, api) = both().await;
    let claims = claims(&api, &provider, json!({}));
    let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let good = RSA.sign(&claims);
    let (rest, signature) = good.rsplit_once('.').unwrap();
    let (_, payload) = rest.split_once('.').unwrap();
    let mut tokens = vec![];
    for alg in ["none", "None", "NONE", "", "RS256 ", "HS256"] {
        let header = encode(&json!({ "alg": alg, "typ": "JWT", "kid": RSA.id }));
        tokens.push(format!("{header}.{payload}."));
        tokens.push(format!("{header}.{payload}.{signature}"));
    }
    // A key of one kind named by a token of another.
    for (key, other) in [(&RSA, &EC), (&EC, &ED), (&ED, &RSA)] {
        let header = Header { kid: Some(other.id.to_owned()), ..key.header() };
        tokens.push(key.sign_as(&header, &claims));
        let header = encode(&json!({ "alg": key.algorithm, "kid": other.id }));
        tokens.push(format!("{header}.{payload}.{signature}"));
    }
    // The right kind, but another key.
    let header = Header { kid: Some(RSA.id.to_owned()), ..OTHER_RSA.header() };
    tokens.push(OTHER_RSA.sign_as(&header, &claims));
    // An algorithm that the key can do, and nobody allowed.
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let header = Header { alg: algorithm, ..RSA.header() };
        tokens.push(RSA.sign_as(&header, &claims));
    }
    // What asks to be understood, and what is no access token.
    let header = Header { crit: Some(vec!["exp".to_owned()]), ..RSA.header() };
    tokens.push(RSA.sign_as(&header, &claims));
    let header = Header { crit: Some(vec![]), ..RSA.header() };
    tokens.push(RSA.sign_as(&header, &claims));
    for typ in ["rt+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt"] {
        let header = Header { typ: Some(typ.to_owned()), ..RSA.header() };
        tokens.push(RSA.sign_as(&header, &claims));
    }
    // Where a key could be had from, as the token has it.
    let evil = Provider::new(Answer::Keys(set(&[&OTHER_RSA]))).await;
    let key = serde_json::from_value(OTHER_RSA.public.clone()).unwrap();
    let header = Header {
        jku: Some(format!("{}/keys", evil.url)),
        x5u: Some(format!("{}/keys", evil.url)),
        jwk: Some(key),
        ..OTHER_RSA.header()
    };
    tokens.push(OTHER_RSA.sign_as(&header, &claims));
    let header = Header { kid: Some(RSA.id.to_owned()), ..header };
    tokens.push(OTHER_RSA.sign_as(&header, &claims));
    // Pieces.
    tokens.push(rest.to_owned());
    tokens.push(format!("{rest}."));
    tokens.push(format!("{good}."));
    tokens.push(format!("{good}.{signature}"));
    tokens.push(format!("{rest}.{}", &signature[..signature.len() - 4]));
    for token in tokens {
        not_believed(&ask(&api, &token).await);
    }
    assert_eq!(ask(&api, &good).await.status, 200);
    assert_eq!(evil.asked(), Vec::<String>::new());
    let typ = |typ: Option<&str>| Header { typ: typ.map(str::to_owned), ..RSA.header() };
    for typ in [typ(None), typ(Some("at+jwt")), typ(Some("application/at+JWT"))] {
        assert_eq!(ask(&api, &RSA.sign_as(&typ, &claims)).await.status, 200);
    }
}

#[tokio::test]
async fn a_token_without_a_key_id_is_judged_where_only_one_key_fits() {
    let (provider, api) = both().await;
    let token = |key: &SigningKey| {
        let header = Header { kid: None, ..key.header() };
        key.sign_as(&header, &claims(&api, &provider, json!({})))
    };
    assert_eq!(ask(&api, &token(&RSA)).await.status, 200);
    provider.has(&[&RSA, &OTHER_RSA, &EC]);
    api.clock.advance(Duration::from_secs(1200));
    not_believed(&ask(&api, &token(&RSA)).await);
    not_believed(&ask(&api, &token(&OTHER_RSA)).await);
    assert_eq!(ask(&api, &token(&EC)).await.status, 200);
}

#[tokio::test]
async fn what_stands_in_a_key_id_is_compared_and_used_for_nothing_else() {
    let (provider, api) = both().await;
    let claims = claims(&api, &provider, json!({}));
    let long = "k".repeat(1024 * 1024);
    for kid in [
        "../../../../dev/null",
        "/etc/passwd",
        "..%2f..%2f",
        "' OR '1'='1",
        "rsa-1'; DROP TABLE tenants; --",
        "http://169.254.169.254/latest/meta-data/",
        "rsa-1\u{0}",
        "RSA-1",
        "",
        "*",
        "0",
        &long,
    ] {
        let header = Header { kid: Some(kid.to_owned()), ..RSA.header() };
        not_believed(&ask(&api, &RSA.sign_as(&header, &claims)).await);
    }
    assert!(provider.asked().iter().all(|path| path == "/keys"), "{:?}", provider.asked());
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn each_claim_is_judged_and_what_is_wrong_is_told_once_the_signature_is_good() {
    let (provider, api) = both().await;
    let now = now(&api);
    let audience = "the token is for another audience";
    let tenant = "the token names no tenant in whose name it may call";
    let role = "the token names no role that its bearer may have";
    for (changes, detail) in [
        (json!({ "aud": "other" }), audience),
        (json!({ "aud": null }), audience),
        (json!({ "aud": ["gateway ", "Gateway"] }), audience),
        (json!({ "exp": now - 30 }), "the token has expired"),
        (json!({ "exp": null }), "the token is not valid"),
        (json!({ "exp": "9999999999" }), "the token is not valid"),
        (json!({ "nbf": now + 31 }), "the token is not valid yet"),
        (json!({ "iat": now + 31 }), "the token is not valid yet"),
        (json!({ "sub": null }), "the token is not valid"),
        (json!({ "role": null }), role),
        (json!({ "role": 7 }), role),
        (json!({ "role": "root" }), role),
        (json!({ "role": "platform-admin" }), role),
        (json!({ "tenant": null }), tenant),
        (json!({ "tenant": 1 }), tenant),
        (json!({ "tenant": ["tenant-1", "tenant-2"] }), tenant),
        (json!({ "tenant": "tenant-3" }), tenant),
        (json!({ "tenant": tenant_id(3) }), tenant),
        (json!({ "tenant": "tenant-1\u{0}" }), tenant),
        // Not this provider's, so ours; which it is not either.
        (json!({ "iss": format!("{}/", provider.url) }), "the token is not valid"),
        (json!({ "iss": [provider.url] }), "the token is not valid"),
        (json!({ "iss": null }), "the token is not valid"),
    ] {
        let answer = ask(&api, &RSA.sign(&claims(&api, &provider, changes.clone()))).await;
        not_believed(&answer);
        assert_eq!(answer.json()["detail"], detail, "{changes}");
        // Nothing is told of what nobody signed.
        let header = Header { kid: Some(RSA.id.to_owned()), ..OTHER_RSA.header() };
        let forged = OTHER_RSA.sign_as(&header, &claims(&api, &provider, changes));
        assert_eq!(ask(&api, &forged).await.json()["detail"], "the token is not valid");
    }
    for changes in [
        json!({ "exp": now - 29, "iat": null }),
        json!({ "nbf": now + 30 }),
        json!({ "iat": now + 30 }),
        json!({ "aud": "gateway" }),
    ] {
        let answer = ask(&api, &RSA.sign(&claims(&api, &provider, changes.clone()))).await;
        assert_eq!(answer.status, 200, "{changes}");
    }
}

#[tokio::test]
async fn a_tenant_that_is_suspended_has_no_callers_of_its_provider() {
    let (provider, api) = both().await;
    let token = RSA.sign(&claims(&api, &provider, json!({})));
    assert_eq!(ask(&api, &token).await.status, 200);
    let until = Some(api.clock.now().plus(Duration::from_secs(60)));
    let suspension = Some(Suspension { since: at(0), until, reason: None });
    TenantStore::suspend(&*api.store, tenant_id(1), suspension).await.unwrap();
    api.clock.advance(Duration::from_secs(1));
    not_believed(&ask(&api, &token).await);
    api.clock.advance(Duration::from_secs(59));
    assert_eq!(ask(&api, &token).await.status, 200);
}

#[tokio::test]
async fn who_runs_the_deployment_is_the_providers_to_say_only_where_that_is_allowed() {
    let provider = Provider::new(Answer::Keys(set(&[&RSA]))).await;
    let mut mighty = at_url(&provider);
    mighty.rules.platform_admin = true;
    let api = gateway(mighty).await;
    let token = RSA.sign(&claims(&api, &provider, json!({ "role": "platform-admin" })));
    assert_eq!(ask(&api, &token).await.status, 200);
}

#[tokio::test]
async fn rights_and_masks_follow_the_role_and_the_scope() {
    let (provider, api) = both().await;
    let send = json!({ "sessionId": "main", "to": "+5511988887777", "body": "the code is 4711" });
    let id = api.post("/messages/send", send.clone()).await.expect(202)["id"].clone();
    let path = format!("/messages/{}", id.as_str().unwrap());
    let token = |changes| RSA.sign(&claims(&api, &provider, changes));
    let body = Some(send.to_string().into_bytes());
    for role in Role::ALL.iter().filter(|role| **role != Role::PlatformAdmin) {
        let token = token(json!({ "role": ["default-roles", role.as_str()] }));
        let seen = api.call(request("GET", &path, Some(&token), None)).await.expect(200);
        let shown =
            if role.allows(Permission::ReadContent) { "the code is 4711" } else { "[hidden]" };
        assert_eq!(seen["body"], shown, "{role}");
        let keys = api.call(request("GET", "/api-keys", Some(&token), None)).await;
        let expected = if role.allows(Permission::ManageApiKeys) { 200 } else { 403 };
        assert_eq!(keys.status, expected, "{role}");
    }
    let viewer = token(json!({ "role": "viewer" }));
    let refused = api.call(request("POST", "/messages/send", Some(&viewer), body)).await;
    refused.refused(403, "forbidden");
    let narrowed = token(json!({ "scope": "openid messages:read" }));
    let seen = api.call(request("GET", &path, Some(&narrowed), None)).await.expect(200);
    assert_eq!((&seen["to"], &seen["body"]), (&json!("+55…77"), &json!("[hidden]")));
    ask(&api, &narrowed).await.refused(403, "forbidden");
}

fn posted(path: &str, body: &Value) -> Request {
    request("POST", path, None, Some(body.to_string().into_bytes()))
}

#[tokio::test]
async fn a_providers_token_is_exchanged_for_nothing() {
    let (provider, api) = both().await;
    let token = RSA.sign(&claims(&api, &provider, json!({})));
    let refreshed = api.call(posted("/auth/refresh", &json!({ "refreshToken": token }))).await;
    not_believed(&refreshed);
    not_believed(&api.call(posted("/auth/token", &json!({ "apiKey": token }))).await);
    // It stays good, and so it is not said to be revoked.
    let revoked = api.call(posted("/auth/revoke", &json!({ "token": token }))).await;
    revoked.refused(400, "unsupported-token-type");
    assert_eq!(ask(&api, &token).await.status, 200);
}

#[tokio::test]
async fn what_its_bearer_does_is_told_under_the_providers_name_for_it() {
    let (provider, api) = both().await;
    let subject = "auth0|4\r\n2\u{202e}\u{0}";
    for sub in [subject, &"x".repeat(5000)] {
        let token = RSA.sign(&claims(&api, &provider, json!({ "sub": sub, "role": "viewer" })));
        let asked = request("POST", "/sessions", Some(&token), Some(b"{}".to_vec()));
        api.call(asked).await.refused(403, "forbidden");
    }
    api.trail.flush().await;
    let entries = api.store.walk(Chain::Tenant(tenant_id(1)), 0, 10).await.unwrap();
    let actors: Vec<_> = entries.iter().map(|entry| entry.event.actor.clone()).collect();
    assert_eq!(actors, ["oidc:auth0|42".to_owned(), format!("oidc:{}", "x".repeat(200))]);
    for entry in entries {
        assert_eq!(entry.event.actor_kind, ActorKind::Token);
        assert_eq!(entry.event.role.as_deref(), Some("viewer"));
    }
}

#[tokio::test]
async fn a_key_that_comes_is_found_and_one_that_went_is_not_believed_any_more() {
    let (provider, api) = both().await;
    let old = RSA.sign(&claims(&api, &provider, json!({})));
    let new = OTHER_RSA.sign(&claims(&api, &provider, json!({})));
    assert_eq!(ask(&api, &old).await.status, 200);
    provider.has(&[&OTHER_RSA]);
    // Asked a moment ago: nobody is asked again at once.
    api.clock.advance(Duration::from_secs(9));
    not_believed(&ask(&api, &new).await);
    assert_eq!(provider.fetches(), 1);
    api.clock.advance(Duration::from_secs(1));
    assert_eq!(ask(&api, &new).await.status, 200);
    not_believed(&ask(&api, &old).await);
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test]
async fn keys_are_fetched_anew_behind_the_answers_though_all_are_known() {
    let provider = Provider::new(Answer::Keys(set(&[&RSA, &EC, &ED]))).await;
    let (count, mut fetches) = landing();
    let api = counting_gateway(at_url(&provider), count).await;
    let token = RSA.sign(&claims(&api, &provider, json!({ "exp": now(&api) + 86_400 })));
    assert_eq!(ask(&api, &token).await.status, 200);
    provider.has(&[&EC]);
    api.clock.advance(Duration::from_secs(599));
    assert_eq!(ask(&api, &token).await.status, 200);
    assert_eq!(provider.fetches(), 1);
    // The first that comes now is answered by the old ones.
    api.clock.advance(Duration::from_secs(1));
    assert_eq!(ask(&api, &token).await.status, 200);
    landed(&mut fetches, 2).await;
    not_believed(&ask(&api, &token).await);
    // Whoever comes long after does not get them once more.
    provider.has(&[&RSA]);
    api.clock.advance(Duration::from_secs(1200));
    assert_eq!(ask(&api, &token).await.status, 200);
    provider.has(&[&EC]);
    api.clock.advance(Duration::from_secs(1200));
    not_believed(&ask(&api, &token).await);
}

#[tokio::test]
async fn a_provider_that_is_down_at_the_start_is_asked_until_it_answers() {
    let provider = Provider::new(Answer::Close).await;
    let (count, fetches) = landing();
    let api = counting_gateway(at_url(&provider), count).await;
    let token = RSA.sign(&claims(&api, &provider, json!({})));
    let refused = ask(&api, &token).await.refused(503, "identity-provider-unavailable");
    assert_eq!(refused["retryAfter"], 10);
    // Who comes meanwhile is told at once; and our own tokens are good.
    api.clock.advance(Duration::from_secs(4));
    let refused = ask(&api, &token).await.refused(503, "identity-provider-unavailable");
    assert_eq!((&refused["retryAfter"], provider.fetches()), (&json!(6), 1));
    assert_eq!(ask(&api, &api.token(1, Role::Viewer)).await.status, 200);
    for answer in [
        Answer::Other(500, String::new(), String::new()),
        Answer::Other(200, String::new(), "<html>".to_owned()),
        Answer::Keys(json!({ "keys": [] }).to_string()),
    ] {
        provider.answers(answer);
        api.clock.advance(Duration::from_secs(10));
        ask(&api, &token).await.refused(503, "identity-provider-unavailable");
    }
    provider.has(&[&RSA]);
    api.clock.advance(Duration::from_secs(10));
    assert_eq!(ask(&api, &token).await.status, 200);
    use FetchResult::{Fetched, Unreachable, Unusable};
    assert_eq!(*fetches.borrow(), [Unreachable, Unreachable, Unusable, Unusable, Fetched]);
}

#[tokio::test]
async fn while_a_provider_is_down_its_keys_are_used_for_so_long() {
    let provider = Provider::new(Answer::Keys(set(&[&RSA]))).await;
    let (count, mut fetches) = landing();
    let api = counting_gateway(at_url(&provider), count).await;
    let token = RSA.sign(&claims(&api, &provider, json!({ "exp": now(&api) + 86_400 })));
    assert_eq!(ask(&api, &token).await.status, 200);
    provider.answers(Answer::Close);
    for times in 2..7 {
        api.clock.advance(Duration::from_secs(600));
        assert_eq!(ask(&api, &token).await.status, 200);
        landed(&mut fetches, times).await;
        assert_eq!(ask(&api, &token).await.status, 200);
    }
    // A key that nobody knows may be a new one: nobody can tell.
    api.clock.advance(Duration::from_secs(10));
    let new = OTHER_RSA.sign(&claims(&api, &provider, json!({})));
    ask(&api, &new).await.refused(503, "identity-provider-unavailable");
    api.clock.advance(Duration::from_secs(590));
    ask(&api, &token).await.refused(503, "identity-provider-unavailable");
    provider.has(&[&RSA]);
    api.clock.advance(Duration::from_secs(10));
    assert_eq!(ask(&api, &token).await.status, 200);
}

#[tokio::test]
async fn a_provider_that_never_answers_holds_nobody_up_for_long() {
    let provider = Provider::new(Answer::Hang).await;
    let mut config = at_url(&provider);
    config.timeout = Duration::from_millis(200);
    let api = gateway(config).await;
    let token = RSA.sign(&claims(&api, &provider, json!({})));
    let soon = tokio::time::timeout(Duration::from_secs(15), ask(&api, &token)).await.unwrap();
    soon.refused(503, "identity-provider-unavailable");
}

#[tokio::test]
async fn who_goes_away_leaves_the_fetch_to_those_who_wait() {
    let provider = Provider::new(Answer::Hang).await;
    let mut config = at_url(&provider);
    config.timeout = Duration::from_secs(2);
    let api = gateway(config).await;
    let token = RSA.sign(&claims(&api, &provider, json!({})));
    // Whoever asked first is gone before there is an answer.
    {
        let mut first = std::pin::pin!(ask(&api, &token));
        tokio::select! {
            answer = &mut first => panic!("{answer:?}"),
            () = provider.fetched(1) => {}
        }
    }
    ask(&api, &token).await.refused(503, "identity-provider-unavailable");
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn a_storm_of_unknown_keys_makes_few_fetches() {
    let (provider, api) = both().await;
    let claims = claims(&api, &provider, json!({}));
    let tokens: Vec<_> = (0..100)
        .map(|number| {
            let header = Header { kid: Some(format!("unknown-{number}")), ..EC.header() };
            EC.sign_as(&header, &claims)
        })
        .collect();
    for answer in futures::future::join_all(tokens.iter().map(|token| ask(&api, token))).await {
        not_believed(&answer);
    }
    assert!((1..=2).contains(&provider.fetches()), "{}", provider.fetches());
    // And once more, together, when it may be asked again.
    let before = provider.fetches();
    api.clock.advance(Duration::from_secs(10));
    for answer in futures::future::join_all(tokens.iter().map(|token| ask(&api, token))).await {
        not_believed(&answer);
    }
    assert_eq!(provider.fetches(), before + 1);
    // What could never be good makes none at all.
    api.clock.advance(Duration::from_secs(10));
    for algorithm in [Algorithm::HS256, Algorithm::HS512] {
        let header = Header { kid: Some("another".to_owned()), ..Header::new(algorithm) };
        let key = EncodingKey::from_secret(b"any");
        not_believed(&ask(&api, &jsonwebtoken::encode(&header, &claims, &key).unwrap()).await);
    }
    assert_eq!(provider.fetches(), before + 1);
}

#[tokio::test]
async fn keys_come_from_where_they_were_said_to_be_and_in_bounds() {
    let elsewhere = Provider::new(Answer::Keys(set(&[&RSA]))).await;
    let location = format!("location: {}/keys\r\n", elsewhere.url);
    let keys = set(&[&RSA]);
    let padded = format!("{}{}", " ".repeat(300 * 1024), keys);
    for answer in [
        Answer::Other(302, location.clone(), String::new()),
        Answer::Other(307, location, keys.clone()),
        Answer::Keys(padded),
        Answer::Other(203, String::new(), keys),
    ] {
        let provider = Provider::new(answer).await;
        let api = gateway(at_url(&provider)).await;
        let token = RSA.sign(&claims(&api, &provider, json!({})));
        ask(&api, &token).await.refused(503, "identity-provider-unavailable");
        assert_eq!(provider.fetches(), 1);
    }
    assert_eq!(elsewhere.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_provider_says_itself_where_its_keys_are() {
    let provider = Provider::new(Answer::Keys(set(&[&RSA]))).await;
    let discovered = |plain| KeysPlace::Discovered { issuer: provider.url.clone(), plain };
    let api = gateway(config(&provider.url, discovered(false))).await;
    let token = RSA.sign(&claims(&api, &provider, json!({})));
    assert_eq!(ask(&api, &token).await.status, 200);
    assert_eq!(provider.asked(), ["/.well-known/openid-configuration", "/keys"]);
    for about in [
        // Somebody else's, and addresses that nobody is sent to.
        json!({ "issuer": "https://other.example", "jwks_uri": format!("{}/keys", provider.url) }),
        json!({ "issuer": format!("{}/", provider.url), "jwks_uri": format!("{}/keys", provider.url) }),
        json!({ "issuer": provider.url, "jwks_uri": "http://192.0.2.1/keys" }),
        json!({ "issuer": provider.url, "jwks_uri": "file:///etc/passwd" }),
        json!({ "issuer": provider.url }),
        json!({ "jwks_uri": format!("{}/keys", provider.url) }),
        json!([]),
    ] {
        provider.tells(about);
        let api = gateway(config(&provider.url, discovered(false))).await;
        ask(&api, &token).await.refused(503, "identity-provider-unavailable");
    }
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn keys_in_a_file_are_taken_up_as_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.json");
    std::fs::write(&path, set(&[&RSA])).unwrap();
    let provider = Provider::new(Answer::Close).await;
    let api = gateway(config(&provider.url, KeysPlace::File(path.clone()))).await;
    let old = RSA.sign(&claims(&api, &provider, json!({})));
    let new = EC.sign(&claims(&api, &provider, json!({})));
    assert_eq!(ask(&api, &old).await.status, 200);
    not_believed(&ask(&api, &new).await);
    std::fs::write(&path, set(&[&EC])).unwrap();
    api.clock.advance(Duration::from_secs(2));
    assert_eq!(ask(&api, &old).await.status, 200);
    api.clock.advance(Duration::from_secs(1));
    not_believed(&ask(&api, &old).await);
    assert_eq!(ask(&api, &new).await.status, 200);
    // What cannot be read leaves what was.
    std::fs::write(&path, "{\"keys\":").unwrap();
    api.clock.advance(Duration::from_secs(3));
    assert_eq!(ask(&api, &new).await.status, 200);
    std::fs::remove_file(&path).unwrap();
    api.clock.advance(Duration::from_secs(3));
    assert_eq!(ask(&api, &new).await.status, 200);
    assert_eq!(provider.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_told_of_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.json");
    let open = || {
        let config = config("https://id.example", KeysPlace::File(path.clone()));
        IdentityProvider::open(config, uncounted(), at(0)).unwrap_err()
    };
    let named = |error: &KeysError| {
        assert!(error.to_string().contains("OIDC_JWKS_FILE"), "{error}");
        assert!(error.to_string().contains("keys.json"), "{error}");
    };
    named(&open());
    for text in ["", "[]", "{\"keys\":[]}", &" ".repeat(300 * 1024)] {
        std::fs::write(&path, text).unwrap();
        named(&open());
    }
}

/// Whatever is done to a token by chance: nothing of it is believed, and nothing panics.
#[tokio::test]
async fn a_token_that_was_changed_anywhere_is_not_believed() {
    let (provider, api) = both().await;
    let good = ED.sign(&claims(&api, &provider, json!({})));
    assert_eq!(ask(&api, &good).await.status, 200);
    let chance = SeededEntropy::new(12);
    let below = |limit: usize| usize::try_from(chance.next_u64() % limit as u64).unwrap();
    let alphabet: Vec<char> = "ABab01-_.=+/".chars().collect();
    for _ in 0..2_000 {
        let mut token: Vec<char> = good.chars().collect();
        for _ in 0..=below(3) {
            let place = below(token.len().max(1));
            let new = alphabet[below(alphabet.len())];
            match below(4) {
                0 => token.insert(place, new),
                1 if token.len() > 1 => drop(token.remove(place)),
                2 => token.truncate(place.max(1)),
                _ => token[place] = new,
            }
        }
        let token: String = token.into_iter().collect();
        if token != good {
            not_believed(&ask(&api, &token).await);
        }
    }
}

/// A key that is made anew each time has nothing in common with the one before.
#[tokio::test]
async fn a_key_of_the_same_name_takes_the_place_of_the_one_before() {
    let provider = Provider::new(Answer::Keys(set(&[&EC]))).await;
    let (count, fetches) = landing();
    let api = counting_gateway(at_url(&provider), count).await;
    let (first, second) = (&*EC, ec("ec-1"));
    let token =
        |key: &SigningKey| key.sign(&claims(&api, &provider, json!({ "exp": now(&api) + 9000 })));
    let (old, new) = (token(first), token(&second));
    assert_eq!(ask(&api, &old).await.status, 200);
    not_believed(&ask(&api, &new).await);
    provider.has(&[&second]);
    api.clock.advance(Duration::from_secs(1200));
    assert_eq!(ask(&api, &new).await.status, 200);
    not_believed(&ask(&api, &old).await);
    assert_eq!(fetches.borrow().len(), 2);
}
