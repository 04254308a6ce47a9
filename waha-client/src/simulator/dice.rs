//! Chance, drawn from one seed, so that a run can be repeated.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::latency::Latency;

/// A SplitMix64 generator that threads share without a lock.
#[derive(Debug)]
pub(super) struct Dice(AtomicU64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(super) fn draw(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, but not including, 1.
    pub(super) fn unit(&self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn happens(&self, chance: f64) -> bool {
        // Certain events draw no number, so that adding one does not shift a repeatable run.
        chance >= 1.0 || (chance > 0.0 && self.unit() < chance)
    }

    pub(super) fn delay(&self, latency: Latency) -> Duration {
        let spread = latency.max().saturating_sub(latency.min());
        if spread.is_zero() {
            return latency.min();
        }
        latency.min() + spread.mul_f64(self.unit())
    }

    /// A raw id as WhatsApp Web makes them.
    pub(super) fn raw_id(&self) -> String {
        format!("3EB0{:016X}{:02X}", self.draw(), self.draw() & 0xFF)
    }

    /// A raw id as a phone makes them.
    pub(super) fn phone_raw_id(&self) -> String {
        format!("3A{:016X}{:02X}", self.draw(), self.draw() & 0xFF)
    }

    /// `evt_` and a lower case ULID.
    pub(super) fn event_id(&self, unix_ms: i64) -> String {
        format!("evt_{}", self.ulid(unix_ms))
    }

    /// A lower case ULID: 48 bits of time, 80 of chance, in Crockford's base 32.
    pub(super) fn ulid(&self, unix_ms: i64) -> String {
        let time = u128::from(unix_ms.unsigned_abs()) & 0xFFFF_FFFF_FFFF;
        let chance = (u128::from(self.draw()) << 16) | u128::from(self.draw() & 0xFFFF);
        base_32(time << 80 | chance, 26)
    }

    /// `ABCD-EFGH`.
    pub(super) fn pairing_code(&self) -> String {
        let letters = base_32(u128::from(self.draw()), 8).to_uppercase();
        let (left, right) = letters.split_at(4);
        format!("{left}-{right}")
    }

    /// Text of the given length for codes and keys.
    pub(super) fn token(&self, length: usize) -> String {
        let mut text = String::with_capacity(length + 12);
        while text.len() < length {
            text.push_str(&base_32(u128::from(self.draw()), 12));
        }
        text.truncate(length);
        text
    }
}

fn base_32(number: u128, length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    (0..length)
        .rev()
        .map(|place| char::from(ALPHABET[(number >> (5 * place)) as usize & 31]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (left, right) = (Dice::new(7), Dice::new(7));
        assert!((0..100).all(|_| left.draw() == right.draw()));
    }

    #[test]
    fn ids_have_the_lengths_of_real_ones() {
        let dice = Dice::new(1);
        assert_eq!(dice.raw_id().len(), 22);
        assert_eq!(dice.phone_raw_id().len(), 20);
        assert_eq!(dice.event_id(1_785_000_000_412).len(), 30);
        assert_eq!(dice.pairing_code().len(), 9);
        assert_eq!(dice.token(33).len(), 33);
    }

    #[test]
    fn event_ids_sort_by_time() {
        let dice = Dice::new(1);
        assert!(dice.event_id(1_000) < dice.event_id(2_000));
    }

    #[test]
    fn delays_stay_in_their_range() {
        let dice = Dice::new(3);
        let range = Latency::range(Duration::from_millis(10), Duration::from_millis(20));
        assert!((0..1_000).all(|_| (10..=20).contains(&dice.delay(range).as_millis())));
    }
}
