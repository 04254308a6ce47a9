//! One setting, and reading the values given to settings.

use std::collections::BTreeMap;
use std::fs;

use crate::config::kind::Kind;
use crate::config::problem::{Problem, Reported};

/// One setting.
pub(crate) struct Setting<T: 'static> {
    pub(crate) name: &'static str,
    pub(crate) default: Option<&'static str>,
    pub(crate) kind: Kind<T>,
}

/// The longest part of a wrong value that is repeated to its author.
const MAX_SHOWN: usize = 60;

/// Reads settings and collects what is wrong with them.
pub(crate) struct Reader<'a> {
    given: &'a BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(given: &'a BTreeMap<String, String>) -> Self {
        Self { given, problems: Vec::new() }
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// A setting that has a default.
    pub(crate) fn required<T>(&mut self, setting: &Setting<T>) -> Result<T, Reported> {
        match self.optional(setting)? {
            Some(value) => Ok(value),
            None => Err(self.report(setting.name, "is not set", setting.kind.expected)),
        }
    }

    /// A setting that may be left out.
    pub(crate) fn optional<T>(&mut self, setting: &Setting<T>) -> Result<Option<T>, Reported> {
        let given = self.text(setting)?;
        let Some(text) = given.or_else(|| setting.default.map(str::to_owned)) else {
            return Ok(None);
        };
        if let Some(value) = (setting.kind.read)(&text) {
            return Ok(Some(value));
        }
        // Addresses may carry a password before an @.
        let hidden = setting.kind.secret || text.contains('@');
        let held = if hidden {
            "holds something else (not shown)".to_owned()
        } else {
            format!("is {:?}", text.chars().take(MAX_SHOWN).collect::<String>())
        };
        Err(self.report(setting.name, held, setting.kind.expected))
    }

    /// The text given to a setting: its variable or, for a secret, the file that `…_FILE` names.
    fn text<T>(&mut self, setting: &Setting<T>) -> Result<Option<String>, Reported> {
        let given = self.variable(setting.name);
        if !setting.kind.secret {
            return Ok(given);
        }
        if given.is_none() && self.given.get(setting.name).is_some_and(|text| !text.is_empty()) {
            // Nobody means that to be open to all.
            return Err(self.report(setting.name, "is blank", setting.kind.expected));
        }
        let file_variable = format!("{}_FILE", setting.name);
        match (given, self.variable(&file_variable)) {
            (given, None) => Ok(given),
            (Some(_), Some(_)) => {
                let held = format!("and {file_variable} are both set");
                Err(self.report(setting.name, held, "only one of them"))
            }
            (None, Some(path)) => match fs::read_to_string(&path) {
                Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
                Err(error) => {
                    let expected = format!("a file that can be read ({error})");
                    Err(self.report(&file_variable, format!("is {path:?}"), expected))
                }
            },
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        let text = self.given.get(name)?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    pub(super) fn report(
        &mut self,
        variable: &str,
        held: impl Into<String>,
        expected: impl AsRef<str>,
    ) -> Reported {
        let expected = format!("expected {}", expected.as_ref());
        self.problems.push(Problem::new(variable, held, expected));
        Reported
    }
}
