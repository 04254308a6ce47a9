//! Which names a schema can have.

/// What a schema's name must be, for people.
pub const SCHEMA_RULE: &str = "1 to 56 lower-case letters, digits or _, no digit and no pg_ first, and \
                               not information_schema";

/// PostgreSQL cuts names after 63 bytes, and the name of the role is longer than the schema's by
/// seven.
const LONGEST: usize = 56;

/// Whether everything can be kept in a schema of this name. Those of PostgreSQL itself are not ours
/// to fill, and others would need quotes wherever an operator writes them.
pub fn is_schema_name(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.starts_with("pg_")
        && name != "information_schema"
}

/// The name as it stands in a statement: it may be a word of SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_quotes_cannot_end_them() {
        assert_eq!(quoted("user"), r#""user""#);
        assert_eq!(quoted(r#"a"b"#), r#""a""b""#);
    }
}
