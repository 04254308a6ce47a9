//! Sends: what is asked, and what an answer says about the message.

use serde_json::{Value, json};
use waha_client::wire::{
    Contact, ContactRequest, File, FileRequest, FileSource, ImageRequest, LocationRequest, Poll,
    PollRequest, TextRequest, VideoRequest, VoiceRequest,
};

use crate::canned::{Canned, Reply};
use crate::fixture::fixture;
use crate::{CHAT, asked, text};

fn file() -> File {
    File {
        mimetype: "image/jpeg".to_owned(),
        filename: Some("a.jpg".to_owned()),
        source: FileSource::Url("https://files.example.net/a.jpg".to_owned()),
    }
}

#[tokio::test]
async fn a_text_is_sent_with_key_and_exact_accept() {
    let server = Canned::new(Reply::json(201, fixture("answers/gows_text"))).await;
    let request = TextRequest { id: Some("3EB0AA".to_owned()), ..text() };
    let receipt = server.client().send_text(&request).await.unwrap();
    assert_eq!(receipt.raw_id().unwrap().as_str(), "3EB0C1D2E3F4A5B6C7D8E9");
    let (line, body) = asked(&server);
    assert_eq!(line, "POST /api/sendText");
    assert_eq!(body, json!({"session": "main", "chatId": CHAT, "text": "Hi", "id": "3EB0AA"}));
    let head = server.requests()[0].to_lowercase();
    assert!(head.contains("\r\naccept: application/json\r\n"));
    assert!(head.contains("\r\nx-api-key: the key\r\n"));
    assert!(head.contains("\r\ncontent-type: application/json\r\n"));
}

#[tokio::test]
async fn every_kind_of_message_has_its_endpoint() {
    let (session, chat_id) = ("main".to_owned(), CHAT.to_owned());
    let base = json!({"session": "main", "chatId": CHAT});
    let file_json = json!({"mimetype": "image/jpeg", "filename": "a.jpg", "url": "https://files.example.net/a.jpg"});
    let with = |extra: Value| {
        let mut body = base.clone();
        for (name, value) in extra.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    macro_rules! sends {
        ($endpoint:expr, $method:ident, $request:expr, $extra:expr) => {{
            let server = Canned::new(Reply::json(201, fixture("answers/webjs_text"))).await;
            let receipt = server.client().$method(&$request).await.unwrap();
            assert_eq!(receipt.raw_id().unwrap().as_str(), "3EB0C1D2E3F4A5B6C7D8E9");
            let expected = (format!("POST /api/{}", $endpoint), with($extra));
            assert_eq!(asked(&server), expected);
        }};
    }
    sends!(
        "sendImage",
        send_image,
        ImageRequest {
            session: session.clone(),
            chat_id: chat_id.clone(),
            file: file(),
            caption: Some("See".to_owned()),
            reply_to: None,
            mentions: Vec::new(),
        },
        json!({"file": file_json, "caption": "See"})
    );
    sends!(
        "sendFile",
        send_file,
        FileRequest {
            session: session.clone(),
            chat_id: chat_id.clone(),
            file: File { source: FileSource::Data("AAAA".to_owned()), filename: None, ..file() },
            caption: None,
            reply_to: Some("false_1@c.us_3A".to_owned()),
            mentions: Vec::new(),
        },
        json!({"file": {"mimetype": "image/jpeg", "data": "AAAA"}, "reply_to": "false_1@c.us_3A"})
    );
    sends!(
        "sendVoice",
        send_voice,
        VoiceRequest {
            session: session.clone(),
            chat_id: chat_id.clone(),
            file: file(),
            convert: true,
            reply_to: None,
        },
        json!({"file": file_json, "convert": true})
    );
    sends!(
        "sendVideo",
        send_video,
        VideoRequest {
            session: session.clone(),
            chat_id: chat_id.clone(),
            file: file(),
            convert: false,
            caption: None,
            as_note: Some(true),
            reply_to: None,
            mentions: Vec::new(),
        },
        json!({"file": file_json, "convert": false, "asNote": true})
    );
    sends!(
        "sendLocation",
        send_location,
        LocationRequest {
            session: session.clone(),
            chat_id: chat_id.clone(),
            latitude: 38.5,
            longitude: -77.25,
            title: "Our office".to_owned(),
            ..LocationRequest::default()
        },
        json!({"latitude": 38.5, "longitude": -77.25, "title": "Our office"})
    );
    sends!(
        "sendContactVcard",
        send_contact,
        ContactRequest {
            session: session.clone(),
            chat_id: chat_id.clone(),
            contacts: vec![
                Contact::Vcard { vcard: "BEGIN:VCARD".to_owned() },
                Contact::Fields {
                    full_name: "Jane".to_owned(),
                    phone_number: "+1 2".to_owned(),
                    organization: None,
                    whatsapp_id: Some("12".to_owned()),
                },
            ],
            ..ContactRequest::default()
        },
        json!({"contacts": [
            {"vcard": "BEGIN:VCARD"},
            {"fullName": "Jane", "phoneNumber": "+1 2", "whatsappId": "12"},
        ]})
    );
    sends!(
        "sendPoll",
        send_poll,
        PollRequest {
            session,
            chat_id,
            poll: Poll {
                name: "Tea?".to_owned(),
                options: vec!["Yes".to_owned(), "No".to_owned()],
                multiple_answers: false,
            },
            ..PollRequest::default()
        },
        json!({"poll": {"name": "Tea?", "options": ["Yes", "No"], "multipleAnswers": false}})
    );
}

#[tokio::test]
async fn a_send_without_a_required_field_is_not_made() {
    let server = Canned::new(Reply::json(201, "")).await;
    let client = server.client();
    for request in [
        TextRequest { session: " ".to_owned(), ..text() },
        TextRequest { chat_id: String::new(), ..text() },
        TextRequest { text: String::new(), ..text() },
    ] {
        let error = client.send_text(&request).await.unwrap_err();
        assert_eq!((error.reason(), error.status()), ("invalid-request", None));
    }
    let poll =
        PollRequest { session: "main".to_owned(), chat_id: CHAT.to_owned(), ..Default::default() };
    assert_eq!(client.send_poll(&poll).await.unwrap_err().reason(), "invalid-request");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_empty_answer_to_a_send_is_a_success_with_the_id_chosen() {
    let replies = [Reply::json(201, ""), Reply::json(201, "null"), Reply::Cut { status: 201 }];
    for reply in replies {
        let server = Canned::new(reply).await;
        assert_eq!(server.client().send_text(&text()).await.unwrap().key, None);
        let chosen = TextRequest { id: Some("3EB0AA".to_owned()), ..text() };
        let receipt = server.client().send_text(&chosen).await.unwrap();
        assert_eq!(receipt.raw_id().unwrap().as_str(), "3EB0AA");
    }
}

#[tokio::test]
async fn a_body_waha_would_refuse_is_not_uploaded() {
    let server = Canned::new(Reply::json(201, "")).await;
    let source = FileSource::Data("A".repeat(51 * 1024 * 1024));
    let request = ImageRequest {
        session: "main".to_owned(),
        chat_id: CHAT.to_owned(),
        file: File { source, ..file() },
        caption: None,
        reply_to: None,
        mentions: Vec::new(),
    };
    assert_eq!(server.client().send_image(&request).await.unwrap_err().reason(), "too-large");
    assert!(server.requests().is_empty());
}
