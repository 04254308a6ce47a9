//! Where randomness comes from.

/// Random numbers, from outside, so that tests can repeat them.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait Entropy: Send + Sync + 'static {
    /// 64 bits nobody can foretell.
    fn next_u64(&self) -> u64;

    /// A number from 0 (included) to 1 (excluded), evenly.
    fn next_unit(&self) -> f64 {
        // 53 bits: every value is exact.
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Bytes nobody can foretell, as many as there is room for.
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let drawn = self.next_u64().to_be_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }
}

/// The operating system's source of randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

#[expect(clippy::disallowed_methods, reason = "the one place that draws real randomness")]
#[expect(clippy::expect_used, reason = "a system without randomness cannot run a gateway")]
impl Entropy for SystemEntropy {
    fn next_u64(&self) -> u64 {
        getrandom::u64().expect("the operating system gives random numbers")
    }

    // In one call of the system, where by numbers it would be several.
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random numbers");
    }
}
