//! What programs show to call in a tenant's name: API keys, and the refresh tokens given for them.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::id::{ApiKeyId, TenantId, TokenFamilyId};
use crate::domain::tenant::Rights;
use crate::domain::timestamp::Timestamp;

/// What every API key begins with, so that people and scanners of repositories know one.
pub const API_KEY_PREFIX: &str = "msk_live_";

/// One key by which programs call in a tenant's name. What it is told by is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Ours; part of the key, and no secret.
    pub id: ApiKeyId,
    /// In whose name.
    pub tenant: TenantId,
    /// What it is for, in the tenant's words.
    pub name: String,
    /// What it allows.
    pub rights: Rights,
    /// Of its secret.
    pub digest: SecretDigest,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is good for nothing.
    pub expires_at: Option<Timestamp>,
    /// When somebody took it back.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it opens anything at `now`.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// What may be shown of the key itself.
    pub fn prefix(&self) -> String {
        format!("{API_KEY_PREFIX}{}", self.id.0.simple())
    }
}

/// The digest of a secret. SHA-256, once and without salt: what is slow or salted keeps others from
/// trying likely words, and there are none among 256 random bits.
#[derive(Clone, Copy)]
pub struct SecretDigest(pub [u8; 32]);

impl PartialEq for SecretDigest {
    /// Takes as long wherever the two differ.
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl Eq for SecretDigest {}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(hidden)")
    }
}

/// A whole API key, as its bearer has it: `msk_live_`, its id and its secret in hexadecimal. Debug
/// shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyText {
    /// Which key.
    pub id: ApiKeyId,
    secret: [u8; 32],
}

impl ApiKeyText {
    /// The key of this id with a secret of these random numbers.
    pub fn new(id: ApiKeyId, random: [u64; 4]) -> Self {
        let mut secret = [0; 32];
        for (bytes, number) in secret.chunks_exact_mut(8).zip(random) {
            bytes.copy_from_slice(&number.to_be_bytes());
        }
        Self { id, secret }
    }

    /// Whether a text is meant as one.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(API_KEY_PREFIX)
    }

    /// Reads a key; `None` for anything that was not written by [`expose`](Self::expose).
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(API_KEY_PREFIX)?.split_once('_')?;
        Some(Self { id: ApiKeyId(Uuid::from_bytes(bytes(id)?)), secret: bytes(secret)? })
    }

    /// The whole key, for its bearer alone.
    pub fn expose(&self) -> String {
        let mut text = format!("{API_KEY_PREFIX}{}_", self.id.0.simple());
        for byte in self.secret {
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }

    /// What is kept of the secret.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest(Sha256::digest(self.secret).into())
    }
}

impl fmt::Debug for ApiKeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeyText({}, hidden)", self.id)
    }
}

/// So many bytes in lower-case hexadecimal, and nothing else.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Some(bytes)
}

/// All refresh tokens that follow from one use of an API key. Each is good once; one of them is the
/// latest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFamily {
    /// Ours.
    pub id: TokenFamilyId,
    /// In whose name.
    pub tenant: TenantId,
    /// The key that it was begun with, whose end is its end.
    pub key: ApiKeyId,
    /// The number of the latest refresh token, from 0.
    pub latest: u64,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When the latest token ends.
    pub expires_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

impl TokenFamily {
    /// Whether its tokens are good at `now`, as far as it is for it to say.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// What came of showing a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// It was the latest, and is spent now: the family's number is the next one.
    Next(TokenFamily),
    /// It was spent before: somebody has a copy of it, so the family was ended.
    Replayed,
    /// There is no such token, or it has ended.
    Ended,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::build::api_key_id;

    #[test]
    fn a_key_is_read_as_it_was_written_and_in_no_other_way() {
        let key = ApiKeyText::new(api_key_id(1), [1, 2, 3, u64::MAX]);
        let text = key.expose();
        assert_eq!(text.len(), 106);
        assert_eq!(ApiKeyText::parse(&text), Some(key.clone()));
        for wrong in [
            &text[1..],
            &text[..105],
            &format!("{text}0"),
            &text.to_uppercase(),
            &text.replace("ffff", "fffg"),
            &text.replacen('_', "-", 1),
            "msk_live_",
            "msk_live__",
            "",
        ] {
            assert_eq!(ApiKeyText::parse(wrong), None, "{wrong}");
        }
        assert!(!format!("{key:?}{:?}", key.digest()).contains("ffff"));
    }

    #[test]
    fn another_secret_has_another_digest() {
        let digest = |last| ApiKeyText::new(api_key_id(1), [1, 2, 3, last]).digest();
        assert_eq!(digest(4), digest(4));
        assert_ne!(digest(4), digest(5));
    }
}
