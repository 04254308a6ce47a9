//! Who sent a webhook: HMAC signatures over the raw body, in both dialects.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Sha256, Sha512};

/// The header in which WAHA names the algorithm. It may be missing; if not, it must be `sha512`.
pub const HMAC_ALGORITHM_HEADER: &str = "x-webhook-hmac-algorithm";

/// The two ways webhooks are signed and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// What WAHA sends: `X-Webhook-Hmac` with the hex of an HMAC-SHA512.
    Waha,
    /// The simple dialect: `X-Waha-Signature` with `sha256=` and the hex of an HMAC-SHA256.
    Simple,
}

impl Dialect {
    /// The name of the header that holds the signature, in lower case.
    #[must_use]
    pub const fn signature_header(self) -> &'static str {
        match self {
            Self::Waha => "x-webhook-hmac",
            Self::Simple => "x-waha-signature",
        }
    }
}

/// The secrets webhooks may be signed with.
///
/// Several are live while a secret is being replaced; list the newest first, since they are tried
/// in order. Each key is prepared once, so that a webhook costs only the hashing of its body.
#[derive(Clone)]
pub struct SigningKeys {
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    sha512: Hmac<Sha512>,
    sha256: Hmac<Sha256>,
}

/// Why no keys could be made. Both would let anybody sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeysError {
    /// There is no secret at all.
    #[error("there is no webhook secret")]
    NoSecret,
    /// A secret is empty.
    #[error("a webhook secret is empty")]
    EmptySecret,
}

/// Why a webhook's signature was not accepted. Answer each with 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Neither dialect's header is there.
    #[error("the webhook is not signed")]
    Missing,
    /// The header is not hex of the right length, or lacks its prefix.
    #[error("the webhook's signature is malformed")]
    Malformed,
    /// The header names another algorithm.
    #[error("the webhook's signature uses an unsupported algorithm")]
    UnsupportedAlgorithm,
    /// No secret gives this signature for this body.
    #[error("the webhook's signature does not match")]
    Mismatch,
}

impl SignatureError {
    /// A stable word for programs, in kebab-case.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "signature-missing",
            Self::Malformed => "signature-malformed",
            Self::UnsupportedAlgorithm => "signature-algorithm-unsupported",
            Self::Mismatch => "signature-mismatch",
        }
    }
}

impl SigningKeys {
    /// Prepares the secrets; their UTF-8 bytes are the keys.
    ///
    /// # Errors
    /// [`SigningKeysError`] if there is none or one is empty.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Result<Self, SigningKeysError> {
        let keys = secrets
            .into_iter()
            .map(|secret| Key::new(secret.expose_secret().as_bytes()))
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(SigningKeysError::NoSecret);
        }
        Ok(Self { keys })
    }

    /// Checks a webhook's signature and tells its dialect.
    ///
    /// `header` looks a header up by its lower-case name; `body` is the raw body, byte for byte.
    /// WAHA's header is preferred. If both dialects' are there, only WAHA's is checked: a second
    /// try after a failure would let a sender pick the weaker one.
    ///
    /// The signatures are compared as bytes and in constant time.
    ///
    /// # Errors
    /// [`SignatureError`] with the one reason why not.
    pub fn verify<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h [u8]>,
        body: &[u8],
    ) -> Result<Dialect, SignatureError> {
        if let Some(signature) = header(Dialect::Waha.signature_header()) {
            let algorithm = header(HMAC_ALGORITHM_HEADER);
            if algorithm.is_some_and(|name| !name.eq_ignore_ascii_case(b"sha512")) {
                return Err(SignatureError::UnsupportedAlgorithm);
            }
            let signature = decode::<64>(signature)?;
            let matches = self.keys.iter().any(|key| is_of(&key.sha512, body, &signature));
            return matches.then_some(Dialect::Waha).ok_or(SignatureError::Mismatch);
        }
        if let Some(signature) = header(Dialect::Simple.signature_header()) {
            let signature = decode::<32>(without_prefix(signature)?)?;
            let matches = self.keys.iter().any(|key| is_of(&key.sha256, body, &signature));
            return matches.then_some(Dialect::Simple).ok_or(SignatureError::Mismatch);
        }
        Err(SignatureError::Missing)
    }

    /// Signs a body with the first secret; the result is the value of the dialect's
    /// [`Dialect::signature_header`].
    #[must_use]
    pub fn sign(&self, dialect: Dialect, body: &[u8]) -> String {
        // There is always a first key: `new` refuses an empty list.
        self.keys.first().map(|key| key.sign(dialect, body)).unwrap_or_default()
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKeys({} secrets)", self.keys.len())
    }
}

impl Key {
    fn new(secret: &[u8]) -> Result<Self, SigningKeysError> {
        if secret.is_empty() {
            return Err(SigningKeysError::EmptySecret);
        }
        // HMAC takes keys of every length, so only the empty one is ever refused.
        Ok(Self {
            sha512: Hmac::new_from_slice(secret).map_err(|_| SigningKeysError::EmptySecret)?,
            sha256: Hmac::new_from_slice(secret).map_err(|_| SigningKeysError::EmptySecret)?,
        })
    }

    fn sign(&self, dialect: Dialect, body: &[u8]) -> String {
        match dialect {
            Dialect::Waha => hex::encode(keyed(&self.sha512, body).finalize().into_bytes()),
            Dialect::Simple => {
                let hash = keyed(&self.sha256, body).finalize().into_bytes();
                format!("sha256={}", hex::encode(hash))
            }
        }
    }
}

fn keyed<M: Mac + Clone>(prepared: &M, body: &[u8]) -> M {
    let mut mac = prepared.clone();
    mac.update(body);
    mac
}

/// Whether the signature is that of the body, compared in constant time.
fn is_of<M: Mac + Clone>(prepared: &M, body: &[u8], signature: &[u8]) -> bool {
    keyed(prepared, body).verify_slice(signature).is_ok()
}

fn without_prefix(signature: &[u8]) -> Result<&[u8], SignatureError> {
    if let Some(hex) = signature.strip_prefix(b"sha256=") {
        return Ok(hex);
    }
    Err(if signature.contains(&b'=') {
        SignatureError::UnsupportedAlgorithm
    } else {
        SignatureError::Malformed
    })
}

fn decode<const N: usize>(hex: &[u8]) -> Result<[u8; N], SignatureError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(hex, &mut bytes).map_err(|_| SignatureError::Malformed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"event":"message","session":"default"}"#;

    fn keys(secrets: &[&str]) -> SigningKeys {
        SigningKeys::new(secrets.iter().map(|secret| SecretString::from(*secret))).unwrap()
    }

    #[track_caller]
    fn check(headers: &[(&str, &str)], expected: Result<Dialect, SignatureError>) {
        let header = |name: &str| {
            headers.iter().find(|(it, _)| *it == name).map(|(_, value)| value.as_bytes())
        };
        assert_eq!(keys(&["new", "old"]).verify(header, BODY), expected);
    }

    #[test]
    fn each_dialect_is_told_by_its_header() {
        let waha = keys(&["new"]).sign(Dialect::Waha, BODY);
        let simple = keys(&["new"]).sign(Dialect::Simple, BODY);
        check(&[("x-webhook-hmac", &waha)], Ok(Dialect::Waha));
        check(&[("x-waha-signature", &simple)], Ok(Dialect::Simple));
    }

    #[test]
    fn an_old_secret_still_counts() {
        let signature = keys(&["old"]).sign(Dialect::Waha, BODY);
        check(&[("x-webhook-hmac", &signature)], Ok(Dialect::Waha));
    }

    #[test]
    fn an_unknown_secret_does_not_match() {
        let signature = keys(&["other"]).sign(Dialect::Waha, BODY);
        check(&[("x-webhook-hmac", &signature)], Err(SignatureError::Mismatch));
        let signature = keys(&["other"]).sign(Dialect::Simple, BODY);
        check(&[("x-waha-signature", &signature)], Err(SignatureError::Mismatch));
    }

    #[test]
    fn a_failed_signature_is_not_made_good_by_the_other_dialect() {
        let simple = keys(&["new"]).sign(Dialect::Simple, BODY);
        let wrong = keys(&["other"]).sign(Dialect::Waha, BODY);
        let headers = [("x-webhook-hmac", wrong.as_str()), ("x-waha-signature", simple.as_str())];
        check(&headers, Err(SignatureError::Mismatch));
        let headers = [("x-webhook-hmac", ""), ("x-waha-signature", simple.as_str())];
        check(&headers, Err(SignatureError::Malformed));
    }

    #[test]
    fn no_signature_is_missing() {
        check(&[], Err(SignatureError::Missing));
        check(&[("x-webhook-hmac-algorithm", "sha512")], Err(SignatureError::Missing));
    }

    #[test]
    fn the_algorithm_must_be_the_one_known() {
        let signature = keys(&["new"]).sign(Dialect::Waha, BODY);
        for (name, expected) in [
            ("sha512", Ok(Dialect::Waha)),
            ("SHA512", Ok(Dialect::Waha)),
            ("sha256", Err(SignatureError::UnsupportedAlgorithm)),
            ("", Err(SignatureError::UnsupportedAlgorithm)),
        ] {
            check(&[("x-webhook-hmac", &signature), ("x-webhook-hmac-algorithm", name)], expected);
        }
        let sha1 = [("x-waha-signature", "sha1=00")];
        check(&sha1, Err(SignatureError::UnsupportedAlgorithm));
    }

    #[test]
    fn what_is_not_hex_of_the_right_length_is_malformed() {
        let right = keys(&["new"]).sign(Dialect::Waha, BODY);
        for wrong in ["zz", &right[1..], &format!("{right}00"), &right.replace(&right[..2], "g0")] {
            check(&[("x-webhook-hmac", wrong)], Err(SignatureError::Malformed));
        }
        for wrong in ["sha256=", "sha256=zz", "00", &"0".repeat(64)] {
            check(&[("x-waha-signature", wrong)], Err(SignatureError::Malformed));
        }
    }

    #[test]
    fn secrets_that_anybody_could_guess_are_refused() {
        assert_eq!(SigningKeys::new([]).unwrap_err(), SigningKeysError::NoSecret);
        let empty = SigningKeys::new([SecretString::from("")]);
        assert_eq!(empty.unwrap_err(), SigningKeysError::EmptySecret);
    }

    #[test]
    fn debug_hides_the_secrets() {
        assert_eq!(format!("{:?}", keys(&["new", "old"])), "SigningKeys(2 secrets)");
    }
}
