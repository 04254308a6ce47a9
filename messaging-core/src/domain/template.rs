//! A text with places that are filled for each recipient.

use std::collections::BTreeMap;

use crate::domain::content::MAX_TEXT_CHARS;

/// A variable that a text names and nobody gave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("lacks the variable {name}")]
pub struct MissingVariable {
    /// Its name, as the text has it.
    pub name: String,
}

/// A text that names variables in double braces, `{{name}}`, with or without blanks around them. A name
/// is made of letters, digits, `_`, `-` and `.`; braces around anything else are text.
#[derive(Debug)]
pub struct Template<'a>(Vec<Part<'a>>);

#[derive(Debug)]
enum Part<'a> {
    Text(&'a str),
    Variable(&'a str),
}

impl<'a> Template<'a> {
    /// Reads a text.
    pub fn of(text: &'a str) -> Self {
        let mut parts = Vec::new();
        let (mut rest, mut passed) = (text, 0);
        while let Some(at) = rest[passed..].find("{{").map(|at| passed + at) {
            let inner = &rest[at + 2..];
            match inner.split_once("}}").map(|(name, behind)| (name.trim(), behind)) {
                Some((name, behind)) if is_name(name) => {
                    parts.extend([Part::Text(&rest[..at]), Part::Variable(name)]);
                    (rest, passed) = (behind, 0);
                }
                // The second brace may begin a name of its own.
                _ => passed = at + 1,
            }
        }
        parts.push(Part::Text(rest));
        Self(parts)
    }

    /// The text with the value of each variable in the place of its name; braces in values are text.
    /// Of one that has become too long for any message, no more than shows that.
    ///
    /// # Errors
    /// [`MissingVariable`] of the first that has no value.
    pub fn fill(&self, variables: &BTreeMap<String, String>) -> Result<String, MissingVariable> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Variable(name) => {
                    let missing = || MissingVariable { name: (*name).to_owned() };
                    filled.push_str(variables.get(*name).ok_or_else(missing)?);
                }
            }
            if filled.len() > MAX_TEXT_CHARS * char::MAX_LEN_UTF8 {
                break;
            }
        }
        Ok(filled)
    }
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
        let filled = Template::of(text).fill(&variables).map_err(|missing| missing.name);
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

    /// Else one request of a few hundred kilobytes would cost a gigabyte for each of its recipients.
    #[test]
    fn what_is_too_long_in_any_case_is_filled_no_further() {
        let variables = [("a".to_owned(), "x".repeat(1500))].into();
        let text = "{{a}}".repeat(819);
        let filled = Template::of(&text).fill(&variables).unwrap();
        assert!((MAX_TEXT_CHARS + 1..=20_000).contains(&filled.len()), "{}", filled.len());
        assert!(Template::of(&"{".repeat(4096)).fill(&variables).unwrap().len() == 4096);
    }

    #[test]
    fn a_name_without_a_value_is_missed() {
        check("{{name}} {{code}} {{other}}", Err("code"));
        check("{{Name}}", Err("Name"));
    }
}
