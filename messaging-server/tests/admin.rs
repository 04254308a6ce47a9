//! Tenants over HTTP, for whoever runs the deployment: made, looked at, stopped and let go.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::time::Duration;

use harness::{Answer, Harness, main_session, request};
use messaging_core::conformance::build::tenant_id;
use messaging_core::domain::audit::Chain;
use messaging_core::domain::tenant::Role;
use messaging_core::ports::audit_log::AuditLog;
use serde_json::{Value, json};

/// Sends a request of somebody who runs the deployment, in the name of the second tenant.
async fn ask(api: &Harness, method: &str, path: &str, body: Option<Value>) -> Answer {
    let token = api.token(2, Role::PlatformAdmin);
    let bytes = body.map(|body| body.to_string().into_bytes());
    api.call(request(method, path, Some(&token), bytes)).await
}

async fn made(api: &Harness, wanted: Value) -> Value {
    ask(api, "POST", "/admin/tenants", Some(wanted)).await.expect(201)
}

fn first() -> String {
    format!("/admin/tenants/{}", tenant_id(1))
}

async fn send(api: &Harness, to: u64) -> Answer {
    let to = format!("+55119888877{to:02}");
    api.post("/messages/send", json!({ "sessionId": "main", "to": to, "body": "Hello" })).await
}

async fn show(api: &Harness, bearer: &str) -> Answer {
    api.call(request("GET", "/messages", Some(bearer), None)).await
}

/// Goes on with deletions until nothing is left to do, in passes some seconds apart.
async fn finish_deletions(api: &Harness) {
    for _ in 0..4 {
        while api.gateway.go_on_deleting().await.unwrap() {}
        api.clock.advance(Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_tenant_is_made_as_it_is_asked_for_and_changed() {
    let api = Harness::new().await;
    let plain = made(&api, json!({ "name": "plain" })).await;
    let id = plain["id"].as_str().unwrap();
    let path = format!("/admin/tenants/{id}");
    let expected = json!({
        "id": id, "name": "plain", "status": "active", "limits": {}, "retention": {},
        "onUnknown": "dead-letter", "pii": "off", "createdAt": plain["tenant"]["createdAt"],
    });
    assert_eq!(plain, json!({ "id": id, "tenant": expected }));
    assert_eq!(ask(&api, "GET", &path, None).await.expect(200), expected);

    let patch = json!({
        "limits": { "requestsPerMinute": 5 }, "retention": { "messages": "90d", "audit": "36h" },
        "onUnknown": "resend", "pii": "mask",
    });
    let changed = ask(&api, "PATCH", &path, Some(patch.clone())).await.expect(200);
    for field in ["limits", "retention", "onUnknown", "pii"] {
        assert_eq!(changed[field], patch[field]);
    }
    // What is not said stays, and null is as the deployment has it.
    let patch = json!({
        "limits": { "maxWaiting": 9 }, "retention": { "webhooks": "2d", "messages": null },
    });
    let changed = ask(&api, "PATCH", &path, Some(patch)).await.expect(200);
    assert_eq!(changed["retention"], json!({ "webhooks": "2d", "audit": "36h" }));
    assert_eq!(changed["limits"], json!({ "requestsPerMinute": 5, "maxWaiting": 9 }));
    assert_eq!(ask(&api, "GET", &path, None).await.expect(200), changed);
    let patch = json!({ "limits": { "requestsPerMinute": null }, "retention": null });
    let changed = ask(&api, "PATCH", &path, Some(patch)).await.expect(200);
    assert_eq!(
        (&changed["limits"], &changed["retention"]),
        (&json!({ "maxWaiting": 9 }), &json!({}))
    );
    let changed = ask(&api, "PATCH", &path, Some(json!({ "limits": null }))).await.expect(200);
    assert_eq!((&changed["limits"], &changed["onUnknown"]), (&json!({}), &json!("resend")));
}

/// As `messaging-server tenant set` leaves it: a tenant that is kept for less is told of where nothing
/// is let go of.
#[tokio::test]
async fn what_was_changed_and_what_was_before_stands_in_the_audit_log() {
    let api = Harness::new().await;
    let limited = json!({ "limits": { "maxWaiting": 9 }, "retention": { "audit": "1d" } });
    // What is so already changes nothing.
    for patch in [limited.clone(), limited, json!({ "pii": "mask" })] {
        ask(&api, "PATCH", &first(), Some(patch)).await.expect(200);
    }
    let expected =
        ["max-waiting: default -> 9", "retention-audit: default -> 1day", "pii: off -> mask"];
    for (chain, before) in [
        (Chain::Platform, format!("{} ", tenant_id(1))),
        (Chain::Tenant(tenant_id(1)), String::new()),
    ] {
        let entries = api.store.walk(chain, 0, 99).await.unwrap();
        let set = entries.into_iter().map(|entry| entry.event);
        let set = set.filter(|it| it.target_kind.as_deref() == Some("tenant-setting"));
        let told: Vec<_> = set
            .map(|it| {
                assert_eq!(it.action, "update_tenant");
                it.target.unwrap()
            })
            .collect();
        assert_eq!(told, expected.map(|text| format!("{before}{text}")));
    }
}

#[tokio::test]
async fn what_cannot_be_makes_no_tenant_and_changes_none() {
    let api = Harness::new().await;
    let key = |key: Value| json!({ "name": "new", "apiKey": key });
    for (wanted, pointer) in [
        (json!({ "name": " " }), "#/name"),
        // It would be taken for another tenant once that is gone.
        (json!({ "name": tenant_id(1).to_string() }), "#/name"),
        (key(json!({ "name": "a\u{0}b", "role": "owner" })), "#/apiKey/name"),
        (
            json!({ "name": "new", "limits": { "requestsPerMinute": 0 } }),
            "#/limits/requestsPerMinute",
        ),
        (json!({ "name": "new", "limits": { "maxWaiting": 0 } }), "#/limits/maxWaiting"),
        (json!({ "name": "new", "retention": { "audit": "1h" } }), "#/retention/audit"),
        (json!({ "name": "new", "retention": { "messages": "x" } }), "#/retention/messages"),
        (key(json!({ "name": "", "role": "owner" })), "#/apiKey/name"),
        (key(json!({ "name": "k", "role": "owner", "expiresIn": "x" })), "#/apiKey/expiresIn"),
        (
            key(json!({ "name": "k", "role": "viewer", "scope": ["messages:send"] })),
            "#/apiKey/scope/0",
        ),
    ] {
        let refused = ask(&api, "POST", "/admin/tenants", Some(wanted)).await;
        refused.refused_field("invalid-request", pointer);
    }
    let taken = json!({ "name": " tenant-1 " });
    ask(&api, "POST", "/admin/tenants", Some(taken)).await.refused(409, "tenant-conflict");
    for (patch, pointer) in [
        (json!({ "limits": { "requestsPerMinute": 0 } }), "#/limits/requestsPerMinute"),
        (json!({ "retention": { "webhooks": "1h" } }), "#/retention/webhooks"),
    ] {
        let mut patch = patch;
        patch["pii"] = json!("mask");
        let refused = ask(&api, "PATCH", &first(), Some(patch)).await;
        refused.refused_field("invalid-request", pointer);
    }
    let suspend = json!({ "reason": "\u{202E}paid not" });
    let refused = ask(&api, "POST", &format!("{}/suspend", first()), Some(suspend)).await;
    refused.refused_field("invalid-request", "#/reason");
    assert_eq!(ask(&api, "GET", &first(), None).await.expect(200)["pii"], "off");
    assert_eq!(ask(&api, "GET", "/admin/tenants", None).await.expect(200)["total"], 2);
}

#[tokio::test]
async fn a_first_key_comes_with_the_tenant_and_is_shown_once() {
    let api = Harness::new().await;
    let wanted = json!({ "name": "acme", "apiKey": { "name": "first", "role": "owner" } });
    let new = made(&api, wanted).await;
    let key = new["apiKey"]["key"].as_str().unwrap();
    assert_eq!(show(&api, key).await.expect(200)["total"], 0);
    let path = format!("/admin/tenants/{}", new["id"].as_str().unwrap());
    let shown = ask(&api, "GET", &path, None).await.expect(200).to_string();
    assert!(!shown.contains("msk_live"), "{shown}");
    // Another, later.
    let wanted = json!({ "name": "second", "role": "viewer" });
    let second = ask(&api, "POST", &format!("{path}/api-keys"), Some(wanted)).await.expect(201);
    assert_eq!(show(&api, second["key"].as_str().unwrap()).await.expect(200)["total"], 0);
    let nobody = format!("/admin/tenants/{}/api-keys", tenant_id(9));
    let wanted = json!({ "name": "third", "role": "viewer" });
    ask(&api, "POST", &nobody, Some(wanted)).await.refused(404, "tenant-not-found");
}

#[tokio::test]
async fn tenants_are_listed_newest_first_by_name_and_by_how_they_stand() {
    let api = Harness::new().await;
    for name in ["one", "two", "three"] {
        made(&api, json!({ "name": name })).await;
    }
    let names = async |query: &str| {
        let listed = ask(&api, "GET", &format!("/admin/tenants{query}"), None).await.expect(200);
        let data = listed["data"].as_array().unwrap().clone();
        let names = data.iter().map(|each| each["name"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>().join(" "), listed["total"].as_u64().unwrap(), listed)
    };
    // The harness's two have the latest ids.
    let (all, total, _) = names("").await;
    assert_eq!((all.as_str(), total), ("tenant-2 tenant-1 three two one", 5));
    let (some, _, listed) = names("?limit=2").await;
    assert_eq!(some, "tenant-2 tenant-1");
    let cursor = listed["nextCursor"].as_str().unwrap();
    assert_eq!(names(&format!("?limit=2&cursor={cursor}")).await.0, "three two");
    assert_eq!(names("?limit=2&page=3").await.0, "one");
    assert_eq!(names("?name=t").await.0, "tenant-2 tenant-1 three two");
    ask(&api, "POST", &format!("{}/suspend", first()), Some(json!({}))).await.expect(200);
    assert_eq!(names("?status=suspended").await.0, "tenant-1");
    assert_eq!(names("?status=active&name=tenant").await.0, "tenant-2");
    ask(&api, "GET", "/admin/tenants?limit=101", None).await.refused_parameter("limit");
    ask(&api, "GET", "/admin/tenants?status=x", None).await.refused_parameter("status");
}

#[tokio::test]
async fn a_suspended_tenant_sends_nothing_more_reads_everything_and_goes_on() {
    let api = Harness::new().await;
    let waiting = send(&api, 1).await.expect(202)["id"].as_str().unwrap().to_owned();
    let stop = json!({ "reason": "unpaid", "until": "2100-01-01T00:00:00Z" });
    let path = format!("{}/suspend", first());
    let stopped = ask(&api, "POST", &path, Some(stop)).await.expect(200);
    assert_eq!(stopped["status"], "suspended");
    assert_eq!(stopped["suspension"]["reason"], "unpaid");
    send(&api, 2).await.refused(409, "tenant-suspended");
    let bulk = json!({ "sessionId": "main", "recipients": ["+5511988887777"], "body": "Bulk" });
    api.post("/messages/bulk", bulk).await.refused(409, "tenant-suspended");
    let kept = api.get(&format!("/messages/{waiting}")).await.expect(200);
    assert_eq!(kept["status"], "queued");
    // What comes in is kept.
    let event = json!({
        "id": "evt_1", "event": "message.any", "session": "waha-1",
        "payload": { "id": "false_5511988887777@c.us_3EB0", "from": "5511988887777@c.us",
            "body": "Hi", "timestamp": 1_767_225_600, "fromMe": false, "hasMedia": false }
    });
    let taken = api.webhook("/webhooks/waha", &event.to_string()).await;
    assert_eq!(taken.status, 200, "{taken:?}");
    // Another tenant is not stopped.
    let body = json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" });
    api.ask_as(2, "POST", "/messages/send", Some(body)).await.expect(202);

    let resumed = ask(&api, "POST", &format!("{}/resume", first()), None).await.expect(200);
    assert_eq!((&resumed["status"], resumed.get("suspension")), (&json!("active"), None));
    send(&api, 2).await.expect(202);
    for what in ["suspend", "resume"] {
        let nobody = format!("/admin/tenants/{}/{what}", tenant_id(9));
        ask(&api, "POST", &nobody, Some(json!({}))).await.refused(404, "tenant-not-found");
    }
}

#[tokio::test]
async fn a_tenants_own_limit_takes_the_place_of_the_deployments() {
    let api = Harness::new().await;
    let limit = |limits: Value| Some(json!({ "limits": limits }));
    ask(&api, "PATCH", &first(), limit(json!({ "requestsPerMinute": 1 }))).await.expect(200);
    send(&api, 1).await.expect(202);
    let refused = send(&api, 2).await;
    refused.refused(429, "rate-limited");
    assert!(refused.header("ratelimit-policy").unwrap().contains("tenant"), "{refused:?}");
    ask(&api, "PATCH", &first(), limit(json!({ "requestsPerMinute": null }))).await.expect(200);
    // What was counted still counts; of its own limit it would for a minute.
    api.clock.advance(Duration::from_secs(2));
    send(&api, 2).await.expect(202);
    send(&api, 3).await.expect(202);
    ask(&api, "PATCH", &first(), limit(json!({ "maxWaiting": 3 }))).await.expect(200);
    send(&api, 4).await.refused(429, "queue-full");
    ask(&api, "PATCH", &first(), limit(json!({ "maxWaiting": 4 }))).await.expect(200);
    send(&api, 4).await.expect(202);
    // Nobody else is limited by it.
    let body = json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" });
    api.ask_as(2, "POST", "/messages/send", Some(body)).await.expect(202);
}

#[tokio::test]
async fn only_whoever_runs_the_deployment_gets_anywhere_under_admin() {
    let api = Harness::new().await;
    let tenant = tenant_id(1);
    let operations = [
        ("GET", "/admin/tenants".to_owned()),
        ("POST", "/admin/tenants".to_owned()),
        ("GET", format!("/admin/tenants/{tenant}")),
        ("PATCH", format!("/admin/tenants/{tenant}")),
        ("DELETE", format!("/admin/tenants/{tenant}?confirm=tenant-1")),
        ("POST", format!("/admin/tenants/{tenant}/suspend")),
        ("POST", format!("/admin/tenants/{tenant}/resume")),
        ("POST", format!("/admin/tenants/{tenant}/api-keys")),
    ];
    let others = Role::ALL.iter().copied().filter(|role| *role != Role::PlatformAdmin);
    for role in others.collect::<Vec<_>>() {
        let token = api.token(1, role);
        for (method, path) in &operations {
            let body = (*method != "GET").then(|| b"{}".to_vec());
            let answer = api.call(request(method, path, Some(&token), body)).await;
            answer.refused(403, "forbidden");
        }
    }
    let kept = ask(&api, "GET", &first(), None).await.expect(200);
    assert_eq!(kept["status"], "active");
}

#[tokio::test]
async fn a_tenant_is_deleted_by_its_name_and_nobody_calls_in_its_name_any_more() {
    let api = Harness::new().await;
    let message = send(&api, 1).await.expect(202)["id"].as_str().unwrap().to_owned();
    let key = api.post("/api-keys", json!({ "name": "shop", "role": "owner" })).await.expect(201);
    let key = key["key"].as_str().unwrap().to_owned();
    let shown = json!({ "apiKey": key }).to_string().into_bytes();
    let given = api.call(request("POST", "/auth/token", None, Some(shown))).await.expect(200);
    api.waha.has("waha-1", messaging_core::domain::session::SessionStatus::Working);
    for wrong in ["?confirm=Tenant-1", "?confirm=", ""] {
        ask(&api, "DELETE", &format!("{}{wrong}", first()), None)
            .await
            .refused_parameter("confirm");
    }
    show(&api, &key).await.expect(200);

    let path = format!("{}?confirm=tenant-1", first());
    let begun = ask(&api, "DELETE", &path, None).await.expect(202);
    assert_eq!(begun["status"], "deleting");
    let again = ask(&api, "DELETE", &path, None).await.expect(202);
    assert_eq!(again["deletion"]["since"], begun["deletion"]["since"]);
    // At once: keys, what was given for them, and tokens that were made without.
    let access = given["accessToken"].as_str().unwrap();
    for bearer in [key.as_str(), access, &api.token(1, Role::Owner)] {
        show(&api, bearer).await.refused(401, "invalid-token");
    }
    let spent = json!({ "refreshToken": given["refreshToken"] }).to_string().into_bytes();
    api.call(request("POST", "/auth/refresh", None, Some(spent)))
        .await
        .refused(401, "invalid-token");
    ask(&api, "POST", &format!("{}/resume", first()), None).await.refused(404, "tenant-not-found");
    ask(&api, "PATCH", &first(), Some(json!({}))).await.refused(404, "tenant-not-found");

    api.gateway.go_on_deleting().await.unwrap();
    let status = api.waha.status("waha-1");
    assert_eq!(status, None, "the session is ended at WAHA");
    let leaving = ask(&api, "GET", &first(), None).await.expect(200);
    assert_eq!(leaving["status"], "deleting");
    assert!(leaving["deletion"]["erased"].as_u64().unwrap() >= 2, "{leaving}");
    finish_deletions(&api).await;
    ask(&api, "GET", &first(), None).await.refused(404, "tenant-not-found");
    ask(&api, "DELETE", &path, None).await.refused(404, "tenant-not-found");
    show(&api, &api.token(1, Role::Owner)).await.refused(401, "invalid-token");
    // Nothing of it is there for whoever is of the same name next, and the other lost nothing.
    let next =
        made(&api, json!({ "name": "tenant-1", "apiKey": { "name": "k", "role": "owner" } })).await;
    let key = next["apiKey"]["key"].as_str().unwrap();
    let looked = request("GET", &format!("/messages/{message}"), Some(key), None);
    api.call(looked).await.refused(404, "message-not-found");
    let other = api.ask_as(2, "GET", "/sessions/main", None).await.expect(200);
    assert_eq!(other["id"], main_session(2));
}

#[tokio::test]
async fn a_waha_that_is_away_keeps_nothing_of_a_tenants() {
    let api = Harness::new().await;
    api.waha.go_down();
    let path = format!("{}?confirm=tenant-1", first());
    ask(&api, "DELETE", &path, None).await.expect(202);
    finish_deletions(&api).await;
    ask(&api, "GET", &first(), None).await.refused(404, "tenant-not-found");
}

#[tokio::test]
async fn what_is_done_to_tenants_stands_on_the_platforms_chain() {
    let api = Harness::new().await;
    let id = made(&api, json!({ "name": "acme" })).await["id"].clone();
    let path = format!("{}?confirm=tenant-1", first());
    api.ask("DELETE", &path, None).await.refused(403, "forbidden");
    let own = api.get("/audit").await.expect(200);
    assert_eq!(own["data"][0]["action"], "delete_tenant");
    assert_eq!(own["data"][0]["status"], 403);
    ask(&api, "DELETE", &path, None).await.expect(202);
    let entries = ask(&api, "GET", "/audit?chain=platform", None).await.expect(200);
    let line = |entry: &Value| {
        json!([entry["action"], entry["target"], entry["targetKind"], entry["role"]])
    };
    let lines: Vec<_> = entries["data"].as_array().unwrap().iter().map(line).collect();
    let expected = [
        json!(["delete_tenant", tenant_id(1).to_string(), "tenant", "platform-admin"]),
        json!(["create_tenant", id, "tenant", "platform-admin"]),
    ];
    assert_eq!(lines, expected);
    finish_deletions(&api).await;
    // It outlives the tenant.
    let entries = ask(&api, "GET", "/audit?chain=platform", None).await.expect(200);
    let entries = entries["data"].as_array().unwrap();
    // And tells that its chain was let go of.
    let (told, anchors): (Vec<_>, Vec<_>) =
        entries.iter().partition(|entry| entry["targetKind"] == "tenant");
    assert_eq!(told.len(), 2);
    assert!(anchors.iter().all(|entry| entry["action"] == "retention"), "{anchors:?}");
    let mut operator = ask(&api, "GET", "/audit", None).await.expect(200);
    assert_eq!(operator["data"].take(), json!([]));
}
