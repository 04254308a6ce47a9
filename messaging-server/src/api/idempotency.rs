//! The header by which callers name a request, so that they can repeat it without doing it twice.

use messaging_core::domain::idempotency::IdempotencyKey;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::api::problem::{FieldProblem, Problem, kind};

/// The header, as refusals name it.
const NAME: &str = "Idempotency-Key";

/// The key that a request names, if any. One that cannot be read is refused, never left out: the
/// request would be done twice.
pub struct RequestKey(pub Option<IdempotencyKey>);

impl<'a> ApiExtractor<'a> for RequestKey {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(String::schema_ref())
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<String>,
    ) -> poem::Result<Self> {
        let mut given = request.headers().get_all(NAME).iter();
        let Some(value) = given.next() else { return Ok(Self(None)) };
        if given.next().is_some() {
            return Err(refuse("must be given once".to_owned()).into());
        }
        let key = IdempotencyKey::parse(unquoted(value.to_str().unwrap_or_default()));
        match key {
            Ok(key) => Ok(Self(Some(key))),
            Err(invalid) => Err(refuse(invalid.to_string()).into()),
        }
    }
}

fn refuse(detail: String) -> Problem {
    Problem::new(&kind::INVALID_REQUEST).with_errors(vec![FieldProblem::in_address(NAME, detail)])
}

/// What stands in a string of a structured field (RFC 9651); what is none stands for itself.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        // A backslash stands before a quote and before itself.
        let escaped = if character == '\\' { characters.next() } else { None };
        text.push(escaped.unwrap_or(character));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_around_a_key_are_not_part_of_it() {
        for (value, key) in [
            ("abc", "abc"),
            ("\"abc\"", "abc"),
            ("\"a\\\"b\\\\c\"", "a\"b\\c"),
            ("\"", "\""),
            ("\"\"", ""),
            ("a\"b", "a\"b"),
        ] {
            assert_eq!(unquoted(value), key);
        }
    }
}
