//! What WAHA said about an error, kept from logs.

use std::fmt;

use serde_json::Value;

/// Text from an error answer, shortened.
///
/// `Debug` hides it and there is no `Display`, because an answer may quote the message text or
/// the phone number of the request.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorDetail(String);

impl ErrorDetail {
    const MAX_CHARACTERS: usize = 500;

    pub(crate) fn new(text: &str) -> Self {
        Self(text.chars().take(Self::MAX_CHARACTERS).collect())
    }

    /// Looks for the text where WAHA's answers have it, the first place first: `message` (a
    /// string or a list of them), `error`, `error.message`, `exception.message`, `detail`.
    pub(crate) fn of_body(body: &Value) -> Option<Self> {
        let places = [
            &body["message"],
            &body["error"],
            &body["error"]["message"],
            &body["exception"]["message"],
            &body["detail"],
        ];
        places.into_iter().find_map(text_of).map(|text| Self::new(&text))
    }

    /// The text. Not for logs.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Array(items) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        _ => None,
    }
}

impl fmt::Debug for ErrorDetail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ErrorDetail(..)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(body: &Value, expected: Option<&str>) {
        assert_eq!(ErrorDetail::of_body(body).as_ref().map(ErrorDetail::reveal), expected);
    }

    #[test]
    fn the_first_place_with_text_counts() {
        check(&json!({"message": "a", "error": "b"}), Some("a"));
        check(&json!({"message": ["a", "b"], "error": "c"}), Some("a; b"));
        check(&json!({"message": null, "error": "b"}), Some("b"));
        check(&json!({"error": {"message": "c"}}), Some("c"));
        check(&json!({"exception": {"message": "d"}, "detail": "e"}), Some("d"));
        check(&json!({"detail": "e"}), Some("e"));
        check(&json!([]), None);
    }

    #[test]
    fn long_text_is_shortened() {
        assert_eq!(ErrorDetail::new(&"é".repeat(900)).reveal().chars().count(), 500);
    }
}
