//! The id of a chat: a person, a group, a channel.

use std::fmt;

/// The id of a chat, always in WAHA's outer form.
///
/// | form | chat |
/// |---|---|
/// | `<digits>@c.us` | a person, by phone number |
/// | `<n>@lid` | a person, by hidden id; the digits are not a phone number |
/// | `<n>@g.us` | a group |
/// | `<n>@newsletter` | a channel |
/// | `status@broadcast` | status updates ("stories") |
///
/// WhatsApp's internal `…@s.whatsapp.net` becomes `…@c.us`, and a device part such as `:12` is
/// dropped, so that equal chats have equal ids.
///
/// ```
/// use waha_client::ids::ChatId;
///
/// let chat = ChatId::parse("5511988887777:12@s.whatsapp.net")?;
/// assert_eq!(chat.as_str(), "5511988887777@c.us");
/// assert_eq!(chat.phone(), Some("5511988887777"));
/// # Ok::<(), waha_client::ids::InvalidChatId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatId(String);

/// What a chat is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChatKind {
    /// A person, by phone number.
    Person,
    /// A person, by hidden id.
    HiddenPerson,
    /// A group.
    Group,
    /// A channel.
    Channel,
    /// Status updates, or a broadcast list.
    Broadcast,
    /// Something else, such as WhatsApp's own bots.
    Other,
}

/// The text is no chat id. It is not repeated here, since it may be a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a chat id: expected a form like 12132132130@c.us, …@lid or …@g.us")]
pub struct InvalidChatId;

impl ChatId {
    /// Longest id that is believed; real ones have fewer than 50 characters.
    const MAX_LENGTH: usize = 128;

    /// Reads a chat id with its `@` part.
    ///
    /// # Errors
    /// [`InvalidChatId`] where a part is empty, too long, holds characters no id has, or where a
    /// person's or group's id is not made of digits.
    pub fn parse(text: &str) -> Result<Self, InvalidChatId> {
        let (name, server) = text.split_once('@').ok_or(InvalidChatId)?;
        if text.len() > Self::MAX_LENGTH || server.is_empty() {
            return Err(InvalidChatId);
        }
        let server = if server == "s.whatsapp.net" { "c.us" } else { server };
        let name = name.split_once(':').map_or(name, |(name, _device)| name);
        let digits =
            |extra: &[u8]| name.bytes().all(|byte| byte.is_ascii_digit() || extra.contains(&byte));
        let plain = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        };
        let well_formed = match server {
            "c.us" | "lid" | "newsletter" => digits(b""),
            // Old groups are named after their founder and the time: `<phone>-<time>@g.us`.
            "g.us" => digits(b"-"),
            _ => plain(name),
        };
        if name.is_empty() || !well_formed || !plain(server) {
            return Err(InvalidChatId);
        }
        Ok(Self(format!("{name}@{server}")))
    }

    /// The chat of a phone number in E.164, with or without `+`.
    ///
    /// That is the form to ask about. Whether the number is on WhatsApp, and under which id, only
    /// [`crate::WahaClient::check_exists`] can tell.
    ///
    /// # Errors
    /// [`InvalidChatId`] unless it is 1 to 15 digits after an optional `+`.
    pub fn of_phone(phone: &str) -> Result<Self, InvalidChatId> {
        let digits = phone.strip_prefix('+').unwrap_or(phone);
        if digits.len() > 15 {
            return Err(InvalidChatId);
        }
        Self::parse(&format!("{digits}@c.us"))
    }

    /// Reads either form: a chat id, or a phone number in E.164.
    ///
    /// # Errors
    /// [`InvalidChatId`] if it is neither.
    pub fn of_address(text: &str) -> Result<Self, InvalidChatId> {
        if text.contains('@') { Self::parse(text) } else { Self::of_phone(text) }
    }

    /// The id's text, for requests to WAHA.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the chat is.
    #[must_use]
    pub fn kind(&self) -> ChatKind {
        match self.server() {
            "c.us" => ChatKind::Person,
            "lid" => ChatKind::HiddenPerson,
            "g.us" => ChatKind::Group,
            "newsletter" => ChatKind::Channel,
            "broadcast" => ChatKind::Broadcast,
            _ => ChatKind::Other,
        }
    }

    /// The digits of the phone number, if the id is one.
    #[must_use]
    pub fn phone(&self) -> Option<&str> {
        self.0.strip_suffix("@c.us")
    }

    fn server(&self) -> &str {
        self.0.split_once('@').map_or("", |(_name, server)| server)
    }
}

impl fmt::Debug for ChatId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ChatId({:?})", self.kind())
    }
}

impl std::str::FromStr for ChatId {
    type Err = InvalidChatId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str, kind: ChatKind) {
        let chat = ChatId::of_address(text).unwrap();
        assert_eq!((chat.as_str(), chat.kind()), (expected, kind));
    }

    #[test]
    fn every_form_is_read() {
        check("5511988887777@c.us", "5511988887777@c.us", ChatKind::Person);
        check("5511988887777@s.whatsapp.net", "5511988887777@c.us", ChatKind::Person);
        check("5511988887777:12@s.whatsapp.net", "5511988887777@c.us", ChatKind::Person);
        check("199887766554433:3@lid", "199887766554433@lid", ChatKind::HiddenPerson);
        check("5511999-1600000000@g.us", "5511999-1600000000@g.us", ChatKind::Group);
        check("120363000000000000@newsletter", "120363000000000000@newsletter", ChatKind::Channel);
        check("status@broadcast", "status@broadcast", ChatKind::Broadcast);
        check("13135550002@bot", "13135550002@bot", ChatKind::Other);
        check("+1234567890", "1234567890@c.us", ChatKind::Person);
        check("1234567890", "1234567890@c.us", ChatKind::Person);
    }

    #[test]
    fn other_text_is_refused() {
        for text in
            ["", "@", "@c.us", "1@", "a@c.us", "1@c.us@g.us", "+", "+12a", "hello", ":1@lid"]
        {
            assert_eq!(ChatId::of_address(text), Err(InvalidChatId), "{text}");
        }
        assert!(ChatId::parse("1/../2@bot").is_err());
        assert!(ChatId::of_phone("1234567890123456").is_err());
        assert!(ChatId::parse(&format!("{}@c.us", "1".repeat(200))).is_err());
    }

    #[test]
    fn a_hidden_id_is_not_a_phone_number() {
        assert_eq!(ChatId::parse("199887766554433@lid").unwrap().phone(), None);
    }

    #[test]
    fn debug_hides_the_number() {
        let shown = format!("{:?}", ChatId::parse("5511988887777@c.us").unwrap());
        assert_eq!(shown, "ChatId(Person)");
    }
}
