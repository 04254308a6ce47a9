//! A gate in the way to a server, which a test shuts in different ways.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to those who come through a [`Gate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// They reach the server.
    Open,
    /// Whatever they ask a Redis to do, this is the answer to each command.
    Answers(&'static str),
    /// They are let in, and hear nothing. Those who are through hear nothing more either, also
    /// when the gate opens again.
    Silent,
}

/// A gate in the way to a server: clients connect to it instead.
pub struct Gate {
    port: u16,
    passage: watch::Sender<Passage>,
    /// How late everything comes through, in milliseconds.
    delay: Arc<AtomicU64>,
    /// Those who heard nothing stay connected.
    silent: Arc<Mutex<Vec<TcpStream>>>,
}

impl Gate {
    /// An open gate to the server at a port of this machine.
    ///
    /// # Panics
    /// Where there is no port to listen at.
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (passage, states) = watch::channel(Passage::Open);
        let silent = Arc::new(Mutex::default());
        let delay = Arc::new(AtomicU64::new(0));
        let (kept, late) = (Arc::clone(&silent), Arc::clone(&delay));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (kept, late) = (Arc::clone(&kept), Arc::clone(&late));
                tokio::spawn(pass(client, server, states.clone(), late, kept));
            }
        });
        Self { port, passage, delay, silent }
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what happens to those who come, and ends what others were through for.
    pub fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }

    /// Cuts the connections of all who are through; the gate stands open.
    pub fn cut(&self) {
        self.set(Passage::Open);
    }

    /// Lets everything come through later, in both directions, also what those say who are through
    /// already; no time makes it as fast as ever.
    pub fn slow_down(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.delay.store(millis, Ordering::Relaxed);
    }

    /// How many heard nothing.
    ///
    /// # Panics
    /// Where another user of it has.
    pub fn silenced(&self) -> usize {
        self.silent.lock().unwrap().len()
    }
}

async fn pass(
    mut client: TcpStream,
    server: u16,
    mut states: watch::Receiver<Passage>,
    delay: Arc<AtomicU64>,
    silent: Arc<Mutex<Vec<TcpStream>>>,
) {
    let passage = *states.borrow_and_update();
    match passage {
        Passage::Open => {
            let Ok(mut there) = TcpStream::connect(("127.0.0.1", server)).await else { return };
            tokio::select! {
                _ = carry(&mut client, &mut there, &delay) => return,
                _ = states.changed() => {}
            }
        }
        Passage::Answers(answer) => {
            let mut said = [0; 4096];
            let answering = async {
                while let Ok(length @ 1..) = client.read(&mut said).await {
                    // Each command begins with one; none that is sent to greet has another.
                    let commands = said[..length].iter().filter(|byte| **byte == b'*').count();
                    if client.write_all(answer.repeat(commands).as_bytes()).await.is_err() {
                        break;
                    }
                }
            };
            tokio::select! {
                () = answering => return,
                _ = states.changed() => {}
            }
        }
        Passage::Silent => {}
    }
    if *states.borrow() == Passage::Silent {
        silent.lock().unwrap().push(client);
    }
}

/// Carries what two sides say to each other, until both have said all or one of them breaks off.
async fn carry(one: &mut TcpStream, other: &mut TcpStream, delay: &AtomicU64) -> io::Result<()> {
    let ((from_one, to_one), (from_other, to_other)) = (one.split(), other.split());
    tokio::try_join!(flow(from_one, to_other, delay), flow(from_other, to_one, delay)).map(drop)
}

async fn flow(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delay: &AtomicU64,
) -> io::Result<()> {
    let mut said = [0; 16 * 1024];
    loop {
        let length = from.read(&mut said).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        let late = Duration::from_millis(delay.load(Ordering::Relaxed));
        if !late.is_zero() {
            tokio::time::sleep(late).await;
        }
        to.write_all(&said[..length]).await?;
    }
}
