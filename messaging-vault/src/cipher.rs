//! AES-256-GCM (NIST SP 800-38D) with a nonce drawn for each text, and what is encrypted bound to its
//! place.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use messaging_core::ports::entropy::Entropy;
use messaging_core::ports::key_provider::SecretKey;
use secrecy::ExposeSecret;

/// What was encrypted does not open: with another key, in another place, or changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("does not open: it was changed, moved, or encrypted with another key")]
pub struct DoesNotOpen;

/// Encrypts and opens with one key. With nonces of 96 random bits, one key is good for 2^32 texts
/// (SP 800-38D, section 8.3); each tenant has its own, which can be rotated.
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    pub(crate) fn new(key: &SecretKey) -> Result<Self, DoesNotOpen> {
        let key = UnboundKey::new(&AES_256_GCM, key.expose_secret()).map_err(|_| DoesNotOpen)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Encrypts a text for its `place`. Gives nonce, ciphertext and tag, one behind the other.
    pub(crate) fn seal(
        &self,
        entropy: &dyn Entropy,
        place: &[u8],
        text: &[u8],
    ) -> Result<Vec<u8>, DoesNotOpen> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = Vec::with_capacity(NONCE_LEN + text.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(text);
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place),
                &mut sealed[NONCE_LEN..],
            )
            .map_err(|_| DoesNotOpen)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what was encrypted for its `place`.
    pub(crate) fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let (nonce, text) = sealed.split_first_chunk().ok_or(DoesNotOpen)?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self
            .0
            .open_in_place(nonce, Aad::from(place), &mut text)
            .map_err(|_| DoesNotOpen)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

/// A new key.
pub(crate) fn draw_key(entropy: &dyn Entropy) -> SecretKey {
    SecretKey::init_with_mut(|bytes| entropy.fill(bytes))
}

#[cfg(test)]
mod tests {
    use messaging_core::ports::entropy::SystemEntropy;

    use super::*;

    fn cipher(byte: u8) -> Cipher {
        Cipher::new(&SecretKey::new(Box::new([byte; 32]))).unwrap()
    }

    #[test]
    fn a_text_opens_in_its_place_alone() {
        let sealed = cipher(1).seal(&SystemEntropy, b"here", b"hello").unwrap();
        assert_eq!(cipher(1).open(b"here", &sealed), Ok(b"hello".to_vec()));
        assert_eq!(cipher(1).open(b"there", &sealed), Err(DoesNotOpen));
        assert_eq!(cipher(2).open(b"here", &sealed), Err(DoesNotOpen));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(cipher(1).open(b"here", &changed), Err(DoesNotOpen));
            assert_eq!(cipher(1).open(b"here", &sealed[..at]), Err(DoesNotOpen));
        }
    }

    #[test]
    fn one_text_is_encrypted_otherwise_each_time() {
        let seal = || cipher(1).seal(&SystemEntropy, b"here", b"hello").unwrap();
        assert_ne!(seal(), seal());
    }

    /// The test case of "The Galois/Counter Mode of Operation" by McGrew and Viega (16, AES-256).
    #[test]
    fn it_is_the_aes_256_gcm_of_the_standard() {
        let bytes = |hex: &str| -> Vec<u8> {
            let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            (0..hex.len()).step_by(2).map(digit).collect()
        };
        let key = bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let key = SecretKey::new(Box::new(key.try_into().unwrap()));
        let text = bytes(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
             1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let place = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let sealed = bytes(
            "cafebabefacedbaddecaf888\
             522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
             8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662\
             76fc6ece0f4e1768cddf8853bb2d551b",
        );
        assert_eq!(Cipher::new(&key).unwrap().open(&place, &sealed), Ok(text));
    }
}
