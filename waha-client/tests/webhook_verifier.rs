//! WAHA's signatures, in both dialects, behave like every other provider's.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use messaging_core::conformance::webhook_verifier::{self, WebhookVerifierFixture};
use messaging_core::domain::webhook_secret::WebhookSecret;
use messaging_core::ports::webhook_verifier::WebhookVerifier;
use secrecy::SecretString;
use waha_client::transport::WahaVerifier;
use waha_client::webhooks::{Dialect, SigningKeys};

struct Signing {
    dialect: Dialect,
    keys: SigningKeys,
    other_keys: SigningKeys,
    verifier: WahaVerifier,
}

impl Signing {
    fn new(dialect: Dialect) -> Self {
        let keys = |secrets: &[&str]| {
            let secrets = secrets.iter().map(|secret| SecretString::from(*secret));
            SigningKeys::new(secrets).unwrap()
        };
        Self {
            dialect,
            // The second of two secrets, as while they are being changed.
            keys: keys(&["the old one"]),
            other_keys: keys(&["somebody else's"]),
            verifier: WahaVerifier::new(keys(&["the new one", "the old one"])),
        }
    }

    fn headers(&self, keys: &SigningKeys, body: &[u8]) -> Vec<(&'static str, String)> {
        vec![(self.dialect.signature_header(), keys.sign(self.dialect, body))]
    }
}

impl WebhookVerifierFixture for Signing {
    fn verifier(&self) -> &dyn WebhookVerifier {
        &self.verifier
    }

    fn sign(&self, body: &[u8]) -> Vec<(&'static str, String)> {
        self.headers(&self.keys, body)
    }

    fn sign_with_another_secret(&self, body: &[u8]) -> Vec<(&'static str, String)> {
        self.headers(&self.other_keys, body)
    }

    fn another_secret(&self) -> WebhookSecret {
        WebhookSecret("somebody else's".to_owned())
    }

    fn signature_header(&self) -> &'static str {
        self.dialect.signature_header()
    }
}

macro_rules! behavior {
    ($name:ident) => {
        mod $name {
            use super::*;

            #[test]
            fn in_wahas_dialect() {
                webhook_verifier::$name(&Signing::new(Dialect::Waha));
            }

            #[test]
            fn in_the_simple_dialect() {
                webhook_verifier::$name(&Signing::new(Dialect::Simple));
            }
        }
    };
}
messaging_core::for_each_webhook_verifier_behavior!(behavior);
