//! SQLite must behave like every other audit log.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use messaging_core::conformance::audit_log;
use messaging_core::conformance::build::{audit_event, tenant_id};
use messaging_core::domain::audit::{Chain, ChainCheck, Finding};
use messaging_core::ports::audit_log::AuditLog;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use rusqlite::Connection;

fn store(directory: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(directory.path().join("store.db"), SqliteOptions::default()).unwrap()
}

macro_rules! behavior {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let directory = tempfile::tempdir().unwrap();
            audit_log::$name(&store(&directory)).await;
        }
    };
}
messaging_core::for_each_audit_log_behavior!(behavior);

/// What somebody with the file in hand did to a chain of five.
async fn found_after(statements: &str) -> Vec<Finding> {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory);
    let events: Vec<_> = (1..=5).map(audit_event).collect();
    store.append(&events).await.unwrap();
    let file = Connection::open(directory.path().join("store.db")).unwrap();
    file.execute_batch(statements).unwrap();
    let chain = Chain::Tenant(tenant_id(1));
    let ends = store.ends(chain).await.unwrap();
    let mut check = ChainCheck::new(ends, None);
    for entry in store.walk(chain, 0, 99).await.unwrap() {
        check.step(chain, &entry);
    }
    check.finish(ends.head).findings
}

const WITHOUT_TRIGGERS: &str =
    "DROP TRIGGER audit_entries_stay; DROP TRIGGER audit_entries_go_from_the_oldest;";

#[tokio::test]
async fn what_somebody_does_to_the_file_shows() {
    for (statement, expected) in [
        ("", vec![]),
        (
            "UPDATE audit_entries SET actor = 'nobody' WHERE seq = 3",
            vec![Finding::Altered { seq: 3 }],
        ),
        ("DELETE FROM audit_entries WHERE seq = 3", vec![Finding::Missing { from: 3, to: 3 }]),
        (
            "DELETE FROM audit_entries WHERE seq > 3",
            vec![Finding::Truncated { ends_at: 3, head: 5 }],
        ),
        (
            "INSERT INTO audit_entries SELECT chain, 6, at, actor_kind, actor, role, action,
                 target_kind, target, source, status, code, request, previous, hash
             FROM audit_entries WHERE seq = 5",
            vec![
                Finding::Unlinked { seq: 6 },
                Finding::Altered { seq: 6 },
                Finding::BehindHead { ends_at: 6, head: 5 },
            ],
        ),
        (
            "UPDATE audit_entries SET seq = 99 WHERE seq = 2;
             UPDATE audit_entries SET seq = 2 WHERE seq = 3;
             UPDATE audit_entries SET seq = 3 WHERE seq = 99",
            vec![
                Finding::Unlinked { seq: 2 },
                Finding::Altered { seq: 2 },
                Finding::Unlinked { seq: 3 },
                Finding::Altered { seq: 3 },
                Finding::Unlinked { seq: 4 },
            ],
        ),
    ] {
        let found = found_after(&format!("{WITHOUT_TRIGGERS}{statement}")).await;
        assert_eq!(found, expected, "{statement}");
    }
}

#[tokio::test]
async fn the_table_refuses_what_no_program_does() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory);
    let events: Vec<_> = (1..=5).map(audit_event).collect();
    store.append(&events).await.unwrap();
    let file = Connection::open(directory.path().join("store.db")).unwrap();
    for statement in [
        "UPDATE audit_entries SET actor = 'nobody' WHERE seq = 3",
        "DELETE FROM audit_entries WHERE seq = 5",
        "DELETE FROM audit_entries",
    ] {
        let refused = file.execute_batch(statement).unwrap_err().to_string();
        assert!(refused.contains("audit log"), "{refused}");
    }
}
