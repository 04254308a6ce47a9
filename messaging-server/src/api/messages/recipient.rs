//! A recipient of a bulk request, with or without what is said to it alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use messaging_core::gateway::bulk::BulkRecipient;
use poem_openapi::Object;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Somebody, and what the text says to them alone.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PersonalRecipient {
    /// A number in international form (E.164), or a chat id.
    pub to: String,
    /// What the names in the text stand for: `{"name": "Ann"}` for `Dear {{name}}`.
    pub variables: Option<BTreeMap<String, String>>,
}

/// A number or chat id alone, or with what the text says to them alone.
#[derive(Clone, PartialEq)]
pub struct Recipient(pub PersonalRecipient);

impl From<&str> for Recipient {
    fn from(to: &str) -> Self {
        Self(PersonalRecipient { to: to.to_owned(), variables: None })
    }
}

impl From<Recipient> for BulkRecipient {
    fn from(Recipient(recipient): Recipient) -> Self {
        Self { to: recipient.to, variables: recipient.variables.unwrap_or_default() }
    }
}

impl<'de> Deserialize<'de> for Recipient {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Recipient;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an object with `to`")
            }

            fn visit_str<E: Error>(self, to: &str) -> Result<Recipient, E> {
                Ok(to.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Recipient, A::Error> {
                PersonalRecipient::deserialize(MapAccessDeserializer::new(map)).map(Recipient)
            }
        }

        from.deserialize_any(Either)
    }
}

impl Type for Recipient {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "Recipient".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let alone = MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")));
        let any_of = vec![alone, PersonalRecipient::schema_ref()];
        MetaSchemaRef::Inline(Box::new(MetaSchema { any_of, ..MetaSchema::ANY }))
    }

    fn register(registry: &mut Registry) {
        PersonalRecipient::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for Recipient {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Self::deserialize(value.unwrap_or_default()).map_err(ParseError::custom)
    }
}

impl ToJSON for Recipient {
    fn to_json(&self) -> Option<Value> {
        match &self.0 {
            PersonalRecipient { to, variables: None } => Some(to.as_str().into()),
            personal => personal.to_json(),
        }
    }
}
