//! The variables of the process, and those of a `.env` file beside it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::problem::{ConfigError, Problem};
use crate::config::settings::TABLE;

/// The variables of `.env` in `dir`, where there is one, and of the process, which win.
///
/// # Errors
/// [`ConfigError`] where `.env` is there and cannot be read, or a variable of ours is no UTF-8.
pub fn variables(dir: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut variables = read_file(&dir.join(".env"))?;
    let mut problems = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => _ = variables.insert(name, value),
            Err(_) if is_ours(&name) => {
                problems.push(Problem::new(name, "is not UTF-8", "expected text"));
            }
            Err(_) => {}
        }
    }
    if problems.is_empty() { Ok(variables) } else { Err(ConfigError { problems }) }
}

fn is_ours(variable: &str) -> bool {
    let name = variable.strip_suffix("_FILE").unwrap_or(variable);
    TABLE.iter().any(|row| row.name == name)
}

/// The variables in a file of lines `NAME=value`; none where there is no such file.
fn read_file(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let failed = |why: String| ConfigError {
        problems: vec![Problem::new(path.display().to_string(), "cannot be read", why)],
    };
    let lines = match dotenvy::from_path_iter(path) {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return Ok(BTreeMap::new()),
        Err(error) => return Err(failed(error.to_string())),
    };
    let mut variables = BTreeMap::new();
    let mut last = "the beginning".to_owned();
    for line in lines {
        // The parser's own error repeats the line, which may hold a secret.
        let (name, value) = line.map_err(|error| match error {
            dotenvy::Error::Io(error) => failed(error.to_string()),
            _ => failed(format!("expected NAME=value in the line after {last}")),
        })?;
        last.clone_from(&name);
        variables.insert(name, value);
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, text).unwrap();
        read_file(&path)
    }

    #[test]
    fn a_file_gives_variables() {
        let read = read("# a comment\nPORT=9000\nLOG_FORMAT=\"json\"\n").unwrap();
        assert_eq!(read["PORT"], "9000");
        assert_eq!(read["LOG_FORMAT"], "json");
    }

    #[test]
    fn no_file_gives_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_file(&dir.path().join(".env")).unwrap().is_empty());
    }

    #[test]
    fn a_line_that_cannot_be_read_is_found_and_not_repeated() {
        let error = read("PORT=9000\nJWT_SECRET='unfinished hunter2\n").unwrap_err().to_string();
        assert!(error.contains("in the line after PORT"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
