//! What is wrong with a configuration, one line for each thing.

use std::fmt;

/// One thing that is wrong. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable, or what it stands for.
    pub variable: String,
    /// What it held.
    pub held: String,
    /// What is expected instead.
    pub expected: String,
}

impl Problem {
    pub(crate) fn new(
        variable: impl Into<String>,
        held: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self { variable: variable.into(), held: held.into(), expected: expected.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.variable, self.held, self.expected)
    }
}

/// A configuration that cannot be used: everything that is wrong with it, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong; at least one thing.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Stands for a value that could not be read; why not is among the reader's problems.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported;
