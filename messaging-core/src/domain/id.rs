//! Ids as types of their own, so that one kind cannot stand where another is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::timestamp::Timestamp;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map(Self)
            }
        }
    };
}

id!(
    /// One customer of the deployment, whose data no other may see.
    TenantId
);
id!(
    /// One WhatsApp account, owned by one tenant.
    SessionId
);
id!(
    /// One message, in or out. Ids drawn later sort later.
    MessageId
);
id!(
    /// One bulk request.
    BatchId
);
id!(
    /// One webhook that was kept.
    InboxId
);
id!(
    /// One entry of a list of those who want no messages.
    OptOutId
);
id!(
    /// One key by which programs call in a tenant's name.
    ApiKeyId
);
id!(
    /// All refresh tokens that follow from one use of an API key.
    TokenFamilyId
);
id!(
    /// One process at work, from its start to its end.
    NodeId
);

/// A UUID of version 7 (RFC 9562) whose order is the order of `at` down to the microsecond:
/// the twelve bits behind the milliseconds hold the fraction of the millisecond (method 3).
pub fn uuid_v7(at: Timestamp, random: u64) -> Uuid {
    let micros = u64::try_from(at.as_micros()).unwrap_or(0);
    let fraction = (micros % 1000) * 4096 / 1000;
    let high = ((micros / 1000) << 16) | 0x7000 | fraction;
    let low = (random >> 2) | (0b10 << 62);
    Uuid::from_u64_pair(high, low)
}

/// The instant that [`uuid_v7`] made an id of, to the microsecond.
pub fn instant_of_v7(id: Uuid) -> Timestamp {
    let (high, _) = id.as_u64_pair();
    let fraction = ((high & 0xFFF) * 1000).div_ceil(4096);
    let micros = (high >> 16) * 1000 + fraction;
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// The first UUID of version 7 that can be drawn in the millisecond of `at`: its 48 bits of
/// milliseconds stand first.
pub fn first_uuid_v7_at(at: Timestamp) -> Uuid {
    let millis = u128::try_from(at.as_micros() / 1000).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

/// A message id in the form WhatsApp Web gives its own: `3EB0` and 18 hexadecimal digits.
pub fn provider_message_id(random: [u64; 2]) -> ProviderMessageId {
    ProviderMessageId(format!("3EB0{:016X}{:02X}", random[0], random[1] & 0xFF))
}

/// The stable part of a message's id at the provider; unique within a session.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderMessageId(pub String);

impl ProviderMessageId {
    /// The id as the provider writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProviderMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_as_the_instants_they_were_drawn_at() {
        let drawn: Vec<Uuid> =
            (0..5000).map(|micros| uuid_v7(Timestamp::from_micros(micros), u64::MAX)).collect();
        assert!(drawn.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn an_id_tells_the_instant_it_was_drawn_at() {
        for micros in 0..5000 {
            let at = Timestamp::from_micros(1_785_000_000_123_000 + micros);
            assert_eq!(instant_of_v7(uuid_v7(at, u64::MAX)), at);
        }
    }

    #[test]
    fn ids_are_of_version_seven() {
        let id = uuid_v7(Timestamp::from_millis(1_785_000_000_123), 42);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(id.get_timestamp().unwrap().to_unix().0, 1_785_000_000);
    }

    #[test]
    fn the_first_id_of_a_millisecond_is_not_after_any_drawn_in_it() {
        let at = |micros: i64| Timestamp::from_micros(1_785_000_000_123_000 + micros);
        let first = first_uuid_v7_at(at(999));
        assert!(uuid_v7(at(-1), u64::MAX) < first && first < uuid_v7(at(0), 0));
        assert_eq!(first_uuid_v7_at(Timestamp::from_micros(-1)), Uuid::nil());
    }

    #[test]
    fn a_provider_id_has_the_form_of_whatsapp_web() {
        let id = provider_message_id([u64::MAX, u64::MAX]);
        assert_eq!(id.as_str(), "3EB0FFFFFFFFFFFFFFFFFF");
        assert_eq!(provider_message_id([0, 0]).as_str().len(), 22);
    }
}
