//! Whose pages may call the API from a browser: nobody's, unless an operator names them.

use poem::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};
use poem::http::{Method, StatusCode};
use poem::{Request, Response};
use reqwest::Url;

/// The origins whose pages may call. Tokens come in a header and never in a cookie, so a page can do
/// no more than whoever gave it a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    named: Vec<String>,
    all: bool,
}

impl Origins {
    /// Reads `*`, or origins with commas between; `None` where one is none.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() == "*" {
            return Some(Self { named: Vec::new(), all: true });
        }
        let one = |text: &str| {
            let text = text.trim();
            let url = Url::parse(text).ok()?;
            let origin = url.origin();
            let written = origin.ascii_serialization();
            // What a browser sends, letter by letter: no path, no slash at the end.
            let usable =
                matches!(url.scheme(), "http" | "https") && written == text && !text.contains('*');
            usable.then_some(written)
        };
        let named = text.split(',').map(one).collect::<Option<Vec<_>>>()?;
        Some(Self { named, all: false })
    }

    /// What an answer to a page of this origin says; `None` where the page may not call.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        if self.all {
            return Some(HeaderValue::from_static("*"));
        }
        self.named.iter().any(|each| each.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }

    /// Whether anybody's pages may call.
    fn is_on(&self) -> bool {
        self.all || !self.named.is_empty()
    }

    /// What is to be said in the answer to this request.
    pub(super) fn verdict(&self, request: &Request) -> Verdict {
        let allowed = self.allowed(request.headers());
        let asks_first = request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        Verdict { varies: self.is_on() && !self.all, asks_first, allowed }
    }
}

/// What the answer to one request says about who may read it.
pub(super) struct Verdict {
    allowed: Option<HeaderValue>,
    /// Whether the answer depends on the origin.
    varies: bool,
    asks_first: bool,
}

impl Verdict {
    /// The answer to a browser that asks what it may ask.
    pub(super) fn preflight(&self) -> Option<Response> {
        (self.asks_first && self.allowed.is_some()).then(|| {
            Response::builder()
                .status(StatusCode::NO_CONTENT)
                .header(ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE")
                .header(
                    ACCESS_CONTROL_ALLOW_HEADERS,
                    "authorization, content-type, idempotency-key, x-request-id",
                )
                .header(ACCESS_CONTROL_MAX_AGE, "600")
                .finish()
        })
    }

    /// Says in an answer who may read it.
    pub(super) fn dress(self, headers: &mut HeaderMap) {
        if self.varies {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(allowed) = self.allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            let exposed = "retry-after, ratelimit, ratelimit-policy, location, x-request-id, \
                           idempotency-replayed";
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        let read = |text| Origins::parse(text).is_some();
        for good in ["*", "https://app.example.com", "http://localhost:5173, https://b.example"] {
            assert!(read(good), "{good}");
        }
        for wrong in [
            "",
            "null",
            "app.example.com",
            "https://a.example/",
            "https://a.example/x",
            "https://A.example",
            "https://*.example",
            "https://a.example,",
            "https://a.example:443",
            "ftp://a.example",
            "https://u@a.example",
        ] {
            assert!(!read(wrong), "{wrong}");
        }
    }
}
