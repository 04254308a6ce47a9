//! The OpenAPI document: as committed, complete, and with examples that work.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use harness::{Harness, document, main_session, request};
use messaging_core::conformance::build::tenant_id;
use messaging_core::domain::session::SessionStatus;
use messaging_core::domain::tenant::Role;
use messaging_core::gateway::servers::NewServer;
use messaging_server::api::openapi_document;
use serde_json::{Value, json};

/// Every operation: its path, its method and itself.
fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    document()["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// What a reference leads to; anything else leads to itself.
fn resolve(schema: &'static Value) -> &'static Value {
    match schema["$ref"].as_str() {
        Some(reference) => document().pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

#[test]
fn the_committed_document_is_what_the_server_serves() {
    let committed = include_str!("../../docs/openapi.json");
    assert!(
        committed == openapi_document(),
        "docs/openapi.json is out of date: \
         cargo run -p messaging-server -- openapi > docs/openapi.json"
    );
}

#[test]
fn every_operation_is_named_described_and_filed() {
    let tags: Vec<_> = document()["tags"].as_array().unwrap().iter().collect();
    assert!(tags.iter().all(|tag| !tag["description"].as_str().unwrap().is_empty()));
    for (path, method, operation) in operations() {
        let at = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap();
        assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{at}: {id}");
        for text in ["summary", "description"] {
            assert!(!operation[text].as_str().unwrap_or_default().is_empty(), "{at}: {text}");
        }
        let filed = operation["tags"].as_array().unwrap();
        assert_eq!(filed.len(), 1, "{at}");
        assert!(tags.iter().any(|tag| tag["name"] == filed[0]), "{at}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let text = parameter["description"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{at}: {parameter}");
        }
    }
}

#[test]
fn every_refusal_has_the_one_form() {
    for (path, method, operation) in operations() {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let at = format!("{method} {path} {status}");
            assert!(!answer["description"].as_str().unwrap().is_empty(), "{at}");
            let Some(content) = answer["content"].as_object() else {
                assert_eq!(status, "204", "{at}");
                continue;
            };
            let kinds: Vec<_> = content.keys().map(String::as_str).collect();
            if status.as_str() >= "400" && !path.starts_with("/health") {
                assert_eq!(kinds, ["application/problem+json"], "{at}");
            }
        }
        let secured = operation["security"].as_array().is_some_and(|each| !each.is_empty());
        for status in ["401", "403"] {
            let declared = operation["responses"][status].is_object();
            assert!(declared || !secured, "{method} {path} {status}");
        }
    }
    assert_eq!(document()["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[test]
fn nothing_is_said_in_a_way_that_generators_cannot_read() {
    fn walk(value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(parts) = fields.get("allOf") {
                    assert_eq!(parts.as_array().unwrap().len(), 1, "{value}");
                }
                fields.values().for_each(walk);
            }
            Value::Array(items) => items.iter().for_each(walk),
            _ => {}
        }
    }
    walk(document());
}

#[tokio::test]
async fn every_example_of_a_request_succeeds() {
    let mut tried = 0;
    for (path, method, operation) in operations() {
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        if body.is_null() {
            continue;
        }
        let example = resolve(body)["example"].clone();
        assert!(example.is_object(), "{method} {path} has no example");
        let api = Harness::new().await;
        let answer = if path.starts_with("/webhooks") {
            api.waha.has("default", SessionStatus::Working);
            let adopt = r#"{"name":"demo","wahaSession":"default","adopt":true}"#;
            let adopted = api.post_raw("/sessions", adopt).await.expect(201);
            let path = path.replace("{sessionId}", adopted["id"].as_str().unwrap());
            api.webhook(&path, &example.to_string()).await
        } else if path.starts_with("/auth/") {
            // What it shows has to have been given.
            let wanted = r#"{"name":"shop","role":"sender"}"#;
            let key = api.post_raw("/api-keys", wanted).await.expect(201)["key"].clone();
            let given = api.post("/auth/token", json!({ "apiKey": key })).await.expect(200);
            let shown = [("apiKey", &key), ("refreshToken", &given["refreshToken"])];
            let shown = shown.into_iter().chain([("token", &given["refreshToken"])]);
            let mut example = example;
            for (name, value) in shown {
                let field = example.get_mut(name);
                field.into_iter().for_each(|field| *field = value.clone());
            }
            api.post(path, example).await
        } else if path.starts_with("/admin/") {
            if path.ends_with("/{name}") {
                let (name, url) = ("eu-1".to_owned(), "http://waha".to_owned());
                let (api_key, capacity, draining) = (None, None, false);
                let server = NewServer { name, url, api_key, capacity, draining };
                api.gateway.add_server(server).await.unwrap();
            }
            let token = api.token(1, Role::PlatformAdmin);
            let path = path.replace("{name}", "eu-1").replace("{id}", &tenant_id(1).to_string());
            let body = Some(example.to_string().into_bytes());
            api.call(request(&method.to_uppercase(), &path, Some(&token), body)).await
        } else {
            let id = if path.starts_with("/messages/bulk/") {
                let bulk = r#"{"sessionId":"main","recipients":["+5511988887777"],"body":"x"}"#;
                let accepted = api.post_raw("/messages/bulk", bulk).await.expect(202);
                accepted["id"].as_str().unwrap().to_owned()
            } else {
                api.waha.has("waha-1", SessionStatus::ScanQr);
                main_session(1)
            };
            let path = path.replace("{id}", &id);
            api.ask(&method.to_uppercase(), &path, Some(example)).await
        };
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
        tried += 1;
    }
    assert_eq!(tried, 24);
}
