//! WAHA behind messaging-core's ports: the only file, with those beneath it, that knows both.

mod control;
mod history;
mod outcome;
mod servers;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use messaging_core::domain::address::Address;
use messaging_core::domain::content::{
    Attachment, Content, ContentKind, Media, MediaKind, MediaSource,
};
use messaging_core::domain::failure::{Failure, FailureCode};
use messaging_core::domain::id::ProviderMessageId;
use messaging_core::domain::session::ProviderSession;
use messaging_core::ports::server_store::ServerStore;
use messaging_core::ports::transport::{
    Envelope, Found, Lookup, Preparation, Route, SendOutcome, Transport,
};

use self::servers::{Server, Servers};
use crate::client::{ChatScope, MessageQuery, SendReceipt, Timeouts};
use crate::ids::{ChatId, MessageKey};
use crate::wire::{
    ChatMessage, Contact, ContactRequest, File, FileRequest, FileSource, ImageRequest,
    LocationRequest, Poll, PollRequest, TextRequest, VideoRequest, VoiceRequest,
};
use crate::{Engine, WahaClient, WahaError};

pub use webhooks::{WahaDecoder, WahaVerifier};

/// How long it is believed under which chat id a number is to be reached.
const CHAT_KNOWN_FOR: Duration = Duration::from_secs(24 * 3600);

/// For how many numbers it is remembered.
const CHATS_KNOWN: u64 = 100_000;

/// How many pages of a chat are looked through for a message that was perhaps sent.
const PAGES_LOOKED_AT: u32 = 5;

/// A WAHA that sessions may be put on.
#[derive(Debug)]
pub struct WahaServer {
    /// What sessions on it are kept under.
    pub name: String,
    /// How it is called.
    pub client: WahaClient,
    /// How many sessions are to be put on it; `None` for as many as come.
    pub capacity: Option<u64>,
}

impl WahaServer {
    /// A server that takes as many sessions as come.
    pub fn new(name: impl Into<String>, client: WahaClient) -> Self {
        Self { name: name.into(), client, capacity: None }
    }
}

/// WAHA, on one server or several, as [`Transport`],
/// [`SessionControl`](messaging_core::ports::session_control::SessionControl) and
/// [`ProviderHistory`](messaging_core::ports::provider_history::ProviderHistory).
///
/// Remembers each server's engine, and for a day under which chat ids numbers are to be reached.
pub struct WahaProvider {
    servers: Servers,
    chats: moka::sync::Cache<(ProviderSession, String), ChatId>,
    longest_attempt: Duration,
}

impl WahaProvider {
    /// These servers. Each name is given once, and stays the server's for as long as sessions
    /// are on it.
    pub fn new(servers: impl IntoIterator<Item = WahaServer>) -> Self {
        let servers = Servers::new(servers);
        let longest_attempt = servers.given().map(|server| longest(server.client.timeouts())).max();
        let chats = moka::sync::Cache::builder()
            .max_capacity(CHATS_KNOWN)
            .time_to_live(CHAT_KNOWN_FOR)
            .build();
        Self { servers, chats, longest_attempt: longest_attempt.unwrap_or_default() }
    }

    /// And those that a store keeps, as it tells at the time: another address or key is in force about
    /// a second after it was kept. Where a name is given as well, that is the one.
    #[must_use]
    pub fn with_kept_servers(mut self, store: Arc<dyn ServerStore>) -> Self {
        self.servers.keep_in(store);
        self.longest_attempt = self.longest_attempt.max(longest(&Timeouts::default()));
        self
    }

    async fn server(&self, name: &str) -> Result<Arc<Server>, WahaError> {
        self.servers.get(name).await
    }

    async fn engine(&self, server: &Server) -> Result<Engine, WahaError> {
        let ask = || async { Ok(server.client.version().await?.engine) };
        server.engine.get_or_try_init(ask).await.copied()
    }

    async fn route(&self, envelope: Envelope<'_>) -> Result<Result<Route, Failure>, WahaError> {
        let server = self.server(&envelope.session.server).await?;
        let engine = self.engine(&server).await?;
        let Some(chat) = self.chat(&server, envelope).await? else {
            return Ok(Err(Failure::new(FailureCode::NotOnWhatsapp)));
        };
        let kind_takes_id = matches!(
            envelope.content.kind(),
            ContentKind::Text | ContentKind::Location | ContentKind::Contact | ContentKind::Poll
        );
        let takes_id = engine.takes_message_id() && kind_takes_id;
        Ok(Ok(Route { chat: chat.as_str().to_owned(), takes_id }))
    }

    /// Where a recipient is to be reached; `None` where the number is not on WhatsApp.
    async fn chat(
        &self,
        server: &Server,
        envelope: Envelope<'_>,
    ) -> Result<Option<ChatId>, WahaError> {
        let phone = match envelope.to {
            Address::Phone(phone) => phone,
            Address::Chat(id) => return Ok(ChatId::parse(id).ok()),
            // Whoever has the keys can send it.
            Address::Sealed(_) => {
                return Err(WahaError::SafeRetry { reason: "sealed", source: None });
            }
        };
        let key = (envelope.session.clone(), phone.as_str().to_owned());
        if let Some(known) = self.chats.get(&key) {
            return Ok(Some(known));
        }
        let status = server.client.check_exists(&envelope.session.name, phone.as_str()).await?;
        if !status.number_exists {
            return Ok(None);
        }
        let chat = status.chat().or_else(|| ChatId::of_phone(phone.as_str()).ok());
        if let Some(chat) = &chat {
            self.chats.insert(key, chat.clone());
        }
        Ok(chat)
    }

    async fn find(&self, lookup: Lookup<'_>) -> Result<Found, WahaError> {
        let place = lookup.envelope.session;
        let server = self.server(&place.server).await?;
        if let (true, Some(id)) = (lookup.route.takes_id, lookup.id) {
            let found = server.client.message(&place.name, ChatScope::All, id.as_str()).await?;
            return Ok(match found {
                Some(_) => Found::Sent(id.clone()),
                None => Found::Absent,
            });
        }
        let Ok(chat) = ChatId::parse(&lookup.route.chat) else { return Ok(Found::CannotTell) };
        let mut query = MessageQuery {
            // WAHA's times are whole seconds.
            since: Some(lookup.since.as_millis() / 1000),
            from_me: Some(true),
            ..MessageQuery::default()
        };
        let mut read_any = false;
        for _ in 0..PAGES_LOOKED_AT {
            let page = server.client.messages(&place.name, ChatScope::One(&chat), &query).await?;
            read_any |= !page.messages.is_empty();
            let same = page.messages.iter().find(|it| is_same(it, lookup.envelope.content));
            if let Some(key) = same.and_then(|it| MessageKey::parse_or_opaque(&it.id)) {
                return Ok(Found::Sent(ProviderMessageId(key.raw_id.into_string())));
            }
            if !page.is_full(&query) {
                break;
            }
            query.offset += query.limit;
        }
        // A NOWEB session without a store answers nothing at all, which proves nothing.
        Ok(if read_any { Found::Absent } else { Found::CannotTell })
    }
}

#[async_trait]
impl Transport for WahaProvider {
    async fn prepare<'a>(&self, envelope: Envelope<'a>) -> Preparation {
        match self.route(envelope).await {
            Ok(Ok(route)) => Preparation::Ready(route),
            Ok(Err(failure)) => Preparation::Rejected(failure),
            Err(error) => outcome::of_preparation(&error),
        }
    }

    async fn send<'a>(
        &self,
        envelope: Envelope<'a>,
        route: &Route,
        id: Option<&'a ProviderMessageId>,
    ) -> SendOutcome {
        let result = match self.server(&envelope.session.server).await {
            Ok(server) => call(&server.client, envelope, route, id).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(receipt) => {
                let told = receipt.raw_id().map(|id| ProviderMessageId(id.as_str().to_owned()));
                SendOutcome::Accepted { id: told.or_else(|| id.cloned()) }
            }
            Err(error) => {
                tracing::warn!(%error, reason = error.reason(), "WAHA did not take a message");
                outcome::of_send(&error)
            }
        }
    }

    async fn find_sent<'a>(&self, lookup: Lookup<'a>) -> Found {
        match self.find(lookup).await {
            Ok(found) => found,
            Err(error) => outcome::of_lookup(&error),
        }
    }

    fn longest_attempt(&self) -> Duration {
        self.longest_attempt
    }
}

/// The longest that a message may be on its way with these.
fn longest(timeouts: &Timeouts) -> Duration {
    timeouts.read * 2 + timeouts.media.max(timeouts.text)
}

/// The one call that sends.
async fn call(
    client: &WahaClient,
    envelope: Envelope<'_>,
    route: &Route,
    id: Option<&ProviderMessageId>,
) -> Result<SendReceipt, WahaError> {
    let Content { body, attachment } = envelope.content;
    let session = envelope.session.name.clone();
    let chat_id = route.chat.clone();
    let id = id.map(|id| id.as_str().to_owned());
    match attachment {
        None => {
            let text = body.clone();
            client
                .send_text(&TextRequest { session, chat_id, text, id, ..TextRequest::default() })
                .await
        }
        Some(Attachment::Media(media)) => {
            let caption = (!body.is_empty()).then(|| body.clone());
            send_media(client, session, chat_id, caption, media).await
        }
        Some(Attachment::Location(place)) => {
            let title = place.title.clone().unwrap_or_default();
            let (latitude, longitude) = (place.latitude, place.longitude);
            let reply_to = None;
            client
                .send_location(&LocationRequest {
                    session,
                    chat_id,
                    latitude,
                    longitude,
                    title,
                    id,
                    reply_to,
                })
                .await
        }
        Some(Attachment::Contact(card)) => {
            let phone_number = card.phone.clone().unwrap_or_default();
            let whatsapp_id = card.phone.as_ref().map(|it| it.trim_start_matches('+').to_owned());
            let full_name = card.name.clone();
            let organization = None;
            let contacts =
                vec![Contact::Fields { full_name, phone_number, organization, whatsapp_id }];
            client
                .send_contact(&ContactRequest { session, chat_id, contacts, id, reply_to: None })
                .await
        }
        Some(Attachment::Poll(poll)) => {
            let poll = Poll {
                name: poll.question.clone(),
                options: poll.options.clone(),
                multiple_answers: poll.multiple_answers,
            };
            client.send_poll(&PollRequest { session, chat_id, poll, id, reply_to: None }).await
        }
        Some(Attachment::Unsupported) => Err(outcome::cannot_be_sent()),
    }
}

async fn send_media(
    client: &WahaClient,
    session: String,
    chat_id: String,
    caption: Option<String>,
    media: &Media,
) -> Result<SendReceipt, WahaError> {
    let source = match &media.source {
        MediaSource::Url(url) => FileSource::Url(url.clone()),
        MediaSource::Data(data) => FileSource::Data(data.clone()),
        MediaSource::Missing => return Err(outcome::cannot_be_sent()),
    };
    let usual = match media.kind {
        MediaKind::Image => "image/jpeg",
        MediaKind::Document => "application/octet-stream",
        MediaKind::Voice => "audio/ogg; codecs=opus",
        MediaKind::Video => "video/mp4",
        MediaKind::Sticker => return Err(outcome::cannot_be_sent()),
    };
    let mimetype = media.mimetype.clone().unwrap_or_else(|| usual.to_owned());
    let file = File { mimetype, filename: media.filename.clone(), source };
    let (reply_to, mentions) = (None, Vec::new());
    match media.kind {
        MediaKind::Image => {
            let request = ImageRequest { session, chat_id, file, caption, reply_to, mentions };
            client.send_image(&request).await
        }
        MediaKind::Video => {
            let (convert, as_note) = (true, None);
            let request = VideoRequest {
                session,
                chat_id,
                file,
                convert,
                caption,
                as_note,
                reply_to,
                mentions,
            };
            client.send_video(&request).await
        }
        MediaKind::Voice => {
            let request = VoiceRequest { session, chat_id, file, convert: true, reply_to };
            client.send_voice(&request).await
        }
        MediaKind::Document | MediaKind::Sticker => {
            let request = FileRequest { session, chat_id, file, caption, reply_to, mentions };
            client.send_file(&request).await
        }
    }
}

/// Whether a message read from a chat says what was to be sent. Media come back converted, so of
/// them only the caption, and that there are any, can be compared.
fn is_same(message: &ChatMessage, content: &Content) -> bool {
    let same_text = message.body.as_deref().unwrap_or_default() == content.body;
    match &content.attachment {
        None => !message.has_media && same_text,
        Some(Attachment::Media(_)) => message.has_media && same_text,
        Some(Attachment::Location(place)) => message.location.as_ref().is_some_and(|it| {
            let near = |told: Option<f64>, meant: f64| {
                told.is_some_and(|told| (told - meant).abs() < 1e-4)
            };
            near(it.latitude, place.latitude) && near(it.longitude, place.longitude)
        }),
        Some(Attachment::Contact(card)) => message.v_cards.iter().any(|it| it.contains(&card.name)),
        // WAHA tells nothing of a poll by which it could be known.
        Some(Attachment::Poll(_) | Attachment::Unsupported) => false,
    }
}
