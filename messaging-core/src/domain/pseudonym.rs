//! How people and contents are told apart by whoever must not learn who and what they are.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::address::{Address, RecipientKey};
use crate::domain::fingerprint::{Fingerprint, RequestHash};
use crate::domain::id::{SessionId, TenantId};

/// Makes what stands for people and contents in stores and queues.
///
/// Without a key these are digests that everybody can work out, who can then find out by trying
/// which of all telephone numbers one stands for. With a key (HMAC-SHA256) only who has it can.
#[derive(Clone, Default)]
pub struct Pseudonyms(Option<Arc<Hmac<Sha256>>>);

impl Pseudonyms {
    /// With a key, the same on all nodes and for ever: what was kept under another is not found.
    pub fn keyed(key: [u8; 32]) -> Self {
        Self(Hmac::new_from_slice(&key).ok().map(Arc::new))
    }

    /// Stands for somebody within a session; `None` where that is what
    /// [`RecipientKey::of`] says, as it is without a key.
    pub fn recipient(&self, session: SessionId, address: &Address) -> Option<RecipientKey> {
        self.first([b"recipient", session.0.as_bytes(), address.as_str().as_bytes()])
            .map(|digest| RecipientKey(u64::from_be_bytes(digest)))
    }

    /// Stands for somebody within a tenant; `None` without a key.
    pub fn person(&self, tenant: TenantId, address: &Address) -> Option<u64> {
        self.first([b"person", tenant.0.as_bytes(), address.as_str().as_bytes()])
            .map(u64::from_be_bytes)
    }

    /// Stands for what is said to somebody.
    pub fn fingerprint(&self, plain: Fingerprint) -> Fingerprint {
        self.first([b"fingerprint", &plain.0, b""]).map_or(plain, Fingerprint)
    }

    /// Stands for all that a request says.
    pub fn request(&self, plain: RequestHash) -> RequestHash {
        self.first([b"request", &plain.0, b""]).map_or(plain, RequestHash)
    }

    /// The first bytes of what the key makes of these three, each read with its length.
    fn first<const N: usize>(&self, parts: [&[u8]; 3]) -> Option<[u8; N]> {
        // The key itself was read once, when it was given.
        let mut mac = Hmac::clone(self.0.as_deref()?);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        digest.get(..N)?.try_into().ok()
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Pseudonyms(keyed)" } else { "Pseudonyms(plain)" })
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::conformance::build::{address, session_id, tenant_id};

    #[test]
    fn with_a_key_nobody_else_can_work_them_out() {
        let (one, other) = (Pseudonyms::keyed([1; 32]), Pseudonyms::keyed([2; 32]));
        let of = |of: &Pseudonyms| of.recipient(session_id(1), &address(1));
        assert_eq!(of(&one), of(&one.clone()));
        assert_ne!(of(&one), of(&other));
        assert_ne!(of(&one), Some(RecipientKey::of(session_id(1), &address(1))));
        let print = Fingerprint([7; 16]);
        assert_ne!(one.fingerprint(print), other.fingerprint(print));
        assert_ne!(one.request(RequestHash([7; 32])).0, other.request(RequestHash([7; 32])).0);
    }

    #[test]
    fn what_stands_for_somebody_in_one_place_says_nothing_of_another() {
        let all = Pseudonyms::keyed([1; 32]);
        let in_session = |n| all.recipient(session_id(n), &address(1)).unwrap();
        let in_tenant = |n| all.person(tenant_id(n), &address(1)).unwrap();
        assert_ne!(in_session(1), in_session(2));
        assert_ne!(in_tenant(1), in_tenant(2));
        assert_ne!(in_session(1).0, in_tenant(1));
        assert_ne!(all.person(tenant_id(1), &address(1)), all.person(tenant_id(1), &address(2)));
    }

    #[test]
    fn without_a_key_they_are_what_everybody_works_out() {
        let plain = Pseudonyms::default();
        assert_eq!(plain.recipient(session_id(1), &address(1)), None);
        assert_eq!(plain.person(tenant_id(1), &address(1)), None);
        assert_eq!(plain.fingerprint(Fingerprint([7; 16])), Fingerprint([7; 16]));
    }

    #[test]
    fn debug_does_not_show_the_key() {
        assert_eq!(format!("{:?}", Pseudonyms::keyed([9; 32])), "Pseudonyms(keyed)");
    }
}
