//! How far a message got, as WhatsApp acknowledges it.

/// A level of acknowledgement.
///
/// Levels only rise, but some may be skipped, repeated or come out of order. [`AckLevel::Error`]
/// may come minutes after the send was answered, and means nothing once a device has the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AckLevel {
    /// -1: the message was not sent after all.
    Error,
    /// 0: still with WAHA.
    Pending,
    /// 1: WhatsApp's server has it. GOWS never says so.
    Server,
    /// 2: a device of the recipient has it.
    Device,
    /// 3: the recipient has seen it.
    Read,
    /// 4: the recipient has listened to it.
    Played,
}

impl AckLevel {
    /// Reads WAHA's number, -1 to 4.
    #[must_use]
    pub const fn from_number(number: i64) -> Option<Self> {
        Some(match number {
            -1 => Self::Error,
            0 => Self::Pending,
            1 => Self::Server,
            2 => Self::Device,
            3 => Self::Read,
            4 => Self::Played,
            _ => return None,
        })
    }

    /// Reads a word in any case: WAHA's names, the words the simpler webhook dialect uses
    /// (`sent`, `delivered`, `failed`), or a number in digits.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.trim();
        Some(match word.to_ascii_lowercase().as_str() {
            "error" | "failed" | "failure" => Self::Error,
            "pending" | "queued" => Self::Pending,
            "server" | "sent" => Self::Server,
            "device" | "delivered" | "received" => Self::Device,
            "read" | "seen" => Self::Read,
            "played" => Self::Played,
            _ => return Self::from_number(word.parse().ok()?),
        })
    }

    /// WAHA's number for the level.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Error => -1,
            Self::Pending => 0,
            Self::Server => 1,
            Self::Device => 2,
            Self::Read => 3,
            Self::Played => 4,
        }
    }

    /// WAHA's name for the level, `ackName`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Pending => "PENDING",
            Self::Server => "SERVER",
            Self::Device => "DEVICE",
            Self::Read => "READ",
            Self::Played => "PLAYED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back_to_their_level() {
        for number in -1..=4 {
            let level = AckLevel::from_number(number).unwrap();
            assert_eq!(level.number(), number);
            assert_eq!(AckLevel::from_word(level.name()), Some(level));
            assert_eq!(AckLevel::from_word(&number.to_string()), Some(level));
        }
    }

    #[test]
    fn an_unknown_level_is_none() {
        assert_eq!(AckLevel::from_number(5), None);
        assert_eq!(AckLevel::from_word("UNKNOWN"), None);
        assert_eq!(AckLevel::from_word(""), None);
    }

    #[test]
    fn later_levels_are_greater() {
        assert!(AckLevel::Error < AckLevel::Pending);
        assert!(AckLevel::Device < AckLevel::Read);
    }
}
