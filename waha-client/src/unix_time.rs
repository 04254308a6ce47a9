//! Times as WAHA and its webhook dialects write them: seconds here, milliseconds there.

/// From here on a number is milliseconds. As seconds it would be the year 5138; as milliseconds
/// it is March 1973, before there was anything to report.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;

/// Unix time in milliseconds, from seconds or milliseconds.
pub(crate) const fn milliseconds(time: i64) -> i64 {
    if time >= FIRST_MILLISECONDS { time } else { time.saturating_mul(1000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_milliseconds() {
        assert_eq!(milliseconds(1_785_000_000), 1_785_000_000_000);
        assert_eq!(milliseconds(1_642_248_600_000), 1_642_248_600_000);
        assert_eq!(milliseconds(99_999_999_999), 99_999_999_999_000);
        assert_eq!(milliseconds(100_000_000_000), 100_000_000_000);
        assert_eq!(milliseconds(i64::MIN), i64::MIN);
    }
}
