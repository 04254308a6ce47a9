//! What the documentation lists is complete.

use messaging_core::domain::failure::FailureCode;
use messaging_core::domain::tenant::Role;

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
    check(include_str!("../../docs/roles.md"), Role::ALL.iter().map(|role| role.as_str()));
}
