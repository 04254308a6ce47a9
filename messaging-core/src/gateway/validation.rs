//! What a request to send must be like, whatever it came by.

use std::time::Duration;

use crate::domain::address::{Address, InvalidAddress};
use crate::domain::content::{
    Attachment, Content, MAX_TEXT_CHARS, Media, MediaKind, MediaSource, Poll,
};
use crate::domain::media_url::{MediaUrl, MediaUrlError, MediaUrls, is_filename};
use crate::domain::phone::PhoneValidation;
use crate::domain::text_safety::{TextUse, unsafe_part};
use crate::domain::timestamp::Timestamp;
use crate::gateway::Settings;
use crate::gateway::error::InvalidField;
use crate::gateway::send::Timing;

/// The most bytes a message's metadata may take as JSON.
const MAX_METADATA_BYTES: usize = 16 * 1024;

/// Reads a recipient.
pub(super) fn recipient(
    pointer: &str,
    text: &str,
    validation: PhoneValidation,
) -> Result<Address, InvalidField> {
    Address::parse(text, validation).map_err(|error| {
        let code = match error {
            InvalidAddress::Phone(_) => "invalid-phone",
            InvalidAddress::Chat => "invalid-request",
        };
        InvalidField::new(pointer, code, error.to_string())
    })
}

/// Everything that is wrong with a content.
pub(super) fn content(content: &Content, settings: &Settings) -> Vec<InvalidField> {
    let mut wrong = texts(content);
    if content.body.chars().count() > MAX_TEXT_CHARS {
        let detail = format!("may have at most {MAX_TEXT_CHARS} characters (Unicode code points)");
        wrong.push(InvalidField::new("/body", "message-too-long", detail));
    }
    let invalid = |pointer, detail| InvalidField::new(pointer, "invalid-request", detail);
    match &content.attachment {
        None if content.body.is_empty() => {
            wrong.push(invalid("/body", "must not be empty".to_owned()));
        }
        None => {}
        Some(Attachment::Media(media)) => wrong.extend(self::media(media, settings)),
        Some(Attachment::Location(place)) => {
            if !(-90.0..=90.0).contains(&place.latitude) {
                wrong.push(invalid("/location/latitude", "must lie within -90 and 90".to_owned()));
            }
            if !(-180.0..=180.0).contains(&place.longitude) {
                wrong.push(invalid(
                    "/location/longitude",
                    "must lie within -180 and 180".to_owned(),
                ));
            }
        }
        Some(Attachment::Contact(card)) if card.name.trim().is_empty() => {
            wrong.push(invalid("/contact/name", "must not be empty".to_owned()));
        }
        Some(Attachment::Contact(_)) => {}
        Some(Attachment::Poll(poll)) => wrong.extend(self::poll(poll)),
        Some(Attachment::Unsupported) => {
            wrong.push(invalid("", "cannot be sent".to_owned()));
        }
    }
    if !content.body.is_empty()
        && matches!(
            content.attachment,
            Some(Attachment::Location(_) | Attachment::Contact(_) | Attachment::Poll(_))
        )
    {
        let detail = "must be left out: a location, contact or poll has no caption";
        wrong.push(invalid("/body", detail.to_owned()));
    }
    wrong
}

/// What is wrong with the characters of a content's texts.
fn texts(content: &Content) -> Vec<InvalidField> {
    let mut texts = vec![("/body".to_owned(), content.body.as_str(), TextUse::Prose)];
    let mut prose = |pointer: &str, text| texts.push((pointer.to_owned(), text, TextUse::Prose));
    match &content.attachment {
        Some(Attachment::Media(media)) => {
            for (pointer, text) in
                [("/media/filename", &media.filename), ("/media/mimetype", &media.mimetype)]
            {
                texts.extend(text.as_deref().map(|it| (pointer.to_owned(), it, TextUse::Name)));
            }
        }
        Some(Attachment::Location(place)) => {
            if let Some(title) = &place.title {
                prose("/location/title", title);
            }
        }
        Some(Attachment::Contact(card)) => prose("/contact/name", &card.name),
        Some(Attachment::Poll(poll)) => {
            prose("/poll/question", &poll.question);
            for (index, option) in poll.options.iter().enumerate() {
                prose(&format!("/poll/options/{index}"), option);
            }
        }
        Some(Attachment::Unsupported) | None => {}
    }
    let wrong = texts.into_iter().filter_map(|(pointer, text, of)| text_field(&pointer, text, of));
    wrong.collect()
}

/// What is wrong with the characters of one text.
pub(super) fn text_field(pointer: &str, text: &str, of: TextUse) -> Option<InvalidField> {
    let wrong = unsafe_part(text, of)?;
    Some(InvalidField::new(pointer, "invalid-request", wrong.detail()))
}

/// What is wrong with a file's address, as far as it can be told without looking anything up.
fn media_url(url: &str, settings: &Settings) -> Option<InvalidField> {
    if settings.media_urls == MediaUrls::Off {
        let detail = "is not taken here: put the file into data";
        return Some(InvalidField::new("/media/url", "media-url-not-allowed", detail));
    }
    let read = MediaUrl::parse(url);
    let wrong = read.map_or_else(Some, |url| url.refused_at_sight(&settings.media_hosts))?;
    let code = match wrong {
        MediaUrlError::Malformed | MediaUrlError::Scheme => "invalid-request",
        _ => "media-url-not-allowed",
    };
    Some(InvalidField::new("/media/url", code, wrong.to_string()))
}

fn media(media: &Media, settings: &Settings) -> Vec<InvalidField> {
    let mut wrong = Vec::new();
    let mut invalid = |pointer, detail: &str| {
        wrong.push(InvalidField::new(pointer, "invalid-request", detail));
    };
    let mut address = None;
    if media.kind == MediaKind::Sticker {
        invalid("/media/kind", "must be image, document, voice or video");
    }
    match &media.source {
        MediaSource::Url(url) => address = media_url(url, settings),
        MediaSource::Data(data) if is_base64(data) => {}
        MediaSource::Data(_) => {
            invalid("/media/data", "must be base64 with padding, and not empty");
        }
        MediaSource::Missing => invalid("/media", "must have either url or data"),
    }
    if media.filename.as_ref().is_some_and(|name| !is_filename(name)) {
        invalid("/media/filename", "must be a file's name, without slashes or colons");
    }
    if media.mimetype.as_ref().is_some_and(|mime| !mime.contains('/')) {
        invalid("/media/mimetype", "must be a media type such as image/jpeg");
    }
    wrong.extend(address);
    wrong
}

/// Whether a text has the form of base64 with padding (RFC 4648, section 4).
fn is_base64(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    let padding = text.len() - data.len();
    !data.is_empty()
        && text.len().is_multiple_of(4)
        && padding <= 2
        && data.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

fn poll(poll: &Poll) -> Vec<InvalidField> {
    let mut wrong = Vec::new();
    let mut invalid = |pointer: &str, detail: &str| {
        wrong.push(InvalidField::new(pointer, "invalid-request", detail));
    };
    if poll.question.trim().is_empty() {
        invalid("/poll/question", "must not be empty");
    }
    if !(2..=12).contains(&poll.options.len()) {
        invalid("/poll/options", "must have 2 to 12 answers");
    }
    for (index, option) in poll.options.iter().enumerate() {
        if option.trim().is_empty() || poll.options[..index].contains(option) {
            invalid(&format!("/poll/options/{index}"), "must not be empty or repeated");
        }
    }
    wrong
}

/// How far ahead a message may be scheduled.
const FARTHEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// When a message is to be sent.
pub(super) fn timing(timing: Timing, now: Timestamp) -> Vec<InvalidField> {
    let invalid = |pointer, detail| InvalidField::new(pointer, "invalid-request", detail);
    let mut wrong = Vec::new();
    if timing.send_at.is_some_and(|at| at > now.plus(FARTHEST)) {
        wrong.push(invalid("/sendAt", "must lie within a year"));
    }
    match timing.expires_at {
        Some(at) if at <= now => wrong.push(invalid("/expiresAt", "must lie in the future")),
        Some(at) if timing.send_at.is_some_and(|send_at| at <= send_at) => {
            wrong.push(invalid("/expiresAt", "must be later than sendAt"));
        }
        _ => {}
    }
    wrong
}

/// What is wrong with a message's metadata.
pub(super) fn metadata(metadata: Option<&serde_json::Value>) -> Option<InvalidField> {
    let metadata = metadata?;
    let detail = if !metadata.is_object() {
        "must be an object".to_owned()
    } else if metadata.to_string().len() > MAX_METADATA_BYTES {
        format!("may take at most {MAX_METADATA_BYTES} bytes as JSON")
    } else {
        return None;
    };
    Some(InvalidField::new("/metadata", "invalid-request", detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::content::Location;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "cases read better so")]
    fn check(given: Content, expected: &[(&str, &str)]) {
        let wrong = content(&given, &Settings::default());
        let wrong: Vec<_> = wrong.iter().map(|w| (w.pointer.as_str(), w.code)).collect();
        assert_eq!(wrong, expected);
    }

    fn file(source: MediaSource) -> Content {
        Content {
            body: String::new(),
            attachment: Some(Attachment::Media(Media {
                kind: MediaKind::Image,
                source,
                mimetype: None,
                filename: None,
            })),
        }
    }

    #[test]
    fn a_text_has_one_to_4096_characters_however_many_bytes() {
        check(Content::text(""), &[("/body", "invalid-request")]);
        check(Content::text("a".repeat(4096)), &[]);
        check(Content::text("a".repeat(4097)), &[("/body", "message-too-long")]);
        check(Content::text("😀".repeat(4096)), &[]);
        check(Content::text("😀".repeat(4097)), &[("/body", "message-too-long")]);
        check(Content::text("א".repeat(4096)), &[]);
        check(Content::text("א".repeat(4097)), &[("/body", "message-too-long")]);
    }

    #[test]
    fn a_file_comes_by_address_or_in_base64() {
        check(file(MediaSource::Url("https://example.com/a.png".into())), &[]);
        check(
            file(MediaSource::Url("file:///etc/passwd".into())),
            &[("/media/url", "invalid-request")],
        );
        check(file(MediaSource::Data("aGVsbG8=".into())), &[]);
        for data in ["", "=", "====", "aGVsbG8", "data:image/png;base64,aGVsbG8="] {
            check(file(MediaSource::Data(data.into())), &[("/media/data", "invalid-request")]);
        }
    }

    #[test]
    fn a_file_is_fetched_from_the_public_internet_alone() {
        let refused = &[("/media/url", "media-url-not-allowed")];
        for url in ["http://169.254.169.254/", "https://u:p@example.com/", "http://0x7f.1/"] {
            check(file(MediaSource::Url(url.into())), refused);
        }
        let mut settings = Settings::default();
        let inside = file(MediaSource::Url("http://minio:9000/a.png".into()));
        assert_eq!(content(&inside, &settings).len(), 1);
        settings.media_hosts = crate::domain::media_url::HostNames::parse("minio").unwrap();
        assert_eq!(content(&inside, &settings), []);
        settings.media_urls = MediaUrls::Off;
        let wrong = content(&inside, &settings);
        assert_eq!((wrong.len(), wrong[0].code), (1, "media-url-not-allowed"));
    }

    #[test]
    fn texts_have_no_characters_that_deceive() {
        check(Content::text("a\u{202E}b"), &[("/body", "invalid-request")]);
        check(Content::text("a\u{7}b"), &[("/body", "invalid-request")]);
        check(Content::text("a\nb\t\u{200D}c"), &[]);
        let named = |name: &str| {
            let mut content = file(MediaSource::Data("aGVsbG8=".into()));
            if let Some(Attachment::Media(media)) = &mut content.attachment {
                media.filename = Some(name.to_owned());
            }
            content
        };
        check(named("invoice.pdf"), &[]);
        for name in ["..", "../../etc/passwd", "a\\b", "C:a"] {
            check(named(name), &[("/media/filename", "invalid-request")]);
        }
        check(named("gpj.\u{202E}exe"), &[("/media/filename", "invalid-request")]);
    }

    #[test]
    fn a_place_lies_on_the_globe_and_has_no_caption() {
        let place = |latitude, longitude| Content {
            body: String::new(),
            attachment: Some(Attachment::Location(Location { latitude, longitude, title: None })),
        };
        check(place(52.5, 13.4), &[]);
        check(
            place(f64::NAN, 181.0),
            &[
                ("/location/latitude", "invalid-request"),
                ("/location/longitude", "invalid-request"),
            ],
        );
        check(Content { body: "here".into(), ..place(0.0, 0.0) }, &[("/body", "invalid-request")]);
    }

    #[test]
    fn a_poll_has_two_to_twelve_different_answers() {
        let poll = |options: &[&str]| Content {
            body: String::new(),
            attachment: Some(Attachment::Poll(Poll {
                question: "When?".into(),
                options: options.iter().map(|each| (*each).to_owned()).collect(),
                multiple_answers: false,
            })),
        };
        check(poll(&["now", "later"]), &[]);
        check(poll(&["now"]), &[("/poll/options", "invalid-request")]);
        check(poll(&["now", "now"]), &[("/poll/options/1", "invalid-request")]);
    }

    #[test]
    fn metadata_is_an_object_of_bounded_size() {
        assert_eq!(metadata(None), None);
        assert_eq!(metadata(Some(&serde_json::json!({"campaignId": "c"}))), None);
        assert!(metadata(Some(&serde_json::json!([1]))).is_some());
        assert!(
            metadata(Some(&serde_json::json!({"k": "x".repeat(MAX_METADATA_BYTES)}))).is_some()
        );
    }
}
