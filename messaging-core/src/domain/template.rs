//! A text with places that are filled for each recipient.

use std::collections::BTreeMap;

/// A variable that a text names and nobody gave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("lacks the variable {name}")]
pub struct MissingVariable {
    /// Its name, as the text has it.
    pub name: String,
}

/// Puts the value of each variable in the place of its name in double braces, `{{name}}`, with or
/// without blanks around it. A name is made of letters, digits, `_`, `-` and `.`; braces around
/// anything else stay as they are, and so do those in values.
///
/// # Errors
/// [`MissingVariable`] of the first that has no value.
pub fn fill(text: &str, variables: &BTreeMap<String, String>) -> Result<String, MissingVariable> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        match after.split_once("}}").map(|(name, behind)| (name.trim(), behind)) {
            Some((name, behind)) if is_name(name) => {
                let missing = || MissingVariable { name: name.to_owned() };
                filled.push_str(variables.get(name).ok_or_else(missing)?);
                rest = behind;
            }
            _ => {
                // The second brace may begin a name of its own.
                filled.push('{');
                rest = &rest[before.len() + 1..];
            }
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let given = [("name", "Ann"), ("größe", "10 {{name}}"), ("empty", "")];
        let variables = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let filled = fill(text, &variables).map_err(|missing| missing.name);
        assert_eq!(filled.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn names_in_double_braces_become_values() {
        check("Dear {{name}}, {{ name }}!", Ok("Dear Ann, Ann!"));
        check("{{größe}}{{empty}}", Ok("10 {{name}}"));
        check("{{{name}}}", Ok("{Ann}"));
        check("no name", Ok("no name"));
    }

    #[test]
    fn what_is_no_name_stays() {
        for text in ["{{", "}}", "{{}}", "{{ }}", "{{a b}}", "{name}", "{{name", "{{a{b}}"] {
            check(text, Ok(text));
        }
    }

    #[test]
    fn a_name_without_a_value_is_missed() {
        check("{{name}} {{code}} {{other}}", Err("code"));
        check("{{Name}}", Err("Name"));
    }
}
