//! The id of a message, of which only the raw part is stable.

use std::fmt;

use super::chat::ChatId;

/// The part of a message's id that never changes, such as `3EB0C1D2E3F4A5B6C7D8E9`.
///
/// Messages are correlated on (session, raw id) and on nothing else: the other parts of a full id
/// differ between events of the same message. Holds no phone number, so it may be logged.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RawMessageId(String);

impl RawMessageId {
    /// Takes the text as a raw id; `None` if it is empty.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!text.is_empty()).then_some(Self(text))
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id's text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for RawMessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A message's id, taken apart.
///
/// The full form is `{fromMe}_{chatId}_{rawId}`, in groups with `_{participant}` after it. Some
/// places give the raw id alone.
///
/// ```
/// use waha_client::ids::MessageKey;
///
/// let key = MessageKey::parse("true_5511988887777@c.us_3EB0C1D2E3F4A5B6C7D8E9")?;
/// assert_eq!(key.raw_id.as_str(), "3EB0C1D2E3F4A5B6C7D8E9");
/// assert_eq!(key.from_me, Some(true));
/// # Ok::<(), waha_client::ids::InvalidMessageKey>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageKey {
    /// Whether the session's own account wrote it, where the id says so.
    pub from_me: Option<bool>,
    /// The chat, where the id says so. It may flip between `@c.us` and `@lid`.
    pub chat: Option<ChatId>,
    /// The stable part.
    pub raw_id: RawMessageId,
    /// Who wrote it, in groups; comes and goes.
    pub participant: Option<ChatId>,
}

/// The text is no message id. It is not repeated here, since it may hold a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message id: expected a raw id or {{fromMe}}_{{chatId}}_{{rawId}}[_{{participant}}]")]
pub struct InvalidMessageKey;

impl MessageKey {
    /// Reads an id of one, three or four parts.
    ///
    /// # Errors
    /// [`InvalidMessageKey`] for another number of parts, a first part that is not `true` or
    /// `false`, a chat that is none, or an empty raw id.
    pub fn parse(text: &str) -> Result<Self, InvalidMessageKey> {
        let parts: Vec<&str> = text.splitn(5, '_').collect();
        let (from_me, chat, raw_id, participant) = match parts[..] {
            [raw_id] => return Self::of_raw_id(raw_id).ok_or(InvalidMessageKey),
            [from_me, chat, raw_id] => (from_me, chat, raw_id, None),
            [from_me, chat, raw_id, participant] => (from_me, chat, raw_id, Some(participant)),
            _ => return Err(InvalidMessageKey),
        };
        Ok(Self {
            from_me: Some(from_me.parse().map_err(|_| InvalidMessageKey)?),
            chat: Some(ChatId::parse(chat).map_err(|_| InvalidMessageKey)?),
            raw_id: RawMessageId::new(raw_id).ok_or(InvalidMessageKey)?,
            // WEBJS marks messages to oneself with `_out` here, which names nobody.
            participant: participant.and_then(|it| ChatId::parse(it).ok()),
        })
    }

    /// Reads an id, and takes it as a raw id whole where it has no known form: other programs
    /// that speak the simpler webhook dialect number messages as they like. `None` if empty.
    #[must_use]
    pub fn parse_or_opaque(text: &str) -> Option<Self> {
        Self::parse(text).ok().or_else(|| Self::of_raw_id(text))
    }

    /// The full form, as far as the parts are known: the raw id alone without a chat.
    #[must_use]
    pub fn full(&self) -> String {
        let raw_id = self.raw_id.as_str();
        match (self.from_me, &self.chat, &self.participant) {
            (Some(from_me), Some(chat), None) => format!("{from_me}_{}_{raw_id}", chat.as_str()),
            (Some(from_me), Some(chat), Some(participant)) => {
                format!("{from_me}_{}_{raw_id}_{}", chat.as_str(), participant.as_str())
            }
            _ => raw_id.to_owned(),
        }
    }

    fn of_raw_id(raw_id: &str) -> Option<Self> {
        let raw_id = RawMessageId::new(raw_id)?;
        Some(Self { from_me: None, chat: None, raw_id, participant: None })
    }
}

impl std::str::FromStr for MessageKey {
    type Err = InvalidMessageKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_is_a_raw_id() {
        let key = MessageKey::parse("3EB0C1D2").unwrap();
        assert_eq!((key.raw_id.as_str(), key.from_me, key.chat), ("3EB0C1D2", None, None));
    }

    #[test]
    fn three_parts_have_a_chat() {
        let key = MessageKey::parse("false_199887766554433@lid_3A7F").unwrap();
        assert_eq!(key.raw_id.as_str(), "3A7F");
        assert_eq!(key.from_me, Some(false));
        assert_eq!(key.chat.unwrap().as_str(), "199887766554433@lid");
        assert_eq!(key.participant, None);
    }

    #[test]
    fn four_parts_have_a_participant() {
        let text = "false_120363@g.us_3A7F_5511988887777@c.us";
        let key = MessageKey::parse(text).unwrap();
        assert_eq!(key.participant.as_ref().unwrap().as_str(), "5511988887777@c.us");
        assert_eq!(key.full(), text);
    }

    #[test]
    fn the_raw_id_is_the_same_whatever_surrounds_it() {
        for text in [
            "3EB0",
            "true_5511988887777@c.us_3EB0",
            "true_199887766554433@lid_3EB0",
            "true_5511988887777@c.us_3EB0_out",
            "true_120363@g.us_3EB0_5511988887777:4@s.whatsapp.net",
        ] {
            assert_eq!(MessageKey::parse(text).unwrap().raw_id.as_str(), "3EB0", "{text}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "a_b",
            "true_1@c.us",
            "true_1@c.us_",
            "yes_1@c.us_3EB0",
            "true_x_3EB0",
            "true_1@c.us_3EB0_2@c.us_x",
        ] {
            assert_eq!(MessageKey::parse(text), Err(InvalidMessageKey), "{text}");
        }
    }

    #[test]
    fn an_unknown_form_can_be_taken_whole() {
        let key = MessageKey::parse_or_opaque("waha_msg_123456").unwrap();
        assert_eq!(key.raw_id.as_str(), "waha_msg_123456");
        assert_eq!(MessageKey::parse_or_opaque(""), None);
    }

    #[test]
    fn debug_hides_the_number() {
        let shown = format!("{:?}", MessageKey::parse("true_5511988887777@c.us_3EB0").unwrap());
        assert!(!shown.contains("55119"), "{shown}");
    }
}
