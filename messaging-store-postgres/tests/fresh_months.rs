//! A month that has just begun is served by its indexes, though nothing is known of it yet: until it
//! is analyzed for the first time, PostgreSQL takes it for empty, and would read it from end to end.

mod support;

use std::time::Duration;

use messaging_core::conformance::build::{at, message};
use messaging_core::domain::message::{Message, MessageRef, StatusChange};
use messaging_core::domain::status::StatusEvent;
use messaging_core::ports::message_store::MessageStore;
use support::{Database, count};

const MESSAGES: u64 = 2000;
const AT_ONCE: u64 = 50;

#[tokio::test]
async fn its_rows_are_found_and_not_searched_for() {
    let database = Database::new().await;
    let store = database.store().await;
    for first in (0..MESSAGES).step_by(AT_ONCE as usize) {
        let new: Vec<Message> = (first..first + AT_ONCE).map(message).collect();
        let ids: Vec<_> = new.iter().map(|message| message.id).collect();
        MessageStore::insert(&store, &new).await.unwrap();
        store.behind(&ids).await.unwrap();
        for event in [StatusEvent::Begin, StatusEvent::Accept] {
            let change = |id: &_| StatusChange::new(MessageRef::Id(*id), event, at(MESSAGES));
            store.change(&ids.iter().map(change).collect::<Vec<_>>()).await.unwrap();
        }
    }
    store.close().await;
    let mut connection = database.connection().await;
    let changed = "SELECT sum(n_tup_upd)::bigint FROM pg_stat_user_tables
        WHERE relname ~ '^messages_(other|\\d)'";
    // The server learns what a connection has done when it is gone.
    let all_changed =
        async { while count(&mut connection, changed).await < 2 * MESSAGES as i64 {} };
    tokio::time::timeout(Duration::from_secs(30), all_changed).await.unwrap();
    let searched = "SELECT sum(seq_tup_read)::bigint FROM pg_stat_user_tables
        WHERE relname ~ '^messages_(other|\\d)'";
    let searched = count(&mut connection, searched).await;
    assert!(searched < MESSAGES as i64, "{searched} rows were read from end to end");
}
