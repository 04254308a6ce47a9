//! Paths of WAHA's endpoints, with names and ids encoded.

use std::fmt::Write;

use crate::error::WahaError;

/// Joins segments to a path, each percent-encoded wholly: `@` becomes `%40`, as WAHA asks.
///
/// An empty or dotted segment would name another endpoint than the one meant, so it is refused.
pub(super) fn path(segments: &[&str]) -> Result<String, WahaError> {
    let mut path = String::with_capacity(64);
    for segment in segments {
        if matches!(*segment, "" | "." | "..") {
            return Err(WahaError::invalid("a session name or an id is empty or dotted"));
        }
        path.push('/');
        for byte in segment.bytes() {
            // RFC 3986, section 2.3: what never needs encoding.
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                path.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_mean_something_is_encoded() {
        let path = path(&["api", "a/b?c", "chats", "551@c.us", "é%"]).unwrap();
        assert_eq!(path, "/api/a%2Fb%3Fc/chats/551%40c.us/%C3%A9%25");
    }

    #[test]
    fn a_segment_that_would_change_the_endpoint_is_refused() {
        for segment in ["", ".", ".."] {
            assert_eq!(path(&["api", segment]).unwrap_err().reason(), "invalid-request");
        }
    }
}
