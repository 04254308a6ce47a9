//! A provider's keys, as far as they verify what may be signed, and which of them judges a token.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Header};
use serde::Deserialize;
use serde_json::Value;

/// How many keys a set may have.
const MOST_KEYS: usize = 100;

/// The shortest RSA key that is believed, in bits (RFC 7518, section 3.3).
const LEAST_RSA_BITS: usize = 2048;

/// Why a set of keys cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableKeys {
    /// It is something else.
    #[error("it is no JWK Set in JSON")]
    NoSet,
    /// There are more than anybody needs.
    #[error("it has more than {MOST_KEYS} keys")]
    TooMany,
    /// It has none that is known here, is for signatures and fits an algorithm that is allowed.
    #[error("it has no key in it for an algorithm that is allowed")]
    NoneFits,
}

/// The keys of a provider that verify signatures by algorithms that are allowed.
pub(super) struct Keys(Vec<Key>);

struct Key {
    jwk: Jwk,
    /// What it may verify.
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

/// Which key judges a token.
pub(super) enum Choice<'a> {
    /// This one.
    This(&'a DecodingKey),
    /// None that is held; there may be a newer one.
    Unknown,
    /// None: the one that it names is for something else, or several fit.
    Refused,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Keys {
    /// Reads a JWK Set (RFC 7517). Keys that are not understood, or are for something else, are left
    /// out: a provider may have them. Symmetric keys are among those.
    pub(super) fn parse(bytes: &[u8], allowed: &[Algorithm]) -> Result<Self, UnusableKeys> {
        let set: Set = serde_json::from_slice(bytes).map_err(|_| UnusableKeys::NoSet)?;
        if set.keys.len() > MOST_KEYS {
            return Err(UnusableKeys::TooMany);
        }
        let mut keys: Vec<Key> = Vec::new();
        for key in set.keys.into_iter().filter_map(|key| Key::read(key, allowed)) {
            // Some name a key twice, once for each of their certificates.
            let is_known = keys.iter().any(|known| {
                known.jwk.common.key_id == key.jwk.common.key_id
                    && known.jwk.algorithm == key.jwk.algorithm
                    && known.algorithms == key.algorithms
            });
            if !is_known {
                keys.push(key);
            }
        }
        if keys.is_empty() { Err(UnusableKeys::NoneFits) } else { Ok(Self(keys)) }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The key that a token's header names and that fits its algorithm; or, where it names none, the
    /// only one that fits.
    pub(super) fn of_token(&self, header: &Header) -> Choice<'_> {
        let named: Vec<_> = match &header.kid {
            Some(id) => {
                self.0.iter().filter(|key| key.jwk.common.key_id.as_ref() == Some(id)).collect()
            }
            None => self.0.iter().filter(|key| key.fits(header.alg)).collect(),
        };
        if named.is_empty() {
            return Choice::Unknown;
        }
        let mut fitting = named.into_iter().filter(|key| key.fits(header.alg));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Choice::This(&key.decoding),
            _ => Choice::Refused,
        }
    }
}

impl Key {
    fn read(key: Value, allowed: &[Algorithm]) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(key).ok()?;
        let common = &jwk.common;
        let is_to_sign =
            common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
        let is_to_verify =
            common.key_operations.as_ref().is_none_or(|it| it.contains(&KeyOperations::Verify));
        if !is_to_sign || !is_to_verify {
            return None;
        }
        let by_kind = algorithms_of(&jwk.algorithm);
        let algorithms: Vec<_> = match common.key_algorithm {
            Some(named) => {
                let named = Algorithm::try_from(named).ok()?;
                by_kind.iter().copied().filter(|it| *it == named).collect()
            }
            None => by_kind.to_vec(),
        };
        let algorithms: Vec<_> = algorithms.into_iter().filter(|it| allowed.contains(it)).collect();
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        let is_usable = !algorithms.is_empty() && is_long_enough(&jwk.algorithm, &decoding);
        is_usable.then_some(Self { jwk, algorithms, decoding })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }
}

/// What keys of this kind can verify. A secret that both sides know is no key of a provider's.
fn algorithms_of(parameters: &AlgorithmParameters) -> &'static [Algorithm] {
    match parameters {
        AlgorithmParameters::RSA(_) => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => &[Algorithm::ES256],
            EllipticCurve::P384 => &[Algorithm::ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(key) => match key.curve {
            EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
            _ => &[],
        },
        _ => &[],
    }
}

fn is_long_enough(parameters: &AlgorithmParameters, key: &DecodingKey) -> bool {
    match (parameters, key.kind()) {
        (_, DecodingKeyKind::RsaModulusExponent { n, .. }) => {
            let n: Vec<_> = n.iter().skip_while(|byte| **byte == 0).collect();
            let spare = n.first().map_or(0, |first| first.leading_zeros() as usize);
            n.len() * 8 - spare >= LEAST_RSA_BITS
        }
        (AlgorithmParameters::EllipticCurve(ec), DecodingKeyKind::SecretOrDer(point)) => {
            point.len() == if ec.curve == EllipticCurve::P384 { 97 } else { 65 }
        }
        (_, DecodingKeyKind::SecretOrDer(key)) => key.len() == 32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const ALLOWED: &[Algorithm] = &[Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

    fn text(bytes: usize) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(vec![0xa5; bytes])
    }

    fn rsa(bits: usize) -> Value {
        json!({ "kty": "RSA", "kid": "1", "use": "sig", "n": text(bits / 8), "e": "AQAB" })
    }

    fn ec() -> Value {
        json!({ "kty": "EC", "kid": "1", "crv": "P-256", "x": text(32), "y": text(32) })
    }

    fn ed() -> Value {
        json!({ "kty": "OKP", "kid": "1", "crv": "Ed25519", "x": text(32) })
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    fn set(keys: &[Value]) -> Result<Keys, UnusableKeys> {
        Keys::parse(json!({ "keys": keys }).to_string().as_bytes(), ALLOWED)
    }

    #[track_caller]
    fn check(keys: &[Value], algorithm: Algorithm, kid: Option<&str>, expected: &str) {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
        let keys = set(keys).unwrap();
        let chosen = match keys.of_token(&header) {
            Choice::This(_) => "this",
            Choice::Unknown => "unknown",
            Choice::Refused => "refused",
        };
        assert_eq!(chosen, expected, "{algorithm:?} {kid:?}");
    }

    #[test]
    fn a_key_verifies_what_its_kind_can_and_it_is_said_to_be_for() {
        for (key, algorithm) in
            [(rsa(2048), Algorithm::RS256), (ec(), Algorithm::ES256), (ed(), Algorithm::EdDSA)]
        {
            for other in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
                let expected = if other == algorithm { "this" } else { "refused" };
                check(std::slice::from_ref(&key), other, Some("1"), expected);
            }
        }
        // What is not allowed is not verified, by whatever key.
        check(&[rsa(2048)], Algorithm::PS256, Some("1"), "refused");
    }

    #[test]
    fn keys_that_are_for_something_else_are_left_out() {
        let secret = json!({ "kty": "oct", "kid": "1", "alg": "HS256", "k": text(32) });
        for key in [
            secret.clone(),
            with(secret, "alg", json!("RS256")),
            with(rsa(2048), "use", json!("enc")),
            with(rsa(2048), "alg", json!("ES256")),
            with(rsa(2048), "alg", json!("HS256")),
            with(rsa(2048), "alg", json!("RS512")),
            with(rsa(2048), "alg", json!("RSA-OAEP")),
            with(rsa(2048), "alg", json!("something new")),
            with(rsa(2048), "key_ops", json!(["encrypt"])),
            with(rsa(2048), "n", json!("not base64!")),
            with(ec(), "crv", json!("secp256k1")),
            with(ec(), "crv", json!("P-521")),
            with(ec(), "x", json!(text(31))),
            with(ed(), "crv", json!("X25519")),
            with(ed(), "x", json!(text(33))),
            rsa(1024),
            with(rsa(2048), "n", json!(format!("AAAA{}", text(255)))),
            json!({ "kty": "AKP", "kid": "1", "alg": "ML-DSA-44", "pub": text(100) }),
            json!("RSA"),
            json!(null),
        ] {
            assert_eq!(
                set(std::slice::from_ref(&key)).err(),
                Some(UnusableKeys::NoneFits),
                "{key}"
            );
            // And spoil nothing for others.
            let other = with(ec(), "kid", json!("2"));
            check(&[key, other], Algorithm::ES256, Some("2"), "this");
        }
        check(&[with(ec(), "key_ops", json!(["verify"]))], Algorithm::ES256, None, "this");
    }

    #[test]
    fn a_key_is_named_exactly_or_is_the_only_one_that_fits() {
        let second = with(with(ec(), "kid", json!("2")), "x", json!(text(32).replace("p", "q")));
        let nameless = json!({ "kty": "OKP", "crv": "Ed25519", "x": text(32) });
        let keys = [ec(), second.clone(), nameless];
        check(&keys, Algorithm::ES256, Some("2"), "this");
        for other in ["3", "", "1 ", "1\u{0}", "../1", "' OR 1=1 --", "https://evil.example/1"] {
            check(&keys, Algorithm::ES256, Some(other), "unknown");
        }
        check(&keys, Algorithm::ES256, None, "refused");
        check(&keys, Algorithm::EdDSA, None, "this");
        check(&keys, Algorithm::RS256, None, "unknown");
        // Two of one name: which is meant, nobody can tell. One that is there twice is one.
        let twin = with(second, "kid", json!("1"));
        check(&[ec(), twin], Algorithm::ES256, Some("1"), "refused");
        check(&[ec(), ec()], Algorithm::ES256, Some("1"), "this");
        check(&[ec(), rsa(2048)], Algorithm::RS256, Some("1"), "this");
    }

    #[test]
    fn what_is_no_set_of_keys_says_so() {
        for other in ["", "{}", "[]", "null", "{\"keys\":{}}", "{\"keys\":[]", "\u{0}"] {
            let read = Keys::parse(other.as_bytes(), ALLOWED).err();
            assert_eq!(read, Some(UnusableKeys::NoSet), "{other}");
        }
        assert_eq!(set(&[]).err(), Some(UnusableKeys::NoneFits));
        assert_eq!(set(&vec![ec(); 101]).err(), Some(UnusableKeys::TooMany));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_set_of_keys_makes_anything_panic(
            place in 0usize..400,
            byte: u8,
            cut in 0usize..400,
            noise in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes = json!({ "keys": [rsa(2048), ec(), ed()] }).to_string().into_bytes();
            let length = bytes.len();
            bytes[place % length] = byte;
            let _ = Keys::parse(&bytes, ALLOWED);
            bytes.truncate(cut % length);
            let _ = Keys::parse(&bytes, ALLOWED);
            let _ = Keys::parse(&noise, ALLOWED);
        }
    }
}
