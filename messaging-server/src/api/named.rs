//! Values of the domain as they stand in requests, answers and addresses.

use std::borrow::Cow;

use messaging_core::domain::audit::ActorKind;
use messaging_core::domain::breaker::BreakerState;
use messaging_core::domain::content::{ContentKind, MediaKind};
use messaging_core::domain::failure::FailureCode;
use messaging_core::domain::message::{Direction, Priority};
use messaging_core::domain::new_chats::NewChatsState;
use messaging_core::domain::opt_out::OptOutSource;
use messaging_core::domain::opt_out::words::WordList;
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::server::ServerSource;
use messaging_core::domain::session::{OnRateLimit, OnUnavailable, SessionHealth, SessionStatus};
use messaging_core::domain::status::{Status, StatusEvent};
use messaging_core::domain::tenant::{OnUnknown, Permission, Role};
use messaging_core::domain::tenant_life::TenantStatus;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::domain::urgency::Lane;
use messaging_core::ports::queue::HeldBy;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{
    ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type,
};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A set of values with one stable name each.
pub trait NamedEnum: Copy + Send + Sync + 'static {
    /// What the set is called in the OpenAPI document.
    const SCHEMA: &'static str;
    /// What it is.
    const DESCRIPTION: &'static str;

    /// Every value.
    fn all() -> &'static [Self];
    /// The value's name.
    fn name(self) -> &'static str;
    /// The value of a name, in whatever case.
    fn of_name(name: &str) -> Option<Self>;
}

macro_rules! named {
    ($($type:ty, $schema:literal, $description:literal;)*) => {
        $(impl NamedEnum for $type {
            const SCHEMA: &'static str = $schema;
            const DESCRIPTION: &'static str = $description;

            fn all() -> &'static [Self] {
                Self::ALL
            }
            fn name(self) -> &'static str {
                self.as_str()
            }
            fn of_name(name: &str) -> Option<Self> {
                Self::from_name(name)
            }
        })*
    };
}

named! {
    ActorKind, "AuditActorKind", "What kind of somebody did it.";
    Status, "MessageStatus", "Where a message stands.";
    StatusEvent, "MessageEventName", "What happened to a message.";
    FailureCode, "MessageErrorCode", "What went wrong with a message.";
    Direction, "Direction", "Which way a message goes.";
    Priority, "Priority", "What leaves first within a session.";
    ContentKind, "MessageType", "What kind of message it is.";
    MediaKind, "MediaKind", "What a file is shown as. A sticker can only be received.";
    SessionStatus, "SessionStatus", "Whether a session can send: only one that is `working` can.";
    SessionHealth, "SessionHealth", "Whether a connected session does what it should.";
    OnRateLimit, "OnRateLimit", "What becomes of a single message over its session's quota.";
    HeldBy, "HeldBy", "Why a message waits.";
    OnUnavailable, "OnUnavailable", "What becomes of a message while WAHA cannot be used.";
    NewChatsState, "NewChatsState", "Whether a session may write to people it has no chat with.";
    ServerSource, "ServerSource", "Where a WAHA server is known from.";
    BreakerState, "BreakerState", "Whether a WAHA server is called to send.";
    OptOutSource, "OptOutSource", "Who put somebody on the list of those who want no messages.";
    Role, "Role", "What somebody is to a tenant.";
    TenantStatus, "TenantStatus", "How a tenant stands.";
    OnUnknown, "OnUnknown", "What becomes of a message of which nobody can tell whether it was sent.";
    PiiPolicy, "PiiPolicy", "What becomes of personal data in texts.";
    Permission, "Permission", "What an operation needs its caller to be allowed.";
    WordList, "WordList", "A list of words: those of a language, or the operator's own.";
    Lane, "Lane", "Whether a message goes to a chat that is open already: `new` would open one.";
}

/// A value by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<E>(pub E);

impl<E: NamedEnum> Type for Named<E> {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        E::SCHEMA.into()
    }

    fn schema_ref() -> MetaSchemaRef {
        // Within `allOf`, so that a field's own description can stand beside the reference: what
        // poem-openapi makes of a bare one, generators of clients cannot read.
        let set = MetaSchemaRef::Reference(E::SCHEMA.to_owned());
        MetaSchemaRef::Inline(Box::new(MetaSchema { all_of: vec![set], ..MetaSchema::ANY }))
    }

    fn register(registry: &mut Registry) {
        registry.create_schema::<Self, _>(E::SCHEMA.to_owned(), |_| MetaSchema {
            description: Some(E::DESCRIPTION),
            enum_items: E::all().iter().map(|each| Value::from(each.name())).collect(),
            ..MetaSchema::new("string")
        });
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

fn names<E: NamedEnum>() -> String {
    let names: Vec<_> = E::all().iter().map(|each| each.name()).collect();
    format!("must be one of {}", names.join(", "))
}

impl<E: NamedEnum> ParseFromParameter for Named<E> {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        E::of_name(value).map(Self).ok_or_else(|| ParseError::custom(names::<E>()))
    }
}

impl<E: NamedEnum> ParseFromJSON for Named<E> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Self::parse_from_parameter(value.as_ref().and_then(Value::as_str).unwrap_or_default())
    }
}

impl<E: NamedEnum> ToJSON for Named<E> {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.name().into())
    }
}

impl<'de, E: NamedEnum> Deserialize<'de> for Named<E> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        E::of_name(&name).map(Self).ok_or_else(|| serde::de::Error::custom(names::<E>()))
    }
}

/// Gives a type that is written as a string what poem-openapi asks of types.
macro_rules! string_type {
    ($type:ty, $name:literal, $schema:expr) => {
        impl Type for $type {
            const IS_REQUIRED: bool = true;

            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                $name.into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new($schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }
    };
}

/// An instant as RFC 3339 writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime(pub Timestamp);

string_type!(DateTime, "date-time", MetaSchema::new_with_format("string", "date-time"));

impl ToJSON for DateTime {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.to_string().into())
    }
}

impl ParseFromJSON for DateTime {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let text = value.as_ref().and_then(Value::as_str).unwrap_or_default();
        Timestamp::parse(text).map(Self).map_err(ParseError::custom)
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let detail = "must be a date and time of RFC 3339, such as 2026-01-31T09:30:00Z";
        Timestamp::parse(&text).map(Self).map_err(|_| serde::de::Error::custom(detail))
    }
}

/// One end of a range of dates: an instant, or a whole day (of UTC) whose first or last instant
/// is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateBound {
    /// The instant, or the first of the day.
    pub first: Timestamp,
    /// The instant, or the last of the day.
    pub last: Timestamp,
}

string_type!(DateBound, "date or date-time", MetaSchema::new("string"));

impl ParseFromParameter for DateBound {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        let detail = "must be a date and time of RFC 3339, such as 2026-01-31T09:30:00Z, or a date, \
                      such as 2026-01-31 (a plus sign in an address is written %2B)";
        let read = |text: &str| Timestamp::parse(text).map_err(|_| ParseError::custom(detail));
        if value.len() == "2026-01-31".len() {
            return Ok(Self {
                first: read(&format!("{value}T00:00:00Z"))?,
                last: read(&format!("{value}T23:59:59.999999Z"))?,
            });
        }
        read(value).map(|at| Self { first: at, last: at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, &str)>) {
        let read = DateBound::parse_from_parameter(text).ok();
        let read = read.map(|bound| (bound.first.to_string(), bound.last.to_string()));
        let expected = expected.map(|(first, last)| (first.to_owned(), last.to_owned()));
        assert_eq!(read, expected);
    }

    #[test]
    fn a_date_alone_is_the_whole_day() {
        check("2024-01-31", Some(("2024-01-31T00:00:00Z", "2024-01-31T23:59:59.999999Z")));
        check("2024-01-31T12:00:00Z", Some(("2024-01-31T12:00:00Z", "2024-01-31T12:00:00Z")));
        check("2024-01-31T12:00:00+02:00", Some(("2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z")));
        for text in ["", "yesterday", "2024-02-30", "2024-01-31T12:00:00", "20240131", "1700000000"]
        {
            check(text, None);
        }
    }
}
