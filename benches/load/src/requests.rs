//! The requests, byte for byte.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha512;

use crate::Arguments;

/// A webhook of WAHA's about a message that came in, a good KiB as its engine GOWS writes it.
pub(crate) fn webhook(arguments: &Arguments, n: u64) -> anyhow::Result<Vec<u8>> {
    let Arguments { run, sessions, event, secret, .. } = arguments;
    let key = format!("3A{run:08X}{n:010X}");
    let chat = format!("55119{:08}@c.us", n % 100_000);
    let body = json!({
        "id": format!("evt_{run:08x}{n:018x}"),
        "timestamp": 1_785_000_000_412_u64 + n,
        "event": event,
        "session": format!("s{}", n % sessions),
        "metadata": { "tenant.id": "acme" },
        "me": { "id": "5511900001111@c.us", "pushName": "Acme Store" },
        "payload": {
            "id": format!("false_{chat}_{key}"),
            "timestamp": 1_785_000_000_u64 + n / 1000,
            "from": chat,
            "fromMe": false,
            "source": "app",
            "to": null,
            "participant": null,
            "body": "Hello, I ordered on Monday and was told it would be here by today. Where is my parcel?",
            "hasMedia": false,
            "media": null,
            "mediaUrl": null,
            "ack": 2,
            "ackName": "DEVICE",
            "vCards": [],
            "replyTo": null,
            "_data": {
                "Info": {
                    "Chat": chat,
                    "Sender": chat,
                    "IsFromMe": false,
                    "IsGroup": false,
                    "ID": key,
                    "Type": "text",
                    "PushName": "Somebody",
                    "Timestamp": "2026-07-25T17:20:00Z",
                    "Category": "",
                    "Multicast": false,
                },
                "Message": { "conversation": "Hello, I ordered on Monday and was told it would be here by today. Where is my parcel?" },
            },
        },
        "engine": "GOWS",
        "environment": {
            "version": "2026.7.1",
            "engine": "GOWS",
            "tier": "CORE",
            "browser": null,
            "platform": "linux/x64",
            "worker": { "id": "w1" },
        },
    })
    .to_string();
    let mut signature = Hmac::<Sha512>::new_from_slice(secret.as_bytes())?;
    signature.update(body.as_bytes());
    let signature = hex::encode(signature.finalize().into_bytes());
    let headers = format!("X-Webhook-Hmac: {signature}\r\nX-Webhook-Hmac-Algorithm: sha512\r\n");
    Ok(post("/webhooks/waha", &headers, &body))
}

/// A request to send a text, to one of 100 000 people; it waits where the session's quota is used up.
pub(crate) fn message(arguments: &Arguments, n: u64) -> anyhow::Result<Vec<u8>> {
    let Arguments { run, sessions, token, .. } = arguments;
    let body = json!({
        "sessionId": format!("s{}", n % sessions),
        "to": format!("+55119{:08}", 80_000_000 + n % 100_000),
        "body": format!("Your parcel {run:08x}-{n} is on its way and will be with you tomorrow."),
        "onRateLimit": "queue",
    })
    .to_string();
    Ok(post("/messages/send", &format!("Authorization: Bearer {token}\r\n"), &body))
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
