//! Whom a message goes to or comes from.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::id::{SessionId, TenantId};
use crate::domain::phone::{InvalidPhone, PhoneNumber, PhoneValidation};

/// A person by number, or a chat by the id its provider gave it, or what a store has in their place.
///
/// Debug shows none.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A person by telephone number.
    Phone(PhoneNumber),
    /// A chat by the provider's own id: a group (`…@g.us`), a channel (`…@newsletter`) or a person
    /// known by a hidden id only (`…@lid`). An answer to such a chat goes to the same id.
    Chat(String),
    /// What stands for either where nobody may read it: what a store is given of a sealed content.
    Sealed(Alias),
}

/// Stands for an address that is sealed: `#` and 16 hexadecimal digits, and perhaps something more
/// that the vault who made it reads.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Alias(String);

impl Alias {
    /// What equal addresses have in common; `sealed` is what the vault reads the address from.
    pub fn new(key: u64, sealed: &str) -> Self {
        Self(format!("#{key:016x}{sealed}"))
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?.get(..16)?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| Self(text.to_owned()))
    }

    /// What equal addresses have in common.
    pub fn key(&self) -> u64 {
        self.0.get(1..17).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
    }

    /// What the vault reads the address from.
    pub fn sealed(&self) -> &str {
        self.0.get(17..).unwrap_or_default()
    }
}

/// Why a text names nobody a message could go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// It is meant as a number and is none.
    #[error(transparent)]
    Phone(#[from] InvalidPhone),
    /// It is meant as a chat id and is none.
    #[error(
        "is not a chat id: digits (groups may have a dash) and @g.us, @lid, @newsletter or @c.us"
    )]
    Chat,
}

impl Address {
    /// Reads a number in international form or a chat id. A person's chat id (`…@c.us`) is
    /// read as the number it holds.
    ///
    /// # Errors
    /// [`InvalidAddress`], whose text repeats nothing of the input.
    pub fn parse(text: &str, validation: PhoneValidation) -> Result<Self, InvalidAddress> {
        let Some((name, server)) = text.split_once('@') else {
            return Ok(Self::Phone(PhoneNumber::parse(text, validation)?));
        };
        let digits = |name: &str, extra: &str| {
            (1..=40).contains(&name.len())
                && name.chars().all(|c| c.is_ascii_digit() || extra.contains(c))
        };
        match server {
            "c.us" if digits(name, "") => {
                Ok(Self::Phone(PhoneNumber::parse(&format!("+{name}"), validation)?))
            }
            "g.us" if digits(name, "-") => Ok(Self::Chat(text.to_owned())),
            "lid" | "newsletter" if digits(name, "") => Ok(Self::Chat(text.to_owned())),
            _ => Err(InvalidAddress::Chat),
        }
    }

    /// Reads what [`Address::as_str`] wrote. Anything without an `@` and without the form of a
    /// number is kept as a chat id, so that nothing a provider says is lost.
    pub fn from_stored(text: &str) -> Self {
        if let Some(alias) = Alias::parse(text) {
            return Self::Sealed(alias);
        }
        PhoneNumber::parse(text, PhoneValidation::Lenient)
            .map_or_else(|_| Self::Chat(text.to_owned()), Self::Phone)
    }

    /// The number with its plus sign, the chat id, or the alias.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Phone(number) => number.as_str(),
            Self::Chat(id) => id,
            Self::Sealed(alias) => &alias.0,
        }
    }

    /// What may be seen of it by those who may not see it: of a number its country code and last two
    /// digits (`+49…12`), of a chat id its last two digits and its kind (`…33@lid`).
    pub fn masked(&self) -> String {
        let text = self.as_str();
        let (name, kind) = text.split_once('@').unwrap_or((text, ""));
        let kind = if matches!(kind, "g.us" | "lid" | "newsletter") { kind } else { "" };
        let at = if kind.is_empty() { "" } else { "@" };
        let code = self.phone().and_then(PhoneNumber::calling_code);
        let code = code.map_or(String::new(), |code| format!("+{code}"));
        // Of what is short, two digits would be too much of it.
        let digits = name.len() >= 7 && name.bytes().rev().take(2).all(|b| b.is_ascii_digit());
        let end = if digits { name.get(name.len() - 2..).unwrap_or_default() } else { "" };
        format!("{code}…{end}{at}{kind}")
    }

    /// The same person, or chat, however its number was written: see [`PhoneNumber::line`].
    #[must_use]
    pub fn line(&self) -> Self {
        match self {
            Self::Phone(number) => Self::Phone(number.line()),
            Self::Chat(_) | Self::Sealed(_) => self.clone(),
        }
    }

    /// Every way in which the same person, or chat, is written, this one first.
    pub fn spellings(&self) -> Vec<Self> {
        match self {
            Self::Phone(number) => number.spellings().into_iter().map(Self::Phone).collect(),
            Self::Chat(_) | Self::Sealed(_) => vec![self.clone()],
        }
    }

    /// Whether it is one person, and not a group or a channel.
    pub fn is_person(&self) -> bool {
        match self {
            Self::Phone(_) => true,
            Self::Chat(id) => id.ends_with("@lid"),
            Self::Sealed(_) => false,
        }
    }

    /// The number, where there is one.
    pub fn phone(&self) -> Option<&PhoneNumber> {
        match self {
            Self::Phone(number) => Some(number),
            Self::Chat(_) | Self::Sealed(_) => None,
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(hidden)")
    }
}

/// Stands for one recipient of one session where messages are put in order, so that a queue
/// holds no telephone number. Equal addresses give equal keys, on every node and in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecipientKey(pub u64);

impl RecipientKey {
    /// The key of `to` within `session`; of an alias, what it says.
    pub fn of(session: SessionId, to: &Address) -> Self {
        if let Address::Sealed(alias) = to {
            return Self(alias.key());
        }
        let digest = Sha256::new()
            .chain_update(session.0.as_bytes())
            .chain_update(to.as_str().as_bytes())
            .finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(u64::from_be_bytes(first))
    }
}

/// Stands for one person, or chat, among all that a tenant exchanges messages with, through whichever
/// session, so that what is kept of somebody is found. Equal addresses give equal keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonKey(pub u64);

impl PersonKey {
    /// The key of `person` within `tenant`; of an alias, what it says.
    pub fn of(tenant: TenantId, person: &Address) -> Self {
        if let Address::Sealed(alias) = person {
            return Self(alias.key());
        }
        let digest = Sha256::new()
            .chain_update(tenant.0.as_bytes())
            .chain_update(person.as_str().as_bytes())
            .finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(u64::from_be_bytes(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, InvalidAddress>) {
        let parsed = Address::parse(text, PhoneValidation::E164);
        assert_eq!(parsed.as_ref().map(Address::as_str), expected.as_ref().map(|text| *text));
    }

    #[test]
    fn numbers_and_chats_are_told_apart() {
        check("+5511988887777", Ok("+5511988887777"));
        check("5511988887777@c.us", Ok("+5511988887777"));
        check("120363041234567890@g.us", Ok("120363041234567890@g.us"));
        check("5511988887777-1600000000@g.us", Ok("5511988887777-1600000000@g.us"));
        check("199887766554433@lid", Ok("199887766554433@lid"));
        check("status@broadcast", Err(InvalidAddress::Chat));
        check("me@example.com", Err(InvalidAddress::Chat));
        check("@g.us", Err(InvalidAddress::Chat));
        check("123", Err(InvalidAddress::Phone(InvalidPhone::NoPlus)));
    }

    #[test]
    fn what_is_stored_is_read_back() {
        for text in ["+5511988887777", "120363041234567890@g.us", "status@broadcast"] {
            assert_eq!(Address::from_stored(text).as_str(), text);
        }
    }

    #[test]
    fn a_person_is_no_group() {
        for (text, expected) in [
            ("+5511988887777", true),
            ("199887766554433@lid", true),
            ("120363041234567890@g.us", false),
            ("120363041234567890@newsletter", false),
            ("status@broadcast", false),
        ] {
            assert_eq!(Address::from_stored(text).is_person(), expected, "{text}");
        }
    }

    #[test]
    fn debug_shows_neither_number_nor_chat() {
        for text in ["+5511988887777", "199887766554433@lid"] {
            let shown = format!("{:?}", Address::from_stored(text));
            assert!(!shown.contains(|c: char| c.is_ascii_digit()));
        }
    }

    #[test]
    fn a_mask_leaves_the_country_and_two_digits() {
        for (text, masked) in [
            ("+4915112345612", "+49…12"),
            ("+12025550123", "+1…23"),
            ("199887766554433@lid", "…33@lid"),
            ("5511988887777-1500000000@g.us", "…00@g.us"),
            ("+0991234567", "…67"),
            ("+123", "…"),
            ("call me at 5511988887777", "…77"),
            ("somebody@5511988887777", "…"),
            ("", "…"),
            ("ééééé", "…"),
        ] {
            assert_eq!(Address::from_stored(text).masked(), masked, "{text}");
        }
    }
}
