//! The JSON WAHA speaks, as types that read and write it.
//!
//! Shapes follow the OpenAPI description of WAHA 2026.7.1, corrected by what its engines really
//! answer. The client reads answers and writes requests with them; the simulator does the
//! opposite with the same types, so the two cannot drift apart unnoticed.
//!
//! Reading is forgiving: unknown fields are ignored, and what WAHA may leave out is optional.
//! `Debug` of everything here hides message text, phone numbers, chat ids and secrets.

mod answers;
mod contacts;
mod errors;
mod file;
pub(crate) mod lenient;
mod messages;
mod pairing;
mod sends;
mod server;
mod session_config;
mod sessions;
mod webhooks;

pub use answers::{GowsAnswer, NewMessageId, NowebAnswer, NowebKey, WebjsAnswer, WebjsKey};
pub use contacts::{LidMapping, NumberStatus};
pub use errors::{
    ErrorBody, ErrorText, Exception, FileError, FileErrorDetail, HttpError, RequestEcho,
    ServerError, SessionError,
};
pub use file::{File, FileSource};
pub use messages::{ChatMessage, Location, Media, ReplyTo, S3Object, Source};
pub use pairing::{Base64File, PairingCode, PairingCodeRequest, QrValue};
pub use sends::{
    Contact, ContactRequest, FileRequest, ImageRequest, LocationRequest, Poll, PollRequest,
    TextRequest, VideoRequest, VoiceRequest,
};
pub use server::{Environment, Health, Pong, ServerStatus, Worker};
pub use session_config::{
    CustomHeader, GowsConfig, HmacConfig, IgnoreConfig, NowebConfig, NowebStoreConfig, ProxyConfig,
    RetriesConfig, RetryPolicy, SessionConfig, WebhookConfig, WebjsConfig,
};
pub use sessions::{
    Me, MessageCapping, ReachoutTimelock, SessionCreateRequest, SessionInfo, SessionStatus,
    SessionTimestamps, SessionUpdateRequest,
};
pub use webhooks::{
    AckPayload, EditedPayload, Reaction, ReactionPayload, RevokedPayload, SessionStatusPayload,
    StatusPoint, WebhookEnvelope,
};
