//! What the documentation lists is complete.

use messaging_core::domain::failure::FailureCode;
use messaging_core::domain::tenant::{Role, rights_table};

#[track_caller]
fn check<'a>(document: &str, names: impl Iterator<Item = &'a str>) {
    for name in names {
        assert!(document.contains(&format!("`{name}`")), "{name} is not explained");
    }
}

#[test]
fn every_failure_code_is_explained() {
    let document = include_str!("../../docs/failures.md");
    check(document, FailureCode::ALL.iter().map(|code| code.as_str()));
}

#[test]
fn every_role_is_explained() {
    check(include_str!("../../docs/access.md"), Role::ALL.iter().map(|role| role.as_str()));
}

#[test]
fn the_table_of_rights_is_the_one_in_the_code() {
    let table = rights_table();
    let document = include_str!("../../docs/access.md");
    assert!(document.contains(&table), "docs/access.md is to hold\n{table}");
}
