//! What is encrypted, and with which key.

use messaging_core::ports::key_provider::SecretKey;
use messaging_vault::{Mode, parse_key};
use secrecy::{ExposeSecret, SecretString};

use crate::config::kind::Kind;

/// The file in `DATA_DIR` that a key is kept in which the service drew itself.
pub(crate) const KEPT_KEY: &str = "encryption_key";

/// What is encrypted, and with which keys other keys are wrapped. Debug shows none.
#[derive(Debug, Clone)]
pub struct EncryptionConfig {
    /// What is encrypted, and what it is found by.
    pub mode: Mode,
    /// The key that wraps all others; `None` draws one and keeps it.
    pub key: Option<SecretString>,
    /// Keys that they may still be wrapped in.
    pub previous: Vec<SecretString>,
}

pub(super) const MODE: Kind<Mode> =
    Kind::open("words, numbers or plain", |text| match text.to_ascii_lowercase().as_str() {
        "words" => Some(Mode::Words),
        "numbers" => Some(Mode::Numbers),
        "plain" => Some(Mode::Plain),
        _ => None,
    });

pub(super) const KEY: Kind<SecretString> = Kind::hidden(
    "32 bytes in base64 or as 64 hexadecimal digits, such as `openssl rand -base64 32` prints",
    |text| key(text).map(|_| SecretString::from(text)),
);

pub(super) const KEYS: Kind<Vec<SecretString>> = Kind::hidden(
    "keys, each 32 bytes in base64 or as 64 hexadecimal digits, with spaces between",
    |text| {
        let keys = text.split_ascii_whitespace();
        keys.map(|each| key(each).map(|_| SecretString::from(each))).collect()
    },
);

/// Reads a key; what was typed rather than drawn is none.
pub(crate) fn key(text: &str) -> Option<SecretKey> {
    let key = parse_key(text)?;
    let [first, rest @ ..] = key.expose_secret();
    let is_one_byte = rest.iter().all(|byte| byte == first);
    (!is_one_byte).then_some(key)
}

/// What a mode is called.
pub(crate) fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Words => "words",
        Mode::Numbers => "numbers",
        Mode::Plain => "plain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_32_bytes_and_is_not_one_byte_again_and_again() {
        assert!((KEY.read)("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").is_some());
        assert!((KEY.read)(&"0123456789abcdef".repeat(4)).is_some());
        for wrong in ["", "secret", "MDEy", &"0".repeat(64), &"ab".repeat(32), &"01".repeat(31)] {
            assert!((KEY.read)(wrong).is_none(), "{wrong}");
        }
        let two = format!("{} MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "0123".repeat(16));
        assert_eq!((KEYS.read)(&two).map(|keys| keys.len()), Some(2));
        assert!((KEYS.read)(&format!("{two} secret")).is_none());
    }
}
