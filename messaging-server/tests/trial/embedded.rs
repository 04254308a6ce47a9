//! One process with everything in it, killed at random moments.

use std::sync::Arc;
use std::time::Duration;

use crate::judge::{self, Trial};
use crate::process::Installation;
use crate::scale::Scale;
use crate::traffic::{Traffic, open_accounts};
use crate::wahas;
use crate::witness::Witness;

/// The queue is in the process, and is told of everything when that starts: how long this takes.
const LEARNING: Duration = Duration::from_secs(3);

/// How long after its acceptance a message is in its place in the queue.
const KNOWN: Duration = Duration::from_secs(2);

pub(crate) async fn run(scale: &Scale) {
    let _told = scale.told_on_failure();
    let wahas = wahas::start(scale).await;
    let mut installation = Installation::new(wahas[0].simulator.base_url());
    installation.settings = wahas::settings(scale, &wahas);
    let witness = Arc::new(Witness::default());
    let mut server = installation.start().await;
    let accounts = open_accounts(&server, scale, &wahas).await;
    let mut traffic = Traffic::start(&server.base, &server.token, scale, &accounts);
    let watch = tokio::spawn({
        let (witness, base, token) =
            (Arc::clone(&witness), server.base.clone(), server.token.clone());
        async move { witness.watch(&base, &token).await }
    });
    let dice = scale.dice(1);
    let longest = scale.shortest() / 8;
    while !traffic.is_over() || judge::arrived(&wahas) < scale.messages * wahas.len() * 7 / 10 {
        tokio::time::sleep(dice.time(Duration::ZERO, longest)).await;
        let died = Witness::now();
        server.kill().await;
        witness.note("kills");
        server = installation.start().await;
        witness.forgot_since(died);
    }
    traffic.end().await;
    let trial = Trial {
        scale,
        wahas: &wahas,
        record: &traffic.record,
        witness: &witness,
        server: &server,
        known: KNOWN,
        learning: LEARNING,
    };
    trial.settle().await;
    watch.abort();
    trial.judge().await;
    server.kill().await;
    for waha in wahas {
        waha.simulator.shutdown().await;
    }
}
