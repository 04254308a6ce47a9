//! `.env.example` says of every setting what the program knows of it, and of nothing else.

use messaging_server::config::Config;
use messaging_server::config::example::env_example;
use messaging_server::config::settings::TABLE;

const FILE: &str = include_str!("../../.env.example");

#[test]
fn the_file_is_what_the_table_says() {
    assert_eq!(
        FILE,
        env_example(),
        "write it anew: cargo run -p messaging-server -- config example > .env.example"
    );
}

#[test]
fn every_setting_is_named_once_with_its_default() {
    let lines: Vec<(&str, &str)> = FILE
        .lines()
        .filter_map(|line| line.strip_prefix("# ").unwrap_or(line).split_once('='))
        .filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect();
    let table: Vec<(&str, &str)> =
        TABLE.iter().map(|row| (row.name, row.default.unwrap_or_default())).collect();
    assert_eq!(lines, table);
}

#[test]
fn every_setting_has_one_line_of_meaning_and_every_default_is_one() {
    for row in TABLE {
        assert!(row.meaning.ends_with('.') && !row.meaning.contains('\n'), "{}", row.name);
        let default = row.default.map(|default| (row.name, default));
        assert!(Config::from_vars(default).is_ok(), "{}", row.name);
    }
}

#[test]
fn the_file_can_be_used_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".env"), FILE).unwrap();
    let variables = dotenvy::from_path_iter(dir.path().join(".env")).unwrap();
    let variables: Vec<_> = variables.map(Result::unwrap).collect();
    Config::from_vars(variables).unwrap().check_usable().unwrap();
}
