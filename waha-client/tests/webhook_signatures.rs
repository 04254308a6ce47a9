//! Signatures agree with those computed elsewhere.

use waha_client::webhooks::{Dialect, SignatureError, SigningKeys};

/// A body signed with `test-hmac-key`, by another HMAC implementation.
const BODY: &[u8] = br#"{"id":"evt_01k3m8x2c7r5t9v1w4y6z8a0b2","timestamp":1785000000123,"event":"message.ack","session":"t_acme_01","payload":{"id":"true_5511988887777@c.us_3EB0C1D2E3F4A5B6C7D8E9","ack":2,"ackName":"DEVICE"}}"#;
const SHA512: &str = "b4b479d5c7b04e0df4c4b004d7ca2a3c7bc0341ef957986837da5b74e2c15ef72aacc1b6c1974089b666a4fbbbdca80d0ca71d73f7abedcdf2a592902c7334d3";
const SHA256: &str = "sha256=ef11cf57119f3bd605c73c26c15ae5b8d5f75afd669ecdd3e9aa9682b8834bc1";

/// The example of WAHA's own documentation, "How to: events".
const DOCUMENTED_BODY: &[u8] = br#"{"event":"message","session":"default","engine":"WEBJS"}"#;
const DOCUMENTED_KEY: &str = "my-secret-key";
const DOCUMENTED_SHA512: &str = "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89";

#[expect(clippy::unwrap_used, reason = "none of the secrets is empty")]
fn keys(secret: &str) -> SigningKeys {
    SigningKeys::new([secret.to_owned().into()]).unwrap()
}

#[track_caller]
fn check(
    secret: &str,
    header: &str,
    signature: &str,
    body: &[u8],
    expected: Result<Dialect, SignatureError>,
) {
    let headers = |name: &str| (name == header).then_some(signature.as_bytes());
    assert_eq!(keys(secret).verify(headers, body), expected);
}

#[test]
fn the_documented_example_is_accepted() {
    check(DOCUMENTED_KEY, "x-webhook-hmac", DOCUMENTED_SHA512, DOCUMENTED_BODY, Ok(Dialect::Waha));
    assert_eq!(keys(DOCUMENTED_KEY).sign(Dialect::Waha, DOCUMENTED_BODY), DOCUMENTED_SHA512);
}

#[test]
fn both_dialects_sign_alike_here_and_elsewhere() {
    let keys = keys("test-hmac-key");
    assert_eq!(keys.sign(Dialect::Waha, BODY), SHA512);
    assert_eq!(keys.sign(Dialect::Simple, BODY), SHA256);
    check("test-hmac-key", "x-webhook-hmac", SHA512, BODY, Ok(Dialect::Waha));
    check("test-hmac-key", "x-waha-signature", SHA256, BODY, Ok(Dialect::Simple));
}

#[test]
fn any_other_byte_in_the_body_is_a_mismatch() {
    for at in [0, BODY.len() / 2, BODY.len() - 1] {
        let mut body = BODY.to_vec();
        body[at] ^= 1;
        let mismatch = Err(SignatureError::Mismatch);
        check("test-hmac-key", "x-webhook-hmac", SHA512, &body, mismatch);
        check("test-hmac-key", "x-waha-signature", SHA256, &body, mismatch);
    }
}

#[test]
fn a_signature_in_capitals_is_the_same_signature() {
    check("test-hmac-key", "x-webhook-hmac", &SHA512.to_uppercase(), BODY, Ok(Dialect::Waha));
}
