//! An identity provider as far as its keys go: it serves what a test says, and counts who asks.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A key that a provider signs with.
pub(crate) struct SigningKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) id: &'static str,
    encoding: EncodingKey,
    /// What a provider tells of it.
    pub(crate) public: Value,
    /// The public half, as a file would hold it.
    pub(crate) der: Vec<u8>,
    pub(crate) pem: String,
}

/// Made once for all tests: an RSA key takes its time.
pub(crate) static RSA: LazyLock<SigningKey> = LazyLock::new(|| rsa("rsa-1"));
pub(crate) static OTHER_RSA: LazyLock<SigningKey> = LazyLock::new(|| rsa("rsa-2"));
pub(crate) static EC: LazyLock<SigningKey> = LazyLock::new(|| ec("ec-1"));
pub(crate) static ED: LazyLock<SigningKey> = LazyLock::new(|| ed("ed-1"));

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa(id: &'static str) -> SigningKey {
    let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let public = DecodingKey::from_rsa_der(pair.public_key_raw());
    let public = Jwk::from_decoding_key(&public, Some(Algorithm::RS256)).unwrap();
    // PKCS #8 is 26 bytes around the PKCS #1 that the library takes, for a key of 2048 bits.
    let encoding = EncodingKey::from_rsa_der(&pair.serialized_der()[26..]);
    SigningKey::new(Algorithm::RS256, id, encoding, serde_json::to_value(public).unwrap(), &pair)
}

pub(crate) fn ec(id: &'static str) -> SigningKey {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let point = pair.public_key_raw();
    let (x, y) = (encoded(&point[1..33]), encoded(&point[33..]));
    let public = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
    let encoding = EncodingKey::from_ec_der(pair.serialized_der());
    SigningKey::new(Algorithm::ES256, id, encoding, public, &pair)
}

fn ed(id: &'static str) -> SigningKey {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let public = json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key_raw()) });
    let encoding = EncodingKey::from_ed_der(pair.serialized_der());
    SigningKey::new(Algorithm::EdDSA, id, encoding, public, &pair)
}

impl SigningKey {
    fn new(
        algorithm: Algorithm,
        id: &'static str,
        encoding: EncodingKey,
        mut public: Value,
        pair: &KeyPair,
    ) -> Self {
        public["kid"] = json!(id);
        public["use"] = json!("sig");
        let (der, pem) = (pair.public_key_raw().to_vec(), pair.public_key_pem());
        Self { algorithm, id, encoding, public, der, pem }
    }

    pub(crate) fn header(&self) -> Header {
        Header { kid: Some(self.id.to_owned()), ..Header::new(self.algorithm) }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(&self.header(), claims)
    }

    pub(crate) fn sign_as(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.encoding).unwrap()
    }
}

/// The JWK Set of some keys.
pub(crate) fn set(keys: &[&SigningKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| &key.public).collect();
    json!({ "keys": keys }).to_string()
}

/// What it does with whoever asks for keys.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Gives this.
    Keys(String),
    /// Closes the connection.
    Close,
    /// Says nothing, ever.
    Hang,
    /// Answers so, with this header and body.
    Other(u16, String, String),
}

struct State {
    answer: Mutex<Answer>,
    /// What `/.well-known/openid-configuration` says.
    about: Mutex<Value>,
    asked: watch::Sender<Vec<String>>,
}

/// The provider. It lives as long as the test's runtime.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) url: String,
    state: Arc<State>,
}

impl Provider {
    pub(crate) async fn new(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let about = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
        let (asked, _) = watch::channel(Vec::new());
        let state = State { answer: Mutex::new(answer), about: Mutex::new(about), asked };
        let state = Arc::new(state);
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { url, state }
    }

    /// Answers so from now on.
    pub(crate) fn answers(&self, answer: Answer) {
        *self.state.answer.lock().unwrap() = answer;
    }

    /// Has these keys from now on.
    pub(crate) fn has(&self, keys: &[&SigningKey]) {
        self.answers(Answer::Keys(set(keys)));
    }

    /// Tells this of itself.
    pub(crate) fn tells(&self, about: Value) {
        *self.state.about.lock().unwrap() = about;
    }

    /// What was asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.asked.borrow().clone()
    }

    /// How often keys were asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.asked().iter().filter(|path| *path == "/keys").count()
    }

    /// Returns when keys were asked for so often.
    pub(crate) async fn fetched(&self, times: usize) {
        let mut asked = self.state.asked.subscribe();
        let enough =
            asked.wait_for(|asked| asked.iter().filter(|path| *path == "/keys").count() >= times);
        tokio::time::timeout(PATIENCE, enough).await.unwrap().unwrap();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = match path.as_str() {
        "/.well-known/openid-configuration" => {
            Answer::Keys(state.about.lock().unwrap().to_string())
        }
        _ => state.answer.lock().unwrap().clone(),
    };
    state.asked.send_modify(|asked| asked.push(path));
    let (status, header, body) = match answer {
        Answer::Keys(keys) => (200, String::new(), keys),
        Answer::Other(status, header, body) => (status, header, body),
        Answer::Close => return,
        Answer::Hang => return std::future::pending().await,
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} x\r\n{header}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}
