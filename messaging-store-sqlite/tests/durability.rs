//! What was answered is there, whatever becomes of the process.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::task::Poll;

use messaging_core::conformance::build::{message, message_id, tenant_id};
use messaging_core::ports::message_store::MessageStore;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};

/// Set for the child process: the file it writes to.
const FILE: &str = "MESSAGING_STORE_SQLITE_DURABILITY_FILE";

/// What the child says before each number of a message whose insert was answered.
const ANSWERED: &str = "answered ";

#[tokio::test]
async fn what_was_answered_is_there_after_the_store_was_dropped_without_closing_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    for n in 1..=5 {
        let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
        MessageStore::insert(&store, &[message(n)]).await.unwrap();
        drop(store);
        let again = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
        let found = again.load(&(1..=n).map(message_id).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(found.len() as u64, n);
    }
}

#[tokio::test]
async fn what_was_asked_for_is_done_though_nobody_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    let messages = [message(1)];
    let mut call = MessageStore::insert(&store, &messages);
    poll_fn(|context| {
        // Handed in; the answer, should it be there already, is not looked at.
        let _ = call.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
    drop(call);
    store.close().await;
    let again = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    assert!(MessageStore::find(&again, tenant_id(1), message_id(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn what_was_answered_is_there_after_the_process_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    // This very program again, as the one test below.
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_that_is_killed", "--nocapture", "--test-threads=1"])
        .env(FILE, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answered = BTreeSet::new();
    // The harness writes its own words around the first of them.
    let numbers = lines.map_while(Result::ok).filter_map(|line| {
        line.rsplit_once(ANSWERED).and_then(|(_, number)| number.parse::<u64>().ok())
    });
    for number in numbers {
        answered.insert(number);
        if answered.len() == 500 {
            // Without a word, in the middle of whatever it does; what it had still to say is read.
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(!status.success(), "{status}");
    assert!(answered.len() >= 500);

    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    let ids: Vec<_> = answered.iter().copied().map(message_id).collect();
    let found = store.load(&ids).await.unwrap();
    assert_eq!(found.len(), answered.len());
    let last = message(*answered.last().unwrap());
    let history = store.events(last.tenant, last.id).await.unwrap().unwrap();
    assert_eq!(history.len(), 1);
}

/// Not a test of its own: does nothing unless the test above has started it, and then does not end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_that_is_killed() {
    let Some(path) = std::env::var_os(FILE).map(PathBuf::from) else { return };
    let store = SqliteStore::open(path, SqliteOptions::default()).unwrap();
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0.. {
                    let n = n * 8 + caller + 1;
                    MessageStore::insert(&store, &[message(n)]).await.unwrap();
                    println!("{ANSWERED}{n}");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}
