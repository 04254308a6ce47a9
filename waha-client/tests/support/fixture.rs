//! Reads what is kept under `tests/fixtures`.

use std::path::PathBuf;

/// The text of a fixture, named by its path without `.json`.
#[expect(clippy::expect_used, reason = "a missing fixture should fail the test that asks for it")]
pub(crate) fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::read_to_string(path.join(format!("{name}.json"))).expect(name)
}

/// Names of all fixtures in a directory, sorted.
#[expect(clippy::expect_used, reason = "a missing fixture should fail the test that asks for it")]
pub(crate) fn fixtures(directory: &str) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(directory);
    let mut names: Vec<String> = std::fs::read_dir(path)
        .expect(directory)
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            Some(format!("{directory}/{}", name.strip_suffix(".json")?))
        })
        .collect();
    names.sort();
    names
}
