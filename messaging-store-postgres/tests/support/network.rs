//! A network between a store and its server that can stop carrying anything, without a word.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A network between a store and its server that can stop carrying anything, without a word.
pub struct Network {
    pub url: String,
    /// How many connections there have been.
    made: Arc<AtomicU64>,
    /// What is carried is that of connections from this one on.
    carries_from: Arc<AtomicU64>,
}

impl Network {
    pub async fn before(url: &str) -> Self {
        let (rest, database) = url.rsplit_once('/').unwrap();
        let (user, server) = rest.rsplit_once('@').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let (made, carries_from) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (server, numbers, from) =
            (server.to_owned(), Arc::clone(&made), Arc::clone(&carries_from));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = numbers.fetch_add(1, Ordering::SeqCst);
                let server = TcpStream::connect(&server).await.unwrap();
                let ((client_in, client_out), (server_in, server_out)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(carry(client_in, server_out, number, Arc::clone(&from)));
                tokio::spawn(carry(server_in, client_out, number, Arc::clone(&from)));
            }
        });
        Self { url: format!("{user}@{here}/{database}"), made, carries_from }
    }

    /// Carries nothing.
    pub fn fall_silent(&self) {
        self.carries_from.store(u64::MAX, Ordering::SeqCst);
    }

    /// Carries nothing of the connections that there are.
    pub fn fall_silent_for_those_before(&self) {
        self.carries_from.store(self.made.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Carries everything.
    pub fn carry_again(&self) {
        self.carries_from.store(0, Ordering::SeqCst);
    }
}

/// Carries bytes until one side ends; what comes while the network is silent is lost.
async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    number: u64,
    carries_from: Arc<AtomicU64>,
) {
    let mut buffer = vec![0; 65536];
    loop {
        let read = from.read(&mut buffer).await;
        let is_carried = number >= carries_from.load(Ordering::SeqCst);
        match read {
            Ok(read @ 1..) if is_carried => {
                if to.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
            Ok(1..) => {}
            // That one side is gone is not carried, either.
            _ if !is_carried => return std::future::pending().await,
            _ => return,
        }
    }
}
