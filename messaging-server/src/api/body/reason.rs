//! Why a body could not be read, said without repeating anything of its values.
//!
//! serde tells it in prose, and the prose quotes the value. Only what serde expected is taken over.

use serde_json::error::Category;
use serde_path_to_error::Segment;

/// The longest name of a field that is repeated.
const MAX_NAME_CHARS: usize = 64;

/// Where the body is wrong, as a JSON Pointer, and why.
pub(super) fn of(error: &serde_path_to_error::Error<serde_json::Error>) -> (String, String) {
    let inner = error.inner();
    match inner.classify() {
        Category::Eof => return (String::new(), "is not valid JSON: it ends too early".to_owned()),
        Category::Syntax | Category::Io => {
            let (line, column) = (inner.line(), inner.column());
            return (String::new(), format!("is not valid JSON (line {line}, column {column})"));
        }
        Category::Data => {}
    }
    let mut place: Vec<String> = error
        .path()
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    let text = inner.to_string();
    let detail = match fault(&text) {
        Fault::Missing(name) => {
            place.push(name.to_owned());
            "is required".to_owned()
        }
        Fault::Named(name, detail) => {
            // serde's path ends in the field itself or in what holds it, by kind of error.
            if place.last().map(String::as_str) != Some(name) {
                place.push(name.to_owned());
            }
            detail.to_owned()
        }
        Fault::Value(detail) => detail,
    };
    (pointer(&place), detail)
}

enum Fault<'a> {
    /// The field of this name is not there.
    Missing(&'a str),
    /// The field of this name should not be there.
    Named(&'a str, &'static str),
    /// The value is wrong.
    Value(String),
}

fn fault(text: &str) -> Fault<'_> {
    let quoted = |prefix| text.strip_prefix(prefix)?.rsplit_once('`').map(|(name, _)| name);
    if let Some(name) = quoted("missing field `") {
        return Fault::Missing(name);
    }
    if let Some(name) = quoted("duplicate field `") {
        return Fault::Named(name, "is given twice");
    }
    if let Some(rest) = text.strip_prefix("unknown field `") {
        // The name may hold anything, so the end is looked for from behind.
        let name = rest.rsplit_once("`, expected ").or_else(|| rest.rsplit_once("`, there are no"));
        return Fault::Named(name.map_or("", |(name, _)| name), "is not a known field");
    }
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    if text.starts_with("must ") {
        return Fault::Value(text.to_owned());
    }
    let expected = text.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    let wanted = match expected {
        "a string" | "a borrowed string" | "string" => "a string",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "an object",
        "f32" | "f64" => "a number",
        _ if expected.starts_with("struct ") => "an object",
        _ if is_integer(expected) && text.starts_with("invalid value") => {
            "a whole number that is not negative and not too large"
        }
        _ if is_integer(expected) => "a whole number",
        _ => return Fault::Value("is not valid".to_owned()),
    };
    Fault::Value(format!("must be {wanted}"))
}

fn is_integer(expected: &str) -> bool {
    let width = expected.strip_prefix(['u', 'i']);
    width.is_some_and(|width| width.parse::<u8>().is_ok() || width == "size")
}

fn pointer(place: &[String]) -> String {
    place
        .iter()
        .map(|name| {
            let name: String = name.chars().take(MAX_NAME_CHARS).collect();
            format!("/{}", name.replace('~', "~0").replace('/', "~1"))
        })
        .collect()
}
