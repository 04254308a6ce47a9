//! The settings written out: as `.env.example`, and as they stand.

use std::collections::BTreeMap;

use crate::config::settings::TABLE;

/// The text of `.env.example`: every setting with its default and its meaning.
pub fn env_example() -> String {
    let mut text = String::from(
        "# Every setting, with what counts where it is not set. Copy this file to .env and change\n\
         # what you need; variables of the environment win over the file. Secrets may also be read\n\
         # from files: JWT_SECRET_FILE=/run/secrets/jwt, and so on.\n",
    );
    let mut section = "";
    for row in TABLE {
        if row.section != section {
            section = row.section;
            text.push_str(&format!("\n# --- {section} ---\n"));
        }
        text.push_str(&match row.default {
            Some(default) => format!("\n# {}\n{}={default}\n", row.meaning, row.name),
            None => format!("\n# {}\n# {}=\n", row.meaning, row.name),
        });
    }
    text
}

/// Every setting as it stands with these variables, one line each; of secrets only whether they
/// are set.
pub fn effective(variables: &BTreeMap<String, String>) -> String {
    let given = |name: &str| variables.get(name).filter(|value| !value.trim().is_empty());
    let line = |row: &crate::config::settings::Row| {
        let value = match (given(row.name), given(&format!("{}_FILE", row.name))) {
            (Some(_), _) if row.secret => "(set)",
            (None, Some(_)) if row.secret => "(set by file)",
            // An address may carry a password, if a wrong one.
            (Some(value), _) if value.contains('@') => "(not shown)",
            (Some(value), _) => value.trim(),
            (None, _) => row.default.unwrap_or("(unset)"),
        };
        format!("{}={value}\n", row.name)
    };
    TABLE.iter().map(line).collect()
}
