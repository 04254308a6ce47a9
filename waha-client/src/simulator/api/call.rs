//! A request, read and taken apart.

use poem::Request;
use poem::error::ReadBodyError;
use poem::web::RemoteAddr;
use serde_json::Value;

use super::http_error;
use crate::redaction::debug_shows;
use crate::simulator::refusal::Refusal;

/// A request to the simulator.
pub(super) struct Call {
    pub(super) method: String,
    pub(super) raw_path: String,
    /// The path's parts, decoded.
    parts: Vec<String>,
    query: Vec<(String, String)>,
    key: Option<String>,
    /// Whether `Accept` is exactly `application/json`, the only form WAHA understands.
    pub(super) accepts_json_only: bool,
    /// The body; null if there is none.
    pub(super) body: Value,
    /// The other end of the connection it came on.
    pub(super) caller: RemoteAddr,
}

debug_shows!(Call { method });

impl Call {
    /// Reads a request. One that cannot be read comes back as far as it was, for the answer.
    pub(super) async fn read(
        mut request: Request,
        body_limit: usize,
    ) -> Result<Self, (Self, Refusal)> {
        let header = |name: &str| request.headers().get(name).and_then(|it| it.to_str().ok());
        let query = pairs(request.uri().query().unwrap_or_default());
        let key_in_query = || {
            let found = query.iter().find(|(name, _)| name == "x-api-key");
            found.map(|(_, value)| value.clone())
        };
        let mut call = Self {
            method: request.method().as_str().to_owned(),
            raw_path: request.uri().path().to_owned(),
            parts: parts(request.uri().path()),
            key: header("x-api-key").map(str::to_owned).or_else(key_in_query),
            accepts_json_only: header("accept") == Some("application/json"),
            query,
            body: Value::Null,
            caller: request.remote_addr().clone(),
        };
        let bytes = match request.take_body().into_bytes_limit(body_limit).await {
            Ok(bytes) => bytes,
            Err(ReadBodyError::PayloadTooLarge) => return Err((call, Refusal::too_large())),
            Err(_) => return Err((call, Refusal::Dropped)),
        };
        if !bytes.is_empty() {
            match serde_json::from_slice(&bytes) {
                Ok(body) => call.body = body,
                Err(_) => {
                    let sentence = "Unexpected token in JSON";
                    return Err((call, http_error(400, "Bad Request", sentence)));
                }
            }
        }
        Ok(call)
    }

    pub(super) fn is(&self, method: &str) -> bool {
        self.method == method
    }

    pub(super) fn path(&self) -> Vec<&str> {
        self.parts.iter().map(String::as_str).collect()
    }

    /// One part of the path.
    pub(super) fn part(&self, place: usize) -> Option<&str> {
        self.parts.get(place).map(String::as_str)
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.query(name)?.parse().ok()
    }

    /// The query as a 500 repeats it.
    pub(super) fn query_object(&self) -> Value {
        let shown = self.query.iter().filter(|(name, _)| name != "x-api-key");
        shown.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
    }

    /// A field of the body, if it is text.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.body.get(field).and_then(Value::as_str)
    }
}

fn parts(path: &str) -> Vec<String> {
    let path = path.trim_matches('/');
    if path.is_empty() { Vec::new() } else { path.split('/').map(decoded).collect() }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
        })
        .collect()
}

/// Percent-decoding; what is not an escape stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_before_they_are_decoded() {
        assert_eq!(parts("/api/a/chats/1%40c.us/x%2Fy/"), ["api", "a", "chats", "1@c.us", "x/y"]);
        assert!(parts("/").is_empty());
    }

    #[test]
    fn a_stray_percent_sign_stays() {
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%41"), "%zzA");
    }

    #[test]
    fn queries_are_read_in_order() {
        let expected = [("phone".to_owned(), "+1".to_owned()), ("all".to_owned(), String::new())];
        assert_eq!(pairs("phone=%2B1&&all"), expected);
    }
}
