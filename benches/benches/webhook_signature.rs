//! How long does it take to check a webhook's signature, header read and decoded? Beside it the bare
//! HMAC with its key prepared, which is the limit.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::{Sha256, Sha512};
use waha_client::webhooks::{Dialect, SigningKeys};

const SECRET: &str = "a webhook secret of a usual length, 43 bytes";
const SIZES: [usize; 4] = [256, 1024, 4096, 65_536];

#[expect(clippy::unwrap_used, reason = "a benchmark that cannot begin should say so")]
fn signature(c: &mut Criterion) {
    let keys = SigningKeys::new([SecretString::from(SECRET)]).unwrap();
    let sha256 = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let sha512 = Hmac::<Sha512>::new_from_slice(SECRET.as_bytes()).unwrap();
    for (algorithm, dialect) in [("sha256", Dialect::Simple), ("sha512", Dialect::Waha)] {
        let mut group = c.benchmark_group(format!("signature/{algorithm}"));
        for size in SIZES {
            let body: Vec<u8> = (0..size).map(|n| n as u8).collect();
            let value = keys.sign(dialect, &body);
            let header =
                |name: &str| (name == dialect.signature_header()).then_some(value.as_bytes());
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new("verify", size), |b| {
                b.iter(|| keys.verify(header, black_box(&body)).unwrap());
            });
            group.bench_function(BenchmarkId::new("bare_hmac", size), |b| {
                b.iter(|| match dialect {
                    Dialect::Simple => {
                        let mut mac = sha256.clone();
                        mac.update(black_box(&body));
                        black_box(mac.finalize().into_bytes()[0])
                    }
                    Dialect::Waha => {
                        let mut mac = sha512.clone();
                        mac.update(black_box(&body));
                        black_box(mac.finalize().into_bytes()[0])
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, signature);
criterion_main!(benches);
