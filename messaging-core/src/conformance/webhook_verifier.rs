//! How every webhook verifier must behave.

use crate::domain::webhook_secret::WebhookSecret;
use crate::ports::webhook_verifier::{SignatureError, WebhookVerifier};

/// A verifier under test, and the provider that signs for it.
pub trait WebhookVerifierFixture: Send + Sync {
    /// What is tested.
    fn verifier(&self) -> &dyn WebhookVerifier;

    /// The headers the provider signs a body with: names in lower case, and values.
    fn sign(&self, body: &[u8]) -> Vec<(&'static str, String)>;

    /// The same by somebody who has another secret.
    fn sign_with_another_secret(&self, body: &[u8]) -> Vec<(&'static str, String)>;

    /// What [`sign_with_another_secret`](Self::sign_with_another_secret) signs with.
    fn another_secret(&self) -> WebhookSecret;

    /// The name of the header that holds the signature.
    fn signature_header(&self) -> &'static str;
}

/// Runs `$test!(name)` for each behavior of a webhook verifier. A behavior is a `fn` that takes a
/// [`&dyn WebhookVerifierFixture`](WebhookVerifierFixture).
#[macro_export]
macro_rules! for_each_webhook_verifier_behavior {
    ($test:ident) => {
        $test!(what_the_provider_signed_is_believed);
        $test!(any_bytes_can_be_signed);
        $test!(a_changed_body_is_not_believed);
        $test!(another_secret_is_not_believed);
        $test!(a_missing_signature_is_told_from_a_wrong_one);
        $test!(a_signature_that_is_cut_short_is_not_believed);
        $test!(what_is_no_signature_is_not_believed);
        $test!(given_secrets_take_the_place_of_its_own);
    };
}

const BODY: &[u8] = br#"{"event":"message","session":"default"}"#;

type Signed = Vec<(&'static str, String)>;

fn verify(
    fixture: &dyn WebhookVerifierFixture,
    headers: &Signed,
    body: &[u8],
) -> Result<(), SignatureError> {
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fixture.verifier().verify(&headers.as_slice(), body)
}

/// The signature's header with another value; whatever else is sent with it stays.
fn with_signature(fixture: &dyn WebhookVerifierFixture, value: impl Fn(&str) -> String) -> Signed {
    let header = fixture.signature_header();
    let change = |(name, signed): (&'static str, String)| {
        let changed = if name == header { value(&signed) } else { signed };
        (name, changed)
    };
    fixture.sign(BODY).into_iter().map(change).collect()
}

/// A body and the provider's signature over it are believed.
pub fn what_the_provider_signed_is_believed(fixture: &dyn WebhookVerifierFixture) {
    assert_eq!(verify(fixture, &fixture.sign(BODY), BODY), Ok(()));
}

/// The signature is over bytes: they need not be text, and may be none.
pub fn any_bytes_can_be_signed(fixture: &dyn WebhookVerifierFixture) {
    for body in [&b""[..], &[0xFF, 0x00, 0xC3][..]] {
        assert_eq!(verify(fixture, &fixture.sign(body), body), Ok(()));
    }
}

/// One byte more, less or other, and the signature is not over this body.
pub fn a_changed_body_is_not_believed(fixture: &dyn WebhookVerifierFixture) {
    let signed = fixture.sign(BODY);
    let mut other = BODY.to_vec();
    other[5] ^= 1;
    let longer = [BODY, b" "].concat();
    for body in [&other[..], &longer[..], &BODY[1..], b""] {
        assert_eq!(verify(fixture, &signed, body), Err(SignatureError::Mismatch));
    }
}

/// Whoever does not know the secret is not believed.
pub fn another_secret_is_not_believed(fixture: &dyn WebhookVerifierFixture) {
    let forged = fixture.sign_with_another_secret(BODY);
    assert_eq!(verify(fixture, &forged, BODY), Err(SignatureError::Mismatch));
}

/// No signature at all is its own reason.
pub fn a_missing_signature_is_told_from_a_wrong_one(fixture: &dyn WebhookVerifierFixture) {
    assert_eq!(verify(fixture, &Vec::new(), BODY), Err(SignatureError::Missing));
}

/// The beginning of the right signature is not enough.
pub fn a_signature_that_is_cut_short_is_not_believed(fixture: &dyn WebhookVerifierFixture) {
    for left in [1, 2, 8] {
        let cut = with_signature(fixture, |value| value[..value.len() - left].to_owned());
        assert!(verify(fixture, &cut, BODY).is_err(), "{left} characters less");
    }
}

/// Anything at all may stand in the header.
pub fn what_is_no_signature_is_not_believed(fixture: &dyn WebhookVerifierFixture) {
    for nonsense in ["", "sha256=", "sha256", "=", "zz", "sha256=zz", "null", "\u{1F600}"] {
        let given = with_signature(fixture, |_| nonsense.to_owned());
        assert!(verify(fixture, &given, BODY).is_err(), "{nonsense:?}");
    }
}

/// With secrets of one session, what its provider signed is believed, and what is signed with those
/// of all, or of another session, is not; without any, nothing is.
pub fn given_secrets_take_the_place_of_its_own(fixture: &dyn WebhookVerifierFixture) {
    let (own, other) = (fixture.another_secret(), WebhookSecret("of another session".into()));
    let check = |secrets: &[&WebhookSecret], headers: &Signed| {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fixture.verifier().verify_with(secrets, &headers.as_slice(), BODY)
    };
    let signed = fixture.sign_with_another_secret(BODY);
    for believed in [&[&own][..], &[&other, &own], &[&own, &other]] {
        assert_eq!(check(believed, &signed), Ok(()));
        assert_eq!(check(believed, &fixture.sign(BODY)), Err(SignatureError::Mismatch));
        assert_eq!(check(believed, &Vec::new()), Err(SignatureError::Missing));
    }
    assert_eq!(check(&[&other], &signed), Err(SignatureError::Mismatch));
    for headers in [signed, fixture.sign(BODY)] {
        assert!(check(&[], &headers).is_err());
    }
}
