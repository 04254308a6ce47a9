//! Starting, signalling and waiting for processes.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::process::{Child, Command};

/// How long a server may take to answer.
const LIMIT: Duration = Duration::from_secs(60);

/// A port that is free, and whose cousin ten thousand above it is too: a node of a Redis Cluster
/// listens on both. Never one that this process was given before.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let drawn = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let port = 20_000 + drawn % 20_000;
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if is_free(port) && is_free(port + 10_000) && given.insert(port) {
            return port;
        }
    }
}

/// Waits until a command succeeds, whose success says that a server answers.
pub(crate) async fn answers(what: &str, command: impl Fn() -> Command) {
    let waiting = async {
        while !command().output().await.is_ok_and(|output| output.status.success()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let answered = tokio::time::timeout(LIMIT, waiting).await;
    answered.unwrap_or_else(|_| panic!("{what} does not answer"));
}

/// Runs a command to its end and gives what it prints.
pub(crate) async fn output(mut command: Command) -> String {
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Sends a signal, such as `QUIT`.
pub(crate) async fn signal(process: &Child, name: &str) {
    let id = process.id().expect("the process runs").to_string();
    output({
        let mut kill = Command::new("kill");
        kill.args([&format!("-{name}"), &id]);
        kill
    })
    .await;
}
