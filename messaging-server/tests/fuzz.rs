//! Every parser of bytes from outside, fed with what nobody would send: what is known to be right,
//! cut, repeated, mixed and flipped. Nothing may panic, and what holds of every input must hold.
//!
//! Each target runs for a moment; `FUZZ_SECONDS=600` runs each for so long. `FUZZ_SEED` repeats a
//! run: the same seed gives the same inputs in the same order.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a run lasts, and says so")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::time::{Duration, Instant};

use messaging_core::domain::address::Address;
use messaging_core::domain::id::{MessageId, TenantId};
use messaging_core::domain::media_url::{Host, HostNames, MediaUrl};
use messaging_core::domain::network::{Network, Networks};
use messaging_core::domain::phone::{PhoneNumber, PhoneValidation};
use messaging_core::domain::pii;
use messaging_core::domain::tenant::Role;
use messaging_core::domain::text_safety::{TextUse, unsafe_part};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::domain::webhook_secret::WebhookSecrets;
use messaging_core::ports::webhook_decoder::WebhookDecoder;
use messaging_core::ports::webhook_verifier::WebhookVerifier;
use messaging_server::api::cors::Origins;
use messaging_server::api::cursor::Cursor;
use messaging_server::api::source::{Proxies, ProxyHeader};
use messaging_server::auth::{TokenIssuer, TokenVerifier};
use poem::http::{HeaderMap, HeaderName, HeaderValue};
use poem_openapi::types::ParseFromParameter;
use reqwest::Url;
use uuid::Uuid;
use waha_client::transport::{WahaDecoder, WahaVerifier};
use waha_client::webhooks::{Dialect, SigningKeys};

/// How many inputs a short run tries.
const SHORT: u64 = 3_000;

/// Bytes that mean something to somebody.
const TOKENS: &[&[u8]] = &[
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b";",
    b".",
    b"..",
    b"/",
    b"//",
    b"\\",
    b"@",
    b"%",
    b"%00",
    b"#",
    b"?",
    b"=",
    b"+",
    b"-",
    b"0",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"null",
    b"true",
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"sha256=",
    b"::",
    b"::ffff:",
    b"127.0.0.1",
    b"0x7f",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"\xe2\x80\x8d",
    b"\xf0\x9f\x98\x80",
    b"\\ud800",
    b"\\u0000",
    b"for=",
    b"http://",
    b"[::1]",
    b"xn--",
    b"alg",
    b"none",
    b"kid",
    b"eyJ",
];

/// Numbers that look drawn: the same seed gives the same ones (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.roll() % bound as u64) as usize }
    }

    fn span(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.below(length + 1);
        from..from + self.below((length - from).min(64) + 1)
    }
}

/// One of these, changed in a few places.
fn changed(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 if at < bytes.len() => bytes[at] = dice.roll() as u8,
            2 => bytes.truncate(at),
            3 => {
                let span = dice.span(bytes.len());
                bytes.drain(span);
            }
            4 => {
                let span = dice.span(bytes.len());
                let piece = bytes[span].to_vec();
                bytes.splice(at..at, piece);
            }
            5 => {
                let other = &corpus[dice.below(corpus.len())];
                let piece = other[dice.span(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let token = TOKENS[dice.below(TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
        }
    }
    bytes
}

fn fuzz(name: &str, corpus: &[Vec<u8>], target: impl Fn(&[u8])) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("FUZZ_SEED").unwrap_or(0x5eed);
    let long = number("FUZZ_SECONDS").map(Duration::from_secs);
    let (began, mut dice, mut tried) = (Instant::now(), Dice(seed), 0_u64);
    for bytes in corpus {
        target(bytes);
    }
    while long.map_or(tried < SHORT, |long| began.elapsed() < long) {
        let input = changed(corpus, &mut dice);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(&input)));
        assert!(
            outcome.is_ok(),
            "{name}, seed {seed}, input {tried}: {}",
            String::from_utf8_lossy(&input).escape_debug()
        );
        tried += 1;
    }
    println!("{name}: {tried} inputs in {:?}", began.elapsed());
}

fn corpus(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// What stands in a directory's files.
fn files(path: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let mut paths: Vec<_> = std::fs::read_dir(root).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    let read: Vec<_> =
        paths.into_iter().filter(|it| it.is_file()).map(|it| std::fs::read(it).unwrap()).collect();
    assert!(!read.is_empty());
    read
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[test]
fn webhooks_of_both_dialects() {
    let mut bodies = files("waha-client/tests/fixtures/webhooks/waha");
    bodies.extend(files("waha-client/tests/fixtures/webhooks/simple"));
    bodies.extend(corpus(&[
        r#"{"event":"message.text","session":"default","payload":{"id":"waha_msg_123456","from":"+5511988887777","to":"+5511900000001","body":"Hello","timestamp":1767225600000,"type":"text"}}"#,
        r#"{"event":"message.ack","session":"default","payload":{"id":"true_5511988887777@c.us_3EB0","ack":2}}"#,
    ]));
    fuzz("webhook", &bodies, |body| {
        let (head, event) = (WahaDecoder.head(body), WahaDecoder.decode(body));
        // What is read as an event has a head.
        assert!(event.is_err() || head.is_ok());
        // What is said of a malformed one repeats nothing of it: a place of our own, and a reason.
        if let Err(malformed) = head {
            assert!(malformed.pointer.len() < 200);
        }
    });
}

#[test]
fn signatures() {
    let keys = SigningKeys::new(["a secret of webhooks".to_owned().into()]).unwrap();
    let body = b"{\"event\":\"message\"}";
    let right = [keys.sign(Dialect::Waha, body), keys.sign(Dialect::Simple, body)];
    let verifier = WahaVerifier::new(keys);
    struct One(&'static str, Vec<u8>);
    impl messaging_core::ports::webhook_verifier::Headers for One {
        fn get(&self, name: &str) -> Option<&[u8]> {
            (name == self.0).then_some(&self.1)
        }
    }
    fuzz("signature", &corpus(&[&right[0], &right[1], "sha1=00", ""]), |bytes| {
        for (dialect, right) in [(Dialect::Waha, &right[0]), (Dialect::Simple, &right[1])] {
            let headers = One(dialect.signature_header(), bytes.to_vec());
            let believed = verifier.verify(&headers, body).is_ok();
            // Hexadecimal is read in either case, the name of the algorithm as it is written.
            let given = text(bytes);
            let (name, hex) = right.split_at(right.find('=').map_or(0, |end| end + 1));
            let is_right = |given: &str| given.eq_ignore_ascii_case(hex);
            assert_eq!(believed, given.strip_prefix(name).is_some_and(is_right));
        }
    });
}

#[test]
fn tokens() {
    let secret = "a secret that only tests know, 32 bytes at least".to_owned().into();
    let (issuer, verifier) = (TokenIssuer::new(&secret), TokenVerifier::new(&secret));
    let now = Timestamp::from_micros(1_767_225_600_000_000);
    let tenant = TenantId(Uuid::nil());
    let right =
        issuer.issue(tenant, Role::Owner, Duration::from_secs(60), now, Uuid::nil()).unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.e30.";
    fuzz("token", &corpus(&[&right, none, "a.b.c", ""]), |bytes| {
        let token = text(bytes);
        assert!(
            verifier.verify(&token, now).is_err() || token == right,
            "a forged token is believed"
        );
    });
}

#[test]
fn numbers_and_chats() {
    let known = corpus(&[
        "+14155550123",
        "+5511988887777",
        "5511988887777@c.us",
        "1203@g.us",
        "12@lid",
        "+١٢٣",
    ]);
    fuzz("address", &known, |bytes| {
        for validation in [PhoneValidation::Lenient, PhoneValidation::E164, PhoneValidation::Strict]
        {
            let text = text(bytes);
            if let Ok(number) = PhoneNumber::parse(&text, validation) {
                assert_eq!(number.as_str(), text);
                assert!((7..=15).contains(&number.digits().len()));
            }
            let _ = Address::parse(&text, validation);
        }
    });
}

#[test]
fn cursors() {
    let right = Cursor(MessageId(Uuid::from_u128(7))).to_string();
    fuzz("cursor", &corpus(&[&right, "", "AQ", "AQAAAAAAAAAAAAAAAAAAAAc="]), |bytes| {
        let text = text(bytes);
        if let Ok(cursor) = Cursor::parse_from_parameter(&text) {
            assert_eq!(cursor.to_string(), text, "two words for one place");
        }
    });
}

#[test]
fn networks() {
    let known = corpus(&[
        "10.0.0.0/8",
        "2001:db8::/32, 192.0.2.1",
        "::ffff:10.0.0.0/104",
        "::/0",
        "fe80::1%1",
    ]);
    fuzz("networks", &known, |bytes| {
        let text = text(bytes);
        let _ = text.parse::<Networks>();
        if let Ok(network) = text.parse::<Network>() {
            assert_eq!(network.to_string().parse(), Ok(network));
        }
        let _ = HostNames::parse(&text);
        let _ = Origins::parse(&text);
        let _ = WebhookSecrets::from_stored(&text);
    });
}

#[test]
fn forwarded_headers() {
    let known = corpus(&[
        "203.0.113.7, 10.0.0.1",
        "[2001:db8::9]:4711, \"10.0.0.2\"",
        "for=203.0.113.7;proto=https, for=\"[2001:db8::9]:1\"",
        "for=\"a\\\"b\", for=unknown",
    ]);
    fuzz("forwarded", &known, |bytes| {
        let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
        for (header, name) in
            [(ProxyHeader::XForwardedFor, "x-forwarded-for"), (ProxyHeader::Forwarded, "forwarded")]
        {
            let name = HeaderName::from_static(name);
            let proxies = Proxies { trusted: "10.0.0.0/8".parse().unwrap(), header };
            let headers = HeaderMap::from_iter([(name.clone(), value.clone())]);
            let stranger = "198.51.100.1".parse().ok();
            assert_eq!(proxies.client(stranger, &headers).0, stranger, "a stranger is believed");
            let _ = proxies.client("10.0.0.9".parse().ok(), &headers).number();
            // Whatever a client writes before, what the proxy appends counts.
            let mut appended = HeaderMap::from_iter([(name.clone(), value.clone())]);
            let real = if header == ProxyHeader::Forwarded { "for=192.0.2.9" } else { "192.0.2.9" };
            appended.append(name, HeaderValue::from_static(real));
            let found = proxies.client("10.0.0.9".parse().ok(), &appended).0;
            assert_eq!(found, "192.0.2.9".parse().ok());
        }
    });
}

#[test]
fn personal_data() {
    let set = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../messaging-core/tests/data/personal_data.txt"),
    )
    .unwrap();
    let lines: Vec<_> = set.lines().map(|line| line.as_bytes().to_vec()).collect();
    fuzz("personal data", &lines, |bytes| {
        let text = text(bytes);
        let mut end = 0;
        for found in pii::find(&text) {
            assert!(found.span.start >= end && text.get(found.span.clone()).is_some());
            end = found.span.end;
        }
        let _ = pii::masked(&text);
        for of in [TextUse::Prose, TextUse::Name] {
            let _ = unsafe_part(&text, of);
        }
    });
}

/// What we read as a host is what those who fetch read as one: else a check of ours says nothing.
#[test]
fn media_urls() {
    let known = corpus(&[
        "https://example.com/a.png?b=c#d",
        "http://203.0.113.7:8080/",
        "http://[2606:4700::1]:80/x",
        "https://EXAMPLE.com./",
        "http://0x7f.1/",
        "http://user:pw@example.com",
        "http://127.0.0.1\\@example.com",
        "http://xn--bcher-kva.example/",
    ]);
    let none = HostNames::default();
    fuzz("media url", &known, |bytes| {
        let text = text(bytes);
        let Ok(ours) = MediaUrl::parse(&text) else { return };
        let Ok(theirs) = Url::parse(&text) else { return };
        let _ = ours.refused_at_sight(&none);
        let host = theirs.host_str().unwrap_or_default();
        let same = match &ours.host {
            Host::Name(name) => host.trim_end_matches('.') == name,
            Host::Address(address) => {
                let read = host.trim_start_matches('[').trim_end_matches(']');
                read.parse().map(|it: std::net::IpAddr| it.to_canonical()) == Ok(*address)
            }
        };
        assert!(same, "{text}: they read {host}");
        assert_eq!(theirs.port_or_known_default(), Some(ours.port), "{text}");
        assert!(theirs.username().is_empty() && theirs.password().is_none(), "{text}");
        assert_eq!(theirs.scheme() == "https", ours.is_tls);
    });
}
